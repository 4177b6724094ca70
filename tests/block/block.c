/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c - tests of raw images: against a shadow copy in memory in all three ways of doing the I/O
 * (asynchronous, O_DIRECT, without io_setup), and against qemu-io on the same operations.
 */
#include "block/block.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tests/block/host.h"

#define IMAGE_BYTES (4u << 20)

typedef struct Wait {
    unsigned calls;
    int error;
} Wait;

static void done(void *opaque, int error)
{
    Wait *w = opaque;

    w->calls++;
    w->error = error;
}

/* Runs the main loop until there were n calls; the last error, or -1 after two seconds. */
static int wait_for(Wait *w, unsigned n)
{
    gint64 end = g_get_monotonic_time() + 2 * G_USEC_PER_SEC;

    while (w->calls < n && g_get_monotonic_time() < end)
        if (!g_main_context_iteration(NULL, FALSE))
            g_usleep(20);
    return w->calls == n ? w->error : -1;
}

static int image_file(char path[64], int flags)
{
    int fd;

    strcpy(path, "/var/tmp/gh-block-XXXXXX");
    fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert_eq(ftruncate(fd, IMAGE_BYTES), 0);
    if (!flags)
        return fd;
    close(fd);
    return open(path, O_RDWR | flags);
}

static BlockDev *open_image(int fd, bool read_only)
{
    BlockOptions options = { "test", read_only };
    GError *error = NULL;
    BlockDev *b = block_open_fd(fd, &options, &error);

    cr_assert_not_null(b, "%s", error ? error->message : "");
    return b;
}

/* Random vectors of random sizes at random places; everything must match a copy in memory. */
static void exercise(BlockDev *b, unsigned seed)
{
    g_autofree uint8_t *shadow = g_malloc0(IMAGE_BYTES), *buf = g_malloc(1 << 20);

    for (unsigned round = 0; round < 300; round++) {
        uint64_t offset = (uint64_t)(rand_r(&seed) % (IMAGE_BYTES / 512)) * 512;
        uint64_t want = (uint64_t)(rand_r(&seed) % 1200) * 512, at = 0;
        uint64_t len = MIN(want, IMAGE_BYTES - offset);
        struct iovec iov[40];
        Wait w = { 0, 0 };
        int n = 0, parts = rand_r(&seed) % 39;
        bool write = rand_r(&seed) & 1, odd = rand_r(&seed) & 1;

        while (at < len && n < parts) {
            uint64_t part = (uint64_t)(rand_r(&seed) % 40) * (odd ? 97 : 512);
            part = MIN(part, len - at);
            iov[n++] = (struct iovec){ buf + at, part };
            at += part;
        }
        iov[n++] = (struct iovec){ buf + at, len - at };
        if (write)
            for (uint64_t i = 0; i < len; i++)
                buf[i] = rand_r(&seed);
        else
            memset(buf, 0x99, len);
        if (write)
            block_writev(b, offset, iov, n, done, &w);
        else
            block_readv(b, offset, iov, n, done, &w);
        cr_assert_eq(w.calls, 0, "never inside the call");
        cr_assert_eq(wait_for(&w, 1), 0, "round %u: %s", round, g_strerror(w.error));
        if (write)
            memcpy(shadow + offset, buf, len);
        else
            cr_assert_arr_eq(buf, shadow + offset, len, "round %u", round);
    }
}

Test(block, random_vectors_match_a_copy_in_memory)
{
    char path[64];
    BlockDev *b = open_image(image_file(path, 0), false);

    exercise(b, 1);
    block_close(b);
    unlink(path);
}

Test(block, o_direct_with_unaligned_vectors_matches_too)
{
    char path[64];
    int fd = image_file(path, O_DIRECT);

    if (fd >= 0) {
        BlockDev *b = open_image(fd, false);
        exercise(b, 2);
        block_close(b);
    }
    unlink(path);
}

static void forbid(int syscall_number)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), syscall_number, 0);
    cr_assert_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
}

Test(block, what_the_host_has_not_cached_is_read_in_a_thread)
{
    static const size_t cached[] = { 0, 1, 700, 4096, 65536 };

    for (unsigned i = 0; i < G_N_ELEMENTS(cached); i++) {
        char path[64];
        BlockDev *b = open_image(image_file(path, 0), false);

        host_cached(cached[i]);
        exercise(b, 10 + i);
        cr_assert(cached[i] == 65536 || host_waits() > 100);
        host_cached(SIZE_MAX);
        block_close(b);
        unlink(path);
    }
}

Test(block, cached_reads_work_where_the_kernel_has_no_attempts)
{
    char path[64];
    BlockDev *b;

    forbid(SCMP_SYS(preadv2));
    b = open_image(image_file(path, 0), false);
    exercise(b, 20);
    block_close(b);
    unlink(path);
}

Test(block, read_that_the_thread_can_not_do_fails_with_its_error)
{
    char path[64];
    int fd = image_file(path, 0);
    BlockDev *b = open_image(fd, true);
    uint8_t buf[4096];
    struct iovec iov = { buf, sizeof buf };
    Wait w = { 0, 0 };

    host_cached(512);
    cr_assert_eq(ftruncate(fd, 2048), 0);
    block_readv(b, 0, &iov, 1, done, &w);
    cr_assert_eq(wait_for(&w, 1), EIO);
    block_readv(b, 1024, &(struct iovec){ buf, 1024 }, 1, done, &w);
    cr_assert_eq(wait_for(&w, 2), 0, "and the next is none the worse");
    host_cached(SIZE_MAX);
    block_close(b);
    unlink(path);
}

Test(block, cancelled_read_of_the_thread_leaves_the_buffer_alone_after_the_drain)
{
    char path[64];
    BlockDev *b = open_image(image_file(path, 0), false);
    g_autofree uint8_t *buf = g_malloc(1 << 20);
    struct iovec iov = { buf, 1 << 20 };
    Wait w = { 0, 0 };

    host_cached(0);
    for (unsigned i = 0; i < 20; i++) {
        block_cancel(block_readv(b, 0, &iov, 1, done, &w));
        block_drain(b);
        memset(buf, 0x77, 1 << 20);
        g_usleep(200);
        cr_assert_eq(buf[0], 0x77);
        cr_assert_eq(buf[(1 << 20) - 1], 0x77);
    }
    cr_assert_eq(w.calls, 0);
    host_cached(SIZE_MAX);
    block_close(b);
    unlink(path);
}

Test(block, works_where_io_setup_is_refused)
{
    char path[64];
    BlockDev *b;
    Wait w = { 0, 0 };

    forbid(SCMP_SYS(io_setup));
    b = open_image(image_file(path, 0), false);
    exercise(b, 3);
    block_flush(b, done, &w);
    cr_assert_eq(wait_for(&w, 1), 0);
    block_close(b);
    unlink(path);
}

Test(block, more_requests_than_the_kernel_takes_all_complete)
{
    char path[64];
    BlockDev *b = open_image(image_file(path, 0), false);
    static uint8_t buf[500][512];
    Wait w = { 0, 0 };

    for (unsigned i = 0; i < 500; i++) {
        struct iovec iov = { buf[i], 512 };
        memset(buf[i], i, 512);
        block_writev(b, i * 512, &iov, 1, done, &w);
    }
    cr_assert(block_busy(b));
    block_drain(b);
    cr_assert(!block_busy(b));
    cr_assert_eq(w.calls, 500);
    cr_assert_eq(w.error, 0);
    for (unsigned i = 0; i < 500; i++) {
        struct iovec iov = { buf[0], 512 };
        block_readv(b, i * 512, &iov, 1, done, &w);
        cr_assert_eq(wait_for(&w, 501 + i), 0);
        cr_assert_eq(buf[0][511], (uint8_t)i);
    }
    block_close(b);
    unlink(path);
}

Test(block, vector_longer_than_the_kernel_takes)
{
    char path[64];
    BlockDev *b = open_image(image_file(path, 0), false);
    g_autofree struct iovec *iov = g_new(struct iovec, 5120);
    g_autofree uint8_t *buf = g_malloc(5120 * 2), *back = g_malloc(5120 * 2);
    struct iovec whole = { back, 5120 * 2 };
    Wait w = { 0, 0 };

    for (unsigned i = 0; i < 5120; i++) {
        buf[2 * i] = i;
        buf[2 * i + 1] = i >> 8;
        iov[i] = (struct iovec){ buf + 2 * i, 2 };
    }
    block_writev(b, 512, iov, 5120, done, &w);
    cr_assert_eq(wait_for(&w, 1), 0);
    block_readv(b, 512, &whole, 1, done, &w);
    cr_assert_eq(wait_for(&w, 2), 0);
    cr_assert_arr_eq(buf, back, 5120 * 2);
    block_close(b);
    unlink(path);
}

Test(block, addresses_are_checked_against_the_size)
{
    int fd = memfd_create("image", 0);
    uint8_t buf[1024];
    struct iovec iov = { buf, 512 }, two = { buf, 1024 }, odd = { buf, 100 };
    BlockDev *b;
    Wait w = { 0, 0 };

    cr_assert_eq(ftruncate(fd, 10 * 512 + 100), 0);
    b = open_image(fd, false);
    cr_assert_eq(block_size(b), 10 * 512, "whole sectors");
    block_readv(b, 10 * 512, &iov, 1, done, &w);
    cr_assert_eq(wait_for(&w, 1), EINVAL);
    block_readv(b, 9 * 512, &two, 1, done, &w);
    cr_assert_eq(wait_for(&w, 2), EINVAL);
    block_readv(b, UINT64_MAX - 511, &iov, 1, done, &w);
    cr_assert_eq(wait_for(&w, 3), EINVAL);
    block_readv(b, 100, &iov, 1, done, &w);
    cr_assert_eq(wait_for(&w, 4), EINVAL);
    block_readv(b, 0, &odd, 1, done, &w);
    cr_assert_eq(wait_for(&w, 5), EINVAL);
    block_discard(b, 9 * 512, 1024, done, &w);
    cr_assert_eq(wait_for(&w, 6), EINVAL);
    block_readv(b, 9 * 512, &iov, 1, done, &w);
    cr_assert_eq(wait_for(&w, 7), 0);
    block_close(b);
}

Test(block, read_only_is_enforced)
{
    int fd = memfd_create("image", 0);
    uint8_t buf[512];
    struct iovec iov = { buf, 512 };
    BlockOptions writable = { "test", false };
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    BlockDev *b;
    Wait w = { 0, 0 };

    cr_assert_eq(ftruncate(fd, 4096), 0);
    b = open_image(dup(fd), true);
    block_writev(b, 0, &iov, 1, done, &w);
    cr_assert_eq(wait_for(&w, 1), EROFS);
    block_discard(b, 0, 512, done, &w);
    cr_assert_eq(wait_for(&w, 2), EROFS);
    block_close(b);
    cr_assert_null(block_open_fd(open(path, O_RDONLY), &writable, &error));
    cr_assert(strstr(error->message, "writing"));
    close(fd);
}

Test(block, directories_and_sockets_are_refused)
{
    BlockOptions options = { "hda", true };
    g_autoptr(GError) error = NULL;

    cr_assert_null(block_open_fd(open("/tmp", O_RDONLY), &options, &error));
    cr_assert(strstr(error->message, "hda"));
}

Test(block, empty_drive_has_no_medium)
{
    BlockDev *b = block_empty("cd");
    uint8_t buf[512];
    struct iovec iov = { buf, 512 };
    Wait w = { 0, 0 };

    cr_assert(!block_present(b));
    cr_assert_eq(block_size(b), 0);
    block_readv(b, 0, &iov, 1, done, &w);
    block_flush(b, done, &w);
    cr_assert_eq(wait_for(&w, 2), ENOMEDIUM);
    block_close(b);
}

Test(block, cancelled_requests_do_not_call_back)
{
    char path[64];
    BlockDev *b = open_image(image_file(path, 0), false);
    uint8_t buf[4096];
    struct iovec iov = { buf, sizeof(buf) };
    Wait w = { 0, 0 };

    for (unsigned i = 0; i < 100; i++) {
        BlockRequest *r = block_readv(b, 0, &iov, 1, done, &w);
        if (i & 1)
            block_cancel(r);
    }
    block_drain(b);
    cr_assert_eq(w.calls, 50);
    block_close(b);
    unlink(path);
}

Test(block, discard_gives_space_back)
{
    int fd = memfd_create("image", 0);
    uint8_t buf[8192];
    struct iovec iov = { buf, sizeof(buf) };
    BlockDev *b;
    Wait w = { 0, 0 };

    cr_assert_eq(ftruncate(fd, IMAGE_BYTES), 0);
    b = open_image(dup(fd), false);
    memset(buf, 1, sizeof(buf));
    block_writev(b, 0, &iov, 1, done, &w);
    cr_assert_eq(wait_for(&w, 1), 0);
    block_discard(b, 4096, 4096, done, &w);
    cr_assert_eq(wait_for(&w, 2), 0);
    cr_assert_eq(pread(fd, buf, sizeof(buf), 0), (ssize_t)sizeof(buf));
    cr_assert_eq(buf[4095], 1);
    cr_assert_eq(buf[4096], 0);
    cr_assert_eq(buf[8191], 0);
    close(fd);
    block_close(b);
}

Test(block, image_cut_behind_our_back_is_an_error_not_a_loop)
{
    int fd = memfd_create("image", 0);
    uint8_t buf[4096];
    struct iovec iov = { buf, sizeof(buf) };
    BlockDev *b;
    Wait w = { 0, 0 };

    cr_assert_eq(ftruncate(fd, 65536), 0);
    b = open_image(dup(fd), false);
    cr_assert_eq(ftruncate(fd, 1000), 0);
    block_readv(b, 0, &iov, 1, done, &w);
    cr_assert_eq(wait_for(&w, 1), EIO);
    close(fd);
    block_close(b);
}

static void chain(void *opaque, int error)
{
    void **state = opaque;
    Wait *w = state[1];

    done(w, error);
    if (w->calls < 10)
        block_flush(state[0], chain, state);
}

Test(block, drain_also_ends_what_completions_begin)
{
    char path[64];
    BlockDev *b = open_image(image_file(path, 0), false);
    Wait w = { 0, 0 };
    void *state[2] = { b, &w };

    block_flush(b, chain, state);
    block_drain(b);
    cr_assert_eq(w.calls, 10);
    cr_assert_eq(w.error, 0);
    block_close(b);
    unlink(path);
}

/* The same writes by qemu-io into another file; qemu-img must find no difference. */
Test(block, image_is_the_same_as_qemu_io_makes, .timeout = 60)
{
    char ours[64], theirs[64];
    g_autofree char *qemu = g_find_program_in_path("qemu-io");
    g_autoptr(GString) script = g_string_new("qemu-io -f raw");
    g_autofree uint8_t *buf = g_malloc(65536);
    g_autofree char *compare = NULL;
    unsigned seed = 9;
    BlockDev *b;
    Wait w = { 0, 0 };

    if (!qemu)
        cr_skip_test("no qemu-io here");
    b = open_image(image_file(ours, 0), false);
    close(image_file(theirs, 0));
    for (unsigned i = 0; i < 60; i++) {
        uint64_t offset = (uint64_t)(rand_r(&seed) % 8000) * 512;
        unsigned len = (rand_r(&seed) % 64 + 1) * 512, byte = rand_r(&seed) & 0xff;
        struct iovec iov[2] = { { buf, 100 }, { buf + 100, len - 100 } };
        memset(buf, byte, len);
        block_writev(b, offset, iov, 2, done, &w);
        cr_assert_eq(wait_for(&w, i + 1), 0);
        g_string_append_printf(script, " -c 'write -P %u %llu %u'", byte,
                               (unsigned long long)offset, len);
    }
    block_close(b);
    g_string_append_printf(script, " %s >/dev/null", theirs);
    cr_assert_eq(system(script->str), 0);
    compare = g_strdup_printf("qemu-img compare -q -f raw -F raw %s %s", ours, theirs);
    cr_assert_eq(system(compare), 0);
    unlink(ours);
    unlink(theirs);
}
