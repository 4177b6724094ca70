/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * platform.c - the board inside the hypervisor: makes the chips and is the wires between them.  A
 * PCI interrupt raises its GSI on the IOAPIC and, through its PIIX3 link, an ISA line; a line with
 * several sources is high while any of them is (Xen's counting, with one bit a source).
 */
#include "hypervisor/hvm/platform.h"

#include <string.h>
#include "hypervisor/hvm/cpuid.h"
#include "hypervisor/hvm/debug_port.h"
#include "hypervisor/hvm/hpet.h"
#include "hypervisor/hvm/ioapic.h"
#include "hypervisor/hvm/lapic.h"
#include "hypervisor/hvm/msr.h"
#include "hypervisor/hvm/pic.h"
#include "hypervisor/hvm/pit.h"
#include "hypervisor/hvm/pmtimer.h"
#include "hypervisor/hvm/rtc.h"
#include "hypervisor/cpu_policy.h"
#include "include/pc_layout.h"

#define PHYS_BITS 40
#define LOWEST 1

typedef struct PlatformVcpu {
    Lapic lapic;
    MsrState msr;
    int64_t tsc_adjust_taken;
} PlatformVcpu;

struct Platform {
    Machine *machine;
    const PlatformHost *host;
    void *opaque;
    CpuidPolicy policy;
    LapicHost lapic_host;
    Device *pic, *ioapic, *pit, *rtc, *hpet, *pm;
    IrqLine pit_irq, rtc_irq, sci;
    bool hpet_legacy;           /* the HPET's timers drive IRQ 0 and 8 instead of PIT and RTC */
    uint32_t intx[32];          /* wires by device: bit = pin; */
    uint16_t isa_wires;         /* lines held by ISA devices */
    uint64_t gsi_wires;         /* GSIs held by event callbacks */
    uint8_t link_route[4];      /* ISA irq, 0: none */
    bool pic_output;
    unsigned vcpus;
    PlatformVcpu *vcpu;
};

/* --- wires --- */

static bool link_asserted(const Platform *p, unsigned link)
{
    for (unsigned dev = 0; dev < 32; dev++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            if ((p->intx[dev] >> pin & 1) && PCI_LINK(dev, pin) == link) {
                return true;
            }
        }
    }
    return false;
}

static void update_isa(Platform *p, unsigned irq)
{
    bool level = p->isa_wires >> irq & 1;

    for (unsigned link = 0; link < 4 && !level; link++) {
        level = p->link_route[link] == irq && irq && link_asserted(p, link);
    }
    if (irq < 16 && irq != 2) {
        level |= irq && (p->gsi_wires >> irq & 1);
        pic_set_irq(p->pic, irq, level);
        ioapic_set_irq(p->ioapic, irq == 0 ? 2 : irq, level);
    }
}

static void update_gsi(Platform *p, unsigned gsi)
{
    bool level = p->gsi_wires >> gsi & 1;

    for (unsigned dev = 0; dev < 32 && !level; dev++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            level |= (p->intx[dev] >> pin & 1) && (unsigned)PCI_GSI(dev, pin) == gsi;
        }
    }
    ioapic_set_irq(p->ioapic, gsi, level);
}

void platform_set_isa_irq(Platform *p, unsigned irq, bool level)
{
    if (irq < 16) {
        p->isa_wires = level ? p->isa_wires | 1u << irq : p->isa_wires & ~(1u << irq);
        update_isa(p, irq);
    }
}

void platform_set_pci_intx(Platform *p, unsigned dev, unsigned intx, bool level)
{
    uint32_t before;

    if (dev >= 32 || intx >= 4) {
        return;
    }
    before = p->intx[dev];
    p->intx[dev] = level ? before | 1u << intx : before & ~(1u << intx);
    if (p->intx[dev] != before) {
        update_gsi(p, PCI_GSI(dev, intx));
        update_isa(p, p->link_route[PCI_LINK(dev, intx)]);
    }
}

void platform_set_gsi(Platform *p, unsigned gsi, bool level)
{
    if (gsi >= IOAPIC_PINS) {
        return;
    }
    p->gsi_wires = level ? p->gsi_wires | 1ull << gsi : p->gsi_wires & ~(1ull << gsi);
    if (gsi < 16) {
        update_isa(p, gsi);
    } else {
        update_gsi(p, gsi);
    }
}

void platform_set_link_route(Platform *p, unsigned link, unsigned isa_irq)
{
    uint8_t old;

    if (link >= 4) {
        return;
    }
    isa_irq = isa_irq < 16 ? isa_irq : 0;
    old = p->link_route[link];
    p->link_route[link] = isa_irq;
    if (old && old != isa_irq) {
        update_isa(p, old);
    }
    if (isa_irq) {
        update_isa(p, isa_irq);
    }
}

static void pit_wire(void *opaque, unsigned n, bool level)
{
    Platform *p = opaque;

    (void)n;
    if (!p->hpet_legacy) {
        platform_set_isa_irq(p, IRQ_PIT, level);
    }
}

static void rtc_wire(void *opaque, unsigned n, bool level)
{
    Platform *p = opaque;

    (void)n;
    if (!p->hpet_legacy) {
        platform_set_isa_irq(p, IRQ_RTC, level);
    }
}

static void sci_wire(void *opaque, unsigned n, bool level)
{
    (void)n;
    platform_set_gsi(opaque, ACPI_SCI_IRQ, level);
}

static void hpet_gsi(void *opaque, unsigned gsi, bool level)
{
    if (gsi < 16) {
        platform_set_isa_irq(opaque, gsi, level);
    } else {
        platform_set_gsi(opaque, gsi, level);
    }
}

static void hpet_takes_over(void *opaque, bool on)
{
    Platform *p = opaque;

    p->hpet_legacy = on;
    platform_set_isa_irq(p, IRQ_PIT, !on && p->pit_irq.level);
    platform_set_isa_irq(p, IRQ_RTC, !on && p->rtc_irq.level);
}

static void pic_wire(void *opaque, bool level)
{
    Platform *p = opaque;

    p->pic_output = level;
    if (level) {
        p->host->kick(p->opaque, 0);
    }
}

/* --- messages between APICs --- */

static bool deliver_one(Platform *p, unsigned vcpu, unsigned delivery, uint8_t vector, bool level)
{
    Lapic *l = &p->vcpu[vcpu].lapic;

    switch (delivery) {
    case 0:
    case LOWEST:
        if (!lapic_software_enabled(l)) {
            return false;
        }
        lapic_deliver(l, vector, level);
        return true;
    case 4:
        p->host->nmi(p->opaque, vcpu);
        return true;
    case 5:
        lapic_reset(l, true);
        p->host->init(p->opaque, vcpu);
        return true;
    case 6:
        p->host->sipi(p->opaque, vcpu, vector);
        return true;
    default:
        return false;
    }
}

/* Fixed, NMI, INIT, SIPI go to all that match; lowest priority to the one with the lowest PPR. */
static bool deliver(Platform *p, uint32_t dest, bool logical, bool x2, unsigned delivery,
                    uint8_t vector, bool level)
{
    int best = -1;
    bool any = false;

    for (unsigned v = 0; v < p->vcpus; v++) {
        const Lapic *l = &p->vcpu[v].lapic;

        if (!lapic_matches(l, dest, logical, x2)) {
            continue;
        }
        if (delivery != LOWEST) {
            any |= deliver_one(p, v, delivery, vector, level);
        } else if (lapic_software_enabled(l) &&
                   (best < 0 || lapic_ppr(l) < lapic_ppr(&p->vcpu[best].lapic))) {
            best = v;
        }
    }
    return best >= 0 ? deliver_one(p, best, LOWEST, vector, level) : any;
}

static bool ioapic_message(void *opaque, const IoapicMessage *m)
{
    return deliver(opaque, m->dest, m->logical, false, m->delivery, m->vector, m->level);
}

static void lapic_message(void *opaque, unsigned from, const LapicIpi *ipi)
{
    Platform *p = opaque;
    bool deassert = ipi->delivery == 5 && ipi->level && !ipi->assert_level;

    if (deassert) {
        return;                 /* INIT level de-assert: nothing on these processors */
    }
    if (ipi->shorthand == 0) {
        deliver(p, ipi->dest, ipi->logical, ipi->x2, ipi->delivery, ipi->vector, false);
        return;
    }
    for (unsigned v = 0; v < p->vcpus; v++) {
        bool self = v == from;

        if (ipi->shorthand == 1 ? self : ipi->shorthand == 2 || !self) {
            deliver_one(p, v, ipi->delivery, ipi->vector, false);
        }
    }
}

bool platform_msi(Platform *p, uint64_t addr, uint32_t data)
{
    return (addr & ~0xfffffull) == 0xfee00000 && (data & 0xff) &&
           deliver(p, addr >> 12 & 0xff, addr & 4, false, data >> 8 & 7, data, data & 0x8000);
}

static void lapic_eoi(void *opaque, uint8_t vector)
{
    ioapic_eoi(((Platform *)opaque)->ioapic, vector);
}

static void lapic_kick(void *opaque, unsigned vcpu)
{
    Platform *p = opaque;

    p->host->kick(p->opaque, vcpu);
}

static int64_t lapic_time(void *opaque)
{
    return machine_now(((Platform *)opaque)->machine);
}

static uint64_t lapic_tsc(void *opaque, unsigned vcpu)
{
    Platform *p = opaque;

    return p->host->guest_tsc(p->opaque, vcpu);
}

/* --- a vCPU's view --- */

void platform_lapic_vector(Platform *p, unsigned vcpu, uint8_t vector)
{
    lapic_deliver(&p->vcpu[vcpu].lapic, vector, false);
}

/* The PIC reaches a processor whose LAPIC lets it through. */
static bool accepts_pic(const Platform *p, unsigned vcpu)
{
    const Lapic *l = &p->vcpu[vcpu].lapic;

    if (!lapic_enabled(l)) {
        return vcpu == 0;
    }
    return lapic_lint0_extint(l) ||
           (lapic_software_enabled(l) && ioapic_extint_to(p->ioapic, l->id));
}

static int upcall_vector(const Platform *p, unsigned vcpu)
{
    return p->host->upcall_vector ? p->host->upcall_vector(p->opaque, vcpu) : -1;
}

bool platform_irq_pending(Platform *p, unsigned vcpu)
{
    return upcall_vector(p, vcpu) >= 0 || lapic_pending(&p->vcpu[vcpu].lapic) >= 0 ||
           (p->pic_output && accepts_pic(p, vcpu));
}

int platform_irq_ack(Platform *p, unsigned vcpu)
{
    int vector = upcall_vector(p, vcpu);

    if (vector >= 0) {
        return vector;
    }
    if (p->pic_output && accepts_pic(p, vcpu)) {
        return pic_ack(p->pic);
    }
    return lapic_ack(&p->vcpu[vcpu].lapic);
}

/* Plain reads that may be a moment old: every change is followed by a kick. */
bool platform_irq_hint(const Platform *p, unsigned vcpu)
{
    const uint32_t *irr = p->vcpu[vcpu].lapic.irr;
    uint32_t any = p->pic_output;

    for (unsigned i = 0; i < 8; i++) {
        any |= __atomic_load_n(&irr[i], __ATOMIC_RELAXED);
    }
    return any || upcall_vector(p, vcpu) >= 0;
}

uint64_t platform_cr8_read(Platform *p, unsigned vcpu)
{
    return (p->vcpu[vcpu].lapic.regs[8] >> 4) & 15;
}

void platform_cr8_write(Platform *p, unsigned vcpu, uint64_t v)
{
    p->vcpu[vcpu].lapic.regs[8] = (v & 15) << 4;
    p->host->kick(p->opaque, vcpu);
}

static bool lapic_claims(const Lapic *l, uint64_t gpa)
{
    return lapic_enabled(l) && !lapic_x2(l) && gpa - (l->base & ~0xfffull) < 4096;
}

/* Registers are dwords at multiples of 16; parts of one may be read. */
bool platform_lapic_read(Platform *p, unsigned vcpu, uint64_t gpa, unsigned size, uint64_t *value)
{
    Lapic *l = &p->vcpu[vcpu].lapic;
    unsigned offset = gpa & 0xfff;

    if (!lapic_claims(l, gpa)) {
        return false;
    }
    *value = (uint64_t)lapic_read(l, offset & ~3u) >> (8 * (offset & 3));
    if (size < 4) {
        *value &= (1u << (8 * size)) - 1;
    }
    return true;
}

bool platform_lapic_write(Platform *p, unsigned vcpu, uint64_t gpa, unsigned size, uint64_t value)
{
    Lapic *l = &p->vcpu[vcpu].lapic;

    if (!lapic_claims(l, gpa)) {
        return false;
    }
    if (size >= 4 && !(gpa & 3)) {      /* narrower writes are undefined: dropped */
        lapic_write(l, gpa & 0xfff, value);
    }
    return true;
}

void platform_vcpu_init(Platform *p, unsigned vcpu)
{
    lapic_reset(&p->vcpu[vcpu].lapic, true);
}

void platform_cpuid(Platform *p, unsigned vcpu, uint32_t leaf, uint32_t subleaf, uint64_t cr4,
                    uint64_t xcr0, uint32_t out[4])
{
    CpuidVcpu v = { .id = vcpu, .cr4 = cr4, .xcr0 = xcr0,
                    .apic_enabled = lapic_enabled(&p->vcpu[vcpu].lapic) };

    cpuid_query(&p->policy, &v, leaf, subleaf, out);
}

int64_t platform_take_tsc_adjust(Platform *p, unsigned vcpu)
{
    PlatformVcpu *v = &p->vcpu[vcpu];
    int64_t change = (int64_t)v->msr.tsc_adjust - v->tsc_adjust_taken;

    v->tsc_adjust_taken += change;
    return change;
}

bool platform_msr_read(Platform *p, unsigned vcpu, uint32_t index, uint64_t *v)
{
    PlatformVcpu *c = &p->vcpu[vcpu];

    return lapic_msr_read(&c->lapic, index, v) || msr_read(&c->msr, index, v);
}

bool platform_msr_write(Platform *p, unsigned vcpu, uint32_t index, uint64_t v)
{
    PlatformVcpu *c = &p->vcpu[vcpu];

    return lapic_msr_write(&c->lapic, index, v) || msr_write(&c->msr, index, v, PHYS_BITS);
}

void platform_acpi_ports(Platform *p, unsigned version)
{
    pmtimer_set_version(p->pm, version != 0);
}

void platform_power_button(Platform *p)
{
    pmtimer_power_button(p->pm);
}

void platform_sleep_button(Platform *p)
{
    pmtimer_sleep_button(p->pm);
}

void platform_wake(Platform *p)
{
    pmtimer_wake(p->pm);
}

uint8_t platform_rtc_read(Platform *p, unsigned index)
{
    return rtc_read(p->rtc, index);
}

void platform_rtc_write(Platform *p, unsigned index, uint8_t value)
{
    rtc_write(p->rtc, index, value);
}

/* --- making it --- */

static Device *chip(Platform *p, const DeviceClass *cls, GError **error)
{
    return device_create(p->machine, cls, error);
}

static bool make_chips(Platform *p, const PlatformConfig *o, GError **error)
{
    Device *console;

    p->pic = chip(p, &pic_class, error);
    p->ioapic = p->pic ? chip(p, &ioapic_class, error) : NULL;
    p->pit = p->ioapic ? chip(p, &pit_class, error) : NULL;
    p->rtc = p->pit ? chip(p, &rtc_class, error) : NULL;
    p->pm = p->rtc ? chip(p, &pmtimer_class, error) : NULL;
    if (!p->pm || (o->hpet && !(p->hpet = chip(p, &hpet_class, error)))) {
        return false;
    }
    console = chip(p, &debug_port_class, error);
    if (!console) {
        return false;
    }
    debug_port_connect(console, p->host->console_char, p->opaque);
    irq_init(&p->pit_irq, pit_wire, p, IRQ_PIT);
    irq_init(&p->rtc_irq, rtc_wire, p, IRQ_RTC);
    irq_init(&p->sci, sci_wire, p, ACPI_SCI_IRQ);
    pic_connect(p->pic, pic_wire, p);
    ioapic_connect(p->ioapic, ioapic_message, p);
    pit_connect(p->pit, &p->pit_irq);
    rtc_connect(p->rtc, &p->rtc_irq);
    pmtimer_connect(p->pm, &p->sci);
    if (p->hpet) {
        hpet_connect(p->hpet, hpet_gsi, hpet_takes_over, p);
    }
    return true;
}

static void isa_line(void *opaque, unsigned n, bool level)
{
    platform_set_isa_irq(opaque, n, level);
}

Platform *platform_new(Machine *m, const PlatformConfig *o, const PlatformHost *host, void *opaque,
                       GError **error)
{
    Platform *p = g_new0(Platform, 1);

    p->machine = m;
    p->host = host;
    p->opaque = opaque;
    p->vcpus = o->nvcpus;
    p->vcpu = g_new0(PlatformVcpu, o->nvcpus);
    p->policy = (CpuidPolicy){ .caps = o->caps, .vcpus = o->nvcpus, .domid = o->domid, .pae = true,
                               .apic = o->apic, .xen_major = XEN_VERSION_MAJOR,
                               .xen_minor = XEN_VERSION_MINOR, .tsc_khz = o->tsc_khz };
    p->lapic_host = (LapicHost){ lapic_kick, lapic_eoi, lapic_message, lapic_time, lapic_tsc, p };
    for (unsigned v = 0; v < o->nvcpus; v++) {
        lapic_init(&p->vcpu[v].lapic, &m->timers, &p->lapic_host, v, o->tsc_khz);
        msr_reset(&p->vcpu[v].msr);
    }
    if (!make_chips(p, o, error)) {
        platform_free(p);
        return NULL;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(m->isa_irq); i++) {
        irq_init(&m->isa_irq[i], isa_line, p, i);
    }
    return p;
}

void platform_free(Platform *p)
{
    for (unsigned v = 0; v < p->vcpus; v++) {
        timer_cancel(&p->vcpu[v].lapic.timer);
    }
    g_free(p->vcpu);
    g_free(p);
}
