/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * value.h - dynamically typed values: what a domain's config evaluates to, what XML-RPC carries.
 * Counted references; a value is immutable once it is shared.  Every value knows where in its
 * source it stands (line 0: nowhere).
 */
#ifndef GH_TOOLS_VALUE_H
#define GH_TOOLS_VALUE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum ValueKind {
    VALUE_NONE, VALUE_BOOL, VALUE_INT, VALUE_FLOAT, VALUE_STR, VALUE_LIST, VALUE_TUPLE, VALUE_DICT
} ValueKind;

typedef struct SourcePos {
    const char *file;           /* interned (g_intern_string), or NULL */
    int line, col;              /* from 1 */
} SourcePos;

typedef struct Value Value;
struct Value {
    int ref;
    ValueKind kind;
    SourcePos pos;
    int64_t i;                  /* VALUE_INT, VALUE_BOOL */
    double d;                   /* VALUE_FLOAT */
    char *s;                    /* VALUE_STR */
    GPtrArray *items;           /* LIST, TUPLE: Value*; DICT: key, value, key, value... */
};

Value *value_none(void);
Value *value_bool(bool b);
Value *value_int(int64_t i);
Value *value_float(double d);
Value *value_str(const char *s);
Value *value_take_str(char *s);             /* takes s */
Value *value_list(void);
Value *value_new(ValueKind kind);
Value *value_ref(Value *v);
void value_unref(Value *v);
Value *value_at(Value *v, SourcePos pos);   /* sets the position; returns v */

void value_append(Value *list, Value *item);                    /* takes item */
void value_set(Value *dict, const char *key, Value *item);      /* takes item; keeps order */
void value_set_str(Value *dict, const char *key, const char *s);
void value_set_int(Value *dict, const char *key, int64_t i);
Value *value_get(const Value *dict, const char *key);           /* borrowed, NULL: absent */
const char *value_get_str(const Value *dict, const char *key, const char *missing);
int64_t value_get_int(const Value *dict, const char *key, int64_t missing);
unsigned value_len(const Value *v);         /* items of a list or tuple, pairs of a dict */
Value *value_item(const Value *list, unsigned i);               /* borrowed */
bool value_true(const Value *v);            /* Python's truth */
const char *value_kind_name(const Value *v);    /* "a string", "a number" ... */
char *value_repr(const Value *v);           /* as Python would write it */
char *value_text(const Value *v);           /* as Python's str() */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Value, value_unref)

#endif
