/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_test.c - CPUID, MSRs, the debug port, and save and load of all chips. */
#include "hypervisor/hvm/debugport.h"
#include "tests/hvm/rig.h"

static Rig *r;
static uint32_t out[4];

static void setup(void)
{
    r = rig_new(2);
}

static void teardown(void)
{
    rig_free(r);
}

static const uint32_t *cpuid(unsigned vcpu, uint32_t leaf, uint32_t sub)
{
    platform_cpuid(r->p, vcpu, leaf, sub, 0, 1, out);
    return out;
}

TestSuite(policy, .init = setup, .fini = teardown);

Test(policy, xen_leaves_are_those_of_4_17)
{
    cr_assert_eq(memcmp(cpuid(0, 0x40000000, 0) + 1, "XenVMMXenVMM", 12), 0);
    cr_assert_eq(out[0], 0x40000005);
    cr_assert_eq(cpuid(0, 0x40000001, 0)[0], 4 << 16 | 17);
    cr_assert_eq(cpuid(0, 0x40000002, 0)[0], 1);
    cr_assert_eq(out[1], 0x40000000);
    cr_assert_eq(cpuid(0, 0x40000003, 0)[2], RIG_TSC_KHZ);
    cr_assert_eq(cpuid(1, 0x40000004, 0)[1], 1);
    cr_assert_eq(out[2], 7);
    cr_assert_eq(cpuid(0, 0x40000006, 0)[0], 0);
}

Test(policy, pv_clock_scale_turns_tsc_into_ns)
{
    uint64_t tsc = 2000000000ull, ns;
    int8_t shift;

    cpuid(0, 0x40000003, 1);
    shift = out[3];
    ns = shift < 0 ? tsc >> -shift : tsc << shift;
    ns = (unsigned __int128)ns * out[2] >> 32;
    cr_assert(ns > 999999990 && ns <= 1000000000, "%lu", ns);
}

Test(policy, hides_what_the_machine_does_not_have)
{
    cpuid(1, 1, 0);
    cr_assert_eq(out[1] >> 24, 2, "APIC id");
    cr_assert(out[2] & 1u << 31, "hypervisor");
    cr_assert(out[2] & 1u << 21, "x2APIC");
    cr_assert_not(out[2] & (1u << 5 | 1u << 3), "VMX, MONITOR");
    cr_assert_not(out[2] & 1u << 27, "OSXSAVE follows CR4");
    platform_cpuid(r->p, 0, 1, 0, 1u << 18, 1, out);
    cr_assert(out[2] & 1u << 27);
    cr_assert_not(cpuid(0, 0x80000001, 0)[2] & 1u << 2, "SVM");
    cr_assert_eq(cpuid(0, 0xa, 0)[0], 0, "PMU");
    cr_assert_eq(cpuid(0, 0x80000008, 0)[0] & 0xff, 40);
    cr_assert_eq(cpuid(1, 0xb, 0)[3], 2);
}

Test(policy, apic_bit_follows_the_base_register)
{
    cr_assert(cpuid(0, 1, 0)[3] & 1u << 9);
    cr_assert(platform_msr_write(r->p, 0, 0x1b, PC_LAPIC_BASE | 0x100));
    cr_assert_not(cpuid(0, 1, 0)[3] & 1u << 9);
}

Test(policy, mtrrs_are_kept_and_checked)
{
    cr_assert_eq(rig_rdmsr(r, 0, 0xfe), 0x508);
    cr_assert(platform_msr_write(r->p, 0, 0x200, 0xf0000000));
    cr_assert(platform_msr_write(r->p, 0, 0x201, 0xfff0000800));
    cr_assert_eq(rig_rdmsr(r, 0, 0x201), 0xfff0000800);
    cr_assert_eq(rig_rdmsr(r, 1, 0x201), 0, "each vCPU has its own");
    cr_assert_not(platform_msr_write(r->p, 0, 0x200, 2), "type 2 is reserved");
    cr_assert_not(platform_msr_write(r->p, 0, 0x201, 1ull << 40 | 0x800), "beyond the width");
    cr_assert_not(platform_msr_write(r->p, 0, 0x250, 0x0202020202020202));
    cr_assert(platform_msr_write(r->p, 0, 0x2ff, 0xc06));
    cr_assert_not(platform_msr_write(r->p, 0, 0x2ff, 0x1c06));
}

Test(policy, unknown_msrs_fault)
{
    uint64_t v;

    for (uint32_t i = 0; i < 0x2000; i++) {
        platform_msr_read(r->p, 0, i, &v);
        platform_msr_read(r->p, 0, 0xc0000000 + i, &v);
        platform_msr_read(r->p, 0, 0x40000000 + i, &v);
    }
    cr_assert_not(platform_msr_read(r->p, 0, 0x12345, &v));
    cr_assert_not(platform_msr_write(r->p, 0, 0x12345, 0));
    cr_assert_not(platform_msr_write(r->p, 0, 0x1b, 0x1000000000000000));
}

/* Linux writes 0 to MISC_FEATURES_ENABLES of every Intel, and complains of a fault. */
Test(policy, misc_features_can_be_left_off)
{
    cr_assert_eq(rig_rdmsr(r, 0, 0x140), 0);
    cr_assert(platform_msr_write(r->p, 0, 0x140, 0));
    cr_assert_not(platform_msr_write(r->p, 0, 0x140, 1));
}

Test(policy, tsc_adjust_tells_the_change)
{
    cr_assert(platform_msr_write(r->p, 0, 0x3b, 1000));
    cr_assert_eq(platform_take_tsc_adjust(r->p, 0), 1000);
    cr_assert_eq(platform_take_tsc_adjust(r->p, 0), 0);
    cr_assert(platform_msr_write(r->p, 0, 0x3b, 400));
    cr_assert_eq(platform_take_tsc_adjust(r->p, 0), -600);
}

Test(policy, debug_port_without_a_console_logs_lines)
{
    FakeMachine *f = fake_machine_new();

    cr_assert_not_null(device_create(&f->m, &debugport_class, NULL));
    for (const char *p = "hello\a guest\n"; *p; p++) {
        fake_out8(f, PORT_DEBUG_CONSOLE, *p);
    }
    cr_assert_str_eq(f->last_log, "debugport: hello guest");
    for (unsigned i = 0; i < 1000; i++) {
        fake_out8(f, PORT_DEBUG_CONSOLE, 'x');
    }
    cr_assert_gt(f->logged, 2, "a line without an end is cut");
    cr_assert_eq(fake_in8(f, PORT_DEBUG_CONSOLE), 0xff);
    fake_machine_free(f);
}

Test(policy, debug_port_passes_printable_characters)
{
    for (const char *s = "a\x01z\n"; *s; s++) {
        rig_out(r, PORT_DEBUG_CONSOLE, *s);
    }
    cr_assert_str_eq(r->console, "az\n");
    cr_assert_eq(rig_in(r, PORT_DEBUG_CONSOLE), 0xff);
}

Test(policy, all_chips_come_back_as_they_were_saved)
{
    g_autoptr(GByteArray) saved = g_byte_array_new(), again = g_byte_array_new();
    g_autoptr(GString) before = g_string_new(NULL), after = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    Rig *other = rig_new(2);

    rig_pic_setup(r);
    rig_set_rte(r, 17, 0x8062);
    platform_set_pci_intx(r->p, 4, 0, true);
    rig_set_apic(r, 0, 0x320, 0x20050);
    rig_set_apic(r, 0, 0x380, 100000);
    rig_out(r, PORT_PIT + 3, 0x34);
    rig_out(r, PORT_PIT, 0x12);
    rig_out(r, PORT_PIT, 0x34);
    platform_msr_write(r->p, 1, 0x2ff, 0xc06);
    platform_acpi_ports(r->p, 1);
    fake_advance(r->f, 12345678);
    other->f->now = r->f->now;
    machine_save(&r->f->m, saved);
    cr_assert(machine_load(&other->f->m, saved->data, saved->len, &error), "%s",
              error ? error->message : "");
    machine_save(&other->f->m, again);
    machine_dump(&r->f->m, before);
    machine_dump(&other->f->m, after);
    cr_assert_str_eq(before->str, after->str);
    cr_assert_eq(saved->len, again->len);
    cr_assert_eq(memcmp(saved->data, again->data, saved->len), 0);
    fake_advance(other->f, NS_PER_MS);
    fake_advance(r->f, NS_PER_MS);
    cr_assert_eq(platform_irq_ack(other->p, 0), platform_irq_ack(r->p, 0));
    cr_assert_eq(rig_in(r, PORT_PIT), rig_in(other, PORT_PIT));
    rig_free(other);
}

Test(policy, damaged_streams_are_refused_or_harmless, .timeout = 60)
{
    g_autoptr(GByteArray) saved = g_byte_array_new();
    uint32_t seed = 1;

    machine_save(&r->f->m, saved);
    for (unsigned i = 0; i < 20000; i++) {
        g_autofree uint8_t *bad = g_memdup2(saved->data, saved->len);
        g_autoptr(GError) error = NULL;

        for (unsigned k = 0; k < 4; k++) {
            seed = seed * 1664525 + 1013904223;
            bad[(seed >> 8) % saved->len] = seed >> 3;
        }
        machine_load(&r->f->m, bad, saved->len, &error);
        timer_queue_run(&r->f->m.timers, r->f->now);
        for (uint16_t p = 0; p < 0x80; p++) {
            io_read(&r->f->m.io, IO_PORT, p, 1);
        }
        for (unsigned v = 0; v < 2; v++) {
            platform_irq_ack(r->p, v);
        }
        for (unsigned c = 0; c < 14; c++) {
            platform_rtc_read(r->p, c);
        }
        io_read(&r->f->m.io, IO_MMIO, PC_HPET_BASE + 0xf0, 8);
    }
}

static uint32_t rnd(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8 ^ *seed << 11;
}

static void random_access(uint32_t *seed)
{
    static const uint16_t ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x4d0,
                                      0x4d1, 0xe9, 0x1f40, 0x1f42, 0x1f48, 0xb000, 0xb002 };
    IoMap *io = &r->f->m.io;
    uint32_t v = rnd(seed), what = rnd(seed);
    unsigned vcpu = what >> 8 & 1, width = 1u << (what >> 10 & 3);
    uint64_t dummy;

    switch (what % 12) {
    case 0: io_write(io, IO_PORT, ports[v % G_N_ELEMENTS(ports)], MIN(width, 4), rnd(seed)); break;
    case 1: io_read(io, IO_PORT, ports[v % G_N_ELEMENTS(ports)], MIN(width, 4)); break;
    case 2:
        io_write(io, IO_MMIO, PC_HPET_BASE + (v & 0x1f8), width, rnd(seed) >> (v >> 20 & 31));
        break;
    case 3: rig_set_rte(r, v % 50, (uint64_t)rnd(seed) << 32 | (rnd(seed) & 0x1ffff)); break;
    case 4: platform_lapic_write(r->p, vcpu, PC_LAPIC_BASE + (v & 0xff0), 4, rnd(seed)); break;
    case 5: platform_lapic_read(r->p, vcpu, PC_LAPIC_BASE + (v & 0xfff), width, &dummy); break;
    case 6: platform_rtc_write(r->p, v % 16, rnd(seed)); break;
    case 7: platform_rtc_read(r->p, v % 16); break;
    case 8: platform_msr_write(r->p, vcpu, v & 0xfff, rnd(seed)); break;
    case 9: platform_set_pci_intx(r->p, v & 31, v >> 5 & 3, v >> 7 & 1); break;
    case 10: platform_set_link_route(r->p, v & 3, v >> 2 & 0xff); break;
    default: platform_set_isa_irq(r->p, v & 15, v >> 4 & 1); break;
    }
}

Test(policy, random_accesses_are_survived_and_time_goes_on, .timeout = 120)
{
    uint32_t seed = 4711;

    for (unsigned i = 0; i < 200000; i++) {
        random_access(&seed);
        if (i % 16 == 0) {
            r->f->now += rnd(&seed) % (i % 4096 ? 1000000 : 4000000000u);
            timer_queue_run(&r->f->m.timers, r->f->now);
            platform_irq_ack(r->p, i >> 4 & 1);
        }
    }
    for (unsigned i = 0; i < 10; i++) {
        timer_queue_run(&r->f->m.timers, r->f->now);
    }
    cr_assert(timer_queue_next(&r->f->m.timers) > r->f->now, "a timer fires without end");
}

Test(policy, every_port_and_width_is_answered)
{
    static const uint16_t ports[] = { PORT_PIC0, PORT_PIC1, PORT_PIT, PORT_SPEAKER, PORT_ELCR,
                                      PORT_DEBUG_CONSOLE, ACPI_PM1A_EVT_V0, ACPI_PM_TMR_V0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
        for (int off = -4; off < 12; off++) {
            for (unsigned w = 1; w <= 4; w *= 2) {
                uint64_t v = io_read(&r->f->m.io, IO_PORT, ports[i] + off, w);

                cr_assert(v < 1ull << 8 * w);
                io_write(&r->f->m.io, IO_PORT, ports[i] + off, w, 0xa5a5a5a5);
            }
        }
    }
}
