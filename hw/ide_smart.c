/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_smart.c - SMART of an ATA disk (ATA/ATAPI-7, 6.54 and annex A): attributes, thresholds, the
 * summary error log with the commands before each error, self-tests that read the image in the
 * background or while the host waits, and their log.  What it tells is counted from the start of the
 * domain.  Left out: the host's own logs, extended logs, selective and conveyance tests.
 */
#include "hw/ide.h"
#include <string.h>

enum { SMART_READ_DATA = 0xd0, SMART_READ_THRESHOLDS = 0xd1, SMART_AUTOSAVE = 0xd2,
       SMART_SAVE = 0xd3, SMART_TEST = 0xd4, SMART_READ_LOG = 0xd5, SMART_ENABLE = 0xd8,
       SMART_DISABLE = 0xd9, SMART_STATUS = 0xda };
enum { TEST_COLLECT = 0x00, TEST_SHORT = 0x01, TEST_EXTENDED = 0x02, TEST_ABORT = 0x7f,
       TEST_CAPTIVE = 0x80, TEST_COLLECTING = 0xff };
enum { RESULT_PASSED = 0, RESULT_ABORTED = 1, RESULT_RESET = 2, RESULT_READ_FAILED = 7,
       RESULT_RUNNING = 15 };
enum { COLLECT_NEVER = 0x00, COLLECT_DONE = 0x02, COLLECT_ABORTED = 0x05, COLLECT_FAILED = 0x06 };
enum { LOG_DIRECTORY = 0, LOG_ERRORS = 1, LOG_TESTS = 6, LOG_ERROR_COUNT = 452, LOG_TEST_INDEX = 508 };
enum { SIGNATURE_MID = 0x4f, SIGNATURE_HIGH = 0xc2, FAILING_MID = 0xf4, FAILING_HIGH = 0x2c };
enum { SMART_CHUNK = 65536, CHUNK_SECTORS = SMART_CHUNK / IDE_SECTOR, SHORT_SAMPLES = 64,
       ATTRIBUTE_BYTES = 12, ERRORS_THRESHOLD = 10 };
#define TEST_PAUSE (2 * NS_PER_MS)      /* the host's commands come first */

static void smart_put16(uint8_t *p, uint16_t value)
{
    p[0] = value;
    p[1] = value >> 8;
}

static void smart_put32(uint8_t *p, uint32_t value)
{
    smart_put16(p, value);
    smart_put16(p + 2, value >> 16);
}

static uint64_t smart_hours(const IdeDrive *d)
{
    return vm_now(d->bus->dev) / (3600 * NS_PER_S);
}

/* --- replies: a page of 512 bytes with its checksum --- */

static uint8_t *smart_page(IdeDrive *d)
{
    return memset(d->buffer, 0, IDE_SECTOR);
}

static void smart_send(IdeDrive *d)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < IDE_SECTOR - 1; i++)
        sum += d->buffer[i];
    d->buffer[IDE_SECTOR - 1] = -sum;
    d->pos = 0;
    d->left = 0;
    d->filled = IDE_SECTOR;
    ide_pio_in(d, IDE_SECTOR, true);
}

/* --- attributes --- */

typedef struct SmartAttribute {
    uint8_t id, threshold;
    uint16_t flags;                     /* 1: below the threshold means failing; 2: kept on-line */
    uint64_t (*raw)(const IdeDrive *d);
} SmartAttribute;

static uint64_t smart_cycles(const IdeDrive *d) { (void)d; return 1; }
static uint64_t smart_errors(const IdeDrive *d) { return d->smart.error_count; }
static uint64_t smart_read(const IdeDrive *d) { return d->smart.sectors_read; }
static uint64_t smart_written(const IdeDrive *d) { return d->smart.sectors_written; }

static const SmartAttribute smart_attributes[] = {
    { 9, 0, 0x0032, smart_hours },                      /* power-on hours */
    { 12, 0, 0x0032, smart_cycles },                    /* power cycles */
    { 187, ERRORS_THRESHOLD, 0x0033, smart_errors },    /* reported uncorrectable errors */
    { 241, 0, 0x0032, smart_written },                  /* sectors written */
    { 242, 0, 0x0032, smart_read },                     /* sectors read */
};

static uint8_t smart_value(const IdeDrive *d, const SmartAttribute *a)
{
    uint64_t worse = a->flags & 1 ? a->raw(d) : 0;

    return 100 - MIN(worse, 99);
}

static bool smart_failing(const IdeDrive *d)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(smart_attributes); i++) {
        const SmartAttribute *a = &smart_attributes[i];
        if ((a->flags & 1) && smart_value(d, a) <= a->threshold)
            return true;
    }
    return false;
}

static uint32_t smart_test_minutes(const IdeDrive *d, uint8_t test)
{
    uint64_t chunks = test == TEST_SHORT ? SHORT_SAMPLES : d->native / CHUNK_SECTORS + 1;

    return MIN(chunks * 2 * TEST_PAUSE / (60 * NS_PER_S) + 1, 255);
}

static void smart_read_data(IdeDrive *d)
{
    uint8_t *p = smart_page(d);

    smart_put16(p, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(smart_attributes); i++) {
        const SmartAttribute *a = &smart_attributes[i];
        uint8_t *entry = p + 2 + i * ATTRIBUTE_BYTES;
        uint64_t raw = a->raw(d);
        entry[0] = a->id;
        smart_put16(entry + 1, a->flags);
        entry[3] = entry[4] = smart_value(d, a);        /* it never gets better */
        smart_put32(entry + 5, raw);
        smart_put16(entry + 9, raw >> 32);
    }
    p[362] = d->smart.collection;
    p[363] = d->smart.test_status;
    smart_put16(p + 364, SHORT_SAMPLES * TEST_PAUSE / NS_PER_S + 1);    /* s, collection */
    p[367] = 0x19;      /* collects at once, goes on after commands, has self-tests */
    smart_put16(p + 368, 0x0003);                       /* saves attributes, autosave */
    p[370] = 1;                                         /* error log */
    p[372] = smart_test_minutes(d, TEST_SHORT);
    p[373] = smart_test_minutes(d, TEST_EXTENDED);
    smart_send(d);
}

static void smart_read_thresholds(IdeDrive *d)
{
    uint8_t *p = smart_page(d);

    smart_put16(p, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(smart_attributes); i++) {
        p[2 + i * ATTRIBUTE_BYTES] = smart_attributes[i].id;
        p[2 + i * ATTRIBUTE_BYTES + 1] = smart_attributes[i].threshold;
    }
    smart_send(d);
}

/* --- the error log --- */

void ide_smart_note_command(IdeDrive *d)
{
    IdeSmart *s = &d->smart;
    uint8_t *c = s->commands + (SMART_ERRORS - 1) * SMART_COMMAND_BYTES;

    memmove(s->commands, s->commands + SMART_COMMAND_BYTES, c - s->commands);
    c[0] = d->bus->control;
    c[1] = d->feature[0];
    c[2] = d->count[0];
    c[3] = d->lba_low[0];
    c[4] = d->lba_mid[0];
    c[5] = d->lba_high[0];
    c[6] = d->device;
    c[7] = d->command;
    smart_put32(c + 8, vm_now(d->bus->dev) / NS_PER_MS);
}

void ide_smart_note_error(IdeDrive *d)
{
    IdeSmart *s = &d->smart;
    uint8_t *e = s->errors + s->error_count % SMART_ERRORS * SMART_ERROR_BYTES;
    uint8_t *data = e + sizeof(s->commands);

    if (s->error_count == UINT16_MAX)
        return;
    s->error_count++;
    memset(e, 0, SMART_ERROR_BYTES);
    memcpy(e, s->commands, sizeof(s->commands));
    data[1] = d->error;
    data[2] = d->count[0];
    data[3] = d->lba_low[0];
    data[4] = d->lba_mid[0];
    data[5] = d->lba_high[0];
    data[6] = d->device;
    data[7] = d->status;
    data[27] = s->test ? 4 : 3;         /* state: in a self-test, active */
    smart_put16(data + 28, MIN(smart_hours(d), UINT16_MAX));
}

static void smart_read_log(IdeDrive *d)
{
    const IdeSmart *s = &d->smart;
    uint8_t *p;

    if (d->count[0] != 1 || (d->lba_low[0] != LOG_DIRECTORY && d->lba_low[0] != LOG_ERRORS &&
                             d->lba_low[0] != LOG_TESTS)) {
        ide_fail(d, ERROR_ABRT, 0);
        return;
    }
    p = smart_page(d);
    p[0] = 1;
    switch (d->lba_low[0]) {
    case LOG_DIRECTORY:
        p[2 * LOG_ERRORS] = p[2 * LOG_TESTS] = 1;
        break;
    case LOG_ERRORS:
        p[1] = s->error_count ? (s->error_count - 1) % SMART_ERRORS + 1 : 0;
        memcpy(p + 2, s->errors, sizeof(s->errors));
        smart_put16(p + LOG_ERROR_COUNT, s->error_count);
        break;
    case LOG_TESTS:
        memcpy(p + 2, s->tests, sizeof(s->tests));
        p[LOG_TEST_INDEX] = s->test_count;
        break;
    }
    smart_send(d);
}

/* --- self-tests --- */

static uint64_t smart_test_stride(const IdeDrive *d)
{
    uint64_t stride = d->native / SHORT_SAMPLES;

    if ((d->smart.test & ~TEST_CAPTIVE) == TEST_EXTENDED || stride < CHUNK_SECTORS)
        return CHUNK_SECTORS;
    return stride;
}

static uint8_t smart_tenths_left(const IdeDrive *d)
{
    uint64_t left = d->native - MIN(d->smart.test_lba, d->native);

    return d->native ? MIN((left * 10 + d->native - 1) / d->native, 9) : 0;
}

static void smart_test_end(IdeDrive *d, uint8_t result)
{
    IdeSmart *s = &d->smart;
    uint8_t test = s->test, *entry;

    s->test = 0;
    timer_cancel(&s->step);
    g_aligned_free(s->buffer);
    s->buffer = NULL;
    if (test == TEST_COLLECTING) {
        s->collection = result == RESULT_PASSED ? COLLECT_DONE
                      : result == RESULT_READ_FAILED ? COLLECT_FAILED : COLLECT_ABORTED;
        return;
    }
    s->test_status = result << 4 | (result == RESULT_PASSED ? 0 : smart_tenths_left(d));
    entry = s->tests + s->test_count % SMART_TESTS * SMART_TEST_BYTES;
    s->test_count = s->test_count % SMART_TESTS + 1;
    memset(entry, 0, SMART_TEST_BYTES);
    entry[0] = test;
    entry[1] = s->test_status;
    smart_put16(entry + 2, MIN(smart_hours(d), UINT16_MAX));
    smart_put32(entry + 5, result == RESULT_READ_FAILED ? MIN(s->test_lba, UINT32_MAX) : UINT32_MAX);
    if (!(test & TEST_CAPTIVE) || d->phase != IDE_TEST)
        return;
    if (result == RESULT_PASSED) {
        ide_done(d);
        return;
    }
    d->lba_mid[0] = FAILING_MID;
    d->lba_high[0] = FAILING_HIGH;
    ide_fail(d, ERROR_ABRT, 0);
}

static void smart_chunk_read(void *opaque, int error)
{
    IdeDrive *d = opaque;
    IdeSmart *s = &d->smart;

    s->request = NULL;
    if (error) {
        smart_test_end(d, RESULT_READ_FAILED);
        return;
    }
    s->test_lba += smart_test_stride(d);
    if (s->test_lba >= d->native) {
        smart_test_end(d, RESULT_PASSED);
        return;
    }
    if (s->test != TEST_COLLECTING)
        s->test_status = RESULT_RUNNING << 4 | smart_tenths_left(d);
    timer_at(&s->step, vm_now(d->bus->dev) + TEST_PAUSE);
}

static void smart_step(void *opaque)
{
    IdeDrive *d = opaque;
    IdeSmart *s = &d->smart;
    struct iovec iov;

    if (!s->test || s->request || s->test_lba >= d->native)
        return;
    if (!s->buffer)
        s->buffer = g_aligned_alloc(1, SMART_CHUNK, 4096);
    iov.iov_base = s->buffer;
    iov.iov_len = MIN(d->native - s->test_lba, CHUNK_SECTORS) * IDE_SECTOR;
    s->request = block_readv(d->block, s->test_lba * IDE_SECTOR, &iov, 1, smart_chunk_read, d);
}

/* The test's read is waited for: its buffer goes. */
static void smart_test_break(IdeDrive *d, uint8_t result)
{
    IdeSmart *s = &d->smart;

    if (!s->test)
        return;
    if (s->request) {
        block_cancel(s->request);
        s->request = NULL;
        block_drain(d->block);
    }
    smart_test_end(d, result);
}

static void smart_test(IdeDrive *d)
{
    IdeSmart *s = &d->smart;
    uint8_t kind = d->lba_low[0];
    bool captive = kind & TEST_CAPTIVE, known = (kind & ~TEST_CAPTIVE) == TEST_SHORT ||
                                                (kind & ~TEST_CAPTIVE) == TEST_EXTENDED;

    if ((!known && kind != TEST_COLLECT && kind != TEST_ABORT) || !d->native) {
        ide_fail(d, ERROR_ABRT, 0);
        return;
    }
    smart_test_break(d, RESULT_ABORTED);
    if (kind == TEST_ABORT) {
        ide_done(d);
        return;
    }
    s->test = kind == TEST_COLLECT ? TEST_COLLECTING : kind;
    s->test_lba = 0;
    if (kind != TEST_COLLECT)
        s->test_status = RESULT_RUNNING << 4 | 9;
    timer_at(&s->step, vm_now(d->bus->dev) + TEST_PAUSE);
    if (captive) {
        d->phase = IDE_TEST;
        d->status = STATUS_DRDY | STATUS_BSY;
    } else {
        ide_done(d);
    }
}

void ide_smart_stop(IdeDrive *d)
{
    if (d->smart.test & TEST_CAPTIVE && d->smart.test != TEST_COLLECTING)
        smart_test_break(d, RESULT_RESET);
}

/* --- the command --- */

static void smart_return_status(IdeDrive *d)
{
    bool failing = smart_failing(d);

    d->lba_mid[0] = failing ? FAILING_MID : SIGNATURE_MID;
    d->lba_high[0] = failing ? FAILING_HIGH : SIGNATURE_HIGH;
    ide_done(d);
}

void ide_smart_command(IdeDrive *d, unsigned flags)
{
    IdeSmart *s = &d->smart;

    (void)flags;
    if (d->lba_mid[0] != SIGNATURE_MID || d->lba_high[0] != SIGNATURE_HIGH ||
        (!s->enabled && d->feature[0] != SMART_ENABLE)) {
        ide_fail(d, ERROR_ABRT, 0);
        return;
    }
    switch (d->feature[0]) {
    case SMART_READ_DATA: smart_read_data(d); break;
    case SMART_READ_THRESHOLDS: smart_read_thresholds(d); break;
    case SMART_READ_LOG: smart_read_log(d); break;
    case SMART_TEST: smart_test(d); break;
    case SMART_STATUS: smart_return_status(d); break;
    case SMART_AUTOSAVE:
        s->autosave = d->count[0] == 0xf1;
        ide_done(d);
        break;
    case SMART_SAVE: ide_done(d); break;
    case SMART_ENABLE:
    case SMART_DISABLE:
        s->enabled = d->feature[0] == SMART_ENABLE;
        ide_done(d);
        break;
    default: ide_fail(d, ERROR_ABRT, 0); break;
    }
}

/* --- life --- */

void ide_smart_init(IdeDrive *d)
{
    timer_init(&d->smart.step, &d->bus->dev->machine->timers, smart_step, d);
}

void ide_smart_power_on(IdeDrive *d)
{
    smart_test_break(d, RESULT_RESET);
    d->smart = (IdeSmart){ .enabled = true, .autosave = true, .step = d->smart.step };
}

void ide_smart_finish(IdeDrive *d)
{
    if (d->block)
        smart_test_break(d, RESULT_RESET);
    timer_cancel(&d->smart.step);
    g_aligned_free(d->smart.buffer);
    d->smart.buffer = NULL;
}

void ide_smart_quiesce(IdeDrive *d)
{
    while (d->smart.request)
        block_drain(d->block);
}

const char *ide_smart_fault(const IdeDrive *d)
{
    const IdeSmart *s = &d->smart;
    uint8_t kind = s->test & ~TEST_CAPTIVE;

    if (s->test && s->test != TEST_COLLECTING && kind != TEST_SHORT && kind != TEST_EXTENDED)
        return "an unknown self-test";
    if (s->test && (!ide_drive_present(d) || d->cdrom || s->test_lba >= d->native))
        return "a self-test without a medium";
    if ((bool)s->test != timer_armed(&s->step))
        return "a self-test that does not go on";
    return NULL;
}

const StateField ide_smart_state[] = {
    STATE_BOOL(IdeSmart, enabled), STATE_BOOL(IdeSmart, autosave),
    STATE_U64(IdeSmart, sectors_read), STATE_U64(IdeSmart, sectors_written),
    STATE_U16(IdeSmart, error_count), STATE_BYTES(IdeSmart, commands),
    STATE_BYTES(IdeSmart, errors), STATE_BYTES(IdeSmart, tests),
    STATE_U8_MAX(IdeSmart, test_count, SMART_TESTS), STATE_U8(IdeSmart, test),
    STATE_U8(IdeSmart, test_status), STATE_U8(IdeSmart, collection),
    STATE_U64(IdeSmart, test_lba), STATE_TIMER(IdeSmart, step),
    STATE_UNMIGRATABLE("request, buffer: quiesce ends the read, the timer begins the next"),
    STATE_END
};
