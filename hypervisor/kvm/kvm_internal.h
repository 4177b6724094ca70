/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kvm_internal.h - shared by the files of the KVM engine. */
#ifndef GH_KVM_INTERNAL_H
#define GH_KVM_INTERNAL_H

#include <linux/kvm.h>
#include <pthread.h>
#include "hypervisor/engine.h"
#include "hypervisor/kvm/kvm.h"
#include "hypervisor/kvm/kvm_count.h"
#include "include/pc_layout.h"

#define KVM_MAX_SLOTS 4096
#define KVM_MAX_LOGS 16
#define KVM_MAX_VCPUS 128
/* The trapping port that stands in for VMCALL where KVM does not pass that on: OUT imm8, EAX or AX. */
#define KVM_HYPERCALL_PORT PORT_HYPERCALL
#define KVM_SCRATCH 0xfffbc000u     /* identity map, then three of TSS: clear of Xen's pages */

typedef struct KvmSlot {
    uint64_t first, count;          /* pages; count 0: free */
    uint8_t type;                   /* MEM_RAM or MEM_ROM */
    bool log;
} KvmSlot;

typedef struct KvmLog {
    uint64_t first, count;          /* pages; count 0: free */
    uint8_t *bitmap;                /* dirty since the last fetch */
} KvmLog;

typedef struct KvmPatch {
    uint64_t gpa, linear;
    uint8_t old;                    /* the byte that INT3 stands for */
} KvmPatch;

/* A debugger's points; changed only while no vCPU runs. */
typedef struct KvmDebug {
    DebugPoint point[DEBUG_POINTS];
    unsigned points, generation;
    uint64_t dr[4], dr7;
    unsigned drs, dr_point[4];      /* registers in use, and the point that each is of */
    KvmPatch patch[DEBUG_POINTS];
    unsigned patches;
} KvmDebug;

struct Engine {
    const GuestMemory *mem;
    const EngineHost *host;
    int dev_fd, vm_fd;
    bool own_dev_fd;
    bool steer_tsc;                 /* guests' counters are set at each entry */
    bool sync_regs;                 /* registers can come by the shared page: kvm_regs.c */
    bool xen_hcalls;                /* KVM gives us VMCALL and VMMCALL */
    EngineCaps caps;
    size_t run_size;
    Engine *assist;                 /* of engine_soft, opaque here; NULL: not on this host */
    bool assisted;                  /* atomic: the log has the line about it */
    uint64_t call_site;             /* atomic: the last hypercall instruction that was changed; 0: none */
    bool call_told;                 /* atomic: the log has the line about that */

    pthread_mutex_t memory;         /* slots and logs; held over a whole change */
    KvmSlot slot[KVM_MAX_SLOTS];
    unsigned slot_limit;
    KvmLog log[KVM_MAX_LOGS];

    pthread_mutex_t lock;           /* the three below */
    pthread_cond_t cond;
    unsigned stopping;              /* vCPUs must stay out of guest code */
    EngineVcpu *vcpu[KVM_MAX_VCPUS];
    unsigned nvcpus;
    pthread_mutex_t ring_lock;      /* emptying it */
    struct kvm_coalesced_mmio_ring *ring;   /* collected writes; NULL: none here */
    EngineVcpu *ring_owner;         /* whose mapping it is in */
    bool ring_busy;                 /* atomic: somebody is delivering */

    KvmDebug debug;
    uint32_t changed_leaf[KVM_CHANGED_LEAVES];
    unsigned changed_leaves;        /* by the first vCPU's thread; atomic */
};

struct EngineVcpu {
    Engine *e;
    Vcpu *v;
    unsigned id;
    int fd;
    struct kvm_run *run;
    pthread_t thread;               /* that is in run(); valid while running is set */
    bool running;                   /* atomic */
    bool in_guest;                  /* atomic: in or about to enter KVM_RUN */
    bool stop;                      /* atomic: run() shall return */
    bool halted;
    bool unfinished;                /* an exit's instruction completes at the next KVM_RUN */
    bool flags_stale;               /* run->if_flag does not tell about the present state */
    bool regs_in_page;              /* run->s.regs has the present registers */
    bool cpuid_set;
    bool apic_on, amd;              /* CPUID shows an APIC; a processor of AMD's */
    uint64_t misc_enable, debugctl; /* as the guest sees them */
    int64_t tsc_offset;             /* with Engine.steer_tsc: of the guest's counter from EngineHost.tsc */
    const uint32_t *ring_prod, *ring_seen;
    EngineVcpu *assist;             /* of Engine.assist; made at its first use */
    VcpuState *before, *after;      /* room for kvm_assist() */
    bool assisting;                 /* the state is in assist just now */
    unsigned watch_slices;          /* left of kvm_watch() */
    bool debug_step, native_step;   /* of kvm_debug.c: wanted; under way in KVM */
    unsigned debug_seen;            /* KvmDebug.generation that KVM was told */
    DebugHit hit;                   /* step or point set: run() is to return */
    uint64_t counters[KVM_COUNTER_COUNT];   /* by kvm_count() only */
};

enum Outcome { GO_ON, TRIPLE_FAULT, FAILED, INTERRUPTED };

static inline void kvm_count(EngineVcpu *ev, enum KvmCounter which)
{
    __atomic_store_n(&ev->counters[which], ev->counters[which] + 1, __ATOMIC_RELAXED);
}

#define INSN_MAX 15                 /* bytes of an instruction */

/* kvm_memory.c */
void kvm_memory_changed(Engine *e, uint64_t gpa, uint64_t len);
void kvm_dirty_log(Engine *e, uint64_t gpa, uint64_t len, bool on);
void kvm_dirty_fetch(Engine *e, uint64_t gpa, uint64_t len, uint8_t *bitmap);
bool kvm_memory_init(Engine *e);
void kvm_memory_finish(Engine *e);
/* KVM forgets what it has derived of the guest's page tables, which were written behind its back. */
void kvm_memory_refresh(Engine *e);

/* kvm_state.c */
void kvm_get_state(EngineVcpu *ev, VcpuState *s);
void kvm_get_system(EngineVcpu *ev, VcpuState *s);
void kvm_get_mode(EngineVcpu *ev, VcpuState *s);
void kvm_set_state(EngineVcpu *ev, const VcpuState *s);
/* The same as set_state where only what differs from old has to be told to KVM. */
void kvm_put_changes(EngineVcpu *ev, const VcpuState *s, const VcpuState *old);
int64_t kvm_tsc_offset(EngineVcpu *ev);
bool kvm_steer_tsc(Engine *e);
void kvm_write_tsc(EngineVcpu *ev, uint64_t value);     /* WRMSR */
void kvm_tsc_before_entry(EngineVcpu *ev);
void kvm_read_caps(Engine *e);
void kvm_set_cpuid(EngineVcpu *ev);
uint64_t kvm_get_msr(EngineVcpu *ev, uint32_t index);
void kvm_set_msr(EngineVcpu *ev, uint32_t index, uint64_t value);
void kvm_regs_to_gpr(const struct kvm_regs *r, uint64_t gpr[16]);
void kvm_gpr_to_regs(const uint64_t gpr[16], struct kvm_regs *r);

uint64_t kvm_apic_base(const EngineVcpu *ev);   /* what KVM is to take for it */

/* kvm_regs.c */
void kvm_regs_init(Engine *e);
/* KVM_RUN: its result, with errno.  The second leaves the registers in the shared page, if it can. */
int kvm_run_plain(EngineVcpu *ev);
int kvm_run_for_regs(EngineVcpu *ev);
/* What is in the shared page goes to KVM; before state is changed in another way than the functions here. */
void kvm_regs_settle(EngineVcpu *ev);
/* The present registers, wherever they are.  False: KVM does not tell, or refuses them. */
bool kvm_get_regs(EngineVcpu *ev, struct kvm_regs *r);
bool kvm_get_sregs(EngineVcpu *ev, struct kvm_sregs *sr);
bool kvm_set_regs(EngineVcpu *ev, const struct kvm_regs *r);
bool kvm_set_sregs(EngineVcpu *ev, const struct kvm_sregs *sr);

/* kvm_msr.c */
bool kvm_filter_msrs(Engine *e);
void kvm_exit_msr(EngineVcpu *ev, bool write);

/* What CPUID says of the APIC follows APIC_BASE, which may have been written. */
void kvm_follow_apic_base(EngineVcpu *ev);

/* kvm_calls.c */
#define KVM_MSR_HYPERCALL_PAGE 0x40000000u
void kvm_patch_hypercall_page(Engine *e, uint64_t gpa);     /* one that was just filled */
bool kvm_is_call_port(const EngineVcpu *ev, const struct kvm_run *run);
/* The exit is an OUT that kvm_is_call_port() said true of: a hypercall, or ring 3's own OUT. */
void kvm_call_port(EngineVcpu *ev);
bool kvm_at_trap(EngineVcpu *ev);       /* the next instruction stands for a hypercall */
/* Calls the hypervisor with the vCPU's registers; returns what it left in rax. */
uint64_t kvm_hypercall(EngineVcpu *ev);
/* The guest does what kernels do shortly before their first hypercall. */
void kvm_watch_calls(EngineVcpu *ev);
/* In the place of kvm_enter() while watch_slices is not 0. */
enum Outcome kvm_watch(EngineVcpu *ev);

/* kvm_io.c */
void kvm_exit_io(EngineVcpu *ev);
/* The bytes at CS:RIP; returns how many could be read. */
unsigned kvm_read_insn(EngineVcpu *ev, const struct kvm_regs *r, const struct kvm_sregs *sr,
                       uint8_t bytes[INSN_MAX]);

/* Where the byte at CS:RIP + offset lies; false: not in RAM. */
bool kvm_insn_place(EngineVcpu *ev, const struct kvm_regs *r, const struct kvm_sregs *sr,
                    unsigned offset, uint64_t *gpa);

/* kvm_count.c */
unsigned kvm_counters(const EngineVcpu *ev, EngineCounter *out);

/* kvm_collect.c */
void kvm_collect_init(EngineVcpu *ev);
void kvm_collect_finish(EngineVcpu *ev);
/* After each KVM_RUN, before anything else. */
void kvm_collect_deliver(EngineVcpu *ev);
bool kvm_collect_writes(Engine *e, uint64_t gpa, uint64_t len, bool on);
bool kvm_flush_writes(Engine *e);

/* kvm_assist.c */
void kvm_assist_init(Engine *e);
void kvm_assist_finish(Engine *e);
void kvm_assist_drop(EngineVcpu *ev);
/* Has the software CPU do the instruction at RIP, which KVM refused. */
enum Outcome kvm_assist(EngineVcpu *ev);
/* The same for a debugger: FAILED, and nothing done, where KVM is better asked.  An event that waits to
 * be delivered is all that is done if there is one.  meant: #UD is what the instruction is for. */
enum Outcome kvm_assist_step(EngineVcpu *ev, bool meant);
/* The state goes to the software CPU, and comes back. */
bool kvm_assist_begin(EngineVcpu *ev);
void kvm_assist_end(EngineVcpu *ev);
/* The bytes at CS:RIP as hexadecimal text. */
void kvm_insn_text(EngineVcpu *ev, char text[3 * INSN_MAX + 1]);

/* kvm_debug.c */
bool kvm_debug_points(Engine *e, const DebugPoint *points, unsigned n);
void kvm_debug_step(EngineVcpu *ev, bool on);
void kvm_debug_hit(const EngineVcpu *ev, DebugHit *hit);
/* The software CPU is told the watchpoints; exec: and the breakpoints, for when it runs more than steps. */
void kvm_debug_assist(Engine *e, bool exec);
void kvm_debug_begin(EngineVcpu *ev);       /* at the start of run() */
void kvm_debug_exit(EngineVcpu *ev);        /* KVM_EXIT_DEBUG */
/* The instruction that KVM refuses is an INT3 of ours: noted as a stop. */
bool kvm_debug_refused(EngineVcpu *ev, const VcpuState *s);
enum VcpuStop kvm_debug_one(EngineVcpu *ev);    /* run() with debug_step */

/* kvm.c */
/* Once into KVM and through its exit; INTERRUPTED: a signal came instead. */
enum Outcome kvm_enter(EngineVcpu *ev);
bool kvm_take_stop(EngineVcpu *ev);         /* run() was asked to return; forgets it */
bool kvm_would_wake(EngineVcpu *ev);        /* is there an interrupt for a halted vCPU? */
void kvm_log(EngineVcpu *ev, const char *text);
void kvm_kick(EngineVcpu *ev, bool stop);
void kvm_mmio(EngineVcpu *ev, uint64_t gpa, uint8_t *data, unsigned len, bool write);
void kvm_vcpus_out(Engine *e);      /* returns when no vCPU runs guest code, and keeps it so */
void kvm_vcpus_go(Engine *e);
/* Lets the instruction of the last exit complete; registers will be asked for, where that matters. */
void kvm_finish_exit(EngineVcpu *ev);
void kvm_finish_exit_for_regs(EngineVcpu *ev);

#endif
