/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2.c - qcow2 images: random work is judged by a copy in memory and by qemu-img check and
 * compare; images that qemu-img and qemu-io made are read.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/block/images.h"

#define NEED_QEMU() do { if (!images_have("qemu-img") || !images_have("qemu-io")) { \
    cr_skip_test("no qemu-img and qemu-io here"); } } while (0)

static uint8_t *load(const char *dir, const char *name, size_t len)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    uint8_t *data = g_malloc0(len);
    char *text;
    gsize got;

    cr_assert(g_file_get_contents(path, &text, &got, NULL));
    memcpy(data, text, MIN(got, len));
    g_free(text);
    return data;
}

static void save(const char *dir, const char *name, const uint8_t *data, size_t len)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    cr_assert(g_file_set_contents(path, (const char *)data, len, NULL));
}

static void check(const char *dir, const char *image)
{
    g_autofree char *log = g_build_filename(dir, "log", NULL), *text = NULL;
    int status = images_run(dir, "qemu-img check -f qcow2 %s", image);

    g_file_get_contents(log, &text, NULL, NULL);
    cr_assert_eq(status, 0, "qemu-img check: %s", text);
}

static void judge(const char *dir, const char *image, const uint8_t *shadow, size_t len)
{
    check(dir, image);
    save(dir, "shadow.raw", shadow, len);
    cr_assert_eq(images_run(dir, "qemu-img compare -f qcow2 -F raw %s shadow.raw", image), 0,
                 "qemu-img compare");
}

struct Form {
    char options[100];
    unsigned mib, rounds;
};

ParameterizedTestParameters(qcow2, random_work_agrees_with_qemu_img)
{
    static struct Form forms[] = {
        { "cluster_size=65536", 64, 150 },
        { "cluster_size=512,refcount_bits=16", 8, 150 },
        { "cluster_size=512,refcount_bits=64", 8, 100 },
        { "cluster_size=4096,refcount_bits=1", 32, 100 },
        { "cluster_size=4096,refcount_bits=2", 32, 60 },
        { "cluster_size=4096,refcount_bits=4", 32, 60 },
        { "cluster_size=1024,refcount_bits=8", 16, 100 },
        { "cluster_size=65536,refcount_bits=32", 64, 60 },
        { "cluster_size=2097152", 64, 40 },
        { "cluster_size=65536,compat=0.10", 64, 60 },
        { "cluster_size=512,compat=0.10", 8, 60 },
        { "cluster_size=65536,lazy_refcounts=on", 64, 60 },
        { "cluster_size=65536,preallocation=metadata", 64, 60 },
    };

    return cr_make_param_array(struct Form, forms, G_N_ELEMENTS(forms));
}

ParameterizedTest(struct Form *f, qcow2, random_work_agrees_with_qemu_img, .timeout = 120)
{
    size_t len = (size_t)f->mib << 20;
    g_autofree uint8_t *shadow = g_malloc0(len);
    char *dir;
    BlockDev *b;

    NEED_QEMU();
    dir = images_dir();
    cr_assert_eq(images_run(dir, "qemu-img create -f qcow2 -o %s a.qcow2 %uM", f->options, f->mib),
                 0);
    for (unsigned part = 0; part < 3; part++) {
        b = images_open(dir, false, NULL, "qcow2:a.qcow2", NULL);
        cr_assert_eq(block_size(b), len);
        images_exercise(b, shadow, f->rounds, part + f->mib);
        images_compare(b, shadow);
        block_close(b);
        judge(dir, "a.qcow2", shadow, len);
    }
    images_end(dir);
}

ParameterizedTestParameters(qcow2, chains_agree_with_qemu_img)
{
    static struct Form forms[] = {
        { "-o cluster_size=65536 -b base.raw -F raw", 20, 80 },
        { "-o cluster_size=4096 -b base.raw -F raw", 20, 80 },
        { "-o cluster_size=65536,compat=0.10 -b base.raw -F raw", 20, 80 },
        { "-o cluster_size=2097152 -b base.raw -F raw", 20, 40 },
    };

    return cr_make_param_array(struct Form, forms, G_N_ELEMENTS(forms));
}

/* The base is smaller than the image, and not a whole number of sectors. */
ParameterizedTest(struct Form *f, qcow2, chains_agree_with_qemu_img, .timeout = 120)
{
    size_t len = (size_t)f->mib << 20;
    g_autofree uint8_t *shadow = NULL;
    char *dir;
    BlockDev *b;

    NEED_QEMU();
    dir = images_dir();
    cr_assert_eq(images_run(dir, "head -c 15000100 /dev/urandom >base.raw && md5sum base.raw >sum "
                            "&& qemu-img create -f qcow2 %s a.qcow2 %uM", f->options, f->mib), 0);
    shadow = load(dir, "base.raw", len);
    b = images_open(dir, false, NULL, "qcow2:a.qcow2", "raw:base.raw", NULL);
    images_compare(b, shadow);
    images_exercise(b, shadow, f->rounds, 7);
    images_compare(b, shadow);
    block_close(b);
    judge(dir, "a.qcow2", shadow, len);
    cr_assert_eq(images_run(dir, "md5sum -c sum"), 0, "the base is never written");
    images_end(dir);
}

/* What qemu-io writes (data, zeros, discards, compressed), we read. */
static void qemu_makes(const char *dir, const char *create, unsigned mib, unsigned seed,
                       bool compressed, unsigned cluster)
{
    g_autoptr(GString) script = g_string_new("qemu-io -f qcow2 a.qcow2");

    cr_assert_eq(images_run(dir, "%s a.qcow2 %uM", create, mib), 0);
    /* qemu-io does not compress into a cluster that has data. */
    for (unsigned i = 0, at = 0; compressed && i < 60 && at < mib << 20; i++) {
        g_string_append_printf(script, " -c 'write -c -P %u %u %u'", i, at, cluster);
        at += cluster * (1 + rand_r(&seed) % 4);
    }
    for (unsigned i = 0; i < 60; i++) {
        unsigned offset = rand_r(&seed) % (mib * 2048), len = rand_r(&seed) % 200 + 1;
        unsigned kind = rand_r(&seed) % 10;

        len = MIN(len, mib * 2048 - offset);
        if (kind == 0) {
            g_string_append_printf(script, " -c 'write -z %llu %llu'", 512ull * offset, 512ull * len);
        } else if (kind == 1) {
            g_string_append_printf(script, " -c 'discard %llu %llu'", 512ull * offset, 512ull * len);
        } else {
            g_string_append_printf(script, " -c 'write -P %u %llu %llu'", i, 512ull * offset,
                                   512ull * len);
        }
    }
    cr_assert_eq(images_run(dir, "%s", script->str), 0);
    cr_assert_eq(images_run(dir, "qemu-img convert -f qcow2 -O raw a.qcow2 flat.raw"), 0);
}

struct Made {
    char create[120];
    unsigned mib, cluster, compressed;
};

ParameterizedTestParameters(qcow2, images_of_qemu_are_read_and_go_on)
{
    static struct Made made[] = {
        { "qemu-img create -f qcow2 -o cluster_size=65536", 32, 65536, 1 },
        { "qemu-img create -f qcow2 -o cluster_size=65536,compression_type=zstd", 32, 65536, 1 },
        { "qemu-img create -f qcow2 -o cluster_size=4096", 8, 4096, 1 },
        { "qemu-img create -f qcow2 -o cluster_size=512", 4, 512, 1 },
        { "qemu-img create -f qcow2 -o cluster_size=2097152", 32, 2097152, 1 },
        { "qemu-img create -f qcow2 -o cluster_size=2097152,compression_type=zstd", 32, 2097152,
          1 },
        { "qemu-img create -f qcow2 -o compat=0.10", 32, 65536, 1 },
        { "qemu-img create -f qcow2 -o preallocation=full", 16, 65536, 0 },
    };

    return cr_make_param_array(struct Made, made, G_N_ELEMENTS(made));
}

ParameterizedTest(struct Made *m, qcow2, images_of_qemu_are_read_and_go_on, .timeout = 120)
{
    size_t len = (size_t)m->mib << 20;
    g_autofree uint8_t *shadow = NULL;
    char *dir;
    BlockDev *b;

    NEED_QEMU();
    dir = images_dir();
    qemu_makes(dir, m->create, m->mib, m->cluster, m->compressed, m->cluster);
    shadow = load(dir, "flat.raw", len);
    b = images_open(dir, true, NULL, "qcow2:a.qcow2", NULL);
    images_compare(b, shadow);
    block_close(b);
    b = images_open(dir, false, NULL, "qcow2:a.qcow2", NULL);
    images_exercise(b, shadow, 60, 3);
    images_compare(b, shadow);
    block_close(b);
    judge(dir, "a.qcow2", shadow, len);
    images_end(dir);
}

Test(qcow2, snapshots_stay_as_they_were, .timeout = 120)
{
    const unsigned clusters[] = { 65536, 4096, 512 };

    NEED_QEMU();
    for (unsigned i = 0; i < G_N_ELEMENTS(clusters); i++) {
        char *dir = images_dir();
        unsigned mib = clusters[i] == 512 ? 4 : 16;
        size_t len = mib << 20;
        g_autofree uint8_t *shadow = g_malloc0(len);
        BlockDev *b;

        cr_assert_eq(images_run(dir, "qemu-img create -f qcow2 -o cluster_size=%u a.qcow2 %uM",
                                clusters[i], mib), 0);
        for (unsigned s = 0; s < 3; s++) {
            b = images_open(dir, false, NULL, "qcow2:a.qcow2", NULL);
            images_exercise(b, shadow, 40, s);
            block_close(b);
            judge(dir, "a.qcow2", shadow, len);
            cr_assert_eq(images_run(dir, "cp shadow.raw s%u.raw && qemu-img snapshot -c s%u "
                                    "a.qcow2", s, s), 0);
        }
        b = images_open(dir, false, NULL, "qcow2:a.qcow2", NULL);
        images_exercise(b, shadow, 60, 9);
        block_close(b);
        judge(dir, "a.qcow2", shadow, len);
        for (unsigned s = 0; s < 3; s++) {
            cr_assert_eq(images_run(dir, "qemu-img convert -l s%u -O raw a.qcow2 x.raw && "
                                    "cmp x.raw s%u.raw", s, s), 0, "snapshot %u", s);
        }
        images_end(dir);
    }
}

Test(qcow2, what_we_can_not_do_is_refused_in_one_line)
{
    const char *const options[] = {
        "-o extended_l2=on", "-o data_file=d.raw",
        "--object secret,id=s,data=x -o encrypt.format=luks,encrypt.key-secret=s",
    };
    const char *const says[] = { "extended L2", "another file", "encrypted" };
    char *dir;

    NEED_QEMU();
    dir = images_dir();
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *message = NULL;

        /* For LUKS it measures its own CPU time, which fails now and then. */
        cr_assert_eq(images_run(dir, "for n in 1 2 3 4 5 6 7 8 9; do "
                                "qemu-img create -f qcow2 %s a.qcow2 1M && break; done",
                                options[i]), 0);
        cr_assert_null(images_open(dir, false, &message, "qcow2:a.qcow2", NULL));
        cr_assert(strstr(message, says[i]), "%s", message);
        cr_assert(!strchr(message, '\n'));
    }
    images_end(dir);
}

Test(qcow2, discard_makes_the_file_smaller)
{
    char *dir;
    g_autofree uint8_t *buf = g_malloc(16 << 20);
    ImageWait w = { 0, 0 };
    BlockDev *b;

    NEED_QEMU();
    dir = images_dir();
    memset(buf, 7, 16 << 20);
    cr_assert_eq(images_run(dir, "qemu-img create -f qcow2 a.qcow2 64M"), 0);
    b = images_open(dir, false, NULL, "qcow2:a.qcow2", NULL);
    cr_assert_eq(images_write(b, 0, buf, 16 << 20), 0);
    cr_assert_eq(images_flush(b), 0);
    block_discard(b, 0, 16 << 20, images_done, &w);
    cr_assert_eq(images_wait(&w, 1), 0);
    cr_assert_eq(images_flush(b), 0);
    cr_assert_eq(images_read(b, 0, buf, 16 << 20), 0);
    cr_assert_eq(buf[0] | buf[(16 << 20) - 1], 0);
    block_close(b);
    check(dir, "a.qcow2");
    cr_assert_eq(images_run(dir, "test $(du -k a.qcow2 | cut -f 1) -lt 1024"), 0,
                 "the space went back to the host");
    images_end(dir);
}

Test(qcow2, disks_grow_while_they_are_used, .timeout = 60)
{
    const unsigned clusters[] = { 512, 65536 };

    NEED_QEMU();
    for (unsigned i = 0; i < G_N_ELEMENTS(clusters); i++) {
        size_t len = 4 << 20, more = 48 << 20;
        g_autofree uint8_t *shadow = g_malloc0(more);
        char *dir = images_dir();
        ImageWait w = { 0, 0 };
        BlockDev *b;

        cr_assert_eq(images_run(dir, "qemu-img create -f qcow2 -o cluster_size=%u a.qcow2 4M",
                                clusters[i]), 0);
        b = images_open(dir, false, NULL, "qcow2:a.qcow2", NULL);
        images_exercise(b, shadow, 30, 1);
        block_resize(b, len - 512, images_done, &w);
        cr_assert_eq(images_wait(&w, 1), EINVAL, "never smaller");
        w = (ImageWait){ 0, 0 };
        block_resize(b, more, images_done, &w);
        cr_assert_eq(images_wait(&w, 1), 0);
        cr_assert_eq(block_size(b), more);
        images_compare(b, shadow);
        images_exercise(b, shadow, 60, 2);
        block_close(b);
        judge(dir, "a.qcow2", shadow, more);
        images_end(dir);
    }
}

Test(qcow2, raw_disks_grow_with_their_file)
{
    char *dir = images_dir();
    uint8_t buf[512] = "end";
    ImageWait w = { 0, 0 };
    BlockDev *b;

    cr_assert_eq(images_run(dir, "truncate -s 1M a.raw"), 0);
    b = images_open(dir, false, NULL, "raw:a.raw", NULL);
    block_resize(b, 2 << 20, images_done, &w);
    cr_assert_eq(images_wait(&w, 1), EFBIG, "the file is not larger yet");
    cr_assert_eq(images_run(dir, "truncate -s 2M a.raw"), 0);
    w = (ImageWait){ 0, 0 };
    block_resize(b, 2 << 20, images_done, &w);
    cr_assert_eq(images_wait(&w, 1), 0);
    cr_assert_eq(images_write(b, (2 << 20) - 512, buf, 512), 0);
    block_close(b);
    images_end(dir);
}
