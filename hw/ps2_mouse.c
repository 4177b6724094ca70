/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2_mouse.c - PS/2 mouse, IntelliMouse (wheel) and IntelliMouse Explorer (five buttons), chosen by
 * the knock sequences of sample rates (200, 100, 80 and 200, 200, 80).  Motion is summed up and sent
 * at the sample rate, a button at once; a full queue keeps the sum and drops no part of a packet.
 * Resolution is stored and reported but counts are passed as they come.
 */
#include "hw/ps2.h"

#include <string.h>

enum { MOUSE_EVENT_BYTES = 80, RATE_SLOWEST = 10, SUM_MAX = 2048 };
enum { ACK = 0xfa, RESEND = 0xfe, BAT_OK = 0xaa };

static int32_t bounded(uint32_t sum, int add)
{
    return CLAMP((int32_t)sum + add, -SUM_MAX, SUM_MAX);
}

static int scaled(int n)
{
    static const uint8_t small[6] = { 0, 1, 1, 3, 6, 9 };
    int size = ABS(n), s = size < 6 ? small[size] : 2 * size;

    return n < 0 ? -s : s;
}

/* Builds a packet of what has summed up and takes it off the sums. */
static unsigned take_packet(Ps2Mouse *m, bool scale, uint8_t *out)
{
    int dx = CLAMP((int32_t)m->dx, -255, 255), dy = CLAMP((int32_t)m->dy, -255, 255);
    int dz = CLAMP((int32_t)m->dz, -8, 7);
    unsigned len = 3;

    m->dx -= dx;
    m->dy -= dy;
    m->dz -= dz;
    if (scale && m->double_scale) {
        dx = scaled(dx);
        dy = scaled(dy);
    }
    out[0] = (m->buttons & 7) | 8;
    if (dx < -256 || dx > 255) {
        out[0] |= 0x40;
        dx = CLAMP(dx, -256, 255);
    }
    if (dy < -256 || dy > 255) {
        out[0] |= 0x80;
        dy = CLAMP(dy, -256, 255);
    }
    out[0] |= (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0);
    out[1] = dx;
    out[2] = dy;
    if (m->id == 3) {
        out[len++] = dz;
    } else if (m->id == 4) {
        out[len++] = (dz & 15) | (m->buttons & 0x18) << 1;
    }
    m->told_buttons = m->buttons;
    m->pending = m->dx || m->dy || (m->id && m->dz);
    return len;
}

static void forget_motion(Ps2Mouse *m)
{
    m->dx = m->dy = m->dz = 0;
    m->told_buttons = m->buttons;
    m->pending = false;
}

static void send_packets(Ps2Mouse *m)
{
    uint8_t packet[4];

    while (m->pending && ring_space(&m->port.events) > sizeof packet) {
        ps2_event(&m->port, packet, take_packet(m, true, packet));
    }
    timer_at(&m->sample, vm_now(m->dev) + NS_PER_S / MAX(m->rate, RATE_SLOWEST));
    m->port.changed(m->port.opaque);
}

static void mouse_sample(void *opaque)
{
    Ps2Mouse *m = opaque;

    if (m->pending && m->streaming && m->reporting) {
        send_packets(m);
    }
}

static void mouse_move(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    Ps2Mouse *m = opaque;

    if (m->streaming && !m->reporting) {
        m->buttons = buttons & 31;
        m->told_buttons = m->buttons;
        return;
    }
    m->dx = bounded(m->dx, CLAMP(dx, -SUM_MAX, SUM_MAX));
    m->dy = bounded(m->dy, CLAMP(-dy, -SUM_MAX, SUM_MAX));  /* up is positive on the wire */
    m->dz = bounded(m->dz, CLAMP(dz, -SUM_MAX, SUM_MAX));
    m->buttons = buttons & 31;
    bool click = ((m->buttons ^ m->told_buttons) & (m->id == 4 ? 31 : 7)) != 0;

    m->pending = click || m->dx || m->dy || (m->id && m->dz);
    if (m->pending && m->streaming && (click || !timer_armed(&m->sample))) {
        send_packets(m);
    }
}

/* --- commands ---------------------------------------------------------------------------------- */

static void mouse_answer(Ps2Mouse *m, uint8_t byte)
{
    m->last_reply = byte;
    ps2_reply(&m->port, byte);
}

static void mouse_defaults(Ps2Mouse *m)
{
    m->rate = 100;
    m->resolution = 2;
    m->double_scale = false;
    m->streaming = true;
    m->reporting = false;
    m->wrapping = false;
    timer_cancel(&m->sample);
    ps2_forget(&m->port, false);
    forget_motion(m);
}

static void knock(Ps2Mouse *m, uint8_t rate)
{
    m->knocks[0] = m->knocks[1];
    m->knocks[1] = m->knocks[2];
    m->knocks[2] = rate;
    if (m->knocks[0] == 200 && m->knocks[2] == 80) {
        if (m->knocks[1] == 100 && m->id == 0) {
            m->id = 3;
        } else if (m->knocks[1] == 200 && m->id) {
            m->id = 4;
        }
    }
}

static void status_reply(Ps2Mouse *m)
{
    uint8_t b = m->buttons;

    mouse_answer(m, (b & INPUT_LEFT ? 4 : 0) | (b & INPUT_MIDDLE ? 2 : 0) |
                    (b & INPUT_RIGHT ? 1 : 0) | (m->double_scale ? 0x10 : 0) |
                    (m->reporting ? 0x20 : 0) | (m->streaming ? 0 : 0x40));
    mouse_answer(m, m->resolution);
    mouse_answer(m, m->rate);
}

static void mouse_command(Ps2Mouse *m, uint8_t byte)
{
    uint8_t packet[4];
    unsigned len;

    if (byte == 0xe8 || byte == 0xf3) {
        m->command = byte;
    }
    switch (byte) {
    case 0xe6: case 0xe7:
        m->double_scale = byte == 0xe7;
        break;
    case 0xe8: case 0xf3:
        break;
    case 0xe9:
        mouse_answer(m, ACK);
        status_reply(m);
        return;
    case 0xea: case 0xf0:
        m->streaming = byte == 0xea;
        forget_motion(m);
        break;
    case 0xeb:
        mouse_answer(m, ACK);
        len = take_packet(m, false, packet);
        for (unsigned i = 0; i < len; i++) {
            mouse_answer(m, packet[i]);
        }
        return;
    case 0xec: case 0xee:
        m->wrapping = byte == 0xee;
        break;
    case 0xf2:
        mouse_answer(m, ACK);
        mouse_answer(m, m->id);
        return;
    case 0xf4: case 0xf5:
        m->reporting = byte == 0xf4;
        ps2_forget(&m->port, false);
        forget_motion(m);
        break;
    case 0xf6:
        mouse_defaults(m);
        break;
    case 0xfe:
        ps2_reply(&m->port, m->last_reply);
        return;
    case 0xff:
        ps2_mouse_reset(m);
        mouse_answer(m, ACK);
        mouse_answer(m, BAT_OK);
        mouse_answer(m, 0);
        return;
    default:
        mouse_answer(m, RESEND);
        return;
    }
    mouse_answer(m, ACK);
}

void ps2_mouse_write(Ps2Mouse *m, uint8_t byte)
{
    uint8_t command = m->command;

    ps2_command_came(&m->port);
    m->command = 0;
    if (m->wrapping && byte != 0xec && byte != 0xff) {
        mouse_answer(m, byte);
    } else if (command == 0xe8 && byte <= 3) {
        m->resolution = byte;
        mouse_answer(m, ACK);
    } else if (command == 0xf3 && byte <= 200) {
        m->rate = byte;
        knock(m, byte);
        mouse_answer(m, ACK);
    } else {
        mouse_command(m, byte);
    }
    m->port.changed(m->port.opaque);
}

/* --- life -------------------------------------------------------------------------------------- */

void ps2_mouse_init(Ps2Mouse *m, Device *dev, Input *input)
{
    m->dev = dev;
    m->input = input;
    ps2_port_init(&m->port, MOUSE_EVENT_BYTES);
    timer_init(&m->sample, &dev->machine->timers, mouse_sample, m);
    m->sink = (InputPointer){ .move = mouse_move, .opaque = m };
    input_attach_pointer(input, &m->sink);
}

void ps2_mouse_reset(Ps2Mouse *m)
{
    ps2_forget(&m->port, true);
    mouse_defaults(m);
    m->command = 0;
    m->id = 0;
    memset(m->knocks, 0, sizeof m->knocks);
    m->last_reply = BAT_OK;
}

void ps2_mouse_loaded(Ps2Mouse *m)
{
    ps2_port_loaded(&m->port);
    m->dx = bounded(m->dx, 0);
    m->dy = bounded(m->dy, 0);
    m->dz = bounded(m->dz, 0);
}

void ps2_mouse_finish(Ps2Mouse *m)
{
    if (m->input) {
        input_detach_pointer(m->input, &m->sink);
        timer_cancel(&m->sample);
        ps2_port_finish(&m->port);
    }
}

const StateField ps2_mouse_state[] = {
    STATE_STRUCT(Ps2Mouse, port, ps2_port_state),
    STATE_U8(Ps2Mouse, command), STATE_U8_MAX(Ps2Mouse, id, 4), STATE_U8(Ps2Mouse, rate),
    STATE_U8_MAX(Ps2Mouse, resolution, 3), STATE_BYTES(Ps2Mouse, knocks),
    STATE_U8(Ps2Mouse, last_reply), STATE_BOOL(Ps2Mouse, streaming),
    STATE_BOOL(Ps2Mouse, reporting), STATE_BOOL(Ps2Mouse, wrapping),
    STATE_BOOL(Ps2Mouse, double_scale), STATE_U8_MAX(Ps2Mouse, buttons, 31),
    STATE_U8_MAX(Ps2Mouse, told_buttons, 31), STATE_U32(Ps2Mouse, dx), STATE_U32(Ps2Mouse, dy),
    STATE_U32(Ps2Mouse, dz), STATE_BOOL(Ps2Mouse, pending), STATE_TIMER(Ps2Mouse, sample),
    STATE_END
};
