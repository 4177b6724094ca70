/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * devices.h - THE list of device classes.  A new device: its file, its class here and one line in
 * devices.c.
 */
#ifndef GH_DEVICES_H
#define GH_DEVICES_H

#include "lib/device.h"

extern const DeviceClass i440fx_class, piix3_class, piix_ide_class, piix4_pm_class, cmos_class,
    i8237_class, fdc_class, fw_ports_class, fw_cfg_class, xen_platform_class,
    pvpanic_class, i6300esb_class;
extern const DeviceClass ne2k_pci_class, ne2k_isa_class;
extern const DeviceClass stdvga_class, cirrus_class, i8042_class;
extern const DeviceClass es1370_class, ac97_class, sb16_class, pcspk_class, parallel_class;
extern const DeviceClass uhci_class, usb_tablet_class, usb_mouse_class, usb_keyboard_class,
    usb_hub_class, usb_storage_class, usb_host_class;

/* All classes, NULL at the end. */
extern const DeviceClass *const device_classes[];

/* NULL: no such class. */
const DeviceClass *device_class_find(const char *name);

#endif
