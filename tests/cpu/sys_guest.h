/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_guest.h - a tiny guest for tests of the software CPU's system half.
 *
 * A guest is 2 MiB of RAM with descriptor tables, TSSs and identity page tables at fixed places,
 * an IDT whose 256 handlers are one HLT each, and a code snippet at CODE.  A test puts the CPU
 * straight into the mode it wants, runs until the HLT, and looks at registers and stack frames.
 */
#ifndef GH_TESTS_SYS_GUEST_H
#define GH_TESTS_SYS_GUEST_H

#include <criterion/criterion.h>
#include <stdint.h>
#include "hypervisor/engine.h"

enum { GUEST_RAM = 2 << 20, GDT_AT = 0x1000, IDT_AT = 0x2000, TSS_AT = 0x3100, TSS_B_AT = 0x3400,
       TSS16_AT = 0x3800, TSS16_B_AT = 0x3900, LDT_AT = 0x3c00, PML4_AT = 0x4000, PDPT_AT = 0x5000,
       PD_AT = 0x6000, PT_AT = 0x9000, STUBS = 0x7000, CODE = 0x10000, CODE_B = 0x14000,
       STACK0 = 0x20000, STACK1 = 0x24000, STACK3 = 0x28000, STACK_USER = 0x2c000,
       STACK_IST = 0x30000 };

/* GDT selectors; the order of USER32, UDATA, USER64 is what SYSRET wants. */
enum { K32 = 0x08, KDATA = 0x10, U32 = 0x18, UDATA = 0x20, U64 = 0x28, K64 = 0x30, K16 = 0x38,
       KDATA16 = 0x40, KCONF = 0x48, TSS = 0x50, TSS_B = 0x60, TSS16 = 0x68, LDT = 0x70,
       GATE = 0x78, GATE64 = 0x80, TASKGATE = 0x90, ABSENT = 0x98, R1CODE = 0xa0, R1DATA = 0xa8,
       RODATA = 0xb0, XCODE = 0xb8, DOWN = 0xc0, ABSENT_CODE = 0xc8, TSS16_B = 0xd0, UCONF = 0xd8,
       GDT_BYTES = 0x100 };

enum { DONE = 0x80 };          /* the one vector whose gate is open to ring 3 */

enum { F_CF = 1, F_ZF = 0x40, F_TF = 0x100, F_IF = 0x200, F_NT = 0x4000, F_RF = 0x10000,
       F_VM = 0x20000, F_AC = 0x40000, F_VIF = 0x80000, F_VIP = 0x100000 };

typedef struct Guest Guest;
struct Guest {
    uint8_t *ram, *types, *code_pages;
    uint64_t ram_size;
    GuestMemory mem;
    EngineHost host;
    Engine *engine;
    EngineVcpu *cpu;
    VcpuState s;                /* to be set before, and as it was after a run */
    bool amd, aux_fixed;
    uint64_t tsc;
    unsigned irq, irq_vector;   /* IRQ_* pending */
    unsigned io_count;
    struct { uint16_t port; uint8_t size; uint32_t value; bool write; } io[32];
    unsigned asked_now, done_now;       /* of io_read_now and io_write_now */
    unsigned hypercalls, hypercall_cpl;
    bool hypercall_long;
    uint32_t ring_prod, ring_seen;
    bool wide_idt;                /* mode of the IDT: 16-byte gates */
    void (*on_out)(Guest *g, uint16_t port);     /* called for each write to a port, if set */
    void (*on_read)(Guest *g);  /* for each read where no memory is, if set */
    void *context;              /* on_out's */
};

Guest *guest_new(void);
Guest *guest_new_with(size_t code_memory);      /* as EngineOps.set_code_memory; 0: the usual */
Guest *guest_new_large(uint64_t ram);           /* with so much RAM, of which little may be touched */
/* Room for four blocks that are translated, and for two that aren't: some block makes room all the time.  With
 * GH_TIGHT=1 every guest is one. */
Guest *guest_new_tight(void);
void guest_free(Guest *g);

/* Put the CPU in a mode; RIP is CODE (CS:IP CODE >> 4:0 in real mode), stack STACK0. */
void guest_real(Guest *g);
void guest_prot(Guest *g);
void guest_long(Guest *g);
void guest_v86(Guest *g, unsigned iopl);
void guest_user(Guest *g);      /* after guest_prot or guest_long: ring 3, stack STACK_USER */

void guest_code(Guest *g, uint32_t at, const void *bytes, size_t len);
/* Loads a snippet of sys_code.S at CODE or elsewhere. */
#define LOAD_AT(g, at, name) \
    do { \
        extern const uint8_t name[], name##_end[]; \
        guest_code(g, at, name, (size_t)(name##_end - name)); \
    } while (0)
#define LOAD(g, name) LOAD_AT(g, CODE, name)
void gdt_set(Guest *g, unsigned selector, uint32_t base, uint32_t limit, uint32_t attr);
void gdt_raw(Guest *g, unsigned selector, uint64_t raw);
uint64_t gdt_get(Guest *g, unsigned selector);
/* type: 5, 6, 7, 14, 15; ist only in long mode. */
void idt_gate(Guest *g, unsigned vector, unsigned selector, uint64_t offset, unsigned type,
              unsigned dpl, unsigned ist);
uint64_t gate_raw(unsigned selector, uint32_t offset, unsigned type, unsigned dpl,
                  unsigned count);
uint16_t ram16(const Guest *g, uint64_t at);
uint32_t ram32(const Guest *g, uint64_t at);
uint64_t ram64(const Guest *g, uint64_t at);
void ram_put(Guest *g, uint64_t at, unsigned size, uint64_t v);
void page_flags(Guest *g, uint64_t at, uint64_t flags);     /* of a 4 KiB page, long mode */

enum VcpuStop guest_run(Guest *g);
/* Runs to a HLT, which must be the handler of this vector. */
void run_to_vector(Guest *g, unsigned vector);
/* Runs to a HLT in the code at CODE or CODE_B. */
void run_done(Guest *g);
/* Runs to a HLT at this linear address. */
void run_to(Guest *g, uint64_t rip);

#define eq_hex(a, b) cr_expect((uint64_t)(a) == (uint64_t)(b), #a " is %#llx, not %#llx", \
                               (unsigned long long)(a), (unsigned long long)(b))

/*
 * Runs code in a guest from make() that prepare() has made ready, interpreted and translated: registers, flags,
 * the four pages at BOTH_DATA and, with a vector, the exception's frame are the same. *guest is replaced.
 */
#define BOTH_DATA 0x40000
typedef struct Code { uint64_t at; const uint8_t *bytes; size_t len; } Code;
void guest_both_ways(Guest **guest, Guest *(*make)(void), const Code *code, void (*prepare)(void), int vector);

#endif
