/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer_test.c - a device model that breaks every rule hurts its own domain only. */
#define __XEN_TOOLS__ 1
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <xen/errno.h>
#include "hypervisor/dm_channel.h"
#include "hypervisor/platform_glue.h"
#include "hypervisor/xen_abi.h"
#include "lib/speaker.h"
#include <xen/hvm/dm_op.h>
#include "tests/hypervisor/bare_domain.h"

typedef struct Peer { Domain *d; uint8_t state; } Peer;

/* Waits for the request, then stores a state and wakes the vCPU. */
static void *answer(void *opaque)
{
    Peer *p = opaque;
    uint8_t *slot = (uint8_t *)&p->d->ioreq.slots[0];

    while ((__atomic_load_n(slot + 30, __ATOMIC_SEQ_CST) & 15) != STATE_IOREQ_READY) {
        usleep(100);
    }
    p->d->ioreq.slots[0].data = 0x1234;
    __atomic_store_n(slot + 30, p->state, __ATOMIC_SEQ_CST);
    return NULL;
}

static uint64_t ask(Domain *d, uint8_t state)
{
    Peer p = { d, state };
    ioreq_t req = { .addr = 0x300, .size = 4, .count = 1, .type = IOREQ_TYPE_PIO,
                    .dir = IOREQ_READ };
    pthread_t t;

    pthread_create(&t, NULL, answer, &p);
    ioreq_send(d->vcpu[0], &req);
    pthread_join(t, NULL);
    return req.data;
}

Test(peer, right_answer_is_taken_and_slot_is_free_again, .timeout = 10)
{
    Domain *d = bare_domain();

    cr_expect_eq(ask(d, STATE_IORESP_READY), 0x1234);
    cr_expect_eq(d->ioreq.slots[0].state, STATE_IOREQ_NONE);
    cr_expect_not(d->shut_down);
    cr_expect_eq(ask(d, STATE_IORESP_READY), 0x1234);
    bare_domain_free(d);
}

Test(peer, impossible_state_crashes_the_domain, .timeout = 10)
{
    static const uint8_t states[] = { STATE_IOREQ_NONE, 4, 9, 15 };

    for (size_t i = 0; i < sizeof states; i++) {
        Domain *d = bare_domain();

        cr_expect_eq(ask(d, states[i]), UINT64_MAX);
        cr_expect(d->shut_down);
        cr_expect_eq(d->reason, SHUTDOWN_CRASH);
        bare_domain_free(d);
    }
}

Test(peer, slot_left_busy_crashes_the_domain)
{
    Domain *d = bare_domain();
    ioreq_t req = { .addr = 0x300, .size = 4, .count = 1, .dir = IOREQ_READ };

    d->ioreq.slots[0].state = STATE_IORESP_READY;
    ioreq_send(d->vcpu[0], &req);
    cr_expect_eq(req.data, UINT64_MAX);
    cr_expect(d->shut_down);
    bare_domain_free(d);
}

Test(peer, impossible_post_index_crashes_the_domain)
{
    Domain *d = bare_domain();

    d->shared->post_prod = DM_POSTS + 1;
    dm_drain_posts(d);
    cr_expect(d->shut_down);
    bare_domain_free(d);
}

Test(peer, nonsense_posts_are_taken_without_harm)
{
    Domain *d = bare_domain();
    uint64_t x = 88172645463325252ull;

    for (unsigned n = 0; n < 20000; n++) {
        DmPost *p = &d->shared->post[n % DM_POSTS];

        for (unsigned k = 0; k < sizeof *p / 8; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            ((uint64_t *)p)[k] = x;
        }
        p->op = n % 8;
        p->a = n & 1 ? p->a : p->a % 64;
        d->shared->post_prod = n + 1;
        dm_drain_posts(d);
    }
    cr_expect_not(d->shut_down);
    cr_expect_eq(d->shared->post_cons, 20000);
    bare_domain_free(d);
}

Test(peer, random_operations_answer_and_do_not_crash_us)
{
    Domain *d = bare_domain();
    uint64_t x = 1181783497276652981ull;

    for (unsigned n = 0; n < 200000; n++) {
        uint64_t op[4];
        uint8_t extra[64];
        size_t room = sizeof extra;

        for (unsigned k = 0; k < 4; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            op[k] = n & 1 ? x : x & 0xffff00000000ffffull;
        }
        op[0] = n % 22 == XEN_DMOP_remote_shutdown ? 0 : n % 22;
        dm_op_execute(d, op, n % 5 ? sizeof op : n % 32, extra, &room);
        cr_assert_leq(room, sizeof extra);
    }
    cr_expect_not(d->shut_down);
    bare_domain_free(d);
}

Test(peer, buffered_ring_with_a_broken_index_falls_back)
{
    Domain *d = bare_domain();
    uint16_t id;

    cr_assert_eq(ioreq_server_create(d, 2, &id), 0);
    ioreq_server_enable(d, id, true);
    cr_expect(ioreq_buffer(d, IOREQ_TYPE_COPY, IOREQ_WRITE, 0xa0000, 4, 7));
    d->ioreq.ring->read_pointer = 5000;
    cr_expect_not(ioreq_buffer(d, IOREQ_TYPE_COPY, IOREQ_WRITE, 0xa0000, 4, 7));
    bare_domain_free(d);
}

Test(peer, buffered_ring_is_full_after_511_slots)
{
    Domain *d = bare_domain();
    uint16_t id;
    unsigned n = 0;

    ioreq_server_create(d, 2, &id);
    ioreq_server_enable(d, id, true);
    while (n < 1000 && ioreq_buffer(d, IOREQ_TYPE_COPY, IOREQ_WRITE, 0xa0000, 1, n)) {
        n++;
    }
    cr_expect_eq(n, IOREQ_BUFFER_SLOT_NUM);
    d->ioreq.ring->read_pointer += 1;
    cr_expect_not(ioreq_buffer(d, IOREQ_TYPE_COPY, IOREQ_WRITE, 0xa0000, 8, n));
    cr_expect(ioreq_buffer(d, IOREQ_TYPE_COPY, IOREQ_WRITE, 0xa0000, 4, n));
    bare_domain_free(d);
}

Test(peer, speaker_wakes_the_device_model_once_for_each_time_it_asks)
{
    Domain *d = bare_domain();
    SpeakerWave w = { .at = 7, .start = 5, .first_ticks = 3, .second_ticks = 4, .first = true };

    dm_publish_speaker(d, &w);
    cr_expect_eq(d->shared->request_seq, 0, "nobody asked");
    d->shared->speaker_waiting = 1;
    dm_publish_speaker(d, &w);
    dm_publish_speaker(d, &w);
    cr_expect_eq(d->shared->request_seq, 1);
    cr_expect_eq(d->shared->speaker_waiting, 0);
    for (unsigned i = 0; i < 2 * DM_SPEAKER_WAVES; i++) {   /* nobody reads: it does not wait */
        w.at++;
        dm_publish_speaker(d, &w);
    }
    cr_expect_eq(d->shared->speaker_prod, 3 + 2 * DM_SPEAKER_WAVES);
    cr_expect_eq(d->shared->speaker[2].at, w.at);
    cr_expect_eq(d->shared->speaker[2].second_ticks, 4);
    bare_domain_free(d);
}

/* The table is the device model's, and it may hold anything. */
Test(peer, writes_are_posted_as_the_device_models_table_says)
{
    Domain *d = bare_domain();
    DmRanges *t = &d->shared->ranges;
    DmRange *r = &t->range[1];
    uint16_t id;

    ioreq_server_create(d, 2, &id);
    ioreq_server_enable(d, id, true);
    cr_expect_not(ioreq_post(d, false, 0x300, 1, 7), "no table");
    t->count = 2;
    t->where[1].base = 0x300;
    t->where[1].len = 8;
    *r = (DmRange){ .how = { DM_RANGE_POST, DM_RANGE_QUIET,
        DM_RANGE_QUIET, DM_RANGE_WAIT, DM_RANGE_IDLE, DM_RANGE_IDLE, 77 } };
    cr_expect(ioreq_post(d, false, 0x300, 1, 7));
    cr_expect_eq(d->shared->request_seq, 1);
    cr_expect(ioreq_post(d, false, 0x301, 2, 7));
    cr_expect_eq(d->shared->request_seq, 1, "quiet");
    cr_expect(ioreq_post(d, false, 0x300, 2, 7));
    cr_expect_eq(d->shared->request_seq, 2, "one byte of it is not");
    cr_expect_not(ioreq_post(d, false, 0x302, 2, 7), "the strictest counts");
    cr_expect_not(ioreq_post(d, true, 0x300, 1, 7), "the other space");
    cr_expect_not(ioreq_post(d, false, 0x306, 1, 7), "no such rule");
    cr_expect_not(ioreq_post(d, false, 0x307, 2, 7), "over the end");
    cr_expect(ioreq_post(d, false, 0x304, 2, 7));
    r->busy = 1;
    cr_expect_not(ioreq_post(d, false, 0x304, 2, 7));
    t->where[1].len = 0xffff;
    t->count = UINT32_MAX;
    cr_expect_not(ioreq_post(d, false, 0x300 + 256, 1, 7));
    bare_domain_free(d);
}

static GByteArray *chips(Domain *d)
{
    GByteArray *a = g_byte_array_new();

    machine_save(&d->machine, a);
    return a;
}

static bool chips_are(Domain *d, const GByteArray *before)
{
    g_autoptr(GByteArray) now = chips(d);

    return now->len == before->len && !memcmp(now->data, before->data, now->len);
}

/* A card at 300h: status and mask, both with these bits set, and line B of device 3. */
static void line_card(Domain *d, uint32_t bits)
{
    DmRanges *t = &d->shared->ranges;
    uint16_t id;

    ioreq_server_create(d, 2, &id);
    ioreq_server_enable(d, id, true);
    t->count = 1;
    t->where[0].base = 0x300;
    t->where[0].len = 8;
    t->range[0] = (DmRange){ .how = { DM_RANGE_LINE, DM_RANGE_LINE }, .store = { 0, 0xff },
                             .cell = { DM_CELL_VALID | bits, DM_CELL_VALID | bits },
                             .line = { .status = 0, .mask = 1, .bytes = 1, .wire = 3 << 5 | 1, .last = 9 } };
}

Test(peer, a_line_is_lowered_with_the_write_and_not_for_whom_it_does_not_concern)
{
    Domain *d = bare_domain();
    DmRange *r = &d->shared->ranges.range[0];
    buffered_iopage_t *ring = d->ioreq.ring;
    g_autoptr(GByteArray) low = NULL, high = NULL;

    line_card(d, 0x03);
    glue_set_pci_intx(d, 4 << 3, 1, true);
    low = chips(d);
    glue_set_pci_intx(d, 3 << 3, 1, true);
    high = chips(d);
    cr_assert_not(chips_are(d, low));
    cr_expect(ioreq_post(d, false, 0x300, 1, 1));
    cr_expect(chips_are(d, high), "one bit is left");
    cr_expect(ioreq_post(d, false, 0x300, 1, 2));
    cr_expect(chips_are(d, low), "and the other card's stays");
    cr_expect_eq(d->shared->request_seq, 2);
    cr_expect_eq(ring->write_pointer, 4);
    for (unsigned i = 0; i < 2; i++) {
        const buf_ioreq_t *e = &ring->buf_ioreq[2 * i];

        cr_expect_eq(e[0].type, DM_BUFFERED_LINE);
        cr_expect_eq(e[0].data, 9);
        cr_expect_eq(e[0].addr, i, "whether it is low");
        cr_expect_eq(e[1].addr, 0x300);
        cr_expect_eq(e[1].data, i + 1);
    }
    r->line.wire = 0xffffffff;
    cr_expect_not(ioreq_post(d, false, 0x300, 1, 1), "no such wire");
    bare_domain_free(d);
}

/* Raised for what the guest has seen already, and not yet taken from the ring: it must not come up behind it. */
Test(peer, a_line_that_was_raised_before_is_not_raised_after_its_acknowledgement)
{
    Domain *d = bare_domain();
    g_autoptr(GByteArray) low = NULL;

    line_card(d, 0x01);
    low = chips(d);
    d->shared->post[0] = (DmPost){ .op = DM_POST_PCI_INTX, .a = (3 << 3) << 2 | 1, .b = 1 };
    d->shared->post_prod = 1;
    cr_expect(ioreq_post(d, false, 0x300, 1, 1));
    dm_drain_posts(d);
    cr_expect_eq(d->shared->post_cons, 1);
    cr_expect(chips_are(d, low));
    bare_domain_free(d);
}

Test(peer, an_address_above_a_mebibyte_takes_two_entries)
{
    Domain *d = bare_domain();
    DmRanges *t = &d->shared->ranges;
    buffered_iopage_t *ring = d->ioreq.ring;
    uint16_t id;

    ioreq_server_create(d, 2, &id);
    ioreq_server_enable(d, id, true);
    t->count = 1;
    t->where[0].base = 0xf3001000;
    t->where[0].len = 256;
    t->where[0].mmio = 1;
    memset(t->range[0].how, DM_RANGE_POST, sizeof t->range[0].how);
    cr_expect(ioreq_post(d, true, 0xf3001010, 4, 0x12345678));
    cr_expect_eq(ring->write_pointer, 2);
    cr_expect_eq(ring->buf_ioreq[0].pad, 1);
    cr_expect_eq(ring->buf_ioreq[0].data, 0x12345678);
    cr_expect_eq(ring->buf_ioreq[1].data, 0xf3001010);
    bare_domain_free(d);
}

Test(peer, ranges_overlap_never_and_must_hold_the_whole_access)
{
    Domain *d = bare_domain();
    uint16_t id;

    ioreq_server_create(d, 2, &id);
    cr_expect_eq(ioreq_server_map(d, id, IOREQ_PORT, 0x100, 0x107), 0);
    cr_expect_eq(ioreq_server_map(d, id, IOREQ_PORT, 0x107, 0x110), -XEN_EEXIST);
    cr_expect_eq(ioreq_server_map(d, id, IOREQ_PORT, 0x90, 0x200), -XEN_EEXIST);
    cr_expect_eq(ioreq_server_map(d, id, IOREQ_PORT, 0x200, 0x1ff), -XEN_EINVAL);
    cr_expect_eq(ioreq_server_map(d, id, IOREQ_PORT, 0x200, 0x10000), -XEN_EINVAL);
    cr_expect_eq(ioreq_server_map(d, id, 3, 0, 1), -XEN_EINVAL);
    cr_expect_eq(ioreq_server_map(d, 7, IOREQ_PORT, 0, 1), -XEN_ENOENT);
    cr_expect_not(ioreq_claimed(d, IOREQ_PORT, 0x100, 0x103));
    ioreq_server_enable(d, id, true);
    cr_expect(ioreq_claimed(d, IOREQ_PORT, 0x100, 0x107));
    cr_expect_not(ioreq_claimed(d, IOREQ_PORT, 0x106, 0x109));
    cr_expect_eq(ioreq_server_unmap(d, id, IOREQ_PORT, 0x100, 0x106), -XEN_ENOENT);
    cr_expect_eq(ioreq_server_unmap(d, id, IOREQ_PORT, 0x100, 0x107), 0);
    cr_expect_not(ioreq_claimed(d, IOREQ_PORT, 0x100, 0x100));
    bare_domain_free(d);
}
