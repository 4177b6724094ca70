/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring.h - the one byte queue: keyboard, mouse, UART and network queues use it.  Fixed capacity,
 * no index arithmetic outside ring.c.  Part of a device's state by STATE_RING.
 */
#ifndef GH_RING_H
#define GH_RING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Ring {
    uint8_t *data;
    uint32_t capacity;      /* bytes */
    uint32_t head;          /* index of the oldest byte */
    uint32_t used;
} Ring;

void ring_init(Ring *r, uint32_t capacity);         /* allocates */
void ring_finish(Ring *r);
void ring_clear(Ring *r);
void ring_truncate(Ring *r, uint32_t used);     /* the newest bytes beyond so many are dropped */
static inline uint32_t ring_used(const Ring *r) { return r->used; }
static inline uint32_t ring_space(const Ring *r) { return r->capacity - r->used; }
bool ring_push(Ring *r, uint8_t byte);              /* false: full, nothing stored */
bool ring_push_all(Ring *r, const void *buf, uint32_t len);     /* all or nothing */
uint32_t ring_push_some(Ring *r, const void *buf, uint32_t len);
bool ring_pop(Ring *r, uint8_t *byte);              /* false: empty */
bool ring_peek(const Ring *r, uint32_t index, uint8_t *byte);   /* index from the oldest */
uint32_t ring_pop_some(Ring *r, void *buf, uint32_t len);
/* The longest contiguous stretch of oldest bytes; ring_drop() removes what was taken. */
uint32_t ring_contiguous(const Ring *r, const uint8_t **bytes);
void ring_drop(Ring *r, uint32_t len);

#endif
