/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_test.c - the KVM engine with tiny guests.  Skipped where there is no /dev/kvm.  The vCPU
 * pointer that engines pass back is the test's own Guest.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <glib.h>
#include "hypervisor/engine.h"
#include "hypervisor/kvm/kvm_count.h"

#define SIZE (4u << 20)
#define CODE 0x1000

typedef struct Guest {
    GuestMemory mem;
    uint8_t *types;
    Engine *e;
    EngineVcpu *v;
    VcpuState s;
    char out[256];              /* bytes written to port 0x10 */
    unsigned out_len;
    uint32_t in_value;
    uint64_t mmio_addr, mmio_value;
    unsigned mmio_size, mmio_writes, mmio_writes_at_out;
    uint64_t msr_value;
    uint32_t msr_index;
    bool aux_fixed;
    int irq;                    /* pending vector; -1: none */
    bool nmi;
    uint64_t cr8;
    uint64_t call[16];
    unsigned calls, call_cpl;
    bool call_long;
    char log[256];
    unsigned strings;           /* calls of io_string */
    bool stop_from_io;          /* OUT kicks its own vCPU */
    bool stop_from_ack;         /* so does taking an interrupt, */
    unsigned stop_from_nmi_ack; /* and taking this NMI, counted down */
    uint16_t raise;             /* OUT there raises an NMI and raise_irq; 0: none does */
    int raise_irq;              /* 0: none */
    uint64_t tsc_jump;          /* what the host's function says besides the processor's counter */
    char raise_again;           /* this to port 10h raises an NMI once; 0: none does */
    volatile unsigned spins;
} Guest;

static Guest *guest(Vcpu *v) { return (Guest *)v; }

static void io_rd(Vcpu *v, uint16_t port, unsigned size, uint32_t *value)
{
    (void)port;
    *value = guest(v)->in_value & (size == 4 ? ~0u : (1u << 8 * size) - 1);
}

static void io_wr(Vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    Guest *g = guest(v);

    (void)size;
    g->mmio_writes_at_out = g->mmio_writes;
    if (port == 0x10 && g->out_len < sizeof g->out - 1) {
        g->out[g->out_len++] = value;
    }
    if (port == 0x11) {
        g->spins++;
    }
    if (port == g->raise && g->raise) {
        g->nmi = true;
        g->irq = g->raise_irq ? g->raise_irq : -1;
    }
    if (g->raise_again && port == 0x10 && (char)value == g->raise_again) {
        g->raise_again = 0;
        g->nmi = true;
    }
    if (g->stop_from_io) {
        engine_kvm.kick(g->v, true);
    }
}

static uint32_t io_str(Vcpu *v, uint16_t port, unsigned size, bool write, uint64_t gpa,
                       uint32_t count, bool df)
{
    Guest *g = guest(v);
    uint32_t n = MIN(count, 3);

    cr_assert(!write && !df && port == 0x20);
    cr_assert_eq(gpa >> 12, (gpa + n * size - 1) >> 12);
    g->strings++;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(g->mem.base + gpa + i * size, &g->in_value, size);
        g->in_value++;
    }
    return n;
}

static void mmio_rd(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value)
{
    guest(v)->mmio_addr = gpa;
    guest(v)->mmio_size = size;
    *value = 0x1122334455667788;
}

static void mmio_wr(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value)
{
    guest(v)->mmio_addr = gpa;
    guest(v)->mmio_size = size;
    guest(v)->mmio_value = value;
    guest(v)->mmio_writes++;
}

static void call(Vcpu *v, uint64_t *gpr, bool long_mode, unsigned cpl)
{
    Guest *g = guest(v);

    memcpy(g->call, gpr, sizeof g->call);
    g->call_long = long_mode;
    g->call_cpl = cpl;
    g->calls++;
    gpr[0] = 0x1234;
}

static void cpuid(Vcpu *v, uint32_t leaf, uint32_t sub, uint32_t o[4])
{
    EngineCaps c;

    (void)sub;
    memset(o, 0, 16);
    engine_kvm.caps(guest(v)->e, &c);
    switch (leaf) {
    case 0: o[0] = 0xd; o[1] = 0x68747541; o[2] = 0x444d4163; o[3] = 0x69746e65; break;
    case 1: o[0] = 0x600; o[2] = c.leaf1_ecx; o[3] = c.leaf1_edx; break;
    case 0x40000000: o[0] = 0x40000005; o[1] = 0x566e6558; break;
    case 0x80000000: o[0] = 0x80000008; break;
    case 0x80000001: o[2] = c.ext1_ecx; o[3] = c.ext1_edx; break;
    case 0x80000008: o[0] = 48 << 8 | c.phys_bits; break;
    default: break;
    }
}

static bool msr_rd(Vcpu *v, uint32_t index, uint64_t *value)
{
    guest(v)->msr_index = index;
    *value = 0x55aa00ff;
    return index == 0x1b || index == 0x808;
}

static bool msr_wr(Vcpu *v, uint32_t index, uint64_t value)
{
    guest(v)->msr_index = index;
    guest(v)->msr_value = value;
    return index == 0x40000000 || index == 0x6e0 ||
           (index == 0xc0000103 && guest(v)->aux_fixed);
}

static uint64_t cr8_rd(Vcpu *v) { return guest(v)->cr8; }
static void cr8_wr(Vcpu *v, uint64_t value) { guest(v)->cr8 = value; }

static unsigned pending(Vcpu *v)
{
    return (guest(v)->irq >= 0 ? IRQ_EXTINT : 0) | (guest(v)->nmi ? IRQ_NMI : 0);
}

static int ack(Vcpu *v)
{
    int n = guest(v)->irq;

    guest(v)->irq = -1;
    if (guest(v)->stop_from_ack) {
        engine_kvm.kick(guest(v)->v, true);
    }
    return n;
}

static void nmi_ack(Vcpu *v)
{
    Guest *g = guest(v);

    g->nmi = false;
    if (g->stop_from_nmi_ack && !--g->stop_from_nmi_ack) {
        engine_kvm.kick(g->v, true);
    }
}

static uint64_t tsc(Vcpu *v)
{
    return __builtin_ia32_rdtsc() + guest(v)->tsc_jump;
}

static void log_line(Vcpu *v, const char *text)
{
    g_strlcpy(guest(v)->log, text, sizeof guest(v)->log);
}

static const EngineHost host = {
    .io_read = io_rd, .io_write = io_wr, .mmio_read = mmio_rd, .mmio_write = mmio_wr,
    .hypercall = call, .cpuid = cpuid, .msr_read = msr_rd, .msr_write = msr_wr,
    .cr8_read = cr8_rd, .cr8_write = cr8_wr, .irq_pending = pending, .irq_ack = ack,
    .nmi_ack = nmi_ack, .tsc = tsc, .log = log_line,
};

static SegState seg(uint16_t sel, uint32_t attr, uint32_t limit)
{
    return (SegState){ .selector = sel, .base = sel << 4, .limit = limit,
                       .attr = attr };
}

static void real_mode(Guest *g)
{
    VcpuState *s = &g->s;

    engine_kvm.get_state(g->v, s);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        s->seg[i] = seg(0, i == SEG_CS ? 0x9b : 0x93, 0xffff);
    }
    s->ldtr = (SegState){ .limit = 0xffff, .attr = 0x82 };
    s->tr = (SegState){ .limit = 0xffff, .attr = 0x8b };
    s->gdt_base = s->idt_base = 0;
    s->gdt_limit = s->idt_limit = 0xffff;
    s->cr0 = 0x60000010;
    s->cr3 = s->cr4 = s->efer = 0;
    s->rflags = 2;
    s->rip = CODE;
    memset(s->gpr, 0, sizeof s->gpr);
    s->gpr[4] = 0x8000;
}

static Guest *new_guest(const uint8_t *code, size_t len)
{
    Guest *g = g_new0(Guest, 1);
    char *why = NULL;

    if (access("/dev/kvm", R_OK | W_OK)) {
        cr_skip("no /dev/kvm here");
    }
    g->irq = -1;
    g->types = g_malloc0(SIZE >> 12);
    memset(g->types, MEM_RAM, SIZE >> 12);
    memset(g->types + 0xa0, MEM_HOLE, 0x20);
    memset(g->types + 0x200, MEM_ROM, 16);
    g->mem.size = SIZE;
    g->mem.types = g->types;
    g->mem.base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(g->mem.base != MAP_FAILED);
    g->e = engine_kvm.create(&g->mem, &host, &why);
    if (!g->e) {
        cr_skip("KVM can't be used: %s", why);
    }
    g->v = engine_kvm.vcpu_create(g->e, (Vcpu *)g, 0, 0, NULL, NULL);
    cr_assert(g->v);
    memcpy(g->mem.base + CODE, code, len);
    real_mode(g);
    engine_kvm.set_state(g->v, &g->s);
    return g;
}

static void free_guest(Guest *g)
{
    engine_kvm.vcpu_destroy(g->v);
    engine_kvm.destroy(g->e);
    munmap(g->mem.base, SIZE);
    g_free(g->types);
    g_free(g);
}

#define GUEST(...) \
    static const uint8_t code[] = { __VA_ARGS__ }; \
    Guest *g = new_guest(code, sizeof code)

TestSuite(kvm, .timeout = 30);

/* Writes 1, 2, 3 to B8010h: mov ax,0b800h; mov ds,ax; mov byte [10h],1... */
#define THREE_WRITES 0xb8, 0x00, 0xb8, 0x8e, 0xd8, 0xc6, 0x06, 0x10, 0x00, 1, 0xc6, 0x06, 0x10, 0x00, 2, \
                     0xc6, 0x06, 0x10, 0x00, 3

Test(kvm, collected_writes_come_before_whatever_is_next)
{
    /* ...; out 10h,al; mov byte [10h],3; hlt */
    GUEST(THREE_WRITES, 0xe6, 0x10, 0xc6, 0x06, 0x10, 0x00, 4, 0xf4);

    engine_kvm.collect_writes(g->e, 0xa0000, 0x20000, true);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_eq(g->mmio_writes_at_out, 3);
    cr_assert_eq(g->mmio_writes, 4);
    cr_assert_eq(g->mmio_addr, 0xb8010);
    cr_assert_eq(g->mmio_size, 1);
    cr_assert_eq(g->mmio_value, 4, "in their order");
    cr_assert(engine_kvm.collect_writes(g->e, 0xa0000, 0x20000, false), "none waits");
    free_guest(g);
}

static void *run_thread(void *p)
{
    Guest *g = p;

    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_KICKED);
    return NULL;
}

Test(kvm, collected_writes_of_a_guest_that_spins_can_be_had)
{
    GUEST(THREE_WRITES, 0xeb, 0xfe);    /* jmp $ */
    pthread_t t;
    bool waited = false;

    engine_kvm.collect_writes(g->e, 0xa0000, 0x20000, true);
    pthread_create(&t, NULL, run_thread, g);
    for (unsigned i = 0; i < 2000 && __atomic_load_n(&g->mmio_writes, __ATOMIC_SEQ_CST) < 3; i++) {
        usleep(5000);
        waited |= engine_kvm.flush_writes(g->e);
    }
    engine_kvm.kick(g->v, true);
    pthread_join(t, NULL);
    cr_expect(waited, "they were with KVM");
    cr_expect_eq(g->mmio_writes, 3);
    cr_expect_eq(g->mmio_value, 3);
    cr_expect_not(engine_kvm.flush_writes(g->e));
    free_guest(g);
}

Test(kvm, port_io_goes_to_the_host)
{
    /* mov al,'A'; out 10h,al; in al,20h; out 10h,al; hlt */
    GUEST(0xb0, 'A', 0xe6, 0x10, 0xe4, 0x20, 0xe6, 0x10, 0xf4);
    g->in_value = 'z';
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_str_eq(g->out, "Az");
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.rip, CODE + 9);
    cr_assert(g->s.halted);
    free_guest(g);
}

Test(kvm, string_output_writes_each_element)
{
    /* mov si,2000h; mov cx,5; mov dx,10h; rep outsb; hlt */
    GUEST(0xbe, 0x00, 0x20, 0xb9, 5, 0, 0xba, 0x10, 0, 0xf3, 0x6e, 0xf4);
    memcpy(g->mem.base + 0x2000, "hello", 5);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_str_eq(g->out, "hello");
    free_guest(g);
}

Test(kvm, string_input_fills_memory)
{
    /* mov di,2000h; mov cx,4; mov dx,10h; rep insw; hlt */
    GUEST(0xbf, 0x00, 0x20, 0xb9, 4, 0, 0xba, 0x10, 0, 0xf3, 0x6d, 0xf4);
    g->in_value = 0xbeef;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    for (unsigned i = 0; i < 4; i++) {
        uint16_t w;

        memcpy(&w, g->mem.base + 0x2000 + 2 * i, 2);
        cr_assert_eq(w, 0xbeef);
    }
    free_guest(g);
}

Test(kvm, hole_is_mmio_and_rom_ignores_writes)
{
    /* mov ax,0b800h; mov ds,ax; mov ax,5678h; mov [10h],ax; mov bx,[12h]; hlt */
    GUEST(0xb8, 0x00, 0xb8, 0x8e, 0xd8, 0xb8, 0x78, 0x56, 0xa3, 0x10, 0x00, 0x8b, 0x1e, 0x12, 0x00,
          0xf4);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_eq(g->mmio_value, 0x5678);
    cr_assert_eq(g->mmio_addr, 0xb8012);
    cr_assert_eq(g->mmio_size, 2);
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.gpr[3], 0x7788);
    /* a segment whose base is the ROM */
    g->s.seg[SEG_DS].base = 0x200000;
    g->mem.base[0x200010] = 0x42;
    g->s.rip = CODE + 5;
    g->s.halted = 0;
    g->mmio_writes = 0;
    engine_kvm.set_state(g->v, &g->s);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_eq(g->mem.base[0x200010], 0x42);
    cr_assert_eq(g->mmio_writes, 0);
    free_guest(g);
}

Test(kvm, interrupt_ends_hlt_and_runs_its_handler)
{
    /* sti; hlt; mov al,'B'; out 10h,al; cli; hlt */
    GUEST(0xfb, 0xf4, 0xb0, 'B', 0xe6, 0x10, 0xfa, 0xf4);
    /* handler of vector 30h: mov al,'i'; out 10h,al; iret */
    static const uint8_t handler[] = { 0xb0, 'i', 0xe6, 0x10, 0xcf };

    memcpy(g->mem.base + 0x3000, handler, sizeof handler);
    g->mem.base[0x30 * 4 + 1] = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_eq(g->out_len, 0);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "nothing to wake it");
    g->irq = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_str_eq(g->out, "iB");
    g->irq = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "interrupts are off");
    cr_assert_eq(g->irq, 0x30);
    cr_assert_eq(g->out_len, 2);
    free_guest(g);
}

Test(kvm, interrupt_waits_for_its_window)
{
    /* cli; mov al,'1'; out 10h,al; mov al,'2'; out 10h,al; sti; jmp $ */
    GUEST(0xfa, 0xb0, '1', 0xe6, 0x10, 0xb0, '2', 0xe6, 0x10, 0xfb, 0xeb, 0xfe);
    static const uint8_t handler[] = { 0xb0, 'i', 0xe6, 0x10, 0xf4 };

    memcpy(g->mem.base + 0x3000, handler, sizeof handler);
    g->mem.base[0x30 * 4 + 1] = 0x30;
    g->irq = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_str_eq(g->out, "12i");
    free_guest(g);
}

Test(kvm, nmi_ends_a_masked_hlt)
{
    /* cli; hlt; mov al,'C'; out 10h,al; hlt */
    GUEST(0xfa, 0xf4, 0xb0, 'C', 0xe6, 0x10, 0xf4);
    static const uint8_t handler[] = { 0xb0, 'n', 0xe6, 0x10, 0xcf };

    memcpy(g->mem.base + 0x3000, handler, sizeof handler);
    g->mem.base[2 * 4 + 1] = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    g->nmi = true;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_str_eq(g->out, "nC");
    free_guest(g);
}

Test(kvm, msrs_of_the_platform_come_to_the_host_and_unknown_ones_fault)
{
    /* mov ecx,1bh; rdmsr; mov ebx,eax; mov ecx,6e0h; mov eax,77h; xor edx,edx; wrmsr;
     * mov ecx,12345h; rdmsr; hlt */
    GUEST(0x66, 0xb9, 0x1b, 0, 0, 0, 0x0f, 0x32, 0x66, 0x89, 0xc3, 0x66, 0xb9, 0xe0, 0x06, 0, 0,
          0x66, 0xb8, 0x77, 0, 0, 0, 0x66, 0x31, 0xd2, 0x0f, 0x30, 0x66, 0xb9, 0x45, 0x23, 1, 0,
          0x0f, 0x32, 0xf4);
    static const uint8_t handler[] = { 0xb0, 'g', 0xe6, 0x10, 0xf4 };

    memcpy(g->mem.base + 0x3000, handler, sizeof handler);
    g->mem.base[13 * 4 + 1] = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.gpr[3], 0x55aa00ff);
    cr_assert_eq(g->msr_value, 0x77);
    cr_assert_eq(g->msr_index, 0x12345);
    cr_assert_str_eq(g->out, "g");
    free_guest(g);
}

Test(kvm, tsc_aux_is_the_guests_unless_the_host_takes_its_writes)
{
    /* mov ecx,c0000103h; mov eax,7; xor edx,edx; wrmsr; xor eax,eax; rdmsr; mov ebx,eax; hlt */
    GUEST(0x66, 0xb9, 0x03, 0x01, 0x00, 0xc0, 0x66, 0xb8, 7, 0, 0, 0, 0x66, 0x31, 0xd2, 0x0f, 0x30,
          0x66, 0x31, 0xc0, 0x0f, 0x32, 0x66, 0x89, 0xc3, 0xf4);

    for (unsigned fixed = 0; fixed < 2; fixed++) {
        g->aux_fixed = fixed;
        real_mode(g);
        g->s.tsc_aux = 3;
        g->s.halted = 0;
        engine_kvm.set_state(g->v, &g->s);
        cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
        engine_kvm.get_state(g->v, &g->s);
        cr_expect_eq(g->s.gpr[3], fixed ? 3 : 7);
        cr_expect_eq(g->s.tsc_aux, fixed ? 3 : 7);
    }
    free_guest(g);
}

/* Bits 1, 7, 12 and 18 are about registers that guests haven't got. */
Test(kvm, what_the_host_is_not_vulnerable_to_is_offered)
{
    GUEST(0xf4);
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } m = { .head.nmsrs = 1, .entry.index = 0x10a };
    const uint64_t some = ARCH_RDCL_NO | ARCH_MDS_NO | ARCH_TAA_NO | ARCH_ITS_NO;
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    bool told = ioctl(fd, KVM_GET_MSRS, &m) == 1;
    EngineCaps c;

    close(fd);
    engine_kvm.caps(g->e, &c);
    if (c.vendor_amd) {
        cr_expect_eq(c.arch_capabilities, 0);
    } else if (told) {
        cr_expect_eq(c.arch_capabilities & some, m.entry.data & some);
        cr_expect_eq(c.arch_capabilities & (1u << 1 | 1u << 7 | 1u << 12 | 1u << 18), 0);
    }
    free_guest(g);
}

Test(kvm, hypercall_page_calls_the_host)
{
    /* mov ecx,40000000h; mov eax,5000h; xor edx,edx; wrmsr; mov ebx,99h; call 5000h+17*32; hlt */
    GUEST(0x66, 0xb9, 0, 0, 0, 0x40, 0x66, 0xb8, 0, 0x50, 0, 0, 0x66, 0x31, 0xd2, 0x0f, 0x30,
          0x66, 0xbb, 0x99, 0, 0, 0, 0xb8, 0x20, 0x52, 0xff, 0xd0, 0xf4);
    EngineCaps c;
    uint8_t *stub = g->mem.base + 0x5000 + 17 * 32;
    /* real mode reads B8 imm16, so the stub is made of 16-bit code with the same layout */
    static const uint8_t entry[] = { 0xb8, 17, 0, 0x90, 0x90, 0x0f, 0x01, 0xc1, 0xc3 };

    memcpy(stub, entry, sizeof entry);
    engine_kvm.caps(g->e, &c);
    if (c.vendor_amd) {
        stub[7] = 0xd9;
    }
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    if (!g->calls) {
        /* 16-bit OUT writes AX only: the port wants EAX, so use a 32-bit one here */
        stub[4] = 0x66;
        g->s.rip = CODE + 17;
        engine_kvm.set_state(g->v, &g->s);
        cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    }
    cr_assert_eq(g->calls, 1);
    cr_assert_eq(g->call[0] & 0xffff, 17);
    cr_assert_eq(g->call[3], 0x99);
    cr_assert_not(g->call_long);
    cr_assert_eq(g->call_cpl, 0);
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.gpr[0], 0x1234);
    cr_assert_eq(g->s.rip, CODE + 29);
    free_guest(g);
}

static void protected_mode(Guest *g)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        g->s.seg[i] = seg(i == SEG_CS ? 8 : 16, i == SEG_CS ? 0xc9b : 0xc93, UINT32_MAX);
        g->s.seg[i].base = 0;
    }
    g->s.cr0 = 0x11;
}

Test(kvm, triple_fault_is_reported)
{
    GUEST(0x0f, 0x0b);          /* ud2 with no interrupt table */
    protected_mode(g);
    g->s.idt_limit = 0;
    engine_kvm.set_state(g->v, &g->s);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_TRIPLE_FAULT);
    free_guest(g);
}

static void *kick_soon(void *opaque)
{
    Guest *g = opaque;

    g_usleep(50000);
    engine_kvm.kick(g->v, true);
    return NULL;
}

Test(kvm, kick_ends_an_endless_loop)
{
    GUEST(0xeb, 0xfe);
    pthread_t t;

    pthread_create(&t, NULL, kick_soon, g);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_KICKED);
    pthread_join(t, NULL);
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.rip, CODE);
    free_guest(g);
}

/* mov ecx,EFER; rdmsr; or ax,bits; wrmsr */
#define EFER_ON(bits) 0x66, 0xb9, 0x80, 0, 0, 0xc0, 0x0f, 0x32, 0x0d, (bits) & 0xff, (bits) >> 8, \
                      0x0f, 0x30
#define VMCALL 0x0f, 0x01, 0xc1
#define CALL_AT (CODE + 25)

static bool has_sce(const Guest *g)
{
    EngineCaps c;

    engine_kvm.caps(g->e, &c);
    return c.ext1_edx >> 11 & 1 && c.bare_hypercalls;
}

Test(kvm, hypercall_without_the_page_reaches_the_host)
{
    /* efer |= 1; mov cx,3; again: mov eax,0c001h + cx; vmcall; loop again; mov bx,ax; hlt */
    GUEST(EFER_ON(1), 0xb9, 3, 0, 0x66, 0xb8, 1, 0xc0, 0, 0, 0x01, 0xc8, 0x90, VMCALL, 0xe2, 0xf2,
          0x89, 0xc3, 0xf4);

    if (!has_sce(g)) {
        cr_skip("this host's KVM has no SYSCALL, or the software CPU can't run here");
    }
    cr_assert(!memcmp(g->mem.base + CALL_AT, (uint8_t[]){ VMCALL }, 3));
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    cr_assert_eq(g->calls, 3);
    cr_assert_eq(g->call[0], 0xc002, "of the last one");
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.gpr[3], 0x1234, "the answer");
    cr_assert_eq(g->s.efer & 1, 1);
    free_guest(g);
}

Test(kvm, interrupt_comes_while_hypercalls_are_looked_for)
{
    /* efer |= 1; sti; jmp $ */
    GUEST(EFER_ON(1), 0xfb, 0xeb, 0xfe);
    static const uint8_t handler[] = { 0xb0, 'i', 0xe6, 0x10, 0xf4 };

    memcpy(g->mem.base + 0x3000, handler, sizeof handler);
    g->mem.base[0x30 * 4 + 1] = 0x30;
    g->irq = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    cr_assert_str_eq(g->out, "i");
    free_guest(g);
}

Test(kvm, guest_without_hypercalls_is_left_alone_after_a_time)
{
    /* efer |= 1; mov ecx,400000h; dec ecx; jnz; mov al,'e'; out 10h,al; hlt */
    GUEST(EFER_ON(1), 0x66, 0xb9, 0, 0, 0x40, 0, 0x66, 0x49, 0x75, 0xfc, 0xb0, 'e', 0xe6, 0x10, 0xf4);

    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    cr_assert_str_eq(g->out, "e");
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq((uint32_t)g->s.gpr[1], 0);
    free_guest(g);
}

Test(kvm, kick_from_a_callback_stops_after_the_instruction)
{
    GUEST(0xb0, 'A', 0xe6, 0x10, 0xe6, 0x10, 0xf4);
    g->stop_from_io = true;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_KICKED);
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.rip, CODE + 4);
    cr_assert_eq(g->out_len, 1);
    free_guest(g);
}

Test(kvm, state_comes_back_as_it_was_set)
{
    GUEST(0xf4);
    VcpuState *back = g_new0(VcpuState, 1);

    for (unsigned i = 0; i < 16; i++) {
        g->s.gpr[i] = 0x1111 * (i + 1);
    }
    g->s.lstar = 0xffffffff81000000;
    g->s.star = 0x23001000000000;
    g->s.kernel_gs_base = 0xffff888000000000;
    g->s.sysenter_eip = 0x1234;
    g->s.dr[0] = 0x5678;
    g->s.cr2 = 0xabc;
    g->s.tsc_offset = -1000000000;
    engine_kvm.set_state(g->v, &g->s);
    engine_kvm.get_state(g->v, back);
    cr_assert_eq(memcmp(back->gpr, g->s.gpr, sizeof back->gpr), 0);
    cr_assert_eq(back->lstar, g->s.lstar);
    cr_assert_eq(back->star, g->s.star);
    cr_assert_eq(back->kernel_gs_base, g->s.kernel_gs_base);
    cr_assert_eq(back->sysenter_eip, g->s.sysenter_eip);
    cr_assert_eq(back->dr[0], 0x5678);
    cr_assert_eq(back->cr2, 0xabc);
    cr_assert_eq(back->seg[SEG_CS].attr & 0xff, 0x9b);
    /* Some hosts' KVM takes an offset and never applies it: then it must be told as it is. */
    cr_assert(llabs(back->tsc_offset - g->s.tsc_offset) < 100000000 ||
              llabs(back->tsc_offset) < 100000000);
    g_free(back);
    free_guest(g);
}

Test(kvm, dirty_log_tells_the_written_pages)
{
    /* mov [6000h],al; mov [8000h],al; hlt */
    GUEST(0xa2, 0x00, 0x60, 0xa2, 0x00, 0x80, 0xf4);
    uint8_t bits[4] = { 0 };

    engine_kvm.dirty_log(g->e, 0x4000, 0x10000, true);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    engine_kvm.dirty_fetch(g->e, 0x4000, 0x10000, bits);
    cr_assert_eq(bits[0], 1 << 2 | 1 << 4);
    memset(bits, 0, sizeof bits);
    engine_kvm.dirty_fetch(g->e, 0x4000, 0x10000, bits);
    cr_assert_eq(bits[0], 0, "fetching clears");
    engine_kvm.dirty_log(g->e, 0x4000, 0x10000, false);
    free_guest(g);
}

typedef struct Changer {
    Guest *g;
    unsigned rounds;
} Changer;

static void *change_memory(void *opaque)
{
    Changer *c = opaque;

    for (unsigned i = 0; i < c->rounds; i++) {
        c->g->types[0x300] = i & 1 ? MEM_RAM : MEM_HOLE;
        engine_kvm.memory_changed(c->g->e, 0x300000, 4096);
    }
    engine_kvm.kick(c->g->v, true);
    return NULL;
}

Test(kvm, memory_changes_do_not_disturb_a_running_vcpu)
{
    /* inc word [6000h]; jmp: it must never see its own pages away */
    GUEST(0xff, 0x06, 0x00, 0x60, 0xeb, 0xfa);
    Changer c = { g, 60 };
    pthread_t t;

    pthread_create(&t, NULL, change_memory, &c);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_KICKED, "%s", g->log);
    pthread_join(t, NULL);
    cr_assert_eq(g->mmio_writes, 0);
    free_guest(g);
}

Test(kvm, page_that_becomes_ram_is_seen_as_such)
{
    /* mov ax,0a000h; mov ds,ax; mov [0],al; hlt; mov [0],al; hlt */
    GUEST(0xb8, 0x00, 0xa0, 0x8e, 0xd8, 0xa2, 0, 0, 0xfb, 0xf4, 0xb0, 0x77, 0xa2, 0, 0, 0xfa, 0xf4);
    static const uint8_t handler[] = { 0xcf };

    memcpy(g->mem.base + 0x3000, handler, 1);
    g->mem.base[0x30 * 4 + 1] = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_eq(g->mmio_writes, 1);
    g->types[0xa0] = MEM_RAM;
    engine_kvm.memory_changed(g->e, 0xa0000, 4096);
    g->irq = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_assert_eq(g->mmio_writes, 1);
    cr_assert_eq(g->mem.base[0xa0000], 0x77);
    free_guest(g);
}

Test(kvm, memory_in_thousands_of_pieces_stays_usable)
{
    /* inc byte [6000h]; hlt */
    GUEST(0xfe, 0x06, 0x00, 0x60, 0xf4);

    for (unsigned i = 0x20; i < 0x400; i += 2) {
        if (g->types[i] == MEM_RAM) {
            g->types[i] = MEM_HOLE;
        }
    }
    engine_kvm.memory_changed(g->e, 0, SIZE);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    cr_assert_eq(g->mem.base[0x6000], 1);
    free_guest(g);
}

/* Flat tables for long mode: identity page tables at 10000h with 2 MiB pages. */
static void long_mode(Guest *g)
{
    uint64_t *pml4 = (uint64_t *)(g->mem.base + 0x10000), *pdpt = pml4 + 512, *pd = pdpt + 512;

    pml4[0] = 0x11000 | 3;
    pdpt[0] = 0x12000 | 3;
    for (unsigned i = 0; i < 512; i++) {
        pd[i] = (uint64_t)i << 21 | 0x83;
    }
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        g->s.seg[i] = seg(i == SEG_CS ? 8 : 16, i == SEG_CS ? 0xa9b : 0xc93, UINT32_MAX);
        g->s.seg[i].base = 0;
    }
    g->s.cr0 = 0x80000011;
    g->s.cr3 = 0x10000;
    g->s.cr4 = 0x20;
    g->s.efer = 0x500;
}

Test(kvm, long_mode_cr8_and_mmio)
{
    /* mov eax,5; mov cr8,rax; mov rbx,cr8; mov rax,[0a0000h]; mov [0a0008h],rax; hlt */
    GUEST(0xb8, 5, 0, 0, 0, 0x44, 0x0f, 0x22, 0xc0, 0x44, 0x0f, 0x20, 0xc3, 0x48, 0x8b, 0x04, 0x25,
          0, 0, 0x0a, 0, 0x48, 0x89, 0x04, 0x25, 8, 0, 0x0a, 0, 0xf4);
    long_mode(g);
    engine_kvm.set_state(g->v, &g->s);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    cr_assert_eq(g->cr8, 5);
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.gpr[3], 5);
    cr_assert_eq(g->mmio_addr, 0xa0008);
    cr_assert_eq(g->mmio_value, 0x1122334455667788);
    free_guest(g);
}

Test(kvm, protected_mode_runs_flat_code)
{
    /* mov eax,12345678h; mov [300000h],eax; mov al,'P'; out 10h,al; hlt */
    GUEST(0xb8, 0x78, 0x56, 0x34, 0x12, 0xa3, 0, 0, 0x30, 0, 0xb0, 'P', 0xe6, 0x10, 0xf4);
    protected_mode(g);
    engine_kvm.set_state(g->v, &g->s);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    cr_assert_eq(*(uint32_t *)(void *)(g->mem.base + 0x300000), 0x12345678);
    cr_assert_str_eq(g->out, "P");
    free_guest(g);
}

Test(kvm, cpuid_is_the_hosts_answer)
{
    /* mov eax,40000000h; cpuid; hlt */
    GUEST(0x66, 0xb8, 0, 0, 0, 0x40, 0x0f, 0xa2, 0xf4);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.gpr[3], 0x566e6558);
    free_guest(g);
}

/* --- instructions that KVM leaves to the software CPU --- */

Test(kvm, protected_mode_iret_returns)
{
    /* pushfd; push 8; push CODE+16; iretd; (padding); mov al,'P'; out 10h,al; hlt */
    GUEST(0x9c, 0x6a, 0x08, 0x68, 0x10, 0x10, 0, 0, 0xcf, 0xf4, 0xf4, 0xf4, 0xf4, 0xf4, 0xf4, 0xf4,
          0xb0, 'P', 0xe6, 0x10, 0xf4);
    static const uint8_t gdt[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0,
                                   0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0 };

    memcpy(g->mem.base + 0x6000, gdt, sizeof gdt);
    g->s.gdt_base = 0x6000;
    g->s.gdt_limit = sizeof gdt - 1;
    protected_mode(g);
    engine_kvm.set_state(g->v, &g->s);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    cr_assert_str_eq(g->out, "P");
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.gpr[4], 0x8000);
    free_guest(g);
}

Test(kvm, vector_store_to_a_device_is_done)
{
    /* mov ax,0b800h; mov ds,ax; movhps [10h],xmm0; mov al,'v'; out 10h,al; hlt */
    GUEST(0xb8, 0x00, 0xb8, 0x8e, 0xd8, 0x0f, 0x17, 0x06, 0x10, 0x00, 0xb0, 'v', 0xe6, 0x10, 0xf4);
    const uint64_t high = 0x1020304050607080, bv = 3;

    if (!__builtin_cpu_supports("sse4.2")) {
        cr_skip("the software CPU can't help on this host");
    }
    g->s.cr4 = 0x200;
    memcpy(g->s.xsave + 160 + 8, &high, 8);
    memcpy(g->s.xsave + 512, &bv, 8);
    g->s.xsave_size = 576;
    engine_kvm.set_state(g->v, &g->s);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    cr_assert_str_eq(g->out, "v");
    cr_assert_geq(g->mmio_writes, 1);
    cr_assert_eq(g->mmio_value, high);
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(memcmp(g->s.xsave + 160 + 8, &high, 8), 0);
    free_guest(g);
}

Test(kvm, undefined_instruction_reaches_the_guests_handler)
{
    /* ud2; hlt */
    GUEST(0x0f, 0x0b, 0xf4);
    static const uint8_t handler[] = { 0xb0, 'u', 0xe6, 0x10, 0xf4 };

    memcpy(g->mem.base + 0x3000, handler, sizeof handler);
    g->mem.base[6 * 4 + 1] = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    cr_assert_str_eq(g->out, "u");
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.gpr[4], 0x8000 - 6);
    cr_assert_eq(g->mem.base[0x8000 - 6] | g->mem.base[0x8000 - 5] << 8, CODE, "IP of the fault");
    free_guest(g);
}

Test(kvm, tsc_offset_alone_is_that_of_the_state)
{
    GUEST(0xf4);
    int64_t alone;

    g->s.tsc_offset = -5000000000000;
    engine_kvm.set_state(g->v, &g->s);
    alone = engine_kvm.tsc_offset(g->v);
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_lt(llabs(alone - g->s.tsc_offset), 100000000);
    /* some hosts' KVM can't move a guest's TSC */
    cr_assert(llabs(alone + 5000000000000) < 100000000 || llabs(alone) < 100000000);
    free_guest(g);
}

Test(kvm, string_input_is_asked_for_in_bulk)
{
    /* mov di,1ff8h; mov cx,10; mov dx,20h; rep insw; hlt: across the end of a page */
    GUEST(0xbf, 0xf8, 0x1f, 0xb9, 10, 0, 0xba, 0x20, 0, 0xf3, 0x6d, 0xf4);
    EngineHost bulk = host;

    bulk.io_string = io_str;
    engine_kvm.vcpu_destroy(g->v);
    engine_kvm.destroy(g->e);
    g->e = engine_kvm.create(&g->mem, &bulk, &(char *){ NULL });
    cr_assert(g->e);
    g->v = engine_kvm.vcpu_create(g->e, (Vcpu *)g, 0, 0, NULL, NULL);
    real_mode(g);
    g->s.gpr[7] = 0xdead0000;       /* the upper half must not count */
    engine_kvm.set_state(g->v, &g->s);
    g->in_value = 0x100;
    memset(g->mem.base + 0x200c, 0x77, 2);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    for (unsigned i = 0; i < 10; i++) {
        uint16_t w;

        memcpy(&w, g->mem.base + 0x1ff8 + 2 * i, 2);
        cr_assert_eq(w, 0x100 + i, "word %u is %x, %u strings", i, w, g->strings);
    }
    cr_assert_eq(g->mem.base[0x200c], 0x77);
    cr_assert_geq(g->strings, 4);
    free_guest(g);
}

Test(kvm, single_steps_over_a_helped_instruction_trap)
{
    /* DS at B8000h; pushf; pop ax; or ah,1; push ax; popf: TF; movhps [10h],xmm0; nop; hlt */
    GUEST(0xb8, 0x00, 0xb8, 0x8e, 0xd8, 0x9c, 0x58, 0x80, 0xcc, 0x01, 0x50, 0x9d,
          0x0f, 0x17, 0x06, 0x10, 0x00, 0x90, 0xf4);
    /* mov al,'t'; out 10h,al; mov bp,sp; and byte [bp+5],0feh; iret */
    static const uint8_t handler[] = { 0xb0, 't', 0xe6, 0x10, 0x89, 0xe5, 0x80, 0x66, 0x05, 0xfe,
                                       0xcf };

    if (!__builtin_cpu_supports("sse4.2")) {
        cr_skip("the software CPU can't help on this host");
    }
    memcpy(g->mem.base + 0x3000, handler, sizeof handler);
    g->mem.base[1 * 4 + 1] = 0x30;
    g->s.cr4 = 0x200;
    engine_kvm.set_state(g->v, &g->s);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    cr_assert_str_eq(g->out, "t", "one trap, after the store, and TF is off then");
    cr_assert_geq(g->mmio_writes, 1);
    engine_kvm.get_state(g->v, &g->s);
    cr_assert_eq(g->s.rip, CODE + 19);
    free_guest(g);
}

static uint64_t counted(const Guest *g, const char *name)
{
    EngineCounter c[ENGINE_COUNTERS];
    unsigned n = engine_kvm.counters(g->v, c);

    for (unsigned i = 0; i < n; i++) {
        if (!strcmp(c[i].name, name)) {
            return c[i].value;
        }
    }
    cr_assert_fail("no counter %s", name);
    return 0;
}

Test(kvm, exits_are_counted_by_what_they_were_for)
{
    /* out 20h,al; out a1h,al; in al,64h; out 10h,al; mov dx,1f7h; in al,dx; mov dx,0cfdh; in al,dx;
     * mov ax,0b800h; mov ds,ax; mov [0],al; mov ecx,80bh; wrmsr; mov cx,1bh; rdmsr; hlt */
    GUEST(0xe6, 0x20, 0xe6, 0xa1, 0xe4, 0x64, 0xe6, 0x10, 0xba, 0xf7, 0x01, 0xec, 0xba, 0xfd, 0x0c, 0xec,
          0xb8, 0x00, 0xb8, 0x8e, 0xd8, 0xa2, 0, 0, 0x66, 0xb9, 0x0b, 0x08, 0, 0, 0x0f, 0x30,
          0xb9, 0x1b, 0, 0x0f, 0x32, 0xf4);
    /* #GP, as the host refuses that EOI: mov bp,sp; add word [bp],2; iret */
    static const uint8_t handler[] = { 0x89, 0xe5, 0x83, 0x46, 0, 2, 0xcf };
    static const struct { const char *name; unsigned value; } want[] = {
        { "ports of the interrupt controllers", 2 }, { "ports of the keyboard controller", 1 },
        { "ports of IDE drives", 1 }, { "ports of PCI configuration", 1 }, { "other ports", 1 },
        { "VGA window", 1 }, { "LAPIC: EOI", 1 }, { "RDMSR of others", 1 }, { "HLT", 1 },
        { "LAPIC: others", 0 }, { "WRMSR of others", 0 }, { "hypercalls", 0 }, { "ports of ACPI", 0 },
    };
    uint64_t sum = 0;

    memcpy(g->mem.base + 0x3000, handler, sizeof handler);
    g->mem.base[13 * 4 + 1] = 0x30;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED, "%s", g->log);
    for (unsigned i = 0; i < G_N_ELEMENTS(want); i++) {
        cr_expect_eq(counted(g, want[i].name), want[i].value, "%s: %u", want[i].name,
                     (unsigned)counted(g, want[i].name));
        sum += want[i].value;
    }
    cr_expect_eq(counted(g, "entries into KVM") - counted(g, "kicked by other threads"), sum);
    free_guest(g);
}

Test(kvm, ports_and_addresses_are_sorted_to_their_edges)
{
    cr_expect_eq(kvm_count_port(0x1f), KVM_COUNT_PORT_OTHER);
    cr_expect_eq(kvm_count_port(0x20), KVM_COUNT_PORT_CHIP);
    cr_expect_eq(kvm_count_port(0x21), KVM_COUNT_PORT_CHIP);
    cr_expect_eq(kvm_count_port(0x22), KVM_COUNT_PORT_OTHER);
    cr_expect_eq(kvm_count_port(0x61), KVM_COUNT_PORT_TIMER);
    cr_expect_eq(kvm_count_port(0x3f5), KVM_COUNT_PORT_OTHER);
    cr_expect_eq(kvm_count_port(0x3f6), KVM_COUNT_PORT_IDE);
    cr_expect_eq(kvm_count_port(0x3ff), KVM_COUNT_PORT_SERIAL);
    cr_expect_eq(kvm_count_port(0xb00b), KVM_COUNT_PORT_ACPI);
    cr_expect_eq(kvm_count_port(0xb00c), KVM_COUNT_PORT_OTHER);
    cr_expect_eq(kvm_count_port(0), KVM_COUNT_PORT_OTHER);
    cr_expect_eq(kvm_count_port(0xffff), KVM_COUNT_PORT_OTHER);
    cr_expect_eq(kvm_count_mmio(0x9ffff), KVM_COUNT_MMIO_OTHER);
    cr_expect_eq(kvm_count_mmio(0xbffff), KVM_COUNT_WINDOW);
    cr_expect_eq(kvm_count_mmio(0xfee000b0), KVM_COUNT_LAPIC_EOI);
    cr_expect_eq(kvm_count_mmio(0xfee00380), KVM_COUNT_LAPIC_TIMER);
    cr_expect_eq(kvm_count_mmio(0xfec00010), KVM_COUNT_IOAPIC);
    cr_expect_eq(kvm_count_msr(0x80b, true), KVM_COUNT_LAPIC_EOI);
    cr_expect_eq(kvm_count_msr(0x830, true), KVM_COUNT_LAPIC_ICR);
    cr_expect_eq(kvm_count_msr(0x6e0, true), KVM_COUNT_LAPIC_TIMER);
    cr_expect_eq(kvm_count_msr(0x900, false), KVM_COUNT_MSR_READ);
}

/* --- NMIs that KVM has taken and not delivered when the state goes to another engine --- */

/* Handlers: NMI at 3000h prints "n" between "(" and ")", vector 30h at 3100h prints "i". */
static void handlers(Guest *g)
{
    static const uint8_t nmi[] = { 0xb0, '(', 0xe6, 0x10, 0xb0, 'n', 0xe6, 0x10, 0xb0, ')', 0xe6, 0x10,
                                   0xcf };
    static const uint8_t irq[] = { 0xb0, 'i', 0xe6, 0x10, 0xcf };

    memcpy(g->mem.base + 0x3000, nmi, sizeof nmi);
    memcpy(g->mem.base + 0x3100, irq, sizeof irq);
    g->mem.base[2 * 4 + 1] = 0x30;
    g->mem.base[0x30 * 4 + 1] = 0x31;
}

/* The rest of the guest's program by the software CPU. */
static void finish_in_soft(Guest *g)
{
    uint8_t *code_pages = g_malloc0(SIZE >> 12);
    GuestMemory mem = g->mem;
    Engine *e;
    EngineVcpu *v;
    char *why = NULL;

    mem.code_pages = code_pages;
    engine_kvm.get_state(g->v, &g->s);
    e = engine_interp.create(&mem, &host, &why);
    if (!e) {
        cr_skip("the software CPU can't run on this host");
    }
    v = engine_interp.vcpu_create(e, (Vcpu *)g, 0, 0, NULL, NULL);
    engine_interp.set_state(v, &g->s);
    cr_assert_eq(engine_interp.run(v), VCPU_STOP_HALTED);
    engine_interp.vcpu_destroy(v);
    engine_interp.destroy(e);
    g_free(code_pages);
}

Test(kvm, nmi_pending_beside_an_injected_interrupt_goes_along_to_another_engine)
{
    /* sti; nop; out 11h,al; nop; cli; hlt */
    GUEST(0xfb, 0x90, 0xe6, 0x11, 0x90, 0xfa, 0xf4);

    handlers(g);
    g->raise = 0x11;            /* that OUT is when both come */
    g->raise_irq = 0x30;
    g->stop_from_ack = true;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_KICKED, "%s", g->log);
    cr_assert(!g->nmi && g->irq < 0, "KVM has taken both");
    cr_assert_eq(g->out_len, 0);
    finish_in_soft(g);
    cr_expect_str_eq(g->out, "(n)i");
    free_guest(g);
}

Test(kvm, nmi_that_comes_in_an_nmis_handler_waits_for_its_end_in_another_engine_as_well)
{
    /* nop; out 11h,al; nop; cli; hlt */
    GUEST(0x90, 0xe6, 0x11, 0x90, 0xfa, 0xf4);

    handlers(g);
    g->raise = 0x11;
    g->raise_again = '(';
    g->stop_from_nmi_ack = 2;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_KICKED, "%s", g->log);
    cr_assert_str_eq(g->out, "(");
    finish_in_soft(g);
    cr_expect_str_eq(g->out, "(n)(n)");
    free_guest(g);
}

/* --- the time stamp counter --- */

#define TSC_SECOND 3000000000LL     /* about */

static int64_t off_by(uint64_t a, uint64_t b)
{
    return llabs((int64_t)(a - b));
}

/* What the last RDTSC of the guest said. */
static uint64_t guest_tsc(Guest *g)
{
    engine_kvm.get_state(g->v, &g->s);
    return (uint32_t)g->s.gpr[0] | g->s.gpr[2] << 32;
}

/* Some hosts' KVM takes an offset and never applies it. */
static void need_offsets(Guest *g)
{
    real_mode(g);
    g->s.tsc_offset = -100 * TSC_SECOND;
    engine_kvm.set_state(g->v, &g->s);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    if (off_by(guest_tsc(g), __builtin_ia32_rdtsc() - 100 * TSC_SECOND) > 2 * TSC_SECOND) {
        cr_skip("this host's KVM can't move a guest's counter");
    }
    real_mode(g);
    g->s.halted = 0;
}

Test(kvm, guest_sets_its_counter_by_wrmsr)
{
    /* mov ecx,10h; mov eax,12345678h; mov edx,5; wrmsr; rdtsc; hlt */
    GUEST(0x66, 0xb9, 0x10, 0, 0, 0, 0x66, 0xb8, 0x78, 0x56, 0x34, 0x12, 0x66, 0xba, 5, 0, 0, 0,
          0x0f, 0x30, 0x0f, 0x31, 0xf4);
    int64_t offset;

    need_offsets(g);
    engine_kvm.set_state(g->v, &g->s);
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_expect_lt(off_by(guest_tsc(g), 0x512345678), 2 * TSC_SECOND);
    offset = 0x512345678 - __builtin_ia32_rdtsc();
    cr_expect_lt(off_by(g->s.tsc_offset, offset), 2 * TSC_SECOND, "the state tells");
    free_guest(g);
}

Test(kvm, counter_of_a_host_without_a_reliable_one_is_set_right_at_each_entry)
{
    /* rdtsc; out 10h,al; rdtsc; hlt */
    GUEST(0x0f, 0x31, 0xe6, 0x10, 0x0f, 0x31, 0xf4);

    need_offsets(g);
    if (!engine_kvm.steer_tsc(g->e)) {
        cr_skip("this host's KVM can't be told a counter's offset");
    }
    g->s.tsc_offset = 7 * TSC_SECOND;
    engine_kvm.set_state(g->v, &g->s);
    g->tsc_jump = 1000 * TSC_SECOND;
    cr_assert_eq(engine_kvm.run(g->v), VCPU_STOP_HALTED);
    cr_expect_lt(off_by(guest_tsc(g), __builtin_ia32_rdtsc() + 1007 * TSC_SECOND), 2 * TSC_SECOND);
    cr_expect_eq(g->s.tsc_offset, 7 * TSC_SECOND, "the state has the guest's part alone");
    free_guest(g);
}
