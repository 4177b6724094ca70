/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sxp.c - S-expressions as xend reads and writes them: atoms, quoted strings, # comments, one
 * nested list a line, indented.
 */
#include "tools/common/sxp.h"

#include <string.h>

#define MAX_DEPTH 100

typedef struct Reader {
    const char *text, *p;
    char *error;
    const char *file;           /* interned; NULL: values need no place */
    const char *counted;        /* up to here line and col are known */
    int line, col;
} Reader;

/* Where p is; only ever forwards. */
static SourcePos place(Reader *r, const char *p)
{
    for (; r->counted < p; r->counted++) {
        r->col = *r->counted == '\n' ? 1 : r->col + 1;
        r->line += *r->counted == '\n';
    }
    return (SourcePos){ r->file, r->line, r->col };
}

static void fail(Reader *r, const char *what)
{
    int line = 1, col = 1;

    for (const char *q = r->text; q < r->p; q++) {
        line += *q == '\n';
        col = *q == '\n' ? 1 : col + 1;
    }
    if (!r->error) {
        r->error = g_strdup_printf("%d:%d: %s", line, col, what);
    }
}

static void skip(Reader *r)
{
    for (;;) {
        if (*r->p && strchr(" \t\r\n", *r->p)) {
            r->p++;
        } else if (*r->p == '#') {
            while (*r->p && *r->p != '\n') {
                r->p++;
            }
        } else {
            return;
        }
    }
}

static Value *read_quoted(Reader *r)
{
    char quote = *r->p++;
    GString *s = g_string_new(NULL);

    while (*r->p && *r->p != quote) {
        if (*r->p == '\\' && r->p[1]) {
            r->p++;
            g_string_append_c(s, *r->p == 'n' ? '\n' : *r->p == 't' ? '\t' : *r->p);
        } else {
            g_string_append_c(s, *r->p);
        }
        r->p++;
    }
    if (!*r->p) {
        fail(r, "a string does not end");
    } else {
        r->p++;
    }
    return value_take_str(g_string_free(s, FALSE));
}

static Value *read_one(Reader *r, int depth)
{
    const char *start;
    SourcePos pos = { 0 };
    Value *list;

    skip(r);
    if (r->file) {
        pos = place(r, r->p);
    }
    if (*r->p == '\'' || *r->p == '"') {
        return value_at(read_quoted(r), pos);
    }
    if (*r->p != '(') {
        start = r->p;
        while (*r->p && !strchr(" \t\r\n()", *r->p)) {
            r->p++;
        }
        if (r->p == start) {
            fail(r, *r->p ? "')' without '('" : "the text ends inside a list");
            return NULL;
        }
        return value_at(value_take_str(g_strndup(start, r->p - start)), pos);
    }
    if (depth == MAX_DEPTH) {
        fail(r, "lists are nested too deep");
        return NULL;
    }
    list = value_at(value_list(), pos);
    r->p++;
    for (skip(r); *r->p != ')'; skip(r)) {
        Value *v = read_one(r, depth + 1);

        if (!v || r->error) {
            value_unref(v);
            value_unref(list);
            return NULL;
        }
        value_append(list, v);
    }
    r->p++;
    return list;
}

Value *sxp_parse(const char *text, char **error)
{
    return sxp_parse_file(text, NULL, error);
}

Value *sxp_parse_file(const char *text, const char *file, char **error)
{
    Reader r = { text, text, NULL, g_intern_string(file), text, 1, 1 };
    Value *all = value_list();

    for (skip(&r); *r.p; skip(&r)) {
        Value *v = read_one(&r, 0);

        if (v) {
            value_append(all, v);
        }
        if (r.error) {
            value_unref(all);
            *error = r.error;
            return NULL;
        }
    }
    return all;
}

static void print_atom(GString *out, const Value *v)
{
    g_autofree char *text = v->kind == VALUE_NONE ? g_strdup("") : v->kind == VALUE_BOOL
                            ? g_strdup(v->i ? "1" : "0") : value_text(v);

    if (*text && !strpbrk(text, " \t\r\n()'\"\\#")) {
        g_string_append(out, text);
        return;
    }
    g_string_append_c(out, '\'');
    for (const char *p = text; *p; p++) {
        if (*p == '\'' || *p == '\\') {
            g_string_append_c(out, '\\');
        }
        if (*p == '\n') {
            g_string_append(out, "\\n");
        } else {
            g_string_append_c(out, *p);
        }
    }
    g_string_append_c(out, '\'');
}

static bool is_list(const Value *v)
{
    return v->kind == VALUE_LIST || v->kind == VALUE_TUPLE;
}

static void print(GString *out, const Value *v, int depth)
{
    bool nested = false;

    if (!is_list(v)) {
        print_atom(out, v);
        return;
    }
    g_string_append_c(out, '(');
    for (unsigned i = 0; i < value_len(v); i++) {
        Value *item = value_item(v, i);

        if (is_list(item)) {
            nested = true;
            g_string_append_printf(out, "\n%*s", (depth + 1) * 4, "");
        } else if (i) {
            g_string_append_c(out, ' ');
        }
        print(out, item, depth + 1);
    }
    if (nested) {
        g_string_append_printf(out, "\n%*s", depth * 4, "");
    }
    g_string_append_c(out, ')');
}

char *sxp_print(const Value *v)
{
    GString *out = g_string_new(NULL);

    print(out, v, 0);
    return g_string_free(out, FALSE);
}

Value *sxp_pair(const char *key, const char *atom)
{
    Value *v = value_list();

    value_append(v, value_str(key));
    value_append(v, value_str(atom));
    return v;
}

Value *sxp_pair_int(const char *key, int64_t n)
{
    Value *v = value_list();

    value_append(v, value_str(key));
    value_append(v, value_int(n));
    return v;
}

Value *sxp_child(const Value *list, const char *key)
{
    for (unsigned i = 0; list && is_list(list) && i < value_len(list); i++) {
        Value *v = value_item(list, i);

        if (is_list(v) && value_len(v) && value_item(v, 0)->kind == VALUE_STR &&
            !strcmp(value_item(v, 0)->s, key)) {
            return v;
        }
    }
    return NULL;
}

const char *sxp_atom(const Value *list, const char *key, const char *missing)
{
    Value *v = sxp_child(list, key);

    return v && value_len(v) > 1 && value_item(v, 1)->kind == VALUE_STR ? value_item(v, 1)->s
           : missing;
}
