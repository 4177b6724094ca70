/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys.h - what the system half of the software CPU shares: descriptors, stacks for far transfers,
 * and the pieces of segments.c, transfer.c, event.c and task.c that call each other.
 * After the Intel SDM volume 3 (chapters 3, 5, 6, 7) and AMD's APM volume 2.
 */
#ifndef GH_SOFT_SYS_H
#define GH_SOFT_SYS_H

#include "hypervisor/soft/cpu.h"

/* System descriptor types. */
enum { SYS_TSS16 = 1, SYS_LDT = 2, SYS_TSS16_BUSY = 3, SYS_CALL16 = 4, SYS_TASK_GATE = 5,
       SYS_INT16 = 6, SYS_TRAP16 = 7, SYS_TSS32 = 9, SYS_TSS32_BUSY = 11, SYS_CALL32 = 12,
       SYS_INT32 = 14, SYS_TRAP32 = 15 };

enum { ATTR_ACCESSED = 1, ATTR_WRITE = 2, ATTR_READ = 2, ATTR_DOWN = 4, ATTR_CONFORMING = 4,
       ATTR_CODE = 8, ATTR_S = 0x10, ATTR_P = 0x80, ATTR_L = 0x200, ATTR_DB = 0x400,
       ATTR_G = 0x800 };

/* A descriptor or gate as it lies in its table. */
typedef struct Desc {
    uint32_t lo, hi;
    uint32_t lo2, hi2;          /* upper half of 16-byte descriptors, 0 when there is none */
    uint64_t at;                /* linear address of it */
} Desc;

static inline uint32_t desc_attr(const Desc *d)
{
    return ((d->hi >> 8) & 0xff) | ((d->hi >> 12) & 0xf00);
}
static inline uint32_t desc_limit(const Desc *d)
{
    uint32_t limit = (d->lo & 0xffff) | (d->hi & 0xf0000);

    return d->hi & 0x800000 ? limit << 12 | 0xfff : limit;
}
static inline uint64_t desc_base(const Desc *d)
{
    return (d->lo >> 16) | (d->hi & 0xff) << 16 | (d->hi & 0xff000000) | (uint64_t)d->lo2 << 32;
}
static inline unsigned desc_dpl(const Desc *d) { return (d->hi >> 13) & 3; }
static inline bool desc_present(const Desc *d) { return d->hi & 0x8000; }
static inline unsigned desc_type(const Desc *d) { return (d->hi >> 8) & 15; }
static inline bool desc_is_system(const Desc *d) { return !(d->hi & 0x1000); }
static inline bool desc_is_code(const Desc *d) { return (d->hi & 0x1800) == 0x1800; }
static inline bool desc_is_conforming(const Desc *d) { return (d->hi & 0x1c00) == 0x1c00; }
static inline bool desc_is_writable_data(const Desc *d) { return (d->hi & 0x1a00) == 0x1200; }
static inline bool desc_is_readable(const Desc *d)
{
    return (d->hi & 0x1000) && (d->hi & 0xa00) != 0x800;
}
static inline bool desc_is_long(const Desc *d) { return d->hi & 0x200000; }
static inline bool desc_is_big(const Desc *d) { return d->hi & 0x400000; }
static inline uint16_t gate_selector(const Desc *d) { return d->lo >> 16; }
static inline uint32_t gate_offset(const Desc *d) { return (d->lo & 0xffff) | (d->hi & 0xffff0000); }
static inline bool sel_is_null(uint16_t selector) { return !(selector & 0xfffc); }

static inline bool cpu_in_64(const Cpu *c) { return (c->mode & MODE_SIZE_MASK) == MODE_64; }
static inline bool cpu_lma(const Cpu *c) { return c->efer & EFER_LMA; }
static inline bool cpu_prot(const Cpu *c) { return c->mode & MODE_PROT; }
static inline bool cpu_v86(const Cpu *c) { return c->rflags & RF_VM; }
static inline unsigned cpu_iopl(const Cpu *c) { return (c->rflags & RF_IOPL) >> 12; }
static inline bool is_canonical(uint64_t a) { return (uint64_t)((int64_t)(a << 16) >> 16) == a; }

static inline uint64_t size_mask(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (1ull << (size * 8)) - 1;
}
static inline void reg_write(Cpu *c, unsigned reg, unsigned size, uint64_t v)
{
    if (size == 2)
        c->gpr[reg] = (c->gpr[reg] & ~0xffffull) | (uint16_t)v;
    else
        c->gpr[reg] = v & size_mask(size);
}

/* --- segments.c --- */
/* false: beyond its table (or no LDT).  In long mode the upper half of system descriptors is read
 * as well, when wide says that the caller wants one. */
bool desc_read(Cpu *c, const Insn *i, uint16_t selector, bool wide, Desc *d);
void desc_set_accessed(Cpu *c, const Insn *i, Desc *d);
void seg_fill(Seg *s, uint16_t selector, const Desc *d);
void seg_fill_flat(Seg *s, uint16_t selector, uint32_t attr);
/* Loads DS, ES, FS or GS as seg_load() if that is known not to fault, and not to change Cpu.mode; else does
 * nothing. */
bool seg_load_again(Cpu *c, unsigned seg, uint16_t selector);
void seg_fix(Seg *s);                   /* the ready-made fields, from attr */
void seg_make_null(Seg *s, uint16_t selector);
/* Reads and checks what becomes SS; cpl is the one to come.  The faults are #GP in a plain load,
 * another vector where the SDM says so (vector), and #SS when not present. */
void ss_prepare(Cpu *c, const Insn *i, uint16_t selector, unsigned cpl, int vector, uint32_t ext,
                Seg *out);
void segs_drop_inner(Cpu *c);           /* after a return to an outer ring */

/* --- transfer.c: stacks and far control transfer --- */
typedef struct Stack {
    Cpu *c;
    const Insn *i;
    Seg seg;
    uint64_t sp;
    uint64_t mask;              /* of sp: 16, 32 or 64 bits */
    bool wide;                  /* 64-bit: no base, no limit */
    bool inner;                 /* another privilege level's: supervisor accesses */
    uint32_t err;               /* #SS's error code */
} Stack;

void stack_init(Stack *s, Cpu *c, const Insn *i, const Seg *ss, uint64_t sp, bool wide,
                bool inner, uint32_t err);
void stack_current(Stack *s, Cpu *c, const Insn *i);
void stack_push(Stack *s, unsigned size, uint64_t v);
uint64_t stack_pop(Stack *s, unsigned size);
uint64_t stack_peek(Stack *s, uint64_t offset, unsigned size);
void stack_commit(const Stack *s);      /* (R/E)SP from sp */

/* Takes ring cpl's stack from the TSS (ist: 1-7 in long mode). */
void inner_stack(Cpu *c, const Insn *i, unsigned cpl, unsigned ist, uint32_t ext, Seg *ss,
                 uint64_t *sp);
void cs_commit(Cpu *c, uint16_t selector, unsigned cpl, const Desc *d);
void check_ip(Cpu *c, const Insn *i, const Desc *cs, uint64_t ip, uint32_t ext);
void cpu_commit_cpl(Cpu *c, unsigned cpl);

/* --- task.c --- */
enum TaskReason { TASK_JMP, TASK_CALL, TASK_IRET, TASK_EVENT };
/* selector's descriptor has been checked for what the reason needs.  next: EIP to save. */
void task_switch(Cpu *c, const Insn *i, uint16_t selector, Desc *d, enum TaskReason reason,
                 uint64_t next, uint32_t ext);
void task_gate(Cpu *c, const Insn *i, uint16_t tss_selector, enum TaskReason reason, uint64_t next,
               uint32_t ext);
void task_return(Cpu *c, const Insn *i, uint64_t next);

/* --- event.c --- */
bool vme_redirected(Cpu *c, const Insn *i, unsigned vector);

/* --- control.c: CR0, CR3, CR4 and EFER with all their rules --- */
void cr0_write(Cpu *c, const Insn *i, uint64_t v);
void cr3_write(Cpu *c, const Insn *i, uint64_t v);
void cr4_write(Cpu *c, const Insn *i, uint64_t v);
bool cpu_is_amd(Cpu *c);

/* What power-on and INIT leave behind. */
void cpu_reset(Cpu *c);
void cpu_init_reset(Cpu *c);

#endif
