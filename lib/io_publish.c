/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io_publish.c - writes and reads the table of registers that needn't be asked for (io_publish.h).
 * The table is in memory that two processes share: one writes, the other copies each word once.
 */
#include "lib/io_publish.h"

#include <string.h>

#define PAIR_CELL(p, n) (DM_RANGE_BYTES + (p) * DM_PAIR_CELLS + (n))    /* IoStore.cell */

/* --- writing --- */

void io_publisher_init(IoPublisher *p, DmRanges *table, IoMap *map)
{
    *p = (IoPublisher){ .table = table, .map = map };
}

static void begin(DmRanges *t)
{
    __atomic_store_n(&t->seq, t->seq | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void end(DmRanges *t)
{
    if (t->seq & 1) {
        __atomic_store_n(&t->seq, t->seq + 1, __ATOMIC_SEQ_CST);
    }
}

static bool listed(const IoRange *r)
{
    return (r->ops->post || r->ops->peek || r->ops->pairs) && r->len <= IO_POST_MAX &&
           r->base <= UINT32_MAX;
}

/* The number that the ranges of one family share. */
static uint8_t group_of(const IoPublisher *p, const IoRange *range)
{
    uint64_t used = 0;
    uint8_t group = 0;

    for (unsigned i = 0; i < DM_RANGES; i++) {
        if (p->range[i] && p->range[i] != range) {
            if (range->family && p->range[i]->family == range->family) {
                return p->table->range[i].group;
            }
            used |= 1ULL << p->table->range[i].group;
        }
    }
    while (used >> group & 1) {
        group++;
    }
    return group;
}

static void describe(const IoPublisher *p, DmRange *d, const IoRange *range)
{
    const IoPair *pair = range->ops->pairs;

    memset(d, 0, sizeof *d);
    d->busy = range->busy;
    d->group = group_of(p, range);
    if (range->ops->post) {
        memcpy(d->how, range->ops->post, range->len);
    }
    if (range->ops->store) {
        memcpy(d->store, range->ops->store, range->len);
    }
    if (range->ops->line) {
        d->line.status = range->ops->line->status;
        d->line.mask = range->ops->line->mask;
        d->line.bytes = range->ops->line->bytes;
        d->line.wire = range->ops->line->wire(range->opaque);
    }
    for (unsigned i = 0; i < DM_RANGE_PAIRS && pair && pair->index != pair->data; i++, pair++) {
        d->pair[i].index = pair->index;
        d->pair[i].data = pair->data;
        d->pair[i].count = MIN(pair->count, DM_PAIR_CELLS);
        if (pair->store) {
            memcpy(d->pair[i].store, pair->store, d->pair[i].count);
        }
    }
}

void io_publisher_range(IoPublisher *p, const IoRange *range, bool on)
{
    unsigned at = DM_RANGES;

    if (!listed(range)) {
        return;
    }
    for (unsigned i = 0; i < DM_RANGES; i++) {
        if (p->range[i] == range) {
            at = i;
            break;
        }
        at = !p->range[i] && at == DM_RANGES ? i : at;
    }
    if (at == DM_RANGES || (!on && p->range[at] != range)) {
        return;
    }
    if (on && p->range[at] == range && p->table->where[at].base == range->base) {
        __atomic_store_n(&p->table->range[at].busy, range->busy, __ATOMIC_SEQ_CST);
        return;
    }
    begin(p->table);
    __atomic_store_n(&p->table->where[at].len, 0, __ATOMIC_SEQ_CST);
    p->range[at] = on ? range : NULL;
    if (on) {
        describe(p, &p->table->range[at], range);
        p->table->where[at].base = range->base;
        p->table->where[at].mmio = range->space == IO_MMIO;
        __atomic_store_n(&p->table->where[at].len, range->len, __ATOMIC_SEQ_CST);
        p->table->count = MAX(p->table->count, at + 1);
        io_family_changed(p->map, range->family);
    }
    end(p->table);
}

static void put(DmRanges *t, uint16_t *cell, bool valid, uint8_t value)
{
    uint16_t now = valid ? DM_CELL_VALID | value : 0;

    if (*cell != now) {
        if (!(t->seq & 1)) {
            begin(t);
        }
        __atomic_store_n(cell, now, __ATOMIC_RELAXED);
    }
}

static void publish_span(DmRanges *t, DmRange *d, const IoRange *range, unsigned first, unsigned end)
{
    uint8_t value = 0;

    for (unsigned i = first; i < MIN(end, range->len); i++) {
        bool valid = range->ops->peek(range->opaque, i, &value);

        put(t, &d->cell[i], valid, value);
    }
}

static void publish_events(DmRanges *t, DmLine *line, const IoEvents *e)
{
    if (line->last == e->last) {
        return;
    }
    if (!(t->seq & 1)) {
        begin(t);
    }
    __atomic_store_n(&line->last, e->last, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < DM_LINE_BITS; i++) {
        __atomic_store_n(&line->at[i], e->at[i], __ATOMIC_RELAXED);
    }
}

static void publish_range(DmRanges *t, DmRange *d, const IoRange *range)
{
    const IoOps *ops = range->ops;
    uint8_t value = 0;

    if (ops->line) {
        publish_events(t, &d->line, ops->line->events(range->opaque));
    }
    if (ops->peek && !ops->peeks) {
        publish_span(t, d, range, 0, range->len);
    }
    for (const IoSpan *s = ops->peeks; s && s->len; s++) {
        publish_span(t, d, range, s->first, s->first + s->len);
    }
    for (unsigned k = 0; k < DM_RANGE_PAIRS && ops->pairs && ops->pairs[k].index != ops->pairs[k].data;
         k++) {
        for (unsigned i = 0; i < d->pair[k].count; i++) {
            bool valid = ops->pairs[k].peek(range->opaque, i, &value);

            put(t, &d->pair[k].cell[i], valid, value);
        }
    }
}

void io_publisher_flush(IoPublisher *p, bool over)
{
    for (unsigned i = 0; i < DM_RANGES; i++) {
        const IoRange *range = p->range[i];

        if (range && range->family && range->family->changed) {
            publish_range(p->table, &p->table->range[i], range);
        }
    }
    end(p->table);
    if (over) {
        for (unsigned i = 0; i < DM_RANGES; i++) {
            if (p->range[i] && p->range[i]->family) {
                p->range[i]->family->changed = false;
            }
        }
        p->map->due = false;
    }
}

/* --- reading --- */

static uint8_t load8(const uint8_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* Does range i have all of the access?  Then the offset in it. */
static bool has(const DmRanges *t, unsigned i, bool mmio, uint64_t addr, unsigned size, unsigned *offset)
{
    unsigned len = MIN(__atomic_load_n(&t->where[i].len, __ATOMIC_ACQUIRE), DM_RANGE_BYTES);
    uint64_t at = addr - __atomic_load_n(&t->where[i].base, __ATOMIC_RELAXED);

    *offset = at;
    return at < len && size <= len - at && __atomic_load_n(&t->where[i].mmio, __ATOMIC_RELAXED) == mmio;
}

/* The range with all of the access; DM_RANGES: none. */
static unsigned find(IoReader *r, bool mmio, uint64_t addr, unsigned size, unsigned *offset)
{
    const DmRanges *t = r->table;
    uint8_t *hint = &r->hint[(addr ^ addr >> 8 ^ addr >> 16) % IO_HINTS];
    uint32_t n;

    if (has(t, *hint, mmio, addr, size, offset)) {
        return *hint;
    }
    n = MIN(__atomic_load_n(&t->count, __ATOMIC_RELAXED), DM_RANGES);
    for (unsigned i = 0; i < n; i++) {
        if (has(t, i, mmio, addr, size, offset)) {
            return *hint = i;
        }
    }
    return DM_RANGES;
}

static uint64_t *barrier(IoReader *r, unsigned i)
{
    return &r->barrier[load8(&r->table->range[i].group) % DM_GROUPS];
}

static bool is_status(const DmRange *d, unsigned cell)
{
    unsigned bytes = load8(&d->line.bytes);

    return (bytes == 1 || bytes == 2) && cell - load8(&d->line.status) < bytes;
}

/* The status byte without what acknowledgements on their way clear.  False: they came by another range. */
static bool unacknowledged(const IoReader *r, uint64_t consumed, unsigned i, unsigned cell, uint8_t *value)
{
    const DmRange *d = &r->table->range[i];
    unsigned shift = 8 * (cell - load8(&d->line.status)) & 8;   /* the device model's word: read again */
    uint32_t last, at[DM_LINE_BITS];

    _Static_assert(DM_LINE_BITS == IO_LINE_BITS, "a bit of the card is one of the table");

    if (r->acks == 0) {
        return true;
    }
    last = __atomic_load_n(&d->line.last, __ATOMIC_RELAXED);
    for (unsigned n = 0; n < DM_LINE_BITS; n++) {
        at[n] = __atomic_load_n(&d->line.at[n], __ATOMIC_RELAXED);
    }
    for (unsigned n = 0; n < r->acks; n++) {
        const IoAck *a = &r->ack[n];

        if (a->at <= consumed || (a->range != i && a->group != load8(&d->group))) {
            continue;
        }
        if (a->range != i) {
            return false;
        }
        *value &= ~(io_acknowledged(last, at, a->seen, a->bits) >> shift);
    }
    return true;
}

/* What the cell reads as after what is on its way to it. */
static bool cell_value(const IoReader *r, uint64_t consumed, unsigned i, unsigned cell, uint8_t *value)
{
    const DmRange *d = &r->table->range[i];
    unsigned in_pairs = cell - DM_RANGE_BYTES;
    uint16_t now = __atomic_load_n(cell < DM_RANGE_BYTES ? &d->cell[cell]
                                   : &d->pair[in_pairs / DM_PAIR_CELLS].cell[in_pairs % DM_PAIR_CELLS],
                                   __ATOMIC_RELAXED);

    *value = now;
    for (unsigned n = 0; n < r->stores; n++) {
        const IoStore *s = &r->store[n];

        if (s->range == i && s->cell == cell && s->at > consumed) {
            *value = (now & ~s->mask) | (s->value & s->mask);
        }
    }
    if (cell < DM_RANGE_BYTES && is_status(d, cell) && !unacknowledged(r, consumed, i, cell, value)) {
        return false;
    }
    return now & DM_CELL_VALID;
}

/* The cell behind an offset, and its storage bits.  False: a data register without one. */
static bool resolve(IoReader *r, uint64_t consumed, unsigned i, unsigned offset, unsigned *cell,
                    uint8_t *mask)
{
    const DmRange *d = &r->table->range[i];

    *cell = offset;
    *mask = load8(&d->store[offset]);
    for (unsigned k = 0; k < DM_RANGE_PAIRS; k++) {
        uint8_t index = load8(&d->pair[k].index), data = load8(&d->pair[k].data), number;

        if (data != offset || index == data) {
            continue;
        }
        if (*barrier(r, i) > consumed || !cell_value(r, consumed, i, index, &number) ||
            number >= MIN(load8(&d->pair[k].count), DM_PAIR_CELLS)) {
            return false;
        }
        *cell = PAIR_CELL(k, number);
        *mask = load8(&d->pair[k].store[number]);
    }
    return true;
}

/* The write changes nothing but storage bits: which, of which cell. */
static bool is_store(IoReader *r, uint64_t consumed, unsigned i, unsigned offset, uint8_t data,
                     unsigned *cell, uint8_t *mask)
{
    uint8_t now;

    if (!resolve(r, consumed, i, offset, cell, mask)) {
        return false;
    }
    if (*mask == 0 || *mask == 0xff) {
        return *mask;
    }
    return *barrier(r, i) <= consumed && cell_value(r, consumed, i, *cell, &now) &&
           !((now ^ data) & ~*mask);
}

uint8_t io_reader_rule(IoReader *r, uint64_t consumed, bool mmio, uint64_t addr, unsigned size,
                       uint64_t data)
{
    unsigned offset = 0, cell, i = find(r, mmio, addr, size, &offset);
    const DmRange *d = &r->table->range[i % DM_RANGES];
    bool quiet = true;

    if (i == DM_RANGES) {
        return DM_RANGE_WAIT;
    }
    for (unsigned k = 0; k < size; k++) {
        uint8_t mask, how = load8(&d->how[offset + k]);

        switch (how) {
        case DM_RANGE_POST:
            quiet = false;
            break;
        case DM_RANGE_QUIET:
            break;
        case DM_RANGE_IDLE:
            if (__atomic_load_n(&d->busy, __ATOMIC_ACQUIRE)) {
                return DM_RANGE_WAIT;
            }
            quiet = false;
            break;
        case DM_RANGE_STORE:
            if (!is_store(r, consumed, i, offset + k, data >> (8 * k), &cell, &mask) ||
                cell >= DM_RANGE_BYTES) {
                return DM_RANGE_WAIT;
            }
            break;
        case DM_RANGE_LINE:     /* all of one register: io_reader_line() looks */
            return DM_RANGE_LINE;
        default:
            return DM_RANGE_WAIT;
        }
    }
    return quiet ? DM_RANGE_QUIET : DM_RANGE_POST;
}

/* False: no room to remember it. */
static bool remember(IoReader *r, uint64_t consumed, const IoStore *store)
{
    unsigned kept = 0;

    for (unsigned n = 0; n < r->stores; n++) {
        const IoStore *s = &r->store[n];

        if (s->at > consumed && (s->range != store->range || s->cell != store->cell)) {
            r->store[kept++] = *s;
        }
    }
    r->stores = kept;
    if (kept == IO_STORES) {
        return false;
    }
    r->store[r->stores++] = *store;
    return true;
}

void io_reader_posted(IoReader *r, uint64_t consumed, uint64_t at, bool mmio, uint64_t addr,
                      unsigned size, uint64_t data)
{
    unsigned offset = 0, i = find(r, mmio, addr, size, &offset);

    for (unsigned k = 0; k < size && i < DM_RANGES; k++) {
        IoStore s = { .range = i, .value = data >> (8 * k), .at = at };
        unsigned cell;

        if (is_store(r, consumed, i, offset + k, s.value, &cell, &s.mask)) {
            s.cell = cell;
            if (remember(r, consumed, &s)) {
                continue;
            }
        }
        *barrier(r, i) = at;
    }
}

/* The register as it reads now; false: it can't be told. */
static bool whole(const IoReader *r, uint64_t consumed, unsigned i, unsigned offset, unsigned bytes,
                  uint16_t *value)
{
    *value = 0;
    for (unsigned k = 0; k < bytes; k++) {
        uint8_t byte;

        if (offset + k >= DM_RANGE_BYTES || !cell_value(r, consumed, i, offset + k, &byte)) {
            return false;
        }
        *value |= byte << (8 * k);
    }
    return true;
}

static void forget_acks(IoReader *r, uint64_t consumed)
{
    unsigned kept = 0;

    for (unsigned n = 0; n < r->acks; n++) {
        if (r->ack[n].at > consumed) {
            r->ack[kept++] = r->ack[n];
        }
    }
    r->acks = kept;
}

bool io_reader_line(IoReader *r, uint64_t consumed, bool mmio, uint64_t addr, unsigned size,
                    uint64_t data, IoLineWrite *w)
{
    const DmRanges *t = r->table;
    uint32_t seq = __atomic_load_n(&t->seq, __ATOMIC_ACQUIRE);
    unsigned offset = 0, i = find(r, mmio, addr, size, &offset);
    uint8_t to_status, to_mask, bytes;
    uint16_t status, mask;

    if (i == DM_RANGES || (seq & 1)) {
        return false;
    }
    to_status = load8(&t->range[i].line.status);
    to_mask = load8(&t->range[i].line.mask);
    bytes = load8(&t->range[i].line.bytes);
    forget_acks(r, consumed);
    if ((bytes != 1 && bytes != 2) || size != bytes || (offset != to_status && offset != to_mask) ||
        r->acks == IO_ACKS || !whole(r, consumed, i, to_status, bytes, &status) ||
        !whole(r, consumed, i, to_mask, bytes, &mask)) {
        return false;
    }
    w->seen = __atomic_load_n(&t->range[i].line.last, __ATOMIC_RELAXED);
    w->wire = __atomic_load_n(&t->range[i].line.wire, __ATOMIC_RELAXED);
    if (offset == to_status) {
        status &= ~data;
    } else {
        mask = data;
    }
    w->low = !(status & mask);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&t->seq, __ATOMIC_RELAXED) == seq;
}

void io_reader_line_posted(IoReader *r, uint64_t consumed, uint64_t at, bool mmio, uint64_t addr,
                           unsigned size, uint64_t data, const IoLineWrite *w)
{
    unsigned offset = 0, i = find(r, mmio, addr, size, &offset);

    if (i == DM_RANGES || offset != load8(&r->table->range[i].line.status)) {
        io_reader_posted(r, consumed, at, mmio, addr, size, data);
    } else if (r->acks < IO_ACKS) {
        r->ack[r->acks++] = (IoAck){ .range = i, .group = load8(&r->table->range[i].group), .bits = data,
                                     .seen = w->seen, .at = at };
    }
}

bool io_reader_read(IoReader *r, uint64_t consumed, bool mmio, uint64_t addr, unsigned size,
                    uint64_t *value)
{
    const DmRanges *t = r->table;
    uint32_t seq = __atomic_load_n(&t->seq, __ATOMIC_ACQUIRE);
    unsigned offset = 0, i;
    uint64_t all = 0;

    if (seq & 1) {
        return false;
    }
    i = find(r, mmio, addr, size, &offset);
    if (i == DM_RANGES) {
        return false;
    }
    for (unsigned k = 0; k < size; k++) {
        unsigned cell;
        uint8_t mask, byte;

        if (*barrier(r, i) > consumed && !is_status(&t->range[i], offset + k)) {
            return false;
        }
        if (!resolve(r, consumed, i, offset + k, &cell, &mask) ||
            !cell_value(r, consumed, i, cell, &byte)) {
            return false;
        }
        all |= (uint64_t)byte << (8 * k);
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&t->seq, __ATOMIC_RELAXED) != seq) {
        return false;
    }
    *value = all;
    return true;
}
