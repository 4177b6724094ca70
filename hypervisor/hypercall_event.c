/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hypercall_event.c - event_channel_op (xen/event_channel.h).  FIFO control and PIRQs answer ENOSYS:
 * guests then use the 2-level channels and their own interrupts.
 */
#include "hypervisor/hypercall.h"

#include <string.h>
#include <xen/errno.h>
#include <xen/event_channel.h>

static int64_t status(Hypercall *h)
{
    static const uint8_t xen_status[] = {
        [EVENT_FREE] = EVTCHNSTAT_closed, [EVENT_UNBOUND] = EVTCHNSTAT_unbound,
        [EVENT_INTERDOMAIN] = EVTCHNSTAT_interdomain, [3] = EVTCHNSTAT_pirq,
        [EVENT_VIRQ] = EVTCHNSTAT_virq, [EVENT_IPI] = EVTCHNSTAT_ipi,
    };
    const EventPort *e;
    uint8_t b[24] = { 0 };
    uint32_t port;

    if (!guest_read(h->v, h->arg[1], b, sizeof b)) {
        return -XEN_EFAULT;
    }
    port = field32(b + 4);
    if (!hypercall_is_self(h, field16(b))) {
        return -XEN_EPERM;
    }
    if (port >= EVENT_PORTS) {
        return -XEN_EINVAL;
    }
    e = &h->d->events.port[port];
    memset(b + 8, 0, 16);
    put32(b + 8, xen_status[e->kind]);
    put32(b + 12, e->vcpu);
    if (e->kind == EVENT_VIRQ) {
        put32(b + 16, e->virq);
    } else if (e->kind == EVENT_UNBOUND || e->kind == EVENT_INTERDOMAIN) {
        put16(b + 16, e->remote_dom);
        put32(b + 20, e->remote_port);
    }
    return guest_write(h->v, h->arg[1], b, sizeof b) ? 0 : -XEN_EFAULT;
}

/* Ops of up to 12 bytes whose answer, if any, is a port at the given offset. */
int64_t hypercall_event(Hypercall *h)
{
    static const uint8_t sizes[] = {
        [EVTCHNOP_bind_interdomain] = 12, [EVTCHNOP_bind_virq] = 12, [EVTCHNOP_close] = 4,
        [EVTCHNOP_send] = 4, [EVTCHNOP_alloc_unbound] = 8, [EVTCHNOP_bind_ipi] = 8,
        [EVTCHNOP_bind_vcpu] = 8, [EVTCHNOP_unmask] = 4, [EVTCHNOP_reset] = 2,
    };
    uint8_t b[12] = { 0 };
    uint32_t port = 0;
    unsigned out = 0;
    int rc;

    if (h->arg[0] == EVTCHNOP_status) {
        return status(h);
    }
    if (h->arg[0] >= sizeof sizes || sizes[h->arg[0]] == 0) {
        return -XEN_ENOSYS;
    }
    if (!guest_read(h->v, h->arg[1], b, sizes[h->arg[0]])) {
        return -XEN_EFAULT;
    }
    switch (h->arg[0]) {
    case EVTCHNOP_alloc_unbound:
        rc = event_op_alloc_unbound(h->d, field16(b), field16(b + 2), &port);
        out = 4;
        break;
    case EVTCHNOP_bind_interdomain:
        rc = event_op_bind_interdomain(h->d, field16(b), field32(b + 4), &port);
        out = 8;
        break;
    case EVTCHNOP_bind_virq:
        rc = event_op_bind_virq(h->d, field32(b), field32(b + 4), &port);
        out = 8;
        break;
    case EVTCHNOP_bind_ipi:
        rc = event_op_bind_ipi(h->d, field32(b), &port);
        out = 4;
        break;
    case EVTCHNOP_close:
        rc = event_op_close(h->d, field32(b));
        break;
    case EVTCHNOP_send:
        rc = event_op_send(h->d, field32(b));
        break;
    case EVTCHNOP_bind_vcpu:
        rc = event_op_bind_vcpu(h->d, field32(b), field32(b + 4));
        break;
    case EVTCHNOP_unmask:
        rc = event_op_unmask(h->d, field32(b));
        break;
    default:
        rc = hypercall_is_self(h, field16(b)) ? event_op_reset(h->d) : -XEN_EPERM;
    }
    if (rc == 0 && out && !guest_write(h->v, h->arg[1] + out, &port, 4)) {
        event_op_close(h->d, port);
        return -XEN_EFAULT;
    }
    return rc;
}
