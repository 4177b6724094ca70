/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpuid_rules.c - the two languages of cpuid=. */
#include <criterion/criterion.h>
#include "lib/cpuid_rules.h"

static GArray *rules;
static char *why;
static unsigned at;

static void setup(void)
{
    rules = g_array_new(FALSE, FALSE, sizeof(CpuidRule));
}

static void teardown(void)
{
    g_array_unref(rules);
    g_free(why);
}

TestSuite(cpuid_rules, .init = setup, .fini = teardown);

static const CpuidRule *nth(unsigned n)
{
    cr_assert_lt(n, rules->len);
    return &g_array_index(rules, CpuidRule, n);
}

static void bad(const char *text, unsigned where, const char *says)
{
    cr_expect_not(cpuid_rules_parse(rules, text, &why, &at), "%s", text);
    cr_expect(why && strstr(why, says), "%s: %s", text, why);
    cr_expect_eq(at, where, "%s: at %u", text, at);
    g_clear_pointer(&why, g_free);
}

Test(cpuid_rules, xends_bits_are_counted_from_31_down)
{
    cr_assert(cpuid_rules_parse(rules, "0x80000001,2:edx=1xxxxxxxxxxxxxxxxxxxxxxxxxxxks0x, "
                                "EAX=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1", &why, &at));
    cr_expect_eq(rules->len, 2);
    cr_expect(nth(0)->leaf == 0x80000001 && nth(0)->subleaf == 2 && nth(0)->reg == CPUID_EDX);
    cr_expect(nth(0)->one == 0x80000000 && nth(0)->host == 0xc && nth(0)->zero == 2);
    cr_expect(nth(1)->reg == CPUID_EAX && nth(1)->one == 1);
}

Test(cpuid_rules, text_of_a_rule_gives_the_rule_again)
{
    char *text;

    cr_assert(cpuid_rules_parse(rules, "7,0:ebx=01xxxxxxxxxxxxxxxxxxxxxxxxxxxxkx", &why, &at));
    text = cpuid_rule_text(nth(0));
    cr_expect_str_eq(text, "0x7,0:ebx=01xxxxxxxxxxxxxxxxxxxxxxxxxxxxkx");
    g_free(text);
}

Test(cpuid_rules, libxls_names_and_numbers)
{
    cr_assert(cpuid_rules_parse(rules, "host,tm=0,sse3=k, family=31,model=0x17,maxleaf=13", &why,
                                &at), "%s", why);
    cr_expect(nth(0)->leaf == 1 && nth(0)->reg == CPUID_EDX && nth(0)->zero == 1u << 29);
    cr_expect(nth(1)->reg == CPUID_ECX && nth(1)->host == 1);
    cr_expect_eq(nth(2)->one, 0xf00 | 16u << 20 | 7u << 4 | 1u << 16);
    cr_expect_eq(nth(2)->one | nth(2)->zero, 0x0fff0ff0);
    cr_expect(nth(3)->leaf == 0 && nth(3)->one == 13 && nth(3)->zero == ~13u);
}

Test(cpuid_rules, the_later_of_two_counts)
{
    cr_assert(cpuid_rules_parse(rules, "host,avx=0,avx=1", &why, &at));
    cr_assert(cpuid_rules_parse(rules, "host,avx=x,fma=0", &why, &at));
    cr_expect_eq(rules->len, 1);
    cr_expect(nth(0)->one == 0 && nth(0)->zero == 1u << 12);
}

Test(cpuid_rules, mistakes_are_told_with_their_places)
{
    bad("", 0, "host");
    bad("tm=0", 0, "host");
    bad("host,tm", 5, "no value");
    bad("host,sse9=1", 5, "no feature");
    bad("host,avx=2", 9, "0 to 1");
    bad("host,avx=0,family=300", 18, "0 to 270");
    bad("1", 1, "':'");
    bad("1:efx=0", 2, "eax=");
    bad("1:eax=01", 8, "2 bits");
    bad("1:eax=0123", 8, "'2'");
    bad("1:eax=000000000000000000000000000000000", 38, "too many");
    bad("1,:eax=", 2, "subleaf");
    bad("99999999999:eax=", 0, "leaf");
}

Test(cpuid_rules, there_is_an_end_to_them)
{
    bool ok = true;

    for (unsigned n = 0; ok && n < 1000; n++) {
        char *text = g_strdup_printf("%u:eax=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0", n);
        ok = cpuid_rules_parse(rules, text, &why, &at);
        g_free(text);
    }
    cr_expect_not(ok);
    cr_expect_eq(rules->len, CPUID_RULES_MAX);
}
