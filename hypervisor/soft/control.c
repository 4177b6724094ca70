/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.c - control registers, debug registers, MSRs and XCR0: which bits may be written when,
 * and what changes with them (mode switches, paging, TLB).
 *
 * Intel SDM volume 3 chapters 2.5, 4.1 and 9.8; reserved bits follow what the CPUID policy offers.
 * MSRs that are not in VcpuState are the hypervisor's business.
 */
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/ops.h"
#include "hypervisor/soft/sys.h"
#include "lib/cpu_msrs.h"

static void leaf(Cpu *c, uint32_t n, uint32_t sub, uint32_t out[4])
{
    out[0] = out[1] = out[2] = out[3] = 0;
    c->host->cpuid(c->vcpu, n, sub, out);
}

bool cpu_is_amd(Cpu *c)
{
    uint32_t out[4];

    leaf(c, 0, 0, out);
    return out[2] == 0x444d4163;        /* ..cAMD */
}

static uint64_t phys_reserved(Cpu *c)
{
    uint32_t out[4];
    unsigned bits;

    leaf(c, 0x80000008, 0, out);
    bits = out[0] & 0xff;
    if (bits < 32 || bits > 52)
        bits = 36;
    return ~((1ull << bits) - 1);
}

static void need_ring0(Cpu *c, const Insn *i)
{
    if (c->cpl)
        raise_gp0(c, i);
}

/* --- CR0, CR3, CR4 --- */

static bool pae_legacy(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LME);
}

void cr0_write(Cpu *c, const Insn *i, uint64_t v)
{
    const uint64_t known = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW |
                           CR0_CD | CR0_PG;
    uint64_t old = c->cr0, changed, efer = c->efer;
    unsigned tr = c->tr.attr & 15;

    if (v >> 32)
        raise_gp0(c, i);
    v = (v & known) | CR0_ET;
    changed = v ^ old;
    if (((v & CR0_PG) && !(v & CR0_PE)) || ((v & CR0_NW) && !(v & CR0_CD)))
        raise_gp0(c, i);
    if ((changed & v & CR0_PG) && (efer & EFER_LME)) {
        if (!(c->cr4 & CR4_PAE) || (c->seg[SEG_CS].attr & ATTR_L) || tr == SYS_TSS16 ||
            tr == SYS_TSS16_BUSY)
            raise_gp0(c, i);
        efer |= EFER_LMA;
    }
    if ((changed & old & CR0_PG) && (efer & EFER_LMA)) {
        if (cpu_in_64(c) || (c->cr4 & CR4_PCIDE))
            raise_gp0(c, i);
        efer &= ~(uint64_t)EFER_LMA;
    }
    if (pae_legacy(v, c->cr4, efer) && (changed & (CR0_PG | CR0_CD | CR0_NW)) &&
        !mmu_load_pdptes(c, c->cr3))
        raise_gp0(c, i);
    c->cr0 = v;
    c->efer = efer;
    if (changed & CR0_PE) {
        c->cpl = 0;
        if (v & CR0_PE)
            c->seg[SEG_SS].attr &= ~0x60u;
    }
    if (changed & (CR0_PG | CR0_WP | CR0_PE))
        tlb_flush_all(c);
    cpu_update_mode(c);
}

void cr3_write(Cpu *c, const Insn *i, uint64_t v)
{
    bool keep = false;

    if (cpu_lma(c)) {
        if (c->cr4 & CR4_PCIDE) {
            keep = v & CR3_KEEP;
            v &= ~CR3_KEEP;
        }
        if ((v >> 32) && (v & phys_reserved(c)))
            raise_gp0(c, i);
    } else {
        v = (uint32_t)v;
    }
    if (pae_legacy(c->cr0, c->cr4, c->efer) && !mmu_load_pdptes(c, v))
        raise_gp0(c, i);
    if ((c->cr4 & CR4_PCIDE) && cr3_pcid(v ^ c->cr3))
        context_switch(c, cr3_pcid(v), keep);
    else if (!keep)
        tlb_flush_local(c);
    c->cr3 = v;
}

static uint64_t cr4_allowed(Cpu *c)
{
    static const struct { uint8_t bit; uint32_t cr4; } by_edx[] = {
        { 1, CR4_VME | CR4_PVI }, { 2, CR4_DE }, { 3, CR4_PSE }, { 4, CR4_TSD }, { 6, CR4_PAE },
        { 7, CR4_MCE }, { 13, CR4_PGE }, { 24, CR4_OSFXSR }, { 25, CR4_OSXMMEXCPT },
    };
    uint32_t one[4], seven[4], ext[4];
    uint64_t mask = 0;

    leaf(c, 1, 0, one);
    leaf(c, 7, 0, seven);
    leaf(c, 0x80000001, 0, ext);
    for (unsigned n = 0; n < sizeof by_edx / sizeof by_edx[0]; n++)
        if ((one[3] | (by_edx[n].bit == 24 ? ext[3] : 0)) >> by_edx[n].bit & 1)
            mask |= by_edx[n].cr4;
    mask |= one[3] & 1u << 23 || (one[0] >> 8 & 15) >= 6 ? CR4_PCE : 0;
    mask |= one[2] & 1u << 17 ? CR4_PCIDE : 0;
    mask |= one[2] & 1u << 26 ? CR4_OSXSAVE : 0;
    mask |= seven[1] & 1u ? CR4_FSGSBASE : 0;
    mask |= seven[1] & 1u << 7 ? CR4_SMEP : 0;
    mask |= seven[1] & 1u << 20 ? CR4_SMAP : 0;
    mask |= seven[2] & 1u << 2 ? CR4_UMIP : 0;
    return mask;
}

void cr4_write(Cpu *c, const Insn *i, uint64_t v)
{
    const uint64_t paging = CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PCIDE;
    uint64_t changed = v ^ c->cr4;

    if (v & ~cr4_allowed(c))
        raise_gp0(c, i);
    if (cpu_lma(c) && !(v & CR4_PAE))
        raise_gp0(c, i);
    if ((changed & v & CR4_PCIDE) && (!cpu_lma(c) || (c->cr3 & 0xfff)))
        raise_gp0(c, i);
    if (pae_legacy(c->cr0, v, c->efer) && (changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)) &&
        !mmu_load_pdptes(c, c->cr3))
        raise_gp0(c, i);
    c->cr4 = v;
    if (changed & paging)
        tlb_flush_all(c);
    cpu_update_mode(c);
}

OP(mov_r_cr)
{
    uint64_t v;

    if (i->reg != 0 && i->reg != 2 && i->reg != 3 && i->reg != 4 && i->reg != 8)
        raise_ud(c, i);
    need_ring0(c, i);
    switch (i->reg) {
    case 0: v = c->cr0; break;
    case 2: v = c->cr2; break;
    case 3: v = c->cr3; break;
    case 4: v = c->cr4; break;
    default: v = c->host->cr8_read(c->vcpu); break;
    }
    c->gpr[i->rm] = cpu_in_64(c) ? v : (uint32_t)v;
    NEXT(c, i);
}

OP(mov_cr_r)
{
    uint64_t v = c->gpr[i->rm], next = insn_next(c, i);

    if (i->reg != 0 && i->reg != 2 && i->reg != 3 && i->reg != 4 && i->reg != 8)
        raise_ud(c, i);
    need_ring0(c, i);
    if (!cpu_in_64(c))
        v = (uint32_t)v;
    switch (i->reg) {
    case 0: cr0_write(c, i, v); break;
    case 2: c->cr2 = v; break;
    case 3: cr3_write(c, i, v); break;
    case 4: cr4_write(c, i, v); break;
    default:
        if (v >> 4)
            raise_gp0(c, i);
        c->rip = next;
        c->host->cr8_write(c->vcpu, v);
        return;
    }
    c->rip = next;
}

OP(clts)
{
    need_ring0(c, i);
    c->cr0 &= ~(uint64_t)CR0_TS;
    END(c, i);
}

OP(smsw)
{
    if ((c->cr4 & CR4_UMIP) && c->cpl)
        raise_gp0(c, i);
    if (i->rm == REG_MEM)
        mem_write16(c, i, i->seg, effective_address(c, i), (uint16_t)c->cr0);
    else
        reg_write(c, i->rm, i->opsize, c->cr0);
    NEXT(c, i);
}

/* PE can be set this way, never cleared. */
OP(lmsw)
{
    uint64_t next = insn_next(c, i);
    uint16_t v;

    need_ring0(c, i);
    v = i->rm == REG_MEM ? mem_read16(c, i, i->seg, effective_address(c, i))
                         : (uint16_t)c->gpr[i->rm];
    cr0_write(c, i, (c->cr0 & ~0xeull) | (v & 0xf));
    c->rip = next;
}

/* --- debug registers --- */

static unsigned debug_reg(Cpu *c, const Insn *i)
{
    unsigned n = i->reg;

    if (n > 7)
        raise_ud(c, i);
    if (n == 4 || n == 5) {
        if (c->cr4 & CR4_DE)
            raise_ud(c, i);
        n += 2;
    }
    need_ring0(c, i);
    if (c->dr[7] & 0x2000) {
        c->rflags |= RF_RF;         /* unlike a breakpoint's, this fault pushes it */
        c->exc_dr6 = 0x2000;
        raise_exc(c, i, EXC_DB);
    }
    return n;
}

OP(mov_r_dr)
{
    unsigned n = debug_reg(c, i);

    c->gpr[i->rm] = cpu_in_64(c) ? c->dr[n] : (uint32_t)c->dr[n];
    NEXT(c, i);
}

OP(mov_dr_r)
{
    unsigned n = debug_reg(c, i);
    uint64_t v = c->gpr[i->rm];

    if (!cpu_in_64(c))
        v = (uint32_t)v;
    if (n >= 6 && v >> 32)
        raise_gp0(c, i);
    if (n == 6)
        v = (v & 0xe00f) | 0xffff0ff0;
    else if (n == 7)
        v = (v & 0xffff23ff) | 0x400;
    c->dr[n] = v;
    c->rip = insn_next(c, i);
    if (n != 6)
        points_update(c);
}

/* --- MSRs --- */

static bool efer_write(Cpu *c, uint64_t v)
{
    uint64_t changed;
    uint32_t ext[4];

    leaf(c, 0x80000001, 0, ext);
    if (!cpu_msr_efer_ok(ext[3], c->cr0 & CR0_PG, c->efer, v))
        return false;
    v = (v & ~(uint64_t)EFER_LMA) | (c->efer & EFER_LMA);
    changed = v ^ c->efer;
    c->efer = v;
    if (changed & EFER_NXE)
        tlb_flush_all(c);
    return true;
}

static uint64_t *plain_msr(Cpu *c, uint32_t index)
{
    switch (index) {
    case MSR_SYSENTER_CS: return &c->sysenter_cs;
    case MSR_SYSENTER_ESP: return &c->sysenter_esp;
    case MSR_SYSENTER_EIP: return &c->sysenter_eip;
    case MSR_MISC_ENABLE: return &c->misc_enable;
    case MSR_DEBUGCTL: return &c->debugctl;
    case MSR_PAT: return &c->pat;
    case MSR_EFER: return &c->efer;
    case MSR_STAR: return &c->star;
    case MSR_LSTAR: return &c->lstar;
    case MSR_CSTAR: return &c->cstar;
    case MSR_SFMASK: return &c->sfmask;
    case MSR_FS_BASE: return &c->seg[SEG_FS].base;
    case MSR_GS_BASE: return &c->seg[SEG_GS].base;
    case MSR_KERNEL_GS_BASE: return &c->kernel_gs_base;
    case MSR_TSC_AUX: return &c->tsc_aux;
    default: return NULL;
    }
}

OP(rdmsr)
{
    uint32_t index = (uint32_t)c->gpr[1];
    const uint64_t *msr;
    uint64_t v = 0;

    need_ring0(c, i);
    msr = plain_msr(c, index);
    if (msr)
        v = *msr;
    else if (index == MSR_TSC)
        v = c->host->tsc(c->vcpu) + (uint64_t)c->tsc_offset;
    else if (!c->host->msr_read(c->vcpu, index, &v))
        raise_gp0(c, i);
    c->gpr[0] = (uint32_t)v;
    c->gpr[2] = v >> 32;
    NEXT(c, i);
}

OP(wrmsr)
{
    uint32_t index = (uint32_t)c->gpr[1];
    uint64_t v = (uint32_t)c->gpr[0] | c->gpr[2] << 32, next = insn_next(c, i), *msr;

    need_ring0(c, i);
    msr = plain_msr(c, index);
    if (index == MSR_EFER) {
        if (!efer_write(c, v))
            raise_gp0(c, i);
    } else if (msr) {
        bool amd = (index == MSR_SYSENTER_ESP || index == MSR_SYSENTER_EIP) && cpu_is_amd(c);

        if (!cpu_msr_write_ok(index, amd, &v))
            raise_gp0(c, i);
        if (index != MSR_TSC_AUX || !c->host->msr_write(c->vcpu, index, v))
            *msr = v;
    } else if (index == MSR_TSC) {
        c->tsc_offset = (int64_t)(v - c->host->tsc(c->vcpu));
    } else {
        soft_watched(c, i, WATCHED_MSR, index);
        if (index == MSR_APIC_BASE)
            soft_cpuid_forget(c);       /* the LAPIC may go */
        if (!c->host->msr_write(c->vcpu, index, v))
            raise_gp0(c, i);
    }
    cpu_update_mode(c);
    c->rip = next;
}

/* --- XCR0 --- */

OP(xgetbv)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        raise_ud(c, i);
    if ((uint32_t)c->gpr[1] > 1)
        raise_gp0(c, i);
    c->gpr[0] = (uint32_t)(c->gpr[1] & 1 ? c->xcr0 & fpu_in_use(c) : c->xcr0);
    c->gpr[2] = 0;
    NEXT(c, i);
}

OP(xsetbv)
{
    uint64_t v = (uint32_t)c->gpr[0] | c->gpr[2] << 32, allowed;
    uint32_t out[4];

    if (!(c->cr4 & CR4_OSXSAVE))
        raise_ud(c, i);
    need_ring0(c, i);
    leaf(c, 0xd, 0, out);
    allowed = out[0] | (uint64_t)out[3] << 32;
    if ((uint32_t)c->gpr[1] != 0 || !(v & 1) || (v & ~allowed) || ((v & 4) && !(v & 2)))
        raise_gp0(c, i);
    c->xcr0 = v;
    END(c, i);
}
