/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io_map.c - finds the range of an access and cuts the access into widths the range declared.
 * Sorted arrays and a last-hit pointer: machines have some fifty ranges.
 */
#include "lib/io_map.h"

#include <string.h>

void io_map_init(IoMap *map)
{
    memset(map, 0, sizeof *map);
    for (int s = 0; s < IO_SPACES; s++) {
        map->ranges[s] = g_ptr_array_new();
    }
}

void io_map_finish(IoMap *map)
{
    for (int s = 0; s < IO_SPACES; s++) {
        g_ptr_array_free(map->ranges[s], TRUE);
    }
}

IoRange *io_range_new(const char *owner, IoSpace space, uint64_t len, const IoOps *ops,
                      void *opaque)
{
    IoRange *r = g_new0(IoRange, 1);

    g_assert(ops->read && ops->write && ops->widths);
    *r = (IoRange){ .owner = owner, .ops = ops, .opaque = opaque, .len = len, .space = space };
    return r;
}

void io_range_free(IoMap *map, IoRange *range)
{
    io_map_remove(map, range);
    g_free(range);
}

bool io_map_add(IoMap *map, IoRange *range, uint64_t base, GError **error)
{
    GPtrArray *ranges = map->ranges[range->space];
    guint at = 0;

    io_map_remove(map, range);
    for (guint i = 0; i < ranges->len; i++) {
        const IoRange *r = ranges->pdata[i];

        if (base < r->base + r->len && r->base < base + range->len) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
                        "%s: %s 0x%" G_GINT64_MODIFIER "x+0x%" G_GINT64_MODIFIER
                        "x is taken by %s", range->owner,
                        range->space == IO_PORT ? "ports" : "memory", base, range->len, r->owner);
            return false;
        }
        if (r->base < base) {
            at = i + 1;
        }
    }
    range->base = base;
    range->mapped = true;
    g_ptr_array_insert(ranges, at, range);
    map->last[range->space] = NULL;
    if (map->changed && !range->local) {
        map->changed(map->opaque, range, true);
    }
    return true;
}

void io_map_remove(IoMap *map, IoRange *range)
{
    if (!range->mapped) {
        return;
    }
    g_ptr_array_remove(map->ranges[range->space], range);
    map->last[range->space] = NULL;
    range->mapped = false;
    if (map->changed && !range->local) {
        map->changed(map->opaque, range, false);
    }
}

IoRange *io_map_find(IoMap *map, IoSpace space, uint64_t addr)
{
    IoRange *hit = map->last[space];
    GPtrArray *ranges = map->ranges[space];
    guint lo = 0, hi = ranges->len;

    if (hit && addr - hit->base < hit->len) {
        return hit;
    }
    while (lo < hi) {
        guint mid = (lo + hi) / 2;
        IoRange *r = ranges->pdata[mid];

        if (addr < r->base) {
            hi = mid;
        } else if (addr - r->base >= r->len) {
            lo = mid + 1;
        } else {
            return map->last[space] = r;
        }
    }
    return NULL;
}

static uint64_t ones(unsigned width)
{
    return width >= 8 ? UINT64_MAX : (1ULL << (8 * width)) - 1;
}

/* The widest declared width that divides nothing away: at most want bytes. */
static unsigned narrower(const IoOps *ops, unsigned want)
{
    while (want && !(ops->widths & want)) {
        want >>= 1;
    }
    return want;
}

static unsigned wider(const IoOps *ops, unsigned want)
{
    while (want <= 8 && !(ops->widths & want)) {
        want <<= 1;
    }
    return want;
}

/* Before the handler: it may send an interrupt, and needs not leave the range there. */
static void touch(IoMap *map, const IoRange *r)
{
    if (r && !r->ops->apart) {
        io_family_changed(map, r->family);
    }
}

static uint64_t range_read(const IoRange *r, uint64_t offset, unsigned width)
{
    unsigned step = narrower(r->ops, width);
    uint64_t value = 0;

    if (step == width) {
        return r->ops->read(r->opaque, offset, width) & ones(width);
    }
    if (step == 0) {            /* narrower than any register: read the one around it */
        unsigned w = wider(r->ops, width);
        uint64_t at = offset & ~(uint64_t)(w - 1);

        if (at + w > r->len) {
            return ones(width);
        }
        return r->ops->read(r->opaque, at, w) >> (8 * (offset - at)) & ones(width);
    }
    for (unsigned i = 0; i < width; i += step) {
        value |= (r->ops->read(r->opaque, offset + i, step) & ones(step)) << (8 * i);
    }
    return value;
}

static void range_write(const IoRange *r, uint64_t offset, unsigned width, uint64_t value)
{
    unsigned step = narrower(r->ops, width);

    if (step == width) {
        r->ops->write(r->opaque, offset, width, value & ones(width));
        return;
    }
    if (step == 0) {            /* narrower than any register: its other bytes are written as 0 */
        unsigned w = wider(r->ops, width);
        uint64_t at = offset & ~(uint64_t)(w - 1);

        if (at + w <= r->len) {
            r->ops->write(r->opaque, at, w, (value & ones(width)) << (8 * (offset - at)));
        }
        return;
    }
    for (unsigned i = 0; i < width; i += step) {
        r->ops->write(r->opaque, offset + i, step, value >> (8 * i) & ones(step));
    }
}

uint64_t io_read_at(IoMap *map, const IoRange *r, IoSpace space, uint64_t addr, unsigned width)
{
    uint64_t value = 0;

    if (r && addr - r->base + width <= r->len) {
        touch(map, r);
        return range_read(r, addr - r->base, width);
    }
    if (width == 1) {
        return 0xff;
    }
    for (unsigned i = 0; i < width; i++) {      /* over an edge: byte by byte */
        value |= io_read(map, space, addr + i, 1) << (8 * i);
    }
    return value;
}

uint64_t io_read(IoMap *map, IoSpace space, uint64_t addr, unsigned width)
{
    return io_read_at(map, io_map_find(map, space, addr), space, addr, width);
}

void io_write_at(IoMap *map, const IoRange *r, IoSpace space, uint64_t addr, unsigned width,
                 uint64_t value)
{
    if (r && addr - r->base + width <= r->len) {
        touch(map, r);
        range_write(r, addr - r->base, width, value);
        return;
    }
    for (unsigned i = 0; i < width && width > 1; i++) {
        io_write(map, space, addr + i, 1, value >> (8 * i) & 0xff);
    }
}

void io_write(IoMap *map, IoSpace space, uint64_t addr, unsigned width, uint64_t value)
{
    io_write_at(map, io_map_find(map, space, addr), space, addr, width, value);
}

void io_read_many(IoMap *map, uint64_t port, unsigned width, void *buf, uint32_t count)
{
    const IoRange *r = io_map_find(map, IO_PORT, port);
    uint32_t done = 0;

    touch(map, r);
    if (r && r->ops->read_many && (r->ops->widths & width) && port - r->base + width <= r->len) {
        done = r->ops->read_many(r->opaque, port - r->base, width, buf, count);
    }
    for (; done < count; done++) {
        uint64_t v = io_read(map, IO_PORT, port, width);

        memcpy((uint8_t *)buf + (size_t)done * width, &v, width);
    }
}

void io_write_many(IoMap *map, uint64_t port, unsigned width, const void *buf, uint32_t count)
{
    const IoRange *r = io_map_find(map, IO_PORT, port);
    uint32_t done = 0;

    touch(map, r);
    if (r && r->ops->write_many && (r->ops->widths & width) && port - r->base + width <= r->len) {
        done = r->ops->write_many(r->opaque, port - r->base, width, buf, count);
    }
    for (; done < count; done++) {
        uint64_t v = 0;

        memcpy(&v, (const uint8_t *)buf + (size_t)done * width, width);
        io_write(map, IO_PORT, port, width, v);
    }
}
