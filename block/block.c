/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c - raw images over Linux native asynchronous I/O (io_submit(2) by libaio), completions
 * through an eventfd in the owner's GLib main context.  With an O_DIRECT descriptor aligned
 * requests go straight to the caller's buffers, others through a bounce buffer.  Where io_setup()
 * is refused, the same steps run by preadv/pwritev from the main loop.  Image formats other than
 * raw are left out.
 */
#include "block/block.h"
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <libaio.h>
#include <linux/falloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SECTOR 512u
#define BLOCK_DEPTH 64              /* requests given to the kernel at once */
#define BLOCK_BOUNCE (1u << 20)     /* most bytes of a step through a bounce buffer */
#define BLOCK_IOV 1024              /* UIO_MAXIOV */
#define BLOCK_DISCARD (1ull << 30)  /* bytes a fallocate() call, so that none takes long */

typedef enum BlockOp { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_TRIM } BlockOp;

struct BlockRequest {
    struct iocb iocb;
    BlockDev *dev;
    BlockOp op;
    uint64_t offset, left;          /* bytes, of what is still to do */
    struct iovec *iov;              /* our copy; consumed from the front */
    int n, first;
    uint8_t *bounce;                /* of the first step's size, when a step needs it */
    size_t step;                    /* bytes asked for in the current step */
    BlockDone done;                 /* NULL once cancelled */
    void *opaque;
    int error;
    GList link;                     /* in one of the device's queues */
};

struct BlockDev {
    char *name;
    int fd;
    uint64_t size;
    bool present, read_only;
    bool direct;                    /* O_DIRECT: everything in multiples of 512 */
    bool discards;                  /* until the file system refuses */
    bool aio, aio_fsync;            /* what the kernel offers */
    io_context_t context;
    int event;
    GSource *source;
    GQueue waiting;                 /* not yet given to the kernel */
    GQueue ready;                   /* to be completed (or, without aio, done) by the main loop */
    GAsyncQueue *flushed;           /* BlockRequest*, from flush threads */
    unsigned in_flight;             /* in the kernel or a flush thread */
};

static void block_wake(BlockDev *b)
{
    uint64_t one = 1;
    ssize_t n;

    do
        n = write(b->event, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
}

static void block_request_free(BlockRequest *r)
{
    free(r->bounce);
    g_free(r->iov);
    g_free(r);
}

/* --- steps: the part of a request that one system call can do --- */

static bool block_aligned(const BlockRequest *r)
{
    for (int i = r->first; i < r->n; i++)
        if (((uintptr_t)r->iov[i].iov_base | r->iov[i].iov_len) & (BLOCK_SECTOR - 1))
            return false;
    return true;
}

static void block_copy(BlockRequest *r, uint8_t *bounce, size_t len, bool to_bounce)
{
    for (int i = r->first; i < r->n && len; i++) {
        size_t part = MIN(len, r->iov[i].iov_len);
        if (to_bounce)
            memcpy(bounce, r->iov[i].iov_base, part);
        else
            memcpy(r->iov[i].iov_base, bounce, part);
        bounce += part;
        len -= part;
    }
}

static void block_consume(BlockRequest *r, size_t len)
{
    r->offset += len;
    r->left -= len;
    while (len) {
        struct iovec *v = &r->iov[r->first];
        size_t part = MIN(len, v->iov_len);
        v->iov_base = (uint8_t *)v->iov_base + part;
        v->iov_len -= part;
        len -= part;
        if (!v->iov_len)
            r->first++;
    }
    while (r->first < r->n && !r->iov[r->first].iov_len)
        r->first++;
}

/* Sets r->step and gives the step's vector; false: no memory. */
static bool block_step(BlockRequest *r, struct iovec *single, struct iovec **iov, int *n)
{
    if (r->dev->direct && !block_aligned(r)) {
        r->step = MIN(r->left, BLOCK_BOUNCE);
        /* Never grows: later steps are at most as long as the first. */
        if (!r->bounce && posix_memalign((void **)&r->bounce, 4096, r->step)) {
            r->bounce = NULL;
            return false;
        }
        if (r->op == BLOCK_WRITE)
            block_copy(r, r->bounce, r->step, true);
        *single = (struct iovec){ r->bounce, r->step };
        *iov = single;
        *n = 1;
        return true;
    }
    free(r->bounce);
    r->bounce = NULL;
    *iov = &r->iov[r->first];
    *n = MIN(r->n - r->first, BLOCK_IOV);
    r->step = 0;
    for (int i = 0; i < *n; i++)
        r->step += (*iov)[i].iov_len;
    return true;
}

/* result: bytes or -errno.  True when the whole request is over. */
static bool block_step_done(BlockRequest *r, long result)
{
    if (r->op == BLOCK_FLUSH) {
        r->error = result < 0 ? (int)-result : 0;
        return true;
    }
    if (result == -EINTR || result == -EAGAIN)
        return false;
    if (result < 0) {
        r->error = (int)-result;
        return true;
    }
    size_t len = MIN((size_t)result, r->step);
    if (r->dev->direct)
        len &= ~(size_t)(BLOCK_SECTOR - 1);
    if (!len) {                     /* the image was cut under us */
        r->error = EIO;
        return true;
    }
    if (r->op == BLOCK_READ && r->bounce)
        block_copy(r, r->bounce, len, false);
    block_consume(r, len);
    return !r->left;
}

/* Everything that needs no waiting queue: all without aio, discards always. */
static void block_run_here(BlockRequest *r)
{
    struct iovec single, *iov;
    int n, fd = r->dev->fd;

    if (r->op == BLOCK_FLUSH) {
        r->error = fdatasync(fd) ? errno : 0;
        return;
    }
    if (r->op == BLOCK_TRIM) {
        while (r->left && r->dev->discards) {
            uint64_t len = MIN(r->left, BLOCK_DISCARD);
            if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r->offset, len)) {
                if (errno == EINTR)
                    continue;
                if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EPERM)
                    r->error = errno;
                else
                    r->dev->discards = false;
                return;
            }
            r->offset += len;
            r->left -= len;
        }
        return;
    }
    for (;;) {
        if (!block_step(r, &single, &iov, &n)) {
            r->error = ENOMEM;
            return;
        }
        ssize_t done = r->op == BLOCK_READ ? preadv(fd, iov, n, r->offset)
                                           : pwritev(fd, iov, n, r->offset);
        if (block_step_done(r, done < 0 ? -errno : done))
            return;
    }
}

/* --- queues --- */

static void block_ready(BlockRequest *r)
{
    g_queue_push_tail_link(&r->dev->ready, &r->link);
    block_wake(r->dev);
}

static void *block_flush_thread(void *opaque)
{
    BlockRequest *r = opaque;
    BlockDev *b = r->dev;

    r->error = fdatasync(b->fd) ? errno : 0;
    g_async_queue_push(b->flushed, r);
    block_wake(b);
    return NULL;
}

static void block_flush_elsewhere(BlockRequest *r)
{
    GThread *thread = g_thread_try_new("flush", block_flush_thread, r, NULL);

    if (thread) {
        g_thread_unref(thread);
        r->dev->in_flight++;
        return;
    }
    block_run_here(r);
    block_ready(r);
}

/* False: the kernel has no room now. */
static bool block_submit(BlockRequest *r)
{
    BlockDev *b = r->dev;
    struct iovec single, *iov;
    struct iocb *iocb = &r->iocb;
    int n;

    if (r->op == BLOCK_FLUSH && !b->aio_fsync) {
        block_flush_elsewhere(r);
        return true;
    }
    if (r->op == BLOCK_FLUSH) {
        io_prep_fdsync(iocb, b->fd);
    } else {
        if (!block_step(r, &single, &iov, &n)) {
            r->error = ENOMEM;
            block_ready(r);
            return true;
        }
        /* The kernel copies the vector during io_submit(). */
        if (r->op == BLOCK_READ)
            io_prep_preadv(iocb, b->fd, iov, n, r->offset);
        else
            io_prep_pwritev(iocb, b->fd, iov, n, r->offset);
    }
    iocb->data = r;
    io_set_eventfd(iocb, b->event);
    int result;
    do
        result = io_submit(b->context, 1, &iocb);
    while (result == -EINTR);
    if (result == 1) {
        b->in_flight++;
        return true;
    }
    if (result == -EAGAIN && b->in_flight)
        return false;
    if (r->op == BLOCK_FLUSH) {
        b->aio_fsync = false;
        block_flush_elsewhere(r);
        return true;
    }
    block_run_here(r);
    block_ready(r);
    return true;
}

static void block_submit_waiting(BlockDev *b)
{
    while (b->waiting.length && b->in_flight < BLOCK_DEPTH) {
        GList *link = g_queue_pop_head_link(&b->waiting);
        BlockRequest *r = link->data;
        if (!r->done) {                         /* cancelled */
            block_request_free(r);
            continue;
        }
        if (!block_submit(r)) {
            g_queue_push_head_link(&b->waiting, link);
            return;
        }
    }
}

static void block_finish_request(BlockRequest *r)
{
    if (r->done)
        r->done(r->opaque, r->error);
    block_request_free(r);
}

static void block_reap(BlockDev *b)
{
    struct io_event events[BLOCK_DEPTH];
    struct timespec zero = { 0, 0 };
    BlockRequest *r;

    int n = b->aio ? io_getevents(b->context, 0, BLOCK_DEPTH, events, &zero) : 0;
    b->in_flight -= MAX(n, 0);
    for (int i = 0; i < n; i++) {
        r = events[i].data;
        if (r->op == BLOCK_FLUSH && (long)events[i].res == -EINVAL) {
            b->aio_fsync = false;
            block_flush_elsewhere(r);
        } else if (block_step_done(r, (long)events[i].res)) {
            g_queue_push_tail_link(&b->ready, &r->link);
        } else {
            g_queue_push_head_link(&b->waiting, &r->link);
        }
    }
    while ((r = g_async_queue_try_pop(b->flushed))) {
        b->in_flight--;
        g_queue_push_tail_link(&b->ready, &r->link);
    }
}

static void block_process(BlockDev *b)
{
    uint64_t count;

    if (read(b->event, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
        g_warning("%s: eventfd: %s", b->name, g_strerror(errno));
    block_reap(b);
    /* Only what is here now: a completion may add requests, and others want the loop too. */
    for (unsigned n = b->ready.length; n && b->ready.length; n--)
        block_finish_request(g_queue_pop_head_link(&b->ready)->data);
    if (b->ready.length)
        block_wake(b);
    if (b->aio) {
        block_submit_waiting(b);
        return;
    }
    for (unsigned n = b->waiting.length; n && b->waiting.length; n--) {
        BlockRequest *r = g_queue_pop_head_link(&b->waiting)->data;
        if (r->op == BLOCK_FLUSH) {
            block_flush_elsewhere(r);
            continue;
        }
        if (r->done)
            block_run_here(r);
        block_finish_request(r);
    }
    if (b->waiting.length)
        block_wake(b);
}

static gboolean block_event(int fd, GIOCondition condition, gpointer opaque)
{
    (void)fd;
    (void)condition;
    block_process(opaque);
    return G_SOURCE_CONTINUE;
}

static int block_check(const BlockDev *b, BlockOp op, uint64_t offset, uint64_t len)
{
    if (!b->present)
        return ENOMEDIUM;
    if (b->read_only && (op == BLOCK_WRITE || op == BLOCK_TRIM))
        return EROFS;
    if ((offset | len) & (BLOCK_SECTOR - 1))
        return EINVAL;
    if (offset > b->size || len > b->size - offset)
        return EINVAL;
    return 0;
}

static BlockRequest *block_request(BlockDev *b, BlockOp op, uint64_t offset, uint64_t len,
                                   const struct iovec *iov, int n, BlockDone done, void *opaque)
{
    BlockRequest *r = g_new0(BlockRequest, 1);

    r->dev = b;
    r->op = op;
    r->offset = offset;
    r->left = len;
    r->done = done;
    r->opaque = opaque;
    r->link.data = r;
    if (n > 0) {
        r->n = n;
        r->iov = g_memdup2(iov, n * sizeof(*iov));
        while (r->first < n && !r->iov[r->first].iov_len)
            r->first++;
    }
    r->error = block_check(b, op, offset, len);
    if (r->error || (op != BLOCK_FLUSH && !len) || (op == BLOCK_FLUSH && b->read_only)) {
        block_ready(r);
        return r;
    }
    if (op == BLOCK_TRIM) {
        block_run_here(r);
        block_ready(r);
        return r;
    }
    g_queue_push_tail_link(&b->waiting, &r->link);
    if (b->aio)
        block_submit_waiting(b);
    else
        block_wake(b);
    return r;
}

static uint64_t block_total(const struct iovec *iov, int n)
{
    uint64_t len = 0;

    for (int i = 0; i < n; i++)
        if (__builtin_add_overflow(len, iov[i].iov_len, &len))
            return UINT64_MAX;              /* no size of an image: refused */
    return len;
}

BlockRequest *block_readv(BlockDev *b, uint64_t offset, const struct iovec *iov, int n,
                          BlockDone done, void *opaque)
{
    return block_request(b, BLOCK_READ, offset, block_total(iov, n), iov, n, done, opaque);
}

BlockRequest *block_writev(BlockDev *b, uint64_t offset, const struct iovec *iov, int n,
                           BlockDone done, void *opaque)
{
    return block_request(b, BLOCK_WRITE, offset, block_total(iov, n), iov, n, done, opaque);
}

BlockRequest *block_flush(BlockDev *b, BlockDone done, void *opaque)
{
    return block_request(b, BLOCK_FLUSH, 0, 0, NULL, 0, done, opaque);
}

BlockRequest *block_discard(BlockDev *b, uint64_t offset, uint64_t len, BlockDone done,
                            void *opaque)
{
    return block_request(b, BLOCK_TRIM, offset, len, NULL, 0, done, opaque);
}

void block_cancel(BlockRequest *r)
{
    r->done = NULL;
}

bool block_busy(const BlockDev *b)
{
    return b->in_flight || b->waiting.length || b->ready.length;
}

void block_drain(BlockDev *b)
{
    while (block_busy(b)) {
        struct pollfd p = { .fd = b->event, .events = POLLIN };
        if (poll(&p, 1, -1) < 0 && errno != EINTR)
            break;
        block_process(b);
    }
}

/* --- opening --- */

static BlockDev *block_new(const char *name, GError **error)
{
    BlockDev *b = g_new0(BlockDev, 1);

    b->name = g_strdup(name ? name : "disk");
    b->fd = -1;
    b->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (b->event < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: no eventfd: %s", b->name,
                    g_strerror(errno));
        g_free(b->name);
        g_free(b);
        return NULL;
    }
    b->flushed = g_async_queue_new();
    b->source = g_unix_fd_source_new(b->event, G_IO_IN);
    g_source_set_callback(b->source, (GSourceFunc)(void (*)(void))block_event, b, NULL);
    g_source_set_can_recurse(b->source, TRUE);      /* else GLib wakes itself at each dispatch */
    g_autoptr(GMainContext) context = g_main_context_ref_thread_default();
    g_source_attach(b->source, context);
    return b;
}

/* O_DIRECT that wants more than 512-byte alignment is turned off: the guest's sectors are 512
 * bytes, and a read-modify-write of ours would race with its other requests. */
static bool block_probe_direct(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    uint8_t *page = NULL;

    if (flags < 0 || !(flags & O_DIRECT))
        return false;
    if (posix_memalign((void **)&page, 4096, 8192) == 0) {
        ssize_t n = pread(fd, page + 512, 512, 0);
        free(page);
        if (n >= 0)
            return true;
    }
    fcntl(fd, F_SETFL, flags & ~O_DIRECT);
    return false;
}

static bool block_measure(BlockDev *b, GError **error)
{
    struct stat st;
    int flags = fcntl(b->fd, F_GETFL);

    if (flags < 0 || fstat(b->fd, &st)) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", b->name,
                    g_strerror(errno));
        return false;
    }
    if (S_ISREG(st.st_mode)) {
        b->size = st.st_size;
    } else if (!S_ISBLK(st.st_mode)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE,
                    "%s: neither a file nor a block device", b->name);
        return false;
    } else {                            /* not by ioctl(): the sandbox has none */
        off_t end = lseek(b->fd, 0, SEEK_END);
        if (end < 0) {
            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: no size: %s",
                        b->name, g_strerror(errno));
            return false;
        }
        b->size = end;
    }
    if (!b->read_only && (flags & O_ACCMODE) != O_RDWR) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_READ_ONLY, "%s: not opened for writing",
                    b->name);
        return false;
    }
    if ((flags & O_ACCMODE) == O_WRONLY) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: not opened for reading",
                    b->name);
        return false;
    }
    b->size &= ~(uint64_t)(BLOCK_SECTOR - 1);
    return true;
}

BlockDev *block_open_fd(int fd, const BlockOptions *options, GError **error)
{
    BlockDev *b = block_new(options->name, error);

    if (!b) {
        close(fd);
        return NULL;
    }
    b->fd = fd;
    b->read_only = options->read_only;
    if (!block_measure(b, error)) {
        block_close(b);
        return NULL;
    }
    b->direct = block_probe_direct(fd);
    b->present = true;
    b->discards = true;
    b->aio = io_setup(BLOCK_DEPTH * 2, &b->context) == 0;
    b->aio_fsync = b->aio;
    if (!b->aio)
        g_info("%s: no asynchronous I/O here, doing without", b->name);
    return b;
}

BlockDev *block_empty(const char *name)
{
    return block_new(name, NULL);
}

void block_close(BlockDev *b)
{
    if (!b)
        return;
    block_drain(b);
    if (b->aio)
        io_destroy(b->context);
    g_source_destroy(b->source);
    g_source_unref(b->source);
    g_async_queue_unref(b->flushed);
    close(b->event);
    if (b->fd >= 0)
        close(b->fd);
    g_free(b->name);
    g_free(b);
}

uint64_t block_size(const BlockDev *b)
{
    return b->size;
}

bool block_present(const BlockDev *b)
{
    return b->present;
}

bool block_read_only(const BlockDev *b)
{
    return b->read_only;
}
