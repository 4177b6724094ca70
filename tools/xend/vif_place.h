/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vif_place.h - the places that a tap can have in the host's network: port of a bridge, behind NAT,
 * routed.  What Xen's scripts of these names do, without a shell.
 */
#ifndef GH_XEND_VIF_PLACE_H
#define GH_XEND_VIF_PLACE_H

#include "tools/xend/vif.h"

bool vif_place(Vif *v, char **error);           /* v->script: not SCRIPT_FILE */
void vif_remove_filter(Vif *v);
const char *vif_argument(const Vif *v, const char *key);    /* of vif-script; NULL: not given */
char *vif_find_bridge(const char *wanted);      /* its name here, or NULL */

#endif
