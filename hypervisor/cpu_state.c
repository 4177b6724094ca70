/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu_state.c - the state table of a vCPU, the same for every engine. */
#include "hypervisor/cpu_state.h"

#include <string.h>

#define CR0_PE 1u
#define CR0_PG (1u << 31)
#define CR4_PAE (1u << 5)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define XSAVE_BV 512
#define LEGACY_COMPONENTS 3u
#define XSAVE_HEADER_END 576

static const StateField segment_fields[] = {
    STATE_U64(SegState, base), STATE_U32(SegState, limit), STATE_U16(SegState, selector),
    STATE_U32_MAX(SegState, attr, 0x1ffff), STATE_END,
};

const StateField cpu_state_fields[] = {
    STATE_U64_ARRAY(VcpuState, gpr),
    STATE_U64(VcpuState, rip),
    STATE_U64_MAX(VcpuState, rflags, 0x3fffff),
    STATE_STRUCT_ARRAY(VcpuState, seg, segment_fields),
    STATE_STRUCT(VcpuState, ldtr, segment_fields),
    STATE_STRUCT(VcpuState, tr, segment_fields),
    STATE_U64(VcpuState, gdt_base), STATE_U64(VcpuState, idt_base),
    STATE_U32_MAX(VcpuState, gdt_limit, 0xffff), STATE_U32_MAX(VcpuState, idt_limit, 0xffff),
    STATE_U64_MAX(VcpuState, cr0, UINT32_MAX), STATE_U64(VcpuState, cr2), STATE_U64(VcpuState, cr3),
    STATE_U64_MAX(VcpuState, cr4, UINT32_MAX), STATE_U64_MAX(VcpuState, efer, UINT32_MAX),
    STATE_U64(VcpuState, xcr0), STATE_U64_ARRAY(VcpuState, dr),
    STATE_U64(VcpuState, star), STATE_U64(VcpuState, lstar), STATE_U64(VcpuState, cstar),
    STATE_U64(VcpuState, sfmask), STATE_U64(VcpuState, kernel_gs_base),
    STATE_U64(VcpuState, sysenter_cs), STATE_U64(VcpuState, sysenter_esp),
    STATE_U64(VcpuState, sysenter_eip), STATE_U64(VcpuState, pat), STATE_U64(VcpuState, tsc_aux),
    STATE_U64(VcpuState, misc_enable), STATE_U64(VcpuState, debugctl),
    STATE_I64(VcpuState, tsc_offset), STATE_BYTES(VcpuState, xsave),
    STATE_U32_MAX(VcpuState, xsave_size, sizeof(((VcpuState *)0)->xsave)),
    STATE_U8_MAX(VcpuState, halted, 1), STATE_U8_MAX(VcpuState, sti_shadow, 1),
    STATE_U8_MAX(VcpuState, mov_ss_shadow, 1), STATE_U8_MAX(VcpuState, nmi_blocked, 1),
    STATE_U8_MAX(VcpuState, pending_event, 1), STATE_U8(VcpuState, pending_vector),
    STATE_U8_MAX(VcpuState, pending_type, EVENT_SOFT_EXCEPTION),
    STATE_U8_MAX(VcpuState, pending_has_error, 1), STATE_U32(VcpuState, pending_error),
    STATE_U8_MAX(VcpuState, nmi_pending, 2),
    STATE_END,
};

bool cpu_state_fits(const VcpuState *s, const EngineCaps *caps, const char **why)
{
    uint64_t components;

    memcpy(&components, s->xsave + XSAVE_BV, 8);
    *why = NULL;
    if ((s->cr0 & CR0_PG) && !(s->cr0 & CR0_PE)) {
        *why = "paging without protected mode";
    } else if ((s->efer & EFER_LMA) &&
               (!(s->cr0 & CR0_PG) || !(s->cr4 & CR4_PAE) || !(s->efer & EFER_LME))) {
        *why = "long mode without what it needs";
    } else if (s->xcr0 & ~(caps->xcr0 | 1)) {
        *why = "extended state that this engine's processor has not";
    } else if (components & ~(s->xcr0 | LEGACY_COMPONENTS)) {
        *why = "extended state that is not turned on";
    } else if (s->xsave_size < XSAVE_HEADER_END) {
        *why = "extended state without its header";
    }
    return !*why;
}
