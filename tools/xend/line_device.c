/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * line_device.c - a serial or parallel port of the host behind one of the guest.  A serial port gets
 * the guest's speed (the nearest that the host knows), format, breaks and outputs; a /dev/parportN is
 * claimed and gets the guest's bytes in compatibility mode; any other device just gets the bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ppdev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "include/line_proto.h"
#include "tools/xend/line.h"

static const struct { unsigned n; speed_t speed; } speeds[] = {
    { 50, B50 }, { 75, B75 }, { 110, B110 }, { 134, B134 }, { 150, B150 }, { 200, B200 },
    { 300, B300 }, { 600, B600 }, { 1200, B1200 }, { 1800, B1800 }, { 2400, B2400 },
    { 4800, B4800 }, { 9600, B9600 }, { 19200, B19200 }, { 38400, B38400 }, { 57600, B57600 },
    { 115200, B115200 },
};

int line_device_open(const char *path)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), saved;
    struct termios t;

    if (fd < 0 && errno == EACCES) {        /* a printer takes bytes and gives none */
        fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    }
    if (fd < 0) {
        return -1;
    }
    if (tcgetattr(fd, &t) == 0) {
        cfmakeraw(&t);
        t.c_cflag |= CLOCAL | CREAD;
        t.c_iflag &= ~(IGNBRK | BRKINT);
        t.c_iflag |= PARMRK;                /* a break comes as FF 00 00 */
        if (ioctl(fd, TIOCEXCL) != 0 || tcsetattr(fd, TCSANOW, &t) != 0) {
            saved = errno;
            close(fd);
            errno = saved;
            return -1;
        }
    } else if (g_str_has_prefix(path, "/dev/parport") && ioctl(fd, PPCLAIM) != 0) {
        saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

void line_device_params(int fd, unsigned speed, unsigned format)
{
    static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
    unsigned best = 0, bits = CLAMP(format & LINE_DATA_BITS, 5, 8);
    struct termios t;

    if (tcgetattr(fd, &t) != 0) {
        return;
    }
    for (unsigned i = 1; i < G_N_ELEMENTS(speeds); i++) {
        if (labs((long)speeds[i].n - (long)speed) < labs((long)speeds[best].n - (long)speed)) {
            best = i;
        }
    }
    cfsetspeed(&t, speeds[best].speed);
    t.c_cflag &= ~(CSIZE | CSTOPB | PARENB | PARODD | CMSPAR);
    t.c_cflag |= sizes[bits - 5] | (format & LINE_TWO_STOPS ? CSTOPB : 0);
    if (format & LINE_PARITY) {
        t.c_cflag |= PARENB | (format & LINE_EVEN ? 0 : PARODD) | (format & LINE_STICK ? CMSPAR : 0);
    }
    tcsetattr(fd, TCSANOW, &t);
}

void line_device_break(int fd, bool on)
{
    if (isatty(fd)) {
        ioctl(fd, on ? TIOCSBRK : TIOCCBRK);
    }
}

void line_device_modem(int fd, unsigned lines)
{
    int bits;

    if (isatty(fd) && ioctl(fd, TIOCMGET, &bits) == 0) {
        bits &= ~(TIOCM_DTR | TIOCM_RTS);
        bits |= (lines & LINE_DTR ? TIOCM_DTR : 0) | (lines & LINE_RTS ? TIOCM_RTS : 0);
        ioctl(fd, TIOCMSET, &bits);
    }
}

int line_device_inputs(int fd)
{
    int bits;

    if (!isatty(fd) || ioctl(fd, TIOCMGET, &bits) != 0) {
        return -1;
    }
    return (bits & TIOCM_CTS ? LINE_CTS : 0) | (bits & TIOCM_DSR ? LINE_DSR : 0) |
           (bits & TIOCM_RI ? LINE_RI : 0) | (bits & TIOCM_CD ? LINE_DCD : 0);
}

/* With PARMRK: FF FF is the byte FF, FF 00 00 a break, FF 00 X a byte of bad parity. */
size_t line_device_filter(uint8_t *state, uint8_t *buf, size_t len, unsigned *breaks)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        uint8_t c = buf[i];

        if (*state == 0 && c == 0xff) {
            *state = 1;
        } else if (*state == 1 && c == 0) {
            *state = 2;
        } else if (*state == 2 && c == 0) {
            *state = 0;
            ++*breaks;
        } else {
            *state = 0;
            buf[n++] = c;
        }
    }
    return n;
}
