/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exits.c - what engines call back for (EngineHost): port and memory-mapped I/O go to the chips in
 * this process first, then to the device model; interrupts, CPUID, MSRs and hypercalls to their
 * owners.  All on the vCPU's own thread.
 */
#include <string.h>
#include "hypervisor/dm_channel.h"
#include "hypervisor/hvm/msr.h"
#include "hypervisor/hypercall.h"
#include "hypervisor/platform_glue.h"
#include "hypervisor/vcpu.h"
#include "include/pc_layout.h"

#define CONFIG_ENABLE (1u << 31)
#define STRING_MAX 4096         /* elements in one request */
#define EFER_LMA (1u << 10)
#define ATTR_L (1u << 9)

static uint64_t width_mask(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (1ULL << (8 * size)) - 1;
}

/* --- ports --- */

enum PortOwner { OWNER_NOBODY, OWNER_CHIP, OWNER_MODEL, OWNER_CONFIG, OWNER_CMOS,
                 OWNER_SINK };

/* CMOS: the index decides which process answers (xen-facts: the RTC's registers are ours). */
static enum PortOwner cmos_owner(Domain *d, uint16_t port, unsigned size, bool write,
                                 uint32_t value)
{
    if (size != 1) {
        return OWNER_NOBODY;
    }
    if (port == PORT_CMOS_INDEX) {
        if (!write) {
            return OWNER_NOBODY;
        }
        d->cmos_index = value & 0x7f;
        return d->cmos_index < CMOS_HYPERVISOR_BYTES ? OWNER_SINK : OWNER_MODEL;
    }
    return d->cmos_index < CMOS_HYPERVISOR_BYTES ? OWNER_CMOS : OWNER_MODEL;
}

/* Who serves an access to a port of PORT_SPECIAL. */
static enum PortOwner special_owner(Domain *d, uint16_t port, unsigned size, bool write,
                                    uint32_t value)
{
    if (port == PORT_CMOS_INDEX || port == PORT_CMOS_DATA) {
        return cmos_owner(d, port, size, write, value);
    }
    if (port == PORT_DEBUG_CONSOLE && size == 1 && write) {
        domain_console_char(d, value);
        return OWNER_SINK;
    }
    if ((port & 0xfffc) == PORT_PCI_DATA && (d->cf8 & CONFIG_ENABLE)) {
        return ioreq_claimed(d, IOREQ_PCI, d->cf8 >> 8 & 0xffff, d->cf8 >> 8 & 0xffff) &&
                       (port & 3) + size <= 4 ? OWNER_CONFIG : OWNER_NOBODY;
    }
    if (io_map_find(&d->machine.io, IO_PORT, port)) {
        return OWNER_CHIP;
    }
    return ioreq_claimed(d, IOREQ_PORT, port, port + size - 1) ? OWNER_MODEL : OWNER_NOBODY;
}

/*
 * Who serves the access, with entry what ports.h says; lock held.  CF8 is latched here and still
 * offered to the device model.
 */
static enum PortOwner port_owner(Domain *d, uintptr_t entry, uint16_t port, unsigned size,
                                 bool write, uint32_t value)
{
    if (port_chip(entry)) {
        return OWNER_CHIP;
    }
    if (port == PORT_PCI_ADDRESS && size == 4 && write) {
        d->cf8 = value;
    }
    if (entry == PORT_SPECIAL) {
        return special_owner(d, port, size, write, value);
    }
    return port_is_model(entry, size) ? OWNER_MODEL : OWNER_NOBODY;
}

/* The request for the port; CFC accesses become configuration cycles. */
static ioreq_t port_request(const Domain *d, enum PortOwner owner, uint16_t port, unsigned size,
                            bool write)
{
    ioreq_t r = { .addr = port, .size = size, .count = 1, .type = IOREQ_TYPE_PIO,
                  .dir = write ? IOREQ_WRITE : IOREQ_READ };

    if (owner == OWNER_CONFIG) {
        r.type = IOREQ_TYPE_PCI_CONFIG;
        r.addr = (uint64_t)(d->cf8 >> 8 & 0xffff) << 32 | (d->cf8 & 0xfc) | (port & 3);
    }
    return r;
}

/* Of an access whose owner is OWNER_CHIP. */
static const IoRange *chip_range(Domain *d, uintptr_t entry, uint16_t port)
{
    const IoRange *chip = port_chip(entry);

    return chip ? chip : io_map_find(&d->machine.io, IO_PORT, port);
}

/* What this process can answer; lock held.  OWNER_MODEL, OWNER_CONFIG: the device model has to. */
static enum PortOwner read_here(Domain *d, uint16_t port, unsigned size, uint32_t *value)
{
    uintptr_t entry = ports_look(d, port);
    enum PortOwner owner;
    uint64_t published;

    *value = width_mask(size);
    event_sync_callback(d);
    if (port == PORT_PCI_ADDRESS && size == 4) {
        *value = d->cf8;
        return OWNER_SINK;
    }
    owner = port_owner(d, entry, port, size, false, 0);
    if (owner == OWNER_CHIP) {
        *value = io_read_at(&d->machine.io, chip_range(d, entry, port), IO_PORT, port, size);
    } else if (owner == OWNER_CMOS) {
        *value = glue_cmos_read(d, d->cmos_index);
    } else if (owner == OWNER_MODEL && ioreq_published(d, false, port, size, &published)) {
        *value = published;
        return OWNER_SINK;
    }
    return owner;
}

static enum PortOwner write_here(Domain *d, uint16_t port, unsigned size, uint32_t value)
{
    uintptr_t entry = ports_look(d, port);
    enum PortOwner owner;

    event_sync_callback(d);
    owner = port_owner(d, entry, port, size, true, value);
    if (owner == OWNER_CHIP) {
        io_write_at(&d->machine.io, chip_range(d, entry, port), IO_PORT, port, size, value);
    } else if (owner == OWNER_CMOS) {
        glue_cmos_write(d, d->cmos_index, value);
    } else if (owner == OWNER_MODEL && ioreq_post(d, false, port, size, value)) {
        return OWNER_SINK;
    }
    return owner;
}

static void host_io_read(Vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    Domain *d = v->dom;
    enum PortOwner owner;
    ioreq_t req;

    domain_lock(d);
    owner = read_here(d, port, size, value);
    req = port_request(d, owner, port, size, false);
    domain_unlock(d);
    if (owner == OWNER_MODEL || owner == OWNER_CONFIG) {
        ioreq_send(v, &req);
        *value = req.data & width_mask(size);
    }
}

/*
 * While the vCPU counts as running guest code nothing may be waited for: not for the lock, nor inside.
 * Special ports: CF8h to CFFh and CMOS but for writes of its data, which may tell xend.
 */
static bool is_quick(uintptr_t entry, uint16_t port, bool write)
{
    const IoRange *chip = port_chip(entry);

    if (chip) {
        return chip->ops->quick;
    }
    if (entry == PORT_SPECIAL) {
        return port != PORT_DEBUG_CONSOLE && !(write && port == PORT_CMOS_DATA);
    }
    return entry != PORT_UNKNOWN;
}

static bool host_io_read_now(Vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    Domain *d = v->dom;
    uintptr_t entry = ports_peek(&d->ports, port);
    enum PortOwner owner;

    if (entry == PORT_NOBODY) {
        *value = width_mask(size);
        return true;
    }
    if (!is_quick(entry, port, false) || !device_try(&d->lock, &v->door)) {
        return false;
    }
    owner = read_here(d, port, size, value);
    device_leave(&d->lock, &v->door);
    return owner != OWNER_MODEL && owner != OWNER_CONFIG;
}

static bool host_io_write_now(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    Domain *d = v->dom;
    uintptr_t entry = ports_peek(&d->ports, port);
    enum PortOwner owner;

    if (port == PORT_HYPERCALL && size > 1) {
        return false;
    }
    if (entry == PORT_NOBODY) {
        return true;
    }
    if (!is_quick(entry, port, true) || !device_try(&d->lock, &v->door)) {
        return false;
    }
    owner = write_here(d, port, size, value & width_mask(size));
    device_leave(&d->lock, &v->door);
    return owner != OWNER_MODEL && owner != OWNER_CONFIG;
}

/* A guest that has come from KVM may have OUT where its hypercall was (kvm/kvm_calls.c). */
static bool hypercall_port(Vcpu *v)
{
    const EngineOps *ops = v->dom->ops;
    VcpuState *s = v->state;        /* also the cache of what hypercalls look at */
    uint64_t gpr[16];

    v->state_valid = false;
    ops->get_state(v->ev, s);
    if (s->seg[SEG_SS].attr >> 5 & 3) {
        return false;
    }
    memcpy(gpr, s->gpr, sizeof gpr);
    hypercall_enter(v, gpr, (s->efer & EFER_LMA) && (s->seg[SEG_CS].attr & ATTR_L), 0);
    ops->get_state(v->ev, s);
    memcpy(s->gpr, gpr, sizeof gpr);
    ops->set_state(v->ev, s);
    v->state_valid = false;
    return true;
}

static void host_io_write(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    Domain *d = v->dom;
    enum PortOwner owner;
    ioreq_t req;

    if (port == PORT_HYPERCALL && size > 1 && hypercall_port(v)) {
        return;
    }

    value &= width_mask(size);
    domain_lock(d);
    owner = write_here(d, port, size, value);
    req = port_request(d, owner, port, size, true);
    domain_unlock(d);
    if (owner == OWNER_MODEL || owner == OWNER_CONFIG) {
        req.data = value;
        ioreq_send(v, &req);
    }
}

/* One element of a string access to a port that the device model does not serve in bulk. */
static uint32_t string_element(Vcpu *v, uint16_t port, unsigned size, bool write, uint64_t gpa)
{
    uint32_t value = 0;

    if (write) {
        mem_read(&v->dom->mem, gpa, &value, size);
        host_io_write(v, port, size, value);
    } else {
        host_io_read(v, port, size, &value);
        domain_lock(v->dom);
        mem_write(&v->dom->mem, gpa, &value, size);
        domain_unlock(v->dom);
    }
    return 1;
}

static uint32_t host_io_string(Vcpu *v, uint16_t port, unsigned size, bool write, uint64_t gpa,
                               uint32_t count, bool df)
{
    Domain *d = v->dom;
    bool special = port == PORT_CMOS_INDEX || port == PORT_CMOS_DATA ||
                   port == PORT_DEBUG_CONSOLE || (port & 0xfff8) == PORT_PCI_ADDRESS;
    enum PortOwner owner;
    ioreq_t req;

    if (special) {
        return string_element(v, port, size, write, gpa);
    }
    domain_lock(d);
    owner = port_owner(d, ports_look(d, port), port, size, write, 0);
    req = port_request(d, owner, port, size, write);
    domain_unlock(d);
    if (owner != OWNER_MODEL) {
        return string_element(v, port, size, write, gpa);
    }
    req.count = MIN(count, STRING_MAX);
    req.data = gpa;
    req.data_is_ptr = 1;
    req.df = df;
    ioreq_send(v, &req);
    return req.count;
}

/* Chips and ports that nobody has are quicker one by one. */
static bool host_io_in_bulk(Vcpu *v, uint16_t port)
{
    uintptr_t entry = ports_peek(&v->dom->ports, port);

    return entry != PORT_NOBODY && entry != PORT_SPECIAL && !port_chip(entry);
}

/* --- memory-mapped I/O --- */

static bool in_vga_window(uint64_t gpa, uint64_t len)
{
    return gpa >= PC_VGA_HOLE_START && gpa + len <= PC_VGA_HOLE_END;
}

static bool window_write(Domain *d, uint64_t gpa, unsigned size, uint64_t data)
{
    bool done = ioreq_buffer(d, IOREQ_TYPE_COPY, IOREQ_WRITE, gpa, size, data);

    if (done) {
        collect_written(d);
    }
    return done;
}

/* False: the device model has to be asked.  Lock held. */
static bool mmio_read_here(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value)
{
    Domain *d = v->dom;

    *value = width_mask(size);
    event_sync_callback(d);
    return glue_mmio_read(v, gpa, size, value) ||
           !ioreq_claimed(d, IOREQ_MEMORY, gpa, gpa + size - 1) ||
           ioreq_published(d, true, gpa, size, value);
}

static bool mmio_write_here(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value)
{
    Domain *d = v->dom;

    event_sync_callback(d);
    if (glue_mmio_write(v, gpa, size, value) ||
        !ioreq_claimed(d, IOREQ_MEMORY, gpa, gpa + size - 1)) {
        return true;
    }
    /* Memory since this access began: behind the ring it could come too late. */
    return !mem_page(&d->mem, gpa >> PAGE_SHIFT, true) &&
           (in_vga_window(gpa, size) ? window_write(d, gpa, size, value)
                                     : ioreq_post(d, true, gpa, size, value));
}

static void host_mmio_read(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value)
{
    Domain *d = v->dom;
    bool done;
    ioreq_t req = { .addr = gpa, .size = size, .count = 1, .type = IOREQ_TYPE_COPY,
                    .dir = IOREQ_READ };

    domain_lock(d);
    done = mmio_read_here(v, gpa, size, value);
    domain_unlock(d);
    if (!done) {
        ioreq_send(v, &req);
        *value = req.data & width_mask(size);
    }
}

static void host_mmio_write(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value)
{
    Domain *d = v->dom;
    bool done;
    ioreq_t req = { .addr = gpa, .data = value & width_mask(size), .size = size, .count = 1,
                    .type = IOREQ_TYPE_COPY, .dir = IOREQ_WRITE };

    domain_lock(d);
    done = mmio_write_here(v, gpa, size, req.data);
    domain_unlock(d);
    if (!done) {
        ioreq_send(v, &req);
    }
}

static bool host_mmio_read_now(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value)
{
    Domain *d = v->dom;
    bool done;

    if (!device_try(&d->lock, &v->door)) {
        return false;
    }
    done = mmio_read_here(v, gpa, size, value);
    device_leave(&d->lock, &v->door);
    return done;
}

static bool host_mmio_write_now(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value)
{
    Domain *d = v->dom;
    bool done;

    if (!device_try(&d->lock, &v->door)) {
        return false;
    }
    done = mmio_write_here(v, gpa, size, value & width_mask(size));
    device_leave(&d->lock, &v->door);
    return done;
}

static uint32_t host_mmio_string(Vcpu *v, uint64_t gpa, unsigned size, bool write,
                                 uint64_t ram_gpa, uint64_t value, uint32_t count, bool df)
{
    Domain *d = v->dom;
    uint64_t bytes, first;
    bool claimed;
    ioreq_t req = { .addr = gpa, .size = size, .type = IOREQ_TYPE_COPY, .df = df,
                    .dir = write ? IOREQ_WRITE : IOREQ_READ };

    count = MIN(count, STRING_MAX / size);
    bytes = (uint64_t)count * size;
    first = df ? gpa + size - bytes : gpa;
    domain_lock(d);
    event_sync_callback(d);
    claimed = !glue_mmio_is_chip(d, first, bytes) &&
              ioreq_claimed(d, IOREQ_MEMORY, first, first + bytes - 1);
    domain_unlock(d);
    if (!claimed || (ram_gpa == UINT64_MAX && !write)) {
        return 0;
    }
    req.count = count;
    req.data_is_ptr = ram_gpa != UINT64_MAX;
    req.data = req.data_is_ptr ? ram_gpa : value & width_mask(size);
    ioreq_send(v, &req);
    return count;
}

/* --- interrupts --- */

/* No lock: false if there is nothing for sure. */
static bool may_be_pending(Vcpu *v)
{
    return v->nmi_pending || glue_irq_hint(v) || v->dom->events.asserted || event_upcall_pending(v);
}

/* Lock held. */
static unsigned irq_pending_here(Vcpu *v)
{
    event_sync_callback(v->dom);
    return (v->nmi_pending ? IRQ_NMI : 0) | (glue_irq_pending(v) ? IRQ_EXTINT : 0);
}

unsigned vcpu_irq_pending(Vcpu *v)
{
    unsigned pending = 0;

    if (may_be_pending(v)) {
        domain_lock(v->dom);
        pending = irq_pending_here(v);
        domain_unlock(v->dom);
    }
    return pending;
}

static bool host_irq_pending_now(Vcpu *v, unsigned *pending)
{
    *pending = 0;
    if (may_be_pending(v)) {
        if (!device_try(&v->dom->lock, &v->door)) {
            return false;
        }
        *pending = irq_pending_here(v);
        device_leave(&v->dom->lock, &v->door);
    }
    return true;
}

/* Lock held. */
static int irq_ack_here(Vcpu *v)
{
    event_sync_callback(v->dom);
    __atomic_fetch_add(&v->irqs_taken, 1, __ATOMIC_RELAXED);
    return glue_irq_ack(v);
}

static int host_irq_ack(Vcpu *v)
{
    int vector;

    domain_lock(v->dom);
    vector = irq_ack_here(v);
    domain_unlock(v->dom);
    return vector;
}

static bool host_irq_ack_now(Vcpu *v, int *vector)
{
    if (!device_try(&v->dom->lock, &v->door)) {
        return false;
    }
    *vector = irq_ack_here(v);
    device_leave(&v->dom->lock, &v->door);
    return true;
}

static void host_nmi_ack(Vcpu *v)
{
    domain_lock(v->dom);
    v->nmi_pending = false;
    domain_unlock(v->dom);
}

/* --- the rest --- */

static void host_cpuid(Vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    domain_lock(v->dom);
    glue_cpuid(v, leaf, subleaf, out);
    domain_unlock(v->dom);
}

static bool host_msr_read(Vcpu *v, uint32_t index, uint64_t *value)
{
    bool ok;

    domain_lock(v->dom);
    ok = glue_msr_read(v, index, value);
    domain_unlock(v->dom);
    return ok;
}

static bool host_msr_write(Vcpu *v, uint32_t index, uint64_t value)
{
    bool ok;

    domain_lock(v->dom);
    event_sync_callback(v->dom);
    ok = glue_msr_write(v, index, value);
    domain_unlock(v->dom);
    return ok;
}

static bool host_msr_read_now(Vcpu *v, uint32_t index, uint64_t *value)
{
    bool ok;

    if (!msrs_quick(index, false) || !device_try(&v->dom->lock, &v->door)) {
        return false;
    }
    ok = glue_msr_read(v, index, value);
    device_leave(&v->dom->lock, &v->door);
    return ok;
}

static bool host_msr_write_now(Vcpu *v, uint32_t index, uint64_t value)
{
    bool ok;

    if (!msrs_quick(index, true) || !device_try(&v->dom->lock, &v->door)) {
        return false;
    }
    event_sync_callback(v->dom);
    ok = glue_msr_write(v, index, value);
    device_leave(&v->dom->lock, &v->door);
    return ok;
}

/* KVM asks at each entry.  No lock: a word, which this thread writes, but for INIT's reset. */
static uint64_t host_cr8_read(Vcpu *v)
{
    return glue_cr8_read(v);
}

static void host_cr8_write(Vcpu *v, uint64_t value)
{
    domain_lock(v->dom);
    glue_cr8_write(v, value);
    domain_unlock(v->dom);
}

static void host_drain(Vcpu *v)
{
    dm_drain_posts(v->dom);
}

static void host_log(Vcpu *v, const char *text)
{
    domain_log(v->dom, "vCPU %u: %s", v->id, text);
}

const EngineHost vcpu_engine_host = {
    .io_read = host_io_read,
    .io_write = host_io_write,
    .io_read_now = host_io_read_now,
    .io_write_now = host_io_write_now,
    .io_string = host_io_string,
    .mmio_read = host_mmio_read,
    .mmio_write = host_mmio_write,
    .mmio_read_now = host_mmio_read_now,
    .mmio_write_now = host_mmio_write_now,
    .mmio_string = host_mmio_string,
    .hypercall = hypercall_enter,
    .cpuid = host_cpuid,
    .msr_read = host_msr_read,
    .msr_write = host_msr_write,
    .msr_read_now = host_msr_read_now,
    .msr_write_now = host_msr_write_now,
    .cr8_read = host_cr8_read,
    .cr8_write = host_cr8_write,
    .irq_pending = vcpu_irq_pending,
    .irq_ack = host_irq_ack,
    .irq_pending_now = host_irq_pending_now,
    .irq_ack_now = host_irq_ack_now,
    .io_in_bulk = host_io_in_bulk,
    .nmi_ack = host_nmi_ack,
    .tsc = glue_tsc,
    .drain_code_ring = host_drain,
    .log = host_log,
};
