/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xlat.h - the translation of one block: what cache.c, xlat.c, memory.c and ops.c share.
 *
 * Flags.  At every place that may leave translated code the guest's flags must be exact.  They are
 * in the host's flags (FLAGS_HOST), in Cpu.aflags (FLAGS_MEM), can be made again from registers as
 * these are now (FLAGS_AGAIN, Xlat.again), or several of these; Xlat.flags says which.  Anything that
 * clobbers host flags first sees to it that they aren't lost: flags_leave_host().
 */
#ifndef GH_SOFT_JIT_XLAT_H
#define GH_SOFT_JIT_XLAT_H

#include "hypervisor/soft/jit/jit.h"
#include "hypervisor/soft/jit/regs.h"

enum { FLAGS_HOST = 1, FLAGS_MEM = 2, FLAGS_AGAIN = 4 };

#define FLAGS_AGAIN_OPS 4
typedef struct AgainOp {
    uint8_t op, reg, imm_size;
    bool byte_reg;              /* reg is a byte register, not a part of the opcode */
    Operand rm;
    uint64_t imm;
} AgainOp;
/* The host instructions, without effect but for the flags, that make them again: a comparison once
 * more, an addition after its opposite, a test of a logical operation's result. */
typedef struct FlagsAgain {
    AgainOp op[FLAGS_AGAIN_OPS];
    uint8_t count, size;
    uint16_t uses;              /* guest registers */
} FlagsAgain;

/* A direct jump to another block: patched when that one has code. */
struct JitLink {
    uint64_t page;              /* what the target's slot of Cpu.code_pages has when a guarded jump may
                                   be taken */
    uint64_t seen;              /* landings: Cpu.jump_tag and code_epoch when they were last found good */
    uint32_t slot;              /* landings: address of that slot */
    uint8_t *site;              /* of the 32-bit distance */
    uint8_t *stub;              /* where it goes while unlinked */
    JitLink *next, **at;        /* of those linked to the same block; what points to this one there */
    uint64_t rip;               /* target */
    Block *target;              /* NULL while unlinked */
    uint32_t tag;               /* Cpu.jump_tag with which a landing may be taken; JUMP_TAG_NONE: no landing */
    uint8_t flags;              /* FLAGS_HOST or FLAGS_MEM or both, when it is taken */
};

struct Jit {
    intptr_t run;               /* from where code is written to where it runs */
    uint8_t *thunks;
    Piece *oldest, *newest;     /* its code memory; the newest one is being filled */
    uint8_t *p, *end;           /* in that one: room for code, NULL where there is none */
    uint64_t translated_at;     /* CodePool.clock at the last translation; others look: atomic */
    bool full;                  /* there was no further piece when it last needed one */
    bool patched;               /* another thread has changed its code */
    bool asked;                 /* somebody else needs a piece */
    bool bmi2, avx;             /* the host has it */
    const Block *warming;       /* the last one that ran and isn't translated yet, */
    uint64_t warming_entered;   /* and how often translated code had been entered then */
    /* thunks, as rw addresses */
    void (*enter)(Cpu *c, const void *code);    /* (executable address) */
    uint8_t *leave;             /* Cpu.rip is set; registers go to Cpu, back to C */
    uint8_t *left;              /* the same when the registers are in Cpu already */
    uint8_t *body;              /* R10d Block, R11d Insn: calls the body */
    uint8_t *light;             /* R10 a function of light.c, R11d Insn: calls it; ZF: it was not done */
    uint8_t *device_read, *device_write;    /* R10 linear address, R11d size, Cpu.jit_value: the same */
    uint8_t *vector_in;         /* R10d Block, R11d Insn: loads the XMM registers, or calls the body */
    uint8_t *vector_load;       /* they may be loaded: does it */
    uint8_t *x87_in;            /* as vector_in: loads the x87 state, or calls the body */
    uint8_t *x87_load;          /* it may be loaded: does it; the XMM registers are lost */
    uint8_t *frames_drop;       /* called: all return frames but the lowest go; R10 is lost */
    uint8_t *leave_to;          /* jumped to: Cpu.rip gets R10, and leave */
    uint8_t *leave_to_entry;    /* jumped to: the same with the RIP of the jump cache's entry at R11 */
    uint8_t *jump_second;       /* called: R10 a RIP; R11 becomes its entry's other place; ZF: it is there */
    uint8_t *jump_again;        /* called: R11 a jump cache entry; ZF: it is good, and is noted as seen */
    uint8_t *window_fill[TLB_NONE][2];  /* called: see windows.c */
    uint8_t *landing_again;     /* called: R11d JitLink; as jump_again */
};

/* Part of the code memory (pieces.c). */
struct Piece {
    uint16_t owner;             /* id of a vCPU, or NOBODY */
    uint32_t code, data;        /* bytes of code; of blocks */
    uint32_t blocks, links;     /* how many */
    Piece *next;                /* that its vCPU filled after it; of those that are nobody's */
};

#define THUNK_BYTES (16u << 10) /* of a vCPU's thunks at most */
#define TRANSLATIONS 4          /* of a block at most: xlat.c */
/* Bytes of code at most: of an instruction in one of them, and of all else. */
#define INSN_CODE 400
#define BLOCK_CODE 1280
#define RUN_INSNS 36            /* longer ones have no run: three translations */
#define EDGES_MAX (BLOCK_INSNS * 3 / 2 + 3)

typedef struct SlowJump { uint8_t *site; uint8_t insn; } SlowJump;

/* Xlat.vec and Cpu.vec_live: the host's vector registers are the guest's, SSE and AVX instructions
 * need no look. */
enum { VEC_SSE = 1, VEC_AVX = 2 };

/* Instructions of the block, by index, whose x87 pointers aren't in Cpu.fpu yet: the newest one's
 * FIP, FCS and FOP, the newest memory operand's FDS (and FDP when it is known); or NO_REG. */
typedef struct X87Pending { uint8_t insn, data; } X87Pending;
#define X87_NOTHING_PENDING (X87Pending){ NO_REG, NO_REG }

/* What groups.c says of an instruction. */
enum GroupRole { GROUP_NONE, GROUP_FIRST, GROUP_MEMBER, GROUP_RUN };    /* RUN: runs.c */
#define HOLD_SLOTS 8
typedef struct GroupPlan {
    uint8_t role;               /* enum GroupRole */
    bool open;                  /* a group goes on behind it */
    bool stack;                 /* it is memory_stack()'s access, else memory_operand()'s */
    bool write;                 /* the group has a write */
    bool load, store;           /* what is kept comes from its slot; it goes there */
    uint8_t slot;               /* Cpu.jit_hold[], Cpu.run.host[] */
    uint8_t align, phase;       /* some of it must be at a multiple of align, phase from the group's start
                                   on; align 0: none */
    bool vector;                /* the vector registers are live before it, if they are to be here at all */
    uint16_t span;              /* bytes of the group */
    int32_t below;              /* from the first one's address to the group's */
} GroupPlan;

/*
 * A block that branches to its own start goes to a translation of its own for all further turns: what
 * is known there is what is known at the branch, so flags that can be made again needn't be stored,
 * and vector registers aren't looked at again.
 */
#define LOOP_SITES 4
typedef struct Loop {
    bool allowed, known;
    uint8_t flags, vec;         /* as Xlat's at the start of such a turn */
    bool x87;
    FlagsAgain again;
    uint8_t *start;             /* NULL: not translated yet */
    bool turned;                /* a jump to start was made */
    uint8_t *site[LOOP_SITES];  /* jumps there */
    unsigned site_count;
} Loop;

/*
 * What runs.c knows of a loop; a copy for run_begin() lies before the code.  Distances are those of a
 * register in a turn.
 */
typedef struct RunAccess {
    uint8_t insn, size, align;  /* align: 0 or a power of two */
    bool write;
    uint8_t reg, scale;         /* guest register that moves, or NO_REG; what it is shifted by */
    uint8_t src, bits;          /* reg is that many low bits of src at the turn's start and before; with src */
    bool sign;                  /* NO_REG any number of so many bits.  sign: extended by it, else by 0 */
    int32_t before, step;       /* step: what each turn adds to src */
} RunAccess;
typedef struct RunPlan {
    RunAccess access[RUN_ACCESSES];
    TlbEntry *table;
    uint8_t count;
    bool narrow;                /* linear addresses have 32 bits */
    uint8_t reg, width;         /* guest register that tells the turns, and its bytes */
    int32_t step;
    bool on;                    /* this translation is the run's */
    uint8_t *refused;           /* a jump to where turns are as ever */
} RunPlan;

typedef struct Poll { uint8_t *site; JitLink *link; } Poll;

/* Behind the block: looks again at a landing, or with NULL at a jump cache entry. */
typedef struct Again {
    uint8_t *site, *resume;
    JitLink *link;
    bool second;                /* at the entry's other place, first */
} Again;

/* Behind the block: asks the TLB where a window failed. */
typedef struct Fill {
    uint8_t *site, *resume;
    Window *window;
    uint16_t span, slow;        /* slow: index of the jump where the TLB fails, too */
    bool write, host;
} Fill;

/* A way out, as long as its block is translated. */
typedef struct Edge {
    JitLink *link;
    uint8_t poll_flags;         /* FLAGS_* when its polls leave */
    FlagsAgain again;
} Edge;

typedef struct Xlat {
    Emit e;
    Cpu *c;
    Jit *j;
    Block *b;
    unsigned flags;             /* FLAGS_* */
    FlagsAgain again;           /* with FLAGS_AGAIN */
    bool again_new;             /* by the instruction being translated */
    bool in_64;
    unsigned n;                 /* index of the instruction being translated */
    bool ended;                 /* nothing falls through any more */
    uint8_t held[2];            /* guest registers whose values scratch A and B have, or NO_REG */
    unsigned polled;            /* index of a branch before whose comparison Cpu.poll was looked at; or 0 */
    bool keep;                  /* they still have them after this instruction */
    GroupPlan plan[BLOCK_INSNS];        /* all GROUP_NONE in the second translation */
    struct { uint8_t *site, insn; } second[3 * BLOCK_INSNS];   /* jumps to its instructions */
    unsigned second_count;
    Loop loop;
    RunPlan run;
    SlowJump slow[BLOCK_INSNS * 6];
    unsigned slow_count;
    struct { uint8_t *resume; FlagsAgain again; uint8_t before, flags, vec; bool x87; } done[BLOCK_INSNS];
    uint8_t vec;                /* VEC_* that hold for sure */
    struct { uint8_t *site, *resume; uint8_t insn; } vec_in[2 * BLOCK_INSNS];
    unsigned vec_in_count;
    bool x87;                   /* Cpu.x87_live for sure (x87_quiet, if the block does not check) */
    X87Pending x87_pending, x87_before[BLOCK_INSNS];    /* now; before each instruction */
    struct { uint8_t *site, *resume; uint8_t insn, vec; } x87_in[BLOCK_INSNS];
    unsigned x87_in_count;
    Fill fills[2 * BLOCK_INSNS];
    unsigned fill_count;
    uint16_t walks[BLOCK_INSNS];        /* in a long loop's further turns: guest registers that move slowly */
    uint8_t window_reads, window_writes;        /* windows given out */
    Poll polls[2 * EDGES_MAX];  /* further jumps to a link's stub */
    unsigned poll_count;
    Again looks[EDGES_MAX];
    unsigned look_count;
    Edge edges[EDGES_MAX];
    unsigned edge_count;
} Xlat;

/* i's body: the first instruction's fn is the translator's own while the block warms up. */
static inline void (*body_of(const Xlat *x, const Insn *i))(Cpu *c, const Insn *i)
{
    return i == x->b->insn ? x->b->first : i->fn;
}

/* The host's name of a guest register operand; byte operands are offsets into gpr[]. */
static inline unsigned guest_number(unsigned r, unsigned size) { return size == 1 ? r >> 3 : r; }
static inline bool is_high(unsigned r, unsigned size) { return size == 1 && (r & 7); }

static inline unsigned host_name(unsigned r, unsigned size, unsigned scratch)
{
    unsigned g = guest_number(r, size);

    if (host_reg[g] == IN_MEMORY)
        return scratch;
    return is_high(r, size) ? REG_HIGH | host_reg[g] : host_reg[g];
}

static inline bool in_memory(unsigned r, unsigned size)
{
    return host_reg[guest_number(r, size)] == IN_MEMORY;
}

static inline void fetch(Xlat *x, unsigned scratch, unsigned r, unsigned size)
{
    e_load(&x->e, scratch, opd_abs(&x->c->gpr[guest_number(r, size)]));
}

static inline void put_back(Xlat *x, unsigned scratch, unsigned r, unsigned size)
{
    e_store(&x->e, opd_abs(&x->c->gpr[guest_number(r, size)]), scratch);
}

/* flags.c */
void flags_to_mem(Xlat *x);     /* leaves them where they are, too; uses R10 */
void flags_to_host(Xlat *x);    /* uses no register */
void flags_leave_host(Xlat *x); /* the host's will be clobbered; may use R10 */
static inline void flags_written(Xlat *x) { x->flags = FLAGS_HOST; }
/* Around each instruction, which writes guest registers: what these made can't be made again. */
void flags_before_insn(Xlat *x, const Insn *i);
void flags_after_insn(Xlat *x, const Insn *i);
/* Where the block wants its flags: FLAGS_HOST or FLAGS_MEM, 0 if it replaces them before anyone
 * could ask. */
unsigned flags_first_need(const Xlat *x);

/* windows.c */
/* Instructions up to the last branch to b's start; 0: there is none. */
unsigned turn_length(const Block *b);
void windows_thunks(Emit *e, Cpu *c, Jit *j);
/* Of another translation. */
void windows_begin(Xlat *x, bool turns);
Window *window_for(Xlat *x, unsigned base, unsigned index, bool write);
/* The linear address in scratch A is checked, then turned into what the access needs: the host's address
 * in A, or in B what makes one of a linear address. */
void window_check(Xlat *x, Window *w, unsigned span, bool write);
void window_use(Xlat *x, bool host);
void emit_fills(Xlat *x);

/* What i adds to the one register that it writes, which is rm or reg of opsize bytes; false: something else. */
bool insn_steps(const Insn *i, int32_t *by);

/* runs.c */
/* Is there a run for b's further turns?  Fills x->run. */
bool run_plan(Xlat *x);
void run_roles(Xlat *x);        /* in x->plan, for its translation */
/* The attempt, which falls through to where the first turn begins, or jumps at x->run.refused. */
void run_attempt(Xlat *x);
/* Where the next turn begins, in a run or not: flags aren't in the host.  To attempt when it is time. */
void run_turn(Xlat *x, const uint8_t *attempt);
Operand run_operand(Xlat *x, unsigned slot, unsigned *spare);

/* memory.c */
void slow_if(Xlat *x, unsigned cond);
/* Room for a jump that slow_if() would make, by index of Xlat.slow[]. */
unsigned slow_reserve(Xlat *x);
#define TLB_ENTRY_SHIFT 5
TlbEntry *memory_table(const Xlat *x);
/*
 * The memory operand of i, or of an address by hand, size bytes: checks that it may be read or
 * written without a look, else the whole instruction goes to its body.  The host's flags are lost,
 * the guest's are not (a group's member leaves them where they are).  *spare is a scratch register
 * that the operand doesn't use.
 */
enum Access { FOR_READ, FOR_READ_16, FOR_WRITE, FOR_WRITE_16, FOR_LOCK };  /* _16: aligned */
Operand memory_operand(Xlat *x, const Insn *i, unsigned size, enum Access access, unsigned *spare);
/* At guest register base + disp in segment SS, as PUSH and POP do. */
Operand memory_stack(Xlat *x, const Insn *i, unsigned base, int32_t disp, unsigned size,
                     enum Access access, unsigned *spare);
/* Must the segment's base be added, or its rights be looked at? */
bool memory_has_base(const Xlat *x, unsigned seg);
/* The address of i in scratch register A, cut to the address size, without the segment's base. */
void memory_address(Xlat *x, const Insn *i);

/* The piece of size bytes with the bit that register i->reg tells, counted from i's operand on. */
Operand memory_bits(Xlat *x, const Insn *i, unsigned size, enum Access access, unsigned *spare);

/* For RCX elements of 1 << shift bytes (at most 4096 bytes) from guest register base on, at home and
 * flat: checks that they are in one page that may be read or written without a look.  What makes host
 * addresses of them is in scratch register B then.  The flags are in memory and not in the host. */
void memory_run(Xlat *x, unsigned base, unsigned shift, enum Access access);

/* ops.c: emits i; false when it doesn't know how, and has emitted nothing. */
bool op_emit(Xlat *x, const Insn *i);
/* Where CPL isn't 0 the instruction is its body's; the flags are in memory and not in the host. */
void ring0_only(Xlat *x);
/* How i meets the flags. */
typedef struct FlagUse { bool reads, writes_all, may_leave; } FlagUse;
FlagUse op_flag_use(const Xlat *x, const Insn *i);
/* The guest registers that it may write: bits. */
uint16_t op_writes(const Xlat *x, const Insn *i);
/* It is emitted, and calls C only by slow_if(). */
bool op_stays(const Xlat *x, const Insn *i);
/* Its memory operand is accessed once, as memory_operand() does: size bytes, at a multiple of align if that isn't 0. */
typedef struct MemoryForm { uint8_t size, align; bool write; } MemoryForm;
bool op_memory_form(const Insn *i, MemoryForm *m);

/* Behind a look-up that has failed, flags in memory: the access to a device's register by light.c, and on
 * at resume.  Falls through where that can't be. */
void op_device(Xlat *x, const Insn *i, const uint8_t *resume);

/* groups.c: fills Xlat.plan */
void groups_plan(Xlat *x);
typedef struct GroupAccess {
    uint8_t reg, index, scale;
    uint8_t size, align;
    bool stack, write;
    int32_t off;
} GroupAccess;
/* The access of i by a register, and maybe another, without a segment's base; false: none, or not such a one. */
bool groups_access(const Xlat *x, const Insn *i, GroupAccess *a);
/* Addresses are as wide as registers, and nothing looks at segments. */
bool groups_mode(const Xlat *x);

/* branch.c: stack and branches; as op_emit() where known */
bool branch_emit(Xlat *x, const Insn *i, bool *known);
/* The r/m operand in scratch A. */
void rm_to_scratch(Xlat *x, const Insn *i);
/* Is the stack pointer as wide as i's operand, and that the stack's usual width? */
bool stack_plain(const Xlat *x, const Insn *i);
void rsp_add(Xlat *x, int32_t n);       /* leaves the flags alone */

/* system.c: as op_emit() */
bool system_emit(Xlat *x, const Insn *i);
bool point_emit(Xlat *x, const Insn *i);        /* op_point() */

/* light.c: see there */
typedef bool (*LightFn)(Cpu *c, const Insn *i);
bool light_in(Cpu *c, const Insn *i);
bool light_out(Cpu *c, const Insn *i);
bool light_cpuid(Cpu *c, const Insn *i);
bool light_rdtsc(Cpu *c, const Insn *i);
bool light_segment(Cpu *c, const Insn *i);      /* the selector is in Cpu.jit_value */
bool light_level(Cpu *c, const Insn *i);
bool light_device_read(Cpu *c, uint64_t size, uint64_t linear);
bool light_device_write(Cpu *c, uint64_t size, uint64_t linear);

/* sse.c: as op_emit() */
bool sse_emit(Xlat *x, const Insn *i);
bool sse_known(const Insn *i);
/* Of those known: guest registers written, the memory operand, whether arithmetic flags are written. */
uint16_t sse_writes(const Insn *i);
MemoryForm sse_memory(const Insn *i);
bool sse_flags(const Insn *i);
/* The XMM registers, and with avx the YMM registers, are the guest's and may be used. */
void vector_ensure(Xlat *x, bool avx);
/* vex.c: the same */
bool vex_emit(Xlat *x, const Insn *i);
bool vex_known(const Xlat *x, const Insn *i);
uint16_t vex_writes(const Insn *i);
MemoryForm vex_memory(const Insn *i);
bool vex_is_general(const Insn *i);     /* it uses no vector register */

/* mmx.c, x87.c: as op_emit(); only what the first says is known */
bool mmx_known(const Insn *i);
bool mmx_emit(Xlat *x, const Insn *i);
bool x87_known(const Insn *i);
bool x87_emit(Xlat *x, const Insn *i);
bool x87_emit_fwait(Xlat *x);
/* The host's x87 state is the guest's. */
void x87_ensure(Xlat *x);
void x87_begin(Xlat *x);        /* for a waiting instruction: nothing is pending, either */
/* Stores the pointers that are pending; scratch register A is lost, flags are kept. */
void x87_settle(Xlat *x);
void x87_store_pending(Xlat *x, X87Pending p);
/* C: what translated code and its callers do at Cpu.x87_live */
bool x87_masked(const Cpu *c);  /* all exceptions */
bool x87_go_live(Cpu *c);       /* false: it may not */
void x87_take_back(Cpu *c);
uintptr_t x87_live_again(Cpu *c, const Insn *i, Block *b);

/* bits.c: as op_emit() */
bool bits_emit(Xlat *x, const Insn *i);

/* strings.c: as op_emit(); MOVS and STOS */
bool string_emit(Xlat *x, const Insn *i);
/* atomic.c: as op_emit() */
bool atomic_emit_cmpxchg(Xlat *x, const Insn *i);
bool atomic_emit_fence(Xlat *x, const Insn *i);

/* xlat.c */
void jumps_thunks(Emit *e, Cpu *c, Jit *j);     /* after leave_to */
bool jit_translate(Cpu *c, Block *b);   /* false: there isn't room in the piece */
void poll_compare(Xlat *x);     /* Cpu.poll with 0 */
void edge_jcc(Xlat *x, unsigned cond, const Insn *i);
void edge_jmp(Xlat *x, uint64_t rip);
/* The same, and leaves if somebody wants this vCPU. */
void edge_jmp_polled(Xlat *x, uint64_t rip);
void edge_call(Xlat *x, uint64_t rip, uint64_t next);
/* To the RIP in scratch register A; flags in memory. */
void edge_indirect(Xlat *x);
void edge_indirect_call(Xlat *x, uint64_t next);
void edge_return(Xlat *x);

/* returns.c */
void frames_thunks(Emit *e, Cpu *c, Jit *j);    /* after leave */
void frames_enter(Emit *e, Cpu *c, const Jit *j);
void frames_leave(Emit *e, Cpu *c);
/* Before a host CALL, and behind it.  next is the guest's return address. */
void frame_push(Xlat *x, uint64_t next);
void frame_land(Xlat *x);
/* To the guest's return address in scratch A if the topmost frame is for it; else goes on here. */
void frame_return(Xlat *x);

/* pieces.c */
bool code_pool_attach(Cpu *c, Jit *j);  /* the first vCPU makes it */
void code_pool_detach(Cpu *c);          /* the pieces are free */
void code_pieces_forget(Cpu *c);        /* all blocks are gone */
/* Room for b with its links, and maybe for its code, at Jit.p; the second one: in an empty piece.  Blocks may
 * have to go, even b.  NULL: there is none. */
Block *code_room(Cpu *c, const Block *b);
Block *code_room_again(Cpu *c, const Block *b);
/* b is there, and its code ends here. */
void code_taken(Cpu *c, const Block *b, uint8_t *end);
JitLink *code_link(Jit *j, const struct CodePool *l);

/* cache.c */
void link_cut(JitLink *l);      /* its code goes: it is in no list any more */
void *low_map(size_t size, int protection, int flags, int fd);  /* below 2 GiB, or MAP_FAILED */
bool ring_is_low(const Cpu *c);
/* Serializes the host after code was written. */
void code_sync(void);
JitLink *link_new(Xlat *x, uint64_t rip);

#endif
