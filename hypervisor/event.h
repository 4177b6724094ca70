/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event.h - Xen's event channels, 2-level: ports with two ends, one bit each in the guest's
 * shared_info, and the upcall that tells a vCPU to look.  The other end of an interdomain channel
 * is a function of ours (xenstore, console) or the domain itself.  All with the device lock held.
 */
#ifndef GH_HV_EVENT_H
#define GH_HV_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#define EVENT_PORTS 4096
#define EVENT_VIRQS 24

typedef struct Domain Domain;
typedef struct Vcpu Vcpu;

enum EventKind { EVENT_FREE, EVENT_UNBOUND, EVENT_INTERDOMAIN, EVENT_VIRQ = 4, EVENT_IPI = 5 };

typedef struct EventPort {
    uint8_t kind;
    uint8_t virq, virq_vcpu;    /* virq_vcpu: it was bound for; vcpu: bound to */
    uint16_t remote_dom;
    uint32_t remote_port;       /* of the domain itself, when remote_dom is it */
    uint32_t vcpu;              /* that is notified */
    void (*sent)(void *opaque); /* the toolstack's end: the guest has sent */
    void *opaque;
} EventPort;

/* Where upcalls go (HVM_PARAM_CALLBACK_IRQ). */
enum CallbackType { CALLBACK_GSI = 0, CALLBACK_PCI = 1, CALLBACK_VECTOR = 2 };

typedef struct Events {
    EventPort port[EVENT_PORTS];
    enum CallbackType callback;
    uint32_t callback_gsi;      /* 0: none */
    uint32_t callback_devfn, callback_pin;
    uint8_t callback_vector;
    bool asserted;              /* the GSI's or the PCI wire's level */
} Events;

/* The builder's unbound ports towards the toolstack; the port, or a negative error. */
int event_alloc_toolstack(Domain *d, void (*sent)(void *), void *opaque);
void event_raise(Domain *d, uint32_t port);     /* as the other end would */
void event_raise_virq(Domain *d, Vcpu *v, unsigned virq);
void event_set_callback(Domain *d, uint64_t via);
/* The wire of callback types 0 and 1 follows vCPU 0's upcall flag. */
void event_sync_callback(Domain *d);
/* The layout of shared_info changes between 32 and 64 bit: pending state is carried over. */
void event_set_layout(Domain *d, bool layout64);
bool event_upcall_pending(const Vcpu *v);
bool event_port_pending(Domain *d, uint32_t port);
/* An upcall that the vCPU's LAPIC lost (an INIT clears it) is sent again. */
void event_renew_upcall(Vcpu *v);
/* The vCPU's vcpu_info moved or was cleared: everything may be pending there. */
void event_info_moved(Vcpu *v);
uint8_t *event_shared_info(const Domain *d);

/* The ops of hypercall 32, numbers and values checked. */
int event_op_alloc_unbound(Domain *d, uint16_t dom, uint16_t remote, uint32_t *port);
int event_op_bind_interdomain(Domain *d, uint16_t remote, uint32_t remote_port, uint32_t *port);
int event_op_bind_virq(Domain *d, uint32_t virq, uint32_t vcpu, uint32_t *port);
int event_op_bind_ipi(Domain *d, uint32_t vcpu, uint32_t *port);
int event_op_close(Domain *d, uint32_t port);
int event_op_send(Domain *d, uint32_t port);
int event_op_bind_vcpu(Domain *d, uint32_t port, uint32_t vcpu);
int event_op_unmask(Domain *d, uint32_t port);
int event_op_reset(Domain *d);

#endif
