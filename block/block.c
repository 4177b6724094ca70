/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block.c - the drives' side of images: requests, their limits, their order of completion, what
 * happens to those that fail.  A lone raw image's requests go straight to its file (file.c), those
 * of other formats run as tasks (image.c and the formats).
 */
#include "block/block.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "block/ahead.h"
#include "block/image.h"
#include "block/nbd.h"

#define BLOCK_TASKS 32              /* requests of formats that run at once */
#define BLOCK_IDLE_MS 1000          /* metadata is written at the latest so long after a request */

typedef enum RequestOp { REQ_READ, REQ_WRITE, REQ_FLUSH, REQ_TRIM, REQ_RESIZE } RequestOp;

struct BlockRequest {
    BlockDev *dev;
    RequestOp op;
    uint64_t offset, len;           /* bytes */
    BlockVec vec;
    BlockDone done;                 /* NULL once cancelled */
    void *opaque;
    int error;
    ImageTicket ticket;
    bool speculative;               /* a read of ahead.c's */
    bool changing;                  /* counted in BlockDev.changing */
    GList link;                     /* in one of the device's queues */
};

struct BlockDev {
    char *name;
    FileQueue *queue;
    BlockImage *image;              /* NULL: no medium */
    bool straight;                  /* a lone raw image */
    GSource *source;
    GSource *idle;                  /* until held back metadata is written */
    GQueue waiting;                 /* for a task */
    GQueue ready;                   /* to be completed */
    GQueue held;                    /* by the error policy */
    GQueue awaiting;                /* reads of what ahead.c is reading */
    Ahead *ahead;                   /* NULL: of no use here */
    bool ahead_off, shared;
    unsigned changing;              /* writes and discards that are not over */
    unsigned running;               /* given to the file, or in a task */
    bool draining, processing;
    BlockErrors errors;
    void (*failed)(void *opaque, BlockDev *b, int error, bool write);
    void *failed_opaque;
};

static void block_request_free(BlockRequest *r)
{
    r->dev->changing -= r->changing;
    block_vec_clear(&r->vec);
    g_free(r);
}

static void block_ready(BlockRequest *r)
{
    g_queue_push_tail_link(&r->dev->ready, &r->link);
    if (!r->dev->processing) {
        file_queue_wake(r->dev->queue);
    }
}

/* Errors of the host, not of the request. */
static bool block_holds(const BlockRequest *r)
{
    const BlockDev *b = r->dev;

    return r->error && b->errors == BLOCK_ERRORS_HOLD && r->done && !b->draining &&
           !r->speculative &&
           r->op != REQ_RESIZE && r->op != REQ_TRIM && r->error != EINVAL && r->error != EROFS &&
           r->error != ENOMEDIUM && !(r->op == REQ_FLUSH && b->image->file->flush_error);
}

static void block_idle_arm(BlockDev *b);

static void block_finish_request(BlockRequest *r)
{
    BlockDev *b = r->dev;

    if (block_holds(r)) {
        int error = r->error;
        bool first = !b->held.length;

        g_queue_push_tail_link(&b->held, &r->link);
        if (b->failed && first) {
            b->failed(b->failed_opaque, b, error, r->op != REQ_READ);
        }
        return;
    }
    if (r->error && r->done && b->image) {
        g_debug("%s: request fails: %s", b->name, g_strerror(r->error));
    }
    if (r->done) {
        r->done(r->opaque, r->error);
    }
    block_request_free(r);
}

static void block_over(BlockRequest *r, int error)
{
    r->dev->running--;
    r->error = error;
    block_ready(r);
}

static void block_straight_done(void *opaque, int error)
{
    block_over(opaque, error);
}

static int block_do(BlockRequest *r)
{
    BlockImage *image = r->dev->image;

    switch (r->op) {
    case REQ_READ: return image_read(image, r->offset, r->len, &r->vec, 0);
    case REQ_WRITE: return image->driver->write(image, r->offset, r->len, &r->vec, 0);
    case REQ_TRIM: return image->driver->discard(image, r->offset, r->len);
    case REQ_FLUSH: return image->driver->flush(image);
    case REQ_RESIZE: return image->driver->resize(image, r->len);
    }
    return EINVAL;
}

static void block_task(void *opaque)
{
    BlockRequest *r = opaque;
    BlockImage *image = r->dev->image;
    int error;

    image_enter(image, &r->ticket);
    error = block_do(r);
    image_leave(image, &r->ticket);
    block_over(r, error);
}

static void block_begin(BlockRequest *r)
{
    static const BlockOp ops[] = { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_TRIM };
    BlockDev *b = r->dev;

    b->running++;
    if (b->straight) {
        file_submit(b->image->file, ops[r->op], r->offset, &r->vec, 0, r->len,
                    block_straight_done, r);
    } else if (!task_start(file_queue_tasks(b->queue), block_task, r)) {
        block_over(r, ENOMEM);
    }
}

/* Starts what may run now. */
static void block_go_on(BlockDev *b)
{
    while (b->waiting.length && (b->straight || b->running < BLOCK_TASKS)) {
        BlockRequest *r = g_queue_pop_head_link(&b->waiting)->data;

        if (!r->done) {             /* cancelled */
            block_request_free(r);
        } else {
            block_begin(r);
        }
    }
}

static void block_process(BlockDev *b)
{
    bool outer = b->processing;

    b->processing = true;           /* what gets ready now is seen below */
    file_queue_process(b->queue);
    /* Only what is here now: a completion may add requests, and others want the loop too. */
    for (unsigned n = b->ready.length; n && b->ready.length; n--) {
        block_finish_request(g_queue_pop_head_link(&b->ready)->data);
    }
    block_go_on(b);
    b->processing = outer;
    if (b->ready.length) {
        file_queue_wake(b->queue);
    }
    block_idle_arm(b);
}

static gboolean block_event(int fd, GIOCondition condition, gpointer opaque)
{
    (void)fd;
    (void)condition;
    block_process(opaque);
    return G_SOURCE_CONTINUE;
}

/* --- read-ahead --- */

/* Which of the reads that wait for it can end now, and which must go the other way. */
static void block_look_again(BlockDev *b)
{
    for (unsigned n = b->awaiting.length; n; n--) {
        BlockRequest *r = g_queue_pop_head_link(&b->awaiting)->data;
        AheadAnswer answer = ahead_look(b->ahead, r->offset, r->len);

        if (!r->done) {             /* cancelled */
            block_request_free(r);
        } else if (answer == AHEAD_COMING) {
            g_queue_push_tail_link(&b->awaiting, &r->link);
        } else if (answer == AHEAD_HERE) {
            ahead_copy(b->ahead, r->offset, &r->vec, r->len);
            block_ready(r);
        } else {
            g_queue_push_tail_link(&b->waiting, &r->link);
        }
    }
    block_go_on(b);
}

void block_ahead_arrived(BlockDev *b)
{
    block_look_again(b);
}

static bool block_from_ahead(BlockRequest *r)
{
    BlockDev *b = r->dev;

    if (!b->ahead || b->ahead_off || b->draining) {
        return false;
    }
    switch (ahead_read(b->ahead, r->offset, r->len, b->image->size, !b->changing)) {
    case AHEAD_HERE:
        ahead_copy(b->ahead, r->offset, &r->vec, r->len);
        block_ready(r);
        return true;
    case AHEAD_COMING:
        g_queue_push_tail_link(&b->awaiting, &r->link);
        return true;
    case AHEAD_NONE:
        break;
    }
    return false;
}

/* Before a write or discard begins. */
static void block_changes(BlockRequest *r)
{
    BlockDev *b = r->dev;

    r->changing = true;
    b->changing++;
    if (b->ahead) {
        ahead_forget(b->ahead, r->offset, r->len);
        block_look_again(b);
    }
}

void block_set_ahead(BlockDev *b, bool on)
{
    b->ahead_off = !on || b->shared;
    if (b->ahead && b->ahead_off) {
        ahead_drop(b->ahead);
        block_look_again(b);
    }
}

void block_set_shared(BlockDev *b)
{
    block_set_ahead(b, false);
    b->shared = true;
}

static int block_check(const BlockDev *b, RequestOp op, uint64_t offset, uint64_t len)
{
    if (!b->image) {
        return ENOMEDIUM;
    }
    if (b->image->read_only && (op == REQ_WRITE || op == REQ_TRIM)) {
        return EROFS;
    }
    if ((offset | len) & (BLOCK_SECTOR - 1)) {
        return EINVAL;
    }
    if (offset > b->image->size || len > b->image->size - offset) {
        return EINVAL;
    }
    return 0;
}

/* iov: of those that transfer data, whose len is its. */
static BlockRequest *block_request_new(BlockDev *b, RequestOp op, uint64_t offset, uint64_t len,
                                       const struct iovec *iov, int n, BlockDone done, void *opaque)
{
    BlockRequest *r = g_new0(BlockRequest, 1);

    r->dev = b;
    r->op = op;
    r->offset = offset;
    r->done = done;
    r->opaque = opaque;
    r->link.data = r;
    if (op == REQ_READ || op == REQ_WRITE) {
        block_vec_init(&r->vec, iov, n);    /* a sum that overflows is no size of an image */
        len = r->vec.len;
    }
    r->len = len;
    return r;
}

/* A task may be over at once, and then complete: not inside the caller's call. */
static void block_queue(BlockRequest *r)
{
    g_queue_push_tail_link(&r->dev->waiting, &r->link);
    block_go_on(r->dev);
}

static BlockRequest *block_request(BlockDev *b, RequestOp op, uint64_t offset, uint64_t len,
                                   const struct iovec *iov, int n, BlockDone done, void *opaque)
{
    BlockRequest *r = block_request_new(b, op, offset, len, iov, n, done, opaque);

    r->error = op == REQ_RESIZE ? 0 : block_check(b, op, offset, r->len);
    if (r->error || (!r->len && op != REQ_FLUSH) ||
        (op == REQ_FLUSH && (!b->image || b->image->read_only))) {
        block_ready(r);
        return r;
    }
    if (op == REQ_WRITE || op == REQ_TRIM) {
        block_changes(r);
    }
    if (op != REQ_READ || !block_from_ahead(r)) {
        block_queue(r);
    }
    return r;
}

void block_ahead_read(BlockDev *b, uint64_t offset, void *buf, uint64_t len, BlockDone done,
                      void *opaque)
{
    struct iovec iov = { buf, len };
    BlockRequest *r = block_request_new(b, REQ_READ, offset, len, &iov, 1, done, opaque);

    r->speculative = true;
    block_queue(r);
}

BlockRequest *block_readv(BlockDev *b, uint64_t offset, const struct iovec *iov, int n,
                          BlockDone done, void *opaque)
{
    return block_request(b, REQ_READ, offset, 0, iov, n, done, opaque);
}

BlockRequest *block_writev(BlockDev *b, uint64_t offset, const struct iovec *iov, int n,
                           BlockDone done, void *opaque)
{
    return block_request(b, REQ_WRITE, offset, 0, iov, n, done, opaque);
}

BlockRequest *block_flush(BlockDev *b, BlockDone done, void *opaque)
{
    return block_request(b, REQ_FLUSH, 0, 0, NULL, 0, done, opaque);
}

BlockRequest *block_discard(BlockDev *b, uint64_t offset, uint64_t len, BlockDone done,
                            void *opaque)
{
    return block_request(b, REQ_TRIM, offset, len, NULL, 0, done, opaque);
}

static int block_measure_again(BlockDev *b, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    if (b->image->file->remote || !file_measure(b->image->file, &error)) {
        return EIO;
    }
    if (b->image->file->size < size) {
        return EFBIG;               /* whoever asked has not made the file larger */
    }
    b->image->size = MAX(b->image->size, size);
    return 0;
}

BlockRequest *block_resize(BlockDev *b, uint64_t size, BlockDone done, void *opaque)
{
    BlockRequest *r;

    if (b->image && !b->straight && b->image->driver->resize && !b->image->read_only &&
        size % BLOCK_SECTOR == 0 && size > b->image->size && size <= IMAGE_MAX_BYTES) {
        return block_request(b, REQ_RESIZE, 0, size, NULL, 0, done, opaque);
    }
    r = block_request(b, REQ_RESIZE, 0, 0, NULL, 0, done, opaque);
    r->error = !b->image ? ENOMEDIUM : size % BLOCK_SECTOR || size < b->image->size ? EINVAL
             : size == b->image->size ? 0 : b->straight ? block_measure_again(b, size)
             : b->image->read_only ? EROFS : EOPNOTSUPP;
    return r;
}

void block_cancel(BlockRequest *r)
{
    BlockDev *b = r->dev;

    r->done = NULL;
    if (g_queue_find(&b->held, r)) {
        g_queue_unlink(&b->held, &r->link);
        block_request_free(r);
    }
}

bool block_busy(const BlockDev *b)
{
    return b->running || b->waiting.length || b->ready.length || b->held.length || b->awaiting.length;
}

void block_drain(BlockDev *b)
{
    bool outer = b->draining;

    b->draining = true;
    block_retry(b);
    while (block_busy(b) || task_count(file_queue_tasks(b->queue))) {
        struct pollfd p = { .fd = file_queue_event(b->queue), .events = POLLIN };

        if (poll(&p, 1, -1) < 0 && errno != EINTR) {
            break;
        }
        block_process(b);
    }
    if (b->ahead) {
        ahead_drop(b->ahead);
    }
    b->draining = outer;
}

/* --- errors --- */

void block_set_errors(BlockDev *b, BlockErrors errors,
                      void (*failed)(void *opaque, BlockDev *b, int error, bool write),
                      void *opaque)
{
    b->errors = errors;
    b->failed = failed;
    b->failed_opaque = opaque;
}

void block_retry(BlockDev *b)
{
    GList *link;

    while ((link = g_queue_pop_tail_link(&b->held))) {
        g_queue_push_head_link(&b->waiting, link);
    }
    block_go_on(b);
}

bool block_held(const BlockDev *b)
{
    return b->held.length;
}

/* --- metadata that is held back --- */

static void block_idle_task(void *opaque)
{
    BlockDev *b = opaque;
    int error = b->image->driver->flush(b->image);

    if (error) {
        g_info("%s: writing metadata back: %s", b->name, g_strerror(error));
    }
}

static void block_idle_stop(BlockDev *b)
{
    if (b->idle) {
        g_source_destroy(b->idle);
        g_source_unref(b->idle);
        b->idle = NULL;
    }
}

static gboolean block_idle(gpointer opaque)
{
    BlockDev *b = opaque;

    block_idle_stop(b);
    if (b->image->driver->dirty(b->image)) {
        task_start(file_queue_tasks(b->queue), block_idle_task, b);
    }
    return G_SOURCE_REMOVE;
}

static void block_idle_arm(BlockDev *b)
{
    GMainContext *context;

    if (b->idle || !b->image || !b->image->driver->dirty || b->image->read_only ||
        !b->image->driver->dirty(b->image)) {
        return;
    }
    context = g_source_get_context(b->source);
    b->idle = g_timeout_source_new(BLOCK_IDLE_MS);
    g_source_set_callback(b->idle, block_idle, b, NULL);
    g_source_attach(b->idle, context);
}

/* --- opening --- */

static BlockDev *block_new(const char *name, GError **error)
{
    BlockDev *b = g_new0(BlockDev, 1);

    b->name = g_strdup(name ? name : "disk");
    b->queue = file_queue_new(b->name, error);
    if (!b->queue) {
        g_free(b->name);
        g_free(b);
        return NULL;
    }
    b->source = g_unix_fd_source_new(file_queue_event(b->queue), G_IO_IN);
    g_source_set_callback(b->source, (GSourceFunc)(void (*)(void))block_event, b, NULL);
    g_source_set_can_recurse(b->source, TRUE);      /* else GLib wakes itself at each dispatch */
    g_autoptr(GMainContext) context = g_main_context_ref_thread_default();
    g_source_attach(b->source, context);
    return b;
}

static void close_layers(const BlockLayer *layers, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        close(layers[i].fd);
    }
}

static bool one_to_one(const BlockDriver *driver)
{
    return driver == &block_raw || driver == &block_nbd;
}

/* Layers 0 to n - 1, the last first: each needs the one behind it. */
static BlockImage *open_layers(BlockDev *b, const BlockLayer *layers, unsigned n, bool read_only,
                               GError **error)
{
    BlockImage *behind = NULL;

    while (n-- > 0) {
        const BlockDriver *driver = block_driver_find(layers[n].format);
        BlockFile *file;

        if (!driver) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "%s: no image format '%s'",
                        b->name, layers[n].format);
            image_close(behind);
            close_layers(layers, n + 1);
            return NULL;
        }
        file = driver == &block_nbd
               ? nbd_open(b->queue, layers[n].fd, b->name, n > 0 || read_only, error)
               : file_open(b->queue, layers[n].fd, b->name, n > 0 || read_only, error);
        if (!file) {
            image_close(behind);
        } else {
            file->grows = n > 0 || !one_to_one(driver);
        }
        behind = file ? image_open(driver, file, behind, error) : NULL;
        if (!behind) {
            close_layers(layers, n);
            return NULL;
        }
    }
    return behind;
}

BlockDev *block_open_chain(const BlockLayer *layers, unsigned n, const BlockOptions *options,
                           GError **error)
{
    BlockDev *b;

    if (n == 0 || n > BLOCK_CHAIN_MAX) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "%s: a chain of %u files, at most %u are possible", options->name, n,
                    BLOCK_CHAIN_MAX);
        close_layers(layers, n);
        return NULL;
    }
    b = block_new(options->name, error);
    if (!b) {
        close_layers(layers, n);
        return NULL;
    }
    b->image = open_layers(b, layers, n, options->read_only, error);
    if (!b->image) {
        block_close(b);
        return NULL;
    }
    b->straight = one_to_one(b->image->driver);
    if (b->image->file->direct || b->image->file->remote) {     /* the host's cache does so itself */
        b->ahead = ahead_new(b);
    }
    return b;
}

BlockDev *block_open_fd(int fd, const BlockOptions *options, GError **error)
{
    BlockLayer layer = { fd, "raw" };

    return block_open_chain(&layer, 1, options, error);
}

BlockDev *block_empty(const char *name)
{
    return block_new(name, NULL);
}

void block_close(BlockDev *b)
{
    if (!b) {
        return;
    }
    block_drain(b);
    /* The second round writes that the first one's dropped clusters are free. */
    for (unsigned i = 0; i < 2 && b->image && b->image->driver->dirty && !b->image->read_only &&
         b->image->driver->dirty(b->image); i++) {
        if (task_start(file_queue_tasks(b->queue), block_idle_task, b)) {
            block_drain(b);
        }
    }
    block_idle_stop(b);
    ahead_free(b->ahead);
    image_close(b->image);
    g_source_destroy(b->source);
    g_source_unref(b->source);
    file_queue_free(b->queue);
    g_free(b->name);
    g_free(b);
}

uint64_t block_size(const BlockDev *b)
{
    return b->image ? b->image->size : 0;
}

bool block_present(const BlockDev *b)
{
    return b->image != NULL;
}

bool block_read_only(const BlockDev *b)
{
    return b->image && b->image->read_only;
}

const char *block_name(const BlockDev *b)
{
    return b->name;
}

const char *block_format(const BlockDev *b)
{
    return b->image ? b->image->driver->name : "";
}
