/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rig.c - see rig.h. */
#include "tests/hvm/rig.h"

static void on_kick(void *opaque, unsigned n) { ((Rig *)opaque)->kicks[n]++; }
static void on_init(void *opaque, unsigned n) { ((Rig *)opaque)->inits[n]++; }
static void on_sipi(void *opaque, unsigned n, uint8_t v) { ((Rig *)opaque)->sipi[n] = v; }
static void on_nmi(void *opaque, unsigned n) { ((Rig *)opaque)->nmis[n]++; }

static uint64_t on_tsc(void *opaque, unsigned n)
{
    (void)n;
    return (uint64_t)((Rig *)opaque)->f->now * RIG_TSC_KHZ / 1000000;
}

static int on_upcall(void *opaque, unsigned n)
{
    return n ? -1 : ((Rig *)opaque)->upcall;
}

static void on_char(void *opaque, char c)
{
    Rig *r = opaque;

    if (r->console_len < sizeof r->console - 1) {
        r->console[r->console_len++] = c;
    }
}

static const PlatformHost host = {
    .kick = on_kick, .init = on_init, .sipi = on_sipi, .nmi = on_nmi, .guest_tsc = on_tsc,
    .upcall_vector = on_upcall, .console_char = on_char,
};

PlatformConfig rig_config(unsigned nvcpus)
{
    return (PlatformConfig){
        .nvcpus = nvcpus, .domid = 7, .tsc_khz = RIG_TSC_KHZ, .hpet = true, .acpi = true,
        .apic = true, .caps = { .leaf1_edx = ~0u, .leaf1_ecx = ~0u, .leaf7_ebx = ~0u,
                                .ext1_ecx = ~0u, .ext1_edx = ~0u, .xcr0 = 7, .phys_bits = 40 },
    };
}

Rig *rig_new(unsigned nvcpus)
{
    PlatformConfig c = rig_config(nvcpus);

    return rig_new_with(&c);
}

Rig *rig_new_with(const PlatformConfig *c)
{
    Rig *r = g_new0(Rig, 1);
    GError *error = NULL;

    r->upcall = -1;
    memset(r->sipi, 0xff, sizeof r->sipi);
    r->f = fake_machine_new();
    r->p = platform_new(&r->f->m, c, &host, r, &error);
    cr_assert(r->p, "%s", error ? error->message : "");
    return r;
}

void rig_free(Rig *r)
{
    fake_machine_free(r->f);
    platform_free(r->p);
    g_free(r);
}

uint32_t rig_apic(Rig *r, unsigned vcpu, unsigned reg)
{
    uint64_t v = 0;

    cr_assert(platform_lapic_read(r->p, vcpu, PC_LAPIC_BASE + reg, 4, &v));
    return v;
}

void rig_set_apic(Rig *r, unsigned vcpu, unsigned reg, uint32_t value)
{
    cr_assert(platform_lapic_write(r->p, vcpu, PC_LAPIC_BASE + reg, 4, value));
}

uint64_t rig_rdmsr(Rig *r, unsigned vcpu, uint32_t index)
{
    uint64_t v = 0;

    cr_assert(platform_msr_read(r->p, vcpu, index, &v), "MSR %x", index);
    return v;
}

uint32_t rig_mmio(Rig *r, uint64_t gpa)
{
    return io_read(&r->f->m.io, IO_MMIO, gpa, 4);
}

void rig_set_mmio(Rig *r, uint64_t gpa, uint32_t value)
{
    io_write(&r->f->m.io, IO_MMIO, gpa, 4, value);
}

void rig_set_rte(Rig *r, unsigned pin, uint64_t value)
{
    rig_set_mmio(r, PC_IOAPIC_BASE, 0x11 + 2 * pin);
    rig_set_mmio(r, PC_IOAPIC_BASE + 0x10, value >> 32);
    rig_set_mmio(r, PC_IOAPIC_BASE, 0x10 + 2 * pin);
    rig_set_mmio(r, PC_IOAPIC_BASE + 0x10, value);
}

uint64_t rig_rte(Rig *r, unsigned pin)
{
    uint64_t high;

    rig_set_mmio(r, PC_IOAPIC_BASE, 0x11 + 2 * pin);
    high = rig_mmio(r, PC_IOAPIC_BASE + 0x10);
    rig_set_mmio(r, PC_IOAPIC_BASE, 0x10 + 2 * pin);
    return high << 32 | rig_mmio(r, PC_IOAPIC_BASE + 0x10);
}

uint8_t rig_in(Rig *r, uint16_t port)
{
    return io_read(&r->f->m.io, IO_PORT, port, 1);
}

void rig_out(Rig *r, uint16_t port, uint8_t value)
{
    io_write(&r->f->m.io, IO_PORT, port, 1, value);
}

void rig_pic_setup(Rig *r)
{
    static const uint8_t words[2][5] = { { 0x11, 0x20, 4, 1, 0 }, { 0x11, 0x28, 2, 1, 0 } };

    for (unsigned i = 0; i < 2; i++) {
        uint16_t port = i ? PORT_PIC1 : PORT_PIC0;

        rig_out(r, port, words[i][0]);
        for (unsigned k = 1; k < 5; k++) {
            rig_out(r, port + 1, words[i][k]);
        }
    }
    rig_set_apic(r, 0, 0xf0, 0x1ff);
    rig_set_apic(r, 0, 0x350, 0x700);
}
