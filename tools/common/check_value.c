/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check_value.c - the value of one key: its type, its range, what it is when it is not there. */
#include "tools/common/check.h"

#include <string.h>

static const char *const action_names[] = { "destroy", "restart", "preserve", "rename-restart",
                                            "coredump-destroy", "coredump-restart" };

const char *action_name(Action action)
{
    return action_names[action];
}

Value *check_value(const Check *c, const char *key)
{
    ConfigVar *v = config_find(c->config, key);

    return v && v->value && v->value->kind != VALUE_NONE ? v->value : NULL;
}

SourcePos check_position(const Check *c, const char *key)
{
    Value *v = check_value(c, key);

    return v ? v->pos : (SourcePos){ 0 };
}

static bool to_integer(const Value *v, int64_t *n)
{
    char *end;

    if (v->kind == VALUE_INT || v->kind == VALUE_BOOL) {
        *n = v->i;
        return true;
    }
    if (v->kind == VALUE_FLOAT && v->d > -0x1p62 && v->d < 0x1p62 &&
        v->d == (double)(int64_t)v->d) {
        *n = (int64_t)v->d;
        return true;
    }
    if (v->kind == VALUE_STR && *v->s) {
        *n = g_ascii_strtoll(v->s, &end, 0);
        return !*end;
    }
    return false;
}

int64_t check_integer(Check *c, const char *key, int64_t missing, int64_t min, int64_t max,
                       const char *unit)
{
    Value *v = check_value(c, key);
    g_autofree char *text = NULL;
    int64_t n;

    if (!v || (v->kind == VALUE_STR && !*v->s)) {
        return missing;
    }
    text = value_repr(v);
    if (!to_integer(v, &n)) {
        ERROR(c, v->pos, "%s=%s is not a whole number; write %s=%" G_GINT64_FORMAT, key, text, key,
              missing < min ? min : missing);
        return missing;
    }
    if (n < min || n > max) {
        ERROR(c, v->pos, "%s=%s is out of range; use %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
              "%s%s", key, text, min, max, *unit ? " " : "", unit);
        return missing;
    }
    return n;
}

bool check_truth(Check *c, const char *key, bool missing)
{
    Value *v = check_value(c, key);
    int64_t n;

    if (!v || (v->kind == VALUE_STR && !*v->s)) {
        return missing;
    }
    if (v->kind == VALUE_STR && (!strcmp(v->s, "yes") || !strcmp(v->s, "no"))) {
        return *v->s == 'y';
    }
    if (!to_integer(v, &n) || n < 0 || n > 1) {
        g_autofree char *text = value_repr(v);

        ERROR(c, v->pos, "%s=%s is neither 0 nor 1; write %s=1 or %s=0", key, text, key, key);
        return missing;
    }
    return n;
}

const char *check_string(Check *c, const char *key, const char *missing)
{
    Value *v = check_value(c, key);

    if (!v) {
        return missing;
    }
    if (v->kind != VALUE_STR) {
        g_autofree char *text = value_repr(v);

        ERROR(c, v->pos, "%s=%s is %s; write a string: %s='...'", key, text, value_kind_name(v),
              key);
        return missing;
    }
    return v->s;
}

Action check_action(Check *c, const char *key, Action missing, unsigned count)
{
    const char *s = check_string(c, key, NULL);
    g_autofree char *all = NULL;

    if (!s || !*s) {
        return missing;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!strcmp(action_names[i], s)) {
            return i;
        }
    }
    all = g_strjoin(", ", action_names[0], action_names[1], action_names[2], action_names[3],
                    count > 4 ? action_names[4] : NULL, action_names[5], NULL);
    ERROR(c, check_position(c, key), "%s='%s' is not an action; use %s", key, s, all);
    return missing;
}
