/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rpc.h - xend's XML-RPC server on its unix socket.  A call may be answered later; when its client
 * has gone by then the answer is dropped.
 */
#ifndef GH_XEND_RPC_H
#define GH_XEND_RPC_H

#include "tools/common/xmlrpc.h"

typedef struct RpcServer RpcServer;
typedef struct RpcCall RpcCall;
typedef void (*RpcHandler)(void *opaque, RpcCall *call, const char *method, const Value *params);

RpcServer *rpc_server_new(const char *path, RpcHandler handler, void *opaque, char **error);
void rpc_server_free(RpcServer *s);

/* A call of xend's own: done gets the result, or why there is none (then result is NULL). */
typedef void (*RpcDone)(void *opaque, const Value *result, const char *fault);
RpcCall *rpc_call_new(RpcDone done, void *opaque);

/* Each ends the call. */
void rpc_reply(RpcCall *call, Value *result);       /* takes result */
void rpc_fault(RpcCall *call, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
