/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hypercall.c - entry, dispatch, multicall, and the hypercall page.  Calling convention of
 * xen/arch-x86/xen-x86_{32,64}.h; the mode is that of the code segment at the time of the call.
 */
#include "hypervisor/hypercall.h"

#include <sched.h>
#include <string.h>
#include "hypervisor/xen_abi.h"
#include <xen/errno.h>

#define MULTICALL_MAX 1024

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10 };

typedef struct Handler {
    unsigned number;
    int64_t (*run)(Hypercall *h);
} Handler;

static int64_t hypercall_multi(Hypercall *h);

static const Handler handlers[] = {
    { __HYPERVISOR_memory_op, hypercall_memory },
    { __HYPERVISOR_multicall, hypercall_multi },
    { __HYPERVISOR_xen_version, hypercall_version },
    { __HYPERVISOR_console_io, hypercall_console },
    { __HYPERVISOR_grant_table_op, hypercall_grant },
    { __HYPERVISOR_vcpu_op, hypercall_vcpu },
    { __HYPERVISOR_sched_op, hypercall_sched },
    { __HYPERVISOR_event_channel_op, hypercall_event },
    { __HYPERVISOR_hvm_op, hypercall_hvm },
};

bool hypercall_is_self(const Hypercall *h, uint16_t domid)
{
    return domid == DOMID_SELF || domid == h->d->opt.domid;
}

static int64_t dispatch(Hypercall *h, uint64_t number)
{
    for (size_t i = 0; i < G_N_ELEMENTS(handlers); i++) {
        if (handlers[i].number == number) {
            return handlers[i].run(h);
        }
    }
    return -XEN_ENOSYS;
}

static int64_t hypercall_multi(Hypercall *h)
{
    unsigned word = h->wide ? 8 : 4;
    uint64_t list = h->arg[0];

    if (h->arg[1] > MULTICALL_MAX) {
        return -XEN_EINVAL;
    }
    for (uint64_t i = 0; i < h->arg[1]; i++, list += 8 * word) {
        uint8_t entry[64];
        Hypercall one = { .v = h->v, .d = h->d, .wide = h->wide };
        uint64_t number;
        int64_t result;

        if (!guest_read(h->v, list, entry, 8 * word)) {
            return -XEN_EFAULT;
        }
        number = hypercall_long(h, entry, 0, 0);
        for (unsigned k = 0; k < 6; k++) {
            one.arg[k] = hypercall_long(h, entry + (2 + k) * word, 0, 0);
        }
        result = number == __HYPERVISOR_multicall ? -XEN_EINVAL : dispatch(&one, number);
        h->after = one.after ? one.after : h->after;    /* once, when the list is done */
        if (!guest_write(h->v, list + word, &result, word)) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

static bool poll_done(Vcpu *v)
{
    return __atomic_load_n(&v->poll_hit, __ATOMIC_SEQ_CST);
}

static void finish(Hypercall *h)
{
    Vcpu *v = h->v;

    switch (h->after) {
    case AFTER_YIELD:
        sched_yield();
        break;
    case AFTER_BLOCK:
        vcpu_block(v, NULL);
        break;
    case AFTER_POLL:
        vcpu_block(v, poll_done);
        domain_lock(h->d);
        v->poll_count = 0;
        timer_cancel(&v->poll_timer);
        domain_unlock(h->d);
        break;
    default:
        break;
    }
}

void hypercall_enter(Vcpu *v, uint64_t *gpr, bool long_mode, unsigned cpl)
{
    static const uint8_t args64[6] = { RDI, RSI, RDX, R10, R8, R9 };
    static const uint8_t args32[6] = { RBX, RCX, RDX, RSI, RDI, RBP };
    Hypercall h = { .v = v, .d = v->dom, .wide = long_mode };
    uint64_t number = long_mode ? gpr[RAX] : (uint32_t)gpr[RAX];
    int64_t result;

    if (cpl != 0) {
        result = -XEN_EPERM;
    } else {
        for (unsigned i = 0; i < 6; i++) {
            h.arg[i] = long_mode ? gpr[args64[i]] : (uint32_t)gpr[args32[i]];
        }
        domain_lock(h.d);
        v->state_valid = false;
        event_sync_callback(h.d);
        result = dispatch(&h, number);
        v->state_valid = false;
        domain_unlock(h.d);
        finish(&h);
    }
    gpr[RAX] = long_mode ? (uint64_t)result : (uint32_t)result;
}

bool hypercall_write_page(Vcpu *v, uint64_t value)
{
    Domain *d = v->dom;
    uint8_t page[PAGE_SIZE] = { 0 };
    bool amd = d->caps.vendor_amd;

    if (value & (PAGE_SIZE - 1)) {
        return false;           /* there is one page: index 0 */
    }
    for (unsigned n = 0; n < PAGE_SIZE / 32; n++) {
        uint8_t *e = page + 32 * n;

        if (n == __HYPERVISOR_iret) {
            e[0] = 0x0f;        /* ud2: no such call for HVM guests */
            e[1] = 0x0b;
            continue;
        }
        e[0] = 0xb8;            /* mov $n, %eax; vmcall or vmmcall; ret */
        put32(e + 1, n);
        e[5] = 0x0f;
        e[6] = 0x01;
        e[7] = amd ? 0xd9 : 0xc1;
        e[8] = 0xc3;
    }
    if (!mem_page(&d->mem, value >> PAGE_SHIFT, true)) {
        return false;
    }
    mem_write(&d->mem, value, page, sizeof page);
    return true;
}
