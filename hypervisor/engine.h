/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.h - the one interface between the hypervisor and whatever runs guest code.
 *
 * Two engines implement it: kvm/ (the only user of linux/kvm.h) and soft/ (the software CPU).
 * Nothing above this line can see which one runs.  An engine runs instructions; everything that
 * Xen's hypervisor emulates (LAPIC, PIC, timers, hypercalls, MSR and CPUID policy) stays above and
 * is reached through EngineHost.  The host functions are called on the vCPU's own thread, in the
 * middle of the instruction that needs them; they may block (a device in another process answers)
 * and must return, with all-ones data, when the domain is dying.
 */
#ifndef GH_ENGINE_H
#define GH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Engine Engine;       /* per domain; owned by the engine's implementation */
typedef struct EngineVcpu EngineVcpu; /* per vCPU */
typedef struct Vcpu Vcpu;           /* the hypervisor's vCPU, opaque to engines */

/*
 * Guest-physical memory.  One flat reservation: the byte at guest-physical address gpa is at
 * base[gpa].  types[gpa >> 12] says what the page is; only RAM pages may be touched through base.
 * The hypervisor changes types under engine_memory_changed()'s rules.
 */
enum {
    MEM_HOLE = 0,   /* nothing there: reads go to the device model (MMIO) */
    MEM_RAM = 1,    /* RAM, readable and writable */
    MEM_ROM = 2,    /* RAM whose writes are dropped */
};

typedef struct GuestMemory {
    uint8_t *base;              /* mapping of the whole guest-physical space, size bytes */
    uint64_t size;              /* bytes; a multiple of 4096; reads beyond are MMIO */
    const uint8_t *types;       /* MEM_*, one byte for each 4 KiB page, size >> 12 entries */
    /*
     * One byte for each page, shared with the device model: non-zero while the engine holds
     * decoded or translated code of that page.  Set with a full barrier before the code's bytes
     * are read; the device model, after it has written guest memory, looks here and posts the
     * range through EngineHost's code_written ring (see dm_proto.h) before it completes the
     * request.  NULL when the engine keeps no code.
     */
    uint8_t *code_pages;
} GuestMemory;

/* CPU modes and segment attributes are as in the VMCS: type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9,
 * D/B 10, G 11, unusable 16. */
typedef struct SegState {
    uint64_t base;
    uint32_t limit;             /* in bytes, already scaled by G */
    uint16_t selector;
    uint16_t pad;
    uint32_t attr;
    uint32_t pad2;
} SegState;

enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT };

#define SEG_ATTR_UNUSABLE 0x10000u

/* Everything architectural of one vCPU that the engine keeps.  The LAPIC, MTRRs and the MSRs that
 * the hypervisor answers itself are not here.  This is also the save format's content. */
typedef struct VcpuState {
    uint64_t gpr[16];           /* rax rcx rdx rbx rsp rbp rsi rdi r8..r15 (encoding order) */
    uint64_t rip, rflags;
    SegState seg[SEG_COUNT], ldtr, tr;
    uint64_t gdt_base, idt_base;
    uint32_t gdt_limit, idt_limit;
    uint64_t cr0, cr2, cr3, cr4, efer, xcr0;
    uint64_t dr[8];             /* 4 and 5 unused */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, tsc_aux, misc_enable, debugctl;
    int64_t tsc_offset;         /* guest TSC = scaled host TSC + this */
    uint8_t xsave[4096] __attribute__((aligned(64))); /* standard (non-compacted) XSAVE image */
    uint32_t xsave_size;        /* bytes used */
    uint8_t halted;             /* in HLT, waiting for an interrupt */
    uint8_t sti_shadow;         /* interrupts blocked by STI for one instruction */
    uint8_t mov_ss_shadow;      /* interrupts and debug traps blocked by MOV/POP SS */
    uint8_t nmi_blocked;        /* between NMI delivery and IRET */
    uint8_t pending_event;      /* an event was to be delivered when the state was taken */
    uint8_t pending_vector;
    uint8_t pending_type;       /* EVENT_* */
    uint8_t pending_has_error;
    uint32_t pending_error;
    uint8_t nmi_pending;        /* NMIs that the engine has taken from the host and not delivered yet: 0 to 2 */
} VcpuState;

enum { EVENT_EXTINT = 0, EVENT_NMI = 2, EVENT_EXCEPTION = 3, EVENT_SOFT_INT = 4,
       EVENT_SOFT_EXCEPTION = 6 };   /* numbering of dm_op's inject_event */

/* Why engine_run() came back. */
enum VcpuStop {
    VCPU_STOP_KICKED,           /* engine_kick() was called; run again when convenient */
    VCPU_STOP_HALTED,           /* HLT with nothing to deliver; state.halted is set */
    VCPU_STOP_TRIPLE_FAULT,
    VCPU_STOP_ERROR,            /* the engine can't go on; it has logged why */
    VCPU_STOP_DEBUG,            /* debug_step or a point of debug_points: see debug_hit */
};

/*
 * What a debugger outside the guest wants stopped.  The guest sees nothing of it: its own debug
 * registers, TF and INT3 work on as they do.
 */
enum { POINT_EXEC, POINT_WRITE, POINT_READ, POINT_ACCESS };

typedef struct DebugPoint {
    uint64_t linear;            /* RIP plus CS base, or the address of the first byte watched */
    uint64_t gpa;               /* POINT_EXEC: where linear lay when it was set; UINT64_MAX: nowhere */
    uint32_t len;               /* bytes watched, 1 to DEBUG_WATCH_MAX; POINT_EXEC: 1 */
    uint8_t kind;               /* POINT_* */
} DebugPoint;

#define DEBUG_POINTS 256        /* at most */
#define DEBUG_WATCH_MAX (1u << 20)

typedef struct DebugHit {
    bool step;                  /* the one instruction is done; the rest is about a point, if any */
    bool point;
    uint8_t kind;               /* POINT_EXEC: before that instruction; else after the one that did it */
    uint64_t linear;            /* of the point */
} DebugHit;

typedef struct EngineHost {
    /* Port I/O.  size 1, 2, 4.  A read's result is zero-extended into *value. */
    void (*io_read)(Vcpu *v, uint16_t port, unsigned size, uint32_t *value);
    void (*io_write)(Vcpu *v, uint16_t port, unsigned size, uint32_t value);
    /*
     * String port I/O straight between a port and RAM: up to count elements at guest-physical
     * gpa, stepping by +size (or -size when df).  The engine guarantees that the whole RAM span
     * is within one RAM page.  Returns how many elements were done (>= 1).
     */
    uint32_t (*io_string)(Vcpu *v, uint16_t port, unsigned size, bool write, uint64_t gpa,
                          uint32_t count, bool df);
    /* Memory accesses that hit no RAM.  size 1, 2, 4, 8, never crossing a page. */
    void (*mmio_read)(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value);
    void (*mmio_write)(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value);
    /*
     * The same accesses, if that can be done at once: nothing is waited for and no floating point is
     * computed, so that the vCPU may stay counted among those in guest code, with the guest's control
     * words.  False: nothing was done, or nothing that the plain function would not do again alike.
     * May be NULL.
     */
    bool (*io_read_now)(Vcpu *v, uint16_t port, unsigned size, uint32_t *value);
    bool (*io_write_now)(Vcpu *v, uint16_t port, unsigned size, uint32_t value);
    bool (*mmio_read_now)(Vcpu *v, uint64_t gpa, unsigned size, uint64_t *value);
    bool (*mmio_write_now)(Vcpu *v, uint64_t gpa, unsigned size, uint64_t value);
    bool (*msr_read_now)(Vcpu *v, uint32_t index, uint64_t *value);
    bool (*msr_write_now)(Vcpu *v, uint32_t index, uint64_t value);
    bool (*irq_pending_now)(Vcpu *v, unsigned *pending);
    bool (*irq_ack_now)(Vcpu *v, int *vector);
    /* May io_string() do more than one element at a time?  No lock.  NULL: always. */
    bool (*io_in_bulk)(Vcpu *v, uint16_t port);
    /*
     * rep movs between MMIO at gpa and RAM at ram_gpa (both spans within one page), or rep stos
     * (ram_gpa == UINT64_MAX, value repeated).  Returns elements done (>= 1), or 0 when the engine
     * should do it one by one.
     */
    uint32_t (*mmio_string)(Vcpu *v, uint64_t gpa, unsigned size, bool write, uint64_t ram_gpa,
                            uint64_t value, uint32_t count, bool df);
    /* VMCALL/VMMCALL at CPL 0 (others: -EPERM is put in rax by the engine's caller as well; the
     * engine always calls).  regs: the vCPU's 16 GPRs, to be read and changed in place. */
    void (*hypercall)(Vcpu *v, uint64_t *gpr, bool long_mode, unsigned cpl);
    void (*cpuid)(Vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
    /* MSRs the engine does not keep in VcpuState.  false: #GP(0).  Also asked for writes of
     * TSC_AUX: true means that the write is to be forgotten, false that it is done. */
    bool (*msr_read)(Vcpu *v, uint32_t index, uint64_t *value);
    bool (*msr_write)(Vcpu *v, uint32_t index, uint64_t value);
    /* Task priority: MOV to/from CR8 (bits 3:0). */
    uint64_t (*cr8_read)(Vcpu *v);
    void (*cr8_write)(Vcpu *v, uint64_t value);
    /*
     * Interrupts.  pending: cheap, called whenever the poll word was set; returns a mask of
     * IRQ_*.  ack: take the highest external interrupt; -1 if it has gone.
     * The engine calls ack only when RFLAGS.IF is set and nothing shadows it.
     */
    unsigned (*irq_pending)(Vcpu *v);
    int (*irq_ack)(Vcpu *v);
    void (*nmi_ack)(Vcpu *v);
    /* INVLPG-like host notification is not needed; MWAIT is hidden by CPUID. */
    /* Guest TSC now, offset not applied (host TSC scaled to the guest's frequency). */
    uint64_t (*tsc)(Vcpu *v);
    /* Called on the vCPU thread at a block boundary when *code_ring_prod != *code_ring_seen:
     * takes posted ranges from the device model and calls engine_code_written() for each. */
    void (*drain_code_ring)(Vcpu *v);
    /* Guest wrote something that deserves a line in the domain's log (rate-limited inside). */
    void (*log)(Vcpu *v, const char *text);
} EngineHost;

enum { IRQ_EXTINT = 1, IRQ_NMI = 2 };

/* How often a vCPU did something that costs time.  name is static. */
typedef struct EngineCounter {
    const char *name;
    uint64_t value;
} EngineCounter;

#define ENGINE_COUNTERS 64      /* at most */

/* IA32_ARCH_CAPABILITIES (Intel SDM volume 4): what the processor is not vulnerable to, or need not be helped with. */
enum { ARCH_RDCL_NO = 1, ARCH_RSBA = 1 << 2, ARCH_SKIP_L1DFL = 1 << 3, ARCH_SSB_NO = 1 << 4, ARCH_MDS_NO = 1 << 5,
       ARCH_PSCHANGE_NO = 1 << 6, ARCH_TAA_NO = 1 << 8, ARCH_SBDR_SSDP_NO = 1 << 13, ARCH_FBSDP_NO = 1 << 14,
       ARCH_PSDP_NO = 1 << 15, ARCH_FB_CLEAR = 1 << 17, ARCH_BHI_NO = 1 << 20, ARCH_PBRSB_NO = 1 << 24,
       ARCH_GDS_NO = 1 << 26, ARCH_RFDS_NO = 1 << 27, ARCH_RFDS_CLEAR = 1 << 28 };
#define ARCH_ITS_NO (1ULL << 62)

/* Features an engine offers; the CPUID policy is cut down to these. */
typedef struct EngineCaps {
    uint32_t leaf1_ecx, leaf1_edx, leaf7_ebx, leaf7_ecx, leaf7_edx;
    uint32_t ext1_ecx, ext1_edx;    /* 0x80000001 */
    uint32_t xsave_eax1;            /* leaf 0xD subleaf 1 eax */
    uint64_t xcr0;
    uint64_t arch_capabilities;     /* the MSR's value, ARCH_*; 0: not offered */
    unsigned phys_bits;             /* guest-physical address width, 36..52 */
    bool     vendor_amd;            /* host vendor: which of VMCALL/VMMCALL is native */
    bool     emulates_tsc;          /* RDTSC is EngineHost.tsc, whatever that makes its value of;
                                     * else the host's counter */
    bool     bare_hypercalls;       /* VMCALL/VMMCALL anywhere in the guest, not only in its
                                     * hypercall page, get to EngineHost.hypercall */
} EngineCaps;

typedef struct EngineOps {
    const char *name;               /* "kvm", "soft", "interp" */
    bool sees_posts;                /* run() compares *code_ring_prod as it goes, not only when kicked;
                                     * a short loop may escape it until the next kick */
    /* NULL and *why (static or g_strdup'd text, owned by the caller) when it can't run here. */
    Engine *(*create)(const GuestMemory *mem, const EngineHost *host, char **why);
    void (*destroy)(Engine *e);
    /* Bytes for what the engine makes of the guest's code, for all vCPUs; before the first of them is
     * created.  NULL: it makes nothing. */
    void (*set_code_memory)(Engine *e, size_t bytes);
    void (*caps)(Engine *e, EngineCaps *caps);
    /*
     * Before vCPUs are created: the host's counter, which guests read, is not reliable, and is to be set to
     * EngineHost.tsc, with the vCPU's offset, as often as the engine can without being asked.  False, or NULL:
     * it can't.
     */
    bool (*steer_tsc)(Engine *e);
    /* ring words: see drain_code_ring; both may be NULL. */
    EngineVcpu *(*vcpu_create)(Engine *e, Vcpu *v, unsigned id, unsigned apic_id,
                               const uint32_t *code_ring_prod, const uint32_t *code_ring_seen);
    void (*vcpu_destroy)(EngineVcpu *ev);
    /* On the vCPU's thread, until there is a reason to stop. */
    enum VcpuStop (*run)(EngineVcpu *ev);
    /* Any thread: make run() look at irq_pending soon; with stop, make it return KICKED. */
    void (*kick)(EngineVcpu *ev, bool stop);
    /* Only while the vCPU is not in run(), or from a host callback on its own thread. */
    void (*get_state)(EngineVcpu *ev, VcpuState *s);
    void (*set_state)(EngineVcpu *ev, const VcpuState *s);
    /* The same without the x87 and SSE state, which is left as it is in s; NULL when get_state is as
     * quick. */
    void (*get_system)(EngineVcpu *ev, VcpuState *s);
    /* General registers, RIP, RFLAGS, segments, descriptor tables, CR0 to CR4 and EFER alone: what
     * addresses mean.  The rest is left as it is in s; NULL when get_system is as quick. */
    void (*get_mode)(EngineVcpu *ev, VcpuState *s);
    /* VcpuState.tsc_offset alone, under the same rules; NULL when get_state is as quick. */
    int64_t (*tsc_offset)(EngineVcpu *ev);
    /* Page types of [gpa, gpa+len) changed, or the mapping behind base did.  Any thread; returns
     * when no vCPU can still use the old type (vCPUs blocked in a host callback count as out). */
    void (*memory_changed)(Engine *e, uint64_t gpa, uint64_t len);
    /* Dirty logging of one range (video memory) and of everything (migration).  bitmap: one bit a
     * page, ORed into by the engine and cleared inside it. */
    void (*dirty_log)(Engine *e, uint64_t gpa, uint64_t len, bool on);
    void (*dirty_fetch)(Engine *e, uint64_t gpa, uint64_t len, uint8_t *bitmap);
    /*
     * Writes to [gpa, gpa+len), where there is no memory, may from now on wait with the engine: they come to
     * mmio_write in their order and before anything that any vCPU does next and that makes a callback, on
     * any vCPU's thread.  With on false no more will wait; false is returned when some still do.  NULL:
     * this engine keeps nothing back.  Any thread, no lock that mmio_write takes.
     */
    bool (*collect_writes)(Engine *e, uint64_t gpa, uint64_t len, bool on);
    /* Those that wait come soon, even when the guest does nothing more; true if there are any. */
    bool (*flush_writes)(Engine *e);
    /* RAM in [gpa, gpa+len) was changed behind the engine's back (DMA). */
    void (*code_written)(Engine *e, uint64_t gpa, uint64_t len);
    /*
     * For debuggers; only while no vCPU is in run() or a host callback.  debug_points replaces all
     * points (n at most DEBUG_POINTS, 0: none); false: more than this engine can watch, and none is
     * set.  With debug_step run() does one instruction, without regard to an execution point on it,
     * and delivers no interrupt: a halted vCPU is woken by one and that is the step.  Delivering an
     * exception is a step.  debug_hit tells about the last VCPU_STOP_DEBUG.
     */
    bool (*debug_points)(Engine *e, const DebugPoint *points, unsigned n);
    void (*debug_step)(EngineVcpu *ev, bool on);
    void (*debug_hit)(const EngineVcpu *ev, DebugHit *hit);
    /* Fills out (ENGINE_COUNTERS) and returns how many; NULL: this engine counts nothing.  Any thread. */
    unsigned (*counters)(const EngineVcpu *ev, EngineCounter *out);
} EngineOps;

extern const EngineOps engine_soft;
extern const EngineOps engine_interp;   /* the soft engine without its translator */
extern const EngineOps engine_kvm;

#endif
