/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dm_op.c - Xen's device model operations (xen/hvm/dm_op.h) as they come over the channel.  Ops on
 * ioreq-server-typed memory (15) and Arm's (19) are not offered.
 */
#define __XEN_TOOLS__ 1
#include "hypervisor/dm_channel.h"

#include <string.h>
#include "hypervisor/xen_abi.h"
#include <xen/errno.h>
#include <xen/hvm/dm_op.h>
#include "hypervisor/platform_glue.h"
#include "hypervisor/vcpu.h"
#include "include/pc_layout.h"

#define RELOCATE_MAX 65536      /* pages in one call: bounded time */
#define TYPE_RAM_RW 0
#define TYPE_RAM_RO 1

static int get_info(Domain *d, struct xen_dm_op_get_ioreq_server_info *i)
{
    if (i->id >= IOREQ_SERVERS || !d->ioreq.server[i->id].used) {
        return -XEN_ENOENT;
    }
    i->bufioreq_port = DOM_MAX_VCPUS + 1;
    i->ioreq_gfn = PC_IOREQ_GFN;
    i->bufioreq_gfn = PC_BUFIOREQ_GFN;
    return 0;
}

static int inject_event(Domain *d, const struct xen_dm_op_inject_event *e)
{
    if (e->vcpuid >= d->nvcpus) {
        return -XEN_EINVAL;
    }
    if (e->type == XEN_DMOP_EVENT_nmi) {
        vcpu_nmi(d->vcpu[e->vcpuid]);
    } else if (e->type == XEN_DMOP_EVENT_ext_int && e->vector >= 16) {
        glue_lapic_vector(d, e->vcpuid, e->vector);
    } else {
        return -XEN_EOPNOTSUPP;
    }
    return 0;
}

static int relocate(Domain *d, const struct xen_dm_op_relocate_memory *r)
{
    if (r->size > RELOCATE_MAX) {
        return -XEN_EINVAL;
    }
    for (uint32_t i = 0; i < r->size; i++) {
        int rc = mem_move(&d->mem, r->src_gfn + i, r->dst_gfn + i);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* extents: {u32 pages, u32 pad, u64 first}[] behind the op. */
static int modified(Domain *d, const struct xen_dm_op_modified_memory *m, const uint8_t *extents,
                    size_t len)
{
    if (m->nr_extents > len / 16) {
        return -XEN_EINVAL;
    }
    for (uint32_t i = 0; i < m->nr_extents; i++) {
        uint32_t pages;
        uint64_t first;

        memcpy(&pages, extents + 16 * i, 4);
        memcpy(&first, extents + 16 * i + 8, 8);
        if (first < d->mem.guest.size >> PAGE_SHIFT) {
            memory_written(&d->mem, first << PAGE_SHIFT, (uint64_t)pages << PAGE_SHIFT);
        }
    }
    return 0;
}

static int set_type(Domain *d, const struct xen_dm_op_set_mem_type *t)
{
    if (t->mem_type != TYPE_RAM_RW && t->mem_type != TYPE_RAM_RO) {
        return -XEN_EINVAL;
    }
    return mem_set_type(&d->mem, t->first_pfn, t->nr,
                        t->mem_type == TYPE_RAM_RO ? MEM_ROM : MEM_RAM);
}

static int range_op(Domain *d, struct xen_dm_op *op)
{
    const struct xen_dm_op_ioreq_server_range *r = &op->u.map_io_range_to_ioreq_server;

    return op->op == XEN_DMOP_map_io_range_to_ioreq_server
               ? ioreq_server_map(d, r->id, r->type, r->start, r->end)
               : ioreq_server_unmap(d, r->id, r->type, r->start, r->end);
}

static int interrupt_op(Domain *d, struct xen_dm_op *op)
{
    const struct xen_dm_op_set_pci_intx_level *x = &op->u.set_pci_intx_level;
    const struct xen_dm_op_set_isa_irq_level *i = &op->u.set_isa_irq_level;
    const struct xen_dm_op_set_pci_link_route *l = &op->u.set_pci_link_route;

    switch (op->op) {
    case XEN_DMOP_set_pci_intx_level:
        if (x->domain || x->bus || x->device > 31 || x->intx > 3 || x->level > 1) {
            return -XEN_EINVAL;
        }
        glue_set_pci_intx(d, x->device << 3, x->intx, x->level);
        return 0;
    case XEN_DMOP_set_isa_irq_level:
        if (i->isa_irq > 15 || i->level > 1) {
            return -XEN_EINVAL;
        }
        glue_set_isa_irq(d, i->isa_irq, i->level);
        return 0;
    case XEN_DMOP_set_pci_link_route:
        if (l->link > 3 || l->isa_irq > 15) {
            return -XEN_EINVAL;
        }
        glue_set_link_route(d, l->link, l->isa_irq);
        return 0;
    default:
        glue_msi(d, op->u.inject_msi.addr, op->u.inject_msi.data);
        return 0;
    }
}

int dm_op_execute(Domain *d, void *data, size_t len, uint8_t *extra, size_t *extra_len)
{
    struct xen_dm_op op = { 0 };
    size_t room = *extra_len;
    int rc = 0;

    *extra_len = 0;
    if (len < sizeof op) {
        return -XEN_EINVAL;
    }
    memcpy(&op, data, sizeof op);
    if (op.pad) {
        return -XEN_EINVAL;
    }
    switch (op.op) {
    case XEN_DMOP_create_ioreq_server:
        rc = ioreq_server_create(d, op.u.create_ioreq_server.handle_bufioreq,
                                 &op.u.create_ioreq_server.id);
        break;
    case XEN_DMOP_get_ioreq_server_info:
        rc = get_info(d, &op.u.get_ioreq_server_info);
        break;
    case XEN_DMOP_map_io_range_to_ioreq_server:
    case XEN_DMOP_unmap_io_range_from_ioreq_server:
        rc = range_op(d, &op);
        break;
    case XEN_DMOP_set_ioreq_server_state:
        rc = ioreq_server_enable(d, op.u.set_ioreq_server_state.id,
                                 op.u.set_ioreq_server_state.enabled);
        break;
    case XEN_DMOP_destroy_ioreq_server:
        rc = ioreq_server_destroy(d, op.u.destroy_ioreq_server.id);
        break;
    case XEN_DMOP_track_dirty_vram:
        *extra_len = MIN(room, (op.u.track_dirty_vram.nr + 7ull) / 8);
        memset(extra, 0, *extra_len);
        rc = mem_track_vram(&d->mem, op.u.track_dirty_vram.first_pfn, op.u.track_dirty_vram.nr,
                            extra, *extra_len);
        break;
    case XEN_DMOP_set_pci_intx_level:
    case XEN_DMOP_set_isa_irq_level:
    case XEN_DMOP_set_pci_link_route:
    case XEN_DMOP_inject_msi:
        rc = interrupt_op(d, &op);
        break;
    case XEN_DMOP_modified_memory:
        rc = modified(d, &op.u.modified_memory, (uint8_t *)data + sizeof op, len - sizeof op);
        break;
    case XEN_DMOP_set_mem_type:
        rc = set_type(d, &op.u.set_mem_type);
        break;
    case XEN_DMOP_inject_event:
        rc = inject_event(d, &op.u.inject_event);
        break;
    case XEN_DMOP_remote_shutdown:
        if (op.u.remote_shutdown.reason > SHUTDOWN_CRASH) {
            return -XEN_EINVAL;
        }
        if (op.u.remote_shutdown.reason == SHUTDOWN_SUSPEND) {
            domain_sleep(d);    /* the device model's only reason for it: the guest enters S3 */
        } else {
            domain_shutdown(d, (ShutdownReason)op.u.remote_shutdown.reason);
        }
        break;
    case XEN_DMOP_relocate_memory:
        rc = relocate(d, &op.u.relocate_memory);
        break;
    case XEN_DMOP_pin_memory_cacheattr:
        break;                  /* all guest memory is write-back for us */
    case XEN_DMOP_nr_vcpus:
        op.u.nr_vcpus.vcpus = d->nvcpus;
        break;
    default:
        rc = -XEN_EOPNOTSUPP;
    }
    if (rc >= 0) {
        memcpy(data, &op, sizeof op);
    }
    return rc;
}
