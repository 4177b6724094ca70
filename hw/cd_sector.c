/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cd_sector.c - see cd_sector.h. */
#include "hw/cd_sector.h"
#include <string.h>

enum { HEADER = 12, USER = 16, EDC = USER + CD_SECTOR_USER, P_PARITY = EDC + 12, Q_PARITY = P_PARITY + 172,
       ECC_BYTES = CD_SECTOR_RAW - EDC };
enum { P_VECTORS = 86, P_SYMBOLS = 24, Q_VECTORS = 52, Q_SYMBOLS = 43, Q_STEP = 88 };
enum { FRAMES_A_SECOND = 75, LEAD_IN_FRAMES = 150 };
#define EDC_POLYNOMIAL 0xd8018001u      /* (x^16+x^15+x^2+1)(x^16+x^2+x+1), low bit first */
#define FIELD_POLYNOMIAL 0x1d           /* x^8 + x^4 + x^3 + x^2 + 1 */
#define INVERSE_OF_THREE 0xf4           /* in that field */

static uint8_t sector_bcd(unsigned value)
{
    return (value / 10 % 10) << 4 | value % 10;
}

static void sector_msf(uint8_t *p, uint32_t frame)
{
    p[0] = sector_bcd(frame / FRAMES_A_SECOND / 60);
    p[1] = sector_bcd(frame / FRAMES_A_SECOND % 60);
    p[2] = sector_bcd(frame % FRAMES_A_SECOND);
}

/* --- error detection and correction --- */

static uint32_t sector_edc(const uint8_t *p, unsigned len)
{
    uint32_t crc = 0;

    for (unsigned i = 0; i < len; i++) {
        crc ^= p[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? EDC_POLYNOMIAL : 0);
    }
    return crc;
}

static uint8_t field_double(uint8_t a)
{
    return a << 1 ^ (a & 0x80 ? FIELD_POLYNOMIAL : 0);
}

static uint8_t field_third(uint8_t a)
{
    uint8_t result = 0;

    for (unsigned factor = INVERSE_OF_THREE; factor; factor >>= 1, a = field_double(a))
        if (factor & 1)
            result ^= a;
    return result;
}

/*
 * The two parity symbols of a vector whose data symbols begin at base[start] and come every step
 * bytes, round a block of size bytes.  They make the sum of all symbols zero, and also the sum with
 * the symbols multiplied by falling powers of the field's generator.
 */
static void sector_parity(const uint8_t *base, unsigned start, unsigned step, unsigned size,
                          unsigned symbols, uint8_t *first, uint8_t *second)
{
    uint8_t sum = 0, weighted = 0;
    unsigned at = start;

    for (unsigned i = 0; i < symbols; i++) {
        sum ^= base[at];
        weighted = field_double(weighted) ^ base[at];
        at = (at + step) % size;
    }
    weighted = field_double(field_double(weighted));
    *first = field_third(weighted ^ sum);
    *second = sum ^ *first;
}

static void sector_ecc(uint8_t *raw)
{
    uint8_t *base = raw + HEADER;

    for (unsigned i = 0; i < P_VECTORS; i++)
        sector_parity(base, i, P_VECTORS, P_VECTORS * P_SYMBOLS, P_SYMBOLS, raw + P_PARITY + i,
                      raw + P_PARITY + P_VECTORS + i);
    for (unsigned i = 0; i < Q_VECTORS; i++)
        sector_parity(base, i / 2 * P_VECTORS + i % 2, Q_STEP, Q_VECTORS * Q_SYMBOLS, Q_SYMBOLS,
                      raw + Q_PARITY + i, raw + Q_PARITY + Q_VECTORS + i);
}

static void sector_mode1(uint8_t *raw, uint32_t lba, const uint8_t *user, bool ecc)
{
    uint32_t edc;

    raw[0] = raw[11] = 0;
    memset(raw + 1, 0xff, 10);
    sector_msf(raw + HEADER, lba + LEAD_IN_FRAMES);
    raw[HEADER + 3] = 1;
    memcpy(raw + USER, user, CD_SECTOR_USER);
    if (!ecc)
        return;
    edc = sector_edc(raw, EDC);
    for (unsigned i = 0; i < 4; i++)
        raw[EDC + i] = edc >> (8 * i);
    memset(raw + EDC + 4, 0, 8);
    sector_ecc(raw);
}

/* --- sub-channels --- */

static void sector_q(uint8_t *q, uint32_t lba)
{
    uint16_t crc = 0;

    q[0] = 0x41;                        /* data track, mode 1: position */
    q[1] = q[2] = 1;                    /* track and index, BCD */
    sector_msf(q + 3, lba);             /* in the track */
    q[6] = 0;
    sector_msf(q + 7, lba + LEAD_IN_FRAMES);
    for (unsigned i = 0; i < 10; i++) {
        crc ^= q[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0);
    }
    q[10] = ~crc >> 8;
    q[11] = ~crc;
}

static unsigned sector_sub(uint8_t *out, uint32_t lba, uint8_t sub)
{
    uint8_t q[12];

    if (sub == CD_SUB_NONE)
        return 0;
    sector_q(q, lba);
    if (sub == CD_SUB_Q) {
        memset(out, 0, CD_SECTOR_Q);
        memcpy(out, q, sizeof(q));
        return CD_SECTOR_Q;
    }
    memset(out, 0, CD_SECTOR_SUB);      /* P and R to W are zero */
    for (unsigned i = 0; i < CD_SECTOR_SUB && sub == CD_SUB_RAW; i++)
        out[i] = q[i / 8] >> (7 - i % 8) & 1 ? 0x40 : 0;
    return CD_SECTOR_SUB;
}

/* --- what a command asks for --- */

int cd_sector_length(uint8_t parts, uint8_t sub)
{
    bool sync = parts & CD_PART_SYNC, header = parts & CD_PART_HEADER, user = parts & CD_PART_USER;
    bool ecc = parts & CD_PART_ECC;
    int len = (sync ? HEADER : 0) + (header ? 4 : 0) + (user ? CD_SECTOR_USER : 0) +
              (ecc ? ECC_BYTES : 0);

    if ((sync && user && !header) || (ecc && !user) || (sub != CD_SUB_NONE && sub != CD_SUB_RAW &&
                                                        sub != CD_SUB_Q && sub != CD_SUB_RW))
        return -1;
    switch (parts & CD_PART_C2) {
    case 0: break;
    case CD_PART_C2_BITS: len += CD_SECTOR_C2; break;
    case CD_PART_C2_BLOCK: len += CD_SECTOR_C2_BLOCK; break;
    default: return -1;
    }
    return len + (sub == CD_SUB_NONE ? 0 : sub == CD_SUB_Q ? CD_SECTOR_Q : CD_SECTOR_SUB);
}

void cd_sector_make(uint8_t *out, uint32_t lba, const uint8_t *user, uint8_t parts, uint8_t sub)
{
    uint8_t raw[CD_SECTOR_RAW];
    static const struct {
        uint8_t part;
        uint16_t at, len;
    } fields[] = { { CD_PART_SYNC, 0, HEADER }, { CD_PART_HEADER, HEADER, 4 },
                   { CD_PART_USER, USER, CD_SECTOR_USER }, { CD_PART_ECC, EDC, ECC_BYTES } };

    sector_mode1(raw, lba, user, parts & CD_PART_ECC);
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (parts & fields[i].part) {
            memcpy(out, raw + fields[i].at, fields[i].len);
            out += fields[i].len;
        }
    }
    if (parts & CD_PART_C2) {
        unsigned len = parts & CD_PART_C2_BLOCK ? CD_SECTOR_C2_BLOCK : CD_SECTOR_C2;
        memset(out, 0, len);            /* an image has no errors that it knows of */
        out += len;
    }
    sector_sub(out, lba, sub);
}
