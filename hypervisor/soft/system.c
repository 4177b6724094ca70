/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * system.c - the remaining system instructions: interrupt flag, fast system calls, CPUID, TSC,
 * port I/O with its rights, hypercalls, cache and TLB control, FS/GS bases.
 *
 * Intel SDM volume 2; SYSCALL outside 64-bit mode is AMD's (APM volume 3) and #UD for Intel's
 * vendor string, SYSENTER in long mode the other way round.  INVD and WBINVD do nothing, as there
 * is no cache; MONITOR, MWAIT and RSM are not offered.
 */
#include <string.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/ops.h"
#include "hypervisor/soft/sys.h"

enum { ATTR_CODE32 = 0xc9b, ATTR_CODE64 = 0xa9b, ATTR_DATA32 = 0xc93, ATTR_DPL3 = 0x60 };

static void need_ring0(Cpu *c, const Insn *i)
{
    if (c->cpl)
        raise_gp0(c, i);
}

/* --- HLT, CLI, STI --- */

OP(hlt)
{
    need_ring0(c, i);
    c->halted = 1;
    END(c, i);
}

/* True: IF itself may be changed; false: VIF takes its place.  #GP(0) if neither. */
static bool may_change_if(Cpu *c, const Insn *i)
{
    if (!(c->cr0 & CR0_PE) || c->cpl <= cpu_iopl(c))
        return true;
    if (cpu_v86(c) ? !(c->cr4 & CR4_VME) : c->cpl != 3 || !(c->cr4 & CR4_PVI))
        raise_gp0(c, i);
    return false;
}

OP(cli)
{
    c->rflags &= ~(uint32_t)(may_change_if(c, i) ? RF_IF : RF_VIF);
    END(c, i);
}

OP(sti)
{
    if (may_change_if(c, i)) {
        if (!(c->rflags & RF_IF))
            c->shadow |= SHADOW_STI;
        cpu_set_rflags(c, RF_IF, RF_IF);
    } else {
        if (c->rflags & RF_VIP)
            raise_gp0(c, i);
        c->rflags |= RF_VIF;
    }
    END(c, i);
}

static void set_ac(Cpu *c, const Insn *i, bool on)
{
    enum { SMAP = 1 << 20 };
    uint32_t out[4] = { 0 };

    if (!c->leaf7_known) {
        c->host->cpuid(c->vcpu, 7, 0, out);
        c->leaf7_ebx = out[1];
        c->leaf7_known = true;
    }
    if (!(c->leaf7_ebx & SMAP) || c->cpl)
        raise_ud(c, i);
    cpu_set_rflags(c, on ? RF_AC : 0, RF_AC);
}

OP(clac)
{
    uint64_t next = insn_next(c, i);

    set_ac(c, i, false);
    c->rip = next;
}

OP(stac)
{
    uint64_t next = insn_next(c, i);

    set_ac(c, i, true);
    c->rip = next;
}

/* --- caches and TLB --- */

OP(invlpg)
{
    uint64_t linear = effective_address(c, i), next = insn_next(c, i);

    need_ring0(c, i);
    if (cpu_in_64(c)) {
        if (i->seg == SEG_FS || i->seg == SEG_GS)
            linear += c->seg[i->seg].base;
    } else {
        linear = (uint32_t)(linear + c->seg[i->seg].base);
    }
    if (is_canonical(linear))
        tlb_flush_page(c, linear);
    c->rip = next;
}

/*
 * Types 0 to 3: an address of one PCID, all of one PCID, all with global pages, all without.
 * Only PCID 0 exists while CR4.PCIDE is clear.  An address of another PCID than CR3's: more is
 * forgotten than need be.
 */
OP(invpcid)
{
    uint64_t type = cpu_in_64(c) ? c->gpr[i->reg] : (uint32_t)c->gpr[i->reg], d[2];
    uint64_t next = insn_next(c, i);

    need_ring0(c, i);
    mem_read_buf(c, i, i->seg, effective_address(c, i), d, sizeof(d), 0);
    if (type > 3 || d[0] >> 12)
        raise_gp0(c, i);
    if (type < 2 && d[0] && !(c->cr4 & CR4_PCIDE))
        raise_gp0(c, i);
    if (type == 0 && !is_canonical(d[1]))
        raise_gp0(c, i);
    if (type < 2 && (c->cr4 & CR4_PCIDE) && d[0] != cr3_pcid(c->cr3))
        context_forget(c, (unsigned)d[0]);
    else if (type == 0)
        tlb_flush_page(c, d[1]);
    else if (type == 2)
        tlb_flush_all(c);
    else
        tlb_flush_local(c);
    if (type == 3)
        contexts_forget(c);
    c->rip = next;
}

OP(invd)
{
    need_ring0(c, i);
    END(c, i);
}

OP(wbinvd)
{
    need_ring0(c, i);
    END(c, i);
}

/* --- time, identification --- */

static void put_tsc(Cpu *c)
{
    uint64_t v = c->host->tsc(c->vcpu) + (uint64_t)c->tsc_offset;

    c->gpr[0] = (uint32_t)v;
    c->gpr[2] = v >> 32;
}

static void check_tsd(Cpu *c, const Insn *i)
{
    if ((c->cr4 & CR4_TSD) && c->cpl)
        raise_gp0(c, i);
}

OP(rdtsc)
{
    check_tsd(c, i);
    put_tsc(c);
    NEXT(c, i);
}

OP(rdtscp)
{
    check_tsd(c, i);
    put_tsc(c);
    c->gpr[1] = (uint32_t)c->tsc_aux;
    NEXT(c, i);
}

OP(rdpmc)
{
    raise_gp0(c, i);
    NEXT(c, i);
}

void soft_cpuid_forget(Cpu *c)
{
    memset(cpu_priv(c)->cpuid, 0, sizeof cpu_priv(c)->cpuid);
}

/* Depends on nothing but the leaf, as long as the guest writes no MSR: leaf 0Dh has XCR0, Xen's the clock. */
static bool may_keep(uint32_t leaf)
{
    return leaf != 0xd && (leaf < 0x40000000 || leaf >= 0x80000000);
}

bool soft_cpuid(Cpu *c, uint32_t leaf, uint32_t subleaf, bool kept, uint32_t out[4])
{
    CpuidLeaf *k = &cpu_priv(c)->cpuid[(leaf ^ leaf >> 27 ^ subleaf << 3) % CPUID_KEPT];

    if (k->known && k->leaf == leaf && k->subleaf == subleaf) {
        memcpy(out, k->out, sizeof k->out);
    } else if (kept) {
        return false;
    } else {
        memset(out, 0, sizeof k->out);
        c->host->cpuid(c->vcpu, leaf, subleaf, out);
        if (may_keep(leaf)) {
            *k = (CpuidLeaf){ .known = true, .leaf = leaf, .subleaf = subleaf };
            memcpy(k->out, out, sizeof k->out);
        }
    }
    if (leaf == 1)
        out[2] = (out[2] & ~(1u << 27)) | (c->cr4 & CR4_OSXSAVE ? 1u << 27 : 0);
    else if (leaf == 0xd && subleaf == 0 && out[2])
        out[1] = c->xcr0 & 4 ? 832 : 576;
    return true;
}

OP(cpuid)
{
    uint64_t next = insn_next(c, i);
    uint32_t out[4];

    soft_cpuid(c, (uint32_t)c->gpr[0], (uint32_t)c->gpr[1], false, out);
    c->gpr[0] = out[0];
    c->gpr[3] = out[1];
    c->gpr[1] = out[2];
    c->gpr[2] = out[3];
    c->rip = next;
}

/* --- hypercalls --- */

static void hypercall(Cpu *c, const Insn *i)
{
    bool in_64 = cpu_in_64(c);

    soft_watched(c, i, WATCHED_CALL, 0);
    c->rip = insn_next(c, i);
    c->host->hypercall(c->vcpu, c->gpr, in_64, c->cpl);
}

OP(vmcall) { hypercall(c, i); }
OP(vmmcall) { hypercall(c, i); }

/* --- fast system calls --- */

/* Flat CS and SS of ring cpl, as SYSENTER, SYSCALL and their returns make them. */
static void set_flat_code(Cpu *c, uint16_t cs, uint16_t ss, unsigned cpl, bool code64)
{
    uint32_t dpl = cpl ? ATTR_DPL3 : 0;

    seg_fill_flat(&c->seg[SEG_CS], (uint16_t)((cs & ~3) | cpl),
                  (code64 ? ATTR_CODE64 : ATTR_CODE32) | dpl);
    seg_fill_flat(&c->seg[SEG_SS], (uint16_t)((ss & ~3) | cpl), ATTR_DATA32 | dpl);
    c->cpl = (uint8_t)cpl;
}

/*
 * Each has a function that tells which fault it raises as things are, or NO_FAULT, and one that does it, so
 * that translated code can have it done without giving up its state (soft_change_level()).
 */
enum { NO_FAULT = -1 };

static int sysenter_fault(Cpu *c, const Insn *i)
{
    (void)i;
    if (cpu_lma(c) && cpu_is_amd(c))
        return EXC_UD;
    return !(c->cr0 & CR0_PE) || sel_is_null((uint16_t)c->sysenter_cs) ? EXC_GP : NO_FAULT;
}

static void sysenter(Cpu *c, const Insn *i)
{
    uint16_t cs = (uint16_t)c->sysenter_cs;
    bool lma = cpu_lma(c);

    (void)i;
    set_flat_code(c, cs, (uint16_t)((cs & ~3) + 8), 0, lma);
    cpu_set_rflags(c, 0, RF_VM | RF_IF | RF_RF);
    c->gpr[4] = lma ? c->sysenter_esp : (uint32_t)c->sysenter_esp;
    c->rip = lma ? c->sysenter_eip : (uint32_t)c->sysenter_eip;
    cpu_update_level(c);
}

static int sysexit_fault(Cpu *c, const Insn *i)
{
    if (cpu_lma(c) && cpu_is_amd(c))
        return EXC_UD;
    if (!(c->cr0 & CR0_PE) || sel_is_null((uint16_t)(c->sysenter_cs & ~3ull)) || c->cpl)
        return EXC_GP;
    return i->opsize == 8 && (!is_canonical(c->gpr[1]) || !is_canonical(c->gpr[2])) ? EXC_GP : NO_FAULT;
}

static void sysexit(Cpu *c, const Insn *i)
{
    uint16_t cs = (uint16_t)(c->sysenter_cs & ~3ull);
    bool to_64 = i->opsize == 8;

    set_flat_code(c, (uint16_t)(cs + (to_64 ? 32 : 16)), (uint16_t)(cs + (to_64 ? 40 : 24)), 3,
                  to_64);
    c->gpr[4] = to_64 ? c->gpr[1] : (uint32_t)c->gpr[1];
    c->rip = to_64 ? c->gpr[2] : (uint32_t)c->gpr[2];
    cpu_update_level(c);
}

static int syscall_fault(Cpu *c, const Insn *i)
{
    (void)i;
    return !(c->efer & EFER_SCE) || !(c->cr0 & CR0_PE) || cpu_v86(c) ||
           (!cpu_in_64(c) && !cpu_is_amd(c)) ? EXC_UD : NO_FAULT;
}

static void syscall_do(Cpu *c, const Insn *i)
{
    uint64_t next = insn_next(c, i);
    uint16_t cs = (uint16_t)(c->star >> 32 & 0xfffc);
    bool in_64 = cpu_in_64(c);

    c->gpr[1] = next;
    if (!cpu_lma(c)) {
        set_flat_code(c, cs, (uint16_t)(cs + 8), 0, false);
        cpu_set_rflags(c, 0, RF_VM | RF_IF | RF_RF);
        c->rip = (uint32_t)c->star;
    } else {
        c->gpr[11] = cpu_get_rflags(c) & ~(uint32_t)RF_RF;
        set_flat_code(c, cs, (uint16_t)(cs + 8), 0, true);
        cpu_set_rflags(c, 0, (uint32_t)c->sfmask | RF_RF);
        c->rip = in_64 ? c->lstar : c->cstar;
    }
    soft_step_trap(c);
    cpu_update_level(c);
}

static int sysret_fault(Cpu *c, const Insn *i)
{
    bool in_64 = cpu_in_64(c), to_64 = in_64 && i->opsize == 8;

    if (!(c->efer & EFER_SCE) || (!in_64 && !cpu_is_amd(c)))
        return EXC_UD;
    return !(c->cr0 & CR0_PE) || c->cpl || (to_64 && !is_canonical(c->gpr[1])) ? EXC_GP : NO_FAULT;
}

static void sysret(Cpu *c, const Insn *i)
{
    const uint32_t mask = RF_ARITH | RF_TF | RF_IF | RF_DF | RF_IOPL | RF_NT | RF_AC | RF_VIF |
                          RF_VIP | RF_ID | RF_RF;
    uint16_t cs = (uint16_t)(c->star >> 48 & 0xfffc);
    bool to_64 = cpu_in_64(c) && i->opsize == 8;

    set_flat_code(c, (uint16_t)(to_64 ? cs + 16 : cs), (uint16_t)(cs + 8), 3, to_64);
    c->rip = to_64 ? c->gpr[1] : (uint32_t)c->gpr[1];
    if (cpu_lma(c))
        cpu_set_rflags(c, (uint32_t)c->gpr[11] & ~(uint32_t)RF_RF, mask);
    else
        cpu_set_rflags(c, RF_IF, RF_IF);
    soft_step_trap(c);
    cpu_update_level(c);
}

static void change_level(Cpu *c, const Insn *i, int fault, void (*change)(Cpu *c, const Insn *i))
{
    if (fault == EXC_UD)
        raise_ud(c, i);
    if (fault == EXC_GP)
        raise_gp0(c, i);
    change(c, i);
}

OP(sysenter) { change_level(c, i, sysenter_fault(c, i), sysenter); }
OP(sysexit) { change_level(c, i, sysexit_fault(c, i), sysexit); }
OP(syscall) { change_level(c, i, syscall_fault(c, i), syscall_do); }
OP(sysret) { change_level(c, i, sysret_fault(c, i), sysret); }

bool soft_change_level(Cpu *c, const Insn *i)
{
    int fault;

    switch (i->opcode) {
    case OPCODE_SYSCALL: fault = syscall_fault(c, i); break;
    case OPCODE_SYSRET: fault = sysret_fault(c, i); break;
    case OPCODE_SYSENTER: fault = sysenter_fault(c, i); break;
    default: fault = sysexit_fault(c, i);
    }
    if (fault != NO_FAULT)
        return false;
    switch (i->opcode) {
    case OPCODE_SYSCALL: syscall_do(c, i); break;
    case OPCODE_SYSRET: sysret(c, i); break;
    case OPCODE_SYSENTER: sysenter(c, i); break;
    default: sysexit(c, i);
    }
    return true;
}

/* --- FS and GS bases --- */

OP(swapgs)
{
    uint64_t base = c->seg[SEG_GS].base;

    if (!cpu_in_64(c))
        raise_ud(c, i);
    need_ring0(c, i);
    c->seg[SEG_GS].base = c->kernel_gs_base;
    c->kernel_gs_base = base;
    c->rip = insn_next(c, i);
    cpu_update_mode(c);
}

static void check_fsgsbase(Cpu *c, const Insn *i)
{
    if (!cpu_in_64(c) || !(c->cr4 & CR4_FSGSBASE))
        raise_ud(c, i);
}

static void write_base(Cpu *c, const Insn *i, unsigned seg)
{
    uint64_t v;

    check_fsgsbase(c, i);
    v = i->opsize == 8 ? c->gpr[i->rm] : (uint32_t)c->gpr[i->rm];
    if (!is_canonical(v))
        raise_gp0(c, i);
    c->seg[seg].base = v;
    c->rip = insn_next(c, i);
    cpu_update_mode(c);
}

OP(rdfsbase)
{
    check_fsgsbase(c, i);
    reg_write(c, i->rm, i->opsize, c->seg[SEG_FS].base);
    NEXT(c, i);
}

OP(rdgsbase)
{
    check_fsgsbase(c, i);
    reg_write(c, i->rm, i->opsize, c->seg[SEG_GS].base);
    NEXT(c, i);
}

OP(wrfsbase) { write_base(c, i, SEG_FS); }
OP(wrgsbase) { write_base(c, i, SEG_GS); }

/* --- ports --- */

void io_check(Cpu *c, const Insn *i, uint16_t port, unsigned size)
{
    unsigned type = c->tr.attr & 15, mask = ((1u << size) - 1) << (port & 7);
    uint32_t at;
    uint64_t tss = c->tr.base;

    if (!(c->cr0 & CR0_PE) || (c->cpl <= cpu_iopl(c) && !cpu_v86(c)))
        return;
    if ((type != SYS_TSS32 && type != SYS_TSS32_BUSY) || c->tr.limit < 103)
        raise_gp0(c, i);
    at = (uint32_t)sys_read(c, i, tss + 102, 2) + port / 8;
    if (at + 1 > c->tr.limit || (sys_read(c, i, tss + at, 2) & mask))
        raise_gp0(c, i);
}

static void port_in(Cpu *c, const Insn *i, uint16_t port)
{
    uint32_t v = 0;

    io_check(c, i, port, i->opsize);
    c->rip = insn_next(c, i);
    points_port(c, port, i->opsize);
    c->host->io_read(c->vcpu, port, i->opsize, &v);
    if (i->opsize == 1)
        c->gpr[0] = (c->gpr[0] & ~0xffull) | (v & 0xff);
    else
        reg_write(c, 0, i->opsize, v);
}

static void port_out(Cpu *c, const Insn *i, uint16_t port)
{
    io_check(c, i, port, i->opsize);
    soft_watched(c, i, WATCHED_PORT, port);
    c->rip = insn_next(c, i);
    points_port(c, port, i->opsize);
    c->host->io_write(c->vcpu, port, i->opsize, (uint32_t)(c->gpr[0] & size_mask(i->opsize)));
}

OP(in_imm) { port_in(c, i, (uint8_t)i->imm); }
OP(in_dx) { port_in(c, i, (uint16_t)c->gpr[2]); }
OP(out_imm) { port_out(c, i, (uint8_t)i->imm); }
OP(out_dx) { port_out(c, i, (uint16_t)c->gpr[2]); }
