/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uhci_schedule.c - one frame of a UHCI schedule (Universal Host Controller Interface Design Guide
 * 1.1, chapters 3 and 4): frame list, queue heads, transfer descriptors, depth and breadth first,
 * error counters, short packets.  Every structure is read once, as a whole, and judged by that copy.
 * A frame is bounded in bus time and in links followed, so a list that bites its tail costs no more
 * than a long one.  Bus time is SPEEDUP times that of 12 Mbit/s: what a guest moves in a
 * millisecond is our choice, and disks are slow enough.
 */
#include "hw/usb/uhci.h"

#include <string.h>

enum { LINK_END = 1, LINK_QUEUE = 2, LINK_DEPTH = 4 };
#define LINK_ADDRESS(link) ((link) & ~15u)
enum { TD_BIT_STUFF = 1 << 17, TD_TIMEOUT = 1 << 18, TD_NAK = 1 << 19, TD_BABBLE = 1 << 20,
       TD_BUFFER = 1 << 21, TD_STALLED = 1 << 22, TD_ACTIVE = 1 << 23, TD_IOC = 1 << 24,
       TD_ISO = 1 << 25, TD_LOW_SPEED = 1 << 26, TD_SHORT_DETECT = 1 << 29 };
enum { TD_ERRORS_SHIFT = 27, TD_LENGTH_MASK = 0x7ff, TD_LENGTH_NONE = 0x7ff, TD_LENGTH_MAX = 0x4ff };
/* Status bits that one transaction sets anew. */
enum { TD_RESULTS = TD_BIT_STUFF | TD_TIMEOUT | TD_NAK | TD_BABBLE | TD_BUFFER | TD_STALLED };
enum { QH_ELEMENT = 4, TD_STATUS = 4 };

enum { SPEEDUP = 12, FRAME_BYTES = 1500 * SPEEDUP, FRAME_LINKS = 2048 };
/* Sync, PID, CRC, turn-around, handshake of a full speed transaction; low speed bits are 8 times
 * as long. */
enum { TRANSACTION_BYTES = 13, NAK_BYTES = 9, LOW_SPEED_FACTOR = 8 };
enum { AHEAD_TDS = 64 };

typedef struct Td { uint32_t link, status, token, buffer; } Td;
typedef struct Qh { uint32_t link, element; } Qh;

typedef enum TdOutcome { TD_DONE, TD_LEFT, TD_FATAL } TdOutcome;

typedef struct Walk {
    Uhci *u;
    uint32_t qh_address;        /* queue that the current descriptor is in; 0: none */
    Qh qh;
    unsigned bytes, links;      /* spent */
    bool busy;                  /* something happened in this frame */
    /* Brent's search for a cycle of queue heads in which nothing moves. */
    uint32_t mark;
    unsigned steps, power;
    bool moved;                 /* since the mark was set */
} Walk;

/* Little endian words, in one access. */
static bool fetch(Uhci *u, uint32_t address, uint32_t *words, unsigned n)
{
    if (!dma_read(u->pci.dev.machine, address, words, 4 * n)) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        words[i] = GUINT32_FROM_LE(words[i]);
    }
    return true;
}

static void store(Uhci *u, uint32_t address, uint32_t value)
{
    dma_write_u32(u->pci.dev.machine, address, GUINT32_TO_LE(value));
}

/* Nobody answered on the PCI bus. */
static void system_error(Uhci *u, const char *what, uint32_t address)
{
    log_guest(&u->pci.dev, "%s at %08x is not in memory: host system error", what, address);
    u->pci.config[7] |= 0x20;               /* received master abort */
    uhci_stop(u, STS_SYSTEM);
}

/* --- one transaction --------------------------------------------------------------------------- */

static unsigned td_length(const Td *td)
{
    return ((td->token >> 21) + 1) & TD_LENGTH_MASK;
}

static bool td_sound(const Td *td)
{
    unsigned pid = td->token & 0xff, length = td->token >> 21;

    return (pid == USB_PID_IN || pid == USB_PID_OUT || pid == USB_PID_SETUP) &&
           (length <= TD_LENGTH_MAX || length == TD_LENGTH_NONE);
}

/* How much the driver has queued for the same endpoint, from this descriptor on: a hint only. */
static uint32_t queued_ahead(Walk *w, const Td *td)
{
    uint32_t total = td_length(td), link = td->link;
    Td next;

    for (unsigned i = 0; i < AHEAD_TDS && !(link & (LINK_END | LINK_QUEUE)); i++) {
        if (!fetch(w->u, LINK_ADDRESS(link), &next.link, 4) || !(next.status & TD_ACTIVE) ||
            (next.token & 0x7ffff) != (td->token & 0x7ffff)) {
            break;
        }
        total += td_length(&next);
        link = next.link;
    }
    return total;
}

static UsbResult transact(Walk *w, const Td *td, unsigned *actual)
{
    Uhci *u = w->u;
    UsbDevice *dev = usb_bus_find(&u->usb, td->token >> 8 & 0x7f);
    UsbPacket p = { .pid = td->token, .endpoint = td->token >> 15 & 15, .length = td_length(td),
                    .data = u->buffer };
    bool low_speed = td->status & TD_LOW_SPEED;
    UsbResult result;

    if (p.pid != USB_PID_IN &&
        !dma_read(u->pci.dev.machine, td->buffer, u->buffer, p.length)) {
        system_error(u, "packet", td->buffer);
        return USB_TIMEOUT;
    }
    if (!dev || (dev->model->speed == USB_LOW_SPEED) != low_speed) {
        return USB_TIMEOUT;
    }
    if (dev->model->raw_control && p.endpoint) {
        p.ahead = queued_ahead(w, td);
    }
    result = usb_device_packet(dev, &p);
    *actual = p.pid == USB_PID_IN ? p.actual : p.length;
    if (result == USB_OK && p.pid == USB_PID_IN && p.actual &&
        !dma_write(u->pci.dev.machine, td->buffer, u->buffer, p.actual)) {
        system_error(u, "buffer", td->buffer);
    }
    return result;
}

static void spend(Walk *w, const Td *td, UsbResult result, unsigned actual)
{
    unsigned bytes = result == USB_OK ? actual + TRANSACTION_BYTES : NAK_BYTES;

    w->bytes += td->status & TD_LOW_SPEED ? bytes * LOW_SPEED_FACTOR : bytes;
}

static void fail(Uhci *u, Td *td, uint32_t bits)
{
    td->status = (td->status & ~TD_ACTIVE) | TD_STALLED | bits;
    u->status |= STS_ERROR;
}

/* A transaction that may be tried again, as often as the counter says; 0 is for ever. */
static void count_error(Uhci *u, Td *td, uint32_t bit)
{
    unsigned errors = td->status >> TD_ERRORS_SHIFT & 3;

    td->status |= bit;
    if (errors) {
        errors--;
        td->status = (td->status & ~(3u << TD_ERRORS_SHIFT)) | errors << TD_ERRORS_SHIFT;
        if (!errors) {
            fail(u, td, 0);
        }
    }
}

static void note_ioc(Uhci *u, const Td *td)
{
    if (td->status & TD_IOC) {
        u->status |= STS_USBINT;
        u->ioc = true;
    }
}

/* The transaction went well; false: the queue stays where it is, by short packet detection. */
static bool succeeded(Walk *w, Td *td, unsigned actual)
{
    bool is_short = (td->token & 0xff) == USB_PID_IN && actual < td_length(td);

    td->status &= ~(TD_ACTIVE | TD_LENGTH_MASK);
    td->status |= (actual - 1) & TD_LENGTH_MASK;
    if (is_short && (td->status & TD_SHORT_DETECT) && w->qh_address) {
        w->u->status |= STS_USBINT;
        w->u->short_packet = true;
        return false;
    }
    return true;
}

static TdOutcome execute(Walk *w, uint32_t address, Td *td)
{
    Uhci *u = w->u;
    unsigned actual = 0;
    UsbResult result;
    TdOutcome outcome = TD_LEFT;

    if (!(td->status & TD_ACTIVE)) {
        /* Linux keeps one such descriptor to be called at a frame's end. */
        w->busy |= td->status & TD_IOC && !(u->status & STS_USBINT);
        note_ioc(u, td);
        return TD_LEFT;
    }
    if (!td_sound(td)) {
        log_guest(&u->pci.dev, "descriptor %08x with token %08x: process error", address, td->token);
        uhci_stop(u, STS_PROCESS);
        return TD_FATAL;
    }
    result = transact(w, td, &actual);
    if (!(u->command & CMD_RS)) {
        return TD_FATAL;
    }
    spend(w, td, result, actual);
    td->status &= ~TD_RESULTS;
    if (result != USB_OK && (result != USB_NAK || (td->status & TD_ISO))) {
        td->status |= TD_LENGTH_MASK;       /* no bytes */
    }
    switch (result) {
    case USB_OK:
        outcome = succeeded(w, td, actual) ? TD_DONE : TD_LEFT;
        break;
    case USB_NAK:
        td->status |= TD_NAK;
        break;
    case USB_STALL:
        fail(u, td, 0);
        break;
    case USB_BABBLE:
        fail(u, td, TD_BABBLE);
        break;
    case USB_TIMEOUT:
        count_error(u, td, TD_TIMEOUT);
        break;
    }
    if (td->status & TD_ISO) {
        td->status &= ~(TD_ACTIVE | TD_STALLED);    /* its time has passed, however it went */
    }
    if (!(td->status & TD_ACTIVE)) {
        note_ioc(u, td);
    }
    w->busy |= result != USB_NAK;
    w->moved |= result == USB_OK;
    store(u, address + TD_STATUS, td->status);
    return outcome;
}

/* --- the walk ---------------------------------------------------------------------------------- */

/* Reads the next queue head; false: the frame ends here. */
static bool enter_queue(Walk *w, uint32_t *link)
{
    uint32_t address = LINK_ADDRESS(*link);

    if (address == w->mark && !w->moved) {
        return false;                       /* round once, and nobody had anything */
    }
    if (w->steps == w->power) {
        w->mark = address;
        w->power *= 2;
        w->steps = 0;
        w->moved = false;
    } else if (address == w->mark) {
        w->moved = false;
    }
    w->steps++;
    if (!fetch(w->u, address, &w->qh.link, 2)) {
        system_error(w->u, "queue head", address);
        return false;
    }
    if (w->qh.element & LINK_END) {
        *link = w->qh.link;
        w->qh_address = 0;
    } else {
        *link = w->qh.element;
        w->qh_address = address;
    }
    return true;
}

static void leave_queue(Walk *w, uint32_t *link)
{
    *link = w->qh.link;
    w->qh_address = 0;
}

static bool visit_td(Walk *w, uint32_t *link)
{
    uint32_t address = LINK_ADDRESS(*link);
    TdOutcome outcome;
    Td td;

    if (!fetch(w->u, address, &td.link, 4)) {
        system_error(w->u, "transfer descriptor", address);
        return false;
    }
    outcome = execute(w, address, &td);
    if (outcome == TD_FATAL) {
        return false;
    }
    if (!w->qh_address) {
        *link = td.link;                    /* isochronous: one after the other */
    } else if (outcome == TD_LEFT) {
        leave_queue(w, link);
    } else {
        w->qh.element = td.link;
        store(w->u, w->qh_address + QH_ELEMENT, td.link);
        if ((td.link & LINK_DEPTH) && !(td.link & LINK_END)) {
            *link = td.link;
        } else {
            leave_queue(w, link);
        }
    }
    if ((w->u->command & CMD_SWDBG) && outcome == TD_DONE) {
        uhci_stop(w->u, 0);                 /* single step: one transaction, then stand */
        return false;
    }
    return true;
}

bool uhci_walk_frame(Uhci *u)
{
    Walk w = { .u = u, .mark = LINK_END, .power = 1 };
    uint32_t entry = u->frame_base + 4 * (u->frame_number & FRAME_LIST_MASK), link;
    bool more = true;

    if (!fetch(u, entry, &link, 1)) {
        system_error(u, "frame list", entry);
        return true;
    }
    while (more && !(link & LINK_END) && w.bytes < FRAME_BYTES && w.links++ < FRAME_LINKS) {
        more = link & LINK_QUEUE ? enter_queue(&w, &link) : visit_td(&w, &link);
    }
    return w.busy;
}
