/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_cd.c - preloaded into xend, makes a loop device look like a CD drive of this host.  The file
 * that FAKE_CD names holds what CDROM_DRIVE_STATUS answers (4: a disc); what the tray is told to do is
 * appended to that name with ".log"; an open tray has no disc.  While there is a file of that name with
 * ".slow", the tray takes five seconds.
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

static int as_drive(int result, struct stat *st)
{
    if (result == 0 && !strcmp(program_invocation_short_name, "xend") && S_ISBLK(st->st_mode) &&
        major(st->st_rdev) == 7) {
        st->st_rdev = makedev(11, 0);
    }
    return result;
}

int stat(const char *path, struct stat *st)
{
    int (*real)(const char *, struct stat *) = dlsym(RTLD_NEXT, "stat");

    return as_drive(real(path, st), st);
}

int stat64(const char *path, struct stat64 *st)
{
    return stat(path, (struct stat *)st);
}

static void take_time(void)
{
    char name[4096];

    snprintf(name, sizeof name, "%s.slow", getenv("FAKE_CD"));
    if (access(name, F_OK) == 0) {
        sleep(5);
    }
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

static int eject(long arg)
{
    FILE *f;

    take_time();
    f = fopen(getenv("FAKE_CD"), "w");
    if (f) {
        fprintf(f, "%d", CDS_TRAY_OPEN);
        fclose(f);
    }
    return note("eject", arg);
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
    case CDROM_GET_CAPABILITY: return CDC_OPEN_TRAY | CDC_CLOSE_TRAY | CDC_LOCK | CDC_DRIVE_STATUS;
    case CDROM_DRIVE_STATUS: return status();
    case CDROM_MEDIA_CHANGED: return 0;
    case CDROM_LOCKDOOR: return note("lock", arg);
    case CDROMEJECT: return eject(arg);
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
