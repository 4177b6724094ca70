/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi.c - the ACPI tables (ACPI 5.0; FADT of revision 4) and the information block through which
 * the DSDT learns what differs between guests.  The AML comes from dsdt.asl and its companions.
 */
#include "pc_layout.h"
#include "tables.h"
#include "util.h"

#define MAX_TABLES 16
#define NUM_OVERRIDES 4
#define NE2000_MAX 8            /* as many as mkdsdt.sh makes devices */
enum { PARAM_GENERATION_ID = 34 };
enum { IOAPIC_ID = 1, SCI_EN = 1, SMI_ACPI_ENABLE = 0xf1, CMOS_CENTURY = 0x32, RESET_VALUE = 6 };
enum { HPET_ID = 0x8086a201, LEVEL_LOW = 0xf };
enum { INFO_COM1 = 1, INFO_COM2 = 2, INFO_LPT1 = 4, INFO_HPET = 8, INFO_PANIC = 16 };
enum { CMOS_FLOPPIES = 0x10 };
enum { FLAG_WBINVD = 1 << 0, FLAG_C1 = 1 << 2, FLAG_FIX_RTC = 1 << 6, FLAG_TIMER_32 = 1 << 8,
       FLAG_RESET = 1 << 10, FLAG_APIC_PHYSICAL = 1 << 19 };
enum { BOOT_LEGACY = 1, BOOT_8042 = 2 };

typedef struct Header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} __attribute__((packed)) Header;

typedef struct Rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} __attribute__((packed)) Rsdp;

typedef struct Gas {
    uint8_t space, bits, offset, access;
    uint64_t addr;
} __attribute__((packed)) Gas;

typedef struct Fadt {
    Header h;
    uint32_t facs, dsdt;
    uint8_t model, profile;
    uint16_t sci;
    uint32_t smi_cmd;
    uint8_t acpi_enable, acpi_disable, s4bios, pstate;
    uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
    uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base, cst;
    uint16_t c2_latency, c3_latency, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    uint16_t boot_flags;
    uint8_t reserved;
    uint32_t flags;
    Gas reset;
    uint8_t reset_value, reserved2[3];
    uint64_t x_facs, x_dsdt;
    Gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr, x_gpe0, x_gpe1;
} __attribute__((packed)) Fadt;

typedef struct Facs {
    char signature[4];
    uint32_t length, hardware_signature, waking_vector, lock, flags;
    uint64_t x_waking_vector;
    uint8_t version, reserved[31];
} __attribute__((packed)) Facs;

typedef struct MadtLapic {
    uint8_t type, length, processor, apic;
    uint32_t flags;
} __attribute__((packed)) MadtLapic;

typedef struct MadtIoapic {
    uint8_t type, length, id, reserved;
    uint32_t address, gsi_base;
} __attribute__((packed)) MadtIoapic;

typedef struct MadtOverride {
    uint8_t type, length, bus, irq;
    uint32_t gsi;
    uint16_t flags;
} __attribute__((packed)) MadtOverride;

typedef struct Madt {
    Header h;
    uint32_t lapic_address, flags;
    MadtIoapic ioapic;
    MadtOverride override[NUM_OVERRIDES];
    MadtLapic lapic[];
} __attribute__((packed)) Madt;

typedef struct Hpet {
    Header h;
    uint32_t id;
    Gas address;
    uint8_t sequence;
    uint16_t min_tick;
    uint8_t attributes;
} __attribute__((packed)) Hpet;

typedef struct Waet {
    Header h;
    uint32_t flags;
} __attribute__((packed)) Waet;

/* Read by dsdt.asl at PC_ACPI_INFO. */
typedef struct Info {
    uint8_t present, floppies;
    uint16_t nr_cpus;
    uint32_t pci_min, pci_len, reserved[2], generation_id;
    uint64_t pci_high_min, pci_high_len;
    uint8_t reserved2[8];
    struct { uint16_t port, irqs; } ne2000[NE2000_MAX];
    uint8_t reserved3[48], cpu_flags[128];
} Info;
_Static_assert(offsetof(Info, ne2000) == 48, "dsdt.asl has it there");
_Static_assert(offsetof(Info, cpu_flags) == 0x80, "dsdt.asl has it there");

typedef struct List {
    uint32_t table[MAX_TABLES];
    unsigned n;
} List;

extern const uint8_t aml_dsdt[], aml_dsdt_end[], aml_s3[], aml_s3_end[], aml_s4[], aml_s4_end[];

static void set_checksum(Header *h)
{
    h->checksum = 0;
    h->checksum = checksum(h, h->length);
}

static void *new_table(const char *signature, uint8_t revision, uint32_t length)
{
    Header *h = mem_alloc(length, 16);

    memcpy(h->signature, signature, 4);
    h->length = length;
    h->revision = revision;
    memcpy(h->oem_id, "Xen\0\0", 6);
    memcpy(h->oem_table_id, "HVM\0\0\0\0", 8);
    memcpy(h->creator_id, "GHSE", 4);
    h->creator_revision = 1;
    return h;
}

static void add(List *l, void *table)
{
    if (l->n == MAX_TABLES) {
        fail("too many ACPI tables");
    }
    set_checksum(table);
    l->table[l->n++] = (uint32_t)table;
}

static void *copy_aml(const uint8_t *start, const uint8_t *end)
{
    return memcpy(mem_alloc(end - start, 16), start, end - start);
}

static Gas io_gas(uint16_t port, uint8_t bytes, uint8_t access)
{
    return (Gas){ 1, bytes * 8, 0, access, port };
}

static void build_fadt(List *l, uint32_t facs)
{
    Fadt *f = new_table("FACP", 4, sizeof *f);

    f->facs = f->x_facs = facs;
    f->dsdt = f->x_dsdt = (uint32_t)copy_aml(aml_dsdt, aml_dsdt_end);
    f->sci = ACPI_SCI_IRQ;
    f->pm1a_evt = ACPI_PM1A_EVT;
    f->pm1a_cnt = ACPI_PM1A_CNT;
    f->pm_tmr = ACPI_PM_TMR;
    f->gpe0 = ACPI_GPE0;
    f->pm1_evt_len = f->pm_tmr_len = 4;
    f->pm1_cnt_len = 2;
    f->gpe0_len = ACPI_GPE0_LEN;
    f->c2_latency = 0xfff;      /* too long: no C2 and C3 */
    f->c3_latency = 0xfff;
    f->century = CMOS_CENTURY;
    f->boot_flags = BOOT_LEGACY | BOOT_8042;
    f->flags = FLAG_WBINVD | FLAG_C1 | FLAG_FIX_RTC | FLAG_TIMER_32 | FLAG_RESET;
    if (hvm_info()->nr_vcpus > 7) {
        f->flags |= FLAG_APIC_PHYSICAL;         /* flat logical ids would not do */
    }
    f->reset = io_gas(PORT_RESET, 1, 1);
    f->reset_value = RESET_VALUE;
    f->x_pm1a_evt = io_gas(ACPI_PM1A_EVT, 4, 2);
    f->x_pm1a_cnt = io_gas(ACPI_PM1A_CNT, 2, 2);
    f->x_pm_tmr = io_gas(ACPI_PM_TMR, 4, 3);
    f->x_gpe0 = io_gas(ACPI_GPE0, ACPI_GPE0_LEN, 1);
    add(l, f);
}

static void build_madt(List *l, Info *info)
{
    static const uint8_t overridden[NUM_OVERRIDES] = { 0, 5, 10, 11 };
    const HvmInfo *h = hvm_info();
    unsigned n = h->nr_vcpus;
    Madt *m = new_table("APIC", 2, sizeof *m + n * sizeof m->lapic[0]);

    m->lapic_address = PC_LAPIC_BASE;
    m->flags = 1;               /* there are 8259s */
    m->ioapic = (MadtIoapic){ 1, sizeof m->ioapic, IOAPIC_ID, 0, PC_IOAPIC_BASE, 0 };
    for (unsigned i = 0; i < NUM_OVERRIDES; i++) {
        unsigned irq = overridden[i];

        m->override[i] = (MadtOverride){ 2, sizeof m->override[i], 0, irq, irq ? irq : 2,
                                         irq ? LEVEL_LOW : 0 };
    }
    for (unsigned i = 0; i < n; i++) {
        info->cpu_flags[i] = h->vcpu_online[i / 8] >> i % 8 & 1;
        m->lapic[i] = (MadtLapic){ 0, sizeof m->lapic[i], i, apic_id(i), info->cpu_flags[i] };
    }
    add(l, m);
}

static void build_hpet(List *l)
{
    Hpet *h = new_table("HPET", 1, sizeof *h);

    h->id = HPET_ID;
    h->address = (Gas){ 0, 64, 0, 0, PC_HPET_BASE };
    add(l, h);
}

/* To Windows: RTC interrupts need no second read, the PM timer is right at the first. */
static void build_waet(List *l)
{
    Waet *w = new_table("WAET", 1, sizeof *w);

    w->flags = 3;
    add(l, w);
}

/* Tables of the host that the toolstack placed in memory for this guest. */
static void add_passed_through(List *l)
{
    uint32_t at = parse_number(store_read_default("hvmloader/acpi/address", "0"));
    uint32_t left = parse_number(store_read_default("hvmloader/acpi/length", "0"));

    while (at && left >= sizeof(Header)) {
        const Header *h = (const Header *)at;

        if (h->length < sizeof *h || h->length > left) {
            return;
        }
        add(l, memcpy(mem_alloc(h->length, 16), h, h->length));
        at += h->length;
        left -= h->length;
    }
}

/* A port of a device that is not there reads all ones. */
static bool port_answers(uint16_t port)
{
    return inb(port) != 0xff;
}

static uint8_t cmos_read(uint8_t index)
{
    outb(PORT_CMOS_INDEX, index);
    return inb(PORT_CMOS_DATA);
}

static uint8_t find_devices(void)
{
    uint8_t present = 0;

    present |= port_answers(PORT_COM1 + 5) ? INFO_COM1 : 0;
    present |= port_answers(PORT_COM2 + 5) ? INFO_COM2 : 0;
    present |= port_answers(PORT_LPT1 + 1) ? INFO_LPT1 : 0;
    present |= inb(PORT_PANIC) == PANIC_EVENTS ? INFO_PANIC : 0;
    present |= mmio_read(PC_HPET_BASE) == HPET_ID ? INFO_HPET : 0;
    return present;
}

/* An ISA network card's jumpers can't be read: the toolstack says where they are. */
static void find_ne2000s(Info *info)
{
    char key[] = "hvmloader/ne2000/0/port", irq_key[] = "hvmloader/ne2000/0/irq";

    for (unsigned i = 0; i < NE2000_MAX; i++) {
        key[17] = irq_key[17] = '0' + i;
        info->ne2000[i].port = parse_number(store_read_default(key, "0"));
        info->ne2000[i].irqs = 1u << (parse_number(store_read_default(irq_key, "0")) & 15);
    }
}

/* platform/generation-id is two decimal numbers, low:high. */
static uint32_t place_generation_id(void)
{
    const char *text = store_read_default("platform/generation-id", "0:0"), *high = text;
    uint64_t *id = mem_alloc(16, 4096);

    while (*high && *high != ':') {
        high++;
    }
    id[0] = parse_number(text);
    id[1] = *high ? parse_number(high + 1) : 0;
    if (!id[0] && !id[1]) {
        return 0;
    }
    xen_set_param(PARAM_GENERATION_ID, (uint32_t)id);
    return (uint32_t)id;
}

static uint32_t build_roots(const List *l)
{
    Rsdp *p = scratch_alloc(sizeof *p, 16);
    Header *rsdt = new_table("RSDT", 1, sizeof *rsdt + l->n * 4);
    Header *xsdt = new_table("XSDT", 1, sizeof *xsdt + l->n * 8);

    memcpy(rsdt + 1, l->table, l->n * 4);
    for (unsigned i = 0; i < l->n; i++) {
        memcpy((uint8_t *)(xsdt + 1) + i * 8, &l->table[i], 4);
    }
    set_checksum(rsdt);
    set_checksum(xsdt);
    memcpy(p->signature, "RSD PTR ", 8);
    memcpy(p->oem_id, "Xen\0\0", 6);
    p->revision = 2;
    p->rsdt = (uint32_t)rsdt;
    p->length = sizeof *p;
    p->xsdt = (uint32_t)xsdt;
    p->checksum = checksum(p, 20);
    p->extended_checksum = checksum(p, sizeof *p);
    return (uint32_t)p;
}

static Facs *build_facs(void)
{
    Facs *f = mem_alloc(sizeof *f, 64);

    memcpy(f->signature, "FACS", 4);
    f->length = sizeof *f;
    f->version = 1;
    return f;
}

/* Systems may reuse none of this memory: the DSDT reads the MADT while they run. */
uint32_t acpi_build(const PciWindows *w)
{
    Info *info = (Info *)PC_ACPI_INFO;
    List l = { .n = 0 };
    Facs *facs;

    xen_populate(PC_ACPI_INFO >> 12);
    memset(info, 0, 4096);
    facs = build_facs();
    info->present = find_devices();
    info->floppies = cmos_read(CMOS_FLOPPIES);
    find_ne2000s(info);
    info->nr_cpus = hvm_info()->nr_vcpus;
    info->pci_min = w->low_start;
    info->pci_len = PC_ACPI_INFO - w->low_start;
    info->pci_high_min = w->high_start;
    info->pci_high_len = w->high_size;
    info->generation_id = place_generation_id();
    build_fadt(&l, (uint32_t)facs);
    build_madt(&l, info);
    if (info->present & INFO_HPET) {
        build_hpet(&l);
    }
    build_waet(&l);
    if (store_flag("platform/acpi_s3", true)) {
        add(&l, copy_aml(aml_s3, aml_s3_end));
    }
    if (store_flag("platform/acpi_s4", true)) {
        add(&l, copy_aml(aml_s4, aml_s4_end));
    }
    add_passed_through(&l);
    return build_roots(&l);
}

/* Systems are told that ACPI mode is on and can't be left (smi_cmd is 0). */
void acpi_enable(void)
{
    if (!(inw(ACPI_PM1A_CNT) & SCI_EN)) {
        outb(PORT_SMI_CMD, SMI_ACPI_ENABLE);
    }
    if (!(inw(ACPI_PM1A_CNT) & SCI_EN)) {
        fail("ACPI mode can't be switched on");
    }
}
