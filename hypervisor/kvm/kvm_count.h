/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_count.h - why a vCPU left KVM, for `xm counters`.
 *
 * Counted by the vCPU's thread alone, read by any: no figure is older than a moment, and they need not
 * agree with each other.  An exit is counted once, by what it was for; what is not an exit comes first
 * and last in the list.
 */
#ifndef GH_KVM_COUNT_H
#define GH_KVM_COUNT_H

#include <stdbool.h>
#include <stdint.h>

/* constant, name */
#define KVM_COUNTERS(X) \
    X(ENTERED, "entries into KVM") \
    X(PORT_CHIP, "ports of the interrupt controllers") \
    X(PORT_TIMER, "ports of PIT and speaker") \
    X(PORT_CMOS, "ports of the CMOS clock") \
    X(PORT_ACPI, "ports of ACPI") \
    X(PORT_PCI, "ports of PCI configuration") \
    X(PORT_IDE, "ports of IDE drives") \
    X(PORT_KEYBOARD, "ports of the keyboard controller") \
    X(PORT_SERIAL, "ports of serial ports") \
    X(PORT_VGA, "ports of the VGA card") \
    X(PORT_OTHER, "other ports") \
    X(STRINGS, "ports read by REP INS") \
    X(LAPIC_EOI, "LAPIC: EOI") \
    X(LAPIC_TPR, "LAPIC: task priority, in memory") \
    X(LAPIC_ICR, "LAPIC: interprocessor interrupts") \
    X(LAPIC_TIMER, "LAPIC: timer") \
    X(LAPIC_OTHER, "LAPIC: others") \
    X(CR8, "LAPIC: task priority, by CR8") \
    X(IOAPIC, "I/O APIC") \
    X(HPET, "HPET") \
    X(WINDOW, "VGA window") \
    X(MMIO_OTHER, "other devices in memory") \
    X(MSR_READ, "RDMSR of others") \
    X(MSR_WRITE, "WRMSR of others") \
    X(HYPERCALLS, "hypercalls") \
    X(HALTS, "HLT") \
    X(IRQ_WINDOW, "interrupt windows waited for") \
    X(SIGNALS, "kicked by other threads") \
    X(DEBUG, "debugger's points and steps") \
    X(REFUSED, "instructions that KVM refused") \
    X(OTHER, "other exits") \
    X(COLLECTED, "writes that KVM had collected") \
    X(INTERRUPTS, "interrupts put in") \
    X(NMIS, "NMIs put in") \
    X(WATCHES, "turns of the software CPU in search of a hypercall")

#define KVM_COUNTER_NAME(constant, name) KVM_COUNT_##constant,
enum KvmCounter { KVM_COUNTERS(KVM_COUNTER_NAME) KVM_COUNTER_COUNT };
#undef KVM_COUNTER_NAME

/* Which counter an access belongs to. */
enum KvmCounter kvm_count_port(uint16_t port);
enum KvmCounter kvm_count_mmio(uint64_t gpa);
enum KvmCounter kvm_count_msr(uint32_t index, bool write);

#endif
