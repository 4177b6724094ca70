/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hypercall_grant.c - grant_table_op (xen/grant_table.h), version 1: size, version, and the list of
 * frames.  The frames themselves are mapped by add_to_physmap.  Mapping other domains' grants is
 * not offered: guests here are front ends only.
 */
#include "hypervisor/hypercall.h"

#include "hypervisor/xen_abi.h"
#include <xen/errno.h>
#include <xen/grant_table.h>

#define MAX_FRAMES (MEM_HEAP_PAGES - MEM_HEAP_GRANT)

static int64_t query_size(Hypercall *h, uint64_t at)
{
    uint8_t b[16];

    if (!guest_read(h->v, at, b, sizeof b)) {
        return -XEN_EFAULT;
    }
    put32(b + 4, MAX(h->d->grant_frames, 1));
    put32(b + 8, MAX_FRAMES);
    put16(b + 12, hypercall_is_self(h, field16(b)) ? GNTST_okay : GNTST_bad_domain);
    return guest_write(h->v, at, b, sizeof b) ? 0 : -XEN_EFAULT;
}

/* For a translated guest the list names the frames it has mapped itself. */
static int64_t setup_table(Hypercall *h, uint64_t at)
{
    unsigned word = h->wide ? 8 : 4;
    uint8_t b[24];
    uint32_t frames;
    int16_t answer = GNTST_okay;

    if (!guest_read(h->v, at, b, h->wide ? 24 : 16)) {
        return -XEN_EFAULT;
    }
    frames = field32(b + 4);
    if (!hypercall_is_self(h, field16(b))) {
        answer = GNTST_bad_domain;
    } else if (frames > MAX_FRAMES) {
        answer = GNTST_general_error;
    }
    for (uint32_t i = 0; answer == GNTST_okay && i < frames; i++) {
        uint64_t gfn = h->d->mem.heap_gfn[MEM_HEAP_GRANT + i];

        if (!guest_write(h->v, hypercall_long(h, b, 16, 12) + i * word, &gfn, word)) {
            answer = GNTST_bad_virt_addr;
        }
    }
    if (answer == GNTST_okay) {
        h->d->grant_frames = MAX(h->d->grant_frames, frames);
    }
    return guest_write(h->v, at + 8, &answer, 2) ? 0 : -XEN_EFAULT;
}

static int64_t get_version(Hypercall *h, uint64_t at)
{
    uint8_t b[8];

    if (!guest_read(h->v, at, b, sizeof b)) {
        return -XEN_EFAULT;
    }
    if (!hypercall_is_self(h, field16(b))) {
        return -XEN_ESRCH;
    }
    put32(b + 4, 1);
    return guest_write(h->v, at, b, sizeof b) ? 0 : -XEN_EFAULT;
}

static int64_t set_version(Hypercall *h, uint64_t at)
{
    uint32_t version;

    if (!guest_read(h->v, at, &version, 4)) {
        return -XEN_EFAULT;
    }
    if (version != 1) {
        return -XEN_EINVAL;
    }
    return guest_write(h->v, at, &version, 4) ? 0 : -XEN_EFAULT;
}

int64_t hypercall_grant(Hypercall *h)
{
    uint64_t at = h->arg[1], count = h->arg[2];

    switch (h->arg[0]) {
    case GNTTABOP_query_size:
        return count == 1 ? query_size(h, at) : -XEN_EINVAL;
    case GNTTABOP_setup_table:
        return count == 1 ? setup_table(h, at) : -XEN_EINVAL;
    case GNTTABOP_get_version:
        return count == 1 ? get_version(h, at) : -XEN_EINVAL;
    case GNTTABOP_set_version:
        return count == 1 ? set_version(h, at) : -XEN_EINVAL;
    default:
        return -XEN_ENOSYS;
    }
}
