/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tables.h - the parts of hvmloader: what each does to the machine or builds in memory. */
#ifndef HVMLOADER_TABLES_H
#define HVMLOADER_TABLES_H

#include <stdbool.h>
#include <stdint.h>
#include "xen.h"

#define GIB4 0x100000000ull

/* hvm_info_table, what the domain builder says (xen/hvm/hvm_info_table.h). */
typedef struct HvmInfo {
    char signature[8];
    uint32_t length;
    uint8_t checksum;
    uint8_t apic_mode;
    uint8_t pad[2];
    uint32_t nr_vcpus;
    uint32_t low_pages;         /* RAM below 4 GiB ends here */
    uint32_t reserved_start;
    uint32_t high_end;          /* RAM above 4 GiB ends here; 0: there is none */
    uint8_t vcpu_online[16];
} HvmInfo;

HvmInfo *hvm_info(void);
static inline unsigned apic_id(unsigned vcpu) { return vcpu * 2; }

/* --- pci.c --- */
typedef struct PciWindows {
    uint32_t low_start;         /* memory BARs below 4 GiB: to PC_ACPI_INFO */
    uint64_t high_start, high_size;
} PciWindows;

void pci_setup(PciWindows *w);
/* Is a function of this device there that uses pin (0-3)? */
bool pci_uses_pin(unsigned dev, unsigned pin);

/* --- smp.c --- */
void apic_setup(void);
void mtrr_setup(const PciWindows *w);           /* this CPU's */
void smp_setup(const PciWindows *w);            /* the others' */
void smp_ap_main(void);

/* --- tables; each returns the address that SeaBIOS wants to know --- */
uint32_t smbios_build(void);
uint32_t mptable_build(void);
uint32_t pir_build(void);
uint32_t acpi_build(const PciWindows *w);
void acpi_enable(void);

/* --- e820.c --- */
/* nvs_end: what the firmware keeps from PC_ACPI_INFO on, as ACPI's non-volatile storage. */
unsigned e820_build(E820Entry *map, unsigned max, uint32_t nvs_end);
void cmos_set_memory(void);

/* --- seabios.c --- */
void seabios_load(uint32_t start_info);
void seabios_hand_over(const uint32_t *tables, unsigned n_tables, uint32_t nvs_end);

#endif
