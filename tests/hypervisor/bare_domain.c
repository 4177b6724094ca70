/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bare_domain.c - see bare_domain.h. */
#include "tests/hypervisor/bare_domain.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOAD_AT 0x100000

size_t bare_loader(uint8_t image[256])
{
    Elf32_Ehdr eh = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
                                   EV_CURRENT },
                      .e_type = ET_EXEC, .e_machine = EM_386, .e_entry = LOAD_AT,
                      .e_phoff = sizeof eh, .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 1 };
    Elf32_Phdr ph = { .p_type = PT_LOAD, .p_offset = 128, .p_paddr = LOAD_AT, .p_vaddr = LOAD_AT,
                      .p_filesz = 1, .p_memsz = 4096 };

    memset(image, 0, 256);
    memcpy(image, &eh, sizeof eh);
    memcpy(image + sizeof eh, &ph, sizeof ph);
    image[128] = 0xf4;          /* hlt */
    return 256;
}

static Options bare_options(void)
{
    return (Options){ .name = (char *)"bare", .domid = 3, .memory_mb = 16, .max_memory_mb = 16,
                      .vcpus = 2, .vcpu_avail = UINT64_MAX, .cpu = CPU_SOFT, .hpet = true,
                      .acpi = true, .apic = true, .control_fd = -1, .dm_fd = -1, .store_fd = -1,
                      .console_fd = -1, .firmware_fd = -1, .kvm_fd = -1, .gdb_fd = -1,
                      .log_fd = -1 };
}

static Domain *make(Options *o, const void *image, size_t len)
{
    g_autoptr(GError) error = NULL;
    Domain *d;

    o->loader_fd = memfd_create("loader", MFD_CLOEXEC);
    if (write(o->loader_fd, image, len) != (ssize_t)len) {
        return NULL;
    }
    d = domain_new(o, &error);
    close(o->loader_fd);
    return d;
}

Domain *bare_domain_with_loader(const void *image, size_t len)
{
    Options o = bare_options();

    return make(&o, image, len);
}

Domain *bare_domain_with_tsc_mode(unsigned mode)
{
    Options o = bare_options();
    uint8_t image[256];

    o.tsc_mode = mode;
    return make(&o, image, bare_loader(image));
}

Domain *bare_domain_with_cpu(CpuChoice cpu, GArray *cpuid)
{
    Options o = bare_options();
    uint8_t image[256];

    o.cpu = cpu;
    o.cpuid = cpuid;
    o.pae = true;
    return make(&o, image, bare_loader(image));
}

Domain *bare_domain(void)
{
    uint8_t image[256];

    return bare_domain_with_loader(image, bare_loader(image));
}

void bare_domain_free(Domain *d)
{
    domain_destroy(d);
    domain_free(d);
}
