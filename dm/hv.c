/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hv.c - the bundled hypervisor's side of hv.h: a packet socket for rare operations, a shared page
 * for posted ones, memfds for memory.  The hypervisor is not trusted with our address space: sizes
 * are checked, slots are copied by the caller.
 */
#define __XEN_TOOLS__ 1
#include "dm/hv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/params.h>
#include "dm/huge.h"
#include "dm/speaker.h"
#include "include/dm_proto.h"
#include "lib/fd.h"
#include "lib/fdpass.h"
#include "lib/io_publish.h"

#define MAX_BLOCKS 64
#define BUFIOREQ_ATOMIC 2
#define PATIENCE_NS 20000       /* what a running vCPU has not taken by then needs the service thread */

typedef struct HvBlock {
    RamBlock *ram;
    bool announced;             /* its descriptor was sent */
} HvBlock;

struct Hv {
    int channel, request_fd, post_fd;
    unsigned vcpus;
    uint32_t next_id;
    bool gone;                  /* the channel is closed: operations do nothing */
    bool shutdown_seen, reset_seen;
    bool in_request;
    bool woke;                  /* a vCPU, since hv_woke_vcpu() was asked */
    uint16_t server;
    uint8_t *ram;
    Huge *huge;
    uint64_t ram_size;
    const uint8_t *types;
    const uint8_t *code_pages;
    uint8_t *pages;             /* ioreq pages */
    DmShared *shared;
    uint32_t prod;              /* our copy of post_prod */
    int64_t bell_at;            /* monotonic ns when the service thread is due; 0: nothing was left */
    uint32_t speaker_cons;      /* descriptions taken */
    bool speaker_awaited;
    HvBlock block[MAX_BLOCKS];
    IoPublisher publisher;
    uint8_t buf[DM_MSG_MAX];
};

static bool fail(GError **error, const char *what)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s", what,
                g_strerror(errno));
    return false;
}

static void *map_fd(int fd, uint64_t size, int prot)
{
    struct stat st;
    void *p;

    if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < size) {
        return NULL;
    }
    p = mmap(NULL, size, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

static bool say_hello(Hv *hv, GError **error)
{
    int fds[FDPASS_MAX];
    unsigned nfds = FDPASS_MAX;
    struct { DmMsg msg; DmHello hello; } m;
    ssize_t n = packet_recv(hv->channel, &m, sizeof m, fds, &nfds);
    bool ok;

    if (n != sizeof m || nfds != 7 || m.msg.type != DM_MSG_HELLO ||
        m.hello.version != DM_PROTO_VERSION || m.hello.vcpus == 0 ||
        m.hello.vcpus > DM_MAX_VCPUS || (m.hello.ram_size & 0xfff)) {
        errno = n == 0 ? ECONNRESET : EPROTO;
        for (unsigned i = 0; n > 0 && i < nfds; i++) {
            close(fds[i]);
        }
        return fail(error, "hypervisor's greeting");
    }
    hv->vcpus = m.hello.vcpus;
    hv->ram_size = m.hello.ram_size;
    hv->ram = fd_map_ram(fds[0], hv->ram_size);
    hv->types = map_fd(fds[1], hv->ram_size >> 12, PROT_READ);
    hv->code_pages = map_fd(fds[2], hv->ram_size >> 12, PROT_READ);
    hv->pages = map_fd(fds[3], 2 * 4096, PROT_READ | PROT_WRITE);
    hv->shared = map_fd(fds[4], sizeof *hv->shared, PROT_READ | PROT_WRITE);
    hv->request_fd = fds[5];
    hv->post_fd = fds[6];
    for (unsigned i = 0; i < 5; i++) {
        close(fds[i]);
    }
    ok = hv->ram && hv->types && hv->code_pages && hv->pages && hv->shared;
    if (ok) {
        hv->huge = huge_new(hv->ram, hv->ram_size, hv->types);
    }
    return ok || fail(error, "mapping the guest's memory");
}

/* Waits for the answer to id; notices what else comes in between. */
static int await_reply(Hv *hv, uint32_t id, void *data, size_t len)
{
    for (;;) {
        unsigned nfds = 0;
        ssize_t n = packet_recv(hv->channel, hv->buf, sizeof hv->buf, NULL, &nfds);
        const DmMsg *msg = (const DmMsg *)hv->buf;
        int32_t result;

        if (n < (ssize_t)sizeof *msg) {
            if (n < 0 && errno == EAGAIN) {
                struct pollfd p = { hv->channel, POLLIN, 0 };

                poll(&p, 1, -1);
                continue;
            }
            hv->gone = true;
            return -EIO;
        }
        if (msg->type == DM_MSG_SHUTDOWN) {
            hv->shutdown_seen = true;
        } else if (msg->type == DM_MSG_RESET) {
            hv->reset_seen = true;
        }
        if (msg->type != DM_MSG_REPLY || msg->id != id || n < (ssize_t)(sizeof *msg + 4)) {
            continue;
        }
        memcpy(&result, hv->buf + sizeof *msg, 4);
        if (result >= 0 && data) {
            memcpy(data, hv->buf + sizeof *msg + 4, MIN(len, n - sizeof *msg - 4));
        }
        return result;
    }
}

static int call(Hv *hv, uint32_t type, const void *body, size_t len, int fd, void *out,
                size_t out_len)
{
    DmMsg msg = { .type = type, .id = ++hv->next_id, .len = len };

    if (hv->gone || !packet_send(hv->channel, &msg, sizeof msg, body, len, &fd, fd >= 0)) {
        return -EIO;
    }
    return await_reply(hv, msg.id, out, out_len);
}

static int dm_op(Hv *hv, struct xen_dm_op *op)
{
    return call(hv, DM_MSG_OP, op, sizeof *op, -1, op, sizeof *op);
}

Hv *hv_connect(int channel, GError **error)
{
    Hv *hv = g_new0(Hv, 1);
    struct xen_dm_op op = { .op = XEN_DMOP_create_ioreq_server };
    int rc;

    hv->channel = channel;
    hv->request_fd = hv->post_fd = -1;
    if (!say_hello(hv, error)) {
        hv_close(hv);
        return NULL;
    }
    op.u.create_ioreq_server.handle_bufioreq = BUFIOREQ_ATOMIC;
    rc = dm_op(hv, &op);
    if (rc < 0) {
        errno = -rc;
        fail(error, "creating an ioreq server");
        hv_close(hv);
        return NULL;
    }
    hv->server = op.u.create_ioreq_server.id;
    return hv;
}

void hv_close(Hv *hv)
{
    huge_free(hv->huge);
    if (hv->ram) {
        munmap(hv->ram, hv->ram_size);
    }
    if (hv->types) {
        munmap((void *)(uintptr_t)hv->types, hv->ram_size >> 12);
    }
    if (hv->code_pages) {
        munmap((void *)(uintptr_t)hv->code_pages, hv->ram_size >> 12);
    }
    if (hv->pages) {
        munmap(hv->pages, 2 * 4096);
    }
    if (hv->shared) {
        munmap(hv->shared, sizeof *hv->shared);
    }
    if (hv->request_fd >= 0) {
        close(hv->request_fd);
        close(hv->post_fd);
    }
    close(hv->channel);
    g_free(hv);
}

unsigned hv_vcpus(const Hv *hv)
{
    return hv->vcpus;
}

ioreq_t *hv_slot(Hv *hv, unsigned vcpu)
{
    return &((shared_iopage_t *)hv->pages)->vcpu_ioreq[vcpu];
}

buffered_iopage_t *hv_buffered(Hv *hv)
{
    return (buffered_iopage_t *)(hv->pages + 4096);
}

uint32_t hv_request_seq(const Hv *hv)
{
    return __atomic_load_n(&hv->shared->request_seq, __ATOMIC_ACQUIRE);
}

bool hv_prepare_sleep(Hv *hv, uint32_t seen_seq)
{
    __atomic_store_n(&hv->shared->dm_waiting, 1, __ATOMIC_SEQ_CST);
    if (hv_request_seq(hv) != seen_seq) {
        __atomic_store_n(&hv->shared->dm_waiting, 0, __ATOMIC_RELAXED);
        return false;
    }
    return true;
}

void hv_wake_up(Hv *hv)
{
    uint64_t n;

    __atomic_store_n(&hv->shared->dm_waiting, 0, __ATOMIC_RELAXED);
    while (read(hv->request_fd, &n, sizeof n) < 0 && errno == EINTR) {
    }
}

int hv_request_fd(const Hv *hv)
{
    return hv->request_fd;
}

void hv_answered(Hv *hv, unsigned vcpu)
{
    uint32_t *word = &hv->shared->vcpu[vcpu].waiting;

    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) && __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST)) {
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
        hv->woke = true;
    }
}

bool hv_may_look(Hv *hv, unsigned vcpu)
{
    DmShared *s = hv->shared;
    uint32_t here = sched_getcpu() + 1;

    if (__atomic_load_n(&s->dm_processor, __ATOMIC_RELAXED) != here) {
        __atomic_store_n(&s->dm_processor, here, __ATOMIC_RELAXED);
    }
    return __atomic_load_n(&s->vcpu[vcpu].processor, __ATOMIC_RELAXED) != here;
}

bool hv_woke_vcpu(Hv *hv)
{
    bool woke = hv->woke;

    hv->woke = false;
    return woke;
}

void hv_request_begin(Hv *hv)
{
    hv->in_request = true;
}

void hv_request_end(Hv *hv)
{
    hv->in_request = false;
}

/* --- operations --- */

static void check(int rc, const char *what)
{
    if (rc < 0 && rc != -EIO) {
        g_warning("hypervisor refused %s: %s", what, g_strerror(-rc));
    }
}

void hv_claim_range(Hv *hv, bool mmio, uint64_t first, uint64_t last, bool on)
{
    struct xen_dm_op op = { .op = on ? XEN_DMOP_map_io_range_to_ioreq_server
                                     : XEN_DMOP_unmap_io_range_from_ioreq_server };

    op.u.map_io_range_to_ioreq_server.id = hv->server;
    op.u.map_io_range_to_ioreq_server.type = mmio ? XEN_DMOP_IO_RANGE_MEMORY
                                                  : XEN_DMOP_IO_RANGE_PORT;
    op.u.map_io_range_to_ioreq_server.start = first;
    op.u.map_io_range_to_ioreq_server.end = last;
    check(dm_op(hv, &op), "an I/O range");
}

void hv_publish_from(Hv *hv, IoMap *map)
{
    io_publisher_init(&hv->publisher, &hv->shared->ranges, map);
}

void hv_post_range(Hv *hv, const IoRange *range, bool on)
{
    io_publisher_range(&hv->publisher, range, on);
}

void hv_publish(Hv *hv, bool over)
{
    io_publisher_flush(&hv->publisher, over);
}

void hv_claim_pci(Hv *hv, unsigned devfn, bool on)
{
    struct xen_dm_op op = { .op = on ? XEN_DMOP_map_io_range_to_ioreq_server
                                     : XEN_DMOP_unmap_io_range_from_ioreq_server };

    op.u.map_io_range_to_ioreq_server.id = hv->server;
    op.u.map_io_range_to_ioreq_server.type = XEN_DMOP_IO_RANGE_PCI;
    op.u.map_io_range_to_ioreq_server.start = op.u.map_io_range_to_ioreq_server.end = devfn;
    check(dm_op(hv, &op), "a PCI function");
}

void hv_start(Hv *hv)
{
    struct xen_dm_op op = { .op = XEN_DMOP_set_ioreq_server_state };

    op.u.set_ioreq_server_state.id = hv->server;
    op.u.set_ioreq_server_state.enabled = 1;
    check(dm_op(hv, &op), "the ioreq server");
    __atomic_store_n(&hv->shared->dm_ready, 1, __ATOMIC_SEQ_CST);
}

static int64_t monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void ring(Hv *hv)
{
    uint32_t who = __atomic_exchange_n(&hv->shared->hv_waiting, DM_WAKE_NOBODY, __ATOMIC_SEQ_CST);
    uint64_t one = 1;

    if (who >= DM_WAKE_VCPU && who - DM_WAKE_VCPU < hv->vcpus) {
        hv_answered(hv, who - DM_WAKE_VCPU);
    } else if (who != DM_WAKE_NOBODY && write(hv->post_fd, &one, sizeof one) < 0 &&
               errno != EAGAIN) {
        hv->gone = true;
    }
}

static bool taken(const Hv *hv)
{
    return __atomic_load_n(&hv->shared->post_cons, __ATOMIC_ACQUIRE) == hv->prod;
}

void hv_settle_posts(Hv *hv, bool sleeping)
{
    uint32_t seq = hv_request_seq(hv);
    bool due;

    if (!hv->bell_at) {
        return;
    }
    due = monotonic_ns() >= hv->bell_at;
    while (!taken(hv) && !due) {
        if (!sleeping || hv_request_seq(hv) != seq) {
            return;
        }
        for (unsigned i = 0; i < 32; i++) {
            __builtin_ia32_pause();
        }
        due = monotonic_ns() >= hv->bell_at;
    }
    hv->bell_at = 0;
    if (!taken(hv)) {
        ring(hv);
    }
}

/* A vCPU that goes to sleep after this look at hv_waiting looks at post_prod itself. */
static void doorbell(Hv *hv)
{
    if (!__atomic_load_n(&hv->shared->vcpus_look, __ATOMIC_RELAXED) ||
        __atomic_load_n(&hv->shared->hv_waiting, __ATOMIC_SEQ_CST) != DM_WAKE_SERVICE) {
        ring(hv);
    } else if (hv->bell_at) {
        hv_settle_posts(hv, false);
    } else {
        hv->bell_at = monotonic_ns() + PATIENCE_NS;
    }
}

static bool channel_alive(Hv *hv)
{
    struct pollfd p = { hv->channel, 0, 0 };

    if (!hv->gone && poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR))) {
        hv->gone = true;
    }
    return !hv->gone;
}

static void post(Hv *hv, uint32_t op, uint32_t a, uint32_t b, uint64_t c)
{
    DmPost *p = &hv->shared->post[hv->prod % DM_POSTS];

    if (hv->publisher.map && hv->publisher.map->due) {
        hv_publish(hv, false);
    }
    while (hv->prod - __atomic_load_n(&hv->shared->post_cons, __ATOMIC_ACQUIRE) >= DM_POSTS) {
        ring(hv);
        if (!channel_alive(hv)) {
            return;
        }
        sched_yield();
    }
    *p = (DmPost){ .op = op, .a = a, .b = b, .c = c };
    __atomic_store_n(&hv->shared->post_prod, ++hv->prod, __ATOMIC_SEQ_CST);
    if (!hv->in_request) {
        doorbell(hv);
    }
}

void hv_isa_irq(Hv *hv, unsigned irq, bool level)
{
    post(hv, DM_POST_ISA_IRQ, irq, level, 0);
}

void hv_pci_intx(Hv *hv, unsigned devfn, unsigned pin, bool level)
{
    post(hv, DM_POST_PCI_INTX, devfn << 2 | pin, level, 0);
}

void hv_link_route(Hv *hv, unsigned link, unsigned isa_irq)
{
    post(hv, DM_POST_LINK_ROUTE, link, isa_irq, 0);
}

void hv_msi(Hv *hv, uint64_t addr, uint32_t data)
{
    post(hv, DM_POST_MSI, 0, data, addr);
}

void hv_shutdown(Hv *hv, ShutdownReason reason)
{
    struct xen_dm_op op = { .op = XEN_DMOP_remote_shutdown };

    op.u.remote_shutdown.reason = reason;
    check(dm_op(hv, &op), "a shutdown");
}

/* --- memory --- */

uint8_t *hv_ram(Hv *hv, uint64_t gpa, uint64_t len, bool write, uint64_t *run)
{
    uint64_t end, gfn;
    uint8_t want;

    for (unsigned i = 0; i < MAX_BLOCKS; i++) {
        RamBlock *b = hv->block[i].ram;

        if (b && b->mapped && gpa - b->gpa < b->size) {
            *run = MIN(len, b->size - (gpa - b->gpa));
            return write && b->read_only ? NULL : b->host + (gpa - b->gpa);
        }
    }
    if (gpa >= hv->ram_size) {
        return NULL;
    }
    want = hv->types[gpa >> 12];
    if (want != DM_PAGE_RAM && !(want == DM_PAGE_ROM && !write)) {
        return NULL;
    }
    len = MIN(len, hv->ram_size - gpa);
    end = (gpa | 0xfff) + 1;
    for (gfn = end >> 12; end < gpa + len && hv->types[gfn] == want; gfn++) {
        bool in_block = false;

        for (unsigned i = 0; i < MAX_BLOCKS && !in_block; i++) {
            RamBlock *b = hv->block[i].ram;

            in_block = b && b->mapped && end - b->gpa < b->size;
        }
        if (in_block) {
            break;
        }
        end += 4096;
    }
    *run = MIN(len, end - gpa);
    huge_used(hv->huge, gpa, *run);
    return hv->ram + gpa;
}

void hv_ram_written(Hv *hv, uint64_t gpa, uint64_t len)
{
    uint64_t first = gpa >> 12, last = (gpa + len - 1) >> 12;

    for (unsigned i = 0; i < MAX_BLOCKS; i++) {
        RamBlock *b = hv->block[i].ram;

        if (b && b->mapped && gpa < b->gpa + b->size && b->gpa < gpa + len) {
            b->written = true;
        }
    }
    /* Pairs with the engine's barrier between marking a page and reading its code. */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint64_t gfn = first; gfn <= last && gfn < hv->ram_size >> 12; gfn++) {
        if (__atomic_load_n(&hv->code_pages[gfn], __ATOMIC_RELAXED)) {
            uint64_t n = 1;

            while (gfn + n <= last && n < 65536 &&
                   __atomic_load_n(&hv->code_pages[gfn + n], __ATOMIC_RELAXED)) {
                n++;
            }
            post(hv, DM_POST_WRITTEN, 0, n, gfn);
            gfn += n;
        }
    }
}

bool hv_block_alloc(Hv *hv, RamBlock *b, GError **error)
{
    for (unsigned i = 0; i < MAX_BLOCKS; i++) {
        if (!hv->block[i].ram) {
            if (b->of) {
                b->fd = b->of->fd;
                hv->block[i] = (HvBlock){ .ram = b };
                b->opaque = GUINT_TO_POINTER(i);
                return true;
            }
            b->fd = fd_memory_new(b->name, b->size, F_SEAL_SEAL, error);
            if (b->fd < 0) {
                return false;
            }
            b->host = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
            if (b->host == MAP_FAILED) {
                close(b->fd);
                return fail(error, "memory for a device");
            }
            hv->block[i] = (HvBlock){ .ram = b };
            b->opaque = GUINT_TO_POINTER(i);
            return true;
        }
    }
    errno = ENOSPC;
    return fail(error, "memory for a device");
}

static DmMapBlock block_message(const RamBlock *b, bool mapped)
{
    return (DmMapBlock){
        .handle = GPOINTER_TO_UINT(b->opaque),
        .flags = (mapped ? DM_BLOCK_MAP : 0) |
                 (b->read_only ? DM_BLOCK_READ_ONLY : DM_BLOCK_LOG_DIRTY),
        .gpa = b->gpa,
        .size = b->size,
        .offset = b->offset,
    };
}

void hv_block_map(Hv *hv, RamBlock *b, bool mapped)
{
    HvBlock *slot = &hv->block[GPOINTER_TO_UINT(b->opaque)];
    DmMapBlock m = block_message(b, mapped);
    int rc = call(hv, DM_MSG_MAP_BLOCK, &m, sizeof m, slot->announced ? -1 : b->fd, NULL, 0);

    slot->announced = true;
    check(rc, "a mapping of device memory");
}

bool hv_hold(Hv *hv, bool on)
{
    uint32_t body = on;
    int rc = call(hv, DM_MSG_HOLD, &body, sizeof body, -1, NULL, 0);

    if (rc != -EAGAIN) {
        check(rc, "a hold on buffered writes");
    }
    return rc == 0;
}

void hv_block_dirty(Hv *hv, RamBlock *b, uint8_t *bitmap)
{
    DmMapBlock m = block_message(b, true);
    size_t len = ((b->size >> 12) + 7) / 8;
    g_autofree uint8_t *fresh = g_malloc0(len);

    if (call(hv, DM_MSG_BLOCK_DIRTY, &m, sizeof m, -1, fresh, len) >= 0) {
        for (size_t i = 0; i < len; i++) {
            bitmap[i] |= fresh[i];
        }
    }
}

void hv_block_free(Hv *hv, RamBlock *b)
{
    hv->block[GPOINTER_TO_UINT(b->opaque)].ram = NULL;
    if (b->of) {
        return;
    }
    munmap(b->host, b->size);
    close(b->fd);
}

/* --- the PC speaker's wire --- */

bool hv_speaker_next(Hv *hv, SpeakerWave *wave)
{
    return speaker_take(hv->shared, &hv->speaker_cons, wave);
}

void hv_speaker_await(Hv *hv, bool on)
{
    hv->speaker_awaited = on;
    __atomic_store_n(&hv->shared->speaker_waiting, on, __ATOMIC_SEQ_CST);
}

bool hv_speaker_due(const Hv *hv)
{
    return hv->speaker_awaited &&
           __atomic_load_n(&hv->shared->speaker_prod, __ATOMIC_SEQ_CST) != hv->speaker_cons;
}

/* --- time and life --- */

int64_t hv_now(const Hv *hv)
{
    const DmShared *s = hv->shared;

    for (unsigned tries = 0;; tries++) {
        uint32_t seq = __atomic_load_n(&s->time_seq, __ATOMIC_ACQUIRE);
        uint32_t paused = __atomic_load_n(&s->paused, __ATOMIC_RELAXED);
        int64_t frozen = __atomic_load_n(&s->time_frozen, __ATOMIC_RELAXED);
        int64_t offset = __atomic_load_n(&s->time_offset, __ATOMIC_RELAXED);
        struct timespec ts;

        atomic_thread_fence(memory_order_acquire);
        if (((seq & 1) || __atomic_load_n(&s->time_seq, __ATOMIC_RELAXED) != seq) && tries < 1000) {
            continue;
        }
        if (paused) {
            return frozen;
        }
        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * NS_PER_S + ts.tv_nsec + offset;
    }
}

int hv_channel_fd(const Hv *hv)
{
    return hv->channel;
}

enum HvEvent hv_event(Hv *hv)
{
    unsigned nfds = 0;
    ssize_t n;

    if (hv->shutdown_seen) {
        return HV_EVENT_SHUTDOWN;
    }
    if (hv->reset_seen) {
        hv->reset_seen = false;
        return HV_EVENT_RESET;
    }
    if (hv->gone) {
        return HV_EVENT_GONE;
    }
    n = packet_recv(hv->channel, hv->buf, sizeof hv->buf, NULL, &nfds);
    if (n < 0 && errno == EAGAIN) {
        return HV_EVENT_NONE;
    }
    if (n < (ssize_t)sizeof(DmMsg)) {
        hv->gone = true;
        return HV_EVENT_GONE;
    }
    switch (((const DmMsg *)hv->buf)->type) {
    case DM_MSG_SHUTDOWN: return HV_EVENT_SHUTDOWN;
    case DM_MSG_RESET: return HV_EVENT_RESET;
    default: return HV_EVENT_NONE;
    }
}
