/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_test.c - Debian's unmodified hvmloader on our hypervisor. */
#include <criterion/criterion.h>
#include <errno.h>
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

Test(boot, paused_domain_uses_no_time_and_destroy_ends_it, .timeout = 60)
{
    HarnessConfig c = { .loader = LOADER, .firmware = BIOS, .cpu = "soft", .memory_mb = 32,
                        .vcpus = 1 };
    Harness *h;
    uint64_t before;

    if (access(LOADER, R_OK)) {
        cr_skip("needs %s", LOADER);
    }
    h = harness_new(&c);
    cr_assert(harness_run_until(h, "System requested", 30), "%s", harness_log(h));
    cr_expect_eq(harness_control(h, CTL_PAUSE, 0), 0);
    cr_expect_eq(harness_control(h, CTL_INFO, 0), 0);
    cr_expect_eq(harness_info(h)->flags, 1);
    cr_expect_eq(harness_info(h)->vcpus, 1);
    before = harness_info(h)->cpu_ns;
    cr_expect_gt(before, 0);
    usleep(300000);
    cr_expect_eq(harness_control(h, CTL_INFO, 0), 0);
    cr_expect_lt(harness_info(h)->cpu_ns - before, 1000000, "%lu ns", harness_info(h)->cpu_ns);
    cr_expect_eq(harness_control(h, CTL_UNPAUSE, 0), 0);
    cr_expect(harness_run_until(h, "SeaBIOS (version", 40), "%s", harness_log(h));
    cr_expect_eq(harness_control(h, CTL_GET_PARAM, 7), EINVAL);
    cr_expect_eq(harness_control(h, CTL_DESTROY, 0), 0);
    cr_expect_eq(harness_wait(h), 0);
    harness_free(h);
}

Test(boot, device_model_that_closes_its_channel_crashes_the_domain, .timeout = 60)
{
    HarnessConfig c = { .loader = LOADER, .firmware = BIOS, .cpu = "soft", .memory_mb = 32,
                        .vcpus = 1 };
    Harness *h;

    if (access(LOADER, R_OK)) {
        cr_skip("needs %s", LOADER);
    }
    h = harness_new(&c);
    cr_assert(harness_run_until(h, "HVM Loader", 30), "%s", harness_log(h));
    harness_hang_up(h);
    cr_expect_not(harness_run_until(h, NULL, 10));
    cr_expect_eq(harness_shutdown_reason(h), 3);
    harness_free(h);
}
