/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor.c - see monitor.h.  One command at a time: nothing is read from the terminal while one
 * runs.  It is never behind a display, where the guest's viewer could reach it, and it knows no
 * command that the owner's xm has not.  Left out: what looks into guest memory and processors (that
 * is the debugger's), snapshots, and commands of QEMU's own plumbing.
 */
#include "tools/xend/monitor.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>
#include "config.h"
#include "tools/common/keys.h"
#include "tools/xend/domain.h"
#include "tools/xend/line.h"

#define PROMPT "(qemu) "
#define LINE_MAX_BYTES 1024
#define KEYS_MAX 16
#define HOLD_MS 100             /* of sendkey's keys, when it is not said */
#define HOLD_MAX_MS 10000

struct Monitor {
    Xend *xend;
    unsigned domid;
    Pty pty;
    guint source;
    GString *line;
    bool last_cr;
    bool busy, dead;            /* a call is out; freed, but for that */
};

typedef struct Keys {
    Xend *xend;
    unsigned domid, n, code[KEYS_MAX];
} Keys;

typedef struct MonitorCommand {
    const char *name, *args, *help;
    unsigned min, max;
    void (*run)(Monitor *m, Domain *d, unsigned argc, char **argv);
} MonitorCommand;

/* --- the terminal ------------------------------------------------------------------------------ */

static void say(Monitor *m, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* What a terminal that nobody reads has no room for is lost. */
static void say(Monitor *m, const char *format, ...)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autofree char *out = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    lines = g_strsplit(text, "\n", -1);
    out = g_strjoinv("\r\n", lines);
    if (!m->dead && write(m->pty.master, out, strlen(out)) < 0 && errno != EAGAIN) {
        g_debug("monitor: %s", g_strerror(errno));
    }
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer opaque);

static void listen_again(Monitor *m)
{
    if (!m->source) {
        m->source = g_unix_fd_add(m->pty.master, G_IO_IN, on_readable, m);
    }
}

/* --- what xend can do -------------------------------------------------------------------------- */

static void done(void *opaque, const Value *result, const char *fault)
{
    Monitor *m = opaque;

    (void)result;
    m->busy = false;
    if (m->dead) {
        g_string_free(m->line, TRUE);
        g_free(m);
        return;
    }
    if (fault) {
        say(m, "%s\n", fault);
    }
    say(m, PROMPT);
    listen_again(m);
}

static void method(Monitor *m, const char *name, const char *a, const char *b, const char *c,
                   const char *d)
{
    g_autofree char *id = g_strdup_printf("%u", m->domid);
    const char *const texts[] = { id, a, b, c, d };
    g_autoptr(Value) params = value_list();

    for (unsigned i = 0; i < G_N_ELEMENTS(texts) && texts[i]; i++) {
        value_append(params, value_str(texts[i]));
    }
    m->busy = true;
    api_handle(m->xend, rpc_call_new(done, m), name, params);
}

static void run_stop(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    (void)d, (void)argc, (void)argv;
    method(m, "xend.domain.pause", NULL, NULL, NULL, NULL);
}

static void run_cont(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    (void)d, (void)argc, (void)argv;
    method(m, "xend.domain.unpause", NULL, NULL, NULL, NULL);
}

static void run_quit(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    (void)d, (void)argc, (void)argv;
    method(m, "xend.domain.destroy", NULL, NULL, NULL, NULL);
}

static void run_reset(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    (void)d, (void)argc, (void)argv;
    method(m, "xend.domain.trigger", "reset", NULL, NULL, NULL);
}

static void run_powerdown(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    (void)d, (void)argc, (void)argv;
    method(m, "xend.domain.trigger", "power", NULL, NULL, NULL);
}

static void run_nmi(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    (void)d, (void)argc, (void)argv;
    method(m, "xend.domain.trigger", "nmi", NULL, NULL, NULL);
}

/* QEMU's names of drives, too. */
static const char *drive_name(const char *name)
{
    static const char *const names[][2] = {
        { "ide0-hd0", "hda" }, { "ide0-hd1", "hdb" }, { "ide1-hd0", "hdc" }, { "ide1-hd1", "hdd" },
        { "ide0-cd0", "hda" }, { "ide0-cd1", "hdb" }, { "ide1-cd0", "hdc" }, { "ide1-cd1", "hdd" },
        { "floppy0", "fda" }, { "floppy1", "fdb" }, { "cdrom", "" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(name, names[i][0])) {
            return names[i][1];
        }
    }
    return name;
}

static void run_eject(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    bool force = !strcmp(argv[0], "-f");

    (void)d;
    if (force && argc < 2) {
        say(m, "eject: which drive?\n" PROMPT);
        return;
    }
    method(m, "xend.domain.change_medium", drive_name(argv[force]), "", "", force ? "force" : "");
}

static void run_change(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    g_autofree char *uname = g_strconcat(*argv[1] == '/' ? "file:" : "", argv[1], NULL);

    (void)d, (void)argc;
    method(m, "xend.domain.change_medium", drive_name(argv[0]), uname, "", "");
}

static void run_usb_add(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    (void)d, (void)argc;
    method(m, "xend.domain.usb_add", argv[0], NULL, NULL, NULL);
}

static void run_usb_del(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    (void)d, (void)argc;
    method(m, "xend.domain.usb_del", argv[0], NULL, NULL, NULL);
}

static void run_screendump(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    (void)d, (void)argc;
    if (*argv[0] != '/') {
        say(m, "screendump: write the file's whole path, from / on\n" PROMPT);
        return;
    }
    method(m, "xend.domain.screenshot", argv[0], NULL, NULL, NULL);
}

/* --- keys -------------------------------------------------------------------------------------- */

static void press(Domain *d, unsigned code, bool down)
{
    control_request(d->dm, CTL_SEND_KEY, code, down, NULL, -1, NULL, NULL);
}

static gboolean release(gpointer opaque)
{
    Keys *k = opaque;
    Domain *d = domain_by_id(k->xend, k->domid);

    for (unsigned i = k->n; d && d->state == DOMAIN_ALIVE && i-- > 0;) {
        press(d, k->code[i], false);
    }
    g_free(k);
    return G_SOURCE_REMOVE;
}

static void run_sendkey(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    uint64_t hold = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : HOLD_MS;
    Keys *k = g_new0(Keys, 1);

    *k = (Keys){ .xend = m->xend, .domid = m->domid };
    k->n = keys_parse(argv[0], k->code, KEYS_MAX);
    if (!k->n) {
        say(m, "unknown key: '%s'\n" PROMPT, argv[0]);
        g_free(k);
        return;
    }
    for (unsigned i = 0; i < k->n; i++) {
        press(d, k->code[i], true);
    }
    g_timeout_add(MIN(hold, HOLD_MAX_MS), release, k);
    say(m, PROMPT);
}

/* --- what it knows ----------------------------------------------------------------------------- */

static void info_version(Monitor *m, Domain *d)
{
    (void)d;
    say(m, "Guesthouse " GUESTHOUSE_VERSION "\n");
}

static void info_status(Monitor *m, Domain *d)
{
    say(m, "VM status: %s\n", d->paused ? "paused" : "running");
}

static void info_name(Monitor *m, Domain *d)
{
    say(m, "%s\n", d->name);
}

static void info_uuid(Monitor *m, Domain *d)
{
    say(m, "%s\n", d->uuid);
}

static void info_cpus(Monitor *m, Domain *d)
{
    for (unsigned i = 0; i < d->config->vcpus; i++) {
        say(m, "CPU #%u: engine %s\n", i, d->engine ? d->engine : "?");
    }
}

static void info_block(Monitor *m, Domain *d)
{
    for (unsigned i = 0; i < d->config->disks; i++) {
        const DiskConfig *disk = &d->config->disk[i];

        say(m, "%s: type=%s removable=%d ", disk->dev,
            disk->cdrom ? "cdrom" : disk->floppy ? "floppy" : "hd", disk->cdrom || disk->floppy);
        if (*disk->path) {
            say(m, "file=%s ro=%d drv=%s\n", disk->path, !disk->writable, disk->format);
        } else {
            say(m, "[not inserted]\n");
        }
    }
}

static void info_network(Monitor *m, Domain *d)
{
    for (unsigned i = 0; i < d->config->vifs; i++) {
        const VifConfig *v = &d->config->vif[i];

        say(m, "nic%u: model=%s,macaddr=%s\n", i, v->model, v->mac_text);
    }
}

static void info_usb(Monitor *m, Domain *d)
{
    for (unsigned i = 0; i < d->config->usb_devices; i++) {
        say(m, "%s\n", d->config->usb_device[i].spec);
    }
}

static void info_chardev(Monitor *m, Domain *d)
{
    for (unsigned i = 0; i < d->config->serials; i++) {
        say(m, "serial%u: filename=%s\n", i, d->serial[i] ? line_tty(d->serial[i]) : "null");
    }
    if (d->parallel) {
        say(m, "parallel0: filename=%s\n", line_tty(d->parallel));
    }
}

static void info_vnc(Monitor *m, Domain *d)
{
    if (d->config->vnc) {
        say(m, "Server: %s:%u\n", d->config->vnc_listen, d->vnc_port);
    } else {
        say(m, "Server: disabled\n");
    }
}

static const struct { const char *name, *help; void (*show)(Monitor *m, Domain *d); } infos[] = {
    { "version", "the version", info_version },
    { "status", "whether the domain runs", info_status },
    { "name", "the domain's name", info_name },
    { "uuid", "the domain's UUID", info_uuid },
    { "cpus", "virtual processors", info_cpus },
    { "block", "disks and what is in the drives", info_block },
    { "network", "network cards", info_network },
    { "usb", "USB devices", info_usb },
    { "chardev", "where serial and parallel ports go", info_chardev },
    { "vnc", "the VNC server", info_vnc },
};

static void run_info(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(infos); i++) {
        if (argc && !strcmp(argv[0], infos[i].name)) {
            infos[i].show(m, d);
            say(m, PROMPT);
            return;
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(infos); i++) {
        say(m, "info %s -- %s\n", infos[i].name, infos[i].help);
    }
    say(m, PROMPT);
}

static void run_help(Monitor *m, Domain *d, unsigned argc, char **argv);

static const MonitorCommand commands[] = {
    { "help", "[cmd]", "this list", 0, 1, run_help },
    { "?", "[cmd]", "this list", 0, 1, run_help },
    { "info", "[subcommand]", "what is known of the domain", 0, 1, run_info },
    { "stop", "", "pause the domain", 0, 0, run_stop },
    { "cont", "", "let it go on", 0, 0, run_cont },
    { "c", "", "let it go on", 0, 0, run_cont },
    { "system_reset", "", "press the reset button", 0, 0, run_reset },
    { "system_powerdown", "", "press the power button", 0, 0, run_powerdown },
    { "nmi", "", "a non-maskable interrupt", 0, 0, run_nmi },
    { "eject", "[-f] device", "take out a medium (-f: also when the guest has locked it)", 1, 2,
      run_eject },
    { "change", "device file", "put in another medium", 2, 2, run_change },
    { "sendkey", "keys [hold_ms]", "press keys: ctrl-alt-f1", 1, 2, run_sendkey },
    { "screendump", "file", "the screen as a PPM picture", 1, 1, run_screendump },
    { "usb_add", "device", "plug in a USB device: tablet, disk:/PATH, host:VVVV:PPPP", 1, 1,
      run_usb_add },
    { "usb_del", "device", "pull it out, by the same name", 1, 1, run_usb_del },
    { "quit", "", "destroy the domain", 0, 0, run_quit },
    { "q", "", "destroy the domain", 0, 0, run_quit },
};

static void run_help(Monitor *m, Domain *d, unsigned argc, char **argv)
{
    (void)d;
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!argc || !strcmp(argv[0], commands[i].name)) {
            say(m, "%s %s -- %s\n", commands[i].name, commands[i].args, commands[i].help);
        }
    }
    say(m, PROMPT);
}

/* --- lines ------------------------------------------------------------------------------------- */

static void execute(Monitor *m, const char *text)
{
    Domain *d = domain_by_id(m->xend, m->domid);
    g_auto(GStrv) words = NULL;
    int n;

    if (!g_shell_parse_argv(text, &n, &words, NULL)) {
        say(m, PROMPT);         /* an empty line, or a quote that does not end */
        return;
    }
    if (!d || d->state != DOMAIN_ALIVE) {
        say(m, "the domain does not run\n" PROMPT);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        const MonitorCommand *c = &commands[i];

        if (!strcmp(c->name, words[0])) {
            if ((unsigned)n - 1 < c->min || (unsigned)n - 1 > c->max) {
                say(m, "usage: %s %s\n" PROMPT, c->name, c->args);
            } else {
                c->run(m, d, n - 1, words + 1);
            }
            return;
        }
    }
    say(m, "unknown command: '%s'\n" PROMPT, words[0]);
}

static void typed(Monitor *m, char c)
{
    bool end_of_pair = c == '\n' && m->last_cr;

    m->last_cr = c == '\r';
    if (c == '\r' || (c == '\n' && !end_of_pair)) {
        g_autofree char *text = g_strdup(m->line->str);

        g_string_truncate(m->line, 0);
        say(m, "\n");
        execute(m, text);
    } else if ((c == '\b' || c == 0x7f) && m->line->len) {
        g_string_truncate(m->line, m->line->len - 1);
        say(m, "\b \b");
    } else if (c == 0x15) {     /* Ctrl+U */
        g_string_truncate(m->line, 0);
        say(m, "\n" PROMPT);
    } else if (g_ascii_isprint(c) && m->line->len < LINE_MAX_BYTES) {
        g_string_append_c(m->line, c);
        say(m, "%c", c);
    }
}

/* A byte at a time: what follows a command waits in the terminal until that is done. */
static gboolean on_readable(gint fd, GIOCondition condition, gpointer opaque)
{
    Monitor *m = opaque;
    char c;

    (void)condition;
    while (!m->busy && read(fd, &c, 1) == 1) {
        typed(m, c);
    }
    if (m->busy) {              /* done() looks again */
        m->source = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

Monitor *monitor_new(Domain *d, char **error)
{
    Monitor *m = g_new0(Monitor, 1);

    if (!pty_open(&m->pty, error)) {
        g_free(m);
        return NULL;
    }
    m->xend = d->xend;
    m->domid = d->id;
    m->line = g_string_new(NULL);
    listen_again(m);
    say(m, "Guesthouse " GUESTHOUSE_VERSION " monitor - type 'help' for more information\n" PROMPT);
    return m;
}

void monitor_free(Monitor *m)
{
    if (!m) {
        return;
    }
    if (m->source) {
        g_source_remove(m->source);
        m->source = 0;
    }
    pty_close(&m->pty);
    m->dead = true;
    if (!m->busy) {
        g_string_free(m->line, TRUE);
        g_free(m);
    }
}

const char *monitor_tty(const Monitor *m)
{
    return m ? m->pty.name : "";
}
