/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host_cd.c - see host_cd.h. */
#include "tools/xend/host_cd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_SECONDS 1

struct HostCd {
    char *path;
    int fd;
    guint source;
    bool present;
    HostCdChanged changed;
    void *opaque;
};

/* Opened so, an empty drive can be opened, and a full one is not locked. */
static int open_drive(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISBLK(st.st_mode) ||
                    ioctl(fd, CDROM_GET_CAPABILITY, 0) < 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

bool host_cd_is(const char *path)
{
    int fd = open_drive(path);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static gboolean look(gpointer opaque)
{
    HostCd *cd = opaque;
    bool present = ioctl(cd->fd, CDROM_DRIVE_STATUS, CDSL_CURRENT) == CDS_DISC_OK;
    bool other = present && ioctl(cd->fd, CDROM_MEDIA_CHANGED, CDSL_CURRENT) > 0;

    if (present != cd->present || other) {
        cd->present = present;
        cd->changed(cd->opaque, present);
    }
    return G_SOURCE_CONTINUE;
}

HostCd *host_cd_new(const char *path, bool present, HostCdChanged changed, void *opaque)
{
    int fd = open_drive(path);
    HostCd *cd;

    if (fd < 0) {
        return NULL;
    }
    cd = g_new0(HostCd, 1);
    *cd = (HostCd){ g_strdup(path), fd, 0, present, changed, opaque };
    ioctl(fd, CDROM_MEDIA_CHANGED, CDSL_CURRENT);       /* what was before is no news */
    cd->source = g_timeout_add_seconds(LOOK_SECONDS, look, cd);
    return cd;
}

void host_cd_free(HostCd *cd)
{
    if (!cd) {
        return;
    }
    g_source_remove(cd->source);
    ioctl(cd->fd, CDROM_LOCKDOOR, 0);
    close(cd->fd);
    g_free(cd->path);
    g_free(cd);
}

void host_cd_lock(HostCd *cd, bool locked)
{
    if (ioctl(cd->fd, CDROM_LOCKDOOR, locked ? 1 : 0) < 0) {
        g_debug("%s: the door can't be %s (%s)", cd->path, locked ? "locked" : "unlocked",
                g_strerror(errno));
    }
}

void host_cd_move_tray(HostCd *cd, bool open)
{
    if (open) {
        host_cd_lock(cd, false);
    }
    if (ioctl(cd->fd, open ? CDROMEJECT : CDROMCLOSETRAY, 0) < 0) {
        g_warning("%s: the tray can't be %s (%s)", cd->path, open ? "opened" : "closed",
                  g_strerror(errno));
    }
    cd->present &= !open;
}
