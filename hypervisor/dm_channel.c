/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dm_channel.c - the device model's socket (rare operations, with answers) and the ring of posted
 * operations (interrupt levels, written code), see include/dm_proto.h.
 */
#include "hypervisor/dm_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/errno.h>
#include "hypervisor/platform_glue.h"
#include "lib/fd.h"
#include "lib/fdpass.h"
#include "lib/speaker.h"

struct DmChannel {
    int sock, shared_fd, post_fd;
    guint watch;
    uint8_t in[DM_MSG_MAX];
    uint8_t out[DM_MSG_MAX];
};

static bool fail(GError **error, const char *what)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "device model channel: %s: %s",
                what, g_strerror(errno));
    return false;
}

static bool make_shared(Domain *d, GError **error)
{
    int fd = fd_memory_new("dm-shared", sizeof(DmShared), F_SEAL_SEAL, error);
    void *p;

    d->dm->shared_fd = fd;
    if (fd < 0) {
        return false;
    }
    /* Low, if there is room: translated code reads the ring's index by a short address. */
    p = mmap(NULL, sizeof(DmShared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_32BIT, fd, 0);
    if (p == MAP_FAILED) {
        p = mmap(NULL, sizeof(DmShared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (p == MAP_FAILED) {
        return fail(error, "shared page");
    }
    d->shared = p;
    d->dm->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return d->dm->post_fd >= 0 || fail(error, "event");
}

/* The page types go out through a descriptor that can't be mapped writable. */
static int read_only_copy(int fd)
{
    char path[32];

    g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static bool say_hello(Domain *d, GError **error)
{
    struct { DmMsg msg; DmHello hello; } m = {
        .msg = { .type = DM_MSG_HELLO, .len = sizeof(DmHello) },
        .hello = { .version = DM_PROTO_VERSION, .vcpus = d->opt.vcpus,
                   .ram_size = d->mem.guest.size, .domid = d->opt.domid },
    };
    int types = read_only_copy(d->mem.types_fd), code = read_only_copy(d->mem.code_fd);
    int fds[7] = { d->mem.ram_fd, types, code, d->ioreq.pages_fd, d->dm->shared_fd,
                   d->ioreq.request_fd, d->dm->post_fd };
    bool ok = types >= 0 && code >= 0 && packet_send(d->dm->sock, &m, sizeof m, NULL, 0, fds, 7);
    int saved = errno;

    if (types >= 0) {
        close(types);
    }
    if (code >= 0) {
        close(code);
    }
    errno = saved;
    return ok || fail(error, "greeting");
}

/* --- requests with an answer --- */

static void reply(Domain *d, uint32_t id, int32_t result, size_t len)
{
    DmMsg msg = { .type = DM_MSG_REPLY, .id = id, .len = sizeof result + len };

    memcpy(d->dm->out, &result, sizeof result);
    if (!packet_send(d->dm->sock, &msg, sizeof msg, d->dm->out, sizeof result + len, NULL, 0)) {
        domain_crash(d, "device model does not take an answer: %s", g_strerror(errno));
    }
}

static void request_op(Domain *d, const DmMsg *msg, uint8_t *body, size_t len)
{
    uint8_t *answer = d->dm->out + sizeof(int32_t);
    size_t extra = DM_MSG_MAX - sizeof(DmMsg) - sizeof(int32_t) - len;
    int rc;

    memcpy(answer, body, len);
    domain_lock(d);
    rc = dm_op_execute(d, answer, len, answer + len, &extra);
    domain_unlock(d);
    reply(d, msg->id, rc, rc < 0 ? 0 : len + extra);
}

static void request_map(Domain *d, const DmMsg *msg, const uint8_t *body, size_t len, int *fd)
{
    DmMapBlock req;
    int rc = -XEN_EINVAL;

    if (len == sizeof req) {
        memcpy(&req, body, sizeof req);
        domain_lock(d);
        rc = mem_block_map(&d->mem, &req, *fd);
        domain_unlock(d);
        *fd = -1;
    }
    reply(d, msg->id, rc, 0);
}

static void request_hold(Domain *d, const DmMsg *msg, const uint8_t *body, size_t len)
{
    uint32_t on;
    int rc = -XEN_EINVAL;

    if (len == sizeof on) {
        memcpy(&on, body, sizeof on);
        domain_lock(d);
        rc = on && !collect_stop(d) ? -XEN_EAGAIN : 0;
        d->ioreq.held = on && !rc;
        domain_unlock(d);
    }
    reply(d, msg->id, rc, 0);
}

static void request_dirty(Domain *d, const DmMsg *msg, const uint8_t *body, size_t len)
{
    uint8_t *bitmap = d->dm->out + sizeof(int32_t);
    size_t room = DM_MSG_MAX - sizeof(DmMsg) - sizeof(int32_t), bytes;
    DmMapBlock req;
    int rc = -XEN_EINVAL;

    if (len == sizeof req) {
        memcpy(&req, body, sizeof req);
        bytes = MIN(room, ((req.size >> PAGE_SHIFT) + 7) / 8);
        memset(bitmap, 0, bytes);
        domain_lock(d);
        rc = mem_block_dirty(&d->mem, req.handle, bitmap, bytes);
        domain_unlock(d);
        reply(d, msg->id, rc, rc < 0 ? 0 : bytes);
        return;
    }
    reply(d, msg->id, rc, 0);
}

static void handle(Domain *d, ssize_t n, int *fd)
{
    DmMsg msg;
    uint8_t *body = d->dm->in + sizeof msg;
    size_t len = n - sizeof msg;

    memcpy(&msg, d->dm->in, sizeof msg);
    switch (msg.type) {
    case DM_MSG_OP:
        if (len > DM_MSG_MAX / 2) {
            reply(d, msg.id, -XEN_EINVAL, 0);
        } else {
            request_op(d, &msg, body, len);
        }
        break;
    case DM_MSG_MAP_BLOCK:
        request_map(d, &msg, body, len, fd);
        break;
    case DM_MSG_BLOCK_DIRTY:
        request_dirty(d, &msg, body, len);
        break;
    case DM_MSG_HOLD:
        request_hold(d, &msg, body, len);
        break;
    default:
        reply(d, msg.id, -XEN_ENOSYS, 0);
    }
}

static gboolean readable(gint sock, GIOCondition cond, gpointer opaque)
{
    Domain *d = opaque;
    int fd = -1;
    unsigned nfds = 1;
    ssize_t n = packet_recv(sock, d->dm->in, sizeof d->dm->in, &fd, &nfds);

    (void)cond;
    if (nfds == 0) {
        fd = -1;
    }
    if (n < 0 && (errno == EAGAIN || errno == EMSGSIZE)) {
        return G_SOURCE_CONTINUE;
    }
    if (n < (ssize_t)sizeof(DmMsg)) {
        d->dm->watch = 0;
        if (!d->dying) {
            domain_crash(d, "device model has gone");
        }
        if (n > 0 && fd >= 0) {
            close(fd);
        }
        return G_SOURCE_REMOVE;
    }
    handle(d, n, &fd);
    if (fd >= 0) {
        close(fd);
    }
    return G_SOURCE_CONTINUE;
}

bool dm_channel_create(Domain *d, int fd, GError **error)
{
    d->dm = g_new0(DmChannel, 1);
    d->dm->sock = fd;
    d->dm->shared_fd = d->dm->post_fd = -1;
    if (!make_shared(d, error)) {
        return false;
    }
    dm_publish_time(d);
    if (fd < 0) {
        return true;
    }
    if (!say_hello(d, error)) {
        return false;
    }
    d->dm->watch = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, d);
    return true;
}

void dm_channel_destroy(Domain *d)
{
    if (!d->dm) {
        return;
    }
    if (d->dm->watch) {
        g_source_remove(d->dm->watch);
    }
    if (d->shared) {
        munmap(d->shared, sizeof(DmShared));
        d->shared = NULL;
    }
    for (unsigned i = 0; i < 3; i++) {
        int fd = i == 0 ? d->dm->sock : i == 1 ? d->dm->shared_fd : d->dm->post_fd;

        if (fd >= 0) {
            close(fd);
        }
    }
    g_free(d->dm);
    d->dm = NULL;
}

void dm_channel_shutdown(Domain *d)
{
    DmMsg msg = { .type = DM_MSG_SHUTDOWN };

    if (d->dm && d->dm->sock >= 0) {
        packet_send(d->dm->sock, &msg, sizeof msg, NULL, 0, NULL, 0);
    }
}

int dm_channel_post_fd(const Domain *d)
{
    return d->dm->post_fd;
}

void dm_publish_time(Domain *d)
{
    DmShared *s = d->shared;

    __atomic_fetch_add(&s->time_seq, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&s->time_offset, d->time_offset, __ATOMIC_RELAXED);
    __atomic_store_n(&s->time_frozen, d->time_frozen, __ATOMIC_RELAXED);
    __atomic_store_n(&s->paused, d->time_stands, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s->time_seq, 1, __ATOMIC_SEQ_CST);
}

void dm_publish_speaker(Domain *d, const SpeakerWave *w)
{
    DmShared *s = d->shared;
    DmSpeaker *to = &s->speaker[d->speaker_prod % DM_SPEAKER_WAVES];

    __atomic_thread_fence(__ATOMIC_RELEASE);    /* the reader of an old entry sees prod move first */
    __atomic_store_n(&to->at, w->at, __ATOMIC_RELAXED);
    __atomic_store_n(&to->start, w->start, __ATOMIC_RELAXED);
    __atomic_store_n(&to->first_ticks, w->first_ticks, __ATOMIC_RELAXED);
    __atomic_store_n(&to->second_ticks, w->second_ticks, __ATOMIC_RELAXED);
    __atomic_store_n(&to->first, w->first, __ATOMIC_RELAXED);
    __atomic_store_n(&s->speaker_prod, ++d->speaker_prod, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&s->speaker_waiting, __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(&s->speaker_waiting, 0, __ATOMIC_SEQ_CST)) {
        ioreq_notify(d);
    }
}

/* --- posted operations --- */

static void take(Domain *d, const DmPost *p)
{
    switch (p->op) {
    case DM_POST_ISA_IRQ:
        if (p->a < 16) {
            glue_set_isa_irq(d, p->a, p->b != 0);
        }
        break;
    case DM_POST_PCI_INTX:
        if (p->a >> 2 < 256) {
            glue_set_pci_intx(d, p->a >> 2, p->a & 3, p->b != 0);
        }
        break;
    case DM_POST_LINK_ROUTE:
        if (p->a < 4) {
            glue_set_link_route(d, p->a, p->b < 16 ? p->b : 0);
        }
        break;
    case DM_POST_MSI:
        glue_msi(d, p->c, p->b);
        break;
    case DM_POST_WRITTEN:
        if (p->b && p->c < d->mem.guest.size >> PAGE_SHIFT &&
            p->b <= (d->mem.guest.size >> PAGE_SHIFT) - p->c) {
            d->ops->code_written(d->engine, p->c << PAGE_SHIFT, (uint64_t)p->b << PAGE_SHIFT);
        }
        break;
    default:
        domain_log(d, "device model posted unknown operation %u", p->op);
    }
}

void dm_drain_posts_locked(Domain *d)
{
    DmShared *s = d->shared;
    uint32_t prod = __atomic_load_n(&s->post_prod, __ATOMIC_SEQ_CST);

    if (prod == d->post_cons) {
        return;
    }
    if (prod - d->post_cons > DM_POSTS) {
        domain_crash(d, "device model: posted ring index %u is impossible", prod);
        d->post_cons = prod;
        return;
    }
    while (d->post_cons != prod) {
        DmPost p;

        memcpy(&p, &s->post[d->post_cons % DM_POSTS], sizeof p);
        __asm__ volatile("" ::: "memory");      /* one copy, which is what gets checked */
        take(d, &p);
        __atomic_store_n(&d->post_cons, d->post_cons + 1, __ATOMIC_RELEASE);
        __atomic_store_n(&s->post_cons, d->post_cons, __ATOMIC_RELEASE);
    }
}

void dm_drain_posts(Domain *d)
{
    if (__atomic_load_n(&d->shared->post_prod, __ATOMIC_SEQ_CST) !=
        __atomic_load_n(&d->post_cons, __ATOMIC_RELAXED)) {
        domain_lock(d);
        dm_drain_posts_locked(d);
        domain_unlock(d);
    }
}
