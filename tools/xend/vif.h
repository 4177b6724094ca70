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
/* What the card is plugged into: a descriptor for qemu-dm (kind: its --nic option's), and for dm-net
 * the other end in the domain's frames.  -1: *error. */
int vif_cable(Vif *v, const char **kind, char **error);
/* Puts the tap into the host's network; a script file is only started, see vif_busy(). */
bool vif_online(Vif *v, char **error);
void vif_offline(Vif *v);       /* the other way round; also when online has not ended */
bool vif_busy(const Vif *v);    /* a script runs; domain_vif_changed() comes when it has ended */
void vif_close(Vif *v);

/* What crashed processes of other times have left of filters. */
void vif_remove_stale(void);

#endif
