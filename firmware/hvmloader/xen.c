/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen.c - Xen's interface (xen/xen.h and friends): CPUID signature, hypercall page, memory, events
 * on the shared information page.  Structures are those of a 32-bit guest.
 */
#include "xen.h"
#include "layout.h"
#include "pc_layout.h"
#include "util.h"

enum { HC_MEMORY = 12, HC_VERSION = 17, HC_SCHED = 29, HC_EVENT = 32, HC_HVM = 34 };
enum { MEM_POPULATE = 6, MEM_ADD_TO_PHYSMAP = 7, MEM_MEMORY_MAP = 9 };
enum { SPACE_SHARED_INFO = 0, SPACE_GMFN_RANGE = 3 };
enum { SCHED_SHUTDOWN = 2, SCHED_POLL = 3, SHUTDOWN_CRASH = 3 };
enum { EVENT_SEND = 4, HVM_SET_PARAM = 0, HVM_GET_PARAM = 1, DOMID_SELF = 0x7ff0 };
#define MOVE_AT_ONCE 4096       /* pages; the field holds 65535 */
#define SHARED_PENDING 0x800    /* offsets in a 32-bit guest's shared_info */
#define SHARED_MASK 0x880
#define VCPU_INFO_SIZE 64
#define TIME_MUL 56             /* vcpu_info.time.tsc_to_system_mul */
#define TIME_SHIFT 60

typedef struct AddToPhysmap {
    uint16_t domid, size;
    uint32_t space, idx, gpfn;
} AddToPhysmap;

typedef struct Reservation {
    uint32_t extent_start, nr_extents, extent_order, mem_flags;
    uint16_t domid;
} Reservation;

typedef struct HvmParam {
    uint16_t domid;
    uint32_t index;
    uint64_t value __attribute__((aligned(8)));
} HvmParam;

static char extra_version[16];
static bool shared_mapped;

static int32_t hypercall(unsigned number, uint32_t a, uint32_t b, uint32_t c)
{
    int32_t result;

    asm volatile("call *%%eax" : "=a"(result), "+b"(a), "+c"(b), "+d"(c)
                 : "0"(HYPERCALL_PAGE + number * 32) : "memory", "esi", "edi");
    return result;
}

void xen_init(void)
{
    uint32_t r[4], base;

    for (base = 0x40000000; base < 0x40010000; base += 0x100) {
        cpuid(base, r);
        if (r[1] == 0x566e6558 && r[2] == 0x65584d4d && r[3] == 0x4d4d566e && r[0] - base >= 2) {
            break;
        }
    }
    if (base == 0x40010000) {   /* there is nobody to tell: no hypercalls, no power-off */
        for (;;) {
            asm volatile("cli; hlt");
        }
    }
    cpuid(base + 2, r);
    wrmsr(r[1], HYPERCALL_PAGE);
    hypercall(HC_VERSION, 1, (uint32_t)extra_version, 0);
}

uint32_t xen_version(void)
{
    return hypercall(HC_VERSION, 0, 0, 0);
}

const char *xen_extra_version(void)
{
    return extra_version;
}

void xen_uuid(uint8_t uuid[16])
{
    memset(uuid, 0, 16);
    hypercall(HC_VERSION, 8, (uint32_t)uuid, 0);
}

void xen_crash(void)
{
    uint32_t reason = SHUTDOWN_CRASH;

    hypercall(HC_SCHED, SCHED_SHUTDOWN, (uint32_t)&reason, 0);
    for (;;) {
        asm volatile("cli; hlt");
    }
}

uint64_t xen_get_param(unsigned index)
{
    HvmParam p = { .domid = DOMID_SELF, .index = index };

    if (hypercall(HC_HVM, HVM_GET_PARAM, (uint32_t)&p, 0)) {
        fail("HVM parameter %u can't be read", index);
    }
    return p.value;
}

void xen_set_param(unsigned index, uint64_t value)
{
    HvmParam p = { .domid = DOMID_SELF, .index = index, .value = value };

    if (hypercall(HC_HVM, HVM_SET_PARAM, (uint32_t)&p, 0)) {
        fail("HVM parameter %u can't be set", index);
    }
}

void xen_populate(uint32_t gfn)
{
    Reservation r = { (uint32_t)&gfn, 1, 0, 0, DOMID_SELF };

    if (hypercall(HC_MEMORY, MEM_POPULATE, (uint32_t)&r, 0) != 1) {
        fail("no memory at %08x", gfn << 12);
    }
}

void xen_move_pages(uint32_t source, uint32_t target, uint32_t count)
{
    while (count) {
        uint32_t n = count < MOVE_AT_ONCE ? count : MOVE_AT_ONCE;
        AddToPhysmap a = { DOMID_SELF, n, SPACE_GMFN_RANGE, source, target };

        if (hypercall(HC_MEMORY, MEM_ADD_TO_PHYSMAP, (uint32_t)&a, 0)) {
            fail("memory can't be moved out of the PCI hole");
        }
        source += n;
        target += n;
        count -= n;
    }
}

unsigned xen_memory_map(E820Entry *map, unsigned max)
{
    struct { uint32_t n, buffer; } m = { max, (uint32_t)map };

    if (hypercall(HC_MEMORY, MEM_MEMORY_MAP, (uint32_t)&m, 0) || m.n == 0) {
        fail("the hypervisor gives no memory map");
    }
    return m.n;
}

static uint8_t *shared_info(void)
{
    if (!shared_mapped) {
        AddToPhysmap a = { DOMID_SELF, 0, SPACE_SHARED_INFO, 0, SHARED_INFO_ADDR >> 12 };

        if (hypercall(HC_MEMORY, MEM_ADD_TO_PHYSMAP, (uint32_t)&a, 0)) {
            fail("the shared page can't be mapped");
        }
        shared_mapped = true;
    }
    return (uint8_t *)SHARED_INFO_ADDR;
}

/* ns = (tsc << shift) * mul >> 32, so one TSC tick lasts mul << shift >> 32 ns.  The quotient 1000
 * << 32 over mul is cut to 32 bits on both sides. */
unsigned xen_cpu_mhz(void)
{
    const uint8_t *s = shared_info();
    uint32_t mul = *(const volatile uint32_t *)(s + TIME_MUL);
    int8_t shift = *(const volatile int8_t *)(s + TIME_SHIFT);
    uint32_t mhz;

    if (mul >> 10 == 0) {
        return 1000;
    }
    mhz = (1000u << 22) / (mul >> 10);
    return shift < 0 ? mhz << -shift : mhz >> shift;
}

void xen_wait_event(unsigned port)
{
    volatile uint32_t *word = (uint32_t *)(shared_info() + SHARED_PENDING) + port / 32;
    uint32_t bit = 1u << port % 32;
    struct { uint32_t ports, n; uint64_t timeout __attribute__((aligned(8))); } poll;

    poll.ports = (uint32_t)&port;
    poll.n = 1;
    poll.timeout = 0;
    while (!(__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit)) {
        hypercall(HC_SCHED, SCHED_POLL, (uint32_t)&poll, 0);
    }
}

void xen_notify(unsigned port)
{
    hypercall(HC_EVENT, EVENT_SEND, (uint32_t)&port, 0);
}

void xen_finish(void)
{
    uint8_t *s = shared_info();

    memset(s, 0, 32 * VCPU_INFO_SIZE);
    memset(s + SHARED_PENDING, 0, SHARED_MASK - SHARED_PENDING);
    memset(s + SHARED_MASK, 0, SHARED_MASK - SHARED_PENDING);
}
