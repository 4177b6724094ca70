/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * platform.c - puts the chips together: makes them, wires them, and answers for each vCPU which
 * interrupt comes next.  Order of sources as in Xen: the upcall vector, the PIC, the LAPIC.
 */
#include "hypervisor/hvm/platform.h"

#include "hypervisor/hvm/cpuid.h"
#include "hypervisor/hvm/debugport.h"
#include "hypervisor/hvm/ferr.h"
#include "hypervisor/hvm/hpet.h"
#include "hypervisor/hvm/msr.h"
#include "hypervisor/hvm/pit.h"
#include "hypervisor/hvm/pmtimer.h"
#include "hypervisor/hvm/router.h"
#include "hypervisor/hvm/rtc.h"

#define LVT_MASKED 0x10000u

struct Platform {
    Machine *machine;
    PlatformConfig config;
    const PlatformHost *host;
    void *opaque;
    ApicBus bus;
    CpuidPolicy *cpuid;
    Pic *pic;
    Ioapic *ioapic;
    IrqRouter *router;
    Rtc *rtc;
    PmTimer *pm;
    Msrs *msrs[PLATFORM_MAX_VCPUS];
    DebugPortSink sink;
    IrqLine pic_out;
    bool pic_high;              /* read without the lock as a hint */
    int extint_target;          /* the vCPU that takes the PIC's interrupts; -1: none */
    IrqLine hpet_gsi[IOAPIC_PINS], hpet_legacy[2], hpet_legacy_on;
};

/* --- the PIC's way to a vCPU --- */

static bool takes_extint(const Platform *p, const Lapic *l)
{
    uint32_t lvt0 = lapic_lvt0(l);

    if (!lapic_hw_enabled(l)) {
        return true;
    }
    return (!(lvt0 & LVT_MASKED) && (lvt0 >> 8 & 7) == APIC_EXTINT) ||
           ioapic_extint_to(p->ioapic, l);
}

static void update_extint(void *opaque)
{
    Platform *p = opaque;

    if (!p->ioapic || p->bus.n != p->config.nvcpus) {
        return;                 /* still being built */
    }
    p->extint_target = -1;
    for (unsigned i = 0; i < p->bus.n && p->extint_target < 0; i++) {
        if (takes_extint(p, p->bus.cpu[i])) {
            p->extint_target = i;
        }
    }
    if (p->pic_high && p->extint_target >= 0) {
        p->host->kick(p->opaque, p->extint_target);
    }
    ioapic_retry(p->ioapic);
}

/* LINT0 programmed as something other than ExtINT sees the PIC's output as a plain wire. */
static void lint0_edge(Platform *p)
{
    for (unsigned i = 0; i < p->bus.n; i++) {
        uint32_t lvt0 = lapic_lvt0(p->bus.cpu[i]);

        if (lvt0 & LVT_MASKED) {
            continue;
        }
        if ((lvt0 >> 8 & 7) == APIC_FIXED) {
            lapic_accept(p->bus.cpu[i], lvt0, false);
        } else if ((lvt0 >> 8 & 7) == APIC_NMI) {
            p->host->nmi(p->opaque, i);
        }
    }
}

static void pic_out_changed(void *opaque, unsigned n, bool level)
{
    Platform *p = opaque;
    bool rises = level && !p->pic_high;

    (void)n;
    __atomic_store_n(&p->pic_high, level, __ATOMIC_RELEASE);
    if (rises) {
        lint0_edge(p);
    }
    if (level && p->extint_target >= 0) {
        p->host->kick(p->opaque, p->extint_target);
    }
}

static bool pic_for(const Platform *p, unsigned vcpu)
{
    return p->pic_high && p->extint_target == (int)vcpu;
}

static int upcall(const Platform *p, unsigned vcpu)
{
    return p->host->upcall_vector ? p->host->upcall_vector(p->opaque, vcpu) : -1;
}

bool platform_irq_pending(Platform *p, unsigned vcpu)
{
    return upcall(p, vcpu) >= 0 || pic_for(p, vcpu) || lapic_deliverable(p->bus.cpu[vcpu]);
}

bool platform_irq_hint(const Platform *p, unsigned vcpu)
{
    return __atomic_load_n(&p->pic_high, __ATOMIC_ACQUIRE) || lapic_deliverable(p->bus.cpu[vcpu]);
}

int platform_irq_ack(Platform *p, unsigned vcpu)
{
    int vector = upcall(p, vcpu);

    if (vector >= 0) {
        return vector;
    }
    if (pic_for(p, vcpu)) {
        return pic_ack(p->pic);
    }
    return lapic_ack(p->bus.cpu[vcpu]);
}

/* --- wires --- */

void platform_set_isa_irq(Platform *p, unsigned irq, bool level)
{
    router_set_isa(p->router, irq, level);
}

void platform_set_pci_intx(Platform *p, unsigned dev, unsigned intx, bool level)
{
    router_set_pci(p->router, dev, intx, level);
}

void platform_set_link_route(Platform *p, unsigned link, unsigned isa_irq)
{
    router_set_link(p->router, link, isa_irq);
}

void platform_set_gsi(Platform *p, unsigned gsi, bool level)
{
    router_set_gsi(p->router, gsi, level);
}

bool platform_msi(Platform *p, uint64_t addr, uint32_t data)
{
    ApicMessage m = {
        .dest = addr >> 12 & 0xff, .logical = addr >> 2 & 1, .vector = data,
        .delivery = data >> 8 & 7, .level = false,
    };

    if ((addr & 0xfff00000) != PC_LAPIC_BASE || !m.vector || m.delivery > APIC_LOWEST) {
        return false;
    }
    return apic_bus_send(&p->bus, &m);
}

void platform_lapic_vector(Platform *p, unsigned vcpu, uint8_t vector)
{
    if (vcpu < p->bus.n && vector >= 16) {
        lapic_accept(p->bus.cpu[vcpu], vector, false);
    }
}

static void bus_eoi(void *opaque, uint8_t vector)
{
    Platform *p = opaque;

    ioapic_eoi(p->ioapic, vector);
}

static void chip_irq(void *opaque, unsigned n, bool level)
{
    Platform *p = opaque;

    if (p->router) {
        router_set_chip(p->router, n, level);
    }
}

static void hpet_gsi(void *opaque, unsigned n, bool level)
{
    Platform *p = opaque;

    router_set_hpet(p->router, n, level);
}

static void hpet_legacy(void *opaque, unsigned n, bool level)
{
    Platform *p = opaque;

    router_set_legacy(p->router, n, level);
}

static void hpet_legacy_on(void *opaque, unsigned n, bool level)
{
    Platform *p = opaque;

    (void)n;
    router_legacy_on(p->router, level);
}

/* --- a vCPU's registers --- */

uint64_t platform_cr8_read(Platform *p, unsigned vcpu)
{
    return lapic_cr8(p->bus.cpu[vcpu]);
}

void platform_cr8_write(Platform *p, unsigned vcpu, uint64_t value)
{
    lapic_set_cr8(p->bus.cpu[vcpu], value);
}

bool platform_lapic_read(Platform *p, unsigned vcpu, uint64_t gpa, unsigned size, uint64_t *value)
{
    if (!lapic_mmio_hit(p->bus.cpu[vcpu], gpa)) {
        return false;
    }
    *value = lapic_mmio_read(p->bus.cpu[vcpu], gpa, size);
    return true;
}

bool platform_lapic_write(Platform *p, unsigned vcpu, uint64_t gpa, unsigned size, uint64_t value)
{
    if (!lapic_mmio_hit(p->bus.cpu[vcpu], gpa)) {
        return false;
    }
    lapic_mmio_write(p->bus.cpu[vcpu], gpa, size, value);
    return true;
}

bool platform_msr_read(Platform *p, unsigned vcpu, uint32_t index, uint64_t *value)
{
    return msrs_read(p->msrs[vcpu], index, value);
}

bool platform_msr_write(Platform *p, unsigned vcpu, uint32_t index, uint64_t value)
{
    return msrs_write(p->msrs[vcpu], index, value);
}

int64_t platform_take_tsc_adjust(Platform *p, unsigned vcpu)
{
    return msrs_take_tsc_adjust(p->msrs[vcpu]);
}

void platform_cpuid(Platform *p, unsigned vcpu, uint32_t leaf, uint32_t subleaf, uint64_t cr4,
                    uint64_t xcr0, uint32_t out[4])
{
    cpuid_policy_get(p->cpuid, vcpu, lapic_hw_enabled(p->bus.cpu[vcpu]), leaf, subleaf, cr4, xcr0,
                     out);
}

char *platform_cpuid_refused(Platform *p)
{
    return cpuid_policy_refused(p->cpuid);
}

/* --- ACPI, CMOS --- */

void platform_acpi_ports(Platform *p, unsigned version)
{
    if (p->pm) {
        pmtimer_set_version(p->pm, version);
    }
}

static void pm_event(Platform *p, uint16_t bits)
{
    if (p->pm) {
        pmtimer_set_status(p->pm, bits);
    }
}

void platform_power_button(Platform *p)
{
    pm_event(p, PM1_PWRBTN);
}

void platform_sleep_button(Platform *p)
{
    pm_event(p, PM1_SLPBTN);
}

void platform_wake_up(Platform *p, WakeCause cause)
{
    static const uint16_t status[] = { 0, PM1_PWRBTN, PM1_SLPBTN };
    GPtrArray *devices = p->machine->devices;

    for (guint i = 0; i < devices->len; i++) {
        Device *dev = devices->pdata[i];

        if (dev->cls == &lapic_class || dev->cls == &ioapic_class || dev->cls == &pic_class ||
            dev->cls == &pit_class || dev->cls == &hpet_class || dev->cls == &ferr_class ||
            dev->cls == &pmtimer_class) {
            dev->cls->reset(dev);
        }
    }
    router_refresh(p->router);
    update_extint(p);
    pm_event(p, PM1_WAK | status[cause]);
}

uint8_t platform_rtc_read(Platform *p, unsigned index)
{
    return rtc_read(p->rtc, index);
}

void platform_rtc_write(Platform *p, unsigned index, uint8_t value)
{
    rtc_write(p->rtc, index, value);
}

/* --- construction --- */

static bool make_vcpu(Platform *p, unsigned n, GError **error)
{
    Device *lapic = device_new(p->machine, &lapic_class), *msrs;

    device_set_pointer(lapic, "bus", &p->bus);
    device_set_u64(lapic, "vcpu", n);
    if (!device_init(lapic, error)) {
        return false;
    }
    msrs = device_new(p->machine, &msrs_class);
    device_set_pointer(msrs, "lapic", lapic);
    device_set_u64(msrs, "phys_bits", p->bus.phys_bits);
    device_set_u64(msrs, "amd", p->config.model && p->config.model->signature
                   ? false : p->config.caps.vendor_amd);
    device_set_u64(msrs, "arch_capabilities", cpuid_arch_capabilities(p->cpuid));
    device_set_u64(msrs, "tsc_aux_fixed", p->config.tsc_mode == 3);
    p->msrs[n] = (Msrs *)msrs;
    return device_init(msrs, error);
}

static bool make_controllers(Platform *p, GError **error)
{
    Device *pic = device_new(p->machine, &pic_class), *ioapic, *router;

    device_set_pointer(pic, "out", &p->pic_out);
    if (!device_init(pic, error)) {
        return false;
    }
    p->pic = (Pic *)pic;
    ioapic = device_new(p->machine, &ioapic_class);
    device_set_pointer(ioapic, "bus", &p->bus);
    if (!device_init(ioapic, error)) {
        return false;
    }
    p->ioapic = (Ioapic *)ioapic;
    router = device_new(p->machine, &irq_router_class);
    device_set_pointer(router, "pic", pic);
    device_set_pointer(router, "ioapic", ioapic);
    if (!device_init(router, error)) {
        return false;
    }
    p->router = (IrqRouter *)router;
    return true;
}

static bool make_hpet(Platform *p, GError **error)
{
    Device *hpet = device_new(p->machine, &hpet_class);

    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        irq_init(&p->hpet_gsi[i], hpet_gsi, p, i);
    }
    irq_init(&p->hpet_legacy[0], hpet_legacy, p, 0);
    irq_init(&p->hpet_legacy[1], hpet_legacy, p, 1);
    irq_init(&p->hpet_legacy_on, hpet_legacy_on, p, 0);
    device_set_pointer(hpet, "gsi", p->hpet_gsi);
    device_set_pointer(hpet, "legacy", p->hpet_legacy);
    device_set_pointer(hpet, "legacy_on", &p->hpet_legacy_on);
    return device_init(hpet, error);
}

static bool make_rest(Platform *p, GError **error)
{
    Device *port = device_new(p->machine, &debugport_class);

    p->sink = (DebugPortSink){ p->host->console_char, p->opaque };
    device_set_pointer(port, "sink", &p->sink);
    if (!device_init(port, error) || !device_create(p->machine, &pit_class, error) ||
        !device_create(p->machine, &ferr_class, error)) {
        return false;
    }
    p->rtc = (Rtc *)device_create(p->machine, &rtc_class, error);
    if (!p->rtc || (p->config.hpet && !make_hpet(p, error))) {
        return false;
    }
    if (p->config.acpi) {
        p->pm = (PmTimer *)device_create(p->machine, &pmtimer_class, error);
        return p->pm != NULL;
    }
    return true;
}

Platform *platform_new(Machine *m, const PlatformConfig *config, const PlatformHost *host,
                       void *opaque, GError **error)
{
    Platform *p = g_new0(Platform, 1);
    uint32_t leaf_1[4];
    bool ok = true;

    p->machine = m;
    p->config = *config;
    p->host = host;
    p->opaque = opaque;
    p->extint_target = -1;
    p->bus = (ApicBus){
        .tsc_khz = MAX(config->tsc_khz, 1), .phys_bits = CLAMP(config->caps.phys_bits, 36, 52),
        .host = host, .opaque = opaque, .eoi = bus_eoi, .extint_changed = update_extint,
        .eoi_opaque = p,
    };
    p->config.caps.phys_bits = p->bus.phys_bits;
    p->cpuid = cpuid_policy_new(&p->config);
    cpuid_policy_get(p->cpuid, 0, true, 1, 0, 0, 0, leaf_1);
    p->bus.no_x2apic = !(leaf_1[2] & 1u << 21);
    irq_init(&p->pic_out, pic_out_changed, p, 0);
    for (unsigned i = 0; i < 16; i++) {
        irq_init(&m->isa_irq[i], chip_irq, p, i);
    }
    if (!config->nvcpus || config->nvcpus > PLATFORM_MAX_VCPUS) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%u vCPUs: 1 to %u are possible",
                    config->nvcpus, PLATFORM_MAX_VCPUS);
        ok = false;
    }
    for (unsigned i = 0; ok && i < config->nvcpus; i++) {
        ok = make_vcpu(p, i, error);
    }
    if (!ok || !make_controllers(p, error) || !make_rest(p, error)) {
        platform_free(p);
        return NULL;
    }
    update_extint(p);
    return p;
}

void platform_free(Platform *p)
{
    if (p) {
        cpuid_policy_free(p->cpuid);
        g_free(p);
    }
}
