/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_memory.c - guest memory as KVM memory slots: the runs of equal page type become a few big
 * slots, cut at the edges of dirty-logged ranges.  A change stops all vCPUs, so that none sees a
 * slot that is away for a moment.  New mappings behind a slot need nothing: KVM follows mmap().
 */
#include "hypervisor/kvm/kvm_internal.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/ioctl.h>

static uint64_t page_count(const Engine *e)
{
    return e->mem->size >> 12;
}

/* --- dirty bits --- */

static void mark(Engine *e, uint64_t page)
{
    for (unsigned i = 0; i < KVM_MAX_LOGS; i++) {
        KvmLog *l = &e->log[i];

        if (page - l->first < l->count) {
            uint64_t n = page - l->first;

            l->bitmap[n >> 3] |= 1u << (n & 7);
        }
    }
}

/* Moves KVM's bits of a slot to all logs that cover it. */
static void collect(Engine *e, unsigned n)
{
    const KvmSlot *s = &e->slot[n];
    g_autofree uint64_t *bits = NULL;
    struct kvm_dirty_log req = { .slot = n };

    if (!s->log || !s->count) {
        return;
    }
    bits = g_new0(uint64_t, (s->count + 63) / 64);
    req.dirty_bitmap = bits;
    if (ioctl(e->vm_fd, KVM_GET_DIRTY_LOG, &req) < 0) {
        return;
    }
    for (uint64_t w = 0; w < (s->count + 63) / 64; w++) {
        for (uint64_t b = bits[w]; b; b &= b - 1) {
            uint64_t page = w * 64 + __builtin_ctzll(b);

            if (page < s->count) {
                mark(e, s->first + page);
            }
        }
    }
}

/* --- slots --- */

static bool set_slot(Engine *e, unsigned n, const KvmSlot *s, bool present)
{
    struct kvm_userspace_memory_region r = {
        .slot = n, .guest_phys_addr = s->first << 12, .memory_size = present ? s->count << 12 : 0,
        .userspace_addr = (uintptr_t)e->mem->base + (s->first << 12),
        .flags = (s->type == MEM_ROM ? KVM_MEM_READONLY : 0) |
                 (s->log ? KVM_MEM_LOG_DIRTY_PAGES : 0),
    };

    if (ioctl(e->vm_fd, KVM_SET_USER_MEMORY_REGION, &r) < 0) {
        g_warning("kvm: memory slot 0x%" G_GINT64_MODIFIER "x+0x%" G_GINT64_MODIFIER "x: %s",
                  s->first << 12, s->count << 12, g_strerror(errno));
        return false;
    }
    return true;
}

static uint64_t next_edge(const Engine *e, uint64_t page, uint64_t end, bool *logged)
{
    *logged = false;
    for (unsigned i = 0; i < KVM_MAX_LOGS; i++) {
        const KvmLog *l = &e->log[i];

        if (!l->count) {
            continue;
        }
        if (page - l->first < l->count) {
            *logged = true;
            end = MIN(end, l->first + l->count);
        } else if (l->first > page) {
            end = MIN(end, l->first);
        }
    }
    return end;
}

/* End of the run of equal pages at page.  RAM swallows holes of less than min_hole pages. */
static uint64_t run_end(const Engine *e, uint64_t page, unsigned min_hole)
{
    const uint8_t *types = e->mem->types;
    uint64_t pages = page_count(e), end = page + 1;
    uint8_t type = types[page];

    for (;;) {
        uint64_t hole;

        while (end < pages && types[end] == type) {
            end++;
        }
        if (type != MEM_RAM || min_hole <= 1) {
            return end;
        }
        hole = end;
        while (end < pages && types[end] == MEM_HOLE && end - hole < min_hole) {
            end++;
        }
        if (end == pages || end - hole >= min_hole || end == hole || types[end] != MEM_RAM) {
            return hole;
        }
    }
}

/* The slots that memory should have, sorted; returns how many, at most max. */
static unsigned wanted(const Engine *e, KvmSlot *out, unsigned max, unsigned min_hole)
{
    uint64_t pages = page_count(e), page = 0;
    unsigned n = 0;

    while (page < pages && n < max) {
        uint8_t type = e->mem->types[page];
        uint64_t end = run_end(e, page, min_hole);

        for (uint64_t at = page; type != MEM_HOLE && at < end && n < max;) {
            bool logged;
            uint64_t stop = next_edge(e, at, end, &logged);

            out[n++] = (KvmSlot){ .first = at, .count = stop - at, .type = type, .log = logged };
            at = stop;
        }
        page = end;
    }
    return n;
}

/*
 * A guest that balloons page by page makes more pieces than KVM has slots.  Then the smallest holes
 * stay readable as RAM, which costs host memory if the guest touches them.  Holes of 16 pages and
 * more are never hidden: a device may be there.
 */
static unsigned plan(const Engine *e, KvmSlot *want)
{
    unsigned n = 0;

    for (unsigned min_hole = 1; min_hole <= 16; min_hole *= 2) {
        n = wanted(e, want, e->slot_limit + 1, min_hole);
        if (n <= e->slot_limit) {
            return n;
        }
    }
    g_warning("kvm: memory has more than %u pieces", e->slot_limit);
    return e->slot_limit;
}

/* Index in the sorted list, or n. */
static unsigned find_wanted(const KvmSlot *want, unsigned n, const KvmSlot *s)
{
    unsigned lo = 0, hi = n;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (want[mid].first < s->first) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < n && want[lo].first == s->first && want[lo].count == s->count &&
                   want[lo].type == s->type && want[lo].log == s->log ? lo : n;
}

static bool apply(Engine *e, const KvmSlot *want, unsigned n, const bool *have)
{
    for (unsigned i = 0; i < e->slot_limit; i++) {
        if (e->slot[i].count && find_wanted(want, n, &e->slot[i]) == n) {
            collect(e, i);
            set_slot(e, i, &e->slot[i], false);
            e->slot[i].count = 0;
        }
    }
    for (unsigned k = 0, i = 0; k < n; k++) {
        if (have[k]) {
            continue;
        }
        while (i < e->slot_limit && e->slot[i].count) {
            i++;
        }
        if (i == e->slot_limit || !set_slot(e, i, &want[k], true)) {
            return false;
        }
        e->slot[i] = want[k];
    }
    return true;
}

/* Makes KVM's slots what they should be; memory held.  False: KVM refused one. */
static bool rebuild(Engine *e)
{
    g_autofree KvmSlot *want = g_new(KvmSlot, e->slot_limit + 1);
    g_autofree bool *have = g_new0(bool, e->slot_limit + 1);
    unsigned n = plan(e, want), used = 0, stay = 0;
    bool ok;

    for (unsigned i = 0; i < e->slot_limit; i++) {
        if (e->slot[i].count) {
            unsigned k = find_wanted(want, n, &e->slot[i]);

            used++;
            stay += k < n;
            have[k] = true;
        }
    }
    if (stay == n && used == n) {
        return true;
    }
    kvm_vcpus_out(e);
    ok = apply(e, want, n, have);
    kvm_vcpus_go(e);
    return ok;
}

void kvm_memory_refresh(Engine *e)
{
    unsigned least = e->slot_limit;

    pthread_mutex_lock(&e->memory);
    for (unsigned i = 0; i < e->slot_limit; i++) {
        if (e->slot[i].count &&
            (least == e->slot_limit || e->slot[i].count < e->slot[least].count)) {
            least = i;
        }
    }
    if (least < e->slot_limit) {        /* taking any slot away drops all shadows */
        kvm_vcpus_out(e);
        collect(e, least);
        set_slot(e, least, &e->slot[least], false);
        set_slot(e, least, &e->slot[least], true);
        kvm_vcpus_go(e);
    }
    pthread_mutex_unlock(&e->memory);
}

void kvm_memory_changed(Engine *e, uint64_t gpa, uint64_t len)
{
    pthread_mutex_lock(&e->memory);
    rebuild(e);
    pthread_mutex_unlock(&e->memory);
    if (e->assist) {
        engine_soft.memory_changed(e->assist, gpa, len);
    }
}

bool kvm_memory_init(Engine *e)
{
    return rebuild(e);
}

void kvm_memory_finish(Engine *e)
{
    for (unsigned i = 0; i < KVM_MAX_LOGS; i++) {
        g_free(e->log[i].bitmap);
    }
}

/* --- logging --- */

static KvmLog *find_log(Engine *e, uint64_t first, uint64_t count)
{
    for (unsigned i = 0; i < KVM_MAX_LOGS; i++) {
        if (e->log[i].count && e->log[i].first <= first &&
            first + count <= e->log[i].first + e->log[i].count) {
            return &e->log[i];
        }
    }
    return NULL;
}

static void log_start(Engine *e, uint64_t first, uint64_t count)
{
    for (unsigned i = 0; i < KVM_MAX_LOGS; i++) {
        KvmLog *l = &e->log[i];

        if (l->count && l->first == first && l->count == count) {
            return;
        }
    }
    for (unsigned i = 0; i < KVM_MAX_LOGS; i++) {
        KvmLog *l = &e->log[i];

        if (!l->count) {
            *l = (KvmLog){ .first = first, .count = count, .bitmap = g_malloc0((count + 7) / 8) };
            return;
        }
    }
    g_warning("kvm: more than %u ranges to log", KVM_MAX_LOGS);
}

static void log_stop(Engine *e, uint64_t first, uint64_t count)
{
    for (unsigned i = 0; i < KVM_MAX_LOGS; i++) {
        KvmLog *l = &e->log[i];

        if (l->count && l->first == first && l->count == count) {
            g_free(l->bitmap);
            *l = (KvmLog){ .count = 0 };
        }
    }
}

void kvm_dirty_log(Engine *e, uint64_t gpa, uint64_t len, bool on)
{
    uint64_t first = gpa >> 12, count = len >> 12;

    if (!count || first >= page_count(e) || count > page_count(e) - first) {
        return;
    }
    pthread_mutex_lock(&e->memory);
    if (on) {
        log_start(e, first, count);
    } else {
        log_stop(e, first, count);
    }
    rebuild(e);
    pthread_mutex_unlock(&e->memory);
    if (e->assist) {
        engine_soft.dirty_log(e->assist, gpa, len, on);
    }
}

void kvm_dirty_fetch(Engine *e, uint64_t gpa, uint64_t len, uint8_t *bitmap)
{
    uint64_t first = gpa >> 12, count = len >> 12;
    KvmLog *l;

    pthread_mutex_lock(&e->memory);
    l = find_log(e, first, count);
    for (unsigned i = 0; l && i < e->slot_limit; i++) {
        const KvmSlot *s = &e->slot[i];

        if (s->count && s->first < first + count && first < s->first + s->count) {
            collect(e, i);
        }
    }
    for (uint64_t i = 0; l && i < count; i++) {
        uint64_t n = first + i - l->first;

        if (l->bitmap[n >> 3] >> (n & 7) & 1) {
            l->bitmap[n >> 3] &= ~(1u << (n & 7));
            bitmap[i >> 3] |= 1u << (i & 7);
        }
    }
    pthread_mutex_unlock(&e->memory);
    if (e->assist) {
        engine_soft.dirty_fetch(e->assist, gpa, len, bitmap);
    }
}
