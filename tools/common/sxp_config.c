/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sxp_config.c - one expression, (vm ...) or (domain ...), whose parts are variables, (image (hvm ...)) with more
 * of them, and devices: (device (vbd ...)), (device (vif ...)), (device (vfb ...)).  What tells of a running domain
 * but is no part of its config is passed over.  Left out: devices of paravirtual guests.
 */
#include "tools/common/sxp_config.h"

#include <string.h>
#include "tools/common/domain_config.h"
#include "tools/common/sxp.h"

enum { MAX_BYTES = 1 << 20 };

/* Of running domains, and how xend reaches devices. */
static const char *const passed_over[] = {
    "domid", "shadow_memory", "start_time", "cpu_time", "online_vcpus", "up_time", "status", "state", "location",
    "store_mfn", "console_mfn", "security", "features", "bootloader", "bootloader_args", "notes", "on_xend_start",
    "on_xend_stop", "cpu_cap", "cpu_weight", "cpu_config", "memory_dynamic_min", "memory_dynamic_max" };

typedef struct Reader {
    Config *c;
    Messages *messages;
    Value *disks, *cards;       /* what devices say, NULL: none; disk and vif in the end */
} Reader;

static const char *head(const Value *v)
{
    const Value *first = v->kind == VALUE_LIST && value_len(v) ? value_item(v, 0) : NULL;

    return first && first->kind == VALUE_STR ? first->s : NULL;
}

static Value *as_number(const SchemaKey *key, Value *v)
{
    gint64 n;

    if (v->kind == VALUE_STR && (key->types & (SCHEMA_INT | SCHEMA_BOOL)) &&
        g_ascii_string_to_signed(v->s, 10, INT64_MIN, INT64_MAX, &n, NULL)) {
        return value_at(value_int(n), v->pos);
    }
    return value_ref(v);
}

/* (name value...) */
static void take_variable(Reader *r, const Value *pair)
{
    const char *name = head(pair);
    const SchemaKey *key = name ? schema_find(name) : NULL;
    Value *v;

    if (!name) {
        message_add(r->messages, MESSAGE_ERROR, pair->pos, "a part of a config is (name value)");
    } else if (!key) {
        for (unsigned i = 0; i < G_N_ELEMENTS(passed_over); i++) {
            if (!strcmp(name, passed_over[i])) {
                return;
            }
        }
        message_add(r->messages, MESSAGE_WARNING, pair->pos, "%s is no variable of a config", name);
    } else if (value_len(pair) == 2 && key->types != SCHEMA_LIST) {
        config_set(r->c, name, as_number(key, value_item(pair, 1)), pair->pos);
    } else {
        v = value_at(value_list(), pair->pos);
        for (unsigned i = 1; i < value_len(pair); i++) {
            value_append(v, value_ref(value_item(pair, i)));
        }
        config_set(r->c, name, v, pair->pos);
    }
}

static void add_to_list(Value **list, char *text, SourcePos pos)
{
    if (!*list) {
        *list = value_at(value_list(), pos);
    }
    value_append(*list, value_at(value_take_str(text), pos));
}

static void take_disk(Reader *r, const Value *vbd)
{
    const char *dev = sxp_atom(vbd, "dev", ""), *type = sxp_atom(vbd, "devtype", "disk");
    /* xend's own form has the kind in dev. */
    const char *kind = !strchr(dev, ':') && !strcmp(type, "cdrom") ? ":cdrom" : "";

    add_to_list(&r->disks, g_strdup_printf("%s,%s%s,%s", sxp_atom(vbd, "uname", ""), dev, kind,
                                           sxp_atom(vbd, "mode", "r")), vbd->pos);
}

static void take_card(Reader *r, const Value *vif)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 1; i < value_len(vif); i++) {
        const Value *pair = value_item(vif, i), *v = head(pair) && value_len(pair) == 2 ? value_item(pair, 1) : NULL;

        if (v && v->kind == VALUE_STR && *v->s && strcmp(head(pair), "uuid") && strcmp(head(pair), "backend")) {
            g_string_append_printf(text, "%s%s=%s", text->len ? "," : "", head(pair), v->s);
        }
    }
    add_to_list(&r->cards, g_string_free(text, FALSE), vif->pos);
}

static void take_parts(Reader *r, const Value *list)
{
    for (unsigned i = 1; i < value_len(list); i++) {
        const Value *part = value_item(list, i), *inner = value_len(part) == 2 ? value_item(part, 1) : NULL;
        const char *name = head(part), *kind = inner ? head(inner) : NULL;

        if (name && !strcmp(name, "image") && kind) {
            config_set(r->c, "builder", value_at(value_str(kind), inner->pos), part->pos);
            take_parts(r, inner);
        } else if (name && !strcmp(name, "device") && kind) {
            if (!strcmp(kind, "vbd") || !strcmp(kind, "tap") || !strcmp(kind, "tap2")) {
                take_disk(r, inner);
            } else if (!strcmp(kind, "vif")) {
                take_card(r, inner);
            } else if (!strcmp(kind, "vfb")) {
                take_parts(r, inner);
            } else if (strcmp(kind, "vkbd") && strcmp(kind, "console")) {
                message_add(r->messages, MESSAGE_ERROR, inner->pos, "there is no device of the kind %s", kind);
            }
        } else {
            take_variable(r, part);
        }
    }
}

void sxp_config_parse(Config *c, const char *file, const char *text, Messages *messages)
{
    Reader r = { .c = c, .messages = messages };
    SourcePos pos = { g_intern_string(file), 0, 0 };
    g_autofree char *error = NULL;
    g_autoptr(Value) all = sxp_parse_file(text, file, &error);
    const char *name = all && value_len(all) == 1 ? head(value_item(all, 0)) : NULL;

    if (!all) {
        message_add(messages, MESSAGE_ERROR, pos, "%s", error);
    } else if (!name || (strcmp(name, "vm") && strcmp(name, "domain"))) {
        message_add(messages, MESSAGE_ERROR, pos, "is no config in SXP: that is one (vm ...) or (domain ...)");
    } else {
        take_parts(&r, value_item(all, 0));
        if (r.disks) {
            config_set(c, "disk", r.disks, r.disks->pos);
        }
        if (r.cards) {
            config_set(c, "vif", r.cards, r.cards->pos);
        }
    }
}

bool sxp_config_parse_file(Config *c, const char *path, Messages *messages)
{
    SourcePos pos = { g_intern_string(path), 0, 0 };
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize len;

    if (!g_file_get_contents(path, &text, &len, &error)) {
        message_add(messages, MESSAGE_ERROR, pos, "can't be read (%s)", error->message);
        return false;
    }
    if (len > MAX_BYTES || strlen(text) != len) {
        message_add(messages, MESSAGE_ERROR, pos, "is not a config in SXP");
        return false;
    }
    sxp_config_parse(c, path, text, messages);
    return true;
}
