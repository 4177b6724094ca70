/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vex_table.c - vex_list.h as a table for the decoder, and each row's stubs: the instruction
 * itself with its operands in fixed registers.  Intel SDM vol. 2 chapter 2.3.5 has the prefix.
 *
 * A stub is for one vector length, and for one value where there is an imm8.  In: ymm0 the first
 * operand (VEX.vvvv, or ModRM.reg where that is one), ymm1 the register or memory operand, ymm2 the
 * third operand, rdi a general register; out: ymm0 or rax.
 */
#include "hypervisor/soft/vex.h"

#define MAP_0f "1"
#define MAP_0f38 "2"
#define MAP_0f3a "3"
#define WBIT_w0 "0"
#define WBIT_w1 "1"
#define WBIT_wig "0"

#define BYTES(map, op, pp, w, l, vvvv, modrm)                                                   \
    ".byte 0xc4, 0xe0 | " MAP_##map ", " WBIT_##w " << 7 | (~" #vvvv " & 15) << 3 | " #l        \
    " << 2 | " #pp ", 0x" #op ", " #modrm "\n"
#define STUB_FUNCTION(map, op, pp, w, text)                                                     \
    STUB_TABLE(16) stub_##map##_##op##_##pp##_##w(void) {                                       \
        __asm__(text);                                                                          \
    }
/* Two stubs of 16 bytes */
#define PLAIN(map, op, pp, w, vvvv, modrm, after)                                               \
    STUB_FUNCTION(map, op, pp, w, BYTES(map, op, pp, w, 0, vvvv, modrm) after "ret\n"           \
                  ".balign 16\n" BYTES(map, op, pp, w, 1, vvvv, modrm) after "ret\n"            \
                  ".balign 16\n")
/* Twice 256 stubs of 8 bytes */
#define WITH_IMM(map, op, pp, w, modrm)                                                         \
    STUB_FUNCTION(map, op, pp, w,                                                               \
                  ".set n, 0\n.rept 256\n" BYTES(map, op, pp, w, 0, 0, modrm)                   \
                  ".byte n\nret\n.balign 8\n.set n, n + 1\n.endr\n"                             \
                  ".set n, 0\n.rept 256\n" BYTES(map, op, pp, w, 1, 0, modrm)                   \
                  ".byte n\nret\n.balign 8\n.set n, n + 1\n.endr\n")

/* By the list's stub column.  ModRM C1h: register 0, register 1. */
#define STUB_none(...)
#define STUB_plain(...) PLAIN(__VA_ARGS__, 0, 0xc1, "")
#define STUB_gpr(...) PLAIN(__VA_ARGS__, 0, 0xc7, "")
#define STUB_fma(...) PLAIN(__VA_ARGS__, 2, 0xc1, "")
#define STUB_is4(...) PLAIN(__VA_ARGS__, 0, 0xc1, ".byte 0x20\n")
#define STUB_flags(...) PLAIN(__VA_ARGS__, 0, 0xc1, "lahf\nxorb %al, %al\nmovzwl %ax, %eax\n")
#define STUB_imm(...) WITH_IMM(__VA_ARGS__, 0xc1)
#define STUB_imm_rm(...) WITH_IMM(__VA_ARGS__, 0xc8)

#define MAKE_STUB(map, op, pp, w, l, form, stub, size, feature, flags) STUB_##stub(map, op, pp, w)
VEX_LIST(MAKE_STUB)

#define AT(map, op, pp, w) (const char *)stub_##map##_##op##_##pp##_##w
#define AT_none(...) NULL
#define AT_plain(...) AT(__VA_ARGS__)
#define AT_gpr(...) AT(__VA_ARGS__)
#define AT_fma(...) AT(__VA_ARGS__)
#define AT_is4(...) AT(__VA_ARGS__)
#define AT_flags(...) AT(__VA_ARGS__)
#define AT_imm(...) AT(__VA_ARGS__)
#define AT_imm_rm(...) AT(__VA_ARGS__)

/* The list's names for flags. */
enum { VVVV = VF_VVVV, VVVV_REG = VF_VVVV_REG, MEM = VF_MEM, REG = VF_REG, ALIGN = VF_ALIGN,
       FP = VF_FP, VSIB = VF_VSIB, GPR = VF_GPR, NO_MODRM = VF_NO_MODRM, IMM = VF_IMM,
       IS4 = VF_IS4, W64 = VF_W64 };
enum { FLAGS_l0 = VF_L0, FLAGS_l1 = VF_L1, FLAGS_lx = 0, FLAGS_lig = VF_LIG };

#define ID(map, op, pp, w, ...) ROW_##map##_##op##_##pp##_##w,
enum { ROW_NONE, VEX_LIST(ID) };

#define ROW(map, op, pp, w, l, form, kind, bytes, has, bits)                                    \
    [ROW_##map##_##op##_##pp##_##w] = {                                                         \
        .fn = vex_##form, .stub = AT_##kind(map, op, pp, w), .flags = (bits) | FLAGS_##l,       \
        .size = VEX_SIZE_##bytes, .feature = VEX_##has,                                         \
    },
const VexRow vex_rows[] = { VEX_LIST(ROW) };

#define NUMBER_0f 0
#define NUMBER_0f38 1
#define NUMBER_0f3a 2
#define INDEX_w0(map, op, pp, id) [NUMBER_##map][0x##op][pp][0] = id,
#define INDEX_w1(map, op, pp, id) [NUMBER_##map][0x##op][pp][1] = id,
#define INDEX_wig(map, op, pp, id) INDEX_w0(map, op, pp, id) INDEX_w1(map, op, pp, id)
#define INDEX(map, op, pp, w, ...) INDEX_##w(map, op, pp, ROW_##map##_##op##_##pp##_##w)

static const uint16_t by_opcode[3][256][4][2] = { VEX_LIST(INDEX) };

uint16_t vex_find(unsigned map, uint8_t opcode, unsigned pp, bool w) {
    return map >= 1 && map <= 3 ? by_opcode[map - 1][opcode][pp & 3][w] : ROW_NONE;
}

bool vex_host_has(const VexRow *r, bool l, bool memory) {
    bool avx = __builtin_cpu_supports("avx");

    switch ((VexFeature)r->feature) {
    case VEX_AVX: return avx;
    case VEX_AVX2: return __builtin_cpu_supports("avx2");
    case VEX_INT: return l ? __builtin_cpu_supports("avx2") : avx;
    case VEX_BCAST: return memory ? avx : __builtin_cpu_supports("avx2");
    case VEX_FMA: return avx && __builtin_cpu_supports("fma");
    case VEX_F16C: return avx && __builtin_cpu_supports("f16c");
    case VEX_AES:
        return avx && (l ? __builtin_cpu_supports("vaes") : __builtin_cpu_supports("aes"));
    case VEX_CLMUL:
        return avx && (l ? __builtin_cpu_supports("vpclmulqdq") : __builtin_cpu_supports("pclmul"));
    case VEX_BMI1: return __builtin_cpu_supports("bmi");
    case VEX_BMI2: return __builtin_cpu_supports("bmi2");
    }
    return false;
}

_Noreturn void vex_unavailable(Cpu *c, const Insn *i) {
    bool enabled = (c->cr4 & CR4_OSXSAVE) && (c->xcr0 & 6) == 6;

    raise_exc(c, i, enabled ? EXC_NM : EXC_UD);
}
