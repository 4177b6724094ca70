/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hypercall_memory.c - memory_op (xen/memory.h): reservations, the physical map and the memory map.
 * Foreign pages, exchange, resources and NUMA are not offered to these guests.
 */
#include "hypervisor/hypercall.h"

#include <string.h>
#include "hypervisor/xen_abi.h"
#include <xen/errno.h>
#include <xen/memory.h>
#include "hypervisor/builder.h"
#include "hypervisor/pvtime.h"

#define EXTENTS_AT_ONCE 16384   /* then the guest sees partial success: bounded time */
#define PAGES_AT_ONCE (4u << MAX_ORDER)
#define MAX_ORDER 18
#define COMMAND_MASK 0x3f

typedef struct Reservation {
    uint64_t list;
    uint64_t count;
    uint32_t order;
} Reservation;

static int read_reservation(Hypercall *h, Reservation *r)
{
    uint8_t b[32];

    if (!guest_read(h->v, h->arg[1], b, h->wide ? 32 : 20)) {
        return -XEN_EFAULT;
    }
    r->list = hypercall_long(h, b, 0, 0);
    r->count = MIN(hypercall_long(h, b, 8, 4), EXTENTS_AT_ONCE);
    r->order = field32(b + (h->wide ? 16 : 8));
    if (!hypercall_is_self(h, field16(b + (h->wide ? 24 : 16)))) {
        return -XEN_EPERM;
    }
    return r->order > MAX_ORDER ? -XEN_EINVAL : 0;
}

static bool read_gfn(Hypercall *h, uint64_t list, uint64_t i, uint64_t *gfn)
{
    *gfn = 0;
    return guest_read(h->v, list + i * (h->wide ? 8 : 4), gfn, h->wide ? 8 : 4);
}

static int64_t populate(Hypercall *h)
{
    Reservation r;
    int rc = read_reservation(h, &r);
    uint64_t i;

    if (rc < 0) {
        return rc;
    }
    for (i = 0; i < r.count && i << r.order < PAGES_AT_ONCE; i++) {
        uint64_t gfn;

        if (!read_gfn(h, r.list, i, &gfn) || mem_populate(&h->d->mem, gfn, 1ULL << r.order) < 0) {
            break;
        }
    }
    return i;
}

static int64_t decrease(Hypercall *h)
{
    Reservation r;
    int rc = read_reservation(h, &r);
    uint64_t done = 0;

    while (rc == 0 && done < r.count) {
        uint64_t gfns[MEM_BATCH];
        unsigned n = 0;

        while (n < MEM_BATCH && done + n < r.count && read_gfn(h, r.list, done + n, &gfns[n])) {
            n++;
        }
        if (n == 0) {
            break;
        }
        if (mem_release(&h->d->mem, gfns, n, r.order) < 0) {
            unsigned good = 0;  /* one of them is bad: find out which */

            while (good < n && mem_release(&h->d->mem, &gfns[good], 1, r.order) == 0) {
                good++;
            }
            done += good;
            break;
        }
        done += n;
    }
    return rc < 0 ? rc : (int64_t)done;
}

static void shared_info_shown(Hypercall *h)
{
    pvtime_wallclock(h->d);
    for (unsigned i = 0; i < h->d->nvcpus; i++) {
        pvtime_update_any(h->v, h->d->vcpu[i]);
    }
}

static int map_one(Hypercall *h, unsigned space, uint64_t idx, uint64_t gfn)
{
    Domain *d = h->d;
    int rc;

    switch (space) {
    case XENMAPSPACE_shared_info:
        if (idx) {
            return -XEN_EINVAL;
        }
        rc = mem_map_heap(&d->mem, MEM_HEAP_SHARED_INFO, gfn);
        if (rc == 0) {
            shared_info_shown(h);
        }
        return rc;
    case XENMAPSPACE_grant_table:
        if (idx >= MEM_HEAP_PAGES - MEM_HEAP_GRANT) {
            return -XEN_EINVAL; /* bit 31, version 2's status frames, included */
        }
        rc = mem_map_heap(&d->mem, MEM_HEAP_GRANT + idx, gfn);
        if (rc == 0) {
            d->grant_frames = MAX(d->grant_frames, idx + 1);
        }
        return rc;
    case XENMAPSPACE_gmfn:
    case XENMAPSPACE_gmfn_range:
        return mem_move(&d->mem, idx, gfn);
    default:
        return -XEN_ENOSYS;
    }
}

static int64_t add_to_physmap(Hypercall *h)
{
    uint8_t b[24];
    uint64_t idx, gfn, count;
    unsigned space;

    if (!guest_read(h->v, h->arg[1], b, h->wide ? 24 : 16)) {
        return -XEN_EFAULT;
    }
    if (!hypercall_is_self(h, field16(b))) {
        return -XEN_EPERM;
    }
    space = field32(b + 4);
    idx = hypercall_long(h, b + 8, 0, 0);
    gfn = hypercall_long(h, b, 16, 12);
    count = space == XENMAPSPACE_gmfn_range ? field16(b + 2) : 1;
    for (uint64_t i = 0; i < count; i++) {      /* at most 65535: the field has 16 bits */
        int rc = map_one(h, space, idx + i, gfn + i);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int64_t add_batch(Hypercall *h)
{
    unsigned word = h->wide ? 8 : 4;
    uint8_t b[32];
    uint64_t idxs, gfns, errs;
    unsigned space, count;

    if (!guest_read(h->v, h->arg[1], b, h->wide ? 32 : 20)) {
        return -XEN_EFAULT;
    }
    if (!hypercall_is_self(h, field16(b))) {
        return -XEN_EPERM;
    }
    space = field16(b + 2);
    count = field16(b + 4);
    idxs = hypercall_long(h, b + 8, 0, 0);
    gfns = hypercall_long(h, b, 16, 12);
    errs = hypercall_long(h, b, 24, 16);
    if (space == XENMAPSPACE_gmfn_foreign) {
        return -XEN_EPERM;
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t idx = 0, gfn = 0;
        int32_t rc;

        if (!guest_read(h->v, idxs + i * word, &idx, word) ||
            !guest_read(h->v, gfns + i * word, &gfn, word)) {
            return -XEN_EFAULT;
        }
        rc = map_one(h, space, idx, gfn);
        if (!guest_write(h->v, errs + i * 4, &rc, 4)) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

static int64_t remove_from_physmap(Hypercall *h)
{
    uint8_t b[16];
    uint64_t gfn;

    if (!guest_read(h->v, h->arg[1], b, h->wide ? 16 : 8)) {
        return -XEN_EFAULT;
    }
    if (!hypercall_is_self(h, field16(b))) {
        return -XEN_EPERM;
    }
    gfn = hypercall_long(h, b, 8, 4);
    return mem_release(&h->d->mem, &gfn, 1, 0);
}

static int64_t memory_map(Hypercall *h)
{
    uint8_t b[16], entry[20];
    uint64_t buffer, addr, size;
    uint32_t room, type, n = 0;

    if (!guest_read(h->v, h->arg[1], b, h->wide ? 16 : 8)) {
        return -XEN_EFAULT;
    }
    room = field32(b);
    buffer = hypercall_long(h, b, 8, 4);
    for (; n < room && builder_e820(h->d, n, &addr, &size, &type); n++) {
        put64(entry, addr);
        put64(entry + 8, size);
        put32(entry + 16, type);
        if (!guest_write(h->v, buffer + 20 * n, entry, sizeof entry)) {
            return -XEN_EFAULT;
        }
    }
    return guest_write(h->v, h->arg[1], &n, 4) ? 0 : -XEN_EFAULT;
}

static int64_t about_self(Hypercall *h, uint64_t answer)
{
    uint16_t domid;

    if (!guest_read(h->v, h->arg[1], &domid, 2)) {
        return -XEN_EFAULT;
    }
    return hypercall_is_self(h, domid) ? (int64_t)answer : -XEN_EPERM;
}

int64_t hypercall_memory(Hypercall *h)
{
    Memory *m = &h->d->mem;

    switch (h->arg[0] & COMMAND_MASK) {
    case XENMEM_populate_physmap:
        return populate(h);
    case XENMEM_decrease_reservation:
        return decrease(h);
    case XENMEM_add_to_physmap:
        return add_to_physmap(h);
    case XENMEM_add_to_physmap_batch:
        return add_batch(h);
    case XENMEM_remove_from_physmap:
        return remove_from_physmap(h);
    case XENMEM_memory_map:
        return memory_map(h);
    case XENMEM_maximum_ram_page:
        return mem_highest_gfn(m);
    case XENMEM_current_reservation:
        return about_self(h, m->pages);
    case XENMEM_maximum_reservation:
        return about_self(h, m->limit);
    case XENMEM_maximum_gpfn:
        return about_self(h, mem_highest_gfn(m));
    case XENMEM_machine_memory_map:
    case XENMEM_acquire_resource:
        return -XEN_EPERM;
    case XENMEM_get_vnumainfo:
        return -XEN_EOPNOTSUPP;
    case XENMEM_increase_reservation:
        return 0;               /* no extents: a translated guest names where it wants memory */
    default:
        return -XEN_ENOSYS;
    }
}
