/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_vex.c - what the generator has to know of VEX encodings: which are left out, how they are
 * written, immediates, gathers.  Intel SDM vol. 2 chapter 2.3.
 */
#include <string.h>
#include "tests/cpu/oracle.h"

static bool between(uint8_t op, uint8_t first, uint8_t last) {
    return op >= first && op <= last;
}

/*
 * Everything, also opcodes that don't exist, but for what this host may have and the engine doesn't
 * offer: mask registers, VNNI and IFMA, AVX-NE-CONVERT, SHA512, SM3 and SM4, GFNI, CMPccXADD, and
 * AMX with its additions (Intel's Instruction Set Extensions Programming Reference).
 */
bool vex_exists(const Form *f) {
    uint8_t op = f->opcode;

    if (f->prefix > PREFIX_F2) {
        return false;
    }
    /* Makers differ: W0 of VPERMQ and VPERMPD, W1 of VPINSRD and VPEXTRD outside 64-bit mode. */
    if (f->map == MAP_0F3A && op <= 0x01 && !f->rexw) {
        return false;
    }
    if (f->map == MAP_0F3A && (op == 0x16 || op == 0x22) && f->rexw && !f->wide) {
        return false;
    }
    switch (f->map) {
    case MAP_0F:
        return !between(op, 0x41, 0x4b) && !between(op, 0x90, 0x93) && !between(op, 0x98, 0x99);
    case MAP_0F38:
        return !between(op, 0x48, 0x4f) && !between(op, 0x50, 0x53) && !between(op, 0x5c, 0x5f) &&
               !between(op, 0x6b, 0x6f) && !between(op, 0x72, 0x72) && !between(op, 0xb0, 0xb1) &&
               !between(op, 0xb4, 0xb5) && !between(op, 0xcb, 0xcf) && !between(op, 0xd2, 0xd3) &&
               !between(op, 0xda, 0xda) && !between(op, 0xe0, 0xef);
    case MAP_0F3A:
        return !between(op, 0x30, 0x33) && !between(op, 0xce, 0xcf) && op != 0xde;
    default:
        return false;
    }
}

bool vex_has_modrm(const Form *f) {
    return !(f->map == MAP_0F && f->opcode == 0x77);
}

unsigned vex_immediate_size(const Form *f) {
    uint8_t op = f->opcode;

    if (f->map == MAP_0F) {
        return between(op, 0x70, 0x73) || op == 0xc2 || between(op, 0xc4, 0xc6);
    }
    return f->map == MAP_0F3A;
}

bool vex_is_gather(const Form *f) {
    return f->vex && f->map == MAP_0F38 && between(f->opcode, 0x90, 0x93);
}

bool vex_is_masked(const Form *f) {
    uint8_t op = f->opcode;

    return f->vex && f->map == MAP_0F38 && (between(op, 0x2c, 0x2f) || op == 0x8c || op == 0x8e);
}

uint32_t vex_undefined_flags(const Form *f) {
    enum { PF = 4, AF = 0x10, SF = 0x80 };
    uint8_t op = f->opcode;

    if (f->map != MAP_0F38) {
        return 0;
    }
    if (op == 0xf7) {
        return f->prefix == PREFIX_NONE ? PF | AF | SF : 0;     /* BEXTR */
    }
    return between(op, 0xf2, 0xf5) && f->prefix == PREFIX_NONE ? PF | AF : 0;
}

unsigned vex_encode(const Form *f, unsigned rex, unsigned vvvv, Rng *r, uint8_t *p) {
    unsigned w = f->rexw, pp = f->prefix, last;
    unsigned high = f->wide ? rex : 0;

    last = (~vvvv & 15) << 3 | (unsigned)f->l << 2 | pp;
    if (f->map == MAP_0F && !w && !(high & 3) && rng_below(r, 2)) {
        p[0] = 0xc5;
        p[1] = (uint8_t)((high & 4 ? 0 : 0x80) | last);
        p[2] = f->opcode;
        return 3;
    }
    p[0] = 0xc4;
    p[1] = (uint8_t)((high & 4 ? 0 : 0x80) | (high & 2 ? 0 : 0x40) | (high & 1 ? 0 : 0x20) |
                     f->map);
    p[2] = (uint8_t)(w << 7 | last);
    if (!f->wide && rng_below(r, 8) == 0) {
        p[1] ^= 0x20;           /* B and the top of vvvv count for nothing there */
        p[2] ^= (uint8_t)(rng_below(r, 2) << 6);
    }
    p[3] = f->opcode;
    return 4;
}

uint64_t vex_gather_operand(Trial *t, const Form *f, unsigned index, unsigned scale, int32_t disp,
                            Rng *r) {
    uint8_t *low = t->in.fx + 160 + 16 * index, *high = t->in.upper[index];
    unsigned size = f->opcode & 1 ? 8 : 4;

    for (unsigned n = 0; n < 32; n += size) {
        int64_t x = ((int64_t)rng_below(r, 4000) - 2000) >> scale;
        if (rng_below(r, 24) == 0) {
            x = (int64_t)rng_below(r, 20000) >> scale;      /* beyond the data */
        }
        memcpy((n < 16 ? low : high) + (n & 15), &x, size);
    }
    return t->data + 4096 - (uint64_t)(int64_t)disp;
}
