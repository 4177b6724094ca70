/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * window.c - SDL window: a streaming texture that gets the changed rectangles, keys by their place,
 * the mouse either absolute, or held in the window while the guest's pointer is relative (Ctrl+Alt
 * lets go; Ctrl+Alt+F toggles full screen).  The picture is scaled when the window is.  A small
 * thread waits for the device model, so that nothing is polled.
 */
#include "ui/sdl/window.h"

#include <SDL.h>
#include <poll.h>
#include <string.h>
#include "ui/input.h"
#include "ui/sdl/keys.h"

enum { AXIS_MAX = 32767 };

typedef struct Window {
    Screen *screen;
    const WindowOptions *options;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    unsigned texture_w, texture_h;
    SDL_sem *handled;           /* the waiting thread may look again */
    uint32_t screen_event;
    bool held;                  /* the mouse is ours: relative */
    bool chord, chord_used;     /* Ctrl+Alt are down; and were used for something */
    bool full_screen, changed, over;
    uint8_t keys[32];           /* bits by input code: down for the guest */
    unsigned buttons;
    int status;
} Window;

/* --- to the guest ------------------------------------------------------------------------------ */

static void send_key(Window *w, unsigned code, bool down)
{
    uint8_t bit = 1 << (code & 7), *keys = &w->keys[code >> 3];

    if (!code || (!down && !(*keys & bit))) {
        return;
    }
    *keys = down ? *keys | bit : *keys & ~bit;
    screen_send(w->screen, false, UI_KEY, code, down, 0, 0);
}

static void release_keys(Window *w)
{
    for (unsigned code = 1; code < 256; code++) {
        send_key(w, code, false);
    }
}

/* The middle of the pixel, so that the guest finds that pixel however it rounds. */
static uint32_t axis(int at, unsigned size)
{
    return size ? (2 * (uint64_t)CLAMP(at, 0, (int)size - 1) + 1) * (AXIS_MAX + 1) / (2 * size) : 0;
}

static void send_pointer(Window *w, int x, int y, int dx, int dy, int wheel, bool may_drop)
{
    if (w->screen->absolute) {
        screen_send(w->screen, may_drop, UI_POINTER, axis(x, w->screen->width),
                    axis(y, w->screen->height), w->buttons, wheel);
    } else if (w->held) {
        screen_send(w->screen, may_drop, UI_MOTION, dx, dy, w->buttons, wheel);
    }
}

/* --- the window -------------------------------------------------------------------------------- */

static void update_title(Window *w)
{
    g_autofree char *title = g_strdup_printf("%s%s", w->options->name,
        w->held ? " - press Ctrl+Alt to release the mouse"
                : w->screen->absolute ? "" : " - click to use the mouse");

    SDL_SetWindowTitle(w->window, title);
}

static void hold_mouse(Window *w, bool hold)
{
    hold = hold && !w->screen->absolute;
    if (w->held && !hold && w->buttons) {
        w->buttons = 0;
        send_pointer(w, 0, 0, 0, 0, 0, false);
    }
    if (hold != w->held) {
        SDL_SetRelativeMouseMode(hold ? SDL_TRUE : SDL_FALSE);
        w->held = hold;
    }
    update_title(w);
}

static void toggle_full_screen(Window *w)
{
    w->full_screen = !w->full_screen;
    SDL_SetWindowFullscreen(w->window, w->full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    w->changed = true;
}

static void upload(Window *w, unsigned x, unsigned y, unsigned width, unsigned height)
{
    const Screen *s = w->screen;
    SDL_Rect r = { x, y, width, height };

    if (w->texture && x + width <= w->texture_w && y + height <= w->texture_h) {
        SDL_UpdateTexture(w->texture, &r, s->pixels + (size_t)y * s->stride + x * 4, s->stride);
        w->changed = true;
    }
}

static void resized(Window *w)
{
    const Screen *s = w->screen;

    if (!w->texture || w->texture_w != s->width || w->texture_h != s->height) {
        if (w->texture) {
            SDL_DestroyTexture(w->texture);
        }
        w->texture = SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_RGB888,
                                       SDL_TEXTUREACCESS_STREAMING, s->width, s->height);
        w->texture_w = s->width;
        w->texture_h = s->height;
        SDL_RenderSetLogicalSize(w->renderer, s->width, s->height);
        if (!w->full_screen && !(SDL_GetWindowFlags(w->window) & SDL_WINDOW_MAXIMIZED)) {
            SDL_SetWindowSize(w->window, s->width, s->height);
        }
    }
    upload(w, 0, 0, s->width, s->height);
}

static void present(Window *w)
{
    SDL_RenderClear(w->renderer);
    if (w->texture) {
        SDL_RenderCopy(w->renderer, w->texture, NULL, NULL);
    }
    SDL_RenderPresent(w->renderer);
    w->changed = false;
}

/* --- events ------------------------------------------------------------------------------------ */

static void on_screen(Window *w)
{
    enum ScreenEvent event;
    UiMsg m;

    while (!w->over && (event = screen_next(w->screen, &m)) != SCREEN_NOTHING) {
        switch (event) {
        case SCREEN_RESIZED:
            resized(w);
            break;
        case SCREEN_DIRTY:
            upload(w, m.a, m.b, m.c, m.d);
            break;
        case SCREEN_POINTER:
            hold_mouse(w, w->held);
            SDL_ShowCursor(w->screen->absolute ? SDL_DISABLE : SDL_ENABLE);
            break;
        case SCREEN_CLOSED:
        case SCREEN_BAD:
            w->over = true;
            w->status = event == SCREEN_BAD;
            break;
        default:
            break;
        }
    }
    SDL_SemPost(w->handled);
}

/* Ctrl+Alt pressed and let go with nothing in between gives the mouse back, or takes it. */
static void on_chord(Window *w, const SDL_KeyboardEvent *e)
{
    bool both = (e->keysym.mod & KMOD_CTRL) && (e->keysym.mod & KMOD_LALT);

    if (both && !w->chord) {
        w->chord = true;
        w->chord_used = false;
    } else if (w->chord && !both) {
        w->chord = false;
        if (!w->chord_used) {
            hold_mouse(w, !w->held);
        }
    }
}

static void on_key(Window *w, const SDL_KeyboardEvent *e)
{
    bool down = e->type == SDL_KEYDOWN;
    unsigned code = sdl_key_code(e->keysym.scancode);
    bool modifier = code == 0x1d || code == 0x9d || code == 0x38;

    if (e->repeat) {
        return;                         /* the guest's keyboard repeats */
    }
    on_chord(w, e);
    if (w->chord && down && !modifier) {
        w->chord_used = true;
        if (e->keysym.scancode == SDL_SCANCODE_F) {
            release_keys(w);
            toggle_full_screen(w);
            return;
        }
    }
    send_key(w, code, down);
}

static void on_button(Window *w, const SDL_MouseButtonEvent *e)
{
    static const uint8_t bits[] = { 0, INPUT_LEFT, INPUT_MIDDLE, INPUT_RIGHT, INPUT_SIDE,
                                    INPUT_EXTRA };
    unsigned bit = e->button < G_N_ELEMENTS(bits) ? bits[e->button] : 0;

    if (!w->screen->absolute && !w->held) {
        hold_mouse(w, e->type == SDL_MOUSEBUTTONDOWN && bit == INPUT_LEFT);
        return;
    }
    w->buttons = e->type == SDL_MOUSEBUTTONDOWN ? w->buttons | bit : w->buttons & ~bit;
    send_pointer(w, e->x, e->y, 0, 0, 0, false);
}

static void on_window(Window *w, const SDL_WindowEvent *e)
{
    switch (e->event) {
    case SDL_WINDOWEVENT_HIDDEN:
    case SDL_WINDOWEVENT_MINIMIZED:
        screen_send(w->screen, false, UI_WATCHERS, 0, 0, 0, 0);
        break;
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_RESTORED:
        screen_send(w->screen, false, UI_WATCHERS, 1, 0, 0, 0);
        break;
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_SIZE_CHANGED:
        w->changed = true;
        break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
        release_keys(w);
        hold_mouse(w, false);
        w->chord = false;
        break;
    default:
        break;
    }
}

static void on_event(Window *w, const SDL_Event *e)
{
    int x, y;

    switch (e->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        on_key(w, &e->key);
        break;
    case SDL_MOUSEMOTION:
        send_pointer(w, e->motion.x, e->motion.y, e->motion.xrel, e->motion.yrel, 0, true);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        on_button(w, &e->button);
        break;
    case SDL_MOUSEWHEEL: {
        float fx, fy;

        SDL_GetMouseState(&x, &y);
        SDL_RenderWindowToLogical(w->renderer, x, y, &fx, &fy);
        send_pointer(w, fx, fy, 0, 0, -e->wheel.y, false);
        break;
    }
    case SDL_WINDOWEVENT:
        on_window(w, &e->window);
        break;
    case SDL_QUIT:
        screen_send(w->screen, false, UI_QUIT, 0, 0, 0, 0);
        break;
    case SDL_RENDER_TARGETS_RESET:
    case SDL_RENDER_DEVICE_RESET:
        upload(w, 0, 0, w->screen->width, w->screen->height);
        break;
    default:
        if (e->type == w->screen_event) {
            on_screen(w);
        }
        break;
    }
}

/* Sleeps until the device model says something, tells the event loop, waits until it has read. */
static int wait_for_screen(void *opaque)
{
    Window *w = opaque;

    for (;;) {
        struct pollfd p = { .fd = w->screen->sock, .events = POLLIN };
        SDL_Event e = { .type = w->screen_event };

        if (poll(&p, 1, -1) > 0 && SDL_PushEvent(&e) == 1) {
            SDL_SemWait(w->handled);
        }
    }
    return 0;
}

/* --- life -------------------------------------------------------------------------------------- */

static bool open_window(Window *w, GError **error)
{
    uint32_t flags = SDL_WINDOW_RESIZABLE | (w->full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);

    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_GRAB_KEYBOARD, "1");
    if (!w->options->opengl) {
        SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
    }
    if (SDL_Init(SDL_INIT_VIDEO) == 0) {
        w->window = SDL_CreateWindow(w->options->name, SDL_WINDOWPOS_UNDEFINED,
                                     SDL_WINDOWPOS_UNDEFINED, 640, 400, flags);
    }
    if (w->window) {
        w->renderer = SDL_CreateRenderer(w->window, -1, w->options->opengl
                                                            ? SDL_RENDERER_ACCELERATED
                                                            : SDL_RENDERER_SOFTWARE);
    }
    if (!w->renderer && w->window) {
        w->renderer = SDL_CreateRenderer(w->window, -1, SDL_RENDERER_SOFTWARE);
    }
    w->handled = SDL_CreateSemaphore(0);
    w->screen_event = SDL_RegisterEvents(1);
    if (!w->renderer || !w->handled || w->screen_event == UINT32_MAX) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "no window: %s", SDL_GetError());
        return false;
    }
    return true;
}

int window_run(Screen *screen, const WindowOptions *options, GError **error)
{
    Window *w = g_new0(Window, 1);
    int status;

    w->screen = screen;
    w->options = options;
    w->full_screen = options->full_screen;
    if (!open_window(w, error)) {
        SDL_Quit();
        g_free(w);
        return 1;
    }
    update_title(w);
    SDL_DetachThread(SDL_CreateThread(wait_for_screen, "screen", w));
    screen_send(screen, false, UI_WATCHERS, 1, 0, 0, 0);
    while (!w->over) {
        SDL_Event e;

        if (SDL_WaitEvent(&e)) {
            do {
                on_event(w, &e);
            } while (!w->over && SDL_PollEvent(&e));
        }
        if (w->changed) {
            present(w);
        }
    }
    status = w->status;
    hold_mouse(w, false);
    SDL_DestroyWindow(w->window);       /* w stays: the waiting thread has it until exit */
    return status;
}
