/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.h - what a device is.  A device model is one .c file that ends in its DeviceClass; making
 * one means that file, one line in hw/devices.c, and one in dm/board.c if it is always there.
 */
#ifndef GH_DEVICE_H
#define GH_DEVICE_H

#include <glib.h>
#include "lib/machine.h"
#include "lib/state.h"

typedef enum ConfigKind { CONFIG_BOOL, CONFIG_U32, CONFIG_U64, CONFIG_STRING, CONFIG_MAC,
                          CONFIG_POINTER, CONFIG_END_KIND } ConfigKind;

typedef struct ConfigField {
    const char *name;
    ConfigKind kind;
    size_t offset;              /* of bool, uint32_t, uint64_t, char *, uint8_t[6], void * */
    const char *initial;        /* default as text; NULL: zero */
    const char *help;           /* one line */
} ConfigField;
#define CONFIG_FIELD(type, field, kind, initial, help) \
    { #field, kind, offsetof(type, field), initial, help }
#define CONFIG_END { NULL, CONFIG_END_KIND, 0, NULL, NULL }

typedef struct DeviceClass {
    const char *name;           /* option, log tag, state section, test and doc name */
    const char *summary;        /* one line for people */
    size_t size;                /* of the struct that begins with Device */
    unsigned version;           /* of the state table */
    const ConfigField *config;  /* may be NULL */
    const StateField *state;    /* everything the guest can observe; never NULL */
    bool (*init)(Device *dev, GError **error);  /* claim I/O, irq, BARs, back end; once */
    void (*reset)(Device *dev);                 /* power-on values; idempotent */
    bool (*loaded)(Device *dev, GError **error);/* after load: cross-checks, derived values, irq */
    void (*quiesce)(Device *dev);               /* drain back-end work; NULL if none */
    void (*finish)(Device *dev);                /* free what init made; NULL if nothing */
} DeviceClass;

struct Device {
    const DeviceClass *cls;
    Machine *machine;
    unsigned instance;          /* among devices of its class */
    bool ready;                 /* init succeeded */
    GPtrArray *ranges;          /* IoRange* it claimed; freed with it */
    IoFamily family;
};

/* Allocates with config defaults; device_set_*() may follow; device_init() runs cls->init and
 * reset.  A device that fails init is freed. */
Device *device_new(Machine *m, const DeviceClass *cls);
void device_set_u64(Device *dev, const char *field, uint64_t value);    /* bool, u32, u64 */
void device_set_string(Device *dev, const char *field, const char *value);
void device_set_mac(Device *dev, const char *field, const uint8_t mac[6]);
void device_set_pointer(Device *dev, const char *field, void *value);   /* back ends, other devices */
bool device_init(Device *dev, GError **error);
Device *device_create(Machine *m, const DeviceClass *cls, GError **error);  /* new + init */
void device_free(Device *dev);

/* Claims a fixed range for the device's life (mapped at once). */
bool io_claim(Device *dev, IoSpace space, uint64_t base, uint64_t len, const IoOps *ops,
              GError **error);
/* An unmapped range that the device maps later (BARs, decode enables). */
IoRange *io_reserve(Device *dev, IoSpace space, uint64_t len, const IoOps *ops);

/*
 * The device's interrupt line is high (busy) or low: while it is high, writes marked IO_POST_IDLE
 * are waited for, so that the guest's next instruction sees the line as it is.  Before the line is
 * raised, after it was lowered.
 */
void io_busy(Device *dev, bool busy);

/*
 * Something that IoOps.peek tells of has changed outside of an access to the device's registers: a
 * timer, a transfer's end.  Before irq_set(), or at any other place of the same event.
 */
void io_changed(Device *dev);

static inline int64_t vm_now(Device *dev) { return machine_now(dev->machine); }

/* The guest did something odd: one line in the domain's log, rate-limited over the machine. */
void log_guest(Device *dev, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whole-machine save and load (records of all devices, in order). */
void machine_save(Machine *m, GByteArray *out);
bool machine_load(Machine *m, const uint8_t *data, size_t len, GError **error);
void machine_dump(Machine *m, GString *out);

#endif
