/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_imm.c - MMX and SSE integer instructions with an immediate: shuffles, blends, shifts by a
 * constant, carry-less multiplication and the SSE4.2 string comparisons.  Intel SDM vol. 2.
 *
 * The immediate is part of the host instruction too, so each has 256 stubs, a table of code made
 * by the assembler.
 */
#include "hypervisor/soft/simd.h"

#define STUBS(name)                                                                             \
    STUB_TABLE(16) stubs_##name(void) {                                                         \
        __asm__(".set n, 0\n.rept 256\n" #name " $n, %xmm1, %xmm0\nret\n.balign 8\n"            \
                ".set n, n + 1\n.endr");                                                        \
    }

/* dst = op(dst, src, imm8) */
#define VVI_IF(name, size, available)                                                           \
    STUBS(name)                                                                                 \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        sse_check(c, i);                                                                        \
        if (!(available)) {                                                                     \
            raise_ud(c, i);                                                                     \
        }                                                                                       \
        __m128i b = vec_src(c, i, size, (size) == 16 ? 16 : 0);                                 \
        VecFn fn = (VecFn)STUB_AT(stubs_##name, i->imm, 8);                                     \
        vec_set(c, i->reg, fn(vec_get(c, i->reg), b));                                          \
        NEXT(c, i);                                                                             \
    }
#define VVI(name) VVI_IF(name, 16, true)

VVI(pshufd) VVI(pshufhw) VVI(pshuflw) VVI(shufps) VVI(shufpd) VVI(blendps) VVI(blendpd)
VVI(pblendw) VVI(palignr) VVI(mpsadbw) VVI_IF(pclmulqdq, 16, __builtin_cpu_supports("pclmul"))
VVI_IF(aeskeygenassist, 16, __builtin_cpu_supports("aes"))
VVI_IF(sha1rnds4, 16, simd_host_has_sha())

/* The register form takes its element from imm8[7:6]; the memory form has only the one. */
STUBS(insertps)
void sse_x_insertps(Cpu *c, const Insn *i) {
    sse_check(c, i);
    __m128i b = vec_src(c, i, 4, 0);
    unsigned imm = i->rm == REG_MEM ? i->imm & 0x3f : i->imm;
    VecFn fn = (VecFn)STUB_AT(stubs_insertps, imm, 8);
    vec_set(c, i->reg, fn(vec_get(c, i->reg), b));
    NEXT(c, i);
}

#define MMI(name)                                                                               \
    STUB_TABLE(32) stubs_m_##name(void) {                                                       \
        __asm__(".set n, 0\n.rept 256\nmovq %rdi, %mm0\nmovq %rsi, %mm1\n"                      \
                #name " $n, %mm1, %mm0\nmovq %mm0, %rax\nemms\nret\n.balign 32\n"               \
                ".set n, n + 1\n.endr");                                                        \
    }                                                                                           \
    void sse_m_##name(Cpu *c, const Insn *i) {                                                  \
        mmx_check(c, i);                                                                        \
        uint64_t b = i->rm != REG_MEM ? mmx_get(c, i->rm) : mmx_mem(c, i, 8);                   \
        MmxFn fn = (MmxFn)STUB_AT(stubs_m_##name, i->imm, 32);                                  \
        mmx_enter(c);                                                                           \
        mmx_set(c, i->reg, fn(mmx_get(c, i->reg), b));                                          \
        NEXT(c, i);                                                                             \
    }

MMI(pshufw) MMI(palignr)

/* --- 0F 71, 72, 73: shifts by imm8, the operation in ModRM.reg, always a register --- */

#define SHIFT(v, name, count) __asm__(#name " %1, %0" : "+x"(v) : "x"(count))

static __m128i shift_bytes(__m128i v, unsigned n, bool left) {
    uint8_t in[16], out[16] = { 0 };

    memcpy(in, &v, 16);
    for (unsigned k = n; k < 16; k++) {
        out[left ? k : k - n] = in[left ? k - n : k];
    }
    memcpy(&v, out, 16);
    return v;
}

enum { SHIFT_W = 0x00, SHIFT_D = 0x10, SHIFT_Q = 0x20 };    /* | ModRM.reg */

static unsigned shift_kind(const Insn *i) {
    return ((i->opcode & 0xffu) - 0x71u) << 4 | (i->modrm >> 3 & 7u);
}

/* false: no such operation */
static bool shift_exists(const Insn *i, bool mmx) {
    unsigned op = i->modrm >> 3 & 7;

    if (i->rm == REG_MEM) {
        return false;
    }
    switch (op) {
    case 2: case 6: return true;
    case 4: return (i->opcode & 0xff) != 0x73;
    case 3: case 7: return (i->opcode & 0xff) == 0x73 && !mmx;
    default: return false;
    }
}

static __m128i shift(__m128i v, unsigned kind, unsigned n) {
    __m128i count = _mm_cvtsi32_si128((int)n);

    switch (kind) {
    case SHIFT_W | 2: SHIFT(v, psrlw, count); break;
    case SHIFT_W | 4: SHIFT(v, psraw, count); break;
    case SHIFT_W | 6: SHIFT(v, psllw, count); break;
    case SHIFT_D | 2: SHIFT(v, psrld, count); break;
    case SHIFT_D | 4: SHIFT(v, psrad, count); break;
    case SHIFT_D | 6: SHIFT(v, pslld, count); break;
    case SHIFT_Q | 2: SHIFT(v, psrlq, count); break;
    case SHIFT_Q | 6: SHIFT(v, psllq, count); break;
    default: return shift_bytes(v, n, kind == (SHIFT_Q | 7));
    }
    return v;
}

bool simd_shift_exists(const Insn *i) {
    return shift_exists(i, false);
}

__m128i simd_shift(const Insn *i, __m128i v) {
    return shift(v, shift_kind(i), i->imm & 0xff);
}

void sse_x_shift(Cpu *c, const Insn *i) {
    if (!shift_exists(i, false)) {
        raise_ud(c, i);
    }
    sse_check(c, i);
    vec_set(c, i->rm, shift(vec_get(c, i->rm), shift_kind(i), i->imm & 0xff));
    NEXT(c, i);
}

/* A shift of 64-bit data is the low half of the same shift of 128. */
void sse_m_shift(Cpu *c, const Insn *i) {
    if (!shift_exists(i, true)) {
        raise_ud(c, i);
    }
    mmx_check(c, i);
    mmx_enter(c);
    __m128i v = _mm_cvtsi64_si128((long long)mmx_get(c, i->rm));
    mmx_set(c, i->rm, (uint64_t)_mm_cvtsi128_si64(shift(v, shift_kind(i), i->imm & 0xff)));
    NEXT(c, i);
}

/* --- PCMPESTRM, PCMPESTRI, PCMPISTRM, PCMPISTRI --- */

/*
 * In: rdi, rsi the explicit lengths, rdx where XMM0 goes, xmm0 and xmm1 the strings.
 * Out: rax bits 15:0 the flags as Cpu.aflags has them, bits 63:32 the index.
 */
typedef uint64_t (*StringFn)(uint64_t ax, uint64_t dx, __m128i *out, __m128i a, __m128i b);

#define STRING_STUBS(name, rex, op)                                                             \
    STUB_TABLE(64) stubs_##name(void) {                                                         \
        __asm__(".set n, 0\n.rept 256\n"                                                        \
                "movq %rdi, %rax\nmovq %rdx, %rdi\nmovq %rsi, %rdx\n"                           \
                ".byte 0x66, " rex "0x0f, 0x3a, " #op ", 0xc1, n\n"                             \
                "movdqu %xmm0, (%rdi)\n"                                                        \
                "lahf\nseto %al\nmovzwl %ax, %eax\nshlq $32, %rcx\norq %rcx, %rax\nret\n"       \
                ".balign 64\n.set n, n + 1\n.endr");                                            \
    }

STRING_STUBS(pcmpestrm, "", 0x60)
STRING_STUBS(pcmpestri, "", 0x61)
STRING_STUBS(pcmpistrm, "", 0x62)
STRING_STUBS(pcmpistri, "", 0x63)
STRING_STUBS(pcmpestrm_w, "0x48, ", 0x60)
STRING_STUBS(pcmpestri_w, "0x48, ", 0x61)

/* The result's XMM0 in *mask; flags and index as StringFn returns them. */
static uint64_t string_compare(Cpu *c, const Insn *i, SimdStub narrow, SimdStub wide,
                               __m128i *mask) {
    __m128i b = vec_src(c, i, 16, 0);
    bool w = i->rex & 8;
    StringFn fn = (StringFn)STUB_AT(w ? wide : narrow, i->imm, 64);
    uint64_t ax = c->gpr[0], dx = c->gpr[2];

    if (!w) {
        ax = (uint32_t)ax;
        dx = (uint32_t)dx;
    }
    return fn(ax, dx, mask, vec_get(c, i->reg), b);
}

static void string_index(Cpu *c, const Insn *i, SimdStub narrow, SimdStub wide) {
    __m128i unused;
    uint64_t r = string_compare(c, i, narrow, wide, &unused);

    c->aflags = (uint16_t)r;
    c->gpr[1] = r >> 32;
}

static void string_mask(Cpu *c, const Insn *i, SimdStub narrow, SimdStub wide) {
    __m128i mask;
    uint64_t r = string_compare(c, i, narrow, wide, &mask);

    c->aflags = (uint16_t)r;
    vec_set(c, 0, mask);
}

#define STRING(name, narrow, wide, body)                                                        \
    void simd_##name(Cpu *c, const Insn *i) {                                                   \
        body(c, i, narrow, wide);                                                               \
    }                                                                                           \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        sse_check(c, i);                                                                        \
        body(c, i, narrow, wide);                                                               \
        NEXT(c, i);                                                                             \
    }

STRING(pcmpestri, stubs_pcmpestri, stubs_pcmpestri_w, string_index)
STRING(pcmpestrm, stubs_pcmpestrm, stubs_pcmpestrm_w, string_mask)
STRING(pcmpistri, stubs_pcmpistri, stubs_pcmpistri, string_index)
STRING(pcmpistrm, stubs_pcmpistrm, stubs_pcmpistrm, string_mask)
