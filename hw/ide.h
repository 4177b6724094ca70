/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide.h - the parts of the IDE models: a channel with two drives (ide_bus.c), disks (ide_ata.c,
 * ide_identify.c), CD-ROM drives (ide_atapi.c for the packet transport, ide_mmc.c for the commands)
 * and the bus master (ide_dma.c).  The device that puts them on the PCI bus is piix_ide.c.  The
 * first section is for everybody, the rest for these files.
 */
#ifndef GH_IDE_H
#define GH_IDE_H

#include "block/block.h"
#include "lib/device.h"

#define IDE_SLOTS 4             /* hda hdb hdc hdd */

/*
 * Another medium for the CD-ROM drive in slot (0-3): block_empty() to eject.  Returns the medium
 * that was in it, drained, for the caller to close; NULL with an error when the slot has no CD-ROM
 * drive or the guest has locked the tray and force is not given (the guest is told of the wish).
 */
BlockDev *ide_change_medium(Device *ide, unsigned slot, BlockDev *medium, bool force,
                            GError **error);
/* The image or medium of a slot; NULL: no drive there. */
BlockDev *ide_medium(Device *ide, unsigned slot);
/* A disk's image has grown: IDENTIFY DEVICE says so from now on. */
void ide_medium_resized(Device *ide, unsigned slot);
/* Tells of each time the guest opens, closes, locks or unlocks the tray of a CD-ROM drive. */
void ide_set_tray_watch(Device *ide,
                        void (*moved)(void *opaque, unsigned slot, bool open, bool locked),
                        void *opaque);
/* Xen's unplug protocol: takes the disks off (not CD-ROMs) until reset; keep_first leaves hda. */
void ide_unplug_disks(Device *ide, bool keep_first);

/* --- for the IDE files --- */

typedef struct IdeBus IdeBus;
typedef struct IdeDrive IdeDrive;

enum { IDE_SECTOR = 512, CD_BLOCK = 2048, IDE_BUFFER = 65536, IDE_MULTIPLE = 16 };
enum { STATUS_ERR = 0x01, STATUS_DRQ = 0x08, STATUS_DSC = 0x10, STATUS_DF = 0x20,
       STATUS_DRDY = 0x40, STATUS_BSY = 0x80 };
enum { ERROR_ABRT = 0x04, ERROR_IDNF = 0x10, ERROR_UNC = 0x40 };
enum { DEVICE_LBA = 0x40, DEVICE_1 = 0x10 };
enum { CONTROL_NIEN = 0x02, CONTROL_SRST = 0x04, CONTROL_HOB = 0x80 };

/* What the drive waits for. */
typedef enum IdePhase {
    IDE_IDLE,                   /* a command */
    IDE_BUSY,                   /* the image (never in saved state: quiesce ends it) */
    IDE_PIO_IN,                 /* the host reads buffer[pos, drq_end) */
    IDE_PIO_OUT,                /* the host writes buffer[pos, drq_end) */
    IDE_DMA_IN,                 /* the bus master, to memory */
    IDE_DMA_OUT,                /* the bus master, from memory */
    IDE_TEST,                   /* the end of a self-test that the host waits for */
    IDE_PHASES
} IdePhase;

/* What a command of ide_ata.c's table is for and how it transfers. */
enum {
    FOR_DISK = 1, FOR_CD = 2, FOR_BOTH = 3,
    CMD_EXT = 4,                /* 48-bit */
    CMD_MULTIPLE = 8,           /* DRQ blocks of d->multiple sectors */
    CMD_WRITE = 16,
    CMD_FUA = 32,
    CMD_VERIFY = 64,
    CMD_BUFFER = 128,           /* the data stays in the drive's buffer */
};
typedef enum IdePower { POWER_ACTIVE, POWER_IDLE, POWER_STANDBY, POWER_SLEEP, POWERS } IdePower;

enum { SMART_COMMAND_BYTES = 12, SMART_ERROR_BYTES = 90, SMART_ERRORS = 5, SMART_TEST_BYTES = 24,
       SMART_TESTS = 21 };

/* Counted from the start of the domain: there is no place to keep them longer. */
typedef struct IdeSmart {
    bool enabled, autosave;
    uint64_t sectors_read, sectors_written;
    uint16_t error_count;
    uint8_t commands[SMART_ERRORS * SMART_COMMAND_BYTES];   /* the last five, newest last */
    uint8_t errors[SMART_ERRORS * SMART_ERROR_BYTES];       /* summary log, a ring */
    uint8_t tests[SMART_TESTS * SMART_TEST_BYTES];          /* self-test log, a ring */
    uint8_t test_count;         /* entries written, 1-21 and round again; 0: none yet */
    uint8_t test;               /* subcommand that runs; 0: none, 0xff: off-line collection */
    uint8_t test_status;        /* of the last: status << 4 | tenths left */
    uint8_t collection;         /* off-line data collection status */
    uint64_t test_lba;          /* next to read */
    Timer step;
    BlockRequest *request;      /* of the test */
    uint8_t *buffer;            /* SMART_CHUNK bytes while a test runs */
} IdeSmart;

enum { CD_WAS_RESET = 1, CD_CHANGED = 2 };      /* CdDrive.attention */
enum { CD_LOCK = 1, CD_PERSISTENT_LOCK = 2 };   /* CdDrive.locked */
enum { CD_PAGE_BYTES = 58, CD_SPEED_MAX = 16 * 176 };   /* mode pages; kB/s */

typedef struct CdDrive {
    uint8_t key, asc, ascq;     /* sense */
    uint8_t attention;          /* next command fails with UNIT ATTENTION */
    uint8_t locked;             /* PREVENT; a persistent one only holds the user back */
    bool open;                  /* tray */
    uint8_t event;              /* media event for GET EVENT STATUS, 0: none */
    uint8_t condition;          /* power: 1 active, 2 idle, 3 standby */
    bool power_event;           /* it changed */
    uint16_t speed;             /* kB/s, of SET CD SPEED */
    uint8_t pages[CD_PAGE_BYTES];       /* what MODE SELECT has changed */
    bool packet;                /* the 12 packet bytes are being received */
    bool dma;                   /* the packet command asked for DMA */
    bool receiving;             /* its data goes to the drive */
    uint8_t cdb[12];
    uint32_t limit;             /* byte count limit of PIO data blocks */
    uint32_t lba, left;         /* blocks still to read from the disc */
    uint16_t block;             /* bytes a block gives; 0: reply from buffer */
    uint8_t parts, sub;         /* what of each block, by READ CD; both 0: user data alone */
} CdDrive;

struct IdeDrive {
    IdeBus *bus;
    unsigned unit;              /* 0, 1 */
    BlockDev *block;            /* NULL: no drive here */
    bool cdrom;
    char serial[21];
    uint64_t native;            /* sectors of the image */
    uint64_t sectors;           /* of them, those that the host protected area leaves */
    BlockRequest *request;      /* in flight */
    /* state */
    bool unplugged;
    uint8_t feature[2], count[2], lba_low[2], lba_mid[2], lba_high[2];     /* [1]: previous */
    uint8_t device, status, error, command;
    bool irq;
    uint8_t phase;
    uint32_t pos, drq_end, filled;      /* in buffer; filled: valid bytes */
    uint64_t lba;               /* of the next sector to transfer */
    uint32_t left;              /* sectors of the command not yet transferred */
    bool single;                /* after an error: read one DRQ block at a time */
    bool buffered_dma;          /* DMA from or to buffer[pos, drq_end), not the image */
    uint64_t dma_offset;        /* else: bytes in the image */
    uint64_t dma_left;          /* bytes */
    bool flushing;              /* data written, waiting for the flush behind it */
    uint32_t trim_index;
    uint8_t multiple;           /* sectors a DRQ block of READ/WRITE MULTIPLE; 0: not set */
    uint16_t heads, track;      /* translation in use: heads, sectors a track */
    uint8_t transfer_mode;      /* of SET FEATURES */
    bool write_cache, look_ahead;
    bool keep_settings;         /* over a software reset */
    uint8_t power;              /* IdePower */
    uint64_t standby_after;     /* ns without a command; 0: never */
    uint64_t idle_since;        /* guest time of the last command's end */
    uint64_t clip, kept_clip;   /* sectors of SET MAX; 0: all.  kept: until the domain ends */
    bool clip_kept_once;        /* one non-volatile SET MAX a power-on */
    bool native_read;           /* READ NATIVE MAX was the last command */
    IdeSmart smart;
    CdDrive cd;
    uint8_t *buffer;            /* IDE_BUFFER bytes */
};

typedef struct IdeDmaSpan {
    uint64_t gpa, len;
} IdeDmaSpan;

typedef struct IdeMaster {      /* bus master of a channel */
    bool active;
    uint8_t command, status;
    uint32_t table;             /* register: PRD table */
    uint32_t prd;               /* next descriptor */
    uint32_t prds;              /* read since start */
    uint32_t address, left;     /* rest of the current region */
    bool last;                  /* current region is the table's last */
    /* transfer in flight */
    GArray *iov, *spans;        /* struct iovec, IdeDmaSpan */
    uint64_t bytes;
    uint8_t *hole;              /* 4 KB behind addresses that are no RAM */
} IdeMaster;

struct IdeBus {
    Device *dev;
    unsigned number;
    IdeDrive drive[2];
    uint8_t selected, control;
    IdeMaster master;
    bool (*master_allowed)(const IdeBus *bus);
    void (*tray_moved)(const IdeDrive *d);      /* may be NULL */
};

extern const StateField ide_bus_state[];

/* ide_bus.c */
void ide_bus_init(IdeBus *bus, Device *dev, unsigned number);
void ide_bus_finish(IdeBus *bus);
void ide_bus_reset(IdeBus *bus);
bool ide_bus_loaded(IdeBus *bus, GError **error);
void ide_bus_quiesce(IdeBus *bus);
void ide_bus_update_irq(IdeBus *bus);
extern const IoOps ide_command_ops, ide_control_ops;    /* opaque: the IdeBus */
static inline bool ide_drive_present(const IdeDrive *d) { return d->block && !d->unplugged; }
void ide_drive_abort(IdeDrive *d);      /* whatever goes on; nothing of it happens afterwards */
void ide_drive_signature(IdeDrive *d);
void ide_done(IdeDrive *d);             /* command ends well, with an interrupt */
void ide_fail(IdeDrive *d, uint8_t error, uint8_t status);      /* ... with ERR */
void ide_raise(IdeDrive *d);
void ide_pio_in(IdeDrive *d, uint32_t len, bool irq);   /* DRQ for buffer[pos, pos + len) */
void ide_pio_out(IdeDrive *d, uint32_t len, bool irq);
void ide_dma_buffer(IdeDrive *d, IdePhase direction, uint32_t len);    /* buffer[0, len) */
void ide_dma_image(IdeDrive *d, IdePhase direction, uint64_t offset, uint64_t len);

/* ide_ata.c */
void ide_ata_command(IdeDrive *d, uint8_t opcode);      /* also of CD-ROM drives */
void ide_ata_pio_done(IdeDrive *d);     /* the host has moved the DRQ block */
void ide_ata_dma_done(IdeDrive *d, int error);
void ide_ata_set_lba(IdeDrive *d, uint64_t lba);
uint64_t ide_ata_lba(const IdeDrive *d, bool ext);      /* of the registers, by LBA */
bool ide_ata_range(IdeDrive *d, bool ext);  /* lba, left by the registers; false: failed, IDNF */
void ide_ata_flush(IdeDrive *d);        /* and the command's end */

/* ide_ctl.c: commands without data of the medium */
void ide_ctl_idle(IdeDrive *d, unsigned flags);
void ide_ctl_standby(IdeDrive *d, unsigned flags);
void ide_ctl_sleep(IdeDrive *d, unsigned flags);
void ide_ctl_check_power(IdeDrive *d, unsigned flags);
void ide_ctl_native_max(IdeDrive *d, unsigned flags);
void ide_ctl_set_max(IdeDrive *d, unsigned flags);
void ide_ctl_set_features(IdeDrive *d, unsigned flags);
void ide_ctl_set_multiple(IdeDrive *d, unsigned flags);
void ide_ctl_init_parameters(IdeDrive *d, unsigned flags);
void ide_ctl_diagnose(IdeDrive *d, unsigned flags);
void ide_ctl_device_reset(IdeDrive *d, unsigned flags);
void ide_ctl_seek(IdeDrive *d, unsigned flags);
void ide_ctl_power_on(IdeDrive *d);     /* settings as a power-on leaves them */
void ide_ctl_soft_reset(IdeDrive *d);   /* ... and a software reset */
void ide_ctl_update_size(IdeDrive *d);  /* d->sectors, out of the image's size and SET MAX */
void ide_ctl_begin(IdeDrive *d, uint8_t opcode);        /* before each command */

/* ide_smart.c */
void ide_smart_command(IdeDrive *d, unsigned flags);
void ide_smart_init(IdeDrive *d);
void ide_smart_finish(IdeDrive *d);             /* also when the drive is unplugged */
void ide_smart_power_on(IdeDrive *d);
void ide_smart_note_command(IdeDrive *d);       /* a command begins */
void ide_smart_note_error(IdeDrive *d);         /* the registers tell of an error of the medium */
void ide_smart_stop(IdeDrive *d);               /* ends a self-test that runs: a reset came */
void ide_smart_quiesce(IdeDrive *d);
const char *ide_smart_fault(const IdeDrive *d);
extern const StateField ide_smart_state[];

/* ide_identify.c */
void ide_identify_disk(const IdeDrive *d, uint8_t *buf);
void ide_identify_cdrom(const IdeDrive *d, uint8_t *buf);

/* ide_atapi.c */
void ide_atapi_packet(IdeDrive *d);     /* PACKET was written to the command register */
void ide_atapi_pio_done(IdeDrive *d);
void ide_atapi_dma_done(IdeDrive *d, int error);
void ide_atapi_done(IdeDrive *d);
void ide_atapi_sense(IdeDrive *d, uint8_t key, uint8_t asc, uint8_t ascq);     /* check condition */
void ide_atapi_reply(IdeDrive *d, uint32_t len, uint32_t allocation);  /* buffer[0, len) */
void ide_atapi_receive(IdeDrive *d, uint32_t len);     /* parameter list */
void ide_atapi_read(IdeDrive *d, uint32_t lba, uint32_t count, uint16_t block);
void ide_atapi_read_parts(IdeDrive *d, uint32_t lba, uint32_t count, uint8_t parts, uint8_t sub);

/* ide_mmc.c */
enum { SENSE_NONE = 0, SENSE_NOT_READY = 2, SENSE_MEDIUM = 3, SENSE_ILLEGAL = 5,
       SENSE_ATTENTION = 6, SENSE_ABORTED = 11 };
enum { EVENT_EJECT_REQUEST = 1, EVENT_NEW_MEDIA = 2, EVENT_REMOVAL = 3 };
void ide_mmc_command(IdeDrive *d);      /* runs cd.cdb */
void ide_mmc_received(IdeDrive *d);     /* the parameter list is in buffer[0, filled) */
uint32_t ide_cd_blocks(const IdeDrive *d);
bool ide_cd_dvd(const IdeDrive *d);     /* too long for a CD */
void ide_cd_reset(IdeDrive *d);         /* power-on */
void ide_cd_move_tray(IdeDrive *d, bool open);
void ide_cd_tell_tray(const IdeDrive *d);       /* of a changed tray or lock */
bool ide_cd_ready(const IdeDrive *d);

/* ide_mode.c */
void ide_mode_reset(IdeDrive *d);
void ide_mode_sense(IdeDrive *d);
void ide_mode_select(IdeDrive *d);
void ide_mode_received(IdeDrive *d);

/* ide_dma.c */
void ide_master_init(IdeMaster *m);
void ide_master_finish(IdeMaster *m);
void ide_master_reset(IdeMaster *m);
void ide_master_run(IdeBus *bus);       /* moves what can be moved now */
void ide_master_abandon(IdeBus *bus);   /* the transfer in flight was cancelled */
uint8_t ide_master_read(const IdeBus *bus, unsigned reg);       /* reg: 0-7 */
void ide_master_write(IdeBus *bus, unsigned reg, uint8_t value);
extern const StateField ide_master_state[];

#endif
