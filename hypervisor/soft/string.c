/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * string.c - MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS with their repeat prefixes.
 *
 * Intel SDM volume 2.  Repeated moves and stores go by stretches within one page of each operand;
 * the registers are right after every stretch, where the instruction can also be interrupted: RIP
 * is then left on it.  A stretch whose operands overlap is moved element by element.
 */
#include <string.h>
#include "hypervisor/soft/body.h"

enum { RSI = 6, RDI = 7 };

static inline uint64_t cut(const Insn *i, uint64_t v)
{
    return i->asize == 8 ? v : i->asize == 4 ? (uint32_t)v : (uint16_t)v;
}

static inline void advance(Cpu *c, const Insn *i, unsigned r, int64_t by)
{
    if (i->asize == 2)
        R16(c, r) = (uint16_t)(R16(c, r) + by);
    else
        c->gpr[r] = cut(i, c->gpr[r] + (uint64_t)by);
}

static inline int64_t step_of(const Cpu *c, unsigned size)
{
    return c->rflags & RF_DF ? -(int64_t)size : size;
}

static inline bool repeated(const Insn *i)
{
    return i->prefix & (PFX_REP | PFX_REPNE);
}

/* After a stretch: must the run loop have a look before the instruction goes on? */
static inline bool must_stop(const Cpu *c)
{
    return c->poll || !c->block->valid;
}

/* Leaves with RIP on this instruction, to go on with what is left of the count. */
#define STOP(c, i) do { (c)->rip = insn_rip((c), (i)); return; } while (0)

/* How many elements fit from off in this direction, in the stretch mem_span() told. */
static uint64_t room(const Insn *i, uint64_t off, unsigned bytes, uint64_t at, unsigned size,
                     bool down)
{
    uint64_t n = down ? (at & 0xfff) / size + 1 : bytes / size;

    if (down && off / size + 1 < n)
        n = off / size + 1;
    if (!down && i->asize == 2 && (0x10000 - off) / size < n)
        n = (0x10000 - off) / size;
    return n ? n : 1;
}

static void elements_copy(uint8_t *d, const uint8_t *s, uint64_t n, unsigned size, bool down)
{
    int64_t step = down ? -(int64_t)size : size;

    if (!down && (d <= s || d >= s + n * size)) {
        memmove(d, s, n * size);
        return;
    }
    for (; n; n--, d += step, s += step) {
        switch (size) {
        case 1: *(volatile uint8_t *)d = *s; break;
        case 2: *(volatile u16a *)d = *(const u16a *)s; break;
        case 4: *(volatile u32a *)d = *(const u32a *)s; break;
        default: *(volatile u64a *)d = *(const u64a *)s; break;
        }
    }
}

static void elements_fill(uint8_t *d, uint64_t v, uint64_t n, unsigned size)
{
    switch (size) {
    case 1:
        memset(d, (int)v, n);
        break;
    case 2:
        for (; n; n--, d += 2)
            *(u16a *)d = (uint16_t)v;
        break;
    case 4:
        for (; n; n--, d += 4)
            *(u32a *)d = (uint32_t)v;
        break;
    default:
        for (; n; n--, d += 8)
            *(u64a *)d = v;
    }
}

/* A stretch of n elements that ends (df) or begins at gpa was written. */
static void stretch_written(Cpu *c, uint64_t gpa, uint64_t n, unsigned size, bool down)
{
    mem_written(c, down ? gpa - (n - 1) * size : gpa, (unsigned)(n * size));
}

/* Up to count elements; returns how many were done by the quick ways, 0 for none. */
static uint64_t movs_stretch(Cpu *c, const Insn *i, uint64_t count, unsigned size)
{
    uint64_t soff = cut(i, c->gpr[RSI]), doff = cut(i, c->gpr[RDI]), sgpa, dgpa, n, k;
    bool down = c->rflags & RF_DF;
    unsigned sbytes, dbytes;
    uint8_t *s = mem_span(c, i, i->seg, soff, size, false, &sbytes, &sgpa);
    uint8_t *d = mem_span(c, i, SEG_ES, doff, size, true, &dbytes, &dgpa);

    if (sgpa == ~0ull || dgpa == ~0ull || (!s && !d))
        return 0;
    n = room(i, soff, sbytes, sgpa, size, down);
    k = room(i, doff, dbytes, dgpa, size, down);
    n = n < k ? n : k;
    n = n < count ? n : count;
    if (s && d) {
        elements_copy(d, s, n, size, down);
        stretch_written(c, dgpa, n, size, down);
        return n;
    }
    n = c->host->mmio_string(c->vcpu, d ? sgpa : dgpa, size, !d, d ? dgpa : sgpa, 0, (uint32_t)n,
                             down);
    if (d && n)
        stretch_written(c, dgpa, n, size, down);
    return n;
}

static uint64_t stos_stretch(Cpu *c, const Insn *i, uint64_t count, unsigned size)
{
    uint64_t off = cut(i, c->gpr[RDI]), gpa, n;
    bool down = c->rflags & RF_DF;
    unsigned bytes;
    uint8_t *d = mem_span(c, i, SEG_ES, off, size, true, &bytes, &gpa);

    if (gpa == ~0ull)
        return 0;
    n = room(i, off, bytes, gpa, size, down);
    n = n < count ? n : count;
    if (!d)
        return c->host->mmio_string(c->vcpu, gpa, size, true, UINT64_MAX, c->gpr[0], (uint32_t)n,
                                    down);
    elements_fill(down ? d - (n - 1) * size : d, c->gpr[0], n, size);
    stretch_written(c, gpa, n, size, down);
    return n;
}

/* One element at a time, or by stretches with REP; ONE does one, STRETCH several or none. */
#define REPEAT(ONE, STRETCH, MOVE) \
    if (!repeated(i)) { \
        ONE; \
        MOVE(1); \
        NEXT(c, i); \
    } \
    while (cut(i, c->gpr[1])) { \
        uint64_t n = c->mode & MODE_TF ? 0 : (STRETCH); \
        if (!n) { \
            ONE; \
            n = 1; \
        } \
        MOVE(n); \
        advance(c, i, 1, -(int64_t)n); \
        if (unlikely(must_stop(c)) && cut(i, c->gpr[1])) \
            STOP(c, i); \
    } \
    NEXT(c, i);

#define MOVE_BOTH(n) MOVE_SI(n); MOVE_DI(n)
#define MOVE_DI(n) advance(c, i, RDI, step * (int64_t)(n))
#define MOVE_SI(n) advance(c, i, RSI, step * (int64_t)(n))

#define STRING_BODIES(bits) \
static void movs_##bits(Cpu *c, const Insn *i) \
{ \
    int64_t step = step_of(c, bits / 8); \
    REPEAT(st##bits(c, i, SEG_ES, cut(i, c->gpr[RDI]), \
                    ld##bits(c, i, i->seg, cut(i, c->gpr[RSI]))), \
           movs_stretch(c, i, cut(i, c->gpr[1]), bits / 8), MOVE_BOTH) \
} \
static void stos_##bits(Cpu *c, const Insn *i) \
{ \
    int64_t step = step_of(c, bits / 8); \
    REPEAT(st##bits(c, i, SEG_ES, cut(i, c->gpr[RDI]), (uint##bits##_t)c->gpr[0]), \
           stos_stretch(c, i, cut(i, c->gpr[1]), bits / 8), MOVE_DI) \
} \
static void lods_##bits(Cpu *c, const Insn *i) \
{ \
    int64_t step = step_of(c, bits / 8); \
    REPEAT(uint##bits##_t v_ = ld##bits(c, i, i->seg, cut(i, c->gpr[RSI])); \
           SET_##bits(c, 0, v_), 0, MOVE_SI) \
}


STRING_BODIES(8)
STRING_BODIES(16)
STRING_BODIES(32)
STRING_BODIES(64)
const OpFn ops_movs[2][4] = {SIZES(movs), SIZES(movs)};
const OpFn ops_stos[2][4] = {SIZES(stos), SIZES(stos)};
const OpFn ops_lods[2][4] = {SIZES(lods), SIZES(lods)};

/* --- comparing --- */
#define COMPARE_FN(bits, T, sfx) \
static inline uint16_t compare_##bits(T a, T b) \
{ \
    unsigned f; \
    __asm__("cmp" sfx " %2, %1\n\t" KEEP_FLAGS : "=&a"(f) : "r"(a), "r"(b) : "cc"); \
    return (uint16_t)f; \
}

/* Ends a repetition: the condition fails or the count is used up. */
static inline bool scan_done(const Cpu *c, const Insn *i)
{
    bool zf = c->aflags & FLAG_ZF;

    return !cut(i, c->gpr[1]) || (i->prefix & PFX_REPNE ? zf : !zf);
}

#define SCAN_LOOP(A, B, MOVE, bits) \
    int64_t step = step_of(c, bits / 8); \
    if (repeated(i) && !cut(i, c->gpr[1])) \
        NEXT(c, i); \
    for (;;) { \
        uint##bits##_t a = (A), b = (B); \
        c->aflags = compare_##bits(a, b); \
        MOVE(1); \
        if (!repeated(i)) \
            NEXT(c, i); \
        advance(c, i, 1, -1); \
        if (scan_done(c, i)) \
            NEXT(c, i); \
        if (unlikely(must_stop(c))) \
            STOP(c, i); \
    }

#define SCAN_BODIES(bits, T, sfx) \
COMPARE_FN(bits, T, sfx) \
static void cmps_##bits(Cpu *c, const Insn *i) \
{ \
    SCAN_LOOP(ld##bits(c, i, i->seg, cut(i, c->gpr[RSI])), \
              ld##bits(c, i, SEG_ES, cut(i, c->gpr[RDI])), MOVE_BOTH, bits) \
} \
static void scas_##bits(Cpu *c, const Insn *i) \
{ \
    SCAN_LOOP((uint##bits##_t)c->gpr[0], ld##bits(c, i, SEG_ES, cut(i, c->gpr[RDI])), MOVE_DI, \
              bits) \
}

SCAN_BODIES(8, uint8_t, "b")
SCAN_BODIES(16, uint16_t, "w")
SCAN_BODIES(32, uint32_t, "l")
SCAN_BODIES(64, uint64_t, "q")
const OpFn ops_cmps[2][4] = {SIZES(cmps), SIZES(cmps)};
const OpFn ops_scas[2][4] = {SIZES(scas), SIZES(scas)};

/* --- ports --- */
static void in_element(Cpu *c, const Insn *i, uint64_t off, uint16_t port)
{
    uint32_t v = 0;

    mem_check_write(c, i, SEG_ES, off, i->opsize);
    c->host->io_read(c->vcpu, port, i->opsize, &v);
    if (i->opsize == 1)
        mem_write8(c, i, SEG_ES, off, (uint8_t)v);
    else if (i->opsize == 2)
        mem_write16(c, i, SEG_ES, off, (uint16_t)v);
    else
        mem_write32(c, i, SEG_ES, off, v);
}

static void out_element(Cpu *c, const Insn *i, uint64_t off, uint16_t port)
{
    uint32_t v = i->opsize == 1 ? mem_read8(c, i, i->seg, off)
                 : i->opsize == 2 ? mem_read16(c, i, i->seg, off) : mem_read32(c, i, i->seg, off);

    c->host->io_write(c->vcpu, port, i->opsize, v);
}

/* One stretch a call; the run loop has its look after each, for the device may have done anything
 * meanwhile. */
static void port_string(Cpu *c, const Insn *i, bool out)
{
    unsigned reg = out ? RSI : RDI, seg = out ? i->seg : SEG_ES, bytes;
    uint64_t off = cut(i, c->gpr[reg]), count = 1, gpa, n = 0;
    bool down = c->rflags & RF_DF;
    uint16_t port = R16(c, 2);
    uint8_t *p;

    io_check(c, i, port, i->opsize);
    if (repeated(i)) {
        count = cut(i, c->gpr[1]);
        if (!count)
            END(c, i);
        if (c->mode & MODE_TF)
            count = 1;
    }
    p = mem_span(c, i, seg, off, i->opsize, !out, &bytes, &gpa);
    if (p && repeated(i)) {
        n = room(i, off, bytes, gpa, i->opsize, down);
        n = n < count ? n : count;
        n = c->host->io_string(c->vcpu, port, i->opsize, out, gpa, (uint32_t)n, down);
        if (!out && n)
            stretch_written(c, gpa, n, i->opsize, down);
    }
    if (!n) {
        if (out)
            out_element(c, i, off, port);
        else
            in_element(c, i, off, port);
        n = 1;
    }
    advance(c, i, reg, step_of(c, i->opsize) * (int64_t)n);
    if (repeated(i)) {
        advance(c, i, 1, -(int64_t)n);
        if (cut(i, c->gpr[1]))
            STOP(c, i);
    }
    END(c, i);
}

void op_ins(Cpu *c, const Insn *i)
{
    port_string(c, i, false);
}

void op_outs(Cpu *c, const Insn *i)
{
    port_string(c, i, true);
}
