/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_access.c - walks the guest's page tables (Intel SDM volume 3, chapter 4: 32-bit, PAE and
 * 4-level paging) as a supervisor access would, without protection keys, SMEP or SMAP: a hypercall's
 * argument is the kernel's own.
 */
#include "hypervisor/guest_access.h"

#include <string.h>

#define CR0_PG (1u << 31)
#define CR0_WP (1u << 16)
#define CR4_PSE (1u << 4)
#define CR4_PAE (1u << 5)
#define CR4_LA57 (1u << 12)
#define EFER_LMA (1u << 10)
#define PTE_P 1u
#define PTE_W 2u
#define PTE_A 0x20u
#define PTE_D 0x40u
#define PTE_LARGE 0x80u
#define ADDR_MASK 0x000ffffffffff000ULL

typedef struct Walk {
    unsigned levels, index_bits, entry_size;
    uint64_t table;
} Walk;

static bool read_entry(Memory *m, uint64_t gpa, unsigned size, uint64_t *entry, uint8_t **at)
{
    uint8_t *page = mem_page(m, gpa >> PAGE_SHIFT, false);

    if (!page) {
        return false;
    }
    *at = page + (gpa & (PAGE_SIZE - 1));
    *entry = size == 8 ? __atomic_load_n((uint64_t *)*at, __ATOMIC_RELAXED)
                       : __atomic_load_n((uint32_t *)*at, __ATOMIC_RELAXED);
    return true;
}

static void mark(uint8_t *at, uint64_t entry, bool leaf, bool write)
{
    uint8_t bits = PTE_A | (leaf && write ? PTE_D : 0);

    if ((entry & bits) != bits) {
        __atomic_fetch_or(at, bits, __ATOMIC_SEQ_CST);
    }
}

enum Purpose { LOOK, READ, WRITE };

static bool walk(Memory *m, const VcpuState *s, Walk w, uint64_t va, enum Purpose why,
                 uint64_t *gpa)
{
    bool write = why == WRITE;
    uint64_t table = w.table;

    for (unsigned level = w.levels; level-- > 0;) {
        unsigned shift = PAGE_SHIFT + level * w.index_bits;
        uint64_t index = va >> shift & ((1u << w.index_bits) - 1);
        bool pdpt_of_pae = w.levels == 3 && level == 2;
        bool can_be_large = level == 1 || (level == 2 && w.levels >= 4);
        uint64_t entry;
        uint8_t *at;
        bool leaf;

        if (pdpt_of_pae) {
            index &= 3;
        }
        if (!read_entry(m, table + index * w.entry_size, w.entry_size, &entry, &at) ||
            !(entry & PTE_P)) {
            return false;
        }
        if (!pdpt_of_pae && write && !(entry & PTE_W) && (s->cr0 & CR0_WP)) {
            return false;
        }
        leaf = level == 0 || (can_be_large && (entry & PTE_LARGE) &&
                              (w.entry_size == 8 || (s->cr4 & CR4_PSE)));
        if (!pdpt_of_pae && why != LOOK &&
            mem_page(m, (table + index * w.entry_size) >> PAGE_SHIFT, true)) {  /* not in ROM */
            mark(at, entry, leaf, write);
        }
        if (leaf) {
            uint64_t offset = va & ((1ULL << shift) - 1);
            uint64_t frame = entry & ADDR_MASK & ~((1ULL << shift) - 1);

            if (w.entry_size == 4 && level == 1) {      /* PSE-36 */
                frame = (entry & 0xffc00000u) | (entry >> 13 & 0xff) << 32;
            }
            *gpa = frame | offset;
            return true;
        }
        table = entry & ADDR_MASK;
    }
    return false;
}

static bool translate(Memory *m, const VcpuState *s, uint64_t va, enum Purpose why, uint64_t *gpa)
{
    Walk w;

    if (!(s->cr0 & CR0_PG)) {
        *gpa = va & 0xffffffffu;
        return true;
    }
    if (s->efer & EFER_LMA) {
        w = (Walk){ s->cr4 & CR4_LA57 ? 5 : 4, 9, 8, s->cr3 & ADDR_MASK };
    } else if (s->cr4 & CR4_PAE) {
        w = (Walk){ 3, 9, 8, s->cr3 & 0xffffffe0u };
        va &= 0xffffffffu;
    } else {
        w = (Walk){ 2, 10, 4, s->cr3 & 0xfffff000u };
        va &= 0xffffffffu;
    }
    return walk(m, s, w, va, why, gpa);
}

bool guest_translate(Vcpu *v, uint64_t va, bool write, uint64_t *gpa)
{
    return translate(&v->dom->mem, vcpu_state(v), va, write ? WRITE : READ, gpa);
}

bool guest_lookup(Memory *m, const VcpuState *s, uint64_t va, uint64_t *gpa)
{
    return translate(m, s, va, LOOK, gpa);
}

bool guest_read(Vcpu *v, uint64_t va, void *buf, size_t len)
{
    uint8_t *to = buf;

    while (len) {
        size_t here = MIN(len, PAGE_SIZE - (va & (PAGE_SIZE - 1)));
        uint64_t gpa;

        if (!guest_translate(v, va, false, &gpa) || !mem_read(&v->dom->mem, gpa, to, here)) {
            memset(to, 0, len);
            return false;
        }
        to += here;
        va += here;
        len -= here;
    }
    return true;
}

bool guest_write(Vcpu *v, uint64_t va, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    while (len) {
        size_t here = MIN(len, PAGE_SIZE - (va & (PAGE_SIZE - 1)));
        uint64_t gpa;

        if (!guest_translate(v, va, true, &gpa) || !mem_write(&v->dom->mem, gpa, from, here)) {
            return false;
        }
        from += here;
        va += here;
        len -= here;
    }
    return true;
}

bool guest_area_register(Vcpu *v, GuestArea *area, uint64_t va, unsigned len)
{
    GuestArea a = { .len = len, .first = MIN(len, PAGE_SIZE - (va & (PAGE_SIZE - 1))) };

    if (!guest_translate(v, va, true, &a.gpa[0]) ||
        (a.first < len && !guest_translate(v, va + a.first, true, &a.gpa[1]))) {
        return false;
    }
    *area = a;
    return true;
}

void guest_area_write(Domain *d, const GuestArea *area, unsigned at, const void *buf, unsigned len)
{
    unsigned first = at < area->first ? MIN(len, area->first - at) : 0;

    if (at + len > area->len) {
        return;
    }
    if (first) {
        mem_write(&d->mem, area->gpa[0] + at, buf, first);
    }
    if (first < len) {
        mem_write(&d->mem, area->gpa[1] + (at + first - area->first), (const uint8_t *)buf + first,
                  len - first);
    }
}
