/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache.c - translated code of a vCPU: its thunks, links between blocks, and the moment when a block
 * becomes warm.  Its memory is pieces.c's.
 *
 * A block that goes has its links taken back at once, so no code ever jumps to it.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include "hypervisor/soft/jit/x87_trap.h"
#include "hypervisor/soft/jit/xlat.h"
#include "hypervisor/soft/mmu.h"
#include "hypervisor/soft/ops.h"
#include "hypervisor/soft/simd.h"

#define LOOP_TURNS 128          /* a loop that goes on for so many turns is a long one */
#define LOW_TOP 0x40000000u
#define LOW_STEP (256u << 10)

/* MAP_32BIT looks between 1 and 2 GiB only, which is full at thirty vCPUs; below is as good. */
void *low_map(size_t size, int protection, int flags, int fd)
{
    void *p = mmap(NULL, size, protection, flags | MAP_32BIT, fd, 0);

    for (uintptr_t at = LOW_TOP; p == MAP_FAILED && at >= LOW_STEP; at -= LOW_STEP)
        if (at + size <= LOW_TOP)
            p = mmap((void *)at, size, protection, flags | MAP_FIXED_NOREPLACE, fd, 0);
    return p;
}

void *low_alloc(size_t size)
{
    void *p = low_map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

    return p == MAP_FAILED ? NULL : p;
}

#define LARGE_PAGE ((uintptr_t)2 << 20)

/* At a multiple of a large page if there is plenty of room. */
void *low_alloc_large(size_t size)
{
    uint8_t *room = mmap(NULL, size + LARGE_PAGE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_32BIT, -1, 0);
    uint8_t *at, *end;

    if (room == MAP_FAILED)
        return low_alloc(size);
    at = (uint8_t *)(((uintptr_t)room + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1));
    end = (uint8_t *)(((uintptr_t)at + size + 4095) & ~(uintptr_t)4095);
    if (at > room)
        munmap(room, (size_t)(at - room));
    if (room + size + LARGE_PAGE > end)
        munmap(end, (size_t)(room + size + LARGE_PAGE - end));
    madvise(at, size, MADV_HUGEPAGE);
    return at;
}

void low_free(void *at, size_t size)
{
    if (at)
        munmap(at, size);
}

static bool is_low(const void *p)
{
    return (uintptr_t)p < 0x80000000u;
}

bool ring_is_low(const Cpu *c)
{
    return is_low(c->code_ring_prod);
}

/* --- thunks --- */
static void registers_out(Emit *e, Cpu *c)
{
    for (unsigned g = 0; g < 16; g++)
        if (host_reg[g] != IN_MEMORY)
            e_store(e, opd_abs(&c->gpr[g]), host_reg[g]);
}

static void registers_in(Emit *e, Cpu *c)
{
    for (unsigned g = 0; g < 16; g++)
        if (host_reg[g] != IN_MEMORY)
            e_load(e, host_reg[g], opd_abs(&c->gpr[g]));
}

static void e_vex_mem(Emit *e, unsigned op, unsigned reg, unsigned vvvv, bool wide,
                      const void *at)
{
    e8(e, 0xc4);
    e8(e, (reg & 8 ? 0x60 : 0xe0) | 1);
    e8(e, (~vvvv & 15) << 3 | (wide ? 4 : 0));
    e8(e, op);
    e_modrm(e, reg, opd_abs(at));
}

static void vectors_save(Emit *e, Cpu *c)
{
    bool avx = c->jit->avx;

    for (unsigned n = 0; n < 16; n++)
        if (avx)
            e_vex_mem(e, 0x29, n, 0, true, &c->fpu.v[n]);               /* vmovaps */
        else
            e_op(e, 0, 0, 1, 0x29, n, opd_abs(&c->fpu.v[n]));
    if (avx) {
        e8(e, 0xc5);                                                    /* vzeroupper */
        e8(e, 0xf8);
        e8(e, 0x77);
    }
}

/* With all upper halves zero the host's stay clean, which is what SSE instructions are quick with. */
static void vectors_load(Emit *e, Cpu *c)
{
    uint8_t *narrow, *done;

    if (!c->jit->avx) {
        for (unsigned n = 0; n < 16; n++)
            e_op(e, 0, 0, 1, 0x28, n, opd_abs(&c->fpu.v[n]));
        return;
    }
    e_vex_mem(e, 0x28, 0, 0, false, &c->fpu.v[0].b[16]);
    for (unsigned n = 1; n < 16; n++)
        e_vex_mem(e, 0x56, 0, 0, false, &c->fpu.v[n].b[16]);            /* vorps */
    e8(e, 0xc4);                                                        /* vptest xmm0, xmm0 */
    e8(e, 0xe2);
    e8(e, 0x79);
    e8(e, 0x17);
    e8(e, 0xc0);
    narrow = e_jcc(e, CC_E);
    for (unsigned n = 0; n < 16; n++)
        e_vex_mem(e, 0x28, n, 0, true, &c->fpu.v[n]);
    done = e_jmp(e);
    e_patch(narrow, e->p);
    for (unsigned n = 0; n < 16; n++)
        e_vex_mem(e, 0x28, n, 0, false, &c->fpu.v[n]);
    e_patch(done, e->p);
}

/* The guest's XMM registers to Cpu, if the host's are they. */
static void vectors_out(Emit *e, Cpu *c)
{
    uint8_t *skip;

    e_op(e, 1, 0, 0, 0x80, 7, opd_abs(&c->vec_live));
    e8(e, 0);
    skip = e_jcc(e, CC_E);
    vectors_save(e, c);
    e_op(e, 1, 0, 0, 0xc6, 0, opd_abs(&c->vec_live));
    e8(e, 0);
    e_patch(skip, e->p);
}

static const uint8_t saved[] = { RBX, RBP, R12, R13, R14, R15 };

/* function(cpu, insn, block); returns where it is jumped to when it doesn't return 0. */
static uint8_t *call_out(Emit *e, Cpu *c, const void *function)
{
    registers_out(e, c);
    vectors_out(e, c);
    e_imm(e, RDI, (uintptr_t)c);
    e_op(e, 4, 0, 0, 0x8b, RSI, opd_reg(SCRATCH_B));
    e_op(e, 4, 0, 0, 0x8b, RDX, opd_reg(SCRATCH_A));
    e_alu_imm(e, 8, 5, opd_reg(RSP), 8);
    e_call_abs(e, function);
    e_alu_imm(e, 8, 0, opd_reg(RSP), 8);
    e_op(e, 8, 0, 0, 0x85, RAX, opd_reg(RAX));
    return e_jcc(e, CC_NE);
}

static void go_to_rax(Emit *e, Cpu *c, uint8_t *at)
{
    e_patch(at, e->p);
    e_mov(e, SCRATCH_B, RAX);
    e_alu_imm(e, 8, 0, opd_reg(RSP), 8);
    registers_in(e, c);
    e_op(e, 0, 0, 0, 0xff, 4, opd_reg(SCRATCH_B));
}

/* What a function of light.c wants in Cpu, and what any C function may change. */
static const uint8_t light_regs[] = { RAX, RCX, RDX, GUEST_RSP, RSI, RDI, R8, RBX };
static const uint8_t light_guest[] = { 0, 1, 2, 4, 6, 7, 8, 3 };
#define LIGHT_CHANGED 7         /* the device's functions leave RBX as it is */

/* NULL: the function is in scratch A; else what is there is its third argument. */
static void light_thunk(Emit *e, Cpu *c, const void *function)
{
    unsigned count = function ? LIGHT_CHANGED : sizeof light_regs;

    for (unsigned n = 0; n < count; n++)
        e_store(e, opd_abs(&c->gpr[light_guest[n]]), light_regs[n]);
    e_imm(e, RDI, (uintptr_t)c);
    e_op(e, 4, 0, 0, 0x8b, RSI, opd_reg(SCRATCH_B));
    if (function)
        e_mov(e, RDX, SCRATCH_A);
    e_alu_imm(e, 8, 5, opd_reg(RSP), 8);
    if (function)
        e_call_abs(e, function);
    else
        e_op(e, 0, 0, 0, 0xff, 2, opd_reg(SCRATCH_A));                  /* call r10 */
    e_alu_imm(e, 8, 0, opd_reg(RSP), 8);
    e_op_byte(e, 1, 0, 0, 0x84, RAX, true, opd_reg(RAX), true);         /* test al, al */
    for (unsigned n = 0; n < count; n++)
        e_load(e, light_regs[n], opd_abs(&c->gpr[light_guest[n]]));
    e8(e, 0xc3);
}

static bool make_thunks(Cpu *c, Jit *j)
{
    Emit e = { j->thunks, j->run };
    uint8_t *at;

    j->leave = e.p;
    registers_out(&e, c);
    vectors_out(&e, c);
    j->left = e.p;
    frames_leave(&e, c);
    e_alu_imm(&e, 8, 0, opd_reg(RSP), 8);
    for (unsigned n = sizeof saved; n--;)
        e_pop(&e, saved[n]);
    e8(&e, 0xc3);
    frames_thunks(&e, c, j);
    jumps_thunks(&e, c, j);

    /* enter(cpu, code): six registers and the return address; 8 more align the stack. */
    j->enter = (void (*)(Cpu *, const void *))(uintptr_t)e_here(&e);
    for (unsigned n = 0; n < sizeof saved; n++)
        e_push(&e, saved[n]);
    e_alu_imm(&e, 8, 5, opd_reg(RSP), 8);
    frames_enter(&e, c, j);
    e_mov(&e, SCRATCH_B, RSI);
    registers_in(&e, c);
    e_op(&e, 0, 0, 0, 0xff, 4, opd_reg(SCRATCH_B));     /* jmp r11 */

    j->body = e.p;
    at = call_out(&e, c, &c->jit_call);
    registers_in(&e, c);
    e8(&e, 0xc3);
    go_to_rax(&e, c, at);

    j->light = e.p;
    light_thunk(&e, c, NULL);
    j->device_read = e.p;
    light_thunk(&e, c, &c->jit_device_read);
    j->device_write = e.p;
    light_thunk(&e, c, &c->jit_device_write);

    j->vector_load = e.p;
    vectors_load(&e, c);
    e_store(&e, opd_abs(&c->jit_save), RAX);
    e_op_byte(&e, 1, 0, 0, 0x8a, RAX, true, opd_abs(&c->vec_allowed), true);
    e_op_byte(&e, 1, 0, 0, 0x88, RAX, true, opd_abs(&c->vec_live), true);
    e_load(&e, RAX, opd_abs(&c->jit_save));
    e8(&e, 0xc3);

    j->vector_in = e.p;
    at = call_out(&e, c, &c->jit_vector);
    registers_in(&e, c);
    e_jmp_to(&e, j->vector_load);
    go_to_rax(&e, c, at);

    j->x87_in = e.p;
    at = call_out(&e, c, &c->jit_x87);
    registers_in(&e, c);
    e8(&e, 0xc3);
    go_to_rax(&e, c, at);

    j->x87_load = e.p;
    call_out(&e, c, &c->jit_x87_again);
    registers_in(&e, c);
    e8(&e, 0xc3);
    windows_thunks(&e, c, j);
    c->jit_leave = j->leave + j->run;
    c->jit_left = j->left + j->run;
    return e.p <= j->thunks + THUNK_BYTES;
}

/* --- bodies called by translated code --- */
static void op_body_done(Cpu *c, const Insn *i)
{
    (void)i;
    c->jit_went_on = true;
}

/* Where to go at Cpu.rip when the registers are in Cpu: code, if nobody needs to look first. */
static uintptr_t next_code(Cpu *c)
{
    const JumpEntry *e = jump_entry(c, c->rip);

    if (!soft_quiet(c) || !jump_ok(c, e) || e->code == (uintptr_t)c->jit_leave)
        return (uintptr_t)c->jit_left;
    c->shadow = 0;
    c->ring_seen = *c->code_ring_seen;
    return e->code;
}

static void op_warming(Cpu *c, const Insn *i);

/* The block has met what it did not expect: once more, before it runs the next time. */
static void translate_again(Cpu *c, Block *b)
{
    jit_block_killed(c, b);
    b->code_mem = b->code_host = NULL;
    b->heat = 1;
    b->insn[0].fn = op_warming;
}

/* 0: go on behind the instruction; else the code to go to, Cpu.rip saying where that is. */
static uintptr_t call_body(Cpu *c, const Insn *i, Block *b)
{
    uintptr_t floor = c->stack_floor;

    count(c, COUNT_BODIES);
    if (c->x87_live)
        x87_take_back(c);
    c->block = b;
    c->rip = b->rip;
    c->jit_insn[0] = *i;
    if (i == b->insn)
        c->jit_insn[0].fn = b->first;
    if (insn_is_branch(i))
        c->jit_insn[0].disp = 0;        /* a distance from i */
    c->jit_insn[1].fn = op_body_done;
    c->jit_went_on = false;
    c->stack_floor = UINTPTR_MAX;       /* bodies that branch return to here */
    c->jit_insn[0].fn(c, c->jit_insn);
    c->stack_floor = floor;
    if (unlikely((c->jit_insn[0].prefix & ~i->prefix) & PFX_DEVICE) && b->valid) {
        ((Insn *)(uintptr_t)i)->prefix |= PFX_DEVICE;
        translate_again(c, b);
    }
    if (c->jit_went_on && b->valid && likely(!(c->poll & POLL_POINT)))
        return 0;
    if (c->jit_went_on)
        c->rip = insn_next(c, i);
    return next_code(c);
}

/* Instead of what translated code wants to do: as call_body(), and on behind the instruction. */
static uintptr_t call_body_instead(Cpu *c, const Insn *i, Block *b)
{
    uintptr_t code = call_body(c, i, b);

    if (code)
        return code;
    c->rip = insn_next(c, i);
    return next_code(c);
}

/* 0: SSE may be carried out without a look. */
static uintptr_t vector_in(Cpu *c, const Insn *i, Block *b)
{
    c->vec_allowed = 0;
    if (!(c->cr0 & (CR0_EM | CR0_TS)) && (c->cr4 & CR4_OSFXSR) && mxcsr_is_live(c))
        c->vec_allowed |= VEC_SSE;
    if (!(c->cr0 & CR0_TS) && (c->cr4 & CR4_OSXSAVE) && (c->xcr0 & 6) == 6 && mxcsr_is_live(c))
        c->vec_allowed |= VEC_AVX;
    if (c->vec_allowed & (i->row ? VEC_AVX : VEC_SSE))
        return 0;
    return call_body_instead(c, i, b);
}

/* 0: the x87 state is in the host now. */
static uintptr_t x87_in(Cpu *c, const Insn *i, Block *b)
{
    bool unexpected = !b->x87_checks && !x87_masked(c);
    uintptr_t code;

    if (!unexpected && x87_go_live(c))
        return 0;
    code = call_body_instead(c, i, b);
    if (unexpected && b->valid) {
        b->x87_checks = true;
        translate_again(c, b);
    }
    return code;
}

/* --- memory --- */

bool jit_attach(Cpu *c)
{
    Jit *j = calloc(1, sizeof *j);

    if (!j)
        return false;
    j->bmi2 = __builtin_cpu_supports("bmi2");
    j->avx = __builtin_cpu_supports("avx");
    c->jit = j;
    c->jit_call = call_body;
    c->jit_vector = vector_in;
    c->jit_x87 = x87_in;
    c->jit_x87_again = x87_live_again;
    c->jit_device_read = light_device_read;
    c->jit_device_write = light_device_write;
    if (is_low(c) && is_low(c->jumps) && code_pool_attach(c, j) && x87_catch_traps() && make_thunks(c, j))
        return true;
    jit_free(c);
    return false;
}

void jit_free(Cpu *c)
{
    if (!c->jit)
        return;
    code_pool_detach(c);
    free(c->jit);
    c->jit = NULL;
}

void jit_flush(Cpu *c)
{
    if (!c->jit)
        return;
    code_pieces_forget(c);
    c->jit_link = NULL;
}

void jit_resume(Cpu *c)
{
    if (c->jit && c->jit->patched) {
        c->jit->patched = false;
        code_sync();
    }
}

/* --- links --- */
void code_sync(void)
{
    uint64_t tmp;

    /* Code was written through another mapping than it runs from: IRET serializes. */
    __asm__ volatile("sub $128, %%rsp\n\tmov %%ss, %k0\n\tpush %q0\n\tlea 8(%%rsp), %0\n\t"
                     "push %0\n\tpushfq\n\tmov %%cs, %k0\n\tpush %q0\n\t"
                     "lea 1f(%%rip), %0\n\tpush %0\n\tiretq\n1:\tadd $128, %%rsp"
                     : "=&r"(tmp) : : "memory", "cc");
}

JitLink *link_new(Xlat *x, uint64_t rip)
{
    JitLink *l = code_link(x->j, x->c->engine->code_pool);

    *l = (JitLink){ .page = CODE_PAGE_NEVER, .rip = rip, .flags = x->flags & (FLAGS_HOST | FLAGS_MEM) };
    x->edges[x->edge_count++] = (Edge){ l, (uint8_t)x->flags, x->again };
    return l;
}

/* It goes to its stub again. */
static void link_back(JitLink *l)
{
    l->target = NULL;
    l->page = CODE_PAGE_NEVER;
    e_patch(l->site, l->stub);
}

void link_cut(JitLink *l)
{
    if (!l->target)
        return;
    *l->at = l->next;
    if (l->next)
        l->next->at = l->at;
    l->target = NULL;
}

static void link_to(JitLink *l, Block *b)
{
    const uint8_t *code = l->flags & FLAGS_MEM ? b->code_mem : b->code_host;

    if (l->flags == (FLAGS_HOST | FLAGS_MEM) && b->wants_host)
        code = b->code_host;
    l->page = b->page_key;
    l->seen = l->tag;           /* of no epoch yet */
    if (l->target == b)
        return;
    link_cut(l);
    l->target = b;
    l->next = b->links;
    l->at = &b->links;
    if (b->links)
        b->links->at = &l->next;
    b->links = l;
    e_patch(l->site, code);
    code_sync();
}

void jit_block_killed(Cpu *c, Block *b)
{
    unsigned place = jump_hash(b->rip);

    for (JitLink *l = b->links; l; l = l->next)
        link_back(l);
    b->links = NULL;
    for (unsigned n = 0; n < 2; n++)
        if (jump_block(&c->jumps[place ^ n]) == b)
            c->jumps[place ^ n].tag = JUMP_TAG_NONE;
}

/* --- running --- */
/* The body of a translated block's first instruction. */
static void op_translated(Cpu *c, const Insn *i)
{
    const Block *b = c->block;
    Jit *j = c->jit;
    const JumpEntry *e;
    JitLink *l;

    (void)i;
    c->ring_seen = *c->code_ring_seen;
    c->jit_link = NULL;
    count(c, COUNT_CODE_ENTERED);
    j->enter(c, jit_code(c, b));
    if (c->x87_live)
        x87_take_back(c);
    l = c->jit_link;
    if (!l)
        return;
    e = jump_entry(c, c->rip);
    if (jump_ok(c, e) && jump_block(e)->code_mem && !(c->poll & POLL_STEP) &&
        (l->tag == JUMP_TAG_NONE || l->tag == c->jump_tag))
        link_to(l, jump_block(e));
}

/* b runs: was it b that ran before? */
static void note_entry(Cpu *c, Block *b)
{
    uint64_t entered = cpu_priv(c)->counters[COUNT_CODE_ENTERED];
    Jit *j = c->jit;

    if ((j->warming != b || j->warming_entered != entered) && b->entries < UINT8_MAX)
        b->entries++;
    j->warming = b;
    j->warming_entered = entered;
}

/* b with its code; NULL: there is no memory for it. */
static Block *translated(Cpu *c, Block *b)
{
    const JumpEntry *e = jump_entry(c, b->rip);
    bool jumps = jump_block(e) == b && e->tag != JUMP_TAG_NONE;
    JumpEntry entry = *e;
    Block *to = block_move(c, b, code_room);

    if (to && !jit_translate(c, to)) {
        to = block_move(c, to, code_room_again);
        if (!to || !jit_translate(c, to))
            return NULL;        /* never: any block fits in an empty piece */
    }
    if (!to)
        return NULL;
    to->insn[0].fn = op_translated;
    if (jumps) {
        entry.block = (uint32_t)(uintptr_t)to;
        entry.code = (uint32_t)(uintptr_t)jit_code(c, to);
        *(JumpEntry *)(uintptr_t)e = entry;
    }
    return to;
}

static Block *block_of_first(const Insn *i)
{
    return (Block *)(void *)((char *)(uintptr_t)i - offsetof(Block, insn));
}

/* The body of a block that is to be translated now. */
static void op_hot(Cpu *c, const Insn *i)
{
    Block *b = block_of_first(i), *to = translated(c, b);

    if (!to) {
        b->heat = c->engine->warm;
        return b->first(c, i);
    }
    count(c, COUNT_BLOCKS_TRANSLATED);
    c->block = to;
    return op_translated(c, to->insn);
}

static void op_warming(Cpu *c, const Insn *i)
{
    Block *b = block_of_first(i);

    note_entry(c, b);
    if (likely(--b->heat))
        return b->first(c, i);
    b->long_loop = b->entries == 1 && turn_length(b) > 0;
    if (b->long_loop && !b->waited && c->engine->warm >= JIT_WARM) {
        b->waited = true;
        b->heat = LOOP_TURNS;
        return b->first(c, i);
    }
    return op_hot(c, i);
}

const uint8_t *jit_code(const Cpu *c, const Block *b)
{
    return b->code_mem + c->jit->run;
}

void jit_set_warm(Engine *e, unsigned runs)
{
    e->warm = runs;
}

void jit_set_few_blocks(Engine *e, unsigned blocks)
{
    e->few_blocks = blocks;
}

void jit_block_new(Cpu *c, Block *b, unsigned runs)
{
    b->heat = (uint16_t)runs;
    b->entries = 0;
    b->waited = b->long_loop = b->x87_checks = false;
    b->first = b->insn[0].fn;
    if (!c->jit || (b->mode & (MODE_TF | MODE_AM)) ||
        b->insn[0].fn == op_debug_stop)
        return;
    b->insn[0].fn = op_warming;
}
