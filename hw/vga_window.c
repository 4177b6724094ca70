/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_window.c - video memory shown to the guest as memory.  Where the registers leave nothing to do for
 * the card but move bytes, the window at A0000 becomes memory after some accesses: text of its own
 * 32 KiB, which are brought back to the planes before anybody looks there, and banks or chain-4 of
 * video memory itself.  The linear aperture is memory except while a card has to see accesses, and
 * except while text is shown, so that the same bytes are never at two places.
 * What a guest can notice: reads that are not seen do not load the latches.
 */
#include "hw/vga.h"

#include <string.h>

enum { THRESHOLD = 64, THRESHOLD_MAX = 1 << 16, LASTING = 1000 * 1000 /* ns */, LASTING_PAGES = 4,
       RETRY = 1000 * 1000 /* ns */ };

static bool same(const VgaWindow *a, const VgaWindow *b)
{
    return !memcmp(a, b, sizeof *a);
}

static bool nothing(const VgaWindow *w)
{
    return !w->text && !w->part[0].len && !w->part[1].len;
}

/* --- text -------------------------------------------------------------------------------------- */

static void text_from_planes(Vga *v)
{
    for (uint32_t i = 0; i < VGA_TEXT_SIZE; i++) {
        v->text->host[i] = v->vram[(i >> 1) * 4 + (i & 1)];
    }
}

static void text_to_planes(Vga *v, uint32_t first, uint32_t len)
{
    for (uint32_t i = first; i < first + len; i++) {
        v->vram[(i >> 1) * 4 + (i & 1)] = v->text->host[i];
    }
    for (uint32_t at = first * 2; at < (first + len) * 2; at += 4096) {
        vga_touch(v, at);
    }
}

/* --- showing and taking away ------------------------------------------------------------------- */

static void touch_part(Vga *v, unsigned i)
{
    uint32_t end = v->shown.part[i].offset + v->shown.part[i].len;

    for (uint32_t at = v->shown.part[i].offset; at < end; at += 4096) {
        vga_touch(v, at);
    }
}

static void hide(Vga *v, bool keep)
{
    VgaWindow shown = v->shown;

    ram_block_unmap(v->text);
    for (unsigned i = 0; i < 2; i++) {
        ram_block_unmap(v->part[i]);
        touch_part(v, i);
    }
    if (shown.text && keep) {
        text_to_planes(v, 0, VGA_TEXT_SIZE);
    }
    memset(&v->shown, 0, sizeof v->shown);
    vga_linear_update(v);
}

static void show_wish(Vga *v)
{
    if (v->wish.text) {
        ram_block_unmap(v->ram);
        text_from_planes(v);
        ram_block_show(v->text, v->wish.text, 0, VGA_TEXT_SIZE);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (v->wish.part[i].len) {
            ram_block_show(v->part[i], v->wish.part[i].gpa, v->wish.part[i].offset,
                           v->wish.part[i].len);
        }
    }
    v->shown = v->wish;
    v->shown_since = vm_now(v->dev);
}

/* Outside of any access: nothing that the guest has posted is half served. */
static void show(void *opaque)
{
    Vga *v = opaque;

    if (!machine_hold(v->dev->machine)) {
        timer_at(&v->show, vm_now(v->dev) + RETRY);
        return;
    }
    if (nothing(&v->shown) && !nothing(&v->wish) && v->trapped >= v->worth) {
        show_wish(v);
    }
    machine_release(v->dev->machine);
}

static unsigned written(RamBlock *b)
{
    uint8_t bits[2] = { 0 };

    ram_block_dirty(b, bits);
    return __builtin_popcount(bits[0] | bits[1] << 8);
}

/*
 * Before hiding.  A change of the map costs as much as some dozens of accesses; a program whose changes
 * of mind leave too little between them for that gets fewer.
 */
static void weigh(Vga *v)
{
    bool paid = vm_now(v->dev) - v->shown_since > LASTING ||
                written(v->text) + written(v->part[0]) + written(v->part[1]) >= LASTING_PAGES;

    v->worth = paid ? THRESHOLD : MIN(v->worth * 2, THRESHOLD_MAX);
}

void vga_window_update(Vga *v)
{
    VgaWindow wish = v->card->window ? v->card->window(v) : vga_window(v);

    if (same(&wish, &v->wish)) {
        return;
    }
    v->wish = wish;
    v->trapped = 0;
    if (!nothing(&v->shown)) {
        weigh(v);
        hide(v, true);
    }
}

void vga_window_trapped(Vga *v, unsigned n)
{
    v->trapped = MIN(v->trapped + n, THRESHOLD_MAX);
    if (v->trapped >= v->worth && nothing(&v->shown) && !nothing(&v->wish) &&
        !timer_armed(&v->show)) {
        timer_at(&v->show, vm_now(v->dev));
    }
}

void vga_window_sync(Vga *v)
{
    uint8_t pages[1] = { 0 }, bits[2];

    if (v->shown.text) {
        ram_block_dirty(v->text, pages);
        for (unsigned i = 0; i < VGA_TEXT_SIZE >> 12; i++) {
            if (pages[0] >> i & 1) {
                text_to_planes(v, i << 12, 4096);
            }
        }
    }
    for (unsigned p = 0; p < 2; p++) {
        if (v->shown.part[p].len) {
            memset(bits, 0, sizeof bits);
            ram_block_dirty(v->part[p], bits);
            for (unsigned i = 0; i < v->shown.part[p].len >> 12; i++) {
                if (bits[i >> 3] >> (i & 7) & 1) {
                    vga_touch(v, v->shown.part[p].offset + (i << 12));
                }
            }
        }
    }
}

void vga_window_drop(Vga *v)
{
    memset(&v->wish, 0, sizeof v->wish);
    v->worth = THRESHOLD;
    hide(v, false);
    vga_window_update(v);
}

bool vga_window_init(Vga *v, GError **error)
{
    v->worth = THRESHOLD;
    timer_init(&v->show, &v->dev->machine->timers, show, v);
    v->text = ram_block_new(v->dev->machine, "vga-text", VGA_TEXT_SIZE, false, error);
    for (unsigned i = 0; v->text && i < 2; i++) {
        v->part[i] = ram_block_view_new(v->ram, "vga-window", error);
    }
    return v->text && v->part[0] && v->part[1];
}

void vga_window_finish(Vga *v)
{
    if (v->show.queue) {
        timer_cancel(&v->show);
    }
    ram_block_free(v->part[1]);
    ram_block_free(v->part[0]);
    ram_block_free(v->text);
}

/* --- the linear aperture ----------------------------------------------------------------------- */

void vga_linear_update(Vga *v)
{
    if (v->linear && v->linear->mapped && !v->shown.text &&
        (!v->card->linear || v->card->linear(v))) {
        ram_block_map(v->ram, v->linear->addr);
    } else {
        ram_block_unmap(v->ram);
    }
}

void vga_linear_trapped(Vga *v)
{
    if (v->shown.text) {
        v->trapped = 0;
        weigh(v);
        hide(v, true);
    }
}

static uint64_t linear_read(void *opaque, uint64_t offset, unsigned width)
{
    Vga *v = opaque;
    uint64_t value = 0;

    vga_linear_trapped(v);
    for (unsigned i = 0; i < width; i++) {
        value |= (uint64_t)v->vram[(offset + i) & (v->vram_size - 1)] << (8 * i);
    }
    return value;
}

static void linear_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Vga *v = opaque;

    vga_linear_trapped(v);
    for (unsigned i = 0; i < width; i++) {
        uint32_t at = (offset + i) & (v->vram_size - 1);

        v->vram[at] = value >> (8 * i);
        vga_touch(v, at);
    }
}

const IoOps vga_linear_ops = { .read = linear_read, .write = linear_write,
                               .widths = IO_8 | IO_16 | IO_32 | IO_64, .apart = true };
