/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parity_test.c - a guest can't tell by CPUID and MSRs which engine it runs under: the same little
 * programs in whole domains with cpu='soft' and cpu='kvm', and all that they have seen compared.  What
 * engines can do is theirs to say; so features that only one of them has are taken away beforehand, by
 * the config's own means.  What may differ, and why, is in the two tables.
 */
#include <criterion/criterion.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>
#include "hypervisor/kvm/kvm.h"
#include "tests/hypervisor/bare_domain.h"

enum { GDT = 0x1000, IDT = 0x2000, CODE = 0x10000, FAULT = 0x400, CPUID_PROGRAM = 0x600,
       VARS = 0x12000, TABLE = 0x13000, VALUES = 0x14000, RESULTS = 0x200000, STACK = 0x1f000,
       RESULTS_SIZE = 0x400000, SUBLEAVES = 12, GP = 13, XSAVE_1C = 1 << 26 };

typedef struct Range { uint32_t first, count; } Range;

typedef struct Exception {
    uint32_t first, last;
    const char *why;
} Exception;

/* Read once, then for each value: the fault of the write, and read again. */
typedef struct Read { uint32_t fault, eax, edx; } Read;

extern const uint8_t parity_code[], parity_code_end[];

/* What this KVM answers as it likes, whatever it is told. */
typedef struct Changed {
    uint32_t leaf[KVM_CHANGED_LEAVES];
    unsigned n;
} Changed;

static const Range msrs[] = {
    { 0, 0x2000 }, { 0x40000000, 0x200 }, { 0x4b564d00, 16 }, { 0xc0000000, 0x2000 },
    { 0xc0010000, 0x1200 }, { 0, 0 },
};

/*
 * No address that only one has, and no INIT in an APIC's ICR.  When neither reading nor the first three
 * does anything, the register is left: ENOUGH in parity_code.S.
 */
static const uint64_t values[] = {
    0, 1, UINT64_MAX, 0x901, 0x806, 0x0007040600070406, 0x8000000000000000, 0xfee00000,
};

static const Exception msr_exceptions[] = {
    { 0x10, 0x10, "the TSC counts on" },
    { 0x839, 0x839, "the APIC's timer counts on" },
};

static const Range leaves[] = {
    { 0, 0x28 }, { 0x3ffffffe, 2 }, { 0x40000000, 0x10 }, { 0x40000100, 4 }, { 0x7fffffff, 1 },
    { 0x80000000, 0x30 }, { 0x8fffffff, 1 }, { 0xc0000000, 2 }, { 0xffffffff, 1 }, { 0, 0 },
};

static const Exception leaf_exceptions[] = {
    { 0x40000003, 0x40000003, "who makes the TSC of what, and at which rate, is the engine's" },
};

/* --- running --- */

static void put(Domain *d, uint64_t gpa, const void *data, size_t len)
{
    cr_assert(gpa + len <= 16u << 20);
    memcpy(d->mem.guest.base + gpa, data, len);
}

static void begin_state(VcpuState *s, unsigned program)
{
    vcpu_reset_state(s, -1);
    for (unsigned n = 0; n < SEG_COUNT; n++) {
        s->seg[n] = (SegState){ .selector = 0x10, .limit = 0xffffffff, .attr = 0xc93 };
    }
    s->seg[SEG_CS] = (SegState){ .selector = 8, .limit = 0xffffffff, .attr = 0xc9b };
    s->cr0 = 0x11;
    s->gdt_base = GDT;
    s->gdt_limit = 23;
    s->idt_base = IDT;
    s->idt_limit = 0xff;
    s->gpr[4] = STACK;
    s->rip = CODE + program;
}

/* first: written to an MSR before, or program's flag.  changed: NULL, or under KVM. */
static uint8_t *run(CpuChoice cpu, GArray *rules, unsigned program, const Range *table, size_t table_size,
                    const void *list, size_t list_size, const uint32_t first[3], Changed *changed)
{
    static const uint64_t gdt[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };
    const uint64_t gate = (CODE + FAULT) & 0xffff;
    const uint32_t idt[2] = { gate | 8 << 16, 0x8e00 | ((CODE + FAULT) & 0xffff0000) };
    Domain *d = bare_domain_with_cpu(cpu, rules);
    g_autofree VcpuState *s = g_new0(VcpuState, 1);
    uint8_t *results;
    enum VcpuStop stop;

    cr_assert(d);
    put(d, CODE, parity_code, parity_code_end - parity_code);
    put(d, GDT, gdt, sizeof gdt);
    put(d, IDT + 8 * GP, idt, 8);
    put(d, TABLE, table, table_size);
    put(d, VALUES, list, list_size);
    put(d, VARS + 20, first, 12);
    begin_state(s, program);
    d->ops->set_state(d->vcpu[0]->ev, s);
    stop = d->ops->run(d->vcpu[0]->ev);
    d->ops->get_state(d->vcpu[0]->ev, s);
    cr_assert_eq(stop, VCPU_STOP_HALTED, "%s stopped by %d at %#llx", d->ops->name, stop,
                 (unsigned long long)s->rip);
    results = g_memdup2(d->mem.guest.base + RESULTS, RESULTS_SIZE);
    if (changed) {
        changed->n = kvm_changed_leaves(d->engine, changed->leaf);
    }
    bare_domain_free(d);
    return results;
}

static GArray *no_rules(void)
{
    return g_array_new(FALSE, FALSE, sizeof(CpuidRule));
}

static void take_away(GArray *rules, uint32_t leaf, uint32_t sub, unsigned reg, uint32_t bits)
{
    CpuidRule r = { .leaf = leaf, .subleaf = sub, .reg = reg, .zero = bits };

    g_array_append_val(rules, r);
}

static EngineCaps caps_of(CpuChoice cpu)
{
    g_autoptr(GArray) rules = no_rules();
    Domain *d = bare_domain_with_cpu(cpu, rules);
    EngineCaps caps;

    cr_assert(d);
    caps = d->caps;
    bare_domain_free(d);
    return caps;
}

/* What only one of the engines has.  *xcr0: they differ in extended state.  need: of leaf 1's ecx. */
static GArray *differences(bool *xcr0, uint32_t need)
{
    EngineCaps a, b;
    GArray *rules = no_rules();

    if (access("/dev/kvm", R_OK | W_OK)) {
        cr_skip("no /dev/kvm here");
    }
    a = caps_of(CPU_SOFT);
    b = caps_of(CPU_KVM);
    if (~(a.leaf1_ecx & b.leaf1_ecx) & need) {
        g_array_unref(rules);
        cr_skip("this host's KVM has no XSAVE");
    }
    take_away(rules, 1, CPUID_ANY_SUBLEAF, CPUID_ECX, a.leaf1_ecx ^ b.leaf1_ecx);
    take_away(rules, 1, CPUID_ANY_SUBLEAF, CPUID_EDX, a.leaf1_edx ^ b.leaf1_edx);
    take_away(rules, 7, 0, CPUID_EBX, a.leaf7_ebx ^ b.leaf7_ebx);
    take_away(rules, 7, 0, CPUID_ECX, a.leaf7_ecx ^ b.leaf7_ecx);
    take_away(rules, 7, 0, CPUID_EDX, a.leaf7_edx ^ b.leaf7_edx);
    take_away(rules, 7, 0, CPUID_EDX, a.arch_capabilities == b.arch_capabilities ? 0 : 1u << 29);
    take_away(rules, 0x80000001, CPUID_ANY_SUBLEAF, CPUID_ECX, a.ext1_ecx ^ b.ext1_ecx);
    take_away(rules, 0x80000001, CPUID_ANY_SUBLEAF, CPUID_EDX, a.ext1_edx ^ b.ext1_edx);
    take_away(rules, 0x80000008, CPUID_ANY_SUBLEAF, CPUID_EAX, a.phys_bits ^ b.phys_bits);
    take_away(rules, 0xd, 1, CPUID_EAX, a.xsave_eax1 ^ b.xsave_eax1);
    *xcr0 = a.xcr0 != b.xcr0;
    return rules;
}

static const char *exception(const Exception *list, size_t n, uint32_t index)
{
    for (size_t i = 0; i < n; i++) {
        if (index >= list[i].first && index <= list[i].last) {
            return list[i].why;
        }
    }
    return NULL;
}

/* --- MSRs --- */

static const char *shown(const Read *r)
{
    static char text[2][40];
    static unsigned turn;
    char *t = text[turn++ & 1];

    if (r->fault) {
        return "#GP";
    }
    g_snprintf(t, sizeof text[0], "%08x:%08x", r->edx, r->eax);
    return t;
}

static bool same_read(const uint8_t *a, const uint8_t *b, uint32_t index, const char *when)
{
    Read ra, rb;

    memcpy(&ra, a, sizeof ra);
    memcpy(&rb, b, sizeof rb);
    if (memcmp(&ra, &rb, sizeof ra)) {
        cr_log_error("MSR %#x %s: soft reads %s, kvm %s", index, when, shown(&ra), shown(&rb));
        return false;
    }
    return true;
}

/* One register; returns whether both did the same. */
static bool same_msr(const uint8_t *a, const uint8_t *b, uint32_t index)
{
    bool same = same_read(a, b, index, "at first");

    for (unsigned n = 0; n < G_N_ELEMENTS(values) && same; n++) {
        size_t at = sizeof(Read) + n * (4 + sizeof(Read));
        g_autofree char *when = g_strdup_printf("after writing %#llx", (unsigned long long)values[n]);

        if (memcmp(a + at, b + at, 4)) {
            cr_log_error("MSR %#x: writing %#llx does%s fault under soft", index,
                         (unsigned long long)values[n], a[at] ? "" : " not");
            return false;
        }
        same = same_read(a + at + 4, b + at + 4, index, when);
    }
    return same;
}

static void same_msrs(const Range *table, size_t table_size, const uint32_t first[3])
{
    const size_t record = sizeof(Read) + G_N_ELEMENTS(values) * (4 + sizeof(Read));
    const uint32_t count = G_N_ELEMENTS(values);
    uint8_t list[4 + sizeof values];
    bool xcr0;
    g_autoptr(GArray) rules = differences(&xcr0, 0);
    g_autofree uint8_t *soft = NULL, *kvm = NULL;
    unsigned different = 0, answered = 0;
    size_t at = 0;

    memcpy(list, &count, 4);
    memcpy(list + 4, values, sizeof values);
    soft = run(CPU_SOFT, rules, 0, table, table_size, list, sizeof list, first, NULL);
    kvm = run(CPU_KVM, rules, 0, table, table_size, list, sizeof list, first, NULL);
    for (const Range *r = table; r->count; r++) {
        for (uint32_t i = 0; i < r->count; i++, at += record) {
            cr_assert(at + record <= RESULTS_SIZE);
            if (!exception(msr_exceptions, G_N_ELEMENTS(msr_exceptions), r->first + i)) {
                different += !same_msr(soft + at, kvm + at, r->first + i);
            }
            answered += !soft[at];
        }
    }
    cr_expect_eq(different, 0, "%u registers differ", different);
    cr_expect_gt(answered, 20, "only %u registers can be read", answered);
}

TestSuite(parity, .timeout = 300);

Test(parity, msrs_read_and_take_the_same_under_both_engines)
{
    static const uint32_t nothing[3];

    same_msrs(msrs, sizeof msrs, nothing);
}

Test(parity, x2apic_registers_are_the_same_under_both_engines)
{
    static const Range x2apic[] = { { 0x800, 0x400 }, { 0x1b, 1 }, { 0, 0 } };
    static const uint32_t on[3] = { 0x1b, 0xfee00d00, 0 };

    same_msrs(x2apic, sizeof x2apic, on);
}

/* --- hypercalls --- */

static uint64_t answer_of(CpuChoice cpu, const uint8_t *code, size_t len)
{
    g_autoptr(GArray) rules = no_rules();
    Domain *d = bare_domain_with_cpu(cpu, rules);
    g_autofree VcpuState *s = g_new0(VcpuState, 1);
    uint64_t answer;

    cr_assert(d);
    put(d, CODE, code, len);
    begin_state(s, 0);
    s->gpr[6] = 0x77;
    d->ops->set_state(d->vcpu[0]->ev, s);
    cr_assert_eq(d->ops->run(d->vcpu[0]->ev), VCPU_STOP_HALTED);
    d->ops->get_state(d->vcpu[0]->ev, s);
    cr_expect_eq(s->rip, CODE + len);
    cr_expect_eq(s->gpr[6], 0x77);
    answer = s->gpr[0];
    bare_domain_free(d);
    return answer;
}

/* mov eax,17; xor ebx,ebx: xen_version's version; then VMCALL, or what KVM's engine makes of it; hlt */
#define VERSION 0xb8, 17, 0, 0, 0, 0x31, 0xdb

Test(parity, guest_that_comes_from_kvm_still_has_its_hypercalls)
{
    static const uint8_t plain[] = { VERSION, 0x0f, 0x01, 0xc1, 0xf4 };
    static const uint8_t changed[] = { VERSION, 0xe7, 0xe4, 0x90, 0xf4 };
    uint64_t version = answer_of(CPU_SOFT, plain, sizeof plain);

    cr_expect_eq(version >> 16, 4);
    cr_expect_eq(answer_of(CPU_SOFT, changed, sizeof changed), version);
    cr_expect_eq(answer_of(CPU_INTERPRETER, changed, sizeof changed), version);
    if (!access("/dev/kvm", R_OK | W_OK)) {
        cr_expect_eq(answer_of(CPU_KVM, changed, sizeof changed), version);
    }
}

/* --- CPUID --- */

static bool is_changed(const Changed *c, uint32_t leaf)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->leaf[i] == leaf) {
            return true;
        }
    }
    return false;
}

static void same_leaves(uint32_t flag)
{
    static const uint32_t subleaves = SUBLEAVES;
    const uint32_t first[3] = { flag };
    bool xcr0;
    g_autoptr(GArray) rules = differences(&xcr0, flag ? XSAVE_1C : 0);
    Changed changed;
    g_autofree uint8_t *soft = run(CPU_SOFT, rules, CPUID_PROGRAM, leaves, sizeof leaves, &subleaves, 4,
                                   first, NULL);
    g_autofree uint8_t *kvm = run(CPU_KVM, rules, CPUID_PROGRAM, leaves, sizeof leaves, &subleaves, 4,
                                  first, &changed);
    unsigned different = 0, left_out = 0;
    size_t at = 0;

    for (const Range *r = leaves; r->count; r++) {
        for (uint32_t i = 0; i < r->count * SUBLEAVES; i++, at += 16) {
            uint32_t leaf = r->first + i / SUBLEAVES, a[4], b[4];

            memcpy(a, soft + at, 16);
            memcpy(b, kvm + at, 16);
            if (!memcmp(a, b, 16) ||
                exception(leaf_exceptions, G_N_ELEMENTS(leaf_exceptions), leaf)) {
                continue;
            }
            if ((leaf == 0xd && xcr0) || is_changed(&changed, leaf)) {
                left_out++;
                continue;
            }
            cr_log_error("leaf %#x, %u: soft %08x %08x %08x %08x, kvm %08x %08x %08x %08x", leaf,
                         i % SUBLEAVES, a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]);
            different++;
        }
    }
    cr_expect_eq(different, 0, "%u subleaves differ", different);
    if (left_out) {
        cr_log_info("%u subleaves are not KVM's to be told here", left_out);
    }
}

Test(parity, cpuid_says_the_same_under_both_engines)
{
    same_leaves(0);
}

Test(parity, cpuid_follows_cr4_and_xcr0_under_both_engines)
{
    same_leaves(1);
}
