/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain.h - one running domain in xend: its processes, sockets and life.  build.c opens what it
 * needs and starts it, domain.c follows its life, layout.c shows it in xenstore, api.c serves xm.
 */
#ifndef GH_XEND_DOMAIN_H
#define GH_XEND_DOMAIN_H

#include "lib/log_limit.h"
#include "tools/common/domain_config.h"
#include "tools/common/paths.h"
#include "tools/common/xend_config.h"
#include "tools/xend/console.h"
#include "tools/xend/control.h"
#include "tools/xend/host_cd.h"
#include "tools/xend/line.h"
#include "tools/xend/monitor.h"
#include "tools/xend/rpc.h"
#include "tools/xend/store_wire.h"
#include "tools/xend/vif.h"

typedef struct DomainCd DomainCd;
typedef struct Xend Xend;
struct Xend {
    Paths *paths;
    XendConfig *config;         /* xend-config.sxp */
    GMainLoop *loop;
    Store *store;
    StoreServer *store_server;
    RpcServer *rpc;
    GPtrArray *domains;         /* Domain*, by rising id */
    GPtrArray *segments;        /* Segment*; NULL: none yet */
    unsigned next_domid;
    HostCds host_cds;
    GString *dmesg;
    char *self_uuid;            /* of Domain-0 */
    int64_t started;            /* seconds since 1970 */
    bool stopping;
    int log_fd;
};

typedef enum DomainState {
    DOMAIN_BUILDING,            /* processes start */
    DOMAIN_ALIVE,               /* runs, or is paused */
    DOMAIN_PRESERVED,           /* shut down or crashed, kept as it is */
    DOMAIN_DYING,               /* its processes are being ended */
} DomainState;

enum { SHUTDOWN_POWEROFF = 0, SHUTDOWN_REBOOT = 1, SHUTDOWN_SUSPEND = 2, SHUTDOWN_CRASH = 3,
       SHUTDOWN_WATCHDOG = 4 };

typedef enum ChildKind { CHILD_HYPERVISOR, CHILD_DM, CHILD_UI, CHILD_SDL, CHILD_SOUND,
                         CHILD_NET, CHILD_USB } ChildKind;

typedef struct Child {
    Domain *domain;
    ChildKind kind;
    unsigned index;             /* of the vif */
    GPid pid;
    guint watch;
    int64_t started;            /* monotonic microseconds */
    unsigned restarts;          /* in quick succession */
    bool gave_up;
    guint delay;                /* until it is started again */
    char *how;                  /* it ended */
} Child;

struct Domain {
    Xend *xend;
    unsigned id;
    char *name, *uuid;
    Config *vars;               /* as given, with uuid and hardware addresses filled in */
    DomainConfig *config;
    DomainState state;
    bool paused, hv_ready, dm_ready, reboot_requested, crashed, restart_after;
    unsigned reason;            /* when preserved */
    GPtrArray *children;        /* Child* */
    Control *hv, *dm;
    int listen_fd;              /* VNC, -1: none */
    unsigned vnc_port;
    Vif vif[MAX_VIFS];
    bool vifs_down;             /* the end of their taps has begun */
    int frames[MAX_VIFS];       /* dm-net's end of each network card's socket; -1 */
    Line *serial[MAX_SERIAL_PORTS], *parallel;
    ConsoleLog *serial_log[MAX_SERIAL_PORTS];   /* of all but the first, which shares console_log */
    Pty console;
    ConsoleLog *console_log;
    ConsoleBridge *bridge;
    Monitor *monitor;           /* NULL: none */
    int hv_log, dm_log;
    char *engine;
    GPtrArray *notes;           /* char*: lines for whoever created it */
    char *failure;              /* why it could not start */
    RpcCall *creating;
    GPtrArray *waiting;         /* RpcCall*: told when it has gone */
    guint timer, kill_timer;
    unsigned kill_stage;
    int64_t started;            /* seconds since 1970 */
    int64_t started_mono;       /* microseconds */
    int64_t rtc_delta;          /* seconds, as the guest set its clock */
    CtlInfo info;               /* the latest */
    bool ejected[MAX_DISKS];    /* the guest has opened the tray */
    DomainCd *cd[MAX_DISKS];    /* a CD drive of this host behind it; media.c's */
    LogLimit log_limit;         /* of lines that the guest causes */
};

/* domain.c */
/* Takes vars.  call may be NULL (a restart); it is answered when the domain is ready, paused. */
void domain_create(Xend *x, Config *vars, RpcCall *call);
Domain *domain_find(Xend *x, const char *name_or_id);
Domain *domain_by_id(Xend *x, unsigned id);
void domain_unpause(Domain *d);
void domain_check_ready(Domain *d);     /* something that its start waits for has come */
void domain_teardown(Domain *d);
void domain_shutdown_event(Domain *d, unsigned reason);
/* Asks the guest: "poweroff", "reboot", "halt". */
void domain_ask_shutdown(Domain *d, const char *how);
void domain_fail(Domain *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void domain_hv_event(void *opaque, const CtlMsg *msg, const char *body);
void domain_dm_event(void *opaque, const CtlMsg *msg, const char *body);
void domain_rename(Domain *d, const char *name);
/* A script of a vif has ended; failure: why, or NULL. */
void domain_vif_changed(Domain *d, unsigned vif, const char *failure);
void domain_note(Domain *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
HostFacts *host_facts_new(Xend *x, const Domain *except);
void host_facts_free(HostFacts *f);
unsigned host_free_memory(Xend *x);     /* MiB */
void xend_dmesg(Xend *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* build.c */
bool domain_build(Domain *d, char **error);             /* opens all, starts all */
bool domain_start_ui(Domain *d, int viewer_fd, char **error);
bool domain_start_sdl(Domain *d, int viewer_fd, char **error);
bool domain_start_sound(Domain *d, int sound_fd, char **error);
bool domain_start_net(Domain *d, unsigned vif, char **error);
void domain_close(Domain *d);                           /* what build opened */
/* Starts a dm-usb for a device of the host; the socket to it, -1 with an error. */
int domain_start_usb(Domain *d, const UsbConfig *usb, char **error);
void domain_child_exited(GPid pid, gint status, gpointer child);        /* domain.c */

/* layout.c */
void layout_host(Xend *x);
void layout_domain(Domain *d);
void layout_remove(Domain *d);
void layout_pids(Domain *d);
char *layout_path(const Domain *d, const char *below);

/* sxp of a domain for "xm list --long" */
Value *domain_to_sxp(const Domain *d);

/* api.c */
void api_handle(void *xend, RpcCall *call, const char *method, const Value *params);

#endif
