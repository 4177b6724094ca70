/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hypercall_hvm.c - hvm_op (xen/hvm/hvm_op.h, params.h): parameters, upcall vectors, page types.
 */
#define __XEN_TOOLS__ 1
#include "hypervisor/hypercall.h"

#include "hypervisor/xen_abi.h"
#include <xen/errno.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include "hypervisor/params.h"
#include "hypervisor/platform_glue.h"
#include "hypervisor/pvtime.h"

#define BIT(n) (1ULL << (n))

static const uint64_t guest_may_set =
    BIT(HVM_PARAM_CALLBACK_IRQ) | BIT(HVM_PARAM_STORE_EVTCHN) | BIT(HVM_PARAM_VM86_TSS) |
    BIT(HVM_PARAM_CONSOLE_EVTCHN) | BIT(HVM_PARAM_ACPI_IOPORTS_LOCATION) |
    BIT(HVM_PARAM_VM_GENERATION_ID_ADDR) | BIT(HVM_PARAM_X87_FIP_WIDTH) |
    BIT(HVM_PARAM_VM86_TSS_SIZED);
static const uint64_t guest_may_get =
    BIT(HVM_PARAM_CALLBACK_IRQ) | BIT(HVM_PARAM_STORE_PFN) | BIT(HVM_PARAM_STORE_EVTCHN) |
    BIT(HVM_PARAM_VM86_TSS) | BIT(HVM_PARAM_CONSOLE_PFN) | BIT(HVM_PARAM_CONSOLE_EVTCHN) |
    BIT(HVM_PARAM_ACPI_IOPORTS_LOCATION) | BIT(HVM_PARAM_VM_GENERATION_ID_ADDR) |
    BIT(35 /* altp2m */) | BIT(HVM_PARAM_X87_FIP_WIDTH) | BIT(HVM_PARAM_VM86_TSS_SIZED);
static const uint64_t dead =
    BIT(7) | BIT(8) | BIT(20) | BIT(21) | BIT(22) | BIT(23) | BIT(24) | BIT(25) | BIT(26) | BIT(30);

static int param_check(uint32_t index, uint64_t allowed)
{
    if (index >= DOM_PARAMS || (dead & BIT(index))) {
        return -XEN_EINVAL;
    }
    return allowed & BIT(index) ? 0 : -XEN_EPERM;
}

int param_set(Domain *d, uint32_t index, uint64_t value)
{
    int rc = param_check(index, UINT64_MAX);

    if (rc < 0) {
        return rc;
    }
    switch (index) {
    case HVM_PARAM_CALLBACK_IRQ:
        event_set_callback(d, value);
        break;
    case HVM_PARAM_ACPI_IOPORTS_LOCATION:
        if (value > 1) {
            return -XEN_EINVAL;
        }
        glue_acpi_ports(d, value);
        break;
    case HVM_PARAM_ACPI_S_STATE:
        if (value != 0) {
            return -XEN_EINVAL; /* S3 is the device model's business, we have nothing to save */
        }
        break;
    case HVM_PARAM_TIMER_MODE:
        if (value > 3) {
            return -XEN_EINVAL;
        }
        break;
    default:
        break;
    }
    d->param[index] = value;
    return 0;
}

int param_get(const Domain *d, uint32_t index, uint64_t *value)
{
    int rc = param_check(index, UINT64_MAX);

    if (rc == 0) {
        *value = d->param[index];
    }
    return rc;
}

static int64_t param_op(Hypercall *h, bool set)
{
    uint8_t b[16];
    uint64_t value;
    int rc;

    if (!guest_read(h->v, h->arg[1], b, sizeof b)) {
        return -XEN_EFAULT;
    }
    if (!hypercall_is_self(h, field16(b))) {
        return -XEN_EPERM;
    }
    rc = param_check(field32(b + 4), set ? guest_may_set : guest_may_get);
    if (rc < 0) {
        return rc;
    }
    if (set) {
        if (field32(b + 4) == HVM_PARAM_CALLBACK_IRQ) {
            event_set_layout(h->d, h->wide);
            pvtime_wallclock(h->d);
        }
        return param_set(h->d, field32(b + 4), field64(b + 8));
    }
    rc = param_get(h->d, field32(b + 4), &value);
    put64(b + 8, value);
    return rc == 0 && !guest_write(h->v, h->arg[1], b, sizeof b) ? -XEN_EFAULT : rc;
}

static int64_t get_mem_type(Hypercall *h)
{
    uint8_t b[16];              /* domid u16, type u16 OUT, pad u16[2], pfn u64 */
    uint64_t gfn;

    if (!guest_read(h->v, h->arg[1], b, sizeof b)) {
        return -XEN_EFAULT;
    }
    if (!hypercall_is_self(h, field16(b))) {
        return -XEN_EPERM;
    }
    gfn = field64(b + 8);
    put16(b + 2, mem_page(&h->d->mem, gfn, true) ? HVMMEM_ram_rw
                 : mem_page(&h->d->mem, gfn, false) ? HVMMEM_ram_ro : HVMMEM_mmio_dm);
    return guest_write(h->v, h->arg[1], b, sizeof b) ? 0 : -XEN_EFAULT;
}

static int64_t upcall_vector(Hypercall *h)
{
    uint8_t b[8];
    uint32_t vcpu;

    if (!guest_read(h->v, h->arg[1], b, 5)) {
        return -XEN_EFAULT;
    }
    vcpu = field32(b);
    if (b[4] < 0x10) {
        return -XEN_EINVAL;
    }
    if (vcpu >= h->d->nvcpus) {
        return -XEN_ENOENT;
    }
    h->d->vcpu[vcpu]->upcall_vector = b[4];
    event_renew_upcall(h->d->vcpu[vcpu]);
    return 0;
}

int64_t hypercall_hvm(Hypercall *h)
{
    uint64_t now;

    switch (h->arg[0]) {
    case HVMOP_set_param:
        return param_op(h, true);
    case HVMOP_get_param:
        return param_op(h, false);
    case HVMOP_flush_tlbs:
        return h->arg[1] ? -XEN_EINVAL : 0; /* our callers flush what they change themselves */
    case HVMOP_get_time:
        now = domain_now(h->d);
        return guest_write(h->v, h->arg[1], &now, 8) ? 0 : -XEN_EFAULT;
    case HVMOP_get_mem_type:
        return get_mem_type(h);
    case HVMOP_set_evtchn_upcall_vector:
        return upcall_vector(h);
    default:
        return -XEN_ENOSYS;     /* pagetable_dying, too: only for shadow paging */
    }
}
