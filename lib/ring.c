/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ring.c - the one byte queue; see ring.h. */
#include "lib/ring.h"

#include <glib.h>
#include <string.h>

void ring_init(Ring *r, uint32_t capacity)
{
    *r = (Ring){ .data = g_malloc0(capacity), .capacity = capacity };
}

void ring_finish(Ring *r)
{
    g_free(r->data);
    *r = (Ring){ 0 };
}

void ring_clear(Ring *r)
{
    r->head = r->used = 0;
}

void ring_truncate(Ring *r, uint32_t used)
{
    if (r->used > used) {
        r->used = used;
    }
}

bool ring_push(Ring *r, uint8_t byte)
{
    return ring_push_some(r, &byte, 1) == 1;
}

bool ring_push_all(Ring *r, const void *buf, uint32_t len)
{
    return ring_space(r) >= len && ring_push_some(r, buf, len) == len;
}

uint32_t ring_push_some(Ring *r, const void *buf, uint32_t len)
{
    uint32_t n = MIN(len, ring_space(r));
    uint32_t tail, first;

    if (n == 0) {
        return 0;
    }
    tail = (r->head + r->used) % r->capacity;
    first = MIN(n, r->capacity - tail);
    memcpy(r->data + tail, buf, first);
    memcpy(r->data, (const uint8_t *)buf + first, n - first);
    r->used += n;
    return n;
}

bool ring_pop(Ring *r, uint8_t *byte)
{
    return ring_pop_some(r, byte, 1) == 1;
}

bool ring_peek(const Ring *r, uint32_t index, uint8_t *byte)
{
    if (index >= r->used) {
        return false;
    }
    *byte = r->data[(r->head + index) % r->capacity];
    return true;
}

uint32_t ring_contiguous(const Ring *r, const uint8_t **bytes)
{
    *bytes = r->data + r->head;
    return MIN(r->used, r->capacity - r->head);
}

void ring_drop(Ring *r, uint32_t len)
{
    len = MIN(len, r->used);
    if (len) {
        r->head = (r->head + len) % r->capacity;
        r->used -= len;
    }
}

uint32_t ring_pop_some(Ring *r, void *buf, uint32_t len)
{
    uint32_t done = 0;

    while (done < len && r->used) {
        const uint8_t *bytes;
        uint32_t n = MIN(ring_contiguous(r, &bytes), len - done);

        memcpy((uint8_t *)buf + done, bytes, n);
        ring_drop(r, n);
        done += n;
    }
    return done;
}
