/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenstore.c - reads keys over the xenstore ring (xen/io/xs_wire.h), one request at a time. */
#include "util.h"
#include "xen.h"

#define RING 1024
#define BUFFER 4096
enum { PARAM_STORE_PFN = 1, PARAM_STORE_EVTCHN = 2, XS_READ = 2, XS_ERROR = 16 };

typedef struct StoreRing {
    uint8_t req[RING], rsp[RING];
    volatile uint32_t req_cons, req_prod, rsp_cons, rsp_prod, features, connection;
} StoreRing;

typedef struct Header {
    uint32_t type, req_id, tx_id, len;
} Header;

static StoreRing *ring;
static unsigned event_port;
static uint32_t last_id;
static char reply[BUFFER + 1];

void store_init(void)
{
    ring = (StoreRing *)(uint32_t)(xen_get_param(PARAM_STORE_PFN) << 12);
    event_port = xen_get_param(PARAM_STORE_EVTCHN);
}

static void ring_write(const void *data, uint32_t len)
{
    const uint8_t *p = data;

    while (len) {
        uint32_t prod = ring->req_prod;

        if (prod - ring->req_cons == RING) {
            xen_wait_event(event_port);
            continue;
        }
        ring->req[prod % RING] = *p++;
        asm volatile("" ::: "memory");
        ring->req_prod = prod + 1;
        len--;
    }
}

static void ring_read(void *data, uint32_t len)
{
    uint8_t *p = data;

    while (len) {
        uint32_t cons = ring->rsp_cons;

        if (ring->rsp_prod == cons) {
            xen_notify(event_port);
            xen_wait_event(event_port);
            continue;
        }
        asm volatile("" ::: "memory");
        *p++ = ring->rsp[cons % RING];
        ring->rsp_cons = cons + 1;
        len--;
    }
}

const char *store_read(const char *key)
{
    Header h = { XS_READ, ++last_id, 0, strlen(key) + 1 };

    ring_write(&h, sizeof h);
    ring_write(key, h.len);
    xen_notify(event_port);
    ring_read(&h, sizeof h);
    if (h.len > BUFFER || h.req_id != last_id) {
        fail("xenstore answers %s with nonsense", key);
    }
    ring_read(reply, h.len);
    reply[h.len] = 0;
    xen_notify(event_port);
    return h.type == XS_ERROR ? NULL : reply;
}

const char *store_read_default(const char *key, const char *missing)
{
    const char *v = store_read(key);

    return v ? v : missing;
}

bool store_flag(const char *key, bool missing)
{
    const char *v = store_read(key);

    return v ? v[0] == '1' : missing;
}

/* The guest's own driver starts on a fresh ring. */
void store_finish(void)
{
    if (ring->features & 1) {
        ring->connection = 1;
        xen_notify(event_port);
        while (ring->connection) {
            xen_wait_event(event_port);
        }
        return;
    }
    memset(ring->req, 0xff, 2 * RING);
    ring->req_cons = ring->req_prod = ring->rsp_cons = ring->rsp_prod = 0;
}
