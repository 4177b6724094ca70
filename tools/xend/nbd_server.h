/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_server.h - a qemu-nbd for an image in a format that the block layer does not have.
 */
#ifndef GH_XEND_NBD_SERVER_H
#define GH_XEND_NBD_SERVER_H

#include "tools/common/domain_config.h"

/* Starts one and connects to it; it ends when the connection does.  dir: where only this user can
 * go.  A socket, or -1 with a message. */
int nbd_server_start(const char *dir, const DiskConfig *disk, char **error);

#endif
