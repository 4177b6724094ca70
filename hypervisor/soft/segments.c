/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segments.c - segment registers: descriptors, their checks, and the instructions that load, store
 * and inspect them.
 *
 * Intel SDM volume 3 chapters 3 and 5, volume 2 for the instructions.  Where Intel and AMD differ
 * (null FS/GS in 64-bit mode keeps its base on AMD) Intel's way is taken.  Descriptors' accessed
 * bits are written without a bus lock.
 */
#include "hypervisor/soft/cpu.h"
#include "hypervisor/soft/ops.h"
#include "hypervisor/soft/sys.h"

/* --- descriptors --- */

/* Linear address of the descriptor; false: beyond its table (or no LDT). */
static bool desc_at(const Cpu *c, uint16_t selector, unsigned size, uint64_t *at)
{
    uint32_t index = selector & 0xfff8, limit = c->gdt_limit;
    uint64_t base = c->gdt_base;

    if (selector & 4) {
        if (c->ldtr.attr & SEG_ATTR_UNUSABLE)
            return false;
        base = c->ldtr.base;
        limit = c->ldtr.limit;
    }
    *at = cpu_lma(c) ? base + index : (uint32_t)(base + index);
    return index + size - 1 <= limit;
}

bool desc_read(Cpu *c, const Insn *i, uint16_t selector, bool wide, Desc *d)
{
    uint64_t raw;

    if (!desc_at(c, selector, 8, &d->at))
        return false;
    raw = sys_read(c, i, d->at, 8);
    d->lo = (uint32_t)raw;
    d->hi = raw >> 32;
    d->lo2 = d->hi2 = 0;
    if (wide && cpu_lma(c) && desc_is_system(d)) {
        if (!desc_at(c, selector, 16, &d->at))
            return false;
        raw = sys_read(c, i, d->at + 8, 8);
        d->lo2 = (uint32_t)raw;
        d->hi2 = raw >> 32;
    }
    return true;
}

/* The descriptor, if it may be read without a look. */
static bool desc_peek(const Cpu *c, uint16_t selector, uint64_t *raw)
{
    uint64_t at;

    return desc_at(c, selector, 8, &at) && sys_peek(c, at, raw);
}

void desc_set_accessed(Cpu *c, const Insn *i, Desc *d)
{
    if (d->hi & 0x100)
        return;
    d->hi |= 0x100;
    sys_write(c, i, d->at + 5, 1, (d->hi >> 8) & 0xff);
}

/* --- the cached part --- */

void seg_fix(Seg *s)
{
    bool usable = !(s->attr & SEG_ATTR_UNUSABLE) && (s->attr & (ATTR_S | ATTR_P)) == (ATTR_S | ATTR_P);
    bool code = s->attr & ATTR_CODE;

    s->readable = usable && (!code || (s->attr & ATTR_READ));
    s->writable = usable && !code && (s->attr & ATTR_WRITE);
    s->expand_down = usable && !code && (s->attr & ATTR_DOWN);
    s->big = !!(s->attr & ATTR_DB);
    s->flat = s->base == 0 && s->limit == 0xffffffff && s->readable && !s->expand_down;
}

void seg_fill(Seg *s, uint16_t selector, const Desc *d)
{
    s->selector = selector;
    s->base = desc_base(d);
    s->limit = desc_limit(d);
    s->attr = desc_attr(d);
    seg_fix(s);
}

void seg_fill_flat(Seg *s, uint16_t selector, uint32_t attr)
{
    s->selector = selector;
    s->base = 0;
    s->limit = 0xffffffff;
    s->attr = attr;
    seg_fix(s);
}

void seg_make_null(Seg *s, uint16_t selector)
{
    s->selector = selector;
    s->attr |= SEG_ATTR_UNUSABLE;
    seg_fix(s);
}

void seg_from_state(Seg *s, const SegState *st)
{
    s->base = st->base;
    s->limit = st->limit;
    s->selector = st->selector;
    s->attr = st->attr;
    seg_fix(s);
}

void seg_to_state(const Seg *s, SegState *st)
{
    *st = (SegState){ .base = s->base, .limit = s->limit, .selector = s->selector,
                      .attr = s->attr };
}

/* In real mode a load leaves limit and big bit alone, which is what "unreal mode" lives on. */
void seg_set_real(Cpu *c, unsigned seg, uint16_t selector)
{
    Seg *s = &c->seg[seg];

    s->selector = selector;
    s->base = (uint32_t)selector << 4;
    if (cpu_v86(c)) {
        s->limit = 0xffff;
        s->attr = 0xf3;
    } else {
        if (s->attr & SEG_ATTR_UNUSABLE)
            s->limit = 0xffff;
        s->attr = (s->attr & (ATTR_DB | ATTR_G)) | 0x93;
    }
    seg_fix(s);
}

/* --- protected-mode loads --- */

void ss_prepare(Cpu *c, const Insn *i, uint16_t selector, unsigned cpl, int vector, uint32_t ext,
                Seg *out)
{
    uint32_t err = (selector & 0xfffc) | ext;
    Desc d;

    if (sel_is_null(selector))
        raise_err(c, i, vector, ext);
    if (!desc_read(c, i, selector, false, &d))
        raise_err(c, i, vector, err);
    if ((selector & 3u) != cpl || !desc_is_writable_data(&d) || desc_dpl(&d) != cpl)
        raise_err(c, i, vector, err);
    if (!desc_present(&d))
        raise_err(c, i, EXC_SS, err);
    desc_set_accessed(c, i, &d);
    seg_fill(out, selector, &d);
}

static void load_ss(Cpu *c, const Insn *i, uint16_t selector)
{
    Seg *ss = &c->seg[SEG_SS];

    if (sel_is_null(selector) && cpu_in_64(c) && c->cpl != 3 && (selector & 3) == c->cpl) {
        seg_make_null(ss, selector);
        ss->attr = SEG_ATTR_UNUSABLE | c->cpl << 5;
        seg_fix(ss);
        return;
    }
    ss_prepare(c, i, selector, c->cpl, EXC_GP, 0, ss);
}

static SegKept *kept_of(Cpu *c, uint16_t selector)
{
    return &c->kept[(selector >> 3 ^ selector) & (SEGS_KEPT - 1)];
}

static void load_data(Cpu *c, const Insn *i, unsigned seg, uint16_t selector)
{
    Seg *s = &c->seg[seg];
    unsigned rpl = selector & 3;
    Desc d;

    if (sel_is_null(selector)) {
        seg_make_null(s, selector);
        s->base = 0;
        return;
    }
    if (!desc_read(c, i, selector, false, &d))
        raise_err(c, i, EXC_GP, selector & 0xfffc);
    if (!desc_is_readable(&d) ||
        (!desc_is_conforming(&d) && (rpl > desc_dpl(&d) || c->cpl > desc_dpl(&d))))
        raise_err(c, i, EXC_GP, selector & 0xfffc);
    if (!desc_present(&d))
        raise_err(c, i, EXC_NP, selector & 0xfffc);
    desc_set_accessed(c, i, &d);
    seg_fill(s, selector, &d);
    *kept_of(c, selector) = (SegKept){ d.lo | (uint64_t)d.hi << 32, *s, c->cpl };
}

/* What loading this selector makes, if that is known from the last time. */
static bool load_kept(Cpu *c, uint16_t selector, Seg *made)
{
    const SegKept *k = kept_of(c, selector);
    uint64_t raw;

    if (k->seg.selector != selector || k->cpl != c->cpl || !k->raw ||
        !desc_peek(c, selector, &raw) || raw != k->raw)
        return false;
    *made = k->seg;
    return true;
}

bool seg_load_again(Cpu *c, unsigned seg, uint16_t selector)
{
    Seg *s = &c->seg[seg], made = *s;
    bool same;

    if (seg == SEG_SS || seg == SEG_CS || !cpu_prot(c))
        return false;
    if (sel_is_null(selector)) {
        seg_make_null(&made, selector);
        made.base = 0;
    } else if (!load_kept(c, selector, &made)) {
        return false;
    }
    if (seg < SEG_FS && !cpu_in_64(c) && (made.flat != s->flat || made.writable != s->writable))
        return false;           /* Cpu.mode may change */
    same = made.base == s->base && made.limit == s->limit && made.attr == s->attr;
    *s = made;
    if (!same)
        cpu_update_base(c, seg);
    return true;
}

void seg_load(Cpu *c, const Insn *i, unsigned seg, uint16_t selector)
{
    Seg old = c->seg[seg];

    if (!cpu_prot(c))
        seg_set_real(c, seg, selector);
    else if (seg == SEG_SS)
        load_ss(c, i, selector);
    else
        load_data(c, i, seg, selector);
    cpu_update_segment(c, seg, &old);
}

void segs_drop_inner(Cpu *c)
{
    static const uint8_t segs[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };

    for (unsigned n = 0; n < 4; n++) {
        Seg *s = &c->seg[segs[n]];
        bool conforming = (s->attr & (ATTR_CODE | ATTR_CONFORMING)) == (ATTR_CODE | ATTR_CONFORMING);

        if (s->attr & SEG_ATTR_UNUSABLE) {
            if (sel_is_null(s->selector))
                s->selector = 0;
        } else if (!conforming && ((s->attr >> 5) & 3) < c->cpl) {
            seg_make_null(s, 0);
        }
    }
}

/* --- moves --- */

static uint16_t read_rm16(Cpu *c, const Insn *i)
{
    if (i->rm == REG_MEM)
        return mem_read16(c, i, i->seg, effective_address(c, i));
    return (uint16_t)c->gpr[i->rm];
}

/* Memory always gets 16 bits; a register the operand size's, zero-extended. */
static void write_rm16(Cpu *c, const Insn *i, uint16_t v)
{
    if (i->rm == REG_MEM)
        mem_write16(c, i, i->seg, effective_address(c, i), v);
    else
        reg_write(c, i->rm, i->opsize, v);
}

OP(mov_sreg_e)
{
    uint64_t next = insn_next(c, i);

    seg_load(c, i, i->reg, read_rm16(c, i));
    if (i->reg == SEG_SS)
        c->shadow = SHADOW_SS;
    c->rip = next;
}

OP(mov_e_sreg)
{
    write_rm16(c, i, c->seg[i->reg].selector);
    NEXT(c, i);
}

/* With a 32-bit operand only the low half of the slot is written, as current processors do. */
OP(push_sreg)
{
    Stack s;

    stack_current(&s, c, i);
    if (i->opsize == 4) {
        s.sp = (s.sp - 2) & s.mask;
        stack_push(&s, 2, c->seg[i->reg].selector);
    } else {
        stack_push(&s, i->opsize, c->seg[i->reg].selector);
    }
    stack_commit(&s);
    NEXT(c, i);
}

OP(pop_sreg)
{
    uint64_t next = insn_next(c, i);
    uint16_t selector;
    Stack s;

    stack_current(&s, c, i);
    selector = stack_peek(&s, 0, 2);
    s.sp = (s.sp + i->opsize) & s.mask;
    /* The new stack's width must not touch how the old pointer is kept. */
    seg_load(c, i, i->reg, selector);
    stack_commit(&s);
    if (i->reg == SEG_SS)
        c->shadow = SHADOW_SS;
    c->rip = next;
}

OP(load_far)
{
    uint64_t ea = effective_address(c, i), next = insn_next(c, i), off;
    uint16_t selector;

    if (i->opsize == 2)
        off = mem_read16(c, i, i->seg, ea);
    else if (i->opsize == 4)
        off = mem_read32(c, i, i->seg, ea);
    else
        off = mem_read64(c, i, i->seg, ea);
    selector = mem_read16(c, i, i->seg, (ea + i->opsize) & size_mask(i->asize));
    seg_load(c, i, i->aux, selector);
    reg_write(c, i->reg, i->opsize, off);
    c->rip = next;
}

/* --- looking at descriptors --- */

static void set_zf(Cpu *c, bool on)
{
    c->aflags = on ? c->aflags | FLAG_ZF : c->aflags & ~FLAG_ZF;
}

static void need_prot(Cpu *c, const Insn *i)
{
    if (!cpu_prot(c))
        raise_ud(c, i);
}

/* Reads the descriptor for LAR and LSL; types: bit set of the system types allowed. */
static bool inspect(Cpu *c, const Insn *i, uint16_t selector, uint32_t types, Desc *d)
{
    if (sel_is_null(selector) || !desc_read(c, i, selector, false, d))
        return false;
    if (desc_is_system(d)) {
        if (!(types >> desc_type(d) & 1))
            return false;
        if (cpu_lma(c) && (selector & 0xfff8) + 15u > (selector & 4 ? c->ldtr.limit : c->gdt_limit))
            return false;
    }
    return desc_is_conforming(d) ||
           (c->cpl <= desc_dpl(d) && (selector & 3u) <= desc_dpl(d));
}

OP(lar)
{
    uint16_t selector;
    uint32_t types = cpu_lma(c) ? 0x1a04 : 0x1a3e;
    Desc d;
    bool ok;

    need_prot(c, i);
    selector = read_rm16(c, i);
    ok = inspect(c, i, selector, types, &d);
    if (ok)
        reg_write(c, i->reg, i->opsize, d.hi & 0x00ffff00);
    set_zf(c, ok);
    NEXT(c, i);
}

OP(lsl)
{
    uint16_t selector;
    uint32_t types = cpu_lma(c) ? 0x0a04 : 0x0a0e;
    Desc d;
    bool ok;

    need_prot(c, i);
    selector = read_rm16(c, i);
    ok = inspect(c, i, selector, types, &d);
    if (ok)
        reg_write(c, i->reg, i->opsize, desc_limit(&d));
    set_zf(c, ok);
    NEXT(c, i);
}

OP(verr)
{
    uint16_t selector;
    Desc d;

    need_prot(c, i);
    selector = read_rm16(c, i);
    set_zf(c, inspect(c, i, selector, 0, &d) && desc_is_readable(&d));
    NEXT(c, i);
}

OP(verw)
{
    uint16_t selector;
    Desc d;

    need_prot(c, i);
    selector = read_rm16(c, i);
    set_zf(c, inspect(c, i, selector, 0, &d) && desc_is_writable_data(&d));
    NEXT(c, i);
}

OP(arpl)
{
    uint16_t dst, src;
    bool lower;

    need_prot(c, i);
    src = (uint16_t)c->gpr[i->reg];
    dst = read_rm16(c, i);
    lower = (dst & 3) < (src & 3);
    if (lower) {
        dst = (dst & ~3) | (src & 3);
        if (i->rm == REG_MEM)
            mem_write16(c, i, i->seg, effective_address(c, i), dst);
        else
            reg_write(c, i->rm, 2, dst);
    }
    set_zf(c, lower);
    NEXT(c, i);
}

/* --- LDTR and TR --- */

static void check_umip(Cpu *c, const Insn *i)
{
    if ((c->cr4 & CR4_UMIP) && c->cpl)
        raise_gp0(c, i);
}

OP(sldt)
{
    need_prot(c, i);
    check_umip(c, i);
    write_rm16(c, i, c->ldtr.selector);
    NEXT(c, i);
}

OP(str)
{
    need_prot(c, i);
    check_umip(c, i);
    write_rm16(c, i, c->tr.selector);
    NEXT(c, i);
}

OP(lldt)
{
    uint16_t selector;
    Desc d;

    need_prot(c, i);
    if (c->cpl)
        raise_gp0(c, i);
    selector = read_rm16(c, i);
    if (sel_is_null(selector)) {
        seg_make_null(&c->ldtr, selector);
        END(c, i);
    }
    if ((selector & 4) || !desc_read(c, i, selector, true, &d))
        raise_err(c, i, EXC_GP, selector & 0xfffc);
    if (!desc_is_system(&d) || desc_type(&d) != SYS_LDT ||
        (cpu_lma(c) && ((d.hi2 & 0x1f00) || !is_canonical(desc_base(&d)))))
        raise_err(c, i, EXC_GP, selector & 0xfffc);
    if (!desc_present(&d))
        raise_err(c, i, EXC_NP, selector & 0xfffc);
    seg_fill(&c->ldtr, selector, &d);
    END(c, i);
}

OP(ltr)
{
    uint16_t selector;
    unsigned type;
    Desc d;

    need_prot(c, i);
    if (c->cpl)
        raise_gp0(c, i);
    selector = read_rm16(c, i);
    if (sel_is_null(selector))
        raise_gp0(c, i);
    if ((selector & 4) || !desc_read(c, i, selector, true, &d))
        raise_err(c, i, EXC_GP, selector & 0xfffc);
    type = desc_type(&d);
    if (!desc_is_system(&d) || (type != SYS_TSS32 && (type != SYS_TSS16 || cpu_lma(c))) ||
        (cpu_lma(c) && ((d.hi2 & 0x1f00) || !is_canonical(desc_base(&d)))))
        raise_err(c, i, EXC_GP, selector & 0xfffc);
    if (!desc_present(&d))
        raise_err(c, i, EXC_NP, selector & 0xfffc);
    d.hi |= 0x200;
    sys_write(c, i, d.at + 5, 1, (d.hi >> 8) & 0xff);
    seg_fill(&c->tr, selector, &d);
    END(c, i);
}

/* --- GDTR and IDTR --- */

static void store_table(Cpu *c, const Insn *i, uint64_t base, uint16_t limit)
{
    uint64_t ea = effective_address(c, i);
    unsigned len = cpu_in_64(c) ? 10 : 6;
    uint8_t image[10];

    check_umip(c, i);
    for (unsigned n = 0; n < 2; n++)
        image[n] = (uint8_t)(limit >> (8 * n));
    for (unsigned n = 0; n < 8; n++)
        image[2 + n] = (uint8_t)(base >> (8 * n));
    mem_write_buf(c, i, i->seg, ea, image, len, 0);
}

static void load_table(Cpu *c, const Insn *i, uint64_t *base_out, uint32_t *limit_out)
{
    uint64_t ea, at, base;
    uint16_t limit;

    if (c->cpl)
        raise_gp0(c, i);
    ea = effective_address(c, i);
    limit = mem_read16(c, i, i->seg, ea);
    at = (ea + 2) & size_mask(i->asize);
    if (cpu_in_64(c)) {
        base = mem_read64(c, i, i->seg, at);
        if (!is_canonical(base))
            raise_gp0(c, i);
    } else {
        base = mem_read32(c, i, i->seg, at);
        if (i->opsize == 2)
            base &= 0xffffff;
    }
    *base_out = base;
    *limit_out = limit;
}

OP(sgdt)
{
    store_table(c, i, c->gdt_base, (uint16_t)c->gdt_limit);
    NEXT(c, i);
}

OP(sidt)
{
    store_table(c, i, c->idt_base, (uint16_t)c->idt_limit);
    NEXT(c, i);
}

OP(lgdt)
{
    load_table(c, i, &c->gdt_base, &c->gdt_limit);
    NEXT(c, i);
}

OP(lidt)
{
    load_table(c, i, &c->idt_base, &c->idt_limit);
    NEXT(c, i);
}
