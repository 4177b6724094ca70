/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * huge.c - tests of large pages under guest RAM: only where devices' data goes often, only where all is
 * RAM, with the data untouched.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "dm/huge.h"
#include "include/dm_proto.h"
#include "lib/fd.h"

#define SIZE (UINT64_C(4) * HUGE_PAGE)

typedef struct Ram {
    uint8_t *base;
    uint8_t types[SIZE >> 12];
    Huge *huge;
} Ram;

static Ram *ram_new(void)
{
    Ram *r = g_new0(Ram, 1);
    int fd = fd_memory_new("ram", SIZE, F_SEAL_SEAL, NULL);

    r->base = fd_map_ram(fd, SIZE);
    cr_assert_not_null(r->base);
    cr_assert_eq((uintptr_t)r->base % HUGE_PAGE, 0);
    cr_assert_null(fd_map_ram(fd, SIZE + 1), "longer than the file");
    close(fd);
    memset(r->types, DM_PAGE_RAM, sizeof r->types);
    for (uint64_t i = 0; i < SIZE; i += 4096) {
        r->base[i] = i >> 12;
    }
    r->huge = huge_new(r->base, SIZE, r->types);
    return r;
}

static void ram_free(Ram *r)
{
    huge_free(r->huge);
    munmap(r->base, SIZE);
    g_free(r);
}

/* KiB of [at, at + HUGE_PAGE) that are mapped by large pages. */
static unsigned mapped_large(const uint8_t *at)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    unsigned long first, last;
    unsigned kib = 0, n;
    bool inside = false;
    char line[512];

    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &first, &last) == 2) {
            inside = (uintptr_t)at >= first && (uintptr_t)at < last;
        } else if (inside && (sscanf(line, "ShmemPmdMapped: %u", &n) == 1 ||
                              sscanf(line, "FilePmdMapped: %u", &n) == 1)) {
            kib += n;
        }
    }
    if (f) {
        fclose(f);
    }
    return kib;
}

static bool kernel_can(void)
{
    uint8_t *p = fd_map_ram(fd_memory_new("try", HUGE_PAGE, F_SEAL_SEAL, NULL), HUGE_PAGE);

    p[0] = 1;
    return madvise(p, HUGE_PAGE, 25) == 0;
}

static bool becomes_large(Ram *r, unsigned index, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        huge_used(r->huge, (uint64_t)index * HUGE_PAGE + i % 16 * 65536, 65536);
        g_usleep(i % 32 ? 0 : 20000);
    }
    for (unsigned i = 0; i < 200 && !mapped_large(r->base + (size_t)index * HUGE_PAGE); i++) {
        g_usleep(10000);
    }
    return mapped_large(r->base + (size_t)index * HUGE_PAGE) > 0;
}

Test(huge, what_is_used_much_becomes_a_large_page_and_keeps_its_data)
{
    Ram *r = ram_new();

    if (kernel_can()) {
        cr_assert(becomes_large(r, 1, 64));
        cr_assert_leq(mapped_large(r->base), HUGE_PAGE / 1024, "and nothing else does");
    }
    for (uint64_t i = 0; i < SIZE; i += 4096) {
        cr_assert_eq(r->base[i], (uint8_t)(i >> 12));
    }
    ram_free(r);
}

Test(huge, little_use_small_pieces_and_holes_stay_as_they_are)
{
    Ram *r = ram_new();

    huge_used(r->huge, 0, 65536);
    for (unsigned i = 0; i < 10000; i++) {
        huge_used(r->huge, HUGE_PAGE, 16);
    }
    r->types[2 * 512 + 7] = DM_PAGE_RAM + 1;
    for (unsigned i = 0; i < 1000; i++) {
        huge_used(r->huge, 2 * HUGE_PAGE, 65536);
    }
    huge_used(r->huge, SIZE, 65536);
    huge_used(r->huge, UINT64_MAX - 4096, 65536);
    g_usleep(50000);
    cr_assert_eq(mapped_large(r->base), 0);
    ram_free(r);
}
