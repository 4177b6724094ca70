/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_collect.c - writes to devices that KVM collects (KVM_CAP_COALESCED_MMIO): it puts them into a ring
 * instead of exiting for each.  The ring is the whole machine's and in order; it is emptied after each
 * exit of any vCPU, before that exit is looked at, so whatever a guest does next that can be seen comes
 * after what it has written.
 */
#include "hypervisor/kvm/kvm_internal.h"

#include <glib.h>
#include <string.h>
#include <sys/ioctl.h>

#define RING_SLOTS ((4096 - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio))

void kvm_collect_init(EngineVcpu *ev)
{
    Engine *e = ev->e;
    int page = ioctl(e->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);

    if (!e->ring && page > 0 && ((size_t)page + 1) * 4096 <= e->run_size) {
        e->ring = (struct kvm_coalesced_mmio_ring *)((uint8_t *)ev->run + page * 4096);
        e->ring_owner = ev;
    }
}

void kvm_collect_finish(EngineVcpu *ev)
{
    if (ev->e->ring_owner == ev) {
        ev->e->ring = NULL;
        ev->e->ring_owner = NULL;
    }
}

static bool empty(Engine *e)
{
    return __atomic_load_n(&e->ring->first, __ATOMIC_ACQUIRE) ==
           __atomic_load_n(&e->ring->last, __ATOMIC_ACQUIRE);
}

/* Who finds the ring empty must not overtake who is still busy with its last entry. */
void kvm_collect_deliver(EngineVcpu *ev)
{
    Engine *e = ev->e;

    if (!e->ring || (empty(e) && !__atomic_load_n(&e->ring_busy, __ATOMIC_ACQUIRE))) {
        return;
    }
    pthread_mutex_lock(&e->ring_lock);
    __atomic_store_n(&e->ring_busy, true, __ATOMIC_RELEASE);
    while (!empty(e)) {
        uint32_t first = e->ring->first % RING_SLOTS;
        struct kvm_coalesced_mmio one = e->ring->coalesced_mmio[first];

        __atomic_store_n(&e->ring->first, (first + 1) % RING_SLOTS, __ATOMIC_RELEASE);
        kvm_count(ev, KVM_COUNT_COLLECTED);
        kvm_mmio(ev, one.phys_addr, one.data, MIN(one.len, 8), true);
    }
    __atomic_store_n(&e->ring_busy, false, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&e->ring_lock);
}

bool kvm_collect_writes(Engine *e, uint64_t gpa, uint64_t len, bool on)
{
    struct kvm_coalesced_mmio_zone zone = { .addr = gpa, .size = len };

    if (!e->ring) {
        return !on;
    }
    ioctl(e->vm_fd, on ? KVM_REGISTER_COALESCED_MMIO : KVM_UNREGISTER_COALESCED_MMIO, &zone);
    return on || (empty(e) && !__atomic_load_n(&e->ring_busy, __ATOMIC_ACQUIRE));
}

bool kvm_flush_writes(Engine *e)
{
    if (!e->ring || empty(e)) {
        return false;
    }
    pthread_mutex_lock(&e->lock);
    for (unsigned i = 0; i < e->nvcpus; i++) {
        kvm_kick(e->vcpu[i], false);
    }
    pthread_mutex_unlock(&e->lock);
    return true;
}
