/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu.c - x87: dispatch, exceptions, and the exact way to run an instruction.  Intel SDM vol. 1
 * chapter 8, vol. 2.
 *
 * The exact way loads the guest's whole x87 state into the host's FPU with the guest's control
 * word, runs the very instruction, and takes the state back.  An unmasked exception is only
 * noted in the host's status word, as x87 exceptions are reported by the next waiting
 * instruction and there is none before FXSAVE and FNINIT have cleaned up; the guest gets its #MF
 * from its own next waiting instruction.  Left out: exception pointers as old as the 8087's.
 */
#include "hypervisor/soft/simd.h"

_Noreturn void x87_unavailable(Cpu *c, const Insn *i) {
    raise_exc(c, i, EXC_NM);
}

_Noreturn void mmx_unavailable(Cpu *c, const Insn *i) {
    raise_exc(c, i, c->cr0 & CR0_EM ? EXC_UD : EXC_NM);
}

void cpu_ferr(Cpu *c) {
    c->host->io_write(c->vcpu, 0xf0, 1, 1);
}

void x87_pending(Cpu *c, const Insn *i) {
    if (c->cr0 & CR0_NE) {
        raise_exc(c, i, EXC_MF);
    }
    cpu_ferr(c);
}

void op_fwait(Cpu *c, const Insn *i) {
    if ((c->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) {
        raise_exc(c, i, EXC_NM);
    }
    if (c->fpu.sw & X87_ES) {
        x87_pending(c, i);
    }
    NEXT(c, i);
}

/* --- the host's FPU --- */

/* One instruction and RET, 4 bytes each: 8 opcodes of 64 register forms. */
STUB_TABLE(16) stubs_register(void) {
    __asm__(".set n, 0\n.rept 512\n.byte 0xd8 + (n >> 6), 0xc0 + (n & 63)\nret\n.balign 4\n"
            ".set n, n + 1\n.endr");
}

/* 8 opcodes of 8 forms with the operand at (%rdi) */
STUB_TABLE(16) stubs_memory(void) {
    __asm__(".set n, 0\n.rept 64\n.byte 0xd8 + (n >> 3), ((n & 7) << 3) + 7\nret\n.balign 4\n"
            ".set n, n + 1\n.endr");
}

/* Undocumented doubles of documented encodings: opcode & 7 << 3 | ModRM.reg of both. */
static const struct { uint8_t alias, real; } ALIASES[] = {
    { 4 << 3 | 2, 0 << 3 | 2 },     /* FCOM */
    { 4 << 3 | 3, 0 << 3 | 3 },     /* FCOMP */
    { 5 << 3 | 1, 1 << 3 | 1 },     /* FXCH */
    { 6 << 3 | 2, 0 << 3 | 3 },     /* FCOMP */
    { 7 << 3 | 1, 1 << 3 | 1 },     /* FXCH */
    { 7 << 3 | 2, 5 << 3 | 3 },     /* FSTP */
    { 7 << 3 | 3, 5 << 3 | 3 },     /* FSTP */
};

static const char *find_stub(const Insn *i) {
    unsigned form = (i->opcode & 7u) << 3 | (i->modrm >> 3 & 7u);

    if (i->rm == REG_MEM) {
        return (const char *)stubs_memory + form * 4;
    }
    for (unsigned n = 0; n < sizeof(ALIASES) / sizeof(ALIASES[0]); n++) {
        if (ALIASES[n].alias == form) {
            form = ALIASES[n].real;
            break;
        }
    }
    return (const char *)stubs_register + (form << 3 | (i->modrm & 7)) * 4;
}

/* Returns aflags as the instruction leaves them (only FCOMI and its like change any). */
static uint16_t run_native(FxImage *m, const char *stub, void *mem, uint16_t aflags) {
    uint32_t ax = aflags;

    m->mxcsr = _mm_getcsr();    /* FXRSTOR loads it too */
    m->mxcsr_mask = 0;
    /* The call must not step on the red zone. */
    __asm__ volatile("fxrstor64 (%[m])\n\t"
                     "leaq -128(%%rsp), %%rsp\n\t"
                     "sahf\n\t"
                     "call *%[stub]\n\t"
                     "lahf\n\t"
                     "leaq 128(%%rsp), %%rsp\n\t"
                     "fxsave64 (%[m])\n\t"
                     "fninit"
                     : "+a"(ax), "+D"(mem)
                     : [m] "r"(m), [stub] "r"(stub)
                     : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",
                       "st(7)");
    return (uint16_t)(ax & 0xff00);
}

bool x87_fcomi_keeps_c1(void) {
    FxImage m = { .cw = 0x37f, .sw = X87_C1, .tags = 3 };
    unsigned fcomi = 0xdb - 0xd8;

    run_native(&m, (const char *)stubs_register + (fcomi << 6 | 0x30) * 4, NULL, 0);
    return m.sw & X87_C1;
}

static bool sets_aflags(const Insn *i) {
    return (i->opcode & 3) == 3 && i->modrm >= 0xe8 && i->modrm < 0xf8;
}

/* Runs it on an image of f.  With FERR# pending and ignored, exceptions stay quiet. */
static uint16_t run_on_image(Cpu *c, const Insn *i, FxImage *m, void *mem) {
    uint16_t aflags;

    fpu_to_image(&c->fpu, m);
    if (m->sw & X87_ES) {
        m->cw |= 0x3f;
        m->sw &= ~(X87_ES | X87_B);
    }
    aflags = run_native(m, find_stub(i), mem, c->aflags);
    x87_host_load(&c->fpu);
    m->cw = c->fpu.cw;
    return aflags;
}

static void commit(Cpu *c, FxImage *m) {
    m->fip = c->fpu.fip;
    m->fdp = c->fpu.fdp;
    m->fop = c->fpu.fop;
    fpu_from_image(&c->fpu, m);
}

void x87_exact(Cpu *c, const Insn *i, void *mem) {
    FxImage m;
    uint16_t aflags = run_on_image(c, i, &m, mem);

    x87_note(c, i);
    commit(c, &m);
    if (sets_aflags(i)) {
        c->aflags = aflags;
    }
}

void x87_exact_store(Cpu *c, const Insn *i, unsigned size) {
    enum { NO_STORE = 0x1f };   /* any exception but precision, when unmasked */
    FxImage m;
    uint8_t buf[16] = { 0 };

    run_on_image(c, i, &m, buf);
    if (!(m.sw & ~m.cw & NO_STORE) || (c->fpu.sw & X87_ES)) {
        mem_write_buf(c, i, i->seg, effective_address(c, i), buf, size, 0);
    } else {
        mem_check_write(c, i, i->seg, effective_address(c, i), size);
    }
    x87_note(c, i);
    commit(c, &m);
}

/* --- bodies --- */

static void body_register(Cpu *c, const Insn *i) {
    x87_check(c, i);
    x87_exact(c, i, NULL);
    NEXT(c, i);
}

static void load(Cpu *c, const Insn *i, unsigned size) {
    uint8_t buf[16];

    x87_check(c, i);
    mem_read_buf(c, i, i->seg, effective_address(c, i), buf, size, 0);
    x87_exact(c, i, buf);
}

static void store(Cpu *c, const Insn *i, unsigned size) {
    x87_check(c, i);
    x87_exact_store(c, i, size);
}

#define BODY(name, how, size)                                                                   \
    static void body_##name(Cpu *c, const Insn *i) {                                            \
        how(c, i, size);                                                                        \
        NEXT(c, i);                                                                             \
    }

BODY(load2, load, 2) BODY(load4, load, 4) BODY(load8, load, 8) BODY(load10, load, 10)
BODY(store2, store, 2) BODY(store4, store, 4) BODY(store8, store, 8) BODY(store10, store, 10)

/* Memory forms by opcode & 7 and ModRM.reg; the control instructions are not here. */
static const OpFn MEMORY[8][8] = {
    { body_load4, body_load4, body_load4, body_load4, body_load4, body_load4, body_load4,
      body_load4 },
    { body_load4, NULL, body_store4, body_store4, NULL, NULL, NULL, NULL },
    { body_load4, body_load4, body_load4, body_load4, body_load4, body_load4, body_load4,
      body_load4 },
    { body_load4, body_store4, body_store4, body_store4, NULL, body_load10, NULL, body_store10 },
    { body_load8, body_load8, body_load8, body_load8, body_load8, body_load8, body_load8,
      body_load8 },
    { body_load8, body_store8, body_store8, body_store8, NULL, NULL, NULL, NULL },
    { body_load2, body_load2, body_load2, body_load2, body_load2, body_load2, body_load2,
      body_load2 },
    { body_load2, body_store2, body_store2, body_store2, body_load10, body_load8, body_store10,
      body_store8 },
};

/* Register forms that exist: bit n of a row for ModRM C0h + n. */
static const uint64_t REGISTER[8] = {
    UINT64_C(0xffffffffffffffff),
    UINT64_C(0xffff7f33ff01ffff),   /* D9: no D1-D7, E2, E3, E6, E7, EF */
    UINT64_C(0x00000200ffffffff),   /* DA: FUCOMPP only from E0 on */
    UINT64_C(0x00ffff1fffffffff),   /* DB: no E5-E7, F8-FF */
    UINT64_C(0xffffffffffffffff),
    UINT64_C(0x0000ffffffffffff),   /* DD: no F0-FF */
    UINT64_C(0xffffffff02ffffff),   /* DE: of D8-DF only FCOMPP */
    UINT64_C(0x00ffff01ffffffff),   /* DF: FNSTSW AX, no E1-E7, F8-FF */
};

OpFn fpu_body(uint8_t opcode, uint8_t modrm) {
    OpFn fn = x87_control_body(opcode, modrm);

    if (fn == NULL) {
        fn = x87_fast_body(opcode, modrm);
    }
    if (fn != NULL) {
        return fn;
    }
    if (modrm < 0xc0) {
        return MEMORY[opcode & 7][modrm >> 3 & 7];
    }
    return REGISTER[opcode & 7] >> (modrm & 63) & 1 ? body_register : NULL;
}
