/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc_data.c - the floppy controller's commands that touch the medium: reading, writing, verifying,
 * scanning, formatting (82077AA data sheet, chapter 5).  Sectors are moved in runs: as many as
 * follow each other on a track are one request to the image.  A write is acknowledged when it is on
 * stable storage, as on a drive, which has no cache.  Whether the motor is on makes no difference.
 */
#include "hw/fdc.h"
#include "hw/chipset.h"
#include "pc_layout.h"
#include <string.h>

enum { COMMAND_MULTI = 0x80, COMMAND_MFM = 0x40, COMMAND_SKIP = 0x20, COMMAND_DELETED_READ = 0x0c,
       COMMAND_DELETED_WRITE = 0x09, COMMAND_OPCODE = 0x1f, VERIFY_COUNT = 0x80 };
enum { SCAN_EQUAL = 0x11, SCAN_LOW = 0x19, SCAN_HIGH = 0x1d };
enum { CONFIGURE_IMPLIED_SEEK = 0x40, DOR_GATE = 0x08, SIZE_512 = 2 };
#define SEARCH_NS (20 * NS_PER_MS)          /* instead of the two rotations of a drive */
#define ROTATION_NS (200 * NS_PER_MS)

static void start_run(Fdc *f);

static FdcDrive *drive_of(Fdc *f)
{
    return &f->drive[f->unit];
}

static void request_dma(Fdc *f, bool on)
{
    if (f->dma) {
        i8237_request(f->dma, DMA_FDC, on);
    }
}

/* --- ends --- */

static void report(Fdc *f)
{
    uint8_t bytes[7] = { f->st0 | f->head << 2 | f->unit, f->st1, f->st2, f->c, f->h, f->r, f->n };

    f->op = OP_NONE;
    f->pos = f->end = 0;
    fdc_results(f, bytes, sizeof bytes, true);
}

static void flushed(void *opaque, int error)
{
    Fdc *f = opaque;

    f->request = NULL;
    f->st0 |= error ? ST0_ABNORMAL | ST0_EQUIPMENT : 0;
    report(f);
}

/* st0: 0 or ST0_ABNORMAL with its reason. */
static void finish(Fdc *f, uint8_t st0)
{
    request_dma(f, false);
    f->st0 |= st0;
    if (f->written) {
        f->written = false;
        f->phase = FDC_BUSY;
        f->request = block_flush(drive_of(f)->block, flushed, f);
        fdc_update_irq(f);
        return;
    }
    report(f);
}

/* What the command looks for is not there; st1 and st2 say what. */
static void search_in_vain(Fdc *f)
{
    request_dma(f, false);
    f->phase = FDC_WAIT;
    timer_at(&f->search, vm_now(&f->dev) + SEARCH_NS);
    fdc_update_irq(f);
}

void fdc_data_search_ended(void *opaque)
{
    finish(opaque, ST0_ABNORMAL);
}

static void stop(Fdc *f)
{
    timer_cancel(&f->search);
    if (f->request) {
        block_cancel(f->request);
        f->request = NULL;
        block_drain(drive_of(f)->block);
    }
    request_dma(f, false);
    f->written = false;
    f->pos = f->end = 0;
}

void fdc_data_abort(Fdc *f)
{
    stop(f);
    f->op = OP_NONE;
}

void fdc_data_fail(Fdc *f)
{
    stop(f);
    f->st1 |= ST1_NO_MARK;
    finish(f, ST0_ABNORMAL);
}

/* --- sectors --- */

/* After sector R is done; false at the end of the cylinder.  The ID goes on as the result phase
 * tells it. */
static bool next_sector(Fdc *f)
{
    if (f->r != f->eot) {
        f->r++;
        return true;
    }
    f->r = 1;
    f->h ^= f->multi;
    if (f->multi && f->head == 0) {
        f->head = 1;
        return true;
    }
    f->c++;
    return false;
}

/* Of a run; they are all up to EOT. */
static bool sectors_done(Fdc *f, unsigned n)
{
    f->r += n - 1;
    return next_sector(f);
}

/* Is there a sector C, H, R, N under the selected head?  Sets f->sector. */
static bool locate(Fdc *f)
{
    const FdcDrive *d = drive_of(f);
    int track = fdc_drive_track(d, f->head, fdc_rate(f));

    if (track < 0) {
        f->st1 |= ST1_NO_MARK;
        return false;
    }
    if (f->c != track) {
        f->st1 |= ST1_NO_DATA;
        f->st2 |= ST2_WRONG_CYLINDER;
        return false;
    }
    f->sector = fdc_drive_sector(d, track, f->head, f->r);
    if (f->h != f->head || f->n != SIZE_512 || f->r == 0 || f->r > d->format->sectors ||
        f->sector >= block_size(d->block) / FDC_SECTOR) {
        f->st1 |= ST1_NO_DATA;
        return false;
    }
    return true;
}

/* Sectors from R that one request can move: to EOT or the track's end, and to the image's. */
static unsigned run_length(const Fdc *f)
{
    const FdcDrive *d = &f->drive[f->unit];
    unsigned last = f->eot >= f->r ? MIN(f->eot, d->format->sectors) : d->format->sectors;
    uint64_t left = block_size(d->block) / FDC_SECTOR - f->sector;

    return f->single || f->op == OP_SCAN ? 1 : (unsigned)MIN(last - f->r + 1u, left);
}

static uint64_t iov_set(Fdc *f, unsigned at, unsigned count)
{
    f->iov = (struct iovec){ f->buffer + at, count * FDC_SECTOR };
    return (uint64_t)f->sector * FDC_SECTOR;
}

/* --- the data phase --- */

static void data_phase(Fdc *f, FdcPhase phase, uint32_t bytes)
{
    f->pos = 0;
    f->end = bytes;
    f->phase = phase;
    fdc_update_irq(f);
    fdc_data_dma_ready(f);
}

/* At the end of the cylinder without terminal count, or on with the next run. */
static void go_on(Fdc *f, bool more)
{
    if (more) {
        start_run(f);
    } else {
        f->st1 |= ST1_END;
        finish(f, ST0_ABNORMAL);
    }
}

/* A sector with the other kind of mark ends the command; its number is told. */
static bool ended_by_mark(Fdc *f, unsigned n)
{
    if (!f->last || n < f->count) {
        return false;
    }
    f->st2 |= ST2_CONTROL_MARK;
    f->r += n - 1;
    finish(f, 0);
    return true;
}

static void read_moved(Fdc *f)
{
    unsigned n = (f->pos + FDC_SECTOR - 1) / FDC_SECTOR;
    bool more;

    if (ended_by_mark(f, n)) {
        return;
    }
    more = sectors_done(f, n);
    if (f->terminal) {
        finish(f, 0);
    } else {
        go_on(f, more);
    }
}

static void track_moved(Fdc *f)
{
    bool whole = f->terminal || f->eot == f->count;

    f->r = f->count;
    f->st1 |= whole ? 0 : ST1_NO_MARK;
    finish(f, whole ? 0 : ST0_ABNORMAL);
}

static void verified(Fdc *f)
{
    bool counted = f->verify_left != 0, more;

    if (ended_by_mark(f, f->count)) {
        return;
    }
    more = sectors_done(f, f->count);
    f->verify_left -= counted ? f->count : 0;
    if (counted ? !f->verify_left : !more) {
        finish(f, 0);
    } else {
        go_on(f, more);
    }
}

/* One bad sector spoils a whole request: reads are tried again one by one. */
static void image_read(void *opaque, int error)
{
    Fdc *f = opaque;

    f->request = NULL;
    if (error && f->count > 1 && f->op != OP_READ_TRACK) {
        f->single = true;
        start_run(f);
    } else if (error) {
        f->st1 |= ST1_DATA;
        f->st2 |= ST2_DATA;
        finish(f, ST0_ABNORMAL);
    } else if (f->op == OP_VERIFY) {
        verified(f);
    } else if (f->op == OP_SCAN) {
        data_phase(f, FDC_FROM_HOST, FDC_SECTOR);
    } else {
        data_phase(f, FDC_TO_HOST, f->count * FDC_SECTOR);
    }
}

static void image_written(void *opaque, int error)
{
    Fdc *f = opaque;
    unsigned n = f->iov.iov_len / FDC_SECTOR;
    bool more;

    f->request = NULL;
    if (error) {
        finish(f, ST0_ABNORMAL | ST0_EQUIPMENT);
        return;
    }
    f->written = true;
    for (unsigned i = 0; i < n; i++) {
        fdc_drive_mark(drive_of(f), f->sector + i, f->deleted);
    }
    more = sectors_done(f, n);
    if (f->terminal) {
        finish(f, 0);
    } else {
        go_on(f, more);
    }
}

/* The rest of a sector is filled with zeros when terminal count comes inside. */
static void write_moved(Fdc *f)
{
    unsigned n = (f->pos + FDC_SECTOR - 1) / FDC_SECTOR;
    uint64_t offset = iov_set(f, 0, n);

    memset(f->buffer + f->pos, 0, n * FDC_SECTOR - f->pos);
    request_dma(f, false);
    f->phase = FDC_BUSY;
    fdc_update_irq(f);
    f->request = block_writev(drive_of(f)->block, offset, &f->iov, 1, image_written, f);
}

/* <0, 0, >0: the medium's bytes are less, equal, greater; FFh on either side fits anything. */
static int scan_compare(const Fdc *f)
{
    const uint8_t *host = f->buffer, *medium = f->buffer + FDC_SECTOR;

    for (unsigned i = 0; i < f->pos; i++) {
        if (host[i] != medium[i] && host[i] != 0xff && medium[i] != 0xff) {
            return medium[i] < host[i] ? -1 : 1;
        }
    }
    return 0;
}

static void scan_moved(Fdc *f)
{
    unsigned kind = f->command[0] & COMMAND_OPCODE, step = f->command[8] == 2 ? 2 : 1;
    int difference = scan_compare(f);
    bool met = difference == 0 || (kind == SCAN_LOW && difference < 0) ||
               (kind == SCAN_HIGH && difference > 0);
    bool more = next_sector(f);

    if (step == 2 && more && !met && !f->terminal) {
        more = next_sector(f);
    }
    if (met || f->terminal || !more || f->last) {
        f->st2 |= met ? (difference == 0 ? ST2_SCAN_HIT : 0) : ST2_SCAN_MISS;
        f->st2 |= f->last ? ST2_CONTROL_MARK : 0;
        finish(f, 0);
    } else {
        start_run(f);
    }
}

static void format_next(Fdc *f);

static void format_written(void *opaque, int error)
{
    Fdc *f = opaque;

    f->request = NULL;
    if (error) {
        finish(f, ST0_ABNORMAL | ST0_EQUIPMENT);
        return;
    }
    f->written = true;
    format_next(f);
}

static bool format_bit(const Fdc *f, unsigned r)
{
    return r < 8 * sizeof f->formatted && (f->formatted[r / 8] >> (r % 8) & 1);
}

/* Fills the next run of those sectors that were named. */
static void format_next(Fdc *f)
{
    FdcDrive *d = drive_of(f);
    unsigned r = 1, n = 0;
    uint64_t offset;

    while (r <= d->format->sectors && !format_bit(f, r)) {
        r++;
    }
    for (; format_bit(f, r + n); n++) {
        f->formatted[(r + n) / 8] &= ~(1u << (r + n) % 8);
    }
    if (!n) {
        finish(f, f->st1 ? ST0_ABNORMAL : 0);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        fdc_drive_mark(d, f->sector + r - 1 + i, false);
    }
    memset(f->buffer, f->filler, n * FDC_SECTOR);
    offset = iov_set(f, 0, n) + (r - 1) * FDC_SECTOR;
    f->phase = FDC_BUSY;
    fdc_update_irq(f);
    f->request = block_writev(d->block, offset, &f->iov, 1, format_written, f);
}

/* Four bytes for each sector: C, H, R, N.  What the image can't hold is an error. */
static void format_moved(Fdc *f)
{
    const FdcDrive *d = drive_of(f);
    unsigned track = f->sector / d->format->sectors / d->format->heads;

    request_dma(f, false);
    memset(f->formatted, 0, sizeof f->formatted);
    for (unsigned i = 0; i + 4 <= f->pos; i += 4) {
        const uint8_t *id = f->buffer + i;
        bool fits = id[0] == track && id[1] == f->head && id[2] && id[2] <= d->format->sectors &&
                    id[3] == SIZE_512 &&
                    (uint64_t)(f->sector + id[2]) * FDC_SECTOR <= block_size(d->block);

        if (fits) {
            f->formatted[id[2] / 8] |= 1u << id[2] % 8;
        } else {
            f->st1 |= ST1_NO_DATA;
        }
        f->c = id[0];
        f->h = id[1];
        f->r = id[2];
    }
    format_next(f);
}

static void data_moved(Fdc *f)
{
    switch (f->op) {
    case OP_READ:
        read_moved(f);
        break;
    case OP_READ_TRACK:
        track_moved(f);
        break;
    case OP_WRITE:
        write_moved(f);
        break;
    case OP_SCAN:
        scan_moved(f);
        break;
    case OP_FORMAT:
        format_moved(f);
        break;
    }
}

void fdc_data_dma_ready(void *opaque)
{
    Fdc *f = opaque;

    while ((f->phase == FDC_TO_HOST || f->phase == FDC_FROM_HOST) && !fdc_non_dma(f) && f->dma &&
           (f->dor & DOR_GATE)) {
        uint8_t *at = f->buffer + f->pos;
        unsigned left = f->end - f->pos, n;
        bool terminal = false;

        n = f->phase == FDC_TO_HOST ? i8237_to_memory(f->dma, DMA_FDC, at, left, &terminal)
                                    : i8237_from_memory(f->dma, DMA_FDC, at, left, &terminal);
        if (!n) {
            request_dma(f, true);       /* until the channel is set up */
            return;
        }
        f->pos += n;
        f->terminal = terminal;
        if (terminal || f->pos == f->end) {
            data_moved(f);
        }
    }
}

uint8_t fdc_data_read(Fdc *f)
{
    uint8_t value = f->buffer[f->pos++];

    if (f->pos == f->end) {
        data_moved(f);
    }
    return value;
}

void fdc_data_write(Fdc *f, uint8_t value)
{
    f->buffer[f->pos++] = value;
    if (f->pos == f->end) {
        data_moved(f);
    }
}

/* --- starts --- */

/* With SK, sectors with the other mark are passed over; without, the first one ends the run.  False:
 * the command has ended. */
static bool heed_marks(Fdc *f)
{
    const FdcDrive *d = drive_of(f);
    unsigned n = 0;

    while (f->skip && fdc_drive_deleted(d, f->sector) != f->deleted) {
        f->st2 |= ST2_CONTROL_MARK;
        if (!next_sector(f)) {
            finish(f, 0);
            return false;
        }
        if (!locate(f)) {
            search_in_vain(f);
            return false;
        }
    }
    f->count = run_length(f);
    if (f->verify_left) {
        f->count = MIN(f->count, f->verify_left);
    }
    while (n < f->count && fdc_drive_deleted(d, f->sector + n) == f->deleted) {
        n++;
    }
    f->last = n < f->count && !f->skip;
    f->count = f->last ? n + 1 : n;
    return true;
}

static void start_run(Fdc *f)
{
    uint64_t offset;

    request_dma(f, false);
    if (!locate(f)) {
        search_in_vain(f);
        return;
    }
    f->last = false;
    if (f->op == OP_WRITE) {
        f->count = run_length(f);
        data_phase(f, FDC_FROM_HOST, f->count * FDC_SECTOR);
        return;
    }
    if (!heed_marks(f)) {
        return;
    }
    offset = iov_set(f, f->op == OP_SCAN ? FDC_SECTOR : 0, f->count);
    f->phase = FDC_BUSY;
    fdc_update_irq(f);
    f->request = block_readv(drive_of(f)->block, offset, &f->iov, 1, image_read, f);
}

/* All sectors from the index hole on, whatever their numbers are. */
static void start_track(Fdc *f)
{
    const FdcDrive *d = drive_of(f);
    int track = fdc_drive_track(d, f->head, fdc_rate(f));
    uint64_t left, offset;

    if (track < 0) {
        f->st1 |= ST1_NO_MARK;
        search_in_vain(f);
        return;
    }
    f->sector = fdc_drive_sector(d, track, f->head, 1);
    left = f->sector < block_size(d->block) / FDC_SECTOR
           ? block_size(d->block) / FDC_SECTOR - f->sector : 0;
    f->count = MIN(MIN(f->eot ? f->eot : 256u, d->format->sectors), left);
    if (!f->count) {
        f->st1 |= ST1_NO_MARK;
        search_in_vain(f);
        return;
    }
    if (f->c != track || f->h != f->head || f->n != SIZE_512 || !f->r ||
        f->r > d->format->sectors) {
        f->st1 |= ST1_NO_DATA;
    }
    offset = iov_set(f, 0, f->count);
    f->phase = FDC_BUSY;
    fdc_update_irq(f);
    f->request = block_readv(d->block, offset, &f->iov, 1, image_read, f);
}

/* The ID that comes by next. */
static void read_id(Fdc *f)
{
    const FdcDrive *d = drive_of(f);
    int track = fdc_drive_track(d, f->head, fdc_rate(f));

    if (track < 0) {
        f->st1 |= ST1_NO_MARK;
        search_in_vain(f);
        return;
    }
    f->c = track;
    f->h = f->head;
    f->r = 1 + vm_now(&f->dev) / (ROTATION_NS / d->format->sectors) % d->format->sectors;
    f->n = SIZE_512;
    finish(f, 0);
}

static void start_format(Fdc *f)
{
    const FdcDrive *d = drive_of(f);
    int track = fdc_drive_track(d, f->head, fdc_rate(f));
    unsigned sectors = f->command[3];

    f->n = f->command[2];
    f->filler = f->command[5];
    if (track < 0 || f->n != SIZE_512) {
        f->st1 |= track < 0 ? ST1_NO_MARK : ST1_NO_DATA;
        search_in_vain(f);
        return;
    }
    f->sector = fdc_drive_sector(d, track, f->head, 1);
    if (!sectors) {
        finish(f, 0);
        return;
    }
    data_phase(f, FDC_FROM_HOST, 4 * sectors);
}

static void take_command(Fdc *f, FdcOp op)
{
    const uint8_t *b = f->command;
    uint8_t opcode = b[0] & COMMAND_OPCODE;
    bool has_id = op != OP_FORMAT && op != OP_READ_ID;
    bool tracks = op == OP_READ_TRACK || !has_id;

    f->op = op;
    f->unit = b[1] & 3;
    f->head = b[1] >> 2 & 1;
    f->multi = !tracks && (b[0] & COMMAND_MULTI);
    f->skip = op != OP_WRITE && !tracks && (b[0] & COMMAND_SKIP);
    f->deleted = opcode == COMMAND_DELETED_READ || opcode == COMMAND_DELETED_WRITE;
    f->st0 = f->st1 = f->st2 = 0;
    f->terminal = f->single = f->last = f->written = false;
    f->count = 0;
    f->pos = f->end = 0;
    f->verify_left = 0;
    if (op == OP_VERIFY && (b[1] & VERIFY_COUNT)) {
        f->verify_left = b[8] ? b[8] : 256;
    }
    if (has_id) {
        f->c = b[2];
        f->h = b[3];
        f->r = b[4];
        f->n = b[5];
        f->eot = b[6];
        f->sc_eot = f->eot;
    } else if (op == OP_FORMAT) {
        f->sc_eot = b[3];
    }
}

void fdc_data_command(Fdc *f, FdcOp op)
{
    const FdcDrive *d;

    take_command(f, op);
    d = fdc_selected(f, f->unit);
    if (op != OP_FORMAT && op != OP_READ_ID && (f->configure & CONFIGURE_IMPLIED_SEEK) &&
        f->seek[f->unit].pcn != f->c) {
        fdc_move_heads(f, f->unit, f->c);
        f->st0 |= ST0_SEEK_END;
    } else {
        fdc_move_heads(f, f->unit, f->seek[f->unit].pcn);
    }
    if (!d || !d->format || !(f->command[0] & COMMAND_MFM)) {
        f->st1 |= ST1_NO_MARK;
        search_in_vain(f);
    } else if ((op == OP_WRITE || op == OP_FORMAT) && block_read_only(d->block)) {
        f->st1 |= ST1_NOT_WRITABLE;
        finish(f, ST0_ABNORMAL);
    } else if (op == OP_READ_ID) {
        read_id(f);
    } else if (op == OP_READ_TRACK) {
        start_track(f);
    } else if (op == OP_FORMAT) {
        start_format(f);
    } else {
        start_run(f);
    }
}

/* After loading: do the fields fit what the code above relies on? */
bool fdc_data_state_ok(const Fdc *f)
{
    const FdcDrive *d = f->unit < FDC_DRIVES ? &f->drive[f->unit] : NULL;
    bool to_host = f->op == OP_READ || f->op == OP_READ_TRACK;
    uint32_t want = f->op == OP_FORMAT ? 4u * f->command[3]
                    : f->op == OP_SCAN ? FDC_SECTOR : f->count * FDC_SECTOR;

    if (f->phase == FDC_WAIT) {
        return f->op != OP_NONE && !f->written;
    }
    return d && d->block && d->format && f->end == want && f->op != OP_READ_ID &&
           f->op != OP_VERIFY && (f->phase == FDC_TO_HOST) == to_host &&
           (f->op == OP_FORMAT || f->count) &&
           (uint64_t)f->sector + f->count <= block_size(d->block) / FDC_SECTOR;
}
