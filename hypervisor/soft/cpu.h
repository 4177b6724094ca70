/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu.h - the software CPU's own interior: state, decoded instructions, memory access, exceptions.
 *
 * How it works.  Guest code is decoded into blocks of Insn, each with the C function (its "body")
 * that carries it out; a body ends with NEXT(), a tail call of the next one's body.  One table
 * (insn_table.c) names for each encoding its operands and its body: it is the one meaning of each
 * instruction, and the translator that comes over this calls the same bodies for what it doesn't
 * emit itself.
 *
 * Rules for bodies:
 * - No guest state changes before the last check that can fault.  A fault leaves the body by
 *   raise_*(), which longjmps to the run loop; RIP then is that of the instruction (from i->off).
 * - A body that changes RIP, the mode, paging, segments, or whose next instruction must be looked
 *   at by the run loop (STI, MOV SS, HLT, I/O) ends its block: it sets c->rip and returns.
 * - Arithmetic flags are the host's: bodies compute with inline asm and keep LAHF and SETO's result
 *   (see FLAG_*), so undefined flags are what this host's CPU makes of them.
 */
#ifndef GH_SOFT_CPU_H
#define GH_SOFT_CPU_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include "hypervisor/engine.h"

typedef struct EngineVcpu Cpu;      /* the soft engine's vCPU */
typedef struct Insn Insn;
typedef struct Block Block;

/* --- arithmetic flags: low byte = OF (0/1), high byte = LAHF's AH --- */
enum {
    FLAG_OF = 0x0001, FLAG_CF = 0x0100, FLAG_PF = 0x0400, FLAG_AF = 0x1000,
    FLAG_ZF = 0x4000, FLAG_SF = 0x8000,
};

/* --- RFLAGS bits --- */
enum {
    RF_CF = 1, RF_PF = 4, RF_AF = 0x10, RF_ZF = 0x40, RF_SF = 0x80, RF_TF = 0x100, RF_IF = 0x200,
    RF_DF = 0x400, RF_OF = 0x800, RF_IOPL = 0x3000, RF_NT = 0x4000, RF_RF = 0x10000,
    RF_VM = 0x20000, RF_AC = 0x40000, RF_VIF = 0x80000, RF_VIP = 0x100000, RF_ID = 0x200000,
    RF_ARITH = RF_CF | RF_PF | RF_AF | RF_ZF | RF_SF | RF_OF,
};

/* --- exception vectors --- */
enum { EXC_DE, EXC_DB, EXC_NMI, EXC_BP, EXC_OF, EXC_BR, EXC_UD, EXC_NM, EXC_DF, EXC_TS = 10,
       EXC_NP, EXC_SS, EXC_GP, EXC_PF, EXC_MF = 16, EXC_AC, EXC_MC, EXC_XM };

enum { CR0_PE = 1, CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_ET = 0x10, CR0_NE = 0x20,
       CR0_WP = 0x10000, CR0_AM = 0x40000, CR0_NW = 0x20000000, CR0_CD = 0x40000000 };
#define CR0_PG 0x80000000u
enum { CR4_VME = 1, CR4_PVI = 2, CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 0x10, CR4_PAE = 0x20,
       CR4_MCE = 0x40, CR4_PGE = 0x80, CR4_PCE = 0x100, CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400,
       CR4_UMIP = 0x800, CR4_FSGSBASE = 0x10000, CR4_PCIDE = 0x20000, CR4_OSXSAVE = 0x40000,
       CR4_SMEP = 0x100000, CR4_SMAP = 0x200000 };
enum { EFER_SCE = 1, EFER_LME = 0x100, EFER_LMA = 0x400, EFER_NXE = 0x800 };

/* What an instruction depends on besides its bytes: part of the block's key. */
enum {
    MODE_16 = 0, MODE_32 = 1, MODE_64 = 2,  /* code size: CS.D, CS.L */
    MODE_SIZE_MASK = 3,
    MODE_PROT = 4,      /* CR0.PE and not VM86 */
    MODE_V86 = 8,
    MODE_USER = 0x10,   /* CPL 3 */
    MODE_SS32 = 0x20,   /* stack pointer is ESP (or RSP in MODE_64) */
    MODE_FLAT = 0x40,   /* CS, DS, ES, SS base 0, limit 4G, usable and writable: no checks */
    MODE_LMA = 0x80,    /* long mode active (64-bit or compatibility) */
    MODE_TF = 0x100,    /* single step: one instruction to a block */
    MODE_AC = 0x400,    /* CPL below 3: SMAP lifted by RFLAGS.AC */
    MODE_AM = 0x200,    /* alignment checks on: CR0.AM, RFLAGS.AC, CPL 3 */
};

/* --- a decoded instruction --- */
#define REG_ZERO 16     /* gpr index that always reads 0: absent base or index */
#define REG_RIP 17      /* gpr index of c->rip; disp then counts from the block's start */
#define SEG_NONE 6      /* segment index with base 0 and no limit (LEA, flat) */

struct Insn {
    void (*fn)(Cpu *c, const Insn *i);
    uint64_t imm;       /* immediate, sign-extended as the instruction says; or branch target */
    int32_t disp;
    uint16_t off;       /* of this instruction from the block's first byte */
    uint8_t len;        /* bytes */
    uint8_t opsize;     /* 1, 2, 4, 8: effective operand size */
    uint8_t base, index, scale;     /* memory operand: gpr[base] + (gpr[index] << scale) + disp */
    uint8_t seg;        /* SEG_*, SEG_NONE */
    uint8_t asize;      /* effective address size in bytes: 2, 4, 8 */
    uint8_t reg;        /* ModRM.reg (+REX.R) or opcode's register (+REX.B); bytes: R8 */
    uint8_t rm;         /* ModRM.rm register (+REX.B) when mod == 3, REG_MEM otherwise */
    uint8_t modrm;      /* the raw byte */
    uint8_t rex;        /* raw REX, 0 if none */
    uint8_t prefix;     /* PFX_* */
    uint16_t opcode;    /* 0x00XX, 0x0fXX -> 0x1XX, 0f38 -> 0x2XX, 0f3a -> 0x3XX */
    uint8_t vex;        /* VEX_* (vex.h): vvvv, L, W; 0 without VEX */
    uint8_t aux;        /* free for the decoder to hand something to the body */
    uint16_t row;       /* in vex_rows[], 0 without VEX */
};

#define REG_MEM 0xff
/* PFX_DEVICE is no prefix: the instruction has met memory-mapped registers. */
enum { PFX_REP = 1, PFX_REPNE = 2, PFX_OPSIZE = 4, PFX_LOCK = 8, PFX_SEG = 0x10, PFX_ASIZE = 0x20,
       PFX_DEVICE = 0x40 };

#define NEXT(c, i) return (i)[1].fn((c), (i) + 1)

/* 8-bit registers: for byte operands the decoder puts into reg and rm (when not REG_MEM) the byte's
 * offset in gpr[], so that AH is 1 and SPL is 32. */
#define R8(c, r) (((uint8_t *)(c)->gpr)[r])

/* --- a segment register: SegState plus what access checks want ready --- */
typedef struct Seg {
    uint64_t base;
    uint32_t limit;
    uint32_t attr;      /* as SegState.attr */
    uint16_t selector;
    uint8_t readable, writable;     /* data or readable code / writable data; 0 when unusable */
    uint8_t expand_down;
    uint8_t big;        /* D/B */
    uint8_t flat;       /* readable or more, base 0, limit 4G: reads need no check */
} Seg;

/* What a descriptor made of a data segment register that was loaded with it, accessed bit and all. */
#define SEGS_KEPT 16
typedef struct SegKept {
    uint64_t raw;       /* 0: none */
    Seg seg;
    uint8_t cpl;        /* with which it could be loaded */
} SegKept;

/* --- x87/SSE state: an FXSAVE-like image in its natural parts --- */
typedef struct { uint8_t b[10]; uint8_t pad[6]; } X87Reg;
typedef union { uint8_t b[32]; uint16_t w[16]; uint32_t d[8]; uint64_t q[4]; float f[8];
                double lf[4]; } __attribute__((aligned(32))) VecReg;

typedef struct Fpu {
    X87Reg st[8];       /* physical registers; ST(i) is st[(top + i) & 7]; MMi is st[i] */
    uint16_t cw, sw;    /* sw with TOP in bits 13:11 */
    uint8_t tags;       /* bit set: register i is not empty (abridged, as FXSAVE's) */
    uint16_t fop;
    uint16_t fcs, fds;
    uint64_t fip, fdp;
    uint32_t mxcsr;
    /* YMM0-15, 32 bytes each, one after the other; XMMn is the low half of v[n].  SSE leaves the
     * upper half alone, VEX instructions clear what they don't write. */
    VecReg v[16];
} Fpu;

/* --- TLB: one table each for supervisor and user; see mmu.c --- */
/* _AC: SMAP lifted by RFLAGS.AC; _NONE: always empty, for when every access must be looked at */
enum { TLB_SUPER, TLB_USER, TLB_SUPER_AC, TLB_NONE, TLB_COUNT };
#define TLB_BITS 14
#define TLB_SIZE (1u << TLB_BITS)
typedef struct TlbEntry {       /* what every access looks at; translated code knows the layout */
    uint64_t rtag, wtag;        /* linear page address when it may be read / written without a
                                   look; TLB_INVALID() otherwise */
    uint64_t addend;            /* host address = linear + addend */
    uint64_t host_page;         /* host address of the page */
} TlbEntry;
typedef struct TlbInfo {        /* the rest of the entry */
    uint64_t xtag;              /* as rtag, for execution */
    uint64_t mtag;              /* as rtag, of a page without memory: the other tags are never its */
    uint64_t gpa;               /* guest-physical page | TLBF_* */
} TlbInfo;

/* What one TLB entry lets be done, for translated code (jit/windows.c): an access of 1 << n bytes at most,
 * below[n] from page on, finds it here.  All are 0 from when the entry loses a right on. */
#define WINDOW_CLASSES 10
typedef struct Window {
    uint64_t page, addend, host_page;
    uint64_t below[WINDOW_CLASSES];
    uint32_t bit;               /* in Cpu.windows_open */
    bool writes;                /* it is for writing, too */
} __attribute__((aligned(128))) Window;
#define WINDOW_LOOPS 4
enum { WINDOW_STACK, WINDOW_READ, WINDOW_WRITE = WINDOW_READ + WINDOW_LOOPS,
       WINDOW_COUNT = WINDOW_WRITE + WINDOW_LOOPS };

/* The empty entry's tag: of a page that no lookup of this entry can be for.  Nearly all are 0, so
 * that memory of a TLB that was never filled is never touched. */
#define TLB_INVALID(index) ((index) ? 0 : 0x2000000000001000ull)
#define FBASE_NONE 0x4000000000000000ull    /* base of segments that need checks: misses the TLB */

/* Turns of a loop that need no look at the TLB (jit/runs.c). */
#define RUN_ACCESSES 8
typedef struct Run {
    uint64_t limit;             /* of the register that tells when they, or those between attempts, are over */
    uint32_t pause;             /* turns after the last attempt if that failed */
    uint64_t host[RUN_ACCESSES];        /* what makes a host address of the access's moving register */
    uint64_t at[RUN_ACCESSES];  /* where an attempt begins: linear addresses without what moves; */
    uint64_t src[RUN_ACCESSES]; /* the registers that make it move; */
    uint64_t head;              /* the register of limit */
} Run;

#define PAUSE_PATIENCE 64

struct EngineVcpu {
    /* hot part first */
    union {
        uint64_t gpr[18];       /* gpr[REG_ZERO] is 0 for ever, gpr[REG_RIP] is rip */
        struct {
            uint64_t gpr_room[17];
            uint64_t rip;       /* valid between blocks; inside a block: of the block's start */
        };
    };
    uint16_t aflags;            /* FLAG_*: arithmetic flags */
    uint32_t rflags;            /* the others (RF_ARITH bits are 0 here), bit 1 set */
    uint32_t mode;              /* MODE_* now; recomputed by cpu_update_mode() */
    TlbEntry *tlb;              /* = tlbs[TLB_*] */
    /* Segment bases for accesses that need no check of the segment; FBASE_NONE where they do. */
    uint64_t fbase_r[8], fbase_w[8];
    /* The same for 16-bit offsets, if what is accessed ends below 64 KiB. */
    uint64_t fbase16_r[8], fbase16_w[8];
    /* What a valid jump cache entry has: mode and CS; how often slots of code_pages for code as it is
     * run now have changed (24 bits: code_epoch()).  Translated code looks at both and poll as one. */
    uint32_t jump_tag __attribute__((aligned(8)));
    uint16_t code_epoch_low;
    uint8_t code_epoch_high;
    volatile uint8_t poll;      /* non-zero: leave the block loop and look (POLL_*) */
    uint64_t *code_pages[2];    /* for supervisor and user code: see block.h */
    struct JumpEntry *jumps;    /* JUMP_SIZE entries; see block.h */
    uintptr_t stack_floor;      /* blocks return to the run loop when the host's stack is below */
    Seg seg[7];                 /* [SEG_NONE]: base 0, everything allowed */
    /* for translated code (jit/) */
    struct Jit *jit;            /* NULL: none */
    struct JitLink *jit_link;   /* the unlinked jump by which it was left, or NULL */
    uintptr_t (*jit_call)(Cpu *c, const Insn *i, Block *b);
    uintptr_t (*jit_vector)(Cpu *c, const Insn *i, Block *b);
    uintptr_t (*jit_x87)(Cpu *c, const Insn *i, Block *b);
    uintptr_t (*jit_x87_again)(Cpu *c, const Insn *i, Block *b);
    bool (*jit_device_read)(Cpu *c, uint64_t size, uint64_t linear);
    bool (*jit_device_write)(Cpu *c, uint64_t size, uint64_t linear);
    uint64_t jit_value;         /* of a device's register, for these */
    const uint8_t *jit_leave;   /* code for jump cache entries of blocks that have none */
    const uint8_t *jit_left;    /* code that goes back to C when the registers are in Cpu */
    uint64_t jit_stack;         /* RSP under the return frames (jit/returns.c) */
    uint64_t jit_stack_low, jit_stack_floor;    /* with the lowest frame alone; no more from here */
    uint64_t jit_hold[8];       /* of groups of accesses (jit/groups.c), within one block */
    Run run;
    uint32_t pauses;            /* PAUSEs since this thread last yielded: PAUSE_PATIENCE at most */
    uint64_t jit_save;
    uint32_t ring_seen;         /* *code_ring_seen when translated code was entered */
    bool jit_went_on;
    uint8_t vec_allowed;        /* VEC_*: what the state of the CPU allowed when last looked */
    uint8_t vec_live;           /* the host's XMM registers are the guest's, fpu.v is old */
    uint8_t x87_live;           /* the host's x87 state is the guest's, fpu's is old, */
    uint8_t x87_quiet;          /* and all exceptions are masked */
    uint64_t x87_address;
    Insn jit_insn[2];
    uint8_t cpl;
    uint8_t shadow;             /* SHADOW_STI | SHADOW_SS: for exactly the next instruction */
    uint8_t halted, nmi_blocked;
    const Block *block;         /* being run */
    sigjmp_buf unwind;          /* raise_*() lands in the run loop (saved without signal mask) */

    Fpu fpu;
    Seg ldtr, tr;
    SegKept kept[SEGS_KEPT];    /* by selector; good as long as the descriptor's bytes are these */
    uint64_t gdt_base, idt_base;
    uint32_t gdt_limit, idt_limit;
    uint64_t cr0, cr2, cr3, cr4, efer, xcr0;
    uint64_t dr[8];
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, tsc_aux, misc_enable, debugctl;
    int64_t tsc_offset;
    uint32_t leaf7_ebx;         /* of CPUID, asked for once */
    bool leaf7_known;
    bool fcomi_keeps_c1;        /* of this host: AMD's leaves C1 alone, Intel's clears it */
    uint64_t pdpte[4];          /* PAE, loaded with CR3 */

    /* the event raise_*() left for the run loop */
    int exc_vector;             /* -1: none */
    bool exc_has_error;
    uint8_t exc_type;           /* EVENT_* */
    uint32_t exc_error;
    uint32_t exc_dr6;           /* ORed into DR6 by the run loop before it delivers a #DB */
    uint8_t exc_insn_len;       /* soft events: to go back to the instruction if delivery faults */

    Vcpu *vcpu;
    Engine *engine;
    const EngineHost *host;
    const GuestMemory *mem;
    const uint32_t *code_ring_prod, *code_ring_seen;
    unsigned id, apic_id;
    Window windows[TLB_NONE][WINDOW_COUNT];
    uint32_t windows_open;      /* those that may be good */
    TlbEntry tlbs[TLB_COUNT][TLB_SIZE];
    TlbInfo tlb_info[TLB_NONE][TLB_SIZE];
    void *priv;                 /* core.c's own: block cache view, dirty log, thread hand-shake */
};

enum { SHADOW_STI = 1, SHADOW_SS = 2 };

/* --- faults: never return.  i == NULL: c->rip is already the instruction's --- */
_Noreturn void raise_exc(Cpu *c, const Insn *i, int vector);                /* no error code */
_Noreturn void raise_err(Cpu *c, const Insn *i, int vector, uint32_t error);
/* INT n, INT3, INTO, ICEBP: type EVENT_SOFT_*; c->rip becomes the next instruction's. */
_Noreturn void raise_soft(Cpu *c, const Insn *i, int vector, int type);
static inline _Noreturn void raise_ud(Cpu *c, const Insn *i) { raise_exc(c, i, EXC_UD); }
static inline _Noreturn void raise_gp0(Cpu *c, const Insn *i) { raise_err(c, i, EXC_GP, 0); }

/* --- memory (mmu.c).  seg is SEG_*; off the effective address, already cut to the address size.
 * Segment, canonical, paging and alignment checks, page crossing, MMIO: all inside. --- */
uint64_t effective_address(const Cpu *c, const Insn *i);
uint8_t mem_read8(Cpu *c, const Insn *i, unsigned seg, uint64_t off);
uint16_t mem_read16(Cpu *c, const Insn *i, unsigned seg, uint64_t off);
uint32_t mem_read32(Cpu *c, const Insn *i, unsigned seg, uint64_t off);
uint64_t mem_read64(Cpu *c, const Insn *i, unsigned seg, uint64_t off);
void mem_write8(Cpu *c, const Insn *i, unsigned seg, uint64_t off, uint8_t v);
void mem_write16(Cpu *c, const Insn *i, unsigned seg, uint64_t off, uint16_t v);
void mem_write32(Cpu *c, const Insn *i, unsigned seg, uint64_t off, uint32_t v);
void mem_write64(Cpu *c, const Insn *i, unsigned seg, uint64_t off, uint64_t v);
/* Any length up to 4096: everything is checked before anything is moved.  align: 0, or the power
 * of two the linear address must be a multiple of, else #GP(0) (aligned SSE operands). */
void mem_read_buf(Cpu *c, const Insn *i, unsigned seg, uint64_t off, void *buf, unsigned len,
                  unsigned align);
void mem_write_buf(Cpu *c, const Insn *i, unsigned seg, uint64_t off, const void *buf,
                   unsigned len, unsigned align);
/* Checks a write of len bytes without doing it (so that a later write can't fault). */
void mem_check_write(Cpu *c, const Insn *i, unsigned seg, uint64_t off, unsigned len);
/*
 * For string instructions: the host address of the element at off and, in *bytes, how far from it
 * on the page and the segment go.  NULL: an element that crosses a page, MMIO, ROM written to, a
 * page with a data breakpoint; then *gpa is the MMIO address of an element within one page, ~0 for all else.
 * After a write through it the caller tells mem_written().
 */
uint8_t *mem_span(Cpu *c, const Insn *i, unsigned seg, uint64_t off, unsigned size, bool write,
                  unsigned *bytes, uint64_t *gpa);
void mem_written(Cpu *c, uint64_t gpa, unsigned len);
/* Read-modify-write with LOCK: a host pointer for an atomic operation on naturally placed RAM, or
 * NULL (crossing a page, MMIO: the caller reads and writes under cpu_exclusive_*()). */
void *mem_rmw_ptr(Cpu *c, const Insn *i, unsigned seg, uint64_t off, unsigned size);
/* Where the bodies of ports look for the guest's I/O breakpoints: when it has one on such a port, the
 * instruction is the last one before the run loop takes it. */
void points_port(Cpu *c, uint16_t port, unsigned size);
bool points_on_ports(const Cpu *c);
/* Implicit supervisor accesses to descriptor tables and TSS, by linear address (size 1..8). */
uint64_t sys_read(Cpu *c, const Insn *i, uint64_t linear, unsigned size);
/* Eight bytes, if they may be read without a look; linear is cut already. */
bool sys_peek(const Cpu *c, uint64_t linear, uint64_t *v);
void sys_write(Cpu *c, const Insn *i, uint64_t linear, unsigned size, uint64_t v);
void sys_check(Cpu *c, const Insn *i, uint64_t linear, unsigned len, bool write);

void tlb_flush_all(Cpu *c);             /* also global entries */
void tlb_flush_local(Cpu *c);           /* CR3 load: not global entries */
void tlb_flush_page(Cpu *c, uint64_t linear);
bool mmu_load_pdptes(Cpu *c, uint64_t cr3);     /* false: reserved bits (#GP) */

/* Stop-the-world section for locked operations that can't be one host instruction. */
void cpu_exclusive_begin(Cpu *c);
void cpu_exclusive_end(Cpu *c);

/* --- where the instruction is; only while its block runs and c->rip is the block's start --- */
static inline uint64_t rip_cut(const Cpu *c, uint64_t rip)
{
    return (c->mode & MODE_SIZE_MASK) == MODE_64 ? rip : (uint32_t)rip;
}
static inline uint64_t insn_rip(const Cpu *c, const Insn *i) { return rip_cut(c, c->rip + i->off); }
static inline uint64_t insn_next(const Cpu *c, const Insn *i)
{
    return rip_cut(c, c->rip + i->off + i->len);
}
/* For bodies that end their block without a branch: END(c, i) as the last statement. */
#define END(c, i) do { (c)->rip = insn_next((c), (i)); return; } while (0)

/* --- flags --- */
uint32_t cpu_get_rflags(const Cpu *c);              /* all bits together */
/* Bits of mask from value; updates mode. */
void cpu_set_rflags(Cpu *c, uint32_t value, uint32_t mask);
/* After any change to CR0, CR4, EFER, CS, SS, DS, ES, CPL, VM, TF, AC. */
void cpu_update_mode(Cpu *c);
/* After any change to DR0 to DR3 or DR7. */
void points_update(Cpu *c);
/* After a change of CS and CPL alone; what they were. */
void cpu_update_code(Cpu *c, const Seg *cs, unsigned cpl);
/* After SYSENTER and its like: CPL and RFLAGS, and of the segments CS and SS alone. */
void cpu_update_level(Cpu *c);
/* After a change of one segment other than CS, by an instruction; old is what it was.  The other one: of which
 * is known that Cpu.mode stays as it is. */
void cpu_update_base(Cpu *c, unsigned seg);
void cpu_update_segment(Cpu *c, unsigned seg, const Seg *old);

/* --- system.c, segments.c, event.c (all segmentation and control transfer beyond near) --- */
/* Delivers an exception or interrupt at c->rip (return address already right for its kind; for
 * soft events insn_len has been added by the caller).  Handles double faults; false: triple. */
bool cpu_deliver(Cpu *c, int vector, int type, bool has_error, uint32_t error);
void seg_load(Cpu *c, const Insn *i, unsigned seg, uint16_t selector);  /* MOV/POP/LxS, not CS */
void seg_set_real(Cpu *c, unsigned seg, uint16_t selector);                 /* real and V86 */
void seg_from_state(Seg *s, const SegState *st);
void seg_to_state(const Seg *s, SegState *st);

/* --- fpu.c, sse.c --- */
void fpu_init(Fpu *f);              /* FNINIT + reset values */
void fpu_reset(Fpu *f);
void fpu_to_xsave(const Cpu *c, uint8_t *image, uint32_t *size);
void fpu_from_xsave(Cpu *c, const uint8_t *image, uint32_t size);
uint64_t fpu_in_use(Cpu *c);         /* XGETBV with ECX 1: state components not in their initial state */

#endif
