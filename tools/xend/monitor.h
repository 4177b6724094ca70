/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor.h - a domain's monitor on a terminal (monitor=1), with the commands of the device model's
 * of Xen 4.1 that mean something here.  What it does it does by xend's own methods (api.c).
 */
#ifndef GH_XEND_MONITOR_H
#define GH_XEND_MONITOR_H

typedef struct Domain Domain;
typedef struct Monitor Monitor;

Monitor *monitor_new(Domain *d, char **error);
void monitor_free(Monitor *m);              /* NULL is fine */
const char *monitor_tty(const Monitor *m);  /* /dev/pts/N */

#endif
