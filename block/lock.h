/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lock.h - advisory image locks, taken by whoever opens an image (xend, tools), never by the
 * device model.  Open-file-description locks: they follow the descriptor across exec and SCM_RIGHTS
 * and go when the last copy of it is closed.
 */
#ifndef GH_BLOCK_LOCK_H
#define GH_BLOCK_LOCK_H

#include <glib.h>
#include <stdbool.h>

/* exclusive: for writing.  False with an error that names the holder's pid where it is known. */
bool block_lock(int fd, bool exclusive, GError **error);
void block_unlock(int fd);

#endif
