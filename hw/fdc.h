/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc.h - the parts of the floppy model: the controller's registers and small commands (fdc.c), the
 * commands that touch the medium (fdc_data.c), drives and formats (fdc_drive.c).  The first section
 * is for everybody, the rest for these files.
 */
#ifndef GH_FDC_H
#define GH_FDC_H

#include "block/block.h"
#include "lib/device.h"

#define FDC_DRIVES 2            /* fda, fdb; the controller could select four */

/* Type byte that CMOS index 10h holds for a drive bought for this medium (empty: 1.44 MB); 0 for NULL,
 * no drive.  1: 360 KB, 2: 1.2 MB, 4: 1.44 MB, 5: 2.88 MB. */
unsigned fdc_drive_type(const BlockDev *b);
/*
 * Another medium for drive unit (0, 1): block_empty() to eject.  Returns the medium that was in it,
 * drained, for the caller to close; NULL with an error when there is no such drive or the medium
 * does not go into it.  A command that is using the drive ends with an error.
 */
BlockDev *fdc_change_medium(Device *fdc, unsigned unit, BlockDev *medium, GError **error);

BlockDev *fdc_medium(Device *fdc, unsigned unit);       /* NULL: no such drive */

/* --- for the floppy files --- */

enum { FDC_SECTOR = 512, FDC_SPT_MAX = 48, FDC_TRACK_LAST = 85, FDC_MARKS = 1024 };
enum { FDC_RATE_500, FDC_RATE_300, FDC_RATE_250, FDC_RATE_1000 };   /* CCR, DSR */
enum { DRIVE_NONE, DRIVE_360, DRIVE_1200, DRIVE_720, DRIVE_1440, DRIVE_2880 };
enum { ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80, ST0_POLLING = 0xc0, ST0_SEEK_END = 0x20,
       ST0_EQUIPMENT = 0x10 };
enum { ST1_END = 0x80, ST1_DATA = 0x20, ST1_NO_DATA = 0x04, ST1_NOT_WRITABLE = 0x02,
       ST1_NO_MARK = 0x01 };
enum { ST2_CONTROL_MARK = 0x40, ST2_DATA = 0x20, ST2_WRONG_CYLINDER = 0x10, ST2_SCAN_HIT = 0x08,
       ST2_SCAN_MISS = 0x04 };

typedef struct FdcFormat {
    uint16_t kib;
    uint8_t tracks, heads, sectors;
    uint8_t rate;               /* FDC_RATE_* in a drive of its own kind */
    uint8_t kind;               /* DRIVE_* of the smallest drive that takes it */
} FdcFormat;

typedef struct FdcDrive {
    BlockDev *block;            /* NULL: no drive */
    const FdcFormat *format;    /* NULL: no medium */
    uint8_t type;               /* DRIVE_* */
    uint8_t track;              /* where the heads are */
    bool changed;               /* DSKCHG: until a step with a medium in */
    uint8_t deleted[FDC_MARKS]; /* of the medium: a bit for each sector with a deleted mark */
} FdcDrive;

typedef enum FdcPhase {
    FDC_COMMAND,                /* bytes of a command */
    FDC_WAIT,                   /* looks for what is not there: Fdc.search ends it */
    FDC_BUSY,                   /* the image (never in saved state: quiesce ends it) */
    FDC_TO_HOST,                /* buffer[pos, end) */
    FDC_FROM_HOST,
    FDC_RESULT,
    FDC_PHASES
} FdcPhase;

typedef enum FdcOp { OP_NONE, OP_READ, OP_READ_TRACK, OP_READ_ID, OP_WRITE, OP_VERIFY, OP_SCAN,
                     OP_FORMAT, FDC_OPS } FdcOp;

typedef struct Fdc Fdc;

typedef struct FdcSeek {
    uint8_t pcn;                /* cylinder that the controller believes in */
    uint8_t target;             /* PCN when it ends */
    uint8_t st0;                /* for SENSE INTERRUPT STATUS when pending */
    bool pending;
    Timer timer;                /* armed: the drive is stepping */
    Fdc *fdc;
} FdcSeek;

struct Fdc {
    Device dev;
    Device *dma;                /* the 8237; NULL: DMA never answers */
    BlockDev *fda, *fdb;        /* config: media; NULL: no drive */
    FdcDrive drive[FDC_DRIVES];
    BlockRequest *request;
    /* state */
    uint8_t dor, dsr, tape;     /* dsr: with the data rate in use, CCR's too */
    FdcSeek seek[4];
    bool line, polled;          /* interrupt of a seek or reset; its pending bits are of a reset */
    bool finished;              /* interrupt of a result phase */
    uint8_t specify[2], configure, pretrk, perpendicular;
    bool lock;
    uint8_t sc_eot;             /* last sector count or EOT, for DUMPREG */
    uint8_t phase;
    uint8_t command[9], length, got;
    uint8_t result[10], result_len, result_pos;
    /* the command that touches the medium */
    uint8_t op, unit, head;
    uint8_t c, h, r, n, eot;
    uint8_t st0, st1, st2;
    bool multi, skip, deleted;  /* MT, SK, marks wanted or written */
    bool terminal;              /* TC came */
    bool last;                  /* the run ends the command (control mark) */
    bool single;                /* after an error: sector by sector */
    bool written;               /* something was: flush before the result */
    uint32_t sector;            /* in the image, of the run's first; FORMAT: of the track's first */
    uint8_t count;              /* sectors of the run */
    uint16_t verify_left;       /* sectors that VERIFY still wants; 0: until EOT */
    uint8_t formatted[8];       /* sectors to fill, a bit each from R = 0 */
    uint8_t filler;
    uint32_t pos, end;          /* in buffer */
    Timer search;
    uint8_t *buffer;            /* FDC_SPT_MAX sectors */
    struct iovec iov;
};
#define FDC_BUFFER (FDC_SPT_MAX * FDC_SECTOR)

/* fdc_drive.c */
const FdcFormat *fdc_format_for(uint64_t bytes);
bool fdc_drive_takes(unsigned type, const FdcFormat *format);
void fdc_drive_insert(FdcDrive *d, BlockDev *medium);
/* The track number in the IDs under the heads, or -1: nothing readable at this rate and side. */
int fdc_drive_track(const FdcDrive *d, unsigned head, unsigned rate);
void fdc_drive_step(FdcDrive *d, int tracks);
uint64_t fdc_drive_sector(const FdcDrive *d, unsigned track, unsigned head, unsigned r);
bool fdc_drive_deleted(const FdcDrive *d, uint64_t sector);
void fdc_drive_mark(FdcDrive *d, uint64_t sector, bool deleted);

/* fdc.c */
FdcDrive *fdc_selected(Fdc *f, unsigned unit);      /* NULL: no such drive */
static inline unsigned fdc_rate(const Fdc *f) { return f->dsr & 3; }
static inline bool fdc_non_dma(const Fdc *f) { return f->specify[1] & 1; }
void fdc_update_irq(Fdc *f);
void fdc_move_heads(Fdc *f, unsigned unit, unsigned pcn);       /* at once */
void fdc_results(Fdc *f, const uint8_t *bytes, unsigned len, bool irq);

/* fdc_data.c */
void fdc_data_command(Fdc *f, FdcOp op);
void fdc_data_abort(Fdc *f);            /* whatever goes on; no result */
void fdc_data_fail(Fdc *f);             /* the medium went */
void fdc_data_search_ended(void *opaque);
void fdc_data_dma_ready(void *opaque);
uint8_t fdc_data_read(Fdc *f);          /* a byte of the data register */
void fdc_data_write(Fdc *f, uint8_t value);
bool fdc_data_state_ok(const Fdc *f);

#endif
