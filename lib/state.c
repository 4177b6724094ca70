/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c - walks state tables: save, check, load, dump.  The three readers and the writer share
 * the table's order and the element sizes here, so they can't disagree.
 */
#include "lib/state.h"

#include <string.h>
#include "lib/machine.h"

#define RAM_PAGE 4096u

static unsigned scalar_size(StateKind kind)
{
    switch (kind) {
    case STATE_KIND_BOOL:
    case STATE_KIND_U8: return 1;
    case STATE_KIND_U16: return 2;
    case STATE_KIND_U32: return 4;
    case STATE_KIND_U64:
    case STATE_KIND_I64:
    case STATE_KIND_TIMER: return 8;
    default: return 0;
    }
}

static uint64_t scalar_get(const StateField *f, const void *p)
{
    switch (f->kind) {
    case STATE_KIND_BOOL: return *(const bool *)p;
    case STATE_KIND_U8: return *(const uint8_t *)p;
    case STATE_KIND_U16: return *(const uint16_t *)p;
    case STATE_KIND_U32: return *(const uint32_t *)p;
    case STATE_KIND_TIMER: return (uint64_t)((const Timer *)p)->when;
    default: return *(const uint64_t *)p;
    }
}

static void scalar_set(const StateField *f, void *p, uint64_t v)
{
    switch (f->kind) {
    case STATE_KIND_BOOL: *(bool *)p = v != 0; break;
    case STATE_KIND_U8: *(uint8_t *)p = v; break;
    case STATE_KIND_U16: *(uint16_t *)p = v; break;
    case STATE_KIND_U32: *(uint32_t *)p = v; break;
    case STATE_KIND_TIMER:
        if ((int64_t)v == TIMER_IDLE) {
            timer_cancel(p);
        } else {
            timer_at(p, (int64_t)v);
        }
        break;
    default: *(uint64_t *)p = v; break;
    }
}

static void put_le(GByteArray *out, uint64_t v, unsigned size)
{
    uint8_t b[8];

    for (unsigned i = 0; i < size; i++) {
        b[i] = v >> (8 * i);
    }
    g_byte_array_append(out, b, size);
}

static uint64_t get_le(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < size; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static void *heap_or_self(const StateField *f, void *p)
{
    return f->count == 0 ? *(void **)p : p;     /* STATE_HEAP_BYTES */
}

/* --- RAM: u64 size, u32 pages, and for each page that is not zero u32 number and its bytes -------- */

static bool page_is_zero(const uint8_t *p)
{
    return p[0] == 0 && !memcmp(p, p + 1, RAM_PAGE - 1);
}

static void ram_save(GByteArray *out, const RamBlock *b)
{
    guint at = out->len + 8;
    uint32_t pages = 0;

    put_le(out, b->size, 8);
    put_le(out, 0, 4);
    for (uint64_t i = 0; i < b->size / RAM_PAGE; i++) {
        if (!page_is_zero(b->host + i * RAM_PAGE)) {
            put_le(out, i, 4);
            g_byte_array_append(out, b->host + i * RAM_PAGE, RAM_PAGE);
            pages++;
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        out->data[at + i] = pages >> (8 * i);
    }
}

/* The length of a sound image of the block at p, 0 if it is none. */
static size_t ram_check(const RamBlock *b, const uint8_t *p, size_t len)
{
    uint64_t pages, next = 0;

    if (len < 12 || get_le(p, 8) != b->size || (pages = get_le(p + 8, 4)) > b->size / RAM_PAGE ||
        (len - 12) / (RAM_PAGE + 4) < pages) {
        return 0;
    }
    for (uint64_t i = 0; i < pages; i++) {
        uint32_t number = get_le(p + 12 + i * (RAM_PAGE + 4), 4);

        if (number < next || number >= b->size / RAM_PAGE) {
            return 0;
        }
        next = number + 1ull;
    }
    return 12 + pages * (RAM_PAGE + 4);
}

static void ram_load(RamBlock *b, const uint8_t *p)
{
    uint32_t pages = get_le(p + 8, 4);

    memset(b->host, 0, b->size);
    for (uint32_t i = 0; i < pages; i++) {
        const uint8_t *page = p + 12 + i * (size_t)(RAM_PAGE + 4);

        memcpy(b->host + get_le(page, 4) * RAM_PAGE, page + 4, RAM_PAGE);
    }
}

void state_save_fields(GByteArray *out, const void *object, const StateField *fields)
{
    for (const StateField *f = fields; f->kind != STATE_KIND_END; f++) {
        uint8_t *base = (uint8_t *)(uintptr_t)object + f->offset;

        switch (f->kind) {
        case STATE_KIND_UNMIGRATABLE:
            break;
        case STATE_KIND_BYTES:
            g_byte_array_append(out, heap_or_self(f, base), f->size);
            break;
        case STATE_KIND_RAM:
            ram_save(out, *(RamBlock **)base);
            break;
        case STATE_KIND_RING: {
            const Ring *r = (const Ring *)base;

            put_le(out, r->used, 4);
            for (uint32_t i = 0; i < r->used; i++) {
                uint8_t byte = 0;

                ring_peek(r, i, &byte);
                put_le(out, byte, 1);
            }
            break;
        }
        case STATE_KIND_STRUCT:
            for (uint32_t i = 0; i < f->count; i++) {
                state_save_fields(out, base + i * f->size, f->fields);
            }
            break;
        default:
            for (uint32_t i = 0; i < f->count; i++) {
                put_le(out, scalar_get(f, base + i * f->size), scalar_size(f->kind));
            }
        }
    }
}

/* One walker for check (commit == false) and load; *pos moves over the data. */
static gboolean walk(const StateField *fields, const uint8_t *data, size_t len, size_t *pos,
                     uint8_t *object, bool commit, GError **error)
{
    for (const StateField *f = fields; f->kind != STATE_KIND_END; f++) {
        uint8_t *base = object + f->offset;
        unsigned size = scalar_size(f->kind);

        if (f->kind == STATE_KIND_UNMIGRATABLE) {
            continue;
        }
        if (f->kind == STATE_KIND_STRUCT) {
            for (uint32_t i = 0; i < f->count; i++) {
                if (!walk(f->fields, data, len, pos, base + i * f->size, commit, error)) {
                    return FALSE;
                }
            }
            continue;
        }
        if (f->kind == STATE_KIND_RING) {
            Ring *r = (Ring *)base;
            uint32_t used;

            if (len - *pos < 4 || (used = get_le(data + *pos, 4)) > r->capacity ||
                len - *pos - 4 < used) {
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: bad queue length",
                            f->name);
                return FALSE;
            }
            if (commit) {
                ring_clear(r);
                ring_push_all(r, data + *pos + 4, used);
            }
            *pos += 4 + used;
            continue;
        }
        if (f->kind == STATE_KIND_RAM) {
            size_t used = ram_check(*(RamBlock **)base, data + *pos, len - *pos);

            if (!used) {
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: no image of this memory",
                            f->name);
                return FALSE;
            }
            if (commit) {
                ram_load(*(RamBlock **)base, data + *pos);
            }
            *pos += used;
            continue;
        }
        if (f->kind == STATE_KIND_BYTES) {
            if (len - *pos < f->size) {
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: cut short", f->name);
                return FALSE;
            }
            if (commit) {
                memcpy(heap_or_self(f, base), data + *pos, f->size);
            }
            *pos += f->size;
            continue;
        }
        for (uint32_t i = 0; i < f->count; i++) {
            uint64_t v;

            if (len - *pos < size) {
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: cut short", f->name);
                return FALSE;
            }
            v = get_le(data + *pos, size);
            if (f->kind != STATE_KIND_I64 && f->kind != STATE_KIND_TIMER && v > f->max) {
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                            "%s: %" G_GUINT64_FORMAT " is above %" G_GUINT64_FORMAT, f->name, v,
                            f->max);
                return FALSE;
            }
            if (commit) {
                scalar_set(f, base + i * f->size, v);
            }
            *pos += size;
        }
    }
    return TRUE;
}

gboolean state_check_fields(const StateField *fields, const uint8_t *data, size_t len,
                            const void *object, GError **error)
{
    size_t pos = 0;

    if (!walk(fields, data, len, &pos, (uint8_t *)(uintptr_t)object, false, error)) {
        return FALSE;
    }
    if (pos != len) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%zu bytes too many", len - pos);
        return FALSE;
    }
    return TRUE;
}

void state_load_fields(void *object, const StateField *fields, const uint8_t *data, size_t len)
{
    size_t pos = 0;

    walk(fields, data, len, &pos, object, true, NULL);
}

static void dump_bytes(GString *out, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < MIN(len, 32); i++) {
        g_string_append_printf(out, " %02x", p[i]);
    }
    if (len > 32) {
        g_string_append_printf(out, " ... (%zu bytes)", len);
    }
}

void state_dump_fields(GString *out, const void *object, const StateField *fields,
                       const char *indent)
{
    for (const StateField *f = fields; f->kind != STATE_KIND_END; f++) {
        uint8_t *base = (uint8_t *)(uintptr_t)object + f->offset;

        if (f->kind == STATE_KIND_STRUCT) {
            g_autofree char *deeper = g_strconcat(indent, "  ", NULL);

            for (uint32_t i = 0; i < f->count; i++) {
                g_string_append_printf(out, "%s%s[%u]\n", indent, f->name, i);
                state_dump_fields(out, base + i * f->size, f->fields, deeper);
            }
            continue;
        }
        g_string_append_printf(out, "%s%s =", indent, f->name);
        if (f->kind == STATE_KIND_BYTES) {
            dump_bytes(out, heap_or_self(f, base), f->size);
        } else if (f->kind == STATE_KIND_RING) {
            g_string_append_printf(out, " %u queued", ring_used((const Ring *)base));
        } else if (f->kind == STATE_KIND_RAM) {
            g_string_append_printf(out, " %" G_GUINT64_FORMAT " bytes", (*(RamBlock **)base)->size);
        } else if (f->kind != STATE_KIND_UNMIGRATABLE) {
            for (uint32_t i = 0; i < f->count; i++) {
                g_string_append_printf(out, " 0x%" G_GINT64_MODIFIER "x",
                                       scalar_get(f, base + i * f->size));
            }
        }
        g_string_append_c(out, '\n');
    }
}

const char *state_table_fault(const StateField *fields)
{
    if (!fields) {
        return "no table";
    }
    for (const StateField *f = fields; f->kind != STATE_KIND_END; f++) {
        unsigned size = scalar_size(f->kind);

        if (!f->name) {
            return "field without a name";
        }
        if (f->kind > STATE_KIND_UNMIGRATABLE) {
            return "unknown kind";
        }
        if (size && f->kind != STATE_KIND_TIMER && f->size != size) {
            return "element size does not fit the kind";
        }
        if (f->kind == STATE_KIND_STRUCT && state_table_fault(f->fields)) {
            return state_table_fault(f->fields);
        }
    }
    return NULL;
}
