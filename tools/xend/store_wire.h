/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_wire.h - xenstore's wire protocol (xen/io/xs_wire.h): one connection a socket.  Guests
 * reach it through a stream from their hypervisor, tools (xenstore-ls, xenstore-write) through the
 * unix socket.
 */
#ifndef GH_XEND_STORE_WIRE_H
#define GH_XEND_STORE_WIRE_H

#include "tools/xend/store.h"

typedef struct StoreServer StoreServer;
typedef struct StoreConnection StoreConnection;

StoreServer *store_server_new(Store *store);
void store_server_free(StoreServer *s);
bool store_server_listen(StoreServer *s, const char *path, char **error);
/* A connection with domid's rights over fd, which it owns.  Ends itself at end of file. */
StoreConnection *store_server_add(StoreServer *s, int fd, uint32_t domid);
void store_server_remove(StoreServer *s, uint32_t domid);       /* all connections of domid */
void store_server_set_known(StoreServer *s, bool (*known)(void *opaque, uint32_t domid),
                            void *opaque);      /* for XS_IS_DOMAIN_INTRODUCED */

/* One request answered in memory, for tests: request is a whole message; the reply and the watch
 * events that it caused are appended to out. */
void store_request(StoreServer *s, StoreConnection *c, const void *request, gsize len,
                   GByteArray *out);
StoreConnection *store_connection_for_test(StoreServer *s, uint32_t domid);

#endif
