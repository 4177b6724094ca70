/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ne2000.h - what is on an NE2000 card: a DP8390 controller, 16 KiB of buffer memory, the address
 * PROM, the data and reset ports.  ne2k_pci.c (RTL8029AS) and ne2k_isa.c put it on a bus and give it its
 * interrupt.  Device thread only.
 */
#ifndef GH_NE2000_H
#define GH_NE2000_H

#include "hw/eeprom93.h"
#include "lib/pci.h"
#include "net/net.h"

#define NE2000_IO_SIZE 32
#define NE2000_MEMORY 16384
#define NE2000_FIFO 8
enum { NE2000_DMA_NONE, NE2000_DMA_READ, NE2000_DMA_WRITE, NE2000_DMA_SEND };  /* remote DMA */

typedef struct Ne2000 {
    PciDevice pci;              /* on ISA only its Device is used */
    uint8_t mac[6];             /* config */
    NetPort *port;              /* config (owned); NULL: no cable */
    GBytes *rom;                /* config, PCI; may be NULL */
    uint32_t iobase, irq;       /* config, ISA */
    bool realtek;               /* an RTL8029AS: ids in page 0, registers in page 3, EEPROM */
    void (*set_irq)(Device *dev, bool level);
    bool link_up;               /* the cable's, not saved */

    uint8_t prom[6];            /* station address, in the PROM */

    uint8_t cr;                 /* page and remote command as written, STP or STA, TXP */
    uint8_t isr, imr, dcr, tcr, rcr, tsr, rsr, ncr;
    uint8_t pstart, pstop, bnry, curr, tpsr;    /* pages of 256 bytes */
    uint8_t par[6], mar[8];
    uint8_t cntr[3];            /* alignment errors, CRC errors, missed frames */
    uint16_t tbcr, crda, rbcr, clda;            /* bytes, addresses */
    uint8_t dma;                /* NE2000_DMA_* */
    uint8_t send_next;          /* send packet: the boundary afterwards */
    uint8_t rnpp, lnpp;         /* page 2's scratch */
    uint16_t counter;
    uint8_t fifo[NE2000_FIFO];  /* of a looped back frame */
    uint8_t fifo_at;
    bool tx_off;                /* by a multicast frame, TCR.ATD */
    bool overrun;               /* the driver left the ring full for too long */
    Timer stall;                /* a frame waits for room */
    uint8_t batch;              /* frames stored since the last gap */
    bool acknowledges;          /* the driver has cleared PRX since the last reset */
    Timer gap;                  /* a frame waits for the next one */
    uint8_t memory[NE2000_MEMORY];

    uint8_t cr9346, config[4];  /* RTL8029AS: 9346CR, CONFIG0-3 */
    Eeprom93 eeprom;
} Ne2000;

/* From the card's init, with realtek and set_irq set. */
void ne2000_init(Ne2000 *s);
void ne2000_reset(Ne2000 *s);           /* power-on */
void ne2000_loaded(Ne2000 *s);
void ne2000_finish(Ne2000 *s);

/* The card's 32 ports. */
extern const IoOps ne2000_ops;
/* Rows of the cards' state tables. */
#define NE2000_STATE \
    STATE_BYTES(Ne2000, prom), STATE_U8(Ne2000, cr), STATE_U8(Ne2000, isr), \
    STATE_U8_MAX(Ne2000, imr, 0x7f), STATE_U8_MAX(Ne2000, dcr, 0x7f), \
    STATE_U8_MAX(Ne2000, tcr, 0x1f), STATE_U8_MAX(Ne2000, rcr, 0x3f), STATE_U8(Ne2000, tsr), \
    STATE_U8(Ne2000, rsr), STATE_U8(Ne2000, ncr), STATE_U8(Ne2000, pstart), \
    STATE_U8(Ne2000, pstop), STATE_U8(Ne2000, bnry), STATE_U8(Ne2000, curr), \
    STATE_U8(Ne2000, tpsr), STATE_BYTES(Ne2000, par), STATE_BYTES(Ne2000, mar), \
    STATE_BYTES(Ne2000, cntr), STATE_U16(Ne2000, tbcr), STATE_U16(Ne2000, crda), \
    STATE_U16(Ne2000, rbcr), STATE_U16(Ne2000, clda), STATE_U8_MAX(Ne2000, dma, NE2000_DMA_SEND), \
    STATE_U8(Ne2000, send_next), STATE_U8(Ne2000, rnpp), STATE_U8(Ne2000, lnpp), \
    STATE_U16(Ne2000, counter), STATE_BYTES(Ne2000, fifo), STATE_U8(Ne2000, fifo_at), \
    STATE_BOOL(Ne2000, tx_off), STATE_BOOL(Ne2000, overrun), STATE_TIMER(Ne2000, stall), \
    STATE_U8(Ne2000, batch), STATE_BOOL(Ne2000, acknowledges), STATE_TIMER(Ne2000, gap), \
    STATE_BYTES(Ne2000, memory), STATE_U8(Ne2000, cr9346), STATE_BYTES(Ne2000, config), \
    STATE_STRUCT(Ne2000, eeprom, eeprom93_state)

#endif
