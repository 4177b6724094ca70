/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vif.h - the host's side of a network card: where its frames go, the tap's place in the host's
 * network, and the scripts that put it there and take it away.  See docs/decisions for which card
 * gets what.
 */
#ifndef GH_XEND_VIF_H
#define GH_XEND_VIF_H

#include <glib.h>
#include <stdbool.h>
#include "tools/common/value.h"

typedef enum VifMode {
    VIF_NONE,                   /* cable not plugged */
    VIF_USER,                   /* dm-net */
    VIF_TAP,
    VIF_SEGMENT,                /* dm-switch */
} VifMode;

typedef enum VifScript { SCRIPT_NONE, SCRIPT_BRIDGE, SCRIPT_NAT, SCRIPT_ROUTE, SCRIPT_FILE }
    VifScript;

typedef struct Domain Domain;

typedef struct Vif {
    Domain *domain;
    unsigned index;
    VifMode mode;
    char *ifname;               /* of a tap */
    char *bridge;               /* it is a port of */
    int tap;                    /* xend's descriptor: the interface outlives qemu-dm by it; -1 */
    bool vnet;
    VifScript script;
    char *file;                 /* SCRIPT_FILE */
    char **args;                /* of vif-script */
    bool online, filtered;
    GPid pid;                   /* of a script that runs */
    guint watch, limit;
    bool stopping;
} Vif;

void vif_init(Vif *v, Domain *d, unsigned index);
/* Chooses the mode, and makes the tap.  *note (newly allocated): what is worth telling, or NULL. */
bool vif_open(Vif *v, char **note, char **error);
/* What the card is plugged into: a descriptor for qemu-dm (-1: nothing; kind: as its --nic option has
 * it); the other end of a socket is in the domain's frames. */
bool vif_cable(Vif *v, int *fd, const char **kind, char **error);
void vif_hang_up(Vif *v);       /* the other end goes */
/* Puts the tap into the host's network; a script file is only started, see vif_busy(). */
bool vif_online(Vif *v, char **error);
void vif_offline(Vif *v);       /* the other way round; also when online has not ended */
bool vif_busy(const Vif *v);    /* a script runs; domain_vif_changed() comes when it has ended */
void vif_close(Vif *v);
/* Adds to a dictionary what "xm network-list --long" prints. */
void vif_describe(const Vif *v, Value *dict);

/* What crashed processes of other times have left of filters. */
void vif_remove_stale(void);

#endif
