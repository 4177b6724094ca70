/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jit_test.c - what random programs have found in the translator, each as a test of its own.  The guests
 * are those of sys_guest.h; code is translated at its first run.
 */
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/xlat.h"
#include "tests/cpu/oracle.h"
#include "tests/cpu/sys_guest.h"

static Guest *flat32(void)
{
    Guest *g = guest_new();

    guest_prot(g);
    g->s.cr0 |= 0x22;
    g->s.cr4 = 0x40600;
    g->s.xcr0 = 7;
    memset(g->s.xsave, 0, 1024);
    for (unsigned n = 160; n < 416; n++)
        g->s.xsave[n] = 0x5a;
    for (unsigned n = 576; n < 832; n++)
        g->s.xsave[n] = 0xa5;
    g->s.xsave[0] = 0x7f;
    g->s.xsave[1] = 3;
    g->s.xsave[24] = 0x80;
    g->s.xsave[25] = 0x1f;
    g->s.xsave[512] = 7;
    g->s.xsave_size = 832;
    return g;
}

static bool all_are(const uint8_t *p, unsigned n, uint8_t v)
{
    while (n--)
        if (*p++ != v)
            return false;
    return true;
}

Test(jit, a_store_through_cs_is_gp_in_flat_code_too)
{
    /* mov [40008h], eax, which the TLB knows from then on; mov cs:[40000h], eax */
    static const uint8_t code[] = { 0xa3, 8, 0, 4, 0, 0x2e, 0xa3, 0, 0, 4, 0, 0xf4 };
    Guest *g = flat32();

    guest_code(g, CODE, code, sizeof code);
    g->s.gpr[0] = 1;
    run_to_vector(g, 13);
    eq_hex(ram32(g, 0x40000), 0);
    guest_free(g);
}

Test(jit, vzeroall_leaves_registers_8_to_15_outside_64_bit_mode)
{
    static const uint8_t code[] = { 0xc5, 0xfc, 0x77, 0xf4 };
    Guest *g = flat32();

    if (!host_has_avx())
        cr_skip_test("this host has no AVX");
    guest_code(g, CODE, code, sizeof code);
    run_done(g);
    cr_expect(all_are(g->s.xsave + 160, 128, 0) && all_are(g->s.xsave + 576, 128, 0));
    cr_expect(all_are(g->s.xsave + 288, 128, 0x5a) && all_are(g->s.xsave + 704, 128, 0xa5));
    guest_free(g);
}

Test(jit, vzeroupper_leaves_registers_8_to_15_outside_64_bit_mode)
{
    static const uint8_t code[] = { 0xc5, 0xf8, 0x77, 0xf4 };
    Guest *g = flat32();

    if (!host_has_avx())
        cr_skip_test("this host has no AVX");
    guest_code(g, CODE, code, sizeof code);
    run_done(g);
    cr_expect(all_are(g->s.xsave + 160, 256, 0x5a) && all_are(g->s.xsave + 576, 128, 0));
    cr_expect(all_are(g->s.xsave + 704, 128, 0xa5));
    guest_free(g);
}

/* Code, blocks and what code names lie below 2 GiB, where there is room for so many. */
/* fld1; fld1; mov ecx, 20; l: in al, 21h; out 80h, al; loop l; faddp; fstp qword [40000h]; hlt */
Test(jit, ports_done_at_once_leave_registers_flags_and_x87_alone)
{
    static const uint8_t code[] = { 0xd9, 0xe8, 0xd9, 0xe8, 0xb9, 20, 0, 0, 0, 0xf9, 0xe4, 0x21, 0xe6, 0x80,
                                    0x0f, 0x92, 0xc3, 0xe2, 0xf6, 0xde, 0xc1, 0xdd, 0x1d, 0, 0, 4, 0, 0xf4 };
    Guest *g = flat32();

    guest_code(g, CODE, code, sizeof code);
    for (unsigned n = 0; n < 8; n++)
        if (n != 4)
            g->s.gpr[n] = 0x11223300u + n;
    run_done(g);
    cr_expect_gt(g->done_now, 15);
    cr_expect_eq(g->io_count, 40);
    for (unsigned n = 0; n < 32; n++) {
        cr_expect_eq(g->io[n].port, n % 2 ? 0x80 : 0x21);
        cr_expect_eq(g->io[n].value, 0xa5);
        cr_expect_eq(g->io[n].write, n % 2);
    }
    eq_hex(g->s.gpr[0], 0x112233a5);
    eq_hex(g->s.gpr[1], 0);
    eq_hex(g->s.gpr[2], 0x11223302);
    eq_hex(g->s.gpr[3], 0x11223301);
    for (unsigned n = 5; n < 8; n++)
        eq_hex(g->s.gpr[n], 0x11223300u + n);
    eq_hex(ram64(g, 0x40000), 0x4000000000000000ull);
    guest_free(g);
}

/* The same port instruction, when the right to it is missing: the fault is the body's. */
Test(jit, ports_without_the_right_fault_before_anything_is_asked)
{
    static const uint8_t code[] = { 0xe4, 0x21, 0xf4 };
    Guest *g = guest_new();

    guest_prot(g);
    guest_user(g);
    guest_code(g, CODE, code, sizeof code);
    run_to_vector(g, 13);
    cr_expect_eq(g->asked_now, 0);
    cr_expect_eq(g->io_count, 0);
    guest_free(g);
}

/* mov ecx, 64; l: in al, 21h; loop l; hlt: an interrupt that the access raises comes before the next one. */
static bool read_and_raise(Vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    Guest *g = (Guest *)v;

    (void)port;
    (void)size;
    *value = 1;
    if (++g->done_now == 40) {
        g->irq = IRQ_EXTINT;
        engine_soft.kick(g->cpu, false);
    }
    return true;
}

Test(jit, an_interrupt_raised_by_a_port_read_comes_before_the_next_instruction)
{
    static const uint8_t code[] = { 0xb9, 64, 0, 0, 0, 0xe4, 0x21, 0xe2, 0xfc, 0xf4 };
    Guest *g = flat32();

    guest_code(g, CODE, code, sizeof code);
    g->host.io_read_now = read_and_raise;
    g->s.rflags |= F_IF;
    g->irq_vector = 0x41;
    run_to_vector(g, 0x41);
    cr_expect_eq(g->done_now, 40);
    eq_hex(ram32(g, g->s.gpr[4]), CODE + 7);
    guest_free(g);
}

/* cpuid; the next one comes from what was kept, CR4 still shows; wrmsr 8Bh asks again. */
Test(jit, cpuid_is_asked_for_once)
{
    static const uint8_t code[] = { 0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0x89, 0xce,   /* mov esi, ecx */
        0x0f, 0x20, 0xe0, 0x0d, 0, 0, 4, 0, 0x0f, 0x22, 0xe0,                   /* cr4 |= OSXSAVE */
        0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0x89, 0xcf, 0xf4 };
    Guest *g = flat32();

    g->s.cr4 = 0x600;
    guest_code(g, CODE, code, sizeof code);
    run_done(g);
    eq_hex(g->s.gpr[6], 1u << 26 | 1u << 17);
    eq_hex(g->s.gpr[7], 1u << 26 | 1u << 17 | 1u << 27);
    guest_free(g);
}

/* mov ecx, 1000; l: fld1; fldz; faddp; fstp qword [40008h]; fwait; loop l; fld1; fldz; fdivp; mov eax, 5;
 * fstp qword [40000h]; hlt */
Test(jit, an_unmasked_x87_exception_is_mf_at_the_next_waiting_instruction_of_translated_code)
{
    static const uint8_t code[] = { 0xb9, 0xe8, 3, 0, 0, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xc1, 0xdd, 0x1d, 8, 0, 4, 0,
                                    0x9b, 0xe2, 0xf1, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0xb8, 5, 0, 0, 0,
                                    0xdd, 0x1d, 0, 0, 4, 0, 0xf4 };
    static const uint16_t cw = 0x1372;
    uint16_t sw;
    Guest *g = flat32();

    guest_code(g, CODE, code, sizeof code);
    memcpy(g->s.xsave, &cw, 2);
    ram_put(g, 0x40000, 8, 0x1234567890abcdefull);
    run_to_vector(g, 16);
    memcpy(&sw, g->s.xsave + 2, 2);
    eq_hex(sw, 6 << 11 | 0x8084);
    eq_hex(g->s.xsave[4], 0xc0);
    eq_hex(g->s.gpr[0], 5);
    eq_hex(g->s.gpr[1], 0);
    eq_hex(ram32(g, STACK0 - 12), CODE + 31);
    eq_hex(ram32(g, 0x40008 + 4), 0x3ff00000);
    eq_hex(ram64(g, 0x40000), 0x1234567890abcdefull);
    cr_expect_lt(cpu_priv(g->cpu)->counters[COUNT_BODIES], 20);
    guest_free(g);
}

/* The same division, and then FNSTSW AX, FNCLEX, which don't wait, and FSTP of what is still there. */
Test(jit, an_x87_exception_is_seen_and_cleared_without_mf_by_what_does_not_wait)
{
    static const uint8_t code[] = { 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0xdf, 0xe0, 0xdb, 0xe2,
                                    0xdd, 0x1d, 0, 0, 4, 0, 0xdd, 0x1d, 8, 0, 4, 0, 0xf4 };
    static const uint16_t cw = 0x1372;
    Guest *g = flat32();

    guest_code(g, CODE, code, sizeof code);
    memcpy(g->s.xsave, &cw, 2);
    run_done(g);
    eq_hex((uint16_t)g->s.gpr[0], 6 << 11 | 0x8084);
    eq_hex(ram64(g, 0x40000), 0);
    eq_hex(ram32(g, 0x40008 + 4), 0x3ff00000);
    guest_free(g);
}

static unsigned mxcsr_of_the_host;

static void note_mxcsr(Guest *g, uint16_t port)
{
    (void)g;
    (void)port;
    mxcsr_of_the_host = _mm_getcsr();
}

/* out 80h, al; mov ecx, 1000; l: movaps xmm2, xmm0; mulss xmm2, xmm1; loop l; hlt.  Least normal number
 * by a half: none of it with FZ, flagged as underflow and inexact. */
Test(jit, a_guest_that_flushes_to_zero_does_so_in_translated_code_and_the_host_does_not)
{
    static const uint8_t code[] = { 0xe6, 0x80, 0xb9, 0xe8, 3, 0, 0, 0x0f, 0x28, 0xd0, 0xf3, 0x0f, 0x59, 0xd1,
                                    0xe2, 0xf8, 0xf4 };
    static const uint32_t mxcsr = 0x9fc0, least = 0x00800000, half = 0x3f000000;
    uint32_t result, after;
    Guest *g = flat32();

    guest_code(g, CODE, code, sizeof code);
    memcpy(g->s.xsave + 24, &mxcsr, 4);
    memcpy(g->s.xsave + 160, &least, 4);
    memcpy(g->s.xsave + 176, &half, 4);
    g->on_out = note_mxcsr;
    run_done(g);
    memcpy(&result, g->s.xsave + 192, 4);
    memcpy(&after, g->s.xsave + 24, 4);
    eq_hex(result, 0);
    eq_hex(after, mxcsr | 0x30);
    eq_hex(mxcsr_of_the_host & 0xffc0, 0x1f80);
    eq_hex(_mm_getcsr() & 0xffc0, 0x1f80);
    cr_expect_lt(cpu_priv(g->cpu)->counters[COUNT_BODIES], 20);
    guest_free(g);
}

/* mov rax, [rdi]; the store to [rsi], until ECX is 0: to a page that may be written, then to one that may not,
 * which the TLB knows for reading. */
static void store_looks(const char *store, size_t len)
{
    enum { MAY = 0x40000, MAY_NOT = 0x41000, PTE = 0x63 };
    uint8_t code[32] = { 0x48, 0x8b, 0x07 };
    Guest *g = guest_new();

    memcpy(code + 3, store, len);
    memcpy(code + 3 + len, (uint8_t[]){ 0xff, 0xc9, 0x75, (uint8_t)-(4 + (int)len), 0xf4 }, 5);
    guest_long(g);
    g->s.cr4 |= 0x40600;
    g->s.xcr0 = 7;
    jit_set_warm(g->engine, 1);
    ram_put(g, PT_AT + (MAY_NOT >> 12) * 8, 8, MAY_NOT | (PTE & ~2u));
    for (unsigned at = MAY; at <= MAY_NOT; at += 0x1000) {
        guest_code(g, CODE, code, sizeof code);
        g->s.rip = CODE;
        g->s.halted = 0;
        g->s.gpr[0] = g->s.gpr[1] = 2000;
        g->s.gpr[6] = g->s.gpr[7] = at;
        memset(g->ram + at, 0x5a, 64);
        if (at == MAY) {
            run_done(g);
        } else {
            run_to_vector(g, 14);
            eq_hex(ram64(g, g->s.gpr[4]), 3);
            eq_hex(ram64(g, g->s.gpr[4] + 8), CODE + 3);
            cr_expect(all_are(g->ram + at, 64, 0x5a));
        }
    }
    guest_free(g);
}

Test(jit, stores_of_all_widths_look_whether_they_may)
{
#define STORE(bytes) store_looks(bytes, sizeof bytes - 1)
    STORE("\x88\x06");
    STORE("\x66\x89\x06");
    STORE("\x89\x06");
    STORE("\x48\x89\x06");
    STORE("\xf2\x0f\x11\x06");              /* MOVSD */
    STORE("\x0f\x11\x06");                  /* MOVUPS */
    STORE("\x0f\x29\x06");                  /* MOVAPS */
    if (!host_has_avx())
        return;
    STORE("\xc5\xfb\x11\x06");              /* VMOVSD */
    STORE("\xc5\xf8\x11\x06");              /* VMOVUPS, 16 bytes; then 32 */
    STORE("\xc5\xfc\x11\x06");
    STORE("\xc5\xfc\x29\x06");              /* VMOVAPS */
    STORE("\xc5\xfe\x7f\x06");              /* VMOVDQU */
    STORE("\xc5\xfd\xe7\x06");              /* VMOVNTDQ */
    STORE("\xc4\xe3\x7d\x19\x06\x01");      /* VEXTRACTF128 */
#undef STORE
}

static void make_128_vcpus(size_t code_memory)
{
    Guest *g = guest_new_with(code_memory);

    for (unsigned id = 1; id < SOFT_MAX_VCPUS; id++) {
        EngineVcpu *c = engine_soft.vcpu_create(g->engine, (Vcpu *)g, id, 2 * id, NULL, NULL);

        cr_assert(c, "vCPU %u", id);
        cr_assert(c->jit, "vCPU %u", id);
    }
    cr_assert_null(engine_soft.vcpu_create(g->engine, (Vcpu *)g, SOFT_MAX_VCPUS, 0, NULL, NULL));
    for (unsigned id = 1; id < SOFT_MAX_VCPUS; id++)
        engine_soft.vcpu_destroy(g->engine->cpus[id]);
    guest_free(g);
}

Test(jit, a_domains_128_vcpus_all_have_a_translator)
{
    make_128_vcpus(0);
    make_128_vcpus(128 << 20);
}
