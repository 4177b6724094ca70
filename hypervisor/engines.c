/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engines.c - chooses between the CPU engines.  KVM is taken when it works and is fast: some hosts
 * offer a KVM that itself interprets every instruction, and there our own software CPU wins.
 */
#include "hypervisor/engines.h"

#include <string.h>
#include <sys/mman.h>
#include "hypervisor/kvm/kvm.h"
#include "hypervisor/vcpu.h"

#define PROBE_MEMORY 65536
#define PROBE_CODE 0x1000
#define PROBE_LOOPS 10000       /* of two instructions */
#define SLOW_NS 20.0            /* for an instruction: an interpreter, not a processor */

/* --- how fast does an engine run here? --- */

static unsigned probe_no_irq(Vcpu *v)
{
    (void)v;
    return 0;
}

static uint64_t probe_tsc(Vcpu *v)
{
    (void)v;
    return monotonic_ns();
}

static const EngineHost probe_host = { .irq_pending = probe_no_irq, .tsc = probe_tsc };

/* ns for one instruction of a short loop in real mode; 0 when it can't be told. */
static double probe_ns(const EngineOps *ops)
{
    /* mov ecx, PROBE_LOOPS; dec ecx; jnz; hlt */
    static const uint8_t code[] = { 0x66, 0xb9, PROBE_LOOPS & 0xff, PROBE_LOOPS >> 8 & 0xff, 0, 0,
                                    0x66, 0x49, 0x75, 0xfc, 0xf4 };
    uint8_t types[PROBE_MEMORY / PAGE_SIZE], code_pages[PROBE_MEMORY / PAGE_SIZE] = { 0 };
    GuestMemory mem = { .size = PROBE_MEMORY, .types = types, .code_pages = code_pages };
    g_autofree VcpuState *state = g_new0(VcpuState, 1);
    char *why = NULL;
    Engine *e;
    EngineVcpu *v;
    double ns = 0;

    memset(types, MEM_RAM, sizeof types);
    mem.base = mmap(NULL, PROBE_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mem.base == MAP_FAILED) {
        return 0;
    }
    memcpy(mem.base + PROBE_CODE, code, sizeof code);
    e = ops->create(&mem, &probe_host, &why);
    v = e ? ops->vcpu_create(e, NULL, 0, 0, NULL, NULL) : NULL;
    if (v) {
        int64_t start;

        vcpu_reset_state(state, PROBE_CODE >> PAGE_SHIFT);
        ops->set_state(v, state);
        start = monotonic_ns();
        if (ops->run(v) == VCPU_STOP_HALTED) {
            ns = (double)(monotonic_ns() - start) / (2 * PROBE_LOOPS);
        }
        ops->vcpu_destroy(v);
    }
    if (e) {
        ops->destroy(e);
    }
    munmap(mem.base, PROBE_MEMORY);
    return ns;
}

/* --- the choice --- */

static bool try_engine(Domain *d, const EngineOps *ops, char **why)
{
    d->engine = ops->create(&d->mem.guest, &vcpu_engine_host, why);
    if (!d->engine) {
        return false;
    }
    if (d->opt.code_memory_mb && ops->set_code_memory) {
        ops->set_code_memory(d->engine, (size_t)d->opt.code_memory_mb << 20);
    }
    d->ops = ops;
    ops->caps(d->engine, &d->caps);
    return true;
}

static void chosen(Domain *d, const char *why)
{
    g_free(d->engine_reason);
    d->engine_reason = why && *why ? g_strdup_printf("cpu: %s (%s)", d->ops->name, why)
                                   : g_strdup_printf("cpu: %s", d->ops->name);
    g_info("%s", d->engine_reason);
}

const char *engines_reason(const Domain *d)
{
    return d->engine_reason;
}

/* Why KVM, though d->caps says that it works, is not the one to take; NULL: it is. */
static char *against_kvm(const Domain *d)
{
    double ns = probe_ns(&engine_kvm);

    if (d->opt.tsc_mode == 1 && !d->tsc_safe) {
        return g_strdup("tsc_mode=1, and this host's TSC, which guests of KVM read, is not reliable");
    }
    if (ns > SLOW_NS) {
        return g_strdup_printf("this host's KVM needs %.0f ns for an instruction", ns);
    }
    if (!d->caps.bare_hypercalls) {
        return g_strdup("this host's KVM passes no hypercalls on, which new Linux guests need; "
                        "cpu=\"kvm\" is quicker for others");
    }
    return NULL;
}

static bool engine_auto(Domain *d, char **why)
{
    g_autofree char *reason = NULL, *no_soft = NULL;

    if (try_engine(d, &engine_kvm, why)) {
        reason = against_kvm(d);
        if (!reason) {
            chosen(d, "");
            return true;
        }
        d->ops->destroy(d->engine);
        d->engine = NULL;
        if (try_engine(d, &engine_soft, &no_soft)) {
            chosen(d, reason);
            return true;
        }
        if (try_engine(d, &engine_kvm, why)) {
            chosen(d, "the software CPU can't run on this host");
            return true;
        }
        return false;
    }
    if (!try_engine(d, &engine_soft, &no_soft)) {
        return false;
    }
    chosen(d, *why);
    return true;
}

bool engines_create(Domain *d, GError **error)
{
    char *why = NULL;
    bool ok;

    if (d->opt.kvm_fd >= 0) {
        kvm_set_fd(d->opt.kvm_fd);
    }
    switch (d->opt.cpu) {
    case CPU_KVM:
        ok = try_engine(d, &engine_kvm, &why);
        break;
    case CPU_SOFT:
        ok = try_engine(d, &engine_soft, &why);
        break;
    case CPU_INTERPRETER:
        ok = try_engine(d, &engine_interp, &why);
        break;
    default:
        ok = engine_auto(d, &why);
    }
    if (!ok) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "no CPU engine: %s",
                    why ? why : "not available");
        return false;
    }
    if (d->opt.cpu != CPU_AUTO) {
        g_autofree char *against = d->opt.cpu == CPU_KVM ? against_kvm(d) : NULL;
        g_autofree char *told = g_strdup_printf("as told%s%s", against ? ", though " : "",
                                                against ? against : "");

        chosen(d, told);
    }
    return true;
}
