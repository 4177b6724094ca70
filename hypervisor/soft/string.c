/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * string.c - MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS with their repeat prefixes.
 *
 * Intel SDM volume 2.  Repetitions go by stretches within one page of each operand; the registers
 * are right after every stretch, where the instruction can also be interrupted: RIP is then left on
 * it.  A move that reads what it wrote goes element by element.
 */
#include <emmintrin.h>
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

/* Leaves with RIP on this instruction, to go on with what is left of the count; an event that comes between
 * pushes RF, so that no breakpoint on it is met again. */
#define STOP(c, i) do { (c)->rip = insn_rip((c), (i)); (c)->rflags |= RF_RF; return; } while (0)

/*
 * How many elements fit from off in this direction, when bytes are left of the page and the segment
 * from there, and at has the offset in the page: neither the page nor the address size wraps.
 */
static inline uint64_t room(const Insn *i, uint64_t off, unsigned bytes, uint64_t at, unsigned size,
                            bool down)
{
    uint64_t n = down ? (at & 0xfff) / size + 1 : bytes / size, end;

    if (down && off / size + 1 < n)
        n = off / size + 1;
    if (!down && i->asize < 8) {
        end = i->asize == 2 ? 0x10000 : 1ull << 32;
        if ((end - off) / size < n)
            n = (end - off) / size;
    }
    return n ? n : 1;
}

/* A stretch of an operand that the TLB has: where it is, and how many elements of it there are. */
typedef struct Stretch {
    uint8_t *at;
    uint64_t n;
} Stretch;

static inline Stretch quick_stretch(const Cpu *c, const Insn *i, unsigned seg, uint64_t off,
                                    unsigned size, bool write, bool down)
{
    uint8_t *p = write ? fast_write(c, seg, off, size) : fast_read(c, seg, off, size);
    unsigned at = (unsigned)(uintptr_t)p & 0xfff;

    return (Stretch){ p, p ? room(i, off, 4096 - at, at, size, down) : 0 };
}

/* For reading, by whatever way; n 0: only by single elements. */
static inline Stretch read_stretch(Cpu *c, const Insn *i, unsigned seg, uint64_t off,
                                   unsigned size, bool down)
{
    Stretch s = quick_stretch(c, i, seg, off, size, false, down);
    unsigned bytes;
    uint64_t gpa;

    if (unlikely(!s.at)) {
        s.at = mem_span(c, i, seg, off, size, false, &bytes, &gpa);
        if (s.at)
            s.n = room(i, off, bytes, gpa, size, down);
    }
    return s;
}

static void elements_copy(uint8_t *d, const uint8_t *s, uint64_t n, unsigned size, bool down)
{
    int64_t step = down ? -(int64_t)size : size;

    if (!down && (d <= s || d >= s + n * size)) {
        memmove(d, s, n * size);
        return;
    }
    if (down && (d >= s || d + n * size <= s)) {
        memmove(d + step * (int64_t)(n - 1), s + step * (int64_t)(n - 1), n * size);
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
    Stretch from = quick_stretch(c, i, i->seg, soff, size, false, down);
    Stretch to = quick_stretch(c, i, SEG_ES, doff, size, true, down);
    unsigned sbytes, dbytes;
    uint8_t *s, *d;

    if (likely(from.at && to.at)) {
        n = from.n < to.n ? from.n : to.n;
        n = n < count ? n : count;
        elements_copy(to.at, from.at, n, size, down);
        return n;
    }
    s = mem_span(c, i, i->seg, soff, size, false, &sbytes, &sgpa);
    d = mem_span(c, i, SEG_ES, doff, size, true, &dbytes, &dgpa);
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
    Stretch to = quick_stretch(c, i, SEG_ES, off, size, true, down);
    unsigned bytes;
    uint8_t *d;

    if (likely(to.at)) {
        n = to.n < count ? to.n : count;
        elements_fill(down ? to.at - (n - 1) * size : to.at, c->gpr[0], n, size);
        return n;
    }
    d = mem_span(c, i, SEG_ES, off, size, true, &bytes, &gpa);
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

/* Only the last element is seen: its address, for a stretch of *n. */
static const uint8_t *lods_stretch(Cpu *c, const Insn *i, uint64_t count, unsigned size, uint64_t *n)
{
    bool down = c->rflags & RF_DF;
    Stretch s = read_stretch(c, i, i->seg, cut(i, c->gpr[RSI]), size, down);

    *n = s.n < count ? s.n : count;
    if (!*n)
        return NULL;
    return down ? s.at - (*n - 1) * size : s.at + (*n - 1) * size;
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
static uint64_t lods_some_##bits(Cpu *c, const Insn *i) \
{ \
    uint64_t n; \
    const u##bits##a *last = (const void *)lods_stretch(c, i, cut(i, c->gpr[1]), bits / 8, &n); \
    if (n) \
        SET_##bits(c, 0, *last); \
    return n; \
} \
static void lods_##bits(Cpu *c, const Insn *i) \
{ \
    int64_t step = step_of(c, bits / 8); \
    REPEAT(uint##bits##_t v_ = ld##bits(c, i, i->seg, cut(i, c->gpr[RSI])); \
           SET_##bits(c, 0, v_), lods_some_##bits(c, i), MOVE_SI) \
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

COMPARE_FN(8, uint8_t, "b")
COMPARE_FN(16, uint16_t, "w")
COMPARE_FN(32, uint32_t, "l")
COMPARE_FN(64, uint64_t, "q")

static inline __m128i splat_8(uint64_t v) { return _mm_set1_epi8((char)v); }
static inline __m128i splat_16(uint64_t v) { return _mm_set1_epi16((short)v); }
static inline __m128i splat_32(uint64_t v) { return _mm_set1_epi32((int)v); }
static inline __m128i splat_64(uint64_t v) { return _mm_set1_epi64x((long long)v); }

/* SSE2 has it only for halves. */
static inline __m128i compare_64_equal(__m128i a, __m128i b)
{
    __m128i e = _mm_cmpeq_epi32(a, b);

    return _mm_and_si128(e, _mm_shuffle_epi32(e, 0xb1));
}

/*
 * The number of elements before the first one that ends a repetition: equal ones (REPNE) or others
 * (REPE).  b NULL: a is compared with value.  At most n; memory may change meanwhile, so the caller
 * looks again at the element that ended it.
 */
#define SCAN_FN(bits, T, cmpeq) \
static uint64_t scan_up_##bits(const uint8_t *a, const uint8_t *b, __m128i value, uint64_t n, \
                               unsigned ends) \
{ \
    uint64_t len = n * (bits / 8), k = 0; \
    for (; k + 16 <= len; k += 16) { \
        __m128i v = b ? _mm_loadu_si128((const __m128i *)(const void *)(b + k)) : value; \
        __m128i e = cmpeq(_mm_loadu_si128((const __m128i *)(const void *)(a + k)), v); \
        unsigned mask = ((unsigned)_mm_movemask_epi8(e) ^ ends) & 0xffff; \
        if (mask) \
            return (k + (unsigned)__builtin_ctz(mask)) / (bits / 8); \
    } \
    for (; k < len; k += bits / 8) { \
        T v = b ? *(const T *)(const void *)(b + k) : (T)_mm_cvtsi128_si64(value); \
        if ((*(const T *)(const void *)(a + k) == v) == !ends) \
            break; \
    } \
    return k / (bits / 8); \
} \
static uint64_t scan_down_##bits(const uint8_t *a, const uint8_t *b, __m128i value, uint64_t n, \
                                 unsigned ends) \
{ \
    for (uint64_t k = 0; k < n; k++, a -= bits / 8) { \
        T v = b ? *(const T *)(const void *)b : (T)_mm_cvtsi128_si64(value); \
        if ((*(const T *)(const void *)a == v) == !ends) \
            return k; \
        if (b) \
            b -= bits / 8; \
    } \
    return n; \
}

SCAN_FN(8, u8a, _mm_cmpeq_epi8)
SCAN_FN(16, u16a, _mm_cmpeq_epi16)
SCAN_FN(32, u32a, _mm_cmpeq_epi32)
SCAN_FN(64, u64a, compare_64_equal)

/* The first of REPE's and REPNE's stretch, or 0 elements; flags are those of the last one. */
#define SCAN_STRETCH(bits, T) \
static uint64_t scan_##bits(Cpu *c, const Insn *i, Stretch a, Stretch b, __m128i value) \
{ \
    unsigned ends = i->prefix & PFX_REPNE ? 0 : 0xffff; \
    uint64_t n = cut(i, c->gpr[1]), k; \
    int64_t last; \
    bool down = c->rflags & RF_DF; \
    n = a.n < n ? a.n : n; \
    n = b.at && b.n < n ? b.n : n; \
    k = (down ? scan_down_##bits : scan_up_##bits)(a.at, b.at, value, n, ends); \
    n = k < n ? k + 1 : n; \
    last = (int64_t)(n - 1) * (down ? -(bits / 8) : bits / 8); \
    c->aflags = b.at ? compare_##bits(*(const T *)(const void *)(a.at + last), \
                                      *(const T *)(const void *)(b.at + last)) \
                     : compare_##bits((uint##bits##_t)c->gpr[0], \
                                      *(const T *)(const void *)(a.at + last)); \
    return n; \
} \
static uint64_t cmps_some_##bits(Cpu *c, const Insn *i) \
{ \
    bool down = c->rflags & RF_DF; \
    Stretch a = read_stretch(c, i, i->seg, cut(i, c->gpr[RSI]), bits / 8, down), b; \
    if (!a.n) \
        return 0; \
    b = read_stretch(c, i, SEG_ES, cut(i, c->gpr[RDI]), bits / 8, down); \
    return b.n ? scan_##bits(c, i, a, b, _mm_setzero_si128()) : 0; \
} \
static uint64_t scas_some_##bits(Cpu *c, const Insn *i) \
{ \
    Stretch a = read_stretch(c, i, SEG_ES, cut(i, c->gpr[RDI]), bits / 8, c->rflags & RF_DF); \
    return a.n ? scan_##bits(c, i, a, (Stretch){ NULL, 0 }, splat_##bits(c->gpr[0])) : 0; \
}

SCAN_STRETCH(8, u8a)
SCAN_STRETCH(16, u16a)
SCAN_STRETCH(32, u32a)
SCAN_STRETCH(64, u64a)

/* Ends a repetition: the condition fails or the count is used up. */
static inline bool scan_done(const Cpu *c, const Insn *i)
{
    bool zf = c->aflags & FLAG_ZF;

    return !cut(i, c->gpr[1]) || (i->prefix & PFX_REPNE ? zf : !zf);
}

/*
 * A fault leaves the flags of the last comparison, as the registers those behind it: so it is the same
 * whether or not something came between two elements.  Intel's processors leave the flags from before the
 * instruction (SDM volume 2, "REP"), AMD's do as here; whoever goes on with the instruction can't tell.
 */
#define SCAN_LOOP(A, B, SOME, MOVE, bits) \
    int64_t step = step_of(c, bits / 8); \
    if (repeated(i) && !cut(i, c->gpr[1])) \
        NEXT(c, i); \
    for (;;) { \
        uint64_t n = repeated(i) && !(c->mode & MODE_TF) ? (SOME) : 0; \
        if (!n) { \
            uint##bits##_t a = (A), b = (B); \
            c->aflags = compare_##bits(a, b); \
            n = 1; \
        } \
        MOVE(n); \
        if (!repeated(i)) \
            NEXT(c, i); \
        advance(c, i, 1, -(int64_t)n); \
        if (scan_done(c, i)) \
            NEXT(c, i); \
        if (unlikely(must_stop(c))) \
            STOP(c, i); \
    }

#define SCAN_BODIES(bits) \
static void cmps_##bits(Cpu *c, const Insn *i) \
{ \
    SCAN_LOOP(ld##bits(c, i, i->seg, cut(i, c->gpr[RSI])), \
              ld##bits(c, i, SEG_ES, cut(i, c->gpr[RDI])), cmps_some_##bits(c, i), MOVE_BOTH, \
              bits) \
} \
static void scas_##bits(Cpu *c, const Insn *i) \
{ \
    SCAN_LOOP((uint##bits##_t)c->gpr[0], ld##bits(c, i, SEG_ES, cut(i, c->gpr[RDI])), \
              scas_some_##bits(c, i), MOVE_DI, bits) \
}

SCAN_BODIES(8)
SCAN_BODIES(16)
SCAN_BODIES(32)
SCAN_BODIES(64)
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

/* As many of the n elements from p on as the host answers for at once, and until something is due. */
static uint64_t elements_at_once(Cpu *c, bool out, uint8_t *p, uint64_t n, unsigned size, uint16_t port)
{
    int64_t step = step_of(c, size);
    uint64_t done = 0;
    uint32_t v = 0;

    for (; done < n && !c->poll && *c->code_ring_prod == *c->code_ring_seen; done++, p += step) {
        if (out) {
            v = size == 1 ? *p : size == 2 ? *(const u16a *)p : *(const u32a *)p;
            if (!c->host->io_write_now(c->vcpu, port, size, v))
                break;
            continue;
        }
        if (!c->host->io_read_now(c->vcpu, port, size, &v))
            break;
        if (size == 1)
            *(volatile uint8_t *)p = (uint8_t)v;
        else if (size == 2)
            *(volatile u16a *)p = (uint16_t)v;
        else
            *(volatile u32a *)p = v;
    }
    return done;
}

/* One stretch a call; the run loop has its look after each, for the device may have done anything
 * meanwhile. */
static void port_string(Cpu *c, const Insn *i, bool out)
{
    unsigned reg = out ? RSI : RDI, seg = out ? i->seg : SEG_ES, bytes;
    uint64_t off = cut(i, c->gpr[reg]), count = 1, gpa, n = 0, some;
    bool down = c->rflags & RF_DF;
    uint16_t port = R16(c, 2);
    uint8_t *p;

    io_check(c, i, port, i->opsize);
    if (repeated(i)) {
        count = cut(i, c->gpr[1]);
        if (!count)
            END(c, i);
        if ((c->mode & MODE_TF) || points_on_ports(c))
            count = 1;
    }
    p = mem_span(c, i, seg, off, i->opsize, !out, &bytes, &gpa);
    if (p && repeated(i)) {
        n = room(i, off, bytes, gpa, i->opsize, down);
        n = n < count ? n : count;
        some = c->host->io_string(c->vcpu, port, i->opsize, out, gpa, (uint32_t)n, down);
        n = some ? some : elements_at_once(c, out, p, n, i->opsize, port);
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
    points_port(c, port, i->opsize);
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
