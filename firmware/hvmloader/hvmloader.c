/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hvmloader.c - the first code of an HVM guest: sets up what a mainboard's firmware would, writes
 * the tables, puts SeaBIOS below 1 MiB and returns to start.S, which jumps to the reset vector.
 * Option ROMs are SeaBIOS's work.  No OVMF, no passed-through SMBIOS structures, no battery.
 */
#include "layout.h"
#include "pc_layout.h"
#include "tables.h"
#include "util.h"

#define START_MAGIC 0x336ec578
#define TSS_SIZE 384
#define PAGE 4096
enum { PARAM_ACPI_PORTS = 19, PARAM_VM86_TSS = 37 };

void hvmloader_main(uint32_t start_info);

HvmInfo *hvm_info(void)
{
    return (HvmInfo *)PC_HVM_INFO;
}

static void check_input(uint32_t start_info)
{
    const HvmInfo *h = hvm_info();

    if (*(const uint32_t *)start_info != START_MAGIC) {
        fail("no start info at %08x", start_info);
    }
    if (memcmp(h->signature, "HVM INFO", 8) || h->length < sizeof *h || h->length > PAGE / 2 ||
        checksum(h, h->length)) {
        fail("the table of the domain builder at %08x is bad", PC_HVM_INFO);
    }
    if (h->nr_vcpus == 0 || h->nr_vcpus > 8 * sizeof h->vcpu_online) {
        fail("%u virtual CPUs", (unsigned)h->nr_vcpus);
    }
}

static void banner(void)
{
    uint32_t v = xen_version();

    print("Guesthouse hvmloader on Xen %u.%u%s\n", (unsigned)(v >> 16), (unsigned)(v & 0xffff),
          xen_extra_version());
    print("%u virtual CPUs at %u MHz\n", (unsigned)hvm_info()->nr_vcpus, xen_cpu_mhz());
}

/* Hardware without unrestricted real mode runs it in virtual-8086 mode, which needs a TSS. */
static void give_vm86_tss(void)
{
    uint32_t tss = (uint32_t)mem_alloc(TSS_SIZE, 128);

    xen_set_param(PARAM_VM86_TSS, (uint64_t)TSS_SIZE << 32 | tss);
}

void hvmloader_main(uint32_t start_info)
{
    PciWindows windows;
    uint32_t tables[4], nvs_end = PC_ACPI_INFO;
    unsigned n = 0;

    xen_init();
    check_input(start_info);
    banner();
    store_init();
    if (strcmp(store_read_default("hvmloader/bios", "seabios"), "seabios")) {
        fail("the only firmware is seabios");
    }
    apic_setup();
    pci_setup(&windows);
    mtrr_setup(&windows);
    smp_setup(&windows);
    seabios_load(start_info);
    tables[n++] = smbios_build();
    give_vm86_tss();
    if (hvm_info()->nr_vcpus > 1 || hvm_info()->apic_mode) {
        tables[n++] = mptable_build();
        tables[n++] = pir_build();
    }
    if (store_flag("platform/acpi", true)) {
        tables[n++] = acpi_build(&windows);
        nvs_end = mem_new_page();
        acpi_enable();
        xen_set_param(PARAM_ACPI_PORTS, 1);
    }
    cmos_set_memory();
    seabios_hand_over(tables, n, nvs_end);
    store_finish();
    xen_finish();
}
