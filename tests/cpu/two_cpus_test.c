/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * two_cpus_test.c - two vCPUs that run at once on the same memory: whatever the order of what they do, the
 * outcome is one that the Intel SDM (volume 3, 8.2 and 4.10.5) allows.
 *
 * Random programs of locked and plain operations whose sum is known; small programs about the order of loads
 * and stores; a page that moves under another vCPU, which is told by an interrupt; accessed and dirty bits that
 * are set while others of the same entry change.  And a vCPU that is waited for while it goes.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/random.h"
#include "tests/cpu/sys_guest.h"

enum { ARRAY_X = 0x100000, ARRAY_Y = 0x120000, FOUND_A = 0x140000, FOUND_B = 0x160000, FOUND_C = 0x180000,
       TURNS = 30000, MEETING = 0x38000, SIGN = 0x39000, SHOT_AT = 0x18000, SHOT_VECTOR = 0x51, FRAME_A = 0x1a0000,
       FRAME_B = 0x1b0000, MOVING = 0x1f0000, TELL = 0x59 };
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

static const unsigned ways[] = { 1, 3, 60000 };     /* the run at which blocks are translated */
#define EACH_WAY(w) for (unsigned w = 0; w < sizeof ways / sizeof *ways; w++)

typedef struct Pair {
    Guest *g;
    Guest second;               /* what the host's functions know the second vCPU by */
    VcpuState s[2];             /* to begin with, and in the end */
    EngineVcpu *cpu[2];
    enum VcpuStop stop[2];
} Pair;

static void pair_new(Pair *p, unsigned way)
{
    memset(p, 0, sizeof *p);
    p->g = guest_new();
    guest_long(p->g);
    jit_set_warm(p->g->engine, ways[way]);
    p->cpu[0] = p->g->cpu;
    p->second = *p->g;
    p->cpu[1] = engine_soft.vcpu_create(p->g->engine, (Vcpu *)&p->second, 1, 2, &p->second.ring_prod,
                                        &p->second.ring_seen);
    cr_assert_not_null(p->cpu[1]);
    for (unsigned n = 0; n < 2; n++) {
        p->s[n] = p->g->s;
        p->s[n].gpr[12] = MEETING;
        p->s[n].gpr[13] = SIGN;
        p->s[n].gpr[14] = 2;    /* what they have counted to when they have met */
        p->s[n].gpr[RSP] = n ? STACK1 : STACK0;
        p->s[n].rip = n ? CODE_B : CODE;
    }
}

/* Each on a processor of its own, where there are two: at once, and not by turns. */
static void on_processor(unsigned n)
{
    cpu_set_t all, one;

    if (sched_getaffinity(0, sizeof all, &all) || CPU_COUNT(&all) < 2)
        return;
    CPU_ZERO(&one);
    for (unsigned k = 0, seen = 0; k < CPU_SETSIZE; k++)
        if (CPU_ISSET(k, &all) && seen++ == n)
            CPU_SET(k, &one);
    sched_setaffinity(0, sizeof one, &one);
}

static void *second_run(void *arg)
{
    Pair *p = arg;

    on_processor(1);
    p->stop[1] = engine_soft.run(p->cpu[1]);
    return NULL;
}

static void pair_run(Pair *p)
{
    cpu_set_t before;
    pthread_t thread;

    sched_getaffinity(0, sizeof before, &before);
    for (unsigned n = 0; n < 2; n++)
        engine_soft.set_state(p->cpu[n], &p->s[n]);
    cr_assert_eq(pthread_create(&thread, NULL, second_run, p), 0);
    on_processor(0);
    p->stop[0] = engine_soft.run(p->cpu[0]);
    pthread_join(thread, NULL);
    sched_setaffinity(0, sizeof before, &before);
    for (unsigned n = 0; n < 2; n++) {
        engine_soft.get_state(p->cpu[n], &p->s[n]);
        cr_assert(p->stop[n] == VCPU_STOP_HALTED && p->s[n].rip > CODE && p->s[n].rip < SHOT_AT,
                  "vCPU %u stopped for %d at %#lx", n, p->stop[n], p->s[n].rip);
    }
}

static void pair_free(Pair *p)
{
    engine_soft.vcpu_destroy(p->cpu[1]);
    guest_free(p->g);
}

TestSuite(two_cpus, .timeout = 300);

/* --- the order of loads and stores --- */
#define LOAD_BOTH(p, first, second) \
    do { \
        Guest *to_ = (p)->g; \
        LOAD_AT(to_, CODE, first); \
        LOAD_AT(to_, CODE_B, second); \
    } while (0)

static void arrays(Pair *p, bool crossed)
{
    for (unsigned n = 0; n < 2; n++) {
        p->s[n].gpr[RCX] = TURNS;
        p->s[n].gpr[RBX] = n && crossed ? ARRAY_Y : ARRAY_X;
        p->s[n].gpr[RBP] = n && crossed ? ARRAY_X : ARRAY_Y;
        p->s[n].gpr[RDI] = n ? FOUND_B : FOUND_A;
        p->s[n].gpr[RSI] = FOUND_C;
    }
}

/* In how many turns both found v. */
static unsigned both_found(const Pair *p, uint32_t v)
{
    unsigned both = 0;

    for (unsigned n = 0; n < TURNS; n++)
        both += ram32(p->g, FOUND_A + n * 4) == v && ram32(p->g, FOUND_B + n * 4) == v;
    return both;
}

#define STORE_BUFFERS(snippet) \
    EACH_WAY(w) { \
        Pair p; \
        pair_new(&p, w); \
        LOAD_BOTH(&p, snippet, snippet); \
        arrays(&p, true); \
        pair_run(&p); \
        cr_expect_eq(both_found(&p, 0), 0, "way %u: both found nothing, %u times", w, both_found(&p, 0)); \
        pair_free(&p); \
    }

Test(two_cpus, stores_before_a_fence_are_seen_by_loads_behind_the_others) { STORE_BUFFERS(k_sb_mfence) }
Test(two_cpus, locked_stores_are_seen_by_loads_behind_the_others) { STORE_BUFFERS(k_sb_xchg) }
Test(two_cpus, stores_before_anything_locked_are_seen_by_loads_behind_the_others) { STORE_BUFFERS(k_sb_lock) }

Test(two_cpus, a_store_is_never_seen_before_the_load_that_it_follows)
{
    EACH_WAY(w) {
        Pair p;

        pair_new(&p, w);
        LOAD_BOTH(&p, k_lb, k_lb);
        arrays(&p, true);
        pair_run(&p);
        cr_expect_eq(both_found(&p, 1), 0, "way %u", w);
        pair_free(&p);
    }
}

static void message(Pair *p, uint32_t written)
{
    arrays(p, false);
    pair_run(p);
    for (unsigned n = 0; n < TURNS; n++)
        if (ram32(p->g, FOUND_B + n * 4))
            cr_assert_eq(ram32(p->g, FOUND_C + n * 4), written, "turn %u: the flag without the data", n);
    for (unsigned n = 0; n < TURNS; n++)
        cr_assert_eq(ram32(p->g, ARRAY_X + n * 4), written);
}

Test(two_cpus, who_sees_the_flag_sees_the_data)
{
    EACH_WAY(w) {
        Pair p;

        pair_new(&p, w);
        LOAD_BOTH(&p, k_mp_write, k_mp_read);
        message(&p, 1);
        pair_free(&p);
        pair_new(&p, w);
        LOAD_BOTH(&p, k_mp_string, k_mp_read);
        message(&p, 0x01010101);
        pair_free(&p);
    }
}

/* --- page tables --- */
static void tell(Guest *g, uint16_t port)
{
    Pair *p = g->context;

    if (port != TELL)
        return;
    __atomic_store_n(&p->second.irq, IRQ_EXTINT, __ATOMIC_SEQ_CST);
    engine_soft.kick(p->cpu[1], false);
}

Test(two_cpus, a_page_is_left_by_who_has_been_told_by_an_interrupt)
{
    enum { MOVES = 400, POISON = 0x5015015 };

    EACH_WAY(w) {
        Pair p;
        Guest *g;

        pair_new(&p, w);
        g = p.g;
        LOAD_BOTH(&p, k_shooter, k_reader);
        LOAD_AT(g, SHOT_AT, k_shot);
        idt_gate(g, SHOT_VECTOR, K64, SHOT_AT, 14, 0, 0);
        p.second.irq_vector = SHOT_VECTOR;
        g->on_out = tell;
        g->context = &p;
        ram_put(g, PT_AT + (MOVING >> 12) * 8, 8, FRAME_A | 7);
        for (unsigned n = 0; n < 2; n++) {
            p.s[n].gpr[RBX] = MOVING;
            p.s[n].gpr[14] = POISON;
        }
        p.s[0].gpr[RCX] = MOVES;
        p.s[0].gpr[RSI] = PT_AT + (MOVING >> 12) * 8;
        p.s[0].gpr[8] = FRAME_A;
        p.s[0].gpr[9] = FRAME_B;
        pair_run(&p);
        cr_expect_eq(ram32(g, SIGN), 1, "way %u: %s", w, ram32(g, SIGN) == 2 ? "read where the page no longer is"
                     : "written where the page no longer is");
        cr_expect_eq(ram64(g, SIGN + 8), MOVES);
        eq_hex(p.s[0].gpr[RCX], 0);
        pair_free(&p);
    }
}

Test(two_cpus, accessed_and_dirty_bits_lose_no_change_of_the_entry)
{
    enum { TIMES = 2001, PAGES = 8 };

    EACH_WAY(w) {
        Pair p;
        Guest *g;

        pair_new(&p, w);
        g = p.g;
        LOAD_BOTH(&p, k_accessed, k_accessed);
        for (unsigned n = 0; n < 2; n++) {
            p.s[n].gpr[RBX] = MOVING;
            p.s[n].gpr[RSI] = PT_AT + (MOVING >> 12) * 8;
            p.s[n].gpr[RCX] = TIMES;
            p.s[n].gpr[RDX] = 9 + n;
        }
        pair_run(&p);
        for (unsigned n = 0; n < PAGES; n++) {
            uint64_t page = MOVING + n * 0x1000u;

            eq_hex(ram64(g, PT_AT + (page >> 12) * 8) & ~0x60ull, page | 7 | 3 << 9);
            cr_expect_eq(ram32(g, page + 9 * 4), TIMES);
            cr_expect_eq(ram32(g, page + 10 * 4), TIMES);
        }
        pair_free(&p);
    }
}

/* --- who waits for a vCPU --- */
typedef struct Changer {
    Guest *g;
    uint32_t lock;              /* held while memory changes; the vCPU wants it whenever it is out of guest code */
    unsigned changes;
} Changer;

static void spin_lock(uint32_t *lock)
{
    for (unsigned n = 1; __atomic_exchange_n(lock, 1, __ATOMIC_SEQ_CST); n++) {
        if (n % 1024 == 0)
            sched_yield();
        __builtin_ia32_pause();
    }
}

static void spin_unlock(uint32_t *lock) { __atomic_store_n(lock, 0, __ATOMIC_SEQ_CST); }

static void want_lock(Guest *g, uint16_t port)
{
    Changer *c = g->context;

    (void)port;
    spin_lock(&c->lock);
    spin_unlock(&c->lock);
}

/* Memory changes at any time of the vCPU's way from one OUT to the next. */
static void *change_memory(void *arg)
{
    enum { PHASES = 2003, SECONDS = 3 };
    time_t end = time(NULL) + SECONDS;
    Changer *c = arg;

    on_processor(1);
    while (time(NULL) < end) {
        uint64_t start = __builtin_ia32_rdtsc(), phase = ++c->changes * 7919ull % PHASES;

        while (__builtin_ia32_rdtsc() - start < phase)
            __builtin_ia32_pause();
        spin_lock(&c->lock);
        engine_soft.memory_changed(c->g->engine, MOVING, 4096);
        spin_unlock(&c->lock);
    }
    __atomic_store_n((uint32_t *)(void *)(c->g->ram + SIGN), 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Nobody tells it later: the vCPU waits for what the one who waits for it has. */
Test(two_cpus, who_waits_for_a_vcpu_hears_that_it_leaves, .timeout = 60)
{
    Changer c = { .g = guest_new() };
    cpu_set_t before;
    pthread_t thread;

    sched_getaffinity(0, sizeof before, &before);
    guest_long(c.g);
    LOAD_AT(c.g, CODE, k_knock);
    c.g->on_out = want_lock;
    c.g->context = &c;
    c.g->s.rip = CODE;
    c.g->s.gpr[13] = SIGN;
    cr_assert_eq(pthread_create(&thread, NULL, change_memory, &c), 0);
    on_processor(0);
    run_done(c.g);
    pthread_join(thread, NULL);
    sched_setaffinity(0, sizeof before, &before);
    cr_expect_gt(c.changes, 100);
    guest_free(c.g);
}

/* --- random programs whose sum is known --- */
enum { COUNTERS = 12, PROGRAMS = 12, LENGTH = 24, ROUNDS = 4001, COUNTERS_AT = 0x100fd0,
       BITS = COUNTERS - 3 };

typedef struct Sum {
    Rng rng;
    uint8_t code[2048];
    unsigned len, cpu;
    uint64_t added[COUNTERS];   /* a round of one vCPU */
    uint64_t toggled;           /* bits of counter BITS, of which each vCPU has its own */
    uint32_t stores;            /* plain, to bytes of its own */
} Sum;

/* Counters of 8 bytes at any place, one across a line, one across a page; the last two are of 16. */
static uint64_t counter_at(unsigned n)
{
    static const uint16_t at[COUNTERS] = { 0x10, 0x1c, 0x24, 0x2d, 0x40, 0x4d, 0x6d, 0x83, 0x8c, 0xa1, 0xc0, 0xd0 };

    return COUNTERS_AT + at[n];
}

static void bytes(Sum *s, const void *b, unsigned n)
{
    memcpy(s->code + s->len, b, n);
    s->len += n;
}

static void put(Sum *s, unsigned v) { s->code[s->len++] = (uint8_t)v; }

static void put32(Sum *s, uint64_t v)
{
    uint32_t d = (uint32_t)v;

    bytes(s, &d, 4);
}

/* LOCK, opcode with REX.W, ModRM with reg, an absolute address. */
static void locked(Sum *s, unsigned op, unsigned reg, uint64_t at)
{
    put(s, 0xf0);
    put(s, 0x48);
    if (op >= 0x100)
        put(s, 0x0f);
    put(s, op & 0xff);
    put(s, 0x04 | reg << 3);
    put(s, 0x25);
    put32(s, at);
}

static void load_imm(Sum *s, unsigned r, uint64_t v)
{
    put(s, 0x48);
    put(s, 0xb8 | r);
    bytes(s, &v, 8);
}

/* mov rax, [at]; again: lea rdi, [rax + add]; lock cmpxchg [at], rdi; jnz again */
static void by_cmpxchg(Sum *s, unsigned n, unsigned add)
{
    static const uint8_t lea[] = { 0x48, 0x8d, 0xb8 };
    uint64_t at = counter_at(n);
    unsigned again;

    bytes(s, "\x48\x8b\x04\x25", 4);
    put32(s, at);
    again = s->len;
    bytes(s, lea, 3);
    put32(s, add);
    locked(s, 0x1b1, RDI, at);
    put(s, 0x75);
    put(s, again - s->len - 1);
    s->added[n] += add;
}

/* The pair RDX:RAX, one more; at a counter of 16 bytes.  CMPXCHG8B for the upper half's neighbour. */
static void by_cmpxchg_wide(Sum *s, unsigned n, bool sixteen)
{
    uint64_t at = counter_at(n);
    unsigned again;

    bytes(s, sixteen ? "\x48\x8b\x04\x25" : "\x90\x8b\x04\x25", 4);
    put32(s, at);
    bytes(s, sixteen ? "\x48\x8b\x14\x25" : "\x90\x8b\x14\x25", 4);
    put32(s, at + (sixteen ? 8 : 4));
    again = s->len;
    bytes(s, "\x48\x89\xc3\x48\x89\xd1", 6);                /* mov rbx, rax; mov rcx, rdx */
    bytes(s, sixteen ? "\x48\x83\xc3\x01\x48\x83\xd1\x00" : "\x90\x83\xc3\x01\x90\x83\xd1\x00", 8);
    put(s, 0xf0);
    if (sixteen)
        put(s, 0x48);
    bytes(s, "\x0f\xc7\x0c\x25", 4);
    put32(s, at);
    put(s, 0x75);
    put(s, again - s->len - 1);
    s->added[n]++;
}

static void one_operation(Sum *s)
{
    unsigned n = rng_below(&s->rng, BITS), v = rng_below(&s->rng, 1000), bit;
    uint64_t at = counter_at(n);

    switch (rng_below(&s->rng, 11)) {
    case 0: locked(s, 0xff, 0, at); s->added[n]++; break;
    case 1: locked(s, 0xff, 1, at); s->added[n]--; break;
    case 2: locked(s, 0x81, 0, at); put32(s, v); s->added[n] += v; break;
    case 3: locked(s, 0x81, 5, at); put32(s, v); s->added[n] -= v; break;
    case 4: load_imm(s, RDX, v); locked(s, 0x1c1, RDX, at); s->added[n] += v; break;
    case 5: by_cmpxchg(s, n, v); break;
    case 6: by_cmpxchg_wide(s, COUNTERS - 1 - rng_below(&s->rng, 2), true); break;
    case 7: by_cmpxchg_wide(s, n, false); break;
    case 8:
        bit = 2 * rng_below(&s->rng, 32) + s->cpu;
        locked(s, 0x1ba, 7, counter_at(BITS));
        put(s, bit);
        s->toggled ^= 1ull << bit;
        break;
    case 9:                             /* bytes next to the other's, without LOCK */
        bytes(s, "\x80\x04\x25", 3);
        put32(s, ARRAY_Y + 2 * rng_below(&s->rng, 8) + s->cpu);
        put(s, 1);
        s->stores++;
        break;
    default:
        locked(s, 0x81, 6, counter_at(BITS));
        put32(s, s->cpu ? 0x2aaaaaaa : 0x15555555);
        s->toggled ^= s->cpu ? 0x2aaaaaaa : 0x15555555;
    }
}

static void make_program(Sum *s, unsigned cpu, uint64_t seed)
{
    unsigned start;

    *s = (Sum){ .rng = { seed }, .cpu = cpu };
    /* lock inc dword [r12]; 1: cmp dword [r12], 2; jb 1b */
    bytes(s, "\xf0\x41\xff\x04\x24\x41\x83\x3c\x24\x02\x72\xf9", 12);
    start = s->len;
    /* test r15d, 63; jnz 2f; lock inc dword [r12]; add r14d, 2; 1: pause; cmp [r12], r14d; jb 1b; 2: */
    bytes(s, "\x41\xf7\xc7\x3f\x00\x00\x00\x75\x11\xf0\x41\xff\x04\x24\x41\x83\xc6\x02\xf3\x90\x45\x39\x34\x24"
          "\x72\xf8", 26);
    for (unsigned n = 0; n < LENGTH; n++)
        one_operation(s);
    bytes(s, "\x41\xff\xcf\x0f\x85", 5);                    /* dec r15d; jnz start */
    put32(s, start - s->len - 4);
    put(s, 0xf4);
}

static void check_sums(const Pair *p, const Sum *a, const Sum *b, uint64_t seed)
{
    uint32_t stores = 0;

    for (unsigned n = 0; n < COUNTERS; n++) {
        uint64_t expected = ROUNDS * (a->added[n] + b->added[n]), v = ram64(p->g, counter_at(n));

        if (n == BITS)
            expected = a->toggled ^ b->toggled;         /* in an odd number of rounds */
        cr_expect(v == expected, "seed %lu: counter %u is %#lx, not %#lx", seed, n, v, expected);
    }
    for (unsigned n = 0; n < 16; n++)
        stores += p->g->ram[ARRAY_Y + n];
    cr_expect(((stores ^ ROUNDS * (a->stores + b->stores)) & 0xff) == 0, "seed %lu: plain stores are lost", seed);
}

Test(two_cpus, random_sums_come_out_right)
{
    uint64_t seed = asked("GH_RANDOM_SEED", 1) * 1000, count = PROGRAMS * asked("GH_RANDOM_ROUNDS", 1);

    for (uint64_t n = 0; n < count; n++) {
        Sum a, b;
        Pair p;

        pair_new(&p, n % 3);
        make_program(&a, 0, seed + 2 * n);
        make_program(&b, 1, seed + 2 * n + 1);
        guest_code(p.g, CODE, a.code, a.len);
        guest_code(p.g, CODE_B, b.code, b.len);
        p.s[0].gpr[15] = p.s[1].gpr[15] = ROUNDS;
        pair_run(&p);
        check_sums(&p, &a, &b, seed + 2 * n);
        pair_free(&p);
    }
}
