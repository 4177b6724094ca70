/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - guest-physical memory over a sparse memfd.  Populating a page costs a byte in the type
 * table; the kernel allocates it on first touch.  Releasing punches a hole, so that a balloon gives
 * memory back.  Order of every change: take the page away from the engine (type, memory_changed()),
 * change what is behind it, then show the new type.
 */
#include "hypervisor/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xen/errno.h>
#include "include/pc_layout.h"
#include "lib/fd.h"

#define GIB4 (1ULL << 32)
#define BLOCK_MAX (1ULL << 30)
/* Guest-physical space kept above the highest RAM: guests put foreign mappings there. */
#define SLACK_ABOVE (1ULL << 30)

static void *map_shared(int fd, uint64_t size, const char *name, GError **error)
{
    void *p = fd_map_ram(fd, size);

    if (!p) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "mapping %s: %s", name,
                    g_strerror(errno));
        return NULL;
    }
    return p;
}

static void set_types(Memory *m, uint64_t gfn, uint64_t count, uint8_t type)
{
    for (uint64_t i = gfn; i < gfn + count; i++) {
        __atomic_store_n(&m->types[i], type, __ATOMIC_SEQ_CST);
    }
}

static void changed(Memory *m, uint64_t gfn, uint64_t count)
{
    if (m->engine) {
        m->ops->memory_changed(m->engine, gfn << PAGE_SHIFT, count << PAGE_SHIFT);
    }
}

static bool in_space(const Memory *m, uint64_t gfn, uint64_t count)
{
    uint64_t all = m->guest.size >> PAGE_SHIFT;

    return gfn < all && count <= all - gfn;
}

/* Puts the flat file back behind [gfn, gfn+count). */
static void restore_flat(Memory *m, uint64_t gfn, uint64_t count)
{
    off_t at = gfn << PAGE_SHIFT;

    if (mmap(m->guest.base + at, count << PAGE_SHIFT, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_NORESERVE | MAP_FIXED, m->ram_fd, at) == MAP_FAILED) {
        g_error("restoring the guest's memory map: %s", g_strerror(errno));
    }
}

static void punch(Memory *m, uint64_t gfn, uint64_t count)
{
    fallocate(m->ram_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, gfn << PAGE_SHIFT,
              count << PAGE_SHIFT);
}

static int heap_page_at(const Memory *m, uint64_t gfn)
{
    for (int i = 0; i < MEM_HEAP_PAGES; i++) {
        if (m->heap_gfn[i] == gfn && gfn) {
            return i;
        }
    }
    return -1;
}

static const MemBlock *block_at(const Memory *m, uint64_t gfn)
{
    for (unsigned i = 0; i < MEM_BLOCKS; i++) {
        const MemBlock *b = &m->block[i];

        if (b->mapped && (gfn << PAGE_SHIFT) - b->gpa < b->size) {
            return b;
        }
    }
    return NULL;
}

bool mem_create(Memory *m, uint64_t memory_mb, uint64_t max_mb, GError **error)
{
    uint64_t bytes = memory_mb << 20, size;

    memset(m, 0, sizeof *m);
    m->ram_fd = m->types_fd = m->code_fd = m->heap_fd = -1;
    for (unsigned i = 0; i < MEM_BLOCKS; i++) {
        m->block[i].fd = -1;
    }
    m->low_end = MIN(bytes, PC_MMIO_HOLE_START);
    m->high_end = bytes > m->low_end ? GIB4 + bytes - m->low_end : 0;
    size = MAX(m->high_end, GIB4) + SLACK_ABOVE;
    m->guest.size = size;
    m->limit = (MAX(memory_mb, max_mb) << (20 - PAGE_SHIFT)) + MEM_ALLOWANCE;

    m->ram_fd = fd_memory_new("guest-ram", size, F_SEAL_SEAL, error);
    m->types_fd = m->ram_fd < 0 ? -1 : fd_memory_new("page-types", size >> PAGE_SHIFT, F_SEAL_SEAL, error);
    m->code_fd = m->types_fd < 0 ? -1 : fd_memory_new("code-pages", size >> PAGE_SHIFT, F_SEAL_SEAL, error);
    m->heap_fd = m->code_fd < 0 ? -1 : fd_memory_new("xen-pages", MEM_HEAP_PAGES * PAGE_SIZE, F_SEAL_SEAL, error);
    if (m->heap_fd < 0) {
        mem_destroy(m);
        return false;
    }
    m->guest.base = map_shared(m->ram_fd, size, "guest RAM", error);
    m->types = m->guest.base ? map_shared(m->types_fd, size >> PAGE_SHIFT, "page types", error)
                             : NULL;
    m->guest.types = m->types;
    m->guest.code_pages = m->types ? map_shared(m->code_fd, size >> PAGE_SHIFT, "code pages", error)
                                   : NULL;
    m->heap = m->guest.code_pages ? map_shared(m->heap_fd, MEM_HEAP_PAGES * PAGE_SIZE,
                                               "Xen's pages", error) : NULL;
    if (!m->heap) {
        mem_destroy(m);
        return false;
    }
    madvise(m->guest.base, size, MADV_DONTDUMP);
    mem_populate(m, 0, PC_VGA_HOLE_START >> PAGE_SHIFT);
    mem_populate(m, PC_VGA_HOLE_END >> PAGE_SHIFT, (m->low_end - PC_VGA_HOLE_END) >> PAGE_SHIFT);
    if (m->high_end) {
        mem_populate(m, GIB4 >> PAGE_SHIFT, (m->high_end - GIB4) >> PAGE_SHIFT);
    }
    mem_populate(m, PC_XENSTORE_GFN, 1);
    mem_populate(m, PC_IDENT_PT_GFN, 1);
    mem_populate(m, PC_CONSOLE_GFN, 1);
    return true;
}

void mem_destroy(Memory *m)
{
    uint64_t size = m->guest.size;

    if (m->heap) {
        munmap(m->heap, MEM_HEAP_PAGES * PAGE_SIZE);
    }
    if (m->guest.code_pages) {
        munmap(m->guest.code_pages, size >> PAGE_SHIFT);
    }
    if (m->types) {
        munmap(m->types, size >> PAGE_SHIFT);
    }
    if (m->guest.base) {
        munmap(m->guest.base, size);
    }
    for (unsigned i = 0; i < MEM_BLOCKS; i++) {
        if (m->block[i].fd >= 0) {
            close(m->block[i].fd);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        int fd = i == 0 ? m->ram_fd : i == 1 ? m->types_fd : i == 2 ? m->code_fd : m->heap_fd;

        if (fd >= 0) {
            close(fd);
        }
    }
    memset(m, 0, sizeof *m);
}

/* --- access --- */

uint8_t *mem_page(const Memory *m, uint64_t gfn, bool write)
{
    uint8_t type;

    if (gfn >= m->guest.size >> PAGE_SHIFT) {
        return NULL;
    }
    type = __atomic_load_n(&m->types[gfn], __ATOMIC_RELAXED);
    if (type != MEM_RAM && (type != MEM_ROM || write)) {
        return NULL;
    }
    return m->guest.base + (gfn << PAGE_SHIFT);
}

bool mem_read(const Memory *m, uint64_t gpa, void *buf, size_t len)
{
    uint8_t *to = buf;

    while (len) {
        size_t here = MIN(len, PAGE_SIZE - (gpa & (PAGE_SIZE - 1)));
        const uint8_t *page = mem_page(m, gpa >> PAGE_SHIFT, false);

        if (!page) {
            memset(to, 0, len);
            return false;
        }
        memcpy(to, page + (gpa & (PAGE_SIZE - 1)), here);
        to += here;
        gpa += here;
        len -= here;
    }
    return true;
}

bool mem_write(Memory *m, uint64_t gpa, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    while (len) {
        size_t here = MIN(len, PAGE_SIZE - (gpa & (PAGE_SIZE - 1)));
        uint8_t *page = mem_page(m, gpa >> PAGE_SHIFT, true);

        if (!page) {
            return false;
        }
        memcpy(page + (gpa & (PAGE_SIZE - 1)), from, here);
        memory_written(m, gpa, here);
        from += here;
        gpa += here;
        len -= here;
    }
    return true;
}

void memory_written(Memory *m, uint64_t gpa, uint64_t len)
{
    uint64_t last = (gpa + len - 1) >> PAGE_SHIFT;

    if (!m->engine || len == 0 || !in_space(m, gpa >> PAGE_SHIFT, last - (gpa >> PAGE_SHIFT) + 1)) {
        return;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (uint64_t gfn = gpa >> PAGE_SHIFT; gfn <= last; gfn++) {
        if (m->guest.code_pages[gfn]) {
            m->ops->code_written(m->engine, gpa, len);
            return;
        }
    }
}

/* --- the physical map --- */

int mem_populate(Memory *m, uint64_t gfn, uint64_t count)
{
    uint64_t fresh = 0;

    if (!in_space(m, gfn, count)) {
        return -XEN_EINVAL;
    }
    for (uint64_t i = gfn; i < gfn + count; i++) {
        fresh += m->types[i] == MEM_HOLE;
    }
    if (m->pages + fresh > m->limit) {
        return -XEN_ENOMEM;
    }
    for (uint64_t i = gfn; i < gfn + count; i++) {
        if (m->types[i] == MEM_HOLE) {
            __atomic_store_n(&m->types[i], MEM_RAM, __ATOMIC_SEQ_CST);
        }
    }
    m->pages += fresh;
    if (fresh) {
        changed(m, gfn, count);
    }
    return 0;
}

/* One page that is out of the engine's hands already. */
static void drop_page(Memory *m, uint64_t gfn)
{
    int heap = heap_page_at(m, gfn);

    if (heap >= 0) {
        m->heap_gfn[heap] = 0;
        restore_flat(m, gfn, 1);
    }
    punch(m, gfn, 1);
}

/* Counts each page once: the guest's list may name one twice. */
static void take_away(Memory *m, uint64_t gfn, uint64_t count)
{
    for (uint64_t g = gfn; g < gfn + count; g++) {
        if (m->types[g] != MEM_HOLE) {
            m->pages -= heap_page_at(m, g) < 0;
            set_types(m, g, 1, MEM_HOLE);
        }
    }
}

int mem_release(Memory *m, const uint64_t *gfns, unsigned n, unsigned order)
{
    uint64_t first = UINT64_MAX, end = 0, run = 1ULL << order;

    for (unsigned i = 0; i < n; i++) {
        if (!in_space(m, gfns[i], run)) {
            return -XEN_EINVAL;
        }
        for (uint64_t g = gfns[i]; g < gfns[i] + run; g++) {
            if (m->types[g] == MEM_HOLE || block_at(m, g)) {
                return -XEN_EINVAL;
            }
        }
        first = MIN(first, gfns[i]);
        end = MAX(end, gfns[i] + run);
    }
    for (unsigned i = 0; i < n; i++) {
        take_away(m, gfns[i], run);
    }
    if (n) {
        changed(m, first, end - first);
    }
    for (unsigned i = 0; i < n; i++) {
        bool heap = false;

        for (uint64_t g = gfns[i]; g < gfns[i] + run && !heap; g++) {
            heap = heap_page_at(m, g) >= 0;
        }
        if (heap) {
            for (uint64_t g = gfns[i]; g < gfns[i] + run; g++) {
                drop_page(m, g);
            }
        } else {
            punch(m, gfns[i], run);
        }
    }
    return 0;
}

int mem_move(Memory *m, uint64_t from, uint64_t to)
{
    int rc;

    if (!in_space(m, from, 1) || !in_space(m, to, 1) || m->types[from] == MEM_HOLE ||
        block_at(m, from) || block_at(m, to)) {
        return -XEN_EINVAL;
    }
    if (from == to) {
        return 0;
    }
    if (heap_page_at(m, from) >= 0) {
        return mem_map_heap(m, heap_page_at(m, from), to);
    }
    if (m->types[to] != MEM_HOLE) {
        rc = mem_release(m, &to, 1, 0);
        if (rc < 0) {
            return rc;
        }
    }
    m->types[from] = MEM_HOLE;
    changed(m, from, 1);
    memcpy(m->guest.base + (to << PAGE_SHIFT), m->guest.base + (from << PAGE_SHIFT), PAGE_SIZE);
    punch(m, from, 1);
    set_types(m, to, 1, MEM_RAM);
    changed(m, to, 1);
    return 0;
}

int mem_map_heap(Memory *m, unsigned page, uint64_t gfn)
{
    uint64_t old = m->heap_gfn[page];

    if (gfn == 0 || !in_space(m, gfn, 1) || block_at(m, gfn)) {
        return -XEN_EINVAL;
    }
    if (old == gfn) {
        return 0;
    }
    if (old) {
        mem_release(m, &old, 1, 0);
    }
    if (m->types[gfn] != MEM_HOLE) {
        mem_release(m, &gfn, 1, 0);
    }
    if (mmap(m->guest.base + (gfn << PAGE_SHIFT), PAGE_SIZE, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED, m->heap_fd, (off_t)page << PAGE_SHIFT) == MAP_FAILED) {
        return -XEN_ENOMEM;
    }
    m->heap_gfn[page] = gfn;
    set_types(m, gfn, 1, MEM_RAM);
    changed(m, gfn, 1);
    return 0;
}

int mem_set_type(Memory *m, uint64_t gfn, uint64_t count, uint8_t type)
{
    if (!in_space(m, gfn, count) || count > 1u << 20) {
        return -XEN_EINVAL;
    }
    for (uint64_t i = gfn; i < gfn + count; i++) {
        if (m->types[i] == MEM_HOLE || block_at(m, i)) {
            return -XEN_EINVAL;
        }
    }
    set_types(m, gfn, count, type);
    changed(m, gfn, count);
    return 0;
}

uint64_t mem_highest_gfn(const Memory *m)
{
    uint64_t gfn = m->guest.size >> PAGE_SHIFT;

    while (gfn && m->types[gfn - 1] == MEM_HOLE) {
        gfn--;
    }
    return gfn ? gfn - 1 : 0;
}

/* --- blocks of the device model --- */

/* A descriptor that can't shrink under us: a SIGBUS would be the guest's death or ours. */
static bool block_fd_fits(int fd, uint64_t size)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(fd, &st) == 0 &&
           (uint64_t)st.st_size >= size;
}

static void block_unmap(Memory *m, MemBlock *b)
{
    uint64_t gfn = b->gpa >> PAGE_SHIFT, count = b->size >> PAGE_SHIFT;

    if (!b->mapped) {
        return;
    }
    if (b->log_dirty && m->engine) {
        m->ops->dirty_log(m->engine, b->gpa, b->size, false);
    }
    b->mapped = false;
    set_types(m, gfn, count, MEM_HOLE);
    changed(m, gfn, count);
    restore_flat(m, gfn, count);
}

static int block_show(Memory *m, MemBlock *b, const DmMapBlock *req)
{
    uint64_t gfn = req->gpa >> PAGE_SHIFT, count = req->size >> PAGE_SHIFT;

    if ((req->gpa & (PAGE_SIZE - 1)) || !in_space(m, gfn, count)) {
        return -XEN_EINVAL;
    }
    for (uint64_t i = gfn; i < gfn + count; i++) {
        if (m->types[i] != MEM_HOLE) {
            return -XEN_EBUSY;
        }
    }
    if (mmap(m->guest.base + req->gpa, req->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
             b->fd, (off_t)req->offset) == MAP_FAILED) {
        restore_flat(m, gfn, count);
        return -XEN_ENOMEM;
    }
    b->gpa = req->gpa;
    b->size = req->size;
    b->offset = req->offset;
    b->mapped = true;
    b->read_only = req->flags & DM_BLOCK_READ_ONLY;
    b->log_dirty = req->flags & DM_BLOCK_LOG_DIRTY;
    set_types(m, gfn, count, b->read_only ? MEM_ROM : MEM_RAM);
    changed(m, gfn, count);
    if (b->log_dirty && m->engine) {
        m->ops->dirty_log(m->engine, b->gpa, b->size, true);
    }
    return 0;
}

static bool request_sane(const DmMapBlock *req)
{
    return req->handle < MEM_BLOCKS && req->size && !(req->size & (PAGE_SIZE - 1)) &&
           !(req->offset & (PAGE_SIZE - 1)) && req->size <= BLOCK_MAX && req->offset <= BLOCK_MAX;
}

int mem_block_map(Memory *m, const DmMapBlock *req, int fd)
{
    MemBlock *b;

    if (!request_sane(req)) {
        if (fd >= 0) {
            close(fd);
        }
        return -XEN_EINVAL;
    }
    b = &m->block[req->handle];
    if (fd >= 0) {
        block_unmap(m, b);
        if (b->fd >= 0) {
            close(b->fd);
        }
        b->fd = fd;
    }
    if (b->fd < 0) {
        return -XEN_ENOENT;
    }
    if (!(req->flags & DM_BLOCK_MAP)) {
        block_unmap(m, b);
        return 0;
    }
    if (!block_fd_fits(b->fd, req->offset + req->size)) {
        return -XEN_EINVAL;
    }
    if (b->mapped && b->gpa == req->gpa && b->size == req->size && b->offset == req->offset) {
        return 0;
    }
    block_unmap(m, b);
    return block_show(m, b, req);
}

int mem_block_dirty(Memory *m, unsigned handle, uint8_t *bitmap, size_t len)
{
    const MemBlock *b = handle < MEM_BLOCKS ? &m->block[handle] : NULL;

    if (!b || b->fd < 0) {
        return -XEN_ENOENT;
    }
    if (!b->mapped || !b->log_dirty || !m->engine || len < ((b->size >> PAGE_SHIFT) + 7) / 8) {
        return 0;
    }
    m->ops->dirty_fetch(m->engine, b->gpa, b->size, bitmap);
    return 0;
}

int mem_track_vram(Memory *m, uint64_t first, uint64_t pages, uint8_t *bitmap, size_t len)
{
    if (!m->engine) {
        return -XEN_EINVAL;
    }
    if (m->vram_pages && (m->vram_first != first || m->vram_pages != pages)) {
        m->ops->dirty_log(m->engine, m->vram_first << PAGE_SHIFT, m->vram_pages << PAGE_SHIFT, false);
        m->vram_pages = 0;
    }
    if (pages == 0) {
        return 0;
    }
    if (!in_space(m, first, pages) || pages > 1u << 18 || (pages + 7) / 8 > len) {
        return -XEN_EINVAL;
    }
    if (m->vram_pages == 0) {
        m->vram_first = first;
        m->vram_pages = pages;
        m->ops->dirty_log(m->engine, first << PAGE_SHIFT, pages << PAGE_SHIFT, true);
        memset(bitmap, 0xff, (pages + 7) / 8);
        return 0;
    }
    m->ops->dirty_fetch(m->engine, first << PAGE_SHIFT, pages << PAGE_SHIFT, bitmap);
    return 0;
}
