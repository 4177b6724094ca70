/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2_write.c - writes and discards.  A cluster that is ours alone is written in place; any other
 * gets a new cluster, the rest of which is copied from what the guest saw before.  Requests that
 * want to allocate the same guest clusters wait for each other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "block/qcow2.h"

#define COPY_BYTES (256u << 10)         /* a step of copying the rest of a cluster */

/* An allocation: guest bytes [offset, offset + len) go to new clusters. */
typedef struct Alloc {
    uint64_t offset, len;
    uint64_t first, count;              /* guest clusters */
    uint64_t host;                      /* bytes */
    bool virgin;                        /* the host clusters read as zeros */
    bool zeros;                         /* ... what the guest saw there too: nothing to copy */
    Qcow2Flight flight;
} Alloc;

static bool in_place(const Qcow2 *q, uint64_t entry)
{
    return (entry & QCOW2_COPIED) && !(entry & QCOW2_COMPRESSED) && (entry & QCOW2_OFFSET) &&
           !(q->version >= 3 && (entry & QCOW2_ZERO));
}

/* Waits for an allocation of the same clusters; true: waited, look again. */
static bool wait_flight(Qcow2 *q, uint64_t first, uint64_t count)
{
    for (GList *l = q->flights.head; l; l = l->next) {
        Qcow2Flight *f = l->data;

        if (f->first < first + count && first < f->first + f->count) {
            task_queue_wait(image_tasks(q->image), &f->over);
            return true;
        }
    }
    return false;
}

/* How many clusters from first on, at most count, no allocation in progress has. */
static uint64_t flight_limit(const Qcow2 *q, uint64_t first, uint64_t count)
{
    for (GList *l = q->flights.head; l; l = l->next) {
        Qcow2Flight *f = l->data;

        if (f->first > first && f->first < first + count) {
            count = f->first - first;
        }
    }
    return count;
}

/* --- L2 tables --- */

/* A table of our own for L1 entry index, with what the shared one says.  q->alloc is held. */
static int table_own(Qcow2 *q, uint32_t index)
{
    uint64_t old = q->l1[index], offset, got;
    uint8_t *data;
    bool virgin;
    int error;

    if ((old & QCOW2_OFFSET) && !qcow2_entry_valid(q, old)) {
        return qcow2_corrupt(q, "L1 entry", index);
    }
    error = qcow2_alloc(q, 1, &offset, &got, &virgin);
    if (error) {
        return error;
    }
    data = file_buffer(q->cluster);
    if (data) {
        memset(data, 0, q->cluster);
        if (old & QCOW2_OFFSET) {
            error = file_read(q->image->file, old & QCOW2_OFFSET, data, q->cluster);
        }
        if (!error) {
            error = file_write(q->image->file, offset, data, q->cluster);
        }
        free(data);
    } else {
        error = ENOMEM;
    }
    if (error) {
        qcow2_release(q, offset, 1);
        return error;
    }
    slice_forget(&q->l2, offset, q->cluster);
    qcow2_meta_add(q, offset, 1);
    qcow2_l1_set(q, index, offset | QCOW2_COPIED);
    qcow2_drop(q, old & QCOW2_OFFSET, false, true);
    return 0;
}

/* The slice with the entry of guest offset, in a table that may be written. */
static int l2_for_write(Qcow2 *q, uint64_t offset, Slice **slice, unsigned *index)
{
    uint64_t l1 = offset >> q->cluster_bits >> q->l2_bits;
    int error = 0;

    if (l1 < q->l1_size && !(q->l1[l1] & QCOW2_COPIED)) {
        task_lock(image_tasks(q->image), &q->alloc);
        if (!(q->l1[l1] & QCOW2_COPIED)) {
            error = table_own(q, l1);
        }
        task_unlock(image_tasks(q->image), &q->alloc);
    }
    if (error) {
        return error;
    }
    error = qcow2_l2(q, offset, slice, index);
    return error || *slice ? error : qcow2_corrupt(q, "L1 entry", l1);
}

/* --- new clusters --- */

/* Copies guest bytes [from, from + len), as they are before the allocation, to host. */
static int copy_rest(Qcow2 *q, const Alloc *a, uint64_t from, uint64_t len, uint8_t *buf)
{
    uint64_t guest_end = q->image->size, to = a->host + (from - (a->first << q->cluster_bits));
    int error = 0;

    while (len && !error) {
        uint64_t part = MIN(len, COPY_BYTES), real = 0;

        if (from < guest_end) {
            real = MIN(part, guest_end - from);
            error = image_read_buffer(q->image, from, real, buf);
        }
        memset(buf + real, 0, part - real);
        if (!error) {
            error = file_write(q->image->file, to, buf, part);
        }
        from += part;
        to += part;
        len -= part;
    }
    return error;
}

static int write_clusters(Qcow2 *q, Alloc *a, BlockVec *vec, uint64_t at)
{
    uint64_t start = a->first << q->cluster_bits, end = start + (a->count << q->cluster_bits);
    uint64_t head = a->offset - start, tail = end - (a->offset + a->len);
    bool zeros = false;
    uint8_t *buf;
    FileBatch b;
    int error = 0, failed;

    if ((head || tail) && a->virgin) {
        uint64_t limit = MIN(end, q->image->size);
        bool zero_head = true, zero_tail = true;

        error = head ? image_zero(q->image, start, head, &zero_head) : 0;
        if (!error && tail && a->offset + a->len < limit) {
            error = image_zero(q->image, a->offset + a->len, limit - (a->offset + a->len),
                               &zero_tail);
        }
        zeros = !error && zero_head && zero_tail;
    }
    if (error) {
        return error;
    }
    file_batch_init(&b, q->image->file->queue);
    file_batch_add(&b, q->image->file, BLOCK_WRITE, a->host + head, vec, at, a->len);
    if ((head || tail) && !zeros) {
        buf = file_buffer(MIN(COPY_BYTES, MAX(head, tail)));
        error = buf ? copy_rest(q, a, start, head, buf) : ENOMEM;
        if (!error) {
            error = copy_rest(q, a, a->offset + a->len, tail, buf);
        }
        free(buf);
    }
    failed = file_batch_wait(&b);
    return error ? error : failed;
}

/* The tables name the new clusters; what they named before is dropped. */
static void enter_clusters(Qcow2 *q, const Alloc *a, Slice *s, unsigned index)
{
    for (uint64_t i = 0; i < a->count; i++) {
        uint64_t old = qcow2_get(s, index + i);

        qcow2_set(s, index + i, (a->host + (i << q->cluster_bits)) | QCOW2_COPIED);
        if (old & (QCOW2_OFFSET | QCOW2_COMPRESSED)) {
            qcow2_drop(q, old, false, false);
        }
    }
    slice_dirty(&q->l2, s);
}

static int allocate(Qcow2 *q, Alloc *a)
{
    TaskPool *tasks = image_tasks(q->image);
    uint64_t got;
    int error;

    task_lock(tasks, &q->alloc);
    error = q->corrupt ? EIO : qcow2_alloc(q, a->count, &a->host, &got, &a->virgin);
    task_unlock(tasks, &q->alloc);
    if (!error && got < a->count) {
        a->count = got;
        a->len = ((a->first + got) << q->cluster_bits) - a->offset;
    }
    return error;
}

/* Writes a->len bytes or less (a->len says how many in the end) to new clusters. */
static int write_new(Qcow2 *q, Alloc *a, BlockVec *vec, uint64_t at)
{
    TaskPool *tasks = image_tasks(q->image);
    Slice *s = NULL;
    unsigned index;
    int error;

    a->flight = (Qcow2Flight){ .first = a->first, .count = a->count };
    a->flight.link.data = &a->flight;
    g_queue_push_tail_link(&q->flights, &a->flight.link);
    error = allocate(q, a);
    if (!error) {
        error = write_clusters(q, a, vec, at);
        if (!error) {
            error = l2_for_write(q, a->offset, &s, &index);
        }
        if (!error) {
            enter_clusters(q, a, s, index);
            slice_put(&q->l2, s);
        } else {
            task_lock(tasks, &q->alloc);
            qcow2_release(q, a->host, a->count);
            task_unlock(tasks, &q->alloc);
        }
    }
    g_queue_unlink(&q->flights, &a->flight.link);
    task_queue_wake(tasks, &a->flight.over);
    return error;
}

/* What of [offset, offset + len) can be written in place at once: *run bytes at *host; or none
 * (*run 0): *count clusters need new ones. */
static int look(Qcow2 *q, uint64_t offset, uint64_t len, uint64_t *host, uint64_t *run,
                uint64_t *count)
{
    uint64_t in = offset & (q->cluster - 1), end, entry;
    unsigned index, i;
    Slice *s;
    int error = qcow2_l2(q, offset, &s, &index);

    *run = *count = 0;
    if (error) {
        return error;
    }
    end = MIN(index + ((in + len + q->cluster - 1) >> q->cluster_bits),
              (uint64_t)qcow2_l2_per_slice(q));
    if (!s) {
        *count = end - index;
        return 0;
    }
    entry = qcow2_get(s, index);
    for (i = index; i < end; i++) {
        uint64_t next = qcow2_get(s, i), want = (entry & QCOW2_OFFSET) +
                                               ((uint64_t)(i - index) << q->cluster_bits);

        if (in_place(q, next) != in_place(q, entry) ||
            (in_place(q, entry) && (next & QCOW2_OFFSET) != want)) {
            break;
        }
        if (in_place(q, entry) && (!qcow2_entry_valid(q, next) ||
                                   qcow2_is_meta(q, want >> q->cluster_bits))) {
            error = qcow2_corrupt(q, "L2 entry", s->offset + i * 8ull);
            break;
        }
    }
    slice_put(&q->l2, s);
    if (in_place(q, entry)) {
        *host = (entry & QCOW2_OFFSET) + in;
        *run = MIN(((uint64_t)(i - index) << q->cluster_bits) - in, len);
    } else {
        *count = i - index;
    }
    return error;
}

int qcow2_write(BlockImage *image, uint64_t offset, uint64_t len, BlockVec *vec, uint64_t at)
{
    Qcow2 *q = image->priv;
    FileBatch b;
    int error = 0, failed;

    file_batch_init(&b, image->file->queue);
    while (len && !error) {
        uint64_t host, run, count, in = offset & (q->cluster - 1);

        error = q->corrupt ? EIO : look(q, offset, len, &host, &run, &count);
        if (error) {
            break;
        }
        if (run) {
            file_batch_add(&b, image->file, BLOCK_WRITE, host, vec, at, run);
        } else {
            Alloc a = { .offset = offset, .first = offset >> q->cluster_bits };

            if (wait_flight(q, a.first, 1)) {
                continue;
            }
            a.count = flight_limit(q, a.first, count);
            a.len = MIN(len, (a.count << q->cluster_bits) - in);
            error = write_new(q, &a, vec, at);
            run = a.len;
        }
        offset += run;
        at += run;
        len -= run;
    }
    failed = file_batch_wait(&b);
    return error ? error : failed;
}

/* --- discards --- */

/* What an entry becomes when the guest gives the cluster up; the same: nothing to gain. */
static uint64_t discarded(const Qcow2 *q, uint64_t entry)
{
    if (q->version >= 3 && (entry & QCOW2_ZERO) && !(entry & QCOW2_OFFSET)) {
        return entry;
    }
    if (!q->image->backing) {
        return 0;
    }
    return q->version >= 3 ? QCOW2_ZERO : entry;
}

static int discard_some(Qcow2 *q, uint64_t offset, uint64_t *clusters)
{
    unsigned index, n;
    Slice *s;
    int error = qcow2_l2(q, offset, &s, &index);

    n = MIN(*clusters, (uint64_t)(qcow2_l2_per_slice(q) - index));
    *clusters = n;
    if (error || (!s && (!q->image->backing || q->version < 3))) {
        return error;
    }
    if (s) {
        slice_put(&q->l2, s);
    }
    error = l2_for_write(q, offset, &s, &index);
    if (error) {
        return error;
    }
    for (unsigned i = index; i < index + n; i++) {
        uint64_t old = qcow2_get(s, i), entry = discarded(q, old);

        if (entry == old) {
            continue;
        }
        qcow2_set(s, i, entry);
        slice_dirty(&q->l2, s);
        if (old & (QCOW2_OFFSET | QCOW2_COMPRESSED)) {
            qcow2_drop(q, old, true, false);
        }
    }
    slice_put(&q->l2, s);
    return 0;
}

int qcow2_discard(BlockImage *image, uint64_t offset, uint64_t len)
{
    Qcow2 *q = image->priv;
    uint64_t first = (offset + q->cluster - 1) >> q->cluster_bits;
    uint64_t end = (offset + len) >> q->cluster_bits;
    int error = 0;

    if (offset + len == image->size) {  /* a last cluster that is not whole */
        end = (offset + len + q->cluster - 1) >> q->cluster_bits;
    }
    while (first < end && !error) {
        uint64_t n = end - first;

        error = q->corrupt ? EIO : 0;
        if (!error && wait_flight(q, first, MIN(n, (uint64_t)qcow2_l2_per_slice(q)))) {
            continue;
        }
        if (!error) {
            error = discard_some(q, first << q->cluster_bits, &n);
        }
        first += n;
    }
    return error;
}
