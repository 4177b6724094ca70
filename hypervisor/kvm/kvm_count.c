/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_count.c - sorts KVM's exits by what they were for.  Ports and addresses are those of our PC
 * (include/pc_layout.h); what a guest has moved elsewhere, a bus master's ports for one, is "other".
 */
#include "hypervisor/kvm/kvm_internal.h"

#include <glib.h>

#define PAGE_MASK 0xfffULL
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC 0x800u               /* to 8FFh: register offset 16 * (index & FFh) */

static const struct {
    uint16_t first, last;
    uint8_t counter;
} port_table[] = {                      /* sorted */
    { PORT_PIC0, PORT_PIC0 + 1, KVM_COUNT_PORT_CHIP },
    { PORT_PIT, PORT_PIT + 3, KVM_COUNT_PORT_TIMER },
    { PORT_KBD_DATA, PORT_KBD_DATA, KVM_COUNT_PORT_KEYBOARD },
    { PORT_SPEAKER, PORT_SPEAKER, KVM_COUNT_PORT_TIMER },
    { PORT_KBD_STATUS, PORT_KBD_STATUS, KVM_COUNT_PORT_KEYBOARD },
    { PORT_CMOS_INDEX, PORT_CMOS_DATA, KVM_COUNT_PORT_CMOS },
    { PORT_PIC1, PORT_PIC1 + 1, KVM_COUNT_PORT_CHIP },
    { PORT_IDE1, PORT_IDE1 + 7, KVM_COUNT_PORT_IDE },
    { PORT_VBE_INDEX, PORT_VBE_DATA + 1, KVM_COUNT_PORT_VGA },
    { PORT_IDE0, PORT_IDE0 + 7, KVM_COUNT_PORT_IDE },
    { PORT_COM2, PORT_COM2 + 7, KVM_COUNT_PORT_SERIAL },
    { PORT_IDE1_CTL, PORT_IDE1_CTL, KVM_COUNT_PORT_IDE },
    { 0x3b0, 0x3df, KVM_COUNT_PORT_VGA },
    { PORT_IDE0_CTL, PORT_IDE0_CTL, KVM_COUNT_PORT_IDE },
    { PORT_COM1, PORT_COM1 + 7, KVM_COUNT_PORT_SERIAL },
    { PORT_ELCR, PORT_ELCR + 1, KVM_COUNT_PORT_CHIP },
    { PORT_PCI_ADDRESS, PORT_PCI_DATA + 3, KVM_COUNT_PORT_PCI },
    { ACPI_PM1A_EVT_V0, ACPI_GPE0_V0 + ACPI_GPE0_LEN - 1, KVM_COUNT_PORT_ACPI },
    { ACPI_CPU_MAP, ACPI_GPE0 + ACPI_GPE0_LEN - 1, KVM_COUNT_PORT_ACPI },
    { ACPI_PM1A_EVT, ACPI_PM_TMR + 3, KVM_COUNT_PORT_ACPI },
};

enum KvmCounter kvm_count_port(uint16_t port)
{
    unsigned lo = 0, hi = G_N_ELEMENTS(port_table);

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (port_table[mid].last < port) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < G_N_ELEMENTS(port_table) && port >= port_table[lo].first ? port_table[lo].counter
                                                                         : KVM_COUNT_PORT_OTHER;
}

static enum KvmCounter lapic_register(unsigned offset)
{
    switch (offset) {
    case 0x80:
        return KVM_COUNT_LAPIC_TPR;
    case 0xb0:
        return KVM_COUNT_LAPIC_EOI;
    case 0x300: case 0x310: case 0x3f0:
        return KVM_COUNT_LAPIC_ICR;
    case 0x320: case 0x380: case 0x390: case 0x3e0:
        return KVM_COUNT_LAPIC_TIMER;
    default:
        return KVM_COUNT_LAPIC_OTHER;
    }
}

enum KvmCounter kvm_count_mmio(uint64_t gpa)
{
    if (gpa >= PC_VGA_HOLE_START && gpa < PC_VGA_HOLE_END) {
        return KVM_COUNT_WINDOW;
    }
    switch (gpa & ~PAGE_MASK) {
    case PC_LAPIC_BASE:
        return lapic_register(gpa & PAGE_MASK & ~15ULL);
    case PC_IOAPIC_BASE:
        return KVM_COUNT_IOAPIC;
    case PC_HPET_BASE:
        return KVM_COUNT_HPET;
    default:
        return KVM_COUNT_MMIO_OTHER;
    }
}

enum KvmCounter kvm_count_msr(uint32_t index, bool write)
{
    if (index == MSR_TSC_DEADLINE) {
        return KVM_COUNT_LAPIC_TIMER;
    }
    if (index - MSR_X2APIC < 0x100) {
        return lapic_register((index - MSR_X2APIC) << 4);
    }
    return write ? KVM_COUNT_MSR_WRITE : KVM_COUNT_MSR_READ;
}

unsigned kvm_counters(const EngineVcpu *ev, EngineCounter *out)
{
#define KVM_COUNTER_TEXT(constant, text) text,
    static const char *const names[] = { KVM_COUNTERS(KVM_COUNTER_TEXT) };
#undef KVM_COUNTER_TEXT

    _Static_assert(KVM_COUNTER_COUNT <= ENGINE_COUNTERS, "all are told");
    for (unsigned n = 0; n < KVM_COUNTER_COUNT; n++) {
        out[n] = (EngineCounter){ names[n], __atomic_load_n(&ev->counters[n], __ATOMIC_RELAXED) };
    }
    return KVM_COUNTER_COUNT;
}
