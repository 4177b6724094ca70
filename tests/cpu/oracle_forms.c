/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle_forms.c - which of the engine's instructions the host is not asked about (oracle_test.c): all that
 * the decoder has a body for and form_exists() leaves out.  The list is checked, so that nothing new
 * is left out unseen; GH_ORACLE_FORMS=1 prints it.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hypervisor/soft/block.h"
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/ops.h"
#include "tests/cpu/oracle.h"

/* Opcodes of which at least one form isn't compared, and who tests them then. */
typedef struct LeftOut {
    uint8_t map, first, last;
    const char *why;
} LeftOut;

static const LeftOut left_out[] = {
    { MAP_1, 0x07, 0x07, "POP ES: sys_prot.c" },
    { MAP_1, 0x17, 0x17, "POP SS: sys_prot.c" },
    { MAP_1, 0x1f, 0x1f, "POP DS: sys_prot.c" },
    { MAP_1, 0x63, 0x63, "MOVSXD to 16 bits: makers differ on how much is read" },
    { MAP_1, 0x6c, 0x7f, "INS, OUTS repeated: #GP; Jcc with 66h: makers differ" },
    { MAP_1, 0x8e, 0x8e, "MOV to segments: sys_prot.c, fuzz_test.c" },
    { MAP_1, 0x9a, 0x9a, "far CALL: sys_prot.c, sys_real.c, fuzz_test.c" },
    { MAP_1, 0xc2, 0xc3, "RET with 66h: makers differ" },
    { MAP_1, 0xc4, 0xc5, "LES, LDS: sys_prot.c" },
    { MAP_1, 0xca, 0xcb, "far RET: sys_prot.c, fuzz_test.c" },
    { MAP_1, 0xcd, 0xcd, "INT n: sys_prot.c, sys_real.c, fuzz_test.c" },
    { MAP_1, 0xcf, 0xcf, "IRET: sys_prot.c, sys_long.c, fuzz_test.c" },
    { MAP_1, 0xe0, 0xe9, "LOOPE with a repeat prefix, branches with 66h: makers differ; ports: #GP" },
    { MAP_1, 0xea, 0xea, "far JMP: sys_prot.c, fuzz_test.c" },
    { MAP_1, 0xeb, 0xef, "JMP with 66h: makers differ; ports: #GP" },
    { MAP_1, 0xf1, 0xf1, "INT1: sys_prot.c" },
    { MAP_1, 0xf4, 0xf4, "HLT: #GP with any prefix" },
    { MAP_1, 0xfa, 0xfb, "CLI, STI: #GP with any prefix" },
    { MAP_1, 0xff, 0xff, "far CALL and JMP by memory: sys_prot.c, sys_long.c" },
    { MAP_0F, 0x00, 0x09, "descriptor tables, LAR, SYSCALL, CLTS, INVD...: sys_prot.c, sys_long.c" },
    { MAP_0F, 0x0d, 0x0d, "PREFETCHW of a register, or with prefixes: makers differ" },
    { MAP_0F, 0x18, 0x1f, "hints with F2h and F3h: makers differ (ENDBR, RDSSP, BNDMK)" },
    { MAP_0F, 0x20, 0x23, "control and debug registers: #GP with any prefix; sys_prot.c, sys_long.c" },
    { MAP_0F, 0x30, 0x35, "MSRs, RDTSC, RDPMC, SYSENTER: sys_prot.c, sys_long.c" },
    { MAP_0F, 0x80, 0x8f, "Jcc with 66h: makers differ" },
    { MAP_0F, 0xa1, 0xa2, "POP FS, CPUID: sys_long.c" },
    { MAP_0F, 0xa9, 0xa9, "POP GS: sys_prot.c" },
    { MAP_0F, 0xae, 0xae, "RDFSBASE and its kin: sys_long.c; prefixes that makers differ on" },
    { MAP_0F, 0xb2, 0xb5, "LSS, LFS, LGS: sys_prot.c" },
    { MAP_0F, 0xbc, 0xbd, "BSF, BSR with F2h: makers differ" },
    { MAP_0F, 0xc7, 0xc7, "RDRAND, RDSEED, RDPID; CMPXCHG8B with prefixes" },
    { MAP_0F38, 0x82, 0x82, "INVPCID: sys_long.c" },
};

/* Bytes that are no opcodes. */
static bool is_prefix(const Form *f)
{
    unsigned op = f->opcode;

    if (f->map == MAP_0F)
        return op == 0x38 || op == 0x3a;
    return f->map == MAP_1 && (op == 0x0f || (op & 0xe7) == 0x26 || (op >= 0x64 && op <= 0x67) || op == 0xf0 ||
                               op == 0xf2 || op == 0xf3 || (f->wide && (op & 0xf0) == 0x40));
}

static bool decodes(const Form *f, Insn *i)
{
    static const uint8_t prefixes[] = { 0, 0x66, 0xf3, 0xf2 };
    static const uint8_t maps[4][2] = { { 0, 0 }, { 0x0f, 0 }, { 0x0f, 0x38 }, { 0x0f, 0x3a } };
    uint32_t mode = (f->wide ? MODE_64 : f->narrow ? MODE_16 : MODE_32) | MODE_PROT | MODE_USER | MODE_LMA;
    uint8_t b[40] = { 0 };
    unsigned n = 0;

    if (prefixes[f->prefix])
        b[n++] = prefixes[f->prefix];
    if (f->rexw)
        b[n++] = 0x48;
    for (unsigned k = 0; k < 2; k++)
        if (maps[f->map][k])
            b[n++] = maps[f->map][k];
    b[n++] = f->opcode;
    b[n] = (uint8_t)((f->memory ? 0x40 : 0xc0) | f->reg << 3 | f->rm);
    return decode_insn(mode, 0x1000, 0, b, sizeof b, i) != DECODE_SHORT && i->fn != op_ud && i->fn != op_gp;
}

static const LeftOut *listed(const Form *f)
{
    for (unsigned n = 0; n < sizeof left_out / sizeof left_out[0]; n++)
        if (left_out[n].map == f->map && f->opcode >= left_out[n].first && f->opcode <= left_out[n].last)
            return &left_out[n];
    return NULL;
}

/* Forms of the opcode that are left out, with their names (width, prefix, memory or register, ModRM.reg). */
static unsigned count_forms(unsigned map, unsigned op, char *text, size_t size, unsigned *compared)
{
    Form f = { .map = (uint8_t)map, .opcode = (uint8_t)op, .rm = 1 };
    unsigned out = 0, n = 0;
    Insn i;

    for (unsigned k = 0; k < 3 * 4 * 2 * 8; k++) {
        f.wide = k % 3 == 0;
        f.narrow = k % 3 == 1;
        f.prefix = (uint8_t)(k / 3 % 4);
        f.memory = k / 12 % 2;
        f.reg = (uint8_t)(k / 24);
        if (((f.memory || f.reg) && !form_has_modrm(&f)) || is_prefix(&f) || !decodes(&f, &i))
            continue;
        if (form_exists(&f)) {
            (*compared)++;
            continue;
        }
        out++;
        if (n + 20 < size)
            n += (unsigned)snprintf(text + n, size - n, " %c%u%s/%u", f.wide ? 'w' : f.narrow ? 'n' : 'd', f.prefix,
                                    f.memory ? "m" : "r", f.reg);
    }
    return out;
}

Test(oracle, instructions_that_the_host_is_not_asked_about_are_listed)
{
    unsigned compared = 0, out = 0;

    for (unsigned map = MAP_1; map <= MAP_0F3A; map++)
        for (unsigned op = 0; op < 256; op++) {
            const Form f = { .map = (uint8_t)map, .opcode = (uint8_t)op };
            char text[400] = "";
            unsigned here = count_forms(map, op, text, sizeof text, &compared);

            out += here;
            if (here && getenv("GH_ORACLE_FORMS"))
                cr_log_warn("map %u opcode %02x: %u left out (%s):%s", map, op, here,
                            listed(&f) ? listed(&f)->why : "?", text);
            cr_expect(!here || listed(&f), "map %u opcode %02x: %u forms are left out and not listed:%s", map, op,
                      here, text);
        }
    if (getenv("GH_ORACLE_FORMS"))
        cr_log_warn("%u forms compared, %u left out", compared, out);
    cr_expect(compared > 40000);
}
