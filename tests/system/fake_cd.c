/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_cd.c - preloaded into xend, makes a loop device look like a CD drive of this host.  The file
 * that FAKE_CD names holds what CDROM_DRIVE_STATUS answers (4: a disc); what the tray is told to do is
 * appended to that name with ".log".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/cdrom.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int is_drive(int fd)
{
    struct stat st;

    return !strcmp(program_invocation_short_name, "xend") && fstat(fd, &st) == 0 &&
           S_ISBLK(st.st_mode) && major(st.st_rdev) == 7;
}

static int status(void)
{
    FILE *f = fopen(getenv("FAKE_CD"), "r");
    int value = CDS_NO_DISC;

    if (f) {
        if (fscanf(f, "%d", &value) != 1) {
            value = CDS_NO_DISC;
        }
        fclose(f);
    }
    return value;
}

static int note(const char *text, long arg)
{
    char name[4096];
    FILE *f;

    snprintf(name, sizeof name, "%s.log", getenv("FAKE_CD"));
    f = fopen(name, "a");
    if (f) {
        fprintf(f, "%s %ld\n", text, arg);
        fclose(f);
    }
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    va_list list;
    long arg;

    va_start(list, request);
    arg = va_arg(list, long);
    va_end(list);
    if (request >> 8 != 0x53 || !is_drive(fd)) {
        return real(fd, request, arg);
    }
    switch (request) {
    case CDROM_GET_CAPABILITY: return CDC_OPEN_TRAY | CDC_LOCK;
    case CDROM_DRIVE_STATUS: return status();
    case CDROM_MEDIA_CHANGED: return 0;
    case CDROM_LOCKDOOR: return note("lock", arg);
    case CDROMEJECT: return note("eject", arg);
    case CDROMCLOSETRAY: return note("close", arg);
    default: return real(fd, request, arg);
    }
}

off_t lseek(int fd, off_t offset, int whence)
{
    off_t (*real)(int, off_t, int) = dlsym(RTLD_NEXT, "lseek");

    return whence == SEEK_END && is_drive(fd) && status() != CDS_DISC_OK ? 0 : real(fd, offset, whence);
}

off_t lseek64(int fd, off_t offset, int whence)
{
    return lseek(fd, offset, whence);
}
