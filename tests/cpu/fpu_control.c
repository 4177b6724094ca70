/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu_control.c - what the control registers do to x87, MMX and SSE instructions: #NM, #UD, #XM or
 * #UD, #MF or FERR#.  Intel SDM vol. 3 tables 2-2 and 2-3, vol. 1 chapter 8.7.  The host can't be
 * asked here, for it has the control registers of its own kernel.
 */
#include <criterion/criterion.h>
#include <string.h>
#include "tests/cpu/oracle.h"

enum { MP = 2, EM = 4, TS = 8, NE = 0x20, OSFXSR = 0x200, OSXMMEXCPT = 0x400, OSXSAVE = 0x40000 };
enum { UD = 6, NM = 7, BP = 3, MF = 16, XM = 19 };

typedef struct Code { uint8_t bytes[8]; unsigned len; } Code;

static const Code FLD1 = { { 0xd9, 0xe8 }, 2 }, FNINIT = { { 0xdb, 0xe3 }, 2 },
                  WAIT = { { 0x9b }, 1 }, EMMS = { { 0x0f, 0x77 }, 2 },
                  PADDB_MM = { { 0x0f, 0xfc, 0xc1 }, 3 }, ADDPS = { { 0x0f, 0x58, 0xc1 }, 3 },
                  PXOR = { { 0x66, 0x0f, 0xef, 0xc0 }, 4 },
                  DIVSS = { { 0xf3, 0x0f, 0x5e, 0xc1 }, 4 },
                  MOVAPS = { { 0x0f, 0x28, 0xc1 }, 3 }, FXSAVE = { { 0x0f, 0xae, 0x06 }, 3 },
                  XSAVE = { { 0x0f, 0xae, 0x26 }, 3 }, LDMXCSR = { { 0x0f, 0xae, 0x16 }, 3 },
                  VADDPS = { { 0xc5, 0xfc, 0x58, 0xc1 }, 4 },
                  VZEROALL = { { 0xc5, 0xfc, 0x77 }, 3 },
                  VDIVSS = { { 0xc5, 0xfa, 0x5e, 0xc1 }, 4 },
                  ANDN = { { 0xc4, 0xe2, 0x78, 0xf2, 0xc1 }, 5 },
                  XGETBV = { { 0x0f, 0x01, 0xd0 }, 3 },
                  FNSTSW = { { 0xdf, 0xe0 }, 2 }, FNSTCW = { { 0xd9, 0x3e }, 2 };

static Trial trial;
static Machine result;

static void prepare(const Code *code) {
    uint16_t cw = 0x37f;
    uint32_t mxcsr = 0x1f80;

    memset(&trial, 0, sizeof(trial));
    trial.wide = true;
    memcpy(trial.bytes, code->bytes, code->len);
    trial.len = code->len;
    trial.in.rip = CODE_AT + INSN_OFF;
    trial.in.gpr[4] = DATA_AT + 4096;
    trial.in.gpr[6] = DATA_AT;
    memcpy(trial.in.fx, &cw, 2);
    memcpy(trial.in.fx + 24, &mxcsr, 4);
}

static int run(GuestCpu *g, uint64_t cr0, uint64_t cr4) {
    guest_cpu_control(g, cr0, cr4);
    cr_assert(guest_cpu_run(g, &trial, &result));
    return result.vector;
}

static int vector(GuestCpu *g, const Code *code, uint64_t cr0, uint64_t cr4) {
    prepare(code);
    return run(g, cr0, cr4);
}

Test(fpu_control, task_switched_raises_nm) {
    static const Code *const ALL[] = { &FLD1, &FNINIT, &EMMS, &PADDB_MM, &ADDPS, &PXOR, &MOVAPS,
                                       &FXSAVE, &XSAVE, &LDMXCSR, &FNSTSW, &FNSTCW };
    GuestCpu *g = guest_cpu_new();

    for (unsigned n = 0; n < sizeof(ALL) / sizeof(ALL[0]); n++) {
        cr_expect_eq(vector(g, ALL[n], CR0_USUAL, CR4_USUAL), BP, "%u", n);
        cr_expect_eq(vector(g, ALL[n], CR0_USUAL | TS, CR4_USUAL), NM, "%u", n);
    }
    guest_cpu_free(g);
}

Test(fpu_control, wait_raises_nm_only_with_monitor_coprocessor) {
    GuestCpu *g = guest_cpu_new();

    cr_expect_eq(vector(g, &WAIT, CR0_USUAL | TS, CR4_USUAL), NM);
    cr_expect_eq(vector(g, &WAIT, (CR0_USUAL | TS) & ~(uint64_t)MP, CR4_USUAL), BP);
    cr_expect_eq(vector(g, &WAIT, CR0_USUAL | EM, CR4_USUAL), BP);
    guest_cpu_free(g);
}

Test(fpu_control, emulation_raises_nm_for_x87_and_ud_for_mmx_and_sse) {
    GuestCpu *g = guest_cpu_new();

    cr_expect_eq(vector(g, &FLD1, CR0_USUAL | EM, CR4_USUAL), NM);
    cr_expect_eq(vector(g, &FXSAVE, CR0_USUAL | EM, CR4_USUAL), NM);
    cr_expect_eq(vector(g, &PADDB_MM, CR0_USUAL | EM, CR4_USUAL), UD);
    cr_expect_eq(vector(g, &EMMS, CR0_USUAL | EM, CR4_USUAL), UD);
    cr_expect_eq(vector(g, &ADDPS, CR0_USUAL | EM, CR4_USUAL), UD);
    cr_expect_eq(vector(g, &ADDPS, CR0_USUAL | EM | TS, CR4_USUAL), UD);
    cr_expect_eq(vector(g, &PXOR, CR0_USUAL | EM, CR4_USUAL), UD);
    guest_cpu_free(g);
}

Test(fpu_control, sse_needs_osfxsr_but_mmx_does_not) {
    GuestCpu *g = guest_cpu_new();

    cr_expect_eq(vector(g, &ADDPS, CR0_USUAL, CR4_USUAL & ~(uint64_t)OSFXSR), UD);
    cr_expect_eq(vector(g, &PXOR, CR0_USUAL | TS, CR4_USUAL & ~(uint64_t)OSFXSR), UD);
    cr_expect_eq(vector(g, &LDMXCSR, CR0_USUAL, CR4_USUAL & ~(uint64_t)OSFXSR), UD);
    cr_expect_eq(vector(g, &PADDB_MM, CR0_USUAL, CR4_USUAL & ~(uint64_t)OSFXSR), BP);
    cr_expect_eq(vector(g, &FXSAVE, CR0_USUAL, CR4_USUAL & ~(uint64_t)OSFXSR), BP);
    guest_cpu_free(g);
}

Test(fpu_control, xsave_needs_osxsave) {
    GuestCpu *g = guest_cpu_new();

    cr_expect_eq(vector(g, &XSAVE, CR0_USUAL, CR4_USUAL & ~(uint64_t)OSXSAVE), UD);
    guest_cpu_free(g);
}

Test(fpu_control, simd_exception_is_xm_or_ud_and_leaves_the_destination) {
    enum { ZERO_DIVIDE = 4 };
    uint32_t mxcsr = 0x1f80 & ~(ZERO_DIVIDE << 7), one = 0x3f800000, zero = 0, now;
    GuestCpu *g = guest_cpu_new();

    for (unsigned n = 0; n < 2; n++) {
        prepare(&DIVSS);
        memcpy(trial.in.fx + 24, &mxcsr, 4);
        memcpy(trial.in.fx + 160, &one, 4);
        memcpy(trial.in.fx + 176, &zero, 4);
        cr_expect_eq(run(g, CR0_USUAL, n ? CR4_USUAL & ~(uint64_t)OSXMMEXCPT : CR4_USUAL),
                     n ? UD : XM);
        cr_expect_eq(result.rip, CODE_AT + INSN_OFF);
        memcpy(&now, result.fx + 24, 4);
        cr_expect_eq(now, mxcsr | ZERO_DIVIDE);
        cr_expect_arr_eq(result.fx + 160, &one, 4);
    }
    guest_cpu_free(g);
}

static void prepare_pending(const Code *code) {
    uint16_t cw = 0x37e, sw = 0x8081;       /* invalid, unmasked */

    prepare(code);
    memcpy(trial.in.fx, &cw, 2);
    memcpy(trial.in.fx + 2, &sw, 2);
}

Test(fpu_control, pending_x87_exception_is_mf_with_numeric_error) {
    GuestCpu *g = guest_cpu_new();

    prepare_pending(&WAIT);
    cr_expect_eq(run(g, CR0_USUAL, CR4_USUAL), MF);
    prepare_pending(&FLD1);
    cr_expect_eq(run(g, CR0_USUAL, CR4_USUAL), MF);
    prepare_pending(&PADDB_MM);
    cr_expect_eq(run(g, CR0_USUAL, CR4_USUAL), MF);
    prepare_pending(&FNSTSW);
    cr_expect_eq(run(g, CR0_USUAL, CR4_USUAL), BP);
    prepare_pending(&ADDPS);
    cr_expect_eq(run(g, CR0_USUAL, CR4_USUAL), BP);
    cr_expect_eq(guest_cpu_ferrs(g), 0);
    guest_cpu_free(g);
}

Test(fpu_control, pending_x87_exception_is_ferr_without_numeric_error) {
    GuestCpu *g = guest_cpu_new();
    uint16_t sw;

    prepare_pending(&FLD1);
    cr_expect_eq(run(g, CR0_USUAL & ~(uint64_t)NE, CR4_USUAL), BP);
    cr_expect_eq(guest_cpu_ferrs(g), 1);
    memcpy(&sw, result.fx + 2, 2);
    cr_expect_eq(sw & 0x8081, 0x8081, "still pending");
    cr_expect_eq(result.fx[4], 0x80, "but loaded");
    prepare_pending(&WAIT);
    cr_expect_eq(run(g, CR0_USUAL & ~(uint64_t)NE, CR4_USUAL), BP);
    cr_expect_eq(guest_cpu_ferrs(g), 2);
    guest_cpu_free(g);
}

/* SDM vol. 2 table 2-18 (VEX exception classes): OSXSAVE and XCR0 instead of EM and OSFXSR. */
Test(fpu_control, avx_needs_osxsave_and_its_state_in_xcr0) {
    static const Code *const ALL[] = { &VADDPS, &VZEROALL, &VDIVSS };
    GuestCpu *g = guest_cpu_new();

    if (!host_has_avx()) {
        cr_skip_test("this host has no AVX");
    }
    for (unsigned n = 0; n < sizeof(ALL) / sizeof(ALL[0]); n++) {
        cr_expect_eq(vector(g, ALL[n], CR0_USUAL, CR4_USUAL), BP, "%u", n);
        cr_expect_eq(vector(g, ALL[n], CR0_USUAL | EM, CR4_USUAL & ~(uint64_t)OSFXSR), BP, "%u", n);
        cr_expect_eq(vector(g, ALL[n], CR0_USUAL | TS, CR4_USUAL), NM, "%u", n);
        cr_expect_eq(vector(g, ALL[n], CR0_USUAL | TS, CR4_USUAL & ~(uint64_t)OSXSAVE), UD, "%u", n);
        guest_cpu_xcr0(g, 3);
        cr_expect_eq(vector(g, ALL[n], CR0_USUAL, CR4_USUAL), UD, "%u", n);
        guest_cpu_xcr0(g, 7);
    }
    guest_cpu_free(g);
}

Test(fpu_control, bmi_needs_no_vector_state) {
    GuestCpu *g = guest_cpu_new();

    if (!__builtin_cpu_supports("bmi")) {
        cr_skip_test("this host has no BMI1");
    }
    cr_expect_eq(vector(g, &ANDN, CR0_USUAL | TS, CR4_USUAL & ~(uint64_t)OSXSAVE), BP);
    guest_cpu_free(g);
}

Test(fpu_control, avx_division_by_zero_raises_xm_or_ud) {
    GuestCpu *g = guest_cpu_new();
    uint32_t mxcsr = 0x1f80 & ~0x200u, one = 0x3f800000;

    if (!host_has_avx()) {
        cr_skip_test("this host has no AVX");
    }
    prepare(&VDIVSS);
    memcpy(trial.in.fx + 24, &mxcsr, 4);
    memcpy(trial.in.fx + 160, &one, 4);
    cr_expect_eq(run(g, CR0_USUAL, CR4_USUAL), XM);
    cr_expect_eq(run(g, CR0_USUAL, CR4_USUAL & ~(uint64_t)OSXMMEXCPT), UD);
    guest_cpu_free(g);
}

Test(fpu_control, xgetbv_1_tells_the_components_in_use) {
    GuestCpu *g = guest_cpu_new();

    if (!host_has_avx()) {
        cr_skip_test("this host has no AVX");
    }
    prepare(&XGETBV);
    trial.in.gpr[1] = 1;
    cr_expect_eq(run(g, CR0_USUAL, CR4_USUAL), BP);
    cr_expect_eq(result.gpr[0], 0);
    trial.in.upper[3][5] = 1;
    cr_expect_eq(run(g, CR0_USUAL, CR4_USUAL), BP);
    cr_expect_eq(result.gpr[0], 4);
    memset(trial.in.fx + 160, 1, 16);
    cr_expect_eq(run(g, CR0_USUAL, CR4_USUAL), BP);
    cr_expect_eq(result.gpr[0], 6);
    guest_cpu_free(g);
}
