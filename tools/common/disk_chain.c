/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_chain.c - the files of an image with its backing files, opened with the user's rights: a
 * device model opens none itself.  An image's format is what the config says, a backing file's what
 * the image above says of it; the only guess is that a file without any known header is raw.
 */
#include "tools/common/domain_config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "block/block.h"
#include "block/format.h"

void disk_chain_close(DiskChain *c)
{
    for (unsigned i = 0; i < c->layers; i++) {
        if (c->layer[i].fd >= 0) {
            close(c->layer[i].fd);
        }
        g_free(c->layer[i].path);
    }
    g_free(c->layer);
    *c = (DiskChain){ 0 };
}

/*
 * A block device that is mounted or otherwise taken may not be written.  A disc's image goes through
 * the host's cache: it is small, never written, often read again, and by several guests.  A drive of
 * the host's does not: the cache would keep the last disc's data.
 */
static int open_image(const char *path, bool writable, bool shared, bool disc)
{
    int mode = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK, fd;
    struct stat st;

    if (disc && !writable && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        return open(path, mode);
    }
    if (writable && !shared && stat(path, &st) == 0 && S_ISBLK(st.st_mode)) {
        mode |= O_EXCL;
    }
    fd = open(path, mode | O_DIRECT);
    if (fd < 0 && errno == EINVAL) {
        fd = open(path, mode);          /* a file system without direct I/O */
    }
    return fd;
}

static bool add_layer(DiskChain *c, const DiskConfig *d, const char *path, const char *format,
                      bool lock, char **error)
{
    bool top = c->layers == 0, writable = top && d->writable;
    struct stat st, other;
    int fd = open_image(path, writable, d->shared || !lock, d->cdrom);

    if (fd < 0 || fstat(fd, &st) != 0) {
        *error = g_strdup_printf("%s %s can't be opened (%s)%s", top ? "image" : "backing file",
                                 path, g_strerror(errno),
                                 errno == EBUSY ? "; is it mounted?" : "");
        return false;
    }
    c->layer = g_renew(DiskLayer, c->layer, c->layers + 1);
    c->layer[c->layers++] = (DiskLayer){ fd, format, g_strdup(path) };
    for (unsigned i = 0; i + 1 < c->layers; i++) {
        if (fstat(c->layer[i].fd, &other) == 0 && other.st_dev == st.st_dev &&
            other.st_ino == st.st_ino) {
            *error = g_strdup_printf("image %s is based on itself, by %s", path,
                                     c->layer[c->layers - 2].path);
            return false;
        }
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        *error = g_strdup_printf("%s is neither a file nor a block device", path);
        return false;
    }
    /* qemu-nbd locks what it opens. */
    if (lock && !d->shared && !(top && d->foreign) && !image_lock(fd, writable)) {
        g_autofree char *holder = image_holder(path, writable);

        *error = g_strdup_printf("image %s is in use by %s", path,
                                 holder ? holder : "another process");
        return false;
    }
    return true;
}

/* The backing file's path; NULL with an error for what is no file name. */
static char *resolve(const char *image, const char *name, char **error)
{
    g_autofree char *dir = g_path_get_dirname(image);
    const char *colon, *slash;

    if (g_str_has_prefix(name, "file:")) {
        name += 5;
    }
    colon = strchr(name, ':');
    slash = strchr(name, '/');
    if (!*name || (colon && (!slash || colon < slash))) {
        *error = g_strdup_printf("image %s is based on '%s', which is not a file name", image,
                                 name);
        return NULL;
    }
    return g_path_is_absolute(name) ? g_strdup(name) : g_build_filename(dir, name, NULL);
}

static const char *backing_format(const char *image, const FormatInfo *info, const char *of,
                                  const char *path, char **error)
{
    static const char *const names[][2] = { { "raw", "raw" }, { "file", "raw" },
        { "host_device", "raw" }, { "qcow2", "qcow2" }, { "vpc", "vhd" }, { "vhd", "vhd" } };
    const char *said = !strcmp(of, "vhd") ? "vhd" : info->backing_format, *guess;
    int fd;

    for (unsigned i = 0; said && i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(said, names[i][0])) {
            return names[i][1];
        }
    }
    if (said) {
        *error = g_strdup_printf("image %s is based on %s in format '%s', which is not supported; "
                                 "convert it with 'qemu-img convert -O qcow2'", image, path, said);
        return NULL;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    guess = fd >= 0 ? format_guess(fd) : "raw";
    if (fd >= 0) {
        close(fd);
    }
    if (!strcmp(guess, "raw")) {
        return "raw";
    }
    *error = g_strdup_printf("image %s does not say that its backing file %s is in format %s; say "
                             "it with 'qemu-img rebase -u -b %s -F %s %s'", image, path, guess,
                             info->backing, !strcmp(guess, "vhd") ? "vpc" : guess, image);
    return NULL;
}

/* Adds what the last layer is based on; true and no new layer: nothing. */
static bool add_backing(DiskChain *c, const DiskConfig *d, bool lock, char **error)
{
    const DiskLayer *last = &c->layer[c->layers - 1];
    g_autofree char *path = NULL;
    g_autoptr(GError) why = NULL;
    const char *format;
    FormatInfo info;
    bool ok = true;

    if (!format_inspect(last->fd, last->format, &info, &why)) {
        *error = g_strdup_printf("image %s can't be used: %s", last->path, why->message);
        return false;
    }
    if (c->layers == 1) {
        c->size = info.size;
    }
    if (info.backing) {
        path = resolve(last->path, info.backing, error);
        format = path ? backing_format(last->path, &info, last->format, path, error) : NULL;
        ok = format && add_layer(c, d, path, format, lock, error);
    }
    format_inspect_clear(&info);
    return ok;
}

bool disk_chain_open(const DiskConfig *d, bool lock, DiskChain *chain, char **error)
{
    const char *format = d->format ? d->format : "raw";
    unsigned before;
    bool ok;

    *chain = (DiskChain){ 0 };
    ok = add_layer(chain, d, d->path, format, lock, error);
    do {
        before = chain->layers;
        if (ok && before == BLOCK_CHAIN_MAX) {
            *error = g_strdup_printf("image %s is based on more than %u files", d->path,
                                     BLOCK_CHAIN_MAX - 1);
            ok = false;
        }
        ok = ok && (d->foreign || add_backing(chain, d, lock, error));
    } while (ok && chain->layers > before);
    if (!ok) {
        disk_chain_close(chain);
    }
    return ok;
}
