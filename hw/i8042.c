/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8042.c - the PC's keyboard controller (IBM PS/2 technical reference) with its keyboard and mouse:
 * ports 60h and 64h, IRQ 1 and 12, translation of scan code set 2 to set 1, the output port with the
 * reset line.  A20 is stored and otherwise open.  Left out: the password commands (A4 says there is
 * none) and the controller's own RAM beyond the command byte.
 */
#include "hw/devices.h"
#include "hw/ps2.h"
#include "pc_layout.h"

enum { ST_FULL = 1, ST_SYSTEM = 4, ST_COMMAND = 8, ST_UNLOCKED = 0x10, ST_AUX = 0x20 };
enum { CTR_KBD_IRQ = 1, CTR_AUX_IRQ = 2, CTR_SYSTEM = 4, CTR_KBD_OFF = 0x10, CTR_AUX_OFF = 0x20,
       CTR_TRANSLATE = 0x40 };
enum { OUT_RUN = 1, OUT_A20 = 2, OUT_KBD_FULL = 0x10, OUT_AUX_FULL = 0x20 };
enum { CONTROLLER_REPLIES = 32 };

typedef struct I8042 {
    Device dev;
    Input *input;
    Ps2Keyboard keyboard;
    Ps2Mouse mouse;
    Ring replies;               /* the controller's own: pairs of ST_AUX or 0, and the byte */
    uint8_t control;            /* CTR_* */
    uint8_t out_port;           /* OUT_RUN, OUT_A20 */
    uint8_t command;            /* waiting for its data byte, or 0 */
    uint8_t data;               /* output buffer */
    uint8_t full;               /* ST_FULL, with ST_AUX if it came from the mouse; or 0 */
    bool last_was_command;
    bool breaking;              /* translation has swallowed an F0 */
} I8042;

/* What the controller makes of set 2's bytes 00-7F. */
static const uint8_t translation[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

static void update_irq(I8042 *s)
{
    bool kbd = s->full == ST_FULL && (s->control & CTR_KBD_IRQ);
    bool aux = s->full == (ST_FULL | ST_AUX) && (s->control & CTR_AUX_IRQ);

    irq_set(&s->dev.machine->isa_irq[IRQ_KBD], kbd);
    irq_set(&s->dev.machine->isa_irq[IRQ_MOUSE], aux);
}

/* The keyboard's next byte as the guest sees it; false: none yet. */
static bool keyboard_byte(I8042 *s, uint8_t *byte)
{
    while (ps2_pop(&s->keyboard.port, byte)) {
        if (!(s->control & CTR_TRANSLATE)) {
            return true;
        }
        if (*byte == 0xf0) {
            s->breaking = true;
            continue;
        }
        if (*byte < 0x80) {
            *byte = translation[*byte];
        } else if (*byte == 0x83) {
            *byte = 0x41;
        } else if (*byte == 0x84) {
            *byte = 0x54;
        }
        if (s->breaking) {
            *byte |= 0x80;
            s->breaking = false;
        }
        return true;
    }
    return false;
}

/* Fills the output buffer from whoever has something, the controller first. */
static void update(void *opaque)
{
    I8042 *s = opaque;
    uint8_t source = 0, byte = 0;

    if (!s->full) {
        if (ring_pop(&s->replies, &source) && ring_pop(&s->replies, &byte)) {
            s->full = ST_FULL | (source & ST_AUX);
        } else if (!(s->control & CTR_KBD_OFF) && keyboard_byte(s, &byte)) {
            s->full = ST_FULL;
        } else if (!(s->control & CTR_AUX_OFF) && ps2_pop(&s->mouse.port, &byte)) {
            s->full = ST_FULL | ST_AUX;
        }
        if (s->full) {
            s->data = byte;
        }
    }
    update_irq(s);
}

static void reply_from(I8042 *s, uint8_t source, uint8_t byte)
{
    uint8_t pair[2] = { source, byte };

    ring_push_all(&s->replies, pair, sizeof pair);
}

static void out_port_write(I8042 *s, uint8_t value)
{
    s->out_port = value & (OUT_RUN | OUT_A20);
    if (!(value & OUT_RUN)) {
        s->dev.machine->host->shutdown(s->dev.machine, SHUTDOWN_REBOOT);
        s->out_port |= OUT_RUN;
    }
}

static uint8_t out_port_read(const I8042 *s)
{
    return s->out_port | (s->full == ST_FULL ? OUT_KBD_FULL : 0) |
           (s->full == (ST_FULL | ST_AUX) ? OUT_AUX_FULL : 0);
}

static void control_write(I8042 *s, uint8_t value)
{
    s->control = value;
    if (!(value & CTR_TRANSLATE)) {
        s->breaking = false;
    }
}

static void controller_command(I8042 *s, uint8_t c)
{
    s->command = 0;
    switch (c) {
    case 0x20: reply_from(s, 0, s->control); break;
    case 0x60: case 0xd1: case 0xd2: case 0xd3: case 0xd4: s->command = c; break;
    case 0xa4: reply_from(s, 0, 0xf1); break;
    case 0xa7: s->control |= CTR_AUX_OFF; break;
    case 0xa8: s->control &= ~CTR_AUX_OFF; break;
    case 0xa9: case 0xab: reply_from(s, 0, 0x00); break;
    case 0xaa:
        s->control |= CTR_SYSTEM;
        ring_clear(&s->replies);
        s->full = 0;
        reply_from(s, 0, 0x55);
        break;
    case 0xad: s->control |= CTR_KBD_OFF; break;
    case 0xae: s->control &= ~CTR_KBD_OFF; break;
    case 0xc0: reply_from(s, 0, 0x80); break;       /* keyboard not locked */
    case 0xd0: reply_from(s, 0, out_port_read(s)); break;
    case 0xdd: s->out_port &= ~OUT_A20; break;
    case 0xdf: s->out_port |= OUT_A20; break;
    case 0xe0: reply_from(s, 0, 0x00); break;
    default:
        if (c > 0x20 && c < 0x40) {
            reply_from(s, 0, 0x00);
        } else if (c > 0x60 && c < 0x80) {
            s->command = c;
        } else if (c >= 0xf0 && !(c & 1)) {
            s->dev.machine->host->shutdown(s->dev.machine, SHUTDOWN_REBOOT);
        }
        break;
    }
    update(s);
}

static void data_write(I8042 *s, uint8_t value)
{
    uint8_t c = s->command;

    s->command = 0;
    switch (c) {
    case 0x60: control_write(s, value); break;
    case 0xd1: out_port_write(s, value); break;
    case 0xd2: reply_from(s, 0, value); break;
    case 0xd3: reply_from(s, ST_AUX, value); break;
    case 0xd4:
        s->control &= ~CTR_AUX_OFF;
        ps2_mouse_write(&s->mouse, value);
        break;
    case 0:
        s->control &= ~CTR_KBD_OFF;
        s->breaking = false;
        ps2_keyboard_write(&s->keyboard, value);
        break;
    default: break;                     /* 61-7F: RAM that holds nothing here */
    }
    update(s);
}

static uint64_t i8042_data_read(void *opaque, uint64_t offset, unsigned width)
{
    I8042 *s = opaque;
    uint8_t value = s->data;

    (void)offset;
    (void)width;
    s->full = 0;
    update_irq(s);                      /* the line falls between two bytes */
    update(s);
    return value;
}

static void i8042_data_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    I8042 *s = opaque;

    (void)offset;
    (void)width;
    s->last_was_command = false;
    data_write(s, value);
}

static uint64_t i8042_status_read(void *opaque, uint64_t offset, unsigned width)
{
    I8042 *s = opaque;

    (void)offset;
    (void)width;
    return s->full | ST_UNLOCKED | (s->control & CTR_SYSTEM ? ST_SYSTEM : 0) |
           (s->last_was_command ? ST_COMMAND : 0);
}

static void i8042_command_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    I8042 *s = opaque;

    (void)offset;
    (void)width;
    s->last_was_command = true;
    controller_command(s, value);
}

static const IoOps data_ops = { .read = i8042_data_read, .write = i8042_data_write,
                                .widths = IO_8 };
static const IoOps command_ops = { .read = i8042_status_read, .write = i8042_command_write,
                                   .widths = IO_8 };

static bool i8042_init(Device *dev, GError **error)
{
    I8042 *s = (I8042 *)dev;

    if (!s->input) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "i8042: no input");
        return false;
    }
    ring_init(&s->replies, CONTROLLER_REPLIES);
    ps2_keyboard_init(&s->keyboard, dev, s->input);
    ps2_mouse_init(&s->mouse, dev, s->input);
    s->keyboard.port.changed = s->mouse.port.changed = update;
    s->keyboard.port.opaque = s->mouse.port.opaque = s;
    return io_claim(dev, IO_PORT, PORT_KBD_DATA, 1, &data_ops, error) &&
           io_claim(dev, IO_PORT, PORT_KBD_STATUS, 1, &command_ops, error);
}

static void i8042_reset(Device *dev)
{
    I8042 *s = (I8042 *)dev;

    ring_clear(&s->replies);
    s->control = CTR_KBD_IRQ | CTR_AUX_IRQ;
    s->out_port = OUT_RUN | OUT_A20;
    s->command = s->data = s->full = 0;
    s->last_was_command = s->breaking = false;
    ps2_keyboard_reset(&s->keyboard);
    ps2_mouse_reset(&s->mouse);
    update_irq(s);
}

static bool i8042_loaded(Device *dev, GError **error)
{
    I8042 *s = (I8042 *)dev;

    (void)error;
    s->full = s->full & ST_FULL ? s->full & (ST_FULL | ST_AUX) : 0;
    if (ring_used(&s->replies) % 2) {
        ring_clear(&s->replies);
    }
    ps2_keyboard_loaded(&s->keyboard);
    ps2_mouse_loaded(&s->mouse);
    update(s);
    return true;
}

static void i8042_finish(Device *dev)
{
    I8042 *s = (I8042 *)dev;

    ps2_mouse_finish(&s->mouse);
    ps2_keyboard_finish(&s->keyboard);
    ring_finish(&s->replies);
}

static const ConfigField i8042_config[] = {
    CONFIG_FIELD(I8042, input, CONFIG_POINTER, NULL, "Input that keys and motion come from"),
    CONFIG_END
};

static const StateField i8042_state[] = {
    STATE_STRUCT(I8042, keyboard, ps2_keyboard_state),
    STATE_STRUCT(I8042, mouse, ps2_mouse_state),
    STATE_RING(I8042, replies),
    STATE_U8(I8042, control), STATE_U8_MAX(I8042, out_port, 3), STATE_U8(I8042, command),
    STATE_U8(I8042, data), STATE_U8_MAX(I8042, full, 0x21), STATE_BOOL(I8042, last_was_command),
    STATE_BOOL(I8042, breaking),
    STATE_END
};

const DeviceClass i8042_class = {
    .name = "i8042", .summary = "keyboard controller with PS/2 keyboard and mouse",
    .size = sizeof(I8042), .version = 1, .config = i8042_config, .state = i8042_state,
    .init = i8042_init, .reset = i8042_reset, .loaded = i8042_loaded, .finish = i8042_finish,
};
