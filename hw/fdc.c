/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc.c - the floppy disk controller (Intel 82077AA data sheet, 290166) with its wiring on an AT: ports
 * 3F0h-3F5h and 3F7h, interrupt 6, DMA channel 2.  Here: registers, phases, interrupts and the
 * commands that leave the medium alone; the others are in fdc_data.c.
 *
 * Steps take microseconds instead of milliseconds, a rotation takes no time, and there are no
 * overruns.  Left out: tape drives, power-down, the PS/2 modes' status registers at 3F0h and 3F1h
 * (they float in AT mode), sectors of other sizes than 512 bytes.
 */
#include "hw/fdc.h"
#include "hw/chipset.h"
#include "hw/devices.h"
#include "pc_layout.h"
#include <string.h>

enum { REG_DOR = 2, REG_TDR, REG_MSR, REG_FIFO, REG_DIR = 7 };
enum { DOR_SELECT = 0x03, DOR_NORMAL = 0x04, DOR_GATE = 0x08 };
enum { DSR_RESET = 0x80, DSR_RATE = 0x03 };
enum { MSR_RQM = 0x80, MSR_DIO = 0x40, MSR_NON_DMA = 0x20, MSR_BUSY = 0x10 };
enum { DIR_CHANGED = 0x80 };
enum { CONFIGURE_NO_FIFO = 0x20, CONFIGURE_THRESHOLD = 0x0f };
enum { PERPENDICULAR_GAP_GATE = 0x03, PERPENDICULAR_DRIVES = 0x3c, PERPENDICULAR_OVERWRITE = 0x80 };
enum { ST3_PROTECTED = 0x40, ST3_ALWAYS = 0x28, ST3_TRACK_0 = 0x10 };
enum { VERSION_82077 = 0x90, INVALID_COMMAND = 0x80, RECALIBRATE_STEPS = 79 };
#define STEP_NS (20 * NS_PER_US)
#define SEEK_NS (50 * NS_PER_US)

FdcDrive *fdc_selected(Fdc *f, unsigned unit)
{
    return unit < FDC_DRIVES && f->drive[unit].block ? &f->drive[unit] : NULL;
}

/* --- interrupt --- */

/* The end of a seek is told between commands only. */
void fdc_update_irq(Fdc *f)
{
    bool data = (f->phase == FDC_TO_HOST || f->phase == FDC_FROM_HOST) && fdc_non_dma(f);
    bool idle = f->phase == FDC_COMMAND;
    bool on = (f->dor & DOR_GATE) && (f->dor & DOR_NORMAL);

    irq_set(&f->dev.machine->isa_irq[IRQ_FDC], on && (data || f->finished || (idle && f->line)));
}

/* --- heads --- */

static void settle(Fdc *f, FdcSeek *s, uint8_t st0)
{
    s->pcn = s->target;
    s->st0 = st0 | ST0_SEEK_END;
    s->pending = true;
    f->line = true;
    fdc_update_irq(f);
}

static void seek_ended(void *opaque)
{
    FdcSeek *s = opaque;

    settle(s->fdc, s, s->st0);
}

/* Steps so many tracks; the interrupt comes when it is done. */
static void start_seek(Fdc *f, unsigned unit, int tracks, uint8_t target, uint8_t st0)
{
    FdcSeek *s = &f->seek[unit];
    FdcDrive *d = fdc_selected(f, unit);

    if (d) {
        fdc_drive_step(d, tracks);
    }
    s->target = target;
    s->st0 = st0;
    s->pending = false;
    timer_at(&s->timer, vm_now(&f->dev) + SEEK_NS + ABS(tracks) * STEP_NS);
}

void fdc_move_heads(Fdc *f, unsigned unit, unsigned pcn)
{
    FdcSeek *s = &f->seek[unit];
    FdcDrive *d = fdc_selected(f, unit);

    if (timer_armed(&s->timer)) {
        timer_cancel(&s->timer);
        s->pcn = s->target;
    }
    if (d) {
        fdc_drive_step(d, (int)pcn - s->pcn);
    }
    s->pcn = pcn;
}

/* --- phases --- */

static void to_command_phase(Fdc *f)
{
    f->phase = FDC_COMMAND;
    f->got = f->length = 0;
    f->op = OP_NONE;
    fdc_update_irq(f);
}

void fdc_results(Fdc *f, const uint8_t *bytes, unsigned len, bool irq)
{
    memcpy(f->result, bytes, len);
    f->result_len = len;
    f->result_pos = 0;
    f->phase = FDC_RESULT;
    f->finished = irq;
    fdc_update_irq(f);
}

static uint8_t result_byte(Fdc *f)
{
    uint8_t value = f->result[f->result_pos++];

    f->finished = false;
    if (f->result_pos == f->result_len) {
        to_command_phase(f);
    } else {
        fdc_update_irq(f);
    }
    return value;
}

/* Of the chip, by DOR or DSR; what LOCK protects is kept. */
static void software_reset(Fdc *f)
{
    fdc_data_abort(f);
    for (unsigned i = 0; i < 4; i++) {
        f->seek[i].pcn = timer_armed(&f->seek[i].timer) ? f->seek[i].target : f->seek[i].pcn;
        timer_cancel(&f->seek[i].timer);
        f->seek[i].pending = false;
    }
    f->line = f->polled = f->finished = false;
    f->configure &= CONFIGURE_NO_FIFO | CONFIGURE_THRESHOLD;
    if (!f->lock) {
        f->configure = CONFIGURE_NO_FIFO;
        f->pretrk = 0;
    }
    f->perpendicular &= ~PERPENDICULAR_GAP_GATE;
    to_command_phase(f);
}

/* The drives are polled: each is found to have changed its state. */
static void reset_ended(Fdc *f)
{
    for (unsigned i = 0; i < 4; i++) {
        f->seek[i].st0 = ST0_POLLING | i;
        f->seek[i].pending = true;
    }
    f->line = f->polled = true;
    fdc_update_irq(f);
}

/* --- commands --- */

static void do_nothing_but(Fdc *f, uint8_t byte)
{
    fdc_results(f, &byte, 1, false);
}

static void cmd_invalid(Fdc *f)
{
    do_nothing_but(f, INVALID_COMMAND);
}

static void cmd_version(Fdc *f)
{
    do_nothing_but(f, VERSION_82077);
}

static void cmd_specify(Fdc *f)
{
    memcpy(f->specify, f->command + 1, 2);
    to_command_phase(f);
}

static void cmd_sense_drive(Fdc *f)
{
    unsigned unit = f->command[1] & 3;
    const FdcDrive *d = fdc_selected(f, unit);
    uint8_t st3 = ST3_ALWAYS | (f->command[1] & 7);

    if (d) {
        st3 |= d->track == 0 ? ST3_TRACK_0 : 0;
        st3 |= !d->format || block_read_only(d->block) ? ST3_PROTECTED : 0;
    }
    do_nothing_but(f, st3);
}

/* After a reset one interrupt stands for all four drives, and each needs a command. */
static void cmd_sense_interrupt(Fdc *f)
{
    uint8_t bytes[2];
    bool more = false;
    int unit = -1;

    for (int i = 3; i >= 0; i--) {
        if (f->seek[i].pending) {
            more = unit >= 0;
            unit = i;
        }
    }
    if (unit < 0) {
        cmd_invalid(f);
        return;
    }
    f->seek[unit].pending = false;
    bytes[0] = f->seek[unit].st0;
    bytes[1] = f->seek[unit].pcn;
    f->line = false;
    fdc_update_irq(f);
    f->polled = f->polled && more;
    f->line = more && !f->polled;
    fdc_results(f, bytes, 2, false);
}

/* 79 steps at most: from beyond, a second one is needed. */
static void cmd_recalibrate(Fdc *f)
{
    unsigned unit = f->command[1] & 3;
    const FdcDrive *d = fdc_selected(f, unit);
    bool arrives = d && d->track <= RECALIBRATE_STEPS;
    uint8_t st0 = unit | (arrives ? 0 : ST0_ABNORMAL | ST0_EQUIPMENT);

    start_seek(f, unit, d && arrives ? -d->track : -RECALIBRATE_STEPS, 0, st0);
    to_command_phase(f);
}

static void cmd_seek(Fdc *f)
{
    unsigned unit = f->command[1] & 3;

    fdc_move_heads(f, unit, f->seek[unit].pcn);     /* ends one that is still going on */
    start_seek(f, unit, f->command[2] - f->seek[unit].pcn, f->command[2], f->command[1] & 7);
    to_command_phase(f);
}

static void cmd_relative_seek(Fdc *f)
{
    unsigned unit = f->command[1] & 3;
    int tracks = f->command[0] & 0x40 ? f->command[2] : -f->command[2];

    fdc_move_heads(f, unit, f->seek[unit].pcn);
    start_seek(f, unit, tracks, f->seek[unit].pcn + tracks, f->command[1] & 7);
    to_command_phase(f);
}

static void cmd_configure(Fdc *f)
{
    f->configure = f->command[2] & 0x7f;
    f->pretrk = f->command[3];
    to_command_phase(f);
}

/* The drives' bits change only together with OW. */
static void cmd_perpendicular(Fdc *f)
{
    uint8_t drives = f->command[1] & PERPENDICULAR_OVERWRITE ? f->command[1] : f->perpendicular;

    f->perpendicular = (drives & PERPENDICULAR_DRIVES) | (f->command[1] & PERPENDICULAR_GAP_GATE);
    to_command_phase(f);
}

static void cmd_lock(Fdc *f)
{
    f->lock = f->command[0] >> 7;
    do_nothing_but(f, f->lock << 4);
}

static void cmd_dump(Fdc *f)
{
    uint8_t bytes[10];

    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = f->seek[i].pcn;
    }
    memcpy(bytes + 4, f->specify, 2);
    bytes[6] = f->sc_eot;
    bytes[7] = f->lock << 7 | f->perpendicular;
    bytes[8] = f->configure;
    bytes[9] = f->pretrk;
    fdc_results(f, bytes, sizeof bytes, false);
}

typedef struct FdcCommand {
    uint8_t mask, value, length;    /* length: bytes of the command phase */
    void (*run)(Fdc *f);            /* NULL: op, in fdc_data.c */
    FdcOp op;
} FdcCommand;

static const FdcCommand commands[] = {
    { 0x1f, 0x06, 9, NULL, OP_READ },       { 0x1f, 0x0c, 9, NULL, OP_READ },   /* deleted */
    { 0x3f, 0x05, 9, NULL, OP_WRITE },      { 0x3f, 0x09, 9, NULL, OP_WRITE },
    { 0xbf, 0x02, 9, NULL, OP_READ_TRACK }, { 0x1f, 0x16, 9, NULL, OP_VERIFY },
    { 0x1f, 0x11, 9, NULL, OP_SCAN },       { 0x1f, 0x19, 9, NULL, OP_SCAN },
    { 0x1f, 0x1d, 9, NULL, OP_SCAN },       { 0xbf, 0x0d, 6, NULL, OP_FORMAT },
    { 0xbf, 0x0a, 2, NULL, OP_READ_ID },
    { 0xff, 0x03, 3, cmd_specify, OP_NONE },        { 0xff, 0x04, 2, cmd_sense_drive, OP_NONE },
    { 0xff, 0x07, 2, cmd_recalibrate, OP_NONE },    { 0xff, 0x08, 1, cmd_sense_interrupt, OP_NONE },
    { 0xff, 0x0e, 1, cmd_dump, OP_NONE },           { 0xff, 0x0f, 3, cmd_seek, OP_NONE },
    { 0xff, 0x10, 1, cmd_version, OP_NONE },        { 0xff, 0x12, 2, cmd_perpendicular, OP_NONE },
    { 0xff, 0x13, 4, cmd_configure, OP_NONE },      { 0x7f, 0x14, 1, cmd_lock, OP_NONE },
    { 0xbf, 0x8f, 3, cmd_relative_seek, OP_NONE },
};
static const FdcCommand invalid = { 0, 0, 1, cmd_invalid, OP_NONE };

static const FdcCommand *find_command(uint8_t byte)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if ((byte & commands[i].mask) == commands[i].value) {
            return &commands[i];
        }
    }
    return &invalid;
}

static void command_byte(Fdc *f, uint8_t byte)
{
    const FdcCommand *command;

    if (f->got == 0) {
        f->length = find_command(byte)->length;
    }
    f->command[f->got++] = byte;
    if (f->got < f->length) {
        fdc_update_irq(f);
        return;
    }
    command = find_command(f->command[0]);
    if (command->run) {
        command->run(f);
    } else {
        fdc_data_command(f, command->op);
    }
}

/* --- registers --- */

static uint8_t main_status(const Fdc *f)
{
    uint8_t status = 0;

    if (!(f->dor & DOR_NORMAL)) {
        return 0;
    }
    for (unsigned i = 0; i < 4; i++) {
        status |= timer_armed(&f->seek[i].timer) ? 1u << i : 0;
    }
    switch (f->phase) {
    case FDC_COMMAND:
        return status | MSR_RQM | (f->got ? MSR_BUSY : 0);
    case FDC_RESULT:
        return status | MSR_RQM | MSR_DIO | MSR_BUSY;
    case FDC_TO_HOST:
    case FDC_FROM_HOST:
        if (fdc_non_dma(f)) {
            return status | MSR_RQM | MSR_NON_DMA | MSR_BUSY |
                   (f->phase == FDC_TO_HOST ? MSR_DIO : 0);
        }
        return status | MSR_BUSY;
    default:
        return status | MSR_BUSY | (fdc_non_dma(f) ? MSR_NON_DMA : 0);
    }
}

/* Without the FIFO each byte has an interrupt, with it each fill up to the threshold. */
static void data_moved(Fdc *f)
{
    unsigned batch = f->configure & CONFIGURE_NO_FIFO ? 1
                     : (f->configure & CONFIGURE_THRESHOLD) + 1u;

    if ((f->phase == FDC_TO_HOST || f->phase == FDC_FROM_HOST) && f->pos % batch == 0) {
        irq_set(&f->dev.machine->isa_irq[IRQ_FDC], false);
    }
    fdc_update_irq(f);
}

static uint8_t fifo_read(Fdc *f)
{
    uint8_t value = 0;

    if (!(f->dor & DOR_NORMAL)) {
        return 0xff;
    }
    if (f->phase == FDC_RESULT) {
        value = result_byte(f);
    } else if (f->phase == FDC_TO_HOST && fdc_non_dma(f)) {
        value = fdc_data_read(f);
        data_moved(f);
    }
    return value;
}

static void fifo_write(Fdc *f, uint8_t value)
{
    if (!(f->dor & DOR_NORMAL)) {
        return;
    }
    if (f->phase == FDC_COMMAND) {
        command_byte(f, value);
    } else if (f->phase == FDC_FROM_HOST && fdc_non_dma(f)) {
        fdc_data_write(f, value);
        data_moved(f);
    }
}

static void write_dor(Fdc *f, uint8_t value)
{
    uint8_t changed = f->dor ^ value;

    f->dor = value;
    if ((changed & DOR_NORMAL) && !(value & DOR_NORMAL)) {
        software_reset(f);
    } else if (changed & DOR_NORMAL) {
        reset_ended(f);
    }
    fdc_update_irq(f);
    fdc_data_dma_ready(f);
}

static uint64_t fdc_read(void *opaque, uint64_t offset, unsigned width)
{
    Fdc *f = opaque;

    (void)width;
    switch (offset) {
    case REG_DOR:
        return f->dor;
    case REG_TDR:
        return 0xfc | f->tape;
    case REG_MSR:
        return main_status(f);
    case REG_FIFO:
        return fifo_read(f);
    default:
        return 0xff;
    }
}

static void fdc_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Fdc *f = opaque;

    (void)width;
    switch (offset) {
    case REG_DOR:
        write_dor(f, value);
        break;
    case REG_TDR:
        f->tape = value & 3;
        break;
    case REG_MSR:
        f->dsr = value & ~DSR_RESET;
        if ((value & DSR_RESET) && (f->dor & DOR_NORMAL)) {
            software_reset(f);
            reset_ended(f);
        }
        break;
    case REG_FIFO:
        fifo_write(f, value);
        break;
    }
}

/* Only bit 7 is driven; the others belonged to the fixed disk's adapter. */
static uint64_t fdc_dir_read(void *opaque, uint64_t offset, unsigned width)
{
    Fdc *f = opaque;
    const FdcDrive *d = fdc_selected(f, f->dor & DOR_SELECT);

    (void)offset;
    (void)width;
    return (uint8_t)~DIR_CHANGED | (d && (d->changed || !d->format) ? DIR_CHANGED : 0);
}

static void fdc_ccr_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    Fdc *f = opaque;

    (void)offset;
    (void)width;
    f->dsr = (f->dsr & ~DSR_RATE) | (value & DSR_RATE);
}

static const IoOps fdc_ops = { .read = fdc_read, .write = fdc_write, .widths = IO_8 };
static const IoOps fdc_dir_ops = { .read = fdc_dir_read, .write = fdc_ccr_write, .widths = IO_8 };

/* --- the device --- */

BlockDev *fdc_medium(Device *fdc, unsigned unit)
{
    FdcDrive *d = fdc_selected((Fdc *)fdc, unit);

    return d ? d->block : NULL;
}

BlockDev *fdc_change_medium(Device *fdc, unsigned unit, BlockDev *medium, GError **error)
{
    Fdc *f = (Fdc *)fdc;
    FdcDrive *d = fdc_selected(f, unit);
    const FdcFormat *format = fdc_format_for(block_size(medium));
    BlockDev *old;

    if (!d) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NODEV, "no floppy drive there");
        return NULL;
    }
    if (block_present(medium) && (!format || !fdc_drive_takes(d->type, format))) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "the image is not of a format that this floppy drive takes");
        return NULL;
    }
    if (f->op != OP_NONE && f->unit == unit) {
        fdc_data_fail(f);
    }
    block_drain(d->block);
    old = d->block;
    fdc_drive_insert(d, medium);
    return old;
}

static bool fdc_init(Device *dev, GError **error)
{
    Fdc *f = (Fdc *)dev;
    BlockDev *media[FDC_DRIVES] = { f->fda, f->fdb };

    f->buffer = g_malloc0(FDC_BUFFER);
    timer_init(&f->search, &dev->machine->timers, fdc_data_search_ended, f);
    for (unsigned i = 0; i < 4; i++) {
        f->seek[i].fdc = f;
        timer_init(&f->seek[i].timer, &dev->machine->timers, seek_ended, &f->seek[i]);
    }
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        if (media[i]) {
            fdc_drive_insert(&f->drive[i], media[i]);
            f->drive[i].type = fdc_drive_type(media[i]);
            if (block_present(media[i]) && !f->drive[i].format) {
                g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                            "fd%c: the image is larger than any floppy disk", 'a' + i);
                return false;
            }
        }
    }
    if (f->dma) {
        i8237_attach(f->dma, DMA_FDC, fdc_data_dma_ready, f);
    }
    return io_claim(dev, IO_PORT, PORT_FDC, 6, &fdc_ops, error) &&
           io_claim(dev, IO_PORT, PORT_FDC + REG_DIR, 1, &fdc_dir_ops, error);
}

/* The heads stay where they are. */
static void fdc_reset(Device *dev)
{
    Fdc *f = (Fdc *)dev;

    f->lock = false;
    software_reset(f);
    memset(f->command, 0, sizeof f->command);
    memset(f->result, 0, sizeof f->result);
    memset(f->specify, 0, sizeof f->specify);
    memset(f->formatted, 0, sizeof f->formatted);
    memset(f->buffer, 0, FDC_BUFFER);
    f->result_len = f->result_pos = 0;
    f->perpendicular = f->sc_eot = f->tape = f->filler = 0;
    f->unit = f->head = f->c = f->h = f->r = f->n = f->eot = f->count = 0;
    f->st0 = f->st1 = f->st2 = 0;
    f->multi = f->skip = f->deleted = f->terminal = f->last = f->single = f->written = false;
    f->sector = 0;
    f->verify_left = 0;
    f->dor = 0;
    f->dsr = FDC_RATE_250;
    for (unsigned i = 0; i < 4; i++) {
        f->seek[i].target = f->seek[i].st0 = 0;
    }
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        f->drive[i].changed = f->drive[i].block != NULL;
    }
    fdc_update_irq(f);
}

static bool fdc_loaded(Device *dev, GError **error)
{
    Fdc *f = (Fdc *)dev;
    bool data = f->phase == FDC_TO_HOST || f->phase == FDC_FROM_HOST;
    bool command_ok = f->got == 0 || (f->got < f->length &&
                                      f->length == find_command(f->command[0])->length);

    if (f->phase == FDC_BUSY || f->pos > f->end || (data && f->pos == f->end) ||
        (f->phase == FDC_COMMAND && !command_ok) || (data && f->op == OP_NONE) ||
        (f->phase == FDC_RESULT && f->result_pos >= f->result_len) ||
        (f->phase == FDC_WAIT) != timer_armed(&f->search) ||
        ((data || f->phase == FDC_WAIT) && !fdc_data_state_ok(f))) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "fdc: state does not fit together");
        return false;
    }
    if (f->dma) {
        i8237_request(f->dma, DMA_FDC, data && !fdc_non_dma(f));
    }
    fdc_update_irq(f);
    return true;
}

static void fdc_quiesce(Device *dev)
{
    Fdc *f = (Fdc *)dev;

    while (f->request) {
        block_drain(f->drive[f->unit].block);
    }
}

static void fdc_finish(Device *dev)
{
    Fdc *f = (Fdc *)dev;

    if (f->buffer) {
        fdc_data_abort(f);
    }
    if (f->dma) {
        i8237_attach(f->dma, DMA_FDC, NULL, NULL);
    }
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        block_close(f->drive[i].block);
    }
    g_free(f->buffer);
}

static const ConfigField fdc_config[] = {
    CONFIG_FIELD(Fdc, dma, CONFIG_POINTER, NULL, "the i8237"),
    CONFIG_FIELD(Fdc, fda, CONFIG_POINTER, NULL, "BlockDev in drive A; NULL: no drive"),
    CONFIG_FIELD(Fdc, fdb, CONFIG_POINTER, NULL, "BlockDev in drive B; NULL: no drive"),
    CONFIG_END
};
static const StateField fdc_seek_state[] = {
    STATE_U8(FdcSeek, pcn), STATE_U8(FdcSeek, target), STATE_U8(FdcSeek, st0),
    STATE_BOOL(FdcSeek, pending), STATE_TIMER(FdcSeek, timer),
    STATE_UNMIGRATABLE("fdc: back pointer"),
    STATE_END
};
static const StateField fdc_drive_state[] = {
    STATE_U8_MAX(FdcDrive, track, FDC_TRACK_LAST), STATE_BOOL(FdcDrive, changed),
    STATE_BYTES(FdcDrive, deleted),
    STATE_UNMIGRATABLE("block, format, type: of the configuration"),
    STATE_END
};
static const StateField fdc_state[] = {
    STATE_STRUCT_ARRAY(Fdc, drive, fdc_drive_state),
    STATE_U8(Fdc, dor), STATE_U8_MAX(Fdc, dsr, 0x7f), STATE_U8_MAX(Fdc, tape, 3),
    STATE_STRUCT_ARRAY(Fdc, seek, fdc_seek_state),
    STATE_BOOL(Fdc, line), STATE_BOOL(Fdc, polled), STATE_BOOL(Fdc, finished),
    STATE_U8_ARRAY(Fdc, specify), STATE_U8_MAX(Fdc, configure, 0x7f), STATE_U8(Fdc, pretrk),
    STATE_U8_MAX(Fdc, perpendicular, 0x3f), STATE_BOOL(Fdc, lock), STATE_U8(Fdc, sc_eot),
    STATE_U8_MAX(Fdc, phase, FDC_PHASES - 1),
    STATE_U8_ARRAY(Fdc, command), STATE_U8_MAX(Fdc, length, 9), STATE_U8_MAX(Fdc, got, 9),
    STATE_U8_ARRAY(Fdc, result), STATE_U8_MAX(Fdc, result_len, 10),
    STATE_U8_MAX(Fdc, result_pos, 10),
    STATE_U8_MAX(Fdc, op, FDC_OPS - 1), STATE_U8_MAX(Fdc, unit, 3), STATE_U8_MAX(Fdc, head, 1),
    STATE_U8(Fdc, c), STATE_U8(Fdc, h), STATE_U8(Fdc, r), STATE_U8(Fdc, n), STATE_U8(Fdc, eot),
    STATE_U8(Fdc, st0), STATE_U8(Fdc, st1), STATE_U8(Fdc, st2),
    STATE_BOOL(Fdc, multi), STATE_BOOL(Fdc, skip), STATE_BOOL(Fdc, deleted),
    STATE_BOOL(Fdc, terminal), STATE_BOOL(Fdc, last), STATE_BOOL(Fdc, single),
    STATE_BOOL(Fdc, written), STATE_U32(Fdc, sector),
    STATE_U8_MAX(Fdc, count, FDC_SPT_MAX), STATE_U16_MAX(Fdc, verify_left, 256),
    STATE_U8_ARRAY(Fdc, formatted), STATE_U8(Fdc, filler),
    STATE_U32_MAX(Fdc, pos, FDC_BUFFER), STATE_U32_MAX(Fdc, end, FDC_BUFFER),
    STATE_TIMER(Fdc, search),
    STATE_HEAP_BYTES(Fdc, buffer, FDC_BUFFER),
    STATE_UNMIGRATABLE("request, iov: quiesce ends them"),
    STATE_END
};

const DeviceClass fdc_class = {
    .name = "fdc", .summary = "82077AA floppy disk controller with drives fda, fdb",
    .size = sizeof(Fdc), .version = 1, .config = fdc_config, .state = fdc_state,
    .init = fdc_init, .reset = fdc_reset, .loaded = fdc_loaded, .quiesce = fdc_quiesce,
    .finish = fdc_finish,
};
