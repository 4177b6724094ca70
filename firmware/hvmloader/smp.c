/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smp.c - interrupt controllers and the other processors: each is started once (INIT, SIPI, SIPI)
 * to set its MTRRs and is sent back to wait-for-SIPI (Intel SDM volume 3, 8.4 and 11.11; 82093AA).
 */
#include "layout.h"
#include "pc_layout.h"
#include "tables.h"
#include "util.h"

enum { LAPIC_ID = 0x20, LAPIC_SVR = 0xf0, LAPIC_ICR = 0x300, LAPIC_ICR_HIGH = 0x310,
       LAPIC_LVT0 = 0x350, LAPIC_LVT1 = 0x360 };
enum { LVT_MASKED = 0x10000, DELIVER_NMI = 0x400, DELIVER_EXTINT = 0x700 };
enum { ICR_INIT = 0x4500, ICR_SIPI = 0x4600, ICR_BUSY = 0x1000 };
enum { IOAPIC_ID = 1 };
enum { MSR_MTRR_CAP = 0xfe, MSR_MTRR_BASE0 = 0x200, MSR_MTRR_64K = 0x250, MSR_MTRR_16K_80 = 0x258,
       MSR_MTRR_16K_A0 = 0x259, MSR_MTRR_4K_C0 = 0x268, MSR_MTRR_DEFAULT = 0x2ff };
enum { TYPE_UC = 0, TYPE_WB = 6 };
#define ALL_WB 0x0606060606060606ull
#define ALL_WC 0x0101010101010101ull
#define AP_PATIENCE_S 60u       /* a busy host runs its guests late */

extern const uint8_t ap_start[], ap_end[];
static const PciWindows *ap_windows;
static volatile uint32_t ap_count;

static uint32_t ioapic_read(uint32_t reg)
{
    mmio_write(PC_IOAPIC_BASE, reg);
    return mmio_read(PC_IOAPIC_BASE + 0x10);
}

static void ioapic_write(uint32_t reg, uint32_t v)
{
    mmio_write(PC_IOAPIC_BASE, reg);
    mmio_write(PC_IOAPIC_BASE + 0x10, v);
}

/* The PIC's output reaches the first processor through the IOAPIC's pin 0. */
void apic_setup(void)
{
    ioapic_write(0, IOAPIC_ID << 24);
    if (ioapic_read(0) >> 24 != IOAPIC_ID) {
        fail("the IOAPIC does not take its id");
    }
    mmio_write(PC_LAPIC_BASE + LAPIC_SVR, 0x1ff);
    mmio_write(PC_LAPIC_BASE + LAPIC_LVT0, LVT_MASKED | DELIVER_EXTINT);
    mmio_write(PC_LAPIC_BASE + LAPIC_LVT1, DELIVER_NMI);
    ioapic_write(0x11, mmio_read(PC_LAPIC_BASE + LAPIC_ID) & 0xff000000);
    ioapic_write(0x10, DELIVER_EXTINT);
}

/* --- MTRRs --- */

static unsigned address_bits(void)
{
    uint32_t r[4];

    cpuid(0x80000000, r);
    if (r[0] < 0x80000008) {
        return 36;
    }
    cpuid(0x80000008, r);
    return r[0] & 0xff;
}

/* Splits a range into naturally aligned powers of two; as many as there are registers for. */
static unsigned set_uncached(unsigned n, unsigned count, uint64_t start, uint64_t end)
{
    uint64_t limit = 1ull << address_bits();

    while (start < end && n < count) {
        uint64_t size = start & -start;

        while (start + size > end) {
            size >>= 1;
        }
        wrmsr(MSR_MTRR_BASE0 + 2 * n, start | TYPE_UC);
        wrmsr(MSR_MTRR_BASE0 + 2 * n + 1, ((limit - 1) & ~(size - 1)) | 1 << 11);
        start += size;
        n++;
    }
    return n;
}

void mtrr_setup(const PciWindows *w)
{
    uint32_t r[4];
    uint64_t cap;
    unsigned count, n, enable = 1 << 11;

    cpuid(1, r);
    if (!(r[3] & 1 << 12)) {
        return;
    }
    cap = rdmsr(MSR_MTRR_CAP);
    count = cap & 0xff;
    wrmsr(MSR_MTRR_DEFAULT, 0);
    if (cap & 1 << 8) {
        wrmsr(MSR_MTRR_64K, ALL_WB);
        wrmsr(MSR_MTRR_16K_80, ALL_WB);
        wrmsr(MSR_MTRR_16K_A0, ALL_WC);
        for (unsigned i = 0; i < 8; i++) {
            wrmsr(MSR_MTRR_4K_C0 + i, ALL_WB);
        }
        enable |= 1 << 10;
    }
    n = set_uncached(0, count, w->low_start, PC_ACPI_INFO);
    if (w->high_size) {
        n = set_uncached(n, count, w->high_start, w->high_start + w->high_size);
    }
    for (; n < count; n++) {
        wrmsr(MSR_MTRR_BASE0 + 2 * n + 1, 0);
    }
    wrmsr(MSR_MTRR_DEFAULT, enable | TYPE_WB);
}

/* --- the other processors --- */

static void send_ipi(unsigned id, uint32_t command)
{
    while (mmio_read(PC_LAPIC_BASE + LAPIC_ICR) & ICR_BUSY) {
        asm volatile("pause");
    }
    mmio_write(PC_LAPIC_BASE + LAPIC_ICR_HIGH, id << 24);
    mmio_write(PC_LAPIC_BASE + LAPIC_ICR, command);
    while (mmio_read(PC_LAPIC_BASE + LAPIC_ICR) & ICR_BUSY) {
        asm volatile("pause");
    }
}

static uint64_t tsc(void)
{
    uint64_t v;

    asm volatile("rdtsc" : "=A"(v));
    return v;
}

void smp_ap_main(void)
{
    mtrr_setup(ap_windows);
    asm volatile("" ::: "memory");
    ap_count++;
}

static void start_ap(unsigned vcpu)
{
    uint32_t before = ap_count;
    uint64_t end = tsc() + (uint64_t)xen_cpu_mhz() * (1000000u * AP_PATIENCE_S / 64) * 64;

    send_ipi(apic_id(vcpu), ICR_INIT);
    send_ipi(apic_id(vcpu), ICR_SIPI | AP_START_ADDR >> 12);
    send_ipi(apic_id(vcpu), ICR_SIPI | AP_START_ADDR >> 12);
    while (ap_count == before) {
        if (tsc() > end) {
            fail("processor %u does not start", vcpu);
        }
        asm volatile("pause");
    }
    send_ipi(apic_id(vcpu), ICR_INIT);
}

void smp_setup(const PciWindows *w)
{
    unsigned n = hvm_info()->nr_vcpus;

    ap_windows = w;
    memcpy((void *)AP_START_ADDR, ap_start, ap_end - ap_start);
    for (unsigned i = 1; i < n; i++) {
        start_ap(i);
    }
    print("%u other processors have been set up\n", n - 1);
}
