/* SPDX-License-Identifier: GPL-2.0-or-later */
/* messages.c - errors with their places; see messages.h. */
#include "tools/common/messages.h"

#include <stdarg.h>

static void message_free(gpointer p)
{
    Message *m = p;

    g_free(m->text);
    g_free(m);
}

Messages *messages_new(void)
{
    Messages *m = g_new0(Messages, 1);

    m->list = g_ptr_array_new_with_free_func(message_free);
    return m;
}

void messages_free(Messages *m)
{
    if (m) {
        g_ptr_array_free(m->list, TRUE);
        g_free(m);
    }
}

void message_add(Messages *m, Severity severity, SourcePos pos, const char *format, ...)
{
    Message *n = g_new0(Message, 1);
    va_list ap;

    va_start(ap, format);
    n->text = g_strdup_vprintf(format, ap);
    va_end(ap);
    n->severity = severity;
    n->pos = pos;
    n->order = m->list->len;
    m->errors += severity == MESSAGE_ERROR;
    g_ptr_array_add(m->list, n);
}

static int compare(gconstpointer pa, gconstpointer pb)
{
    const Message *a = *(const Message *const *)pa, *b = *(const Message *const *)pb;

    if (a->pos.line != b->pos.line) {
        return a->pos.line < b->pos.line ? -1 : 1;
    }
    if (a->pos.col != b->pos.col) {
        return a->pos.col < b->pos.col ? -1 : 1;
    }
    return a->order < b->order ? -1 : a->order > b->order;
}

void messages_sort(Messages *m)
{
    g_ptr_array_sort(m->list, compare);
}

char *message_line(const Message *m)
{
    static const char *const names[] = { "error", "warning", "info" };

    if (m->pos.file && m->pos.line) {
        return g_strdup_printf("%s: %s:%d:%d: %s", names[m->severity], m->pos.file, m->pos.line,
                               m->pos.col, m->text);
    }
    if (m->pos.file) {
        return g_strdup_printf("%s: %s: %s", names[m->severity], m->pos.file, m->text);
    }
    return g_strdup_printf("%s: %s", names[m->severity], m->text);
}
