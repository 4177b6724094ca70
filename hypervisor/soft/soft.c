/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * soft.c - the software CPU as an engine: domains and vCPUs, state in and out, and everything one
 * thread asks of another vCPU.
 *
 * See core.h for the threads' rules.  A request is a bit in CpuPriv.requests; who needs it done
 * waits on Engine.changed until the vCPU has taken it or is out of guest code.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "hypervisor/soft/core.h"
#include "hypervisor/soft/jit/jit.h"
#include "hypervisor/soft/simd.h"
#include "hypervisor/soft/sys.h"

/* --- in and out of guest code --- */
static void tell_waiters(Engine *e)
{
    if (!__atomic_load_n(&e->waiters, __ATOMIC_SEQ_CST))
        return;
    pthread_mutex_lock(&e->lock);
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

void guest_leave(Cpu *c)
{
    count(c, COUNT_LEFT);
    fpu_leave(c);
    __atomic_exchange_n(&cpu_priv(c)->in_guest, 0, __ATOMIC_SEQ_CST);
    tell_waiters(c->engine);
}

void requests_take(Cpu *c)
{
    CpuPriv *p = cpu_priv(c);
    CodeRange ranges[RANGE_ROOM];
    unsigned count = 0;
    uint32_t r = __atomic_exchange_n(&p->requests, 0, __ATOMIC_SEQ_CST);

    if (!r)
        return;
    if (r & REQ_RANGES) {
        pthread_mutex_lock(&c->engine->lock);
        count = p->range_count;
        memcpy(ranges, p->ranges, count * sizeof ranges[0]);
        p->range_count = 0;
        pthread_mutex_unlock(&c->engine->lock);
    }
    if (r & REQ_TLB)
        tlb_flush_all(c);
    else if (r & REQ_WRITE_TAGS)
        tlb_drop_write_tags(c);
    if (r & REQ_PIECE) {
        jit_asked(c);
        __atomic_fetch_or(&c->poll, POLL_REQUEST, __ATOMIC_SEQ_CST);    /* the run loop gives */
    }
    if (r & REQ_ALL_CODE)
        block_flush(c);
    else
        for (unsigned n = 0; n < count; n++)
            block_invalidate(c, ranges[n].gpa, ranges[n].len);
    tell_waiters(c->engine);
}

void guest_enter(Cpu *c)
{
    CpuPriv *p = cpu_priv(c);
    Engine *e = c->engine;

    __atomic_exchange_n(&p->in_guest, 1, __ATOMIC_SEQ_CST);
    if (e->exclusive && e->exclusive != c) {
        pthread_mutex_lock(&e->lock);
        while (e->exclusive && e->exclusive != c) {
            __atomic_store_n(&p->in_guest, 0, __ATOMIC_SEQ_CST);
            pthread_cond_broadcast(&e->changed);
            pthread_cond_wait(&e->changed, &e->lock);
            __atomic_exchange_n(&p->in_guest, 1, __ATOMIC_SEQ_CST);
        }
        pthread_mutex_unlock(&e->lock);
    }
    if (p->requests)
        requests_take(c);
    fpu_enter(c);
}

static void request(Cpu *c, uint32_t bits)
{
    __atomic_fetch_or(&cpu_priv(c)->requests, bits, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&c->poll, POLL_REQUEST, __ATOMIC_SEQ_CST);
}

/* Under Engine.lock.  Only who is counted is told, so that is to be seen before the first look at a vCPU: a plain
 * store could still be on its way while the vCPU that was in guest code leaves it, looks and tells nobody. */
static void waiter_begin(Engine *e) { __atomic_fetch_add(&e->waiters, 1, __ATOMIC_SEQ_CST); }
static void waiter_end(Engine *e) { __atomic_fetch_sub(&e->waiters, 1, __ATOMIC_SEQ_CST); }

/* Under Engine.lock: until no vCPU but c is in guest code with one of bits untaken. */
static void wait_taken(Engine *e, const Cpu *c, uint32_t bits)
{
    waiter_begin(e);
    for (unsigned n = 0; n < e->cpu_count; n++) {
        Cpu *o = e->cpus[n];
        while (o && o != c && __atomic_load_n(&cpu_priv(o)->in_guest, __ATOMIC_SEQ_CST) &&
               (__atomic_load_n(&cpu_priv(o)->requests, __ATOMIC_SEQ_CST) & bits))
            pthread_cond_wait(&e->changed, &e->lock);
    }
    waiter_end(e);
}

/* All vCPUs but c (NULL: all) take bits; returns when none can still be without. */
static void request_all(Engine *e, Cpu *c, uint32_t bits)
{
    bool others = c ? e->cpu_count > 1 : e->cpu_count > 0;

    if (!others)
        return;
    if (c)
        guest_leave(c);
    pthread_mutex_lock(&e->lock);
    for (unsigned n = 0; n < e->cpu_count; n++)
        if (e->cpus[n] && e->cpus[n] != c)
            request(e->cpus[n], bits);
    wait_taken(e, c, bits);
    pthread_mutex_unlock(&e->lock);
    if (c)
        guest_enter(c);
}

void write_tags_drop_others(Cpu *c)
{
    request_all(c->engine, c, REQ_WRITE_TAGS);
}

void code_post(Engine *e, Cpu *c, uint64_t gpa, uint64_t len)
{
    pthread_mutex_lock(&e->lock);
    for (unsigned n = 0; n < e->cpu_count; n++) {
        Cpu *o = e->cpus[n];
        CpuPriv *p;

        if (!o || o == c)
            continue;
        p = cpu_priv(o);
        if (p->range_count < RANGE_ROOM) {
            p->ranges[p->range_count++] = (CodeRange){ gpa, len };
            request(o, REQ_RANGES);
        } else {
            request(o, REQ_ALL_CODE);
        }
    }
    pthread_mutex_unlock(&e->lock);
}

void code_post_others(Cpu *c, uint64_t gpa, uint64_t len)
{
    if (c->engine->cpu_count > 1)
        code_post(c->engine, c, gpa, len);
}

/* --- whose blocks and code --- */
void cpu_take(Cpu *c)
{
    CpuPriv *p = cpu_priv(c);
    Engine *e = c->engine;

    __atomic_exchange_n(&p->rests, 0, __ATOMIC_SEQ_CST);
    if (unlikely(p->frozen)) {
        pthread_mutex_lock(&e->lock);
        while (p->frozen)
            pthread_cond_wait(&e->changed, &e->lock);
        pthread_mutex_unlock(&e->lock);
    }
    jit_resume(c);
}

void cpu_rest(Cpu *c)
{
    c->block = NULL;
    __atomic_store_n(&cpu_priv(c)->rests, 1, __ATOMIC_RELEASE);
}

bool cpu_freeze(Cpu *o)
{
    CpuPriv *p = cpu_priv(o);

    if (p->frozen)
        return false;
    __atomic_exchange_n(&p->frozen, 1, __ATOMIC_SEQ_CST);
    if (p->rests)
        return true;
    cpu_thaw(o);
    request(o, REQ_PIECE);
    return false;
}

void cpu_thaw(Cpu *o)
{
    __atomic_exchange_n(&cpu_priv(o)->frozen, 0, __ATOMIC_SEQ_CST);
    pthread_cond_broadcast(&o->engine->changed);
}

/* --- the exclusive section --- */
void cpu_exclusive_begin(Cpu *c)
{
    CpuPriv *p = cpu_priv(c);
    Engine *e = c->engine;

    p->exclusive = true;
    if (e->cpu_count <= 1)
        return;
    guest_leave(c);
    pthread_mutex_lock(&e->lock);
    while (e->exclusive)
        pthread_cond_wait(&e->changed, &e->lock);
    e->exclusive = c;
    waiter_begin(e);            /* and that is to be seen first, too */
    for (unsigned n = 0; n < e->cpu_count; n++) {
        Cpu *o = e->cpus[n];

        if (!o || o == c)
            continue;
        __atomic_fetch_or(&o->poll, POLL_REQUEST, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&cpu_priv(o)->in_guest, __ATOMIC_SEQ_CST))
            pthread_cond_wait(&e->changed, &e->lock);
    }
    waiter_end(e);
    pthread_mutex_unlock(&e->lock);
    guest_enter(c);
}

void cpu_exclusive_end(Cpu *c)
{
    CpuPriv *p = cpu_priv(c);
    Engine *e = c->engine;

    p->exclusive = false;
    if (e->exclusive != c)
        return;
    pthread_mutex_lock(&e->lock);
    e->exclusive = NULL;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

/* --- engine --- */
static void *pages_map(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void soft_destroy(Engine *e)
{
    uint64_t n = e->mem.size >> 12;

    if (e->holders && e->holders != e->mem.code_pages)
        munmap(e->holders, n);
    if (e->granules)
        munmap(e->granules, n * 8);
    if (e->settled)
        munmap(e->settled, n);
    if (e->logged)
        munmap(e->logged, n);
    if (e->dirty)
        munmap(e->dirty, n);
    code_pool_free(e);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->changed);
    free(e);
}

static Engine *soft_create(const GuestMemory *mem, const EngineHost *host, char **why)
{
    Engine *e = simd_host_ok() ? calloc(1, sizeof *e) : NULL;
    uint64_t n = mem->size >> 12;

    if (!simd_host_ok()) {
        *why = strdup("the software CPU needs a host CPU with SSE4.2");
        return NULL;
    }
    if (e) {
        e->mem = *mem;
        e->host = host;
        e->warm = JIT_WARM;
        e->code_memory = CODE_MEMORY;
        pthread_mutex_init(&e->lock, NULL);
        pthread_cond_init(&e->changed, NULL);
        e->holders = mem->code_pages ? mem->code_pages : pages_map(n);
        e->granules = pages_map(n * 8);
        e->settled = pages_map(n);
        e->logged = pages_map(n);
        e->dirty = pages_map(n);
        if (e->holders && e->granules && e->settled && e->logged && e->dirty)
            return e;
        soft_destroy(e);
    }
    *why = strdup("out of memory for the software CPU's page tables");
    return NULL;
}

static void soft_set_code_memory(Engine *e, size_t bytes)
{
    e->code_memory = bytes & ~4095ull;
}

static Engine *interp_create(const GuestMemory *mem, const EngineHost *host, char **why)
{
    Engine *e = soft_create(mem, host, why);

    if (e)
        e->interpret = true;
    return e;
}

/*
 * What Intel's processors may let a program see of others' data by, and what its kernel does about it: two sets of
 * page tables and a switch at each system call, buffers overwritten.  None of it works on this CPU, whose
 * guests' rights are compares in its own code, so the guest is told that it needn't.  (AMD's say so by their name.)
 * ITS goes by where in a line of the cache a branch is, which is another place for its translation.
 */
#define UNTOUCHED (ARCH_RDCL_NO | ARCH_SKIP_L1DFL | ARCH_SSB_NO | ARCH_MDS_NO | ARCH_PSCHANGE_NO | ARCH_TAA_NO | \
                   ARCH_SBDR_SSDP_NO | ARCH_FBSDP_NO | ARCH_PSDP_NO | ARCH_GDS_NO | ARCH_RFDS_NO | ARCH_ITS_NO)

static void soft_caps(Engine *e, EngineCaps *caps)
{
    (void)e;
    memset(caps, 0, sizeof *caps);
    /* FPU VME DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH MMX FXSR SSE
     * SSE2 */
    caps->leaf1_edx = 0x078bfbff;
    /* SSE3 PCLMUL SSSE3 CX16 PCID SSE4.1 SSE4.2 x2APIC MOVBE POPCNT TSC-deadline AES XSAVE OSXSAVE
     * hypervisor */
    caps->leaf1_ecx = 1 | 1 << 1 | 1 << 9 | 1 << 13 | 1 << 17 | 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22 |
                      1 << 23 | 1 << 24 | 1 << 25 | 1 << 26 | 1 << 27 | 1u << 31;
    /* FSGSBASE SMEP ERMS INVPCID SMAP CLFLUSHOPT CLWB; UMIP RDPID */
    caps->leaf7_ebx = 1 | 1 << 7 | 1 << 9 | 1 << 10 | 1 << 20 | 1 << 23 | 1 << 24;
    caps->leaf7_ecx = 1 << 2 | 1 << 22;
    caps->ext1_edx = 0x078bfbff & 0x0183f3ff;
    caps->ext1_edx |= 1 << 11 | 1 << 20 | 1 << 26 | 1 << 27 | 1 << 29; /* SYSCALL NX 1G RDTSCP LM */
    caps->ext1_ecx = 1 | 1 << 8;                        /* LAHF, 3DNow! prefetch */
    if (__builtin_cpu_supports("lzcnt"))
        caps->ext1_ecx |= 1 << 5;
    if (!__builtin_cpu_supports("popcnt"))
        caps->leaf1_ecx &= ~(1u << 23);
    caps->xcr0 = 3;
    caps->xsave_eax1 = 7;                               /* XSAVEOPT XSAVEC XGETBV1 */
    caps->phys_bits = SOFT_PHYS_BITS;
    caps->vendor_amd = __builtin_cpu_is("amd");
    caps->bare_hypercalls = true;
    if (__builtin_cpu_is("intel"))
        caps->arch_capabilities = UNTOUCHED;
    caps->emulates_tsc = true;
    simd_caps(caps);
}

/* --- vCPUs --- */
static void soft_vcpu_destroy(EngineVcpu *c)
{
    Engine *e = c->engine;

    cpu_take(c);
    pthread_mutex_lock(&e->lock);
    for (unsigned n = 0; n < e->cpu_count; n++)
        if (e->cpus[n] == c)
            e->cpus[n] = NULL;
    pthread_mutex_unlock(&e->lock);
    block_cache_free(c);
    jit_free(c);
    code_pages_free(c);
    low_free(c->priv, sizeof(CpuPriv));
    low_free(c, sizeof *c);
}

static EngineVcpu *soft_vcpu_create(Engine *e, Vcpu *v, unsigned id, unsigned apic_id,
                                    const uint32_t *prod, const uint32_t *seen)
{
    CpuPriv *p = low_alloc(sizeof *p);
    Cpu *c = low_alloc_large(sizeof *c);

    if (p && c)
        c->priv = p;
    if (p && c && id < SOFT_MAX_VCPUS && code_pages_init(c))
        p->cache = block_cache_new(e, id);
    if (!p || !c || !p->cache) {
        if (c)
            code_pages_free(c);
        low_free(p, sizeof *p);
        low_free(c, sizeof *c);
        return NULL;
    }
    p->vcpu = v;
    c->vcpu = (Vcpu *)(void *)c;        /* the wrapped host's cookie */
    c->engine = e;
    c->mem = &e->mem;
    c->code_ring_prod = prod ? prod : &p->dummy_ring;
    c->code_ring_seen = seen ? seen : &p->dummy_ring;
    c->id = id;
    c->apic_id = apic_id;
    block_cache_attach(c);
    if (!e->interpret)
        jit_attach(c);
    c->host = &soft_wrapped_host;
    tlb_init(c);
    c->fcomi_keeps_c1 = x87_fcomi_keeps_c1();
    cpu_reset(c);
    pthread_mutex_lock(&e->lock);
    e->cpus[id] = c;
    if (id >= e->cpu_count)
        e->cpu_count = id + 1;
    pthread_mutex_unlock(&e->lock);
    return c;
}

static void soft_kick(EngineVcpu *c, bool stop)
{
    __atomic_fetch_or(&c->poll, stop ? POLL_KICK | POLL_STOP : POLL_KICK, __ATOMIC_SEQ_CST);
}

/* Everything but x87 and SSE: what the hypervisor's own work needs, and asks for often. */
static void soft_get_system(EngineVcpu *c, VcpuState *s)
{
    memcpy(s->gpr, c->gpr, sizeof s->gpr);
    s->rip = c->rip;
    s->rflags = cpu_get_rflags(c);
    for (unsigned n = 0; n < SEG_COUNT; n++)
        seg_to_state(&c->seg[n], &s->seg[n]);
    seg_to_state(&c->ldtr, &s->ldtr);
    seg_to_state(&c->tr, &s->tr);
    s->gdt_base = c->gdt_base;
    s->gdt_limit = c->gdt_limit;
    s->idt_base = c->idt_base;
    s->idt_limit = c->idt_limit;
    s->cr0 = c->cr0;
    s->cr2 = c->cr2;
    s->cr3 = c->cr3;
    s->cr4 = c->cr4;
    s->efer = c->efer;
    s->xcr0 = c->xcr0;
    memcpy(s->dr, c->dr, sizeof s->dr);
    s->star = c->star;
    s->lstar = c->lstar;
    s->cstar = c->cstar;
    s->sfmask = c->sfmask;
    s->kernel_gs_base = c->kernel_gs_base;
    s->sysenter_cs = c->sysenter_cs;
    s->sysenter_esp = c->sysenter_esp;
    s->sysenter_eip = c->sysenter_eip;
    s->pat = c->pat;
    s->tsc_aux = c->tsc_aux;
    s->misc_enable = c->misc_enable;
    s->debugctl = c->debugctl;
    s->tsc_offset = c->tsc_offset;
    s->halted = c->halted;
    s->sti_shadow = !!(c->shadow & SHADOW_STI);
    s->mov_ss_shadow = !!(c->shadow & SHADOW_SS);
    s->nmi_blocked = c->nmi_blocked;
    s->nmi_pending = cpu_priv(c)->nmis_taken;
    s->pending_event = c->exc_vector >= 0;
    if (s->pending_event) {
        s->pending_vector = (uint8_t)c->exc_vector;
        s->pending_type = c->exc_type;
        s->pending_has_error = c->exc_has_error;
        s->pending_error = c->exc_error;
    }
}

static void soft_get_state(EngineVcpu *c, VcpuState *s)
{
    memset(s, 0, sizeof *s);
    soft_get_system(c, s);
    fpu_to_xsave(c, s->xsave, &s->xsave_size);
}

static void set_tables(Cpu *c, const VcpuState *s)
{
    for (unsigned n = 0; n < SEG_COUNT; n++)
        seg_from_state(&c->seg[n], &s->seg[n]);
    seg_from_state(&c->ldtr, &s->ldtr);
    seg_from_state(&c->tr, &s->tr);
    c->gdt_base = s->gdt_base;
    c->gdt_limit = s->gdt_limit;
    c->idt_base = s->idt_base;
    c->idt_limit = s->idt_limit;
    c->cr0 = s->cr0 | CR0_ET;
    c->cr2 = s->cr2;
    c->cr3 = s->cr3;
    c->cr4 = s->cr4;
    c->efer = s->efer;
    c->xcr0 = s->xcr0 | 1;
    memcpy(c->dr, s->dr, sizeof c->dr);
    c->star = s->star;
    c->lstar = s->lstar;
    c->cstar = s->cstar;
    c->sfmask = s->sfmask;
    c->kernel_gs_base = s->kernel_gs_base;
    c->sysenter_cs = s->sysenter_cs;
    c->sysenter_esp = s->sysenter_esp;
    c->sysenter_eip = s->sysenter_eip;
    c->pat = s->pat;
    c->tsc_aux = s->tsc_aux;
    c->misc_enable = s->misc_enable;
    c->debugctl = s->debugctl;
    c->tsc_offset = s->tsc_offset;
}

static void soft_set_state(EngineVcpu *c, const VcpuState *s)
{
    bool rested = cpu_priv(c)->rests;

    cpu_take(c);
    soft_cpuid_forget(c);
    memcpy(c->gpr, s->gpr, sizeof s->gpr);
    c->rip = s->rip;
    set_tables(c, s);
    c->rflags = 2;
    c->aflags = 0;
    if (!(c->cr0 & CR0_PE))
        c->cpl = 0;
    else
        c->cpl = s->rflags & RF_VM ? 3 : s->seg[SEG_SS].attr >> 5 & 3;
    cpu_set_rflags(c, (uint32_t)s->rflags, ~0u);
    c->halted = s->halted;
    c->shadow = (s->sti_shadow ? SHADOW_STI : 0) | (s->mov_ss_shadow ? SHADOW_SS : 0);
    c->nmi_blocked = s->nmi_blocked;
    cpu_priv(c)->nmis_taken = s->nmi_pending;
    if (s->nmi_pending)
        soft_request_look(c);
    c->exc_vector = -1;
    if (s->pending_event) {
        c->exc_vector = s->pending_vector;
        c->exc_type = s->pending_type;
        c->exc_has_error = s->pending_has_error;
        c->exc_error = s->pending_error;
        c->exc_insn_len = 0;
    }
    fpu_from_xsave(c, s->xsave, s->xsave_size);
    if ((c->cr0 & CR0_PG) && (c->cr4 & CR4_PAE) && !(c->efer & EFER_LMA))
        mmu_load_pdptes(c, c->cr3);
    tlb_flush_all(c);
    points_update(c);
    cpu_priv(c)->watch_hit = cpu_priv(c)->watch_held = 0;
    cpu_update_mode(c);
    block_stop(c);
    if (rested)
        cpu_rest(c);
    soft_kick(c, false);
}

/* --- memory --- */
static void soft_memory_changed(Engine *e, uint64_t gpa, uint64_t len)
{
    code_post(e, NULL, gpa, len);
    request_all(e, NULL, REQ_TLB);
}

static uint64_t page_clip(const Engine *e, uint64_t gpa, uint64_t len, uint64_t *first)
{
    uint64_t end = gpa + len < gpa || gpa + len > e->mem.size ? e->mem.size : gpa + len;

    *first = gpa >> 12;
    return (end + 0xfff) >> 12;
}

static void soft_dirty_log(Engine *e, uint64_t gpa, uint64_t len, bool on)
{
    uint64_t n, end = page_clip(e, gpa, len, &n);

    pthread_mutex_lock(&e->lock);
    for (; n < end; n++) {
        if (on && e->logged[n] < 255)
            e->logged[n]++;
        else if (!on && e->logged[n])
            e->logged[n]--;
        e->dirty[n] = 0;
    }
    pthread_mutex_unlock(&e->lock);
    if (on)
        request_all(e, NULL, REQ_WRITE_TAGS);
}

static void soft_dirty_fetch(Engine *e, uint64_t gpa, uint64_t len, uint8_t *bitmap)
{
    uint64_t first, end = page_clip(e, gpa, len, &first);
    bool any = false;

    for (uint64_t n = first; n < end; n++) {
        if (!e->dirty[n] || !__atomic_exchange_n(&e->dirty[n], 0, __ATOMIC_SEQ_CST))
            continue;
        bitmap[(n - first) / 8] |= (uint8_t)(1u << ((n - first) % 8));
        any = true;
    }
    if (any)
        request_all(e, NULL, REQ_WRITE_TAGS);
}

static void soft_code_written(Engine *e, uint64_t gpa, uint64_t len)
{
    uint64_t n, end = page_clip(e, gpa, len, &n);

    for (; n < end; n++)
        if (e->holders[n]) {
            code_post(e, NULL, gpa, len);
            return;
        }
}

static unsigned soft_counters(const EngineVcpu *c, EngineCounter *out)
{
#define SOFT_COUNTER_TEXT(constant, text) text,
    static const char *const names[] = { SOFT_COUNTERS(SOFT_COUNTER_TEXT) };
#undef SOFT_COUNTER_TEXT
    const uint64_t *counters = cpu_priv(c)->counters;

    _Static_assert(SOFT_COUNTER_COUNT <= ENGINE_COUNTERS, "all are told");
    for (unsigned n = 0; n < SOFT_COUNTER_COUNT; n++)
        out[n] = (EngineCounter){ names[n], __atomic_load_n(&counters[n], __ATOMIC_RELAXED) };
    return SOFT_COUNTER_COUNT;
}

#define SOFT_OPS(label, make) { \
    .name = (label), \
    .sees_posts = true, \
    .create = (make), \
    .destroy = soft_destroy, \
    .set_code_memory = soft_set_code_memory, \
    .caps = soft_caps, \
    .vcpu_create = soft_vcpu_create, \
    .vcpu_destroy = soft_vcpu_destroy, \
    .run = soft_run, \
    .kick = soft_kick, \
    .get_state = soft_get_state, \
    .get_system = soft_get_system, \
    .set_state = soft_set_state, \
    .memory_changed = soft_memory_changed, \
    .dirty_log = soft_dirty_log, \
    .dirty_fetch = soft_dirty_fetch, \
    .code_written = soft_code_written, \
    .debug_points = soft_debug_points, \
    .debug_step = soft_debug_step, \
    .debug_hit = soft_debug_hit, \
    .counters = soft_counters, \
}

const EngineOps engine_soft = SOFT_OPS("soft", soft_create);
const EngineOps engine_interp = SOFT_OPS("interp", interp_create);
