/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * platform_glue.c - a domain's chips: creation, the callbacks they make, and the MSRs that are
 * Xen's own.
 */
#include "hypervisor/platform_glue.h"

#include "hypervisor/hvm/platform.h"
#include "hypervisor/hypercall.h"
#include "hypervisor/pvtime.h"
#include "hypervisor/vcpu.h"
#include "include/pc_layout.h"

#define MSR_HYPERCALL_PAGE 0x40000000u
#define MSR_TSC_ADJUST 0x3bu
#define EFER_LMA (1u << 10)
#define ATTR_L (1u << 9)

static Vcpu *vcpu_of(void *opaque, unsigned n)
{
    const Domain *d = opaque;

    return n < d->nvcpus ? d->vcpu[n] : NULL;
}

static void on_kick(void *opaque, unsigned n)
{
    Vcpu *v = vcpu_of(opaque, n);

    if (v && device_door_mine(&v->door)) {
        v->dom->ops->kick(v->ev, false);        /* it is awake */
    } else if (v) {
        vcpu_kick(v);
    }
}

static void on_init(void *opaque, unsigned n)
{
    vcpu_init_signal(vcpu_of(opaque, n));
}

static void on_sipi(void *opaque, unsigned n, uint8_t vector)
{
    vcpu_sipi(vcpu_of(opaque, n), vector);
}

static void on_nmi(void *opaque, unsigned n)
{
    vcpu_nmi(vcpu_of(opaque, n));
}

static uint64_t on_guest_tsc(void *opaque, unsigned n)
{
    Vcpu *v = vcpu_of(opaque, n);

    return !v ? 0 : domain_tsc(v->dom) + vcpu_tsc_offset(v);
}

static int on_upcall_vector(void *opaque, unsigned n)
{
    Vcpu *v = vcpu_of(opaque, n);

    if (!v || v->dom->events.callback != CALLBACK_VECTOR || v->upcall_vector ||
        !event_upcall_pending(v)) {
        return -1;
    }
    return v->dom->events.callback_vector;
}

static void on_console_char(void *opaque, char c)
{
    domain_console_char(opaque, c);
}

static const PlatformHost host = {
    .kick = on_kick,
    .init = on_init,
    .sipi = on_sipi,
    .nmi = on_nmi,
    .guest_tsc = on_guest_tsc,
    .upcall_vector = on_upcall_vector,
    .console_char = on_console_char,
};

bool glue_create(Domain *d, GError **error)
{
    PlatformConfig c = { .nvcpus = d->opt.vcpus, .domid = d->opt.domid, .tsc_khz = d->tsc_khz,
                         .hpet = d->opt.hpet, .acpi = d->opt.acpi, .apic = d->opt.apic,
                         .no_pae = !d->opt.pae, .caps = d->caps, .model = d->opt.cpu_model,
                         .tsc_mode = d->opt.tsc_mode, .tsc_emulated = d->tsc_emulated,
                         .tsc_safe = d->tsc_safe, .incarnation = d->incarnation };
    g_autofree char *refused = NULL;

    if (d->opt.cpuid) {
        c.rules = &g_array_index(d->opt.cpuid, CpuidRule, 0);
        c.rule_count = d->opt.cpuid->len;
    }
    d->platform = platform_new(&d->machine, &c, &host, d, error);
    if (!d->platform) {
        return false;
    }
    refused = platform_cpuid_refused(d->platform);
    if (refused) {
        g_warning("cpuid: the %s engine on this host can't offer %s", d->ops->name, refused);
    }
    return true;
}

void glue_destroy(Domain *d)
{
    platform_free(d->platform);
    d->platform = NULL;
}

void glue_set_gsi(Domain *d, unsigned gsi, bool level)
{
    platform_set_gsi(d->platform, gsi, level);
}

void glue_set_pci_intx(Domain *d, unsigned devfn, unsigned pin, bool level)
{
    platform_set_pci_intx(d->platform, devfn >> 3, pin, level);
}

void glue_set_isa_irq(Domain *d, unsigned irq, bool level)
{
    platform_set_isa_irq(d->platform, irq, level);
}

void glue_set_link_route(Domain *d, unsigned link, unsigned isa_irq)
{
    platform_set_link_route(d->platform, link, isa_irq);
}

void glue_msi(Domain *d, uint64_t addr, uint32_t data)
{
    platform_msi(d->platform, addr, data);
}

void glue_acpi_ports(Domain *d, unsigned version)
{
    platform_acpi_ports(d->platform, version);
}

void glue_power_button(Domain *d, bool sleep)
{
    if (sleep) {
        platform_sleep_button(d->platform);
    } else {
        platform_power_button(d->platform);
    }
}

void glue_lapic_vector(Domain *d, unsigned vcpu, uint8_t vector)
{
    platform_lapic_vector(d->platform, vcpu, vector);
}

/* --- a vCPU's accesses --- */

bool glue_mmio_read(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value)
{
    Domain *d = v->dom;
    const IoRange *chip;

    if (platform_lapic_read(d->platform, v->id, gpa, size, value)) {
        return true;
    }
    chip = io_map_find(&d->machine.io, IO_MMIO, gpa);
    if (!chip) {
        return false;
    }
    *value = io_read_at(&d->machine.io, chip, IO_MMIO, gpa, size);
    return true;
}

bool glue_mmio_write(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value)
{
    Domain *d = v->dom;
    const IoRange *chip;

    if (platform_lapic_write(d->platform, v->id, gpa, size, value)) {
        return true;
    }
    chip = io_map_find(&d->machine.io, IO_MMIO, gpa);
    if (!chip) {
        return false;
    }
    io_write_at(&d->machine.io, chip, IO_MMIO, gpa, size, value);
    return true;
}

bool glue_mmio_is_chip(Domain *d, uint64_t gpa, uint64_t len)
{
    return (gpa & ~0xfffULL) == PC_LAPIC_BASE || io_map_find(&d->machine.io, IO_MMIO, gpa) ||
           io_map_find(&d->machine.io, IO_MMIO, gpa + len - 1);
}

bool glue_irq_hint(const Vcpu *v)
{
    return platform_irq_hint(v->dom->platform, v->id);
}

bool glue_irq_pending(Vcpu *v)
{
    return platform_irq_pending(v->dom->platform, v->id);
}

int glue_irq_ack(Vcpu *v)
{
    return platform_irq_ack(v->dom->platform, v->id);
}

uint64_t glue_cr8_read(Vcpu *v)
{
    return platform_cr8_read(v->dom->platform, v->id);
}

void glue_cr8_write(Vcpu *v, uint64_t value)
{
    platform_cr8_write(v->dom->platform, v->id, value);
}

uint8_t glue_cmos_read(Domain *d, unsigned index)
{
    return platform_rtc_read(d->platform, index);
}

void glue_cmos_write(Domain *d, unsigned index, uint8_t value)
{
    platform_rtc_write(d->platform, index, value);
}

/* Engines also ask while they make a vCPU, before there is any state. */
void glue_cpuid(Vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    uint64_t cr4 = 0, xcr0 = 1;
    bool dynamic = leaf == 1 || leaf == 0xd;

    if (v->ev && dynamic) {
        const EngineOps *ops = v->dom->ops;

        v->state_valid = false;
        (ops->get_system ? ops->get_system : ops->get_state)(v->ev, v->state);
        cr4 = v->state->cr4;
        xcr0 = v->state->xcr0;
    }
    platform_cpuid(v->dom->platform, v->id, leaf, subleaf, cr4, xcr0, out);
}

bool glue_msr_read(Vcpu *v, uint32_t index, uint64_t *value)
{
    if (index == MSR_HYPERCALL_PAGE) {
        *value = 0;
        return true;
    }
    v->state_valid = false;
    return platform_msr_read(v->dom->platform, v->id, index, value);
}

static bool in_long_mode(Vcpu *v)
{
    const VcpuState *s = vcpu_state(v);

    return (s->efer & EFER_LMA) && (s->seg[SEG_CS].attr & ATTR_L);
}

bool glue_msr_write(Vcpu *v, uint32_t index, uint64_t value)
{
    Domain *d = v->dom;
    bool ok;

    v->state_valid = false;
    if (index == MSR_HYPERCALL_PAGE) {
        ok = hypercall_write_page(v, value);
        if (ok) {
            event_set_layout(d, in_long_mode(v));
            pvtime_wallclock(d);
        }
        v->state_valid = false;
        return ok;
    }
    ok = platform_msr_write(d->platform, v->id, index, value);
    if (ok && index == MSR_TSC_ADJUST) {
        int64_t change = platform_take_tsc_adjust(d->platform, v->id);

        if (change) {
            d->ops->get_state(v->ev, v->state);
            v->state->tsc_offset += change;
            d->ops->set_state(v->ev, v->state);
        }
        v->state_valid = false;
    }
    return ok;
}

uint64_t glue_tsc(Vcpu *v)
{
    return domain_tsc(v->dom);
}
