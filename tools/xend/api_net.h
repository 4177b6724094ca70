/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api_net.h - xm's methods on network cards.  The machine's cards are fixed when it is built; what
 * changes while it runs is what they are plugged into.
 */
#ifndef GH_XEND_API_NET_H
#define GH_XEND_API_NET_H

#include "tools/xend/domain.h"

/* DOMAIN SPEC: plugs an unplugged card (mac= names one) into what SPEC says, as in vif=. */
void api_network_attach(Xend *x, Domain *d, RpcCall *call, const Value *params);
/* DOMAIN NUMBER|MAC: unplugs a card. */
void api_network_detach(Xend *x, Domain *d, RpcCall *call, const Value *params);
/* DOMAIN NUMBER|MAC FILE BYTES: a capture into FILE, or with an empty name its end. */
void api_vif_dump(Xend *x, Domain *d, RpcCall *call, const Value *params);

#endif
