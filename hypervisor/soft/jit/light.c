/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * light.c - instructions that translated code has done by C without giving up its state: ports that the
 * host answers at once, CPUID from the cache, RDTSC, segment loads as before, system calls.
 *
 * Such a function finds RAX, RCX, RDX, RBX and RSP in Cpu.gpr and leaves them there; nothing else in Cpu need
 * be up to date, RIP and the flags least of all, so it raises no fault: it returns false, having done
 * nothing that can't be done again, and the instruction's body is called.  The host's x87 state may be
 * the guest's meanwhile.
 */
#include "hypervisor/soft/jit/xlat.h"
#include "hypervisor/soft/mmu.h"
#include "hypervisor/soft/sys.h"

/* What the device model has said before it published what was read is to be taken first: it may have
 * written to code. */
static bool done(Cpu *c)
{
    if (unlikely(*c->code_ring_prod != *c->code_ring_seen))
        soft_request_look(c);
    return true;
}

static bool may_use_ports(const Cpu *c)
{
    return !(c->cr0 & CR0_PE) || c->cpl <= cpu_iopl(c);
}

static uint16_t port_of(const Cpu *c, const Insn *i)
{
    return (uint16_t)(i->opcode & 8 ? c->gpr[2] : (uint8_t)i->imm);
}

bool light_in(Cpu *c, const Insn *i)
{
    const EngineHost *host = c->engine->host;
    uint32_t v = 0;

    if (!may_use_ports(c) || points_on_ports(c) || !host->io_read_now ||
        !host->io_read_now(cpu_priv(c)->vcpu, port_of(c, i), i->opsize, &v))
        return false;
    if (i->opsize == 1)
        R8(c, 0) = (uint8_t)v;
    else
        reg_write(c, 0, i->opsize, v);
    return done(c);
}

bool light_out(Cpu *c, const Insn *i)
{
    const EngineHost *host = c->engine->host;

    if (!may_use_ports(c) || points_on_ports(c) || cpu_priv(c)->watching || !host->io_write_now ||
        !host->io_write_now(cpu_priv(c)->vcpu, port_of(c, i), i->opsize,
                            (uint32_t)(c->gpr[0] & size_mask(i->opsize))))
        return false;
    return done(c);
}

/* Where the register at linear is in guest-physical memory; false: no page without memory there that the TLB
 * knows, or somebody wants to look at the access. */
static bool device_at(const Cpu *c, uint64_t linear, unsigned size, bool write, uint64_t *gpa)
{
    unsigned table = (unsigned)(c->tlb - c->tlbs[0]) / TLB_SIZE;
    const TlbInfo *info = &c->tlb_info[table % TLB_NONE][tlb_index(linear)];

    *gpa = (info->gpa & ~(uint64_t)TLBF_MASK) | (linear & 0xfff);
    return table != TLB_NONE && linear - info->mtag <= 4096 - size &&
           (!write || (info->gpa & TLBF_WRITE)) && !page_is_watched(c, linear & ~0xfffull);
}

bool light_device_read(Cpu *c, uint64_t size, uint64_t linear)
{
    const EngineHost *host = c->engine->host;
    uint64_t gpa;

    return device_at(c, linear, (unsigned)size, false, &gpa) && host->mmio_read_now &&
           host->mmio_read_now(cpu_priv(c)->vcpu, gpa, (unsigned)size, &c->jit_value) && done(c);
}

bool light_device_write(Cpu *c, uint64_t size, uint64_t linear)
{
    const EngineHost *host = c->engine->host;
    uint64_t gpa;

    return device_at(c, linear, (unsigned)size, true, &gpa) && host->mmio_write_now &&
           host->mmio_write_now(cpu_priv(c)->vcpu, gpa, (unsigned)size, c->jit_value) && done(c);
}

bool light_cpuid(Cpu *c, const Insn *i)
{
    uint32_t out[4];

    (void)i;
    if (!soft_cpuid(c, (uint32_t)c->gpr[0], (uint32_t)c->gpr[1], true, out))
        return false;
    c->gpr[0] = out[0];
    c->gpr[3] = out[1];
    c->gpr[1] = out[2];
    c->gpr[2] = out[3];
    return true;
}

bool light_rdtsc(Cpu *c, const Insn *i)
{
    uint64_t v;

    (void)i;
    if ((c->cr4 & CR4_TSD) && c->cpl)
        return false;
    v = c->engine->host->tsc(cpu_priv(c)->vcpu) + (uint64_t)c->tsc_offset;
    c->gpr[0] = (uint32_t)v;
    c->gpr[2] = v >> 32;
    return true;
}

bool light_segment(Cpu *c, const Insn *i)
{
    return seg_load_again(c, i->reg, (uint16_t)c->jit_value);
}

/* RIP and the flags are up to date, before it as for a body.  What it makes due is told by Cpu.poll or the mode. */
bool light_level(Cpu *c, const Insn *i)
{
    return soft_change_level(c, i);
}
