/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uart.c - 16550A serial port (National PC16550D data sheet).  The transmitter hands characters to
 * the line at once, whatever speed is programmed, until the line has LINE_ROOM of them that the cable
 * didn't take: a console costs a guest no waiting.  In loopback it takes a character's time.  The
 * receiver takes a FIFO at a time, and the next when the characters of the last have had their time,
 * so that no driver gets more than the line could carry.  FIFO timeouts, breaks and modem lines as in
 * the data sheet.  Left out: framing and parity errors, which a byte stream does not have.
 */
#include <glib.h>
#include "hw/uart.h"
#include "lib/device.h"
#include "line_proto.h"
#include "ui/chardev.h"

#define FIFO_SIZE 16
#define LINE_ROOM 1024          /* characters */
#define LINE_NS (200 * NS_PER_US)   /* at most from the transmitter to the cable */
#define STALL_NS NS_PER_S       /* a cable that takes nothing holds the guest up so long, once */
#define CLOCK_HZ 115200         /* of the divisor: 1.8432 MHz / 16 */

enum { RBR = 0, THR = 0, DLL = 0, IER = 1, DLM = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5,
       MSR = 6, SCR = 7 };
enum { IER_RX = 1, IER_THRE = 2, IER_LINE = 4, IER_MODEM = 8 };
enum { IIR_NONE = 1, IIR_MODEM = 0, IIR_THRE = 2, IIR_RX = 4, IIR_LINE = 6, IIR_TIMEOUT = 12,
       IIR_FIFO = 0xc0 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4, FCR_TRIGGER = 0xc0 };
enum { LCR_DLAB = 0x80, LCR_BREAK = 0x40 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16 };
enum { LSR_DR = 1, LSR_OE = 2, LSR_PE = 4, LSR_FE = 8, LSR_BI = 0x10, LSR_THRE = 0x20,
       LSR_TEMT = 0x40, LSR_FIFO_ERROR = 0x80, LSR_ERRORS = 0x1e };
enum { MSR_DCTS = 1, MSR_DDSR = 2, MSR_TERI = 4, MSR_DDCD = 8, MSR_CTS = 0x10, MSR_DSR = 0x20,
       MSR_RI = 0x40, MSR_DCD = 0x80 };

typedef struct Uart {
    Device dev;
    uint32_t port, irq;         /* config */
    Chardev *chardev;           /* config; may be NULL: nothing connected */
    uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
    uint16_t divisor;
    bool thr_pending;           /* the THRE interrupt has not been read off IIR */
    bool timeout_pending;       /* characters have waited in the FIFO for four character times */
    Ring rx;
    Ring tx;                    /* LINE_ROOM on the line, and behind them the transmitter's FIFO */
    uint16_t rx_break;          /* bit n: character n of rx, from the oldest, came of a break */
    uint8_t lines;              /* the cable's inputs: MSR bits 4-7 */
    bool tx_stalled;            /* the chardev took nothing: wait for writable */
    bool tx_lost;               /* it did for too long: what does not go at once is lost */
    Timer tx_timer;             /* next character leaves, or patience ends */
    Timer rx_timer;             /* FIFO timeout */
    Timer rx_pace;              /* the characters received have had their time */
} Uart;

static bool fifo_on(const Uart *u)
{
    return u->fcr & FCR_ENABLE;
}

static unsigned trigger_level(const Uart *u)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return fifo_on(u) ? levels[u->fcr >> 6] : 1;
}

/* Start bit, data, parity, stop: 7 to 12 bits. */
static int64_t character_ns(const Uart *u)
{
    unsigned bits = 1 + 5 + (u->lcr & 3) + (u->lcr & 4 ? 2 : 1) + (u->lcr & 8 ? 1 : 0);
    unsigned divisor = u->divisor ? u->divisor : 1;

    return bits * NS_PER_S * divisor / CLOCK_HZ;
}

static uint8_t interrupt_id(const Uart *u)
{
    if ((u->ier & IER_LINE) && (u->lsr & LSR_ERRORS)) {
        return IIR_LINE;
    }
    if ((u->ier & IER_RX) && ring_used(&u->rx) >= trigger_level(u)) {
        return IIR_RX;
    }
    if ((u->ier & IER_RX) && u->timeout_pending && ring_used(&u->rx)) {
        return IIR_TIMEOUT;
    }
    if ((u->ier & IER_THRE) && u->thr_pending) {
        return IIR_THRE;
    }
    if ((u->ier & IER_MODEM) && (u->msr & 0x0f)) {
        return IIR_MODEM;
    }
    return IIR_NONE;
}

/* On a PC the interrupt passes a gate that OUT2 opens. */
static void uart_update_irq(Uart *u)
{
    bool open = (u->mcr & MCR_OUT2) && !(u->mcr & MCR_LOOP);

    io_changed(&u->dev);
    irq_set(&u->dev.machine->isa_irq[u->irq], open && interrupt_id(u) != IIR_NONE);
}

static void receive_byte(Uart *u, uint8_t byte, bool is_break)
{
    if (ring_used(&u->rx) >= (fifo_on(u) ? FIFO_SIZE : 1u)) {
        u->lsr |= LSR_OE;
        if (fifo_on(u)) {
            return;             /* the shift register is overwritten, the FIFO is kept */
        }
        ring_clear(&u->rx);
        u->rx_break = 0;
    }
    u->rx_break |= (unsigned)is_break << ring_used(&u->rx);
    ring_push(&u->rx, byte);
    u->lsr |= LSR_DR | (u->rx_break & 1 ? LSR_BI : 0);
    u->timeout_pending = false;
    if (fifo_on(u)) {
        timer_at(&u->rx_timer, vm_now(&u->dev) + 4 * character_ns(u));
    }
}

static size_t uart_can_receive(void *opaque)
{
    Uart *u = opaque;
    uint32_t room = fifo_on(u) ? FIFO_SIZE : 1;

    return u->mcr & MCR_LOOP || timer_armed(&u->rx_pace) || ring_used(&u->rx) >= room
               ? 0 : room - ring_used(&u->rx);
}

static void rx_paced(void *opaque)
{
    Uart *u = opaque;

    if (u->chardev) {
        chardev_receive_ready(u->chardev);
    }
}

static void uart_receive(void *opaque, const uint8_t *buf, size_t len)
{
    Uart *u = opaque;

    for (size_t i = 0; i < len; i++) {
        receive_byte(u, buf[i], false);
    }
    timer_at(&u->rx_pace, vm_now(&u->dev) + len * character_ns(u));
    uart_update_irq(u);
}

/* A break is one zero character with its mark, however long it lasts. */
static void uart_line_break(void *opaque, bool on)
{
    Uart *u = opaque;

    if (on && !(u->mcr & MCR_LOOP)) {
        receive_byte(u, 0, true);
        uart_update_irq(u);
    }
}

static void rx_timeout(void *opaque)
{
    Uart *u = opaque;

    u->timeout_pending = ring_used(&u->rx) != 0;
    uart_update_irq(u);
}

/* Characters that the transmitter may still hand to the line: none in loopback, which has no line. */
static uint32_t line_room(const Uart *u)
{
    return u->mcr & MCR_LOOP || ring_used(&u->tx) > LINE_ROOM ? 0 : LINE_ROOM - ring_used(&u->tx);
}

static void tx_start(Uart *u)
{
    int64_t delay = character_ns(u);

    if (ring_used(&u->tx) && !timer_armed(&u->tx_timer) && !u->tx_stalled) {
        timer_at(&u->tx_timer, vm_now(&u->dev) + (u->mcr & MCR_LOOP ? delay : MIN(delay, LINE_NS)));
    }
}

static void tx_empty(Uart *u)
{
    u->lsr |= LSR_THRE | LSR_TEMT;
    u->thr_pending = true;
}

/* What is on the line leaves in one go, so that a fast line does not cost a timer for each
 * character. */
static void tx_fire(void *opaque)
{
    Uart *u = opaque;

    while (ring_used(&u->tx)) {
        const uint8_t *bytes;
        uint32_t n = ring_contiguous(&u->tx, &bytes);

        if (u->mcr & MCR_LOOP) {
            receive_byte(u, bytes[0], false);
            n = 1;
        } else if (u->chardev) {
            uint32_t taken = chardev_write(u->chardev, bytes, n);

            if (taken == 0 && !u->tx_stalled && !u->tx_lost) {
                u->tx_stalled = true;
                timer_at(&u->tx_timer, vm_now(&u->dev) + STALL_NS);
                break;
            }
            u->tx_lost = taken == 0;
            n = taken ? taken : n;
        }
        ring_drop(&u->tx, n);
    }
    if (ring_used(&u->tx) == 0) {
        u->tx_stalled = false;
    }
    if (!(u->lsr & LSR_THRE) && (ring_used(&u->tx) == 0 || line_room(u))) {
        tx_empty(u);
    }
    uart_update_irq(u);
}

static void uart_writable(void *opaque)
{
    Uart *u = opaque;

    u->tx_lost = false;
    if (u->tx_stalled) {
        u->tx_stalled = false;
        timer_cancel(&u->tx_timer);
        tx_start(u);
    }
}

/* The transmitter's own FIFO is emptied; the line keeps what it has, loopback has no line. */
static void tx_clear(Uart *u)
{
    ring_truncate(&u->tx, u->mcr & MCR_LOOP ? 0 : LINE_ROOM);
    if (ring_used(&u->tx) == 0) {
        timer_cancel(&u->tx_timer);
    }
    u->lsr |= LSR_THRE | LSR_TEMT;
}

/* The line ends here: it delivers what the cable takes now. */
static void line_drop(Uart *u)
{
    timer_cancel(&u->tx_timer);
    tx_fire(u);
    timer_cancel(&u->tx_timer);
    ring_clear(&u->tx);
    u->tx_stalled = false;
    u->lsr |= LSR_THRE | LSR_TEMT;
}

static void write_thr(Uart *u, uint8_t byte)
{
    uint32_t room = (fifo_on(u) ? FIFO_SIZE : 1) + (u->mcr & MCR_LOOP ? 0 : LINE_ROOM);

    if (ring_used(&u->tx) >= room) {
        ring_truncate(&u->tx, room - 1);    /* overrun: it takes the place of the last one */
    }
    ring_push(&u->tx, byte);
    if (line_room(u)) {
        tx_empty(u);
    } else {
        u->lsr &= ~(LSR_THRE | LSR_TEMT);
        u->thr_pending = false;
    }
    tx_start(u);
}

static void write_fcr(Uart *u, uint8_t value)
{
    if ((value ^ u->fcr) & FCR_ENABLE) {
        value |= FCR_CLEAR_RX | FCR_CLEAR_TX;
    }
    if (value & FCR_CLEAR_RX) {
        ring_clear(&u->rx);
        timer_cancel(&u->rx_timer);
        u->lsr &= ~LSR_DR;
        u->rx_break = 0;
        u->timeout_pending = false;
    }
    if (value & FCR_CLEAR_TX) {
        tx_clear(u);
    }
    u->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | FCR_TRIGGER) : 0;
}

/* In loopback the outputs are wired to the inputs. */
static void update_modem(Uart *u)
{
    uint8_t lines = u->lines, changed;

    if (u->mcr & MCR_LOOP) {
        lines = (u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
                (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0);
    }
    changed = (u->msr ^ lines) & 0xf0;
    u->msr |= changed >> 4 & (MSR_DCTS | MSR_DDSR | MSR_DDCD);
    if ((u->msr & MSR_RI) && !(lines & MSR_RI)) {
        u->msr |= MSR_TERI;
    }
    u->msr = (u->msr & 0x0f) | lines;
}

static void uart_modem(void *opaque, unsigned lines)
{
    Uart *u = opaque;

    u->lines = lines & (MSR_CTS | MSR_DSR | MSR_RI | MSR_DCD);
    update_modem(u);
    uart_update_irq(u);
}

/* What the registers do to the cable; in loopback the outputs rest. */
static void update_line(Uart *u)
{
    bool loop = u->mcr & MCR_LOOP;
    unsigned divisor = u->divisor ? u->divisor : 1;
    unsigned format = 5 + (u->lcr & 3);

    if (!u->chardev) {
        return;
    }
    format |= (u->lcr & 4 ? LINE_TWO_STOPS : 0) | (u->lcr & 8 ? LINE_PARITY : 0) |
              (u->lcr & 16 ? LINE_EVEN : 0) | (u->lcr & 32 ? LINE_STICK : 0);
    if (!(u->lcr & LCR_DLAB)) {
        chardev_params(u->chardev, CLOCK_HZ / divisor, format);
    }
    chardev_break(u->chardev, !loop && (u->lcr & LCR_BREAK));
    chardev_modem(u->chardev, loop ? 0 : (u->mcr & MCR_DTR ? LINE_DTR : 0) |
                                         (u->mcr & MCR_RTS ? LINE_RTS : 0));
}

static uint8_t read_rbr(Uart *u)
{
    uint8_t byte = 0;

    if (ring_pop(&u->rx, &byte)) {
        u->rx_break >>= 1;
        u->lsr |= u->rx_break & 1 ? LSR_BI : 0;
    }
    u->timeout_pending = false;
    if (ring_used(&u->rx) == 0) {
        u->lsr &= ~LSR_DR;
        timer_cancel(&u->rx_timer);
    } else if (fifo_on(u)) {
        timer_at(&u->rx_timer, vm_now(&u->dev) + 4 * character_ns(u));
    }
    if (u->chardev) {
        chardev_receive_ready(u->chardev);
    }
    return byte;
}

static uint64_t uart_read(void *opaque, uint64_t offset, unsigned width)
{
    Uart *u = opaque;
    uint8_t value = 0xff;

    (void)width;
    switch (offset) {
    case RBR:
        value = u->lcr & LCR_DLAB ? u->divisor & 0xff : read_rbr(u);
        break;
    case IER:
        value = u->lcr & LCR_DLAB ? u->divisor >> 8 : u->ier;
        break;
    case IIR:
        value = interrupt_id(u);
        if (value == IIR_THRE) {
            u->thr_pending = false;
        }
        value |= fifo_on(u) ? IIR_FIFO : 0;
        break;
    case LCR:
        value = u->lcr;
        break;
    case MCR:
        value = u->mcr;
        break;
    case LSR:
        value = u->lsr | (fifo_on(u) && u->rx_break ? LSR_FIFO_ERROR : 0);
        u->lsr &= ~LSR_ERRORS;
        break;
    case MSR:
        value = u->msr;
        u->msr &= 0xf0;
        break;
    case SCR:
        value = u->scr;
        break;
    }
    uart_update_irq(u);
    return value;
}

/* Reads of the others take something away: the character, the transmitter's interrupt, errors. */
static bool uart_peek(void *opaque, unsigned offset, uint8_t *value)
{
    const Uart *u = opaque;
    bool divisor = u->lcr & LCR_DLAB;

    switch (offset) {
    case RBR:
        *value = u->divisor;
        return divisor;
    case IER:
        *value = divisor ? u->divisor >> 8 : u->ier;
        return true;
    case IIR:
        *value = interrupt_id(u) | (fifo_on(u) ? IIR_FIFO : 0);
        return interrupt_id(u) != IIR_THRE;
    case LCR:
        *value = u->lcr;
        return true;
    case MCR:
        *value = u->mcr;
        return true;
    case LSR:
        *value = u->lsr | (fifo_on(u) && u->rx_break ? LSR_FIFO_ERROR : 0);
        return !(u->lsr & LSR_ERRORS);
    case MSR:
        *value = u->msr;
        return !(u->msr & 0x0f);
    default:
        *value = u->scr;
        return true;
    }
}

static void uart_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Uart *u = opaque;

    (void)width;
    switch (offset) {
    case THR:
        if (u->lcr & LCR_DLAB) {
            u->divisor = (u->divisor & 0xff00) | value;
        } else {
            write_thr(u, value);
        }
        break;
    case IER:
        if (u->lcr & LCR_DLAB) {
            u->divisor = (u->divisor & 0xff) | value << 8;
        } else {
            if (!(u->ier & IER_THRE) && (value & IER_THRE) && (u->lsr & LSR_THRE)) {
                u->thr_pending = true;
            }
            u->ier = value & 0x0f;
            io_busy(&u->dev, u->ier & IER_THRE);
        }
        break;
    case FCR:
        write_fcr(u, value);
        break;
    case LCR:
        u->lcr = value;
        update_line(u);
        break;
    case MCR:
        if ((value ^ u->mcr) & MCR_LOOP) {
            line_drop(u);
        }
        u->mcr = value & 0x1f;
        update_modem(u);
        update_line(u);
        if (u->chardev) {
            chardev_receive_ready(u->chardev);
        }
        break;
    case SCR:
        u->scr = value;
        return;                 /* no interrupt is told of again */
    }
    uart_update_irq(u);
}

/* A character may lower the interrupt line only while that of the transmitter is enabled. */
static const uint8_t uart_store[8] = { [SCR] = 0xff };
static const uint8_t uart_post[8] = { [THR] = IO_POST_IDLE, [LCR] = IO_POST_YES, [SCR] = IO_POST_QUIET };

/* A whole string of OUTs: what doesn't fit the FIFO at this moment is the guest's loss, as ever. */
static const IoOps uart_ops = { .read = uart_read, .write = uart_write, .widths = IO_8,
                                .post = uart_post, .store = uart_store, .peek = uart_peek };

static void uart_reset(Device *dev)
{
    Uart *u = (Uart *)dev;

    line_drop(u);
    u->ier = u->fcr = u->lcr = u->mcr = u->scr = 0;
    io_busy(dev, false);
    u->lsr = LSR_THRE | LSR_TEMT;
    u->msr = u->lines;
    u->rx_break = 0;
    u->divisor = 12;
    u->thr_pending = u->timeout_pending = u->tx_stalled = u->tx_lost = false;
    ring_clear(&u->rx);
    timer_cancel(&u->rx_timer);
    timer_cancel(&u->rx_pace);
    update_line(u);
    uart_update_irq(u);
}

static bool uart_init(Device *dev, GError **error)
{
    Uart *u = (Uart *)dev;
    ChardevClient client = { uart_can_receive, uart_receive, uart_writable, uart_line_break,
                             uart_modem, u };

    u->lines = MSR_CTS | MSR_DSR | MSR_DCD;
    ring_init(&u->rx, FIFO_SIZE);
    ring_init(&u->tx, LINE_ROOM + FIFO_SIZE);
    timer_init(&u->tx_timer, &dev->machine->timers, tx_fire, u);
    timer_init(&u->rx_timer, &dev->machine->timers, rx_timeout, u);
    timer_init(&u->rx_pace, &dev->machine->timers, rx_paced, u);
    if (u->irq > 15) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "irq %u", u->irq);
        return false;
    }
    if (!io_claim(dev, IO_PORT, u->port, 8, &uart_ops, error)) {
        return false;
    }
    if (u->chardev) {
        chardev_attach(u->chardev, &client);
    }
    return true;
}

static bool uart_loaded(Device *dev, GError **error)
{
    Uart *u = (Uart *)dev;

    (void)error;
    u->tx_stalled = u->tx_lost = false;
    io_busy(dev, u->ier & IER_THRE);
    tx_start(u);
    update_line(u);
    uart_update_irq(u);
    return true;
}

static void uart_finish(Device *dev)
{
    Uart *u = (Uart *)dev;

    if (u->tx_timer.queue) {
        line_drop(u);
    }
    if (u->chardev) {
        chardev_free(u->chardev);
    }
    if (u->tx_timer.queue) {
        timer_cancel(&u->tx_timer);
        timer_cancel(&u->rx_timer);
        timer_cancel(&u->rx_pace);
    }
    ring_finish(&u->rx);
    ring_finish(&u->tx);
}

static const ConfigField uart_config[] = {
    CONFIG_FIELD(Uart, port, CONFIG_U32, "0x3f8", "first I/O port"),
    CONFIG_FIELD(Uart, irq, CONFIG_U32, "4", "ISA interrupt"),
    CONFIG_FIELD(Uart, chardev, CONFIG_POINTER, NULL, "what the line is connected to (owned)"),
    CONFIG_END
};

static const StateField uart_state[] = {
    STATE_U8_MAX(Uart, ier, 0x0f), STATE_U8(Uart, fcr), STATE_U8(Uart, lcr),
    STATE_U8_MAX(Uart, mcr, 0x1f), STATE_U8(Uart, lsr), STATE_U8(Uart, msr), STATE_U8(Uart, scr),
    STATE_U16(Uart, divisor), STATE_BOOL(Uart, thr_pending), STATE_BOOL(Uart, timeout_pending),
    STATE_RING(Uart, rx), STATE_U16(Uart, rx_break), STATE_U8(Uart, lines),
    STATE_RING(Uart, tx), STATE_TIMER(Uart, tx_timer),
    STATE_TIMER(Uart, rx_timer), STATE_TIMER(Uart, rx_pace), STATE_END
};

const DeviceClass uart_class = {
    .name = "uart", .summary = "16550A serial port", .size = sizeof(Uart), .version = 3,
    .config = uart_config, .state = uart_state, .init = uart_init, .reset = uart_reset,
    .loaded = uart_loaded, .finish = uart_finish,
};
