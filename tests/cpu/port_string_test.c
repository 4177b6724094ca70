/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port_string_test.c - REP INS and OUTS to ports that the host answers for at once, element by element.  The
 * guests are those of sys_guest.h.
 */
#include <string.h>
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/sys_guest.h"

enum { BUFFER = 0x40000, LOOKED_AT = 4096 };

typedef struct Port {
    unsigned count, refuse, irq_at, plain;
    uint32_t written[LOOKED_AT];
} Port;

static Port *port_of(Vcpu *v) { return ((Guest *)v)->context; }

static uint32_t element(unsigned n) { return n * 0x01030507u + 0x11223344u; }

static bool no_bulk(Vcpu *v, uint16_t port)
{
    (void)v;
    (void)port;
    return false;
}

static void counted(Vcpu *v)
{
    Guest *g = (Guest *)v;

    if (++port_of(v)->count == port_of(v)->irq_at) {
        g->irq = IRQ_EXTINT;
        engine_soft.kick(g->cpu, false);
    }
}

static void plain_read(Vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    (void)port;
    *value = element(port_of(v)->count) & (uint32_t)((1ull << 8 * size) - 1);
    port_of(v)->plain++;
    counted(v);
}

static void plain_write(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    (void)port;
    (void)size;
    port_of(v)->written[port_of(v)->count % LOOKED_AT] = value;
    port_of(v)->plain++;
    counted(v);
}

static bool refused(Port *p)
{
    return p->refuse && (p->count + p->plain) % p->refuse == 0;
}

static bool read_now(Vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    if (refused(port_of(v)))
        return false;
    plain_read(v, port, size, value);
    port_of(v)->plain--;
    return true;
}

static bool write_now(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    if (refused(port_of(v)))
        return false;
    plain_write(v, port, size, value);
    port_of(v)->plain--;
    return true;
}

static Guest *port_guest(Port *p, const uint8_t *code, size_t len)
{
    Guest *g = guest_new();

    guest_prot(g);
    guest_code(g, CODE, code, len);
    g->context = p;
    g->host.io_in_bulk = no_bulk;
    g->host.io_read = plain_read;
    g->host.io_write = plain_write;
    g->host.io_read_now = read_now;
    g->host.io_write_now = write_now;
    g->s.gpr[2] = 0x21;
    g->s.gpr[6] = g->s.gpr[7] = BUFFER + 0xf00;
    g->s.gpr[1] = 1000;
    return g;
}

static uint32_t ram_element(const Guest *g, uint64_t at, unsigned size)
{
    return size == 1 ? g->ram[at] : size == 2 ? ram16(g, at) : ram32(g, at);
}

static void check_ins(unsigned size, bool down, unsigned refuse)
{
    const uint8_t code[] = { down ? 0xfd : 0xfc, size == 2 ? 0x66 : 0x90, 0xf3, size == 1 ? 0x6c : 0x6d, 0xf4 };
    static Port p;
    Guest *g;
    int step = down ? -(int)size : (int)size;
    uint32_t mask = (uint32_t)((1ull << 8 * size) - 1);

    p = (Port){ .refuse = refuse };
    g = port_guest(&p, code, sizeof code);
    g->s.gpr[7] += 2;                   /* elements cross pages */
    run_done(g);
    cr_expect_eq(p.count, 1000);
    cr_expect(refuse ? p.plain > 50 : p.plain < 5, "%u plain", p.plain);
    eq_hex(g->s.gpr[1], 0);
    eq_hex(g->s.gpr[7], BUFFER + 0xf02 + 1000 * step);
    for (int n = 0; n < 1000; n++)
        cr_assert_eq(ram_element(g, (uint64_t)(BUFFER + 0xf02 + n * step), size), element((unsigned)n) & mask,
                     "element %d of %u bytes", n, size);
    guest_free(g);
}

Test(port_string, ins_up_and_down_of_each_size)
{
    for (unsigned size = 1; size <= 4; size *= 2)
        for (unsigned k = 0; k < 4; k++)
            check_ins(size, k & 1, k & 2 ? 7 : 0);
}

static void check_outs(unsigned size, bool down, unsigned refuse)
{
    const uint8_t code[] = { down ? 0xfd : 0xfc, size == 2 ? 0x66 : 0x90, 0xf3, size == 1 ? 0x6e : 0x6f, 0xf4 };
    static Port p;
    Guest *g;
    int step = down ? -(int)size : (int)size;

    p = (Port){ .refuse = refuse };
    g = port_guest(&p, code, sizeof code);
    for (unsigned n = 0; n < 0x4000; n += 4)
        ram_put(g, BUFFER - 0x2000 + n, 4, element(n));
    run_done(g);
    cr_expect_eq(p.count, 1000);
    eq_hex(g->s.gpr[6], BUFFER + 0xf00 + 1000 * step);
    for (int n = 0; n < 1000; n++)
        cr_assert_eq(p.written[n], ram_element(g, (uint64_t)(BUFFER + 0xf00 + n * step), size));
    guest_free(g);
}

Test(port_string, outs_up_and_down_of_each_size)
{
    for (unsigned size = 1; size <= 4; size *= 2)
        for (unsigned k = 0; k < 4; k++)
            check_outs(size, k & 1, k & 2 ? 7 : 0);
}

/* It is taken between two elements, and the rest of them comes behind it. */
Test(port_string, an_interrupt_comes_behind_the_element_that_raised_it)
{
    static const uint8_t code[] = { 0xf3, 0x6c, 0xf4 };
    static Port p = { .irq_at = 40 };
    Guest *g = port_guest(&p, code, sizeof code);

    g->s.rflags |= F_IF;
    g->irq_vector = 0x41;
    run_to_vector(g, 0x41);
    cr_expect_eq(p.count, 40);
    eq_hex(g->s.gpr[1], 960);
    eq_hex(g->s.gpr[7], BUFFER + 0xf00 + 40);
    eq_hex(ram32(g, g->s.gpr[4]), CODE);
    guest_free(g);
}

/* l: rep insb; nop; mov ecx, 1; dec ebx; jnz l; hlt: in the second turn what is read takes the NOP's place. */
Test(port_string, code_that_ins_reads_in_is_run)
{
    static const uint8_t code[] = { 0xf3, 0x6c, 0x90, 0xb9, 1, 0, 0, 0, 0x4b, 0x75, 0xf5, 0xf4 };
    static Port p;
    Guest *g;

    for (unsigned k = 0; k < 2; k++) {          /* translated, interpreted */
        p = (Port){ 0 };
        g = port_guest(&p, code, sizeof code);
        jit_set_warm(g->engine, k ? 60000 : 1);
        g->s.gpr[7] = CODE + 2;
        g->s.gpr[1] = 0;
        g->s.gpr[3] = 2;
        run_done(g);                            /* 44h: inc esp */
        cr_expect_eq(p.count, 1);
        eq_hex(g->s.gpr[4], STACK0 + 1);
        guest_free(g);
    }
}
