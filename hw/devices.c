/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devices.c - see devices.h.  The order is that of the documentation; it has no other meaning. */
#include "hw/devices.h"
#include "hw/rtl8139.h"
#include "hw/uart.h"
#include <string.h>

const DeviceClass *const device_classes[] = {
    &i440fx_class,
    &piix3_class,
    &piix_ide_class,
    &piix4_pm_class,
    &cmos_class,
    &i8237_class,
    &fdc_class,
    &fw_ports_class,
    &fw_cfg_class,
    &pvpanic_class,
    &i6300esb_class,
    &xen_platform_class,
    &uart_class,
    &rtl8139_class,
    &ne2k_pci_class,
    &ne2k_isa_class,
    &stdvga_class,
    &cirrus_class,
    &i8042_class,
    &es1370_class,
    &ac97_class,
    &sb16_class,
    &pcspk_class,
    &parallel_class,
    &uhci_class,
    &usb_tablet_class,
    &usb_mouse_class,
    &usb_keyboard_class,
    &usb_hub_class,
    &usb_storage_class,
    &usb_host_class,
    NULL
};

const DeviceClass *device_class_find(const char *name)
{
    for (unsigned i = 0; device_classes[i]; i++)
        if (!strcmp(device_classes[i]->name, name))
            return device_classes[i];
    return NULL;
}
