/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pc_layout.h - every fixed port, address and interrupt of our PC, shared by the hypervisor, the
 * device models and hvmloader.  Values are Xen 4.17's HVM platform (see docs/architecture.md).
 */
#ifndef GH_PC_LAYOUT_H
#define GH_PC_LAYOUT_H

/* Guest-physical memory */
#define PC_VGA_HOLE_START       0x000A0000u
#define PC_VGA_HOLE_END         0x000C0000u
#define PC_HVM_INFO             0x0009F800u
#define PC_HVMLOADER            0x00100000u
#define PC_MMIO_HOLE_START      0xF0000000u     /* default; low RAM ends here at most */
#define PC_ACPI_INFO            0xFC000000u
#define PC_ACPI_TABLES          0xFC001000u
#define PC_RESERVED_MEM         0xFC100000u     /* hvmloader's mem_alloc, upwards */
#define PC_RESERVED_MEM_END     0xFE000000u     /* mem_hole_alloc, downwards */
#define PC_IOAPIC_BASE          0xFEC00000u
#define PC_HPET_BASE            0xFED00000u
#define PC_LAPIC_BASE           0xFEE00000u
#define PC_IOREQ_SERVER_GFN     0xFEFF0u        /* 8 pages */
#define PC_SPECIAL_GFN          0xFEFF8u        /* 8 pages: paging access sharing bufioreq */
#define PC_BUFIOREQ_GFN         0xFEFFBu
#define PC_XENSTORE_GFN         0xFEFFCu
#define PC_IOREQ_GFN            0xFEFFDu
#define PC_IDENT_PT_GFN         0xFEFFEu
#define PC_CONSOLE_GFN          0xFEFFFu

/* Ports kept by the hypervisor */
#define PORT_PIC0               0x20
#define PORT_PIC1               0xA0
#define PORT_PIT                0x40
#define PORT_SPEAKER            0x61
#define PORT_CMOS_INDEX         0x70
#define PORT_CMOS_DATA          0x71
#define CMOS_HYPERVISOR_BYTES   14              /* indexes below: hypervisor; others: qemu-dm */
#define PORT_HYPERCALL          0xE4    /* what KVM puts in the place of VMCALL: OUT imm8, eAX */
#define PORT_DEBUG_CONSOLE      0xE9
#define PORT_ELCR               0x4D0
#define PORT_PCI_ADDRESS        0xCF8
#define PORT_PCI_DATA           0xCFC
#define ACPI_PM1A_EVT_V0        0x1F40
#define ACPI_PM1A_CNT_V0        0x1F44
#define ACPI_PM_TMR_V0          0x1F48
#define ACPI_GPE0_V0            0x1F68
#define ACPI_PM1A_EVT           0xB000
#define ACPI_PM1A_CNT           0xB004
#define ACPI_PM_TMR             0xB008
#define ACPI_GPE0               0xAFE0
#define ACPI_GPE0_LEN           4
#define ACPI_CPU_MAP            0xAF00
#define ACPI_SCI_IRQ            9

/* Ports of the device model */
#define PORT_DMA1               0x00
#define PORT_XEN_PLATFORM       0x10
#define PORT_KBD_DATA           0x60
#define PORT_KBD_STATUS         0x64
#define PORT_DMA_PAGE           0x80
#define PORT_FAST_A20           0x92
#define PORT_SMI_CMD            0xB2
#define PORT_DMA2               0xC0
#define PORT_IDE0               0x1F0
#define PORT_IDE0_CTL           0x3F6
#define PORT_IDE1               0x170
#define PORT_IDE1_CTL           0x376
#define PORT_COM1               0x3F8
#define PORT_COM2               0x2F8
#define PORT_LPT1               0x378
#define PORT_FDC                0x3F0
#define PORT_VBE_INDEX          0x1CE
#define PORT_VBE_DATA           0x1CF
#define PORT_BIOS_DEBUG         0x402
#define PORT_FW_CFG             0x510
#define PORT_PANIC              0x505           /* pvpanic */
#define PANIC_EVENTS            3               /* what it reads as: panicked, crash kernel loaded */
#define PORT_RESET              0xCF9

/* ISA interrupts */
#define IRQ_PIT                 0
#define IRQ_KBD                 1
#define IRQ_COM2                3
#define IRQ_COM1                4
#define IRQ_FDC                 6
#define IRQ_LPT1                7
#define IRQ_RTC                 8
#define IRQ_SCI                 9
#define IRQ_MOUSE               12
#define IRQ_FPU                 13
#define IRQ_IDE0                14
#define IRQ_IDE1                15

/* ISA DMA channels */
#define DMA_FDC                 2

#define IOAPIC_PINS             48
#define PIT_HZ                  1193182
#define PM_TIMER_HZ             3579545
#define HPET_PERIOD_FS          16000000        /* 62.5 MHz, as Xen's */

/* PCI (dev, intx 0-3): GSI on the IOAPIC, and the PIIX3 link */
#define PCI_GSI(dev, intx)      (((((dev) << 2) + ((dev) >> 3) + (intx)) & 31) + 16)
#define PCI_LINK(dev, intx)     (((dev) + (intx)) & 3)

/* PCI functions of bus 0 (device << 3 | function) */
#define DEVFN_HOST              0x00
#define DEVFN_ISA               0x08
#define DEVFN_IDE               0x09
#define DEVFN_USB               0x0A
#define DEVFN_PM                0x0B
#define DEVFN_VGA               0x10
#define DEVFN_PLATFORM          0x18
#define DEVFN_ES1370            0x60
#define DEVFN_AC97              0x68
#define DEVFN_WATCHDOG          0x70
#define DEVFN_NIC0              0x20            /* further NICs: + 8 each */

#endif
