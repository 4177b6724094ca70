/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.c - transfers over Linux native asynchronous I/O (io_submit(2) by libaio), completions
 * through an eventfd.  With an O_DIRECT descriptor aligned transfers go straight to the caller's
 * buffers, others through a bounce buffer.  Through the host's cache io_submit() would wait for the
 * disk: what is in the cache is copied at once (RWF_NOWAIT), the rest is read in a thread.  Where
 * io_setup() is refused, the same steps run by preadv/pwritev from the main loop.
 */
#include "block/file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <libaio.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FILE_BOUNCE (1u << 20)      /* most bytes of a step through a bounce buffer */
#define FILE_IOV 1024               /* UIO_MAXIOV */
#define FILE_AGAIN 16
#define FILE_PUNCH (1ull << 30)     /* bytes a fallocate() call, so that none takes long */
#define FILE_COPY (1u << 20)        /* most bytes copied out of the host's cache at once */

typedef struct FileIo {
    struct iocb iocb;
    BlockFile *file;
    BlockOp op;
    uint64_t offset, left;          /* bytes, of what is still to do */
    struct iovec *iov;              /* our copy; consumed from the front */
    int n, first;
    uint8_t *bounce;                /* of the first step's size, when a step needs it */
    size_t step;                    /* bytes asked for in the current step */
    BlockIoDone done;
    void *opaque;
    int error;
    unsigned again;                 /* reads that gave nothing although the file had grown */
    GList link;                     /* in one of the queues */
} FileIo;

struct FileQueue {
    char *name;
    bool aio;                       /* what the kernel offers */
    io_context_t context;
    int event;
    GQueue waiting;                 /* not yet given to the kernel */
    GQueue ready;                   /* to be completed */
    GThread *flusher, *reader;      /* NULL until the first flush, the first read it is for */
    GAsyncQueue *flushes, *reads;   /* FileIo*, to them */
    GAsyncQueue *over;              /* FileIo*, from them and from servers' threads */
    unsigned in_flight;             /* in the kernel or a thread */
    TaskPool *tasks;
};

void file_queue_wake(FileQueue *q)
{
    uint64_t one = 1;
    ssize_t n;

    do {
        n = write(q->event, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
}

static void io_free(FileIo *io)
{
    free(io->bounce);
    g_free(io->iov);
    g_free(io);
}

/* --- steps: the part of a transfer that one system call can do --- */

static bool io_aligned(const FileIo *io)
{
    uint64_t bits = io->offset | io->left;

    for (int i = io->first; i < io->n; i++) {
        bits |= (uintptr_t)io->iov[i].iov_base | io->iov[i].iov_len;
    }
    return !(bits & (BLOCK_SECTOR - 1));
}

static void io_copy(FileIo *io, uint8_t *bounce, size_t len, bool to_bounce)
{
    for (int i = io->first; i < io->n && len; i++) {
        size_t part = MIN(len, io->iov[i].iov_len);

        if (to_bounce) {
            memcpy(bounce, io->iov[i].iov_base, part);
        } else {
            memcpy(io->iov[i].iov_base, bounce, part);
        }
        bounce += part;
        len -= part;
    }
}

static void io_consume(FileIo *io, size_t len)
{
    io->offset += len;
    io->left -= len;
    while (len) {
        struct iovec *v = &io->iov[io->first];
        size_t part = MIN(len, v->iov_len);

        v->iov_base = (uint8_t *)v->iov_base + part;
        v->iov_len -= part;
        len -= part;
        if (!v->iov_len) {
            io->first++;
        }
    }
    while (io->first < io->n && !io->iov[io->first].iov_len) {
        io->first++;
    }
}

/* Sets io->step and gives the step's vector; false: no memory. */
static bool io_step(FileIo *io, struct iovec *single, struct iovec **iov, int *n)
{
    if (io->file->direct && !io_aligned(io)) {
        io->step = MIN(io->left, FILE_BOUNCE);
        /* Never grows: later steps are at most as long as the first. */
        if (!io->bounce && !(io->bounce = file_buffer(io->step))) {
            return false;
        }
        if (io->op == BLOCK_WRITE) {
            io_copy(io, io->bounce, io->step, true);
        }
        *single = (struct iovec){ io->bounce, io->step };
        *iov = single;
        *n = 1;
        return true;
    }
    free(io->bounce);
    io->bounce = NULL;
    *iov = &io->iov[io->first];
    *n = MIN(io->n - io->first, FILE_IOV);
    io->step = 0;
    for (int i = 0; i < *n; i++) {
        io->step += (*iov)[i].iov_len;
    }
    return true;
}

/* A read that gave less: what lies past the end of an image's file is zero. */
static bool io_past_end(FileIo *io, size_t len)
{
    struct stat st;

    if (io->op != BLOCK_READ || !io->file->grows || fstat(io->file->fd, &st) != 0 ||
        io->offset + len < (uint64_t)st.st_size) {
        return false;
    }
    io_consume(io, len);
    for (int i = io->first; i < io->n; i++) {
        memset(io->iov[i].iov_base, 0, io->iov[i].iov_len);
    }
    io->left = 0;
    return true;
}

static void io_flushed(FileIo *io, int error)
{
    BlockFile *f = io->file;

    /* The kernel drops pages that it could not write: a later success would be a lie. */
    if (error && !f->direct) {
        f->flush_error = error;
    }
    io->error = error ? error : f->flush_error;
}

/* result: bytes or -errno.  True when the whole transfer is over. */
static bool io_step_done(FileIo *io, long result)
{
    size_t len;

    if (io->op == BLOCK_FLUSH) {
        io_flushed(io, result < 0 ? (int)-result : 0);
        return true;
    }
    if (result == -EINTR || result == -EAGAIN) {
        return false;
    }
    if (result < 0) {
        io->error = (int)-result;
        return true;
    }
    len = MIN((size_t)result, io->step);
    if (io->op == BLOCK_READ && io->bounce) {
        io_copy(io, io->bounce, len, false);
    }
    if (len < io->step && io_past_end(io, len)) {
        return true;
    }
    if (io->file->direct) {
        len &= ~(size_t)(BLOCK_SECTOR - 1);
    }
    if (!len && io->op == BLOCK_READ && io->file->grows && io->again++ < FILE_AGAIN) {
        return false;               /* another request has made it longer meanwhile */
    }
    if (!len) {                     /* the image was cut under us, or the device is full */
        io->error = io->op == BLOCK_WRITE ? ENOSPC : EIO;
        return true;
    }
    io_consume(io, len);
    return !io->left;
}

static void io_run_here(FileIo *io)
{
    struct iovec single, *iov;
    int n, fd = io->file->fd;
    ssize_t done;

    if (io->op == BLOCK_FLUSH) {
        io_flushed(io, fdatasync(fd) ? errno : 0);
        return;
    }
    do {
        if (!io_step(io, &single, &iov, &n)) {
            io->error = ENOMEM;
            return;
        }
        done = io->op == BLOCK_READ ? preadv(fd, iov, n, io->offset)
                                    : pwritev(fd, iov, n, io->offset);
    } while (!io_step_done(io, done < 0 ? -errno : done));
}

int file_punch(BlockFile *f, uint64_t offset, uint64_t len)
{
    while (len && f->discards) {
        uint64_t part = MIN(len, FILE_PUNCH);

        if (fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, part)) {
            if (errno == EINTR) {
                continue;
            }
            if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EPERM && errno != ENODEV) {
                return errno;
            }
            f->discards = false;
        }
        offset += part;
        len -= part;
    }
    return 0;
}

/* --- queues --- */

static void io_ready(FileIo *io)
{
    g_queue_push_tail_link(&io->file->queue->ready, &io->link);
    file_queue_wake(io->file->queue);
}

/* fdatasync() in a thread of ours: the kernel's own asynchronous one runs in its workers, behind
 * whatever else the host does. */
static void *flush_thread(void *opaque)
{
    FileQueue *q = opaque;

    for (;;) {
        FileIo *io = g_async_queue_pop(q->flushes);

        if ((void *)io == (void *)q) {      /* the end */
            return NULL;
        }
        io->error = fdatasync(io->file->fd) ? errno : 0;
        g_async_queue_push(q->over, io);
        file_queue_wake(q);
    }
}

static void flush_elsewhere(FileIo *io)
{
    FileQueue *q = io->file->queue;

    if (!q->flusher) {
        q->flusher = g_thread_try_new("flush", flush_thread, q, NULL);
    }
    if (q->flusher) {
        q->in_flight++;
        g_async_queue_push(q->flushes, io);
        return;
    }
    io_run_here(io);
    io_ready(io);
}

/* What the host's cache has not got: a thread waits for the disk. */
static void *read_thread(void *opaque)
{
    FileQueue *q = opaque;

    for (;;) {
        FileIo *io = g_async_queue_pop(q->reads);

        if ((void *)io == (void *)q) {      /* the end */
            return NULL;
        }
        io_run_here(io);
        g_async_queue_push(q->over, io);
        file_queue_wake(q);
    }
}

/* True: all that was asked for, or an error. */
static bool read_at_once(FileIo *io)
{
    struct iovec single, *iov;
    ssize_t done;
    int n;

    if (io->left > FILE_COPY) {
        return false;
    }
    do {
        io_step(io, &single, &iov, &n);     /* nothing that needs memory: not direct */
        done = preadv2(io->file->fd, iov, n, io->offset, RWF_NOWAIT);
        if (done < 0) {
            return false;           /* the thread sees why */
        }
    } while (!io_step_done(io, done));
    return true;
}

static void read_cached(FileIo *io)
{
    FileQueue *q = io->file->queue;

    if (read_at_once(io)) {
        io_ready(io);
        return;
    }
    if (!q->reader) {
        q->reader = g_thread_try_new("read", read_thread, q, NULL);
    }
    if (q->reader) {
        q->in_flight++;
        g_async_queue_push(q->reads, io);
        return;
    }
    io_run_here(io);
    io_ready(io);
}

static bool io_prepare(FileIo *io)
{
    struct iovec single, *iov;
    int n;

    if (!io_step(io, &single, &iov, &n)) {
        return false;
    }
    if (iov == &single) {           /* must outlive this function */
        io->iocb = (struct iocb){ 0 };
        if (io->op == BLOCK_READ) {
            io_prep_pread(&io->iocb, io->file->fd, single.iov_base, single.iov_len, io->offset);
        } else {
            io_prep_pwrite(&io->iocb, io->file->fd, single.iov_base, single.iov_len, io->offset);
        }
    } else if (io->op == BLOCK_READ) {
        io_prep_preadv(&io->iocb, io->file->fd, iov, n, io->offset);
    } else {
        io_prep_pwritev(&io->iocb, io->file->fd, iov, n, io->offset);
    }
    return true;
}

static void *remote_thread(void *opaque)
{
    BlockFile *f = opaque;
    FileRemote *r = f->remote;

    for (;;) {
        FileIo *io = g_async_queue_pop(r->jobs);

        if ((void *)io == (void *)r) {      /* the end */
            return NULL;
        }
        io->error = r->transfer(r->opaque, io->op, io->offset, io->iov, io->n, io->left);
        g_async_queue_push(f->queue->over, io);
        file_queue_wake(f->queue);
    }
}

/* False: the kernel has no room now. */
static bool io_give(FileIo *io)
{
    FileQueue *q = io->file->queue;
    struct iocb *iocb = &io->iocb;
    int result;

    if (io->file->remote) {
        q->in_flight++;
        g_async_queue_push(io->file->remote->jobs, io);
        return true;
    }
    if (io->op == BLOCK_FLUSH) {
        flush_elsewhere(io);
        return true;
    }
    if (io->op == BLOCK_READ && io->file->waits) {
        read_cached(io);
        return true;
    }
    if (!io_prepare(io)) {
        io->error = ENOMEM;
        io_ready(io);
        return true;
    }
    iocb->data = io;
    io_set_eventfd(iocb, q->event);
    do {
        result = io_submit(q->context, 1, &iocb);
    } while (result == -EINTR);
    if (result == 1) {
        q->in_flight++;
        return true;
    }
    if (result == -EAGAIN && q->in_flight) {
        return false;
    }
    io_run_here(io);
    io_ready(io);
    return true;
}

static void submit_waiting(FileQueue *q)
{
    if (!q->aio) {
        for (unsigned n = q->waiting.length; n && q->waiting.length; n--) {
            FileIo *io = g_queue_pop_head_link(&q->waiting)->data;

            if (io->file->remote) {
                io_give(io);
            } else if (io->op == BLOCK_FLUSH) {
                flush_elsewhere(io);
            } else if (io->op == BLOCK_READ && io->file->waits) {
                read_cached(io);
            } else {
                io_run_here(io);
                io_ready(io);
            }
        }
        return;
    }
    while (q->waiting.length && q->in_flight < BLOCK_DEPTH) {
        GList *link = g_queue_pop_head_link(&q->waiting);

        if (!io_give(link->data)) {
            g_queue_push_head_link(&q->waiting, link);
            return;
        }
    }
}

static void reap(FileQueue *q)
{
    struct io_event events[BLOCK_DEPTH];
    struct timespec zero = { 0, 0 };
    FileIo *io;
    int n = q->aio && q->in_flight ? io_getevents(q->context, 0, BLOCK_DEPTH, events, &zero) : 0;

    for (int i = 0; i < n; i++) {
        q->in_flight--;
        io = events[i].data;
        if (io_step_done(io, (long)events[i].res)) {
            g_queue_push_tail_link(&q->ready, &io->link);
        } else {
            g_queue_push_head_link(&q->waiting, &io->link);
        }
    }
    while ((io = g_async_queue_try_pop(q->over))) {
        q->in_flight--;
        if (io->op == BLOCK_FLUSH && !io->file->remote) {
            io_flushed(io, io->error);
        }
        g_queue_push_tail_link(&q->ready, &io->link);
    }
}

void file_queue_process(FileQueue *q)
{
    uint64_t count;

    if (read(q->event, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR) {
        g_warning("%s: eventfd: %s", q->name, g_strerror(errno));
    }
    reap(q);
    /* Only what is here now: a completion may add transfers, and others want the loop too. */
    for (unsigned n = q->ready.length; n && q->ready.length; n--) {
        FileIo *io = g_queue_pop_head_link(&q->ready)->data;

        io->done(io->opaque, io->error);
        io_free(io);
    }
    if (q->ready.length) {
        file_queue_wake(q);
    }
    task_run(q->tasks);
    submit_waiting(q);
}

bool file_queue_busy(const FileQueue *q)
{
    return q->in_flight || q->waiting.length || q->ready.length;
}

void file_submit(BlockFile *f, BlockOp op, uint64_t offset, BlockVec *vec, uint64_t at,
                 uint64_t len, BlockIoDone done, void *opaque)
{
    FileQueue *q = f->queue;
    FileIo *io = g_new0(FileIo, 1);

    io->file = f;
    io->op = op;
    io->offset = offset;
    io->left = len;
    io->done = done;
    io->opaque = opaque;
    io->link.data = io;
    if (op == BLOCK_TRIM && !f->remote) {
        io->error = file_punch(f, offset, len);
        io_ready(io);
        return;
    }
    if (op == BLOCK_READ || op == BLOCK_WRITE) {
        io->n = block_vec_slice(vec, at, len, NULL);
        io->iov = g_new(struct iovec, io->n);
        block_vec_slice(vec, at, len, io->iov);
    }
    if ((op != BLOCK_FLUSH && !len) || (op == BLOCK_FLUSH && f->read_only)) {
        io_ready(io);
        return;
    }
    g_queue_push_tail_link(&q->waiting, &io->link);
    if (q->aio) {
        submit_waiting(q);
    } else {
        file_queue_wake(q);
    }
}

/* --- within a task --- */

void file_batch_init(FileBatch *b, FileQueue *q)
{
    *b = (FileBatch){ .queue = q, .task = task_self(q->tasks) };
}

static void batch_done(void *opaque, int error)
{
    FileBatch *b = opaque;

    if (error && !b->error) {
        b->error = error;
    }
    if (--b->pending == 0 && b->task) {
        task_wake(b->queue->tasks, b->task);
    }
}

void file_batch_add(FileBatch *b, BlockFile *f, BlockOp op, uint64_t offset, BlockVec *vec,
                    uint64_t at, uint64_t len)
{
    if (!b->pending++) {
        b->task = NULL;             /* nobody waits yet */
    }
    file_submit(f, op, offset, vec, at, len, batch_done, b);
}

int file_batch_wait(FileBatch *b)
{
    if (b->pending) {
        b->task = task_self(b->queue->tasks);
        task_wait(b->queue->tasks);
    }
    return b->error;
}

static int file_transfer(BlockFile *f, BlockOp op, uint64_t offset, void *buf, uint64_t len)
{
    struct iovec iov = { buf, len };
    BlockVec vec = { .iov = &iov, .n = 1, .len = len };
    FileBatch b;

    file_batch_init(&b, f->queue);
    file_batch_add(&b, f, op, offset, &vec, 0, len);
    return file_batch_wait(&b);
}

int file_read(BlockFile *f, uint64_t offset, void *buf, uint64_t len)
{
    return file_transfer(f, BLOCK_READ, offset, buf, len);
}

int file_write(BlockFile *f, uint64_t offset, const void *buf, uint64_t len)
{
    return file_transfer(f, BLOCK_WRITE, offset, (void *)(uintptr_t)buf, len);
}

int file_flush(BlockFile *f)
{
    return file_transfer(f, BLOCK_FLUSH, 0, NULL, 0);
}

void *file_buffer(uint64_t len)
{
    void *p = NULL;

    return posix_memalign(&p, 4096, MAX(len, 1)) == 0 ? p : NULL;
}

/* --- opening --- */

/* O_DIRECT that wants more than 512-byte alignment is turned off: the guest's sectors are 512
 * bytes, and a read-modify-write of ours would race with its other requests. */
static bool probe_direct(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    uint8_t *page = NULL;

    if (flags < 0 || !(flags & O_DIRECT)) {
        return false;
    }
    if ((page = file_buffer(8192))) {
        ssize_t n = pread(fd, page + 512, 512, 0);

        free(page);
        if (n >= 0) {
            return true;
        }
    }
    fcntl(fd, F_SETFL, flags & ~O_DIRECT);
    return false;
}

/* Reads from memory never wait. */
static bool in_memory(int fd)
{
    struct statfs st;

    return fstatfs(fd, &st) == 0 && (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC);
}

static bool fail(const BlockFile *f, GError **error, int code, const char *what)
{
    g_set_error(error, G_IO_ERROR, code, "%s: %s", f->name, what);
    return false;
}

bool file_measure(BlockFile *f, GError **error)
{
    struct stat st;
    off_t end;

    if (fstat(f->fd, &st)) {
        return fail(f, error, g_io_error_from_errno(errno), g_strerror(errno));
    }
    f->regular = S_ISREG(st.st_mode);
    if (f->regular) {
        f->size = st.st_size;
        return true;
    }
    if (!S_ISBLK(st.st_mode)) {
        return fail(f, error, G_IO_ERROR_NOT_REGULAR_FILE, "neither a file nor a block device");
    }
    end = lseek(f->fd, 0, SEEK_END);    /* not by ioctl(): the sandbox has none */
    if (end < 0) {
        return fail(f, error, g_io_error_from_errno(errno), g_strerror(errno));
    }
    f->size = end;
    return true;
}

BlockFile *file_open(FileQueue *q, int fd, const char *name, bool read_only, GError **error)
{
    BlockFile *f = g_new0(BlockFile, 1);
    int flags = fcntl(fd, F_GETFL);

    f->queue = q;
    f->name = g_strdup(name);
    f->fd = fd;
    f->read_only = read_only;
    if (flags < 0) {
        fail(f, error, g_io_error_from_errno(errno), g_strerror(errno));
    } else if (!read_only && (flags & O_ACCMODE) != O_RDWR) {
        fail(f, error, G_IO_ERROR_READ_ONLY, "not opened for writing");
    } else if ((flags & O_ACCMODE) == O_WRONLY) {
        fail(f, error, G_IO_ERROR_INVALID_ARGUMENT, "not opened for reading");
    } else if (file_measure(f, error)) {
        f->direct = probe_direct(fd);
        f->waits = !f->direct && !in_memory(fd);
        f->discards = !read_only;
        return f;
    }
    file_close(f);
    return NULL;
}

BlockFile *file_open_remote(FileQueue *q, FileRemote remote, const char *name, uint64_t size,
                            bool read_only, GError **error)
{
    BlockFile *f = g_new0(BlockFile, 1);

    f->queue = q;
    f->name = g_strdup(name);
    f->fd = -1;
    f->size = size;
    f->read_only = read_only;
    f->remote = g_memdup2(&remote, sizeof remote);
    f->remote->jobs = g_async_queue_new();
    f->remote->thread = g_thread_try_new("remote", remote_thread, f, error);
    if (!f->remote->thread) {
        file_close(f);
        return NULL;
    }
    return f;
}

static void remote_close(FileRemote *r)
{
    if (r->thread) {
        g_async_queue_push(r->jobs, r);
        g_thread_join(r->thread);
    }
    r->close(r->opaque);
    g_async_queue_unref(r->jobs);
    g_free(r);
}

void file_close(BlockFile *f)
{
    if (!f) {
        return;
    }
    if (f->remote) {
        remote_close(f->remote);
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    g_free(f->name);
    g_free(f);
}

static void tasks_wake(void *opaque)
{
    file_queue_wake(opaque);
}

FileQueue *file_queue_new(const char *name, GError **error)
{
    FileQueue *q = g_new0(FileQueue, 1);

    q->name = g_strdup(name);
    q->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (q->event < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: no eventfd: %s", q->name,
                    g_strerror(errno));
        g_free(q->name);
        g_free(q);
        return NULL;
    }
    q->flushes = g_async_queue_new();
    q->reads = g_async_queue_new();
    q->over = g_async_queue_new();
    q->tasks = task_pool_new(tasks_wake, q);
    q->aio = io_setup(BLOCK_DEPTH * 2, &q->context) == 0;
    if (!q->aio) {
        g_info("%s: no asynchronous I/O here, doing without", q->name);
    }
    return q;
}

void file_queue_free(FileQueue *q)
{
    if (!q) {
        return;
    }
    if (q->aio) {
        io_destroy(q->context);
    }
    if (q->flusher) {
        g_async_queue_push(q->flushes, q);
        g_thread_join(q->flusher);
    }
    if (q->reader) {
        g_async_queue_push(q->reads, q);
        g_thread_join(q->reader);
    }
    g_async_queue_unref(q->flushes);
    g_async_queue_unref(q->reads);
    g_async_queue_unref(q->over);
    task_pool_free(q->tasks);
    close(q->event);
    g_free(q->name);
    g_free(q);
}

int file_queue_event(const FileQueue *q)
{
    return q->event;
}

TaskPool *file_queue_tasks(FileQueue *q)
{
    return q->tasks;
}
