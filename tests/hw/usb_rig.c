/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb_rig.c - see usb_rig.h. */
#include "tests/hw/usb_rig.h"

#include <criterion/criterion.h>
#include <string.h>

UsbRig *rig_new(void)
{
    UsbRig *r = g_new0(UsbRig, 1);

    r->f = fake_machine_new();
    r->input = input_new();
    r->uhci = device_new(&r->f->m, &uhci_class);
    device_set_pointer(r->uhci, "bus", &r->f->bus);
    device_set_u64(r->uhci, "devfn", RIG_DEVFN);
    cr_assert(device_init(r->uhci, NULL));
    pci_bus_write(&r->f->bus, RIG_DEVFN, 0x20, 4, RIG_PORT);
    pci_bus_write(&r->f->bus, RIG_DEVFN, 4, 2, 5);
    for (unsigned i = 0; i < 1024; i++) {
        rig_poke(r, RIG_LIST + 4 * i, RIG_QH | RIG_IS_QH);
    }
    rig_poke(r, RIG_QH, RIG_END);
    rig_poke(r, RIG_QH + 4, RIG_END);
    fake_out32(r->f, RIG_PORT + FLBASEADD, RIG_LIST);
    return r;
}

void rig_free(UsbRig *r)
{
    fake_machine_free(r->f);
    input_free(r->input);
    g_free(r);
}

Device *rig_plug(UsbRig *r, const DeviceClass *cls, const char *port)
{
    Device *dev = device_new(&r->f->m, cls);

    device_set_pointer(dev, "bus", uhci_bus(r->uhci));
    if (port) {
        device_set_string(dev, "port", port);
    }
    for (const ConfigField *f = cls->config; f->kind != CONFIG_END_KIND; f++) {
        if (!strcmp(f->name, "input")) {
            device_set_pointer(dev, "input", r->input);
        }
    }
    return device_init(dev, NULL) ? dev : NULL;
}

void rig_poke(UsbRig *r, uint32_t address, uint32_t value)
{
    memcpy(r->f->ram + address, &value, 4);
}

uint32_t rig_peek(UsbRig *r, uint32_t address)
{
    uint32_t v;

    memcpy(&v, r->f->ram + address, 4);
    return v;
}

void rig_td(UsbRig *r, uint32_t address, uint32_t link, uint32_t status, unsigned pid, unsigned addr,
            unsigned endpoint, unsigned len, uint32_t buffer)
{
    rig_poke(r, address, link);
    rig_poke(r, address + 4, status);
    rig_poke(r, address + 8, ((len - 1) & 0x7ff) << 21 | endpoint << 15 | addr << 8 | pid);
    rig_poke(r, address + 12, buffer);
}

void rig_frames(UsbRig *r, unsigned n)
{
    fake_advance(r->f, n * NS_PER_MS);
}

void rig_run(UsbRig *r)
{
    rig_out(r, USBCMD, CMD_RS);
}

void rig_open_port(UsbRig *r, unsigned n)
{
    unsigned reg = PORTSC1 + 2 * n;

    rig_out(r, reg, PORT_RESET);
    rig_frames(r, 50);
    rig_out(r, reg, 0);
    rig_out(r, reg, PORT_ENABLE | PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE);
}

uint32_t rig_packet(UsbRig *r, unsigned pid, unsigned addr, unsigned endpoint, void *data,
                    unsigned len, bool low_speed)
{
    if (data && len && pid != USB_PID_IN) {
        memcpy(r->f->ram + RIG_DATA, data, len);
    }
    rig_td(r, RIG_TD, RIG_END, RIG_ACTIVE | RIG_ERRORS | (low_speed ? RIG_LOW : 0), pid, addr,
           endpoint, len, RIG_DATA);
    rig_poke(r, RIG_QH + 4, RIG_TD);
    for (unsigned i = 0; i < 40 && (rig_peek(r, RIG_TD + 4) & RIG_ACTIVE); i++) {
        rig_frames(r, 1);
    }
    rig_poke(r, RIG_QH + 4, RIG_END);
    if (data && pid == USB_PID_IN && !(rig_peek(r, RIG_TD + 4) & (RIG_ACTIVE | RIG_STALLED))) {
        memcpy(data, r->f->ram + RIG_DATA, rig_len(rig_peek(r, RIG_TD + 4)));
    }
    return rig_peek(r, RIG_TD + 4);
}

static int failure(uint32_t status)
{
    return status & RIG_TIMEOUT || status & RIG_ACTIVE ? -2 : status & RIG_STALLED ? -1 : 0;
}

int rig_control(UsbRig *r, unsigned addr, bool low_speed, unsigned type, unsigned request,
                unsigned value, unsigned index, unsigned len, void *data)
{
    uint8_t setup[8] = { type, request, value, value >> 8, index, index >> 8, len, len >> 8 };
    uint32_t status = rig_packet(r, USB_PID_SETUP, addr, 0, setup, 8, low_speed);
    unsigned done = 0;

    while (!failure(status) && done < len) {
        unsigned n = MIN(8, len - done);

        status = rig_packet(r, type & 0x80 ? USB_PID_IN : USB_PID_OUT, addr, 0,
                            data ? (uint8_t *)data + done : NULL, n, low_speed);
        if (!failure(status)) {
            done += rig_len(status);
            if (rig_len(status) < n) {
                break;
            }
        }
    }
    if (!failure(status)) {
        status = rig_packet(r, type & 0x80 && len ? USB_PID_OUT : USB_PID_IN, addr, 0, NULL, 0,
                            low_speed);
    }
    return failure(status) ? failure(status) : (int)done;
}

void rig_enumerate(UsbRig *r, unsigned port, unsigned addr, bool low_speed)
{
    if (!(rig_in(r, USBCMD) & CMD_RS)) {
        rig_run(r);
    }
    rig_open_port(r, port);
    cr_assert_eq(rig_control(r, 0, low_speed, 0, USB_SET_ADDRESS, addr, 0, 0, NULL), 0);
    cr_assert_eq(rig_control(r, addr, low_speed, 0, USB_SET_CONFIGURATION, 1, 0, 0, NULL), 0);
}
