/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpuid_test.c - named processors, the config's rules for CPUID, topology, TSC modes. */
#include <cpuid.h>
#include "hypervisor/hvm/cpuid.h"
#include "tests/hvm/rig.h"

static Rig *r;
static uint32_t out[4];
static GArray *rules;

static const uint32_t *cpuid(unsigned vcpu, uint32_t leaf, uint32_t sub)
{
    platform_cpuid(r->p, vcpu, leaf, sub, 0, 1, out);
    return out;
}

static void start(PlatformConfig *c, const char *model)
{
    bool known;

    c->model = cpu_model_find(model, &known);
    cr_assert(known);
    if (rules) {
        c->rules = &g_array_index(rules, CpuidRule, 0);
        c->rule_count = rules->len;
    }
    r = rig_new_with(c);
}

static void rule(const char *text)
{
    char *why = NULL;
    unsigned at;

    if (!rules) {
        rules = g_array_new(FALSE, FALSE, sizeof(CpuidRule));
    }
    cr_assert(cpuid_rules_parse(rules, text, &why, &at), "%s", why);
}

static void teardown(void)
{
    if (r) {
        rig_free(r);
    }
    g_clear_pointer(&rules, g_array_unref);
    r = NULL;
}

TestSuite(cpuid, .fini = teardown);

static bool is_intel(void)
{
    return cpuid(0, 0, 0)[1] == 0x756e6547 && out[3] == 0x49656e69 && out[2] == 0x6c65746e;
}

Test(cpuid, a_486_has_an_fpu_and_nothing_else)
{
    PlatformConfig c = rig_config(1);

    start(&c, "486");
    cr_expect(is_intel());
    cr_expect_eq(cpuid(0, 0, 0)[0], 1);
    cr_expect_eq(cpuid(0, 1, 0)[0], 0x480);
    cr_expect_eq(out[3], 1);
    cr_expect_eq(out[2], 1u << 31, "only that a hypervisor is there");
    cr_expect_eq(cpuid(0, 7, 0)[1] | out[2] | out[3], 0);
    cr_expect_eq(cpuid(0, 0x80000000, 0)[0] | cpuid(0, 0x80000001, 0)[3], 0);
    cr_expect_eq(cpuid(0, 0xd, 0)[0], 0);
    cr_expect_eq(memcmp(cpuid(0, 0x40000000, 0) + 1, "XenVMMXenVMM", 12), 0);
}

Test(cpuid, a_pentium_iii_has_sse_and_36_bits_but_no_sse2)
{
    PlatformConfig c = rig_config(2);

    start(&c, "pentium3");
    cr_expect_eq(cpuid(1, 1, 0)[0], 0x68a);
    cr_expect(out[3] & 1u << 25 && out[3] & 1u << 6 && out[3] & 1u << 9);
    cr_expect_not(out[3] & 1u << 26);
    cr_expect_eq(out[2] & ~(1u << 31), 0);
    cr_expect_eq(cpuid(0, 2, 0)[3], 0x0c040882);
    cr_expect_eq(cpuid(0, 0x80000000, 0)[0], 0);
}

Test(cpuid, a_core_2_has_long_mode_and_two_levels_of_cache)
{
    PlatformConfig c = rig_config(1);

    start(&c, "core2");
    cr_expect_eq(cpuid(0, 0, 0)[0], 10);
    cr_expect_eq(cpuid(0, 0x80000001, 0)[3], 1u << 11 | 1u << 20 | 1u << 29);
    cr_expect_eq(cpuid(0, 4, 2)[0] & 0xff, 0x43);
    cr_expect_eq(out[2], 4095);
    cr_expect_eq(cpuid(0, 4, 3)[0], 0);
    cr_expect_eq(memcmp(cpuid(0, 0x80000002, 0), "Intel(R) Core(TM", 16), 0);
    cr_expect_eq(cpuid(0, 0x80000008, 0)[0] & 0xff, 36);
    cr_expect_eq(cpuid(0, 0xb, 0)[2], 0);
}

/* With AVX on the host, and on an Intel, the signature is one without. */
Test(cpuid, the_levels_keep_the_hosts_name_and_differ_in_features)
{
    static const struct { const char *name; bool sse42, avx2; uint32_t lesser; } LEVELS[] = {
        { "x86-64-v1", false, false, 0x6fb }, { "x86-64-v2", true, false, 0x206c2 },
        { "x86-64-v3", true, true, 0x506e3 },
    };
    uint32_t a, b, d, e, lesser;

    __cpuid(1, a, b, d, e);
    for (unsigned n = 0; n < G_N_ELEMENTS(LEVELS); n++) {
        PlatformConfig c = rig_config(1);
        start(&c, LEVELS[n].name);
        lesser = is_intel() ? LEVELS[n].lesser : 0xa20f10;
        cr_expect(cpuid(0, 1, 0)[0] == a || out[0] == lesser);
        cr_expect_eq(!!(cpuid(0, 1, 0)[2] & 1u << 20), LEVELS[n].sse42);
        cr_expect_eq(!!(cpuid(0, 7, 0)[1] & 1u << 5), LEVELS[n].avx2);
        cr_expect_eq(cpuid(0, 0xd, 0)[0], LEVELS[n].avx2 ? 7 : 0);
        cr_expect(cpuid(0, 0x80000001, 0)[3] & 1u << 29);
        rig_free(r);
        r = NULL;
    }
}

Test(cpuid, without_pae_there_is_no_long_mode_either)
{
    PlatformConfig c = rig_config(1);

    c.no_pae = true;
    start(&c, "host");
    cr_expect_not(cpuid(0, 1, 0)[3] & 1u << 6);
    cr_expect_not(cpuid(0, 0x80000001, 0)[3] & (1u << 29 | 1u << 20 | 1u << 6));
}

Test(cpuid, rules_clear_set_and_take_from_the_host)
{
    PlatformConfig c = rig_config(1);
    uint32_t a, b, d, e;

    rule("1:ecx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0");
    rule("host,family=6,model=26,stepping=5,avx2=0");
    rule("0:ebx=01110101011011100110010101000111,edx=01001001011001010110111001101001");
    rule("0x80000006:ecx=kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
    start(&c, "host");
    cr_expect_not(cpuid(0, 1, 0)[2] & 1);
    cr_expect_eq(out[0], 0x106a5);
    cr_expect_not(cpuid(0, 7, 0)[1] & 1u << 5);
    cr_expect_eq(memcmp(cpuid(0, 0, 0) + 1, "Genu", 4), 0);
    __cpuid(0x80000006, a, b, d, e);
    cr_expect_eq(cpuid(0, 0x80000006, 0)[2], d);
}

Test(cpuid, rules_bring_features_back_to_a_model_but_none_that_are_not_there)
{
    PlatformConfig c = rig_config(1);
    char *refused;

    c.caps.leaf1_ecx = 1u << 9;
    rule("host,ssse3=1,avx=1,mmx=1");
    start(&c, "486");
    cr_expect_eq(cpuid(0, 1, 0)[2] & ~(1u << 31), 1u << 9);
    cr_expect_eq(out[3], 1 | 1u << 23);
    refused = platform_cpuid_refused(r->p);
    cr_expect_str_eq(refused, "0x1 ecx bit 28");
    g_free(refused);
}

/* So that a guest's kernel needn't guard itself against what this engine hasn't got; old models knew nothing of it. */
Test(cpuid, what_the_engine_is_not_vulnerable_to_is_shown_and_read)
{
    enum { NOT_VULNERABLE = ARCH_RDCL_NO | ARCH_MDS_NO, SHOWN = 1 << 29 };
    static const struct { const char *model; bool offered, shown; } CASES[] = {
        { "host", true, true }, { "x86-64-v2", true, true }, { "core2", true, false }, { "host", false, false },
    };

    for (unsigned n = 0; n < G_N_ELEMENTS(CASES); n++) {
        PlatformConfig c = rig_config(1);
        uint64_t v = 0;

        c.caps.arch_capabilities = CASES[n].offered ? NOT_VULNERABLE : 0;
        start(&c, CASES[n].model);
        cr_expect_eq(!!(cpuid(0, 7, 0)[3] & SHOWN), CASES[n].shown, "case %u", n);
        cr_expect_eq(platform_msr_read(r->p, 0, 0x10a, &v), CASES[n].shown, "case %u", n);
        cr_expect_eq(v, CASES[n].shown ? NOT_VULNERABLE : 0, "case %u", n);
        cr_expect_not(platform_msr_write(r->p, 0, 0x10a, 0));
    }
}

Test(cpuid, what_a_rule_hides_cannot_be_read_either)
{
    PlatformConfig c = rig_config(1);
    uint64_t v;

    c.caps.arch_capabilities = ARCH_RDCL_NO;
    rule("7:edx=xx0xxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    start(&c, "host");
    cr_expect_not(cpuid(0, 7, 0)[3] & 1u << 29);
    cr_expect_not(platform_msr_read(r->p, 0, 0x10a, &v));
}

Test(cpuid, features_that_need_state_or_registers_that_are_not_here_are_hidden)
{
    PlatformConfig c = rig_config(1);

    c.caps.leaf7_ecx = c.caps.leaf7_edx = ~0u;
    start(&c, "host");
    cr_expect_eq(cpuid(0, 7, 0)[2] & (1u << 7 | 1u << 23), 0, "shadow stacks, keys");
    cr_expect_eq(out[3] & (1u << 20 | 1u << 22 | 3u << 24), 0, "indirect branches, AMX");
    cr_expect_eq(out[3] & (1u << 9 | 1u << 11 | 1u << 13), 0, "what others' registers are for");
}

Test(cpuid, the_counters_frequency_is_told_in_numbers_of_32_bits)
{
    static const uint32_t KHZ[] = { 1000, 999999, 1999999, 2095078, 2419201, 2599998, 2600000, 3693060, 5999970 };
    uint32_t n = 0, d = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(KHZ); i++) {
        cpuid_tsc_ratio(KHZ[i], &n, &d);
        cr_expect_gt(n, 0);
        cr_expect_leq(100000ull * n, UINT32_MAX, "as Linux multiplies, %u kHz", KHZ[i]);
        cr_expect_float_eq(100000.0 * n / d / KHZ[i], 1, 12e-6, "%u kHz: %u / %u", KHZ[i], n, d);
    }
    cpuid_tsc_ratio(2600000, &n, &d);
    cr_expect(n == 26 && d == 1);
}

/* Of the vector extensions that compilers choose by family and model. */
Test(cpuid, the_processors_model_is_none_with_what_is_hidden)
{
    unsigned a, b, c, d, host_7b, host_sign, hidden;
    PlatformConfig config = rig_config(1);

    __cpuid_count(7, 0, a, host_7b, c, d);
    __cpuid_count(7, 1, hidden, b, c, d);
    hidden &= host_7b & 1u << 16 ? 0 : 1u << 4;         /* AVX-VNNI */
    __cpuid(1, host_sign, b, c, d);
    if (!(host_7b & 1u << 5)) {
        cr_skip("this host has no AVX2");
    }
    config.caps.leaf7_ebx = host_7b;
    start(&config, "host");
    cr_expect(hidden || cpuid(0, 1, 0)[0] == host_sign);
    if (host_7b & 1u << 16) {
        config.caps.leaf7_ebx = host_7b & ~(1u << 16);
        start(&config, "host");
        cr_expect_eq(cpuid(0, 1, 0)[0], is_intel() ? 0x506e3 : 0xa20f10, "%x", out[0]);
        cr_expect(is_intel() || cpuid(0, 0x80000001, 0)[0] == 0xa20f10);
        config.caps.leaf7_ebx = host_7b;
        rule("7:ebx=xxxxxxxxxxxxxxx0xxxxxxxxxxxxxxxx");
        start(&config, "host");
        cr_expect_neq(cpuid(0, 1, 0)[0], host_sign, "hidden by a rule");
    }
    if (is_intel()) {
        config.caps.leaf7_ebx = 0;
        config.caps.leaf1_ecx |= 1u << 20;
        start(&config, "host");
        cr_expect_eq(cpuid(0, 1, 0)[0], 0x206c2);
        config.caps.leaf1_ecx &= ~(1u << 20);
        start(&config, "host");
        cr_expect_eq(cpuid(0, 1, 0)[0], 0x6fb);
    }
}

/* What KVM answers for leaves above the last one, because Intel's processors do, is the last one's answer. */
Test(cpuid, last_leaf_of_intels_says_nothing)
{
    PlatformConfig c = rig_config(2);
    uint32_t last;

    start(&c, "host");
    if (!is_intel()) {
        cr_skip("not an Intel here");
    }
    last = cpuid(0, 0, 0)[0];
    cr_expect_eq(last, 0x17);
    for (unsigned sub = 0; sub < 4; sub++) {
        cpuid(0, last, sub);
        cr_expect_eq(out[0] | out[1] | out[2] | out[3], 0);
    }
    cr_expect_eq(cpuid(0, 0x15, 0)[2], 100000000);
    cr_expect_eq(cpuid(0, 0x16, 0)[0], (RIG_TSC_KHZ + 500) / 1000);
    cr_expect_eq(cpuid(0, 0x80000001, 0)[3] & 0x0183f3ff, 0, "only AMD's repeat leaf 1");
}

Test(cpuid, topology_is_one_thread_to_a_core)
{
    PlatformConfig c = rig_config(2);

    start(&c, "host");
    cr_expect_eq(cpuid(1, 0xb, 0)[1], 1, "threads");
    cr_expect_eq(cpuid(1, 0xb, 1)[1], 2, "cores");
    cr_expect_eq(out[3], 2, "id");
    if (is_intel()) {
        cr_expect_eq((cpuid(0, 1, 0)[1] >> 16 & 0xff) / ((cpuid(0, 4, 0)[0] >> 26) + 1), 1);
    } else {
        cr_expect_eq(cpuid(0, 1, 0)[1] >> 16 & 0xff, 2);
        cr_expect_eq(cpuid(0, 0x80000008, 0)[2] & 0xff, 1);
        cr_expect_geq(1u << (out[2] >> 12 & 15), 3);
        if (cpuid(0, 0x80000000, 0)[0] >= 0x8000001e) {
            cr_expect(cpuid(0, 0x80000001, 0)[2] & 1u << 22);
            cr_expect_eq(cpuid(1, 0x8000001e, 0)[0], 2);
            cr_expect_eq(out[1], 1, "core 1, one thread");
        }
    }
}

Test(cpuid, xens_time_leaf_tells_mode_flags_and_incarnation)
{
    PlatformConfig c = rig_config(1);

    c.tsc_mode = 3;
    c.tsc_emulated = true;
    c.tsc_safe = false;
    c.incarnation = 2;
    start(&c, "host");
    cr_expect_eq(cpuid(0, 0x40000003, 0)[0] & 3, 1);
    cr_expect_eq(out[1], 3);
    cr_expect_eq(out[3], 2);
}

Test(cpuid, tsc_aux_is_the_guests_but_in_mode_3)
{
    PlatformConfig c = rig_config(1);

    start(&c, "host");
    cr_expect_not(platform_msr_write(r->p, 0, 0xc0000103, 5), "the engine's to do");
    rig_free(r);
    c.tsc_mode = 3;
    start(&c, "host");
    cr_expect(platform_msr_write(r->p, 0, 0xc0000103, 5), "forgotten");
}

/* Linux' getcpu() takes RDPID where there is one. */
Test(cpuid, rdpid_is_not_shown_where_it_does_not_tell_the_processor)
{
    PlatformConfig c = rig_config(1);

    c.caps.leaf7_ecx |= 1u << 22;
    start(&c, "host");
    cr_expect(cpuid(0, 7, 0)[2] & 1u << 22);
    rig_free(r);
    c.tsc_mode = 3;
    rule("7,0:ecx=xxxxxxxxx1xxxxxxxxxxxxxxxxxxxxxx");
    start(&c, "host");
    cr_expect_not(cpuid(0, 7, 0)[2] & 1u << 22);
}

Test(cpuid, a_model_without_x2apic_refuses_its_bit)
{
    PlatformConfig c = rig_config(1);

    start(&c, "pentium3");
    cr_expect_not(platform_msr_write(r->p, 0, 0x1b, PC_LAPIC_BASE | 0xd00));
    rig_free(r);
    start(&c, "host");
    cr_expect(platform_msr_write(r->p, 0, 0x1b, PC_LAPIC_BASE | 0xd00));
}
