/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioreq.h - serves the domain's I/O requests from the main loop: copies each slot once, checks it,
 * drains the buffered ring first, dispatches to one device, answers.
 */
#ifndef GH_IOREQ_H
#define GH_IOREQ_H

#include "dm/hv.h"
#include "lib/pci.h"

typedef struct IoreqClient IoreqClient;

/* Attaches to the default main context and mirrors the machine's ranges to the hypervisor. */
IoreqClient *ioreq_client_new(Hv *hv, Machine *m, PciBus *bus);
void ioreq_client_free(IoreqClient *c);
/* Serves what waits, if anything does; from a source's handler, not from a device's access. */
void ioreq_client_let_in(IoreqClient *c);

/* One request carried out against the machine; *req was copied and is changed in place.  Public
 * for the tests: whatever it holds, nothing but chip behaviour comes of it. */
void ioreq_execute(Machine *m, PciBus *bus, ioreq_t *req);
/* Takes everything between the ring's pointers, at most one ring full. */
void ioreq_drain_buffered(Machine *m, PciBus *bus, buffered_iopage_t *ring);

#endif
