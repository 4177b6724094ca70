/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuset.h - sets of this host's processors as Xen's tools write them: "0-3,^1,6"; "all" or nothing: any.
 */
#ifndef GH_TOOLS_CPUSET_H
#define GH_TOOLS_CPUSET_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdbool.h>

/* Processors that this host can have; at most CPU_SETSIZE. */
unsigned cpuset_host(void);
/* False with an error for people (g_free) for what is no set, or an empty one. */
bool cpuset_parse(const char *text, unsigned host, cpu_set_t *set, char **error);
/* "0-2,5"; "any cpu" if it is all of host. */
char *cpuset_text(const cpu_set_t *set, unsigned host);

#endif
