/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lock.c - image locks by fcntl(F_OFD_SETLK) over the whole file.  The kernel does not tell who
 * holds such a lock, but it lists the locks of each descriptor in /proc/PID/fdinfo, which shows the
 * holders that the caller may see.  File systems without locks (ENOLCK, EOPNOTSUPP) are an error:
 * two domains on one image would destroy it.
 */
#include "block/lock.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool lock_listed(const char *path, const char *needle)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    for (char *line = strstr(text, "lock:"); line; line = strstr(line + 1, "lock:")) {
        char *end = strchr(line, '\n');
        g_autofree char *one = end ? g_strndup(line, end - line) : g_strdup(line);
        if (strstr(one, "OFDLCK") && strstr(one, needle))
            return true;
    }
    return false;
}

/* Another process with such a lock on the inode; 0: none that we may see. */
static int lock_holder(const struct stat *st)
{
    g_autofree char *needle = g_strdup_printf(":%llu ", (unsigned long long)st->st_ino);
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *pid;

    while (proc && (pid = g_dir_read_name(proc))) {
        if (!g_ascii_isdigit(pid[0]) || atoi(pid) == getpid())
            continue;
        g_autofree char *folder = g_strdup_printf("/proc/%s/fdinfo", pid);
        g_autoptr(GDir) fds = g_dir_open(folder, 0, NULL);
        const char *fd;
        while (fds && (fd = g_dir_read_name(fds))) {
            g_autofree char *path = g_strdup_printf("%s/%s", folder, fd);
            if (lock_listed(path, needle))
                return atoi(pid);
        }
    }
    return 0;
}

bool block_lock(int fd, bool exclusive, GError **error)
{
    struct flock lock = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
    struct stat st;

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return true;
    int saved = errno;
    if ((saved == EAGAIN || saved == EACCES) && fstat(fd, &st) == 0) {
        int pid = lock_holder(&st);
        if (pid)
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY, "in use by process %d", pid);
        else
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
                        "in use by this process or by one of another user");
        return false;
    }
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "cannot be locked: %s",
                g_strerror(saved));
    return false;
}

void block_unlock(int fd)
{
    struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

    fcntl(fd, F_OFD_SETLK, &lock);
}
