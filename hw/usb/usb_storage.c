/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_storage.c - a disk or CD-ROM drive on USB (Mass Storage Class, Bulk-Only Transport 1.0).  One
 * command at a time; its data goes through one buffer, and while the image works the endpoints say
 * NAK.  Less data than the host expects ends with a short packet, more is a phase error, and what
 * is no command block stalls both pipes until the reset recovery, as the transport's section 6 has
 * it.  Left out: several units, UAS.
 */
#include "hw/usb/usb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hw/devices.h"
#include "hw/usb/usb_scsi.h"

enum { CHUNK = 128 * 1024, MAX_PACKET = 64, CBW_BYTES = 31, CSW_BYTES = 13, ALIGNMENT = 4096 };
enum { CBW_SIGNATURE = 0x43425355, CSW_SIGNATURE = 0x53425355 };
enum { CSW_PASSED = 0, CSW_FAILED = 1, CSW_PHASE_ERROR = 2 };
enum { GET_MAX_LUN = 0xfe, BULK_ONLY_RESET = 0xff };

typedef enum Phase {
    PHASE_COMMAND, PHASE_IN, PHASE_OUT,
    PHASE_BUSY,                 /* the image works; status follows */
    PHASE_STATUS, PHASE_BROKEN, PHASES
} Phase;

typedef struct UsbStorage {
    UsbDevice usb;
    BlockDev *block;            /* config; closed with the device */
    bool cdrom;                 /* config */
    ScsiUnit unit;
    uint8_t phase;              /* Phase */
    uint8_t status;             /* CSW_* */
    uint32_t tag, host_left;    /* of the command block; bytes the host still expects to move */
    uint32_t dropped;           /* of those that came, how many nobody wanted */
    uint8_t cdb[SCSI_CDB_MAX];
    bool flush;                 /* on stable storage before the status */
    bool parameters;            /* data goes to scsi_parameters(), not to the image */
    uint64_t offset;            /* of the next image access */
    uint64_t image_left;        /* IN: bytes not read yet; OUT: bytes the image still wants */
    uint32_t used, taken;       /* bytes in buffer; of them given to the host */
    uint8_t *buffer;            /* CHUNK bytes */
    struct iovec iov;
    BlockRequest *request;
} UsbStorage;

static const uint8_t storage_device[18] = {
    18, USB_DESC_DEVICE, 0x10, 0x01, 0, 0, 0, 8, 0xf4, 0x46, 0x01, 0x00, 0x00, 0x01, 1, 2, 3, 1 };
static const uint8_t storage_config[] = {
    9, USB_DESC_CONFIG, 32, 0, 1, 1, 0, 0xc0, 0,
    9, USB_DESC_INTERFACE, 0, 0, 2, 8, 6, 0x50, 0,      /* mass storage, SCSI, bulk only */
    7, USB_DESC_ENDPOINT, 0x81, USB_BULK, MAX_PACKET, 0, 0,
    7, USB_DESC_ENDPOINT, 0x02, USB_BULK, MAX_PACKET, 0, 0,
};
/* A serial number of twelve hexadecimal digits, as the class wants it. */
static const char *const storage_strings[] = { "Guesthouse", "USB Storage", "475355420001", NULL };

/* --- the image --------------------------------------------------------------------------------- */

static void command_ended(UsbStorage *s)
{
    s->phase = PHASE_STATUS;
    usb_device_ready(&s->usb);
}

static void failed(UsbStorage *s, int error, bool write)
{
    scsi_image_error(&s->unit, error, write);
    s->status = CSW_FAILED;
    s->image_left = 0;
    s->flush = false;
}

static void flush_done(void *opaque, int error)
{
    UsbStorage *s = opaque;

    s->request = NULL;
    if (error) {
        failed(s, error, true);
    }
    command_ended(s);
}

/* All data has moved: the status, after the cache has been written if need be. */
static void end_command(UsbStorage *s)
{
    if (s->flush && s->status == CSW_PASSED) {
        s->flush = false;
        s->phase = PHASE_BUSY;
        s->request = block_flush(s->block, flush_done, s);
    } else {
        command_ended(s);
    }
}

static void read_done(void *opaque, int error)
{
    UsbStorage *s = opaque;

    s->request = NULL;
    s->taken = 0;
    s->used = 0;
    if (error) {
        failed(s, error, false);
    } else {
        s->used = s->iov.iov_len;
        s->offset += s->used;
        s->image_left -= s->used;
    }
    usb_device_ready(&s->usb);
}

static void read_more(UsbStorage *s)
{
    s->iov = (struct iovec){ s->buffer, MIN(s->image_left, CHUNK) };
    s->request = block_readv(s->block, s->offset, &s->iov, 1, read_done, s);
}

static void write_done(void *opaque, int error)
{
    UsbStorage *s = opaque;

    s->request = NULL;
    s->offset += s->used;
    s->used = 0;
    if (error) {
        failed(s, error, true);
    }
    if (!s->host_left) {
        end_command(s);
    } else {
        usb_device_ready(&s->usb);
    }
}

static void write_buffer(UsbStorage *s)
{
    s->iov = (struct iovec){ s->buffer, s->used };
    s->request = block_writev(s->block, s->offset, &s->iov, 1, write_done, s);
}

static void abandon(UsbStorage *s)
{
    if (s->request) {
        block_cancel(s->request);
        s->request = NULL;
        block_drain(s->block);              /* it may still touch the buffer until here */
    }
    s->phase = PHASE_COMMAND;
    s->status = CSW_PASSED;
    s->used = s->taken = s->host_left = s->dropped = 0;
    s->image_left = 0;
    s->flush = s->parameters = false;
}

/* --- commands ---------------------------------------------------------------------------------- */

static void break_down(UsbStorage *s)
{
    s->phase = PHASE_BROKEN;
    usb_device_halt(&s->usb, 1, true);
    usb_device_halt(&s->usb, 2, false);
}

static uint32_t get32le(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32le(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        p[i] = v >> (8 * i);
    }
}

/* The device wants to move that much in that direction; false: the host expects something else. */
static bool agrees(UsbStorage *s, bool host_in, bool in, uint64_t bytes)
{
    if (bytes && (!s->host_left || host_in != in || bytes > s->host_left)) {
        s->status = CSW_PHASE_ERROR;
        return false;
    }
    return true;
}

static void start_reply(UsbStorage *s, bool host_in, const ScsiWork *w)
{
    if (agrees(s, host_in, true, w->reply_len)) {
        memcpy(s->buffer, w->reply, w->reply_len);
        s->used = w->reply_len;
    }
}

static void start_image(UsbStorage *s, bool host_in, const ScsiWork *w, ScsiAction action)
{
    if (agrees(s, host_in, action == SCSI_READ, w->bytes)) {
        s->offset = w->offset;
        s->image_left = w->bytes;
        s->flush = action == SCSI_WRITE_FLUSH;
    }
}

static void command(UsbStorage *s, const uint8_t *cbw)
{
    bool host_in = cbw[12] & 0x80;
    ScsiWork w;
    ScsiAction action;

    s->tag = get32le(cbw + 4);
    s->host_left = get32le(cbw + 8);
    s->status = CSW_PASSED;
    s->flush = s->parameters = false;
    s->used = s->taken = s->dropped = 0;
    s->image_left = 0;
    memcpy(s->cdb, cbw + 15, sizeof s->cdb);
    action = scsi_command(&s->unit, s->cdb, cbw[14], &w);
    switch (action) {
    case SCSI_FAILED:
        s->status = CSW_FAILED;
        break;
    case SCSI_DONE:
        break;
    case SCSI_REPLY:
        start_reply(s, host_in, &w);
        break;
    case SCSI_READ:
    case SCSI_WRITE:
    case SCSI_WRITE_FLUSH:
        start_image(s, host_in, &w, action);
        break;
    case SCSI_FLUSH:
        s->flush = true;
        break;
    case SCSI_PARAMETERS:
        if (agrees(s, host_in, false, w.bytes)) {
            s->parameters = true;
            s->image_left = w.bytes;
        }
        break;
    }
    if (!s->host_left) {
        end_command(s);
    } else {
        s->phase = host_in ? PHASE_IN : PHASE_OUT;
        if (host_in && s->image_left) {
            read_more(s);
        }
    }
}

static UsbResult command_packet(UsbStorage *s, const UsbPacket *p)
{
    if (p->length != CBW_BYTES || get32le(p->data) != CBW_SIGNATURE || p->data[13] ||
        p->data[14] < 1 || p->data[14] > SCSI_CDB_MAX) {
        break_down(s);
        return USB_STALL;
    }
    command(s, p->data);
    return USB_OK;
}

/* --- packets ----------------------------------------------------------------------------------- */

static UsbResult data_in(UsbStorage *s, UsbPacket *p)
{
    unsigned len = MIN(MIN(s->used - s->taken, MAX_PACKET), s->host_left);
    UsbResult result;

    if (s->request) {
        return USB_NAK;
    }
    result = usb_give(p, s->buffer + s->taken, len);
    if (result != USB_OK) {
        return result;
    }
    s->taken += len;
    s->host_left -= len;
    if (s->taken == s->used && s->image_left) {
        read_more(s);
    }
    if (!s->host_left || len < MAX_PACKET) {
        end_command(s);                     /* all of it, or a short packet ends it */
    }
    return USB_OK;
}

static UsbResult data_out(UsbStorage *s, const UsbPacket *p)
{
    unsigned len = MIN(p->length, s->host_left);
    unsigned wanted = MIN(MIN(len, s->image_left), CHUNK - s->used);

    if (s->request) {
        return USB_NAK;
    }
    memcpy(s->buffer + s->used, p->data, wanted);
    s->used += wanted;
    s->image_left -= wanted;
    s->dropped += len - wanted;
    s->host_left = p->length < MAX_PACKET ? 0 : s->host_left - len;
    if (!s->host_left && s->image_left) {   /* less came than was promised */
        s->status = CSW_PHASE_ERROR;
        s->used -= s->used % 512;
        s->image_left = 0;
    }
    if (s->parameters && !s->image_left && s->used) {
        if (s->status == CSW_PASSED && !scsi_parameters(&s->unit, s->cdb, s->buffer, s->used)) {
            s->status = CSW_FAILED;
        }
        s->used = 0;
    }
    if (s->used && !s->parameters && (!s->image_left || s->used == CHUNK)) {
        write_buffer(s);
    } else if (!s->host_left) {
        end_command(s);
    }
    return USB_OK;
}

static UsbResult status_packet(UsbStorage *s, UsbPacket *p)
{
    uint8_t csw[CSW_BYTES];
    UsbResult result;

    put32le(csw, CSW_SIGNATURE);
    put32le(csw + 4, s->tag);
    put32le(csw + 8, s->host_left + s->dropped);
    csw[12] = s->status;
    result = usb_give(p, csw, sizeof csw);
    if (result == USB_OK) {
        s->phase = PHASE_COMMAND;
    }
    return result;
}

static UsbResult storage_packet(UsbDevice *u, UsbPacket *p)
{
    UsbStorage *s = (UsbStorage *)u;
    bool in = p->pid == USB_PID_IN;

    switch (s->phase) {
    case PHASE_COMMAND:
        return in ? USB_NAK : command_packet(s, p);
    case PHASE_IN:
        return in ? data_in(s, p) : USB_NAK;
    case PHASE_OUT:
        return in ? USB_NAK : data_out(s, p);
    case PHASE_STATUS:
        return in ? status_packet(s, p) : USB_NAK;
    default:
        return USB_NAK;
    }
}

static UsbResult storage_control(UsbDevice *u, const UsbSetup *setup, uint8_t *data, unsigned *len)
{
    UsbStorage *s = (UsbStorage *)u;

    if (setup->index || setup->value) {
        return USB_STALL;
    }
    switch (USB_REQUEST(setup->type, setup->request)) {
    case USB_REQUEST(0xa1, GET_MAX_LUN):
        data[0] = 0;
        *len = 1;
        return USB_OK;
    case USB_REQUEST(0x21, BULK_ONLY_RESET):
        abandon(s);                         /* halts stay until they are cleared */
        return USB_OK;
    default:
        return USB_STALL;
    }
}

static void storage_unhalted(UsbDevice *u, unsigned endpoint, bool in)
{
    if (((UsbStorage *)u)->phase == PHASE_BROKEN) {
        usb_device_halt(u, endpoint, in);   /* only the reset recovery helps */
    }
}

static void storage_reset_unit(UsbDevice *u)
{
    UsbStorage *s = (UsbStorage *)u;

    abandon(s);
    scsi_reset(&s->unit);
}

static void storage_configured(UsbDevice *u, bool usable)
{
    (void)usable;
    abandon((UsbStorage *)u);
}

/* --- life -------------------------------------------------------------------------------------- */

static const UsbModel storage_model = {
    .speed = USB_FULL_SPEED, .device = storage_device, .config = storage_config,
    .config_len = sizeof storage_config, .strings = storage_strings, .reset = storage_reset_unit,
    .configured = storage_configured, .control = storage_control, .packet = storage_packet,
    .unhalted = storage_unhalted,
};

static bool storage_init(Device *dev, GError **error)
{
    UsbStorage *s = (UsbStorage *)dev;

    if (!s->block) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NODEV, "there is no image");
        return false;
    }
    s->buffer = aligned_alloc(ALIGNMENT, CHUNK);
    if (!s->buffer) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM, "no memory for its buffer");
        return false;
    }
    memset(s->buffer, 0, CHUNK);
    s->unit.block = s->block;
    s->unit.cdrom = s->cdrom;
    g_snprintf(s->unit.serial, sizeof s->unit.serial, "GHUSB%03u", dev->instance + 1);
    return usb_device_init(&s->usb, &storage_model, error);
}

static void storage_reset(Device *dev)
{
    usb_device_reset((UsbDevice *)dev);
}

/* What a command in the middle may be: within the buffer, the image, and what the host expects. */
static bool storage_loaded(Device *dev, GError **error)
{
    UsbStorage *s = (UsbStorage *)dev;
    uint64_t size = block_size(s->block);
    uint64_t image_bytes = s->parameters ? 0 : s->image_left + (s->phase == PHASE_OUT ? s->used : 0);

    if (s->used > CHUNK || s->taken > s->used || s->offset > size || image_bytes > size - s->offset ||
        image_bytes % 512 || s->offset % 512 || s->image_left > s->host_left ||
        (s->parameters && s->used + s->image_left > SCSI_PARAMETERS_MAX) ||
        (s->phase == PHASE_OUT && s->used == CHUNK) ||
        (s->phase == PHASE_OUT && (s->cdrom || block_read_only(s->block)) && image_bytes)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "transfer out of bounds");
        return false;
    }
    if (s->phase == PHASE_BUSY) {
        s->phase = PHASE_STATUS;            /* it was waited for before saving */
    } else if (s->phase == PHASE_IN && s->taken == s->used && s->image_left && !s->request) {
        read_more(s);
    }
    return usb_device_loaded(&s->usb, error);
}

static void storage_quiesce(Device *dev)
{
    UsbStorage *s = (UsbStorage *)dev;

    while (s->request) {
        block_drain(s->block);
    }
}

static void storage_finish(Device *dev)
{
    UsbStorage *s = (UsbStorage *)dev;

    if (s->buffer) {
        abandon(s);
    }
    usb_device_finish(&s->usb);
    free(s->buffer);
    if (s->block) {
        block_close(s->block);
    }
}

static const ConfigField storage_config_fields[] = {
    CONFIG_USB(UsbStorage, usb),
    CONFIG_FIELD(UsbStorage, block, CONFIG_POINTER, NULL, "BlockDev, closed with the device"),
    CONFIG_FIELD(UsbStorage, cdrom, CONFIG_BOOL, NULL, "a CD-ROM drive"),
    CONFIG_END
};
static const StateField storage_state[] = {
    STATE_USB(UsbStorage, usb), STATE_STRUCT(UsbStorage, unit, scsi_state),
    STATE_U8_MAX(UsbStorage, phase, PHASES - 1), STATE_U8_MAX(UsbStorage, status, CSW_PHASE_ERROR),
    STATE_U32(UsbStorage, tag), STATE_U32(UsbStorage, host_left), STATE_U32(UsbStorage, dropped),
    STATE_BYTES(UsbStorage, cdb),
    STATE_BOOL(UsbStorage, flush), STATE_BOOL(UsbStorage, parameters),
    STATE_U64(UsbStorage, offset), STATE_U64(UsbStorage, image_left),
    STATE_U32_MAX(UsbStorage, used, CHUNK), STATE_U32_MAX(UsbStorage, taken, CHUNK),
    STATE_HEAP_BYTES(UsbStorage, buffer, CHUNK),
    STATE_UNMIGRATABLE("request: waited for before saving"),
    STATE_END
};

const DeviceClass usb_storage_class = {
    .name = "usb_storage", .summary = "USB disk or CD-ROM drive",
    .size = sizeof(UsbStorage), .version = 1, .config = storage_config_fields,
    .state = storage_state, .init = storage_init, .reset = storage_reset,
    .loaded = storage_loaded, .quiesce = storage_quiesce, .finish = storage_finish,
};
