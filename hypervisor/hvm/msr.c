/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msr.c - model-specific registers beyond the CPU core's own (Intel SDM vol. 4, AMD APM vol. 2).
 * The memory types in the MTRRs are kept and mean nothing: there is no cache to get wrong.  What is
 * not listed faults, so that software finds out honestly what this processor lacks.
 */
#include "hypervisor/hvm/msr.h"

#include <stdbool.h>
#include <string.h>

enum { MTRR_CAP = 0xfe, MTRR_PHYS0 = 0x200, MTRR_FIX64K = 0x250, MTRR_FIX16K = 0x258,
       MTRR_FIX4K = 0x268, MTRR_DEF = 0x2ff, TSC_ADJUST = 0x3b, PLATFORM_ID = 0x17,
       UCODE_REV = 0x8b, MCG_CAP = 0x179, MCG_STATUS = 0x17a, MCG_CTL = 0x17b, MC0 = 0x400,
       EBL_CR_POWERON = 0x2a, FEATURE_CONTROL = 0x3a, PLATFORM_INFO = 0xce, MISC_FEATURES = 0x140,
       PERF_STATUS = 0x198, PERF_CTL = 0x199, THERM_INTERRUPT = 0x19b, THERM_STATUS = 0x19c,
       AMD_PATCH_LEVEL = 0x8b, AMD_HWCR = 0xc0010015, AMD_NB_CFG = 0xc001001f,
       AMD_SYSCFG = 0xc0010010, AMD_TOM1 = 0xc001001a, AMD_TOM2 = 0xc001001d,
       AMD_VM_CR = 0xc0010114, AMD_DE_CFG = 0xc0011029, AMD_OSVW_LEN = 0xc0010140,
       AMD_OSVW = 0xc0010141, AMD_K8_INT_PENDING = 0xc0010055, AMD_LS_CFG = 0xc0011020,
       AMD_BU_CFG = 0xc0011023, AMD_PSTATE_LIMIT = 0xc0010061 };
#define MCA_BANKS 4
#define MTRR_DEF_WRITABLE 0xcffull

static const uint32_t fixed[11] = { MTRR_FIX64K, MTRR_FIX16K, MTRR_FIX16K + 1, MTRR_FIX4K,
    MTRR_FIX4K + 1, MTRR_FIX4K + 2, MTRR_FIX4K + 3, MTRR_FIX4K + 4, MTRR_FIX4K + 5,
    MTRR_FIX4K + 6, MTRR_FIX4K + 7 };

/* Read as a fixed value; writes are dropped if droppable, else fault. */
typedef struct FixedMsr {
    uint32_t index;
    bool droppable;
    uint64_t value;
} FixedMsr;

static const FixedMsr constants[] = {
    { PLATFORM_ID, false, 0 }, { UCODE_REV, true, 0x1000065 }, { EBL_CR_POWERON, true, 0 },
    { FEATURE_CONTROL, false, 1 }, { PLATFORM_INFO, false, 0 }, { MISC_FEATURES, true, 0 },
    { PERF_STATUS, false, 0 }, { PERF_CTL, true, 0 }, { THERM_INTERRUPT, true, 0 },
    { THERM_STATUS, true, 0 }, { AMD_HWCR, true, 0 }, { AMD_NB_CFG, true, 0 },
    { AMD_SYSCFG, true, 0 }, { AMD_TOM1, true, 0 }, { AMD_TOM2, true, 0 },
    { AMD_VM_CR, true, 0x10 }, { AMD_DE_CFG, true, 2 }, { AMD_OSVW_LEN, true, 4 },
    { AMD_OSVW, true, 0 }, { AMD_K8_INT_PENDING, true, 0 }, { AMD_LS_CFG, true, 0 },
    { AMD_BU_CFG, true, 0 }, { AMD_PSTATE_LIMIT, false, 0 },
};

static const FixedMsr *find_constant(uint32_t index)
{
    for (unsigned i = 0; i < sizeof constants / sizeof constants[0]; i++) {
        if (constants[i].index == index) {
            return &constants[i];
        }
    }
    return NULL;
}

static const uint64_t *find_register(const MsrState *s, uint32_t index)
{
    if (index >= MTRR_PHYS0 && index < MTRR_PHYS0 + 2 * MTRR_VARIABLE) {
        return index & 1 ? &s->mtrr_mask[(index - MTRR_PHYS0) / 2]
                         : &s->mtrr_base[(index - MTRR_PHYS0) / 2];
    }
    if (index >= MC0 && index < MC0 + 4 * MCA_BANKS) {
        return &s->mca[index - MC0];
    }
    for (unsigned i = 0; i < 11; i++) {
        if (fixed[i] == index) {
            return &s->mtrr_fixed[i];
        }
    }
    switch (index) {
    case MTRR_DEF: return &s->mtrr_default;
    case MCG_STATUS: return &s->mcg_status;
    case TSC_ADJUST: return &s->tsc_adjust;
    default: return NULL;
    }
}

bool msr_read(const MsrState *s, uint32_t index, uint64_t *v)
{
    const uint64_t *reg = find_register(s, index);
    const FixedMsr *c = find_constant(index);

    if (index == MTRR_CAP) {
        *v = MTRR_VARIABLE | 1 << 8 | 1 << 10;  /* fixed ranges, write combining */
    } else if (index == MCG_CAP) {
        *v = MCA_BANKS;
    } else if (reg) {
        *v = *reg;
    } else if (c) {
        *v = c->value;
    } else {
        return false;
    }
    return true;
}

static bool memory_type(uint8_t type)
{
    return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static bool fixed_valid(uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        if (!memory_type(v >> (8 * i))) {
            return false;
        }
    }
    return true;
}

bool msr_write(MsrState *s, uint32_t index, uint64_t v, unsigned phys_bits)
{
    uint64_t *reg = (uint64_t *)(uintptr_t)find_register(s, index);
    uint64_t beyond = ~((1ull << phys_bits) - 1);
    const FixedMsr *c = find_constant(index);

    if (!reg) {
        return c && c->droppable;
    }
    if (index == MTRR_DEF) {
        if ((v & ~MTRR_DEF_WRITABLE) || !memory_type(v)) {
            return false;
        }
    } else if (index >= MTRR_PHYS0 && index < MTRR_PHYS0 + 2 * MTRR_VARIABLE) {
        if (v & (index & 1 ? beyond | 0x7ff : beyond | 0xf00) ||
            (!(index & 1) && !memory_type(v))) {
            return false;
        }
    } else if (index >= MTRR_FIX64K && index < MTRR_FIX4K + 8) {
        if (!fixed_valid(v)) {
            return false;
        }
    } else if (index >= MC0 && (index & 3) && v) {
        return false;           /* status, address and misc take only 0 */
    }
    *reg = v;
    return true;
}

void msr_reset(MsrState *s)
{
    memset(s, 0, sizeof *s);
}

const StateField msr_state[] = {
    STATE_U64(MsrState, mtrr_default), STATE_U64_ARRAY(MsrState, mtrr_fixed),
    STATE_U64_ARRAY(MsrState, mtrr_base), STATE_U64_ARRAY(MsrState, mtrr_mask),
    STATE_U64(MsrState, mcg_status), STATE_U64(MsrState, tsc_adjust),
    STATE_U64_ARRAY(MsrState, mca), STATE_END
};
