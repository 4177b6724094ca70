/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostile.c - images made to do harm (security.md O6-O15): fields of headers and tables at their
 * edges, random bytes.  Each is opened and, if that works, read, written and discarded; nothing may
 * crash, loop or take much memory, and no byte outside the image file may change.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "block/format.h"
#include "tests/block/images.h"

#define DISK (8u << 20)
#define ROUNDS 400

typedef struct Seed {
    uint8_t *data;
    size_t len;
} Seed;

/* An image with data, tables and (qcow2) small clusters, as a buffer. */
static Seed seed_image(const char *format)
{
    int fd = memfd_create("seed", MFD_CLOEXEC);
    BlockLayer layer = { dup(fd), format };
    BlockOptions options = { "hda", false };
    uint8_t buf[8192];
    Seed s;
    BlockDev *b;

    cr_assert(format_create(fd, format, DISK, NULL, NULL, -1, NULL));
    b = block_open_chain(&layer, 1, &options, NULL);
    memset(buf, 0x77, sizeof buf);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(images_write(b, i * (DISK / 4), buf, sizeof buf), 0);
    }
    block_close(b);
    s.len = lseek(fd, 0, SEEK_END);
    s.data = g_malloc(s.len);
    cr_assert_eq(pread(fd, s.data, s.len, 0), (ssize_t)s.len);
    close(fd);
    return s;
}

static const uint64_t edges[] = { 0, 1, 2, 3, 7, 8, 9, 21, 22, 63, 64, 511, 512, 513, 0x7fff,
    0x8000, 0xffff, 0x10000, 0x1ffff, 0x200000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
    0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffe00, 0xffffffffffffffff,
    0x8000000000010000, 0x4000000000020000, 0x3fffffffffff, 0x8000000000000001 };

static void mutate(uint8_t *data, size_t len, size_t head, unsigned *seed)
{
    unsigned n = rand_r(seed) % 4 + 1;

    for (unsigned i = 0; i < n; i++) {
        size_t area = rand_r(seed) % 3 ? head : len, width = 1u << rand_r(seed) % 4;
        size_t at = (rand_r(seed) % (area - 8)) & ~(width - 1);
        uint64_t value = rand_r(seed) % 3 ? edges[rand_r(seed) % G_N_ELEMENTS(edges)]
                         : (uint64_t)rand_r(seed) << 32 ^ rand_r(seed);

        for (size_t j = 0; j < width; j++) {
            data[at + j] = value >> (8 * (width - 1 - j));
        }
    }
}

static void use(BlockDev *b)
{
    g_autofree uint8_t *buf = g_malloc0(1 << 20);
    uint64_t size = block_size(b);
    ImageWait w = { 0, 0 };

    for (unsigned i = 0; i < 6 && size; i++) {
        uint64_t at = i < 4 ? MIN(i * (uint64_t)(DISK / 4), size - 512) : size / i & ~511ull;
        size_t len = MIN(1u << (12 + i), size - at);

        images_read(b, at, buf, len);
        images_write(b, at, buf, MIN(len, 4096));
    }
    block_discard(b, 0, MIN(size, 1 << 20), images_done, &w);
    block_flush(b, images_done, &w);
    images_wait(&w, 2);
}

/* The checksums of VHD headers would hide all that comes after them. */
static void correct_sums(uint8_t *data)
{
    format_put32(data + 64, vhd_checksum(data, 512, 64));
    format_put32(data + 512 + 36, vhd_checksum(data + 512, 1024, 36));
}

static void assault(const char *format, size_t head, unsigned first)
{
    Seed s = seed_image(format);
    BlockOptions options = { "hda", false };
    struct rusage before, after;
    unsigned opened = 0;

    getrusage(RUSAGE_SELF, &before);
    for (unsigned i = 0; i < ROUNDS; i++) {
        g_autofree uint8_t *data = g_memdup2(s.data, s.len);
        unsigned seed = first + i;
        int fd = memfd_create("hostile", MFD_CLOEXEC);
        BlockLayer layer = { fd, format };
        FormatInfo info;
        gint64 start = g_get_monotonic_time();
        BlockDev *b;

        mutate(data, s.len, head, &seed);
        if (!strcmp(format, "vhd") && i % 4) {
            correct_sums(data);
        }
        cr_assert_eq(pwrite(fd, data, s.len, 0), (ssize_t)s.len);
        if (format_inspect(fd, format, &info, NULL)) {
            format_inspect_clear(&info);
        }
        format_guess(fd);
        b = block_open_chain(&layer, 1, &options, NULL);
        cr_assert_lt(g_get_monotonic_time() - start, G_USEC_PER_SEC, "opening %u takes long", i);
        if (b) {
            opened++;
            use(b);
            block_close(b);
        }
        cr_assert_lt(g_get_monotonic_time() - start, 5 * G_USEC_PER_SEC, "%u takes long", i);
    }
    getrusage(RUSAGE_SELF, &after);
#ifndef __SANITIZE_ADDRESS__            /* which keeps what was freed for a while */
    cr_assert_lt(after.ru_maxrss - before.ru_maxrss, 64 << 10, "kilobytes");
#endif
    cr_assert_gt(opened, ROUNDS / 20, "some must get past the header");
    cr_assert_lt(opened, ROUNDS, "some must be refused");
    g_free(s.data);
}

static void quiet(const char *domain, GLogLevelFlags level, const char *text, void *opaque)
{
    (void)domain, (void)level, (void)text, (void)opaque;
}

Test(hostile, damaged_qcow2_images_do_no_harm, .timeout = 120)
{
    g_log_set_default_handler(quiet, NULL);
    assault("qcow2", 112, 1);
    assault("qcow2", 5 * 65536, 100001);
}

Test(hostile, damaged_vhd_images_do_no_harm, .timeout = 120)
{
    g_log_set_default_handler(quiet, NULL);
    assault("vhd", 1536 + 64, 1);
}

static uint8_t *header(int *fd)
{
    uint8_t *map;

    *fd = memfd_create("image", MFD_CLOEXEC);
    cr_assert(format_create(*fd, "qcow2", DISK, NULL, NULL, -1, NULL));
    map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    cr_assert_neq(map, MAP_FAILED);
    return map;
}

static char *refusal(int fd)
{
    BlockLayer layer = { fd, "qcow2" };
    BlockOptions options = { "hda", false };
    g_autoptr(GError) error = NULL;

    cr_assert_null(block_open_chain(&layer, 1, &options, &error));
    cr_assert(!strchr(error->message, '\n'));
    return g_strdup(error->message);
}

Test(hostile, table_sizes_can_not_overflow)
{
    static const struct { unsigned at; uint32_t value; const char *says; } bad[] = {
        { 36, 0xffffffff, "too large" }, { 36, 0x20000001, "too large" }, { 36, 0, "too short" },
        { 56, 0xffffffff, "reference count table" }, { 56, 0, "reference count table" },
        { 60, 0xffffffff, "snapshots" }, { 20, 0, "clusters" }, { 20, 8, "clusters" },
        { 20, 22, "clusters" }, { 20, 64, "clusters" }, { 96, 7, "reference counts" },
        { 4, 4, "version" }, { 100, 0xffffffff, "header" }, { 40, 0xffffffff, "impossible" },
        { 24, 0xffffffff, "disk of" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        int fd;
        uint8_t *h = header(&fd);
        g_autofree char *text = NULL;

        format_put32(h + bad[i].at, bad[i].value);
        text = refusal(fd);
        cr_expect(strstr(text, bad[i].says), "field %u: %s", bad[i].at, text);
        munmap(h, 65536);
    }
}

/* A guest that gets its own tables as data could make any header. */
Test(hostile, entries_that_point_at_metadata_are_not_written)
{
    BlockOptions options = { "hda", false };
    uint8_t buf[512], head[512];
    int fd;
    uint8_t *h = header(&fd);
    uint64_t l1 = format_be64(h + 40), entry = 1ull << 63;  /* copied, at 0: then the header */
    BlockLayer layer;
    BlockDev *b;

    munmap(h, 65536);
    layer = (BlockLayer){ dup(fd), "qcow2" };
    b = block_open_chain(&layer, 1, &options, NULL);
    memset(buf, 1, sizeof buf);
    cr_assert_eq(images_write(b, 0, buf, sizeof buf), 0);
    block_close(b);
    for (unsigned i = 0; i < 4; i++) {      /* header (as 0), counts' table, counts, L1 */
        uint8_t be[8], l2[8];
        int error;

        cr_assert_eq(pread(fd, l2, 8, l1), 8);
        format_put64(be, entry | i << 16);
        cr_assert_eq(pwrite(fd, be, 8, format_be64(l2) & 0x00fffffffffffe00), 8);
        cr_assert_eq(pread(fd, head, 512, i << 16), 512);
        layer = (BlockLayer){ dup(fd), "qcow2" };
        b = block_open_chain(&layer, 1, &options, NULL);
        error = images_write(b, 0, buf, sizeof buf);
        cr_assert(i == 0 || error != 0, "cluster %u", i);
        block_close(b);
        if (i == 0) {
            cr_assert_eq(pread(fd, buf, 512, 0), 512);
            cr_assert_arr_eq(buf, head, 20, "the header is as it was");
            memset(buf, 1, sizeof buf);
        }
    }
    close(fd);
}

Test(hostile, bitmaps_of_qcow2_are_marked_as_out_of_date)
{
    BlockOptions options = { "hda", false };
    int fd;
    uint8_t *h = header(&fd);
    BlockLayer layer = { dup(fd), "qcow2" };
    BlockDev *b;

    format_put64(h + 88, 1);
    b = block_open_chain(&layer, 1, &options, NULL);
    cr_assert_not_null(b);
    cr_assert_eq(format_be64(h + 88), 0);
    block_close(b);
    munmap(h, 65536);
    close(fd);
}
