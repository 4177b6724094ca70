/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139_internal.h - the card's registers, shared by its two halves: rtl8139.c (registers,
 * receive) and rtl8139_tx.c (transmit, offloads).
 */
#ifndef GH_RTL8139_INTERNAL_H
#define GH_RTL8139_INTERNAL_H

#include "hw/eeprom93.h"
#include "lib/pci.h"
#include "net/net.h"

enum { CR_BUFE = 1, CR_TE = 4, CR_RE = 8, CR_RST = 0x10 };
enum { ISR_ROK = 1, ISR_RER = 2, ISR_TOK = 4, ISR_TER = 8, ISR_RXOVW = 0x10, ISR_LINK = 0x20,
       ISR_FOVW = 0x40, ISR_TDU = 0x80, ISR_TIMEOUT = 0x4000, ISR_SERR = 0x8000 };
enum { CPCR_TX = 1, CPCR_RX = 2, CPCR_RX_CHECKSUM = 0x20, CPCR_RX_VLAN = 0x40 };
#define TSD_OWN (1u << 13)
#define TSD_TUN (1u << 14)
#define TSD_TOK (1u << 15)
#define TSD_CRS (1u << 31)
#define TSD_TABT (1u << 30)
#define TCR_LOOPBACK (3u << 17)
#define DESC_OWN (1u << 31)
#define RTL8139_GATHER 65536    /* longest frame gathered from C+ descriptors */

typedef struct Rtl8139Tally {
    uint64_t tx_ok, rx_ok, tx_errors, rx_physical, rx_broadcast;
    uint32_t rx_multicast;
    uint16_t missed, tx_aborted;
} Rtl8139Tally;

typedef struct Rtl8139 {
    PciDevice pci;
    uint8_t mac[6];             /* config */
    bool cplus;                 /* config */
    NetPort *port;              /* config; may be NULL: no cable */
    GBytes *rom;                /* config; may be NULL */
    bool link_up;               /* the cable's, not saved */

    uint8_t idr[6], mar[8];
    uint32_t tsd[4], tsad[4];
    uint32_t rbstart;
    uint8_t cr;
    uint16_t capr, cbr;         /* read pointer - 16, write pointer */
    uint16_t imr, isr;
    IoEvents events;            /* that set bits of isr; not saved: nothing is on its way then */
    uint32_t tcr, rcr, mpc;
    uint8_t cr9346;
    uint8_t config[6];          /* CONFIG0..5 */
    uint32_t timer_int;
    int64_t timer_base;         /* ns: when TCTR was 0 */
    uint16_t multint, bmcr, anar;
    uint32_t tx_slot;           /* 0-3: next of the four to go out */

    uint16_t cpcr;
    uint64_t tnpds, thpds, rdsar;       /* C+ rings: normal, high priority, receive */
    uint32_t tx_index, tx_high_index, rx_index;
    uint8_t *gather;            /* frame being put together from descriptors */
    uint32_t gather_len;
    uint32_t gather_flags, gather_vlan; /* of its first descriptor */

    Eeprom93 eeprom;
    uint8_t wake[0x60];         /* 78h-d7h: PHY parameters, wake-up frames: storage */
    uint64_t dtccr;             /* where the tally counters go */
    Rtl8139Tally tally;
    uint32_t stalled;           /* looks for a free descriptor that found none */

    uint16_t unread_capr;       /* where the driver was when it acknowledged ROK */

    Timer timer;
    Timer tx_again;             /* more descriptors than one turn allows */
    Timer rx_again;             /* a frame waits for a descriptor */
    Timer unread;               /* frames are in the ring and nobody was told */
} Rtl8139;

void rtl8139_update_irq(Rtl8139 *s);
void rtl8139_event(Rtl8139 *s, uint16_t bits);  /* ISR_*; to be followed by rtl8139_update_irq() */
void rtl8139_receive(Rtl8139 *s, const uint8_t *frame, size_t len);

/* --- rtl8139_tx.c --- */
void rtl8139_write_tsd(Rtl8139 *s, unsigned slot, uint32_t value);
void rtl8139_poll_transmit(Rtl8139 *s, uint8_t value);      /* TPPoll */
void rtl8139_tx_again(void *opaque);
/* Protocol and failure bits (17:13) of a receive descriptor for a frame without FCS. */
uint32_t rtl8139_rx_checksum(const uint8_t *frame, uint32_t len);

#endif
