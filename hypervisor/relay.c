/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relay.c - xenstore (xen/io/xs_wire.h) and console (xen/io/console.h) rings to stream sockets.
 * The messages are not looked at: the other end parses them.  A ring whose indexes are impossible
 * is the guest's fault and is left alone from then on.
 */
#include "hypervisor/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xen/hvm/params.h>
#include "include/pc_layout.h"

typedef struct RingSide { unsigned data, size, cons, prod; } RingSide;

typedef struct RingKind {
    const char *name;
    uint64_t gfn;
    RingSide from_guest, to_guest;      /* offsets in the page */
    unsigned param_pfn, param_port;
    unsigned grant;                     /* reserved grant entry for the page */
} RingKind;

static const RingKind store_kind = {
    .name = "xenstore", .gfn = PC_XENSTORE_GFN,
    .from_guest = { 0, 1024, 0x800, 0x804 }, .to_guest = { 0x400, 1024, 0x808, 0x80C },
    .param_pfn = HVM_PARAM_STORE_PFN, .param_port = HVM_PARAM_STORE_EVTCHN, .grant = 1,
};

static const RingKind console_kind = {
    .name = "console", .gfn = PC_CONSOLE_GFN,
    .from_guest = { 0x400, 2048, 0xC08, 0xC0C }, .to_guest = { 0, 1024, 0xC00, 0xC04 },
    .param_pfn = HVM_PARAM_CONSOLE_PFN, .param_port = HVM_PARAM_CONSOLE_EVTCHN, .grant = 0,
};

struct RingRelay {
    const RingKind *kind;
    Domain *d;
    int fd;                     /* -1: output is dropped */
    int kick_fd;                /* the guest has sent its event */
    uint32_t port;
    guint kick_watch, in_watch, out_watch;
    bool broken;
};

static gboolean can_read(gint fd, GIOCondition cond, gpointer opaque);
static gboolean can_write(gint fd, GIOCondition cond, gpointer opaque);

static uint32_t load(const uint8_t *page, unsigned at)
{
    return __atomic_load_n((const uint32_t *)(page + at), __ATOMIC_ACQUIRE);
}

static void store(uint8_t *page, unsigned at, uint32_t value)
{
    __atomic_store_n((uint32_t *)(page + at), value, __ATOMIC_SEQ_CST);
}

/* The ring's page and a side's indexes, checked; NULL: nothing to do with this ring now. */
static uint8_t *ring_page(RingRelay *r, const RingSide *s, uint32_t *cons, uint32_t *prod)
{
    uint8_t *page = r->broken ? NULL : mem_page(&r->d->mem, r->kind->gfn, true);

    if (!page) {
        return NULL;
    }
    *cons = load(page, s->cons);
    *prod = load(page, s->prod);
    if (*prod - *cons > s->size) {
        r->broken = true;
        domain_log(r->d, "%s ring: impossible indexes %u and %u, ring is off", r->kind->name,
                   *cons, *prod);
        return NULL;
    }
    return page;
}

static ssize_t send_out(RingRelay *r, const uint8_t *buf, size_t len)
{
    ssize_t n;

    if (r->fd < 0) {
        return len;
    }
    do {
        n = write(r->fd, buf, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        if (!r->out_watch) {
            r->out_watch = g_unix_fd_add(r->fd, G_IO_OUT, can_write, r);
        }
        return 0;
    }
    return n < 0 ? (ssize_t)len : n;    /* nobody there: drop, as a serial line would */
}

static bool pump_out(RingRelay *r)
{
    const RingSide *s = &r->kind->from_guest;
    uint32_t cons, prod;
    uint8_t *page;
    bool moved = false;

    while ((page = ring_page(r, s, &cons, &prod)) && prod != cons) {
        uint8_t buf[2048];
        uint32_t at = cons & (s->size - 1);
        size_t len = MIN(prod - cons, s->size - at);
        ssize_t n;

        memcpy(buf, page + s->data + at, len);
        n = send_out(r, buf, len);
        if (n == 0) {
            break;
        }
        store(page, s->cons, cons + n);
        moved = true;
    }
    return moved;
}

/* False: the other end has closed. */
static bool pump_in(RingRelay *r, bool *moved)
{
    const RingSide *s = &r->kind->to_guest;
    uint32_t cons, prod;
    uint8_t *page;

    while ((page = ring_page(r, s, &cons, &prod)) && prod - cons < s->size) {
        uint32_t at = prod & (s->size - 1);
        size_t len = MIN(s->size - (prod - cons), s->size - at);
        uint8_t buf[1024];
        ssize_t n = read(r->fd, buf, len);

        if (n == 0) {
            return false;
        }
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        memcpy(page + s->data + at, buf, n);
        store(page, s->prod, prod + n);
        *moved = true;
    }
    return true;
}

static bool ring_full(RingRelay *r)
{
    uint32_t cons, prod;

    return !ring_page(r, &r->kind->to_guest, &cons, &prod) || prod - cons >= r->kind->to_guest.size;
}

static void pump(RingRelay *r)
{
    bool moved, open = true;

    domain_lock(r->d);
    moved = pump_out(r);
    if (r->fd >= 0) {
        open = pump_in(r, &moved);
    }
    if (moved) {
        event_raise(r->d, r->port);
    }
    if (!open || ring_full(r)) {        /* the guest's next event looks again */
        if (r->in_watch) {
            g_source_remove(r->in_watch);
            r->in_watch = 0;
        }
    } else if (r->fd >= 0 && !r->in_watch) {
        r->in_watch = g_unix_fd_add(r->fd, G_IO_IN, can_read, r);
    }
    if (!open) {
        g_info("%s: the other end has closed", r->kind->name);
        if (r->out_watch) {
            g_source_remove(r->out_watch);
            r->out_watch = 0;
        }
        close(r->fd);
        r->fd = -1;
    }
    domain_unlock(r->d);
}

static gboolean can_read(gint fd, GIOCondition cond, gpointer opaque)
{
    (void)fd;
    (void)cond;
    pump(opaque);
    return G_SOURCE_CONTINUE;
}

static gboolean can_write(gint fd, GIOCondition cond, gpointer opaque)
{
    RingRelay *r = opaque;

    (void)fd;
    (void)cond;
    r->out_watch = 0;
    pump(r);
    return G_SOURCE_REMOVE;
}

static gboolean kicked(gint fd, GIOCondition cond, gpointer opaque)
{
    uint64_t n;
    ssize_t got = read(fd, &n, sizeof n);

    (void)cond;
    (void)got;
    pump(opaque);
    return G_SOURCE_CONTINUE;
}

/* On a vCPU's thread, lock held. */
static void guest_sent(void *opaque)
{
    RingRelay *r = opaque;
    uint64_t one = 1;
    ssize_t n = write(r->kick_fd, &one, sizeof one);

    (void)n;
}

static void grant_page(Domain *d, unsigned entry, uint64_t gfn)
{
    uint8_t *e = d->mem.heap + MEM_HEAP_GRANT * PAGE_SIZE + 8 * entry;
    uint16_t permit = 1;
    uint32_t frame = gfn;

    memcpy(e, &permit, 2);      /* to domain 0 */
    memcpy(e + 4, &frame, 4);
}

static RingRelay *relay_new(Domain *d, const RingKind *kind, int fd, GError **error)
{
    RingRelay *r = g_new0(RingRelay, 1);
    int port;

    r->kind = kind;
    r->d = d;
    r->fd = fd;
    r->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->kick_fd < 0 ||
        (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s", kind->name,
                    g_strerror(errno));
        return r;
    }
    port = event_alloc_toolstack(d, guest_sent, r);
    r->port = port;
    d->param[kind->param_pfn] = kind->gfn;
    d->param[kind->param_port] = port;
    grant_page(d, kind->grant, kind->gfn);
    r->kick_watch = g_unix_fd_add(r->kick_fd, G_IO_IN, kicked, r);
    if (fd >= 0) {
        r->in_watch = g_unix_fd_add(fd, G_IO_IN, can_read, r);
    }
    return r;
}

bool relay_create_all(Domain *d, GError **error)
{
    d->store = relay_new(d, &store_kind, d->opt.store_fd, error);
    if (!d->store->kick_watch) {
        return false;
    }
    d->console = relay_new(d, &console_kind, d->opt.console_fd, error);
    return d->console->kick_watch != 0;
}

static void relay_free(RingRelay *r)
{
    guint watches[] = { r->kick_watch, r->in_watch, r->out_watch };

    for (unsigned i = 0; i < G_N_ELEMENTS(watches); i++) {
        if (watches[i]) {
            g_source_remove(watches[i]);
        }
    }
    if (r->kick_fd >= 0) {
        close(r->kick_fd);
    }
    if (r->fd >= 0) {
        close(r->fd);
    }
    g_free(r);
}

void relay_destroy_all(Domain *d)
{
    g_clear_pointer(&d->store, relay_free);
    g_clear_pointer(&d->console, relay_free);
}
