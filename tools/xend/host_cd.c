/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host_cd.c - see host_cd.h. */
#include "tools/xend/host_cd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "lib/log_limit.h"

#define LOOK_SECONDS 1
#define LOG_BURST 10            /* a guest can move the tray as often as it likes */
#define LOG_PER_SECOND 1

typedef enum Wish { WISH_NONE, WISH_NO, WISH_YES } Wish;
typedef enum Disc { DISC_UNKNOWN, DISC_ABSENT, DISC_PRESENT } Disc;

struct HostCd {
    HostCds *all;
    gint refs;                  /* the main thread's, the drive's thread's, one for each report under way */
    char *path;
    /* the main thread's */
    HostCdChanged changed;      /* NULL: given up */
    void *opaque;
    /* under lock */
    GMutex lock;
    GCond wake;
    bool quit, ended;           /* the thread is to end; has ended */
    bool again;                 /* the last report came too late, and does not count */
    Wish locked, open;
    unsigned wishes;            /* so far */
    GArray *returned;           /* int: to be closed */
    /* the drive's thread's */
    int fd;
    Disc disc;                  /* as last reported */
    LogLimit log_limit;
};

typedef struct Report {
    HostCd *cd;
    int fd;
    char *failure;
    unsigned wishes;            /* when the drive was looked at */
} Report;

static void unref(HostCd *cd)
{
    if (g_atomic_int_dec_and_test(&cd->refs)) {
        g_mutex_clear(&cd->lock);
        g_cond_clear(&cd->wake);
        g_clear_pointer(&cd->returned, g_array_unref);
        g_free(cd->path);
        g_free(cd);
    }
}

/* --- the drive's thread ----------------------------------------------------------------------- */

static void say(HostCd *cd, const char *what)
{
    int error = errno;

    if (log_limit_allows(&cd->log_limit, g_get_monotonic_time() * 1000, LOG_BURST, LOG_PER_SECOND)) {
        g_warning("%s: %s (%s)", cd->path, what, g_strerror(error));
    }
}

static gboolean deliver(gpointer opaque)
{
    Report *r = opaque;
    HostCd *cd = r->cd;
    bool late;

    g_mutex_lock(&cd->lock);
    late = r->wishes != cd->wishes;
    cd->again |= late;
    g_mutex_unlock(&cd->lock);
    if (cd->changed && !late) {
        cd->changed(cd->opaque, r->fd, r->failure);
    } else if (r->fd >= 0) {
        host_cd_return(cd, r->fd);
    }
    g_free(r->failure);
    g_free(r);
    unref(cd);
    return G_SOURCE_REMOVE;
}

static int open_disc(const HostCd *cd, char **failure)
{
    DiskConfig disk = { .path = cd->path, .cdrom = true };
    DiskChain chain;
    int fd;

    if (!disk_chain_open(&disk, true, &chain, failure)) {
        return -1;
    }
    fd = chain.layer[0].fd;
    chain.layer[0].fd = -1;
    if (chain.size == 0) {
        *failure = g_strdup_printf("%s: the disc has no data", cd->path);
        close(fd);
        fd = -1;
    }
    disk_chain_close(&chain);
    return fd;
}

static void report(HostCd *cd, Disc disc, unsigned wishes)
{
    Report *r = g_new0(Report, 1);

    *r = (Report){ cd, -1, NULL, wishes };
    if (disc == DISC_PRESENT) {
        r->fd = open_disc(cd, &r->failure);
    }
    cd->disc = disc;
    g_atomic_int_inc(&cd->refs);
    g_idle_add(deliver, r);
}

/* A drive that can't say what is in it is judged by its size. */
static Disc ask(const HostCd *cd)
{
    DiskConfig disk = { .path = cd->path, .cdrom = true };
    int status = ioctl(cd->fd, CDROM_DRIVE_STATUS, CDSL_CURRENT);

    switch (status) {
    case CDS_DISC_OK:
        return DISC_PRESENT;
    case CDS_DRIVE_NOT_READY:
        return DISC_UNKNOWN;    /* it spins up */
    case CDS_NO_DISC:
    case CDS_TRAY_OPEN:
        return DISC_ABSENT;
    default:
        return disk_has_medium(&disk) ? DISC_PRESENT : DISC_ABSENT;
    }
}

static void look(HostCd *cd, unsigned wishes)
{
    Disc now = ask(cd);
    bool other = now == DISC_PRESENT && ioctl(cd->fd, CDROM_MEDIA_CHANGED, CDSL_CURRENT) > 0;

    if (now != DISC_UNKNOWN && (now != cd->disc || other)) {
        report(cd, now, wishes);
    }
}

static void set_lock(HostCd *cd, bool locked)
{
    if (ioctl(cd->fd, CDROM_LOCKDOOR, locked ? 1 : 0) < 0) {
        say(cd, locked ? "the door can't be locked" : "the door can't be unlocked");
    }
}

static void move_tray(HostCd *cd, bool open)
{
    if (open) {
        set_lock(cd, false);
    }
    if (ioctl(cd->fd, open ? CDROMEJECT : CDROMCLOSETRAY, 0) < 0) {
        say(cd, open ? "the tray can't be opened" : "the tray can't be closed");
    } else if (open) {
        cd->disc = DISC_ABSENT;         /* the domain has taken it out already */
    }
}

/* What the drive can't do, once; false: it answers none of a CD drive's calls. */
static bool introduce(HostCd *cd)
{
    static const struct {
        int bit;
        const char *words;
    } lacks[] = {
        { CDC_OPEN_TRAY, "open its tray" }, { CDC_CLOSE_TRAY, "close its tray" }, { CDC_LOCK, "be locked" },
        { CDC_DRIVE_STATUS, "say whether a disc is in it" }, { CDC_MEDIA_CHANGED, "tell of another disc" },
    };
    int can;

    cd->fd = open(cd->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);         /* also when it is empty */
    can = cd->fd >= 0 ? ioctl(cd->fd, CDROM_GET_CAPABILITY, 0) : -1;
    if (can < 0) {
        say(cd, "it answers no calls for CD drives: its tray and its lock stay as they are, and another "
                "disc is seen when it is put in with xm cd-insert");
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(lacks); i++) {
        if (!(can & lacks[i].bit)) {
            g_info("%s: the drive can't %s", cd->path, lacks[i].words);
        }
    }
    ioctl(cd->fd, CDROM_MEDIA_CHANGED, CDSL_CURRENT);   /* what was before is no news */
    return true;
}

static void close_returned(GArray *fds)
{
    for (unsigned i = 0; i < fds->len; i++) {
        close(g_array_index(fds, int, i));
    }
    g_array_free(fds, TRUE);
}

/* Waits until there is something to do or LOOK_SECONDS have passed, and does it; false: to end. */
static bool serve(HostCd *cd, bool drive)
{
    gint64 until = g_get_monotonic_time() + LOOK_SECONDS * G_TIME_SPAN_SECOND;
    GArray *returned;
    Wish locked, open;
    unsigned wishes;
    bool quit;

    g_mutex_lock(&cd->lock);
    while (!cd->quit && !cd->locked && !cd->open && !cd->returned->len &&
           g_cond_wait_until(&cd->wake, &cd->lock, until)) {
    }
    locked = cd->locked;
    open = cd->open;
    cd->locked = cd->open = WISH_NONE;
    wishes = cd->wishes;
    returned = cd->returned;
    cd->returned = g_array_new(FALSE, FALSE, sizeof(int));
    cd->disc = cd->again ? DISC_UNKNOWN : cd->disc;
    cd->again = false;
    quit = cd->quit;
    g_mutex_unlock(&cd->lock);
    close_returned(returned);
    if (drive && !quit) {
        if (open) {
            move_tray(cd, open == WISH_YES);
        }
        if (locked) {
            set_lock(cd, locked == WISH_YES);
        }
        look(cd, wishes);
    } else if (!quit && cd->disc == DISC_UNKNOWN) {
        report(cd, DISC_PRESENT, wishes);
    }
    return !quit;
}

static gpointer drive_main(gpointer opaque)
{
    HostCd *cd = opaque;
    HostCds *all = cd->all;
    bool drive = introduce(cd);

    if (drive) {
        look(cd, 0);
    }
    while (serve(cd, drive)) {
    }
    if (drive) {
        ioctl(cd->fd, CDROM_LOCKDOOR, 0);
    }
    if (cd->fd >= 0) {
        close(cd->fd);
    }
    g_mutex_lock(&cd->lock);
    cd->ended = true;
    close_returned(g_steal_pointer(&cd->returned));
    g_mutex_unlock(&cd->lock);
    unref(cd);
    g_mutex_lock(&all->lock);
    all->threads--;
    g_cond_signal(&all->ended);
    g_mutex_unlock(&all->lock);
    return NULL;
}

/* --- the main thread -------------------------------------------------------------------------- */

HostCd *host_cd_new(HostCds *all, const DiskConfig *disk, HostCdChanged changed, void *opaque)
{
    HostCd *cd = g_new0(HostCd, 1);
    GThread *thread;

    cd->all = all;
    cd->refs = 2;
    cd->path = g_strdup(disk->path);
    cd->changed = changed;
    cd->opaque = opaque;
    cd->returned = g_array_new(FALSE, FALSE, sizeof(int));
    cd->fd = -1;
    g_mutex_init(&cd->lock);
    g_cond_init(&cd->wake);
    g_mutex_lock(&all->lock);
    thread = g_thread_try_new("cd-drive", drive_main, cd, NULL);
    all->threads += thread != NULL;
    g_mutex_unlock(&all->lock);
    if (!thread) {
        cd->refs = 1;
        unref(cd);
        return NULL;
    }
    g_thread_unref(thread);
    return cd;
}

void host_cd_free(HostCd *cd)
{
    if (!cd) {
        return;
    }
    cd->changed = NULL;
    g_mutex_lock(&cd->lock);
    cd->quit = true;
    g_cond_signal(&cd->wake);
    g_mutex_unlock(&cd->lock);
    unref(cd);
}

void host_cd_return(HostCd *cd, int fd)
{
    g_mutex_lock(&cd->lock);
    if (cd->ended) {
        close(fd);              /* nothing moves any more */
    } else {
        g_array_append_val(cd->returned, fd);
        g_cond_signal(&cd->wake);
    }
    g_mutex_unlock(&cd->lock);
}

static void wish(HostCd *cd, Wish *which, bool yes)
{
    g_mutex_lock(&cd->lock);
    *which = yes ? WISH_YES : WISH_NO;
    cd->wishes++;
    g_cond_signal(&cd->wake);
    g_mutex_unlock(&cd->lock);
}

void host_cd_lock(HostCd *cd, bool locked)
{
    wish(cd, &cd->locked, locked);
}

void host_cd_move_tray(HostCd *cd, bool open)
{
    wish(cd, &cd->open, open);
}

void host_cds_init(HostCds *all)
{
    *all = (HostCds){ 0 };
    g_mutex_init(&all->lock);
    g_cond_init(&all->ended);
}

void host_cds_wait(HostCds *all, unsigned seconds)
{
    gint64 until = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;

    g_mutex_lock(&all->lock);
    while (all->threads && g_cond_wait_until(&all->ended, &all->lock, until)) {
    }
    g_mutex_unlock(&all->lock);
}
