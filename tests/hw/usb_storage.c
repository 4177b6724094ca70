/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb_storage.c - the Bulk-Only Transport and its SCSI commands, with data compared. */
#include "tests/hw/usb_rig.h"
#include "tests/hw/ide_guest.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTORS = 4096 };

typedef struct Stick {
    UsbRig *r;
    Device *dev;
    int fd;
    uint8_t status;             /* of the last command: CSW's, 0xff: no CSW */
    uint32_t residue;
} Stick;

static Stick *stick_new(bool cdrom, bool read_only)
{
    Stick *s = g_new0(Stick, 1);

    s->r = rig_new();
    s->fd = ide_guest_image(SECTORS);
    s->dev = device_new(&s->r->f->m, &usb_storage_class);
    device_set_pointer(s->dev, "bus", uhci_bus(s->r->uhci));
    device_set_pointer(s->dev, "block", ide_guest_open(s->fd, read_only || cdrom));
    device_set_u64(s->dev, "cdrom", cdrom);
    cr_assert(device_init(s->dev, NULL));
    rig_enumerate(s->r, 0, 5, false);
    return s;
}

static void stick_free(Stick *s)
{
    rig_free(s->r);
    close(s->fd);
    g_free(s);
}

/* A packet on endpoint 1 (in) or 2 (out), as often as the device says NAK; its length, -1: stall. */
static int bulk(Stick *s, bool in, void *data, unsigned len)
{
    for (unsigned i = 0; i < 2000; i++) {
        uint32_t status = rig_packet(s->r, in ? USB_PID_IN : USB_PID_OUT, 5, in ? 1 : 2, data, len,
                                     false);

        if (!(status & RIG_ACTIVE)) {
            return status & RIG_STALLED ? -1 : (int)rig_len(status);
        }
        g_main_context_iteration(NULL, FALSE);
        g_usleep(50);
    }
    cr_assert(false, "the device says NAK for ever");
    return -1;
}

static int command(Stick *s, bool in, const uint8_t *cdb, unsigned cdb_len, void *data, unsigned len)
{
    uint8_t cbw[31] = { 'U', 'S', 'B', 'C', 1, 2, 3, 4, len, len >> 8, len >> 16, len >> 24,
                        in ? 0x80 : 0, 0, cdb_len }, csw[64];
    unsigned done = 0;

    memcpy(cbw + 15, cdb, cdb_len);
    s->status = 0xff;
    if (bulk(s, false, cbw, 31) != 31) {
        return -1;
    }
    while (done < len) {
        unsigned n = MIN(64, len - done);
        int got = bulk(s, in, (uint8_t *)data + done, n);

        cr_assert_geq(got, 0);
        done += got;
        if (got < (int)n) {
            break;
        }
    }
    cr_assert_eq(bulk(s, true, csw, 64), 13);
    cr_assert(!memcmp(csw, "USBS\1\2\3\4", 8));
    memcpy(&s->residue, csw + 8, 4);
    s->status = csw[12];
    return done;
}

#define CDB(...) (const uint8_t[16]){ __VA_ARGS__ }

static unsigned sense(Stick *s)
{
    uint8_t d[18];

    cr_assert_eq(command(s, true, CDB(3, 0, 0, 0, 18), 6, d, 18), 18);
    return d[2] << 16 | d[12] << 8 | d[13];
}

static void check_data(const uint8_t *data, unsigned lba, unsigned count)
{
    uint8_t want[512];

    for (unsigned i = 0; i < count; i++) {
        ide_guest_fill(want, lba + i);
        cr_assert_arr_eq(data + 512 * i, want, 512, "sector %u", lba + i);
    }
}

Test(usb_storage, identifies_itself_and_its_size)
{
    Stick *s = stick_new(false, false);
    uint8_t d[64], lun = 9;

    cr_assert_eq(rig_control(s->r, 5, false, 0xa1, 0xfe, 0, 0, 1, &lun), 1);
    cr_assert_eq(lun, 0);
    cr_assert_eq(command(s, true, CDB(0x12, 0, 0, 0, 36), 6, d, 36), 36);
    cr_assert(d[0] == 0 && s->status == 0 && s->residue == 0);
    cr_assert_eq(command(s, true, CDB(0x25), 10, d, 8), 8);
    cr_assert_arr_eq(d, ((uint8_t[]){ 0, 0, 0x0f, 0xff, 0, 0, 2, 0 }), 8);
    cr_assert_eq(command(s, true, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32), 16, d, 32), 32);
    cr_assert_eq(d[6] << 8 | d[7], SECTORS - 1);
    cr_assert_eq(command(s, true, CDB(0x12, 1, 0x80, 0, 64), 6, d, 64), 12, "shorter than asked for");
    cr_assert_eq(s->residue, 52);
    cr_assert_eq(command(s, true, CDB(0x1a, 0, 0x3f, 0, 192), 6, d, 64), 36);
    cr_assert_eq(d[0], 35);
    cr_assert_eq(command(s, true, CDB(0x1a, 0, 8, 0, 64), 6, d, 64), 24);
    cr_assert_eq(d[6], 4, "write cache");
    stick_free(s);
}

Test(usb_storage, reads_and_writes_by_every_command_size, .timeout = 60)
{
    Stick *s = stick_new(false, false);
    g_autofree uint8_t *d = g_malloc(300 * 512), *back = g_malloc(300 * 512);

    cr_assert_eq(command(s, true, CDB(8, 0, 0, 7, 2), 6, d, 1024), 1024);
    check_data(d, 7, 2);
    cr_assert_eq(command(s, true, CDB(0x28, 0, 0, 0, 1, 0, 0, 1, 44), 10, d, 300 * 512), 300 * 512);
    check_data(d, 256, 300);
    cr_assert_eq(command(s, true, CDB(0xa8, 0, 0, 0, 0, 9, 0, 0, 0, 3), 12, d, 1536), 1536);
    check_data(d, 9, 3);
    cr_assert_eq(command(s, true, CDB(0x88, 0, 0, 0, 0, 0, 0, 0, 15, 255, 0, 0, 0, 1), 16, d, 512), 512);
    check_data(d, 4095, 1);
    for (unsigned i = 0; i < 300; i++) {
        ide_guest_fill(d + 512 * i, 77777 + i);
    }
    cr_assert_eq(command(s, false, CDB(0x2a, 0, 0, 0, 2, 0, 0, 1, 44), 10, d, 300 * 512), 300 * 512);
    cr_assert_eq(s->status, 0);
    cr_assert_eq(command(s, false, CDB(0x0a, 0, 0, 1, 1), 6, d, 512), 512);
    cr_assert_eq(command(s, false, CDB(0xaa, 8, 0, 0, 0, 2, 0, 0, 0, 1), 12, d, 512), 512, "FUA");
    cr_assert_eq(command(s, false, CDB(0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1), 16, d, 512), 512);
    cr_assert_eq(command(s, false, CDB(0x35), 10, NULL, 0), 0);
    cr_assert_eq(s->status, 0);
    cr_assert_eq(pread(s->fd, back, 300 * 512, 512 * 512), 300 * 512);
    cr_assert(!memcmp(d, back, 300 * 512));
    for (unsigned lba = 1; lba <= 3; lba++) {
        cr_assert_eq(pread(s->fd, back, 512, lba * 512), 512);
        cr_assert(!memcmp(d, back, 512), "%u", lba);
    }
    stick_free(s);
}

Test(usb_storage, wrong_addresses_and_commands_fail_with_sense)
{
    Stick *s = stick_new(false, false);
    uint8_t d[1024];

    cr_assert_eq(command(s, true, CDB(0x28, 0, 0, 0, 15, 255, 0, 0, 2), 10, d, 1024), 0);
    cr_assert(s->status == 1 && s->residue == 1024);
    cr_assert_eq(sense(s), 0x052100);
    cr_assert_eq(sense(s), 0, "told once");
    command(s, true, CDB(0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 1), 16, d, 512);
    cr_assert_eq(sense(s), 0x052100);
    command(s, false, CDB(0xff), 6, NULL, 0);
    cr_assert_eq(sense(s), 0x052000);
    command(s, false, CDB(0x43), 10, NULL, 0);
    cr_assert_eq(sense(s), 0x052000, "only of CDs");
    command(s, true, CDB(0x28), 6, d, 512);
    cr_assert_eq(sense(s), 0x052000, "too short");
    stick_free(s);
}

Test(usb_storage, thirteen_cases_of_host_and_device_disagreeing)
{
    Stick *s = stick_new(false, false);
    uint8_t d[2048] = { 0 }, before[512];
    static const uint8_t read[16] = { 0x28, 0, 0, 0, 0, 5, 0, 0, 1 };
    static const uint8_t write[16] = { 0x2a, 0, 0, 0, 0, 5, 0, 0, 1 };

    command(s, false, read, 10, NULL, 0);
    cr_assert_eq(s->status, 2, "host expects nothing, device would send");
    command(s, false, write, 10, NULL, 0);
    cr_assert_eq(s->status, 2);
    cr_assert_eq(command(s, true, CDB(0), 6, d, 64), 0);
    cr_assert(s->status == 0 && s->residue == 64, "host expects data of a command without");
    cr_assert_eq(command(s, true, read, 10, d, 1024), 512);
    cr_assert(s->status == 0 && s->residue == 512);
    check_data(d, 5, 1);
    command(s, true, read, 10, d, 256);
    cr_assert_eq(s->status, 2, "host expects less");
    command(s, true, write, 10, d, 512);
    cr_assert_eq(s->status, 2, "wrong direction");
    command(s, false, CDB(0), 6, d, 64);
    cr_assert(s->status == 0 && s->residue == 64);
    command(s, false, read, 10, d, 512);
    cr_assert_eq(s->status, 2);
    command(s, false, write, 10, d, 256);
    cr_assert_eq(s->status, 2);
    cr_assert_eq(pread(s->fd, before, 512, 5 * 512), 512);
    check_data(before, 5, 1);
    command(s, false, write, 10, d, 1024);
    cr_assert(s->status == 0 && s->residue == 512);
    stick_free(s);
}

Test(usb_storage, bad_command_block_stalls_until_the_reset_recovery)
{
    Stick *s = stick_new(false, false);
    uint8_t junk[64] = "nonsense", d[36];

    cr_assert_eq(bulk(s, false, junk, 31), -1);
    cr_assert_eq(bulk(s, true, d, 36), -1);
    rig_control(s->r, 5, false, 2, USB_CLEAR_FEATURE, 0, 0x81, 0, NULL);
    cr_assert_eq(bulk(s, true, d, 36), -1, "clearing the halt alone does not help");
    cr_assert_eq(rig_control(s->r, 5, false, 0x21, 0xff, 0, 0, 0, NULL), 0);
    rig_control(s->r, 5, false, 2, USB_CLEAR_FEATURE, 0, 0x81, 0, NULL);
    rig_control(s->r, 5, false, 2, USB_CLEAR_FEATURE, 0, 0x02, 0, NULL);
    cr_assert_eq(command(s, true, CDB(0x12, 0, 0, 0, 36), 6, d, 36), 36);
    stick_free(s);
}

Test(usb_storage, read_only_image_is_write_protected)
{
    Stick *s = stick_new(false, true);
    uint8_t d[512] = { 0 };

    command(s, false, CDB(0x2a, 0, 0, 0, 0, 5, 0, 0, 1), 10, d, 512);
    cr_assert_eq(s->status, 1);
    cr_assert_eq(sense(s), 0x072700);
    command(s, true, CDB(0x1a, 0, 0x3f, 0, 192), 6, d, 192);
    cr_assert(d[2] & 0x80);
    stick_free(s);
}

Test(usb_storage, cd_tells_its_features_events_modes_and_disc)
{
    Stick *s = stick_new(true, true);
    uint8_t d[256];
    int n;

    cr_assert_eq(command(s, true, CDB(0x46, 0, 0, 0, 0, 0, 0, 0, 255), 10, d, 255), 52);
    cr_assert_eq(d[3], 48);
    cr_assert_eq(d[7], 8, "CD-ROM is the current profile");
    cr_assert_eq(d[14], 1);
    cr_assert_eq(command(s, true, CDB(0x46, 2, 0, 3, 0, 0, 0, 0, 255), 10, d, 255), 16, "one feature");
    cr_assert(d[9] == 3 && d[12] == 0x29);
    cr_assert_eq(command(s, true, CDB(0x46, 2, 0, 99, 0, 0, 0, 0, 255), 10, d, 255), 8);
    cr_assert_eq(command(s, true, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 64), 10, d, 64), 8);
    cr_assert(d[2] == 4 && d[5] == 2, "a medium, the tray closed");
    cr_assert_eq(command(s, true, CDB(0x4a, 1, 0, 0, 2, 0, 0, 0, 64), 10, d, 64), 4, "no such events");
    command(s, true, CDB(0x4a, 0, 0, 0, 0x10), 10, d, 8);
    cr_assert_eq(sense(s), 0x052400, "asynchronous");
    cr_assert_eq(command(s, true, CDB(0x51, 0, 0, 0, 0, 0, 0, 0, 64), 10, d, 64), 34);
    cr_assert(d[2] == 0x0e && d[4] == 1);
    cr_assert_eq(command(s, true, CDB(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 64), 12, d, 64), 8);
    n = command(s, true, CDB(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 64), 10, d, 64);
    cr_assert_eq(n, 28);
    cr_assert(d[8] == 0x2a && d[14] == 0x29, "capabilities");
    command(s, false, CDB(0x1e, 0, 0, 0, 1), 6, NULL, 0);
    command(s, true, CDB(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 64), 10, d, 64);
    cr_assert_eq(d[14], 0x2b, "locked");
    cr_assert_eq(command(s, true, CDB(0x5a, 0, 0x6a, 0, 0, 0, 0, 0, 64), 10, d, 64), 28);
    cr_assert_eq(d[14], 0x00);
    command(s, true, CDB(0x5a, 0, 0xea, 0, 0, 0, 0, 0, 64), 10, d, 64);
    cr_assert_eq(sense(s), 0x053900, "nothing is saved");
    command(s, true, CDB(0x5a, 0, 0x08, 0, 0, 0, 0, 0, 64), 10, d, 64);
    cr_assert_eq(sense(s), 0x052400, "a CD has no write cache");
    command(s, true, CDB(0x43, 0, 2, 0, 0, 0, 0, 0, 20), 10, d, 20);
    cr_assert_eq(sense(s), 0x052400);
    cr_assert_eq(command(s, true, CDB(0x43, 2, 1, 0, 0, 0, 0, 0, 20), 10, d, 20), 12);
    cr_assert(d[10] == 2 && d[11] == 0, "track 1 at 0:02.00");
    command(s, false, CDB(0xa5), 12, NULL, 0);
    cr_assert_eq(sense(s), 0x052000);
    stick_free(s);
}

Test(usb_storage, inquiry_pages_modes_and_what_is_refused)
{
    Stick *s = stick_new(false, true);
    uint8_t d[64], page[12] = { 0, 0, 0, 0, 1, 10 };

    cr_assert_geq(command(s, true, CDB(0x12, 1, 0, 0, 64), 6, d, 64), 7);
    cr_assert(d[3] == 3 && d[5] == 0x80 && d[6] == 0x83);
    cr_assert_gt(command(s, true, CDB(0x12, 1, 0x83, 0, 64), 6, d, 64), 16);
    cr_assert_arr_eq(d + 8, "Gsthouse", 8);
    command(s, true, CDB(0x12, 1, 0x77, 0, 64), 6, d, 64);
    cr_assert_eq(sense(s), 0x052400);
    command(s, true, CDB(0x12, 0, 1, 0, 64), 6, d, 64);
    cr_assert_eq(sense(s), 0x052400);
    cr_assert_eq(command(s, true, CDB(0x23, 0, 0, 0, 0, 0, 0, 0, 64), 10, d, 64), 12);
    cr_assert(d[3] == 8 && d[6] == SECTORS >> 8 && d[8] == 2);
    command(s, true, CDB(0x9e, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32), 16, d, 32);
    cr_assert_eq(sense(s), 0x052400);
    command(s, false, CDB(0x55, 0x10, 0, 0, 0, 0, 0, 0, 4), 10, page, 4);
    cr_assert_eq(sense(s), 0x051a00, "no room for its head");
    command(s, false, CDB(0x15, 0x10, 0, 0, 6), 6, page, 6);
    cr_assert_eq(sense(s), 0x052600, "a page of a wrong length");
    command(s, false, CDB(0x15, 1, 0, 0, 4), 6, page, 4);
    cr_assert_eq(sense(s), 0x052400, "saved pages");
    command(s, false, CDB(0x1d), 6, NULL, 0);
    cr_assert_eq(sense(s), 0x052400);
    command(s, false, CDB(0x1d, 4), 6, NULL, 0);
    cr_assert_eq(s->status, 0, "the self-test");
    command(s, false, CDB(0x2f, 2, 0, 0, 0, 0, 0, 0, 1), 10, NULL, 0);
    cr_assert_eq(sense(s), 0x052400);
    command(s, false, CDB(0x2b, 0, 0, 0, 0x10), 10, NULL, 0);
    cr_assert_eq(sense(s), 0x052100);
    stick_free(s);
}

Test(usb_storage, cd_has_blocks_of_2048_a_table_of_contents_and_a_tray)
{
    Stick *s = stick_new(true, true);
    uint8_t d[4096];

    cr_assert_eq(command(s, true, CDB(0x25), 10, d, 8), 8);
    cr_assert_arr_eq(d, ((uint8_t[]){ 0, 0, 3, 255, 0, 0, 8, 0 }), 8);
    cr_assert_eq(command(s, true, CDB(0x28, 0, 0, 0, 0, 3, 0, 0, 2), 10, d, 4096), 4096);
    check_data(d, 12, 8);
    cr_assert_eq(command(s, true, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 20), 10, d, 20), 20);
    cr_assert(d[1] == 18 && d[2] == 1 && d[14] == 0xaa && d[18] == 4);
    command(s, false, CDB(0x1e, 0, 0, 0, 1), 6, NULL, 0);
    command(s, false, CDB(0x1b, 0, 0, 0, 2), 6, NULL, 0);
    cr_assert_eq(sense(s), 0x055302, "locked");
    command(s, false, CDB(0x1e), 6, NULL, 0);
    command(s, false, CDB(0x1b, 0, 0, 0, 2), 6, NULL, 0);
    cr_assert_eq(s->status, 0);
    command(s, false, CDB(0), 6, NULL, 0);
    cr_assert_eq(sense(s), 0x023a02);
    command(s, false, CDB(0x1b, 0, 0, 0, 3), 6, NULL, 0);
    command(s, false, CDB(0), 6, NULL, 0);
    cr_assert_eq(sense(s), 0x062800, "a medium has come");
    command(s, false, CDB(0), 6, NULL, 0);
    cr_assert_eq(s->status, 0);
    stick_free(s);
}

Test(usb_storage, unplugged_or_reset_in_any_phase_it_leaves_nothing_behind, .timeout = 60)
{
    for (unsigned packets = 0; packets < 14; packets++) {
        for (unsigned how = 0; how < 3; how++) {
            Stick *s = stick_new(false, false);
            uint8_t cbw[31] = "USBC\1\2\3\4", d[64] = { 0 };
            bool in = packets & 1;

            cbw[9] = 2;
            cbw[12] = in ? 0x80 : 0;
            cbw[14] = 10;
            memcpy(cbw + 15, in ? "\x28\0\0\0\0\5\0\0\1" : "\x2a\0\0\0\0\5\0\0\1", 9);
            bulk(s, false, cbw, 31);
            for (unsigned i = 0; i < packets; i++) {
                rig_packet(s->r, in ? USB_PID_IN : USB_PID_OUT, 5, in ? 1 : 2, d, 64, false);
            }
            if (how == 0) {
                g_ptr_array_remove(s->r->f->m.devices, s->dev);
            } else if (how == 1) {
                rig_out(s->r, USBCMD, CMD_GRESET);
            } else {
                machine_reset(&s->r->f->m);
            }
            stick_free(s);
        }
    }
}

Test(usb_storage, saved_in_the_middle_of_a_command_it_goes_on, .timeout = 60)
{
    Stick *s = stick_new(false, false);
    g_autoptr(GByteArray) state = g_byte_array_new();
    uint8_t cbw[31] = "USBC\1\2\3\4", d[512];
    unsigned seed = 5;

    cbw[9] = 2;
    cbw[12] = 0x80;
    cbw[14] = 10;
    memcpy(cbw + 15, "\x28\0\0\0\0\5\0\0\1", 9);
    bulk(s, false, cbw, 31);
    cr_assert_eq(bulk(s, true, d, 64), 64);
    machine_save(&s->r->f->m, state);
    machine_reset(&s->r->f->m);
    cr_assert(machine_load(&s->r->f->m, state->data, state->len, NULL));
    for (unsigned i = 1; i < 8; i++) {
        cr_assert_eq(bulk(s, true, d + 64 * i, 64), 64);
    }
    check_data(d, 5, 1);
    for (unsigned i = 0; i < 2000; i++) {
        g_autofree uint8_t *bad = g_memdup2(state->data, state->len);

        for (unsigned n = 0; n < 8; n++) {
            bad[rand_r(&seed) % (n & 1 ? 5500 : state->len)] = n & 2 ? 0xff : rand_r(&seed);
        }
        machine_load(&s->r->f->m, bad, state->len, NULL);
        for (unsigned n = 0; n < 4; n++) {
            rig_packet(s->r, n & 1 ? USB_PID_IN : USB_PID_OUT, 5, n & 1 ? 1 : 2, d, 64, false);
            g_main_context_iteration(NULL, FALSE);
        }
        cr_assert(machine_load(&s->r->f->m, state->data, state->len, NULL));
    }
    stick_free(s);
}

Test(usb_storage, random_command_blocks_do_no_harm, .timeout = 120)
{
    Stick *s = stick_new(false, false);
    unsigned seed = 11;
    uint8_t d[2048];

    for (unsigned i = 0; i < 3000; i++) {
        uint8_t cdb[16];
        unsigned len = (rand_r(&seed) % 33) * (rand_r(&seed) & 1 ? 64 : 1);

        for (unsigned j = 0; j < 16; j++) {
            cdb[j] = rand_r(&seed) & 3 ? 0 : rand_r(&seed);
        }
        cdb[0] = rand_r(&seed);
        command(s, rand_r(&seed) & 1, cdb, 6 + rand_r(&seed) % 11, d, MIN(len, sizeof d));
    }
    stick_free(s);
}
