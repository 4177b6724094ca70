/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xmlrpc.c - XML-RPC encoding and decoding (GMarkup) with <nil/> and 64-bit <int>, and its HTTP.
 * Left out: base64, dateTime, keep-alive.
 */
#include "tools/common/xmlrpc.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_DEPTH 64

GQuark xmlrpc_fault_quark(void)
{
    return g_quark_from_static_string("xmlrpc-fault");
}

/* --- encoding -------------------------------------------------------------------------------- */

static void put_text(GString *out, const char *s)
{
    for (; *s; s++) {
        unsigned char c = *s;

        switch (c) {
        case '<': g_string_append(out, "&lt;"); break;
        case '>': g_string_append(out, "&gt;"); break;
        case '&': g_string_append(out, "&amp;"); break;
        case '\r': g_string_append(out, "&#13;"); break;
        default:
            /* XML has no other control characters. */
            g_string_append_c(out, c >= 32 || c == '\n' || c == '\t' ? c : '?');
        }
    }
}

static void put_value(GString *out, const Value *v)
{
    char buf[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(out, "<value>");
    switch (v->kind) {
    case VALUE_NONE: g_string_append(out, "<nil/>"); break;
    case VALUE_BOOL: g_string_append_printf(out, "<boolean>%d</boolean>", v->i != 0); break;
    case VALUE_INT:
        g_string_append_printf(out, "<int>%" G_GINT64_FORMAT "</int>", v->i);
        break;
    case VALUE_FLOAT:
        g_string_append_printf(out, "<double>%s</double>", g_ascii_dtostr(buf, sizeof buf, v->d));
        break;
    case VALUE_STR: {
        g_autofree char *valid = g_utf8_make_valid(v->s, -1);

        g_string_append(out, "<string>");
        put_text(out, valid);
        g_string_append(out, "</string>");
        break;
    }
    case VALUE_LIST:
    case VALUE_TUPLE:
        g_string_append(out, "<array><data>");
        for (unsigned i = 0; i < value_len(v); i++) {
            put_value(out, value_item(v, i));
        }
        g_string_append(out, "</data></array>");
        break;
    case VALUE_DICT:
        g_string_append(out, "<struct>");
        for (unsigned i = 0; i + 1 < v->items->len; i += 2) {
            g_autofree char *key = value_text(value_item(v, i));

            g_string_append(out, "<member><name>");
            put_text(out, key);
            g_string_append(out, "</name>");
            put_value(out, value_item(v, i + 1));
            g_string_append(out, "</member>\n");
        }
        g_string_append(out, "</struct>");
        break;
    }
    g_string_append(out, "</value>");
}

char *xmlrpc_call_text(const char *method, const Value *params)
{
    GString *out = g_string_new("<?xml version='1.0'?>\n<methodCall><methodName>");

    put_text(out, method);
    g_string_append(out, "</methodName><params>");
    for (unsigned i = 0; i < value_len(params); i++) {
        g_string_append(out, "<param>");
        put_value(out, value_item(params, i));
        g_string_append(out, "</param>\n");
    }
    g_string_append(out, "</params></methodCall>\n");
    return g_string_free(out, FALSE);
}

char *xmlrpc_response_text(const Value *result)
{
    GString *out = g_string_new("<?xml version='1.0'?>\n<methodResponse><params><param>");

    put_value(out, result);
    g_string_append(out, "</param></params></methodResponse>\n");
    return g_string_free(out, FALSE);
}

char *xmlrpc_fault_text(int code, const char *text)
{
    g_autoptr(Value) fault = value_new(VALUE_DICT);
    GString *out = g_string_new("<?xml version='1.0'?>\n<methodResponse><fault>");

    value_set_int(fault, "faultCode", code);
    value_set_str(fault, "faultString", text);
    put_value(out, fault);
    g_string_append(out, "</fault></methodResponse>\n");
    return g_string_free(out, FALSE);
}

/* --- decoding -------------------------------------------------------------------------------- */

typedef struct Decoder {
    GPtrArray *stack;           /* Value*: open arrays and structs; owned */
    GPtrArray *names;           /* char*: member names, one for each open struct member */
    GString *text;
    bool in_value, typed;       /* a <value> is open; it had a type element */
    bool fault;
    XmlRpcMessage *m;
} Decoder;

/* A finished value goes into the innermost open container, or is the message's. */
static void deliver(Decoder *d, Value *v)
{
    Value *into = d->stack->len ? g_ptr_array_index(d->stack, d->stack->len - 1) : NULL;

    if (into && into->kind == VALUE_LIST) {
        value_append(into, v);
    } else if (into) {
        value_set(into, d->names->len ? g_ptr_array_index(d->names, d->names->len - 1) : "", v);
    } else if (d->m->params) {
        value_append(d->m->params, v);
    } else {
        value_unref(d->m->result);
        d->m->result = v;
    }
}

static void on_start(GMarkupParseContext *context, const char *name, const char **attr_names,
                     const char **attr_values, gpointer opaque, GError **error)
{
    Decoder *d = opaque;

    (void)context, (void)attr_names, (void)attr_values;
    g_string_truncate(d->text, 0);
    if (!strcmp(name, "methodCall")) {
        d->m->params = value_list();
    } else if (!strcmp(name, "fault")) {
        d->fault = true;
    } else if (!strcmp(name, "value")) {
        d->in_value = true;
        d->typed = false;
    } else if (!strcmp(name, "array") || !strcmp(name, "struct")) {
        if (d->stack->len == MAX_DEPTH) {
            g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT, "nested too deep");
            return;
        }
        g_ptr_array_add(d->stack, value_new(*name == 'a' ? VALUE_LIST : VALUE_DICT));
        d->typed = true;
    }
}

static Value *scalar(const char *name, const char *text, GError **error)
{
    char *end = (char *)text;

    if (!strcmp(name, "int") || !strcmp(name, "i4") || !strcmp(name, "i8")) {
        int64_t n = g_ascii_strtoll(text, &end, 10);

        if (*text && !*end) {
            return value_int(n);
        }
    } else if (!strcmp(name, "boolean")) {
        return value_bool(*text == '1');
    } else if (!strcmp(name, "double")) {
        double n = g_ascii_strtod(text, &end);

        if (*text && !*end) {
            return value_float(n);
        }
    } else if (!strcmp(name, "string")) {
        return value_str(text);
    } else if (!strcmp(name, "nil")) {
        return value_none();
    } else {
        return NULL;
    }
    g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT, "'%s' is no %s", text, name);
    return NULL;
}

static void on_end(GMarkupParseContext *context, const char *name, gpointer opaque, GError **error)
{
    Decoder *d = opaque;

    (void)context;
    if (!strcmp(name, "methodName")) {
        g_free(d->m->method);
        d->m->method = g_strdup(d->text->str);
    } else if (!strcmp(name, "name")) {
        g_ptr_array_add(d->names, g_strdup(d->text->str));
    } else if (!strcmp(name, "member")) {
        if (d->names->len) {
            g_ptr_array_remove_index(d->names, d->names->len - 1);
        }
    } else if (!strcmp(name, "array") || !strcmp(name, "struct")) {
        Value *v = d->stack->len ? g_ptr_array_steal_index(d->stack, d->stack->len - 1) : NULL;

        if (v) {
            deliver(d, v);
        }
        d->typed = true;
    } else if (!strcmp(name, "value")) {
        if (!d->typed) {
            deliver(d, value_str(d->text->str));
        }
        d->typed = true;
        d->in_value = false;
    } else if (d->in_value) {
        Value *v = scalar(name, d->text->str, error);

        if (v) {
            deliver(d, v);
            d->typed = true;
        }
    }
    g_string_truncate(d->text, 0);
}

static void on_text(GMarkupParseContext *context, const char *text, gsize len, gpointer opaque,
                    GError **error)
{
    Decoder *d = opaque;

    (void)context, (void)error;
    g_string_append_len(d->text, text, len);
}

bool xmlrpc_parse(XmlRpcMessage *m, const char *text, gsize len, GError **error)
{
    static const GMarkupParser parser = { on_start, on_end, on_text, NULL, NULL };
    Decoder d = { g_ptr_array_new_with_free_func((GDestroyNotify)value_unref),
                  g_ptr_array_new_with_free_func(g_free), g_string_new(NULL), false, false, false,
                  m };
    GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, &d, NULL);
    bool ok;

    *m = (XmlRpcMessage){ 0 };
    ok = g_markup_parse_context_parse(context, text, len, error) &&
         g_markup_parse_context_end_parse(context, error);
    if (ok && d.fault) {
        m->fault = value_get_int(m->result, "faultCode", FAULT_INTERNAL);
        m->fault = m->fault ? m->fault : FAULT_INTERNAL;
        m->fault_text = g_strdup(value_get_str(m->result, "faultString", "unknown fault"));
    } else if (ok && (m->params ? !m->method : !m->result)) {
        g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT,
                    "not an XML-RPC message");
        ok = false;
    }
    g_markup_parse_context_free(context);
    g_ptr_array_free(d.stack, TRUE);
    g_ptr_array_free(d.names, TRUE);
    g_string_free(d.text, TRUE);
    if (!ok) {
        xmlrpc_clear(m);
    }
    return ok;
}

void xmlrpc_clear(XmlRpcMessage *m)
{
    g_free(m->method);
    value_unref(m->params);
    value_unref(m->result);
    g_free(m->fault_text);
    *m = (XmlRpcMessage){ 0 };
}

/* --- HTTP ------------------------------------------------------------------------------------ */

char *http_wrap(const char *first_line, const char *body)
{
    return g_strdup_printf("%s\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n%s",
                           first_line, strlen(body), body);
}

int http_body(const char *data, gsize len, const char **body, gsize *body_len)
{
    const char *end = g_strstr_len(data, len, "\r\n\r\n");
    g_autofree char *head = NULL;
    g_auto(GStrv) lines = NULL;
    guint64 size = 0;

    if (!end) {
        return len > 65536 ? -1 : 0;
    }
    head = g_strndup(data, end - data);
    if (!g_str_has_prefix(head, "POST ") && !g_str_has_prefix(head, "HTTP/1.")) {
        return -1;
    }
    lines = g_strsplit(head, "\r\n", -1);
    for (char **l = lines; *l; l++) {
        if (!g_ascii_strncasecmp(*l, "Content-Length:", 15)) {
            size = g_ascii_strtoull(*l + 15, NULL, 10);
        }
    }
    if (size == 0 || size > XMLRPC_MAX_BYTES) {
        return -1;
    }
    end += 4;
    if (len - (end - data) < size) {
        return 0;
    }
    *body = end;
    *body_len = size;
    return 1;
}

/* To a socket whose other end may have gone, in a process that SIGPIPE would end. */
static bool send_all(int fd, const char *p, gsize len)
{
    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            p += n;
            len -= n;
        }
    }
    return true;
}

static Value *exchange(int fd, const char *request, GError **error)
{
    g_autoptr(GString) in = g_string_new(NULL);
    XmlRpcMessage m;
    const char *body;
    gsize body_len;
    Value *result;
    int state = 0;

    if (!send_all(fd, request, strlen(request))) {
        bool gone = errno == EPIPE || errno == ECONNRESET;

        g_set_error(error, G_IO_ERROR, gone ? G_IO_ERROR_BROKEN_PIPE : g_io_error_from_errno(errno),
                    "%s", gone ? "xend closed the connection" : g_strerror(errno));
        return NULL;
    }
    while (state == 0) {
        char buf[16384];
        ssize_t n = read(fd, buf, sizeof buf);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            g_set_error(error, G_IO_ERROR, in->len ? G_IO_ERROR_CLOSED : G_IO_ERROR_BROKEN_PIPE,
                        "xend closed the connection");
            return NULL;
        }
        g_string_append_len(in, buf, n);
        state = http_body(in->str, in->len, &body, &body_len);
    }
    if (state < 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the answer is not HTTP");
        return NULL;
    }
    if (!xmlrpc_parse(&m, body, body_len, error)) {
        return NULL;
    }
    if (m.fault) {
        g_set_error(error, xmlrpc_fault_quark(), m.fault, "%s", m.fault_text);
        xmlrpc_clear(&m);
        return NULL;
    }
    result = m.result ? value_ref(m.result) : value_none();
    xmlrpc_clear(&m);
    return result;
}

Value *xmlrpc_call(int fd, const char *method, const Value *params, GError **error)
{
    g_autofree char *body = xmlrpc_call_text(method, params);
    g_autofree char *request = http_wrap("POST /RPC2 HTTP/1.0", body);
    Value *result = exchange(fd, request, error);

    close(fd);
    return result;
}
