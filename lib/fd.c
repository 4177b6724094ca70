/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fd.c - see fd.h. */
#include "lib/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool fd_write_all(int fd, const void *buf, size_t len)
{
    const uint8_t *p = buf;

    while (len) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd wait = { fd, POLLOUT, 0 };

            poll(&wait, 1, 1000);
        } else if (n < 0 && errno != EINTR) {
            return false;
        } else if (n > 0) {
            p += n;
            len -= n;
        }
    }
    return true;
}

int fd_memory_new(const char *name, uint64_t size, int more, GError **error)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, size) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | more) < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "memory for %s: %s", name,
                    g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

#define LARGE_PAGE (UINT64_C(2) << 20)

void *fd_map_ram(int fd, uint64_t size)
{
    uint8_t *room, *at;
    struct stat st;

    if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < size) {
        errno = EINVAL;
        return NULL;
    }
    room = mmap(NULL, size + LARGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) {
        return NULL;
    }
    at = (uint8_t *)(((uintptr_t)room + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1));
    if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) != at) {
        munmap(room, size + LARGE_PAGE);
        return NULL;
    }
    if (at > room) {
        munmap(room, at - room);
    }
    munmap(at + size, LARGE_PAGE - (at - room));
    return at;
}
