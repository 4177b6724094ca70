/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_test.c - Debian's unmodified hvmloader on our hypervisor. */
#include <criterion/criterion.h>
#include <unistd.h>
#include "tests/hypervisor/harness.h"

#define LOADER "/usr/lib/xen-4.17/boot/hvmloader"
#define BIOS "/usr/share/seabios/bios-256k.bin"

static void boot(const char *cpu)
{
    HarnessConfig c = { .loader = LOADER, .firmware = BIOS, .cpu = cpu, .memory_mb = 64,
                        .vcpus = 2 };
    Harness *h;
    bool seen;

    if (access(LOADER, R_OK) || (!strcmp(cpu, "kvm") && access("/dev/kvm", R_OK | W_OK))) {
        cr_skip("needs %s and its engine", LOADER);
    }
    h = harness_new(&c);
    seen = harness_run_until(h, "SeaBIOS (version", 60);
    cr_assert(seen, "log was:\n%s", harness_log(h));
    harness_free(h);
}

Test(boot, debian_hvmloader_reaches_seabios_on_kvm, .timeout = 90)
{
    boot("kvm");
}

Test(boot, debian_hvmloader_reaches_seabios_on_the_software_cpu, .timeout = 90)
{
    boot("soft");
}
