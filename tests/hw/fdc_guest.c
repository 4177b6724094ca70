/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fdc_guest.c - see fdc_guest.h. */
#include "tests/hw/fdc_guest.h"
#include "hw/devices.h"
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fdc_guest_fill(uint8_t *sector, unsigned lba)
{
    for (unsigned i = 0; i < 128; i++) {
        uint32_t word = (lba * 0x9e3779b1u) ^ (i * 0x85ebca6bu);

        memcpy(sector + 4 * i, &word, 4);
    }
}

int fdc_guest_image(unsigned kib)
{
    int fd = memfd_create("floppy", MFD_CLOEXEC);
    uint8_t sector[512];

    for (unsigned i = 0; i < 2 * kib; i++) {
        fdc_guest_fill(sector, i);
        cr_assert_eq(pwrite(fd, sector, 512, i * 512), 512);
    }
    return fd;
}

BlockDev *fdc_guest_open(int fd, bool read_only)
{
    BlockOptions options = { "test", read_only };

    return block_open_fd(dup(fd), &options, NULL);
}

FdcGuest *fdc_guest_new_with(BlockDev *a, BlockDev *b)
{
    FdcGuest *g = g_new0(FdcGuest, 1);

    g->fd = -1;
    g->f = fake_machine_new();
    g->dma = device_create(&g->f->m, &i8237_class, NULL);
    g->fdc = device_new(&g->f->m, &fdc_class);
    device_set_pointer(g->fdc, "dma", g->dma);
    device_set_pointer(g->fdc, "fda", a);
    device_set_pointer(g->fdc, "fdb", b);
    cr_assert(device_init(g->fdc, NULL));
    return g;
}

void fdc_guest_rate(FdcGuest *g, unsigned kib)
{
    fake_out8(g->f, FD_CCR, kib >= 2880 ? 3 : kib == 1200 || kib >= 1440 ? 0 : 2);
}

FdcGuest *fdc_guest_new(unsigned kib)
{
    int fd = kib ? fdc_guest_image(kib) : -1;
    FdcGuest *g = fdc_guest_new_with(kib ? fdc_guest_open(fd, false) : block_empty("fda"), NULL);

    g->fd = fd;
    fdc_guest_start(g);
    fdc_guest_rate(g, kib);
    FD_SEND(g, 7, 0);
    fdc_guest_wait(g);
    FD_SEND(g, 8);
    fdc_guest_result(g);
    return g;
}

void fdc_guest_free(FdcGuest *g)
{
    fake_machine_free(g->f);
    if (g->fd >= 0) {
        close(g->fd);
    }
    g_free(g);
}

void fdc_guest_start(FdcGuest *g)
{
    fake_out8(g->f, FD_DOR, 0);
    fake_out8(g->f, FD_DOR, 0x1c);
    for (unsigned i = 0; i < 4; i++) {
        FD_SEND(g, 8);
        fdc_guest_result(g);
    }
    FD_SEND(g, 3, 0xaf, 0x02);
}

void fdc_guest_wait(FdcGuest *g)
{
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t msr = fake_in8(g->f, FD_MSR);

        if ((msr & 0x80) && !(msr & 0x0f)) {
            return;
        }
        fake_advance(g->f, NS_PER_MS);
        while (g_main_context_iteration(NULL, FALSE)) {
        }
        g_usleep(i > 30 ? 500 : 0);
    }
    cr_assert_fail("the floppy controller is silent, MSR %02x", fake_in8(g->f, FD_MSR));
}

bool fdc_guest_send(FdcGuest *g, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if ((fake_in8(g->f, FD_MSR) & 0xc0) != 0x80) {
            return false;
        }
        fake_out8(g->f, FD_DATA, bytes[i]);
    }
    return true;
}

void fdc_guest_result(FdcGuest *g)
{
    fdc_guest_wait(g);
    memset(g->result, 0xee, sizeof g->result);
    g->results = 0;
    while ((fake_in8(g->f, FD_MSR) & 0xd0) == 0xd0 && g->results < 10) {
        g->result[g->results++] = fake_in8(g->f, FD_DATA);
    }
}

void fdc_guest_run(FdcGuest *g, const uint8_t *bytes, unsigned n)
{
    cr_assert(fdc_guest_send(g, bytes, n));
    fdc_guest_wait(g);
    cr_assert(g->f->isa[6], "no interrupt");
    fdc_guest_result(g);
    cr_assert(!g->f->isa[6], "the interrupt stays");
}

void fdc_guest_seek(FdcGuest *g, unsigned cylinder)
{
    FD_SEND(g, 0x0f, 0, cylinder);
    fdc_guest_wait(g);
    FD_SEND(g, 8);
    fdc_guest_result(g);
    cr_assert_eq(g->result[0], 0x20);
    cr_assert_eq(g->result[1], cylinder);
}

void fdc_guest_dma(FdcGuest *g, bool to_memory, unsigned bytes)
{
    fake_out8(g->f, 0x0a, 6);
    fake_out8(g->f, 0x0c, 0);
    fake_out8(g->f, 0x04, FD_BUFFER & 0xff);
    fake_out8(g->f, 0x04, FD_BUFFER >> 8 & 0xff);
    fake_out8(g->f, 0x05, (bytes - 1) & 0xff);
    fake_out8(g->f, 0x05, (bytes - 1) >> 8);
    fake_out8(g->f, 0x81, FD_BUFFER >> 16);
    fake_out8(g->f, 0x0b, to_memory ? 0x46 : 0x4a);
    fake_out8(g->f, 0x0a, 2);
}

void fdc_guest_transfer(FdcGuest *g, uint8_t opcode, unsigned c, unsigned h, unsigned r,
                        unsigned eot, unsigned bytes)
{
    unsigned op = opcode & 0x1f;

    fdc_guest_seek(g, c);
    fdc_guest_dma(g, op != 5 && op != 9, bytes);
    FD_RUN(g, opcode, h << 2, c, h, r, 2, eot, 0x1b, 0xff);
}
