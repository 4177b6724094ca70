/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uhci.c - the USB function of the 82371SB (PIIX3, Intel order 290550; Universal Host Controller
 * Interface Design Guide 1.1): registers, the two root ports, reset, suspend and resume, the clock
 * of frames.  Frames are counted by the guest's clock, not by our timer: while nothing moves the
 * schedule is walked for several frames at a time, a device that has news or a register access
 * brings it up to date at once, and a controller that stands costs nothing.  Left out: trapping of
 * the keyboard ports for legacy emulation (there is no SMM); over-current.
 */
#include "hw/usb/uhci.h"

#include "hw/devices.h"
#include <string.h>

enum { CONFIG_RELEASE = 0x60, CONFIG_LEGSUP = 0xc0, USB_RELEASE_1_0 = 0x10 };
enum { LEGSUP_PIRQ_ENABLE = 0x20, LEGSUP_IRQ_STATUS = 0x10 };     /* of its upper byte */
enum { SOF_DEFAULT = 0x40, SOF_MAX = 0x7f, SOF_BASE = 11936, BIT_CLOCK_MHZ = 12 };
enum { COMMAND_BITS = 0xff, INTERRUPT_BITS = 0x0f, STATUS_CLEARABLE = 0x1f };
enum { PORT_STATE_BITS = 0x134f };
/* Frames walked together while nothing moves, after how many such frames; most to make up for. */
enum { LAZY_AFTER = 128, LAZY_STEP = 8, IDLE_AFTER = 1024, IDLE_STEP = 32, CATCH_UP = 48 };

/* --- interrupt --------------------------------------------------------------------------------- */

static void update_irq(Uhci *u)
{
    bool level = (u->status & (STS_SYSTEM | STS_PROCESS)) ||
                 (u->ioc && (u->interrupts & INTR_IOC)) ||
                 (u->short_packet && (u->interrupts & INTR_SHORT)) ||
                 ((u->status & STS_ERROR) && (u->interrupts & INTR_TIMEOUT_CRC)) ||
                 ((u->status & STS_RESUME) && (u->interrupts & INTR_RESUME));
    uint8_t *legacy = &u->pci.config[CONFIG_LEGSUP + 1];

    *legacy = level ? *legacy | LEGSUP_IRQ_STATUS : *legacy & ~LEGSUP_IRQ_STATUS;
    pci_set_irq(&u->pci, level && (*legacy & LEGSUP_PIRQ_ENABLE));
}

/* --- frames ------------------------------------------------------------------------------------ */

static int64_t frame_ns(const Uhci *u)
{
    return (SOF_BASE + u->sof_modify) * 1000LL / BIT_CLOCK_MHZ;
}

static bool running(const Uhci *u)
{
    return u->command & CMD_RS;
}

void uhci_stop(Uhci *u, unsigned status)
{
    u->command &= ~CMD_RS;
    u->status |= status;
    timer_cancel(&u->timer);
}

static void arm(Uhci *u)
{
    unsigned step = u->idle_frames >= IDLE_AFTER ? IDLE_STEP
                    : u->idle_frames >= LAZY_AFTER ? LAZY_STEP : 1;

    if (running(u)) {
        timer_at(&u->timer, u->frame_start + step * frame_ns(u));
    }
}

static void walk(Uhci *u)
{
    u->fresh = true;
    if (!pci_bus_master(&u->pci)) {
        u->idle_frames++;
        return;
    }
    u->walking = true;
    u->idle_frames = uhci_walk_frame(u) ? 0 : MIN(u->idle_frames + 1, IDLE_AFTER);
    u->walking = false;
}

/* All frames up to now; of a longer gap only the last ones, the others just pass. */
static void catch_up(Uhci *u)
{
    int64_t length = frame_ns(u), behind = vm_now(&u->pci.dev) - u->frame_start;

    if (!running(u) || u->walking) {
        return;
    }
    if (behind >= CATCH_UP * length) {
        int64_t skipped = behind / length - CATCH_UP + 1;

        u->frame_number = (u->frame_number + skipped) & FRNUM_MASK;
        u->frame_start += skipped * length;
        u->fresh = false;
    }
    for (;;) {
        if (!u->fresh) {
            walk(u);
        }
        if (!running(u) || vm_now(&u->pci.dev) - u->frame_start < length) {
            break;
        }
        u->frame_number = (u->frame_number + 1) & FRNUM_MASK;
        u->frame_start += length;
        u->fresh = false;
    }
    update_irq(u);
}

static void frame_timer(void *opaque)
{
    Uhci *u = opaque;

    catch_up(u);
    arm(u);
}

/* The guest, or a device, has stirred: look at every frame again. */
static void hasten(Uhci *u)
{
    u->idle_frames = 0;
    if (running(u) && !u->walking) {
        timer_at(&u->timer, MAX(u->frame_start + frame_ns(u), vm_now(&u->pci.dev)));
    }
}

static void device_ready(void *opaque)
{
    hasten(opaque);
}

/* --- ports ------------------------------------------------------------------------------------- */

static uint16_t *status_of(const UsbPort *port)
{
    return &((Uhci *)port->opaque)->port_status[port->number - 1];
}

static void resume_detected(Uhci *u)
{
    if (u->command & CMD_EGSM) {
        u->command |= CMD_FGR;
        u->status |= STS_RESUME;
        update_irq(u);
    }
}

static uint16_t connected(const UsbPort *port)
{
    return !port->device ? 0 : port->device->model->speed == USB_LOW_SPEED
           ? PORT_CONNECT | PORT_LOW_SPEED : PORT_CONNECT;
}

static void port_close(UsbPort *port)
{
    uint16_t *s = status_of(port);

    if ((*s & PORT_ENABLE) && port->device) {
        usb_device_closed(port->device);
    }
    *s &= ~(PORT_ENABLE | PORT_SUSPEND | PORT_RESUME);
}

static void port_changed(UsbPort *port)
{
    Uhci *u = port->opaque;
    uint16_t *s = status_of(port), enabled = *s & PORT_ENABLE;

    port_close(port);
    *s = (*s & ~(PORT_CONNECT | PORT_LOW_SPEED)) | connected(port) | PORT_CONNECT_CHANGE |
         (enabled ? PORT_ENABLE_CHANGE : 0);
    resume_detected(u);
    hasten(u);
}

static void port_resume(UsbPort *port)
{
    uint16_t *s = status_of(port);

    if (*s & PORT_SUSPEND) {
        *s |= PORT_RESUME;
    }
    resume_detected(port->opaque);
}

static bool port_passes(const UsbPort *port)
{
    return (*status_of(port) & (PORT_ENABLE | PORT_SUSPEND | PORT_RESET)) == PORT_ENABLE;
}

static bool port_suspended(const UsbPort *port)
{
    return (*status_of(port) & PORT_SUSPEND) || (((Uhci *)port->opaque)->command & CMD_EGSM);
}

static const UsbPortOps port_ops = { .changed = port_changed, .resume = port_resume,
                                     .passes = port_passes, .suspended = port_suspended };

static uint16_t port_read(const Uhci *u, unsigned n)
{
    uint16_t s = u->port_status[n];
    bool driven = (s & PORT_RESET) || (u->command & CMD_GRESET);

    if ((s & PORT_CONNECT) && !driven) {    /* the idle state: one of the lines is pulled up */
        bool idle_plus = !(s & PORT_LOW_SPEED) != !!(s & PORT_RESUME);

        s |= idle_plus ? PORT_DPLUS : PORT_DMINUS;
    }
    return s | PORT_ALWAYS;
}

static void port_write(Uhci *u, unsigned n, uint16_t value)
{
    UsbPort *port = &u->port[n];
    uint16_t *s = &u->port_status[n], before = *s;

    *s &= ~(value & (PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE));
    if (value & PORT_RESET) {
        port_close(port);
        if (!(before & PORT_RESET) && port->device) {
            usb_device_reset(port->device);
        }
        *s |= PORT_RESET;
        return;
    }
    *s &= ~PORT_RESET;
    if (!(value & PORT_ENABLE)) {
        port_close(port);
        return;
    }
    if (!(*s & PORT_CONNECT)) {
        return;
    }
    *s = (*s & ~(PORT_SUSPEND | PORT_RESUME)) | PORT_ENABLE | (value & PORT_SUSPEND);
    if (value & PORT_SUSPEND) {
        *s |= value & PORT_RESUME;
        if ((before & PORT_RESUME) && !(value & PORT_RESUME)) {
            *s &= ~PORT_SUSPEND;            /* the end of resume wakes the device */
        }
    }
}

/* --- reset ------------------------------------------------------------------------------------- */

static void registers_reset(Uhci *u)
{
    timer_cancel(&u->timer);
    u->command = u->status = u->interrupts = u->frame_number = 0;
    u->frame_base = 0;
    u->sof_modify = SOF_DEFAULT;
    u->ioc = u->short_packet = u->fresh = false;
    u->frame_start = 0;
    u->idle_frames = 0;
}

/* To the port a controller reset looks like a device that goes and comes. */
static void host_controller_reset(Uhci *u)
{
    registers_reset(u);
    for (unsigned i = 0; i < USB_ROOT_PORTS; i++) {
        if (u->port[i].device) {
            port_changed(&u->port[i]);
        }
    }
}

static void bus_reset(Uhci *u)
{
    registers_reset(u);
    for (unsigned i = 0; i < USB_ROOT_PORTS; i++) {
        UsbPort *port = &u->port[i];

        port_close(port);
        u->port_status[i] = connected(port) | (port->device ? PORT_CONNECT_CHANGE : 0);
        if (port->device) {
            usb_device_reset(port->device);
        }
    }
}

/* --- registers --------------------------------------------------------------------------------- */

static void command_write(Uhci *u, uint16_t value)
{
    bool was_running = running(u);

    if (value & CMD_HCRESET) {
        host_controller_reset(u);
        return;
    }
    if (value & CMD_GRESET) {
        bus_reset(u);
        u->command = CMD_GRESET;
        return;
    }
    u->command = value & COMMAND_BITS;
    if (running(u) && !was_running) {
        u->frame_start = vm_now(&u->pci.dev);
        u->fresh = false;
        u->idle_frames = 0;
        timer_at(&u->timer, u->frame_start);
    } else if (!running(u)) {
        uhci_stop(u, 0);
    } else {
        hasten(u);
    }
}

static void status_write(Uhci *u, uint16_t value)
{
    u->status &= ~(value & STATUS_CLEARABLE);
    if (value & STS_USBINT) {
        u->ioc = u->short_packet = false;
    }
}

static uint64_t uhci_read(void *opaque, uint64_t offset, unsigned width)
{
    Uhci *u = opaque;

    if (width == 4) {
        return offset == FLBASEADD ? u->frame_base
               : uhci_read(u, offset, 2) | uhci_read(u, offset + 2, 2) << 16;
    }
    switch (offset) {
    case USBCMD:
        return u->command;
    case USBSTS:
        catch_up(u);
        return u->status | (running(u) ? 0 : STS_HALTED);
    case USBINTR:
        return u->interrupts;
    case FRNUM:
        catch_up(u);
        return u->frame_number;
    case FLBASEADD:
        return u->frame_base & 0xffff;
    case FLBASEADD + 2:
        return u->frame_base >> 16;
    case SOFMOD:
        return u->sof_modify;
    case PORTSC1:
    case PORTSC2:
        return port_read(u, (offset - PORTSC1) / 2);
    case 0x0e:
        return 0;
    default:
        return 0xffff;
    }
}

static void register_write(Uhci *u, uint64_t offset, uint16_t value)
{
    switch (offset) {
    case USBCMD:
        command_write(u, value);
        break;
    case USBSTS:
        status_write(u, value);
        break;
    case USBINTR:
        u->interrupts = value & INTERRUPT_BITS;
        break;
    case FRNUM:
        if (!running(u)) {
            u->frame_number = value & FRNUM_MASK;
        }
        break;
    case FLBASEADD:
        u->frame_base = (u->frame_base & 0xffff0000u) | (value & 0xf000);
        break;
    case FLBASEADD + 2:
        u->frame_base = (u->frame_base & 0xffff) | (uint32_t)value << 16;
        break;
    case SOFMOD:
        u->sof_modify = value & SOF_MAX;
        break;
    case PORTSC1:
    case PORTSC2:
        port_write(u, (offset - PORTSC1) / 2, value);
        break;
    }
}

static void uhci_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Uhci *u = opaque;

    catch_up(u);
    if (u->command & CMD_GRESET && offset != USBCMD) {
        return;                             /* held in reset until software lets go */
    }
    register_write(u, offset, value);
    if (width == 4) {
        register_write(u, offset + 2, value >> 16);
    }
    update_irq(u);
    if (offset != USBCMD && offset != USBSTS) {
        hasten(u);
    }
}

/* SOFMOD is a byte; its neighbours are reserved, so that byte accesses to words may be widened. */
static uint64_t uhci_read_port(void *opaque, uint64_t offset, unsigned width)
{
    uint64_t word;

    if (width != 1) {
        return uhci_read(opaque, offset, width);
    }
    word = uhci_read(opaque, offset & ~1u, 2);
    return offset & 1 ? word >> 8 : word & 0xff;
}

static void uhci_write_port(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    uint64_t keep;

    if (width != 1) {
        uhci_write(opaque, offset, width, value);
        return;
    }
    /* The other byte as it is, without its bits that are cleared by writing ones. */
    keep = uhci_read(opaque, offset & ~1u, 2);
    keep &= offset >= PORTSC1 ? ~(uint64_t)(PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE)
            : (offset & ~1u) == USBSTS ? 0 : ~0u;
    value = offset & 1 ? (keep & 0xff) | value << 8 : (keep & 0xff00) | value;
    uhci_write(opaque, offset & ~1u, 2, value);
}

static const IoOps uhci_ops = { .read = uhci_read_port, .write = uhci_write_port,
                                .widths = IO_8 | IO_16 | IO_32 };

/* --- device ------------------------------------------------------------------------------------ */

UsbBus *uhci_bus(Device *dev)
{
    return &((Uhci *)dev)->usb;
}

static void uhci_config_written(PciDevice *pci, unsigned offset, unsigned len)
{
    (void)len;
    if ((offset & ~3u) == CONFIG_LEGSUP || offset == 4) {
        update_irq((Uhci *)pci);
        hasten((Uhci *)pci);
    }
}

static bool uhci_init(Device *dev, GError **error)
{
    Uhci *u = (Uhci *)dev;
    const PciClass id = { .vendor = 0x8086, .device = 0x7020, .revision = 0x01, .subclass = 0x03,
                          .base_class = 0x0c, .subsystem_vendor = 0x5853, .subsystem = 0x0001,
                          .interrupt_pin = 4 };

    for (unsigned i = 0; i < USB_ROOT_PORTS; i++) {
        usb_port_init(&u->port[i], &port_ops, u, i + 1, NULL);
        u->usb.port[i] = &u->port[i];
    }
    u->usb.ready = device_ready;
    u->usb.opaque = u;
    timer_init(&u->timer, &dev->machine->timers, frame_timer, u);
    if (!pci_init(&u->pci, &id, error) ||
        !pci_claim_bar(&u->pci, 4, PCI_BAR_IO, UHCI_REGISTERS, &uhci_ops, error)) {
        return false;
    }
    u->pci.initial[0x06] = 0x80;            /* fast back-to-back, medium DEVSEL */
    u->pci.initial[0x07] = 0x02;
    u->pci.initial[CONFIG_RELEASE] = USB_RELEASE_1_0;
    u->pci.initial[CONFIG_LEGSUP + 1] = LEGSUP_PIRQ_ENABLE;
    u->pci.wmask[CONFIG_LEGSUP] = 0xbf;     /* bit 6: pass-through status, read only */
    u->pci.wmask[CONFIG_LEGSUP + 1] = 0x20;
    u->pci.w1c[CONFIG_LEGSUP + 1] = 0x8f;   /* A20 pass-through and trap status */
    u->pci.config_written = uhci_config_written;
    return true;
}

static void uhci_reset(Device *dev)
{
    Uhci *u = (Uhci *)dev;

    pci_reset(&u->pci);
    bus_reset(u);
    update_irq(u);
}

static bool uhci_loaded(Device *dev, GError **error)
{
    Uhci *u = (Uhci *)dev;

    if (!pci_loaded(&u->pci, error)) {
        return false;
    }
    for (unsigned i = 0; i < USB_ROOT_PORTS; i++) {
        u->port_status[i] &= PORT_STATE_BITS;
        if ((u->port_status[i] & (PORT_CONNECT | PORT_LOW_SPEED)) != connected(&u->port[i])) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "USB port %u has another device than when it was saved", i + 1);
            return false;
        }
    }
    u->frame_base &= ~0xfffu;
    u->frame_start = CLAMP(u->frame_start, 0, vm_now(dev));
    u->ioc &= !!(u->status & STS_USBINT);
    u->short_packet &= !!(u->status & STS_USBINT);
    update_irq(u);
    if (!running(u)) {
        timer_cancel(&u->timer);
    } else if (!timer_armed(&u->timer)) {
        arm(u);
    }
    return true;
}

static void uhci_finish(Device *dev)
{
    Uhci *u = (Uhci *)dev;

    for (unsigned i = 0; i < USB_ROOT_PORTS; i++) {
        if (u->port[i].device) {
            u->port[i].device->port = NULL;
        }
    }
    if (u->timer.queue) {
        timer_cancel(&u->timer);
    }
    pci_finish(&u->pci);
}

static const ConfigField uhci_config[] = { CONFIG_PCI(Uhci, pci), CONFIG_END };
static const StateField uhci_state[] = {
    STATE_PCI(Uhci, pci),
    STATE_U16_MAX(Uhci, command, COMMAND_BITS), STATE_U16_MAX(Uhci, status, STATUS_CLEARABLE),
    STATE_U16_MAX(Uhci, interrupts, INTERRUPT_BITS), STATE_U16_MAX(Uhci, frame_number, FRNUM_MASK),
    STATE_U16_ARRAY(Uhci, port_status), STATE_U32(Uhci, frame_base),
    STATE_U8_MAX(Uhci, sof_modify, SOF_MAX), STATE_BOOL(Uhci, ioc), STATE_BOOL(Uhci, short_packet),
    STATE_BOOL(Uhci, fresh), STATE_I64(Uhci, frame_start),
    STATE_U32_MAX(Uhci, idle_frames, IDLE_AFTER), STATE_TIMER(Uhci, timer),
    STATE_END
};

const DeviceClass uhci_class = {
    .name = "uhci", .summary = "82371SB USB 1.1 host controller (UHCI), two ports",
    .size = sizeof(Uhci), .version = 1, .config = uhci_config, .state = uhci_state,
    .init = uhci_init, .reset = uhci_reset, .loaded = uhci_loaded, .finish = uhci_finish,
};
