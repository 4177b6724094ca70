/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ports.h - who serves a port, for each of the 65536: what the chips' map (machine.io) and the ranges
 * of the ioreq servers come to, looked up once and kept until one of them changes.
 */
#ifndef GH_HV_PORTS_H
#define GH_HV_PORTS_H

#include <stdint.h>
#include "lib/io_map.h"

typedef struct Domain Domain;

/* A port's entry; anything above is the chip's IoRange. */
enum {
    PORT_UNKNOWN,               /* not looked up since the last change */
    PORT_NOBODY,
    PORT_SPECIAL,               /* the access decides: CMOS, PCI configuration, port E9h */
    PORT_MODEL_1, PORT_MODEL_2, PORT_MODEL_4,   /* claimed by the device model with this many after it */
};

typedef struct Ports {
    uintptr_t *entry;           /* written under the device lock, read without it as well */
} Ports;

void ports_create(Domain *d);
void ports_destroy(Domain *d);
/* Device lock held: what was looked up for these is void. */
void ports_changed(Domain *d, uint16_t first, uint16_t last);
/* Device lock held: the entry, never PORT_UNKNOWN. */
uintptr_t ports_look(Domain *d, uint16_t port);

/* No lock: as it was a moment ago, or PORT_UNKNOWN. */
static inline uintptr_t ports_peek(const Ports *p, uint16_t port)
{
    return __atomic_load_n(&p->entry[port], __ATOMIC_ACQUIRE);
}

/* NULL: no chip of this process. */
static inline const IoRange *port_chip(uintptr_t entry)
{
    return entry > PORT_MODEL_4 ? (const IoRange *)entry : NULL;
}

/* Is an access of so many bytes the device model's? */
static inline bool port_is_model(uintptr_t entry, unsigned size)
{
    return entry >= PORT_MODEL_1 && entry <= PORT_MODEL_4 && size <= 1u << (entry - PORT_MODEL_1);
}

#endif
