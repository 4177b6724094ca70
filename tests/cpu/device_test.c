/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device_test.c - loads and stores of memory-mapped registers by translated code: what the device sees and
 * what the guest has afterwards is as interpreted, whether the host answers at once or not.  The guests
 * are those of sys_guest.h; the device has two pages at DEVICE.
 */
#include <string.h>
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/sys_guest.h"

enum { DEVICE = 0x100000, ENTRIES = 4096, INTERPRETED = 60000, TRANSLATED = 3 };

typedef struct Entry {
    uint64_t gpa, value;
    unsigned size;
    bool write;
} Entry;

typedef struct Dev {
    Entry log[ENTRIES];
    unsigned count, at_once, asked, refuse;     /* each so manieth time it is not done at once; 0: never */
    unsigned irq_at;            /* at this access the interrupt comes; 0: none */
    unsigned code_at;           /* and at this one the byte at code_gpa becomes 2, and is posted */
    uint64_t code_gpa;
} Dev;

static Dev *dev_of(Vcpu *v) { return ((Guest *)v)->context; }

static void note(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value, bool write)
{
    Dev *d = dev_of(v);
    Guest *g = (Guest *)v;

    if (d->count < ENTRIES)
        d->log[d->count] = (Entry){ gpa, value, size, write };
    if (d->count + 1 == d->code_at) {
        g->ram[d->code_gpa] = 2;
        g->ring_prod++;
    }
    if (++d->count == d->irq_at) {
        g->irq = IRQ_EXTINT;
        engine_soft.kick(g->cpu, false);
    }
}

static void dev_read(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value)
{
    uint64_t v64 = (gpa * 0x9e3779b97f4a7c15ull + dev_of(v)->count * 0x100000001b3ull) ^ 0x80f0e0d0c0b0a090ull;

    *value = size == 8 ? v64 : v64 & ((1ull << 8 * size) - 1);
    note(v, gpa, size, *value, false);
}

static void dev_write(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value)
{
    note(v, gpa, size, size == 8 ? value : value & ((1ull << 8 * size) - 1), true);
}

static bool refused(Dev *d)
{
    return d->refuse && ++d->asked % d->refuse == 0;
}

static bool dev_read_now(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value)
{
    if (refused(dev_of(v)))
        return false;
    dev_of(v)->at_once++;
    dev_read(v, gpa, size, value);
    return true;
}

static bool dev_write_now(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value)
{
    if (refused(dev_of(v)))
        return false;
    dev_of(v)->at_once++;
    dev_write(v, gpa, size, value);
    return true;
}

static Guest *device_guest(Dev *d, bool in_64, unsigned warm)
{
    Guest *g = guest_new();

    jit_set_warm(g->engine, warm);
    if (in_64)
        guest_long(g);
    else
        guest_prot(g);
    g->s.cr0 |= 0x10022;        /* WP, NE, MP */
    g->s.cr4 |= 0x600;
    g->s.xsave[0] = 0x7f;
    g->s.xsave[1] = 3;
    g->s.xsave[24] = 0x80;
    g->s.xsave[25] = 0x1f;
    g->context = d;
    g->host.mmio_read = dev_read;
    g->host.mmio_write = dev_write;
    g->host.mmio_read_now = dev_read_now;
    g->host.mmio_write_now = dev_write_now;
    g->types[DEVICE >> 12] = g->types[(DEVICE >> 12) + 1] = MEM_HOLE;
    g->s.gpr[3] = DEVICE;
    g->s.gpr[7] = 30;
    return g;
}

#define RUN_BOTH(in_64, name, interp, trans, seldom) \
    static Dev interp##_dev, trans##_dev; \
    Guest *interp = device_guest(&interp##_dev, in_64, INTERPRETED); \
    Guest *trans = device_guest(&trans##_dev, in_64, TRANSLATED); \
    trans##_dev.refuse = (seldom); \
    LOAD(interp, name); \
    LOAD(trans, name); \
    run_done(interp); \
    run_done(trans)

static void compare(Guest *a, Guest *b)
{
    const Dev *x = a->context, *y = b->context;

    for (unsigned n = 0; n < 16; n++)
        cr_expect_eq(a->s.gpr[n], b->s.gpr[n], "register %u: %#llx, not %#llx", n,
                     (unsigned long long)b->s.gpr[n], (unsigned long long)a->s.gpr[n]);
    cr_expect_eq(a->s.rflags, b->s.rflags);
    cr_expect_eq(a->s.rip, b->s.rip);
    cr_expect_arr_eq(a->s.xsave, b->s.xsave, 416);
    cr_expect_arr_eq(a->ram + 0x40000, b->ram + 0x40000, 64);
    cr_assert_eq(x->count, y->count);
    cr_assert_lt(x->count, ENTRIES);
    for (unsigned n = 0; n < x->count; n++) {
        const Entry *e = &x->log[n], *f = &y->log[n];

        cr_assert(e->gpa == f->gpa && e->size == f->size && e->write == f->write && e->value == f->value,
                  "access %u: %s %u bytes at %llx, %llx; not %s %u at %llx, %llx", n, f->write ? "write" : "read",
                  f->size, (unsigned long long)f->gpa, (unsigned long long)f->value, e->write ? "write" : "read",
                  e->size, (unsigned long long)e->gpa, (unsigned long long)e->value);
    }
    guest_free(a);
    guest_free(b);
}

Test(device, accesses_of_32_bit_code_are_as_interpreted)
{
    RUN_BOTH(false, dev_all_32, a, b, 0);
    compare(a, b);
}

Test(device, accesses_of_32_bit_code_that_are_refused_now_and_then_are_as_interpreted)
{
    RUN_BOTH(false, dev_all_32, a, b, 5);
    compare(a, b);
}

Test(device, accesses_of_64_bit_code_are_as_interpreted)
{
    RUN_BOTH(true, dev_all_64, a, b, 0);
    compare(a, b);
}

Test(device, accesses_of_64_bit_code_that_are_refused_now_and_then_are_as_interpreted)
{
    RUN_BOTH(true, dev_all_64, a, b, 3);
    compare(a, b);
}

Test(device, vector_registers_survive_accesses)
{
    RUN_BOTH(true, dev_vectors, a, b, 4);
    compare(a, b);
}

/* Instructions of translated code done in C: those of light.c are none. */
static uint64_t bodies(Guest *g)
{
    EngineCounter counters[ENGINE_COUNTERS];
    unsigned n = engine_soft.counters(g->cpu, counters);

    for (unsigned k = 0; k < n; k++)
        if (!strcmp(counters[k].name, "instructions of translated code done in C"))
            return counters[k].value;
    cr_assert(false, "no such counter");
    return 0;
}

Test(device, translated_accesses_are_no_bodies)
{
    static Dev d;
    Guest *g = device_guest(&d, true, TRANSLATED);

    LOAD(g, dev_load);
    g->s.gpr[7] = 1000;
    run_done(g);
    eq_hex(g->s.gpr[1], 1000);
    cr_expect_eq(d.at_once, 1000);
    cr_expect_lt(bodies(g), 20);
    guest_free(g);
}

/* The TLB knows the page from a read; the store, translated when it was writable, faults all the same. */
Test(device, a_store_to_a_page_that_may_only_be_read_faults)
{
    static Dev d;
    Guest *g = device_guest(&d, true, TRANSLATED);

    LOAD(g, dev_store_made_readable);
    g->s.gpr[6] = PT_AT + (DEVICE >> 12) * 8;
    run_to_vector(g, 14);
    eq_hex(g->s.cr2, DEVICE + 0x10);
    eq_hex(ram64(g, g->s.gpr[4]), 3);
    eq_hex(ram64(g, g->s.gpr[4] + 8), CODE);
    cr_expect_eq(d.count, 31, "30 stores and the load");
    guest_free(g);
}

/* The page becomes memory, and a device's again. */
Test(device, accesses_follow_what_the_page_is)
{
    static Dev d;
    Guest *g = device_guest(&d, true, TRANSLATED);

    LOAD(g, dev_store);
    run_done(g);
    cr_expect_eq(d.count, 30);
    g->types[DEVICE >> 12] = MEM_RAM;
    engine_soft.memory_changed(g->engine, DEVICE, 0x1000);
    g->s.rip = CODE;
    g->s.gpr[7] = 30;
    g->s.halted = 0;
    run_done(g);
    cr_expect_eq(d.count, 30);
    eq_hex(ram32(g, DEVICE + 0x10), 1);
    g->types[DEVICE >> 12] = MEM_HOLE;
    engine_soft.memory_changed(g->engine, DEVICE, 0x1000);
    g->s.rip = CODE;
    g->s.gpr[7] = 30;
    g->s.halted = 0;
    run_done(g);
    cr_expect_eq(d.count, 60);
    eq_hex(ram32(g, DEVICE + 0x10), 1);
    guest_free(g);
}

Test(device, a_data_breakpoint_sees_the_access)
{
    static Dev d;
    Guest *g = device_guest(&d, true, TRANSLATED);

    LOAD(g, dev_load);
    run_done(g);
    g->s.rip = CODE;
    g->s.gpr[7] = 30;
    g->s.halted = 0;
    g->s.dr[0] = DEVICE + 0x12;
    g->s.dr[7] = 0x400 | 3u << 16 | 1;
    run_to_vector(g, 1);
    cr_expect_eq(d.count, 31);
    eq_hex(ram64(g, g->s.gpr[4]), CODE + 3);
    guest_free(g);
}

Test(device, a_debuggers_watchpoint_sees_the_access)
{
    DebugPoint p = { .linear = DEVICE + 16, .len = 4, .kind = POINT_WRITE };
    static Dev d;
    Guest *g = device_guest(&d, true, TRANSLATED);

    LOAD(g, dev_fill);
    cr_assert(engine_soft.debug_points(g->engine, &p, 1));
    cr_expect_eq(guest_run(g), VCPU_STOP_DEBUG);
    eq_hex(g->s.rip, CODE + 3);
    eq_hex(g->s.gpr[7], 4);
    cr_expect_eq(d.count, 27);
    guest_free(g);
}

static void drain_posted_code(Vcpu *v)
{
    Guest *g = (Guest *)v;

    engine_soft.code_written(g->engine, dev_of(v)->code_gpa, 1);
    g->ring_seen = g->ring_prod;
}

Test(device, a_return_from_a_look_at_the_device_finds_what_it_wrote)
{
    extern const uint8_t dev_called[], dev_called_end[];

    for (unsigned way = 0; way < 2; way++) {
        Dev d = { .code_at = 20, .code_gpa = CODE + 11 };
        Guest *g = device_guest(&d, true, way ? TRANSLATED : INTERPRETED);

        g->host.drain_code_ring = drain_posted_code;
        g->s.gpr[12] = 0;
        guest_code(g, CODE, dev_called, dev_called_end - dev_called);
        cr_assert_eq(g->ram[d.code_gpa], 1);
        run_done(g);
        eq_hex(g->s.gpr[12], 19 * 1 + 21 * 2);
        guest_free(g);
    }
}

/* An interrupt that an access raises comes before the block's next turn. */
Test(device, an_interrupt_raised_by_an_access_is_taken_at_the_blocks_end)
{
    static Dev d;
    Guest *g = device_guest(&d, true, TRANSLATED);

    LOAD(g, dev_load);
    d.irq_at = 20;
    g->s.rflags |= F_IF;
    g->irq_vector = 0x41;
    run_to_vector(g, 0x41);
    cr_expect_eq(d.count, 20);
    eq_hex(ram64(g, g->s.gpr[4]), CODE);
    guest_free(g);
}

/* Code that is translated when it meets a device for the first time, as a driver's accessors may be. */
Test(device, code_that_met_memory_first_asks_a_device_at_once_as_well)
{
    static Dev dev;
    Guest *g = device_guest(&dev, true, TRANSLATED);

    LOAD(g, dev_late_64);
    g->s.gpr[3] = 0x40000;
    g->s.gpr[6] = DEVICE;
    run_done(g);
    cr_expect_eq(dev.count, 60);
    cr_expect_lt(bodies(g), 20);
    guest_free(g);
}
