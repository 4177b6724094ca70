/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhd.c - VHD images: random work against a copy in memory and qemu-img; chains of differencing
 * images, which qemu-img does not read, against the copy alone; what is written by create.c.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "block/format.h"
#include "tests/block/images.h"

#define NEED_QEMU() do { if (!images_have("qemu-img") || !images_have("qemu-io")) { \
    cr_skip_test("no qemu-img and qemu-io here"); } } while (0)

static void judge(const char *dir, const char *image, const char *format, const uint8_t *shadow,
                  size_t len)
{
    g_autofree char *path = g_build_filename(dir, "shadow.raw", NULL);

    cr_assert(g_file_set_contents(path, (const char *)shadow, len, NULL));
    cr_assert_eq(images_run(dir, "qemu-img compare -f %s -F raw %s shadow.raw", format, image), 0);
}

static void make(const char *dir, const char *name, const char *format, uint64_t size,
                 const char *backing)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *parent = backing ? g_build_filename(dir, backing, NULL) : NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    int up = parent ? open(parent, O_RDONLY) : -1;
    g_autoptr(GError) error = NULL;

    cr_assert(format_create(fd, format, size, backing, backing ? format : NULL, up, &error), "%s",
              error ? error->message : "");
    close(fd);
    if (up >= 0) {
        close(up);
    }
}

struct Form {
    char options[100];
    unsigned mib, rounds;
};

ParameterizedTestParameters(vhd, random_work_agrees_with_qemu_img)
{
    static struct Form forms[] = {
        { "subformat=dynamic,force_size=on", 64, 100 },
        { "subformat=fixed,force_size=on", 32, 100 },
        { "subformat=dynamic", 33, 60 },
    };

    return cr_make_param_array(struct Form, forms, G_N_ELEMENTS(forms));
}

ParameterizedTest(struct Form *f, vhd, random_work_agrees_with_qemu_img, .timeout = 120)
{
    g_autofree uint8_t *shadow = g_malloc0(((size_t)f->mib + 2) << 20);
    char *dir;
    BlockDev *b;
    size_t len;

    NEED_QEMU();
    dir = images_dir();
    cr_assert_eq(images_run(dir, "qemu-img create -f vpc -o %s a.vhd %uM", f->options, f->mib), 0);
    for (unsigned part = 0; part < 3; part++) {
        b = images_open(dir, false, NULL, "vhd:a.vhd", NULL);
        len = block_size(b);
        cr_assert_geq(len, (size_t)f->mib << 20);
        images_exercise(b, shadow, f->rounds, part + f->mib);
        images_compare(b, shadow);
        block_close(b);
        judge(dir, "a.vhd", "vpc", shadow, len);
        cr_assert_eq(images_run(dir, "qemu-io -f vpc -c 'write -P 77 1M 2M' a.vhd"), 0);
        memset(shadow + (1 << 20), 77, 2 << 20);
    }
    b = images_open(dir, true, NULL, "vhd:a.vhd", NULL);
    images_compare(b, shadow);
    block_close(b);
    images_end(dir);
}

Test(vhd, what_we_create_is_what_qemu_reads, .timeout = 120)
{
    const char *const formats[] = { "raw", "qcow2", "vhd" };
    const char *const theirs[] = { "raw", "qcow2", "vpc" };

    NEED_QEMU();
    for (unsigned i = 0; i < 3; i++) {
        size_t len = 40 << 20;
        g_autofree uint8_t *shadow = g_malloc0(len);
        g_autofree char *layer = g_strdup_printf("%s:a.img", formats[i]);
        char *dir = images_dir();
        BlockDev *b;

        make(dir, "a.img", formats[i], len, NULL);
        judge(dir, "a.img", theirs[i], shadow, len);
        b = images_open(dir, false, NULL, layer, NULL);
        cr_assert_eq(block_size(b), len);
        images_exercise(b, shadow, 60, i);
        block_close(b);
        judge(dir, "a.img", theirs[i], shadow, len);
        if (i == 1) {
            cr_assert_eq(images_run(dir, "qemu-img check -f qcow2 a.img"), 0);
        }
        images_end(dir);
    }
}

Test(vhd, differencing_images_over_three_layers, .timeout = 120)
{
    size_t len = 24 << 20;
    g_autofree uint8_t *shadow = g_malloc0(len), *base = NULL;
    char *dir = images_dir();
    g_autofree char *path = g_build_filename(dir, "b.vhd", NULL);
    FormatInfo info;
    BlockDev *b;
    int fd;

    make(dir, "a.vhd", "vhd", len, NULL);
    b = images_open(dir, false, NULL, "vhd:a.vhd", NULL);
    images_exercise(b, shadow, 60, 1);
    block_close(b);
    base = g_memdup2(shadow, len);
    make(dir, "b.vhd", "vhd", len, "a.vhd");
    fd = open(path, O_RDONLY);
    cr_assert(format_inspect(fd, "vhd", &info, NULL));
    cr_assert_str_eq(info.backing, "./a.vhd");
    cr_assert_eq(info.size, len);
    format_inspect_clear(&info);
    close(fd);
    b = images_open(dir, false, NULL, "vhd:b.vhd", "vhd:a.vhd", NULL);
    images_compare(b, shadow);
    images_exercise(b, shadow, 60, 2);
    block_close(b);
    make(dir, "c.vhd", "vhd", len, "b.vhd");
    for (unsigned i = 0; i < 2; i++) {
        b = images_open(dir, false, NULL, "vhd:c.vhd", "vhd:b.vhd", "vhd:a.vhd", NULL);
        images_compare(b, shadow);
        images_exercise(b, shadow, 60, 3);
        images_compare(b, shadow);
        block_close(b);
    }
    b = images_open(dir, true, NULL, "vhd:a.vhd", NULL);
    images_compare(b, base);
    block_close(b);
    images_end(dir);
}

Test(vhd, a_wrong_or_missing_parent_is_refused)
{
    char *dir = images_dir();
    g_autofree char *wrong = NULL, *none = NULL;

    make(dir, "a.vhd", "vhd", 8 << 20, NULL);
    make(dir, "x.vhd", "vhd", 8 << 20, NULL);
    make(dir, "b.vhd", "vhd", 8 << 20, "a.vhd");
    cr_assert_null(images_open(dir, false, &wrong, "vhd:b.vhd", "vhd:x.vhd", NULL));
    cr_assert(strstr(wrong, "parent"), "%s", wrong);
    cr_assert_null(images_open(dir, false, &none, "vhd:b.vhd", NULL));
    cr_assert(strstr(none, "parent"), "%s", none);
    images_end(dir);
}
