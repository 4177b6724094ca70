/* SPDX-License-Identifier: GPL-2.0-or-later */
/* time_test.c - PIT, RTC, HPET, PM timer. */
#include "tests/hvm/rig.h"

static Rig *r;

static void setup(void)
{
    r = rig_new(1);
    rig_pic_setup(r);
}

static void teardown(void)
{
    rig_free(r);
}

static bool tick(void)
{
    int v = platform_irq_ack(r->p, 0);

    if (v < 0 || !platform_irq_hint(r->p, 0)) {
        rig_out(r, PORT_PIC0, 0x20);
    }
    return v == 0x20;
}

/* --- PIT --- */

TestSuite(pit, .init = setup, .fini = teardown);

static uint16_t pit_count(unsigned ch)
{
    uint8_t low;

    rig_out(r, PORT_PIT + 3, ch << 6);
    low = rig_in(r, PORT_PIT + ch);
    return low | rig_in(r, PORT_PIT + ch) << 8;
}

static void pit_load(unsigned ch, unsigned mode, uint16_t count)
{
    rig_out(r, PORT_PIT + 3, ch << 6 | 0x30 | mode << 1);
    rig_out(r, PORT_PIT + ch, count);
    rig_out(r, PORT_PIT + ch, count >> 8);
}

Test(pit, rate_generator_ticks_18_times_a_second)
{
    unsigned n = 0;

    pit_load(0, 2, 0);
    for (unsigned i = 0; i < 1000; i++) {
        fake_advance(r->f, NS_PER_MS);
        if (platform_irq_pending(r->p, 0)) {
            cr_assert_eq(platform_irq_ack(r->p, 0), 0x20);
            rig_out(r, PORT_PIC0, 0x20);
            n++;
        }
    }
    cr_assert_eq(n, 18);
}

Test(pit, one_shot_fires_once)
{
    pit_load(0, 0, 1193);
    fake_advance(r->f, 900000);
    cr_assert_not(platform_irq_pending(r->p, 0));
    fake_advance(r->f, 200000);
    cr_assert(tick());
    fake_advance(r->f, NS_PER_S);
    cr_assert_not(platform_irq_pending(r->p, 0));
}

Test(pit, latched_count_stays_until_read)
{
    uint8_t low;
    unsigned high;

    pit_load(0, 2, 0xffff);
    fake_advance(r->f, 10 * NS_PER_MS);
    rig_out(r, PORT_PIT + 3, 0);
    fake_advance(r->f, NS_PER_MS);
    low = rig_in(r, PORT_PIT);
    high = rig_in(r, PORT_PIT);
    cr_assert_eq(high << 8 | low, 0xffff - 11931);
    cr_assert_eq(pit_count(0), 0xffff - 13125);
}

Test(pit, read_back_gives_status_then_count)
{
    pit_load(2, 3, 1000);
    rig_out(r, PORT_SPEAKER, 1);
    rig_out(r, PORT_PIT + 3, 0xc8);     /* status and count of channel 2 */
    cr_assert_eq(rig_in(r, PORT_PIT + 2), 0xb6);
    cr_assert_eq(rig_in(r, PORT_PIT + 2), 1000 & 0xff);
    cr_assert_eq(rig_in(r, PORT_PIT + 2), 1000 >> 8);
}

Test(pit, bcd_counts_in_decimal)
{
    rig_out(r, PORT_PIT + 3, 0x35);     /* channel 0, both, mode 2, BCD */
    rig_out(r, PORT_PIT, 0x00);
    rig_out(r, PORT_PIT, 0x10);         /* 1000 */
    fake_advance(r->f, 83810);          /* 100 clocks */
    cr_assert_eq(pit_count(0), 0x0900);
}

Test(pit, gate_stops_channel_2_and_out2_is_seen)
{
    pit_load(2, 0, 1193);               /* 1 ms */
    rig_out(r, PORT_SPEAKER, 0);
    fake_advance(r->f, 5 * NS_PER_MS);
    cr_assert_not(rig_in(r, PORT_SPEAKER) & 0x20, "no gate, no count");
    rig_out(r, PORT_SPEAKER, 1);
    fake_advance(r->f, 900000);
    cr_assert_not(rig_in(r, PORT_SPEAKER) & 0x20);
    fake_advance(r->f, 200000);
    cr_assert(rig_in(r, PORT_SPEAKER) & 0x20);
}

Test(pit, refresh_bit_toggles)
{
    uint8_t first = rig_in(r, PORT_SPEAKER) & 0x10;

    fake_advance(r->f, 15085);
    cr_assert_neq(rig_in(r, PORT_SPEAKER) & 0x10, first);
}

Test(pit, hardware_triggered_one_shot_waits_for_the_gate)
{
    rig_out(r, PORT_SPEAKER, 0);
    pit_load(2, 1, 1193);
    cr_assert(rig_in(r, PORT_SPEAKER) & 0x20);
    rig_out(r, PORT_SPEAKER, 1);
    cr_assert_not(rig_in(r, PORT_SPEAKER) & 0x20);
    fake_advance(r->f, 1100000);
    cr_assert(rig_in(r, PORT_SPEAKER) & 0x20);
}

Test(pit, long_stop_gives_one_tick)
{
    pit_load(0, 2, 1193);
    r->f->now += 86400 * NS_PER_S;
    timer_queue_run(&r->f->m.timers, r->f->now);
    cr_assert(tick());
    cr_assert_not(platform_irq_pending(r->p, 0));
    cr_assert(timer_queue_next(&r->f->m.timers) > r->f->now);
}

Test(pit, mode_port_and_odd_widths_are_safe_to_read)
{
    cr_assert_eq(rig_in(r, PORT_PIT + 3), 0xff);
    io_read(&r->f->m.io, IO_PORT, PORT_PIT, 4);
    io_read(&r->f->m.io, IO_PORT, PORT_PIT + 3, 2);
    cr_assert_eq(io_read(&r->f->m.io, IO_PORT, PORT_SPEAKER + 1, 1), 0xff);
}

static void speaker_is(bool first, uint32_t first_ticks, uint32_t second_ticks, unsigned changes)
{
    const SpeakerWave *w = &r->f->speaker;

    cr_expect_eq(w->first, first);
    cr_expect_eq(w->first_ticks, first_ticks, "%u", w->first_ticks);
    cr_expect_eq(w->second_ticks, second_ticks, "%u", w->second_ticks);
    cr_expect_eq(r->f->speaker_changes, changes, "%u", r->f->speaker_changes);
}

Test(pit, speaker_hears_of_a_tone_and_its_end_and_of_nothing_else)
{
    pit_load(2, 3, 1193);
    rig_out(r, PORT_SPEAKER, 1);        /* counts, but is not connected */
    fake_advance(r->f, NS_PER_MS);
    pit_load(2, 3, 1195);
    cr_assert_eq(r->f->speaker_changes, 0);
    fake_advance(r->f, NS_PER_MS);
    rig_out(r, PORT_SPEAKER, 3);
    speaker_is(true, 598, 597, 1);
    cr_assert_eq(r->f->speaker.at, 2 * NS_PER_MS);
    cr_assert_eq(r->f->speaker.start, NS_PER_MS, "it has counted since");
    rig_out(r, PORT_SPEAKER, 3);
    pit_load(0, 2, 1000);
    cr_assert_eq(r->f->speaker_changes, 1);
    rig_out(r, PORT_SPEAKER, 0);
    speaker_is(true, 0, 0, 2);
}

Test(pit, speaker_follows_bit_1_while_the_gate_is_closed)
{
    pit_load(2, 3, 1193);
    for (unsigned i = 0; i < 4; i++) {  /* mode 3 without gate: the output is high */
        rig_out(r, PORT_SPEAKER, 2);
        speaker_is(false, 0, 0, 2 * i + 1);
        rig_out(r, PORT_SPEAKER, 0);
        speaker_is(true, 0, 0, 2 * i + 2);
    }
}

Test(pit, speaker_gets_each_mode_as_its_output_goes)
{
    rig_out(r, PORT_SPEAKER, 3);
    cr_assert_eq(r->f->speaker_changes, 1, "no mode yet: high");
    pit_load(2, 2, 100);
    cr_expect(r->f->speaker.first && r->f->speaker.first_ticks == 99 &&
              r->f->speaker.second_ticks == 1);
    pit_load(2, 0, 100);
    cr_expect(!r->f->speaker.first && r->f->speaker.first_ticks == 100 &&
              !r->f->speaker.second_ticks);
    pit_load(2, 4, 100);
    cr_expect(!r->f->speaker.first && !r->f->speaker.first_ticks, "high");
    pit_load(2, 3, 1);
    cr_expect(!r->f->speaker.first && !r->f->speaker.first_ticks, "high");
    pit_load(2, 3, 0);
    cr_expect(r->f->speaker.first_ticks == 32768 && r->f->speaker.second_ticks == 32768);
    rig_out(r, PORT_PIT + 3, 0xb2);     /* mode 1: waits for the gate's next rise */
    rig_out(r, PORT_PIT + 2, 50);
    rig_out(r, PORT_PIT + 2, 0);
    cr_expect(!r->f->speaker.first && !r->f->speaker.first_ticks, "high");
    rig_out(r, PORT_SPEAKER, 2);
    rig_out(r, PORT_SPEAKER, 3);
    cr_expect(!r->f->speaker.first && r->f->speaker.first_ticks == 50 &&
              !r->f->speaker.second_ticks);
}

/* --- RTC --- */

TestSuite(rtc, .init = setup, .fini = teardown);

static uint8_t cmos(unsigned i)
{
    return platform_rtc_read(r->p, i);
}

static void set_cmos(unsigned i, uint8_t v)
{
    platform_rtc_write(r->p, i, v);
}

Test(rtc, shows_the_wall_clock_in_bcd)
{
    /* 1700000000: Tuesday 14 November 2023, 22:13:20 UTC */
    cr_assert_eq(cmos(0), 0x20);
    cr_assert_eq(cmos(2), 0x13);
    cr_assert_eq(cmos(4), 0x22);
    cr_assert_eq(cmos(6), 0x03);
    cr_assert_eq(cmos(7), 0x14);
    cr_assert_eq(cmos(8), 0x11);
    cr_assert_eq(cmos(9), 0x23);
    cr_assert_eq(cmos(13), 0x80);
    cr_assert_eq(cmos(14), 0xff);
}

Test(rtc, binary_and_12_hours)
{
    set_cmos(11, 0x04);
    cr_assert_eq(cmos(0), 20);
    cr_assert_eq(cmos(4), 0x80 | 10);
    set_cmos(11, 0x00);
    cr_assert_eq(cmos(4), 0x90);
}

Test(rtc, guest_set_time_runs_on_and_survives_a_read)
{
    set_cmos(11, 0x82);
    set_cmos(0, 0x58);
    set_cmos(2, 0x59);
    set_cmos(4, 0x23);
    set_cmos(7, 0x31);
    set_cmos(8, 0x12);
    set_cmos(9, 0x99);
    cr_assert_eq(cmos(0), 0x58);
    set_cmos(11, 0x02);
    r->f->wall += 2;
    fake_advance(r->f, 2 * NS_PER_S);
    cr_assert_eq(cmos(0), 0x00);
    cr_assert_eq(cmos(4), 0x00);
    cr_assert_eq(cmos(7), 0x01);
    cr_assert_eq(cmos(8), 0x01);
}

Test(rtc, update_in_progress_just_before_the_second)
{
    cr_assert_not(cmos(10) & 0x80);
    fake_advance(r->f, NS_PER_S - 1000000);
    cr_assert(cmos(10) & 0x80);
    fake_advance(r->f, 1000000);
    cr_assert_not(cmos(10) & 0x80);
}

Test(rtc, periodic_interrupt_needs_register_c_to_be_read)
{
    rig_out(r, PORT_PIC0 + 1, 0);
    set_cmos(11, 0x42);
    set_cmos(10, 0x26);                 /* 1024 Hz */
    fake_advance(r->f, NS_PER_MS);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x28);
    rig_out(r, PORT_PIC1, 0x20);
    rig_out(r, PORT_PIC0, 0x20);
    fake_advance(r->f, 10 * NS_PER_MS);
    cr_assert_not(platform_irq_pending(r->p, 0));
    cr_assert_eq(cmos(12), 0xc0);
    cr_assert_eq(cmos(12) & 0xf0, 0);
    fake_advance(r->f, NS_PER_MS);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x28);
}

Test(rtc, alarm_fires_at_its_second)
{
    set_cmos(1, 0x25);
    set_cmos(3, 0xff);
    set_cmos(5, 0xff);
    set_cmos(11, 0x22);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_not(platform_irq_pending(r->p, 0), "second %u", i);
        r->f->wall++;
        fake_advance(r->f, NS_PER_S);
    }
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x28);
    cr_assert_eq(cmos(12) & 0xb0, 0xb0);
}

Test(rtc, update_flag_is_set_without_interrupts)
{
    cmos(12);
    r->f->wall++;
    fake_advance(r->f, NS_PER_S);
    cr_assert_eq(cmos(12) & 0x90, 0x10);
}

Test(rtc, follows_the_host_after_a_jump)
{
    r->f->wall += 3600;
    cr_assert_eq(cmos(4), 0x23);
}

/* --- HPET --- */

TestSuite(hpet, .init = setup, .fini = teardown);

enum { CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xf0, T0 = 0x100, T2 = 0x140 };

static void hset(unsigned reg, uint64_t v)
{
    io_write(&r->f->m.io, IO_MMIO, PC_HPET_BASE + reg, 8, v);
}

static uint64_t hget(unsigned reg)
{
    return io_read(&r->f->m.io, IO_MMIO, PC_HPET_BASE + reg, 8);
}

Test(hpet, counts_at_62_5_mhz_when_enabled)
{
    cr_assert_eq(hget(0), 16000000ull << 32 | 0x8086a201);
    fake_advance(r->f, 1000);
    cr_assert_eq(hget(COUNTER), 0);
    hset(CONFIG, 1);
    fake_advance(r->f, 16000);
    cr_assert_eq(hget(COUNTER), 1000);
    cr_assert_eq(rig_mmio(r, PC_HPET_BASE + COUNTER + 4), 0);
    hset(CONFIG, 0);
    fake_advance(r->f, 16000);
    cr_assert_eq(hget(COUNTER), 1000);
}

Test(hpet, one_shot_reaches_its_ioapic_pin)
{
    rig_set_rte(r, 21, 0x55);
    rig_set_apic(r, 0, 0x350, 0x10700);
    hset(T2, 21 << 9 | 4);
    hset(T2 + 8, 62500);
    hset(CONFIG, 1);
    fake_advance(r->f, 999000);
    cr_assert_not(platform_irq_pending(r->p, 0));
    fake_advance(r->f, 2000);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x55);
}

Test(hpet, periodic_accumulates)
{
    unsigned n = 0;

    rig_set_rte(r, 20, 0x56);
    rig_set_apic(r, 0, 0x350, 0x10700);
    hset(T0, 20 << 9 | 0x4c);           /* set value, periodic, enabled */
    hset(T0 + 8, 62500);
    hset(T0 + 8, 62500);
    hset(CONFIG, 1);
    for (unsigned i = 0; i < 100; i++) {
        fake_advance(r->f, NS_PER_MS);
        if (platform_irq_ack(r->p, 0) == 0x56) {
            rig_set_apic(r, 0, 0xb0, 0);
            n++;
        }
    }
    cr_assert_eq(n, 100);
    cr_assert_eq(hget(T0 + 8), 101 * 62500);
    r->f->now += 3600 * NS_PER_S;
    timer_queue_run(&r->f->m.timers, r->f->now);
    cr_assert(hget(T0 + 8) > hget(COUNTER), "skips what was missed");
}

Test(hpet, legacy_replacement_takes_lines_0_and_8)
{
    pit_load(0, 2, 1193);
    hset(T0, 4);
    hset(T0 + 8, 625000);               /* 10 ms */
    hset(CONFIG, 3);
    fake_advance(r->f, 5 * NS_PER_MS);
    cr_assert_not(platform_irq_pending(r->p, 0), "the PIT is cut off");
    fake_advance(r->f, 6 * NS_PER_MS);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x20);
    rig_out(r, PORT_PIC0, 0x20);
    hset(CONFIG, 1);
    fake_advance(r->f, 5 * NS_PER_MS);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x20, "the PIT is back");
}

Test(hpet, level_timer_holds_its_line_until_status_is_cleared)
{
    rig_set_rte(r, 22, 0x8057);
    rig_set_apic(r, 0, 0x350, 0x10700);
    hset(T2, 22 << 9 | 6);
    hset(T2 + 8, 1000);
    hset(CONFIG, 1);
    fake_advance(r->f, 20000);
    cr_assert_eq(hget(STATUS), 4);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x57);
    hset(STATUS, 4);
    rig_set_apic(r, 0, 0xb0, 0);
    cr_assert_not(platform_irq_pending(r->p, 0));
}

Test(hpet, all_routes_in_all_modes_are_survived)
{
    for (unsigned route = 0; route < 32; route++) {
        for (unsigned mode = 0; mode < 8; mode++) {
            for (unsigned t = 0; t < 3; t++) {
                hset(T0 + 32 * t, route << 9 | 4 | (mode & 1) << 1 | (mode & 2) << 2);
                hset(T0 + 32 * t + 8, hget(COUNTER) + 10);
            }
            hset(CONFIG, 1 | (mode & 4) >> 1);
            fake_advance(r->f, 100000);
            hset(STATUS, 7);
        }
    }
    for (unsigned off = 0; off < 0x400; off++) {
        for (unsigned w = 1; w <= 8 && off + w <= 0x400; w *= 2) {
            io_read(&r->f->m.io, IO_MMIO, PC_HPET_BASE + off, w);
            io_write(&r->f->m.io, IO_MMIO, PC_HPET_BASE + off, w, UINT64_MAX);
        }
    }
}

Test(hpet, thirty_two_bit_comparator_wraps)
{
    rig_set_rte(r, 20, 0x58);
    rig_set_apic(r, 0, 0x350, 0x10700);
    hset(COUNTER, 0xfffffff0);
    hset(T0, 20 << 9 | 0x104);
    hset(T0 + 8, 0x10);
    hset(CONFIG, 1);
    fake_advance(r->f, 31 * 16);
    cr_assert_not(platform_irq_pending(r->p, 0));
    fake_advance(r->f, 2 * 16);
    cr_assert(platform_irq_pending(r->p, 0));
}

Test(hpet, thirty_two_bit_one_shot_matches_again_when_the_counter_comes_round)
{
    rig_set_rte(r, 20, 0x58);
    rig_set_apic(r, 0, 0x350, 0x10700);
    hset(T0, 20 << 9 | 0x104);
    hset(T0 + 8, 1000);
    hset(CONFIG, 1);
    fake_advance(r->f, 1001 * 16);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x58);
    rig_set_apic(r, 0, 0xb0, 0);
    fake_advance(r->f, (1LL << 32) * 16 - 100 * 16);
    cr_assert_not(platform_irq_pending(r->p, 0));
    fake_advance(r->f, 200 * 16);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x58);
}

Test(hpet, matched_comparator_is_not_told_twice_when_the_config_is_written)
{
    rig_set_rte(r, 21, 0x55);
    rig_set_apic(r, 0, 0x350, 0x10700);
    hset(T2, 21 << 9 | 4);
    hset(T2 + 8, 1000);
    hset(CONFIG, 1);
    fake_advance(r->f, 1010 * 16);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x55);
    rig_set_apic(r, 0, 0xb0, 0);
    hset(T2, 21 << 9);
    hset(T2, 21 << 9 | 4);
    fake_advance(r->f, 1000 * 16);
    cr_assert_not(platform_irq_pending(r->p, 0));
    hset(T2 + 8, 1990);                 /* just missed: late, but once */
    fake_advance(r->f, 16);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x55);
}

Test(hpet, level_status_works_without_the_interrupt)
{
    rig_set_rte(r, 22, 0x8057);
    rig_set_apic(r, 0, 0x350, 0x10700);
    hset(T2, 22 << 9 | 2);
    hset(T2 + 8, 1000);
    hset(CONFIG, 1);
    fake_advance(r->f, 20000);
    cr_assert_eq(hget(STATUS), 4);
    cr_assert_not(platform_irq_pending(r->p, 0));
    hset(T2, 22 << 9 | 6);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x57);
    hset(STATUS, 4);
}

Test(hpet, legacy_level_and_periodic_64_bit_work_together)
{
    hset(T0, 0x4e);                     /* level, enabled, periodic, set value */
    hset(COUNTER, 1ULL << 40);
    hset(T0 + 8, (1ULL << 40) + 62500);
    hset(T0 + 8, 62500);
    hset(CONFIG, 3);
    for (unsigned i = 1; i < 4; i++) {
        fake_advance(r->f, NS_PER_MS + 100);
        cr_assert_eq(hget(STATUS), 1);
        cr_assert_eq(platform_irq_ack(r->p, 0), 0x20, "round %u", i);
        hset(STATUS, 1);
        rig_out(r, PORT_PIC0, 0x20);
        cr_assert_eq(hget(T0 + 8), (1ULL << 40) + (i + 1) * 62500);
    }
}

/* --- PM timer --- */

TestSuite(pm, .init = setup, .fini = teardown);

Test(pm, timer_counts_at_3_58_mhz_where_the_parameter_puts_it)
{
    fake_advance(r->f, NS_PER_S);
    cr_assert_eq(io_read(&r->f->m.io, IO_PORT, ACPI_PM_TMR_V0, 4), 3579545);
    cr_assert_eq(io_read(&r->f->m.io, IO_PORT, ACPI_PM_TMR, 4), 0xffffffff);
    platform_acpi_ports(r->p, 1);
    cr_assert_eq(io_read(&r->f->m.io, IO_PORT, ACPI_PM_TMR, 4), 3579545);
    cr_assert_eq(io_read(&r->f->m.io, IO_PORT, ACPI_PM_TMR_V0, 4), 0xffffffff);
    cr_assert_eq(io_read(&r->f->m.io, IO_PORT, ACPI_PM_TMR + 1, 1), 3579545 >> 8 & 0xff);
}

Test(pm, power_button_raises_the_sci_and_is_cleared_by_writing_ones)
{
    platform_acpi_ports(r->p, 1);
    rig_out(r, PORT_ELCR + 1, 0x02);
    io_write(&r->f->m.io, IO_PORT, ACPI_PM1A_EVT + 2, 2, 0x100);
    platform_sleep_button(r->p);
    cr_assert_not(platform_irq_pending(r->p, 0), "not enabled");
    platform_power_button(r->p);
    cr_assert_eq(platform_irq_ack(r->p, 0), 0x29);
    cr_assert_eq(io_read(&r->f->m.io, IO_PORT, ACPI_PM1A_EVT, 2), 0x300);
    io_write(&r->f->m.io, IO_PORT, ACPI_PM1A_EVT, 2, 0x100);
    cr_assert_eq(io_read(&r->f->m.io, IO_PORT, ACPI_PM1A_EVT, 2), 0x200);
    rig_out(r, PORT_PIC1, 0x20);
    rig_out(r, PORT_PIC0, 0x20);
    cr_assert_not(platform_irq_pending(r->p, 0));
}

Test(pm, overflow_of_bit_31_sets_tmr_sts)
{
    fake_advance(r->f, 599 * NS_PER_S);
    cr_assert_not(io_read(&r->f->m.io, IO_PORT, ACPI_PM1A_EVT_V0, 2) & 1);
    fake_advance(r->f, 2 * NS_PER_S);
    cr_assert(io_read(&r->f->m.io, IO_PORT, ACPI_PM1A_EVT_V0, 2) & 1);
}
