/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lock.c - tests of image locks between descriptors and processes. */
#include "block/lock.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int lock_file(char path[64])
{
    strcpy(path, "/var/tmp/gh-lock-XXXXXX");
    return mkstemp(path);
}

Test(lock, shared_locks_coexist_and_keep_writers_out)
{
    char path[64];
    int a = lock_file(path), b = open(path, O_RDWR), c = open(path, O_RDWR);
    g_autoptr(GError) error = NULL;

    cr_assert(block_lock(a, false, NULL));
    cr_assert(block_lock(b, false, NULL));
    cr_assert(!block_lock(c, true, &error));
    cr_assert_not_null(error);
    block_unlock(a);
    close(b);
    cr_assert(block_lock(c, true, NULL));
    unlink(path);
}

Test(lock, lock_follows_a_duplicated_descriptor)
{
    char path[64];
    int a = lock_file(path), copy = dup(a), other = open(path, O_RDWR);

    cr_assert(block_lock(a, true, NULL));
    close(a);
    cr_assert(!block_lock(other, true, NULL));
    close(copy);
    cr_assert(block_lock(other, true, NULL));
    unlink(path);
}

Test(lock, error_names_the_process_that_holds_it)
{
    char path[64], want[32], byte;
    int fd = lock_file(path), ready[2], status;
    g_autoptr(GError) error = NULL;
    pid_t child;

    cr_assert_eq(pipe(ready), 0);
    child = fork();
    if (!child) {
        int mine = open(path, O_RDWR);
        bool ok = block_lock(mine, true, NULL);
        if (write(ready[1], ok ? "y" : "n", 1) == 1)
            pause();
        _exit(0);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(byte, 'y');
    cr_assert(!block_lock(fd, true, &error));
    snprintf(want, sizeof(want), "process %d", (int)child);
    cr_assert(strstr(error->message, want), "%s", error->message);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    cr_assert(block_lock(fd, true, NULL));
    unlink(path);
}
