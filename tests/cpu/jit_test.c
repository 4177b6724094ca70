/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jit_test.c - what random programs have found in the translator, each as a test of its own.  The guests
 * are those of sys_guest.h; code is translated at its first run.
 */
#include <string.h>
#include "hypervisor/soft/core.h"
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
Test(jit, a_domains_128_vcpus_all_have_a_translator)
{
    Guest *g = guest_new();

    for (unsigned id = 1; id < SOFT_MAX_VCPUS; id++) {
        EngineVcpu *c = engine_soft.vcpu_create(g->engine, (Vcpu *)g, id, 2 * id, NULL, NULL);

        cr_assert(c, "vCPU %u", id);
        cr_assert(c->jit, "vCPU %u", id);
    }
    cr_assert_null(engine_soft.vcpu_create(g->engine, (Vcpu *)g, SOFT_MAX_VCPUS, 0, NULL, NULL));
    for (unsigned id = 1; id < SOFT_MAX_VCPUS; id++)
        engine_soft.vcpu_destroy(g->engine->cpus[id]);
}
