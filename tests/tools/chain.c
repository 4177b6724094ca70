/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of an image with its backing files, as xend opens them; security.md O1, O2, O4, O15. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "block/format.h"
#include "tools/common/domain_config.h"

typedef struct Rig {
    char *dir;
    char *error;
    DiskChain chain;
} Rig;

static Rig rig(void)
{
    return (Rig){ .dir = g_dir_make_tmp("gh-chain-XXXXXX", NULL) };
}

static void finish(Rig *r)
{
    g_autofree char *command = g_strdup_printf("rm -rf %s", r->dir);

    disk_chain_close(&r->chain);
    g_free(r->error);
    cr_assert_eq(system(command), 0);
    g_free(r->dir);
}

static void make(Rig *r, const char *name, const char *format, const char *backing,
                 const char *backing_format)
{
    g_autofree char *path = g_build_filename(r->dir, name, NULL);
    g_autofree char *up = backing ? g_build_filename(r->dir, backing, NULL) : NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), parent = up ? open(up, O_RDONLY) : -1;

    cr_assert(format_create(fd, format, 4 << 20, backing, backing_format, parent, NULL));
    close(fd);
    if (parent >= 0) {
        close(parent);
    }
}

static bool open_spec(Rig *r, const char *format, const char *name, const char *mode)
{
    g_autofree char *spec = g_strdup_printf("tap:%s:%s/%s,hda,%s", format, r->dir, name, mode);
    g_autoptr(Messages) m = messages_new();
    DiskConfig d;
    bool ok;

    disk_chain_close(&r->chain);
    g_clear_pointer(&r->error, g_free);
    cr_assert(disk_parse(&d, spec, (SourcePos){ 0 }, m));
    ok = disk_chain_open(&d, true, &r->chain, &r->error);
    disk_clear(&d);
    return ok;
}

Test(chain, names_count_from_the_image_that_has_them)
{
    Rig r = rig();
    g_autofree char *sub = g_build_filename(r.dir, "sub", NULL);

    g_mkdir(sub, 0700);
    make(&r, "sub/base.raw", "raw", NULL, NULL);
    make(&r, "sub/middle.qcow2", "qcow2", NULL, NULL);
    cr_assert_eq(chdir("/"), 0);
    {
        g_autofree char *middle = g_build_filename(r.dir, "sub/middle.qcow2", NULL);
        int fd = open(middle, O_RDWR | O_TRUNC);

        cr_assert(format_create(fd, "qcow2", 4 << 20, "base.raw", "raw", -1, NULL));
        close(fd);
    }
    make(&r, "top.qcow2", "qcow2", "sub/middle.qcow2", "qcow2");
    cr_assert(open_spec(&r, "qcow2", "top.qcow2", "w"), "%s", r.error);
    cr_assert_eq(r.chain.layers, 3);
    cr_assert_str_eq(r.chain.layer[1].format, "qcow2");
    cr_assert_str_eq(r.chain.layer[2].format, "raw");
    cr_assert_eq(r.chain.size, 4 << 20);
    finish(&r);
}

Test(chain, only_the_front_file_is_open_for_writing)
{
    Rig r = rig();

    make(&r, "base.vhd", "vhd", NULL, NULL);
    make(&r, "top.vhd", "vhd", "base.vhd", "vhd");
    cr_assert(open_spec(&r, "vhd", "top.vhd", "w"), "%s", r.error);
    cr_assert_eq(r.chain.layers, 2);
    cr_assert_eq(fcntl(r.chain.layer[0].fd, F_GETFL) & O_ACCMODE, O_RDWR);
    cr_assert_eq(fcntl(r.chain.layer[1].fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    cr_assert(open_spec(&r, "vhd", "top.vhd", "r"), "%s", r.error);
    cr_assert_eq(fcntl(r.chain.layer[0].fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    finish(&r);
}

Test(chain, an_image_based_on_itself_is_refused)
{
    Rig r = rig();

    make(&r, "a.qcow2", "qcow2", "b.qcow2", "qcow2");
    make(&r, "b.qcow2", "qcow2", "a.qcow2", "qcow2");
    cr_assert_not(open_spec(&r, "qcow2", "a.qcow2", "r"));
    cr_assert(strstr(r.error, "itself"), "%s", r.error);
    finish(&r);
}

Test(chain, names_that_are_no_files_are_never_followed)
{
    const char *const names[] = { "json:{\"driver\":\"raw\"}", "nbd://host/disk", "ssh:a", ":" };
    Rig r = rig();

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        make(&r, "a.qcow2", "qcow2", names[i], "raw");
        cr_assert_not(open_spec(&r, "qcow2", "a.qcow2", "r"));
        cr_assert(strstr(r.error, "not a file name"), "%s", r.error);
    }
    make(&r, "a.qcow2", "qcow2", "/dev/null", "raw");
    cr_assert_not(open_spec(&r, "qcow2", "a.qcow2", "r"));
    finish(&r);
}

/* Disks pass the host's cache where the file system lets them; images of discs don't. */
Test(chain, only_discs_go_through_the_hosts_cache)
{
    Rig r = rig();
    g_autofree char *path = g_build_filename(r.dir, "a.raw", NULL);
    DiskConfig disc = { .path = path, .format = "raw", .cdrom = true };
    DiskConfig disk = { .path = path, .format = "raw" };
    int probe;

    make(&r, "a.raw", "raw", NULL, NULL);
    probe = open(path, O_RDONLY | O_DIRECT);
    cr_assert(disk_chain_open(&disc, true, &r.chain, &r.error));
    cr_assert_not(fcntl(r.chain.layer[0].fd, F_GETFL) & O_DIRECT);
    disk_chain_close(&r.chain);
    cr_assert(disk_chain_open(&disk, true, &r.chain, &r.error));
    cr_assert_eq((fcntl(r.chain.layer[0].fd, F_GETFL) & O_DIRECT) != 0, probe >= 0);
    if (probe >= 0) {
        close(probe);
    }
    finish(&r);
}

/* A guest may write what it likes to its raw disk: it stays raw. */
Test(chain, what_a_guest_writes_does_not_change_the_format)
{
    Rig r = rig();
    g_autofree char *path = g_build_filename(r.dir, "a.qcow2", NULL);
    g_autoptr(Messages) m = messages_new();
    DiskConfig d = { .path = path, .format = "raw", .writable = true };

    make(&r, "a.qcow2", "qcow2", "/etc/passwd", "raw");
    cr_assert_eq(truncate(path, 1 << 20), 0);
    cr_assert(disk_check_image(&d, m), "used as it is");
    cr_assert_eq(m->errors, 0);
    cr_assert_eq(m->list->len, 1, "with a warning");
    cr_assert(disk_chain_open(&d, true, &r.chain, &r.error));
    cr_assert_eq(r.chain.layers, 1);
    cr_assert_str_eq(r.chain.layer[0].format, "raw");
    finish(&r);
}

/* The same one layer further: without a format, only a file that looks like nothing is raw. */
Test(chain, a_backing_file_of_unsaid_format_is_not_guessed)
{
    Rig r = rig();
    g_autofree char *path = g_build_filename(r.dir, "a.qcow2", NULL);
    int fd;

    make(&r, "base", "qcow2", NULL, NULL);
    make(&r, "a.qcow2", "qcow2", "base", "");
    fd = open(path, O_RDWR);
    cr_assert_eq(pwrite(fd, "\0\0\0\0\0\0\0\0", 8, 112), 8);      /* no format extension */
    close(fd);
    cr_assert_not(open_spec(&r, "qcow2", "a.qcow2", "r"));
    cr_assert(strstr(r.error, "does not say"), "%s", r.error);
    make(&r, "base", "raw", NULL, NULL);
    cr_assert(open_spec(&r, "qcow2", "a.qcow2", "r"), "%s", r.error);
    cr_assert_str_eq(r.chain.layer[1].format, "raw");
    finish(&r);
}

Test(chain, files_in_use_are_refused_unless_shared)
{
    Rig r = rig(), other = { .dir = g_strdup(r.dir) };
    g_autofree char *spec = NULL;

    make(&r, "base.raw", "raw", NULL, NULL);
    make(&r, "a.qcow2", "qcow2", "base.raw", "raw");
    cr_assert(open_spec(&r, "qcow2", "a.qcow2", "w"));
    cr_assert_not(open_spec(&other, "qcow2", "a.qcow2", "r"));
    cr_assert(strstr(other.error, "in use"), "%s", other.error);
    cr_assert_not(open_spec(&other, "aio", "base.raw", "w"), "a base that is in use is not written");
    cr_assert(open_spec(&other, "aio", "base.raw", "r"));
    cr_assert(open_spec(&other, "aio", "base.raw", "w!"));
    disk_chain_close(&other.chain);
    g_free(other.dir);
    g_free(other.error);
    finish(&r);
}
