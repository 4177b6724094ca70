/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api.c - the methods that xm calls.  Domains are named by name or number; the answer comes when
 * the thing has happened (a destroyed domain's processes are gone, a medium is changed).
 */
#include "tools/xend/api_net.h"
#include "tools/xend/domain.h"
#include "tools/xend/media.h"
#include "tools/xend/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "config.h"

#define INFO_TIMEOUT_MS 1500

typedef struct Method {
    const char *name;
    unsigned params;            /* how many at least */
    bool on_domain;             /* the first is a domain */
    void (*handle)(Xend *x, Domain *d, RpcCall *call, const Value *params);
} Method;

static const char *text_param(const Value *params, unsigned i)
{
    Value *v = i < value_len(params) ? value_item(params, i) : NULL;

    return v && v->kind == VALUE_STR ? v->s : "";
}

static int64_t int_param(const Value *params, unsigned i)
{
    Value *v = i < value_len(params) ? value_item(params, i) : NULL;

    return v && (v->kind == VALUE_INT || v->kind == VALUE_BOOL) ? v->i : 0;
}

/* --- simple requests to a process ------------------------------------------------------------ */

typedef struct Forward {
    RpcCall *call;
    const char *what;           /* for the fault */
    Xend *xend;
    unsigned domid;
    void (*done)(Domain *d, const struct Forward *f);   /* after success; may be NULL */
    unsigned disk;
    char *text;
} Forward;

static void forwarded(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    Forward *f = opaque;
    Domain *d = domain_by_id(f->xend, f->domid);

    (void)msg;
    if (error) {
        rpc_fault(f->call, FAULT_ERROR, "%s: %s", f->what,
                  error == ECONNRESET ? "the domain ended" : *body ? body : g_strerror(error));
    } else {
        if (d && f->done) {
            f->done(d, f);
        }
        rpc_reply(f->call, value_int(0));
    }
    g_free(f->text);
    g_free(f);
}

static Forward *forward_new(Domain *d, RpcCall *call, const char *what)
{
    Forward *f = g_new0(Forward, 1);

    f->call = call;
    f->what = what;
    f->xend = d->xend;
    f->domid = d->id;
    return f;
}

static bool must_live(const Domain *d, RpcCall *call)
{
    if (d->state == DOMAIN_ALIVE) {
        return true;
    }
    rpc_fault(call, FAULT_ERROR, "Domain '%s' is %s", d->name,
              d->state == DOMAIN_BUILDING ? "not started yet"
              : d->state == DOMAIN_PRESERVED ? "shut down" : "ending");
    return false;
}

static void set_unpaused(Domain *d, const Forward *f)
{
    (void)f;
    d->paused = false;
}

static void set_paused(Domain *d, const Forward *f)
{
    (void)f;
    d->paused = true;
}

static void do_unpause(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    Forward *f;

    (void)x, (void)params;
    if (must_live(d, call)) {
        f = forward_new(d, call, "unpause");
        f->done = set_unpaused;
        control_request(d->dm, CTL_RETRY_DISKS, 0, 0, NULL, -1, NULL, NULL);
        control_request(d->hv, CTL_UNPAUSE, 0, 0, NULL, -1, forwarded, f);
    }
}

static void do_pause(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    Forward *f;

    (void)x, (void)params;
    if (must_live(d, call)) {
        f = forward_new(d, call, "pause");
        f->done = set_paused;
        control_request(d->hv, CTL_PAUSE, 0, 0, NULL, -1, forwarded, f);
    }
}

static void do_destroy(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x, (void)params;
    g_info("domain %s (%u): destroy requested", d->name, d->id);
    d->restart_after = false;
    if (d->creating && !d->failure) {
        d->failure = g_strdup("destroyed while it was being created");
    }
    g_ptr_array_add(d->waiting, call);
    domain_teardown(d);
}

static void do_shutdown(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *how = text_param(params, 1);

    (void)x;
    if (strcmp(how, "poweroff") && strcmp(how, "reboot") && strcmp(how, "halt")) {
        rpc_fault(call, FAULT_ERROR, "Invalid reason: %s", how);
    } else if (must_live(d, call)) {
        domain_ask_shutdown(d, how);
        rpc_reply(call, value_int(0));
    }
}

static void do_trigger(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    static const char *const names[] = { "nmi", "reset", "init", "power", "sleep", "s3resume" };
    const char *what = text_param(params, 1);

    (void)x;
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(names[i], what)) {
            if (must_live(d, call)) {
                d->reboot_requested |= i == CTL_TRIGGER_RESET;
                control_request(d->hv, CTL_TRIGGER, i, int_param(params, 2), NULL, -1, forwarded,
                                forward_new(d, call, "trigger"));
            }
            return;
        }
    }
    rpc_fault(call, FAULT_ERROR, "Invalid trigger: %s", what);
}

/* --- processors, memory, keys ------------------------------------------------------------------ */

static void do_vcpu_set(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    int64_t n = int_param(params, 1);

    if (!must_live(d, call)) {
        return;
    }
    if (n < 1 || n > d->config->vcpus) {
        rpc_fault(call, FAULT_ERROR, "Invalid VCPU count: domain '%s' has 1 to %u", d->name,
                  d->config->vcpus);
        return;
    }
    for (unsigned i = 0; i < d->config->vcpus; i++) {
        g_autofree char *key = g_strdup_printf("cpu/%u/availability", i);
        g_autofree char *node = layout_path(d, key);

        store_put(x->store, node, i < n ? "online" : "offline");
    }
    control_request(d->dm, CTL_SET_VCPUS, n, 0, NULL, -1, forwarded, forward_new(d, call, "vcpu-set"));
}

/* Through the guest's balloon driver, as in Xen: nothing happens in a guest without one. */
static void do_mem_set(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    g_autofree char *node = layout_path(d, "memory/target");
    int64_t mib = int_param(params, 1);

    if (!must_live(d, call)) {
        return;
    }
    if (mib < 1 || mib > d->config->max_memory) {
        rpc_fault(call, FAULT_ERROR, "Memory target %" G_GINT64_FORMAT " MiB is not between 1 and "
                  "maxmem, %u MiB", mib, d->config->max_memory);
        return;
    }
    store_put_int(x->store, node, mib * 1024);
    rpc_reply(call, value_int(0));
}

static void do_mem_max(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    int64_t mib = int_param(params, 1);

    (void)x;
    if (mib < d->config->memory || mib > INT32_MAX) {
        rpc_fault(call, FAULT_ERROR, "Memory too small: domain '%s' has %u MiB", d->name,
                  d->config->memory);
        return;
    }
    d->config->max_memory = mib;
    rpc_reply(call, value_int(0));
}

static void do_sysrq(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    g_autofree char *node = layout_path(d, "control/sysrq");
    const char *key = text_param(params, 1);

    if (!must_live(d, call)) {
        return;
    }
    if (strlen(key) != 1 || !g_ascii_isgraph(*key)) {
        rpc_fault(call, FAULT_ERROR, "Invalid sysrq: %s", key);
        return;
    }
    store_put(x->store, node, key);
    rpc_reply(call, value_int(0));
}

static void do_rename(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *name = text_param(params, 1);

    if (!*name || strchr(name, '/') || !name[strspn(name, "0123456789")]) {
        rpc_fault(call, FAULT_ERROR, "Invalid name: '%s'", name);
    } else if (domain_find(x, name)) {
        rpc_fault(call, FAULT_ERROR, "Domain '%s' already exists with ID '%u'", name,
                  domain_find(x, name)->id);
    } else {
        domain_rename(d, name);
        rpc_reply(call, value_int(0));
    }
}

static void do_send_key(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x;
    if (must_live(d, call)) {
        control_request(d->dm, CTL_SEND_KEY, int_param(params, 1), int_param(params, 2), NULL, -1,
                        forwarded, forward_new(d, call, "send-key"));
    }
}

/* With a file to write: screenshot, dump-core, dump-state. */
static void into_file(Domain *d, RpcCall *call, Control *to, uint32_t type, const char *path,
                      const char *what)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd < 0) {
        rpc_fault(call, FAULT_ERROR, "%s can't be written (%s)", path, g_strerror(errno));
        return;
    }
    control_request(to, type, 0, 0, NULL, fd, forwarded, forward_new(d, call, what));
    close(fd);
}

static void do_screenshot(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x;
    if (must_live(d, call)) {
        into_file(d, call, d->dm, CTL_SCREENSHOT, text_param(params, 1), "screenshot");
    }
}

static void do_dump_core(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x;
    into_file(d, call, d->hv, CTL_DUMP_CORE, text_param(params, 1), "dump-core");
}

static void do_dump_state(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    (void)x;
    if (must_live(d, call)) {
        into_file(d, call, d->dm, CTL_DUMP_STATE, text_param(params, 1), "dump-state");
    }
}

/* --- larger disks ---------------------------------------------------------------------------- */

/* A raw file is made larger here, because qemu-dm may not; other formats grow by themselves. */
static bool grow_file(const DiskConfig *disk, uint64_t size, char **error)
{
    g_autofree char *path = NULL;
    struct stat st;
    int fd;

    if (strcmp(disk->format, "raw") || stat(disk->path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return true;            /* a block device is as large as it is */
    }
    if ((uint64_t)st.st_size >= size) {
        return true;            /* grown before, but never told */
    }
    fd = open(disk->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, size) != 0) {
        *error = g_strdup_printf("image %s can't be made larger (%s)", disk->path,
                                 g_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return !*error;
}

static void do_resize_disk(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *dev = text_param(params, 1);
    uint64_t size = g_ascii_strtoull(text_param(params, 2), NULL, 10);
    g_autofree char *error = NULL;
    DiskConfig *disk = NULL;

    (void)x;
    if (!must_live(d, call)) {
        return;
    }
    for (unsigned i = 0; i < d->config->disks; i++) {
        if (!d->config->disk[i].cdrom && !strcmp(d->config->disk[i].dev, dev)) {
            disk = &d->config->disk[i];
        }
    }
    if (!disk) {
        rpc_fault(call, FAULT_ERROR, "Domain '%s' has no disk %s", d->name, dev);
    } else if (!disk->writable) {
        rpc_fault(call, FAULT_ERROR, "%s is read only", dev);
    } else if (disk->foreign) {
        rpc_fault(call, FAULT_ERROR, "%s: images in format %s can't be made larger", dev,
                  disk->format);
    } else if (!size || size % 512) {
        rpc_fault(call, FAULT_ERROR, "a disk is a whole number of 512-byte sectors");
    } else if (!grow_file(disk, size, &error)) {
        rpc_fault(call, FAULT_ERROR, "%s", error);
    } else {
        control_request(d->dm, CTL_RESIZE_DISK, size, 0, dev, -1, forwarded,
                        forward_new(d, call, "resize"));
    }
}

/* --- USB ------------------------------------------------------------------------------------- */

/* The variable, too: a restarted domain has the devices that it had. */
static void usb_keep(Domain *d)
{
    Value *list = value_list();

    for (unsigned i = 0; i < d->config->usb_devices; i++) {
        value_append(list, value_take_str(g_strdup(d->config->usb_device[i].spec)));
    }
    config_set(d->vars, "usbdevice", list, (SourcePos){ 0 });
}

static void usb_added(Domain *d, const Forward *f)
{
    g_autoptr(Messages) messages = messages_new();

    if (d->config->usb_devices < MAX_USB_DEVICES) {
        usb_parse(&d->config->usb_device[d->config->usb_devices++], f->text, (SourcePos){ 0 },
                  messages);
        usb_keep(d);
    }
}

static void usb_deleted(Domain *d, const Forward *f)
{
    DomainConfig *c = d->config;

    for (unsigned i = c->usb_devices; i-- > 0;) {
        if (!strcmp(c->usb_device[i].spec, f->text)) {
            usb_clear(&c->usb_device[i]);
            memmove(&c->usb_device[i], &c->usb_device[i + 1],
                    (--c->usb_devices - i) * sizeof c->usb_device[0]);
            memset(&c->usb_device[c->usb_devices], 0, sizeof c->usb_device[0]);
            break;
        }
    }
    usb_keep(d);
}

static void do_usb_add(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    g_autoptr(Messages) messages = messages_new();
    g_autofree char *error = NULL;
    UsbConfig u;
    Forward *f;
    int fd = -1;

    (void)x;
    if (!must_live(d, call)) {
        return;
    }
    if (d->config->usb_devices == MAX_USB_DEVICES) {
        rpc_fault(call, FAULT_ERROR, "Domain '%s' has %d USB devices already", d->name,
                  MAX_USB_DEVICES);
        return;
    }
    if (!usb_parse(&u, text_param(params, 1), (SourcePos){ 0 }, messages) ||
        !usb_check_host(&u, messages)) {
        rpc_fault(call, FAULT_ERROR, "%s", ((Message *)messages->list->pdata[0])->text);
        usb_clear(&u);
        return;
    }
    fd = u.kind == USB_KIND_STORAGE ? disk_open(&u.disk, &error)
         : u.kind == USB_KIND_HOST ? domain_start_usb(d, &u, &error) : -1;
    if (error) {
        rpc_fault(call, FAULT_ERROR, "%s", error);
        usb_clear(&u);
        return;
    }
    f = forward_new(d, call, "usb-add");
    f->done = usb_added;
    f->text = g_strdup(u.spec);
    control_request(d->dm, CTL_USB_ADD, u.kind == USB_KIND_STORAGE && !u.disk.writable, 0, u.spec,
                    fd, forwarded, f);
    if (fd >= 0) {
        close(fd);
    }
    usb_clear(&u);
}

static void do_usb_del(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    Forward *f;

    (void)x;
    if (must_live(d, call)) {
        f = forward_new(d, call, "usb-del");
        f->done = usb_deleted;
        f->text = g_strdup(text_param(params, 1));
        control_request(d->dm, CTL_USB_DEL, 0, 0, f->text, -1, forwarded, f);
    }
}

static void do_usb_list(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    Value *list = value_list();

    (void)x, (void)params;
    for (unsigned i = 0; i < d->config->usb_devices; i++) {
        value_append(list, value_take_str(g_strdup(d->config->usb_device[i].spec)));
    }
    rpc_reply(call, list);
}

static void do_devices(Xend *x, Domain *d, RpcCall *call, const Value *params)
{
    const char *class = text_param(params, 1);
    Value *list = value_list();
    bool disks = !strcmp(class, "vbd");
    unsigned n = disks ? d->config->disks : !strcmp(class, "vif") ? d->config->vifs : 0;

    (void)x;
    for (unsigned i = 0; i < n; i++) {
        unsigned id = disks ? d->config->disk[i].vdev : i;
        g_autofree char *path = g_strdup_printf("/local/domain/0/backend/%s/%u/%u", class, d->id,
                                                id);
        Value *v = value_new(VALUE_DICT);

        value_set_int(v, "id", id);
        value_set_str(v, "backend", path);
        value_set_int(v, "state", 4);
        if (disks) {
            value_set_str(v, "uname", d->config->disk[i].uname);
            value_set_str(v, "dev", d->config->disk[i].dev);
            value_set_str(v, "mode", d->config->disk[i].writable ? "w" : "r");
        } else {
            value_set_str(v, "mac", d->config->vif[i].mac_text);
            vif_describe(&d->vif[i], v);
        }
        value_append(list, v);
    }
    rpc_reply(call, list);
}

/* --- lists ----------------------------------------------------------------------------------- */

static void state_letters(const Domain *d, char out[7])
{
    bool running = false;

    strcpy(out, "------");
    for (unsigned i = 0; i < MIN(d->info.vcpus, 128); i++) {
        running |= d->info.vcpu[i].state == 0;
    }
    if (d->state == DOMAIN_DYING) {
        out[5] = 'd';
    } else if (d->state == DOMAIN_PRESERVED) {
        out[d->crashed ? 4 : 3] = d->crashed ? 'c' : 's';
    } else if (d->paused || d->state == DOMAIN_BUILDING) {
        out[2] = 'p';
    } else if (running) {
        out[0] = 'r';
    } else {
        out[1] = 'b';
    }
}

static Value *domain_entry(const Domain *d, bool want_sxp)
{
    Value *v = value_new(VALUE_DICT), *vcpus = value_list(), *serials = value_list();
    char state[7];

    state_letters(d, state);
    value_set_int(v, "domid", d->id);
    value_set_str(v, "name", d->name);
    value_set_str(v, "uuid", d->uuid);
    value_set_int(v, "mem", d->config->memory);
    value_set_int(v, "vcpus", d->config->vcpus);
    value_set_str(v, "state", state);
    value_set(v, "cpu_time", value_float(d->info.cpu_ns / 1e9));
    value_set_int(v, "start_time", d->started);
    value_set_str(v, "engine", d->engine ? d->engine : "");
    value_set_str(v, "serial", d->serial[0] ? line_tty(d->serial[0]) : "");
    for (unsigned i = 0; i < MAX_SERIAL_PORTS; i++) {
        value_append(serials, value_str(d->serial[i] ? line_tty(d->serial[i]) : ""));
    }
    value_set(v, "serials", serials);
    value_set_str(v, "console", d->console.name ? d->console.name : "");
    value_set_str(v, "monitor", monitor_tty(d->monitor));
    value_set_str(v, "vnc_listen", d->config->vnc_listen);
    value_set_int(v, "vnc_port", d->vnc_port);
    for (unsigned i = 0; i < d->config->vcpus; i++) {
        const CtlVcpu *c = &d->info.vcpu[i];
        Value *e = value_new(VALUE_DICT);
        bool known = i < d->info.vcpus;

        value_set_int(e, "state", d->paused && c->state != 3 ? 2 : c->state);
        g_autofree char *affinity = pin_text(d, i);

        value_set_int(e, "cpu", known ? c->cpu : -1);
        value_set_str(e, "affinity", affinity);
        value_set(e, "cpu_time", value_float(known ? c->cpu_ns / 1e9 : 0));
        value_append(vcpus, e);
    }
    value_set(v, "vcpu", vcpus);
    if (want_sxp) {
        value_set(v, "sxp", domain_to_sxp(d));
    }
    return v;
}

static Value *host_entry(Xend *x)
{
    Value *v = value_new(VALUE_DICT), *vcpus = value_list();
    g_autofree char *stat = NULL, *mem = NULL;
    uint64_t total = 0, used = 0, user = 0, nice = 0, system = 0;
    const char *p;

    if (g_file_get_contents("/proc/stat", &stat, NULL, NULL)) {
        char *end;

        user = g_ascii_strtoull(stat + 4, &end, 10);
        nice = g_ascii_strtoull(end, &end, 10);
        system = g_ascii_strtoull(end, &end, 10);
    }
    if (g_file_get_contents("/proc/meminfo", &mem, NULL, NULL) && (p = strstr(mem, "MemTotal:"))) {
        total = g_ascii_strtoull(p + 9, NULL, 10) / 1024;
    }
    for (unsigned i = 0; i < x->domains->len; i++) {
        used += ((Domain *)g_ptr_array_index(x->domains, i))->config->memory;
    }
    value_set_int(v, "domid", 0);
    value_set_str(v, "name", "Domain-0");
    value_set_str(v, "uuid", x->self_uuid);
    value_set_int(v, "mem", total > used ? total - used : 0);
    value_set_int(v, "vcpus", g_get_num_processors());
    value_set_str(v, "state", "r-----");
    value_set(v, "cpu_time", value_float((double)(user + nice + system) / sysconf(_SC_CLK_TCK)));
    value_set_int(v, "start_time", x->started);
    for (unsigned i = 0; i < g_get_num_processors(); i++) {
        Value *e = value_new(VALUE_DICT);

        value_set_int(e, "state", 0);
        value_set_int(e, "cpu", i);
        value_set(e, "cpu_time", value_float(0));
        value_append(vcpus, e);
    }
    value_set(v, "vcpu", vcpus);
    return v;
}

/* A list waits for all hypervisors' figures, but not long for one that does not answer. */
typedef struct Listing {
    int ref;
    Xend *xend;
    RpcCall *call;
    bool want_sxp;
    char *only;                 /* a name; NULL: all */
    unsigned awaited;
    guint timer;
} Listing;

typedef struct InfoRequest {
    Listing *listing;
    unsigned domid;
} InfoRequest;

static void listing_unref(Listing *l)
{
    if (--l->ref == 0) {
        g_free(l->only);
        g_free(l);
    }
}

static void listing_finish(Listing *l)
{
    Value *list = value_list();

    if (!l->call) {
        return;
    }
    if (l->timer) {
        g_source_remove(l->timer);
        l->timer = 0;
        listing_unref(l);
    }
    if (!l->only || !strcmp(l->only, "Domain-0") || !strcmp(l->only, "0")) {
        value_append(list, host_entry(l->xend));
    }
    for (unsigned i = 0; i < l->xend->domains->len; i++) {
        Domain *d = g_ptr_array_index(l->xend->domains, i);

        if (!l->only || d == domain_find(l->xend, l->only)) {
            value_append(list, domain_entry(d, l->want_sxp));
        }
    }
    if (l->only && value_len(list) == 0) {
        rpc_fault(l->call, FAULT_NO_DOMAIN, "Domain '%s' does not exist.", l->only);
        value_unref(list);
    } else {
        rpc_reply(l->call, list);
    }
    l->call = NULL;
}

static gboolean listing_timed_out(gpointer opaque)
{
    Listing *l = opaque;

    l->timer = 0;
    listing_finish(l);
    listing_unref(l);
    return G_SOURCE_REMOVE;
}

static void info_arrived(void *opaque, int error, const CtlMsg *msg, const char *body)
{
    InfoRequest *r = opaque;
    Domain *d = domain_by_id(r->listing->xend, r->domid);

    if (!error && d && msg->len >= offsetof(CtlInfo, vcpu)) {
        memset(&d->info, 0, sizeof d->info);
        memcpy(&d->info, body, MIN(msg->len, sizeof d->info));
        if (d->state == DOMAIN_ALIVE) {
            d->paused = d->info.flags & 1;
        }
    }
    if (--r->listing->awaited == 0) {
        listing_finish(r->listing);
    }
    listing_unref(r->listing);
    g_free(r);
}

static void do_domains(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    Listing *l = g_new0(Listing, 1);
    const char *only = text_param(params, 0);

    (void)unused;
    *l = (Listing){ .ref = 1, .xend = x, .call = call, .want_sxp = int_param(params, 1),
                    .only = *only ? g_strdup(only) : NULL, .awaited = 1 };
    for (unsigned i = 0; i < x->domains->len; i++) {
        Domain *d = g_ptr_array_index(x->domains, i);
        InfoRequest *r;

        if (d->state == DOMAIN_ALIVE && d->hv) {
            r = g_new0(InfoRequest, 1);
            *r = (InfoRequest){ l, d->id };
            l->ref++;
            l->awaited++;
            control_request(d->hv, CTL_INFO, 0, 0, NULL, -1, info_arrived, r);
        }
    }
    if (--l->awaited == 0) {
        listing_finish(l);
    } else {
        l->ref++;
        l->timer = g_timeout_add(INFO_TIMEOUT_MS, listing_timed_out, l);
    }
    listing_unref(l);
}

static void do_create(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    (void)unused;
    if (value_item(params, 0)->kind != VALUE_DICT) {
        rpc_fault(call, FAULT_INTERNAL, "a config is a struct");
    } else if (x->stopping) {
        rpc_fault(call, FAULT_ERROR, "xend is stopping");
    } else {
        domain_create(x, config_from_value(value_item(params, 0)), call);
    }
}

static void do_host_facts(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    Value *v = value_new(VALUE_DICT), *names = value_list(), *uuids = value_list();

    (void)unused, (void)params;
    value_append(names, value_str("Domain-0"));
    for (unsigned i = 0; i < x->domains->len; i++) {
        Domain *d = g_ptr_array_index(x->domains, i);

        value_append(names, value_str(d->name));
        value_append(uuids, value_str(d->uuid));
    }
    value_set(v, "names", names);
    value_set(v, "uuids", uuids);
    value_set_int(v, "free_memory", host_free_memory(x));
    rpc_reply(call, v);
}

/* --- the host -------------------------------------------------------------------------------- */

static char *cpuinfo_field(const char *text, const char *name)
{
    const char *p = strstr(text, name), *end;

    p = p ? strchr(p, ':') : NULL;
    end = p ? strchr(p, '\n') : NULL;
    return end ? g_strstrip(g_strndup(p + 1, end - p - 1)) : g_strdup("");
}

static void do_info(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    g_autofree char *cpu = NULL, *mem = NULL, *mhz = NULL, *flags = NULL, *virt = NULL;
    Value *v = value_new(VALUE_DICT);
    struct utsname u;
    unsigned cpus = g_get_num_processors();
    uint64_t total = 0;
    const char *p;

    (void)unused, (void)params;
    uname(&u);
    g_file_get_contents("/proc/cpuinfo", &cpu, NULL, NULL);
    g_file_get_contents("/proc/meminfo", &mem, NULL, NULL);
    if (mem && (p = strstr(mem, "MemTotal:"))) {
        total = g_ascii_strtoull(p + 9, NULL, 10) / 1024;
    }
    mhz = cpuinfo_field(cpu ? cpu : "", "cpu MHz");
    flags = cpuinfo_field(cpu ? cpu : "", "flags");
    virt = g_strdup(strstr(flags, "vmx") || strstr(flags, "svm") ? "hvm" : "");
    value_set_str(v, "host", u.nodename);
    value_set_str(v, "release", u.release);
    value_set_str(v, "version", u.version);
    value_set_str(v, "machine", u.machine);
    value_set_int(v, "nr_cpus", cpus);
    value_set_int(v, "nr_nodes", 1);
    value_set_int(v, "cores_per_socket", cpus);
    value_set_int(v, "threads_per_core", 1);
    value_set_int(v, "cpu_mhz", atoi(mhz));
    value_set_str(v, "hw_caps", "");
    value_set_str(v, "virt_caps", virt);
    value_set_int(v, "total_memory", total);
    value_set_int(v, "free_memory", host_free_memory(x));
    value_set_int(v, "free_cpus", 0);
    value_set_int(v, "xen_major", 4);
    value_set_int(v, "xen_minor", 1);
    value_set_str(v, "xen_extra", ".0-guesthouse-" GUESTHOUSE_VERSION);
    value_set_str(v, "xen_caps", "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ");
    value_set_str(v, "xen_scheduler", "host");
    value_set_int(v, "xen_pagesize", 4096);
    value_set_str(v, "platform_params", "");
    value_set_str(v, "xen_changeset", "unavailable");
    value_set_str(v, "xen_commandline", "");
    value_set_str(v, "cc_compiler", "gcc " __VERSION__);
    value_set_str(v, "cc_compile_by", "");
    value_set_str(v, "cc_compile_domain", "");
    value_set_str(v, "cc_compile_date", "");
    value_set_int(v, "xend_config_format", 4);
    rpc_reply(call, v);
}

static void do_dmesg(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    Value *text = value_str(x->dmesg->str);

    (void)unused;
    if (int_param(params, 0)) {
        g_string_truncate(x->dmesg, 0);
    }
    rpc_reply(call, text);
}

static void do_log(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    (void)unused, (void)params;
    rpc_reply(call, value_str(x->paths->xend_log));
}

/* A little later: the answer must get out first. */
static gboolean quit_idle(gpointer opaque)
{
    Xend *x = opaque;

    if (x->domains->len == 0) {
        g_main_loop_quit(x->loop);
    }
    return G_SOURCE_REMOVE;
}

static void do_stop(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    (void)unused, (void)params;
    x->stopping = true;
    g_info("stop requested");
    rpc_reply(call, value_int(getpid()));
    for (unsigned i = x->domains->len; i-- > 0;) {
        Domain *d = g_ptr_array_index(x->domains, i);

        d->restart_after = false;
        domain_teardown(d);
    }
    g_timeout_add(100, quit_idle, x);
}

static void do_status(Xend *x, Domain *unused, RpcCall *call, const Value *params)
{
    Value *v = value_new(VALUE_DICT);

    (void)unused, (void)params;
    value_set_int(v, "pid", getpid());
    value_set_int(v, "domains", x->domains->len);
    value_set_int(v, "start_time", x->started);
    value_set_str(v, "version", GUESTHOUSE_VERSION);
    rpc_reply(call, v);
}

static const Method methods[] = {
    { "xend.domains", 0, false, do_domains },
    { "xend.domain.create", 1, false, do_create },
    { "xend.domain.unpause", 1, true, do_unpause },
    { "xend.domain.pause", 1, true, do_pause },
    { "xend.domain.destroy", 1, true, do_destroy },
    { "xend.domain.shutdown", 2, true, do_shutdown },
    { "xend.domain.trigger", 2, true, do_trigger },
    { "xend.domain.vcpu_set", 2, true, do_vcpu_set },
    { "xend.domain.vcpu_pin", 3, true, api_vcpu_pin },
    { "xend.domain.mem_set", 2, true, do_mem_set },
    { "xend.domain.mem_max", 2, true, do_mem_max },
    { "xend.domain.sysrq", 2, true, do_sysrq },
    { "xend.domain.rename", 2, true, do_rename },
    { "xend.domain.send_key", 3, true, do_send_key },
    { "xend.domain.screenshot", 2, true, do_screenshot },
    { "xend.domain.dump_core", 2, true, do_dump_core },
    { "xend.domain.dump_state", 2, true, do_dump_state },
    { "xend.domain.change_medium", 3, true, api_change_medium },
    { "xend.domain.block_attach", 4, true, api_block_attach },
    { "xend.domain.block_detach", 2, true, api_block_detach },
    { "xend.domain.resize_disk", 3, true, do_resize_disk },
    { "xend.domain.usb_add", 2, true, do_usb_add },
    { "xend.domain.usb_del", 2, true, do_usb_del },
    { "xend.domain.usb_list", 1, true, do_usb_list },
    { "xend.domain.devices", 2, true, do_devices },
    { "xend.domain.network_attach", 2, true, api_network_attach },
    { "xend.domain.network_detach", 2, true, api_network_detach },
    { "xend.domain.vif_dump", 3, true, api_vif_dump },
    { "xend.host_facts", 0, false, do_host_facts },
    { "xend.node.info", 0, false, do_info },
    { "xend.node.dmesg", 0, false, do_dmesg },
    { "xend.node.log", 0, false, do_log },
    { "xend.status", 0, false, do_status },
    { "xend.stop", 0, false, do_stop },
};

void api_handle(void *opaque, RpcCall *call, const char *name, const Value *params)
{
    Xend *x = opaque;

    for (unsigned i = 0; i < G_N_ELEMENTS(methods); i++) {
        const Method *m = &methods[i];
        Domain *d = NULL;

        if (strcmp(m->name, name)) {
            continue;
        }
        if (value_len(params) < m->params) {
            rpc_fault(call, FAULT_INTERNAL, "%s needs %u parameters", name, m->params);
            return;
        }
        if (m->on_domain) {
            const char *which = text_param(params, 0);

            d = domain_find(x, which);
            if (!d && (!strcmp(which, "Domain-0") || !strcmp(which, "0"))) {
                rpc_fault(call, FAULT_ERROR, "Domain-0 is this host: that is not possible");
                return;
            }
            if (!d) {
                rpc_fault(call, FAULT_NO_DOMAIN, "Domain '%s' does not exist.", which);
                return;
            }
        }
        m->handle(x, d, call, params);
        return;
    }
    rpc_fault(call, FAULT_NO_METHOD, "method %s does not exist", name);
}
