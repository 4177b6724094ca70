/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xend_config.h - xend-config.sxp: the settings of the daemon, as Xen 4.1 names them.
 */
#ifndef GH_TOOLS_XEND_CONFIG_H
#define GH_TOOLS_XEND_CONFIG_H

#include "lib/log.h"
#include "tools/common/messages.h"
#include "tools/common/paths.h"

typedef struct XendConfig {
    char *file;                 /* that was read; NULL: there is none */
    char *network_script;       /* with its arguments; NULL: none */
    char *vif_script;           /* the same; NULL: not set */
    char *vnc_listen, *vnc_password, *keymap;   /* defaults of domains; NULL: not set */
    char *logfile;              /* xend's own; NULL: not set */
    LogLevel loglevel;          /* of that file */
    unsigned console_limit;     /* KiB of a console's log */
    unsigned logs_kept;         /* of each process of a domain */
    bool enable_dump;           /* on_crash writes a core */
    unsigned create_timeout, destroy_timeout;   /* seconds, of scripts */
} XendConfig;

/* xend-config.sxp of $GUESTHOUSE_DIR, of /etc/xen for root, of ~/.config/guesthouse for others. */
char *xend_config_path(const Paths *paths);
/* A file that does not exist is an empty one.  Every mistake goes to messages with its place; the
 * result is complete only if no error was added.  Never NULL. */
XendConfig *xend_config_read(const char *path, Messages *messages);
void xend_config_free(XendConfig *c);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(XendConfig, xend_config_free)

#endif
