/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.h - the xenstore: a tree of small values with owners, transactions and watches.  Nodes are
 * immutable once shared, so that a transaction's view is one reference to the root it began with.
 * Paths are absolute here ("/local/domain/1/name"); store_wire.h speaks the protocol of guests and
 * tools on top of it.
 */
#ifndef GH_XEND_STORE_H
#define GH_XEND_STORE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define STORE_MAX_PATH 3072
#define STORE_MAX_DEPTH 64
#define STORE_MAX_PERMS 32

typedef struct StorePerm {
    uint32_t domid;
    char letter;                /* n none, r read, w write, b both */
} StorePerm;

typedef struct Store Store;
typedef struct StoreTransaction StoreTransaction;
typedef struct StoreClient StoreClient;
typedef void (*StoreEvent)(void *opaque, const char *path, const char *token);

/* Limits of one unprivileged domain. */
typedef struct StoreQuota {
    unsigned nodes, watches, transactions, value_bytes;
} StoreQuota;

Store *store_new(void);
void store_free(Store *s);

/* A client acts with a domain's rights; domid 0 may do everything.  target: a domain whose rights
 * it has as well, or UINT32_MAX. */
StoreClient *store_client_new(Store *s, uint32_t domid, StoreEvent event, void *opaque);
void store_client_free(StoreClient *c);         /* ends its watches and transactions */
void store_client_set_target(StoreClient *c, uint32_t target);
uint32_t store_client_domid(const StoreClient *c);

/* All return 0 or an errno.  tx: 0, or of store_begin(). */
int store_read(StoreClient *c, uint32_t tx, const char *path, GBytes **value);
int store_list(StoreClient *c, uint32_t tx, const char *path, GPtrArray *names, uint64_t *gen);
int store_write(StoreClient *c, uint32_t tx, const char *path, const void *value, gsize len);
int store_mkdir(StoreClient *c, uint32_t tx, const char *path);
int store_rm(StoreClient *c, uint32_t tx, const char *path);
int store_get_perms(StoreClient *c, uint32_t tx, const char *path, StorePerm *perms, unsigned *n);
int store_set_perms(StoreClient *c, uint32_t tx, const char *path, const StorePerm *perms,
                    unsigned n);
int store_begin(StoreClient *c, uint32_t *tx);
int store_end(StoreClient *c, uint32_t tx, bool commit);        /* EAGAIN: somebody was faster */
/* path as it shall be reported: relative to the client's home or absolute. */
int store_watch(StoreClient *c, const char *path, const char *reported, const char *token);
int store_unwatch(StoreClient *c, const char *reported, const char *token);
void store_reset_watches(StoreClient *c);
void store_special(Store *s, const char *name);         /* "@introduceDomain" */
bool store_path_valid(const char *path);
void store_forget_domain(Store *s, uint32_t domid);     /* its accounts */
unsigned store_nodes_of(const Store *s, uint32_t domid);

/* For xend itself, with all rights. */
void store_put(Store *s, const char *path, const char *value);
void store_put_int(Store *s, const char *path, int64_t value);
char *store_get(Store *s, const char *path);            /* newly allocated, or NULL */
void store_delete(Store *s, const char *path);
/* path and all below: nOWNER, rREADER. */
void store_own(Store *s, const char *path, uint32_t owner, uint32_t reader);

#endif
