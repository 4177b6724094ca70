/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xend_config.c - one table of the keys of Xen 4.1's xend-config.sxp: what they set here, or that they
 * are accepted and have nothing to do (relocation, TCP servers and the like), which one warning says.
 */
#include "tools/common/xend_config.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config.h"
#include "tools/common/sxp.h"

typedef enum KeyKind { KEY_TEXT, KEY_WORD, KEY_NUMBER, KEY_TRUTH, KEY_ADDRESS, KEY_LEVEL, KEY_NOTHING } KeyKind;

typedef struct Key {
    const char *name;
    KeyKind kind;
    size_t offset;
} Key;

#define AT(field) offsetof(XendConfig, field)

static const Key keys[] = {
    { "network-script", KEY_TEXT, AT(network_script) },
    { "vif-script", KEY_TEXT, AT(vif_script) },
    { "vnc-listen", KEY_ADDRESS, AT(vnc_listen) },
    { "vncpasswd", KEY_WORD, AT(vnc_password) },
    { "keymap", KEY_WORD, AT(keymap) },
    { "qemu-dm-logrotate-count", KEY_NUMBER, AT(logs_kept) },
    { "enable-dump", KEY_TRUTH, AT(enable_dump) },
    { "device-create-timeout", KEY_NUMBER, AT(create_timeout) },
    { "device-destroy-timeout", KEY_NUMBER, AT(destroy_timeout) },
    { "logfile", KEY_WORD, AT(logfile) },
    { "loglevel", KEY_LEVEL, AT(loglevel) },
    { "console-limit", KEY_NUMBER, AT(console_limit) },
    { "xend-http-server", KEY_NOTHING, 0 },
    { "xend-port", KEY_NOTHING, 0 },
    { "xend-address", KEY_NOTHING, 0 },
    { "xend-unix-server", KEY_NOTHING, 0 },
    { "xend-unix-path", KEY_NOTHING, 0 },
    { "xend-unix-xmlrpc-server", KEY_NOTHING, 0 },
    { "xend-tcp-xmlrpc-server", KEY_NOTHING, 0 },
    { "xend-tcp-xmlrpc-server-address", KEY_NOTHING, 0 },
    { "xend-tcp-xmlrpc-server-port", KEY_NOTHING, 0 },
    { "xend-tcp-xmlrpc-server-ssl-key-file", KEY_NOTHING, 0 },
    { "xend-tcp-xmlrpc-server-ssl-cert-file", KEY_NOTHING, 0 },
    { "xen-api-server", KEY_NOTHING, 0 },
    { "xend-udev-event-server", KEY_NOTHING, 0 },
    { "xend-relocation-server", KEY_NOTHING, 0 },
    { "xend-relocation-port", KEY_NOTHING, 0 },
    { "xend-relocation-address", KEY_NOTHING, 0 },
    { "xend-relocation-hosts-allow", KEY_NOTHING, 0 },
    { "xend-relocation-ssl-server", KEY_NOTHING, 0 },
    { "xend-relocation-ssl-port", KEY_NOTHING, 0 },
    { "xend-relocation-server-ssl-key-file", KEY_NOTHING, 0 },
    { "xend-relocation-server-ssl-cert-file", KEY_NOTHING, 0 },
    { "xend-relocation-ssl", KEY_NOTHING, 0 },
    { "external-migration-tool", KEY_NOTHING, 0 },
    { "dom0-min-mem", KEY_NOTHING, 0 },
    { "enable-dom0-ballooning", KEY_NOTHING, 0 },
    { "dom0-cpus", KEY_NOTHING, 0 },
    { "total_available_memory", KEY_NOTHING, 0 },
    { "vnc-tls", KEY_NOTHING, 0 },
    { "vnc-x509-verify", KEY_NOTHING, 0 },
    { "vnc-x509-cert-dir", KEY_NOTHING, 0 },
    { "xend-domains-path", KEY_NOTHING, 0 },
    { "xend-storage-path", KEY_NOTHING, 0 },
    { "xend-state-path", KEY_NOTHING, 0 },
    { "xend-security-path", KEY_NOTHING, 0 },
    { "pci-passthrough-strict-check", KEY_NOTHING, 0 },
    { "pci-dev-assign-strict-check", KEY_NOTHING, 0 },
    { "resource-label-change-script", KEY_NOTHING, 0 },
    { "xsm_module_name", KEY_NOTHING, 0 },
    { "network-bridge-script", KEY_NOTHING, 0 },
    { "netif", KEY_NOTHING, 0 },
    { "tpm-backend", KEY_NOTHING, 0 },
};

char *xend_config_path(const Paths *paths)
{
    const char *all = getenv("GUESTHOUSE_DIR");

    return all && *all ? g_build_filename(paths->run, "xend-config.sxp", NULL)
           : geteuid() == 0 ? g_build_filename(SYSCONFDIR, "xen", "xend-config.sxp", NULL)
           : g_build_filename(g_get_user_config_dir(), "guesthouse", "xend-config.sxp", NULL);
}

static const Key *find_key(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (!strcmp(keys[i].name, name)) {
            return &keys[i];
        }
    }
    return NULL;
}

/* The value's words, joined: (network-script 'a b') and (network-script a b) say the same. */
static char *text_of(const Value *item, Messages *m)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 1; i < value_len(item); i++) {
        Value *word = value_item(item, i);

        if (word->kind != VALUE_STR) {
            message_add(m, MESSAGE_ERROR, word->pos, "%s takes words, not a list",
                        value_item(item, 0)->s);
            return NULL;
        }
        g_string_append_printf(text, "%s%s", i > 1 ? " " : "", word->s);
    }
    return g_strdup(g_strstrip(text->str));
}

static bool set_truth(const char *text, bool *truth)
{
    static const char *const yes[] = { "yes", "1", "on", "true" };
    static const char *const no[] = { "no", "0", "off", "false" };

    for (unsigned i = 0; i < G_N_ELEMENTS(yes); i++) {
        if (!g_ascii_strcasecmp(text, yes[i]) || !g_ascii_strcasecmp(text, no[i])) {
            *truth = !g_ascii_strcasecmp(text, yes[i]);
            return true;
        }
    }
    return false;
}

static bool set_level(const char *text, LogLevel *level)
{
    static const struct { const char *name; LogLevel level; } levels[] = {
        { "DEBUG", LOG_LEVEL_DEBUG }, { "INFO", LOG_LEVEL_INFO }, { "WARNING", LOG_LEVEL_WARNING },
        { "WARN", LOG_LEVEL_WARNING }, { "ERROR", LOG_LEVEL_ERROR }, { "CRITICAL", LOG_LEVEL_ERROR },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(levels); i++) {
        if (!g_ascii_strcasecmp(text, levels[i].name)) {
            *level = levels[i].level;
            return true;
        }
    }
    return false;
}

static void set_key(XendConfig *c, const Key *key, const Value *item, Messages *m)
{
    void *field = (char *)c + key->offset;
    g_autofree char *text = text_of(item, m);
    uint8_t address[16];
    guint64 n;

    if (!text) {
        return;
    }
    switch (key->kind) {
    case KEY_NUMBER:
        if (g_ascii_string_to_unsigned(text, 10, 1, 100000, &n, NULL)) {
            *(unsigned *)field = n;
        } else {
            message_add(m, MESSAGE_ERROR, item->pos, "(%s %s): write a number from 1 to 100000",
                        key->name, text);
        }
        return;
    case KEY_TRUTH:
        if (!set_truth(text, field)) {
            message_add(m, MESSAGE_ERROR, item->pos, "(%s %s): write yes or no", key->name, text);
        }
        return;
    case KEY_LEVEL:
        if (!set_level(text, field)) {
            message_add(m, MESSAGE_ERROR, item->pos, "(%s %s): write DEBUG, INFO, WARNING or ERROR",
                        key->name, text);
        }
        return;
    case KEY_ADDRESS:
        if (*text && inet_pton(AF_INET, text, address) != 1 &&
            inet_pton(AF_INET6, text, address) != 1) {
            message_add(m, MESSAGE_ERROR, item->pos, "(%s '%s'): write an IP address, such as "
                        "127.0.0.1, or 0.0.0.0 for all", key->name, text);
            return;
        }
        break;
    default:
        break;
    }
    g_free(*(char **)field);
    *(char **)field = *text ? g_steal_pointer(&text) : NULL;
}

/* One line for all keys that do nothing. */
typedef struct Idle {
    GString *names;
    SourcePos pos;              /* of the first */
} Idle;

static void read_item(XendConfig *c, const Value *item, Messages *m, Idle *idle)
{
    Value *name = item->kind == VALUE_LIST && value_len(item) ? value_item(item, 0) : NULL;
    const Key *key = name && name->kind == VALUE_STR ? find_key(name->s) : NULL;

    if (!name || name->kind != VALUE_STR) {
        message_add(m, MESSAGE_ERROR, item->pos, "this is not a setting; write (key value)");
    } else if (!key) {
        message_add(m, MESSAGE_WARNING, item->pos, "%s is unknown and has no effect", name->s);
    } else if (value_len(item) < 2 && key->kind != KEY_NOTHING) {
        message_add(m, MESSAGE_ERROR, item->pos, "%s has no value; write (%s value)", name->s,
                    name->s);
    } else if (key->kind != KEY_NOTHING) {
        set_key(c, key, item, m);
    } else {
        idle->pos = idle->names->len ? idle->pos : item->pos;
        g_string_append_printf(idle->names, "%s%s", idle->names->len ? ", " : "", name->s);
    }
}

XendConfig *xend_config_read(const char *path, Messages *m)
{
    XendConfig *c = g_new0(XendConfig, 1);
    SourcePos pos = { g_intern_string(path), 0, 0 };
    g_autofree char *text = NULL, *error = NULL;
    g_autoptr(Value) all = NULL;
    g_autoptr(GError) gerror = NULL;
    Idle idle = { 0 };

    c->logs_kept = 10;
    c->create_timeout = c->destroy_timeout = 100;
    c->console_limit = 1024;
    c->loglevel = LOG_LEVEL_INFO;
    if (!g_file_get_contents(path, &text, NULL, &gerror)) {
        if (!g_error_matches(gerror, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            message_add(m, MESSAGE_ERROR, pos, "can't be read: %s", gerror->message);
        }
        return c;
    }
    c->file = g_strdup(path);
    all = sxp_parse_file(text, path, &error);
    if (!all) {
        char *rest = strchr(error, ' ');

        sscanf(error, "%d:%d", &pos.line, &pos.col);
        message_add(m, MESSAGE_ERROR, pos, "%s", rest ? rest + 1 : error);
        return c;
    }
    idle.names = g_string_new(NULL);
    for (unsigned i = 0; i < value_len(all); i++) {
        read_item(c, value_item(all, i), m, &idle);
    }
    if (idle.names->len) {
        message_add(m, MESSAGE_WARNING, idle.pos, "accepted, but without effect here: %s",
                    idle.names->str);
    }
    g_string_free(idle.names, TRUE);
    return c;
}

void xend_config_free(XendConfig *c)
{
    if (c) {
        g_free(c->file);
        g_free(c->logfile);
        g_free(c->network_script);
        g_free(c->vif_script);
        g_free(c->vnc_listen);
        g_free(c->vnc_password);
        g_free(c->keymap);
        g_free(c);
    }
}
