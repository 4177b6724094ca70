/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_guest.c - builds and runs the tiny guests of sys_guest.h on the software CPU.
 *
 * Nothing of the hypervisor is here: the EngineHost below records port I/O and hypercalls and
 * offers one interrupt.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/sys_guest.h"

/* The host's functions get the Guest as their Vcpu. */
static Guest *of(Vcpu *v) { return (Guest *)v; }

static void host_io(Vcpu *v, uint16_t port, unsigned size, uint32_t value, bool write)
{
    Guest *g = of(v);

    if (g->io_count < 32) {
        g->io[g->io_count].port = port;
        g->io[g->io_count].size = (uint8_t)size;
        g->io[g->io_count].value = value;
        g->io[g->io_count].write = write;
    }
    g->io_count++;
}

static void host_io_read(Vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    *value = 0xa5a5a5a5u & (size == 4 ? 0xffffffffu : (1u << size * 8) - 1);
    host_io(v, port, size, *value, false);
}

static void host_io_write(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    host_io(v, port, size, value, true);
    if (of(v)->on_out)
        of(v)->on_out(of(v), port);
}

/* Every other access is done at once, when it is not on_out's. */
static bool host_io_read_now(Vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    if (++of(v)->asked_now % 2 == 0)
        return false;
    host_io_read(v, port, size, value);
    of(v)->done_now++;
    return true;
}

static bool host_io_write_now(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    if (of(v)->on_out || ++of(v)->asked_now % 2 == 0)
        return false;
    host_io_write(v, port, size, value);
    of(v)->done_now++;
    return true;
}

static uint32_t host_io_string(Vcpu *v, uint16_t port, unsigned size, bool write, uint64_t gpa,
                               uint32_t count, bool df)
{
    (void)gpa;
    (void)count;
    (void)df;
    host_io(v, port, size, 0, write);
    return 1;
}

static void host_mmio_read(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value)
{
    (void)gpa;
    (void)size;
    if (of(v)->on_read)
        of(v)->on_read(of(v));
    *value = UINT64_MAX;
}

static void host_mmio_write(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value)
{
    (void)v;
    (void)gpa;
    (void)size;
    (void)value;
}

static uint32_t host_mmio_string(Vcpu *v, uint64_t gpa, unsigned size, bool write,
                                 uint64_t ram_gpa, uint64_t value, uint32_t count, bool df)
{
    (void)v;
    (void)gpa;
    (void)size;
    (void)write;
    (void)ram_gpa;
    (void)value;
    (void)count;
    (void)df;
    return 0;
}

static void host_hypercall(Vcpu *v, uint64_t *gpr, bool long_mode, unsigned cpl)
{
    of(v)->hypercalls++;
    of(v)->hypercall_long = long_mode;
    of(v)->hypercall_cpl = cpl;
    gpr[0] = 0x1234;
}

static void host_cpuid(Vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    (void)subleaf;
    memset(out, 0, 16);
    switch (leaf) {
    case 0:
        out[0] = 13;
        memcpy(out + 1, of(v)->amd ? "Auth" : "Genu", 4);
        memcpy(out + 3, of(v)->amd ? "enti" : "ineI", 4);
        memcpy(out + 2, of(v)->amd ? "cAMD" : "ntel", 4);
        break;
    case 1:
        out[0] = 0x000206a7;
        out[2] = 1u << 26 | 1u << 17 | 1u << 27;
        out[3] = 0x078bfbff;
        break;
    case 7:
        out[1] = 1u | 1u << 7 | 1u << 20;
        out[2] = 1u << 2;
        break;
    case 0xd:
        out[0] = 3;
        out[1] = out[2] = 576;
        break;
    case 0x80000001:
        out[3] = 1u << 11 | 1u << 20 | 1u << 27 | 1u << 29;
        break;
    case 0x80000008:
        out[0] = 40 | 48 << 8;
        break;
    default:
        break;
    }
}

static bool host_msr_read(Vcpu *v, uint32_t index, uint64_t *value)
{
    (void)v;
    *value = 0x77;
    return index == 0x8b;
}

static bool host_msr_write(Vcpu *v, uint32_t index, uint64_t value)
{
    (void)value;
    return index == 0x8b || (index == 0xc0000103 && of(v)->aux_fixed);
}

static uint64_t host_cr8_read(Vcpu *v)
{
    (void)v;
    return 5;
}

static void host_cr8_write(Vcpu *v, uint64_t value) { host_io(v, 0xcccc, 8, (uint32_t)value, true); }
static unsigned host_irq_pending(Vcpu *v) { return of(v)->irq; }

static int host_irq_ack(Vcpu *v)
{
    of(v)->irq &= ~(unsigned)IRQ_EXTINT;
    return (int)of(v)->irq_vector;
}

static void host_nmi_ack(Vcpu *v) { of(v)->irq &= ~(unsigned)IRQ_NMI; }
static uint64_t host_tsc(Vcpu *v) { return of(v)->tsc += 1000; }
static void host_drain(Vcpu *v) { of(v)->ring_seen = of(v)->ring_prod; }

static void host_log(Vcpu *v, const char *text)
{
    (void)v;
    (void)text;
}

/* --- memory --- */

/* Like a device: the engine may hold decoded code of what is written. */
void guest_code(Guest *g, uint32_t at, const void *bytes, size_t len)
{
    memcpy(g->ram + at, bytes, len);
    if (g->engine)
        engine_soft.code_written(g->engine, at, len);
}

void ram_put(Guest *g, uint64_t at, unsigned size, uint64_t v) { guest_code(g, (uint32_t)at, &v, size); }

uint16_t ram16(const Guest *g, uint64_t at)
{
    uint16_t v;

    memcpy(&v, g->ram + at, 2);
    return v;
}

uint32_t ram32(const Guest *g, uint64_t at)
{
    uint32_t v;

    memcpy(&v, g->ram + at, 4);
    return v;
}

uint64_t ram64(const Guest *g, uint64_t at)
{
    uint64_t v;

    memcpy(&v, g->ram + at, 8);
    return v;
}

void gdt_raw(Guest *g, unsigned selector, uint64_t raw) { ram_put(g, GDT_AT + (selector & ~7u), 8, raw); }
uint64_t gdt_get(Guest *g, unsigned selector) { return ram64(g, GDT_AT + (selector & ~7u)); }

/* limit in bytes; attr as in SegState, with G chosen here. */
void gdt_set(Guest *g, unsigned selector, uint32_t base, uint32_t limit, uint32_t attr)
{
    uint64_t lim = limit, at = attr;

    if (limit > 0xfffff) {
        lim >>= 12;
        at |= 0x800;
    }
    gdt_raw(g, selector, (lim & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (at & 0xff) << 40 |
            (lim >> 16) << 48 | (at >> 8 & 0xf) << 52 | (uint64_t)(base >> 24) << 56);
}

uint64_t gate_raw(unsigned selector, uint32_t offset, unsigned type, unsigned dpl, unsigned count)
{
    return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)(count & 0x1f) << 32 |
           (uint64_t)(0x80 | dpl << 5 | type) << 40 | (uint64_t)(offset >> 16) << 48;
}

void idt_gate(Guest *g, unsigned vector, unsigned selector, uint64_t offset, unsigned type,
              unsigned dpl, unsigned ist)
{
    uint64_t raw = gate_raw(selector, (uint32_t)offset, type, dpl, ist);

    if (g->wide_idt) {
        ram_put(g, IDT_AT + vector * 16, 8, raw);
        ram_put(g, IDT_AT + vector * 16 + 8, 8, offset >> 32);
    } else {
        ram_put(g, IDT_AT + vector * 8, 8, raw);
    }
}

void page_flags(Guest *g, uint64_t at, uint64_t flags)
{
    ram_put(g, PT_AT + (at >> 12) * 8, 8, (at & ~0xfffull) | flags);
}

/* --- set-up --- */

static void build_gdt(Guest *g)
{
    static const struct { uint16_t sel; uint32_t base, limit, attr; } table[] = {
        { K32, 0, 0xffffffff, 0x49b }, { KDATA, 0, 0xffffffff, 0x493 },
        { U32, 0, 0xffffffff, 0x4fb }, { UDATA, 0, 0xffffffff, 0x4f3 },
        { U64, 0, 0xffffffff, 0x2fb }, { K64, 0, 0xffffffff, 0x29b },
        { K16, 0, 0xffff, 0x09b }, { KDATA16, 0, 0xffff, 0x093 },
        { KCONF, 0, 0xffffffff, 0x49e }, { UCONF, 0, 0xffffffff, 0x4fe },
        { TSS, TSS_AT, 0x6f + 0x100, 0x8b }, { TSS_B, TSS_B_AT, 0x6f, 0x89 },
        { TSS16, TSS16_AT, 0x2b, 0x81 }, { TSS16_B, TSS16_B_AT, 0x2b, 0x81 },
        { LDT, LDT_AT, 0x1f, 0x82 },
        { ABSENT, 0, 0xffffffff, 0x413 }, { ABSENT_CODE, 0, 0xffffffff, 0x41b },
        { R1CODE, 0, 0xffffffff, 0x4bb }, { R1DATA, 0, 0xffffffff, 0x4b3 },
        { RODATA, 0, 0xffffffff, 0x490 }, { XCODE, 0, 0xffffffff, 0x498 },
        { DOWN, 0, 0xfff, 0x496 },
    };

    for (unsigned n = 0; n < sizeof table / sizeof table[0]; n++)
        gdt_set(g, table[n].sel, table[n].base, table[n].limit, table[n].attr);
    gdt_raw(g, TASKGATE, gate_raw(TSS_B, 0, 5, 0, 0));
}

static void build_tss(Guest *g)
{
    ram_put(g, TSS_AT + 4, 4, STACK0);
    ram_put(g, TSS_AT + 8, 4, KDATA);
    ram_put(g, TSS_AT + 12, 4, STACK1);
    ram_put(g, TSS_AT + 16, 4, R1DATA | 1);
    ram_put(g, TSS_AT + 102, 2, 0x68 + 0x20);
    memset(g->ram + TSS_AT + 0x68, 0xff, 0x100);
}

static void build_paging(Guest *g)
{
    ram_put(g, PML4_AT, 8, PDPT_AT | 7);
    ram_put(g, PDPT_AT, 8, PD_AT | 7);
    ram_put(g, PD_AT, 8, PT_AT | 7);
    for (unsigned n = 0; n < 512; n++)
        ram_put(g, PT_AT + n * 8, 8, n << 12 | 7);
}

static Guest *make_guest(uint64_t ram, size_t code_memory)
{
    Guest *g = calloc(1, sizeof *g);
    char *why = NULL;

    g->ram_size = ram;
    g->ram = mmap(NULL, ram, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(g->ram, MAP_FAILED);
    g->types = malloc(ram >> 12);
    memset(g->types, MEM_RAM, ram >> 12);
    g->code_pages = calloc(1, ram >> 12);
    g->mem = (GuestMemory){ .base = g->ram, .size = ram, .types = g->types,
                            .code_pages = g->code_pages };
    g->host = (EngineHost){ .io_read = host_io_read, .io_write = host_io_write,
        .io_string = host_io_string, .mmio_read = host_mmio_read, .mmio_write = host_mmio_write,
        .mmio_string = host_mmio_string, .hypercall = host_hypercall, .cpuid = host_cpuid,
        .msr_read = host_msr_read, .msr_write = host_msr_write, .cr8_read = host_cr8_read,
        .cr8_write = host_cr8_write, .irq_pending = host_irq_pending, .irq_ack = host_irq_ack,
        .io_read_now = host_io_read_now, .io_write_now = host_io_write_now,
        .nmi_ack = host_nmi_ack, .tsc = host_tsc, .drain_code_ring = host_drain, .log = host_log };
    g->engine = engine_soft.create(&g->mem, &g->host, &why);
    cr_assert_not_null(g->engine, "no engine: %s", why ? why : "?");
    jit_set_warm(g->engine, 1);
    if (code_memory)
        engine_soft.set_code_memory(g->engine, code_memory);
    g->cpu = engine_soft.vcpu_create(g->engine, (Vcpu *)g, 0, 0, &g->ring_prod, &g->ring_seen);
    cr_assert_not_null(g->cpu);
    engine_soft.get_state(g->cpu, &g->s);
    build_gdt(g);
    build_tss(g);
    build_paging(g);
    memset(g->ram + STUBS, 0xf4, 256 * 16);
    return g;
}

Guest *guest_new(void)
{
    return getenv("GH_TIGHT") ? guest_new_tight() : make_guest(GUEST_RAM, 0);
}

Guest *guest_new_tight(void)
{
    Guest *g = make_guest(GUEST_RAM, 256 << 10);

    jit_set_few_blocks(g->engine, 1);
    return g;
}

Guest *guest_new_with(size_t code_memory) { return make_guest(GUEST_RAM, code_memory); }
Guest *guest_new_large(uint64_t ram) { return make_guest(ram, 0); }

void guest_free(Guest *g)
{
    engine_soft.vcpu_destroy(g->cpu);
    engine_soft.destroy(g->engine);
    munmap(g->ram, g->ram_size);
    free(g->types);
    free(g->code_pages);
    free(g);
}

static SegState segment(uint16_t selector, uint64_t base, uint32_t limit, uint32_t attr)
{
    return (SegState){ .selector = selector, .base = base, .limit = limit, .attr = attr };
}

static void common(Guest *g)
{
    g->s.rflags = 2;
    g->s.rip = CODE;
    memset(g->s.gpr, 0, sizeof g->s.gpr);
    g->s.gpr[4] = STACK0;
    g->s.gdt_base = GDT_AT;
    g->s.gdt_limit = GDT_BYTES - 1;
    g->s.idt_base = IDT_AT;
    g->s.ldtr = segment(0, 0, 0, SEG_ATTR_UNUSABLE);
    g->s.tr = segment(TSS, TSS_AT, 0x6f + 0x100, 0x8b);
    g->s.halted = g->s.nmi_blocked = 0;
    g->s.cr4 = g->s.efer = 0;
    g->s.dr[7] = 0x400;
    g->s.dr[6] = 0xffff0ff0;
}

void guest_real(Guest *g)
{
    common(g);
    g->s.cr0 = 0x10;
    g->s.idt_base = 0;
    g->s.idt_limit = 0x3ff;
    for (unsigned n = 0; n < 256; n++)
        ram_put(g, n * 4, 4, (STUBS >> 4) << 16 | n * 16);
    for (unsigned n = 0; n < SEG_COUNT; n++)
        g->s.seg[n] = segment(0, 0, 0xffff, 0x93);
    g->s.seg[SEG_CS] = segment(CODE >> 4, CODE, 0xffff, 0x93);
    g->s.rip = 0;
    g->s.gpr[4] = 0xfff0;
    g->s.seg[SEG_SS] = segment(0x1000, 0x10000, 0xffff, 0x93);
}

void guest_prot(Guest *g)
{
    common(g);
    g->s.cr0 = 0x11;
    g->s.idt_limit = 0x7ff;
    for (unsigned n = 0; n < 256; n++)
        idt_gate(g, n, K32, STUBS + n * 16, 14, n == DONE ? 3 : 0, 0);
    for (unsigned n = 0; n < SEG_COUNT; n++)
        g->s.seg[n] = segment(KDATA, 0, 0xffffffff, 0xc93);
    g->s.seg[SEG_CS] = segment(K32, 0, 0xffffffff, 0xc9b);
}

void guest_long(Guest *g)
{
    common(g);
    g->wide_idt = true;
    g->s.cr0 = 0x80010011;
    g->s.cr4 = 0x20;
    g->s.cr3 = PML4_AT;
    g->s.efer = 0x501;
    g->s.idt_limit = 0xfff;
    for (unsigned n = 0; n < 256; n++)
        idt_gate(g, n, K64, STUBS + n * 16, 14, n == DONE ? 3 : 0, 0);
    for (unsigned n = 0; n < SEG_COUNT; n++)
        g->s.seg[n] = segment(KDATA, 0, 0xffffffff, 0xc93);
    g->s.seg[SEG_CS] = segment(K64, 0, 0xffffffff, 0xa9b);
    memset(g->ram + TSS_AT, 0, 0x68);
    ram_put(g, TSS_AT + 4, 8, STACK0);
    ram_put(g, TSS_AT + 36, 8, STACK_IST);
    ram_put(g, TSS_AT + 102, 2, 0x68);
}

/* The IVT's handlers are the stubs as well, so vectors in V86 mode end at STUBS either way; the
 * mode tells which way it was. */
void guest_v86(Guest *g, unsigned iopl)
{
    guest_prot(g);
    for (unsigned n = 0; n < 256; n++)
        ram_put(g, n * 4, 4, (STUBS >> 4) << 16 | n * 16);
    g->s.rflags |= F_VM | iopl << 12;
    for (unsigned n = 0; n < SEG_COUNT; n++)
        g->s.seg[n] = segment(0x100 * n, 0x1000 * n, 0xffff, 0xf3);
    g->s.seg[SEG_CS] = segment(CODE >> 4, CODE, 0xffff, 0xf3);
    g->s.seg[SEG_SS] = segment(STACK_USER >> 4, STACK_USER, 0xffff, 0xf3);
    g->s.rip = 0;
    g->s.gpr[4] = 0x100;
}

void guest_user(Guest *g)
{
    bool in_64 = g->s.efer & 0x400;

    for (unsigned n = 0; n < SEG_COUNT; n++)
        g->s.seg[n] = segment(UDATA | 3, 0, 0xffffffff, 0xcf3);
    g->s.seg[SEG_CS] = in_64 ? segment(U64 | 3, 0, 0xffffffff, 0xafb)
                             : segment(U32 | 3, 0, 0xffffffff, 0xcfb);
    g->s.gpr[4] = STACK_USER;
}

/* --- running --- */

enum VcpuStop guest_run(Guest *g)
{
    enum VcpuStop stop;

    engine_soft.set_state(g->cpu, &g->s);
    stop = engine_soft.run(g->cpu);
    engine_soft.get_state(g->cpu, &g->s);
    return stop;
}

void run_to(Guest *g, uint64_t rip)
{
    enum VcpuStop stop = guest_run(g);
    uint64_t at = g->s.rip - 1 + (g->s.cr0 & 1 && !(g->s.rflags & F_VM) ? 0 : g->s.seg[SEG_CS].base);

    cr_assert(stop == VCPU_STOP_HALTED, "stopped for %d at %#llx", stop,
              (unsigned long long)g->s.rip);
    cr_assert(at == rip, "halted at %#llx, not %#llx", (unsigned long long)at,
              (unsigned long long)rip);
}

void run_to_vector(Guest *g, unsigned vector)
{
    run_to(g, STUBS + vector * 16);
}

void run_done(Guest *g)
{
    enum VcpuStop stop = guest_run(g);
    uint64_t at = g->s.rip + (g->s.cr0 & 1 && !(g->s.rflags & F_VM) ? 0 : g->s.seg[SEG_CS].base);

    cr_assert(stop == VCPU_STOP_HALTED && at > CODE && at < STACK0 - 0x4000,
              "stop %d at %#llx", stop, (unsigned long long)at);
}

void guest_both_ways(Guest **guest, Guest *(*make)(void), const Code *code, void (*prepare)(void), int vector)
{
    VcpuState first = { 0 };
    uint8_t *memory = malloc(4 * 4096), frame[48] = { 0 };

    for (unsigned way = 0; way < 3; way++) {            /* interpreted, translated a block at a time, translated */
        bool tight = way == 1 && !getenv("GH_TIGHT");
        Guest *g;

        guest_free(*guest);
        if (tight)
            setenv("GH_TIGHT", "1", 1);
        g = *guest = make();
        if (tight)
            unsetenv("GH_TIGHT");
        jit_set_warm(g->engine, way ? 1 : UINT16_MAX);
        guest_code(g, code->at, code->bytes, code->len);
        prepare();
        if (vector < 0) {
            run_done(g);
        } else {
            run_to_vector(g, vector);
        }
        if (!way) {
            first = g->s;
            memcpy(memory, g->ram + BOTH_DATA, 4 * 4096);
            memcpy(frame, g->ram + g->s.gpr[4], sizeof frame);
            continue;
        }
        for (unsigned r = 0; r < 16; r++) {
            cr_expect_eq(g->s.gpr[r], first.gpr[r], "register %u: %llx, not %llx", r,
                         (unsigned long long)g->s.gpr[r], (unsigned long long)first.gpr[r]);
        }
        eq_hex(g->s.rip, first.rip);
        eq_hex(g->s.rflags, first.rflags);
        eq_hex(g->s.cr2, first.cr2);
        cr_expect(!memcmp(memory, g->ram + BOTH_DATA, 4 * 4096));
        cr_expect(vector < 0 || !memcmp(frame, g->ram + g->s.gpr[4], sizeof frame), "the frame");
    }
    free(memory);
}
