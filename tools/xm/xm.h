/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xm.h - what xm's commands share: the connection to xend, errors, the table of commands.
 */
#ifndef GH_XM_XM_H
#define GH_XM_XM_H

#include <stdarg.h>
#include "tools/common/paths.h"
#include "tools/common/xmlrpc.h"

enum { XM_OK = 0, XM_FAILED = 1, XM_NO_DOMAIN = 3 };

typedef struct XmCommand XmCommand;

typedef struct Xm {
    Paths *paths;
    const XmCommand *command;   /* the one that runs */
} Xm;

struct XmCommand {
    const char *name, *args, *help;
    int min, max;               /* arguments; max -1: any number */
    int (*run)(Xm *xm, int argc, char **argv);  /* argv[0] is the first argument; NULL: later */
    const char *options;        /* "  OPTION   text" lines, or NULL */
    const char *valued;         /* short options with a value, for counting arguments */
};

/*
 * One call; params is taken.  On failure the error is printed in xm's way, NULL is returned and
 * *status is the exit status.
 */
Value *xm_call(Xm *xm, int *status, const char *method, Value *params);
Value *xm_params(const char *first, ...) __attribute__((sentinel));     /* strings */
int xm_connect(Xm *xm, char **error);       /* starts a xend if there is none */
void xm_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void xm_usage(const XmCommand *c);          /* to standard error */
/* By name, alias or unambiguous prefix.  NULL: none or several. */
const XmCommand *xm_find_command(const char *name);
const XmCommand *xm_commands(unsigned *count);
Value *xm_domain(Xm *xm, const char *name, int *status);        /* its entry of xend.domains */

/* create.c */
int xm_create(Xm *xm, int argc, char **argv);
/* console.c: joins the terminal to a pty until Ctrl+] or its end. */
int console_attach(int tty_fd);
int console_open(const char *path);         /* -1 with errno */
int xm_console(Xm *xm, int argc, char **argv);
int xm_monitor(Xm *xm, int argc, char **argv);
int xm_vncviewer(Xm *xm, int argc, char **argv);
int viewer_run(const char *host, unsigned port);        /* only returns on failure */
int xm_send_key(Xm *xm, int argc, char **argv);
/* commands.c */
int xm_list(Xm *, int, char **);
int xm_destroy(Xm *, int, char **);
int xm_shutdown(Xm *, int, char **);
int xm_reboot(Xm *, int, char **);
int xm_simple(Xm *, int, char **);
int xm_trigger(Xm *, int, char **);
int xm_mem(Xm *, int, char **);
int xm_vcpu_pin(Xm *, int, char **);
int xm_vcpu_set(Xm *, int, char **);
int xm_sysrq(Xm *, int, char **);
int xm_domid(Xm *, int, char **);
int xm_domname(Xm *, int, char **);
int xm_rename(Xm *, int, char **);
int xm_domstate(Xm *, int, char **);
int xm_uptime(Xm *, int, char **);
int xm_vcpu_list(Xm *, int, char **);
int xm_info(Xm *, int, char **);
int xm_dmesg(Xm *, int, char **);
int xm_log(Xm *, int, char **);
int xm_block_list(Xm *, int, char **);
int xm_network_list(Xm *, int, char **);
int xm_network_attach(Xm *, int, char **);
int xm_network_detach(Xm *, int, char **);
int xm_vif_dump(Xm *, int, char **);
int xm_block_attach(Xm *, int, char **);
int xm_block_detach(Xm *, int, char **);
int xm_block_configure(Xm *, int, char **);
int xm_cd_insert(Xm *, int, char **);
int xm_cd_eject(Xm *, int, char **);
int xm_usb_add(Xm *, int, char **);
int xm_usb_del(Xm *, int, char **);
int xm_usb_list(Xm *, int, char **);
int xm_counters(Xm *, int, char **);
int xm_screenshot(Xm *, int, char **);
int xm_dump_core(Xm *, int, char **);
int xm_help(Xm *, int, char **);
/* disk.c */
int xm_disk_create(Xm *, int, char **);
int xm_disk_resize(Xm *, int, char **);

#endif
