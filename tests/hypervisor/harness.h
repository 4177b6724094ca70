/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * harness.h - a domain in a child process with a device model that knows next to nothing and a
 * xenstore of a few nodes: enough for hvmloader and SeaBIOS to run.
 */
#ifndef TEST_HYPERVISOR_HARNESS_H
#define TEST_HYPERVISOR_HARNESS_H

#include <glib.h>
#include <stdbool.h>
#include "include/ctl_proto.h"
#include "include/dm_proto.h"

typedef struct Harness Harness;

typedef struct HarnessConfig {
    const char *loader, *firmware;  /* paths */
    const char *cpu;                /* kvm, soft */
    unsigned memory_mb, vcpus;
} HarnessConfig;

Harness *harness_new(const HarnessConfig *c);
/* Serves everything until the log holds text (true) or the time is over or the domain is. */
bool harness_run_until(Harness *h, const char *text, int seconds);
const char *harness_log(Harness *h);
int harness_shutdown_reason(const Harness *h);  /* -1: still running */
int harness_pid(const Harness *h);
void harness_free(Harness *h);

#endif
