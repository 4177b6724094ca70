/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fd.h - what several processes do with descriptors: write all of a buffer, make memory that another
 * process will map.
 */
#ifndef GH_FD_H
#define GH_FD_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Waits where the descriptor would block.  False with errno. */
bool fd_write_all(int fd, const void *buf, size_t len);

/*
 * A memfd of exactly that size, so that no holder of it can make another one's access fail.  more:
 * further seals, F_SEAL_SEAL unless some are to be added after mapping.  -1 with an error that
 * names it.
 */
int fd_memory_new(const char *name, uint64_t size, int more, GError **error);

/*
 * Maps guest RAM for reading and writing where the kernel can use large pages for it, if the file has
 * any: at a multiple of 2 MiB.  NULL with errno, also when the file is shorter.
 */
void *fd_map_ram(int fd, uint64_t size);

#endif
