/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mode.c - RFLAGS as a whole, what the rest of the software CPU derives from the control
 * registers (Cpu.mode, the TLB in use, the bases of flat segments), and the reset state.
 *
 * Reset and INIT values: Intel SDM volume 3, table 9-1.
 */
#include <string.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/cpu.h"
#include "hypervisor/soft/sys.h"

#define RFLAGS_KNOWN (RF_ARITH | RF_TF | RF_IF | RF_DF | RF_IOPL | RF_NT | RF_RF | RF_VM | RF_AC | \
                      RF_VIF | RF_VIP | RF_ID)

uint32_t cpu_get_rflags(const Cpu *c)
{
    return c->rflags | (c->aflags >> 8 & (RF_CF | RF_PF | RF_AF | RF_ZF | RF_SF)) |
           (c->aflags & FLAG_OF ? RF_OF : 0) | 2;
}

void cpu_set_rflags(Cpu *c, uint32_t value, uint32_t mask)
{
    uint32_t old = c->rflags, all;

    mask &= RFLAGS_KNOWN;
    all = (cpu_get_rflags(c) & ~mask) | (value & mask);
    c->aflags = (uint16_t)((all & (RF_CF | RF_PF | RF_AF | RF_ZF | RF_SF)) << 8 |
                           (all & RF_OF ? FLAG_OF : 0));
    c->rflags = (all & ~RF_ARITH) | 2;
    if ((c->rflags & ~old & RF_IF) && c->priv && cpu_priv(c)->irq_wait)
        __atomic_fetch_or(&c->poll, POLL_KICK, __ATOMIC_RELAXED);
    if ((c->rflags ^ old) & (RF_VM | RF_TF | RF_AC))
        cpu_update_mode(c);
}

static uint32_t mode_bits(const Cpu *c)
{
    const Seg *cs = &c->seg[SEG_CS];
    uint32_t mode = 0;

    if (cpu_lma(c) && (cs->attr & ATTR_L)) {
        mode = MODE_LMA | MODE_64 | MODE_PROT | MODE_SS32 | MODE_FLAT;
    } else {
        mode = (cpu_lma(c) ? MODE_LMA : 0) | (cs->big ? MODE_32 : MODE_16);
        mode |= cpu_v86(c) ? MODE_V86 : c->cr0 & CR0_PE ? MODE_PROT : 0;
        mode |= c->seg[SEG_SS].big ? MODE_SS32 : 0;
        if (cs->flat & c->seg[SEG_DS].flat & c->seg[SEG_ES].flat & c->seg[SEG_SS].flat &
            c->seg[SEG_DS].writable & c->seg[SEG_ES].writable & c->seg[SEG_SS].writable)
            mode |= MODE_FLAT;
    }
    if (c->cpl == 3)
        mode |= MODE_USER;
    if (c->rflags & RF_AC) {
        if (c->cpl != 3)
            mode |= c->cr4 & CR4_SMAP ? MODE_AC : 0;
        else
            mode |= c->cr0 & CR0_AM ? MODE_AM : 0;
    }
    if (c->rflags & RF_TF)
        mode |= MODE_TF;
    return mode;
}

/* All that a segment's bases are made of. */
static BaseOf base_of(const Cpu *c, unsigned n)
{
    const Seg *s = &c->seg[n];

    return (BaseOf){ s->base, s->limit, (cpu_in_64(c) ? BASE_64 : cpu_lma(c) ? BASE_COMPAT : BASE_LEGACY) |
                                        s->readable << 2 | s->writable << 3 | s->expand_down << 4 };
}

/*
 * A segment may do without checks when no offset can be wrong in it.  A base other than 0 is fine
 * outside long mode: a sum beyond 4 GiB misses the TLB there and is cut on the slow path.
 */
static void update_base(Cpu *c, unsigned n)
{
    const Seg *s = &c->seg[n];

    cpu_priv(c)->base_of[n] = base_of(c, n);
    c->fbase_r[n] = c->fbase_w[n] = c->fbase16_r[n] = c->fbase16_w[n] = FBASE_NONE;
    if (cpu_in_64(c)) {
        c->fbase_r[n] = c->fbase_w[n] = n == SEG_FS || n == SEG_GS ? s->base : 0;
    } else if (s->limit >= 0xffff && !s->expand_down && (!s->base || !cpu_lma(c))) {
        bool all = s->limit == 0xffffffff;

        if (s->readable) {
            c->fbase16_r[n] = s->base;
            c->fbase_r[n] = all ? s->base : FBASE_NONE;
        }
        if (s->writable) {
            c->fbase16_w[n] = s->base;
            c->fbase_w[n] = all ? s->base : FBASE_NONE;
        }
    }
}

/* Most segments are what they were when their bases were last made. */
void cpu_update_base(Cpu *c, unsigned n)
{
    BaseOf now = base_of(c, n), then = cpu_priv(c)->base_of[n];

    if (now.base != then.base || now.limit != then.limit || now.what != then.what)
        update_base(c, n);
}

static void update_bases(Cpu *c)
{
    for (unsigned n = 0; n < SEG_NONE; n++)
        cpu_update_base(c, n);
    c->fbase_r[SEG_NONE] = c->fbase_w[SEG_NONE] = 0;
    c->fbase_r[SEG_NONE + 1] = c->fbase_w[SEG_NONE + 1] = FBASE_NONE;
}

/* CpuPriv.cs_number: the same whenever CS has the same base and limit; CS_FLAT if it has all. */
static void cs_number(Cpu *c)
{
    CpuPriv *p = cpu_priv(c);
    uint64_t base = cpu_in_64(c) ? 0 : c->seg[SEG_CS].base;
    uint32_t limit = cpu_in_64(c) ? 0xffffffff : c->seg[SEG_CS].limit;
    unsigned h = (uint32_t)((base >> 4 ^ limit) * 0x9e3779b1u) >> 24;

    _Static_assert(CS_SEEN == 256, "hashed to eight bits");
    if (!base && limit == 0xffffffff) {
        p->cs_number = CS_FLAT;
        return;
    }
    if (p->cs_seen[h].number && p->cs_seen[h].base == base && p->cs_seen[h].limit == limit) {
        p->cs_number = p->cs_seen[h].number;
        return;
    }
    if (p->cs_last == UINT16_MAX) {
        block_flush(c);         /* translated code has numbers in it */
        memset(p->cs_seen, 0, sizeof p->cs_seen);
        p->cs_last = 0;
    }
    p->cs_number = ++p->cs_last;
    p->cs_seen[h].base = base;
    p->cs_seen[h].limit = limit;
    p->cs_seen[h].number = p->cs_number;
}

/* What follows from Cpu.mode and the bases. */
static void update_rest(Cpu *c)
{
    if (c->mode & MODE_AM)
        c->tlb = c->tlbs[TLB_NONE];
    else if (c->cpl == 3)
        c->tlb = c->tlbs[TLB_USER];
    else if ((c->cr4 & CR4_SMAP) && (c->rflags & RF_AC))
        c->tlb = c->tlbs[TLB_SUPER_AC];
    else
        c->tlb = c->tlbs[TLB_SUPER];

    cs_number(c);
    jump_tag_update(c);
}

void cpu_update_mode(Cpu *c)
{
    uint32_t old = c->mode;

    c->mode = mode_bits(c);
    if (c->mode & old & MODE_64) {      /* the other segments are what they were */
        update_base(c, SEG_FS);
        update_base(c, SEG_GS);
    } else {
        update_bases(c);
    }
    update_rest(c);
}

void cpu_update_level(Cpu *c)
{
    uint32_t old = c->mode;

    c->mode = mode_bits(c);
    if ((c->mode ^ old) & (MODE_64 | MODE_LMA)) {
        update_bases(c);
    } else if (!(c->mode & MODE_64)) {
        cpu_update_base(c, SEG_CS);
        cpu_update_base(c, SEG_SS);
    }
    update_rest(c);
}

void cpu_update_code(Cpu *c, const Seg *cs, unsigned cpl)
{
    const Seg *now = &c->seg[SEG_CS];

    if (now->base != cs->base || now->limit != cs->limit || now->attr != cs->attr || c->cpl != cpl)
        cpu_update_mode(c);
}

void cpu_update_segment(Cpu *c, unsigned seg, const Seg *old)
{
    const Seg *s = &c->seg[seg];

    if (s->base == old->base && s->limit == old->limit && s->attr == old->attr)
        return;
    if (seg < SEG_FS) {
        if (c->mode & MODE_64)
            return;
        if (mode_bits(c) != c->mode) {
            cpu_update_mode(c);
            return;
        }
    }
    update_base(c, seg);
}

/* --- reset --- */

static void reset_segment(Seg *s, uint16_t selector, uint64_t base, uint32_t attr)
{
    s->selector = selector;
    s->base = base;
    s->limit = 0xffff;
    s->attr = attr;
    seg_fix(s);
}

void cpu_init_reset(Cpu *c)
{
    uint32_t out[4] = { 0 };
    uint64_t cr0_kept = c->cr0 & (CR0_CD | CR0_NW);

    memset(c->gpr, 0, sizeof c->gpr);
    if (c->host && c->host->cpuid)
        c->host->cpuid(c->vcpu, 1, 0, out);
    c->gpr[2] = out[0];
    c->rip = 0xfff0;
    c->aflags = 0;
    c->rflags = 2;
    for (unsigned n = 0; n < SEG_COUNT; n++)
        reset_segment(&c->seg[n], 0, 0, 0x93);
    reset_segment(&c->seg[SEG_CS], 0xf000, 0xffff0000, 0x9b);
    seg_fill_flat(&c->seg[SEG_NONE], 0, 0xc93);
    reset_segment(&c->ldtr, 0, 0, 0x82);
    reset_segment(&c->tr, 0, 0, 0x8b);
    c->gdt_base = c->idt_base = 0;
    c->gdt_limit = c->idt_limit = 0xffff;
    c->cr0 = cr0_kept | CR0_ET;
    c->cr2 = c->cr3 = c->cr4 = c->efer = 0;
    memset(c->dr, 0, sizeof c->dr);
    c->dr[6] = 0xffff0ff0;
    c->dr[7] = 0x400;
    c->cpl = 0;
    c->shadow = c->halted = c->nmi_blocked = 0;
    if (c->priv)
        cpu_priv(c)->nmis_taken = 0;
    c->exc_vector = -1;
    tlb_flush_all(c);
    points_update(c);
    cpu_update_mode(c);
}

void cpu_reset(Cpu *c)
{
    c->cr0 = CR0_CD | CR0_NW;
    c->xcr0 = 1;
    c->star = c->lstar = c->cstar = c->sfmask = c->kernel_gs_base = 0;
    c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
    c->pat = 0x0007040600070406ull;
    c->tsc_aux = c->debugctl = 0;
    c->misc_enable = 1;
    c->tsc_offset = c->host && c->host->tsc ? -(int64_t)c->host->tsc(c->vcpu) : 0;
    fpu_reset(&c->fpu);
    cpu_init_reset(c);
}
