/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd.h - a disk that a server has, over a connected socket: formats that only qemu-nbd knows.
 */
#ifndef GH_BLOCK_NBD_H
#define GH_BLOCK_NBD_H

#include "block/file.h"

/* Greets the server on sock (taken over): its default export.  NULL with an error. */
BlockFile *nbd_open(FileQueue *q, int sock, const char *name, bool read_only, GError **error);

#endif
