/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid_rules.c - reads the values of cpuid= and cpuid_check=.  The names of libxl's language are
 * those of man xl.cfg, the bits behind them those of the Intel SDM vol. 2 (CPUID) and AMD's APM
 * vol. 3 appendix E.
 */
#include "lib/cpuid_rules.h"

#include <string.h>

typedef struct Name {
    const char *name;
    uint32_t leaf, subleaf;
    uint8_t reg, bit, width;    /* width 1: a feature, else a number */
} Name;

#define ANY CPUID_ANY_SUBLEAF
#define EXT 0x80000001u

static const Name names[] = {
    /* numbers */
    { "maxleaf", 0, ANY, CPUID_EAX, 0, 32 }, { "stepping", 1, ANY, CPUID_EAX, 0, 4 },
    { "model", 1, ANY, CPUID_EAX, 4, 8 }, { "family", 1, ANY, CPUID_EAX, 8, 9 },
    { "brandid", 1, ANY, CPUID_EBX, 0, 8 }, { "clflush", 1, ANY, CPUID_EBX, 8, 8 },
    { "proccount", 1, ANY, CPUID_EBX, 16, 8 }, { "localapicid", 1, ANY, CPUID_EBX, 24, 8 },
    { "procpkg", 4, 0, CPUID_EAX, 26, 6 }, { "maxhvleaf", 0x40000000, ANY, CPUID_EAX, 0, 8 },
    { "nc", 0x80000008, ANY, CPUID_ECX, 0, 8 },
    { "apicidsize", 0x80000008, ANY, CPUID_ECX, 12, 4 },
    /* leaf 1 ecx */
    { "sse3", 1, ANY, CPUID_ECX, 0, 1 }, { "pclmulqdq", 1, ANY, CPUID_ECX, 1, 1 },
    { "dtes64", 1, ANY, CPUID_ECX, 2, 1 }, { "monitor", 1, ANY, CPUID_ECX, 3, 1 },
    { "dscpl", 1, ANY, CPUID_ECX, 4, 1 }, { "vmx", 1, ANY, CPUID_ECX, 5, 1 },
    { "smx", 1, ANY, CPUID_ECX, 6, 1 }, { "est", 1, ANY, CPUID_ECX, 7, 1 },
    { "tm2", 1, ANY, CPUID_ECX, 8, 1 }, { "ssse3", 1, ANY, CPUID_ECX, 9, 1 },
    { "cntxid", 1, ANY, CPUID_ECX, 10, 1 }, { "fma", 1, ANY, CPUID_ECX, 12, 1 },
    { "cmpxchg16", 1, ANY, CPUID_ECX, 13, 1 }, { "xtpr", 1, ANY, CPUID_ECX, 14, 1 },
    { "pdcm", 1, ANY, CPUID_ECX, 15, 1 }, { "pcid", 1, ANY, CPUID_ECX, 17, 1 },
    { "dca", 1, ANY, CPUID_ECX, 18, 1 }, { "sse4.1", 1, ANY, CPUID_ECX, 19, 1 },
    { "sse4_1", 1, ANY, CPUID_ECX, 19, 1 }, { "sse4.2", 1, ANY, CPUID_ECX, 20, 1 },
    { "sse4_2", 1, ANY, CPUID_ECX, 20, 1 }, { "x2apic", 1, ANY, CPUID_ECX, 21, 1 },
    { "movbe", 1, ANY, CPUID_ECX, 22, 1 }, { "popcnt", 1, ANY, CPUID_ECX, 23, 1 },
    { "tsc-deadline", 1, ANY, CPUID_ECX, 24, 1 }, { "aes", 1, ANY, CPUID_ECX, 25, 1 },
    { "xsave", 1, ANY, CPUID_ECX, 26, 1 }, { "osxsave", 1, ANY, CPUID_ECX, 27, 1 },
    { "avx", 1, ANY, CPUID_ECX, 28, 1 }, { "f16c", 1, ANY, CPUID_ECX, 29, 1 },
    { "rdrand", 1, ANY, CPUID_ECX, 30, 1 }, { "hypervisor", 1, ANY, CPUID_ECX, 31, 1 },
    /* leaf 1 edx */
    { "fpu", 1, ANY, CPUID_EDX, 0, 1 }, { "vme", 1, ANY, CPUID_EDX, 1, 1 },
    { "de", 1, ANY, CPUID_EDX, 2, 1 }, { "pse", 1, ANY, CPUID_EDX, 3, 1 },
    { "tsc", 1, ANY, CPUID_EDX, 4, 1 }, { "msr", 1, ANY, CPUID_EDX, 5, 1 },
    { "pae", 1, ANY, CPUID_EDX, 6, 1 }, { "mce", 1, ANY, CPUID_EDX, 7, 1 },
    { "cmpxchg8", 1, ANY, CPUID_EDX, 8, 1 }, { "apic", 1, ANY, CPUID_EDX, 9, 1 },
    { "sysenter", 1, ANY, CPUID_EDX, 11, 1 }, { "mtrr", 1, ANY, CPUID_EDX, 12, 1 },
    { "pge", 1, ANY, CPUID_EDX, 13, 1 }, { "mca", 1, ANY, CPUID_EDX, 14, 1 },
    { "cmov", 1, ANY, CPUID_EDX, 15, 1 }, { "pat", 1, ANY, CPUID_EDX, 16, 1 },
    { "pse36", 1, ANY, CPUID_EDX, 17, 1 }, { "psn", 1, ANY, CPUID_EDX, 18, 1 },
    { "clfsh", 1, ANY, CPUID_EDX, 19, 1 }, { "ds", 1, ANY, CPUID_EDX, 21, 1 },
    { "acpi", 1, ANY, CPUID_EDX, 22, 1 }, { "mmx", 1, ANY, CPUID_EDX, 23, 1 },
    { "fxsr", 1, ANY, CPUID_EDX, 24, 1 }, { "sse", 1, ANY, CPUID_EDX, 25, 1 },
    { "sse2", 1, ANY, CPUID_EDX, 26, 1 }, { "ss", 1, ANY, CPUID_EDX, 27, 1 },
    { "htt", 1, ANY, CPUID_EDX, 28, 1 }, { "tm", 1, ANY, CPUID_EDX, 29, 1 },
    { "ia64", 1, ANY, CPUID_EDX, 30, 1 }, { "pbe", 1, ANY, CPUID_EDX, 31, 1 },
    /* leaf 6 eax, leaf 7 */
    { "arat", 6, ANY, CPUID_EAX, 2, 1 }, { "fsgsbase", 7, 0, CPUID_EBX, 0, 1 },
    { "tsc_adjust", 7, 0, CPUID_EBX, 1, 1 }, { "tsc-adjust", 7, 0, CPUID_EBX, 1, 1 },
    { "bmi1", 7, 0, CPUID_EBX, 3, 1 }, { "hle", 7, 0, CPUID_EBX, 4, 1 },
    { "avx2", 7, 0, CPUID_EBX, 5, 1 }, { "smep", 7, 0, CPUID_EBX, 7, 1 },
    { "bmi2", 7, 0, CPUID_EBX, 8, 1 }, { "erms", 7, 0, CPUID_EBX, 9, 1 },
    { "invpcid", 7, 0, CPUID_EBX, 10, 1 }, { "rtm", 7, 0, CPUID_EBX, 11, 1 },
    { "cmt", 7, 0, CPUID_EBX, 12, 1 }, { "mpx", 7, 0, CPUID_EBX, 14, 1 },
    { "cat", 7, 0, CPUID_EBX, 15, 1 }, { "avx512f", 7, 0, CPUID_EBX, 16, 1 },
    { "avx512dq", 7, 0, CPUID_EBX, 17, 1 }, { "rdseed", 7, 0, CPUID_EBX, 18, 1 },
    { "adx", 7, 0, CPUID_EBX, 19, 1 }, { "smap", 7, 0, CPUID_EBX, 20, 1 },
    { "avx512ifma", 7, 0, CPUID_EBX, 21, 1 }, { "avx512-ifma", 7, 0, CPUID_EBX, 21, 1 },
    { "clflushopt", 7, 0, CPUID_EBX, 23, 1 }, { "clwb", 7, 0, CPUID_EBX, 24, 1 },
    { "proc-trace", 7, 0, CPUID_EBX, 25, 1 }, { "avx512pf", 7, 0, CPUID_EBX, 26, 1 },
    { "avx512er", 7, 0, CPUID_EBX, 27, 1 }, { "avx512cd", 7, 0, CPUID_EBX, 28, 1 },
    { "sha", 7, 0, CPUID_EBX, 29, 1 }, { "avx512bw", 7, 0, CPUID_EBX, 30, 1 },
    { "avx512vl", 7, 0, CPUID_EBX, 31, 1 }, { "prefetchwt1", 7, 0, CPUID_ECX, 0, 1 },
    { "avx512-vbmi", 7, 0, CPUID_ECX, 1, 1 }, { "umip", 7, 0, CPUID_ECX, 2, 1 },
    { "pku", 7, 0, CPUID_ECX, 3, 1 }, { "ospke", 7, 0, CPUID_ECX, 4, 1 },
    { "avx512-vbmi2", 7, 0, CPUID_ECX, 6, 1 }, { "cet-ss", 7, 0, CPUID_ECX, 7, 1 },
    { "gfni", 7, 0, CPUID_ECX, 8, 1 }, { "vaes", 7, 0, CPUID_ECX, 9, 1 },
    { "vpclmulqdq", 7, 0, CPUID_ECX, 10, 1 }, { "avx512-vnni", 7, 0, CPUID_ECX, 11, 1 },
    { "avx512-bitalg", 7, 0, CPUID_ECX, 12, 1 },
    { "avx512-vpopcntdq", 7, 0, CPUID_ECX, 14, 1 }, { "rdpid", 7, 0, CPUID_ECX, 22, 1 },
    { "cldemote", 7, 0, CPUID_ECX, 25, 1 }, { "movdiri", 7, 0, CPUID_ECX, 27, 1 },
    { "movdir64b", 7, 0, CPUID_ECX, 28, 1 }, { "avx512-4vnniw", 7, 0, CPUID_EDX, 2, 1 },
    { "avx512-4fmaps", 7, 0, CPUID_EDX, 3, 1 }, { "md-clear", 7, 0, CPUID_EDX, 10, 1 },
    { "cet-ibt", 7, 0, CPUID_EDX, 20, 1 }, { "ibrsb", 7, 0, CPUID_EDX, 26, 1 },
    { "stibp", 7, 0, CPUID_EDX, 27, 1 }, { "l1d-flush", 7, 0, CPUID_EDX, 28, 1 },
    { "arch-caps", 7, 0, CPUID_EDX, 29, 1 }, { "core-caps", 7, 0, CPUID_EDX, 30, 1 },
    { "ssbd", 7, 0, CPUID_EDX, 31, 1 },
    /* leaf 0xd */
    { "xsaveopt", 0xd, 1, CPUID_EAX, 0, 1 }, { "xsavec", 0xd, 1, CPUID_EAX, 1, 1 },
    { "xgetbv1", 0xd, 1, CPUID_EAX, 2, 1 }, { "xsaves", 0xd, 1, CPUID_EAX, 3, 1 },
    /* 0x80000001 */
    { "lahfsahf", EXT, ANY, CPUID_ECX, 0, 1 }, { "cmplegacy", EXT, ANY, CPUID_ECX, 1, 1 },
    { "svm", EXT, ANY, CPUID_ECX, 2, 1 }, { "extapic", EXT, ANY, CPUID_ECX, 3, 1 },
    { "altmovcr8", EXT, ANY, CPUID_ECX, 4, 1 }, { "cr8_legacy", EXT, ANY, CPUID_ECX, 4, 1 },
    { "abm", EXT, ANY, CPUID_ECX, 5, 1 }, { "lzcnt", EXT, ANY, CPUID_ECX, 5, 1 },
    { "sse4a", EXT, ANY, CPUID_ECX, 6, 1 }, { "misalignsse", EXT, ANY, CPUID_ECX, 7, 1 },
    { "3dnowprefetch", EXT, ANY, CPUID_ECX, 8, 1 }, { "osvw", EXT, ANY, CPUID_ECX, 9, 1 },
    { "ibs", EXT, ANY, CPUID_ECX, 10, 1 }, { "xop", EXT, ANY, CPUID_ECX, 11, 1 },
    { "skinit", EXT, ANY, CPUID_ECX, 12, 1 }, { "wdt", EXT, ANY, CPUID_ECX, 13, 1 },
    { "lwp", EXT, ANY, CPUID_ECX, 15, 1 }, { "fma4", EXT, ANY, CPUID_ECX, 16, 1 },
    { "nodeid", EXT, ANY, CPUID_ECX, 19, 1 }, { "tbm", EXT, ANY, CPUID_ECX, 21, 1 },
    { "topoext", EXT, ANY, CPUID_ECX, 22, 1 }, { "perfctr_core", EXT, ANY, CPUID_ECX, 23, 1 },
    { "perfctr_nb", EXT, ANY, CPUID_ECX, 24, 1 }, { "syscall", EXT, ANY, CPUID_EDX, 11, 1 },
    { "nx", EXT, ANY, CPUID_EDX, 20, 1 }, { "mmxext", EXT, ANY, CPUID_EDX, 22, 1 },
    { "ffxsr", EXT, ANY, CPUID_EDX, 25, 1 }, { "page1gb", EXT, ANY, CPUID_EDX, 26, 1 },
    { "rdtscp", EXT, ANY, CPUID_EDX, 27, 1 }, { "lm", EXT, ANY, CPUID_EDX, 29, 1 },
    { "3dnowext", EXT, ANY, CPUID_EDX, 30, 1 }, { "3dnow", EXT, ANY, CPUID_EDX, 31, 1 },
    { "invtsc", 0x80000007, ANY, CPUID_EDX, 8, 1 }, { "itsc", 0x80000007, ANY, CPUID_EDX, 8, 1 },
};

static bool fail(char **why, unsigned *at, unsigned offset, char *text)
{
    *why = text;
    *at = offset;
    return false;
}

/* The rule of this register, a new one if need be; NULL when there are too many. */
static CpuidRule *rule_for(GArray *rules, uint32_t leaf, uint32_t subleaf, uint8_t reg)
{
    CpuidRule fresh = { .leaf = leaf, .subleaf = subleaf, .reg = reg };

    for (unsigned i = 0; i < rules->len; i++) {
        CpuidRule *r = &g_array_index(rules, CpuidRule, i);

        if (r->leaf == leaf && r->subleaf == subleaf && r->reg == reg) {
            return r;
        }
    }
    if (rules->len == CPUID_RULES_MAX) {
        return NULL;
    }
    g_array_append_val(rules, fresh);
    return &g_array_index(rules, CpuidRule, rules->len - 1);
}

/* The later of two rules for a bit counts. */
static bool set_bit(CpuidRule *r, unsigned bit, char c)
{
    uint32_t mask = 1u << bit;

    r->zero &= ~mask;
    r->one &= ~mask;
    r->host &= ~mask;
    switch (c) {
    case '0': r->zero |= mask; return true;
    case '1': r->one |= mask; return true;
    case 'k': case 's': r->host |= mask; return true;
    case 'x': return true;
    default: return false;
    }
}

/* --- xend's: LEAF[,SUBLEAF]:REG=BITS[,REG=BITS...] --- */

static bool number(const char **p, uint32_t *v)
{
    char *end;
    guint64 n;

    if (!g_ascii_isdigit(**p)) {
        return false;
    }
    n = g_ascii_strtoull(*p, &end, 0);
    if (n > UINT32_MAX) {
        return false;
    }
    *v = (uint32_t)n;
    *p = end;
    return true;
}

static const char *blanks(const char *p)
{
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    return p;
}

static bool parse_bits(CpuidRule *r, const char **p, const char *text, char **why, unsigned *at)
{
    for (unsigned n = 0; n < 32; n++, (*p)++) {
        if (!**p || **p == ',' || !set_bit(r, 31 - n, (char)g_ascii_tolower(**p))) {
            return fail(why, at, *p - text, **p && **p != ','
                        ? g_strdup_printf("'%c' is none of 0, 1, x, k and s", **p)
                        : g_strdup_printf("%u bits are too few; a register has 32", n));
        }
    }
    if (**p && **p != ',' && **p != ' ') {
        return fail(why, at, *p - text, g_strdup("too many bits; a register has 32"));
    }
    return true;
}

bool cpuid_rules_parse_xend(GArray *rules, const char *text, char **why, unsigned *at)
{
    static const char *const regs[] = { "eax", "ebx", "ecx", "edx" };
    uint32_t leaf, subleaf = CPUID_ANY_SUBLEAF;
    const char *p = blanks(text);

    if (!number(&p, &leaf)) {
        return fail(why, at, p - text, g_strdup("a leaf, a number, comes first"));
    }
    if (*p == ',') {
        p = blanks(p + 1);
        if (!number(&p, &subleaf)) {
            return fail(why, at, p - text, g_strdup("a subleaf, a number, follows the comma"));
        }
    }
    if (*p != ':') {
        return fail(why, at, p - text, g_strdup("':' follows the leaf"));
    }
    do {
        unsigned reg = 0;
        CpuidRule *r;

        p = blanks(p + 1);
        while (reg < 4 && g_ascii_strncasecmp(p, regs[reg], 3)) {
            reg++;
        }
        if (reg == 4 || p[3] != '=') {
            return fail(why, at, p - text, g_strdup("eax=, ebx=, ecx= or edx= is expected"));
        }
        p += 4;
        r = rule_for(rules, leaf, subleaf, reg);
        if (!r) {
            return fail(why, at, 0, g_strdup_printf("more than %d registers", CPUID_RULES_MAX));
        }
        if (!parse_bits(r, &p, text, why, at)) {
            return false;
        }
        p = blanks(p);
    } while (*p == ',');
    return !*p || fail(why, at, p - text, g_strdup_printf("'%c' is one too many", *p));
}

/* --- libxl's: host,NAME=VALUE,... --- */

static const Name *find_name(const char *text, size_t len)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strlen(names[i].name) == len && !g_ascii_strncasecmp(names[i].name, text, len)) {
            return &names[i];
        }
    }
    return NULL;
}

static void set_field(CpuidRule *r, unsigned bit, unsigned width, uint32_t v)
{
    for (unsigned n = 0; n < width; n++) {
        set_bit(r, bit + n, v >> n & 1 ? '1' : '0');
    }
}

/* Family and model have two fields each (SDM vol. 2, CPUID leaf 1 EAX). */
static void set_number(CpuidRule *r, const Name *n, uint32_t v)
{
    if (!strcmp(n->name, "family")) {
        set_field(r, 8, 4, MIN(v, 15));
        set_field(r, 20, 8, v > 15 ? v - 15 : 0);
    } else if (!strcmp(n->name, "model")) {
        set_field(r, 4, 4, v & 15);
        set_field(r, 16, 4, v >> 4);
    } else {
        set_field(r, n->bit, n->width, v);
    }
}

static bool parse_setting(GArray *rules, const char *item, size_t len, char **why, unsigned *wrong)
{
    const char *eq = memchr(item, '=', len), *value = eq ? eq + 1 : NULL, *end = item + len;
    const Name *n = eq ? find_name(item, eq - item) : NULL;
    uint32_t v, most;
    CpuidRule *r;

    if (!eq) {
        return fail(why, wrong, 0, g_strdup_printf("'%.*s' has no value; write NAME=0 or NAME=1",
                                                   (int)len, item));
    }
    if (!n) {
        return fail(why, wrong, 0, g_strdup_printf("'%.*s' is no feature that is known",
                                                   (int)(eq - item), item));
    }
    r = rule_for(rules, n->leaf, n->subleaf, n->reg);
    if (!r) {
        return fail(why, wrong, 0, g_strdup_printf("more than %d registers", CPUID_RULES_MAX));
    }
    if (end - value == 1 && strchr("xks", *value)) {
        for (unsigned b = 0; b < n->width && n->bit + b < 32; b++) {
            set_bit(r, n->bit + b, *value);
        }
        return true;
    }
    most = n->width == 1 ? 1 : !strcmp(n->name, "family") ? 270
           : n->width == 32 ? UINT32_MAX : (1u << n->width) - 1;
    if (!number(&value, &v) || value != end || v > most) {
        return fail(why, wrong, eq + 1 - item,
                    g_strdup_printf("%.*s must be a number from 0 to %u, or x, k or s",
                                    (int)(eq - item), item, most));
    }
    set_number(r, n, v);
    return true;
}

bool cpuid_rules_parse_libxl(GArray *rules, const char *text, char **why, unsigned *at)
{
    const char *p = blanks(text);

    if (strcspn(p, ",") != 4 || g_ascii_strncasecmp(p, "host", 4)) {
        return fail(why, at, p - text, g_strdup("\"host\" comes first"));
    }
    p += 4;
    while (*p == ',') {
        unsigned wrong = 0;
        size_t len;

        p = blanks(p + 1);
        len = strcspn(p, ", ");
        if (!parse_setting(rules, p, len, why, &wrong)) {
            *at = (unsigned)(p - text) + wrong;
            return false;
        }
        p = blanks(p + len);
    }
    return !*p || fail(why, at, p - text, g_strdup_printf("'%c' is one too many", *p));
}

bool cpuid_rules_parse(GArray *rules, const char *text, char **why, unsigned *at)
{
    return g_ascii_isdigit(*blanks(text)) ? cpuid_rules_parse_xend(rules, text, why, at)
                                          : cpuid_rules_parse_libxl(rules, text, why, at);
}

char *cpuid_rule_text(const CpuidRule *rule)
{
    GString *s = g_string_new(NULL);

    g_string_append_printf(s, "0x%x", rule->leaf);
    if (rule->subleaf != CPUID_ANY_SUBLEAF) {
        g_string_append_printf(s, ",%u", rule->subleaf);
    }
    g_string_append_printf(s, ":e%cx=", "abcd"[rule->reg & 3]);
    for (unsigned n = 32; n-- > 0;) {
        g_string_append_c(s, rule->zero >> n & 1 ? '0' : rule->one >> n & 1 ? '1'
                             : rule->host >> n & 1 ? 'k' : 'x');
    }
    return g_string_free(s, FALSE);
}
