/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * media.c - see media.h.  Images are opened here, with the rights of the user whose xend this is;
 * qemu-dm gets their descriptors.
 */
#include "tools/xend/media.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "lib/fdpass.h"
#include "tools/xend/api.h"
#include "tools/xend/host_cd.h"
#include "tools/xend/nbd_server.h"

#define LOG_BURST 20
#define LOG_PER_SECOND 1
#define PATIENCE_SECONDS 20     /* for a drive that spins up */

/* One request to qemu-dm for another medium. */
typedef struct Change {
    RpcCall *call;              /* NULL: nobody waits */
    Xend *xend;
    unsigned domid, index;      /* of the drive */
    DiskConfig medium;          /* owned: uname, type, path */
    bool only_out;              /* the disc lies on an open tray: the config keeps it */
    int disc;                   /* of a CD drive of this host, its thread's; -1: none */
    /* At the end, while the domain is there; why: it went wrong.  May be NULL. */
    void (*then)(Domain *d, unsigned index, const char *why);
} Change;

/* A CD drive of this host. */
struct DomainCd {
    Xend *xend;
    unsigned domid, index;
    HostCd *host;
    RpcCall *call;              /* waits for the first disc; NULL: nobody */
    bool inside;                /* the domain has a disc of it */
    bool settled;               /* what was in it at first has been put in */
    guint patience;
};

/* A guest moves its tray, and that of the host's drive, as often as it likes. */
static bool may_log(Domain *d)
{
    return log_limit_allows(&d->log_limit, g_get_monotonic_time() * 1000, LOG_BURST, LOG_PER_SECOND);
}

static void medium_clear(DiskConfig *m)
{
    g_free(m->uname);
    g_free(m->type);
    g_free(m->path);
    g_free(m->dev);
    *m = (DiskConfig){ 0 };
}

/* --- the config and xenstore follow ----------------------------------------------------------- */

/* So that it is the same after a restart. */
static void remember(Domain *d, unsigned index)
{
    DiskConfig *disk = &d->config->disk[index];
    ConfigVar *var = config_find(d->vars, "disk"), *key = config_find(d->vars, disk->dev);
    Value *list;

    if (key) {                  /* fda, fdb */
        config_set(d->vars, disk->dev, value_str(disk->path), (SourcePos){ 0 });
        return;
    }
    list = value_list();
    for (unsigned i = 0; var && i < value_len(var->value); i++) {
        value_append(list, i == index
                     ? value_take_str(g_strdup_printf("%s,%s%s,%s", disk->uname, disk->dev,
                                                      disk->cdrom ? ":cdrom" : "",
                                                      disk->writable ? "w" : "r"))
                     : value_ref(value_item(var->value, i)));
    }
    config_set(d->vars, "disk", list, (SourcePos){ 0 });
}

static void tell_store(Domain *d, const DiskConfig *disk)
{
    g_autofree char *base = g_strdup_printf("/local/domain/0/backend/vbd/%u/%u", d->id, disk->vdev);
    g_autofree char *params = g_strconcat(base, "/params", NULL);
    g_autofree char *type = g_strconcat(base, "/type", NULL);

    if (!disk->floppy) {
        store_put(d->xend->store, params, disk->path);
        store_put(d->xend->store, type, disk->type ? disk->type : "file");
    }
}

static void watch_host_cd(Domain *d, unsigned index, RpcCall *call);

static void adopt(Domain *d, Change *c)
{
    DiskConfig *disk = &d->config->disk[c->index], *m = &c->medium;

    g_free(disk->uname);
    g_free(disk->type);
    g_free(disk->path);
    disk->uname = g_steal_pointer(&m->uname);
    disk->type = g_steal_pointer(&m->type);
    disk->path = g_steal_pointer(&m->path);
    disk->format = m->format;
    disk->foreign = m->foreign;
    disk->writable = m->writable;
    disk->shared = m->shared;
    d->ejected[c->index] = false;
    tell_store(d, disk);
    remember(d, c->index);
    watch_host_cd(d, c->index, disk_is_drive(disk) ? g_steal_pointer(&c->call) : NULL);
}

/* --- requests to qemu-dm ---------------------------------------------------------------------- */

static void changed(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    Change *c = opaque;
    Domain *d = domain_by_id(c->xend, c->domid);

    (void)msg;
    if (!error && d && !c->only_out) {
        adopt(d, c);
    }
    if (d && c->then) {
        c->then(d, c->index, !error ? NULL : *body ? body : g_strerror(error));
    }
    if (c->call && error) {
        rpc_fault(c->call, FAULT_ERROR, "%s: %s%s", *c->medium.path ? "change of medium" : "eject",
                  error == ECONNRESET ? "the domain ended" : *body ? body : g_strerror(error),
                  error == EACCES ? "; it knows of the wish now, and --force does not ask it" : "");
    } else if (c->call) {
        rpc_reply(c->call, value_int(0));
    } else if (error && error != ECONNRESET) {
        g_warning("%s: %s", c->medium.path, *body ? body : g_strerror(error));
    }
    medium_clear(&c->medium);
    g_free(c);
}

unsigned media_open_layers(const Domain *d, const DiskConfig *m, int *fds, GString *formats, char **error)
{
    DiskChain chain;
    unsigned n = 0;

    if (m->foreign) {
        fds[0] = nbd_server_start(d->xend->paths->run, m, error);
        g_string_append(formats, "nbd");
        return fds[0] >= 0 ? 1 : 0;
    }
    if (!disk_chain_open(m, true, &chain, error)) {
        return 0;
    }
    if (chain.layers > FDPASS_MAX) {
        *error = g_strdup_printf("image %s is based on more than %u files: too many for a running "
                                 "domain", m->path, FDPASS_MAX - 1);
    } else {
        for (; n < chain.layers; n++) {
            g_string_append_printf(formats, "%s%s", n ? "/" : "", chain.layer[n].format);
            fds[n] = chain.layer[n].fd;
            chain.layer[n].fd = -1;
        }
    }
    disk_chain_close(&chain);
    return n;
}

/* Takes c over.  The medium's path may be empty. */
static void send_change(Domain *d, Change *c, bool force)
{
    g_autoptr(GString) body = g_string_new(d->config->disk[c->index].dev);
    g_autofree char *error = NULL;
    HostCd *from = c->disc >= 0 ? d->cd[c->index]->host : NULL;
    int fds[FDPASS_MAX];
    unsigned n = 0;

    if (from) {
        g_string_append(body, " raw");
        fds[n++] = c->disc;
    } else if (*c->medium.path && !disk_is_drive(&c->medium) && disk_has_medium(&c->medium)) {
        g_string_append_c(body, ' ');
        n = media_open_layers(d, &c->medium, fds, body, &error);
        if (!n) {
            changed(c, EINVAL, NULL, error ? error : "it can't be opened");
            return;
        }
    }
    control_request_fds(d->dm, CTL_CHANGE_MEDIUM,
                        (c->medium.writable ? 0 : CTL_MEDIUM_READ_ONLY) |
                        (c->medium.shared ? CTL_MEDIUM_SHARED : 0),
                        force ? CTL_MEDIUM_FORCE : 0, body->str, fds, n, changed, c);
    for (unsigned i = 0; i < n; i++) {
        if (from) {
            host_cd_return(from, fds[i]);
        } else {
            close(fds[i]);
        }
    }
}

static Change *change_new(Domain *d, unsigned index, RpcCall *call)
{
    Change *c = g_new0(Change, 1);

    c->call = call;
    c->xend = d->xend;
    c->domid = d->id;
    c->index = index;
    c->disc = -1;
    return c;
}

/* --- xm --------------------------------------------------------------------------------------- */

/* A drive with a medium that can be taken out: the first CD-ROM drive, or the one that is named. */
static DiskConfig *find_drive(Domain *d, const char *dev, unsigned *index)
{
    for (unsigned i = 0; i < d->config->disks; i++) {
        DiskConfig *disk = &d->config->disk[i];
        g_autofree char *number = g_strdup_printf("%u", disk->vdev);

        if ((disk->cdrom || (disk->floppy && *dev)) &&
            (!*dev || !strcmp(disk->dev, dev) || !strcmp(number, dev))) {
            *index = i;
            return disk;
        }
    }
    return NULL;
}

static bool any_disk(const Domain *d, const char *dev)
{
    for (unsigned i = 0; i < d->config->disks; i++) {
        g_autofree char *number = g_strdup_printf("%u", d->config->disk[i].vdev);

        if (!strcmp(d->config->disk[i].dev, dev) || !strcmp(number, dev)) {
            return true;
        }
    }
    return false;
}

/* The medium as disk= would have it, checked; false: the call is answered. */
static bool read_medium(const DiskConfig *drive, const char *uname, const char *mode, DiskConfig *m,
                        RpcCall *call)
{
    g_autoptr(Messages) messages = messages_new();
    bool write = drive->floppy && *mode != 'r';
    g_autofree char *spec = g_strdup_printf("%s,%s%s,%s%s", uname, drive->dev,
                                            drive->cdrom ? ":cdrom" : "", write ? "w" : "r",
                                            strchr(mode, '!') ? "!" : "");
    if (strchr(uname, ',')) {
        rpc_fault(call, FAULT_ERROR, "a name with a comma can't be given to a drive: %s", uname);
        return false;
    }
    if (!disk_parse(m, spec, (SourcePos){ 0 }, messages)) {
        rpc_fault(call, FAULT_ERROR, "%s", ((Message *)messages->list->pdata[0])->text);
        return false;
    }
    if (write && *m->path && access(m->path, W_OK) != 0) {
        m->writable = false;
    }
    if (*m->path && !disk_check_image(m, messages)) {
        rpc_fault(call, FAULT_ERROR, "%s", ((Message *)messages->list->pdata[0])->text);
        medium_clear(m);
        return false;
    }
    return true;
}

static void change(Domain *d, RpcCall *call, unsigned index, const char *uname, const char *mode,
                   bool force)
{
    Change *c = change_new(d, index, call);

    if (read_medium(&d->config->disk[index], uname, mode, &c->medium, call)) {
        send_change(d, c, force);
    } else {
        g_free(c);
    }
}

void api_change_medium(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *dev = api_text(params, 1);
    unsigned index = 0;

    (void)x;
    if (!api_must_live(d, call)) {
        return;
    }
    if (!find_drive(d, dev, &index)) {
        rpc_fault(call, FAULT_ERROR, "Domain '%s' has no drive for media%s%s", d->name,
                  *dev ? " " : "", dev);
        return;
    }
    change(d, call, index, api_text(params, 2), api_text(params, 3),
           !strcmp(api_text(params, 4), "force"));
}

void api_block_attach(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *dev = api_text(params, 2);
    unsigned index = 0;

    (void)x;
    if (!api_must_live(d, call)) {
        return;
    }
    if (find_drive(d, dev, &index) && *dev) {
        if (*d->config->disk[index].path) {
            rpc_fault(call, FAULT_ERROR, "Device %u (vbd) is already connected; change its medium with "
                      "block-configure", d->config->disk[index].vdev);
            return;
        }
        change(d, call, index, api_text(params, 1), api_text(params, 3), true);
    } else if (any_disk(d, dev)) {
        rpc_fault(call, FAULT_ERROR, "Device %s (vbd) is already connected", dev);
    } else {
        rpc_fault(call, FAULT_ERROR, "an IDE bus gets no new drives while the machine runs; write %s "
                  "into disk= for its next start, or plug a USB disk in: "
                  "xm usb-add %s disk:PATH", *dev ? dev : "it", d->name);
    }
}

void api_block_detach(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *dev = api_text(params, 1);
    unsigned index = 0;

    (void)x;
    if (!api_must_live(d, call)) {
        return;
    }
    if (find_drive(d, dev, &index) && *dev) {
        change(d, call, index, "", "r", !strcmp(api_text(params, 2), "force"));
    } else if (any_disk(d, dev)) {
        rpc_fault(call, FAULT_ERROR, "disk %s is on an IDE bus: it can't be taken out while the machine "
                  "runs", dev);
    } else {
        rpc_fault(call, FAULT_ERROR, "Device %s not connected", dev);
    }
}

/* --- this host's CD drives -------------------------------------------------------------------- */

/* What its start or a command waits for has happened; why: it went wrong. */
static void settle(Domain *d, unsigned index, const char *why)
{
    DomainCd *cd = d->cd[index];
    RpcCall *call = g_steal_pointer(&cd->call);

    if (cd->patience) {
        g_source_remove(cd->patience);
        cd->patience = 0;
    }
    if (call && why) {
        rpc_fault(call, FAULT_ERROR, "%s", why);
    } else if (call) {
        rpc_reply(call, value_int(0));
    }
    if (!cd->settled) {
        cd->settled = true;
        domain_check_ready(d);
    }
}

static gboolean tired(gpointer opaque)
{
    const DomainCd *cd = opaque;
    Domain *d = domain_by_id(cd->xend, cd->domid);

    d->cd[cd->index]->patience = 0;
    domain_note(d, "%s does not say what is in it; its drive is empty until it does",
                d->config->disk[cd->index].path);
    settle(d, cd->index, NULL);
    return G_SOURCE_REMOVE;
}

static void disc_in(Domain *d, unsigned index, const char *why)
{
    if (d->cd[index]) {
        d->cd[index]->inside = !why;
        settle(d, index, why);
    }
}

static void disc_out(Domain *d, unsigned index, const char *why)
{
    if (d->cd[index]) {
        d->cd[index]->inside &= why != NULL;
        settle(d, index, why);
    }
}

static void host_disc(void *opaque, int fd, const char *failure)
{
    DomainCd *cd = opaque;
    Domain *d = domain_by_id(cd->xend, cd->domid);
    const DiskConfig *disk = &d->config->disk[cd->index];
    Change *c;

    if (failure && may_log(d)) {
        g_warning("domain %s (%u): %s", d->name, d->id, failure);
    }
    if (d->state != DOMAIN_ALIVE && d->state != DOMAIN_BUILDING) {
        if (fd >= 0) {
            host_cd_return(cd->host, fd);
        }
        return;
    }
    if (fd < 0 && !cd->inside) {
        settle(d, cd->index, failure);
        return;
    }
    if (may_log(d)) {
        g_info("domain %s (%u): %s %s", d->name, d->id, disk->path,
               fd < 0 ? "is empty" : cd->inside ? "has another disc" : "has a disc");
    }
    c = change_new(d, cd->index, NULL);
    c->only_out = true;
    c->disc = fd;
    c->medium.path = g_strdup(fd >= 0 ? disk->path : "");
    c->then = fd >= 0 ? disc_in : disc_out;
    send_change(d, c, true);
}

static void free_cd(Domain *d, unsigned index)
{
    DomainCd *cd = g_steal_pointer(&d->cd[index]);

    if (!cd) {
        return;
    }
    if (cd->patience) {
        g_source_remove(cd->patience);
    }
    if (cd->call) {
        rpc_fault(cd->call, FAULT_ERROR, "the drive got another medium, or its domain ended");
    }
    host_cd_free(cd->host);
    g_free(cd);
}

/* call: answered when it is known what is in the drive; may be NULL. */
static void watch_host_cd(Domain *d, unsigned index, RpcCall *call)
{
    const DiskConfig *disk = &d->config->disk[index];
    DomainCd *cd;

    free_cd(d, index);
    if (!disk_is_drive(disk)) {
        return;
    }
    cd = g_new0(DomainCd, 1);
    *cd = (DomainCd){ .xend = d->xend, .domid = d->id, .index = index, .call = call };
    d->cd[index] = cd;
    cd->host = host_cd_new(&d->xend->host_cds, disk, host_disc, cd);
    if (cd->host) {
        cd->patience = g_timeout_add_seconds(PATIENCE_SECONDS, tired, cd);
    } else {
        g_warning("domain %s (%u): no thread for %s", d->name, d->id, disk->path);
        free_cd(d, index);
    }
}

bool media_busy(const Domain *d)
{
    for (unsigned i = 0; i < d->config->disks; i++) {
        if (d->cd[i] && !d->cd[i]->settled) {
            return true;
        }
    }
    return false;
}

void media_start(Domain *d)
{
    for (unsigned i = 0; i < d->config->disks; i++) {
        watch_host_cd(d, i, NULL);
    }
}

void media_stop(Domain *d)
{
    for (unsigned i = 0; i < MAX_DISKS; i++) {
        free_cd(d, i);
    }
}

/* --- the guest's side of the tray ------------------------------------------------------------- */

static void open_host_tray(Domain *d, unsigned index, const char *why)
{
    if (d->cd[index] && !why) {
        d->cd[index]->inside = false;
        host_cd_move_tray(d->cd[index]->host, true);
    }
}

static void host_tray(Domain *d, unsigned index, bool open, bool was_open, bool locked)
{
    Change *c;

    if (open && !was_open) {            /* the drive does not open while qemu-dm has the disc open */
        c = change_new(d, index, NULL);
        c->only_out = true;
        c->medium.path = g_strdup("");
        c->then = open_host_tray;
        send_change(d, c, true);
    } else if (!open && was_open) {
        host_cd_move_tray(d->cd[index]->host, false);
    } else {
        host_cd_lock(d->cd[index]->host, locked);
    }
}

void media_tray(Domain *d, const char *dev, unsigned flags)
{
    bool open = flags & CTL_TRAY_OPEN, was_open;

    for (unsigned i = 0; i < d->config->disks; i++) {
        DiskConfig *disk = &d->config->disk[i];
        g_autofree char *node = NULL;

        if (strcmp(disk->dev, dev)) {
            continue;
        }
        was_open = d->ejected[i];
        d->ejected[i] = open;
        if (open != was_open) {
            node = g_strdup_printf("/local/domain/%u/device/vbd/%u/eject", d->id, disk->vdev);
            store_put(d->xend->store, node, open ? "eject" : "");
            if (may_log(d)) {
                g_info("domain %s (%u): the guest %s the tray of %s", d->name, d->id,
                       open ? "opened" : "closed", dev);
            }
        }
        if (d->cd[i]) {
            host_tray(d, i, open, was_open, flags & CTL_TRAY_LOCKED);
        }
    }
}
