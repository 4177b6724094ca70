/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hypercall_sched.c - sched_op (xen/sched.h) and vcpu_op (xen/vcpu.h, xen/hvm/hvm_vcpu.h).
 */
#include "hypervisor/hypercall.h"

#include <string.h>
#include "hypervisor/xen_abi.h"
#include <xen/errno.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/hvm/hvm_vcpu.h>
#include "hypervisor/pvtime.h"

#define PERIOD_MIN_NS NS_PER_MS
#define TIMER_FUTURE 1          /* VCPU_SSHOTTMR_future */

/* --- sched_op --- */

static int64_t shut_down(Hypercall *h)
{
    static const ShutdownReason reasons[] = {
        [SHUTDOWN_poweroff] = SHUTDOWN_POWEROFF, [SHUTDOWN_reboot] = SHUTDOWN_REBOOT,
        [SHUTDOWN_suspend] = SHUTDOWN_SUSPEND, [SHUTDOWN_crash] = SHUTDOWN_CRASH,
        [SHUTDOWN_watchdog] = SHUTDOWN_CRASH, [SHUTDOWN_soft_reset] = SHUTDOWN_REBOOT,
    };
    uint32_t reason;

    if (!guest_read(h->v, h->arg[1], &reason, 4)) {
        return -XEN_EFAULT;
    }
    if (reason >= G_N_ELEMENTS(reasons)) {
        return -XEN_EINVAL;
    }
    domain_shutdown(h->d, reasons[reason]);
    return 0;
}

static int64_t poll_ports(Hypercall *h)
{
    uint8_t b[24];
    uint64_t ports, timeout;
    uint32_t n;

    if (!guest_read(h->v, h->arg[1], b, h->wide ? 24 : 16)) {
        return -XEN_EFAULT;
    }
    ports = hypercall_long(h, b, 0, 0);
    n = field32(b + (h->wide ? 8 : 4));
    timeout = field64(b + (h->wide ? 16 : 8));
    if (n > G_N_ELEMENTS(h->v->poll_ports)) {
        return -XEN_EINVAL;
    }
    h->v->poll_count = 0;
    if (!guest_read(h->v, ports, h->v->poll_ports, 4 * n)) {
        return -XEN_EFAULT;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (h->v->poll_ports[i] >= EVENT_PORTS) {
            return -XEN_EINVAL;
        }
        if (event_port_pending(h->d, h->v->poll_ports[i])) {
            return 0;
        }
    }
    h->v->poll_hit = false;
    h->v->poll_count = n;
    if (timeout) {
        timer_at(&h->v->poll_timer, MIN(timeout, (uint64_t)INT64_MAX));
    }
    h->after = AFTER_POLL;
    return 0;
}

void sched_watchdog_fired(void *opaque)
{
    Domain *d = opaque;

    domain_log(d, "the guest has not renewed its watchdog in time");
    domain_shutdown(d, SHUTDOWN_CRASH);
}

/* id 0 takes a free timer and gives its number; seconds 0 gives it back. */
static int64_t watchdog(Hypercall *h)
{
    Domain *d = h->d;
    uint8_t b[8];
    uint32_t id, seconds;
    bool taken;

    if (!guest_read(h->v, h->arg[1], b, sizeof b)) {
        return -XEN_EFAULT;
    }
    id = field32(b);
    seconds = field32(b + 4);
    if (id > G_N_ELEMENTS(d->watchdog) || (!id && !seconds)) {
        return -XEN_EINVAL;
    }
    taken = id && timer_armed(&d->watchdog[id - 1]);
    if (id && !taken) {
        return -XEN_EINVAL;
    }
    for (unsigned i = 0; !id; i++) {
        if (i == G_N_ELEMENTS(d->watchdog)) {
            return -XEN_ENOSPC;
        }
        id = timer_armed(&d->watchdog[i]) ? 0 : i + 1;
    }
    if (seconds) {
        timer_at(&d->watchdog[id - 1], domain_now(d) + seconds * NS_PER_S);
    } else {
        timer_cancel(&d->watchdog[id - 1]);
    }
    return taken ? 0 : id;
}

int64_t hypercall_sched(Hypercall *h)
{
    switch (h->arg[0]) {
    case SCHEDOP_yield:
        h->after = AFTER_YIELD;
        return 0;
    case SCHEDOP_block:
        h->after = AFTER_BLOCK;
        return 0;
    case SCHEDOP_shutdown:
        return shut_down(h);
    case SCHEDOP_poll:
        return poll_ports(h);
    case SCHEDOP_watchdog:
        return watchdog(h);
    case SCHEDOP_shutdown_code:
        return 0;               /* the reason comes again with the shutdown itself */
    default:
        return -XEN_ENOSYS;
    }
}

/* --- vcpu_op --- */

static SegState segment(const uint8_t *c, unsigned base, unsigned limit, unsigned ar)
{
    uint32_t attr = field16(c + ar);

    /* VMX layout already, but bits 8-11 are AVL, L, DB, G */
    return (SegState){ .base = field32(c + base), .limit = field32(c + limit),
                       .attr = (attr & 0xff) | (attr & 0xf00) };
}

static void context32(const uint8_t *c, VcpuState *s)
{
    for (unsigned i = 0; i < 8; i++) {          /* in encoding order */
        s->gpr[i] = field32(c + 4 * i);
    }
    s->rip = field32(c + 32);
    s->rflags = field32(c + 36) | 2;
    s->cr0 = field32(c + 40);
    s->cr3 = field32(c + 44);
    s->cr4 = field32(c + 48);
    s->efer = field64(c + 56);
    s->seg[SEG_CS] = segment(c, 64, 84, 104);
    s->seg[SEG_DS] = segment(c, 68, 88, 106);
    s->seg[SEG_SS] = segment(c, 72, 92, 108);
    s->seg[SEG_ES] = segment(c, 76, 96, 110);
    s->tr = segment(c, 80, 100, 112);
    s->seg[SEG_FS] = s->seg[SEG_GS] = (SegState){ .attr = SEG_ATTR_UNUSABLE };
}

static void context64(const uint8_t *c, VcpuState *s)
{
    for (unsigned i = 0; i < 8; i++) {
        s->gpr[i] = field64(c + 8 * i);
    }
    s->rip = field64(c + 64);
    s->rflags = field64(c + 72) | 2;
    s->cr0 = field64(c + 80);
    s->cr3 = field64(c + 88);
    s->cr4 = field64(c + 96);
    s->efer = field64(c + 104) | 0x400;     /* LMA: the mode says so */
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        s->seg[i] = (SegState){ .limit = UINT32_MAX, .attr = 0xc93 };
    }
    s->seg[SEG_CS].attr = 0xa9b;
    s->tr = (SegState){ .limit = 0x67, .attr = 0x8b };
}

static int64_t initialise(Hypercall *h, Vcpu *v)
{
    uint8_t c[128];
    VcpuState *s;
    uint32_t mode;

    if (!guest_read(h->v, h->arg[2], c, sizeof c)) {
        return -XEN_EFAULT;
    }
    if (v->online) {
        return -XEN_EEXIST;
    }
    mode = field32(c);
    if (mode > VCPU_HVM_MODE_64B) {
        return -XEN_EINVAL;
    }
    s = g_new0(VcpuState, 1);
    vcpu_reset_state(s, 0);
    s->tsc_offset = vcpu_tsc_offset(h->v);
    s->tsc_aux = h->d->tsc_aux;
    if (mode == VCPU_HVM_MODE_32B) {
        context32(c + 8, s);
    } else {
        context64(c + 8, s);
    }
    pthread_mutex_lock(&h->d->run_lock);
    g_free(v->start_state);
    v->start_state = s;
    pthread_mutex_unlock(&h->d->run_lock);
    return 0;
}

static int64_t register_info(Hypercall *h, Vcpu *v)
{
    uint8_t b[16], *page;
    uint64_t gfn;
    uint32_t offset;

    if (!guest_read(h->v, h->arg[2], b, sizeof b)) {
        return -XEN_EFAULT;
    }
    gfn = field64(b);
    offset = field32(b + 8);
    if (v->info_gpa != UINT64_MAX || offset > PAGE_SIZE - 64 || (offset & 7)) {
        return -XEN_EINVAL;
    }
    page = mem_page(&h->d->mem, gfn, true);
    if (!page) {
        return -XEN_EINVAL;
    }
    memcpy(page + offset, v->info, 64);
    v->info = page + offset;
    v->info_gpa = gfn << PAGE_SHIFT | offset;
    event_info_moved(v);
    pvtime_update_any(h->v, v);
    return 0;
}

static int64_t runstate(Hypercall *h, Vcpu *v, bool keep)
{
    uint8_t info[48], b[8];
    unsigned len = pvtime_runstate_info(v, h->wide, info);
    uint64_t va = h->arg[2];

    if (keep) {
        if (!guest_read(h->v, h->arg[2], b, 8)) {
            return -XEN_EFAULT;
        }
        va = hypercall_long(h, b, 0, 0);
        if (!guest_area_register(h->v, &v->runstate_area, va, len)) {
            return -XEN_EFAULT;
        }
    }
    return guest_write(h->v, va, info, len) ? 0 : -XEN_EFAULT;
}

static int64_t time_area(Hypercall *h, Vcpu *v)
{
    uint8_t b[8];

    if (!guest_read(h->v, h->arg[2], b, 8) ||
        !guest_area_register(h->v, &v->time_area, hypercall_long(h, b, 0, 0), 32)) {
        return -XEN_EFAULT;
    }
    pvtime_update_any(h->v, v);
    return 0;
}

static int64_t set_periodic(Hypercall *h, Vcpu *v)
{
    uint64_t period;

    if (!guest_read(h->v, h->arg[2], &period, 8)) {
        return -XEN_EFAULT;
    }
    if (period < PERIOD_MIN_NS || period > (uint64_t)INT64_MAX / 4) {
        return -XEN_EINVAL;
    }
    v->period = period;
    timer_at(&v->periodic, domain_now(h->d) + v->period);
    return 0;
}

static int64_t set_singleshot(Hypercall *h, Vcpu *v)
{
    uint8_t b[16];
    uint64_t when;

    if (v != h->v) {
        return -XEN_EINVAL;
    }
    if (!guest_read(h->v, h->arg[2], b, sizeof b)) {
        return -XEN_EFAULT;
    }
    when = field64(b);
    if ((field32(b + 8) & TIMER_FUTURE) && when < (uint64_t)domain_now(h->d)) {
        return -XEN_ETIME;
    }
    timer_at(&v->singleshot, MIN(when, (uint64_t)INT64_MAX / 2));
    return 0;
}

static int64_t bring_up(Vcpu *v)
{
    if (!v->online && !v->start_state && v->id != 0) {
        return -XEN_EINVAL;     /* never initialised */
    }
    vcpu_bring_up(v, NULL);
    return 0;
}

int64_t hypercall_vcpu(Hypercall *h)
{
    Vcpu *v = h->arg[1] < h->d->nvcpus ? h->d->vcpu[h->arg[1]] : NULL;

    if (!v) {
        return -XEN_ENOENT;
    }
    switch (h->arg[0]) {
    case VCPUOP_initialise:
        return initialise(h, v);
    case VCPUOP_up:
        return bring_up(v);
    case VCPUOP_down:
        vcpu_take_down(v);
        return 0;
    case VCPUOP_is_up:
        return v->online;
    case VCPUOP_get_runstate_info:
        return runstate(h, v, false);
    case VCPUOP_register_runstate_memory_area:
        return runstate(h, v, true);
    case VCPUOP_set_periodic_timer:
        return set_periodic(h, v);
    case VCPUOP_stop_periodic_timer:
        timer_cancel(&v->periodic);
        return 0;
    case VCPUOP_set_singleshot_timer:
        return set_singleshot(h, v);
    case VCPUOP_stop_singleshot_timer:
        timer_cancel(&v->singleshot);
        return 0;
    case VCPUOP_register_vcpu_info:
        return register_info(h, v);
    case VCPUOP_send_nmi:
        vcpu_nmi(v);
        return 0;
    case VCPUOP_register_vcpu_time_memory_area:
        return time_area(h, v);
    default:
        return -XEN_ENOSYS;
    }
}
