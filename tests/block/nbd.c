/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd.c - formats that qemu-nbd has, through its socket; servers that talk nonsense or go away.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "block/format.h"
#include "tests/block/images.h"

static int connect_to(const char *dir)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_snprintf(a.sun_path, sizeof a.sun_path, "%s/sock", dir);
    cr_assert_eq(connect(sock, (struct sockaddr *)&a, sizeof a), 0);
    return sock;
}

static BlockDev *open_sock(int sock, bool read_only)
{
    BlockLayer layer = { sock, "nbd" };
    BlockOptions options = { "hda", read_only };

    return block_open_chain(&layer, 1, &options, NULL);
}

Test(nbd, vmdk_vdi_and_qed_through_qemu_nbd, .timeout = 120)
{
    static const char *const formats[] = { "vmdk", "vdi", "qed" };

    if (!images_have("qemu-nbd") || !images_have("qemu-img")) {
        cr_skip_test("no qemu-nbd here");
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        size_t len = 32 << 20;
        g_autofree uint8_t *shadow = g_malloc0(len);
        char *dir = images_dir();
        g_autofree char *path = g_build_filename(dir, "shadow.raw", NULL);
        BlockDev *b;

        cr_assert_eq(images_run(dir, "qemu-img create -f %s a.img 32M && qemu-nbd --fork "
                                "--socket=$PWD/sock --format=%s --discard=unmap a.img",
                                formats[i], formats[i]), 0);
        b = open_sock(connect_to(dir), false);
        cr_assert_not_null(b);
        cr_assert_eq(block_size(b), len);
        images_exercise(b, shadow, 60, i);
        cr_assert_eq(images_flush(b), 0);
        images_compare(b, shadow);
        block_close(b);
        cr_assert(g_file_set_contents(path, (const char *)shadow, len, NULL));
        cr_assert_eq(images_run(dir, "sleep 0.3; qemu-img compare -U -f %s -F raw a.img shadow.raw",
                                formats[i]), 0);
        images_end(dir);
    }
}

Test(nbd, a_server_that_goes_away_is_an_error_of_the_host)
{
    uint8_t hello[28] = "NBDMAGICIHAVEOPT\0\3", buf[4096];
    int ends[2];
    BlockDev *b;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    format_put64(hello + 18, 1 << 20);
    format_put16(hello + 26, 5);
    cr_assert_eq(write(ends[1], hello, sizeof hello), (ssize_t)sizeof hello);
    b = open_sock(ends[0], false);
    cr_assert_not_null(b);
    cr_assert_eq(block_size(b), 1 << 20);
    close(ends[1]);
    cr_assert_eq(images_read(b, 0, buf, sizeof buf), EIO);
    cr_assert_eq(images_write(b, 0, buf, sizeof buf), EIO);
    block_close(b);
}

Test(nbd, nonsense_is_refused)
{
    static const char *const texts[] = { "HTTP/1.1 400 Bad Request", "NBDMAGIC\0\0\0\0\0\0\0\0\0\0",
                                         "" };

    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        int ends[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        cr_assert_geq(write(ends[1], texts[i], strlen(texts[i])), 0);
        close(ends[1]);
        cr_assert_null(open_sock(ends[0], false));
    }
}
