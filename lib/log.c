/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.c - GLib log writer to a descriptor; see log.h. */
#include "lib/log.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

typedef struct LogSink {
    const char *process;
    int fd;
    LogLevel least;
} LogSink;

static const char *level_name(GLogLevelFlags level)
{
    switch (level & G_LOG_LEVEL_MASK) {
    case G_LOG_LEVEL_ERROR: return "fatal";
    case G_LOG_LEVEL_CRITICAL: return "error";
    case G_LOG_LEVEL_WARNING: return "warning";
    case G_LOG_LEVEL_MESSAGE:
    case G_LOG_LEVEL_INFO: return "info";
    default: return "debug";
    }
}

static LogLevel level_of(GLogLevelFlags level)
{
    return level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL) ? LOG_LEVEL_ERROR
           : level & G_LOG_LEVEL_WARNING ? LOG_LEVEL_WARNING
           : level & G_LOG_LEVEL_DEBUG ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

static GLogWriterOutput write_line(GLogLevelFlags level, const GLogField *fields, gsize n,
                                   gpointer opaque)
{
    const LogSink *sink = opaque;
    const char *text = "", *domain = "";
    g_autofree char *line = NULL;
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *when = g_date_time_format(now, "%Y-%m-%d %H:%M:%S");

    if (level_of(level) < sink->least) {
        return G_LOG_WRITER_HANDLED;
    }
    for (gsize i = 0; i < n; i++) {
        if (!strcmp(fields[i].key, "MESSAGE")) {
            text = fields[i].value;
        } else if (!strcmp(fields[i].key, "GLIB_DOMAIN")) {
            domain = fields[i].value;
        }
    }
    line = g_strdup_printf("%s %s[%d] %s %s: %s\n", when, sink->process, (int)getpid(),
                           level_name(level), domain, text);
    if (write(sink->fd, line, strlen(line)) < 0) {
        return G_LOG_WRITER_UNHANDLED;
    }
    return G_LOG_WRITER_HANDLED;
}

static void free_sink(gpointer sink)
{
    g_free(sink);
}

void log_init_level(const char *process, int fd, LogLevel least)
{
    LogSink *sink = g_new(LogSink, 1);

    *sink = (LogSink){ process, fd < 0 ? STDERR_FILENO : fd, least };
    g_log_set_writer_func(write_line, sink, free_sink);
}

void log_init(const char *process, int fd, bool verbose)
{
    log_init_level(process, fd, verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
}

void process_title(int argc, char **argv, const char *format, ...)
{
    size_t room;
    va_list ap;
    int n;

    while (argc > 1 && !argv[argc - 1]) {       /* an option parser has taken some out */
        argc--;
    }
    room = argv[argc - 1] + strlen(argv[argc - 1]) - argv[0];

    va_start(ap, format);
    n = vsnprintf(argv[0], room + 1, format, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < room) {
        memset(argv[0] + n, 0, room - n);
    }
    prctl(PR_SET_NAME, argv[0]);
}
