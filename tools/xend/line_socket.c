/* SPDX-License-Identifier: GPL-2.0-or-later */
/* line_socket.c - listening sockets for lines. */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "tools/xend/line.h"

static int bind_to(int fd, const struct sockaddr *address, socklen_t len)
{
    int one = 1, saved;

    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, address, len) == 0 && listen(fd, 1) == 0) {
        return fd;
    }
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* A socket that nobody serves any more is taken over. */
static int listen_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int flags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, fd;
    struct stat st;
    mode_t mask;

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        int probe = socket(AF_UNIX, flags, 0);
        bool served = connect(probe, (struct sockaddr *)&address, sizeof address) == 0 ||
                      errno != ECONNREFUSED;

        close(probe);
        if (!served) {
            unlink(path);
        }
    }
    mask = umask(077);
    fd = bind_to(socket(AF_UNIX, flags, 0), (struct sockaddr *)&address, sizeof address);
    umask(mask);
    return fd;
}

int line_listen(const LineConfig *config)
{
    struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *list;
    g_autofree char *service = g_strdup_printf("%u", config->port);
    int fd;

    if (config->kind == LINE_UNIX) {
        return listen_unix(config->path);
    }
    if (getaddrinfo(*config->host ? config->host : "127.0.0.1", service, &hints, &list) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    fd = bind_to(socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                 list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return fd;
}
