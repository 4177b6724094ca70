/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioreq.c - Xen's ioreq protocol, device model side (xen/hvm/ioreq.h; the order of steps is in
 * docs/architecture.md).  A vCPU that waits for an answer spins first, so the thread here polls a
 * shared word for SPIN_NS after each request before it sleeps in poll(): a round trip costs well
 * below a microsecond while requests come in a row, and an idle guest costs nothing.
 */
#include "dm/ioreq.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include "include/dm_proto.h"
#include "include/pc_layout.h"

#define MAX_COUNT 4096          /* a request never spans more than a page of bytes */
#define SPIN_NS 50000           /* how long to look for the next request before sleeping */
#define QUIET_NS 8000           /* without a request: a look at the other sources */
#define TURN_NS 300000          /* then the other sources get their turn */

struct IoreqClient {
    GSource source;
    Hv *hv;
    Machine *m;
    PciBus *bus;
    gpointer tag;
    uint32_t seen;              /* request_seq up to which all was served */
    int64_t hot_until;          /* monotonic ns */
    int64_t spin;               /* ns; 0 on a single CPU */
    unsigned last;              /* vCPU whose request was the last */
    bool serving;               /* within serve_all() */
};

static int64_t monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void step(uint64_t *addr, const ioreq_t *req)
{
    *addr += req->df ? -(uint64_t)req->size : req->size;
}

/* Ports in and out of RAM: through a buffer, so that the guest can't change what a device reads. */
static void pio_string(Machine *m, const ioreq_t *req)
{
    uint8_t buf[MAX_COUNT * 4];
    size_t len = (size_t)req->count * req->size;
    uint64_t first = req->df ? req->data - (len - req->size) : req->data;
    uint64_t at = req->data;

    if (req->df) {              /* descending: element by element, in the order they happen */
        for (uint32_t i = 0; i < req->count; i++, step(&at, req)) {
            uint64_t v = 0;

            if (req->dir == IOREQ_READ) {
                v = io_read(&m->io, IO_PORT, req->addr, req->size);
                dma_write(m, at, &v, req->size);
            } else {
                dma_read(m, at, &v, req->size);
                io_write(&m->io, IO_PORT, req->addr, req->size, v);
            }
        }
    } else if (req->dir == IOREQ_READ) {
        io_read_many(&m->io, req->addr, req->size, buf, req->count);
        dma_write(m, first, buf, len);
    } else {
        dma_read(m, first, buf, len);
        io_write_many(&m->io, req->addr, req->size, buf, req->count);
    }
}

static void execute_pio(Machine *m, ioreq_t *req)
{
    if (req->addr > 0xffff || req->size > 4) {
        req->data = req->data_is_ptr ? req->data : UINT64_MAX;
    } else if (req->data_is_ptr) {
        pio_string(m, req);
    } else if (req->dir == IOREQ_READ) {
        req->data = io_read(&m->io, IO_PORT, req->addr, req->size);
    } else {
        for (uint32_t i = 0; i < req->count; i++) {
            io_write(&m->io, IO_PORT, req->addr, req->size, req->data);
        }
    }
}

static void execute_copy(Machine *m, ioreq_t *req)
{
    uint64_t addr = req->addr, data = req->data;

    for (uint32_t i = 0; i < req->count; i++, step(&addr, req)) {
        uint64_t v = req->data;

        if (req->dir == IOREQ_READ) {
            v = io_read(&m->io, IO_MMIO, addr, req->size);
            if (req->data_is_ptr) {
                dma_write(m, data, &v, req->size);
            } else {
                req->data = v;
            }
        } else {
            if (req->data_is_ptr) {
                v = 0;
                dma_read(m, data, &v, req->size);
            }
            io_write(&m->io, IO_MMIO, addr, req->size, v);
        }
        if (req->data_is_ptr) {
            step(&data, req);
        }
    }
}

static void execute_config(PciBus *bus, ioreq_t *req)
{
    unsigned segment = req->addr >> 48, number = req->addr >> 40 & 0xff;
    unsigned devfn = req->addr >> 32 & 0xff;
    uint32_t offset = req->addr;

    if (segment || number || offset > 255 || req->size > 4 || req->data_is_ptr) {
        req->data = UINT64_MAX;
    } else if (req->dir == IOREQ_READ) {
        req->data = pci_bus_read(bus, devfn, offset, req->size);
    } else {
        pci_bus_write(bus, devfn, offset, req->size, req->data);
    }
}

void ioreq_execute(Machine *m, PciBus *bus, ioreq_t *req)
{
    bool sane = req->size == 1 || req->size == 2 || req->size == 4 || req->size == 8;

    if (!sane || req->count == 0 || req->count > MAX_COUNT) {
        req->data = req->data_is_ptr ? req->data : UINT64_MAX;
        return;
    }
    if (req->dir == IOREQ_WRITE && !req->data_is_ptr && req->size < 8) {
        req->data &= (1ULL << (8 * req->size)) - 1;
    }
    switch (req->type) {
    case IOREQ_TYPE_PIO:
        execute_pio(m, req);
        break;
    case IOREQ_TYPE_COPY:
        execute_copy(m, req);
        break;
    case IOREQ_TYPE_PCI_CONFIG:
        execute_config(bus, req);
        break;
    case IOREQ_TYPE_TIMEOFFSET:
        if (m->host->rtc_offset_changed) {
            m->host->rtc_offset_changed(m, (int64_t)req->data);
        }
        break;
    case IOREQ_TYPE_INVALIDATE:
        break;                  /* guest memory is mapped for good: nothing cached */
    default:
        req->data = UINT64_MAX;
    }
}

void ioreq_drain_buffered(Machine *m, PciBus *bus, buffered_iopage_t *ring)
{
    uint32_t rd = __atomic_load_n(&ring->read_pointer, __ATOMIC_ACQUIRE);
    uint32_t wr = __atomic_load_n(&ring->write_pointer, __ATOMIC_ACQUIRE);
    uint32_t done = 0;

    if (m->io.draining) {
        return;                 /* one of them wants those before it: they are done */
    }
    m->io.draining = true;
    if (wr - rd > IOREQ_BUFFER_SLOT_NUM) {
        wr = rd;                /* impossible pointers: take nothing, the peer is broken */
    }
    while (rd + done != wr) {
        buf_ioreq_t b;
        ioreq_t req = { .count = 1 };

        memcpy(&b, &ring->buf_ioreq[(rd + done) % IOREQ_BUFFER_SLOT_NUM], sizeof b);
        m->io.seen.known = b.type == DM_BUFFERED_LINE;
        if (m->io.seen.known) { /* our own addition, too: of the write in the next entry */
            m->io.seen.lowered = b.addr & 1;
            m->io.seen.event = b.data;
            done++;
            if (rd + done == wr) {
                break;
            }
            memcpy(&b, &ring->buf_ioreq[(rd + done) % IOREQ_BUFFER_SLOT_NUM], sizeof b);
        }
        req.type = b.type;
        req.dir = b.dir;
        req.addr = b.addr;
        req.data = b.data;
        req.size = 1u << b.size;
        done++;
        if (b.pad) {            /* our own addition: the address is in the next entry */
            if (rd + done == wr) {
                break;
            }
            memcpy(&b, &ring->buf_ioreq[(rd + done) % IOREQ_BUFFER_SLOT_NUM], sizeof b);
            req.addr = b.data;
            done++;
        }
        if (req.size == 8) {
            if (rd + done == wr) {
                break;          /* half of a pair */
            }
            memcpy(&b, &ring->buf_ioreq[(rd + done) % IOREQ_BUFFER_SLOT_NUM], sizeof b);
            req.data |= (uint64_t)b.data << 32;
            done++;
        }
        ioreq_execute(m, bus, &req);
    }
    m->io.seen.known = false;
    m->io.draining = false;
    if (done) {
        io_map_publish(&m->io);
        __atomic_fetch_add(&ring->read_pointer, done, __ATOMIC_SEQ_CST);
    }
}

static uint8_t slot_state(const ioreq_t *slot)
{
    /* bits 3:0 of the byte at offset 30 */
    return __atomic_load_n((const uint8_t *)slot + 30, __ATOMIC_ACQUIRE) & 0x0f;
}

static void set_slot_state(ioreq_t *slot, const ioreq_t *copy, uint8_t state)
{
    uint8_t flags;

    memcpy(&flags, (const uint8_t *)copy + 30, 1);
    __atomic_store_n((uint8_t *)slot + 30, (flags & 0xf0) | state, __ATOMIC_SEQ_CST);
}

static bool serve_slot(IoreqClient *c, unsigned vcpu)
{
    ioreq_t *slot = hv_slot(c->hv, vcpu);
    ioreq_t req;

    if (slot_state(slot) != STATE_IOREQ_READY) {
        return false;
    }
    memcpy(&req, slot, sizeof req);
    set_slot_state(slot, &req, STATE_IOREQ_INPROCESS);
    hv_request_begin(c->hv);
    ioreq_drain_buffered(c->m, c->bus, hv_buffered(c->hv));
    ioreq_execute(c->m, c->bus, &req);
    io_map_publish(&c->m->io);
    hv_request_end(c->hv);
    __atomic_store_n(&slot->data, req.data, __ATOMIC_RELAXED);
    set_slot_state(slot, &req, STATE_IORESP_READY);
    hv_answered(c->hv, vcpu);
    return true;
}

static bool serve_all(IoreqClient *c)
{
    uint32_t seq = hv_request_seq(c->hv);
    bool any = false;

    if (seq == c->seen) {
        return false;
    }
    c->seen = seq;
    c->serving = true;
    for (unsigned v = 0; v < hv_vcpus(c->hv); v++) {
        if (serve_slot(c, v)) {
            c->last = v;
            any = true;
        }
    }
    if (!any) {
        ioreq_drain_buffered(c->m, c->bus, hv_buffered(c->hv));
    }
    c->serving = false;
    return true;
}

void ioreq_client_let_in(IoreqClient *c)
{
    if (!c->serving && serve_all(c)) {
        c->hot_until = monotonic_ns() + c->spin;
    }
}

static gboolean ioreq_prepare(GSource *source, gint *timeout)
{
    IoreqClient *c = (IoreqClient *)source;

    *timeout = -1;
    io_map_publish(&c->m->io);
    if (hv_request_seq(c->hv) != c->seen ||
        (monotonic_ns() < c->hot_until && hv_may_look(c->hv, c->last))) {
        hv_settle_posts(c->hv, false);
        return TRUE;
    }
    hv_settle_posts(c->hv, true);   /* ends early when a request comes: its vCPU takes no posts */
    return !hv_prepare_sleep(c->hv, c->seen);
}

static gboolean ioreq_check(GSource *source)
{
    IoreqClient *c = (IoreqClient *)source;

    if (g_source_query_unix_fd(source, c->tag)) {
        hv_wake_up(c->hv);
        return TRUE;
    }
    return hv_request_seq(c->hv) != c->seen;
}

static gboolean ioreq_dispatch(GSource *source, GSourceFunc callback, gpointer opaque)
{
    IoreqClient *c = (IoreqClient *)source;
    int64_t now = monotonic_ns(), turn_end = now + TURN_NS, quiet_end = now + QUIET_NS;

    (void)callback;
    (void)opaque;
    hv_may_look(c->hv, c->last);    /* tells vCPUs where this thread runs now */
    do {
        if (serve_all(c)) {
            now = monotonic_ns();
            c->hot_until = now + c->spin;
            quiet_end = now + QUIET_NS;
        } else {
            if (hv_woke_vcpu(c->hv)) {
                sched_yield();
            }
            for (unsigned i = 0; i < 64 && hv_request_seq(c->hv) == c->seen; i++) {
                __builtin_ia32_pause();
            }
            now = monotonic_ns();
            hv_settle_posts(c->hv, false);
        }
    } while (now < c->hot_until && now < turn_end && now < quiet_end && hv_may_look(c->hv, c->last));
    if (now >= quiet_end) {
        sched_yield();          /* dm-net, or a vCPU, may wait for this processor */
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs ioreq_funcs = { .prepare = ioreq_prepare, .check = ioreq_check,
                                    .dispatch = ioreq_dispatch };

static void range_changed(void *opaque, const IoRange *r, bool mapped)
{
    IoreqClient *c = opaque;

    hv_claim_range(c->hv, r->space == IO_MMIO, r->base, r->base + r->len - 1, mapped);
    hv_post_range(c->hv, r, mapped);
}

static void range_busy(void *opaque, const IoRange *r)
{
    IoreqClient *c = opaque;

    hv_post_range(c->hv, r, true);
}

static void publish(void *opaque)
{
    IoreqClient *c = opaque;

    hv_publish(c->hv, true);
}

static void function_changed(void *opaque, unsigned devfn, bool present)
{
    IoreqClient *c = opaque;

    hv_claim_pci(c->hv, devfn, present);
}

IoreqClient *ioreq_client_new(Hv *hv, Machine *m, PciBus *bus)
{
    IoreqClient *c = (IoreqClient *)g_source_new(&ioreq_funcs, sizeof *c);
    cpu_set_t cpus;

    c->hv = hv;
    c->m = m;
    c->bus = bus;
    c->spin = !sched_getaffinity(0, sizeof cpus, &cpus) && CPU_COUNT(&cpus) < 2 ? 0 : SPIN_NS;
    c->tag = g_source_add_unix_fd(&c->source, hv_request_fd(hv), G_IO_IN);
    m->io.changed = range_changed;
    m->io.busy_changed = range_busy;
    m->io.publish = publish;
    hv_publish_from(hv, &m->io);
    m->io.opaque = c;
    bus->changed = function_changed;
    bus->opaque = c;
    for (unsigned s = 0; s < IO_SPACES; s++) {
        for (guint i = 0; i < m->io.ranges[s]->len; i++) {
            range_changed(c, m->io.ranges[s]->pdata[i], true);
        }
    }
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        if (bus->slot[devfn]) {
            hv_claim_pci(hv, devfn, true);
        }
    }
    /* Nothing here runs a loop inside the loop.  For sources that might, GLib takes the descriptor
     * out of the set and back, and wakes itself up twice, at each dispatch. */
    g_source_set_can_recurse(&c->source, TRUE);
    g_source_attach(&c->source, NULL);
    return c;
}

void ioreq_client_free(IoreqClient *c)
{
    c->m->io.changed = NULL;
    c->m->io.busy_changed = NULL;
    c->m->io.publish = NULL;
    hv_publish_from(c->hv, NULL);       /* what devices post while they go finds ranges that have gone */
    c->bus->changed = NULL;
    g_source_destroy(&c->source);
    g_source_unref(&c->source);
}
