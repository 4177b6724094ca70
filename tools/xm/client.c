/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client.c - the connection to xend, which is started when none runs, and errors as xm words them.
 */
#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/xm/xm.h"

void xm_error(const char *format, ...)
{
    va_list ap;

    fflush(stdout);
    fputs("Error: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static bool start_xend(char **error)
{
    g_autofree char *program = find_program("xend");
    g_autofree char *messages = NULL;
    g_autoptr(GError) failed = NULL;
    char *argv[] = { program, (char *)"start", NULL };
    int status;

    if (!program) {
        *error = g_strdup("the program xend is missing");
        return false;
    }
    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, &messages,
                      &status, &failed)) {
        *error = g_strdup(failed->message);
        return false;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        const char *text = messages && g_str_has_prefix(messages, "xend: error: ") ? messages + 13
                           : messages;

        *error = g_strdup(text && *text ? text : "it ended at once");
        g_strchomp(*error);
        return false;
    }
    return true;
}

int xm_connect(Xm *xm, char **error)
{
    int fd = unix_connect(xm->paths->rpc_socket);

    if (fd >= 0) {
        return fd;
    }
    if (errno != ENOENT && errno != ECONNREFUSED) {
        *error = g_strdup(g_strerror(errno));
        return -1;
    }
    if (!start_xend(error)) {
        return -1;
    }
    fd = unix_connect(xm->paths->rpc_socket);
    if (fd < 0) {
        *error = g_strdup(g_strerror(errno));
    }
    return fd;
}

Value *xm_params(const char *first, ...)
{
    Value *v = value_list();
    va_list ap;

    va_start(ap, first);
    for (const char *s = first; s; s = va_arg(ap, const char *)) {
        value_append(v, value_str(s));
    }
    va_end(ap);
    return v;
}

/*
 * A xend that was killed still takes connections until the kernel has closed its sockets, so a call
 * that got no byte of an answer is made again: what that xend had begun has ended with it.
 */
static Value *call_twice(Xm *xm, const char *method, Value *params, GError **failed)
{
    for (unsigned attempt = 0;; attempt++) {
        g_autofree char *error = NULL;
        int fd = xm_connect(xm, &error);
        Value *result;

        if (fd < 0) {
            g_set_error(failed, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s", error);
            return NULL;
        }
        result = xmlrpc_call(fd, method, params, failed);
        if (result || attempt || !g_error_matches(*failed, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE)) {
            return result;
        }
        g_clear_error(failed);
    }
}

Value *xm_call(Xm *xm, int *status, const char *method, Value *params)
{
    g_autoptr(Value) owned = params ? params : value_list();
    g_autoptr(GError) failed = NULL;
    Value *result = call_twice(xm, method, owned, &failed);

    *status = XM_OK;
    if (result) {
        return result;
    }
    if (failed->domain == xmlrpc_fault_quark()) {
        xm_error("%s", failed->message);
        *status = failed->code == FAULT_NO_DOMAIN ? XM_NO_DOMAIN : XM_FAILED;
    } else if (g_error_matches(failed, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
        xm_error("Unable to start xend: %s", failed->message);
        *status = XM_FAILED;
    } else {
        xm_error("Unable to connect to xend: %s. Is xend running?", failed->message);
        *status = XM_FAILED;
    }
    return NULL;
}

Value *xm_domain(Xm *xm, const char *name, int *status)
{
    g_autoptr(Value) list = xm_call(xm, status, "xend.domains", xm_params(name, NULL));

    return list && value_len(list) ? value_ref(value_item(list, 0)) : NULL;
}
