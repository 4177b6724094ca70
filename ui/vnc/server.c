/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.c - hooks of libvncserver (RFB 3.8).  The frame buffer is the display memory itself, mapped
 * once for the largest mode, so a change of mode never frees what a client's thread still reads.
 * Only clients that have passed authentication count as watchers.  Off: file transfer, clipboard,
 * HTTP, power commands, resizing by clients.  WebSocket clients are served by the library.
 */
#include "ui/vnc/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <rfb/rfb.h>
#include <rfb/rfbregion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ui/display.h"
#include "ui/input.h"

enum { CLIENTS_MAX = 32, WRITE_PATIENCE_MS = 10000, UPDATE_DELAY_MS = 10, PASSWORD_USED = 8,
       START_PATIENCE_MS = 3000, STARTERS_LOOK_MS = 200, FIRST_PICTURE_US = 300000 };
enum { AXIS_MAX = 32767, RFB_LEFT = 1, RFB_MIDDLE = 2, RFB_RIGHT = 4, RFB_WHEEL_UP = 8,
       RFB_WHEEL_DOWN = 16 };

struct VncServer {
    Screen *screen;
    Keymap *keymap;
    rfbScreenInfoPtr rfb;
    char *passwords[2];
    int listen_fd;
    GMutex lock;                /* keymap, watchers, order of what is sent to the device model */
    unsigned watchers;
    unsigned drawn;             /* rectangles the device model told of so far */
    GCond drew;
    gint clients;
};

typedef struct Client {
    VncServer *server;
    bool watching, moved;
    int x, y;
    unsigned buttons;           /* RFB mask */
} Client;

/* --- input, in the clients' threads ------------------------------------------------------------ */

static void send_keys(VncServer *s, const KeyStep *step, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        screen_send(s->screen, false, UI_KEY, step[i].code, step[i].down, 0, 0);
    }
}

static void on_key(rfbBool down, rfbKeySym keysym, rfbClientPtr cl)
{
    Client *c = cl->clientData;
    VncServer *s = c->server;
    KeyStep steps[KEYMAP_STEPS];

    g_mutex_lock(&s->lock);
    send_keys(s, steps, keymap_key(s->keymap, c, keysym, down, steps));
    g_mutex_unlock(&s->lock);
}

static void release_keys(Client *c)
{
    KeyStep step;

    while (keymap_release(c->server->keymap, c, &step)) {
        send_keys(c->server, &step, 1);
    }
}

static void on_release_all(rfbClientPtr cl)
{
    Client *c = cl->clientData;

    g_mutex_lock(&c->server->lock);
    release_keys(c);
    g_mutex_unlock(&c->server->lock);
}

static unsigned buttons_of(unsigned mask)
{
    return (mask & RFB_LEFT ? INPUT_LEFT : 0) | (mask & RFB_MIDDLE ? INPUT_MIDDLE : 0) |
           (mask & RFB_RIGHT ? INPUT_RIGHT : 0);
}

/* The middle of the pixel, so that the guest finds that pixel however it rounds. */
static uint32_t axis(int at, unsigned size)
{
    return size ? (2 * (uint64_t)CLAMP(at, 0, (int)size - 1) + 1) * (AXIS_MAX + 1) / (2 * size) : 0;
}

static void on_pointer(int mask, int x, int y, rfbClientPtr cl)
{
    Client *c = cl->clientData;
    VncServer *s = c->server;
    unsigned pressed = mask & ~c->buttons, buttons = buttons_of(mask);
    int wheel = (pressed & RFB_WHEEL_DOWN ? 1 : 0) - (pressed & RFB_WHEEL_UP ? 1 : 0);
    int dx = c->moved ? x - c->x : 0, dy = c->moved ? y - c->y : 0;
    bool just_moves = !wheel && (unsigned)mask == c->buttons;

    g_mutex_lock(&s->lock);
    if (s->screen->absolute) {
        screen_send(s->screen, just_moves, UI_POINTER, axis(x, s->screen->width),
                    axis(y, s->screen->height), buttons, wheel);
    } else if (dx || dy || !just_moves) {
        screen_send(s->screen, just_moves, UI_MOTION, dx, dy, buttons, wheel);
    }
    g_mutex_unlock(&s->lock);
    c->moved = true;
    c->x = x;
    c->y = y;
    c->buttons = mask;
}

/* --- clients ----------------------------------------------------------------------------------- */

/* Nobody draws while nobody watches: the first one to look waits for a fresh picture. */
static void wait_for_picture(VncServer *s)
{
    gint64 end = g_get_monotonic_time() + FIRST_PICTURE_US;
    unsigned before = s->drawn;

    while (s->drawn == before && g_cond_wait_until(&s->drew, &s->lock, end)) {
    }
}

static void watch(Client *c, bool on)
{
    VncServer *s = c->server;

    g_mutex_lock(&s->lock);
    if (c->watching != on) {
        c->watching = on;
        s->watchers += on ? 1 : -1;
        screen_send(s->screen, false, UI_WATCHERS, s->watchers, 0, 0, 0);
        if (on && s->watchers == 1) {
            wait_for_picture(s);
        }
    }
    g_mutex_unlock(&s->lock);
}

/* An update is asked for: only clients that are let in get that far. */
static void on_update(rfbClientPtr cl)
{
    watch(cl->clientData, true);
}

static void on_gone(rfbClientPtr cl)
{
    Client *c = cl->clientData;
    VncServer *s = c->server;

    g_mutex_lock(&s->lock);
    release_keys(c);
    if (buttons_of(c->buttons)) {
        screen_send(s->screen, false, UI_MOTION, 0, 0, 0, 0);
    }
    g_mutex_unlock(&s->lock);
    watch(c, false);
    g_atomic_int_add(&s->clients, -1);
    g_free(c);
    cl->clientData = NULL;
}

static enum rfbNewClientAction on_client(rfbClientPtr cl)
{
    Client *c = g_new0(Client, 1);

    c->server = cl->screen->screenData;
    cl->clientData = c;
    cl->clientGoneHook = on_gone;
    g_atomic_int_inc(&c->server->clients);
    return RFB_CLIENT_ACCEPT;
}

/*
 * A connection that is not yet a client.  libvncserver looks for a WebSocket greeting first, and
 * spins for ever on one that sends one to three bytes and goes: so each has a thread, and the
 * listener takes the bytes away from those that are too long about it.
 */
typedef struct Starter {
    VncServer *server;
    int fd;                     /* the library's, closed by it */
    int spare;                  /* a duplicate: stays valid until we close it */
    gint64 deadline;
    gint done;
} Starter;

static gpointer starter(gpointer opaque)
{
    Starter *st = opaque;
    rfbClientPtr cl = rfbNewClient(st->server->rfb, st->fd);

    if (cl) {
        rfbStartOnHoldClient(cl);
    }
    g_atomic_int_set(&st->done, 1);
    return NULL;
}

static void start_client(VncServer *s, GPtrArray *starters, int fd)
{
    GThread *thread;
    Starter *st;
    int spare;

    if (g_atomic_int_get(&s->clients) + (int)starters->len >= CLIENTS_MAX ||
        (spare = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0) {
        close(fd);
        return;
    }
    st = g_new0(Starter, 1);
    *st = (Starter){ s, fd, spare, g_get_monotonic_time() + START_PATIENCE_MS * 1000, 0 };
    thread = g_thread_try_new("starter", starter, st, NULL);
    if (!thread) {                      /* no threads to be had now: this client, not all */
        close(fd);
        close(spare);
        g_free(st);
        return;
    }
    g_thread_unref(thread);
    g_ptr_array_add(starters, st);
}

static void check_starters(GPtrArray *starters)
{
    for (guint i = starters->len; i-- > 0;) {
        Starter *st = starters->pdata[i];
        uint8_t junk[64];

        if (g_atomic_int_get(&st->done)) {
            close(st->spare);
            g_free(st);
            g_ptr_array_remove_index_fast(starters, i);
        } else if (g_get_monotonic_time() > st->deadline) {
            shutdown(st->spare, SHUT_RDWR);
            while (recv(st->spare, junk, sizeof junk, MSG_DONTWAIT) > 0) {
            }
        }
    }
}

static gpointer listener(gpointer opaque)
{
    GPtrArray *starters = g_ptr_array_new();
    VncServer *s = opaque;

    for (;;) {
        struct pollfd p = { .fd = s->listen_fd, .events = POLLIN };
        int fd = poll(&p, 1, starters->len ? STARTERS_LOOK_MS : -1) > 0
                     ? accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC) : -2;

        check_starters(starters);
        if (fd >= 0) {
            start_client(s, starters, fd);
        } else if (fd == -1 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            g_usleep(100000);           /* out of descriptors: not in a spin */
        }
    }
    return NULL;
}

/* --- screen, in the main thread ---------------------------------------------------------------- */

static void take_size(VncServer *s)
{
    rfbScreenInfoPtr r = s->rfb;

    r->width = s->screen->width;
    r->height = s->screen->height;
    r->paddedWidthInBytes = s->screen->stride;
    r->sizeInBytes = r->paddedWidthInBytes * r->height;
    r->frameBuffer = (char *)(uintptr_t)s->screen->pixels;
}

static void resize(VncServer *s)
{
    rfbClientIteratorPtr it;
    rfbClientPtr cl;

    if (s->rfb->width == (int)s->screen->width && s->rfb->height == (int)s->screen->height) {
        return;
    }
    take_size(s);
    it = rfbGetClientIterator(s->rfb);
    while ((cl = rfbClientIteratorNext(it))) {
        LOCK(cl->updateMutex);
        sraRgnDestroy(cl->modifiedRegion);
        cl->modifiedRegion = sraRgnCreateRect(0, 0, s->rfb->width, s->rfb->height);
        sraRgnMakeEmpty(cl->copyRegion);
        cl->copyDX = cl->copyDY = 0;
        if (cl->useNewFBSize) {
            cl->newFBSizePending = TRUE;
        }
        TSIGNAL(cl->updateCond);
        UNLOCK(cl->updateMutex);
    }
    rfbReleaseClientIterator(it);
}

void vnc_server_event(VncServer *s, enum ScreenEvent event, const UiMsg *m)
{
    switch (event) {
    case SCREEN_RESIZED:
        resize(s);
        break;
    case SCREEN_DIRTY:
        rfbMarkRectAsModified(s->rfb, m->a, m->b, m->a + m->c, m->b + m->d);
        g_mutex_lock(&s->lock);
        s->drawn++;
        g_cond_broadcast(&s->drew);
        g_mutex_unlock(&s->lock);
        break;
    case SCREEN_LEDS:
        g_mutex_lock(&s->lock);
        keymap_set_leds(s->keymap, s->screen->leds);
        g_mutex_unlock(&s->lock);
        break;
    default:
        break;
    }
}

/* --- life -------------------------------------------------------------------------------------- */

static void quiet(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_debug("%s", g_strchomp(text));
}

/* What the library loads at first use must be there before the sandbox closes. */
static void warm_up(void)
{
    unsigned char challenge[CHALLENGESIZE];
    char password[] = "warm up";

    rfbRandomBytes(challenge);
    rfbEncryptBytes(challenge, password);
}

static void set_password(VncServer *s, const char *password)
{
    if (password && *password) {
        s->passwords[0] = g_strndup(password, PASSWORD_USED);
        s->rfb->authPasswdData = s->passwords;
        s->rfb->passwordCheck = rfbCheckPasswordByList;
        s->rfb->authPasswdFirstViewOnly = 1;
    }
}

VncServer *vnc_server_new(Screen *screen, Keymap *keymap, const char *name, const char *password,
                          GError **error)
{
    VncServer *s = g_new0(VncServer, 1);
    rfbScreenInfoPtr r;

    rfbLog = rfbErr = quiet;
    s->rfb = r = rfbGetScreen(NULL, NULL, screen->width, screen->height, 8, 3, 4);
    if (!r) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM, "libvncserver does not start");
        g_free(s);
        return NULL;
    }
    s->screen = screen;
    s->keymap = keymap;
    g_mutex_init(&s->lock);
    g_cond_init(&s->drew);
    r->screenData = s;
    r->desktopName = name;
    r->serverFormat.redShift = 16;
    r->serverFormat.greenShift = 8;
    r->serverFormat.blueShift = 0;
    r->port = r->ipv6port = 0;          /* the socket is xend's */
    r->httpDir = NULL;
    r->permitFileTransfer = FALSE;
    r->alwaysShared = TRUE;
    r->cursor = NULL;                   /* the guest draws its own */
    r->deferUpdateTime = UPDATE_DELAY_MS;
    r->maxClientWait = rfbMaxClientWait = WRITE_PATIENCE_MS;
    r->kbdAddEvent = on_key;
    r->kbdReleaseAllKeys = on_release_all;
    r->ptrAddEvent = on_pointer;
    r->newClientHook = on_client;
    r->displayHook = on_update;
    set_password(s, password);
    take_size(s);
    rfbInitServer(r);
    r->backgroundLoop = TRUE;           /* each client gets its threads */
    warm_up();
    return s;
}

void vnc_server_listen(VncServer *s, int listen_fd)
{
    s->listen_fd = listen_fd;
    fcntl(listen_fd, F_SETFL, fcntl(listen_fd, F_GETFL) | O_NONBLOCK);
    g_thread_unref(g_thread_new("listener", listener, s));
}
