/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_debug_test.c - a debugger's breakpoints and steps under KVM, in 64-bit code without an operating
 * system.  Data breakpoints are tried where this host's KVM has them.
 */
#include <criterion/criterion.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hypervisor/engine.h"

enum { SIZE = 2 << 20, IDT = 0x2000, PML4 = 0x4000, PDPT = 0x5000, PD = 0x6000, CODE = 0x10000,
       DATA = 0x40000, HANDLER = 0x11000 };
enum { RAX, RCX, RDX, RBX, RSP };

typedef struct Guest {
    GuestMemory mem;
    uint8_t *types;
    Engine *engine;
    EngineVcpu *cpu;
    VcpuState s;
    int irq;
} Guest;

static Guest *g;
static const EngineOps *const kvm = &engine_kvm;

static void cpuid(Vcpu *v, uint32_t leaf, uint32_t sub, uint32_t o[4])
{
    EngineCaps c;

    (void)v;
    (void)sub;
    memset(o, 0, 16);
    kvm->caps(g->engine, &c);
    switch (leaf) {
    case 0: o[0] = 7; o[1] = 0x68747541; o[2] = 0x444d4163; o[3] = 0x69746e65; break;
    case 1: o[0] = 0x600; o[2] = c.leaf1_ecx & ~(3u << 26); o[3] = c.leaf1_edx; break;
    case 0x80000000: o[0] = 0x80000008; break;
    case 0x80000001: o[2] = c.ext1_ecx; o[3] = c.ext1_edx; break;
    case 0x80000008: o[0] = 48 << 8 | c.phys_bits; break;
    default: break;
    }
}

static void io_wr(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    (void)v;
    (void)port;
    (void)size;
    (void)value;
}

static bool msr(Vcpu *v, uint32_t index, uint64_t *value)
{
    (void)v;
    (void)index;
    (void)value;
    return false;
}

static unsigned pending(Vcpu *v) { (void)v; return g->irq >= 0 ? IRQ_EXTINT : 0; }

static int ack(Vcpu *v)
{
    int n = g->irq;

    (void)v;
    g->irq = -1;
    return n;
}

static uint64_t zero(Vcpu *v) { (void)v; return 0; }
static void ignore(Vcpu *v) { (void)v; }
static void ignore_value(Vcpu *v, uint64_t value) { (void)v; (void)value; }
static void log_line(Vcpu *v, const char *text) { (void)v; (void)text; }

static const EngineHost host = {
    .io_write = io_wr, .cpuid = cpuid, .msr_read = msr, .irq_pending = pending, .irq_ack = ack,
    .nmi_ack = ignore, .tsc = zero, .cr8_read = zero, .cr8_write = ignore_value,
    .drain_code_ring = ignore, .log = log_line,
};

static void put64(uint64_t at, uint64_t v) { memcpy(g->mem.base + at, &v, 8); }

static void setup(void)
{
    char *why = NULL;
    VcpuState *s;

    g = g_new0(Guest, 1);
    g->irq = -1;
    g->types = g_malloc0(SIZE >> 12);
    memset(g->types, MEM_RAM, SIZE >> 12);
    g->mem = (GuestMemory){ .size = SIZE, .types = g->types };
    g->mem.base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (access("/dev/kvm", R_OK | W_OK) || !(g->engine = kvm->create(&g->mem, &host, &why))) {
        cr_skip("KVM can't be used: %s", why ? why : "no /dev/kvm");
    }
    g->cpu = kvm->vcpu_create(g->engine, (Vcpu *)g, 0, 0, NULL, NULL);
    cr_assert(g->cpu);
    put64(PML4, PDPT | 3);
    put64(PDPT, PD | 3);
    put64(PD, 0x83);
    put64(0x1008, 0x00af9b000000ffff);
    put64(0x1010, 0x00cf93000000ffff);
    for (unsigned n = 0; n < 256; n++) {        /* handlers 16 bytes apart: HLT */
        uint64_t to = HANDLER + 16 * n;

        put64(IDT + 16 * n, (to & 0xffff) | 0x08ull << 16 | 0x8eull << 40 | (to >> 16) << 48);
        g->mem.base[to] = 0xf4;
    }
    s = &g->s;
    kvm->get_state(g->cpu, s);
    for (unsigned n = 0; n < SEG_COUNT; n++) {
        s->seg[n] = (SegState){ .selector = 0x10, .limit = 0xffffffff, .attr = 0xc93 };
    }
    s->seg[SEG_CS] = (SegState){ .selector = 8, .limit = 0xffffffff, .attr = 0xa9b };
    s->ldtr = (SegState){ .limit = 0xffff, .attr = 0x82 };
    s->tr = (SegState){ .limit = 0x67, .base = 0x3000, .attr = 0x8b };
    s->gdt_base = 0x1000;
    s->gdt_limit = 0x17;
    s->idt_base = IDT;
    s->idt_limit = 0xfff;
    s->cr0 = 0x80050033;
    s->cr3 = PML4;
    s->cr4 = 0x620;
    s->efer = 0x500;
    s->rip = CODE;
    s->rflags = 2;
    memset(s->gpr, 0, sizeof s->gpr);
    s->gpr[RSP] = 0x30000;
}

static void teardown(void)
{
    kvm->vcpu_destroy(g->cpu);
    kvm->destroy(g->engine);
    munmap(g->mem.base, SIZE);
    g_free(g->types);
    g_free(g);
}

TestSuite(kvm_debug, .init = setup, .fini = teardown, .timeout = 60);

static void load(const char *bytes, size_t len)
{
    memcpy(g->mem.base + CODE, bytes, len);
}

static enum VcpuStop run(void)
{
    enum VcpuStop stop;

    kvm->set_state(g->cpu, &g->s);
    stop = kvm->run(g->cpu);
    kvm->get_state(g->cpu, &g->s);
    return stop;
}

static DebugHit run_to_debug(void)
{
    enum VcpuStop stop = run();
    DebugHit hit;

    cr_assert_eq(stop, VCPU_STOP_DEBUG, "stopped by %d at %#llx", stop,
                 (unsigned long long)g->s.rip);
    kvm->debug_hit(g->cpu, &hit);
    return hit;
}

static DebugHit step(void)
{
    DebugHit hit;

    kvm->debug_step(g->cpu, true);
    hit = run_to_debug();
    kvm->debug_step(g->cpu, false);
    cr_expect(hit.step);
    return hit;
}

static void halts_at(uint64_t rip)
{
    enum VcpuStop stop = run();

    cr_assert_eq(stop, VCPU_STOP_HALTED, "stopped by %d at %#llx", stop,
                 (unsigned long long)g->s.rip);
    cr_expect_eq(g->s.rip, rip + 1, "halted at %#llx", (unsigned long long)g->s.rip);
}

static void points(const DebugPoint *p, unsigned n)
{
    cr_assert(kvm->debug_points(g->engine, p, n));
}

/* Six INC EAX and a HLT. */
static const char counting[] = "\xff\xc0\xff\xc0\xff\xc0\xff\xc0\xff\xc0\xff\xc0\xf4";

/* Points 0 to n - 1 on the first n, or the last n. */
static void each_stops(const DebugPoint *p, unsigned n, const char *lack)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t count = (uint32_t)(p[i].linear - CODE) / 2;
        enum VcpuStop stop = run();
        DebugHit hit;

        if (i == 0 && stop == VCPU_STOP_HALTED) {
            cr_skip("this host's KVM %s", lack);
        }
        cr_assert_eq(stop, VCPU_STOP_DEBUG, "stopped by %d at %#llx", stop,
                     (unsigned long long)g->s.rip);
        kvm->debug_hit(g->cpu, &hit);
        cr_expect(hit.point && hit.kind == POINT_EXEC && hit.linear == p[i].linear);
        cr_expect_eq(g->s.rip, p[i].linear);
        cr_expect_eq((uint32_t)g->s.gpr[RAX], count);
        step();
        cr_expect_eq((uint32_t)g->s.gpr[RAX], count + 1);
    }
}

Test(kvm_debug, breakpoints_in_debug_registers_stop)
{
    DebugPoint p[4] = { 0 };

    if (g_getenv("GH_NO_DEBUG_REGISTERS")) {
        cr_skip("told that there are no debug registers");
    }
    load(counting, sizeof counting);
    for (unsigned n = 0; n < 4; n++) {
        p[n] = (DebugPoint){ .linear = CODE + 2 * n, .gpa = CODE + 2 * n, .len = 1 };
    }
    points(p, 4);
    each_stops(p, 4, "has no debug registers");
    points(NULL, 0);
    halts_at(CODE + 12);
}

Test(kvm_debug, breakpoints_beyond_the_debug_registers_stop_too)
{
    DebugPoint p[7] = { 0 };

    load(counting, sizeof counting);
    for (unsigned n = 0; n < 4; n++) {
        p[n] = (DebugPoint){ .linear = CODE + 0x800 + n, .gpa = CODE + 0x800 + n, .len = 1 };
    }
    for (unsigned n = 0; n < 3; n++) {
        p[4 + n] = (DebugPoint){ .linear = CODE + 6 + 2 * n, .gpa = CODE + 6 + 2 * n, .len = 1 };
    }
    points(p, 7);
    each_stops(p + 4, 3, "keeps INT3 from debuggers");
    points(NULL, 0);
    cr_expect(!memcmp(g->mem.base + CODE, counting, sizeof counting - 1), "the code is as it was");
    halts_at(CODE + 12);
}

Test(kvm_debug, code_written_over_a_breakpoint_stays)
{
    DebugPoint p[5] = { 0 };

    for (unsigned n = 0; n < 5; n++) {
        p[n] = (DebugPoint){ .linear = CODE + n, .gpa = CODE + n, .len = 1 };
        g->mem.base[CODE + n] = 0x90;
    }
    points(p, 5);
    g->mem.base[CODE + 4] = 0xf4;
    points(NULL, 0);
    cr_expect_eq(g->mem.base[CODE + 4], 0xf4);
    cr_expect_eq(g->mem.base[CODE], 0x90);
}

Test(kvm_debug, breakpoint_without_memory_beyond_the_registers_is_refused)
{
    DebugPoint p[5] = { 0 };

    for (unsigned n = 0; n < 5; n++) {
        p[n] = (DebugPoint){ .linear = n, .gpa = UINT64_MAX, .len = 1 };
    }
    cr_expect(!kvm->debug_points(g->engine, p, 5));
    cr_expect(kvm->debug_points(g->engine, p, 4));
    p[0] = (DebugPoint){ .linear = 1, .len = 64, .kind = POINT_WRITE };
    cr_expect(!kvm->debug_points(g->engine, p, 1), "too wide for four registers");
    cr_expect(!kvm->debug_points(g->engine, p, DEBUG_POINTS + 1));
}

Test(kvm_debug, the_guests_int3_reaches_its_handler)
{
    DebugPoint p[5] = { 0 };

    load("\xcc\x90\xf4", 3);
    for (unsigned n = 0; n < 5; n++) {
        p[n] = (DebugPoint){ .linear = CODE + 0x800 + n, .gpa = CODE + 0x800 + n, .len = 1 };
    }
    points(p, 5);                       /* INT3s are looked at now */
    halts_at(HANDLER + 16 * 3);
}

Test(kvm_debug, step_leaves_no_trace_in_the_guest)
{
    load("\x9c\x58\xcd\x50\xf4", 5);    /* pushfq; pop rax; int 50h */
    step();
    step();
    cr_expect(!(g->s.gpr[RAX] & 0x100));
    step();
    cr_expect_eq(g->s.rip, HANDLER + 16 * 0x50);
    cr_expect(!(g->mem.base[g->s.gpr[RSP] + 17] & 1));
    cr_expect(!(g->s.rflags & 0x100));
}

Test(kvm_debug, what_belongs_to_kvm_is_stepped_by_it)
{
    /* mov rax,cr3; mov cr3,rax; invlpg [rbx]; out 10h,al; hlt */
    load("\x0f\x20\xd8\x0f\x22\xd8\x0f\x01\x3b\xe6\x10\xf4", 12);
    step();
    cr_expect_eq(g->s.gpr[RAX], PML4);
    step();
    cr_expect_eq(g->s.rip, CODE + 6);
    step();
    cr_expect_eq(g->s.rip, CODE + 9);
    step();
    cr_expect_eq(g->s.rip, CODE + 11);
    step();
    cr_expect(g->s.halted);
}

Test(kvm_debug, step_holds_interrupts_back_and_wakes_from_hlt)
{
    load("\xfb\x90\x90\xf4\x90\xf4", 6);        /* sti; nop; nop; hlt; nop; hlt */
    g->irq = 0x50;
    for (unsigned n = 1; n <= 4; n++) {
        step();
        cr_expect_eq(g->s.rip, CODE + n);
    }
    cr_expect(g->s.halted);
    step();
    cr_expect(!g->s.halted);
    cr_expect_eq(g->s.rip, CODE + 4);
    step();
    cr_expect_eq(g->s.rip, CODE + 5);
    halts_at(HANDLER + 16 * 0x50);
}

Test(kvm_debug, step_over_an_undefined_instruction_ends_at_its_handler)
{
    load("\x0f\x0b\xf4", 3);
    step();
    cr_expect_eq(g->s.rip, HANDLER + 16 * 6, "rip %#llx", (unsigned long long)g->s.rip);
}

Test(kvm_debug, watchpoints_stop_behind_the_access)
{
    DebugHit hit;

    /* mov ecx,9; mov [rbx],ecx; add [rbx],ecx; hlt */
    load("\xb9\x09\0\0\0\x89\x0b\x01\x0b\xf4", 10);
    g->s.gpr[RBX] = DATA;
    points(&(DebugPoint){ .linear = DATA + 1, .len = 6, .kind = POINT_WRITE }, 1);
    hit = step();
    cr_expect(!hit.point);
    hit = step();                       /* by the software CPU, which knows of the point */
    cr_expect(hit.point && hit.kind == POINT_WRITE && hit.linear == DATA + 1);
    g->s.rip = CODE + 5;
    if (run() != VCPU_STOP_DEBUG) {
        cr_skip("this host's KVM has no data breakpoints");
    }
    kvm->debug_hit(g->cpu, &hit);
    cr_expect(hit.point && hit.kind == POINT_WRITE && hit.linear == DATA + 1);
    cr_expect_eq(g->s.rip, CODE + 7);
}
