/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix4_pm.c - the power management function of the 82371AB (PIIX4, Intel order 290562) as Xen's
 * HVM platform shows it: PM1a control at both port layouts, general-purpose events, the SMI command
 * port, and ACPI's CPU map and hotplug registers.  PM1a status and enable and the PM timer are the
 * hypervisor's.  No SMBus; PCI hotplug registers exist but no slot is removable (reads 0, ejecting
 * does nothing).
 */
#include "hw/chipset.h"
#include "hw/devices.h"
#include "lib/pci.h"
#include "pc_layout.h"
#include <string.h>

enum { CNT_SCI_EN = 0x0001, CNT_STORED = 0x1c06, CNT_SLP_EN = 0x2000 };
enum { SMI_ACPI_DISABLE = 0xf0, SMI_ACPI_ENABLE = 0xf1 };
enum { SLEEP_S5 = 0, SLEEP_S3 = 1, SLEEP_S3_V0 = 5, SLEEP_S4_V0 = 6, SLEEP_S5_V0 = 7 };
#define PORT_PCI_HOTPLUG 0xAE00
#define PORT_PCI_HOTPLUG_LEN 12
#define PORT_ACPI_DEBUG 0xB044
#define CPU_MAP_BYTES 16
#define CMOS_RESUME 0xfe        /* shutdown status by which the BIOS knows a resume from S3 */

typedef struct Piix4Pm {
    PciDevice pci;
    Device *cmos;               /* may be NULL */
    uint32_t vcpus;             /* there are so many */
    char *online;               /* those that are on at start, hexadecimal; NULL: all */
    uint16_t control;           /* PM1a_CNT */
    uint16_t gpe_status, gpe_enable;
    uint8_t smi_command, smi_status;
    uint8_t cpu_map[CPU_MAP_BYTES];
    uint32_t debug;
} Piix4Pm;

static void piix4_pm_update_irq(Piix4Pm *p)
{
    irq_set(&p->pci.dev.machine->isa_irq[IRQ_SCI], p->gpe_status & p->gpe_enable);
}

/* --- PM1a_CNT --- */

static void piix4_pm_sleep(Piix4Pm *p, unsigned type)
{
    Machine *m = p->pci.dev.machine;

    switch (type) {
    case SLEEP_S3:
    case SLEEP_S3_V0:
        if (p->cmos)
            cmos_set(p->cmos, CMOS_SHUTDOWN_STATUS, CMOS_RESUME);
        m->host->shutdown(m, SHUTDOWN_SUSPEND);
        break;
    case SLEEP_S5:
    case SLEEP_S4_V0:
    case SLEEP_S5_V0:
        m->host->shutdown(m, SHUTDOWN_POWEROFF);
        break;
    default:
        log_guest(&p->pci.dev, "unknown sleep type %u ignored", type);
    }
}

static uint64_t piix4_pm_control_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return offset ? 0 : ((Piix4Pm *)opaque)->control;
}

static void piix4_pm_control_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Piix4Pm *p = opaque;

    (void)width;
    if (offset)
        return;
    p->control = (p->control & CNT_SCI_EN) | (value & CNT_STORED);
    if (value & CNT_SLP_EN)
        piix4_pm_sleep(p, value >> 10 & 7);
}

static const IoOps piix4_pm_control_ops = { .read = piix4_pm_control_read,
                                            .write = piix4_pm_control_write, .widths = IO_16 };

/* --- GPE0: two bytes of status, two of enable --- */

static uint64_t piix4_pm_gpe_read(void *opaque, uint64_t offset, unsigned width)
{
    Piix4Pm *p = opaque;
    uint16_t value = offset < 2 ? p->gpe_status : p->gpe_enable;

    (void)width;
    return value >> (8 * (offset & 1));
}

static void piix4_pm_gpe_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Piix4Pm *p = opaque;
    unsigned shift = 8 * (offset & 1);

    (void)width;
    if (offset < 2)
        p->gpe_status &= ~((value & 0xff) << shift);
    else
        p->gpe_enable = (p->gpe_enable & ~(0xff << shift)) | (value & 0xff) << shift;
    piix4_pm_update_irq(p);
}

static const IoOps piix4_pm_gpe_ops = { .read = piix4_pm_gpe_read, .write = piix4_pm_gpe_write,
                                        .widths = IO_8 };

void piix4_pm_raise_gpe(Device *pm, unsigned gpe)
{
    Piix4Pm *p = (Piix4Pm *)pm;

    p->gpe_status |= 1u << (gpe & 15);
    piix4_pm_update_irq(p);
}

/* --- SMI command and status (APMC, APMS) --- */

static uint64_t piix4_pm_smi_read(void *opaque, uint64_t offset, unsigned width)
{
    Piix4Pm *p = opaque;

    (void)width;
    return offset ? p->smi_status : p->smi_command;
}

static void piix4_pm_smi_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Piix4Pm *p = opaque;

    (void)width;
    if (offset) {
        p->smi_status = value;
        return;
    }
    p->smi_command = value;
    if (value == SMI_ACPI_ENABLE)
        p->control |= CNT_SCI_EN;
    else if (value == SMI_ACPI_DISABLE)
        p->control &= ~CNT_SCI_EN;
}

static const IoOps piix4_pm_smi_ops = { .read = piix4_pm_smi_read, .write = piix4_pm_smi_write,
                                        .widths = IO_8 };

/* --- registers of the DSDT --- */

static uint64_t piix4_pm_cpus_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)width;
    return ((Piix4Pm *)opaque)->cpu_map[offset];
}

static void piix4_pm_ignore_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    (void)opaque;
    (void)offset;
    (void)width;
    (void)value;
}

static uint64_t piix4_pm_hotplug_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)opaque;
    (void)offset;
    (void)width;
    return 0;
}

static uint64_t piix4_pm_debug_read(void *opaque, uint64_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    return ((Piix4Pm *)opaque)->debug;
}

static void piix4_pm_debug_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Piix4Pm *p = opaque;

    (void)offset;
    (void)width;
    p->debug = value;
    log_guest(&p->pci.dev, "ACPI debug 0x%x", p->debug);
}

static const IoOps piix4_pm_cpus_ops = { .read = piix4_pm_cpus_read,
                                         .write = piix4_pm_ignore_write, .widths = IO_8 };
static const IoOps piix4_pm_hotplug_ops = { .read = piix4_pm_hotplug_read,
                                            .write = piix4_pm_ignore_write,
                                            .widths = IO_8 | IO_16 | IO_32 };
static const IoOps piix4_pm_debug_ops = { .read = piix4_pm_debug_read,
                                          .write = piix4_pm_debug_write, .widths = IO_32 };

static void piix4_pm_fill_cpus(Piix4Pm *p, unsigned online)
{
    memset(p->cpu_map, 0, sizeof(p->cpu_map));
    for (unsigned i = 0; i < online && i < CPU_MAP_BYTES * 8; i++)
        p->cpu_map[i / 8] |= 1u << (i % 8);
}

/* The text's last digit is vCPUs 0-3. */
static void piix4_pm_first_cpus(Piix4Pm *p)
{
    size_t digits = p->online ? strlen(p->online) : 0;

    piix4_pm_fill_cpus(p, digits ? 0 : p->vcpus);
    for (size_t i = 0; i < digits && i < 2 * CPU_MAP_BYTES; i++)
        p->cpu_map[i / 2] |= (g_ascii_xdigit_value(p->online[digits - 1 - i]) & 15) << i % 2 * 4;
}

void piix4_pm_set_vcpus(Device *pm, unsigned online)
{
    piix4_pm_fill_cpus((Piix4Pm *)pm, online);
    piix4_pm_raise_gpe(pm, GPE_CPU_HOTPLUG);
}

/* --- the function --- */

static bool piix4_pm_init(Device *dev, GError **error)
{
    Piix4Pm *p = (Piix4Pm *)dev;
    const PciClass id = { .vendor = 0x8086, .device = 0x7113, .revision = 3, .subclass = 0x80,
                          .base_class = 0x06, .interrupt_pin = 1, .subsystem_vendor = 0x5853,
                          .subsystem = 0x0001 };

    if (!pci_init(&p->pci, &id, error))
        return false;
    p->pci.initial[0x07] = 0x02;                    /* medium DEVSEL */
    memset(p->pci.wmask + 0x40, 0xff, 0xc0);        /* device-specific registers are storage */
    p->pci.initial[0x40] = p->pci.initial[0x90] = 1;        /* PMBA, SMBBA: I/O space */
    p->pci.wmask[0x40] = 0xc0;
    p->pci.wmask[0x90] = 0xf0;
    piix4_pm_first_cpus(p);
    return io_claim(dev, IO_PORT, ACPI_PM1A_CNT, 4, &piix4_pm_control_ops, error) &&
           io_claim(dev, IO_PORT, ACPI_PM1A_CNT_V0, 4, &piix4_pm_control_ops, error) &&
           io_claim(dev, IO_PORT, ACPI_GPE0, ACPI_GPE0_LEN, &piix4_pm_gpe_ops, error) &&
           io_claim(dev, IO_PORT, ACPI_GPE0_V0, ACPI_GPE0_LEN, &piix4_pm_gpe_ops, error) &&
           io_claim(dev, IO_PORT, PORT_SMI_CMD, 2, &piix4_pm_smi_ops, error) &&
           io_claim(dev, IO_PORT, ACPI_CPU_MAP, CPU_MAP_BYTES, &piix4_pm_cpus_ops, error) &&
           io_claim(dev, IO_PORT, PORT_PCI_HOTPLUG, PORT_PCI_HOTPLUG_LEN, &piix4_pm_hotplug_ops,
                    error) &&
           io_claim(dev, IO_PORT, PORT_ACPI_DEBUG, 4, &piix4_pm_debug_ops, error);
}

static void piix4_pm_reset(Device *dev)
{
    Piix4Pm *p = (Piix4Pm *)dev;

    pci_reset(&p->pci);
    p->control = 0;
    p->gpe_status = p->gpe_enable = 0;
    p->smi_command = p->smi_status = 0;
    p->debug = 0;
    piix4_pm_update_irq(p);
}

static bool piix4_pm_loaded(Device *dev, GError **error)
{
    Piix4Pm *p = (Piix4Pm *)dev;

    if (!pci_loaded(&p->pci, error))
        return false;
    p->control &= CNT_SCI_EN | CNT_STORED;
    piix4_pm_update_irq(p);
    return true;
}

static void piix4_pm_finish(Device *dev)
{
    pci_finish(&((Piix4Pm *)dev)->pci);
}

static const ConfigField piix4_pm_config[] = {
    CONFIG_PCI(Piix4Pm, pci),
    CONFIG_FIELD(Piix4Pm, cmos, CONFIG_POINTER, NULL, "the CMOS device, told of S3"),
    CONFIG_FIELD(Piix4Pm, vcpus, CONFIG_U32, "1", "vCPUs that there are"),
    CONFIG_FIELD(Piix4Pm, online, CONFIG_STRING, NULL, "bitmap of those online at start, hex"),
    CONFIG_END
};
static const StateField piix4_pm_state[] = {
    STATE_PCI(Piix4Pm, pci),
    STATE_U16(Piix4Pm, control),
    STATE_U16(Piix4Pm, gpe_status),
    STATE_U16(Piix4Pm, gpe_enable),
    STATE_U8(Piix4Pm, smi_command),
    STATE_U8(Piix4Pm, smi_status),
    STATE_BYTES(Piix4Pm, cpu_map),
    STATE_U32(Piix4Pm, debug),
    STATE_END
};

const DeviceClass piix4_pm_class = {
    .name = "piix4_pm", .summary = "82371AB power management and ACPI registers",
    .size = sizeof(Piix4Pm), .version = 1, .config = piix4_pm_config, .state = piix4_pm_state,
    .init = piix4_pm_init, .reset = piix4_pm_reset, .loaded = piix4_pm_loaded,
    .finish = piix4_pm_finish,
};
