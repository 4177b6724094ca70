/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h - what of a struct the guest can observe, as a table.  One table serves save, load,
 * dump and the conformance tests.  Wire format (little endian): each record is
 *   u16 name length, name, u32 instance, u32 version, u32 body length, body
 * with the fields in table order.  Loading has two passes over all records (parse and check, then
 * commit), so a bad stream changes nothing.  Host-side things (descriptors, pointers) are never
 * state.
 */
#ifndef GH_STATE_H
#define GH_STATE_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/ring.h"
#include "lib/timer.h"

typedef enum StateKind {
    STATE_KIND_END, STATE_KIND_BOOL, STATE_KIND_U8, STATE_KIND_U16, STATE_KIND_U32, STATE_KIND_U64,
    STATE_KIND_I64, STATE_KIND_BYTES, STATE_KIND_STRUCT, STATE_KIND_RING, STATE_KIND_TIMER,
    STATE_KIND_RAM, STATE_KIND_UNMIGRATABLE,
} StateKind;

typedef struct StateField {
    const char *name;
    StateKind kind;
    uint32_t count;             /* elements: 1, or the array's length */
    size_t offset;              /* in the struct */
    size_t size;                /* of one element (BYTES: of all) */
    uint64_t max;               /* largest value accepted on load (unsigned kinds) */
    const struct StateField *fields;    /* STRUCT: the element's table */
} StateField;

#define STATE_FIELD_(type, field, k, n, limit) \
    { #field, k, n, offsetof(type, field), sizeof(((type *)0)->field) / (n), limit, NULL }
#define STATE_LEN_(type, field) (sizeof(((type *)0)->field) / sizeof(((type *)0)->field[0]))
#define STATE_BOOL(type, field) STATE_FIELD_(type, field, STATE_KIND_BOOL, 1, 1)
#define STATE_U8(type, field) STATE_FIELD_(type, field, STATE_KIND_U8, 1, UINT8_MAX)
#define STATE_U16(type, field) STATE_FIELD_(type, field, STATE_KIND_U16, 1, UINT16_MAX)
#define STATE_U32(type, field) STATE_FIELD_(type, field, STATE_KIND_U32, 1, UINT32_MAX)
#define STATE_U64(type, field) STATE_FIELD_(type, field, STATE_KIND_U64, 1, UINT64_MAX)
#define STATE_I64(type, field) STATE_FIELD_(type, field, STATE_KIND_I64, 1, UINT64_MAX)
#define STATE_U8_MAX(type, field, m) STATE_FIELD_(type, field, STATE_KIND_U8, 1, m)
#define STATE_U16_MAX(type, field, m) STATE_FIELD_(type, field, STATE_KIND_U16, 1, m)
#define STATE_U32_MAX(type, field, m) STATE_FIELD_(type, field, STATE_KIND_U32, 1, m)
#define STATE_U64_MAX(type, field, m) STATE_FIELD_(type, field, STATE_KIND_U64, 1, m)
#define STATE_U8_ARRAY(type, field) \
    STATE_FIELD_(type, field, STATE_KIND_U8, STATE_LEN_(type, field), UINT8_MAX)
#define STATE_U16_ARRAY(type, field) \
    STATE_FIELD_(type, field, STATE_KIND_U16, STATE_LEN_(type, field), UINT16_MAX)
#define STATE_U32_ARRAY(type, field) \
    STATE_FIELD_(type, field, STATE_KIND_U32, STATE_LEN_(type, field), UINT32_MAX)
#define STATE_U64_ARRAY(type, field) \
    STATE_FIELD_(type, field, STATE_KIND_U64, STATE_LEN_(type, field), UINT64_MAX)
#define STATE_BYTES(type, field) \
    { #field, STATE_KIND_BYTES, 1, offsetof(type, field), sizeof(((type *)0)->field), 0, NULL }
/* A heap buffer of fixed size: the field is a pointer to len bytes. */
#define STATE_HEAP_BYTES(type, field, len) \
    { #field, STATE_KIND_BYTES, 0, offsetof(type, field), len, 0, NULL }
#define STATE_STRUCT(type, field, table) \
    { #field, STATE_KIND_STRUCT, 1, offsetof(type, field), sizeof(((type *)0)->field), 0, table }
#define STATE_STRUCT_ARRAY(type, field, table) \
    { #field, STATE_KIND_STRUCT, STATE_LEN_(type, field), offsetof(type, field), \
      sizeof(((type *)0)->field[0]), 0, table }
#define STATE_RING(type, field) \
    { #field, STATE_KIND_RING, 1, offsetof(type, field), sizeof(Ring), 0, NULL }
#define STATE_TIMER(type, field) \
    { #field, STATE_KIND_TIMER, 1, offsetof(type, field), sizeof(Timer), 0, NULL }
/* The field is a RamBlock *, made by init; pages of zeros are not stored. */
#define STATE_RAM(type, field) \
    { #field, STATE_KIND_RAM, 1, offsetof(type, field), sizeof(void *), 0, NULL }
#define STATE_UNMIGRATABLE(reason) { reason, STATE_KIND_UNMIGRATABLE, 0, 0, 0, 0, NULL }
#define STATE_END { NULL, STATE_KIND_END, 0, 0, 0, 0, NULL }

/* Appends the fields' bytes. */
void state_save_fields(GByteArray *out, const void *object, const StateField *fields);
/* Checks len bytes against the table: lengths and maxima.  Changes nothing. */
gboolean state_check_fields(const StateField *fields, const uint8_t *data, size_t len,
                            const void *object, GError **error);
/* Only after a successful check of the same bytes. */
void state_load_fields(void *object, const StateField *fields, const uint8_t *data, size_t len);
/* Text, one "name = value" a line, for xm dump-state and test failures. */
void state_dump_fields(GString *out, const void *object, const StateField *fields,
                       const char *indent);
/* NULL, or a static text that says what in the table is wrong (self-check at start). */
const char *state_table_fault(const StateField *fields);

#endif
