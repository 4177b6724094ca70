/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_makers.c - what the manuals leave to a processor's maker where an instruction faults, and the
 * host's maker does otherwise than our engine.  Each rule is about a few instructions and says exactly
 * what the host leaves then; all else of the machine must be as ever.  Where the rule needs what the
 * instruction would have done without its fault, the engine is asked.
 *
 * Most of it has one cause: among the faults of executing an instruction (#BR, #SS, #GP, #PF, x87 and
 * SIMD exceptions) the order is the implementation's (Intel SDM vol. 3A, "Priority Among Simultaneous
 * Exceptions and Interrupts"), and some of the instruction's work comes before the last of them.
 */
#include <string.h>
#include "tests/cpu/oracle.h"

enum { VECTOR_BP = 3, VECTOR_BR = 5, VECTOR_SS = 12, VECTOR_GP = 13, VECTOR_PF = 14, VECTOR_XM = 19 };
enum { FX_SW = 2, FX_TAGS = 4, FX_MXCSR = 24, FX_ST = 32, FX_XMM = 160, FX_XMM_END = 416 };
enum { SW_ES = 0x80 };

typedef struct Question {
    GuestCpu *g;
    const Trial *t;
    const Machine *native, *guest;
} Question;

static bool faulted(const Machine *m) {
    return m->vector >= VECTOR_SS && m->vector <= VECTOR_PF;
}

static bool is_it(const Question *q, const Machine *m) {
    char text[16];

    return !machines_differ(q->t, q->native, m, text, sizeof(text));
}

static bool is_form(const Form *f, bool vex, unsigned map) {
    return f->vex == vex && f->map == map;
}

/* What the instruction does where its operand can be accessed: it is moved to this place in the data. */
static unsigned moved_to(const Trial *t) {
    return 2048 + (t->operand & 63);
}

static bool run_moved(const Question *q, Machine *m) {
    static Trial moved;

    moved = *q->t;
    trial_move(&moved, moved.data + moved_to(q->t));
    if (!guest_cpu_run(q->g, &moved, m)) {
        return false;
    }
    memcpy(m->gpr, q->t->in.gpr, sizeof(m->gpr));       /* it writes none; the address was in one */
    return true;
}

static void take_x87(Machine *m, const Machine *from) {
    memcpy(m->fx, from->fx, FX_MXCSR);
    memcpy(m->fx + FX_ST, from->fx + FX_ST, FX_XMM - FX_ST);
}

/* --- Intel --- */

/*
 * MOVD, MOVQ and MOVNTQ to memory: as MMX instructions they set TOP to 0 and all tags to valid (SDM
 * vol. 1, "MMX Instructions and the x87 FPU Tag Word").  When the store faults, TOP stays so, and the
 * tags may.
 */
static bool mmx_store(const Question *q, Machine *m) {
    const Form *f = &q->t->form;
    static Machine moved;

    if (!is_form(f, false, MAP_0F) || f->prefix != PREFIX_NONE ||
        (f->opcode != 0x7e && f->opcode != 0x7f && f->opcode != 0xe7) || !faulted(m) || !run_moved(q, &moved)) {
        return false;
    }
    take_x87(m, &moved);
    if (is_it(q, m)) {
        return true;
    }
    m->fx[FX_TAGS] = q->t->in.fx[FX_TAGS];
    return is_it(q, m);
}

/* Stores of what is on the x87 stack: FST, FSTP, FIST, FISTP, FISTTP, FBSTP. */
static bool is_x87_store(const Form *f) {
    static const uint8_t REGS[4] = { 0x0c, 0x8e, 0x0e, 0xce };  /* D9, DB, DD, DF */

    return form_is_x87(f) && f->memory && (f->opcode & 1) && REGS[f->opcode >> 1 & 3] >> f->reg & 1;
}

/*
 * An unmasked exception of such a store comes first and makes the store none.  It stays pending for
 * the next instruction that looks, so this one ends as ever.
 */
static bool x87_store_exception(const Question *q, Machine *m) {
    static Machine moved;
    const Trial *t = q->t;

    if (!is_x87_store(&t->form) || !faulted(m) || !run_moved(q, &moved) || moved.vector != VECTOR_BP ||
        !(moved.fx[FX_SW] & SW_ES) || memcmp(moved.data, t->in.data, DATA_SIZE) != 0) {
        return false;
    }
    memcpy(m->fx, moved.fx, FX_XMM);
    m->vector = moved.vector;
    m->error = 0;
    m->rip = moved.rip;
    return is_it(q, m);
}

/*
 * FSTP and FBSTP of ten bytes are more than one access, of which those before the one that faults
 * may be seen (SDM vol. 3A, "Guaranteed Atomic Operations": x87 data larger than a quadword).
 */
static bool x87_torn_store(const Question *q, Machine *m) {
    static Machine moved;
    const Trial *t = q->t;
    bool ten = form_is_x87(&t->form) && t->form.memory &&
               ((t->form.opcode == 0xdb && t->form.reg == 7) || (t->form.opcode == 0xdf && t->form.reg == 6));
    uint64_t at = t->operand - t->data;

    if (!ten || !faulted(m) || at > DATA_SIZE - 8 || !run_moved(q, &moved)) {
        return false;
    }
    memcpy(m->data + at, moved.data + moved_to(t), 8);
    return is_it(q, m);
}

/*
 * XRSTOR of an MXCSR that has reserved bits set: #GP, when some of what comes before MXCSR in the
 * instruction's description (SDM vol. 2) is already loaded or initialized.
 */
static bool xrstor_mxcsr(const Question *q, Machine *m) {
    static Machine valid;
    static Trial t;
    const Form *f = &q->t->form;
    uint64_t at = q->t->operand - q->t->data;

    if (!is_form(f, false, MAP_0F) || f->opcode != 0xae || !f->memory || f->reg != 5 ||
        q->guest->vector != VECTOR_GP || at > DATA_SIZE - 576) {
        return false;
    }
    t = *q->t;
    memset(t.in.data + at + FX_MXCSR + 2, 0, 2);
    if (!guest_cpu_run(q->g, &t, &valid) || valid.vector != VECTOR_BP) {
        return false;
    }
    for (unsigned loaded = 1; loaded < 8; loaded++) {   /* x87, SSE, AVX */
        *m = *q->guest;
        if (loaded & 1) {
            take_x87(m, &valid);
        }
        if (loaded & 2) {
            memcpy(m->fx + FX_XMM, valid.fx + FX_XMM, FX_XMM_END - FX_XMM);
        }
        if (loaded & 4) {
            memcpy(m->upper, valid.upper, sizeof(m->upper));
        }
        if (is_it(q, m)) {
            return true;
        }
    }
    return false;
}

/*
 * VMASKMOV and VPMASKMOV across two pages, of which the second one faults: CR2 is the last byte that
 * would be accessed, not the first one in the page.
 */
static bool masked_cr2(const Question *q, Machine *m) {
    const Trial *t = q->t;
    const Form *f = &t->form;
    unsigned size = (f->opcode & 0x80 ? f->rexw : f->opcode & 1) ? 8 : 4, last = 0;

    if (!vex_is_masked(f) || m->vector != VECTOR_PF) {
        return false;
    }
    for (unsigned n = size - 1; n < (f->l ? 32 : 16); n += size) {
        const uint8_t *p = n < 16 ? t->in.fx + FX_XMM + 16 * t->mask_reg : t->in.upper[t->mask_reg];
        if (p[n & 15] & 0x80) {
            last = n;
        }
    }
    uint64_t first = t->operand - t->data + DATA_AT;
    if (m->cr2 >> 12 == first >> 12 || m->cr2 >> 12 != (first + last) >> 12) {
        return false;
    }
    m->cr2 = first + last;
    return is_it(q, m);
}

/*
 * Gathers of 128 bits: the mask's upper half is cleared before the first load (SDM vol. 2, "Operation"),
 * the destination's by the first element that is loaded.
 */
static bool gather_upper(const Question *q, Machine *m) {
    const Trial *t = q->t;

    if (!vex_is_gather(&t->form) || t->form.l || !faulted(m)) {
        return false;
    }
    memset(m->upper[t->mask_reg], 0, sizeof(m->upper[0]));
    if (is_it(q, m)) {
        return true;
    }
    memset(m->upper[t->reg], 0, sizeof(m->upper[0]));
    return is_it(q, m);
}

/* VCVTPS2PH to memory: MXCSR has the flags of the conversion, or it raises #XM, before the store faults. */
static bool half_store(const Question *q, Machine *m) {
    static Machine moved;
    const Form *f = &q->t->form;

    if (!is_form(f, true, MAP_0F3A) || f->opcode != 0x1d || !f->memory || !faulted(m) || !run_moved(q, &moved)) {
        return false;
    }
    memcpy(m->fx + FX_MXCSR, moved.fx + FX_MXCSR, 4);
    if (moved.vector == VECTOR_XM) {
        m->vector = moved.vector;
        m->error = 0;
    }
    return is_it(q, m);
}

/* BOUND of an index below the lower bound is #BR without a look at the upper one. */
static bool bound_lower(const Question *q, Machine *m) {
    const Trial *t = q->t;

    if (!is_form(&t->form, false, MAP_1) || t->form.opcode != 0x62 || !faulted(m) ||
        q->native->vector != VECTOR_BR) {
        return false;
    }
    bool narrow = (t->form.prefix == PREFIX_66) != t->narrow;
    uint64_t at = t->operand - t->data;
    int32_t lower = 0, index = (int32_t)t->in.gpr[t->form.reg];
    if (at > DATA_SIZE - (narrow ? 2 : 4)) {
        return false;
    }
    memcpy(&lower, t->in.data + at, narrow ? 2 : 4);
    if (narrow ? (int16_t)index >= (int16_t)lower : index >= lower) {
        return false;
    }
    m->vector = VECTOR_BR;
    m->error = 0;
    return is_it(q, m);
}

/*
 * CMPS and SCAS repeated: a fault finds the flags from before the instruction (SDM vol. 2, "REP"), not
 * those of the last comparison.
 */
static bool repeat_flags(const Question *q, Machine *m) {
    const Form *f = &q->t->form;
    uint8_t op = f->opcode;

    if (!is_form(f, false, MAP_1) || (f->prefix != PREFIX_F3 && f->prefix != PREFIX_F2) ||
        (op != 0xa6 && op != 0xa7 && op != 0xae && op != 0xaf) || !faulted(m)) {
        return false;
    }
    m->rflags = q->t->in.rflags;
    return is_it(q, m);
}

typedef bool Rule(const Question *q, Machine *m);

static Rule *const INTEL[] = { mmx_store, x87_store_exception, x87_torn_store, xrstor_mxcsr, masked_cr2,
                               gather_upper, half_store, bound_lower, repeat_flags };

bool makers_differ(GuestCpu *g, const Trial *t, const Machine *native, const Machine *guest) {
    const Question q = { g, t, native, guest };
    static Machine m;

    for (unsigned n = 0; host_is_intel() && n < sizeof(INTEL) / sizeof(INTEL[0]); n++) {
        m = *guest;
        if (INTEL[n](&q, &m)) {
            return true;
        }
    }
    return false;
}
