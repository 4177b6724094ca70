/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device_lock.c - see device_lock.h. */
#include "hypervisor/device_lock.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPINS 200               /* then the processor is given to others, and later left alone */
#define YIELDS 50
#define SLEEP_NS 20000

static bool barrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

void device_lock_init(DeviceLock *l)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&l->mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    l->door = NULL;
    l->doors = barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

void device_lock_destroy(DeviceLock *l)
{
    pthread_mutex_destroy(&l->mutex);
}

static void await_nobody(const DeviceDoor *door)
{
    struct timespec ts = { 0, SLEEP_NS };

    for (unsigned n = 0; __atomic_load_n(&door->inside, __ATOMIC_ACQUIRE); n++) {
        if (n < SPINS) {
            __builtin_ia32_pause();
        } else if (n < SPINS + YIELDS) {
            sched_yield();
        } else {
            clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
        }
    }
}

/*
 * Every processor that runs this process has passed a barrier.  A kernel may be short of memory for the quick
 * kind; the slow one needs none.  Nothing else would do, so it is asked for until it is had.
 */
static void barrier_everywhere(DeviceLock *l)
{
    struct timespec ts = { 0, SLEEP_NS };

    while (!barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) {
        l->doors = false;               /* the slow kind costs milliseconds */
        if (barrier(MEMBARRIER_CMD_GLOBAL)) {
            break;
        }
        clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
    }
}

/* Nobody comes in any more; somebody may be inside still. */
static void shut(DeviceLock *l, DeviceDoor *door)
{
    if (door->open) {
        __atomic_store_n(&door->open, 0, __ATOMIC_SEQ_CST);
        barrier_everywhere(l);
        door->turns = 0;
    }
}

void device_lock_close(DeviceLock *l)
{
    DeviceDoor *door = l->door;

    shut(l, door);
    await_nobody(door);
    l->door = NULL;
}

void device_door_take(DeviceDoor *door)
{
    __atomic_store_n(&door->thread, pthread_self(), __ATOMIC_RELAXED);
}

void device_lock_forget(DeviceLock *l, DeviceDoor *door)
{
    pthread_mutex_lock(&l->mutex);
    __atomic_store_n(&door->thread, 0, __ATOMIC_RELAXED);      /* its number may be another's soon */
    if (l->door == door) {
        l->door = NULL;
    }
    pthread_mutex_unlock(&l->mutex);
}

bool device_lock_try_mutex(DeviceLock *l, DeviceDoor *door)
{
    if (pthread_mutex_trylock(&l->mutex)) {
        return false;
    }
    if (l->door == door) {
        if (++door->turns >= DOOR_TURNS && l->doors) {
            __atomic_store_n(&door->open, 1, __ATOMIC_RELAXED);
        }
        return true;
    }
    if (l->door) {
        shut(l, l->door);
        if (__atomic_load_n(&l->door->inside, __ATOMIC_ACQUIRE)) {      /* l->door tells the next one */
            pthread_mutex_unlock(&l->mutex);
            return false;
        }
    }
    l->door = door;
    door->turns = 0;
    return true;
}
