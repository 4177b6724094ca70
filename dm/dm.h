/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dm.h - one device model process: the board, its hypervisor, xend's control socket, the loop.
 */
#ifndef GH_DM_H
#define GH_DM_H

#include "dm/board.h"
#include "dm/hv.h"
#include "dm/ioreq.h"
#include "dm/options.h"

typedef struct Dm {
    DmOptions options;
    Hv *hv;
    Board board;
    IoreqClient *requests;
    GMainLoop *loop;
    int control_fd;             /* -1: none */
    int timer_fd;
    int64_t rtc_offset;         /* seconds: configured plus what the guest set */
    int64_t rtc_moved;          /* sum of what the guest set */
    int exit_status;
} Dm;

/* machine_host.c: what devices see of this process. */
extern const MachineHost dm_machine_host;
bool dm_timers_start(Dm *dm, GError **error);

/* control.c: xend's requests. */
void control_start(Dm *dm);
/* A viewer's wish (ui_proto.h UI_POWER, UI_QUIT) goes to xend, who owns the domain's life. */
void control_viewer(Dm *dm, const char *what);
void control_event(Dm *dm, uint32_t type, uint64_t a, const char *text);

/* policy.c */
bool dm_restrict(const Dm *dm, GError **error);

#endif
