/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.c - making, configuring, saving and loading devices from their classes' tables.
 */
#include "lib/device.h"

#include <stdarg.h>
#include <string.h>

static void config_default(Device *dev, const ConfigField *f)
{
    uint8_t *p = (uint8_t *)dev + f->offset;

    if (!f->initial) {
        return;
    }
    switch (f->kind) {
    case CONFIG_BOOL: *(bool *)p = f->initial[0] == '1' || f->initial[0] == 't'; break;
    case CONFIG_U32: *(uint32_t *)p = g_ascii_strtoull(f->initial, NULL, 0); break;
    case CONFIG_U64: *(uint64_t *)p = g_ascii_strtoull(f->initial, NULL, 0); break;
    case CONFIG_STRING: *(char **)p = g_strdup(f->initial); break;
    default: break;
    }
}

Device *device_new(Machine *m, const DeviceClass *cls)
{
    Device *dev = g_malloc0(cls->size);

    g_assert(cls->size >= sizeof(Device) && !state_table_fault(cls->state));
    dev->cls = cls;
    dev->machine = m;
    dev->ranges = g_ptr_array_new();
    for (guint i = 0; i < m->devices->len; i++) {
        const Device *other = m->devices->pdata[i];

        if (other->cls == cls) {            /* some may have gone: never a number in use */
            dev->instance = MAX(dev->instance, other->instance + 1);
        }
    }
    for (const ConfigField *f = cls->config; f && f->kind != CONFIG_END_KIND; f++) {
        config_default(dev, f);
    }
    return dev;
}

static void *config_field(Device *dev, const char *field, const ConfigField **found)
{
    for (const ConfigField *f = dev->cls->config; f && f->kind != CONFIG_END_KIND; f++) {
        if (!strcmp(f->name, field)) {
            *found = f;
            return (uint8_t *)dev + f->offset;
        }
    }
    g_error("%s has no option %s", dev->cls->name, field);
}

void device_set_u64(Device *dev, const char *field, uint64_t value)
{
    const ConfigField *f;
    void *p = config_field(dev, field, &f);

    switch (f->kind) {
    case CONFIG_BOOL: *(bool *)p = value != 0; break;
    case CONFIG_U32: *(uint32_t *)p = value; break;
    case CONFIG_U64: *(uint64_t *)p = value; break;
    default: g_error("%s.%s is no number", dev->cls->name, field);
    }
}

void device_set_string(Device *dev, const char *field, const char *value)
{
    const ConfigField *f;
    char **p = config_field(dev, field, &f);

    g_assert(f->kind == CONFIG_STRING);
    g_free(*p);
    *p = g_strdup(value);
}

void device_set_mac(Device *dev, const char *field, const uint8_t mac[6])
{
    const ConfigField *f;
    void *p = config_field(dev, field, &f);

    g_assert(f->kind == CONFIG_MAC);
    memcpy(p, mac, 6);
}

void device_set_pointer(Device *dev, const char *field, void *value)
{
    const ConfigField *f;
    void **p = config_field(dev, field, &f);

    g_assert(f->kind == CONFIG_POINTER);
    *p = value;
}

bool device_init(Device *dev, GError **error)
{
    if (!dev->cls->init(dev, error)) {
        g_prefix_error(error, "%s: ", dev->cls->name);
        device_free(dev);
        return false;
    }
    dev->ready = true;
    g_ptr_array_add(dev->machine->devices, dev);
    dev->cls->reset(dev);
    io_changed(dev);
    return true;
}

Device *device_create(Machine *m, const DeviceClass *cls, GError **error)
{
    Device *dev = device_new(m, cls);

    return device_init(dev, error) ? dev : NULL;
}

void device_free(Device *dev)
{
    if (dev->ready && dev->cls->quiesce) {
        dev->cls->quiesce(dev);
    }
    if (dev->cls->finish) {
        dev->cls->finish(dev);      /* also after a failed init: must cope with half-made devices */
    }
    for (guint i = 0; i < dev->ranges->len; i++) {
        io_range_free(&dev->machine->io, dev->ranges->pdata[i]);
    }
    g_ptr_array_free(dev->ranges, TRUE);
    for (const ConfigField *f = dev->cls->config; f && f->kind != CONFIG_END_KIND; f++) {
        if (f->kind == CONFIG_STRING) {
            g_free(*(char **)((uint8_t *)dev + f->offset));
        }
    }
    g_free(dev);
}

IoRange *io_reserve(Device *dev, IoSpace space, uint64_t len, const IoOps *ops)
{
    IoRange *r = io_range_new(dev->cls->name, space, len, ops, dev);

    r->family = &dev->family;
    dev->family.publishes |= ops->peek || ops->pairs;
    g_ptr_array_add(dev->ranges, r);
    return r;
}

void io_changed(Device *dev)
{
    io_family_changed(&dev->machine->io, &dev->family);
}

bool io_claim(Device *dev, IoSpace space, uint64_t base, uint64_t len, const IoOps *ops,
              GError **error)
{
    return io_map_add(&dev->machine->io, io_reserve(dev, space, len, ops), base, error);
}

void io_busy(Device *dev, bool busy)
{
    IoMap *map = &dev->machine->io;

    for (guint i = 0; i < dev->ranges->len; i++) {
        IoRange *r = dev->ranges->pdata[i];

        if (r->ops->post && r->busy != busy) {
            r->busy = busy;
            if (r->mapped && !r->local && map->busy_changed) {
                map->busy_changed(map->opaque, r);
            }
        }
    }
}

/* 64 lines at once, then one a second: a guest can't fill a disk with our log. */
#define LOG_BURST 64
#define LOG_PER_SECOND 1

void log_guest(Device *dev, const char *format, ...)
{
    Machine *m = dev->machine;
    g_autofree char *text = NULL;
    va_list ap;

    if (!m->host->log ||
        !log_limit_allows(&m->log_limit, machine_now(m), LOG_BURST, LOG_PER_SECOND)) {
        return;
    }
    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    m->host->log(m, dev->cls->name, text);
}

/* --- save and load of all devices --- */

static void put(GByteArray *out, uint32_t v, unsigned size)
{
    uint8_t b[4] = { v, v >> 8, v >> 16, v >> 24 };

    g_byte_array_append(out, b, size);
}

void machine_save(Machine *m, GByteArray *out)
{
    for (guint i = 0; i < m->devices->len; i++) {
        Device *dev = m->devices->pdata[i];
        g_autoptr(GByteArray) body = g_byte_array_new();

        if (dev->cls->quiesce) {
            dev->cls->quiesce(dev);
        }
        state_save_fields(body, dev, dev->cls->state);
        put(out, strlen(dev->cls->name), 2);
        g_byte_array_append(out, (const uint8_t *)dev->cls->name, strlen(dev->cls->name));
        put(out, dev->instance, 4);
        put(out, dev->cls->version, 4);
        put(out, body->len, 4);
        g_byte_array_append(out, body->data, body->len);
    }
}

typedef struct Record {
    const char *name;
    uint32_t name_len, instance, version, len;
    const uint8_t *body;
} Record;

static bool next_record(const uint8_t **p, const uint8_t *end, Record *r)
{
    uint32_t v[3];

    if (end - *p < 2) {
        return false;
    }
    r->name_len = (*p)[0] | (*p)[1] << 8;
    *p += 2;
    if ((size_t)(end - *p) < (size_t)r->name_len + 12) {
        return false;
    }
    r->name = (const char *)*p;
    *p += r->name_len;
    memcpy(v, *p, 12);
    *p += 12;
    r->instance = GUINT32_FROM_LE(v[0]);
    r->version = GUINT32_FROM_LE(v[1]);
    r->len = GUINT32_FROM_LE(v[2]);
    r->body = *p;
    if ((size_t)(end - *p) < r->len) {
        return false;
    }
    *p += r->len;
    return true;
}

static Device *record_device(Machine *m, const Record *r)
{
    for (guint i = 0; i < m->devices->len; i++) {
        Device *dev = m->devices->pdata[i];

        if (strlen(dev->cls->name) == r->name_len &&
            !memcmp(dev->cls->name, r->name, r->name_len) && dev->instance == r->instance) {
            return dev;
        }
    }
    return NULL;
}

static bool check_records(Machine *m, const uint8_t *data, size_t len, GError **error)
{
    const uint8_t *p = data, *end = data + len;
    guint seen = 0;

    while (p < end) {
        Record r;
        Device *dev;

        if (!next_record(&p, end, &r)) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "saved state is cut short");
            return false;
        }
        dev = record_device(m, &r);
        if (!dev || m->devices->pdata[seen] != dev) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "saved state holds device %.*s %u where this machine has another",
                        (int)MIN(r.name_len, 64), r.name, r.instance);
            return false;
        }
        if (r.version != dev->cls->version) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "%s: saved state has version %u, this program knows %u", dev->cls->name,
                        r.version, dev->cls->version);
            return false;
        }
        if (!state_check_fields(dev->cls->state, r.body, r.len, dev, error)) {
            g_prefix_error(error, "%s: ", dev->cls->name);
            return false;
        }
        if (++seen == m->devices->len) {
            break;
        }
    }
    if (seen != m->devices->len || p != end) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "saved state does not hold exactly this machine's %u devices",
                    m->devices->len);
        return false;
    }
    return true;
}

bool machine_load(Machine *m, const uint8_t *data, size_t len, GError **error)
{
    g_autoptr(GByteArray) before = NULL;
    const uint8_t *p = data, *end = data + len;
    Record r;

    if (!check_records(m, data, len, error)) {
        return false;
    }
    before = g_byte_array_new();
    machine_save(m, before);
    while (p < end && next_record(&p, end, &r)) {
        Device *dev = record_device(m, &r);

        state_load_fields(dev, dev->cls->state, r.body, r.len);
    }
    for (guint i = 0; i < m->devices->len; i++) {
        Device *dev = m->devices->pdata[i];

        io_changed(dev);
        if (dev->cls->loaded && !dev->cls->loaded(dev, error)) {
            g_prefix_error(error, "%s: ", dev->cls->name);
            for (p = before->data, end = p + before->len; p < end && next_record(&p, end, &r);) {
                dev = record_device(m, &r);
                state_load_fields(dev, dev->cls->state, r.body, r.len);
                if (dev->cls->loaded) {
                    dev->cls->loaded(dev, NULL);
                }
            }
            return false;
        }
    }
    return true;
}

void machine_dump(Machine *m, GString *out)
{
    for (guint i = 0; i < m->devices->len; i++) {
        Device *dev = m->devices->pdata[i];

        g_string_append_printf(out, "%s %u\n", dev->cls->name, dev->instance);
        state_dump_fields(out, dev, dev->cls->state, "  ");
    }
}
