/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_interrupt.c - interrupts at any time: what they find must be a state that the interpreter goes
 * through, instruction for instruction.
 *
 * A random program of level 3, or of level 0 in long mode (fuzz.h), is run by the interpreter in single
 * steps, and a hash of each state is kept.  Then it is run translated while another thread interrupts it,
 * by NMI now and then; the handler's OUT looks at the frame and the registers.  In the end both must have
 * come to the same.  Left out are programs that write where interrupts need it (their descriptors, handlers, page
 * tables), and those that read what interrupts leave on their stacks.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/fuzz.h"

enum { PROGRAMS = 60, TURNS = 60, AGAIN = 4, STEPS_MAX = 60000, TABLE = 1 << 18, NEVER = UINT16_MAX };

typedef struct Interrupted {
    Guest *g;
    const FuzzSetup *setup;
    uint64_t *states;           /* a hash table, 0: free */
    unsigned looks, strange, cs;        /* cs: the program's */
    unsigned left_out;          /* programs */
    VcpuState found;            /* the first state that isn't one of the interpreter's */
    bool over;
} Interrupted;

/* All that a program of level 3 can see, but memory. */
static uint64_t fingerprint(const VcpuState *s, unsigned cs)
{
    uint64_t where[3] = { s->rip, s->rflags & ~(uint64_t)F_RF, cs }, h;

    h = fuzz_hash(fuzz_hash(1, where, sizeof where), s->gpr, sizeof s->gpr);
    return fuzz_hash(fuzz_hash(h, s->xsave, 416), s->xsave + 576, 256) | 1;
}

static bool find_state(Interrupted *r, uint64_t h, bool insert)
{
    unsigned at = (unsigned)(h >> 20) & (TABLE - 1);
    bool known;

    while (r->states[at] && r->states[at] != h)
        at = (at + 1) & (TABLE - 1);
    known = r->states[at] == h;
    if (insert)
        r->states[at] = h;
    return known;
}

/* What was interrupted, by the frame on the stack of level 0. */
static void interrupted_state(const Interrupted *r, VcpuState *s, unsigned *cs)
{
    const Guest *g = r->g;
    uint64_t sp = s->gpr[4];

    if (r->setup->paging == PAGING_LONG) {
        s->rip = ram64(g, sp);
        *cs = (unsigned)ram64(g, sp + 8);
        s->rflags = ram64(g, sp + 16);
        s->gpr[4] = ram64(g, sp + 24);
        return;
    }
    s->rip = ram32(g, sp);
    *cs = ram16(g, sp + 4);
    s->rflags = ram32(g, sp + 8);
    s->gpr[4] = ram32(g, sp + 12);
}

static void on_look(Guest *g, uint16_t port)
{
    Interrupted *r = g->context;
    VcpuState s;
    unsigned cs;
    bool known;

    if (port != PORT_LOOK)
        return;
    memset(&s, 0, sizeof s);
    engine_soft.get_state(g->cpu, &s);
    interrupted_state(r, &s, &cs);
    if (cs != r->cs)
        return;                         /* NMI in a handler */
    known = find_state(r, fingerprint(&s, cs), false);
    r->looks++;
    if (!known && !r->strange++)
        r->found = s;
}

static void *interrupt(void *arg)
{
    Interrupted *r = arg;
    unsigned n = 0;

    prctl(PR_SET_TIMERSLACK, 1ul);
    while (!__atomic_load_n(&r->over, __ATOMIC_SEQ_CST)) {
        const struct timespec pause = { .tv_nsec = 500 + (n++ * 7919) % 4000 };

        nanosleep(&pause, NULL);
        if (!__atomic_load_n(&r->g->irq, __ATOMIC_SEQ_CST)) {
            __atomic_store_n(&r->g->irq, n % 4 ? IRQ_EXTINT : IRQ_NMI, __ATOMIC_SEQ_CST);
            engine_soft.kick(r->g->cpu, false);
        }
    }
    return NULL;
}

static void start(Guest *g, const uint8_t *ram, const VcpuState *s, unsigned warm)
{
    jit_set_warm(g->engine, warm);
    memcpy(g->ram, ram, FUZZ_END);
    engine_soft.code_written(g->engine, 0, FUZZ_END);
    g->irq = 0;
    g->irq_vector = LOOK_VECTOR;
    engine_soft.set_state(g->cpu, s);
}

/* false: it takes too long. */
static bool record(Interrupted *r, VcpuState *end)
{
    Guest *g = r->g;

    memset(r->states, 0, TABLE * sizeof *r->states);
    engine_soft.debug_step(g->cpu, true);
    for (unsigned n = 0; n < STEPS_MAX; n++) {
        enum VcpuStop stop;

        engine_soft.get_state(g->cpu, end);
        if (end->seg[SEG_CS].selector == r->cs)
            find_state(r, fingerprint(end, end->seg[SEG_CS].selector), true);
        stop = engine_soft.run(g->cpu);
        if (stop != VCPU_STOP_DEBUG) {
            engine_soft.debug_step(g->cpu, false);
            engine_soft.get_state(g->cpu, end);
            return true;
        }
    }
    engine_soft.debug_step(g->cpu, false);
    return false;
}

/* But for the stacks that interrupts use. */
static bool same_memory(const uint8_t *a, const uint8_t *b)
{
    return !memcmp(a, b, STACK0 - 0x1000) && !memcmp(a + STACK0, b + STACK0, STACK_IST - 0x1000 - STACK0) &&
           !memcmp(a + STACK_IST, b + STACK_IST, FUZZ_END - STACK_IST);
}

static bool same_end(const Guest *g, const VcpuState *s, const VcpuState *expected, const uint8_t *memory)
{
    return !memcmp(s->gpr, expected->gpr, sizeof s->gpr) && s->rip == expected->rip && s->cr2 == expected->cr2 &&
           !memcmp(s->xsave, expected->xsave, 832) && same_memory(g->ram, memory);
}

/* Words that differ in more than bits that the CPU and handlers change. */
static bool words_differ(const uint8_t *a, const uint8_t *b, unsigned first, unsigned end, uint32_t changed)
{
    for (unsigned n = first; n < end; n += 4) {
        uint32_t x, y;

        memcpy(&x, a + n, 4);
        memcpy(&y, b + n, 4);
        if ((x ^ y) & ~changed)
            return true;
    }
    return false;
}

/* Where record() was told of writes: IDT; TSS; stubs; handlers. */
static const struct { unsigned at, pages; } machine[] = {
    { IDT_AT, 2 }, { STUBS, 1 }, { FUZZ_HANDLERS, (FUZZ_VARS - FUZZ_HANDLERS) >> 12 },
};

static void watch_machine(Guest *g, bool on)
{
    for (unsigned n = 0; n < sizeof machine / sizeof machine[0]; n++)
        engine_soft.dirty_log(g->engine, machine[n].at, machine[n].pages << 12, on);
}

/* The program wrote to what interrupts need. */
static bool writes_to_machine(const Interrupted *r, const uint8_t *before, const uint8_t *after)
{
    const uint32_t accessed_type = 1u << 8, rights = 1u << 31 | 0x67;     /* which handlers change, and A and D */
    bool written = words_differ(before, after, GDT_AT, GDT_AT + FUZZ_GDT_BYTES, accessed_type) ||
                   words_differ(before, after, PML4_AT, STUBS, rights) ||
                   words_differ(before, after, STUBS + 0x1000, FUZZ_PDPT + 0x1000, rights);

    for (unsigned n = 0; n < sizeof machine / sizeof machine[0]; n++) {
        uint8_t map[1] = { 0 };

        engine_soft.dirty_fetch(r->g->engine, machine[n].at, machine[n].pages << 12, map);
        written |= map[0] != 0;
    }
    return written;
}

/* With other bytes on the stacks of interrupts the program comes to another end by itself. */
static bool reads_stacks(Interrupted *r, const uint8_t *before, const uint8_t *after, const VcpuState *first,
                         const VcpuState *expected)
{
    static uint8_t ram[FUZZ_END];
    static VcpuState end;

    memcpy(ram, before, FUZZ_END);
    memset(ram + STACK0 - 0x1000, 0xa5, 0x1000);
    memset(ram + STACK_IST - 0x1000, 0xa5, 0x1000);
    start(r->g, ram, first, NEVER);
    memset(&end, 0, sizeof end);
    return !record(r, &end) || !same_end(r->g, &end, expected, after);
}

/* false: something is different. */
static bool interrupted_run(Interrupted *r, const uint8_t *before, const uint8_t *after, const VcpuState *first,
                            const VcpuState *expected, unsigned warm)
{
    static VcpuState s;
    pthread_t thread;
    Guest *g = r->g;

    start(g, before, first, warm);
    r->over = false;
    cr_assert_eq(pthread_create(&thread, NULL, interrupt, r), 0);
    while (engine_soft.run(g->cpu) == VCPU_STOP_KICKED) {
    }
    __atomic_store_n(&r->over, true, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    memset(&s, 0, sizeof s);
    engine_soft.get_state(g->cpu, &s);
    return !r->strange && same_end(g, &s, expected, after);
}

static void one_program(Interrupted *r, const uint8_t *clean, uint64_t seed)
{
    static uint8_t before[FUZZ_END], after[FUZZ_END];
    static VcpuState first, expected;
    Guest *g = r->g;
    Rng rng = { seed * 0x100000001b3ull };
    FuzzProgram p;
    FuzzSetup setup;
    bool recorded, bad = false;
    unsigned strange;
    char text[200];

    memcpy(g->ram, clean, FUZZ_END);
    fuzz_setup_interrupted(g, &setup, &rng, TURNS);
    fuzz_program(&p, &setup, &rng);
    memcpy(g->ram + setup.base[SEG_CS] + setup.start, p.b, p.len);
    memcpy(before, g->ram, FUZZ_END);
    first = g->s;
    r->setup = &setup;
    r->cs = first.seg[SEG_CS].selector;
    r->strange = 0;
    g->context = r;
    g->on_out = on_look;
    start(g, before, &first, NEVER);
    memset(&expected, 0, sizeof expected);
    watch_machine(g, true);
    recorded = record(r, &expected);
    memcpy(after, g->ram, FUZZ_END);
    if (!recorded || writes_to_machine(r, before, after)) {
        watch_machine(g, false);
        r->left_out++;
        return;
    }
    watch_machine(g, false);
    for (unsigned n = 0; n < AGAIN && !bad; n++)
        bad = !interrupted_run(r, before, after, &first, &expected, 1 + ((unsigned)seed + n) % 3);
    strange = r->strange;
    if (bad && reads_stacks(r, before, after, &first, &expected)) {
        r->left_out++;
        return;
    }
    fuzz_describe(&setup, text, sizeof text);
    cr_expect(!bad, "program %lu (%s): %u interrupts found states that aren't the interpreter's, first at rip "
              "%lx, flags %lx; or the end is different", seed, text, strange, r->found.rip, r->found.rflags);
}

static void interrupt_programs(Guest *g, unsigned programs)
{
    static uint8_t clean[FUZZ_END];
    unsigned count = programs * (unsigned)asked("GH_FUZZ_ROUNDS", 1);
    uint64_t first = asked("GH_FUZZ_SEED", 1) << 32;
    Interrupted r = { .g = g, .states = calloc(TABLE, sizeof *r.states) };

    memset(r.g->types + (FUZZ_END >> 12), MEM_HOLE, (GUEST_RAM - FUZZ_END) >> 12);
    engine_soft.memory_changed(r.g->engine, FUZZ_END, GUEST_RAM - FUZZ_END);
    memcpy(clean, r.g->ram, FUZZ_END);
    for (unsigned n = 0; n < count; n++)
        one_program(&r, clean, first + n);
    if (getenv("GH_FUZZ_VERBOSE"))
        cr_log_warn("%u interrupts, %u of %u programs left out", r.looks, r.left_out, count);
    cr_expect(r.looks > 0);
    cr_expect_leq(r.left_out, count / 3, "%u of %u programs left out", r.left_out, count);
    free(r.states);
}

Test(fuzz, interrupts_at_any_time_find_a_state_that_the_interpreter_goes_through, .timeout = 0)
{
    Guest *g = guest_new();

    interrupt_programs(g, PROGRAMS);
    guest_free(g);
}

Test(fuzz, interrupts_at_any_time_find_such_a_state_with_a_block_at_a_time, .timeout = 0)
{
    Guest *g = guest_new_tight();

    interrupt_programs(g, PROGRAMS / 2);
    guest_free(g);
}
