/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network.h - network-script of xend-config.sxp: what the host's network becomes while xend runs.
 */
#ifndef GH_XEND_NETWORK_H
#define GH_XEND_NETWORK_H

#include <stdbool.h>

/*
 * spec: a script's name and its arguments (key=value), NULL: nothing to do.  start: at xend's start,
 * else at its end.  network-bridge, network-nat, network-route and network-dummy are built in; another
 * name is a program, run with "start" or "stop" and the arguments.  Blocks until it is done.
 */
bool network_script(const char *spec, bool start, char **error);

#endif
