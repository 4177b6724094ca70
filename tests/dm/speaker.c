/* SPDX-License-Identifier: GPL-2.0-or-later */
/* speaker.c - the ring of the PC speaker's wire, with a hypervisor that is too fast, or lies. */
#include <criterion/criterion.h>
#include <string.h>
#include "dm/speaker.h"

static DmShared *shared;

static void setup(void)
{
    shared = g_new0(DmShared, 1);
}

static void teardown(void)
{
    g_free(shared);
}

TestSuite(speaker, .init = setup, .fini = teardown);

static void publish(int64_t at)
{
    shared->speaker[shared->speaker_prod % DM_SPEAKER_WAVES] =
        (DmSpeaker){ .at = at, .start = at, .first_ticks = at % 1000, .first = at & 1 };
    shared->speaker_prod++;
}

Test(speaker, descriptions_come_in_their_order)
{
    uint32_t taken = 0;
    SpeakerWave w;

    for (unsigned i = 0; i < 3 * DM_SPEAKER_WAVES; i++) {
        cr_assert_not(speaker_take(shared, &taken, &w));
        publish(i);
        cr_assert(speaker_take(shared, &taken, &w));
        cr_assert(w.at == i && w.start == i && w.first_ticks == i % 1000 && w.first == (i & 1));
    }
}

Test(speaker, who_reads_too_late_gets_the_newer_half_up_to_the_newest)
{
    uint32_t taken = 0;
    SpeakerWave w = { 0 };
    unsigned n = 0;

    shared->speaker_prod = taken = UINT32_MAX - 100;    /* the index wraps on the way */
    for (unsigned i = 0; i < 10 * DM_SPEAKER_WAVES; i++) {
        publish(i);
    }
    for (int64_t last = -1; speaker_take(shared, &taken, &w); last = w.at, n++) {
        cr_assert(last < 0 || w.at == last + 1);
    }
    cr_assert_eq(w.at, 10 * DM_SPEAKER_WAVES - 1);
    cr_assert_eq(n, DM_SPEAKER_WAVES / 2);
}

Test(speaker, impossible_descriptions_are_refused_and_passed)
{
    uint32_t taken = 0;
    SpeakerWave w;

    publish(INT64_MAX);
    publish(INT64_MIN);
    publish(5);
    shared->speaker[1].at = 1;
    shared->speaker[1].first_ticks = 65537;
    cr_assert_not(speaker_take(shared, &taken, &w));
    cr_assert_not(speaker_take(shared, &taken, &w));
    cr_assert(speaker_take(shared, &taken, &w));
    cr_assert_eq(w.at, 5);
}
