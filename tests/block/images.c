/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * images.c - helpers of the image format tests.
 */
#include "tests/block/images.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARALLEL 12
#define LARGEST 400u            /* sectors of a request */

char *images_dir(void)
{
    char *dir = g_strdup("/var/tmp/gh-images-XXXXXX");

    cr_assert_not_null(g_mkdtemp(dir));
    return dir;
}

void images_end(char *dir)
{
    images_run("/", "rm -rf %s", dir);
    g_free(dir);
}

bool images_have(const char *program)
{
    g_autofree char *path = g_find_program_in_path(program);

    return path != NULL;
}

int images_run(const char *dir, const char *format, ...)
{
    g_autofree char *command = NULL, *all = NULL;
    va_list ap;

    va_start(ap, format);
    command = g_strdup_vprintf(format, ap);
    va_end(ap);
    all = g_strdup_printf("cd %s && { %s; } >log 2>&1", dir, command);
    return system(all);
}

BlockDev *images_open(const char *dir, bool read_only, char **message, ...)
{
    BlockLayer layers[BLOCK_CHAIN_MAX];
    BlockOptions options = { "hda", read_only };
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    unsigned n = 0;
    const char *file;
    BlockDev *b;
    va_list ap;

    va_start(ap, message);
    while ((file = va_arg(ap, const char *))) {
        const char *colon = strchr(file, ':');
        g_autofree char *path = g_strdup_printf("%s/%s", dir, colon + 1);
        int flags = (n || read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
        int fd = open(path, flags | (g_random_boolean() ? O_DIRECT : 0));

        cr_assert_geq(fd, 0, "%s", path);
        g_ptr_array_add(names, g_strndup(file, colon - file));
        layers[n] = (BlockLayer){ fd, g_ptr_array_index(names, n) };
        n++;
    }
    va_end(ap);
    b = block_open_chain(layers, n, &options, &error);
    if (!b) {
        cr_assert_not_null(error);
        if (message) {
            *message = g_strdup(error->message);
        } else {
            cr_assert_fail("%s", error->message);
        }
    }
    return b;
}

void images_done(void *opaque, int error)
{
    ImageWait *w = opaque;

    w->calls++;
    w->error = error ? error : w->error;
}

int images_wait(ImageWait *w, unsigned n)
{
    gint64 end = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    while (w->calls < n && g_get_monotonic_time() < end) {
        if (!g_main_context_iteration(NULL, FALSE)) {
            g_usleep(20);
        }
    }
    return w->calls == n ? w->error : -1;
}

int images_read(BlockDev *b, uint64_t offset, void *buf, size_t len)
{
    struct iovec iov = { buf, len };
    ImageWait w = { 0, 0 };

    block_readv(b, offset, &iov, 1, images_done, &w);
    return images_wait(&w, 1);
}

int images_write(BlockDev *b, uint64_t offset, const void *buf, size_t len)
{
    struct iovec iov = { (void *)(uintptr_t)buf, len };
    ImageWait w = { 0, 0 };

    block_writev(b, offset, &iov, 1, images_done, &w);
    return images_wait(&w, 1);
}

int images_flush(BlockDev *b)
{
    ImageWait w = { 0, 0 };

    block_flush(b, images_done, &w);
    return images_wait(&w, 1);
}

typedef struct Op {
    uint64_t offset, len;
    uint8_t *buf;
    enum { OP_READ, OP_WRITE, OP_TRIM } kind;
} Op;

static bool overlaps(const Op *ops, unsigned n, uint64_t offset, uint64_t len)
{
    for (unsigned i = 0; i < n; i++) {
        if (offset < ops[i].offset + ops[i].len && ops[i].offset < offset + len) {
            return true;
        }
    }
    return false;
}

static void start(BlockDev *b, Op *op, unsigned *seed, ImageWait *w)
{
    struct iovec iov[3];
    size_t cut = op->len / 3 & ~511ull;

    if (op->kind == OP_TRIM) {
        block_discard(b, op->offset, op->len, images_done, w);
        return;
    }
    op->buf = g_malloc(op->len + 512);
    iov[0] = (struct iovec){ op->buf, cut };
    iov[1] = (struct iovec){ op->buf + cut, 512 };
    iov[2] = (struct iovec){ op->buf + cut + 512, op->len - cut - 512 };
    if (op->kind == OP_READ) {
        memset(op->buf, 0x99, op->len);
        block_readv(b, op->offset, iov, 3, images_done, w);
        return;
    }
    for (size_t i = 0; i < op->len; i++) {
        op->buf[i] = i % 64 ? op->buf[i - 1] + 1 : rand_r(seed);
    }
    block_writev(b, op->offset, iov, 3, images_done, w);
}

static void finish(BlockDev *b, Op *op, uint8_t *shadow, unsigned round)
{
    if (op->kind == OP_READ) {
        cr_assert(!memcmp(op->buf, shadow + op->offset, op->len), "round %u, read of %lu at %lu",
                  round, (unsigned long)op->len, (unsigned long)op->offset);
    } else if (op->kind == OP_WRITE) {
        memcpy(shadow + op->offset, op->buf, op->len);
    } else {
        g_autofree uint8_t *now = g_malloc(op->len);

        cr_assert_eq(images_read(b, op->offset, now, op->len), 0);
        for (size_t i = 0; i < op->len; i++) {
            cr_assert(now[i] == 0 || now[i] == shadow[op->offset + i]);
        }
        memcpy(shadow + op->offset, now, op->len);
    }
    g_free(op->buf);
}

void images_exercise(BlockDev *b, uint8_t *shadow, unsigned rounds, unsigned seed)
{
    uint64_t sectors = block_size(b) / 512;

    for (unsigned round = 0; round < rounds; round++) {
        Op ops[PARALLEL] = { 0 };
        ImageWait w = { 0, 0 };
        unsigned n = 0, flushes = 0;

        for (unsigned i = 0; i < PARALLEL; i++) {
            uint64_t offset = rand_r(&seed) % sectors;
            uint64_t len = rand_r(&seed) % (rand_r(&seed) % 4 ? 16 : LARGEST) + 1;
            unsigned kind = rand_r(&seed) % 20;

            len = MIN(len, sectors - offset);
            if (overlaps(ops, n, offset * 512, len * 512)) {
                continue;
            }
            ops[n] = (Op){ .offset = offset * 512, .len = len * 512,
                           .kind = kind < 8 ? OP_READ : kind < 18 ? OP_WRITE : OP_TRIM };
            start(b, &ops[n++], &seed, &w);
            if (rand_r(&seed) % 40 == 0) {
                block_flush(b, images_done, &w);
                flushes++;
            }
        }
        cr_assert_eq(images_wait(&w, n + flushes), 0, "round %u: %s", round, strerror(w.error));
        for (unsigned i = 0; i < n; i++) {
            finish(b, &ops[i], shadow, round);
        }
    }
}

void images_compare(BlockDev *b, const uint8_t *shadow)
{
    g_autofree uint8_t *buf = g_malloc(1 << 20);
    uint64_t size = block_size(b);

    for (uint64_t at = 0; at < size; at += 1 << 20) {
        size_t len = MIN(1 << 20, size - at);

        cr_assert_eq(images_read(b, at, buf, len), 0, "at %lu", (unsigned long)at);
        cr_assert(!memcmp(buf, shadow + at, len), "MiB %lu differs", (unsigned long)at >> 20);
    }
}
