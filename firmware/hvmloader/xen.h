/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xen.h - the hypervisor, as far as firmware needs it: hypercalls, parameters, xenstore. */
#ifndef HVMLOADER_XEN_H
#define HVMLOADER_XEN_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_REGIONS 32

typedef struct E820Entry {
    uint64_t addr, size;
    uint32_t type;              /* 1 RAM, 2 reserved, 3 ACPI, 4 NVS */
} __attribute__((packed)) E820Entry;

void xen_init(void);                            /* finds it, sets the hypercall page */
uint32_t xen_version(void);                     /* major << 16 | minor */
const char *xen_extra_version(void);
void xen_uuid(uint8_t uuid[16]);
_Noreturn void xen_crash(void);
uint64_t xen_get_param(unsigned index);
void xen_set_param(unsigned index, uint64_t value);
void xen_populate(uint32_t gfn);
/* Moves pages: the RAM at source becomes the RAM at target. */
void xen_move_pages(uint32_t source_gfn, uint32_t target_gfn, uint32_t count);
unsigned xen_memory_map(E820Entry *map, unsigned max);
unsigned xen_cpu_mhz(void);
/* Port's event: waits for it. */
void xen_wait_event(unsigned port);
void xen_notify(unsigned port);
/* Gives the shared page's guest part back clean. */
void xen_finish(void);

/* --- xenstore (xenstore.c); keys relative to the domain --- */
void store_init(void);
/* NULL if there is none.  The text is valid until the next call. */
const char *store_read(const char *key);
const char *store_read_default(const char *key, const char *missing);
bool store_flag(const char *key, bool missing); /* starts with 1 */
void store_finish(void);

#endif
