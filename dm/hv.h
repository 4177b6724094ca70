/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hv.h - the device model's hypervisor: guest memory, I/O request slots, posted operations, time.
 * hv.c talks to the bundled hypervisor (include/dm_proto.h); a real Xen's would be a second file
 * with these functions over libxendevicemodel, libxenforeignmemory and libxenevtchn, and nothing
 * else would change.  Device thread only.
 */
#ifndef GH_HV_H
#define GH_HV_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/hvm/ioreq.h>
#include "lib/machine.h"
#include "lib/speaker.h"

typedef struct Hv Hv;

/* channel: the socket of dm_proto.h, taken over.  Blocks until the hypervisor has said hello. */
Hv *hv_connect(int channel, GError **error);
void hv_close(Hv *hv);
unsigned hv_vcpus(const Hv *hv);

/* --- requests --- */
ioreq_t *hv_slot(Hv *hv, unsigned vcpu);
buffered_iopage_t *hv_buffered(Hv *hv);
/* Changes whenever something was published; cheap enough to poll. */
uint32_t hv_request_seq(const Hv *hv);
/* Call before sleeping in poll() on hv_request_fd(); false: look again first. */
bool hv_prepare_sleep(Hv *hv, uint32_t seen_seq);
void hv_wake_up(Hv *hv);                /* after poll: eat the event */
int hv_request_fd(const Hv *hv);
/* The slot's state has been set to IORESP_READY: wake its vCPU. */
void hv_answered(Hv *hv, unsigned vcpu);
/* Whether to look for the next request of a vCPU: not from the processor it was last seen on. */
bool hv_may_look(Hv *hv, unsigned vcpu);
/* Since the last call: it may be waiting for the processor that we run on. */
bool hv_woke_vcpu(Hv *hv);
/*
 * What was posted for a vCPU that runs the guest is left to its own look for some microseconds; then this
 * wakes the service thread.  To be called often; sleeping: waits for the end of that time.
 */
void hv_settle_posts(Hv *hv, bool sleeping);
/* Posts between these two need no doorbell: the waiting vCPU will take them. */
void hv_request_begin(Hv *hv);
void hv_request_end(Hv *hv);

/* --- operations --- */
void hv_claim_range(Hv *hv, bool mmio, uint64_t first, uint64_t last, bool on);
/* Which map's ranges hv_post_range() and hv_publish() are of; before them.  NULL: none any more. */
void hv_publish_from(Hv *hv, IoMap *map);
/* A range with posted writes or peeks (lib/io_map.h) comes, changes, or goes. */
void hv_post_range(Hv *hv, const IoRange *range, bool on);
/* Shows the hypervisor what the changed devices' registers read as.  over: see lib/io_publish.h. */
void hv_publish(Hv *hv, bool over);
void hv_post_range(Hv *hv, const IoRange *range, bool on);
void hv_claim_pci(Hv *hv, unsigned devfn, bool on);
void hv_start(Hv *hv);                  /* enables the server: requests may come */
void hv_isa_irq(Hv *hv, unsigned irq, bool level);
void hv_pci_intx(Hv *hv, unsigned devfn, unsigned pin, bool level);
void hv_link_route(Hv *hv, unsigned link, unsigned isa_irq);
void hv_msi(Hv *hv, uint64_t addr, uint32_t data);
void hv_shutdown(Hv *hv, ShutdownReason reason);

/* --- memory --- */
uint8_t *hv_ram(Hv *hv, uint64_t gpa, uint64_t len, bool write, uint64_t *run);
void hv_ram_written(Hv *hv, uint64_t gpa, uint64_t len);
bool hv_block_alloc(Hv *hv, RamBlock *b, GError **error);
void hv_block_map(Hv *hv, RamBlock *b, bool mapped);
void hv_block_dirty(Hv *hv, RamBlock *b, uint8_t *bitmap);
void hv_block_free(Hv *hv, RamBlock *b);
/* On: no write is buffered any more; those that were are still in the ring. */
bool hv_hold(Hv *hv, bool on);     /* false: not now */

/* --- the PC speaker's wire --- */
/* The oldest description not yet taken; of those that came too fast the older are left out. */
bool hv_speaker_next(Hv *hv, SpeakerWave *wave);
/* on: wake this process with the next one. */
void hv_speaker_await(Hv *hv, bool on);
/* It has come. */
bool hv_speaker_due(const Hv *hv);

/* --- time and life --- */
int64_t hv_now(const Hv *hv);           /* ns of guest time */
int hv_channel_fd(const Hv *hv);
enum HvEvent { HV_EVENT_NONE, HV_EVENT_SHUTDOWN, HV_EVENT_RESET, HV_EVENT_GONE };
enum HvEvent hv_event(Hv *hv);          /* channel_fd is readable */

#endif
