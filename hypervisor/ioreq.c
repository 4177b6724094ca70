/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioreq.c - ioreq servers and the slot handshake of Xen's ioreq protocol, hypervisor side.
 *
 * A slot goes NONE -> READY (we) -> INPROCESS -> IORESP_READY (device model) -> NONE (we); anything
 * else is a broken device model and crashes the domain, never us.  The waiting vCPU spins for a
 * time that adapts to how fast answers come, then sleeps in a shared futex.
 */
#include "hypervisor/ioreq.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <xen/errno.h>
#include "hypervisor/dm_channel.h"
#include "hypervisor/domain.h"
#include "hypervisor/platform_glue.h"
#include "hypervisor/vcpu.h"
#include "lib/fd.h"

#define SPIN_MIN_NS 30000
#define SPIN_MAX_NS 150000
#define YIELD_NS 20000          /* the other side may wait for the processor that we spin on */
#define SLEEP_NS 500000000L     /* then look again whether the domain still lives */
#define RING_REWIND (1u << 30)
#define RING_HALF (IOREQ_BUFFER_SLOT_NUM / 2)
#define STATE_BYTE 30           /* of ioreq_t: bits 3:0 state */

bool ioreq_create(Domain *d, GError **error)
{
    Ioreq *q = &d->ioreq;
    cpu_set_t cpus;
    void *pages;

    q->pages_fd = fd_memory_new("ioreq-pages", 2 * PAGE_SIZE, F_SEAL_SEAL, error);
    q->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (q->pages_fd < 0) {
        return false;
    }
    if (q->request_fd < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "ioreq event: %s",
                    g_strerror(errno));
        return false;
    }
    pages = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, q->pages_fd, 0);
    if (pages == MAP_FAILED) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "ioreq pages: %s",
                    g_strerror(errno));
        return false;
    }
    q->slots = pages;
    q->ring = (buffered_iopage_t *)((uint8_t *)pages + PAGE_SIZE);
    for (unsigned i = 0; i < DM_MAX_VCPUS; i++) {
        q->slots[i].vp_eport = i + 1;
    }
    q->single_cpu = !sched_getaffinity(0, sizeof cpus, &cpus) && CPU_COUNT(&cpus) < 2;
    return true;
}

void ioreq_destroy(Domain *d)
{
    Ioreq *q = &d->ioreq;

    for (unsigned i = 0; i < IOREQ_SERVERS; i++) {
        for (unsigned s = 0; s < IOREQ_SPACES; s++) {
            g_free(q->server[i].range[s]);
        }
    }
    if (q->slots) {
        munmap(q->slots, 2 * PAGE_SIZE);
        close(q->pages_fd);
        close(q->request_fd);
    }
    memset(q, 0, sizeof *q);
}

/* --- servers --- */

static IoreqServer *server(Domain *d, unsigned id)
{
    return id < IOREQ_SERVERS && d->ioreq.server[id].used ? &d->ioreq.server[id] : NULL;
}

static void servers_changed(Domain *d)
{
    Ioreq *q = &d->ioreq;

    q->buffers = false;
    for (unsigned i = 0; i < IOREQ_SERVERS; i++) {
        q->buffers |= q->server[i].enabled && q->server[i].buffered;
    }
    ports_changed(d, 0, 0xffff);
}

int ioreq_server_create(Domain *d, unsigned mode, uint16_t *id)
{
    if (mode > 2) {
        return -XEN_EINVAL;
    }
    for (unsigned i = 0; i < IOREQ_SERVERS; i++) {
        IoreqServer *s = &d->ioreq.server[i];

        if (!s->used) {
            *s = (IoreqServer){ .used = true, .buffered = mode != 0 };
            for (unsigned k = 0; k < IOREQ_SPACES; k++) {
                s->range[k] = g_new0(IoreqRange, IOREQ_RANGES);
            }
            *id = i;
            return 0;
        }
    }
    return -XEN_ENOSPC;
}

int ioreq_server_destroy(Domain *d, unsigned id)
{
    IoreqServer *s = server(d, id);

    if (!s) {
        return -XEN_ENOENT;
    }
    for (unsigned k = 0; k < IOREQ_SPACES; k++) {
        g_free(s->range[k]);
    }
    *s = (IoreqServer){ 0 };
    servers_changed(d);
    return 0;
}

int ioreq_server_enable(Domain *d, unsigned id, bool on)
{
    IoreqServer *s = server(d, id);

    if (!s) {
        return -XEN_ENOENT;
    }
    s->enabled = on;
    servers_changed(d);
    return 0;
}

/* Index of the first range whose end is not below addr. */
static unsigned range_index(const IoreqServer *s, unsigned space, uint64_t addr)
{
    unsigned lo = 0, hi = s->ranges[space];

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (s->range[space][mid].last < addr) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static int check_range(const IoreqServer *s, unsigned space, uint64_t first, uint64_t last)
{
    if (!s) {
        return -XEN_ENOENT;
    }
    if (space >= IOREQ_SPACES || last < first || (space == IOREQ_PORT && last > 0xffff) ||
        (space == IOREQ_PCI && first != last)) {
        return -XEN_EINVAL;
    }
    return 0;
}

int ioreq_server_map(Domain *d, unsigned id, unsigned space, uint64_t first, uint64_t last)
{
    IoreqServer *s = server(d, id);
    int rc = check_range(s, space, first, last);
    unsigned at;

    if (rc < 0) {
        return rc;
    }
    at = range_index(s, space, first);
    if (at < s->ranges[space] && s->range[space][at].first <= last) {
        return -XEN_EEXIST;
    }
    if (s->ranges[space] == IOREQ_RANGES) {
        return -XEN_ENOSPC;
    }
    memmove(&s->range[space][at + 1], &s->range[space][at],
            (s->ranges[space] - at) * sizeof(IoreqRange));
    s->range[space][at] = (IoreqRange){ first, last };
    s->ranges[space]++;
    if (space == IOREQ_PORT) {
        ports_changed(d, first, last);
    }
    return 0;
}

int ioreq_server_unmap(Domain *d, unsigned id, unsigned space, uint64_t first, uint64_t last)
{
    IoreqServer *s = server(d, id);
    int rc = check_range(s, space, first, last);
    unsigned at;

    if (rc < 0) {
        return rc;
    }
    at = range_index(s, space, first);
    if (at == s->ranges[space] || s->range[space][at].first != first ||
        s->range[space][at].last != last) {
        return -XEN_ENOENT;
    }
    s->ranges[space]--;
    memmove(&s->range[space][at], &s->range[space][at + 1],
            (s->ranges[space] - at) * sizeof(IoreqRange));
    if (space == IOREQ_PORT) {
        ports_changed(d, first, last);
    }
    return 0;
}

bool ioreq_claimed(const Domain *d, enum IoreqSpace space, uint64_t first, uint64_t last)
{
    for (unsigned i = IOREQ_SERVERS; i-- > 0;) {
        const IoreqServer *s = &d->ioreq.server[i];
        unsigned at;

        if (!s->enabled) {
            continue;
        }
        at = range_index(s, space, first);
        if (at < s->ranges[space] && s->range[space][at].first <= first &&
            s->range[space][at].last >= last) {
            return true;
        }
    }
    return false;
}

/* --- requests --- */

void ioreq_notify(Domain *d)
{
    DmShared *s = d->shared;

    __atomic_fetch_add(&s->request_seq, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&s->dm_waiting, __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(&s->dm_waiting, 0, __ATOMIC_SEQ_CST)) {
        uint64_t one = 1;
        ssize_t n = write(d->ioreq.request_fd, &one, sizeof one);

        (void)n;                /* EAGAIN: it is readable already */
    }
}

static uint8_t slot_state(const ioreq_t *slot)
{
    return __atomic_load_n((const uint8_t *)slot + STATE_BYTE, __ATOMIC_ACQUIRE) & 0x0f;
}

/* Publishes the copy with its flags and the given state in one byte store, last. */
static void publish(ioreq_t *slot, const ioreq_t *req, uint8_t state)
{
    uint8_t flags;

    __atomic_store_n(&slot->addr, req->addr, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->data, req->data, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->count, req->count, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->size, req->size, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->type, req->type, __ATOMIC_RELAXED);
    memcpy(&flags, (const uint8_t *)req + STATE_BYTE, 1);
    __atomic_store_n((uint8_t *)slot + STATE_BYTE, (flags & 0xf0) | state, __ATOMIC_SEQ_CST);
}

bool ioreq_may_look(Vcpu *v)
{
    DmShared *s = v->dom->shared;
    uint32_t here = sched_getcpu() + 1;

    if (__atomic_load_n(&s->vcpu[v->id].processor, __ATOMIC_RELAXED) != here) {
        __atomic_store_n(&s->vcpu[v->id].processor, here, __ATOMIC_RELAXED);
    }
    return !v->dom->ioreq.single_cpu && __atomic_load_n(&s->dm_processor, __ATOMIC_RELAXED) != here;
}

static void sleep_on(uint32_t *word)
{
    struct timespec ts = { 0, SLEEP_NS };

    syscall(SYS_futex, word, FUTEX_WAIT, 1, &ts, NULL, 0);
}

/*
 * Waits until the slot says IORESP_READY.  False: the domain is dying, or the device model broke
 * the protocol (then the domain has been crashed).
 */
static bool await_answer(Vcpu *v, const ioreq_t *slot)
{
    Domain *d = v->dom;
    uint32_t *word = &d->shared->vcpu[v->id].waiting;
    int64_t start = 0, spun = 0, yield = YIELD_NS;
    uint8_t seen = STATE_IOREQ_READY;
    bool slept = false, look = ioreq_may_look(v);

    for (unsigned n = 1;; n++) {
        uint8_t state = slot_state(slot);

        if (state == STATE_IORESP_READY) {
            break;
        }
        if (state != seen) {
            if (state != STATE_IOREQ_INPROCESS || seen != STATE_IOREQ_READY) {
                domain_crash(d, "device model: request of vCPU %u went from state %u to %u", v->id,
                             seen, state);
                return false;
            }
            seen = state;
        }
        if (domain_dying(d)) {
            return false;
        }
        if (look && spun < v->spin_ns) {
            __builtin_ia32_pause();
            if (n % 32 == 0) {
                int64_t now = monotonic_ns();

                start = start ? start : now;
                spun = now - start;
                if (spun >= yield) {
                    sched_yield();
                    yield += YIELD_NS;
                }
                look = ioreq_may_look(v);
            }
            continue;
        }
        slept = true;
        __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
        state = slot_state(slot);
        if (state == STATE_IORESP_READY || domain_dying(d)) {
            __atomic_store_n(word, 0, __ATOMIC_RELAXED);
            continue;
        }
        sleep_on(word);
        __atomic_store_n(word, 0, __ATOMIC_RELAXED);
    }
    /* Answers that come within the limit are worth more spinning, slow ones none. */
    if (look) {
        v->spin_ns = slept ? MAX(v->spin_ns / 2, SPIN_MIN_NS)
                           : MIN(MAX(v->spin_ns, 2 * spun), SPIN_MAX_NS);
    }
    return true;
}

void ioreq_send(Vcpu *v, ioreq_t *req)
{
    Domain *d = v->dom;
    ioreq_t *slot = &d->ioreq.slots[v->id];

    if (domain_dying(d)) {
        req->data = UINT64_MAX;
        return;
    }
    if (slot_state(slot) != STATE_IOREQ_NONE) {
        domain_crash(d, "device model: request slot of vCPU %u is busy out of turn", v->id);
        req->data = UINT64_MAX;
        return;
    }
    publish(slot, req, STATE_IOREQ_READY);
    ioreq_notify(d);
    vcpu_set_phase(v, VCPU_WAITS_FOR_DM);
    if (await_answer(v, slot)) {
        req->data = __atomic_load_n(&slot->data, __ATOMIC_ACQUIRE);
        __atomic_store_n((uint8_t *)slot + STATE_BYTE, STATE_IOREQ_NONE, __ATOMIC_SEQ_CST);
    } else {
        req->data = UINT64_MAX;
    }
    vcpu_set_phase(v, VCPU_IN_GUEST);
    dm_drain_posts(d);
}

static void put(Ioreq *q, uint32_t index, const buf_ioreq_t *b)
{
    memcpy(&q->ring->buf_ioreq[index % IOREQ_BUFFER_SLOT_NUM], b, sizeof *b);
}

static uint32_t ring_fill(const Ioreq *q)
{
    return q->ring_write - __atomic_load_n(&q->ring->read_pointer, __ATOMIC_ACQUIRE);
}

/* The slot is index % 511, so the indexes must not wrap at 2^32: both go back together. */
static void rewind_ring(Ioreq *q)
{
    uint64_t *both = (uint64_t *)&q->ring->read_pointer;
    uint64_t old = __atomic_load_n(both, __ATOMIC_ACQUIRE);
    uint32_t rd = old, back = rd - rd % IOREQ_BUFFER_SLOT_NUM;

    if (back && back <= q->ring_write &&
        __atomic_compare_exchange_n(both, &old, old - ((uint64_t)back << 32 | back), false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        q->ring_write -= back;
    }
}

/* False: full, no server buffers, or the consumer's index is nonsense. */
static bool ring_add(Domain *d, const buf_ioreq_t *entry, uint64_t addr, uint64_t data,
                     const IoLineWrite *line)
{
    Ioreq *q = &d->ioreq;
    buf_ioreq_t first = *entry, more = *entry;
    bool far = addr > 0xfffff, wide = entry->size == 3;
    unsigned slots = 1 + far + wide + !!line;
    uint32_t used = ring_fill(q);

    if (!q->buffers || q->held || addr > UINT32_MAX || used > IOREQ_BUFFER_SLOT_NUM - slots) {
        return false;
    }
    if (line) {
        put(q, q->ring_write++, &(buf_ioreq_t){ .type = DM_BUFFERED_LINE, .addr = line->low,
                                                .data = line->seen });
    }
    first.addr = addr;
    first.data = data;
    first.pad = far;
    put(q, q->ring_write++, &first);
    if (far) {
        more.data = addr;
        put(q, q->ring_write++, &more);
    }
    if (wide) {
        more.data = data >> 32;
        put(q, q->ring_write++, &more);
    }
    q->posted += slots;
    __atomic_store_n(&q->ring->write_pointer, q->ring_write, __ATOMIC_RELEASE);
    if (q->ring_write > RING_REWIND) {
        rewind_ring(q);
    }
    return true;
}

static buf_ioreq_t ring_entry(uint8_t type, uint8_t dir, unsigned size)
{
    return (buf_ioreq_t){ .type = type, .dir = dir,
                          .size = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3 };
}

bool ioreq_buffer(Domain *d, uint8_t type, uint8_t dir, uint64_t addr, unsigned size, uint64_t data)
{
    buf_ioreq_t entry = ring_entry(type, dir, size);

    if (addr > 0xfffff || !ring_add(d, &entry, addr, data, NULL)) {
        return false;
    }
    ioreq_notify(d);
    return true;
}

/* The number of the last write that the device model has got. */
static uint64_t consumed(const Ioreq *q)
{
    return q->posted - ring_fill(q);
}

bool ioreq_published(Domain *d, bool mmio, uint64_t addr, unsigned size, uint64_t *value)
{
    Ioreq *q = &d->ioreq;

    q->reader.table = &d->shared->ranges;
    return io_reader_read(&q->reader, consumed(q), mmio, addr, size, value);
}

/*
 * A write to a status or mask that has its line follow: it is posted with what the guest could know, and
 * if it leaves the line low the guest's next instruction shall see that.  A later event's level comes from the
 * device model, once it has this write.
 */
static bool post_line(Domain *d, const buf_ioreq_t *entry, bool mmio, uint64_t addr, unsigned size,
                      uint64_t data)
{
    Ioreq *q = &d->ioreq;
    uint64_t before = consumed(q);
    IoLineWrite w;

    if (!io_reader_line(&q->reader, before, mmio, addr, size, data, &w) || w.wire >> 2 > 255 ||
        !ring_add(d, entry, addr, data, &w)) {
        return false;
    }
    io_reader_line_posted(&q->reader, before, q->posted, mmio, addr, size, data, &w);
    if (w.low) {
        dm_drain_posts_locked(d);       /* the line may have been raised for what is acknowledged here */
        glue_set_pci_intx(d, w.wire >> 2, w.wire & 3, false);
    }
    ioreq_notify(d);
    return true;
}

bool ioreq_post(Domain *d, bool mmio, uint64_t addr, unsigned size, uint64_t data)
{
    Ioreq *q = &d->ioreq;
    buf_ioreq_t entry = ring_entry(mmio ? IOREQ_TYPE_COPY : IOREQ_TYPE_PIO, IOREQ_WRITE, size);
    uint64_t before = consumed(q), old = q->posted;
    uint8_t rule;

    q->reader.table = &d->shared->ranges;
    rule = io_reader_rule(&q->reader, before, mmio, addr, size, data);
    if (rule == DM_RANGE_LINE) {
        return post_line(d, &entry, mmio, addr, size, data);
    }
    if (rule == DM_RANGE_WAIT || !ring_add(d, &entry, addr, data, NULL)) {
        return false;
    }
    io_reader_posted(&q->reader, before, q->posted, mmio, addr, size, data);
    /* Quiet ones, too, when the ring is half full: so that nobody has to wait for it to be emptied. */
    if (rule == DM_RANGE_POST || (q->posted - before >= RING_HALF && old - before < RING_HALF)) {
        ioreq_notify(d);
    }
    return true;
}
