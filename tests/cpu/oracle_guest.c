/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_guest.c - runs one instruction in a guest of the software engine, through the engine's
 * public interface only.  The guest is in long mode at level 3; each of the 32 exception gates
 * leads to a HLT of its own, and the frame on the level 0 stack has the rest.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "hypervisor/engine.h"
#include "hypervisor/soft/jit/jit.h"
#include "tests/cpu/oracle.h"

enum { RAM_SIZE = 2 << 20, PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, PT_LOW = 0x4000,
       PT_CODE = 0x5000, PT_DATA = 0x6000, GDT = 0x7000, IDT = 0x8000, TSS = 0x9000,
       HANDLERS = 0xa000, STACK_TOP = 0xc000, CODE_GPA = 0x100000, DATA_GPA = 0x110000 };

#define NO_EXECUTE (UINT64_C(1) << 63)

struct GuestCpu {
    uint8_t *ram, *types, *code_pages;
    GuestMemory mem;
    EngineHost host;
    Engine *engine;
    EngineVcpu *vcpu;
    uint32_t ring_prod, ring_seen;
    uint64_t cr0, cr4, xcr0;
    unsigned ferrs, trials;
    VcpuState s;
};

static void io_read(Vcpu *v, uint16_t port, unsigned size, uint32_t *value) {
    (void)v, (void)port, (void)size;
    *value = 0xffffffff;
}

static void io_write(Vcpu *v, uint16_t port, unsigned size, uint32_t value) {
    GuestCpu *g = (GuestCpu *)v;

    if (port == 0xf0 && size == 1 && value == 1) {
        g->ferrs++;
    }
}

static uint32_t io_string(Vcpu *v, uint16_t port, unsigned size, bool write, uint64_t gpa,
                          uint32_t count, bool df) {
    (void)v, (void)port, (void)size, (void)write, (void)gpa, (void)df;
    return count;
}

static void mmio_read(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value) {
    (void)v, (void)gpa, (void)size;
    *value = UINT64_MAX;
}

static void mmio_write(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value) {
    (void)v, (void)gpa, (void)size, (void)value;
}

static uint32_t mmio_string(Vcpu *v, uint64_t gpa, unsigned size, bool write, uint64_t ram_gpa,
                            uint64_t value, uint32_t count, bool df) {
    (void)v, (void)gpa, (void)size, (void)write, (void)ram_gpa, (void)value, (void)count, (void)df;
    return 0;
}

static void hypercall(Vcpu *v, uint64_t *gpr, bool long_mode, unsigned cpl) {
    (void)v, (void)gpr, (void)long_mode, (void)cpl;
}

static void cpuid(Vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
    (void)v, (void)leaf, (void)subleaf;
    memset(out, 0, 16);
}

static bool msr_read(Vcpu *v, uint32_t index, uint64_t *value) {
    (void)v, (void)index, (void)value;
    return false;
}

static bool msr_write(Vcpu *v, uint32_t index, uint64_t value) {
    (void)v, (void)index, (void)value;
    return false;
}

static uint64_t cr8_read(Vcpu *v) {
    (void)v;
    return 0;
}

static void cr8_write(Vcpu *v, uint64_t value) {
    (void)v, (void)value;
}

static unsigned irq_pending(Vcpu *v) {
    (void)v;
    return 0;
}

static int irq_ack(Vcpu *v) {
    (void)v;
    return -1;
}

static void nothing(Vcpu *v) {
    (void)v;
}

static uint64_t tsc(Vcpu *v) {
    (void)v;
    return 0;
}

static void log_text(Vcpu *v, const char *text) {
    (void)v, (void)text;
}

static void put64(GuestCpu *g, unsigned at, uint64_t v) {
    memcpy(g->ram + at, &v, 8);
}

static uint64_t get64(const GuestCpu *g, unsigned at) {
    uint64_t v;

    memcpy(&v, g->ram + at, 8);
    return v;
}

static void build_tables(GuestCpu *g) {
    enum { PRESENT_WRITE = 3, USER = 7 };

    put64(g, PML4, PDPT | USER);
    put64(g, PDPT, PD | USER);
    put64(g, PD, PT_LOW | USER);
    put64(g, PD + 8 * (CODE_AT >> 21), PT_CODE | USER);
    put64(g, PD + 8 * (DATA_AT >> 21), PT_DATA | USER);
    for (unsigned n = 0; n < 512; n++) {
        put64(g, PT_LOW + 8 * n, n << 12 | PRESENT_WRITE);
    }
    put64(g, PT_CODE, CODE_GPA | USER);
    put64(g, PT_DATA, NO_EXECUTE | DATA_GPA | USER);
    put64(g, PT_DATA + 8, NO_EXECUTE | (DATA_GPA + 0x1000) | USER);
    put64(g, GDT + 0x10, UINT64_C(0x00af9b000000ffff));         /* level 0 code */
    put64(g, GDT + 0x18, UINT64_C(0x00cf93000000ffff));         /* level 0 data */
    put64(g, GDT + 0x20, UINT64_C(0x00cffb000000ffff));
    put64(g, GDT + 0x28, UINT64_C(0x00cff3000000ffff));
    put64(g, GDT + 0x30, UINT64_C(0x00affb000000ffff));
    put64(g, GDT + 0x40, UINT64_C(0x00008b0000000067) | (uint64_t)TSS << 16);
    put64(g, TSS + 4, STACK_TOP);
    g->ram[TSS + 0x66] = 0xff;          /* no I/O bitmap */
    for (unsigned n = 0; n < 32; n++) {
        uint64_t at = HANDLERS + n * 16, dpl = n == 3 || n == 4 ? 3 : 0;
        put64(g, IDT + n * 16, at | UINT64_C(0x10) << 16 | (UINT64_C(0x8e00) | dpl << 13) << 32);
        g->ram[at] = 0xf4;
    }
    memset(g->ram + CODE_GPA, 0xcc, CODE_SIZE);
}

GuestCpu *guest_cpu_new(void) {
    GuestCpu *g = calloc(1, sizeof(*g));
    char *why = NULL;

    g->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g->types = malloc(RAM_SIZE >> 12);
    g->code_pages = calloc(RAM_SIZE >> 12, 1);
    memset(g->types, MEM_RAM, RAM_SIZE >> 12);
    g->mem = (GuestMemory){ g->ram, RAM_SIZE, g->types, g->code_pages };
    g->host = (EngineHost){
        .io_read = io_read, .io_write = io_write, .io_string = io_string, .mmio_read = mmio_read,
        .mmio_write = mmio_write, .mmio_string = mmio_string, .hypercall = hypercall,
        .cpuid = cpuid, .msr_read = msr_read, .msr_write = msr_write, .cr8_read = cr8_read,
        .cr8_write = cr8_write, .irq_pending = irq_pending, .irq_ack = irq_ack,
        .nmi_ack = nothing, .tsc = tsc, .drain_code_ring = nothing, .log = log_text,
    };
    build_tables(g);
    g->xcr0 = host_has_avx() ? 7 : 3;
    guest_cpu_control(g, CR0_USUAL, CR4_USUAL);
    g->engine = engine_soft.create(&g->mem, &g->host, &why);
    if (g->engine == NULL) {
        guest_cpu_free(g);
        return NULL;
    }
    g->vcpu = engine_soft.vcpu_create(g->engine, (Vcpu *)g, 0, 0, &g->ring_prod, &g->ring_seen);
    engine_soft.get_state(g->vcpu, &g->s);
    return g;
}

void guest_cpu_control(GuestCpu *g, uint64_t cr0, uint64_t cr4) {
    g->cr0 = cr0;
    g->cr4 = cr4;
}

void guest_cpu_xcr0(GuestCpu *g, uint64_t xcr0) {
    g->xcr0 = xcr0;
}

unsigned guest_cpu_ferrs(const GuestCpu *g) {
    return g->ferrs;
}

void guest_cpu_free(GuestCpu *g) {
    if (g->engine != NULL) {
        engine_soft.vcpu_destroy(g->vcpu);
        engine_soft.destroy(g->engine);
    }
    munmap(g->ram, RAM_SIZE);
    free(g->types);
    free(g->code_pages);
    free(g);
}

static SegState segment(uint16_t selector, uint32_t attr) {
    return (SegState){ .selector = selector, .limit = 0xffffffff, .attr = attr };
}

static void set_up(GuestCpu *g, const Trial *t) {
    enum { DATA = 0xcf3, UNUSABLE = 0x10000, CODE32 = 0xcfb, CODE64 = 0xafb };
    VcpuState *s = &g->s;
    uint64_t bv = host_has_avx() ? 7 : 3;

    memcpy(s->gpr, t->in.gpr, sizeof(s->gpr));
    s->rip = t->in.rip;
    s->rflags = t->in.rflags | 0x202;
    s->seg[SEG_CS] = t->wide ? segment(SEL_USER64, CODE64) : segment(SEL_USER32, CODE32);
    s->seg[SEG_SS] = s->seg[SEG_DS] = s->seg[SEG_ES] = segment(SEL_USER_DATA, DATA);
    if (t->narrow) {
        s->seg[SEG_CS] = (SegState){ .base = CODE_AT, .limit = CODE_SIZE - 1,
                                     .selector = SEL_CODE16, .attr = 0xfb };
        s->seg[SEG_SS] = s->seg[SEG_DS] = s->seg[SEG_ES] =
            (SegState){ .base = DATA_AT, .limit = DATA_SIZE - 1, .selector = SEL_DATA16,
                        .attr = 0xf3 };
    }
    s->seg[SEG_FS] = s->seg[SEG_GS] = segment(0, UNUSABLE);
    s->ldtr = segment(0, UNUSABLE);
    s->tr = (SegState){ .base = TSS, .limit = 0x67, .selector = 0x40, .attr = 0x8b };
    s->gdt_base = GDT;
    s->gdt_limit = 0x4f;
    s->idt_base = IDT;
    s->idt_limit = 0x1ff;
    s->cr0 = g->cr0;
    s->cr2 = 0;
    s->cr3 = PML4;
    s->cr4 = g->cr4;
    s->efer = 0xd00;          /* NXE LMA LME */
    s->xcr0 = g->xcr0;
    memset(s->xsave, 0, 1024);
    memcpy(s->xsave, t->in.fx, 416);
    memcpy(s->xsave + 512, &bv, 8);
    s->xsave_size = 576;
    if (host_has_avx()) {
        memcpy(s->xsave + 576, t->in.upper, sizeof(t->in.upper));
        s->xsave_size = 576 + sizeof(t->in.upper);
    }
    s->halted = 0;
    s->pending_event = 0;
}

bool guest_cpu_run(GuestCpu *g, const Trial *t, Machine *out) {
    static const uint32_t WITH_ERROR = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 |
                                       1u << 14 | 1u << 17;
    enum VcpuStop stop;
    unsigned frame;

    memcpy(g->ram + CODE_GPA + INSN_OFF, t->bytes, t->len);
    memset(g->ram + CODE_GPA + INSN_OFF + t->len, 0xcc, 16);
    engine_soft.code_written(g->engine, CODE_GPA, CODE_SIZE);
    memcpy(g->ram + DATA_GPA, t->in.data, DATA_SIZE);
    /* By turns translated and interpreted: what was there before is forgotten above. */
    jit_set_warm(g->engine, g->trials++ & 1 ? UINT16_MAX : 1);
    set_up(g, t);
    engine_soft.set_state(g->vcpu, &g->s);
    do {
        stop = engine_soft.run(g->vcpu);
    } while (stop == VCPU_STOP_KICKED);
    engine_soft.get_state(g->vcpu, &g->s);
    if (stop != VCPU_STOP_HALTED || g->s.rip <= HANDLERS || g->s.rip > HANDLERS + 32 * 16) {
        return false;
    }
    out->vector = (int)((g->s.rip - HANDLERS) / 16);
    frame = STACK_TOP - 40;
    out->error = 0;
    if (WITH_ERROR >> out->vector & 1) {
        out->error = (uint32_t)get64(g, frame - 8);
    }
    memcpy(out->gpr, g->s.gpr, sizeof(out->gpr));
    out->rip = get64(g, frame);
    out->rflags = get64(g, frame + 16);
    out->gpr[4] = get64(g, frame + 24);
    out->cr2 = g->s.cr2;
    memcpy(out->fx, g->s.xsave, 512);
    if (host_has_avx()) {
        memcpy(out->upper, g->s.xsave + 576, sizeof(out->upper));
    }
    memcpy(out->data, g->ram + DATA_GPA, DATA_SIZE);
    return true;
}
