/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check_keys.c - keys that are unknown, of the wrong kind, or of no use here. */
#include "tools/common/check.h"

#include <string.h>

static unsigned distance(const char *a, const char *b)
{
    unsigned row[40], la = strlen(a), lb = strlen(b);

    if (la >= G_N_ELEMENTS(row) || lb >= G_N_ELEMENTS(row)) {
        return 99;
    }
    for (unsigned j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= la; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= lb; j++) {
            unsigned up = row[j], cost = diagonal + (a[i - 1] != b[j - 1]);

            row[j] = MIN(MIN(up, row[j - 1]) + 1, cost);
            diagonal = up;
        }
    }
    return row[lb];
}

static const char *nearest_key(const char *name)
{
    unsigned count, best = 3;
    const SchemaKey *keys = schema_keys(&count);
    const char *found = NULL;

    for (unsigned i = 0; i < count; i++) {
        unsigned n = distance(name, keys[i].name);

        if (n < best && n < strlen(name)) {
            best = n;
            found = keys[i].name;
        }
    }
    return found;
}

/* Asks for something: neither off in any way nor what is so anyhow. */
static bool switched_on(const Value *v, const SchemaKey *key)
{
    static const char *const off[] = { "0", "none", "null", NULL };
    g_autofree char *number = v->kind <= VALUE_INT ? g_strdup_printf("%" G_GINT64_FORMAT, v->i) : NULL;
    const char *text = v->kind == VALUE_STR ? v->s : number;

    return value_true(v) && !(v->kind == VALUE_STR && g_strv_contains(off, v->s)) &&
           g_strcmp0(text, key->fallback) != 0;
}

static void check_kind(Check *c, const ConfigVar *var, const SchemaKey *key)
{
    const Value *v = var->value;
    bool ok = v->kind == VALUE_NONE || v->kind <= VALUE_STR ||
              ((v->kind == VALUE_LIST || v->kind == VALUE_TUPLE) && (key->types & SCHEMA_LIST));

    if (key->types == SCHEMA_LIST && (v->kind == VALUE_STR || v->kind == VALUE_INT) &&
        value_true(v)) {
        ERROR(c, v->pos, "%s is %s; write a list: %s = [ '...' ]", var->name, value_kind_name(v),
              var->name);
    } else if (!ok) {
        ERROR(c, v->pos, "%s is %s; write %s", var->name, value_kind_name(v),
              key->types & SCHEMA_STR ? "a string" : "a number");
    }
}

void check_keys(Check *c)
{
    for (unsigned i = 0; i < c->config->vars->len; i++) {
        ConfigVar *var = g_ptr_array_index(c->config->vars, i);
        const SchemaKey *key = schema_find(var->name);

        if (!var->value) {
            continue;
        }
        if (key) {
            check_kind(c, var, key);
            if (key->status == KEY_LATER && switched_on(var->value, key)) {
                WARN(c, var->pos, "%s is ignored: %s not available yet", key->name, key->help);
            }
        } else if (*var->name != '_' && !var->used) {
            const char *near = nearest_key(var->name);

            WARN(c, var->pos, "%s is not a known key and is ignored%s%s%s", var->name,
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        }
    }
}
