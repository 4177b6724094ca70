/* SPDX-License-Identifier: GPL-2.0-or-later */
/* value.c - dynamically typed values; see value.h. */
#include "tools/common/value.h"

#include <string.h>

Value *value_new(ValueKind kind)
{
    Value *v = g_new0(Value, 1);

    v->ref = 1;
    v->kind = kind;
    if (kind >= VALUE_LIST) {
        v->items = g_ptr_array_new_with_free_func((GDestroyNotify)value_unref);
    }
    return v;
}

Value *value_none(void)
{
    return value_new(VALUE_NONE);
}

Value *value_bool(bool b)
{
    Value *v = value_new(VALUE_BOOL);

    v->i = b;
    return v;
}

Value *value_int(int64_t i)
{
    Value *v = value_new(VALUE_INT);

    v->i = i;
    return v;
}

Value *value_float(double d)
{
    Value *v = value_new(VALUE_FLOAT);

    v->d = d;
    return v;
}

Value *value_take_str(char *s)
{
    Value *v = value_new(VALUE_STR);

    v->s = s;
    return v;
}

Value *value_str(const char *s)
{
    return value_take_str(g_strdup(s ? s : ""));
}

Value *value_list(void)
{
    return value_new(VALUE_LIST);
}

Value *value_ref(Value *v)
{
    v->ref++;
    return v;
}

void value_unref(Value *v)
{
    if (v && --v->ref == 0) {
        g_free(v->s);
        if (v->items) {
            g_ptr_array_free(v->items, TRUE);
        }
        g_free(v);
    }
}

Value *value_at(Value *v, SourcePos pos)
{
    v->pos = pos;
    return v;
}

void value_append(Value *list, Value *item)
{
    g_ptr_array_add(list->items, item);
}

void value_set(Value *dict, const char *key, Value *item)
{
    for (unsigned i = 0; i + 1 < dict->items->len; i += 2) {
        Value *k = g_ptr_array_index(dict->items, i);

        if (k->kind == VALUE_STR && !strcmp(k->s, key)) {
            value_unref(g_ptr_array_index(dict->items, i + 1));
            g_ptr_array_index(dict->items, i + 1) = item;
            return;
        }
    }
    g_ptr_array_add(dict->items, value_str(key));
    g_ptr_array_add(dict->items, item);
}

void value_set_str(Value *dict, const char *key, const char *s)
{
    value_set(dict, key, value_str(s));
}

void value_set_int(Value *dict, const char *key, int64_t i)
{
    value_set(dict, key, value_int(i));
}

Value *value_get(const Value *dict, const char *key)
{
    if (!dict || dict->kind != VALUE_DICT) {
        return NULL;
    }
    for (unsigned i = 0; i + 1 < dict->items->len; i += 2) {
        Value *k = g_ptr_array_index(dict->items, i);

        if (k->kind == VALUE_STR && !strcmp(k->s, key)) {
            return g_ptr_array_index(dict->items, i + 1);
        }
    }
    return NULL;
}

const char *value_get_str(const Value *dict, const char *key, const char *missing)
{
    const Value *v = value_get(dict, key);

    return v && v->kind == VALUE_STR ? v->s : missing;
}

int64_t value_get_int(const Value *dict, const char *key, int64_t missing)
{
    const Value *v = value_get(dict, key);

    return v && (v->kind == VALUE_INT || v->kind == VALUE_BOOL) ? v->i : missing;
}

unsigned value_len(const Value *v)
{
    if (!v || v->kind < VALUE_LIST) {
        return 0;
    }
    return v->kind == VALUE_DICT ? v->items->len / 2 : v->items->len;
}

Value *value_item(const Value *list, unsigned i)
{
    return g_ptr_array_index(list->items, i);
}

bool value_true(const Value *v)
{
    switch (v->kind) {
    case VALUE_NONE: return false;
    case VALUE_BOOL:
    case VALUE_INT: return v->i != 0;
    case VALUE_FLOAT: return v->d != 0;
    case VALUE_STR: return *v->s != 0;
    default: return v->items->len != 0;
    }
}

const char *value_kind_name(const Value *v)
{
    static const char *const names[] = { "None", "a truth value", "a number", "a fraction",
                                         "a string", "a list", "a tuple", "a dictionary" };
    return names[v->kind];
}

static void repr_string(GString *out, const char *s)
{
    char quote = strchr(s, '\'') && !strchr(s, '"') ? '"' : '\'';

    g_string_append_c(out, quote);
    for (; *s; s++) {
        unsigned char c = *s;

        if (c == quote || c == '\\') {
            g_string_append_printf(out, "\\%c", c);
        } else if (c == '\n') {
            g_string_append(out, "\\n");
        } else if (c < 32 || c == 127) {
            g_string_append_printf(out, "\\x%02x", c);
        } else {
            g_string_append_c(out, c);
        }
    }
    g_string_append_c(out, quote);
}

static void repr_float(GString *out, double d)
{
    char buf[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(buf, sizeof buf, "%.12g", d);
    g_string_append(out, buf);
    if (!strpbrk(buf, ".einf")) {
        g_string_append(out, ".0");
    }
}

static void repr(GString *out, const Value *v)
{
    static const char brackets[] = "[](){}";
    const char *b;

    switch (v->kind) {
    case VALUE_NONE: g_string_append(out, "None"); return;
    case VALUE_BOOL: g_string_append(out, v->i ? "True" : "False"); return;
    case VALUE_INT: g_string_append_printf(out, "%" G_GINT64_FORMAT, v->i); return;
    case VALUE_FLOAT: repr_float(out, v->d); return;
    case VALUE_STR: repr_string(out, v->s); return;
    default: break;
    }
    b = brackets + 2 * (v->kind - VALUE_LIST);
    g_string_append_c(out, b[0]);
    for (unsigned i = 0; i < v->items->len; i++) {
        if (i) {
            g_string_append(out, v->kind == VALUE_DICT && i % 2 ? ": " : ", ");
        }
        repr(out, g_ptr_array_index(v->items, i));
    }
    if (v->kind == VALUE_TUPLE && v->items->len == 1) {
        g_string_append_c(out, ',');
    }
    g_string_append_c(out, b[1]);
}

char *value_repr(const Value *v)
{
    GString *out = g_string_new(NULL);

    repr(out, v);
    return g_string_free(out, FALSE);
}

char *value_text(const Value *v)
{
    return v->kind == VALUE_STR ? g_strdup(v->s) : value_repr(v);
}
