/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.h - the files and block devices under images: a queue of transfers of one BlockDev, which
 * may concern several files (a chain), over Linux native asynchronous I/O.  Completions come from
 * file_queue_process(), never inside a call.  For block/ only; device thread.
 */
#ifndef GH_BLOCK_FILE_H
#define GH_BLOCK_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include "block/task.h"
#include "block/vec.h"

#define BLOCK_SECTOR 512u
#define BLOCK_DEPTH 64              /* transfers given to the kernel at once */

typedef enum BlockOp { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_TRIM } BlockOp;
typedef void (*BlockIoDone)(void *opaque, int error);   /* 0 or a positive errno */
typedef struct FileQueue FileQueue;

typedef struct BlockFile {
    FileQueue *queue;
    char *name;                     /* for messages */
    int fd;
    uint64_t size;                  /* bytes when opened, or after file_measure() */
    bool read_only;
    bool regular;                   /* a file, whose holes read as zeros */
    bool direct;                    /* O_DIRECT: everything in multiples of 512 */
    bool waits;                     /* a read may have to wait for a disk or a server */
    bool discards;                  /* until the file system refuses */
    bool grows;                     /* an image's file: reads past its end give zeros */
    int flush_error;                /* a failed fdatasync() of cached data is never made good */
    struct FileRemote *remote;      /* no file, but a server; NULL: a file */
} BlockFile;

/* What stands for a file when there is a server: called in a thread of its own, one at a time. */
typedef struct FileRemote {
    int (*transfer)(void *opaque, BlockOp op, uint64_t offset, const struct iovec *iov, int n,
                    uint64_t len);  /* 0 or errno */
    void (*close)(void *opaque);
    void *opaque;
    GThread *thread;
    GAsyncQueue *jobs;
} FileRemote;

/* NULL with an error.  wake: transfers are over, call file_queue_process(). */
FileQueue *file_queue_new(const char *name, GError **error);
void file_queue_free(FileQueue *q);
int file_queue_event(const FileQueue *q);       /* poll it for reading */
TaskPool *file_queue_tasks(FileQueue *q);
void file_queue_wake(FileQueue *q);
void file_queue_process(FileQueue *q);          /* reaps, completes, submits, runs tasks */
bool file_queue_busy(const FileQueue *q);

/* Takes over fd.  On failure the descriptor is closed. */
BlockFile *file_open(FileQueue *q, int fd, const char *name, bool read_only, GError **error);
/* Takes over remote (transfer, close, opaque filled in), also on failure. */
BlockFile *file_open_remote(FileQueue *q, FileRemote remote, const char *name, uint64_t size,
                            bool read_only, GError **error);
void file_close(BlockFile *f);
bool file_measure(BlockFile *f, GError **error);    /* the size may have changed */

/* Bytes [at, at + len) of vec (which must stay) from or to offset.  Flush: only f. */
void file_submit(BlockFile *f, BlockOp op, uint64_t offset, BlockVec *vec, uint64_t at,
                 uint64_t len, BlockIoDone done, void *opaque);
/* Now, in the calling thread: gives space back.  0 or errno. */
int file_punch(BlockFile *f, uint64_t offset, uint64_t len);

/* --- within a task --- */
typedef struct FileBatch {          /* several transfers at once */
    FileQueue *queue;
    Task *task;                     /* that waits */
    unsigned pending;
    int error;                      /* the first */
} FileBatch;

void file_batch_init(FileBatch *b, FileQueue *q);
void file_batch_add(FileBatch *b, BlockFile *f, BlockOp op, uint64_t offset, BlockVec *vec,
                    uint64_t at, uint64_t len);
int file_batch_wait(FileBatch *b);
/* Whole sectors; 0 or errno. */
int file_read(BlockFile *f, uint64_t offset, void *buf, uint64_t len);
int file_write(BlockFile *f, uint64_t offset, const void *buf, uint64_t len);
int file_flush(BlockFile *f);
void *file_buffer(uint64_t len);    /* aligned for direct I/O; free(); NULL: no memory */

#endif
