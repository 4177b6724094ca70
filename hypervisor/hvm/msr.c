/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msr.c - the model-specific registers policy: MTRRs as in Intel's SDM volume 3 chapter 12 (kept,
 * without effect on caching), machine check with two silent banks, and a list of registers that
 * read as constants because Xen answers them for its guests.  All others raise #GP.
 */
#include "hypervisor/hvm/msr.h"

#include <string.h>

enum {
    MSR_APIC_BASE = 0x1b, MSR_TSC_ADJUST = 0x3b, MSR_MTRRCAP = 0xfe,
    MSR_MISC_FEATURES_ENABLES = 0x140, MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a, MSR_MTRR_VAR = 0x200, MSR_MTRR_FIX64K = 0x250,
    MSR_MTRR_FIX16K = 0x258, MSR_MTRR_FIX4K = 0x268, MSR_MTRR_DEF = 0x2ff, MSR_MC0_CTL = 0x400,
    MSR_ARCH_CAPABILITIES = 0x10a, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC = 0x800, MSR_X2APIC_END = 0xc00,
};

#define MSR_TSC_AUX 0xc0000103u
#define MTRR_VARIABLE 8
#define MTRRCAP (MTRR_VARIABLE | 1u << 8 | 1u << 10)    /* fixed ranges, write combining */
#define MC_BANKS 2
#define MTRR_DEF_ENABLES 0xc00u

struct Msrs {
    Device dev;
    Lapic *lapic;
    uint32_t phys_bits;
    bool amd, tsc_aux_fixed;
    uint64_t arch_capabilities;
    uint64_t mtrr_def, mtrr_fixed[11], mtrr_variable[2 * MTRR_VARIABLE];
    uint64_t mc_ctl[MC_BANKS];
    int64_t tsc_adjust, tsc_adjust_taken;
};

enum Vendor { ANY, INTEL, AMD };

/* Read as value; writes are dropped when so marked, else #GP. */
static const struct {
    uint32_t first, last;
    enum Vendor vendor;
    bool writable;
    uint64_t value;
} constants[] = {
    { 0x17, 0x17, INTEL, false, 0 },            /* PLATFORM_ID */
    { 0x2a, 0x2a, INTEL, true, 0 },             /* EBL_CR_POWERON */
    { 0x3a, 0x3a, INTEL, false, 1 },            /* FEATURE_CONTROL: locked, nothing on */
    { 0x79, 0x79, INTEL, true, 0 },             /* microcode update: ignored */
    { 0x8b, 0x8b, ANY, true, 0 },               /* microcode revision */
    { 0xcd, 0xcd, INTEL, false, 0 },            /* FSB_FREQ */
    { 0xce, 0xce, INTEL, false, 0 },            /* PLATFORM_INFO */
    { 0x119, 0x119, INTEL, true, 0 },           /* BBL_CR_CTL */
    { 0x11e, 0x11e, INTEL, true, 0 },           /* BBL_CR_CTL3 */
    { MSR_MISC_FEATURES_ENABLES, MSR_MISC_FEATURES_ENABLES, INTEL, false, 0 },
    { 0x198, 0x198, ANY, false, 0 },            /* PERF_STATUS */
    { 0x199, 0x199, ANY, true, 0 },             /* PERF_CTL */
    { 0x1db, 0x1de, ANY, false, 0 },            /* last branch and exception */
    { 0xc0010000, 0xc0010007, AMD, true, 0 },   /* performance counters */
    { 0xc0010010, 0xc0010010, AMD, true, 0 },   /* SYSCFG */
    { 0xc0010015, 0xc0010015, AMD, true, 1u << 24 },    /* HWCR: TSC runs at P0's frequency */
    { 0xc001001a, 0xc001001a, AMD, true, 0 },   /* TOP_MEM */
    { 0xc001001d, 0xc001001d, AMD, true, 0 },
    { 0xc001001f, 0xc001001f, AMD, true, 0 },   /* NB_CFG */
    { 0xc0010020, 0xc0010020, AMD, true, 0 },   /* microcode update: ignored */
    { 0xc0010055, 0xc0010055, AMD, true, 0 },   /* interrupt pending message */
    { 0xc0010058, 0xc0010058, AMD, false, 0 },  /* MMIO configuration: off */
    { 0xc0010061, 0xc0010064, AMD, true, 0 },   /* P-states */
    { 0xc0010114, 0xc0010114, AMD, true, 0x18 },/* VM_CR: SVM disabled and locked */
    { 0xc0010140, 0xc0010141, AMD, true, 0 },   /* OSVW */
    { 0xc0011020, 0xc0011020, AMD, true, 0 },   /* LS_CFG */
    { 0xc0011022, 0xc0011023, AMD, true, 0 },   /* DC_CFG, BU_CFG */
    { 0xc0011029, 0xc0011029, AMD, true, 2 },   /* DE_CFG: LFENCE serialises */
    { 0xc001102a, 0xc001102a, AMD, true, 0 },   /* BU_CFG2 */
};

static int constant(const Msrs *s, uint32_t index)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(constants); i++) {
        if (index >= constants[i].first && index <= constants[i].last &&
            (constants[i].vendor == ANY || (constants[i].vendor == AMD) == s->amd)) {
            return i;
        }
    }
    return -1;
}

static uint64_t *fixed_mtrr(Msrs *s, uint32_t index)
{
    if (index == MSR_MTRR_FIX64K) {
        return &s->mtrr_fixed[0];
    }
    if (index == MSR_MTRR_FIX16K || index == MSR_MTRR_FIX16K + 1) {
        return &s->mtrr_fixed[1 + index - MSR_MTRR_FIX16K];
    }
    if (index >= MSR_MTRR_FIX4K && index < MSR_MTRR_FIX4K + 8) {
        return &s->mtrr_fixed[3 + index - MSR_MTRR_FIX4K];
    }
    return NULL;
}

static bool memory_type(uint8_t t)
{
    return t < 7 && t != 2 && t != 3;
}

static bool write_variable(Msrs *s, unsigned n, uint64_t value)
{
    uint64_t address = ((1ULL << s->phys_bits) - 1) & ~0xfffULL;
    uint64_t other = n & 1 ? 1u << 11 : 0xff;

    if ((value & ~(address | other)) || (!(n & 1) && !memory_type(value))) {
        return false;
    }
    s->mtrr_variable[n] = value;
    return true;
}

static bool write_fixed(uint64_t *mtrr, uint64_t value)
{
    for (unsigned i = 0; i < 64; i += 8) {
        if (!memory_type(value >> i)) {
            return false;
        }
    }
    *mtrr = value;
    return true;
}

bool msrs_read(Msrs *s, uint32_t index, uint64_t *value)
{
    uint64_t *fixed = fixed_mtrr(s, index);
    int c;

    if (fixed) {
        *value = *fixed;
        return true;
    }
    switch (index) {
    case MSR_APIC_BASE: *value = lapic_base(s->lapic); return true;
    case MSR_TSC_ADJUST: *value = s->tsc_adjust; return true;
    case MSR_MTRRCAP: *value = MTRRCAP; return true;
    case MSR_MTRR_DEF: *value = s->mtrr_def; return true;
    case MSR_MTRR_VAR ... MSR_MTRR_VAR + 2 * MTRR_VARIABLE - 1:
        *value = s->mtrr_variable[index - MSR_MTRR_VAR];
        return true;
    case MSR_MCG_CAP: *value = MC_BANKS; return true;
    case MSR_MCG_STATUS: *value = 0; return true;
    case MSR_MC0_CTL ... MSR_MC0_CTL + 4 * MC_BANKS - 1:
        *value = index & 3 ? 0 : s->mc_ctl[(index - MSR_MC0_CTL) / 4];
        return true;
    case MSR_ARCH_CAPABILITIES: *value = s->arch_capabilities; return s->arch_capabilities;
    case MSR_TSC_DEADLINE: *value = lapic_deadline(s->lapic); return true;
    case MSR_X2APIC ... MSR_X2APIC_END - 1: return lapic_msr_read(s->lapic, index, value);
    default: break;
    }
    c = constant(s, index);
    if (c < 0) {
        return false;
    }
    *value = constants[c].value;
    return true;
}

bool msrs_quick(uint32_t index, bool write)
{
    return index == MSR_TSC_DEADLINE || (index >= MSR_X2APIC && index < MSR_X2APIC_END) ||
           (index == MSR_APIC_BASE && !write);
}

bool msrs_write(Msrs *s, uint32_t index, uint64_t value)
{
    uint64_t *fixed = fixed_mtrr(s, index);
    int c;

    if (fixed) {
        return write_fixed(fixed, value);
    }
    switch (index) {
    case MSR_APIC_BASE: return lapic_set_base(s->lapic, value);
    case MSR_TSC_ADJUST: s->tsc_adjust = value; return true;
    case MSR_TSC_AUX: return s->tsc_aux_fixed;
    case MSR_MTRR_DEF:
        if ((value & ~(uint64_t)(MTRR_DEF_ENABLES | 0xff)) || !memory_type(value)) {
            return false;
        }
        s->mtrr_def = value;
        return true;
    case MSR_MTRR_VAR ... MSR_MTRR_VAR + 2 * MTRR_VARIABLE - 1:
        return write_variable(s, index - MSR_MTRR_VAR, value);
    case MSR_MCG_STATUS: return true;
    case MSR_MC0_CTL ... MSR_MC0_CTL + 4 * MC_BANKS - 1:
        if (!(index & 3)) {
            s->mc_ctl[(index - MSR_MC0_CTL) / 4] = value;
            return true;
        }
        return value == 0;      /* status, address and misc can only be cleared */
    case MSR_MISC_FEATURES_ENABLES: return !s->amd && value == 0;   /* Linux writes it at each boot */
    case MSR_TSC_DEADLINE: lapic_set_deadline(s->lapic, value); return true;
    case MSR_X2APIC ... MSR_X2APIC_END - 1: return lapic_msr_write(s->lapic, index, value);
    default: break;
    }
    c = constant(s, index);
    return c >= 0 && constants[c].writable;
}

int64_t msrs_take_tsc_adjust(Msrs *s)
{
    int64_t change = (int64_t)((uint64_t)s->tsc_adjust - (uint64_t)s->tsc_adjust_taken);

    s->tsc_adjust_taken = s->tsc_adjust;
    return change;
}

static bool msrs_init(Device *dev, GError **error)
{
    Msrs *s = (Msrs *)dev;

    if (s->phys_bits < 36 || s->phys_bits > 52) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%u address bits are impossible",
                    s->phys_bits);
        return false;
    }
    return true;
}

static void msrs_reset(Device *dev)
{
    Msrs *s = (Msrs *)dev;

    s->mtrr_def = 0;
    memset(s->mtrr_fixed, 0, sizeof s->mtrr_fixed);
    memset(s->mtrr_variable, 0, sizeof s->mtrr_variable);
    memset(s->mc_ctl, 0xff, sizeof s->mc_ctl);
    s->tsc_adjust = s->tsc_adjust_taken = 0;
}

static bool msrs_loaded(Device *dev, GError **error)
{
    (void)dev;
    (void)error;
    return true;
}

static const ConfigField msrs_config[] = {
    CONFIG_FIELD(Msrs, lapic, CONFIG_POINTER, NULL, "the vCPU's LAPIC"),
    CONFIG_FIELD(Msrs, phys_bits, CONFIG_U32, "40", "physical address width"),
    CONFIG_FIELD(Msrs, amd, CONFIG_BOOL, "0", "the CPU is an AMD"),
    CONFIG_FIELD(Msrs, arch_capabilities, CONFIG_U64, "0", "of that MSR; 0: there is none"),
    CONFIG_FIELD(Msrs, tsc_aux_fixed, CONFIG_BOOL, "0", "TSC_AUX is not the guest's to write"),
    CONFIG_END
};

static const StateField msrs_state[] = {
    STATE_U64(Msrs, mtrr_def),
    STATE_U64_ARRAY(Msrs, mtrr_fixed),
    STATE_U64_ARRAY(Msrs, mtrr_variable),
    STATE_U64_ARRAY(Msrs, mc_ctl),
    STATE_I64(Msrs, tsc_adjust),
    STATE_I64(Msrs, tsc_adjust_taken),
    STATE_END
};

const DeviceClass msrs_class = {
    .name = "msrs", .summary = "a vCPU's model-specific registers", .size = sizeof(Msrs),
    .version = 1, .config = msrs_config, .state = msrs_state, .init = msrs_init,
    .reset = msrs_reset, .loaded = msrs_loaded,
};
