/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xmlrpc.h - XML-RPC messages, and their transport by HTTP/1.0 over a unix socket: between xm and
 * xend, as Xen's legacy interface does it.
 */
#ifndef GH_TOOLS_XMLRPC_H
#define GH_TOOLS_XMLRPC_H

#include "tools/common/value.h"

#define XMLRPC_MAX_BYTES (4u << 20)

/* Fault codes, as xend's. */
enum { FAULT_INTERNAL = 1, FAULT_NO_METHOD = 2, FAULT_NO_DOMAIN = 3, FAULT_ERROR = 4 };

typedef struct XmlRpcMessage {
    char *method;               /* of a call; NULL: a response */
    Value *params;              /* of a call: a list */
    Value *result;              /* of a response */
    int fault;                  /* non-zero: fault_text says what */
    char *fault_text;
} XmlRpcMessage;

char *xmlrpc_call_text(const char *method, const Value *params);
char *xmlrpc_response_text(const Value *result);
char *xmlrpc_fault_text(int code, const char *text);
bool xmlrpc_parse(XmlRpcMessage *m, const char *text, gsize len, GError **error);
void xmlrpc_clear(XmlRpcMessage *m);

char *http_wrap(const char *first_line, const char *body);      /* with headers */
/* 1: complete (body and length set), 0: more needed, -1: not HTTP or too long. */
int http_body(const char *data, gsize len, const char **body, gsize *body_len);

/*
 * One call over a connected socket, which is closed.  NULL with a GError of domain
 * xmlrpc_fault_quark() and the fault's code, or a G_IO_ERROR; of these, G_IO_ERROR_BROKEN_PIPE means
 * that the connection was closed before any answer.
 */
Value *xmlrpc_call(int fd, const char *method, const Value *params, GError **error);
GQuark xmlrpc_fault_quark(void);

#endif
