/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb_scsi.h - one SCSI unit, a disk or a CD-ROM drive, as the transport sees it: a command goes in
 * and comes out as what is to be done.
 */
#ifndef GH_USB_SCSI_H
#define GH_USB_SCSI_H

#include "block/block.h"
#include "lib/state.h"

enum { SCSI_REPLY_MAX = 512, SCSI_CDB_MAX = 16, SCSI_PARAMETERS_MAX = 256 };

typedef enum ScsiAction {
    SCSI_FAILED,                /* sense says why */
    SCSI_DONE,                  /* no data */
    SCSI_REPLY,                 /* reply, reply_len go to the host */
    SCSI_READ, SCSI_WRITE,      /* offset, bytes of the image */
    SCSI_WRITE_FLUSH,           /* the same, on stable storage before it is done */
    SCSI_FLUSH,
    SCSI_PARAMETERS,            /* the host sends bytes for scsi_parameters() */
} ScsiAction;

typedef struct ScsiUnit {
    BlockDev *block;
    bool cdrom;
    char serial[21];            /* 20 characters */
    uint8_t sense_key, asc, ascq;
    bool ejected, locked;
    bool attention;             /* the medium has changed */
} ScsiUnit;

typedef struct ScsiWork {
    uint8_t reply[SCSI_REPLY_MAX];
    uint32_t reply_len;
    uint64_t offset, bytes;
} ScsiWork;

void scsi_reset(ScsiUnit *u);
ScsiAction scsi_command(ScsiUnit *u, const uint8_t cdb[SCSI_CDB_MAX], unsigned len, ScsiWork *w);
/* The parameter list of MODE SELECT; false: refused, sense says why. */
bool scsi_parameters(ScsiUnit *u, const uint8_t *cdb, const uint8_t *data, unsigned len);
/* The host could not read or write the image. */
void scsi_image_error(ScsiUnit *u, int error, bool write);
void scsi_sense(ScsiUnit *u, unsigned key, unsigned asc, unsigned ascq);

extern const StateField scsi_state[];

#endif
