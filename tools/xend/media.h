/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * media.h - what is in the drives of a running domain: discs and floppies changed by xm, trays that the
 * guest opens, CD drives of this host.
 */
#ifndef GH_XEND_MEDIA_H
#define GH_XEND_MEDIA_H

#include "tools/xend/domain.h"

/* DOMAIN DEVICE UNAME MODE ["force"]: another medium; empty UNAME: none; empty DEVICE: the CD drive. */
void api_change_medium(Xend *x, Domain *d, RpcCall *call, const Value *params);
/* DOMAIN UNAME DEVICE MODE: into an empty drive; the machine gets no new ones. */
void api_block_attach(Xend *x, Domain *d, RpcCall *call, const Value *params);
/* DOMAIN DEVICE ["force"]: out of a drive. */
void api_block_detach(Xend *x, Domain *d, RpcCall *call, const Value *params);

/* Opens and locks an image's layers: at most FDPASS_MAX descriptors, and their formats with slashes
 * between; how many, 0 with an error. */
unsigned media_open_layers(const Domain *d, const DiskConfig *m, int *fds, GString *formats, char **error);
void media_start(Domain *d);        /* watches this host's drives; once qemu-dm answers */
bool media_busy(const Domain *d);   /* a drive has yet to say what is in it */
void media_stop(Domain *d);
/* qemu-dm's CTL_EVENT_TRAY */
void media_tray(Domain *d, const char *dev, unsigned flags);

#endif
