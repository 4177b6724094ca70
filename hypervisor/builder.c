/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * builder.c - what Xen's domain builder does for an HVM guest: the loader (ELF32) at its addresses,
 * the firmware image as the module "firmware", hvm_start_info, hvm_info_table, the parameters, and
 * vCPU 0 at the PVH entry (xen/arch-x86/hvm/start_info.h).  The images come as descriptors and are
 * checked as if a stranger had made them.
 */
#include "hypervisor/builder.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hypervisor/xen_abi.h"
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/hvm/e820.h>
#include <xen/hvm/hvm_info_table.h>
#include <xen/hvm/params.h>
#include "hypervisor/vcpu.h"
#include "include/pc_layout.h"

#define IMAGE_MAX (32u << 20)
#define GIB4 (1ULL << 32)
#define ROUND_UP(x) (((x) + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1))
#define E820_TYPE_RAM 1
#define PARAM_PAE_ENABLED 4     /* no longer in Xen's header */

typedef struct Image { uint8_t *data; size_t len; } Image;

static bool fail(GError **error, const char *what)
{
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s", what);
    return false;
}

/* A private copy: the file may change while we look. */
static bool read_image(int fd, const char *name, Image *img, GError **error)
{
    struct stat st;
    size_t got = 0;

    if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > IMAGE_MAX) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: not a file of a sensible size",
                    name);
        return false;
    }
    img->data = g_malloc(st.st_size);
    img->len = st.st_size;
    while (got < img->len) {
        ssize_t n = pread(fd, img->data + got, img->len - got, got);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "%s: %s", name,
                        n < 0 ? g_strerror(errno) : "cut short");
            return false;
        }
        got += n;
    }
    return true;
}

static bool load_segment(Domain *d, const Image *img, const Elf32_Phdr *p, uint64_t *end,
                         GError **error)
{
    if (p->p_filesz > p->p_memsz || p->p_offset > img->len ||
        p->p_filesz > img->len - p->p_offset) {
        return fail(error, "loader: a segment lies outside the file");
    }
    if (p->p_paddr < PC_HVMLOADER || (uint64_t)p->p_paddr + p->p_memsz > d->mem.low_end) {
        return fail(error, "loader: a segment lies outside the guest's memory");
    }
    if (!mem_write(&d->mem, p->p_paddr, img->data + p->p_offset, p->p_filesz)) {
        return fail(error, "loader: a segment can't be written");
    }
    *end = MAX(*end, (uint64_t)p->p_paddr + p->p_memsz);
    return true;
}

static bool load_elf(Domain *d, const Image *img, uint64_t *end, uint32_t *entry, GError **error)
{
    Elf32_Ehdr eh;
    bool inside = false;

    if (img->len < sizeof eh) {
        return fail(error, "loader: too short for an ELF file");
    }
    memcpy(&eh, img->data, sizeof eh);
    if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS32 ||
        eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_machine != EM_386 ||
        eh.e_phentsize != sizeof(Elf32_Phdr) ||
        eh.e_phoff > img->len || eh.e_phnum > (img->len - eh.e_phoff) / sizeof(Elf32_Phdr)) {
        return fail(error, "loader: not a 32-bit x86 ELF program");
    }
    *end = 0;
    for (unsigned i = 0; i < eh.e_phnum; i++) {
        Elf32_Phdr p;

        memcpy(&p, img->data + eh.e_phoff + i * sizeof p, sizeof p);
        if (p.p_type != PT_LOAD || p.p_memsz == 0) {
            continue;
        }
        if (!load_segment(d, img, &p, end, error)) {
            return false;
        }
        inside |= eh.e_entry - p.p_paddr < p.p_memsz;
    }
    if (!inside) {
        return fail(error, "loader: its entry point is in no segment");
    }
    *entry = eh.e_entry;
    return true;
}

bool builder_e820(const Domain *d, unsigned n, uint64_t *addr, uint64_t *size, uint32_t *type)
{
    *type = E820_TYPE_RAM;
    if (n == 0) {
        *addr = PC_HVMLOADER;
        *size = d->mem.low_end - PC_HVMLOADER;
        return true;
    }
    if (n == 1 && d->mem.high_end) {
        *addr = GIB4;
        *size = d->mem.high_end - GIB4;
        return true;
    }
    return false;
}

/* start_info, the module list, its command line and the memory map share one page at gpa. */
static bool write_start_info(Domain *d, uint64_t gpa, uint64_t module, uint64_t module_len)
{
    struct {
        struct hvm_start_info info;
        struct hvm_modlist_entry mod;
        struct hvm_memmap_table_entry map[2];
        char name[16];
    } page = { .name = "firmware" };
    unsigned entries = 0;
    uint32_t type;

    while (entries < 2 && builder_e820(d, entries, &page.map[entries].addr,
                                       &page.map[entries].size, &type)) {
        page.map[entries++].type = XEN_HVM_MEMMAP_TYPE_RAM;
    }
    page.info.magic = XEN_HVM_START_MAGIC_VALUE;
    page.info.version = 1;
    page.info.memmap_paddr = gpa + ((uint8_t *)page.map - (uint8_t *)&page);
    page.info.memmap_entries = entries;
    if (module_len) {
        page.info.nr_modules = 1;
        page.info.modlist_paddr = gpa + ((uint8_t *)&page.mod - (uint8_t *)&page);
        page.mod.paddr = module;
        page.mod.size = module_len;
        page.mod.cmdline_paddr = gpa + ((uint8_t *)page.name - (uint8_t *)&page);
    }
    return mem_write(&d->mem, gpa, &page, sizeof page);
}

static bool write_info_table(Domain *d)
{
    struct hvm_info_table t = { .signature = "HVM INFO" };
    uint8_t sum = 0;

    t.length = sizeof t;
    t.apic_mode = d->opt.apic;
    t.nr_vcpus = d->nvcpus;
    t.low_mem_pgend = d->mem.low_end >> PAGE_SHIFT;
    t.high_mem_pgend = d->mem.high_end >> PAGE_SHIFT;
    t.reserved_mem_pgstart = PC_IOREQ_SERVER_GFN;
    for (unsigned i = 0; i < d->nvcpus; i++) {
        if (i >= 64 || (d->opt.vcpu_avail >> i & 1)) {
            t.vcpu_online[i / 8] |= 1u << (i % 8);
        }
    }
    for (size_t i = 0; i < sizeof t; i++) {
        sum += ((const uint8_t *)&t)[i];
    }
    t.checksum = -sum;
    return mem_write(&d->mem, PC_HVM_INFO, &t, sizeof t);
}

/* One page directory of 4 MiB identity pages, as old VMX needs for real mode. */
static bool write_identity_map(Domain *d)
{
    uint32_t pd[1024];

    for (unsigned i = 0; i < 1024; i++) {
        pd[i] = i << 22 | 0xe7; /* present, writable, user, accessed, dirty, large */
    }
    return mem_write(&d->mem, (uint64_t)PC_IDENT_PT_GFN << PAGE_SHIFT, pd, sizeof pd);
}

static void set_params(Domain *d)
{
    d->param[PARAM_PAE_ENABLED] = d->opt.pae;
    d->param[HVM_PARAM_TIMER_MODE] = d->opt.timer_mode;
    d->param[HVM_PARAM_HPET_ENABLED] = d->opt.hpet;
    d->param[HVM_PARAM_IDENT_PT] = (uint64_t)PC_IDENT_PT_GFN << PAGE_SHIFT;
    d->param[HVM_PARAM_TRIPLE_FAULT_REASON] = SHUTDOWN_REBOOT;
    d->param[HVM_PARAM_IOREQ_SERVER_PFN] = PC_IOREQ_SERVER_GFN;
    d->param[HVM_PARAM_NR_IOREQ_SERVER_PAGES] = 8;
    d->param[HVM_PARAM_IOREQ_PFN] = PC_IOREQ_GFN;
    d->param[HVM_PARAM_BUFIOREQ_PFN] = PC_BUFIOREQ_GFN;
    d->param[HVM_PARAM_VPT_ALIGN] = 1;
}

static void start_vcpu0(Domain *d, uint32_t entry, uint64_t start_info)
{
    VcpuState *s = g_new0(VcpuState, 1);

    vcpu_reset_state(s, 0);
    s->tsc_offset = d->tsc_offset;
    s->tsc_aux = d->tsc_aux;
    s->rip = entry;
    s->gpr[3] = start_info;     /* ebx */
    s->cr0 = 0x11;              /* protected mode, paging off */
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        s->seg[i] = (SegState){ .limit = UINT32_MAX, .attr = 0xc93 };
    }
    s->seg[SEG_CS].attr = 0xc9b;
    s->tr = (SegState){ .limit = 0x67, .attr = 0x8b };
    vcpu_bring_up(d->vcpu[0], s);
    g_free(s);
}

static bool place(Domain *d, const Image *loader, const Image *firmware, GError **error)
{
    uint64_t end, module, start_info;
    uint32_t entry;

    if (!load_elf(d, loader, &end, &entry, error)) {
        return false;
    }
    module = ROUND_UP(end);
    start_info = ROUND_UP(module + firmware->len);
    if (start_info + PAGE_SIZE > d->mem.low_end ||
        !mem_write(&d->mem, module, firmware->data, firmware->len) ||
        !write_start_info(d, start_info, module, firmware->len) || !write_info_table(d) ||
        !write_identity_map(d)) {
        return fail(error, "the guest's memory is too small for its loader");
    }
    set_params(d);
    start_vcpu0(d, entry, start_info);
    return true;
}

bool builder_build(Domain *d, GError **error)
{
    Image loader = { 0 }, firmware = { 0 };
    bool ok;

    if (d->opt.loader_fd < 0) {
        return fail(error, "no loader was given (--loader-fd)");
    }
    ok = read_image(d->opt.loader_fd, "loader", &loader, error) &&
         (d->opt.firmware_fd < 0 || read_image(d->opt.firmware_fd, "firmware", &firmware, error)) &&
         place(d, &loader, &firmware, error);
    g_free(loader.data);
    g_free(firmware.data);
    return ok;
}
