/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_server.c - qemu-nbd (package qemu-utils) beside a domain, for vmdk, vdi, qed and others.  It
 * has the user's rights and follows the names that the image has; the guest only reaches it through
 * read, write, flush and discard.
 */
#include "tools/xend/nbd_server.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/common/paths.h"

/* Its last line, without what names the program. */
static const char *complaint(char *text)
{
    char *line;

    g_strstrip(text);
    line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    return g_str_has_prefix(line, "qemu-nbd: ") ? line + 10 : *line ? line : "no reason given";
}

int nbd_server_start(const char *dir, const DiskConfig *disk, char **error)
{
    g_autofree char *program = g_find_program_in_path("qemu-nbd"), *text = NULL;
    g_autofree char *sock_path = g_strdup_printf("%s/nbd-%08x", dir, g_random_int());
    g_autoptr(GError) why = NULL;
    const char *argv[] = { program, "--fork", "--socket", sock_path, "--format", disk->format,
                           "--discard=unmap", "--cache=writeback",
                           disk->writable ? "--shared=1" : "--read-only", "--", disk->path, NULL };
    int status, sock;

    if (!program) {
        *error = g_strdup_printf("images in format %s need qemu-nbd, which is not installed; "
                                 "install qemu-utils, or convert %s with 'qemu-img convert -O "
                                 "qcow2'", disk->format, disk->path);
        return -1;
    }
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, &text,
                      &status, &why)) {
        *error = g_strdup_printf("qemu-nbd can't be started (%s)", why->message);
        return -1;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        *error = g_strdup_printf("image %s: %s", disk->path, complaint(text));
        return -1;
    }
    sock = unix_connect(sock_path);
    if (sock < 0) {
        *error = g_strdup_printf("qemu-nbd for %s does not answer (%s)", disk->path,
                                 g_strerror(errno));
    }
    unlink(sock_path);
    return sock;
}
