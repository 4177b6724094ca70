/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hosts.c - the host's functions as the software CPU's bodies call them.
 *
 * A vCPU in a host callback may block there, so it is counted out of guest code meanwhile, and
 * takes the requests of others when it comes back (see core.h), save where the host answers at
 * once.  The Vcpu that these functions are
 * given is the Cpu itself.
 */
#include "hypervisor/soft/core.h"

static Cpu *self(Vcpu *v) { return (Cpu *)(void *)v; }

#define OUTSIDE(v, call) do { \
    guest_leave(self(v)); \
    call; \
    guest_enter(self(v)); \
} while (0)

#define HOST(v) self(v)->engine->host
#define REAL(v) cpu_priv(self(v))->vcpu
/* Done without leaving guest code. */
#define AT_ONCE(v, function, ...) \
    (HOST(v)->function && HOST(v)->function(REAL(v), __VA_ARGS__))

static void io_read(Vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    if (!AT_ONCE(v, io_read_now, port, size, value)) {
        OUTSIDE(v, HOST(v)->io_read(REAL(v), port, size, value));
    }
}

static void io_write(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    if (!AT_ONCE(v, io_write_now, port, size, value)) {
        OUTSIDE(v, HOST(v)->io_write(REAL(v), port, size, value));
    }
}

static bool io_read_now(Vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    return AT_ONCE(v, io_read_now, port, size, value);
}

static bool io_write_now(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    return AT_ONCE(v, io_write_now, port, size, value);
}

static uint32_t io_string(Vcpu *v, uint16_t port, unsigned size, bool write, uint64_t gpa,
                          uint32_t count, bool df)
{
    uint32_t n = 0;

    if (HOST(v)->io_in_bulk && !HOST(v)->io_in_bulk(REAL(v), port)) {
        return 0;               /* one by one, each at once */
    }
    OUTSIDE(v, n = HOST(v)->io_string(REAL(v), port, size, write, gpa, count, df));
    return n < count ? n : count;
}

static void mmio_read(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value)
{
    if (!AT_ONCE(v, mmio_read_now, gpa, size, value)) {
        OUTSIDE(v, HOST(v)->mmio_read(REAL(v), gpa, size, value));
    }
}

static void mmio_write(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value)
{
    if (!AT_ONCE(v, mmio_write_now, gpa, size, value)) {
        OUTSIDE(v, HOST(v)->mmio_write(REAL(v), gpa, size, value));
    }
}

static uint32_t mmio_string(Vcpu *v, uint64_t gpa, unsigned size, bool write, uint64_t ram_gpa,
                            uint64_t value, uint32_t count, bool df)
{
    uint32_t n = 0;

    if (!HOST(v)->mmio_string)
        return 0;
    OUTSIDE(v, n = HOST(v)->mmio_string(REAL(v), gpa, size, write, ram_gpa, value, count, df));
    return n < count ? n : count;
}

static void hypercall(Vcpu *v, uint64_t *gpr, bool long_mode, unsigned cpl)
{
    OUTSIDE(v, HOST(v)->hypercall(REAL(v), gpr, long_mode, cpl));
}

/* Also asked while a vCPU is being made, which is not in guest code then. */
static void cpuid(Vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    if (!cpu_priv(self(v))->in_guest) {
        HOST(v)->cpuid(REAL(v), leaf, subleaf, out);
        return;
    }
    OUTSIDE(v, HOST(v)->cpuid(REAL(v), leaf, subleaf, out));
}

static bool msr_read(Vcpu *v, uint32_t index, uint64_t *value)
{
    bool ok;

    if (AT_ONCE(v, msr_read_now, index, value)) {
        return true;
    }
    OUTSIDE(v, ok = HOST(v)->msr_read(REAL(v), index, value));
    return ok;
}

static bool msr_write(Vcpu *v, uint32_t index, uint64_t value)
{
    bool ok;

    if (AT_ONCE(v, msr_write_now, index, value)) {
        return true;
    }
    OUTSIDE(v, ok = HOST(v)->msr_write(REAL(v), index, value));
    return ok;
}

static uint64_t cr8_read(Vcpu *v)
{
    uint64_t r;

    OUTSIDE(v, r = HOST(v)->cr8_read(REAL(v)));
    return r;
}

static void cr8_write(Vcpu *v, uint64_t value)
{
    OUTSIDE(v, HOST(v)->cr8_write(REAL(v), value));
}

static unsigned irq_pending(Vcpu *v)
{
    unsigned r;

    if (!AT_ONCE(v, irq_pending_now, &r)) {
        OUTSIDE(v, r = HOST(v)->irq_pending(REAL(v)));
    }
    return r;
}

static int irq_ack(Vcpu *v)
{
    int r;

    if (!AT_ONCE(v, irq_ack_now, &r)) {
        OUTSIDE(v, r = HOST(v)->irq_ack(REAL(v)));
    }
    return r;
}

static void nmi_ack(Vcpu *v)
{
    OUTSIDE(v, HOST(v)->nmi_ack(REAL(v)));
}

/* Quick and never blocking: not worth leaving for. */
static uint64_t tsc(Vcpu *v)
{
    return HOST(v)->tsc(REAL(v));
}

static void drain_code_ring(Vcpu *v)
{
    OUTSIDE(v, HOST(v)->drain_code_ring(REAL(v)));
}

static void host_log(Vcpu *v, const char *text)
{
    OUTSIDE(v, HOST(v)->log(REAL(v), text));
}

const EngineHost soft_wrapped_host = {
    .io_read = io_read,
    .io_write = io_write,
    .io_read_now = io_read_now,
    .io_write_now = io_write_now,
    .io_string = io_string,
    .mmio_read = mmio_read,
    .mmio_write = mmio_write,
    .mmio_string = mmio_string,
    .hypercall = hypercall,
    .cpuid = cpuid,
    .msr_read = msr_read,
    .msr_write = msr_write,
    .cr8_read = cr8_read,
    .cr8_write = cr8_write,
    .irq_pending = irq_pending,
    .irq_ack = irq_ack,
    .nmi_ack = nmi_ack,
    .tsc = tsc,
    .drain_code_ring = drain_code_ring,
    .log = host_log,
};
