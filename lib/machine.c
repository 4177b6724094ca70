/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.c - the machine's lists, guest memory access for devices, device-owned RAM.  Nothing here
 * keeps a guest pointer: each access asks the host for the span, and posts what it wrote.
 */
#include "lib/machine.h"

#include <string.h>
#include "lib/device.h"

static void device_free_entry(gpointer p)
{
    device_free(p);
}

void machine_init(Machine *m, const MachineHost *host, void *opaque)
{
    memset(m, 0, sizeof *m);
    m->host = host;
    m->opaque = opaque;
    io_map_init(&m->io);
    for (unsigned i = 0; i < G_N_ELEMENTS(m->isa_irq); i++) {
        irq_init(&m->isa_irq[i], NULL, NULL, i);
    }
    m->devices = g_ptr_array_new_with_free_func(device_free_entry);
}

void machine_finish(Machine *m)
{
    while (m->devices->len) {
        g_ptr_array_remove_index(m->devices, m->devices->len - 1);
    }
    g_ptr_array_free(m->devices, TRUE);
    io_map_finish(&m->io);
}

void machine_reset(Machine *m)
{
    for (guint i = 0; i < m->devices->len; i++) {
        Device *dev = m->devices->pdata[i];

        dev->cls->reset(dev);
        io_changed(dev);
    }
}

void *dma_map(Machine *m, uint64_t gpa, uint64_t *len, bool write)
{
    uint64_t run = 0;
    uint8_t *p = NULL;

    if (m->host->ram && *len) {
        p = m->host->ram(m, gpa, *len, write, &run);
    }
    *len = p ? MIN(*len, run) : 0;
    return p;
}

void dma_written(Machine *m, uint64_t gpa, uint64_t len)
{
    if (m->host->ram_written && len) {
        m->host->ram_written(m, gpa, len);
    }
}

bool dma_read(Machine *m, uint64_t gpa, void *buf, size_t len)
{
    uint8_t *out = buf;
    bool whole = true;

    while (len) {
        uint64_t n = len;
        const void *p = dma_map(m, gpa, &n, false);

        if (p) {
            memcpy(out, p, n);
        } else {
            n = MIN(len, 4096 - (gpa & 4095));
            memset(out, 0xff, n);
            whole = false;
        }
        gpa += n;
        out += n;
        len -= n;
    }
    return whole;
}

bool dma_write(Machine *m, uint64_t gpa, const void *buf, size_t len)
{
    const uint8_t *in = buf;
    bool whole = true;

    while (len) {
        uint64_t n = len;
        void *p = dma_map(m, gpa, &n, true);

        if (p) {
            memcpy(p, in, n);
            dma_written(m, gpa, n);
        } else {
            n = MIN(len, 4096 - (gpa & 4095));
            whole = false;
        }
        gpa += n;
        in += n;
        len -= n;
    }
    return whole;
}

uint32_t dma_read_u32(Machine *m, uint64_t gpa)
{
    uint32_t v;

    dma_read(m, gpa, &v, sizeof v);
    return v;
}

void dma_write_u32(Machine *m, uint64_t gpa, uint32_t v)
{
    dma_write(m, gpa, &v, sizeof v);
}

RamBlock *ram_block_new(Machine *m, const char *name, uint64_t size, bool read_only,
                        GError **error)
{
    RamBlock *b = g_new0(RamBlock, 1);

    *b = (RamBlock){ .name = name, .size = (size + 4095) & ~4095ULL, .read_only = read_only,
                     .machine = m, .fd = -1 };
    if (!m->host->ram_block_alloc(m, b, error)) {
        g_free(b);
        return NULL;
    }
    return b;
}

void ram_block_free(RamBlock *b)
{
    if (b) {
        ram_block_unmap(b);
        b->machine->host->ram_block_free(b->machine, b);
        g_free(b);
    }
}

void ram_block_map(RamBlock *b, uint64_t gpa)
{
    if (b->mapped && b->gpa == gpa) {
        return;
    }
    ram_block_unmap(b);
    b->gpa = gpa;
    b->mapped = true;
    b->machine->host->ram_block_map(b->machine, b, true);
}

void ram_block_unmap(RamBlock *b)
{
    if (b->mapped) {
        b->machine->host->ram_block_map(b->machine, b, false);
        b->mapped = false;
    }
}

RamBlock *ram_block_view_new(RamBlock *of, const char *name, GError **error)
{
    RamBlock *b = g_new0(RamBlock, 1);

    *b = (RamBlock){ .name = name, .machine = of->machine, .of = of, .fd = -1 };
    if (!of->machine->host->ram_block_alloc(of->machine, b, error)) {
        g_free(b);
        return NULL;
    }
    return b;
}

void ram_block_show(RamBlock *b, uint64_t gpa, uint64_t offset, uint64_t len)
{
    if (b->mapped && b->gpa == gpa && b->offset == offset && b->size == len) {
        return;
    }
    ram_block_unmap(b);
    b->offset = offset;
    b->size = len;
    if (b->of) {
        b->host = b->of->host + offset;
    }
    ram_block_map(b, gpa);
}

void machine_settle(Machine *m)
{
    if (m->host->settle) {
        m->host->settle(m);
    }
}

bool machine_hold(Machine *m)
{
    if (m->host->hold && !m->host->hold(m, true)) {
        return false;
    }
    machine_settle(m);
    return true;
}

void machine_release(Machine *m)
{
    if (m->host->hold) {
        m->host->hold(m, false);
    }
}

void ram_block_dirty(RamBlock *b, uint8_t *bitmap)
{
    if (b->mapped) {
        b->machine->host->ram_block_dirty(b->machine, b, bitmap);
    }
    if (b->written) {
        memset(bitmap, 0xff, ((b->size >> 12) + 7) / 8);
        b->written = false;
    }
}
