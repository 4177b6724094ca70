/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c - measures what port and memory-mapped accesses cost a kernel: 32-bit code at ring 0 without
 * paging.  On COM1: "READY"; for each byte that comes, a line "PORTS name 0.01ns" for each kind of
 * access, or for the one whose number plus 32 the byte is if there are so many, and "DONE".
 * The clock is the TSC, measured by the ACPI timer; each figure is the best of five runs of some 8 ms, less the
 * loop around it.  What the firmware left in the devices is enough: nothing is set up but the LAPIC's
 * vector register and one interrupt vector.
 */
#include <stdint.h>

#define COM1 0x3f8
#define PM_HZ 3579545u
#define LAPIC 0xfee00000u
#define IOAPIC 0xfec00000u
#define VECTOR 0x40
#define RUNS 5

typedef void (*Loop)(uint32_t n);
typedef struct Row {
    const char *name;
    Loop loop;
    unsigned needs;             /* NEEDS_* */
} Row;
enum { NEEDS_NOTHING, NEEDS_HPET };

extern const uint8_t end_of_interrupt[];

static uint16_t pm_port;
static uint32_t hpet;
static uint32_t tsc_khz;
static uint64_t idt[VECTOR + 1];

static inline void out8(uint16_t p, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(p)); }
static inline void out32(uint16_t p, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(p)); }
static inline uint8_t in8(uint16_t p)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(p));
    return v;
}
static inline uint32_t in32(uint16_t p)
{
    uint32_t v;

    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(p));
    return v;
}
static inline uint32_t load(uint32_t at)
{
    return *(const volatile uint32_t *)at;
}
static inline void store(uint32_t at, uint32_t v)
{
    *(volatile uint32_t *)at = v;
}
static inline uint64_t tsc(void)
{
    uint64_t v;

    __asm__ volatile("rdtsc" : "=A"(v));
    return v;
}

/* --- the serial line --- */

static void put(char c)
{
    while (!(in8(COM1 + 5) & 0x20)) {
    }
    out8(COM1, c);
}

static void text(const char *s)
{
    while (*s) {
        put(*s++);
    }
}

static void number(uint32_t v)
{
    char digits[11], *p = digits + 10;

    *p = 0;
    do {
        *--p = '0' + v % 10;
        v /= 10;
    } while (v);
    text(p);
}

/* --- what is measured --- */

#define LOOP(name, what) static void name(uint32_t n) { while (n--) { what; } }

LOOP(nothing, __asm__ volatile(""))
LOOP(pit_in, in8(0x40))
LOOP(pit_latch, out8(0x43, 0); in8(0x40); in8(0x40))
LOOP(port61_in, in8(0x61))
LOOP(pic_in, in8(0x21))
LOOP(pic_out, out8(0x21, 0xff))
LOOP(pic_eoi, out8(0x20, 0x60))
LOOP(rtc_pair, out8(0x70, 0x0a); in8(0x71))
LOOP(cmos_pair, out8(0x70, 0x34); in8(0x71))
LOOP(pm_in, in32(pm_port))
LOOP(nobody_in, in8(0x2e0))
LOOP(nobody_out, out8(0x2e0, 0))
LOOP(post_out, out8(0x80, 0))
LOOP(pci_pair, out32(0xcf8, 0x80000000); in32(0xcfc))
LOOP(pci_address, in32(0xcf8))
LOOP(uart_in, in8(COM1 + 5))
LOOP(uart_scratch, out8(COM1 + 7, 0x55))
LOOP(ide_in, in8(0x177))
LOOP(ide_out, out8(0x172, 1))
LOOP(crtc_pair_in, out8(0x3d4, 0x0e); in8(0x3d5))
LOOP(crtc_pair_out, out8(0x3d4, 0x0e); out8(0x3d5, 0))
LOOP(kbc_in, in8(0x64))
LOOP(vga_status, in8(0x3da))
LOOP(vga_text, *(volatile uint8_t *)0xb8000 = ' ')
LOOP(lapic_id, load(LAPIC + 0x20))
LOOP(lapic_count, load(LAPIC + 0x390))
LOOP(lapic_tpr, store(LAPIC + 0x80, 0))
LOOP(lapic_eoi, store(LAPIC + 0xb0, 0))
LOOP(lapic_timer, store(LAPIC + 0x380, 1000000000))
LOOP(lapic_icr, store(LAPIC + 0x310, 0x0e000000))
LOOP(self_ipi, store(LAPIC + 0x300, 0x44000 | VECTOR); __asm__ volatile("sti; nop; cli"))
LOOP(ioapic_pair, store(IOAPIC, 0x10); load(IOAPIC + 0x10))
LOOP(hpet_count, load(hpet + 0xf0))
LOOP(hpet_config, load(hpet + 0x10))
LOOP(rdtsc_insn, tsc())
LOOP(rdmsr_apic, __asm__ volatile("rdmsr" : : "c"(0x1b) : "eax", "edx"))
LOOP(wrmsr_pat, __asm__ volatile("wrmsr" : : "c"(0x277), "a"(0x00070406), "d"(0x00070406)))

static void cpuid_insn(uint32_t n)
{
    while (n--) {
        uint32_t a = 1, b, c = 0, d;

        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    }
}

static void ins_pic(uint32_t n)
{
    uint8_t room[64];

    for (n /= 64; n--;) {
        uint8_t *to = room;
        uint32_t count = 64;

        __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(0x21) : "memory");
    }
}

static const Row rows[] = {
    { "pit_in", pit_in, 0 }, { "pit_latch_in_in", pit_latch, 0 }, { "port61_in", port61_in, 0 },
    { "pic_in", pic_in, 0 }, { "pic_out", pic_out, 0 }, { "pic_eoi", pic_eoi, 0 },
    { "pic_ins_each", ins_pic, 0 },
    { "rtc_out_in", rtc_pair, 0 }, { "pm_timer_in", pm_in, 0 },
    { "nobody_in", nobody_in, 0 }, { "nobody_out", nobody_out, 0 }, { "port80_out", post_out, 0 },
    { "cmos_ram_out_in", cmos_pair, 0 },
    { "pci_out_in", pci_pair, 0 }, { "pci_address_in", pci_address, 0 },
    { "uart_status_in", uart_in, 0 }, { "uart_scratch_out", uart_scratch, 0 },
    { "ide_status_in", ide_in, 0 }, { "ide_count_out", ide_out, 0 },
    { "crtc_out_in", crtc_pair_in, 0 }, { "crtc_out_out", crtc_pair_out, 0 },
    { "kbc_status_in", kbc_in, 0 }, { "vga_status_in", vga_status, 0 },
    { "vga_text_write", vga_text, 0 },
    { "lapic_id_read", lapic_id, 0 }, { "lapic_count_read", lapic_count, 0 },
    { "lapic_tpr_write", lapic_tpr, 0 }, { "lapic_eoi_write", lapic_eoi, 0 },
    { "lapic_timer_write", lapic_timer, 0 }, { "lapic_icr2_write", lapic_icr, 0 },
    { "self_ipi", self_ipi, 0 }, { "ioapic_write_read", ioapic_pair, 0 },
    { "hpet_count_read", hpet_count, NEEDS_HPET }, { "hpet_config_read", hpet_config, NEEDS_HPET },
    { "rdtsc", rdtsc_insn, 0 }, { "cpuid", cpuid_insn, 0 }, { "rdmsr_apic_base", rdmsr_apic, 0 },
    { "wrmsr_pat", wrmsr_pat, 0 },
};

static uint32_t ticks(Loop loop, uint32_t n)
{
    uint64_t start = tsc(), took;

    loop(n);
    took = tsc() - start;
    return took >> 32 ? UINT32_MAX : (uint32_t)took;
}

/* x * by / divisor, without 64-bit division's library. */
static uint32_t scale(uint32_t x, uint32_t by, uint32_t divisor)
{
    uint32_t high, low, quotient, rest;

    __asm__("mull %3" : "=a"(low), "=d"(high) : "0"(x), "rm"(by));
    if (high >= divisor) {
        return UINT32_MAX;
    }
    __asm__("divl %4" : "=a"(quotient), "=d"(rest) : "0"(low), "1"(high), "rm"(divisor));
    return quotient;
}

/* Hundredths of a nanosecond for one turn. */
static uint32_t measure(Loop loop)
{
    uint32_t n = 64, best = UINT32_MAX, goal = tsc_khz * 8;

    while (ticks(loop, n) < goal / 2 && n < 1u << 26) {
        n *= 2;
    }
    for (unsigned i = 0; i < RUNS; i++) {
        uint32_t took = ticks(loop, n);

        best = took < best ? took : best;
    }
    return scale(scale(best, 10000, n), 10000, tsc_khz);
}

/* --- the clock, tables, interrupts --- */

static void measure_tsc(void)
{
    uint32_t start = in32(pm_port) & 0xffffff, passed = 0;
    uint64_t from = tsc();

    while (passed < PM_HZ / 20) {
        passed = (in32(pm_port) - start) & 0xffffff;
    }
    tsc_khz = scale((uint32_t)(tsc() - from), PM_HZ / 1000, passed);
}

static uint32_t find_rsdt(void)
{
    for (uint32_t at = 0xe0000; at < 0x100000; at += 16) {
        if (load(at) == 0x20445352 && load(at + 4) == 0x20525450) {     /* "RSD PTR " */
            return load(at + 16);
        }
    }
    return 0;
}

static uint32_t find_table(uint32_t rsdt, uint32_t name)
{
    for (uint32_t at = rsdt + 36; at < rsdt + load(rsdt + 4); at += 4) {
        if (load(load(at)) == name) {
            return load(at);
        }
    }
    return 0;
}

/* The host's processor is the other machine's while this one waits: the LAPIC's timer ends each halt. */
static uint8_t wait_for_byte(void)
{
    store(LAPIC + 0x320, VECTOR);
    store(LAPIC + 0x3e0, 0xb);
    while (!(in8(COM1 + 5) & 1)) {
        store(LAPIC + 0x380, 2000000);
        __asm__ volatile("sti; hlt; cli");
    }
    store(LAPIC + 0x320, 0x10000);
    return in8(COM1);
}

static void set_up_interrupt(void)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = { sizeof idt - 1, (uint32_t)idt };
    uint32_t at = (uint32_t)end_of_interrupt;

    idt[VECTOR] = (at & 0xffff) | 8u << 16 | (uint64_t)((at & 0xffff0000) | 0x8e00) << 32;
    __asm__ volatile("lidt %0" : : "m"(pointer));
    store(LAPIC + 0xf0, 0x1ff);
}

void ports_main(void);

void ports_main(void)
{
    uint32_t rsdt = find_rsdt(), facp = find_table(rsdt, 0x50434146), table;

    text("\r\nPORTS guest\r\n");
    if (!facp) {
        text("no FADT\r\n");
        return;
    }
    pm_port = load(facp + 76);
    table = find_table(rsdt, 0x54455048);
    hpet = table ? load(table + 44) : 0;
    measure_tsc();
    set_up_interrupt();
    for (;;) {
        unsigned count = sizeof rows / sizeof rows[0], one;
        uint32_t empty;

        text("READY\r\n");
        one = wait_for_byte() - ' ';
        empty = measure(nothing);
        for (unsigned i = 0; i < count; i++) {
            uint32_t took;

            if ((rows[i].needs == NEEDS_HPET && !hpet) || (one < count && i != one)) {
                continue;
            }
            took = measure(rows[i].loop);
            text("PORTS ");
            text(rows[i].name);
            put(' ');
            number(took > empty ? took - empty : 0);
            text("\r\n");
        }
        text("DONE\r\n");
    }
}
