/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_test.c - the translator against the interpreter in every mode: random programs with faults, code
 * that changes itself, page tables that change, debug traps and interrupts, run by both from the same
 * state.  Registers, segments, control and debug registers, x87 and vectors, memory with the page
 * tables' A and D bits and the log of all exceptions, and snapshots on the way must be the same.
 *
 * GH_FUZZ_ROUNDS multiplies the programs, GH_FUZZ_SEED makes others, GH_FUZZ_ONLY runs one of them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/fuzz.h"

enum { PROGRAMS = 1500, NEVER = UINT16_MAX, PATIENCE_MS = 60 };

typedef struct Outcome {
    enum VcpuStop stop;
    uint64_t snapshots;         /* a hash of what the state was at each OUT */
    unsigned outs;
    VcpuState s;
    uint8_t ram[FUZZ_END];
} Outcome;

typedef struct Trial {
    uint64_t seed;
    FuzzSetup setup;
    FuzzProgram program;
    VcpuState s;
    uint8_t ram[FUZZ_END];
} Trial;

/* Stops programs that run for ever: what is still running after two looks. */
typedef struct Watch {
    pthread_t thread;
    EngineVcpu *cpu;
    unsigned runs;              /* odd while one goes on */
    bool over;
} Watch;

static void *watch(void *arg)
{
    const struct timespec pause = { .tv_nsec = 20000000 };
    Watch *w = arg;
    unsigned last = 0;

    while (!__atomic_load_n(&w->over, __ATOMIC_SEQ_CST)) {
        unsigned now = __atomic_load_n(&w->runs, __ATOMIC_SEQ_CST);

        if (now == last && (now & 1))
            engine_soft.kick(w->cpu, true);
        last = now;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void watch_start(Watch *w, Guest *g)
{
    *w = (Watch){ .cpu = g->cpu };
    cr_assert_eq(pthread_create(&w->thread, NULL, watch, w), 0);
}

static void watch_stop(Watch *w)
{
    __atomic_store_n(&w->over, true, __ATOMIC_SEQ_CST);
    pthread_join(w->thread, NULL);
}

static void on_out(Guest *g, uint16_t port)
{
    Outcome *o = g->context;
    VcpuState s;

    o->outs++;
    if (port == PORT_IRQ) {
        g->irq = IRQ_EXTINT;
        g->irq_vector = 0x30 + (o->outs & 7);
        engine_soft.kick(g->cpu, false);
    } else if (port == PORT_SNAPSHOT) {
        memset(&s, 0, sizeof s);
        engine_soft.get_state(g->cpu, &s);
        o->snapshots = fuzz_hash(o->snapshots, s.gpr, sizeof s.gpr);
        o->snapshots = fuzz_hash(o->snapshots, &s.rflags, 8);
        o->snapshots = fuzz_hash(o->snapshots, s.xsave, 416);
        o->snapshots = fuzz_hash(o->snapshots, s.xsave + 576, 256);
    }
}

static unsigned cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (unsigned)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

/* Until it ends, or has gone on for too long. */
static enum VcpuStop run_long(Guest *g, Watch *w, unsigned patience)
{
    unsigned since = cpu_ms();
    enum VcpuStop stop;

    __atomic_fetch_add(&w->runs, 1, __ATOMIC_SEQ_CST);
    engine_soft.set_state(g->cpu, &g->s);
    do {
        stop = engine_soft.run(g->cpu);
    } while (stop == VCPU_STOP_KICKED && cpu_ms() - since < patience);
    engine_soft.get_state(g->cpu, &g->s);
    __atomic_fetch_add(&w->runs, 1, __ATOMIC_SEQ_CST);
    return stop;
}

static void run(Guest *g, Watch *w, const Trial *t, unsigned warm, Outcome *o)
{
    jit_set_warm(g->engine, warm);
    memcpy(g->ram, t->ram, FUZZ_END);
    memcpy(g->ram + t->setup.base[SEG_CS] + t->setup.start, t->program.b, t->program.len);
    engine_soft.code_written(g->engine, 0, FUZZ_END);
    g->s = t->s;
    g->irq = 0;
    g->tsc = 0;
    g->on_out = on_out;
    g->context = o;
    o->snapshots = o->outs = 0;
    o->stop = run_long(g, w, warm == NEVER ? PATIENCE_MS : 50 * PATIENCE_MS);
    o->s = g->s;
    memcpy(o->ram, g->ram, FUZZ_END);
}

static bool same(const Outcome *a, const Outcome *b)
{
    return a->stop == b->stop && a->snapshots == b->snapshots && a->outs == b->outs &&
           !memcmp(&a->s, &b->s, sizeof a->s) && !memcmp(a->ram, b->ram, FUZZ_END);
}

/* --- telling what differs --- */
static void show_slots(const Trial *t)
{
    for (unsigned n = 0; n < t->setup.slots; n++) {
        char line[2 * SLOT + 1];
        bool dropped = true;

        for (unsigned k = 0; k < SLOT; k++) {
            snprintf(line + 2 * k, 3, "%02x", t->program.b[n * SLOT + k]);
            dropped = dropped && t->program.b[n * SLOT + k] == 0x90;
        }
        if (!dropped)
            cr_log_error("%05lx %s", t->setup.start + n * SLOT, line);
    }
}

static void show_state(const VcpuState *a, const VcpuState *b)
{
    const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;

    for (unsigned n = 0; n < 16; n++)
        if (a->gpr[n] != b->gpr[n])
            cr_log_error("r%u %lx %lx", n, a->gpr[n], b->gpr[n]);
    cr_log_error("rip %lx %lx flags %lx %lx cr2 %lx %lx dr6 %lx %lx dr7 %lx", a->rip, b->rip, a->rflags,
                 b->rflags, a->cr2, b->cr2, a->dr[6], b->dr[6], a->dr[7]);
    for (unsigned n = 0; n < sizeof a->xsave; n++)
        if (a->xsave[n] != b->xsave[n]) {
            cr_log_error("x87 and vectors from byte %u: %02x %02x", n, a->xsave[n], b->xsave[n]);
            break;
        }
    for (unsigned n = 128 + 16; n < offsetof(VcpuState, xsave); n++)
        if (x[n] != y[n]) {
            cr_log_error("state from byte %u: %02x %02x", n, x[n], y[n]);
            break;
        }
}

static void show_memory(const Outcome *a, const Outcome *b)
{
    unsigned shown = 0;

    for (unsigned n = 0; n < FUZZ_END && shown < 12; n += 4)
        if (memcmp(a->ram + n, b->ram + n, 4)) {
            uint32_t x, y;
            memcpy(&x, a->ram + n, 4);
            memcpy(&y, b->ram + n, 4);
            cr_log_error("memory at %x: %08x %08x", n, x, y);
            shown++;
        }
}

/* The first entry of the handlers' log that differs. */
static void show_log(const Trial *t, const Outcome *a, const Outcome *b)
{
    unsigned stride = t->setup.paging == PAGING_LONG ? 256 : 128;

    for (unsigned n = stride; n < FUZZ_END - FUZZ_LOG; n += stride) {
        const uint8_t *x = a->ram + FUZZ_LOG + n, *y = b->ram + FUZZ_LOG + n;
        char line[2][400];

        if (!memcmp(x, y, stride))
            continue;
        for (unsigned k = 0, c = 0; k < 96; k += 4) {
            unsigned u, v, at = k * stride / 128;
            memcpy(&u, x + at, 4);
            memcpy(&v, y + at, 4);
            snprintf(line[0] + c, sizeof line[0] - c, " %8x", u);
            c += (unsigned)snprintf(line[1] + c, sizeof line[1] - c, " %8x", v);
        }
        cr_log_error("event %u:%s", n / stride, line[0]);
        cr_log_error("event %u:%s", n / stride, line[1]);
        return;
    }
}

static void show(const Trial *t, const Outcome *a, const Outcome *b, unsigned warm)
{
    cr_log_error("interpreted, translated (at run %u): stop %d %d, %u %u outs, snapshots %s", warm, a->stop,
                 b->stop, a->outs, b->outs, a->snapshots == b->snapshots ? "equal" : "differ");
    show_state(&a->s, &b->s);
    show_memory(a, b);
    show_log(t, a, b);
}

/* Leaves of the program what the difference needs. */
static void reduce(Guest *g, Watch *w, Trial *t, unsigned warm, Outcome *a, Outcome *b)
{
    for (unsigned n = 0; n < t->setup.slots; n++) {
        FuzzProgram before = t->program;

        fuzz_drop_slot(&t->program, &t->setup, n);
        run(g, w, t, NEVER, a);
        run(g, w, t, warm, b);
        if (same(a, b) || a->stop == VCPU_STOP_KICKED)
            t->program = before;
    }
    run(g, w, t, NEVER, a);
    run(g, w, t, warm, b);
}

static void report(Guest *g, Watch *w, Trial *t, unsigned warm, Outcome *a, Outcome *b)
{
    char text[160];

    fuzz_describe(&t->setup, text, sizeof text);
    cr_log_error("program %#lx: %s", t->seed, text);
    show(t, a, b, warm);
    *b = *a;
    run(g, w, t, NEVER, a);
    if (!same(a, b)) {
        cr_log_error("nor is it interpreted twice the same");
        show(t, b, a, NEVER);
        return;
    }
    reduce(g, w, t, warm, a, b);
    cr_log_error("what is left:");
    show_slots(t);
    show(t, a, b, warm);
}

/* --- tests --- */
/* Only what is saved and compared is RAM; MMIO behind it. */
static Guest *machine(Guest *g)
{
    memset(g->types + (FUZZ_END >> 12), MEM_HOLE, (GUEST_RAM - FUZZ_END) >> 12);
    engine_soft.memory_changed(g->engine, FUZZ_END, GUEST_RAM - FUZZ_END);
    return g;
}

static void make(Guest *g, const uint8_t *clean, Trial *t, uint64_t seed)
{
    Rng r = { seed * 0x100000001b3ull };

    memcpy(g->ram, clean, FUZZ_END);
    t->seed = seed;
    fuzz_setup(g, &t->setup, &r);
    fuzz_program(&t->program, &t->setup, &r);
    t->s = g->s;
    memcpy(t->ram, g->ram, FUZZ_END);
}

static void compare_programs(Guest *g, uint64_t programs)
{
    static uint8_t clean[FUZZ_END];
    static Outcome a, b;
    static Trial t;
    Watch w;
    uint64_t first = asked("GH_FUZZ_SEED", 1) << 32, only = asked("GH_FUZZ_ONLY", 0);
    uint64_t count = only ? 1 : programs * asked("GH_FUZZ_ROUNDS", 1);
    unsigned bad = 0, endless = 0, stops[8] = { 0 };

    memcpy(clean, g->ram, FUZZ_END);
    watch_start(&w, g);
    for (uint64_t n = 0; n < count && bad < asked("GH_FUZZ_BAD", 1); n++) {
        unsigned warm = n % 3 ? 1 : 1 + (unsigned)(n / 3) % 5;

        if (g->engine->few_blocks)
            jit_set_few_blocks(g->engine, 1 + (unsigned)n % 5);
        make(g, clean, &t, only ? only : first + n);
        run(g, &w, &t, NEVER, &a);
        stops[a.stop & 7]++;
        if (a.stop == VCPU_STOP_KICKED) {
            endless++;
            continue;
        }
        run(g, &w, &t, warm, &b);
        if (b.stop == VCPU_STOP_KICKED)
            run(g, &w, &t, warm, &b);   /* a busy host, or really for ever */
        if (!same(&a, &b)) {
            bad++;
            report(g, &w, &t, warm, &a, &b);
        }
    }
    if (getenv("GH_FUZZ_VERBOSE"))
        cr_log_warn("%u endless, %u halted, %u triple faults", endless, stops[VCPU_STOP_HALTED],
                    stops[VCPU_STOP_TRIPLE_FAULT]);
    watch_stop(&w);
    cr_expect_eq(bad, 0, "%u programs differ", bad);
}

Test(fuzz, programs_in_every_mode_come_out_the_same_translated_and_interpreted, .timeout = 0)
{
    Guest *g = machine(guest_new());

    compare_programs(g, PROGRAMS);
    guest_free(g);
}

/* Each block that is translated makes another one go, wherever the program is. */
Test(fuzz, programs_in_every_mode_come_out_the_same_with_a_block_at_a_time, .timeout = 0)
{
    Guest *g = machine(guest_new_tight());

    compare_programs(g, PROGRAMS / 2);
    cr_expect_gt(cpu_priv(g->cpu)->counters[COUNT_CODE_PIECES], PROGRAMS);
    guest_free(g);
}
