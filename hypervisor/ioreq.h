/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioreq.h - Xen's I/O request servers: which ranges the device model serves, and the slot through
 * which a vCPU asks it.  All servers of a domain live in one device model process and share its two
 * pages (dm_proto.h).
 */
#ifndef GH_HV_IOREQ_H
#define GH_HV_IOREQ_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <xen/hvm/ioreq.h>
#include "lib/io_publish.h"

#define IOREQ_SERVERS 8
#define IOREQ_RANGES 256        /* of each kind, each server */

enum IoreqSpace { IOREQ_PORT, IOREQ_MEMORY, IOREQ_PCI, IOREQ_SPACES };

typedef struct IoreqRange { uint64_t first, last; } IoreqRange;

typedef struct IoreqServer {
    bool used, enabled, buffered;
    IoreqRange *range[IOREQ_SPACES];    /* sorted; IOREQ_RANGES each */
    unsigned ranges[IOREQ_SPACES];
} IoreqServer;

typedef struct Domain Domain;
typedef struct Vcpu Vcpu;

typedef struct Ioreq {
    IoreqServer server[IOREQ_SERVERS];
    ioreq_t *slots;             /* DM_MAX_VCPUS, shared with the device model */
    buffered_iopage_t *ring;
    uint32_t ring_write;        /* our own producer index */
    uint64_t posted;            /* entries that were ever put into the ring */
    IoReader reader;
    int pages_fd, request_fd;
    bool buffers;               /* some enabled server does */
    bool held;                  /* nothing is buffered: DM_MSG_HOLD */
    bool single_cpu;            /* spinning would keep the device model from running */
} Ioreq;

bool ioreq_create(Domain *d, GError **error);
void ioreq_destroy(Domain *d);

/* --- servers; device lock held.  0 or a negative Xen error --- */
int ioreq_server_create(Domain *d, unsigned mode, uint16_t *id);
int ioreq_server_destroy(Domain *d, unsigned id);
int ioreq_server_enable(Domain *d, unsigned id, bool on);
int ioreq_server_map(Domain *d, unsigned id, unsigned space, uint64_t first, uint64_t last);
int ioreq_server_unmap(Domain *d, unsigned id, unsigned space, uint64_t first, uint64_t last);
bool ioreq_claimed(const Domain *d, enum IoreqSpace space, uint64_t first, uint64_t last);

/* --- requests; the vCPU's own thread, device lock not held --- */
/* Sends *req and waits; req->data is the answer.  All ones when the domain is dying. */
void ioreq_send(Vcpu *v, ioreq_t *req);
/*
 * The vCPU's thread, before and while it looks for what the device model will do: false when that was
 * last seen on this processor, and looking would only delay it.
 */
bool ioreq_may_look(Vcpu *v);
/* False: full, or no server buffers; then the request must go through the slot. */
bool ioreq_buffer(Domain *d, uint8_t type, uint8_t dir, uint64_t addr, unsigned size, uint64_t data);
/* Device lock held: a write to a claimed range that the device model lets us post (dm_proto.h) goes
 * into the ring.  False: it must go through the slot. */
bool ioreq_post(Domain *d, bool mmio, uint64_t addr, unsigned size, uint64_t data);
/* Device lock held: a read of registers whose values the device model has published.  False: ask it. */
bool ioreq_published(Domain *d, bool mmio, uint64_t addr, unsigned size, uint64_t *value);
/* Something was published for the device model: it looks, or is woken. */
void ioreq_notify(Domain *d);

#endif
