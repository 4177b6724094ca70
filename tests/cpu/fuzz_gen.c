/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_gen.c - random programs in 16-, 32- and 64-bit code: any prefixes, operands that mostly hit the
 * data and now and then just miss it, faults, code that changes itself, and the supervisor's
 * instructions.  Opcode maps: Intel SDM vol. 2 appendix A.
 *
 * Left out: what differs from run to run (RDRAND).
 */
#include <string.h>
#include "tests/cpu/fuzz_gen.h"

/* --- registers --- */
unsigned gen_register(Gen *g)
{
    unsigned r, n = wide(g) ? 16 : 8;

    do {
        r = below(g, n);
    } while ((r == SP && below(g, 200)) || (r == g->s->keep && below(g, 30)));
    return r;
}

/* For byte operands, where 4 to 7 may be AH to BH. */
unsigned gen_byte_register(Gen *g)
{
    unsigned r, n = wide(g) ? 16 : 8;

    do {
        r = below(g, n);
    } while ((r == g->s->keep || (r & 3) == g->s->keep) && below(g, 30));
    return r;
}

uint64_t gen_edge(Gen *g)
{
    static const uint64_t edges[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
                                      0x80000000, 0xffffffff, 0x7fffffffffffffff, ~0ull };
    return one_in(g, 2) ? edges[below(g, sizeof edges / sizeof edges[0])] : rng_next(g->r);
}

/* MOV of a constant, as wide as an address is (upper parts that don't count are random). */
void gen_set_register(Gen *g, unsigned r, uint64_t v, unsigned asize)
{
    if (asize == 8 && (v >> 32 || one_in(g, 2))) {
        put(g, 0x48 | r >> 3);
        put(g, 0xb8 | (r & 7));
        put_n(g, v, 8);
        return;
    }
    if (asize == 2)
        v = (v & 0xffff) | (uint64_t)rng_next(g->r) << 16;
    if (g->s->bits == 16 && asize == 4)
        put(g, 0x66);
    if (r >= 8)
        put(g, 0x41);
    put(g, 0xb8 | (r & 7));
    put_n(g, v, g->s->bits == 16 && asize == 2 ? 2 : 4);
}

/* --- memory operands --- */
/* A linear address: mostly in the data, often near the end of a page, sometimes where nothing is. */
uint64_t gen_data_target(Gen *g)
{
    unsigned page = below(g, FUZZ_DATA_SIZE >> 12) << 12;

    switch (below(g, 12)) {
    case 0: return FUZZ_DATA + page + 0x1000 - below(g, 40);
    case 1: return FUZZ_DATA + page + 0x1000 - 16 * (1 + below(g, 4));
    case 2: return FUZZ_DATA + page + below(g, 0x1000);
    case 3: return one_in(g, 4) ? FUZZ_DATA + FUZZ_DATA_SIZE - below(g, 24) : FUZZ_DATA + below(g, 64);
    default: return FUZZ_DATA + page + 16 * below(g, 60);
    }
}

static unsigned default_seg(unsigned base) { return base == SP || base == BP ? SEG_SS : SEG_DS; }

unsigned gen_pick_seg(Gen *g)
{
    static const uint8_t segs[] = { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_DS, SEG_SS, SEG_FS };

    return one_in(g, 6) ? segs[below(g, sizeof segs)] : NO_SEG;
}

uint64_t gen_seg_base(const Gen *g, unsigned seg, unsigned fallback)
{
    unsigned n = seg == NO_SEG ? fallback : seg;

    if (wide(g) && n != SEG_FS && n != SEG_GS)
        return 0;
    return g->s->base[n];
}

static void operand_16(Gen *g, Operand *o)
{
    static const uint8_t bases[8] = { BX, BX, BP, BP, SI, DI, BP, BX };
    static const uint8_t indexes[4] = { SI, DI, SI, DI };
    unsigned mod = below(g, 3), rm = below(g, 8), base, off;
    uint16_t disp = mod == 1 ? (uint16_t)(int8_t)rng_next(g->r)
                    : mod == 2 ? (uint16_t)rng_next(g->r) : 0, index = 0;

    if (one_in(g, 2)) {
        for (rm = 4; rm < 8 && bases[rm] != g->s->keep; rm++) {
        }
        if (rm == 8)
            rm = below(g, 8);
        else if (mod == 0)
            mod = 2;
    }
    base = bases[rm];
    off = (unsigned)(o->target - gen_seg_base(g, o->seg, default_seg(rm == 6 && !mod ? DI : base)));
    o->b[0] = (uint8_t)(mod << 6 | rm);
    o->len = 1;
    if (rm == 6 && !mod) {
        o->b[1] = (uint8_t)off;
        o->b[2] = (uint8_t)(off >> 8);
        o->len = 3;
        return;
    }
    if (rm < 4) {
        index = (uint16_t)below(g, 200);
        gen_set_register(g, indexes[rm], index, 2);
    }
    if (base == g->s->keep && rm >= 4 && mod == 2)
        disp = (uint16_t)(off - (g->s->keep_at - g->s->base[default_seg(base)]));
    else
        gen_set_register(g, base, (uint16_t)(off - disp - index), 2);
    o->b[1] = (uint8_t)disp;
    o->b[2] = (uint8_t)(disp >> 8);
    o->len += mod;
}

static void operand_sib(Gen *g, Operand *o, unsigned base, unsigned mod)
{
    unsigned n = wide(g) ? 16 : 8, index = 4, scale = below(g, 4);
    int32_t disp = mod == 1 ? (int8_t)rng_next(g->r) : mod == 2 ? (int32_t)(rng_next(g->r) >> 40) : 0;
    uint64_t x = 0, off = o->target - gen_seg_base(g, o->seg, default_seg(base));
    bool sib = (base & 7) == 4 || one_in(g, 3), keep = base == g->s->keep;

    if (sib && one_in(g, 2)) {
        do {
            index = below(g, n);
        } while (index == base || index == g->s->keep || index == 4);
        x = below(g, 300);
        gen_set_register(g, index, x, o->asize);
        x <<= scale;
    }
    if (keep)
        disp = (int32_t)(off - x - (g->s->keep_at - g->s->base[default_seg(base)]));
    else
        gen_set_register(g, base, (off - x - (uint64_t)(int64_t)disp) & (o->asize == 8 ? ~0ull : 0xffffffff),
                     o->asize);
    o->b[0] = (uint8_t)(mod << 6 | (sib ? 4 : base & 7));
    o->len = 1;
    if (sib)
        o->b[o->len++] = (uint8_t)(scale << 6 | (index & 7) << 3 | (base & 7));
    o->rex = base >> 3 | (sib && index != 4 ? index >> 3 << 1 : 0);
    memcpy(o->b + o->len, &disp, 4);
    o->len += mod == 1 ? 1 : mod == 2 ? 4 : 0;
}

static void operand_32(Gen *g, Operand *o)
{
    unsigned n = wide(g) ? 16 : 8, mod = below(g, 3), base;
    int32_t disp;

    if (one_in(g, 8)) {         /* a displacement alone; relative to RIP in 64-bit code */
        disp = (int32_t)(o->target - gen_seg_base(g, o->seg, SEG_DS));
        o->b[0] = 5;
        o->len = 5;
        if (wide(g) && one_in(g, 2)) {
            o->b[0] = 4;
            o->b[1] = 0x25;
            memcpy(o->b + 2, &disp, 4);
            o->len = 6;
            return;
        }
        memcpy(o->b + 1, &disp, 4);
        o->rip_at = wide(g);
        return;
    }
    if (one_in(g, 2)) {
        operand_sib(g, o, g->s->keep, 2);
        return;
    }
    do {
        base = below(g, n);
    } while (base == g->s->keep || base == 4);
    if ((base & 7) == 5 && !mod)
        mod = 1;
    operand_sib(g, o, base, mod);
}

void gen_operand_memory(Gen *g, Operand *o)
{
    unsigned natural = wide(g) ? 8 : code_size(g);

    memset(o, 0, sizeof *o);
    o->memory = true;
    o->asize = one_in(g, 8) ? natural == 4 ? 2 : 4 : natural;
    o->seg = gen_pick_seg(g);
    o->target = o->seg == SEG_FS ? FUZZ_LOOP + 16 + below(g, 0x800) : gen_data_target(g);
    if (o->asize == 2)
        operand_16(g, o);
    else
        operand_32(g, o);
}

void gen_operand_register(Gen *g, Operand *o, bool byte)
{
    memset(o, 0, sizeof *o);
    o->asize = wide(g) ? 8 : code_size(g);
    o->seg = NO_SEG;
    o->rm = byte ? gen_byte_register(g) : gen_register(g);
    o->rex = o->rm >> 3;
    o->b[0] = (uint8_t)(0xc0 | (o->rm & 7));
    o->len = 1;
}

void gen_operand(Gen *g, Operand *o, bool byte, unsigned memory_of_4)
{
    if (below(g, 4) < memory_of_4)
        gen_operand_memory(g, o);
    else
        gen_operand_register(g, o, byte);
}

/* --- encoding --- */
void gen_prefixes(Gen *g, const Operand *o, unsigned size, unsigned mandatory, unsigned lock)
{
    static const uint8_t segs[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };

    if (o->seg != NO_SEG)
        put(g, segs[o->seg]);
    if (lock)
        put(g, lock);
    if (o->asize != (wide(g) ? 8 : code_size(g)))
        put(g, 0x67);
    if (mandatory)
        put(g, mandatory);
    if ((size == 2 && code_size(g) == 4) || (size == 4 && code_size(g) == 2))
        put(g, 0x66);
}

void gen_rip_fix(Gen *g, const Operand *o, unsigned at, unsigned imm)
{
    uint64_t next = g->s->start + g->p->len + imm;
    int32_t disp = (int32_t)(o->target - next);

    if (o->rip_at)
        memcpy(g->p->b + at + 1, &disp, 4);
}

/* size: of the operands, 8 means REX.W; imm: bytes that the caller will put behind it. */
void gen_encode(Gen *g, const Operand *o, unsigned size, unsigned mandatory, unsigned lock,
                   unsigned op, unsigned reg, unsigned imm)
{
    unsigned rex = (size == 8 ? 8 : 0) | reg >> 3 << 2 | o->rex, at;

    gen_prefixes(g, o, size, mandatory, lock);
    if (wide(g) && (rex || one_in(g, 8)))
        put(g, 0x40 | rex);
    if (op >= 0x100)
        put(g, 0x0f);
    if (op >= 0x300)
        put(g, 0x3a);
    else if (op >= 0x200)
        put(g, 0x38);
    put(g, op & 0xff);
    at = g->p->len;
    put(g, o->b[0] | (reg & 7) << 3);
    for (unsigned n = 1; n < o->len; n++)
        put(g, o->b[n]);
    gen_rip_fix(g, o, at, imm);
}

unsigned gen_size(Gen *g)
{
    static const uint8_t sizes[] = { 1, 2, 4, 8 };

    return sizes[below(g, wide(g) ? 4 : 3)];
}

unsigned gen_word_size(Gen *g)
{
    unsigned size = gen_size(g);

    return size == 1 ? code_size(g) : size;
}

unsigned gen_register_of(Gen *g, unsigned size)
{
    return size == 1 ? gen_byte_register(g) : gen_register(g);
}

/* --- control --- */
static uint64_t slot_offset(const Gen *g, unsigned slot) { return g->s->start + SLOT * slot; }
static unsigned slot_now(const Gen *g) { return g->p->len / SLOT; }

static unsigned later_slot(Gen *g)
{
    unsigned left = g->s->slots - slot_now(g);

    return slot_now(g) + 1 + (left > 1 ? below(g, left > 4 && below(g, 3) ? 3 : left - 1) : 0);
}

static void relative(Gen *g, unsigned op, uint64_t target, unsigned bytes)
{
    if (op >= 0x100)
        put(g, 0x0f);
    put(g, op & 0xff);
    put_n(g, target - (g->s->start + g->p->len + bytes), bytes);
}

static void push_constant(Gen *g, uint64_t v)
{
    put(g, 0x68);
    put_n(g, v, code_size(g));
}

/* dec fs:[4] counts: backwards, but not for ever */
static void backwards(Gen *g)
{
    put(g, 0x64);
    put(g, 0xff);
    if (g->s->bits == 16) {
        put(g, 0x0e);
        put_n(g, 4, 2);
    } else if (wide(g)) {
        put_n(g, 0x250c, 2);
        put_n(g, 4, 4);
    } else {
        put(g, 0x0d);
        put_n(g, 4, 4);
    }
    relative(g, 0x189, slot_offset(g, below(g, slot_now(g) + 1)), code_size(g));
}

static void far_transfer(Gen *g)
{
    static const uint8_t pushf = 0x9c, push_cs = 0x0e;
    uint64_t to = slot_offset(g, later_slot(g));
    uint16_t cs = g->s->kind == FUZZ_REAL || g->s->kind == FUZZ_V86
                  ? (uint16_t)(g->s->base[SEG_CS] >> 4) : FUZZ_CS | (g->s->user ? 3 : 0);

    if (wide(g)) {
        push_constant(g, to);
        put(g, 0xc3);
        return;
    }
    switch (below(g, 4)) {
    case 0:
        put(g, one_in(g, 2) ? 0xea : 0x9a);
        put_n(g, to, code_size(g));
        put_n(g, cs, 2);
        break;
    case 1:
        put(g, push_cs);
        push_constant(g, to);
        put(g, 0xcb);
        break;
    case 2:
        put(g, pushf);
        put(g, push_cs);
        push_constant(g, to);
        put(g, 0xcf);
        break;
    default:
        push_constant(g, to);
        put(g, 0xc2);
        put_n(g, one_in(g, 2) ? 0 : 2 * below(g, 8), 2);
    }
}

static void control(Gen *g)
{
    uint64_t to = slot_offset(g, later_slot(g));
    unsigned r, bytes = code_size(g);
    Operand o;

    switch (below(g, 10)) {
    case 0: case 1: case 2:
        relative(g, 0x180 | below(g, 16), to, bytes);
        break;
    case 3:
        if (to - (g->s->start + g->p->len) < 120) {
            relative(g, one_in(g, 4) ? 0xe0 | below(g, 4) : 0x70 | below(g, 16), to, 1);
        } else {
            relative(g, 0xe9, to, bytes);
        }
        break;
    case 4:
        relative(g, one_in(g, 2) ? 0xe9 : 0xe8, to, bytes);
        break;
    case 5:
        do {
            r = gen_register(g);
        } while (r == g->s->keep || r == SP);
        gen_set_register(g, r, to, wide(g) ? 8 : 4);
        if (r & 8)
            put(g, 0x41);
        put(g, 0xff);
        put(g, 0xe0 - 16 * below(g, 2) + (r & 7));
        break;
    case 6:
        gen_operand_memory(g, &o);
        gen_encode(g, &o, wide(g) ? 8 : bytes, 0, 0, 0xc7, 0, bytes);
        put_n(g, to, bytes);
        gen_encode(g, &o, bytes, 0, 0, 0xff, one_in(g, 2) ? 4 : 2, 0);
        break;
    case 7:
        backwards(g);
        break;
    case 8:
        far_transfer(g);
        break;
    default:
        push_constant(g, to);
        put(g, 0xc3);
    }
}

/* --- code that changes --- */
enum { NOP = 0x90, HLT = 0xf4 };

/* An interrupt at any time may come when it halts. */
static bool goes_on_behind_hlt(const Gen *g) { return g->s->interrupted && !g->s->user; }

/* In the slot's last bytes, or the constant of a MOV: by GS, or where else the code is mapped. */
static void self_modify(Gen *g)
{
    static const uint8_t ops[] = { 0x90, 0xf8, 0xf9, 0xf5, 0x98, 0x99, 0x9f, 0x9e, 0xfc, 0xf4, 0xcc, 0xf1 };
    unsigned size = 1u << below(g, 3), constant = g->constants ? below(g, 2 * g->constants) : 0;
    uint64_t at = SLOT * (1 + below(g, g->s->slots)) - CELLS + (CELLS - size ? below(g, CELLS - size + 1) : 0);
    bool alias = g->s->paging != PAGING_NONE && !g->s->segmented && g->s->bits != 16 && one_in(g, 2);
    bool in_constant = constant < g->constants;

    if (in_constant)
        at = g->constant_at[constant] + below(g, 5 - size);
    at += g->s->start;
    if (alias)
        at += FUZZ_ALIAS - FUZZ_CODE;
    else if (wide(g) || !g->s->segmented)
        at -= FUZZ_CODE;                /* GS has a base, and CS none */
    if (!alias)
        put(g, 0x65);
    if ((size == 2 && code_size(g) == 4) || (size == 4 && code_size(g) == 2))
        put(g, 0x66);
    put(g, size == 1 ? 0xc6 : 0xc7);
    if (g->s->bits == 16) {
        put(g, 0x06);
        put_n(g, at, 2);
    } else if (wide(g)) {
        put_n(g, 0x2504, 2);
        put_n(g, at, 4);
    } else {
        put(g, 0x05);
        put_n(g, at, 4);
    }
    for (unsigned n = 0; n < size; n++) {
        unsigned op = in_constant ? below(g, 256) : ops[below(g, below(g, 8) ? 9 : sizeof ops)];

        put(g, op == HLT && !in_constant && goes_on_behind_hlt(g) ? NOP : op);
    }
}

/* --- the supervisor's, and what only it may do --- */
/* A page table entry changes, and the TLB hears of it. */
static void change_page(Gen *g)
{
    static const uint16_t flags[] = { 7, 5, 3, 1, 0, 0x67, 0x65, 0x27, 6 };
    bool big = g->s->paging != PAGING_32;
    unsigned page = below(g, 6) ? FUZZ_DATA + (below(g, FUZZ_DATA_SIZE >> 12) << 12)
                                : FUZZ_CODE + (below(g, FUZZ_CODE_SIZE >> 12) << 12);
    unsigned at = (big ? PT_AT + (page >> 12) * 8 : FUZZ_PT + (page >> 12) * 4);
    uint32_t entry = page | flags[below(g, sizeof flags / sizeof flags[0])];

    put(g, 0xc7);
    if (wide(g)) {
        put_n(g, 0x2504, 2);
    } else {
        put(g, 0x05);
    }
    put_n(g, at, 4);
    put_n(g, entry, 4);
    if (one_in(g, 3)) {                 /* mov eax, cr3; mov cr3, eax */
        put_n(g, 0xd8200f, 3);
        put_n(g, 0xd8220f, 3);
    } else {
        put_n(g, 0x010f, 2);
        if (wide(g)) {
            put_n(g, 0x253c, 2);
        } else {
            put(g, 0x3d);
        }
        put_n(g, page, 4);
    }
}

static void change_flags(Gen *g)
{
    uint32_t mask = one_in(g, 3) && g->s->steps ? 0x100 : one_in(g, 3) ? 0x40000 : 0xcd5;

    put(g, 0x9c);
    if (g->s->bits == 16) {             /* pop ax; xor ax, imm; push ax; popf */
        put(g, 0x58);
        put(g, 0x35);
        put_n(g, mask, 2);
        put(g, 0x50);
    } else {
        put(g, 0x58);
        put(g, 0x35);
        put_n(g, mask, 4);
        put(g, 0x50);
    }
    put(g, 0x9d);
}

static void load_segment(Gen *g)
{
    static const uint16_t sels[] = { FUZZ_DS, FUZZ_ES, FUZZ_DS, FUZZ_ES, 0, KDATA, UDATA | 3, RODATA, DOWN,
                                     ABSENT, FUZZ_CS };
    uint16_t sel = sels[below(g, sizeof sels / sizeof sels[0])];

    if (g->s->kind == FUZZ_REAL || g->s->kind == FUZZ_V86)
        sel = (uint16_t)((FUZZ_DATA >> 4) - below(g, 0x100));
    else if (g->s->user && sel)
        sel |= 3;
    gen_set_register(g, AX, sel, 4);
    put(g, 0x8e);
    put(g, 0xc0 | (one_in(g, 2) ? SEG_DS : SEG_ES) << 3);
}

static void debug_registers(Gen *g)
{
    if (g->s->bits == 16)
        put(g, 0x66);
    put(g, 0xb8);
    put_n(g, one_in(g, 2) ? gen_data_target(g) : FUZZ_CODE + below(g, FUZZ_CODE_SIZE), 4);
    put_n(g, 0x230f, 2);
    put(g, 0xc0 | below(g, 4) << 3);
    if (g->s->bits == 16)
        put(g, 0x66);
    put(g, 0xb8);
    put_n(g, 0x400 | below(g, 256) | (rng_next(g->r) & 0xffff0000u), 4);
    put_n(g, 0xf8230f, 3);
}

static void port(Gen *g)
{
    switch (below(g, 6)) {
    case 0:
        put(g, 0xe4 | below(g, 2));
        put(g, below(g, 0x50));
        break;
    case 1:                             /* INS, OUTS */
        gen_set_register(g, DX, 0x60, 4);
        gen_set_register(g, CX, below(g, 20), wide(g) ? 8 : 4);
        gen_set_register(g, DI, gen_data_target(g) - gen_seg_base(g, NO_SEG, SEG_ES), wide(g) ? 8 : 4);
        put(g, 0xf3);
        put(g, 0x6c | below(g, 4));
        break;
    case 2: case 3:
        put(g, 0xe6);
        put(g, PORT_IRQ);
        break;
    default:
        put(g, 0xe6 | below(g, 2));
        put(g, PORT_SNAPSHOT);
    }
}

static void trap(Gen *g)
{
    switch (below(g, 6)) {
    case 0: put(g, 0xcc); break;
    case 1:
        put(g, 0xcd);
        put(g, 0x20 + below(g, 0x20));
        break;
    case 2: put(g, wide(g) ? 0xcc : 0xce); break;
    case 3: put_n(g, 0x0b0f, 2); break;
    case 4: put(g, 0xf1); break;
    default:
        put_n(g, 0xa20f, 2);            /* CPUID */
    }
}

static void system_insn(Gen *g)
{
    static const uint8_t small[][3] = { { 0xfa, 0, 0 }, { 0xfb, 0, 0 }, { 0xfb, 0, 0 }, { 0x0f, 0x06, 0 },
                                        { 0x0f, 0x20, 0xc0 }, { 0x0f, 0x21, 0xc0 }, { 0x0f, 0x01, 0xe0 },
                                        { 0x0f, 0x09, 0 }, { 0x0f, 0x01, 0xd0 }, { 0x0f, 0x01, 0xca },
                                        { 0x0f, 0x01, 0xcb } };
    unsigned n;
    Operand o;

    switch (below(g, 12)) {
    case 0: case 1:
        if (g->s->paging != PAGING_NONE && !g->s->segmented && g->s->bits != 16 && !g->s->user)
            change_page(g);
        else
            port(g);
        break;
    case 2: change_flags(g); break;
    case 3: load_segment(g); break;
    case 4:
        if (g->s->steps)
            debug_registers(g);
        else
            trap(g);
        break;
    case 5: case 6: port(g); break;
    case 7: trap(g); break;
    case 8:                             /* CR0.TS */
        put_n(g, 0xc0200f, 3);
        put_n(g, 0x080c, 2);
        put_n(g, 0xc0220f, 3);
        break;
    case 9:                             /* SGDT, SIDT, SMSW, INVLPG, VERR, LAR ... */
        gen_operand_memory(g, &o);
        n = below(g, 6);
        if (n < 3)
            gen_encode(g, &o, code_size(g), 0, 0, 0x101, n == 0 ? 0 : n == 1 ? 1 : 7, 0);
        else
            gen_encode(g, &o, code_size(g), 0, 0, n == 3 ? 0x100 : n == 4 ? 0x102 : 0x103,
                   n == 3 ? below(g, 2) ? 4 : 5 : gen_register(g), 0);
        break;
    default:
        n = below(g, sizeof small / sizeof small[0]);
        put(g, small[n][0]);
        if (small[n][0] == 0x0f)
            put(g, small[n][1]);
        if (small[n][2])
            put(g, small[n][2]);
    }
}

/* --- programs --- */
static void one(Gen *g)
{
    const FuzzSetup *s = g->s;

    if (s->changes && one_in(g, 20)) {
        self_modify(g);
        return;
    }
    if (s->floats && one_in(g, 3)) {
        if (below(g, 3))
            gen_x87(g);
        else
            gen_mmx(g);
        return;
    }
    if (s->vectors && one_in(g, 3)) {
        if (below(g, 2))
            gen_sse(g);
        else
            gen_avx(g);
        return;
    }
    if ((s->floats || s->vectors) && one_in(g, 30)) {
        gen_state_image(g);
        return;
    }
    if (s->system && one_in(g, 6)) {
        system_insn(g);
        return;
    }
    if (one_in(g, 10))
        control(g);
    else
        gen_integer(g);
}

static void fill(Gen *g, unsigned end)
{
    while (g->p->len < end) {
        unsigned left = end - g->p->len;

        if (left >= 3 && one_in(g, 2)) {
            put_n(g, 0xc01f0f, 3);
        } else if (left >= 2 && one_in(g, 2)) {
            Operand o;
            gen_operand_register(g, &o, false);
            if (wide(g) || o.rm == SP)
                put_n(g, 0x9066, 2);
            else
                put_n(g, 0x85u | (0xc0u | (o.rm & 7) | below(g, 4) << 3) << 8, 2);
        } else {
            gen_one_byte_op(g, true);
        }
    }
}

static void tail(Gen *g)
{
    put(g, 0x64);                       /* dec fs:[0]; jns start; then the end */
    put(g, 0xff);
    if (g->s->bits == 16) {
        put(g, 0x0e);
        put_n(g, 0, 2);
    } else if (wide(g)) {
        put_n(g, 0x250c, 2);
        put_n(g, 0, 4);
    } else {
        put(g, 0x0d);
        put_n(g, 0, 4);
    }
    relative(g, 0x189, g->s->start, code_size(g));
    if (g->s->user) {
        put(g, 0xcd);
        put(g, DONE);
        put(g, HLT);
    } else {
        put(g, HLT);            /* and again, if an interrupt ends it */
        put(g, 0xeb);
        put(g, 0xfd);
    }
}

void fuzz_program(FuzzProgram *p, const FuzzSetup *s, Rng *r)
{
    Gen g = { .p = p, .s = s, .r = r };

    memset(p, 0, sizeof *p);
    for (unsigned n = 0; n < s->slots; n++) {
        unsigned end = (n + 1) * SLOT;

        for (unsigned tries = 0; tries < 4; tries++) {
            unsigned before = p->len, constants = g.constants;

            one(&g);
            if (p->len > end - CELLS) {
                memset(p->b + before, 0, p->len - before);
                p->len = before;
                g.constants = constants;
            }
        }
        fill(&g, end - CELLS);
        while (p->len < end)
            gen_one_byte_op(&g, true);
    }
    tail(&g);
}

void fuzz_drop_slot(FuzzProgram *p, const FuzzSetup *s, unsigned slot)
{
    (void)s;
    memset(p->b + slot * SLOT, 0x90, SLOT);
}
