/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i6300esb.c - the watchdog timer of Intel's 6300ESB (300641, chapter 16), a PCI function with 16 bytes
 * of registers in memory.  Two stages count one after the other with a clock of 1 kHz or 1 MHz; a write
 * of the unlocking bytes 80h, 86h reloads them.  The first stage may raise an interrupt, the second
 * ends the domain as on_crash says.  Left out: the interrupt as an SMI, the output pin WDT_TOUT#.
 */
#include "hw/devices.h"
#include "lib/pci.h"
#include <string.h>

enum { CONFIG_REG = 0x60, LOCK_REG = 0x68 };
enum { CONFIG_INTERRUPT = 0x0003, INTERRUPT_OFF = 3, INTERRUPT_IRQ = 0, CONFIG_FAST = 0x0004,
       CONFIG_NO_REBOOT = 0x0020 };
enum { LOCK_LOCKED = 0x01, LOCK_ENABLED = 0x02, LOCK_FREE_RUNNING = 0x04 };
enum { REG_PRELOAD1 = 0x00, REG_PRELOAD2 = 0x04, REG_STATUS = 0x08, REG_RELOAD = 0x0c };
enum { STATUS_INTERRUPT = 0x01 };
enum { RELOAD_NOW = 0x0100, RELOAD_TIMED_OUT = 0x0200 };
enum { UNLOCK_FIRST = 0x80, UNLOCK_SECOND = 0x86 };
#define PRELOAD_MAX 0xfffff
#define PCI_HZ 33000000

typedef struct I6300esb {
    PciDevice pci;
    uint32_t preload[2];        /* 20 bits */
    uint8_t unlock;             /* bytes of the sequence seen: 0, 1, 2 */
    uint8_t stage;              /* 1, 2; 0: stands */
    bool interrupt, timed_out;
    Timer timer;
} I6300esb;

static uint16_t config(const I6300esb *w)
{
    return w->pci.config[CONFIG_REG] | w->pci.config[CONFIG_REG + 1] << 8;
}

static bool enabled(const I6300esb *w)
{
    return w->pci.config[LOCK_REG] & LOCK_ENABLED;
}

static void update_irq(I6300esb *w)
{
    pci_set_irq(&w->pci, w->interrupt && (config(w) & CONFIG_INTERRUPT) == INTERRUPT_IRQ);
}

/* The prescaler divides the PCI clock by 32768 or by 32; the counter's low bits are below it. */
static void start_stage(I6300esb *w, unsigned stage)
{
    unsigned shift = config(w) & CONFIG_FAST ? 5 : 15;
    uint64_t ticks = ((uint64_t)w->preload[stage - 1] + 1) << shift;

    w->stage = stage;
    timer_at(&w->timer, vm_now(&w->pci.dev) +
             (int64_t)((unsigned __int128)ticks * NS_PER_S / PCI_HZ));
}

static void stop(I6300esb *w)
{
    w->stage = 0;
    timer_cancel(&w->timer);
}

/* Free running: both stages count, and nothing happens at the end but that it begins again. */
static void expired(void *opaque)
{
    I6300esb *w = opaque;

    if (w->stage == 1) {
        if ((config(w) & CONFIG_INTERRUPT) != INTERRUPT_OFF) {
            w->interrupt = true;
            update_irq(w);
        }
        start_stage(w, 2);
        return;
    }
    w->timed_out = true;
    if (w->pci.config[LOCK_REG] & LOCK_FREE_RUNNING) {
        start_stage(w, 1);
        return;
    }
    stop(w);
    if (!(config(w) & CONFIG_NO_REBOOT)) {
        log_guest(&w->pci.dev, "the watchdog bites: the guest has not reloaded it in time");
        w->pci.dev.machine->host->shutdown(w->pci.dev.machine, SHUTDOWN_CRASH);
    }
}

/* --- configuration space --- */

static void i6300esb_config_written(PciDevice *pci, unsigned reg, unsigned width)
{
    I6300esb *w = (I6300esb *)pci;

    if (reg > LOCK_REG || reg + width <= LOCK_REG) {
        update_irq(w);
        return;
    }
    if (enabled(w) && !w->stage) {
        start_stage(w, 1);
    } else if (!enabled(w)) {
        stop(w);
    }
    if (w->pci.config[LOCK_REG] & LOCK_LOCKED) {
        w->pci.wmask[LOCK_REG] = 0;         /* until reset */
    }
}

/* --- registers --- */

static uint64_t i6300esb_read(void *opaque, uint64_t offset, unsigned width)
{
    I6300esb *w = opaque;
    uint32_t value = 0;

    if ((offset & ~3ull) == REG_RELOAD) {
        value = w->timed_out ? RELOAD_TIMED_OUT : 0;
    } else if ((offset & ~3ull) == REG_STATUS) {
        value = w->interrupt ? STATUS_INTERRUPT : 0;
    }
    value >>= 8 * (offset & 3);
    return width == 4 ? value : value & ((1u << 8 * width) - 1);
}

static void unlocked_write(I6300esb *w, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case REG_PRELOAD1:
    case REG_PRELOAD2:
        w->preload[offset / 4] = value & PRELOAD_MAX;
        break;
    case REG_RELOAD:
        if (value & RELOAD_TIMED_OUT) {
            w->timed_out = false;
        }
        if ((value & RELOAD_NOW) && enabled(w)) {
            start_stage(w, 1);
        }
        break;
    }
}

/* 80h, then 86h to the reload register open the registers for one write. */
static void i6300esb_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    I6300esb *w = opaque;

    if (offset == REG_STATUS) {
        if (value & STATUS_INTERRUPT) {
            w->interrupt = false;
            update_irq(w);
        }
        return;
    }
    if (w->unlock == 2) {
        w->unlock = 0;
        if (width >= 2) {
            unlocked_write(w, offset, value);
        }
        return;
    }
    if (offset != REG_RELOAD) {
        return;
    }
    w->unlock = w->unlock == 1 && (value & 0xff) == UNLOCK_SECOND ? 2
                : (value & 0xff) == UNLOCK_FIRST ? 1 : 0;
}

static const IoOps i6300esb_ops = { .read = i6300esb_read, .write = i6300esb_write,
                                    .widths = IO_8 | IO_16 | IO_32 };

/* --- the device --- */

static bool i6300esb_init(Device *dev, GError **error)
{
    I6300esb *w = (I6300esb *)dev;
    const PciClass id = { .vendor = 0x8086, .device = 0x25ab, .subclass = 0x80, .base_class = 0x08,
                          .interrupt_pin = 1, .subsystem_vendor = 0x5853, .subsystem = 0x0001 };

    if (!pci_init(&w->pci, &id, error)) {
        return false;
    }
    timer_init(&w->timer, &dev->machine->timers, expired, w);
    w->pci.wmask[CONFIG_REG] = CONFIG_INTERRUPT | CONFIG_FAST | CONFIG_NO_REBOOT;
    w->pci.config_written = i6300esb_config_written;
    return pci_claim_bar(&w->pci, 0, PCI_BAR_MEM, 16, &i6300esb_ops, error);
}

static void i6300esb_reset(Device *dev)
{
    I6300esb *w = (I6300esb *)dev;

    w->pci.wmask[LOCK_REG] = LOCK_LOCKED | LOCK_ENABLED | LOCK_FREE_RUNNING;
    pci_reset(&w->pci);
    w->preload[0] = w->preload[1] = PRELOAD_MAX;
    w->unlock = 0;
    w->interrupt = w->timed_out = false;
    stop(w);
    update_irq(w);
}

static bool i6300esb_loaded(Device *dev, GError **error)
{
    I6300esb *w = (I6300esb *)dev;

    if (!pci_loaded(&w->pci, error)) {
        return false;
    }
    if ((w->stage != 0) != timer_armed(&w->timer)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "i6300esb: state does not fit together");
        return false;
    }
    w->pci.wmask[LOCK_REG] = w->pci.config[LOCK_REG] & LOCK_LOCKED ? 0
                             : LOCK_LOCKED | LOCK_ENABLED | LOCK_FREE_RUNNING;
    update_irq(w);
    return true;
}

static void i6300esb_finish(Device *dev)
{
    I6300esb *w = (I6300esb *)dev;

    if (w->timer.queue) {
        timer_cancel(&w->timer);
    }
    pci_finish(&w->pci);
}

static const ConfigField i6300esb_config[] = { CONFIG_PCI(I6300esb, pci), CONFIG_END };
static const StateField i6300esb_state[] = {
    STATE_PCI(I6300esb, pci),
    STATE_FIELD_(I6300esb, preload, STATE_KIND_U32, 2, PRELOAD_MAX),
    STATE_U8_MAX(I6300esb, unlock, 2), STATE_U8_MAX(I6300esb, stage, 2),
    STATE_BOOL(I6300esb, interrupt), STATE_BOOL(I6300esb, timed_out),
    STATE_TIMER(I6300esb, timer),
    STATE_END
};

const DeviceClass i6300esb_class = {
    .name = "i6300esb", .summary = "6300ESB watchdog timer", .size = sizeof(I6300esb), .version = 1,
    .config = i6300esb_config, .state = i6300esb_state, .init = i6300esb_init,
    .reset = i6300esb_reset, .loaded = i6300esb_loaded, .finish = i6300esb_finish,
};
