/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api.h - the methods that xm calls, by subject: api_life.c, api_machine.c, api_disk.c, media.c, api_usb.c,
 * api_net.c, pin.c, api_list.c, api_host.c.  api.c finds the one that is called.  Each answers its
 * call, at once or when the thing has happened.
 */
#ifndef GH_XEND_API_H
#define GH_XEND_API_H

#include "tools/xend/domain.h"

/* Parameter i: a string (else ""), a number (else 0). */
const char *api_text(const Value *params, unsigned i);
int64_t api_int(const Value *params, unsigned i);
/* False: it does not run, and the call is answered. */
bool api_must_live(const Domain *d, RpcCall *call);

/* A request to a process whose answer is the call's. */
typedef struct ApiForward {
    RpcCall *call;
    const char *what;           /* for the fault */
    Xend *xend;
    unsigned domid;
    void (*done)(Domain *d, const struct ApiForward *f);   /* after success; may be NULL */
    unsigned disk;
    char *text;
} ApiForward;

ApiForward *api_forward_new(Domain *d, RpcCall *call, const char *what);        /* what: for the fault */
void api_forwarded(void *forward, int error, const CtlMsg *msg, const char *body);      /* takes it */

/* api_life.c */
void api_create(Xend *x, Domain *unused, RpcCall *call, const Value *params);
void api_unpause(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_pause(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_destroy(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_shutdown(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_trigger(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_rename(Xend *x, Domain *d, RpcCall *call, const Value *params);
/* api_machine.c */
void api_vcpu_set(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_mem_set(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_mem_max(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_sysrq(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_send_key(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_screenshot(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_dump_core(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_counters(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_dump_state(Xend *x, Domain *d, RpcCall *call, const Value *params);
/* api_disk.c */
void api_resize_disk(Xend *x, Domain *d, RpcCall *call, const Value *params);
/* api_usb.c */
void api_usb_add(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_usb_del(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_usb_list(Xend *x, Domain *d, RpcCall *call, const Value *params);
void api_devices(Xend *x, Domain *d, RpcCall *call, const Value *params);
/* api_list.c */
void api_domains(Xend *x, Domain *unused, RpcCall *call, const Value *params);
/* api_host.c */
void api_host_facts(Xend *x, Domain *unused, RpcCall *call, const Value *params);
void api_info(Xend *x, Domain *unused, RpcCall *call, const Value *params);
void api_dmesg(Xend *x, Domain *unused, RpcCall *call, const Value *params);
void api_log(Xend *x, Domain *unused, RpcCall *call, const Value *params);
void api_stop(Xend *x, Domain *unused, RpcCall *call, const Value *params);
void api_status(Xend *x, Domain *unused, RpcCall *call, const Value *params);

#endif
