/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_int.c - MMX and SSE integer and bitwise instructions of the shape dst = op(dst, src), with
 * their bodies and stubs; also AES.  Intel SDM vol. 2.  Instructions with an immediate are in
 * sse_imm.c, moves and everything with a general register in sse_move.c.
 */
#include "hypervisor/soft/simd.h"

__attribute__((noinline)) __m128i vec_mem(Cpu *c, const Insn *i, unsigned size, unsigned align) {
    uint64_t off = effective_address(c, i);
    __m128i v;

    switch (size) {
    case 2:
        return _mm_cvtsi32_si128(mem_read16(c, i, i->seg, off));
    case 4:
        return _mm_cvtsi32_si128((int)mem_read32(c, i, i->seg, off));
    case 8:
        return _mm_cvtsi64_si128((long long)mem_read64(c, i, i->seg, off));
    default:
        mem_read_buf(c, i, i->seg, off, &v, 16, align);
        return v;
    }
}

void vec_store(Cpu *c, const Insn *i, __m128i v, unsigned size, unsigned align) {
    uint64_t off = effective_address(c, i);

    switch (size) {
    case 4:
        mem_write32(c, i, i->seg, off, (uint32_t)_mm_cvtsi128_si32(v));
        break;
    case 8:
        mem_write64(c, i, i->seg, off, (uint64_t)_mm_cvtsi128_si64(v));
        break;
    default:
        mem_write_buf(c, i, i->seg, off, &v, 16, align);
        break;
    }
}

__attribute__((noinline)) uint64_t mmx_mem(Cpu *c, const Insn *i, unsigned size) {
    uint64_t off = effective_address(c, i);

    return size == 4 ? mem_read32(c, i, i->seg, off) : mem_read64(c, i, i->seg, off);
}

#define MM(name, size)                                                                          \
    void sse_m_##name(Cpu *c, const Insn *i) {                                                  \
        mmx_check(c, i);                                                                        \
        uint64_t b = i->rm != REG_MEM ? mmx_get(c, i->rm) : mmx_mem(c, i, size);                \
        mmx_enter(c);                                                                           \
        uint64_t a = mmx_get(c, i->reg);                                                        \
        __asm__("movq %0, %%mm0\n\tmovq %1, %%mm1\n\t" #name " %%mm1, %%mm0\n\t"                \
                "movq %%mm0, %0\n\temms" : "+r"(a) : "r"(b) : "mm0", "mm1");                    \
        mmx_set(c, i->reg, a);                                                                  \
        NEXT(c, i);                                                                             \
    }

/* XMM register, XMM register or size bytes of memory; 16 bytes must be aligned */
#define VV_IF(name, size, available)                                                            \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        sse_check(c, i);                                                                        \
        if (!(available)) {                                                                     \
            raise_ud(c, i);                                                                     \
        }                                                                                       \
        __m128i b = vec_src(c, i, size, (size) == 16 ? 16 : 0), a = vec_get(c, i->reg);         \
        __asm__(#name " %1, %0" : "+x"(a) : "x"(b));                                            \
        vec_set(c, i->reg, a);                                                                  \
        NEXT(c, i);                                                                             \
    }
#define VV(name) VV_IF(name, 16, true)
#define VVS(name, size) VV_IF(name, size, true)
#define VV_AES(name) VV_IF(name, 16, __builtin_cpu_supports("aes"))

#define VV_SHA(name) VV_IF(name, 16, simd_host_has_sha())

/* The third operand is XMM0. */
#define BLENDV_IF(name, available)                                                              \
    void sse_x_##name(Cpu *c, const Insn *i) {                                                  \
        sse_check(c, i);                                                                        \
        if (!(available)) {                                                                     \
            raise_ud(c, i);                                                                     \
        }                                                                                       \
        __m128i b = vec_src(c, i, 16, 16), a = vec_get(c, i->reg);                              \
        __asm__(#name " %%xmm0, %1, %0" : "+x"(a) : "x"(b), "Yz"(vec_get(c, 0)));               \
        vec_set(c, i->reg, a);                                                                  \
        NEXT(c, i);                                                                             \
    }
#define BLENDV(name) BLENDV_IF(name, true)

VV(movsldup) VVS(movddup, 8) VV(unpcklps) VV(unpcklpd) VV(unpckhps) VV(unpckhpd) VV(movshdup)
VV(rsqrtps) VVS(rsqrtss, 4) VV(rcpps) VVS(rcpss, 4) VV(andps) VV(andpd) VV(andnps) VV(andnpd)
VV(orps) VV(orpd) VV(xorps) VV(xorpd) MM(punpcklbw, 4) VV(punpcklbw) MM(punpcklwd, 4)
VV(punpcklwd) MM(punpckldq, 4) VV(punpckldq) MM(packsswb, 8) VV(packsswb) MM(pcmpgtb, 8)
VV(pcmpgtb) MM(pcmpgtw, 8) VV(pcmpgtw) MM(pcmpgtd, 8) VV(pcmpgtd) MM(packuswb, 8) VV(packuswb)
MM(punpckhbw, 8) VV(punpckhbw) MM(punpckhwd, 8) VV(punpckhwd) MM(punpckhdq, 8) VV(punpckhdq)
MM(packssdw, 8) VV(packssdw) VV(punpcklqdq) VV(punpckhqdq) MM(pcmpeqb, 8) VV(pcmpeqb)
MM(pcmpeqw, 8) VV(pcmpeqw) MM(pcmpeqd, 8) VV(pcmpeqd) MM(psrlw, 8) VV(psrlw) MM(psrld, 8)
VV(psrld) MM(psrlq, 8) VV(psrlq) MM(paddq, 8) VV(paddq) MM(pmullw, 8) VV(pmullw) MM(psubusb, 8)
VV(psubusb) MM(psubusw, 8) VV(psubusw) MM(pminub, 8) VV(pminub) MM(pand, 8) VV(pand)
MM(paddusb, 8) VV(paddusb) MM(paddusw, 8) VV(paddusw) MM(pmaxub, 8) VV(pmaxub) MM(pandn, 8)
VV(pandn) MM(pavgb, 8) VV(pavgb) MM(psraw, 8) VV(psraw) MM(psrad, 8) VV(psrad) MM(pavgw, 8)
VV(pavgw) MM(pmulhuw, 8) VV(pmulhuw) MM(pmulhw, 8) VV(pmulhw) MM(psubsb, 8) VV(psubsb)
MM(psubsw, 8) VV(psubsw) MM(pminsw, 8) VV(pminsw) MM(por, 8) VV(por) MM(paddsb, 8) VV(paddsb)
MM(paddsw, 8) VV(paddsw) MM(pmaxsw, 8) VV(pmaxsw) MM(pxor, 8) VV(pxor) MM(psllw, 8) VV(psllw)
MM(pslld, 8) VV(pslld) MM(psllq, 8) VV(psllq) MM(pmuludq, 8) VV(pmuludq) MM(pmaddwd, 8)
VV(pmaddwd) MM(psadbw, 8) VV(psadbw) MM(psubb, 8) VV(psubb) MM(psubw, 8) VV(psubw) MM(psubd, 8)
VV(psubd) MM(psubq, 8) VV(psubq) MM(paddb, 8) VV(paddb) MM(paddw, 8) VV(paddw) MM(paddd, 8)
VV(paddd) MM(pshufb, 8) VV(pshufb) MM(phaddw, 8) VV(phaddw) MM(phaddd, 8) VV(phaddd)
MM(phaddsw, 8) VV(phaddsw) MM(pmaddubsw, 8) VV(pmaddubsw) MM(phsubw, 8) VV(phsubw) MM(phsubd, 8)
VV(phsubd) MM(phsubsw, 8) VV(phsubsw) MM(psignb, 8) VV(psignb) MM(psignw, 8) VV(psignw)
MM(psignd, 8) VV(psignd) MM(pmulhrsw, 8) VV(pmulhrsw) BLENDV(pblendvb) BLENDV(blendvps)
BLENDV(blendvpd) MM(pabsb, 8) VV(pabsb) MM(pabsw, 8) VV(pabsw) MM(pabsd, 8) VV(pabsd)
VVS(pmovsxbw, 8) VVS(pmovsxbd, 4) VVS(pmovsxbq, 2) VVS(pmovsxwd, 8) VVS(pmovsxwq, 4)
VVS(pmovsxdq, 8) VV(pmuldq) VV(pcmpeqq) VV(packusdw) VVS(pmovzxbw, 8) VVS(pmovzxbd, 4)
VVS(pmovzxbq, 2) VVS(pmovzxwd, 8) VVS(pmovzxwq, 4) VVS(pmovzxdq, 8) VV(pcmpgtq) VV(pminsb)
VV(pminsd) VV(pminuw) VV(pminud) VV(pmaxsb) VV(pmaxsd) VV(pmaxuw) VV(pmaxud) VV(pmulld)
VV(phminposuw) VV_AES(aesimc) VV_AES(aesenc) VV_AES(aesenclast) VV_AES(aesdec)
VV_AES(aesdeclast) VV_SHA(sha1nexte) VV_SHA(sha1msg1) VV_SHA(sha1msg2)
BLENDV_IF(sha256rnds2, simd_host_has_sha()) VV_SHA(sha256msg1) VV_SHA(sha256msg2)

void sse_x_ptest(Cpu *c, const Insn *i) {
    uint32_t ax;

    sse_check(c, i);
    __m128i b = vec_src(c, i, 16, 16), a = vec_get(c, i->reg);
    __asm__("ptest %2, %1\n\tlahf\n\txorb %%al, %%al" : "=a"(ax) : "x"(a), "x"(b) : "cc");
    c->aflags = (uint16_t)ax;
    NEXT(c, i);
}
