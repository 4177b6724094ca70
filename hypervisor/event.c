/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event.c - 2-level event channels (xen/event_channel.h).  FIFO channels, PIRQs and ports between
 * two guests are left out: Linux falls back, and there are no two guests in a process.
 */
#include "hypervisor/event.h"

#include <string.h>
#include "hypervisor/xen_abi.h"
#include <xen/errno.h>
#include "hypervisor/domain.h"
#include "hypervisor/platform_glue.h"
#include "hypervisor/vcpu.h"

#define PENDING 0x800           /* offsets in shared_info */
#define MASK64 0xA00
#define MASK32 0x880
#define DOMID_TOOLSTACK 0

uint8_t *event_shared_info(const Domain *d)
{
    return d->mem.heap + MEM_HEAP_SHARED_INFO * PAGE_SIZE;
}

static uint32_t port_limit(const Domain *d)
{
    return d->layout64 ? 4096 : 1024;
}

/* --- bits; the words are the guest's, so every change is atomic --- */

static bool set_bit(uint8_t *base, uint32_t n)
{
    return __atomic_fetch_or(base + n / 8, 1u << (n % 8), __ATOMIC_SEQ_CST) >> (n % 8) & 1;
}

static bool clear_bit(uint8_t *base, uint32_t n)
{
    return __atomic_fetch_and(base + n / 8, ~(1u << (n % 8)), __ATOMIC_SEQ_CST) >> (n % 8) & 1;
}

static bool test_bit(const uint8_t *base, uint32_t n)
{
    return __atomic_load_n(base + n / 8, __ATOMIC_SEQ_CST) >> (n % 8) & 1;
}

static uint8_t *pending_words(const Domain *d)
{
    return event_shared_info(d) + PENDING;
}

static uint8_t *mask_words(const Domain *d)
{
    return event_shared_info(d) + (d->layout64 ? MASK64 : MASK32);
}

static uint8_t *pending_sel(const Vcpu *v)
{
    return v->info + (v->dom->layout64 ? 8 : 4);
}

bool event_upcall_pending(const Vcpu *v)
{
    return __atomic_load_n(v->info, __ATOMIC_SEQ_CST) != 0;
}

bool event_port_pending(Domain *d, uint32_t port)
{
    return port < port_limit(d) && test_bit(pending_words(d), port);
}

/* --- upcalls --- */

void event_sync_callback(Domain *d)
{
    Events *e = &d->events;
    /* Linux with per-vCPU vectors names GSI 1, the keyboard's, here: only to be taken for a guest
     * with drivers.  The vector overrides it. */
    bool level = event_upcall_pending(d->vcpu[0]) && !d->vcpu[0]->upcall_vector &&
                 ((e->callback == CALLBACK_GSI && e->callback_gsi) || e->callback == CALLBACK_PCI);

    if (level == e->asserted) {
        return;
    }
    e->asserted = level;
    if (e->callback == CALLBACK_GSI) {
        glue_set_gsi(d, e->callback_gsi, level);
    } else {
        glue_set_pci_intx(d, e->callback_devfn, e->callback_pin, level);
    }
}

static void upcall(Vcpu *v)
{
    Domain *d = v->dom;

    if (v->upcall_vector) {
        glue_lapic_vector(d, v->id, v->upcall_vector);
    } else if (d->events.callback != CALLBACK_VECTOR && v->id == 0) {
        event_sync_callback(d);
    }
    vcpu_kick(v);
}

void event_renew_upcall(Vcpu *v)
{
    if (v->upcall_vector && event_upcall_pending(v)) {
        glue_lapic_vector(v->dom, v->id, v->upcall_vector);
    }
}

static void mark_pending(Vcpu *v)
{
    if (!__atomic_exchange_n(v->info, 1, __ATOMIC_SEQ_CST)) {
        upcall(v);
    }
}

static void wake_pollers(Domain *d, uint32_t port)
{
    for (unsigned i = 0; i < d->nvcpus; i++) {
        Vcpu *v = d->vcpu[i];

        for (unsigned k = 0; k < v->poll_count; k++) {
            if (v->poll_ports[k] == port) {
                v->poll_hit = true;
                vcpu_kick(v);
            }
        }
    }
}

static void set_pending(Domain *d, uint32_t port)
{
    Vcpu *v = d->vcpu[d->events.port[port].vcpu];
    unsigned word_bits = d->layout64 ? 64 : 32;

    if (port >= port_limit(d) || set_bit(pending_words(d), port)) {
        return;
    }
    if (!test_bit(mask_words(d), port) && !set_bit(pending_sel(v), port / word_bits)) {
        mark_pending(v);
    }
    wake_pollers(d, port);
}

void event_info_moved(Vcpu *v)
{
    Domain *d = v->dom;

    memset(pending_sel(v), 0xff, d->layout64 ? 8 : 4);
    mark_pending(v);
}

void event_raise(Domain *d, uint32_t port)
{
    if (port && port < EVENT_PORTS && d->events.port[port].kind == EVENT_INTERDOMAIN) {
        set_pending(d, port);
    }
}

static bool per_vcpu(uint32_t virq)
{
    return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENPMU;
}

void event_raise_virq(Domain *d, Vcpu *v, unsigned virq)
{
    uint16_t port = (per_vcpu(virq) ? v : d->vcpu[0])->virq_port[virq];

    if (port) {
        set_pending(d, port);
    }
}

void event_set_callback(Domain *d, uint64_t via)
{
    Events *e = &d->events;
    unsigned type = via >> 56;

    if (e->asserted) {          /* drop the old wire's level first */
        e->asserted = false;
        if (e->callback == CALLBACK_GSI) {
            glue_set_gsi(d, e->callback_gsi, false);
        } else {
            glue_set_pci_intx(d, e->callback_devfn, e->callback_pin, false);
        }
    }
    e->callback = CALLBACK_GSI;
    e->callback_gsi = 0;
    if (type == CALLBACK_GSI) {
        e->callback_gsi = (via & 0xff) < 48 ? via & 0xff : 0;
    } else if (type == CALLBACK_PCI) {
        e->callback = CALLBACK_PCI;
        e->callback_devfn = via >> 11 << 3 & 0xf8;
        e->callback_pin = via & 3;
    } else if (type == CALLBACK_VECTOR) {
        e->callback = CALLBACK_VECTOR;
        e->callback_vector = via;
    }
    for (unsigned i = 0; i < d->nvcpus; i++) {
        if (event_upcall_pending(d->vcpu[i])) {
            upcall(d->vcpu[i]);
        }
    }
}

void event_set_layout(Domain *d, bool layout64)
{
    uint8_t *si = event_shared_info(d);
    uint8_t mask[512];
    uint8_t clock[12];

    if (d->layout64 == layout64) {
        return;
    }
    memset(mask, 0xff, sizeof mask);
    memcpy(mask, mask_words(d), d->layout64 ? 512 : 128);
    memcpy(clock, si + (d->layout64 ? 0xC00 : 0x900), sizeof clock);
    if (!layout64) {
        memset(si + PENDING + 128, 0, 0xC10 - PENDING - 128);
    } else {
        memset(si + PENDING + 128, 0, 384);
    }
    d->layout64 = layout64;
    memcpy(mask_words(d), mask, layout64 ? 512 : 128);
    memcpy(si + (layout64 ? 0xC00 : 0x900), clock, sizeof clock);
    for (unsigned i = 0; i < d->nvcpus; i++) {
        Vcpu *v = d->vcpu[i];
        uint64_t sel = 0;

        memcpy(&sel, v->info + (layout64 ? 4 : 8), 4);
        memset(v->info + 4, 0, 12);
        if (sel || event_upcall_pending(v)) {
            memset(pending_sel(v), 0xff, layout64 ? 8 : 4);
        }
    }
}

/* --- ports --- */

static int find_free(Domain *d)
{
    for (uint32_t p = 1; p < port_limit(d); p++) {
        if (d->events.port[p].kind == EVENT_FREE) {
            return p;
        }
    }
    return -XEN_ENOSPC;
}

static EventPort *taken(Domain *d, uint32_t port)
{
    return port && port < port_limit(d) && d->events.port[port].kind != EVENT_FREE
               ? &d->events.port[port] : NULL;
}

static bool vcpu_usable(const Domain *d, uint32_t vcpu)
{
    return vcpu < d->nvcpus && (vcpu < 32 || d->vcpu[vcpu]->info_gpa != UINT64_MAX);
}

/* Where the port of a VIRQ is remembered: with its vCPU, or with vCPU 0 for the global ones. */
static uint16_t *virq_slot(Domain *d, uint32_t virq, uint32_t vcpu)
{
    return &d->vcpu[per_vcpu(virq) ? vcpu : 0]->virq_port[virq];
}

static void release(Domain *d, uint32_t port)
{
    EventPort *e = &d->events.port[port];

    if (e->kind == EVENT_INTERDOMAIN && e->remote_dom == d->opt.domid && !e->sent) {
        EventPort *other = &d->events.port[e->remote_port];

        other->kind = EVENT_UNBOUND;
        other->remote_port = 0;
    }
    if (e->kind == EVENT_VIRQ) {
        virq_slot(d, e->virq, e->virq_vcpu)[0] = 0;
    }
    *e = (EventPort){ .kind = EVENT_FREE };
    clear_bit(pending_words(d), port);
}

int event_alloc_toolstack(Domain *d, void (*sent)(void *), void *opaque)
{
    int port = find_free(d);

    if (port > 0) {
        d->events.port[port] = (EventPort){ .kind = EVENT_INTERDOMAIN, .sent = sent,
                                            .opaque = opaque, .remote_dom = DOMID_TOOLSTACK };
    }
    return port;
}

static bool is_self(const Domain *d, uint16_t dom)
{
    return dom == DOMID_SELF || dom == d->opt.domid;
}

int event_op_alloc_unbound(Domain *d, uint16_t dom, uint16_t remote, uint32_t *port)
{
    int p;

    if (!is_self(d, dom)) {
        return -XEN_EPERM;
    }
    p = find_free(d);
    if (p < 0) {
        return p;
    }
    d->events.port[p] = (EventPort){ .kind = EVENT_UNBOUND,
                                     .remote_dom = is_self(d, remote) ? d->opt.domid : remote };
    *port = p;
    return 0;
}

int event_op_bind_interdomain(Domain *d, uint16_t remote, uint32_t remote_port, uint32_t *port)
{
    EventPort *other = taken(d, remote_port);
    int p = find_free(d);

    if (!is_self(d, remote)) {
        return -XEN_ESRCH;
    }
    if (p < 0) {
        return p;
    }
    if (!other || other->kind != EVENT_UNBOUND || other->remote_dom != d->opt.domid) {
        return -XEN_EINVAL;
    }
    d->events.port[p] = (EventPort){ .kind = EVENT_INTERDOMAIN, .remote_dom = d->opt.domid,
                                     .remote_port = remote_port };
    other->kind = EVENT_INTERDOMAIN;
    other->remote_port = p;
    *port = p;
    set_pending(d, p);          /* an event may have been sent before the binding */
    return 0;
}

int event_op_bind_virq(Domain *d, uint32_t virq, uint32_t vcpu, uint32_t *port)
{
    int p;

    if (virq >= EVENT_VIRQS || (!per_vcpu(virq) && vcpu != 0)) {
        return -XEN_EINVAL;
    }
    if (!vcpu_usable(d, vcpu)) {
        return -XEN_ENOENT;
    }
    if (*virq_slot(d, virq, vcpu)) {
        return -XEN_EEXIST;
    }
    p = find_free(d);
    if (p < 0) {
        return p;
    }
    d->events.port[p] = (EventPort){ .kind = EVENT_VIRQ, .virq = virq, .virq_vcpu = vcpu,
                                     .vcpu = vcpu };
    *virq_slot(d, virq, vcpu) = p;
    *port = p;
    return 0;
}

int event_op_bind_ipi(Domain *d, uint32_t vcpu, uint32_t *port)
{
    int p;

    if (!vcpu_usable(d, vcpu)) {
        return -XEN_ENOENT;
    }
    p = find_free(d);
    if (p < 0) {
        return p;
    }
    d->events.port[p] = (EventPort){ .kind = EVENT_IPI, .vcpu = vcpu };
    *port = p;
    return 0;
}

int event_op_close(Domain *d, uint32_t port)
{
    if (!taken(d, port)) {
        return -XEN_EINVAL;
    }
    release(d, port);
    return 0;
}

int event_op_send(Domain *d, uint32_t port)
{
    EventPort *e = taken(d, port);

    if (!e) {
        return -XEN_EINVAL;
    }
    switch (e->kind) {
    case EVENT_INTERDOMAIN:
        if (e->sent) {
            e->sent(e->opaque);
        } else if (e->remote_dom == d->opt.domid) {
            set_pending(d, e->remote_port);
        }
        return 0;
    case EVENT_IPI:
        set_pending(d, port);
        return 0;
    case EVENT_UNBOUND:
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

int event_op_bind_vcpu(Domain *d, uint32_t port, uint32_t vcpu)
{
    EventPort *e = taken(d, port);

    if (!vcpu_usable(d, vcpu)) {
        return -XEN_ENOENT;
    }
    if (!e || e->kind == EVENT_IPI || (e->kind == EVENT_VIRQ && per_vcpu(e->virq))) {
        return -XEN_EINVAL;
    }
    e->vcpu = vcpu;
    return 0;
}

int event_op_unmask(Domain *d, uint32_t port)
{
    EventPort *e = taken(d, port);
    unsigned word_bits = d->layout64 ? 64 : 32;
    Vcpu *v;

    if (!e) {
        return -XEN_EINVAL;
    }
    v = d->vcpu[e->vcpu];
    if (clear_bit(mask_words(d), port) && test_bit(pending_words(d), port) &&
        !set_bit(pending_sel(v), port / word_bits)) {
        mark_pending(v);
    }
    return 0;
}

int event_op_reset(Domain *d)
{
    for (uint32_t p = 1; p < EVENT_PORTS; p++) {
        EventPort *e = &d->events.port[p];

        if (e->kind != EVENT_FREE && !e->sent) {
            release(d, p);
        }
    }
    return 0;
}
