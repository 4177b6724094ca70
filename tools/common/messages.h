/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * messages.h - a list of errors, warnings and notes with their place in a config, collected first
 * and shown together, sorted by position.
 */
#ifndef GH_TOOLS_MESSAGES_H
#define GH_TOOLS_MESSAGES_H

#include "tools/common/value.h"

typedef enum Severity { MESSAGE_ERROR, MESSAGE_WARNING, MESSAGE_INFO } Severity;

typedef struct Message {
    Severity severity;
    SourcePos pos;
    unsigned order;             /* of arrival: keeps sorting stable */
    char *text;
} Message;

typedef struct Messages {
    GPtrArray *list;            /* Message* */
    unsigned errors;
} Messages;

Messages *messages_new(void);
void messages_free(Messages *m);
void message_add(Messages *m, Severity severity, SourcePos pos, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void messages_sort(Messages *m);
char *message_line(const Message *message);     /* "error: FILE:LINE:COL: text" */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Messages, messages_free)

#endif
