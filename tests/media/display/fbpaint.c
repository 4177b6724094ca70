/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fbpaint.c - works on /dev/fb0 and the text console:
 *   fbpaint picture     pixel (x, y) is of the colour that pixel() computes
 *   fbpaint info        prints "WIDTH HEIGHT BITS LINE NAME"
 *   fbpaint redraw N    paints N frames, prints milliseconds
 *   fbpaint scroll N    writes N lines to the console, prints milliseconds
 */
#include <fcntl.h>
#include <linux/fb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static struct fb_fix_screeninfo fix;
static struct fb_var_screeninfo var;

static uint32_t part(uint32_t eight, const struct fb_bitfield *f)
{
    return (f->length >= 8 ? eight : eight >> (8 - f->length)) << f->offset;
}

static uint32_t pixel(unsigned x, unsigned y, unsigned seed)
{
    uint32_t r = (x * 3 + seed) & 255, g = (y * 5 + seed) & 255, b = (x ^ y) & 255;

    if (var.bits_per_pixel == 8)
        return (x + y + seed) & 15;
    return part(r, &var.red) | part(g, &var.green) | part(b, &var.blue);
}

static void paint(uint8_t *row, unsigned y, unsigned seed)
{
    unsigned bytes = var.bits_per_pixel / 8;

    for (unsigned x = 0; x < var.xres; x++) {
        uint32_t p = pixel(x, y, seed);

        memcpy(row + x * bytes, &p, bytes);
    }
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static int scroll(unsigned lines)
{
    int fd = open("/dev/tty1", O_WRONLY);
    char text[80];
    double t;

    if (fd < 0) {
        perror("/dev/tty1");
        return 1;
    }
    t = now();
    for (unsigned i = 0; i < lines; i++) {
        int n = snprintf(text, sizeof text, "%6u abcdefghijklmnopqrstuvwxyz 0123456789 .,;:- "
                         "ABCDEFGHIJKLMNOP\r\n", i);

        if (write(fd, text, n) != n) {
            perror("/dev/tty1");
            return 1;
        }
    }
    printf("scroll %u lines %.1f ms\n", lines, now() - t);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "info";
    uint8_t *fb;
    int fd;

    if (!strcmp(what, "scroll"))
        return scroll(argc > 2 ? atoi(argv[2]) : 1000);
    fd = open("/dev/fb0", O_RDWR);

    if (fd < 0 || ioctl(fd, FBIOGET_FSCREENINFO, &fix) || ioctl(fd, FBIOGET_VSCREENINFO, &var)) {
        perror("/dev/fb0");
        return 1;
    }
    if (!strcmp(what, "info")) {
        printf("%u %u %u %u %s\n", var.xres, var.yres, var.bits_per_pixel, fix.line_length, fix.id);
        return 0;
    }
    fb = mmap(NULL, fix.line_length * var.yres, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fb == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    if (!strcmp(what, "picture")) {
        for (unsigned y = 0; y < var.yres; y++)
            paint(fb + y * fix.line_length, y, 0);
    } else if (!strcmp(what, "redraw")) {
        unsigned frames = argc > 2 ? atoi(argv[2]) : 10;
        size_t len = (size_t)fix.line_length * var.yres;
        uint8_t *from = malloc(2 * len);
        double t;

        for (unsigned i = 0; i < 2; i++)
            for (unsigned y = 0; y < var.yres; y++)
                paint(from + i * len + y * fix.line_length, y, i * 77);
        t = now();
        for (unsigned i = 0; i < frames; i++)
            memcpy(fb, from + (i & 1) * len, len);
        printf("redraw %u frames %.1f ms\n", frames, now() - t);
    }
    puts("painted");
    return 0;
}
