/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdpass.h - whole packets with descriptors over a SOCK_SEQPACKET socket.
 */
#ifndef GH_FDPASS_H
#define GH_FDPASS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FDPASS_MAX 16

/* One packet of two parts (body may be NULL/0).  False with errno on failure; blocks unless the
 * socket is non-blocking.  Never raises SIGPIPE. */
bool packet_send(int sock, const void *head, size_t head_len, const void *body, size_t body_len,
                 const int *fds, unsigned nfds);
/*
 * One packet into buf.  Returns its length, 0 at end of file, -1 with errno.  Received descriptors
 * (close-on-exec) go to fds, *nfds in: room, out: number; surplus ones are closed.  A packet longer
 * than size is an error (EMSGSIZE).
 */
ssize_t packet_recv(int sock, void *buf, size_t size, int *fds, unsigned *nfds);

#endif
