/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_gen.c - makes trials: which encodings are compared, operands at the edges of what they
 * can be, addresses that hit the data pages (or just miss them), and the comparison of results.
 * Opcode maps: Intel SDM vol. 2 appendix A.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "tests/cpu/oracle.h"

/* --- which forms --- */

static bool is_string(const Form *f) {
    uint8_t op = f->opcode;

    return f->map == MAP_1 && ((op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf));
}

static bool pushes_segment(const Form *f) {
    uint8_t op = f->opcode;

    return f->map == MAP_1 ? op == 0x06 || op == 0x0e || op == 0x16 || op == 0x1e
                           : f->map == MAP_0F && (op == 0xa0 || op == 0xa8);
}

static bool is_branch(const Form *f) {
    uint8_t op = f->opcode;

    if (f->vex) {
        return false;
    }
    if (f->map == MAP_0F) {
        return op >= 0x80 && op <= 0x8f;
    }
    return f->map == MAP_1 && ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3) ||
           op == 0xe8 || op == 0xe9 || op == 0xeb || op == 0xc2 || op == 0xc3 ||
           (op == 0xff && (f->reg == 2 || f->reg == 4)));
}

bool form_is_x87(const Form *f) {
    return f->map == MAP_1 && f->opcode >= 0xd8 && f->opcode <= 0xdf;
}

bool form_has_modrm(const Form *f) {
    uint8_t op = f->opcode;

    if (f->vex) {
        return vex_has_modrm(f);
    }
    switch (f->map) {
    case MAP_1:
        if (op < 0x40) {
            return (op & 7) < 4;
        }
        return op == 0x62 || op == 0x63 || op == 0x69 || op == 0x6b || (op >= 0x80 && op <= 0x8f) ||
               op == 0xc0 || op == 0xc1 || (op >= 0xc4 && op <= 0xc7) ||
               (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf) || op == 0xf6 ||
               op == 0xf7 || op >= 0xfe;
    case MAP_0F:
        return !((op >= 0x05 && op <= 0x0b) || (op >= 0x30 && op <= 0x37) || op == 0x77 ||
                 (op >= 0x80 && op <= 0x8f) || (op >= 0xa0 && op <= 0xa2) ||
                 (op >= 0xa8 && op <= 0xaa) || (op >= 0xc8 && op <= 0xcf));
    default:
        return true;
    }
}

static bool exists_1(const Form *f) {
    uint8_t op = f->opcode;
    bool prefix = f->prefix != PREFIX_NONE;

    if (op == 0x26 || op == 0x2e || op == 0x36 || op == 0x3e || (op >= 0x64 && op <= 0x67) ||
        op == 0xf0 || op == 0xf2 || op == 0xf3 || op == 0x0f) {
        return false;           /* prefixes */
    }
    if (f->wide && op >= 0x40 && op <= 0x4f) {
        return false;           /* REX */
    }
    switch (op) {
    case 0x07: case 0x17: case 0x1f: case 0x8e: case 0xc4: case 0xc5:   /* segment loads; VEX */
        return f->wide && op < 0x20;
    case 0x9a: case 0xea: case 0xca: case 0xcb: case 0xcf:      /* far */
    case 0xcd:                  /* INT n: the host's gates are not ours */
    case 0xf1:                  /* INT1: under a hypervisor RIP may be wrong */
        return false;
    case 0x62:                  /* BOUND; EVEX */
        return !f->wide && f->memory;
    case 0xd6:                  /* SALC */
        return !f->wide;
    case 0x8f:                  /* XOP */
        return f->reg == 0;
    case 0xd5:                  /* AAD; REX2, of APX */
        return !f->wide;
    case 0xc6: case 0xc7:       /* MOV; XABORT and XBEGIN, of RTM */
        return f->reg != 7 || f->memory || f->rm != 0;
    case 0xff:
        if (f->reg == 3 || f->reg == 5) {
            return false;
        }
        break;
    case 0xe4: case 0xe5: case 0xe6: case 0xe7: case 0xec: case 0xed: case 0xee: case 0xef:
    case 0x6c: case 0x6d: case 0x6e: case 0x6f: case 0xf4: case 0xfa: case 0xfb:
        return !prefix;         /* all #GP */
    default:
        break;
    }
    if (op == 0x63 && f->wide && f->memory && f->prefix == PREFIX_66) {
        return false;           /* MOVSXD to 16 bits: makers differ on how much is read */
    }
    if ((op == 0xe0 || op == 0xe1) && prefix) {
        return false;           /* LOOPE, LOOPNE with a repeat prefix: reserved, hosts differ */
    }
    if (op == 0xff && !f->memory && f->rm == 4 && is_branch(f)) {
        return false;           /* a jump to RSP */
    }
    return !(is_branch(f) && (f->prefix == PREFIX_66 || f->prefix == PREFIX_66_F2));
}

static bool exists_0f(const Form *f) {
    uint8_t op = f->opcode;
    bool rep = f->prefix == PREFIX_F3 || f->prefix == PREFIX_F2 || f->prefix == PREFIX_66_F2;

    switch (op) {
    case 0x00: case 0x01: case 0x02: case 0x03: case 0x05: case 0x07: case 0x0e: case 0x0f:
    case 0x31: case 0x33: case 0x34: case 0x35:
    case 0x37: case 0x78: case 0x79: case 0x7a: case 0x7b: case 0xa2: case 0xa6: case 0xa7:
    case 0xb2: case 0xb4: case 0xb5: case 0xa1: case 0xa9: case 0x36: case 0x04: case 0x0a:
    case 0x0c: case 0x24: case 0x25: case 0x26: case 0x27: case 0x38: case 0x39: case 0x3a:
    case 0x3b: case 0x3c: case 0x3d: case 0x3e: case 0x3f:
        return false;
    case 0x08: case 0x09: case 0x06: case 0x20: case 0x21: case 0x22: case 0x23: case 0x30:
    case 0x32:
        return f->prefix == PREFIX_NONE;        /* #GP */
    case 0x0d:                  /* PREFETCHW with a register: #UD or nothing, by maker */
        return f->memory && f->prefix == PREFIX_NONE;
    case 0x18: case 0x19: case 0x1a: case 0x1b: case 0x1c: case 0x1d: case 0x1e: case 0x1f:
        return f->prefix == PREFIX_NONE || f->prefix == PREFIX_66;
    case 0x2b:                  /* MOVNTSS, MOVNTSD are not offered */
        return !rep;
    case 0xb8:
        return f->prefix == PREFIX_F3;
    case 0xbc: case 0xbd:
        return f->prefix != PREFIX_F2;
    case 0xae:                  /* CLWB, CLFLUSHOPT with 66 */
        return f->prefix == PREFIX_66 ? f->memory && f->reg >= 6
                                      : f->prefix == PREFIX_NONE && (f->memory || f->reg >= 5);
    case 0xc7:                  /* CMPXCHG8B, XSAVEC */
        return f->memory && ((f->reg == 1 && f->prefix == PREFIX_LOCK) ||
                             ((f->reg == 1 || f->reg == 4) && f->prefix == PREFIX_NONE));
    case 0xff:                  /* UD0: makers differ on whether it has a ModRM byte */
        return false;
    default:
        return !(is_branch(f) && (f->prefix == PREFIX_66 || f->prefix == PREFIX_66_F2));
    }
}

bool form_exists(const Form *f) {
    uint8_t op = f->opcode;

    if (f->vex) {
        return vex_exists(f);
    }
    if (f->prefix == PREFIX_66_F2 && !(f->map == MAP_0F38 && op == 0xf1)) {
        return false;
    }
    switch (f->map) {
    case MAP_1:
        return exists_1(f);
    case MAP_0F:
        return exists_0f(f);
    case MAP_0F38:
        if (op >= 0xf0) {       /* not CET's WRSS and WRUSS, MOVDIRI, MOVDIR64B, ENQCMD, RAO-INT */
            return op <= 0xf1 || (op == 0xf6 && f->prefix != PREFIX_NONE);
        }
        if (op >= 0xd8 && op <= 0xdf) {
            return f->prefix != PREFIX_F3;      /* Key Locker */
        }
        return op < 0x50 || (op >= 0xc8 && op <= 0xcd);
    default:
        return op != 0xce && op != 0xcf &&      /* GFNI */
               !(op == 0xf0 && f->prefix == PREFIX_F3);         /* HRESET */
    }
}

/* Bytes of immediate after the operands. */
static unsigned immediate_size(const Form *f, bool a32) {
    uint8_t op = f->opcode;
    unsigned z = (f->prefix == PREFIX_66) != f->narrow && !f->rexw ? 2 : 4;

    if (f->vex) {
        return vex_immediate_size(f);
    }
    switch (f->map) {
    case MAP_1:
        if (op < 0x40) {
            return (op & 7) == 4 ? 1 : (op & 7) == 5 ? z : 0;
        }
        if ((op >= 0x70 && op <= 0x7f) || (op >= 0xb0 && op <= 0xb7) ||
            (op >= 0xe0 && op <= 0xe7)) {
            return 1;
        }
        if (op >= 0xb8 && op <= 0xbf) {
            return f->rexw ? 8 : z;
        }
        if (op >= 0xa0 && op <= 0xa3) {
            return f->wide && !a32 ? 8 : a32 || !f->narrow ? 4 : 2;
        }
        switch (op) {
        case 0x6a: case 0x6b: case 0x80: case 0x82: case 0x83: case 0xa8: case 0xc0: case 0xc1:
        case 0xc6: case 0xd4: case 0xd5: case 0xeb:
            return 1;
        case 0x68: case 0x69: case 0x81: case 0xa9: case 0xc7: case 0xe8: case 0xe9:
            return z;
        case 0xc2:
            return 2;
        case 0xc8:
            return 3;
        case 0xf6:
            return f->reg < 2 ? 1 : 0;
        case 0xf7:
            return f->reg < 2 ? z : 0;
        default:
            return 0;
        }
    case MAP_0F:
        if (op >= 0x80 && op <= 0x8f) {
            return z;
        }
        return (op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac || op == 0xc2 ||
               (op >= 0xc4 && op <= 0xc6) || op == 0xba;
    case MAP_0F3A:
        return 1;
    default:
        return 0;
    }
}

/* --- values --- */

static uint64_t integer(Rng *r) {
    static const uint64_t EDGES[] = {
        0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
        0xffffffff, UINT64_C(0x100000000), UINT64_C(0x7fffffffffffffff),
        UINT64_C(0x8000000000000000), UINT64_MAX, 0x0f, 0x10, 0x99, 0x09,
    };

    switch (rng_below(r, 5)) {
    case 0: case 1:
        return EDGES[rng_below(r, sizeof(EDGES) / sizeof(EDGES[0]))];
    case 2:
        return UINT64_C(0) - EDGES[rng_below(r, sizeof(EDGES) / sizeof(EDGES[0]))];
    case 3:
        return rng_next(r) >> rng_below(r, 64);
    default:
        return rng_next(r);
    }
}

static uint32_t single(Rng *r) {
    static const uint32_t EDGES[] = {
        0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x00800000, 0x3f800000, 0xbf800000, 0x7f7fffff,
        0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xffbfffff,
        0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000, 0x3f000000, 0x3fc00000, 0x40200000,
        0x33800000, 0x00ffffff, 0x3f7fffff, 0x387fe000, 0x387fe001, 0x387fefff, 0x387ff000,
        0x387fffff, 0x38800000, 0x35800000, 0x33000000,
    };

    switch (rng_below(r, 3)) {
    case 0:
        return EDGES[rng_below(r, sizeof(EDGES) / sizeof(EDGES[0]))];
    case 1:
        return ((uint32_t)rng_next(r) & 0x807fffff) | (0x70 + rng_below(r, 0x20)) << 23;
    default:
        return (uint32_t)rng_next(r);
    }
}

static uint64_t twice(Rng *r) {
    static const uint64_t EDGES[] = {
        0, UINT64_C(0x8000000000000000), 1, UINT64_C(0x000fffffffffffff),
        UINT64_C(0x0010000000000000), UINT64_C(0x3ff0000000000000), UINT64_C(0xbff0000000000000),
        UINT64_C(0x7fefffffffffffff), UINT64_C(0x7ff0000000000000), UINT64_C(0xfff0000000000000),
        UINT64_C(0x7ff8000000000000), UINT64_C(0xfff8000000000001), UINT64_C(0x7ff0000000000001),
        UINT64_C(0x41dfffffffc00000), UINT64_C(0x41e0000000000000), UINT64_C(0xc1e0000000000000),
        UINT64_C(0x43e0000000000000), UINT64_C(0xc3e0000000000000), UINT64_C(0x3fe0000000000000),
        UINT64_C(0x47efffffe0000000), UINT64_C(0x36a0000000000000), UINT64_C(0x380fffffffffffff),
    };

    switch (rng_below(r, 3)) {
    case 0:
        return EDGES[rng_below(r, sizeof(EDGES) / sizeof(EDGES[0]))];
    case 1:
        return (rng_next(r) & UINT64_C(0x800fffffffffffff)) |
               (uint64_t)(0x3f0 + rng_below(r, 0x20)) << 52;
    default:
        return rng_next(r);
    }
}

static void extended(Rng *r, uint8_t *p) {
    static const uint16_t EXPONENTS[] = { 0, 1, 0x3fff, 0x3ffe, 0x4000, 0x7ffe, 0x7fff, 0x403e,
                                          0x403d, 0x401e, 0x3f81, 0x3c01, 0x43fe, 0x3fbf };
    static const uint64_t MANTISSAS[] = {
        0, UINT64_C(0x8000000000000000), UINT64_C(0xc000000000000000), 1, UINT64_MAX,
        UINT64_C(0x8000000000000001), UINT64_C(0x4000000000000000), UINT64_C(0xbfffffffffffffff),
    };
    uint16_t e = rng_one_in(r, 4) ? (uint16_t)rng_next(r)
        : EXPONENTS[rng_below(r, sizeof(EXPONENTS) / sizeof(EXPONENTS[0]))];
    uint64_t m = rng_one_in(r, 3) ? MANTISSAS[rng_below(r, sizeof(MANTISSAS) / sizeof(MANTISSAS[0]))]
                              : rng_next(r) | UINT64_C(1) << 63;

    if (rng_one_in(r, 3)) {         /* an ordinary number */
        e = (uint16_t)(0x3ff0 + rng_below(r, 0x30));
        m |= UINT64_C(1) << 63;
    }
    e = (uint16_t)((e & 0x7fff) | (rng_next(r) & 0x8000));
    memcpy(p, &m, 8);
    memcpy(p + 8, &e, 2);
}

/* 16 bytes of something that instructions have opinions about */
static void sixteen(Rng *r, uint8_t *p) {
    unsigned kind = rng_below(r, 7);

    for (unsigned n = 0; n < 16; n += 8) {
        uint64_t q = rng_next(r);
        if (kind == 0) {
            q = twice(r);
        } else if (kind == 1 || kind == 2) {
            q = single(r) | (uint64_t)single(r) << 32;
        } else if (kind == 3) {
            q = integer(r);
        } else if (kind == 4) {
            q = q & rng_next(r) & 0x0707070707070707;
        }
        memcpy(p + n, &q, 8);
    }
    if (kind == 5) {
        extended(r, p);
    } else if (kind == 6) {     /* packed decimal, nearly always */
        for (unsigned n = 0; n < 9; n++) {
            p[n] = (uint8_t)(rng_below(r, 10) << 4 | rng_below(r, 10));
        }
        p[9] = rng_one_in(r, 2) ? 0x80 : 0;
    }
}

/* --- machine state --- */

static void make_x87(Machine *m, Rng *r) {
    static const uint16_t PRECISION[] = { 0x000, 0x200, 0x300, 0x300 };
    uint16_t cw = 0x37f, sw;
    bool tiny = rng_one_in(r, 10);

    if (rng_one_in(r, 3)) {
        cw = (uint16_t)(0x7f | PRECISION[rng_below(r, 4)] | rng_below(r, 4) << 10);
        if (rng_one_in(r, 2)) {
            cw = (uint16_t)((cw & ~0x3f) | rng_below(r, 64));
        }
    }
    sw = (uint16_t)(rng_below(r, 8) << 11 | (rng_next(r) & 0x4700));
    if (rng_one_in(r, 3)) {
        sw |= (uint16_t)(rng_below(r, 64) & cw);
    }
    if (rng_one_in(r, 12)) {
        sw |= (uint16_t)(rng_next(r) & 0x3f);
    }
    if (sw & ~cw & 0x3f) {
        sw |= 0x8080;
    }
    memcpy(m->fx, &cw, 2);
    memcpy(m->fx + 2, &sw, 2);
    m->fx[4] = rng_one_in(r, 3) ? (uint8_t)rng_next(r) : rng_one_in(r, 3) ? 0 : 0xff;
    for (unsigned n = 0; n < 8; n++) {
        extended(r, m->fx + 32 + 16 * n);
        if (tiny) {
            m->fx[32 + 16 * n + 8] = (uint8_t)rng_below(r, 3);
            m->fx[32 + 16 * n + 9] &= 0x80;
        }
        if (rng_one_in(r, 10)) {    /* equal operands */
            memcpy(m->fx + 32 + 16 * n, m->fx + 32, 10);
        }
    }
    if (rng_one_in(r, 4)) {         /* what F2XM1, FSIN and FPREM like */
        uint16_t e = (uint16_t)(0x3ff0 + rng_below(r, 16));
        memcpy(m->fx + 32 + 8, &e, 2);
        m->fx[32 + 7] |= 0x80;
    }
}

static void make_state(Trial *t, Rng *r) {
    Machine *m = &t->in;
    uint32_t mxcsr = 0x1f80;

    memset(m, 0, sizeof(*m));
    for (unsigned n = 0; n < 16; n++) {
        m->gpr[n] = integer(r);
    }
    m->rip = t->code + INSN_OFF;
    m->rflags = (rng_next(r) & 0x8d5) | (rng_one_in(r, 4) ? 0x400 : 0) | 2;
    for (unsigned n = 0; n < DATA_SIZE; n += 16) {
        if (n < 512 || (n >= 4096 - 512 && n < 4096 + 512) || n >= DATA_SIZE - 512) {
            sixteen(r, m->data + n);
        }
    }
    make_x87(m, r);
    if (rng_one_in(r, 2)) {
        mxcsr |= (uint32_t)rng_next(r) & 0x3f;
    }
    if (rng_one_in(r, 3)) {
        mxcsr = (mxcsr & 0x1fbf) | ((uint32_t)rng_next(r) & 0xe040);
    }
    if (rng_one_in(r, 4)) {
        mxcsr = (mxcsr & ~0x1f80u) | ((uint32_t)rng_next(r) & 0x1f80);
        /* A flag that is set and unmasked raises nothing by itself. */
    }
    memcpy(m->fx + 24, &mxcsr, 4);
    for (unsigned n = 0; n < (t->wide ? 16u : 8u); n++) {
        sixteen(r, m->fx + 160 + 16 * n);
        if (rng_one_in(r, 8)) {
            memcpy(m->fx + 160 + 16 * n, m->fx + 160, 16);
        }
        sixteen(r, m->upper[n]);
        if (rng_one_in(r, 8)) {
            memcpy(m->upper[n], m->upper[0], 16);
        }
    }
    m->gpr[4] = t->data + 4096 + 16 * rng_below(r, 16);
    m->gpr[5] = t->data + 4096 - 16 * rng_below(r, 16);
    if (t->narrow && rng_one_in(r, 16)) {
        m->gpr[4] = rng_below(r, 8);        /* where the stack pointer wraps */
    }
    if (!t->wide) {
        for (unsigned n = 0; n < 16; n++) {
            m->gpr[n] = n < 8 ? (uint32_t)m->gpr[n] : 0;
        }
    }
}

/* An address in the data pages: mostly aligned, sometimes across pages or over the end. */
static uint64_t data_address(const Trial *t, Rng *r) {
    switch (rng_below(r, 12)) {
    case 0:
        return t->data + 4096 - 16 + rng_below(r, 32);
    case 1:
        return t->data + DATA_SIZE - 16 + rng_below(r, 20);
    case 2:
        return t->data - 8 + rng_below(r, 16);
    case 3: case 4:
        return t->data + rng_below(r, 480);
    case 5: case 6:
        return t->data + 4096 - 512 + 16 * rng_below(r, 60);
    default:
        return t->data + 16 * rng_below(r, 30);
    }
}

static void poke64(Trial *t, uint64_t address, uint64_t v) {
    if (address >= t->data && address <= t->data + DATA_SIZE - 8) {
        memcpy(t->in.data + (address - t->data), &v, 8);
    }
}

typedef struct Emit {
    uint8_t *p;
    unsigned n;
    unsigned rex_at;            /* 0: no REX */
} Emit;

static void emit(Emit *e, unsigned v, unsigned bytes) {
    while (bytes--) {
        e->p[e->n++] = (uint8_t)v;
        v >>= 8;
    }
}

static bool is_sha(const Form *f) {
    uint8_t op = f->opcode;

    return !f->vex && ((f->map == MAP_0F38 && op >= 0xc8 && op <= 0xcd) ||
                       (f->map == MAP_0F3A && op == 0xcc));
}

static bool bit_test_by_register(const Form *f) {
    return !f->vex && f->map == MAP_0F && (f->opcode == 0xa3 || f->opcode == 0xab || f->opcode == 0xb3 ||
                                f->opcode == 0xbb);
}

static void loosen(Trial *t, uint64_t address, unsigned len) {
    t->loose[t->loose_count].at = (unsigned)(address - t->data);
    t->loose[t->loose_count++].len = len;
}

static bool is_state_image(const Form *f) {
    if (f->vex) {
        return false;
    }
    if (f->map == MAP_0F) {
        if (f->opcode == 0xc7) {
            return f->reg == 4;
        }
        return f->prefix == PREFIX_NONE && f->opcode == 0xae && (f->reg < 2 || (f->reg >= 4 && f->reg < 7));
    }
    return f->map == MAP_1 && ((f->opcode == 0xd9 && (f->reg == 4 || f->reg == 6)) ||
                               (f->opcode == 0xdd && (f->reg == 4 || f->reg == 6)));
}

/*
 * FLDENV, FSAVE, FXSAVE, XSAVE and their kin: where the image is, with contents that load, and
 * the exception pointers, which makers treat differently, left out.
 */
static uint64_t state_image(Trial *t, const Form *f, Rng *r) {
    bool narrow = (f->prefix == PREFIX_66) != f->narrow;
    uint64_t at = t->data + (rng_one_in(r, 2) ? 64 * rng_below(r, 8) : 4096 - 512 + 64 * rng_below(r, 8)), bv;

    if (f->map == MAP_1) {
        at += rng_below(r, 64);
        loosen(t, at + (narrow ? 6 : 12), narrow ? 8 : 16);
        return at;
    }
    if (f->opcode == 0xae && f->reg < 2) {
        if (rng_one_in(r, 4)) {
            at += rng_below(r, 32);
        }
        loosen(t, at + 6, 18);
        loosen(t, at + 28, 4);
    } else {
        if (rng_one_in(r, 4)) {
            at += rng_below(r, 128);
        }
        t->in.gpr[0] = (t->in.gpr[0] & ~UINT64_C(0xffffffff)) | (rng_next(r) & 7);
        t->in.gpr[2] = 0;
        bv = rng_next(r) & 7;
        poke64(t, at + 512, bv);
        for (unsigned n = 520; n < 576; n += 8) {
            poke64(t, at + n, 0);
        }
        if (rng_one_in(r, 3)) {     /* the compact form */
            poke64(t, at + 520, UINT64_C(1) << 63 | bv | (rng_next(r) & 7));
        }
        if (rng_one_in(r, 8)) {
            poke64(t, at + 512 + 8 * rng_below(r, 3), UINT64_C(1) << 62);
        }
        loosen(t, at + 6, 18);
        loosen(t, at + 28, 4);
    }
    poke64(t, at + 24, rng_next(r) & (rng_one_in(r, 6) ? 0x1ffff : 0xffff));
    return at;
}

/* The whole address, but for RIP and the segment. */
static void emit_displacement(Trial *t, Emit *e, unsigned v, unsigned size) {
    t->base = 16;
    t->disp_at = e->n;
    t->disp_size = size;
    emit(e, v, size);
}

/*
 * A memory operand for ModRM, and registers such that it points at data.  Registers that the
 * instruction needs for something else (keep, a mask) are left alone.
 */
static void emit_memory(Trial *t, Emit *e, Rng *r, unsigned reg, bool a32, uint64_t target,
                        unsigned rex, unsigned imm, uint32_t keep) {
    bool w = t->wide;
    unsigned high = w ? rex : 0;
    uint64_t mask = w && !a32 ? UINT64_MAX : 0xffffffff;
    unsigned base, index = 4, scale = 0, mod = rng_below(r, 3);
    int32_t disp = mod == 1 ? (int8_t)rng_next(r) : mod == 2 ? (int32_t)(rng_next(r) >> 33) : 0;

    do {
        base = rng_below(r, 8) | (high & 1) << 3;
    } while (keep >> base & 1);
    t->operand = target;
    if (rng_one_in(r, 6)) {         /* no base: displacement only, by RIP in 64-bit mode */
        uint64_t at = target;
        emit(e, (reg & 7) << 3 | 5, 1);
        if (w) {
            at -= t->code + INSN_OFF + e->n + 4 + imm;
        }
        emit_displacement(t, e, (unsigned)at, 4);
        return;
    }
    if ((base & 7) == 5 && mod == 0) {
        mod = 1;
        disp = (int8_t)rng_next(r);
    }
    bool sib = (base & 7) == 4 || rng_one_in(r, 3);
    if (sib) {
        do {
            index = rng_below(r, 8) | (high & 2) << 2;
        } while (index == base || (keep >> index & 1 && index != 4));
        scale = rng_below(r, 4);
    }
    emit(e, mod << 6 | (reg & 7) << 3 | (sib ? 4 : base & 7), 1);
    if (sib) {
        emit(e, scale << 6 | (index & 7) << 3 | (base & 7), 1);
    }
    emit(e, (unsigned)disp, mod == 1 ? 1 : mod == 2 ? 4 : 0);
    uint64_t offset = sib && index != 4 ? t->in.gpr[index] << scale : 0;
    uint64_t value = (target - (uint64_t)(int64_t)disp - offset) & mask;
    if (w && a32) {
        value |= rng_next(r) << 32;     /* ignored */
    }
    t->in.gpr[base] = value;
    t->base = base;
}

/* The same with 16-bit addressing. */
static void emit_memory_16(Trial *t, Emit *e, Rng *r, unsigned reg, uint64_t target,
                           uint32_t keep) {
    static const uint8_t BASES[8] = { 3, 3, 5, 5, 6, 7, 5, 3 }, INDEXES[4] = { 6, 7, 6, 7 };
    unsigned mod = rng_below(r, 3), rm;
    uint16_t disp = mod == 1 ? (uint16_t)(int8_t)rng_next(r) : mod == 2 ? (uint16_t)rng_next(r) : 0;

    do {
        rm = rng_below(r, 8);
    } while (keep >> BASES[rm] & 1 && !(rm == 6 && mod == 0));
    t->operand = target;
    emit(e, mod << 6 | (reg & 7) << 3 | rm, 1);
    if (rm == 6 && mod == 0) {
        emit_displacement(t, e, (unsigned)target & 0xffff, 2);
        return;
    }
    emit(e, disp, mod);
    uint64_t value = target - disp - (rm < 4 ? t->in.gpr[INDEXES[rm]] : 0);
    t->in.gpr[BASES[rm]] = (value & 0xffff) | (rng_next(r) & 0xffff0000);
    t->base = BASES[rm];
}

void trial_move(Trial *t, uint64_t operand) {
    uint64_t by = operand - t->operand, disp = 0;

    if (t->base < 16) {
        t->in.gpr[t->base] += by;
        if (!t->wide) {
            t->in.gpr[t->base] = (uint32_t)t->in.gpr[t->base];
        }
    } else {
        memcpy(&disp, t->bytes + t->disp_at, t->disp_size);
        disp += by;
        memcpy(t->bytes + t->disp_at, &disp, t->disp_size);
    }
    t->operand = operand;
}

/* Data that string comparisons go far in: all equal, or all different from RAX, but for two bytes. */
static void monotonous(Trial *t, Rng *r) {
    Machine *m = &t->in;
    uint8_t v = (uint8_t)rng_next(r), other = (uint8_t)(v + 1 + rng_below(r, 255));

    memset(m->data, v, sizeof(m->data));
    m->gpr[0] = UINT64_C(0x0101010101010101) * (rng_one_in(r, 2) ? v : other);
    for (unsigned n = 0; n < 2; n++) {
        uint64_t at = m->gpr[6 + rng_below(r, 2)] - t->data + rng_below(r, 600) - 300;

        for (unsigned k = 0; k < (rng_one_in(r, 2) ? 8u : 1u) && at + k < sizeof(m->data); k++) {
            m->data[at + k] = other;
        }
    }
}

/* Registers and memory that an instruction uses without naming them. */
static uint32_t implicit(Trial *t, const Form *f, Rng *r) {
    Machine *m = &t->in;
    uint8_t op = f->opcode;

    if (is_string(f) && !f->vex) {
        m->gpr[6] = data_address(t, r);
        m->gpr[7] = data_address(t, r);
        m->gpr[1] = rng_one_in(r, 8) ? 0 : rng_below(r, rng_one_in(r, 2) ? 24 : 120);
        if (rng_one_in(r, 2)) {     /* not both faulting: which one is reported is the maker's choice */
            m->gpr[6] = t->data + 1024 + rng_below(r, 1024);
        } else {
            m->gpr[7] = t->data + 1024 + rng_below(r, 1024);
        }
        if (rng_one_in(r, 2)) {
            monotonous(t, r);
        }
    }
    if (f->vex && !(f->map == MAP_0F && op == 0xf7)) {
        return 1u << 4;
    }
    if (f->map == MAP_0F && op == 0xf7) {               /* MASKMOVQ, MASKMOVDQU */
        m->gpr[7] = t->data + rng_below(r, 480);    /* which faults there are is the maker's choice */
    }
    if (f->map == MAP_1 && op == 0xd7) {                /* XLAT */
        m->gpr[3] = data_address(t, r) - 64;
    }
    if (f->map == MAP_1 && (op == 0xc9 || op == 0xc8)) {
        m->gpr[5] = t->data + 4096 + 16 * rng_below(r, 16);
    }
    if (f->map == MAP_1 && op >= 0xe0 && op <= 0xe3) {
        m->gpr[1] = rng_below(r, 3) | (rng_one_in(r, 4) ? f->narrow ? 0x10000 : UINT64_C(0x100000000) : 0);
    }
    if (f->map == MAP_1 && op == 0x9d) {                /* POPF: no TF, AC, NT */
        poke64(t, m->gpr[4], (rng_next(r) & 0xcd5) | 2);
    }
    if (f->map == MAP_1 && (op == 0xc2 || op == 0xc3)) {
        uint64_t to = t->code + 0x40 + rng_below(r, 256);
        poke64(t, m->gpr[4], t->narrow ? to * UINT64_C(0x1000100010001)
                                       : t->wide ? to : to * UINT64_C(0x100000001));
    }
    if (f->map == MAP_1 && (op == 0xf6 || op == 0xf7) && f->reg >= 6 && !rng_one_in(r, 3)) {
        m->gpr[2] = rng_one_in(r, 2) ? 0 : rng_below(r, 100);   /* a quotient that fits, now and then */
    }
    if (pushes_segment(f)) {
        /* Makers differ on whether the upper half of the slot is written. */
        for (uint64_t n = 1; n <= 8 && n <= m->gpr[4] - t->data; n++) {
            m->data[m->gpr[4] - t->data - n] = 0;
        }
    }
    if (f->map == MAP_0F && op == 0xc7 && f->reg == 1) {    /* CMPXCHG8B: equal, now and then */
        for (unsigned n = 0; n < 2; n++) {
            m->gpr[2 * n] = rng_one_in(r, 2) ? UINT64_C(0x1111111122222222) : rng_next(r);
        }
    }
    /* RSP stays where signal and interrupt frames may be relied on. */
    return 1u << 4 | (is_string(f) ? 0xc2u : 0);
}

static void emit_immediate(Trial *t, Emit *e, const Form *f, Rng *r, unsigned size) {
    uint8_t op = f->opcode;
    uint64_t v = rng_one_in(r, 2) ? integer(r) : rng_next(r);

    if (is_branch(f)) {
        v = f->map == MAP_1 && op == 0xc2 ? rng_below(r, 256)
                                          : (uint64_t)(int64_t)((int)rng_below(r, 256) - 128);
        if ((int64_t)v < 0 && (int64_t)v > -20) {
            v = 0x55;           /* not into itself */
        }
    }
    if (f->map == MAP_1 && op == 0xc8) {
        v = (uint64_t)(rng_below(r, 0x40) * 8) | (uint64_t)(rng_below(r, 40) | (rng_next(r) & 0xe0)) << 16;
    }
    if (f->map == MAP_1 && op >= 0xa0 && op <= 0xa3) {
        v = data_address(t, r);
        if (size == 2) {
            v &= 0xffff;
        }
    }
    emit(e, (unsigned)v, size > 4 ? 4 : size);
    if (size > 4) {
        emit(e, (unsigned)(v >> 32), size - 4);
    }
    (void)t;
}

static void emit_prefixes(Trial *t, Emit *e, const Form *f, Rng *r, bool a32, unsigned rex) {
    static const uint8_t BYTES[PREFIX_COUNT] = { 0, 0x66, 0xf3, 0xf2, 0xf0, 0x66 };
    static const uint8_t MAPS[4][2] = { { 0, 0 }, { 0x0f, 0 }, { 0x0f, 0x38 }, { 0x0f, 0x3a } };

    if (a32) {
        emit(e, 0x67, 1);
    }
    if (BYTES[f->prefix]) {
        emit(e, BYTES[f->prefix], 1);
    }
    if (f->prefix == PREFIX_66_F2) {
        emit(e, 0xf2, 1);
    }
    if (t->wide && (rex || rng_one_in(r, 8))) {
        emit(e, 0x40 | rex, 1);
    }
    for (unsigned n = 0; n < 2; n++) {
        if (MAPS[f->map][n]) {
            emit(e, MAPS[f->map][n], 1);
        }
    }
    emit(e, f->opcode, 1);
}

static void emit_vex(Trial *t, Emit *e, const Form *f, Rng *r, bool a32, unsigned rex) {
    /* Many instructions want none, most others any. */
    unsigned vvvv = rng_one_in(r, 2) ? 0 : rng_below(r, t->wide ? 16 : 8);

    if (a32) {
        emit(e, 0x67, 1);
    }
    if (rng_one_in(r, 64)) {        /* not before a VEX prefix */
        static const uint8_t BAD[] = { 0x66, 0xf3, 0xf2, 0xf0, 0x40 };
        emit(e, BAD[rng_below(r, t->wide ? 5 : 4)], 1);
    }
    e->n += vex_encode(f, rex, vvvv, r, e->p + e->n);
    t->mask_reg = vvvv;
    if (vex_is_gather(f)) {
        t->mask_size = f->rexw ? 8 : 4;
    }
}

/* ModRM and SIB with a vector index. */
static void emit_gather(Trial *t, Emit *e, const Form *f, Rng *r, unsigned reg, unsigned rex) {
    unsigned high = t->wide ? rex : 0, mod = 1 + rng_below(r, 2), base, index, scale = rng_below(r, 4);
    int32_t disp = mod == 1 ? (int8_t)rng_next(r) : (int32_t)(rng_next(r) >> 33);

    do {
        base = rng_below(r, 8) | (high & 1) << 3;
    } while (base == 4);
    index = rng_below(r, 8) | (high & 2) << 2;
    emit(e, mod << 6 | (reg & 7) << 3 | (rng_one_in(r, 32) ? 3 : 4), 1);
    emit(e, scale << 6 | (index & 7) << 3 | (base & 7), 1);
    emit(e, (unsigned)disp, mod == 1 ? 1 : 4);
    t->in.gpr[base] = vex_gather_operand(t, f, index, scale, disp, r);
}

static uint32_t undefined_flags(const Form *f);

void trial_make(Trial *t, const Form *f, Rng *r) {
    Emit e = { t->bytes, 0, 0 };
    unsigned rex = 0, reg = f->reg, imm;
    /* A 67h prefix.  With a 32-bit code segment it makes 16-bit addresses, which nothing is at. */
    bool a32 = f->wide ? rng_one_in(r, 16) : f->narrow && rng_one_in(r, 3);

    memset(t->bytes, 0, sizeof(t->bytes));
    t->form = *f;
    t->wide = f->wide;
    t->narrow = f->narrow;
    t->data = f->narrow ? 0 : DATA_AT;
    t->code = f->narrow ? 0 : CODE_AT;
    t->loose_count = 0;
    t->mask_reg = t->mask_size = 0;
    make_state(t, r);
    uint32_t keep = implicit(t, f, r);
    if (f->wide) {
        rex = (f->rexw ? 8u : 0) | (rng_one_in(r, 3) ? rng_below(r, 8) : 0);
        if (f->map == MAP_1 && f->opcode == 0x90 && f->prefix == PREFIX_F3 && host_is_intel()) {
            rex &= ~1u;         /* F3h with XCHG R8, RAX, which REX.B makes of NOP: Intel's is PAUSE */
        }
        reg |= (rex & 4) << 1;
    }
    t->reg = reg;
    imm = immediate_size(f, a32);
    if (f->vex) {
        emit_vex(t, &e, f, r, a32, rex);
    } else {
        emit_prefixes(t, &e, f, r, a32, rex);
    }
    if (f->memory && vex_is_gather(f)) {
        emit_gather(t, &e, f, r, reg, rex);
    } else if (form_has_modrm(f)) {
        if (f->memory) {
            uint64_t target = data_address(t, r);
            if (f->vex && f->narrow && vex_is_masked(f)) {
                target = t->data + 1024 + rng_below(r, 512);
            } else if (f->vex) {
                /* anywhere */
            } else if (f->map == MAP_0F && f->opcode == 0xc7 && f->rexw && !rng_one_in(r, 4)) {
                target &= ~UINT64_C(15);
            } else if (f->map == MAP_0F && f->opcode == 0xc7) {
                target = t->data + 1024 + rng_below(r, 512);    /* misaligned, but mapped */
            }
            if (is_state_image(f)) {
                target = state_image(t, f, r);
                keep |= 1u << 0 | 1u << 2;
            }
            if (is_sha(f)) {            /* makers differ on whether it must be aligned */
                target &= ~UINT64_C(15);
            }
            if (is_branch(f) || (f->map == MAP_0F && f->opcode == 0xae && f->reg == 2)) {
                target = t->data + 1024 + rng_below(r, 512);    /* contents as below */
            }
            if (bit_test_by_register(f)) {
                t->in.gpr[reg] = (uint64_t)(int64_t)((int)rng_below(r, 4000) - 2000);
                if (reg == 4) {
                    t->in.gpr[4] = 24;
                }
                target = t->data + 1024 + rng_below(r, 4096);
                keep |= 1u << reg;
            }
            if (f->narrow && !a32) {
                emit_memory_16(t, &e, r, reg, target, keep);
            } else {
                emit_memory(t, &e, r, reg, a32, target, rex, imm, keep);
            }
            if (is_branch(f)) {
                poke64(t, target, t->code + 0x40 + rng_below(r, 256));
            }
            if (f->map == MAP_0F && f->opcode == 0xc7 && f->reg == 1 && rng_one_in(r, 2)) {
                poke64(t, target, f->rexw ? t->in.gpr[0]
                                          : (uint32_t)t->in.gpr[0] | t->in.gpr[2] << 32);
                poke64(t, target + 8, t->in.gpr[2]);
            }
            if (f->map == MAP_0F && f->opcode == 0xae && f->reg == 2) {     /* LDMXCSR */
                /* Bit 17 is AMD's MM, which the engine doesn't offer. */
                poke64(t, target, rng_next(r) & (rng_one_in(r, 4) ? 0x1ffff : 0xffff));
            }
        } else {
            unsigned rm = f->rm;
            emit(&e, 0xc0 | (reg & 7) << 3 | rm, 1);
            if (is_branch(f) && (rm | (rex & 1) << 3) != 4) {
                t->in.gpr[rm | (rex & 1) << 3] = t->code + 0x40 + rng_below(r, 256);
            }
        }
    }
    emit_immediate(t, &e, f, r, imm);
    t->len = e.n;
    t->undefined = undefined_flags(f);
    t->vector_memory = f->memory && f->map != MAP_1;
    t->dot_product = f->map == MAP_0F3A && (f->opcode == 0x40 || f->opcode == 0x41);
    /* FCOMI and its like: Intel clears C1, AMD leaves it. */
    t->sw_undefined = form_is_x87(f) && (f->opcode & 3) == 3 && !f->memory &&
                      (f->reg == 5 || f->reg == 6) ? 0x200 : 0;
}

/* --- what isn't compared --- */

enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800 };

/* Intel SDM vol. 2, "Flags Affected" of each instruction. */
static uint32_t undefined_flags(const Form *f) {
    uint8_t op = f->opcode;

    if (f->vex) {
        return vex_undefined_flags(f);
    }
    if (f->map == MAP_0F) {
        switch (op) {
        case 0xa4: case 0xa5: case 0xac: case 0xad:     /* SHLD, SHRD */
            return AF | OF;
        case 0xa3: case 0xab: case 0xb3: case 0xbb: case 0xba:  /* BT */
            return OF | SF | AF | PF;
        case 0xaf:                                      /* IMUL */
            return SF | ZF | AF | PF;
        case 0xbc: case 0xbd:                           /* BSF, BSR; TZCNT, LZCNT */
            if (f->prefix == PREFIX_F3) {
                return OF | SF | AF | PF;
            }
            return CF | OF | SF | AF | PF;
        default:
            return 0;
        }
    }
    if (f->map != MAP_1) {
        return 0;
    }
    if (op < 0x40 && (op & 7) < 6 && ((op >> 3) == 1 || (op >> 3) == 4 || (op >> 3) == 6)) {
        return AF;                                      /* OR, AND, XOR */
    }
    switch (op) {
    case 0x80: case 0x81: case 0x82: case 0x83:
        return f->reg == 1 || f->reg == 4 || f->reg == 6 ? AF : 0;
    case 0x84: case 0x85: case 0xa8: case 0xa9:         /* TEST */
        return AF;
    case 0x69: case 0x6b:
        return SF | ZF | AF | PF;
    case 0x27: case 0x2f:                               /* DAA, DAS */
        return OF;
    case 0x37: case 0x3f:                               /* AAA, AAS */
        return OF | SF | ZF | PF;
    case 0xd4: case 0xd5:                               /* AAM, AAD */
        return OF | AF | CF;
    case 0xc0: case 0xc1: case 0xd2: case 0xd3: case 0xd0: case 0xd1:
        return f->reg < 4 ? OF : f->reg == 5 || f->reg == 7 ? AF | OF : AF | OF | CF;
    case 0xf6: case 0xf7:
        return f->reg < 2 ? AF : f->reg < 4 ? 0 : f->reg < 6 ? SF | ZF | AF | PF
                                                             : OF | SF | ZF | AF | PF | CF;
    default:
        return 0;
    }
}

/* --- comparison --- */

typedef struct Text {
    char *p;
    size_t size, n;
} Text;

__attribute__((format(printf, 2, 3))) static void add(Text *t, const char *format, ...) {
    va_list args;

    if (t->n >= t->size) {
        return;
    }
    va_start(args, format);
    t->n += (size_t)vsnprintf(t->p + t->n, t->size - t->n, format, args);
    va_end(args);
}

static void compare_bytes(Text *x, const char *name, unsigned n, const uint8_t *a, const uint8_t *b,
                          unsigned len) {
    if (memcmp(a, b, len) == 0) {
        return;
    }
    add(x, " %s%u", name, n);
    for (unsigned k = 0; k < 2; k++) {
        add(x, k ? "/" : " ");
        for (unsigned j = len; j-- > 0;) {
            add(x, "%02x", (k ? b : a)[j]);
        }
    }
}

/* When a gather faults only its mask's sign bits are told by the manual. */
static void compare_mask(Text *x, const Trial *t, const Machine *native, const Machine *guest) {
    for (unsigned n = t->mask_size - 1; n < 32; n += t->mask_size) {
        const Machine *m[2] = { native, guest };
        uint8_t sign[2];
        for (unsigned k = 0; k < 2; k++) {
            const uint8_t *p = n < 16 ? m[k]->fx + 160 + 16 * t->mask_reg
                                      : m[k]->upper[t->mask_reg];
            sign[k] = p[n & 15] >> 7;
        }
        if (sign[0] != sign[1]) {
            add(x, " mask bit %u %u/%u", n / t->mask_size, sign[0], sign[1]);
        }
    }
}

static void compare_vectors(Text *x, const Trial *t, const Machine *native,
                            const Machine *guest) {
    const uint8_t *a = native->fx, *b = guest->fx;
    uint32_t mxcsr[2];
    uint16_t sw[2];

    compare_bytes(x, "cw", 0, a, b, 2);
    memcpy(sw, a + 2, 2);
    memcpy(sw + 1, b + 2, 2);
    if ((sw[0] ^ sw[1]) & ~t->sw_undefined & 0xffff) {
        add(x, " sw %04x/%04x", sw[0], sw[1]);
    }
    compare_bytes(x, "tags", 0, a + 4, b + 4, 1);
    memcpy(mxcsr, a + 24, 4);
    memcpy(mxcsr + 1, b + 24, 4);
    if (native->vector == 19) {
        /* PE beside an unmasked overflow or underflow, and what the later steps of a dot product
         * would have found, are not followed exactly. */
        uint32_t loose = t->dot_product ? 0x3f : mxcsr[0] & 0x18 & ~(mxcsr[0] >> 7) ? 0x20 : 0;
        mxcsr[0] |= loose;
        mxcsr[1] |= loose;
    }
    if (mxcsr[0] != mxcsr[1]) {
        add(x, " mxcsr %04x/%04x", mxcsr[0], mxcsr[1]);
    }
    for (unsigned n = 0; n < 8; n++) {
        compare_bytes(x, "st", n, a + 32 + 16 * n, b + 32 + 16 * n, 10);
    }
    for (unsigned n = 0; n < (t->wide ? 16u : 8u); n++) {
        if (t->mask_size && native->vector >= 12 && native->vector <= 14 && n == t->mask_reg) {
            compare_mask(x, t, native, guest);
            continue;
        }
        compare_bytes(x, "xmm", n, a + 160 + 16 * n, b + 160 + 16 * n, 16);
        compare_bytes(x, "upper", n, native->upper[n], guest->upper[n], 16);
    }
}

static bool is_loose(const Trial *t, unsigned n) {
    for (unsigned k = 0; k < t->loose_count; k++) {
        if (n - t->loose[k].at < t->loose[k].len) {
            return true;
        }
    }
    return false;
}

bool machines_differ(const Trial *t, const Machine *native, const Machine *guest, char *text,
                     size_t size) {
    Text x = { text, size, 0 };
    uint64_t mask = t->wide ? UINT64_MAX : 0xffffffff;
    uint32_t flags = 0xcd5 & ~t->undefined;

    text[0] = 0;
    if (t->narrow && t->vector_memory && native->vector == 13 && guest->vector == 12) {
        /* Misaligned and beyond SS's limit: makers differ on which is found first. */
    } else if (native->vector != guest->vector || native->error != guest->error) {
        add(&x, " vector %d(%x)/%d(%x)", native->vector, native->error, guest->vector,
            guest->error);
    } else if (native->vector == 14 && native->cr2 != guest->cr2) {
        add(&x, " cr2 %llx/%llx", (unsigned long long)native->cr2, (unsigned long long)guest->cr2);
    }
    for (unsigned n = 0; n < (t->wide ? 16u : 8u); n++) {
        if ((native->gpr[n] ^ guest->gpr[n]) & mask) {
            add(&x, " r%u %llx/%llx", n, (unsigned long long)(native->gpr[n] & mask),
                (unsigned long long)(guest->gpr[n] & mask));
        }
    }
    if ((native->rip ^ guest->rip) & mask) {
        add(&x, " rip %llx/%llx", (unsigned long long)native->rip, (unsigned long long)guest->rip);
    }
    if ((native->rflags ^ guest->rflags) & flags) {
        add(&x, " flags %llx/%llx", (unsigned long long)(native->rflags & flags),
            (unsigned long long)(guest->rflags & flags));
    }
    compare_vectors(&x, t, native, guest);
    for (unsigned n = 0; n < DATA_SIZE; n++) {
        if (native->data[n] != guest->data[n] && !is_loose(t, n)) {
            add(&x, " data+%x %02x/%02x", n, native->data[n], guest->data[n]);
            break;
        }
    }
    return x.n > 0;
}
