/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahead.c - tests of read-ahead: that it happens is seen by changing the file behind the device's back,
 * which a read from memory doesn't notice; that nothing old is ever read, by work against a copy.
 */
#include "block/ahead.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "block/format.h"

#define IMAGE_BYTES (16u << 20)
#define PART 65536u

typedef struct Rig {
    char path[64];
    int fd;                     /* ours, through the cache */
    BlockDev *b;
    uint8_t *buf;
    unsigned calls;
    int error;
} Rig;

static void done(void *opaque, int error)
{
    Rig *r = opaque;

    r->calls++;
    r->error = error;
}

/* The main loop until there were n more calls than calls; the last error, or -1. */
static int wait_for(Rig *r, unsigned n)
{
    gint64 end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;

    while (r->calls < n && g_get_monotonic_time() < end) {
        if (!g_main_context_iteration(NULL, FALSE)) {
            g_usleep(20);
        }
    }
    return r->calls == n ? r->error : -1;
}

static void run_for(unsigned ms)
{
    gint64 end = g_get_monotonic_time() + ms * 1000;

    while (g_get_monotonic_time() < end) {
        if (!g_main_context_iteration(NULL, FALSE)) {
            g_usleep(200);
        }
    }
}

static BlockDev *open_as(const char *path, const char *format)
{
    BlockLayer layer = { open(path, O_RDWR | O_DIRECT), format };
    BlockOptions options = { "hda", false };
    BlockDev *b;

    if (layer.fd < 0) {
        cr_skip_test("no O_DIRECT in /var/tmp");
    }
    b = block_open_chain(&layer, 1, &options, NULL);
    cr_assert_not_null(b);
    return b;
}

static void rig(Rig *r)
{
    *r = (Rig){ .path = "/var/tmp/gh-ahead-XXXXXX", .buf = g_malloc(IMAGE_BYTES) };
    r->fd = mkstemp(r->path);
    cr_assert(r->fd >= 0);
    for (unsigned i = 0; i < IMAGE_BYTES / 512; i++) {
        memset(r->buf + (size_t)i * 512, i * 7 + (i >> 8), 512);
    }
    cr_assert_eq(pwrite(r->fd, r->buf, IMAGE_BYTES, 0), (ssize_t)IMAGE_BYTES);
    cr_assert_eq(fdatasync(r->fd), 0);
    r->b = open_as(r->path, "raw");
}

static void finish(Rig *r)
{
    block_close(r->b);
    close(r->fd);
    unlink(r->path);
    g_free(r->buf);
}

static uint8_t byte_at(uint64_t offset)
{
    unsigned i = offset / 512;

    return i * 7 + (i >> 8);
}

static int read_part(Rig *r, uint64_t offset, uint64_t len)
{
    struct iovec iov = { r->buf, len };

    memset(r->buf, 0xee, len);
    block_readv(r->b, offset, &iov, 1, done, r);
    return wait_for(r, r->calls + 1);
}

static int write_part(Rig *r, uint64_t offset, uint64_t len, uint8_t value)
{
    struct iovec iov = { r->buf, len };

    memset(r->buf, value, len);
    block_writev(r->b, offset, &iov, 1, done, r);
    return wait_for(r, r->calls + 1);
}

/* Two reads in a row, and what that starts. */
static void begin(Rig *r)
{
    cr_assert_eq(read_part(r, 0, PART), 0);
    cr_assert_eq(read_part(r, PART, PART), 0);
    run_for(50);
}

/* The file's bytes at offset become 0xdd without the device. */
static void change_behind(Rig *r, uint64_t offset)
{
    uint8_t *page = NULL;
    int fd = open(r->path, O_RDWR | O_DIRECT);

    cr_assert_eq(posix_memalign((void **)&page, 4096, 4096), 0);
    memset(page, 0xdd, 4096);
    cr_assert_eq(pwrite(fd, page, 4096, offset), 4096);
    free(page);
    close(fd);
}

static bool read_from_memory(Rig *r, uint64_t offset)
{
    change_behind(r, offset);
    cr_assert_eq(read_part(r, offset, PART), 0);
    return r->buf[0] == byte_at(offset);
}

Test(ahead, what_follows_two_reads_in_a_row_is_read_before_it_is_asked_for)
{
    Rig r;

    rig(&r);
    begin(&r);
    cr_assert(read_from_memory(&r, 2 * PART));
    cr_assert(read_from_memory(&r, 3 * PART), "and it goes on");
    finish(&r);
}

Test(ahead, a_single_read_starts_nothing)
{
    Rig r;

    rig(&r);
    cr_assert_eq(read_part(&r, PART, PART), 0);
    run_for(50);
    cr_assert_not(read_from_memory(&r, 2 * PART));
    finish(&r);
}

Test(ahead, a_look_elsewhere_leaves_the_stream_alone)
{
    Rig r;

    rig(&r);
    begin(&r);
    cr_assert_eq(read_part(&r, 9 << 20, 4096), 0);
    cr_assert_eq(r.buf[0], byte_at(9 << 20));
    cr_assert(read_from_memory(&r, 2 * PART));
    finish(&r);
}

Test(ahead, two_reads_in_a_row_elsewhere_replace_it)
{
    Rig r;

    rig(&r);
    begin(&r);
    cr_assert_eq(read_part(&r, 8 << 20, PART), 0);
    cr_assert_eq(read_part(&r, (8 << 20) + PART, PART), 0);
    run_for(50);
    cr_assert(read_from_memory(&r, (8 << 20) + 2 * PART));
    cr_assert_not(read_from_memory(&r, 2 * PART));
    finish(&r);
}

Test(ahead, a_write_replaces_what_was_read_ahead)
{
    Rig r;

    rig(&r);
    begin(&r);
    cr_assert_eq(write_part(&r, 2 * PART + 512, 512, 0xaa), 0);
    cr_assert_eq(read_part(&r, 2 * PART, PART), 0);
    cr_assert_eq(r.buf[511], byte_at(2 * PART));
    cr_assert_eq(r.buf[512], 0xaa);
    cr_assert_eq(r.buf[1023], 0xaa);
    cr_assert_eq(r.buf[1024], byte_at(2 * PART + 1024));
    finish(&r);
}

Test(ahead, a_discard_does_too)
{
    Rig r;

    rig(&r);
    begin(&r);
    block_discard(r.b, 2 * PART, PART, done, &r);
    cr_assert_eq(wait_for(&r, r.calls + 1), 0);
    cr_assert_eq(read_part(&r, 2 * PART, PART), 0);
    cr_assert_eq(r.buf[0], 0);
    cr_assert_eq(r.buf[PART - 1], 0);
    finish(&r);
}

/* The order of completion is the host's: the reads that start the stream overtake the write or not. */
Test(ahead, nothing_is_read_ahead_of_a_write_in_flight)
{
    Rig r;
    uint8_t *data = g_malloc(1 << 20);
    struct iovec from = { data, 1 << 20 };

    rig(&r);
    for (unsigned i = 1; i < 60; i++) {
        struct iovec first = { r.buf, 4096 }, second = { r.buf + 4096, 4096 };
        unsigned calls = r.calls;

        memset(data, i, 1 << 20);
        block_readv(r.b, 0, &first, 1, done, &r);
        if (i & 1) {
            block_writev(r.b, 8192, &from, 1, done, &r);
            block_readv(r.b, 4096, &second, 1, done, &r);
        } else {
            block_readv(r.b, 4096, &second, 1, done, &r);
            block_writev(r.b, 8192, &from, 1, done, &r);
        }
        cr_assert_eq(wait_for(&r, calls + 3), 0);
        for (uint64_t at = 8192; at < (1 << 20); at += PART) {
            cr_assert_eq(read_part(&r, at, PART), 0);
            cr_assert_eq(r.buf[0], i, "round %u, %lu", i, at);
            cr_assert_eq(r.buf[PART - 1], i);
        }
    }
    finish(&r);
    g_free(data);
}

Test(ahead, nothing_stays_after_the_last_read)
{
    Rig r;

    rig(&r);
    begin(&r);
    run_for(2 * AHEAD_IDLE_MS + 200);
    cr_assert_not(read_from_memory(&r, 2 * PART));
    finish(&r);
}

Test(ahead, a_drain_forgets)
{
    Rig r;

    rig(&r);
    begin(&r);
    block_drain(r.b);
    cr_assert_not(read_from_memory(&r, 2 * PART));
    finish(&r);
}

Test(ahead, not_when_the_guest_has_turned_it_off)
{
    Rig r;

    rig(&r);
    begin(&r);
    block_set_ahead(r.b, false);
    cr_assert_not(read_from_memory(&r, 2 * PART));
    run_for(50);
    cr_assert_not(read_from_memory(&r, 3 * PART));
    block_set_ahead(r.b, true);
    cr_assert_eq(read_part(&r, 4 * PART, PART), 0);
    cr_assert_eq(read_part(&r, 5 * PART, PART), 0);
    run_for(50);
    cr_assert(read_from_memory(&r, 6 * PART));
    finish(&r);
}

Test(ahead, never_of_a_shared_image)
{
    Rig r;

    rig(&r);
    block_set_shared(r.b);
    block_set_ahead(r.b, true);
    begin(&r);
    cr_assert_not(read_from_memory(&r, 2 * PART));
    finish(&r);
}

static void failed(void *opaque, BlockDev *b, int error, bool write)
{
    unsigned *count = opaque;

    (void)b;
    (void)error;
    (void)write;
    ++*count;
}

/* A bad sector ahead is nobody's error until somebody reads it. */
Test(ahead, errors_reach_the_read_that_meets_them)
{
    Rig r;
    unsigned held = 0;

    rig(&r);
    block_set_errors(r.b, BLOCK_ERRORS_HOLD, failed, &held);
    cr_assert_eq(ftruncate(r.fd, 5 * PART), 0);
    begin(&r);
    for (unsigned i = 2; i < 5; i++) {
        cr_assert_eq(read_part(&r, i * PART, PART), 0);
        cr_assert_eq(r.buf[PART - 1], byte_at(i * PART + PART - 1));
        run_for(20);
    }
    cr_assert_eq(held, 0);
    block_set_errors(r.b, BLOCK_ERRORS_REPORT, NULL, NULL);
    cr_assert_eq(read_part(&r, 5 * PART, PART), EIO);
    finish(&r);
}

Test(ahead, cancelled_reads_are_not_filled_in_after_the_drain)
{
    Rig r;
    struct iovec iov;

    rig(&r);
    iov = (struct iovec){ r.buf + (1 << 20), PART };
    for (unsigned i = 0; i < 50; i++) {
        unsigned calls = r.calls;

        block_cancel(block_readv(r.b, 0, &iov, 1, done, &r));
        block_cancel(block_readv(r.b, PART, &iov, 1, done, &r));
        block_cancel(block_readv(r.b, 2 * PART, &iov, 1, done, &r));
        block_drain(r.b);
        memset(iov.iov_base, 0x77, PART);
        run_for(2);
        cr_assert_eq(r.calls, calls);
        cr_assert_eq(*(uint8_t *)iov.iov_base, 0x77);
    }
    finish(&r);
}

/* The second reader's stream has nothing before it, so that nothing else comes that could end the wait. */
Test(ahead, a_read_that_waits_for_what_another_stream_replaces_goes_on)
{
    Rig r;
    struct iovec iov[4];

    rig(&r);
    cr_assert_eq(read_part(&r, 0, PART), 0);
    for (unsigned i = 0; i < 4; i++) {
        static const uint64_t at[4] = { PART, (1u << 20) + PART, IMAGE_BYTES - 2 * PART, IMAGE_BYTES - PART };

        iov[i] = (struct iovec){ r.buf + i * PART, PART };
        block_readv(r.b, at[i], &iov[i], 1, done, &r);
    }
    cr_assert(block_busy(r.b));
    cr_assert_eq(wait_for(&r, 5), 0);
    cr_assert_eq(r.buf[PART], byte_at((1u << 20) + PART));
    cr_assert_eq(r.buf[4 * PART - 1], byte_at(IMAGE_BYTES - 1));
    finish(&r);
}

Test(ahead, it_ends_where_the_disk_does)
{
    Rig r;

    rig(&r);
    for (uint64_t at = IMAGE_BYTES - 20 * 512; at < IMAGE_BYTES; at += 512) {
        cr_assert_eq(read_part(&r, at, 512), 0);
        cr_assert_eq(r.buf[0], byte_at(at));
        run_for(2);
    }
    cr_assert_eq(read_part(&r, IMAGE_BYTES, 512), EINVAL);
    finish(&r);
}

/* Streams of reads of all sizes with writes and discards before, in and behind them. */
static void exercise(Rig *r, const uint8_t *initial, unsigned seed)
{
    g_autofree uint8_t *shadow = g_memdup2(initial, IMAGE_BYTES), *data = g_malloc(2 << 20);

    for (unsigned round = 0; round < 120; round++) {
        uint64_t at = (uint64_t)(rand_r(&seed) % (IMAGE_BYTES / 512)) * 512;
        uint64_t len = (uint64_t)(1 + rand_r(&seed) % (rand_r(&seed) & 1 ? 64 : 2500)) * 512;

        for (unsigned i = 0; i < 8 && at + len <= IMAGE_BYTES; i++, at += len) {
            struct iovec two[2] = { { r->buf, 1000 }, { r->buf + 1000, len - 1000 } };
            struct iovec all = { r->buf, len }, out = { data, 0 };
            uint64_t to = at + (uint64_t)(rand_r(&seed) % 4096) * 512;
            unsigned calls = r->calls + 1, action = rand_r(&seed) % 4;

            out.iov_len = (1 + rand_r(&seed) % 300) * 512;
            out.iov_len = to < IMAGE_BYTES ? MIN(out.iov_len, IMAGE_BYTES - to) : 0;
            if (action == 1 && out.iov_len && to >= at + len) {
                memset(data, rand_r(&seed), out.iov_len);
                block_writev(r->b, to, &out, 1, done, r);
                memcpy(shadow + to, data, out.iov_len);
                calls++;
            }
            block_readv(r->b, at, len > 1000 ? two : &all, len > 1000 ? 2 : 1, done, r);
            cr_assert_eq(wait_for(r, calls), 0);
            cr_assert_arr_eq(r->buf, shadow + at, len, "round %u", round);
        }
    }
}

Test(ahead, streams_with_writes_match_a_copy_in_memory)
{
    Rig r;
    g_autofree uint8_t *initial = g_malloc(IMAGE_BYTES);

    rig(&r);
    memcpy(initial, r.buf, IMAGE_BYTES);
    exercise(&r, initial, 1);
    finish(&r);
}

Test(ahead, and_so_do_streams_of_formats)
{
    static const char *const formats[] = { "qcow2", "vhd" };

    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        Rig r = { .path = "/var/tmp/gh-ahead-XXXXXX", .buf = g_malloc0(IMAGE_BYTES) };
        g_autofree uint8_t *initial = g_malloc0(IMAGE_BYTES);

        r.fd = mkstemp(r.path);
        cr_assert(format_create(r.fd, formats[i], IMAGE_BYTES, NULL, NULL, -1, NULL));
        r.b = open_as(r.path, formats[i]);
        exercise(&r, initial, 2 + i);
        finish(&r);
    }
}
