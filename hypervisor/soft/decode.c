/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decode.c - from instruction bytes to Insn, by insn_table.c's rows.
 *
 * Intel SDM volume 2, chapter 2 and appendix A.  Everything that can be decided from the bytes and
 * the mode is decided here: sizes, operands, the body for them, encodings that are #UD.  XOP and
 * EVEX are not offered: their first bytes are what they were before.
 */
#include <string.h>
#include "hypervisor/soft/body.h"
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/vex.h"

typedef struct Decoder {
    const uint8_t *b;
    unsigned pos, avail;
    bool short_of, too_long;
    unsigned size;              /* MODE_16, MODE_32, MODE_64 */
    uint32_t mode;
    Insn *i;
    bool repne_last;            /* which of F2 and F3 came last */
    bool modrm_done, rip_relative, vsib;
} Decoder;

void op_ud(Cpu *c, const Insn *i)
{
    raise_ud(c, i);
}

void op_gp(Cpu *c, const Insn *i)
{
    raise_gp0(c, i);
}

/* Next bytes; on running out the decoder notes why and returns zeros. */
static uint64_t take(Decoder *d, unsigned n)
{
    uint64_t v = 0;

    if (d->pos + n > 15 && d->avail >= 15) {
        d->too_long = true;
        return 0;
    }
    if (d->pos + n > d->avail) {
        d->short_of = true;
        return 0;
    }
    memcpy(&v, d->b + d->pos, n);
    d->pos += n;
    return v;
}

static int64_t take_signed(Decoder *d, unsigned n)
{
    uint64_t v = take(d, n);

    return n == 1 ? (int8_t)v : n == 2 ? (int16_t)v : n == 4 ? (int32_t)v : (int64_t)v;
}

/* Legacy prefixes and REX; returns the opcode's first byte. */
static uint8_t take_prefixes(Decoder *d)
{
    Insn *i = d->i;

    i->seg = SEG_NONE;
    for (;;) {
        uint8_t b = (uint8_t)take(d, 1);

        if (d->short_of || d->too_long)
            return 0;
        switch (b) {
        case 0x26: case 0x2e: case 0x36: case 0x3e:
            if (d->size != MODE_64) {
                i->seg = b >> 3 & 3;
                i->prefix |= PFX_SEG;
            }
            break;
        case 0x64: case 0x65:
            i->seg = b - 0x64 + SEG_FS;
            i->prefix |= PFX_SEG;
            break;
        case 0x66: i->prefix |= PFX_OPSIZE; break;
        case 0x67: i->prefix |= PFX_ASIZE; break;
        case 0xf0: i->prefix |= PFX_LOCK; break;
        case 0xf2: i->prefix |= PFX_REPNE; d->repne_last = true; break;
        case 0xf3: i->prefix |= PFX_REP; d->repne_last = false; break;
        default:
            if (d->size == MODE_64 && (b & 0xf0) == 0x40) {
                i->rex = b;
                continue;
            }
            return b;
        }
        i->rex = 0;     /* REX counts only right before the opcode */
    }
}

static void operand_16(Decoder *d, unsigned mod, unsigned rm)
{
    static const uint8_t bases[8] = {3, 3, 5, 5, 6, 7, 5, 3};
    static const uint8_t indexes[8] = {6, 7, 6, 7, REG_ZERO, REG_ZERO, REG_ZERO, REG_ZERO};
    Insn *i = d->i;

    i->base = bases[rm];
    i->index = indexes[rm];
    if (mod == 0 && rm == 6) {
        i->base = REG_ZERO;
        i->disp = (int32_t)(uint16_t)take(d, 2);
    } else if (mod == 1) {
        i->disp = (int32_t)take_signed(d, 1);
    } else if (mod == 2) {
        i->disp = (int32_t)take_signed(d, 2);
    }
    if (!(i->prefix & PFX_SEG))
        i->seg = i->base == 5 ? SEG_SS : SEG_DS;
}

static void operand_32(Decoder *d, unsigned mod, unsigned rm)
{
    Insn *i = d->i;
    unsigned base = rm;

    i->index = REG_ZERO;
    if (rm == 4) {
        unsigned sib = (unsigned)take(d, 1), index = (sib >> 3 & 7) | (i->rex & 2) << 2;
        base = sib & 7;
        if (d->vsib) {
            i->aux = (uint8_t)index;
            i->scale = (uint8_t)(sib >> 6);
        } else if (index != 4) {
            i->index = (uint8_t)index;
            i->scale = (uint8_t)(sib >> 6);
        }
    }
    i->base = (uint8_t)(base | (i->rex & 1) << 3);
    if (mod == 0 && base == 5) {
        i->base = REG_ZERO;
        if (rm == 5 && d->size == MODE_64) {
            i->base = REG_RIP;
            d->rip_relative = true;
        }
        i->disp = (int32_t)take(d, 4);
    } else if (mod == 1) {
        i->disp = (int32_t)take_signed(d, 1);
    } else if (mod == 2) {
        i->disp = (int32_t)take(d, 4);
    }
    if (!(i->prefix & PFX_SEG))
        i->seg = i->base == 4 || i->base == 5 ? SEG_SS : SEG_DS;
}

static void take_modrm(Decoder *d)
{
    Insn *i = d->i;
    unsigned mod, rm;

    if (d->modrm_done)
        return;
    d->modrm_done = true;
    i->modrm = (uint8_t)take(d, 1);
    mod = i->modrm >> 6;
    rm = i->modrm & 7;
    i->reg = (uint8_t)((i->modrm >> 3 & 7) | (i->rex & 4) << 1);
    if (mod == 3) {
        i->rm = (uint8_t)(rm | (i->rex & 1) << 3);
        return;
    }
    i->rm = REG_MEM;
    if (i->asize == 2)
        operand_16(d, mod, rm);
    else
        operand_32(d, mod, rm);
}

/* Register number to byte offset in gpr[]. */
static uint8_t byte_register(const Insn *i, uint8_t r)
{
    return i->rex || r < 4 ? r * 8 : (uint8_t)((r - 4) * 8 + 1);
}

static void set_sizes(Decoder *d, uint32_t flags)
{
    Insn *i = d->i;
    bool p66 = i->prefix & PFX_OPSIZE;

    if (flags & IF_BYTE)
        i->opsize = 1;
    else if (d->size == MODE_16)
        i->opsize = p66 ? 4 : 2;
    else if (d->size == MODE_32)
        i->opsize = p66 ? 2 : 4;
    else if (flags & IF_F64)
        i->opsize = 8;
    else if (i->rex & 8)
        i->opsize = 8;
    else if (p66)
        i->opsize = 2;
    else
        i->opsize = flags & IF_D64 ? 8 : 4;
    if ((flags & IF_MAX32) && i->opsize == 8)
        i->opsize = 4;
}

static void take_immediate(Decoder *d, unsigned kind, uint64_t rip, unsigned off)
{
    Insn *i = d->i;
    unsigned full = i->opsize < 4 ? i->opsize : 4;

    switch (kind) {
    case IMM_8: i->imm = (uint64_t)take_signed(d, 1); break;
    case IMM_U8: i->imm = take(d, 1); break;
    case IMM_U16: i->imm = take(d, 2); break;
    case IMM_V: i->imm = (uint64_t)take_signed(d, full); break;
    case IMM_FULL: i->imm = take(d, i->opsize); break;
    case IMM_MOFFS: i->imm = take(d, i->asize); break;
    case IMM_ENTER:
        i->imm = take(d, 2);
        i->imm |= (take(d, 1) & 31) << 16;
        break;
    case IMM_FAR:
        i->imm = take(d, full);
        i->disp = (int32_t)take(d, 2);
        break;
    case IMM_REL8:
    case IMM_RELV: {
        int64_t rel = take_signed(d, kind == IMM_REL8 ? 1 : full);
        uint64_t to = rip + off + d->pos + (uint64_t)rel;
        i->imm = i->opsize == 2 ? (uint16_t)to : i->opsize == 4 ? (uint32_t)to : to;
        break;
    }
    }
}

/* The body when the table has no row: SSE's own tables. */
static OpFn sse_lookup(Decoder *d, unsigned column, unsigned *imm)
{
    unsigned map = d->i->opcode >> 8, op = d->i->opcode & 0xff;

    if (map == 3)
        *imm = IMM_U8;
    else if (map == 1 && ((op >= 0x70 && op <= 0x73) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6)))
        *imm = IMM_U8;
    return map == 1 ? sse_0f[op][column] : map == 2 ? sse_0f38[op][column] : sse_0f3a[op][column];
}

static unsigned size_log2(unsigned opsize)
{
    return opsize == 8 ? 3 : opsize >> 1;
}

/* Is this row's encoding one that exists here? */
static bool row_valid(const Decoder *d, uint32_t flags)
{
    const Insn *i = d->i;
    bool mem = (flags & IF_MODRM) && i->rm == REG_MEM;

    if ((flags & IF_NO64) && d->size == MODE_64)
        return false;
    if ((flags & IF_ONLY64) && d->size != MODE_64)
        return false;
    if ((flags & IF_MEM) && !mem)
        return false;
    if ((flags & IF_REG) && mem)
        return false;
    if ((flags & IF_PROT) && !(d->mode & MODE_PROT))
        return false;
    if ((i->prefix & PFX_LOCK) && !((flags & IF_LOCK) && mem))
        return false;
    if ((flags & IF_SREG) && ((i->reg & 7) > 5 || ((i->reg & 7) == SEG_CS && (flags & IF_END))))
        return false;
    return true;
}

static void place_registers(Decoder *d, uint32_t flags)
{
    Insn *i = d->i;

    if (!(flags & IF_MODRM))
        i->reg = i->aux;
    if (flags & IF_OPREG)
        i->reg = i->rm = (uint8_t)((i->opcode & 7) | (i->rex & 1) << 3);
    if (flags & IF_ACC)
        i->rm = 0;
    if (flags & IF_SREG)
        i->reg &= 7;
    if (flags & IF_BYTE) {
        i->reg = byte_register(i, i->reg);
        if (i->rm != REG_MEM)
            i->rm = byte_register(i, i->rm);
    } else if ((flags & IF_RM8) && i->rm != REG_MEM) {
        i->rm = byte_register(i, i->rm);
    }
}

/* Opcode bytes after the first; returns the row, NULL for SSE's tables. */
static const InsnDesc *find_row(Decoder *d, uint8_t first, unsigned column)
{
    Insn *i = d->i;
    const InsnDesc *row, *special;
    uint8_t b;

    if (first != 0x0f) {
        i->opcode = first;
        row = &insn_map_1byte[first];
    } else {
        b = (uint8_t)take(d, 1);
        if (b == 0x38 || b == 0x3a) {
            i->opcode = (uint16_t)((b == 0x38 ? 0x200 : 0x300) | (uint8_t)take(d, 1));
            take_modrm(d);
            row = NULL;
        } else {
            i->opcode = 0x100 | b;
            row = &insn_map_0f[b];
        }
    }
    if (row && (row->flags & IF_MODRM)) {
        if (row->flags & IF_CRDR) {
            i->modrm = (uint8_t)take(d, 1);
            d->modrm_done = true;
            i->reg = (uint8_t)((i->modrm >> 3 & 7) | (i->rex & 4) << 1);
            i->rm = (uint8_t)((i->modrm & 7) | (i->rex & 1) << 3);
        } else {
            take_modrm(d);
        }
    }
    special = insn_special(i, column, d->size == MODE_64);
    if (special)
        row = special;
    if (row && (row->flags & IF_MODRM))
        take_modrm(d);
    if (row && !row->fn && !row->sized && !row->group && !(row->flags & IF_FPU))
        row = NULL;
    return row;
}

static enum DecodeResult undefined(Decoder *d, OpFn fn)
{
    d->i->fn = fn;
    d->i->len = (uint8_t)(d->pos ? d->pos : 1);
    return DECODE_END;
}

/* --- VEX --- */

/* C4 and C5 are LES and LDS outside 64-bit mode, unless the next byte makes a register of it. */
static bool starts_vex(const Decoder *d, uint8_t first)
{
    if (first != 0xc4 && first != 0xc5)
        return false;
    if (d->size == MODE_64)
        return true;
    return (d->mode & MODE_PROT) && d->pos < d->avail && d->b[d->pos] >= 0xc0;
}

/* The prefix and the opcode; what there is in the way of operands goes where REX's would.  Returns
 * VEX.vvvv as it is in the encoding. */
static unsigned take_vex(Decoder *d, uint8_t first)
{
    Insn *i = d->i;
    uint8_t one = (uint8_t)take(d, 1), two = first == 0xc4 ? (uint8_t)take(d, 1) : one & 0x7f;
    unsigned map = first == 0xc4 ? one & 31 : 1, vvvv = two >> 3 & 15;
    bool in_64 = d->size == MODE_64;
    uint8_t op = (uint8_t)take(d, 1);

    if (in_64) {
        i->rex = 0x40 | (one & 0x80 ? 0 : 4);
        if (first == 0xc4)
            i->rex |= (one & 0x40 ? 0 : 2) | (one & 0x20 ? 0 : 1) | (two & 0x80 ? 8 : 0);
    }
    i->vex = (uint8_t)((~vvvv & (in_64 ? 15 : 7)) | (two & 4 ? VEX_L : 0) |
                       (two & 0x80 ? VEX_W : 0));
    i->opcode = (uint16_t)((map & 3) << 8 | op);
    i->row = vex_find(map, op, two & 3, two & 0x80);
    if (!in_64 && (vex_row(i)->flags & VF_W64))
        i->row = vex_find(map, op, two & 3, false);
    return vvvv;
}

static bool vex_valid(const Decoder *d, unsigned vvvv)
{
    const Insn *i = d->i;
    const VexRow *r = vex_row(i);
    bool mem = !(r->flags & VF_NO_MODRM) && i->rm == REG_MEM, l = i->vex & VEX_L;

    if ((r->flags & VF_L0 && l) || (r->flags & VF_L1 && !l))
        return false;
    if ((r->flags & VF_MEM && !mem) || (r->flags & VF_REG && mem))
        return false;
    if (vvvv != 15 && !(r->flags & VF_VVVV) && !(r->flags & VF_VVVV_REG && !mem))
        return false;
    if (r->flags & VF_VSIB) {
        unsigned v = i->vex & VEX_VVVV;
        if (i->asize == 2 || (i->modrm & 7) != 4 || i->reg == v || i->reg == i->aux || v == i->aux)
            return false;
    }
    return vex_host_has(r, l, mem);
}

static enum DecodeResult decode_vex(Decoder *d, uint8_t first, unsigned off)
{
    Insn *i = d->i;
    bool bad = i->rex || (i->prefix & (PFX_OPSIZE | PFX_REP | PFX_REPNE | PFX_LOCK));
    unsigned vvvv = take_vex(d, first), flags = vex_row(i)->flags;

    if (!d->too_long && !d->short_of && (bad || !i->row))
        return undefined(d, op_ud);
    d->vsib = flags & VF_VSIB;
    if (i->row && !(flags & VF_NO_MODRM))
        take_modrm(d);
    if (flags & VF_IMM)
        i->imm = take(d, 1);
    if (flags & VF_IS4)
        i->aux = (uint8_t)(take(d, 1) >> 4 & (d->size == MODE_64 ? 15 : 7));
    if (d->too_long)
        return undefined(d, op_gp);
    if (d->short_of)
        return DECODE_SHORT;
    if (!vex_valid(d, vvvv))
        return undefined(d, op_ud);
    i->opsize = i->rex & 8 ? 8 : 4;
    i->fn = vex_row(i)->fn;
    i->len = (uint8_t)d->pos;
    if (d->rip_relative)
        i->disp = (int32_t)((uint32_t)i->disp + off + d->pos);
    return DECODE_MORE;
}

enum DecodeResult decode_insn(uint32_t mode, uint64_t rip, unsigned off, const uint8_t *b,
                              unsigned avail, Insn *i)
{
    Decoder d = { .b = b, .avail = avail, .mode = mode, .size = mode & MODE_SIZE_MASK, .i = i };
    const InsnDesc *row;
    unsigned column, imm = IMM_NONE;
    uint32_t flags;
    uint8_t first;
    OpFn fn = NULL;

    memset(i, 0, sizeof *i);
    i->off = (uint16_t)off;
    i->base = i->index = REG_ZERO;
    first = take_prefixes(&d);
    if (!(i->prefix & PFX_SEG))
        i->seg = SEG_DS;
    if (d.size == MODE_64)
        i->asize = i->prefix & PFX_ASIZE ? 4 : 8;
    else
        i->asize = (d.size == MODE_32) != !!(i->prefix & PFX_ASIZE) ? 4 : 2;
    column = i->prefix & (PFX_REP | PFX_REPNE) ? (d.repne_last ? 3 : 2)
             : i->prefix & PFX_OPSIZE ? 1 : 0;
    if (!d.short_of && !d.too_long && starts_vex(&d, first))
        return decode_vex(&d, first, off);
    row = d.short_of || d.too_long ? NULL : find_row(&d, first, column);
    if (d.too_long)
        return undefined(&d, op_gp);
    if (d.short_of)
        return DECODE_SHORT;

    if (row) {
        flags = row->flags;
        imm = row->imm;
        if (row->group) {
            const InsnDesc *sub = &row->group[i->modrm >> 3 & 7];
            flags = (flags & (IF_MODRM | IF_BYTE)) | sub->flags;
            imm = sub->imm ? sub->imm : imm;
            row = sub;
        }
        set_sizes(&d, flags);
        if (!row_valid(&d, flags))
            return undefined(&d, op_ud);
        if (flags & IF_CRDR)
            i->opsize = d.size == MODE_64 ? 8 : 4;
        i->aux = row->aux;
        fn = row->fn;
        if (!fn && row->sized)
            fn = row->sized[(flags & IF_MODRM) && i->rm == REG_MEM][size_log2(i->opsize)];
        if (flags & IF_FPU)
            fn = fpu_body((uint8_t)i->opcode, i->modrm);
    } else {
        flags = IF_MODRM;
        if (i->opcode < 0x100 || (i->prefix & PFX_LOCK))
            return undefined(&d, op_ud);
        take_modrm(&d);
        set_sizes(&d, 0);
        fn = sse_lookup(&d, column, &imm);
    }
    if (!fn)
        return undefined(&d, op_ud);
    place_registers(&d, flags);
    take_immediate(&d, imm, rip, off);
    if (d.too_long)
        return undefined(&d, op_gp);
    if (d.short_of)
        return DECODE_SHORT;
    i->fn = fn;
    i->len = (uint8_t)d.pos;
    if (d.rip_relative)
        i->disp = (int32_t)((uint32_t)i->disp + off + d.pos);
    return flags & IF_END ? DECODE_END : DECODE_MORE;
}
