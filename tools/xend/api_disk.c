/* SPDX-License-Identifier: GPL-2.0-or-later */
/* api_disk.c - xm on the disks of a running domain: larger ones.  Media that come and go: media.c. */
#include "tools/xend/api.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A raw file is made larger here, because qemu-dm may not; other formats grow by themselves. */
static bool grow_file(const DiskConfig *disk, uint64_t size, char **error)
{
    g_autofree char *path = NULL;
    struct stat st;
    int fd;

    if (strcmp(disk->format, "raw") || stat(disk->path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return true;            /* a block device is as large as it is */
    }
    if ((uint64_t)st.st_size >= size) {
        return true;            /* grown before, but never told */
    }
    fd = open(disk->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, size) != 0) {
        *error = g_strdup_printf("image %s can't be made larger (%s)", disk->path,
                                 g_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return !*error;
}

void api_resize_disk(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *dev = api_text(params, 1);
    uint64_t size = g_ascii_strtoull(api_text(params, 2), NULL, 10);
    g_autofree char *error = NULL;
    DiskConfig *disk = NULL;

    (void)x;
    if (!api_must_live(d, call)) {
        return;
    }
    for (unsigned i = 0; i < d->config->disks; i++) {
        if (!d->config->disk[i].cdrom && !strcmp(d->config->disk[i].dev, dev)) {
            disk = &d->config->disk[i];
        }
    }
    if (!disk) {
        rpc_fault(call, FAULT_ERROR, "Domain '%s' has no disk %s", d->name, dev);
    } else if (!disk->writable) {
        rpc_fault(call, FAULT_ERROR, "%s is read only", dev);
    } else if (disk->foreign) {
        rpc_fault(call, FAULT_ERROR, "%s: images in format %s can't be made larger", dev,
                  disk->format);
    } else if (!size || size % 512) {
        rpc_fault(call, FAULT_ERROR, "a disk is a whole number of 512-byte sectors");
    } else if (!grow_file(disk, size, &error)) {
        rpc_fault(call, FAULT_ERROR, "%s", error);
    } else {
        control_request(d->dm, CTL_RESIZE_DISK, size, 0, dev, -1, api_forwarded,
                        api_forward_new(d, call, "resize"));
    }
}
