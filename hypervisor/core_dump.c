/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core_dump.c - ELF64 core of a domain's RAM: one PT_LOAD for each run of populated pages, at its
 * guest-physical address, as debuggers and crash tools read it.  CPU
 * registers are left out.
 */
#include "hypervisor/core_dump.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "lib/fd.h"

#define RUNS_MAX 4096

typedef struct Run { uint64_t gfn, pages; } Run;

static bool put(int fd, const void *buf, size_t len, GError **error)
{
    if (!fd_write_all(fd, buf, len)) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "core dump: %s",
                    g_strerror(errno));
        return false;
    }
    return true;
}

static unsigned find_runs(const Memory *m, Run *runs)
{
    uint64_t all = m->guest.size >> PAGE_SHIFT;
    unsigned n = 0;

    for (uint64_t gfn = 0; gfn < all && n < RUNS_MAX; gfn++) {
        if (m->types[gfn] == MEM_HOLE) {
            continue;
        }
        runs[n].gfn = gfn;
        while (gfn < all && m->types[gfn] != MEM_HOLE) {
            gfn++;
        }
        runs[n].pages = gfn - runs[n].gfn;
        n++;
    }
    return n;
}

static bool write_headers(int fd, const Run *runs, unsigned n, GError **error)
{
    uint64_t at = (sizeof(Elf64_Ehdr) + n * sizeof(Elf64_Phdr) + PAGE_SIZE - 1) &
                  ~(uint64_t)(PAGE_SIZE - 1);
    Elf64_Ehdr eh = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                   EV_CURRENT },
                      .e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
                      .e_phoff = sizeof eh, .e_ehsize = sizeof eh,
                      .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = n };
    static const uint8_t zeros[PAGE_SIZE];
    size_t pad = at - sizeof eh - n * sizeof(Elf64_Phdr);

    if (!put(fd, &eh, sizeof eh, error)) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        Elf64_Phdr p = { .p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_offset = at,
                         .p_paddr = runs[i].gfn << PAGE_SHIFT, .p_align = PAGE_SIZE };

        p.p_filesz = p.p_memsz = runs[i].pages << PAGE_SHIFT;
        at += p.p_filesz;
        if (!put(fd, &p, sizeof p, error)) {
            return false;
        }
    }
    return put(fd, zeros, pad, error);
}

bool core_dump(Domain *d, int fd, GError **error)
{
    g_autofree Run *runs = g_new0(Run, RUNS_MAX);
    unsigned n = find_runs(&d->mem, runs);

    if (!write_headers(fd, runs, n, error)) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!put(fd, d->mem.guest.base + (runs[i].gfn << PAGE_SHIFT),
                       runs[i].pages << PAGE_SHIFT, error)) {
            return false;
        }
    }
    return true;
}
