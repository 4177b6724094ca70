/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fdpass.c - sendmsg/recvmsg with SCM_RIGHTS; see fdpass.h. */
#include "lib/fdpass.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

typedef union Control {
    char buf[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
    struct cmsghdr align;
} Control;

bool packet_send(int sock, const void *head, size_t head_len, const void *body, size_t body_len,
                 const int *fds, unsigned nfds)
{
    struct iovec iov[2] = { { (void *)(uintptr_t)head, head_len },
                            { (void *)(uintptr_t)body, body_len } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = body_len ? 2 : 1 };
    Control control;
    ssize_t n;

    if (nfds > FDPASS_MAX) {
        errno = EINVAL;
        return false;
    }
    if (nfds) {
        struct cmsghdr *c;

        memset(&control, 0, sizeof control);
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
    }
    do {
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n >= 0;
}

ssize_t packet_recv(int sock, void *buf, size_t size, int *fds, unsigned *nfds)
{
    struct iovec iov = { buf, size };
    Control control;
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
                          .msg_controllen = sizeof control.buf };
    unsigned room = nfds ? *nfds : 0, got = 0;
    ssize_t n;

    do {
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return -1;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        unsigned count;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (unsigned i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (got < room) {
                fds[got++] = fd;
            } else {
                close(fd);
            }
        }
    }
    if (nfds) {
        *nfds = got;
    }
    if (msg.msg_flags & MSG_TRUNC) {
        for (unsigned i = 0; i < got; i++) {
            close(fds[i]);
        }
        if (nfds) {
            *nfds = 0;
        }
        errno = EMSGSIZE;
        return -1;
    }
    return n;
}
