/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - host programs log through GLib (g_warning, g_info, ...; G_LOG_DOMAIN is the folder).  This
 * sets up where it goes: one line each, "DATE TIME process[pid] level folder: text".
 */
#ifndef GH_LOG_H
#define GH_LOG_H

#include <stdbool.h>

typedef enum LogLevel { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR } LogLevel;

/* fd: -1 for standard error.  process must outlive the program ("qemu-dm: vm3").  verbose adds
 * debug lines.  Lines are written with one write() each, so processes can share a file. */
void log_init(const char *process, int fd, bool verbose);
void log_init_level(const char *process, int fd, LogLevel least);
/* The process's title in ps: written over argv.  Call once, early, with main's arguments. */
void process_title(int argc, char **argv, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
