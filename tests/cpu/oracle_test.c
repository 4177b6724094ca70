/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_test.c - the software CPU against the host's CPU, for every form of every instruction.
 * GH_ORACLE_ROUNDS and GH_ORACLE_SEED in the environment make a longer or another run.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/cpu/oracle.h"

typedef struct Run {
    Native *native;
    GuestCpu *guest;
    Rng rng;
    unsigned rounds;
    unsigned trials, bad, shown;
    unsigned makers;            /* differences that are the host's maker's (oracle_makers.c) */
    uint32_t last_bad;          /* form of the last difference, so as to show each but once */
} Run;

static void show(Run *run, const Form *f, const Trial *t, const char *text) {
    char hex[64];
    unsigned n = 0;
    uint32_t id = (uint32_t)(f->l << 27 | f->rexw << 26 | f->narrow << 25 | f->wide << 24 |
                             f->map << 16 | f->opcode << 8 | f->reg << 4 | f->prefix);

    run->bad++;
    if (id == run->last_bad || run->shown >= 60) {
        return;
    }
    run->last_bad = id;
    run->shown++;
    for (unsigned k = 0; k < t->len; k++) {
        n += (unsigned)snprintf(hex + n, sizeof(hex) - n, "%02x ", t->bytes[k]);
    }
    cr_log_error("%d-bit %s: host/guest differ:%s", t->wide ? 64 : t->narrow ? 16 : 32, hex, text);
}

/* Changes one bit, of those that are compared whatever the instruction is. */
static void spoil(const Trial *t, Machine *m, Rng *r) {
    unsigned bit = rng_below(r, 8);

    switch (rng_below(r, 6)) {
    case 0:
        m->gpr[rng_below(r, 8)] ^= UINT64_C(1) << rng_below(r, 32);
        break;
    case 1:
        m->rip ^= UINT64_C(1) << rng_below(r, 32);
        break;
    case 2:
        m->fx[32 + 16 * rng_below(r, 8) + rng_below(r, 10)] ^= (uint8_t)(1 << bit);
        break;
    case 3:
        m->fx[160 + 16 * ((t->mask_reg ^ 1) % 8) + rng_below(r, 16)] ^= (uint8_t)(1 << bit);
        break;
    case 4:
        m->data[2048 + rng_below(r, 1024)] ^= (uint8_t)(1 << bit);
        break;
    default:
        if (m->vector == 14) {
            m->cr2 ^= UINT64_C(1) << rng_below(r, 12);
        } else {
            m->vector ^= 32;
        }
        break;
    }
}

/* A difference.  What a maker may do is the whole of it: with one bit more it is an error. */
static bool is_makers(Run *run, const Trial *t, const Machine *native, const Machine *guest) {
    Rng r = { run->trials };
    static Machine spoilt;

    if (!makers_differ(run->guest, t, native, guest)) {
        return false;
    }
    run->makers++;
    for (unsigned n = 0; n < 4; n++) {
        spoilt = *native;
        spoil(t, &spoilt, &r);
        cr_expect(!makers_differ(run->guest, t, &spoilt, guest), "opcode %02x: more than its maker's difference",
                  t->form.opcode);
    }
    return true;
}

static void one(Run *run, const Form *f) {
    static Trial t;
    static Machine native, guest;
    char text[1024];

    trial_make(&t, f, &run->rng);
    memset(&native, 0, sizeof(native));
    memset(&guest, 0, sizeof(guest));
    native_run(run->native, &t, &native);
    run->trials++;
    if (!guest_cpu_run(run->guest, &t, &guest)) {
        show(run, f, &t, " the guest didn't come to its end");
    } else if (machines_differ(&t, &native, &guest, text, sizeof(text)) &&
               !is_makers(run, &t, &native, &guest)) {
        show(run, f, &t, text);
    }
}

static Run run_new(uint64_t seed) {
    Run run = { .native = native_new(), .guest = guest_cpu_new(),
                .rng = { asked("GH_ORACLE_SEED", seed) },
                .rounds = (unsigned)asked("GH_ORACLE_ROUNDS", 2) };

    cr_assert_not_null(run.guest);
    return run;
}

static void run_end(Run *run) {
    guest_cpu_free(run->guest);
    native_free(run->native);
    cr_expect_eq(run->bad, 0, "%u of %u trials differ from the host", run->bad, run->trials);
    cr_expect(run->makers < run->trials / 500, "%u of %u trials differ as the host's maker may", run->makers,
              run->trials);
}

/* All prefixes, register and memory, for one opcode (and ModRM.reg where it matters). */
static void opcode(Run *run, Form f, unsigned times) {
    for (unsigned p = 0; p < PREFIX_COUNT; p++) {
        for (unsigned w = 0; w < (f.wide ? 2u : 1u); w++) {
            for (unsigned m = 0; m < 2; m++) {
                f.prefix = (uint8_t)p;
                f.rexw = w;
                f.memory = m;
                if (m && !form_has_modrm(&f)) {
                    continue;
                }
                for (unsigned k = 0; k < times; k++) {
                    f.rm = (uint8_t)(rng_next(&run->rng) & 7);
                    if (form_exists(&f)) {
                        one(run, &f);
                    }
                }
            }
        }
    }
}

static void opcodes(Run *run, unsigned bits, unsigned map, unsigned first, unsigned last) {
    for (unsigned op = first; op <= last; op++) {
        Form f = { .wide = bits == 64, .narrow = bits == 16, .map = (uint8_t)map,
                   .opcode = (uint8_t)op };
        for (unsigned reg = 0; reg < (form_has_modrm(&f) ? 8u : 1u); reg++) {
            f.reg = (uint8_t)reg;
            /* FXSAVE, XRSTOR and so on: many ways for one encoding */
            opcode(run, f, map == MAP_0F && op == 0xae ? 32 * run->rounds : run->rounds);
        }
    }
}

static void run_map(unsigned bits, unsigned map, unsigned first, unsigned last) {
    Run run = run_new(20240607);

    opcodes(&run, bits, map, first, last);
    run_end(&run);
}

Test(oracle, one_byte_opcodes_act_as_the_host_in_64_bit_mode) {
    run_map(64, MAP_1, 0, 0xd7);
    run_map(64, MAP_1, 0xe0, 0xff);
}

Test(oracle, one_byte_opcodes_act_as_the_host_in_compatibility_mode) {
    run_map(32, MAP_1, 0, 0xd7);
    run_map(32, MAP_1, 0xe0, 0xff);
}

Test(oracle, one_byte_opcodes_act_as_the_host_in_16_bit_segments) {
    run_map(16, MAP_1, 0, 0xd7);
    run_map(16, MAP_1, 0xe0, 0xff);
}

Test(oracle, two_byte_opcodes_act_as_the_host_in_64_bit_mode) {
    run_map(64, MAP_0F, 0, 0xff);
}

Test(oracle, two_byte_opcodes_act_as_the_host_in_compatibility_mode) {
    run_map(32, MAP_0F, 0, 0xff);
}

Test(oracle, two_byte_opcodes_act_as_the_host_in_16_bit_segments) {
    run_map(16, MAP_0F, 0, 0xff);
}

Test(oracle, three_byte_opcodes_act_as_the_host) {
    run_map(64, MAP_0F38, 0, 0xff);
    run_map(64, MAP_0F3A, 0, 0xff);
    run_map(32, MAP_0F38, 0, 0xff);
    run_map(32, MAP_0F3A, 0, 0xff);
}

/* --- VEX --- */

static void run_vex(unsigned bits, unsigned map) {
    Run run;

    if (!host_has_avx()) {
        cr_skip_test("this host has no AVX");
    }
    run = run_new(20240608);
    for (unsigned op = 0; op <= 0xff; op++) {
        for (unsigned k = 0; k < 2 * 2 * 2 * 4; k++) {
            Form f = { .wide = bits == 64, .narrow = bits == 16, .vex = true, .map = (uint8_t)map,
                       .opcode = (uint8_t)op, .rexw = k & 1, .l = k & 2, .memory = k & 4,
                       .prefix = (uint8_t)(k >> 3) };
            for (unsigned n = 0; n < 6 * run.rounds && form_exists(&f); n++) {
                if (f.memory && !form_has_modrm(&f)) {
                    break;
                }
                f.reg = (uint8_t)(rng_next(&run.rng) & 7);
                f.rm = (uint8_t)(rng_next(&run.rng) & 7);
                one(&run, &f);
            }
        }
    }
    run_end(&run);
}

Test(oracle, vex_map_0f_acts_as_the_host_in_64_bit_mode) {
    run_vex(64, MAP_0F);
}

Test(oracle, vex_map_0f38_acts_as_the_host_in_64_bit_mode) {
    run_vex(64, MAP_0F38);
}

Test(oracle, vex_map_0f3a_acts_as_the_host_in_64_bit_mode) {
    run_vex(64, MAP_0F3A);
}

Test(oracle, vex_acts_as_the_host_in_compatibility_mode) {
    run_vex(32, MAP_0F);
    run_vex(32, MAP_0F38);
    run_vex(32, MAP_0F3A);
}

Test(oracle, vex_acts_as_the_host_in_16_bit_segments) {
    run_vex(16, MAP_0F);
    run_vex(16, MAP_0F38);
    run_vex(16, MAP_0F3A);
}

/* x87: every register form by itself */
static void run_x87(unsigned bits) {
    Run run = run_new(387);

    for (unsigned op = 0xd8; op <= 0xdf; op++) {
        for (unsigned m = 0; m < 64; m++) {
            Form f = { .wide = bits == 64, .narrow = bits == 16, .opcode = (uint8_t)op,
                       .reg = (uint8_t)(m >> 3), .rm = (uint8_t)(m & 7) };
            for (unsigned k = 0; k < 24 * run.rounds; k++) {
                one(&run, &f);
            }
            f.memory = true;
            for (unsigned k = 0; k < 16 * run.rounds && form_exists(&f); k++) {
                one(&run, &f);
            }
        }
    }
    run_end(&run);
}

Test(oracle, x87_acts_as_the_host_in_64_bit_mode) {
    run_x87(64);
}

Test(oracle, x87_acts_as_the_host_in_compatibility_mode) {
    run_x87(32);
}

Test(oracle, x87_acts_as_the_host_in_16_bit_segments) {
    run_x87(16);
}
