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
/* A request of ctl_proto.h: 0, an errno, or -1 without an answer. */
int harness_control(Harness *h, uint32_t type, uint64_t a);
const CtlInfo *harness_info(Harness *h);        /* CTL_INFO, then this */
void harness_hang_up(Harness *h);       /* the device model dies */
/* After CTL_DESTROY: the child's exit status. */
int harness_wait(Harness *h);
int harness_pid(const Harness *h);
void harness_free(Harness *h);

#endif
