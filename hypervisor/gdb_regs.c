/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb_regs.c - registers for gdb.  Order and names of the standard features are gdb's; control and
 * debug registers, table registers, segment bases and MSRs make a feature of our own, which gdb
 * shows as they are.  x87 and SSE come out of the XSAVE image (Intel SDM volume 1, chapter 13).
 */
#include "hypervisor/gdb_regs.h"

#include <string.h>

#define EFER_LMA (1u << 10)
#define ATTR_L (1u << 9)
#define ATTR_DB (1u << 10)
#define CR0_PE 1u
#define CR0_PG (1u << 31)
#define RFLAGS_VM (1u << 17)
#define RFLAGS_SET 0x003f7fd5u          /* those that exist */
#define MXCSR_SET 0xffffu
#define SELECTOR_ATTR 0xf3u             /* virtual-8086 mode: data, writable, DPL 3 */
#define XSAVE_BV 512
#define XSAVE_YMM 576
#define XSAVE_YMM_END (XSAVE_YMM + 256)

enum Kind { K_STATE, K_GPR, K_FLAGS, K_SELECTOR, K_BASE, K_ST, K_X87, K_XMM, K_MXCSR, K_YMMH,
            K_CR8, K_READ_ONLY };

typedef struct Reg {
    const char *name, *type;    /* type NULL: an integer of that size */
    uint8_t bits;
    uint8_t kind;
    uint16_t where;             /* offset in VcpuState, or an index */
    const char *group;
} Reg;

typedef struct Feature {
    const char *name, *types;   /* XML of the types that it needs */
    const Reg *regs;
    unsigned count;
} Feature;

#define AT(field) offsetof(VcpuState, field)
#define GPR(n, x) { n, NULL, 64, K_GPR, x, NULL }
#define GPR32(n, x) { n, NULL, 32, K_GPR, x, NULL }
#define SELECTOR(n, x) { n, NULL, 32, K_SELECTOR, x, NULL }
#define X87(n, x) { n, NULL, 32, K_X87, x, "float" }
#define SYS(n, b, field) { n, NULL, b, K_STATE, AT(field), "system" }
#define BASE(n, b, x) { n, NULL, b, K_BASE, x, "system" }

#define SELECTORS SELECTOR("cs", SEG_CS), SELECTOR("ss", SEG_SS), SELECTOR("ds", SEG_DS), \
    SELECTOR("es", SEG_ES), SELECTOR("fs", SEG_FS), SELECTOR("gs", SEG_GS)
#define ST(n, x) { n, "i387_ext", 80, K_ST, x, NULL }
#define FPU ST("st0", 0), ST("st1", 1), ST("st2", 2), ST("st3", 3), ST("st4", 4), ST("st5", 5), \
    ST("st6", 6), ST("st7", 7), X87("fctrl", 0), X87("fstat", 1), X87("ftag", 2), \
    X87("fiseg", 3), X87("fioff", 4), X87("foseg", 5), X87("fooff", 6), X87("fop", 7)

static const Reg core64[] = {
    GPR("rax", 0), GPR("rbx", 3), GPR("rcx", 1), GPR("rdx", 2), GPR("rsi", 6), GPR("rdi", 7),
    { "rbp", "data_ptr", 64, K_GPR, 5, NULL }, { "rsp", "data_ptr", 64, K_GPR, 4, NULL },
    GPR("r8", 8), GPR("r9", 9), GPR("r10", 10), GPR("r11", 11), GPR("r12", 12), GPR("r13", 13),
    GPR("r14", 14), GPR("r15", 15), { "rip", "code_ptr", 64, K_STATE, AT(rip), NULL },
    { "eflags", "x86_eflags", 32, K_FLAGS, 0, NULL }, SELECTORS, FPU,
};

static const Reg core32[] = {
    GPR32("eax", 0), GPR32("ecx", 1), GPR32("edx", 2), GPR32("ebx", 3),
    { "esp", "data_ptr", 32, K_GPR, 4, NULL }, { "ebp", "data_ptr", 32, K_GPR, 5, NULL },
    GPR32("esi", 6), GPR32("edi", 7), { "eip", "code_ptr", 32, K_STATE, AT(rip), NULL },
    { "eflags", "x86_eflags", 32, K_FLAGS, 0, NULL }, SELECTORS, FPU,
};

#define XMM(n, x) { n, "vec128", 128, K_XMM, x, NULL }
#define XMM_LOW XMM("xmm0", 0), XMM("xmm1", 1), XMM("xmm2", 2), XMM("xmm3", 3), XMM("xmm4", 4), \
    XMM("xmm5", 5), XMM("xmm6", 6), XMM("xmm7", 7)
#define XMM_HIGH XMM("xmm8", 8), XMM("xmm9", 9), XMM("xmm10", 10), XMM("xmm11", 11), \
    XMM("xmm12", 12), XMM("xmm13", 13), XMM("xmm14", 14), XMM("xmm15", 15)
#define MXCSR { "mxcsr", "x86_mxcsr", 32, K_MXCSR, 0, "vector" }

static const Reg sse64[] = { XMM_LOW, XMM_HIGH, MXCSR };
static const Reg sse32[] = { XMM_LOW, MXCSR };

#define YMMH(n, x) { n, "uint128", 128, K_YMMH, x, NULL }
#define YMMH_LOW YMMH("ymm0h", 0), YMMH("ymm1h", 1), YMMH("ymm2h", 2), YMMH("ymm3h", 3), \
    YMMH("ymm4h", 4), YMMH("ymm5h", 5), YMMH("ymm6h", 6), YMMH("ymm7h", 7)
#define YMMH_HIGH YMMH("ymm8h", 8), YMMH("ymm9h", 9), YMMH("ymm10h", 10), YMMH("ymm11h", 11), \
    YMMH("ymm12h", 12), YMMH("ymm13h", 13), YMMH("ymm14h", 14), YMMH("ymm15h", 15)

static const Reg avx64[] = { YMMH_LOW, YMMH_HIGH };
static const Reg avx32[] = { YMMH_LOW };

static const Reg segments64[] = {
    { "fs_base", NULL, 64, K_BASE, SEG_FS, NULL }, { "gs_base", NULL, 64, K_BASE, SEG_GS, NULL },
};

#define CONTROL(b) SYS("cr0", b, cr0), SYS("cr2", b, cr2), SYS("cr3", b, cr3), SYS("cr4", b, cr4), \
    { "cr8", NULL, b, K_CR8, 0, "system" }, SYS("dr0", b, dr[0]), SYS("dr1", b, dr[1]), \
    SYS("dr2", b, dr[2]), SYS("dr3", b, dr[3]), SYS("dr6", b, dr[6]), SYS("dr7", b, dr[7]), \
    BASE("es_base", b, SEG_ES), BASE("cs_base", b, SEG_CS), BASE("ss_base", b, SEG_SS), \
    BASE("ds_base", b, SEG_DS), SYS("gdt_base", b, gdt_base), SYS("gdt_limit", 32, gdt_limit), \
    SYS("idt_base", b, idt_base), SYS("idt_limit", 32, idt_limit), \
    SYS("ldt", 16, ldtr.selector), SYS("ldt_base", b, ldtr.base), SYS("tr", 16, tr.selector), \
    SYS("tr_base", b, tr.base), SYS("sysenter_cs", b, sysenter_cs), \
    SYS("sysenter_esp", b, sysenter_esp), SYS("sysenter_eip", b, sysenter_eip), \
    { "efer", NULL, 64, K_READ_ONLY, AT(efer), "system" }, \
    { "xcr0", NULL, 64, K_READ_ONLY, AT(xcr0), "system" }, SYS("pat", 64, pat)

static const Reg system64[] = {
    CONTROL(64), SYS("kernel_gs_base", 64, kernel_gs_base), SYS("star", 64, star),
    SYS("lstar", 64, lstar), SYS("cstar", 64, cstar), SYS("sfmask", 64, sfmask),
    SYS("tsc_aux", 64, tsc_aux),
};
static const Reg system32[] = {
    BASE("fs_base", 32, SEG_FS), BASE("gs_base", 32, SEG_GS), CONTROL(32),
};

static const char flags_type[] =
    "<flags id=\"x86_eflags\" size=\"4\">"
    "<field name=\"\" start=\"22\" end=\"31\"/><field name=\"ID\" start=\"21\" end=\"21\"/>"
    "<field name=\"VIP\" start=\"20\" end=\"20\"/><field name=\"VIF\" start=\"19\" end=\"19\"/>"
    "<field name=\"AC\" start=\"18\" end=\"18\"/><field name=\"VM\" start=\"17\" end=\"17\"/>"
    "<field name=\"RF\" start=\"16\" end=\"16\"/><field name=\"NT\" start=\"14\" end=\"14\"/>"
    "<field name=\"OF\" start=\"11\" end=\"11\"/><field name=\"DF\" start=\"10\" end=\"10\"/>"
    "<field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"TF\" start=\"8\" end=\"8\"/>"
    "<field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"ZF\" start=\"6\" end=\"6\"/>"
    "<field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"PF\" start=\"2\" end=\"2\"/>"
    "<field name=\"\" start=\"1\" end=\"1\"/><field name=\"CF\" start=\"0\" end=\"0\"/></flags>";
static const char vector_types[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
    "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
    "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
    "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
    "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
    "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>"
    "<flags id=\"x86_mxcsr\" size=\"4\">"
    "<field name=\"IE\" start=\"0\" end=\"0\"/><field name=\"DE\" start=\"1\" end=\"1\"/>"
    "<field name=\"ZE\" start=\"2\" end=\"2\"/><field name=\"OE\" start=\"3\" end=\"3\"/>"
    "<field name=\"UE\" start=\"4\" end=\"4\"/><field name=\"PE\" start=\"5\" end=\"5\"/>"
    "<field name=\"DAZ\" start=\"6\" end=\"6\"/><field name=\"IM\" start=\"7\" end=\"7\"/>"
    "<field name=\"DM\" start=\"8\" end=\"8\"/><field name=\"ZM\" start=\"9\" end=\"9\"/>"
    "<field name=\"OM\" start=\"10\" end=\"10\"/><field name=\"UM\" start=\"11\" end=\"11\"/>"
    "<field name=\"PM\" start=\"12\" end=\"12\"/><field name=\"FZ\" start=\"15\" end=\"15\"/></flags>";

#define FEATURE(n, t, r) { n, t, r, G_N_ELEMENTS(r) }

static const Feature features32[] = {
    FEATURE("org.gnu.gdb.i386.core", flags_type, core32),
    FEATURE("org.gnu.gdb.i386.sse", vector_types, sse32),
    FEATURE("org.gnu.gdb.i386.avx", "", avx32),
    FEATURE("guesthouse.system", "", system32),
};
static const Feature features64[] = {
    FEATURE("org.gnu.gdb.i386.core", flags_type, core64),
    FEATURE("org.gnu.gdb.i386.sse", vector_types, sse64),
    FEATURE("org.gnu.gdb.i386.avx", "", avx64),
    FEATURE("org.gnu.gdb.i386.segments", "", segments64),
    FEATURE("guesthouse.system", "", system64),
};

static const struct {
    const char *name, *bfd_name;
    const Feature *features;
    unsigned count, pc, sp, fp;
} arches[GDB_ARCHES] = {
    [GDB_I8086] = { "i8086", "i8086", features32, G_N_ELEMENTS(features32), 8, 4, 5 },
    [GDB_I386] = { "i386", "i386", features32, G_N_ELEMENTS(features32), 8, 4, 5 },
    [GDB_X86_64] = { "x86-64", "i386:x86-64", features64, G_N_ELEMENTS(features64), 16, 7, 6 },
};

static const Reg *reg_find(GdbArch arch, unsigned n)
{
    for (unsigned f = 0; f < arches[arch].count; f++) {
        const Feature *feature = &arches[arch].features[f];

        if (n < feature->count) {
            return &feature->regs[n];
        }
        n -= feature->count;
    }
    return NULL;
}

unsigned gdb_reg_count(GdbArch arch)
{
    unsigned n = 0;

    for (unsigned f = 0; f < arches[arch].count; f++) {
        n += arches[arch].features[f].count;
    }
    return n;
}

unsigned gdb_reg_size(GdbArch arch, unsigned n)
{
    const Reg *r = reg_find(arch, n);

    return r ? r->bits / 8 : 0;
}

unsigned gdb_reg_pc(GdbArch arch)
{
    return arches[arch].pc;
}

unsigned gdb_reg_sp(GdbArch arch)
{
    return arches[arch].sp;
}

unsigned gdb_reg_fp(GdbArch arch)
{
    return arches[arch].fp;
}

const char *gdb_arch_name(GdbArch arch)
{
    return arches[arch].name;
}

bool gdb_arch_find(const char *name, GdbArch *arch)
{
    for (unsigned a = 0; a < GDB_ARCHES; a++) {
        if (!strcmp(name, arches[a].name)) {
            *arch = (GdbArch)a;
            return true;
        }
    }
    return false;
}

/* --- modes --- */

/* Before paging is on it is firmware and loaders, most of them 16-bit code. */
GdbArch gdb_arch_of(const VcpuState *s)
{
    if (s->efer & EFER_LMA) {
        return GDB_X86_64;
    }
    return (s->cr0 & CR0_PG) && (s->seg[SEG_CS].attr & ATTR_DB) ? GDB_I386 : GDB_I8086;
}

bool gdb_in_64(const VcpuState *s)
{
    return (s->efer & EFER_LMA) && (s->seg[SEG_CS].attr & ATTR_L);
}

uint64_t gdb_linear_pc(const VcpuState *s)
{
    return gdb_in_64(s) ? s->rip : (uint32_t)(s->seg[SEG_CS].base + s->rip);
}

/* --- x87 and vectors, in the XSAVE image --- */

enum { COMPONENT_X87 = 1, COMPONENT_SSE = 2, COMPONENT_AVX = 4 };

static const uint8_t x87_initial[32] = { [0] = 0x7f, [1] = 0x03 };

/* The component's part of the image holds its registers; an absent one is in its initial state. */
static bool present(const VcpuState *s, unsigned component)
{
    uint64_t bv;

    memcpy(&bv, s->xsave + XSAVE_BV, 8);
    return bv & component;
}

static void make_present(VcpuState *s, unsigned component)
{
    uint64_t bv;

    if (present(s, component)) {
        return;
    }
    memcpy(&bv, s->xsave + XSAVE_BV, 8);
    bv |= component;
    memcpy(s->xsave + XSAVE_BV, &bv, 8);
    if (component == COMPONENT_X87) {
        memcpy(s->xsave, x87_initial, 24);
        memset(s->xsave + 32, 0, 128);
    } else if (component == COMPONENT_SSE) {
        memset(s->xsave + 160, 0, 256);
    } else {
        memset(s->xsave + XSAVE_YMM, 0, 256);
        s->xsave_size = MAX(s->xsave_size, XSAVE_YMM_END);
    }
}

static uint64_t bytes_get(const uint8_t *at, unsigned len)
{
    uint64_t v = 0;

    memcpy(&v, at, len);
    return v;
}

/* The two-bit tags of the physical registers, of the image's one-bit ones. */
static uint16_t full_tags(const uint8_t *image)
{
    unsigned top = image[3] >> 3 & 7;
    uint16_t tags = 0;

    for (unsigned n = 0; n < 8; n++) {
        const uint8_t *st = image + 32 + 16 * ((n - top) & 7);
        uint64_t fraction = bytes_get(st, 8);
        unsigned exponent = bytes_get(st + 8, 2) & 0x7fff, tag;

        if (!(image[4] >> n & 1)) {
            tag = 3;
        } else if (!exponent && !fraction) {
            tag = 1;
        } else {
            tag = !exponent || exponent == 0x7fff || !(fraction >> 63) ? 2 : 0;
        }
        tags |= tag << (2 * n);
    }
    return tags;
}

/* FCW, FSW, FTW, FCS, FIP, FDS, FDP, FOP: offset and length in the image. */
static const struct { uint8_t at, len; } x87_place[8] = {
    { 0, 2 }, { 2, 2 }, { 4, 1 }, { 12, 2 }, { 8, 4 }, { 20, 2 }, { 16, 4 }, { 6, 2 },
};

static uint32_t x87_get(const VcpuState *s, unsigned n)
{
    const uint8_t *image = present(s, COMPONENT_X87) ? s->xsave : x87_initial;

    if (n == 2) {
        return present(s, COMPONENT_X87) ? full_tags(image) : 0xffff;
    }
    return bytes_get(image + x87_place[n].at, x87_place[n].len);
}

static void x87_set(VcpuState *s, unsigned n, uint32_t value)
{
    make_present(s, COMPONENT_X87);
    if (n == 2) {
        uint8_t tags = 0;

        for (unsigned i = 0; i < 8; i++) {
            tags |= ((value >> (2 * i) & 3) != 3) << i;
        }
        value = tags;
    } else if (n == 0) {
        value = (value & 0x1f3f) | 0x40;
    } else if (n == 7) {
        value &= 0x7ff;
    }
    memcpy(s->xsave + x87_place[n].at, &value, x87_place[n].len);
}

static void vector_get(const VcpuState *s, unsigned component, unsigned at, unsigned len,
                       uint8_t *value)
{
    if (present(s, component) && (component != COMPONENT_AVX || s->xsave_size >= XSAVE_YMM_END)) {
        memcpy(value, s->xsave + at, len);
    } else {
        memset(value, 0, len);
    }
}

static bool vector_set(VcpuState *s, unsigned component, unsigned at, unsigned len,
                       const uint8_t *value)
{
    if (component == COMPONENT_AVX && !(s->xcr0 & COMPONENT_AVX)) {
        return false;
    }
    make_present(s, component);
    memcpy(s->xsave + at, value, len);
    return true;
}

/* --- one register --- */

bool gdb_reg_get(GdbArch arch, unsigned n, const GdbRegs *regs, uint8_t *value)
{
    const Reg *r = reg_find(arch, n);
    const VcpuState *s = &regs->s;
    uint64_t v = 0;

    if (!r) {
        return false;
    }
    switch (r->kind) {
    case K_ST:
        vector_get(s, COMPONENT_X87, 32 + 16 * r->where, 10, value);
        return true;
    case K_XMM:
        vector_get(s, COMPONENT_SSE, 160 + 16 * r->where, 16, value);
        return true;
    case K_YMMH:
        vector_get(s, COMPONENT_AVX, XSAVE_YMM + 16 * r->where, 16, value);
        return true;
    case K_GPR:
        v = s->gpr[r->where];
        break;
    case K_FLAGS:
        v = s->rflags;
        break;
    case K_SELECTOR:
        v = s->seg[r->where].selector;
        break;
    case K_BASE:
        v = s->seg[r->where].base;
        break;
    case K_X87:
        v = x87_get(s, r->where);
        break;
    case K_MXCSR:
        v = bytes_get(s->xsave + 24, 4);
        break;
    case K_CR8:
        v = regs->cr8;
        break;
    default:
        memcpy(&v, (const uint8_t *)s + r->where, r->bits / 8);
        break;
    }
    memcpy(value, &v, r->bits / 8);
    return true;
}

static void selector_set(VcpuState *s, unsigned n, uint16_t selector)
{
    SegState *seg = &s->seg[n];
    bool vm86 = (s->cr0 & CR0_PE) && (s->rflags & RFLAGS_VM);

    if (seg->selector == selector) {
        return;
    }
    seg->selector = selector;
    if (!(s->cr0 & CR0_PE) || vm86) {
        seg->base = (uint32_t)selector << 4;
        seg->limit = MAX(seg->limit, 0xffffu);
        seg->attr = vm86 ? SELECTOR_ATTR : seg->attr;
    }
}

/* VM goes with the privilege level and the segments: only the guest's own code changes it. */
static void flags_set(VcpuState *s, uint64_t value)
{
    uint64_t settable = RFLAGS_SET & ~(uint64_t)RFLAGS_VM;

    s->rflags = (s->rflags & ~settable) | (value & settable) | 2;
}

bool gdb_reg_set(GdbArch arch, unsigned n, GdbRegs *regs, const uint8_t *value)
{
    const Reg *r = reg_find(arch, n);
    VcpuState *s = &regs->s;
    uint64_t v = 0;

    if (!r) {
        return false;
    }
    switch (r->kind) {
    case K_ST:
        return vector_set(s, COMPONENT_X87, 32 + 16 * r->where, 10, value);
    case K_XMM:
        return vector_set(s, COMPONENT_SSE, 160 + 16 * r->where, 16, value);
    case K_YMMH:
        return vector_set(s, COMPONENT_AVX, XSAVE_YMM + 16 * r->where, 16, value);
    default:
        break;
    }
    memcpy(&v, value, r->bits / 8);
    switch (r->kind) {
    case K_GPR:
        s->gpr[r->where] = v;
        return true;
    case K_FLAGS:
        flags_set(s, v);
        return true;
    case K_SELECTOR:
        selector_set(s, r->where, v);
        return true;
    case K_BASE:
        s->seg[r->where].base = v;
        return true;
    case K_X87:
        x87_set(s, r->where, v);
        return true;
    case K_MXCSR:
        v &= MXCSR_SET;
        memcpy(s->xsave + 24, &v, 4);
        return true;
    case K_CR8:
        regs->cr8 = v & 15;
        return true;
    case K_STATE:
        memcpy((uint8_t *)s + r->where, &v, r->bits / 8);
        return true;
    default:
        return false;
    }
}

/* --- target.xml --- */

static void reg_xml(GString *x, const Reg *r, unsigned n)
{
    g_string_append_printf(x, "<reg name=\"%s\" bitsize=\"%u\" regnum=\"%u\"", r->name, r->bits, n);
    if (r->type) {
        g_string_append_printf(x, " type=\"%s\"", r->type);
    } else {
        g_string_append_printf(x, " type=\"int%u\"", r->bits);
    }
    if (r->group) {
        g_string_append_printf(x, " group=\"%s\"", r->group);
    }
    g_string_append(x, "/>\n");
}

char *gdb_target_xml(GdbArch arch)
{
    GString *x = g_string_new("<?xml version=\"1.0\"?>\n"
                              "<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">"
                              "<architecture>");
    unsigned n = 0;

    g_string_append_printf(x, "%s</architecture>\n<osabi>none</osabi>\n", arches[arch].bfd_name);
    for (unsigned f = 0; f < arches[arch].count; f++) {
        const Feature *feature = &arches[arch].features[f];

        g_string_append_printf(x, "<feature name=\"%s\">\n%s\n", feature->name, feature->types);
        for (unsigned i = 0; i < feature->count; i++) {
            reg_xml(x, &feature->regs[i], n++);
        }
        g_string_append(x, "</feature>\n");
    }
    g_string_append(x, "</target>\n");
    return g_string_free(x, FALSE);
}
