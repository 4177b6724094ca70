/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb_session.c - gdb's remote serial protocol (gdb manual, appendix "GDB Remote Serial Protocol"),
 * all-stop mode, without ids of processes: thread n + 1 is vCPU n.  Signals that gdb wants to pass on
 * are forgotten: there is nobody to take them.  Left out: non-stop mode, tracepoints, agents, files.
 */
#include "hypervisor/gdb_session.h"

#include <string.h>
#include "hypervisor/gdb_monitor.h"
#include "hypervisor/gdb_packet.h"
#include "hypervisor/gdb_private.h"

#define PAGE 4096u

static void send_packet(GdbSession *s, const char *data, size_t len)
{
    g_string_truncate(s->last, 0);
    gdb_frame(s->last, data, len);
    s->target->send(s->opaque, s->last->str, s->last->len);
}

static void send_text(GdbSession *s, const char *text)
{
    send_packet(s, text, strlen(text));
}

static void send_ok(GdbSession *s)
{
    send_text(s, "OK");
}

/* errno values, as gdb's own stubs use them. */
static void send_error(GdbSession *s, unsigned code)
{
    char text[4];

    g_snprintf(text, sizeof text, "E%02x", code & 0xff);
    send_text(s, text);
}

enum { ERROR_INVALID = 22, ERROR_FAULT = 14, ERROR_NONE_LEFT = 28, ERROR_NO_THREAD = 3 };

/* --- registers --- */

static GdbArch arch_of_guest(GdbSession *s)
{
    if (s->settings->arch >= 0) {
        return (GdbArch)s->settings->arch;
    }
    return gdb_arch_of(&gdb_session_regs(s, s->cpu)->s);
}

GdbRegs *gdb_session_regs(GdbSession *s, unsigned cpu)
{
    if (s->cached != (int)cpu) {
        gdb_session_flush(s);
        s->target->get(s->opaque, cpu, &s->regs);
        s->cached = (int)cpu;
    }
    return &s->regs;
}

void gdb_session_flush(GdbSession *s)
{
    if (s->cached >= 0 && s->changed) {
        s->target->set(s->opaque, (unsigned)s->cached, &s->regs);
    }
    s->changed = false;
    s->cached = -1;
}

static void reg_get(GdbSession *s, unsigned n, uint8_t *value)
{
    const GdbRegs *r = gdb_session_regs(s, s->cpu);

    gdb_reg_get(s->arch, n, r, value);
    if (s->settings->linear_pc && n == gdb_reg_pc(s->arch)) {
        uint64_t pc = gdb_linear_pc(&r->s);

        memcpy(value, &pc, gdb_reg_size(s->arch, n));
    }
}

static bool reg_set(GdbSession *s, unsigned n, const uint8_t *value)
{
    GdbRegs *r = gdb_session_regs(s, s->cpu);

    if (!gdb_reg_set(s->arch, n, r, value)) {
        return false;
    }
    if (s->settings->linear_pc && n == gdb_reg_pc(s->arch) && !gdb_in_64(&r->s)) {
        r->s.rip = (uint32_t)(r->s.rip - r->s.seg[SEG_CS].base);
    }
    s->changed = true;
    return true;
}

static void cmd_read_all(GdbSession *s)
{
    g_autoptr(GString) out = g_string_new(NULL);
    uint8_t value[GDB_REG_MAX];

    for (unsigned n = 0; n < gdb_reg_count(s->arch); n++) {
        reg_get(s, n, value);
        gdb_put_hex(out, value, gdb_reg_size(s->arch, n));
    }
    send_packet(s, out->str, out->len);
}

static void cmd_write_all(GdbSession *s, const char *text, size_t chars)
{
    uint8_t value[GDB_REG_MAX], now[GDB_REG_MAX];
    size_t at = 0;

    for (unsigned n = 0; n < gdb_reg_count(s->arch); n++) {
        unsigned size = gdb_reg_size(s->arch, n);

        if (at + 2 * size > chars || !gdb_get_hex(text + at, chars - at, value, size)) {
            send_error(s, ERROR_INVALID);
            return;
        }
        reg_get(s, n, now);
        if (memcmp(now, value, size)) {
            reg_set(s, n, value);
        }
        at += 2 * size;
    }
    send_ok(s);
}

static void cmd_read_one(GdbSession *s, const char *text)
{
    g_autoptr(GString) out = g_string_new(NULL);
    uint8_t value[GDB_REG_MAX];
    uint64_t n;

    if (!gdb_get_number(&text, &n) || *text || n >= gdb_reg_count(s->arch)) {
        send_error(s, ERROR_INVALID);
        return;
    }
    reg_get(s, n, value);
    gdb_put_hex(out, value, gdb_reg_size(s->arch, n));
    send_packet(s, out->str, out->len);
}

static void cmd_write_one(GdbSession *s, const char *text)
{
    uint8_t value[GDB_REG_MAX];
    uint64_t n;

    if (!gdb_get_number(&text, &n) || *text != '=' || n >= gdb_reg_count(s->arch) ||
        !gdb_get_hex(text + 1, strlen(text + 1), value, gdb_reg_size(s->arch, n)) ||
        !reg_set(s, n, value)) {
        send_error(s, ERROR_INVALID);
        return;
    }
    send_ok(s);
}

/* --- memory --- */

static bool address_parse(const char **text, uint64_t *addr, uint64_t *len)
{
    if (!gdb_get_number(text, addr) || **text != ',') {
        return false;
    }
    ++*text;
    return gdb_get_number(text, len);
}

bool gdb_session_where(GdbSession *s, uint64_t addr, uint64_t *gpa)
{
    if (s->settings->physical) {
        *gpa = addr;
        return true;
    }
    return s->target->translate(s->opaque, s->cpu, &gdb_session_regs(s, s->cpu)->s, addr, gpa);
}

/* How much of it is there, up to the first hole. */
static size_t memory_read(GdbSession *s, uint64_t addr, uint8_t *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        size_t here = MIN(len - done, PAGE - ((addr + done) & (PAGE - 1)));
        uint64_t gpa;

        if (!gdb_session_where(s, addr + done, &gpa) ||
            !s->target->read(s->opaque, gpa, buf + done, here)) {
            break;
        }
        done += here;
    }
    return done;
}

static bool memory_write(GdbSession *s, uint64_t addr, const uint8_t *buf, size_t len)
{
    while (len) {
        size_t here = MIN(len, PAGE - (addr & (PAGE - 1)));
        uint64_t gpa;

        if (!gdb_session_where(s, addr, &gpa) || !s->target->write(s->opaque, gpa, buf, here)) {
            return false;
        }
        addr += here;
        buf += here;
        len -= here;
    }
    return true;
}

static void cmd_read_memory(GdbSession *s, const char *text)
{
    g_autoptr(GString) out = g_string_new(NULL);
    uint8_t buf[GDB_PACKET_MAX / 2];
    uint64_t addr, len;
    size_t got;

    if (!address_parse(&text, &addr, &len) || *text) {
        send_error(s, ERROR_INVALID);
        return;
    }
    len = MIN(len, sizeof buf);
    got = memory_read(s, addr, buf, len);
    if (len && !got) {
        send_error(s, ERROR_FAULT);
        return;
    }
    gdb_put_hex(out, buf, got);
    send_packet(s, out->str, out->len);
}

/* M: hexadecimal; X: bytes with escapes. */
static void cmd_write_memory(GdbSession *s, const char *text, const char *end, bool binary)
{
    uint8_t buf[GDB_PACKET_MAX];
    uint64_t addr, len;
    bool ok;

    if (!address_parse(&text, &addr, &len) || *text++ != ':' || len > sizeof buf) {
        send_error(s, ERROR_INVALID);
        return;
    }
    if (binary) {
        size_t n = end - text;

        memcpy(buf, text, n);
        ok = gdb_unescape((char *)buf, n) == len;
    } else {
        ok = gdb_get_hex(text, end - text, buf, len);
    }
    if (!ok) {
        send_error(s, ERROR_INVALID);
    } else if (!memory_write(s, addr, buf, len)) {
        send_error(s, ERROR_FAULT);
    } else {
        send_ok(s);
    }
}

/* --- breakpoints and watchpoints --- */

static const uint8_t kind_of_type[] = { POINT_EXEC, POINT_EXEC, POINT_WRITE, POINT_READ,
                                        POINT_ACCESS };

static int point_find(const GdbSession *s, unsigned type, uint64_t addr, uint32_t len)
{
    for (unsigned i = 0; i < s->point_count; i++) {
        const GdbPoint *p = &s->point[i];

        if (p->type == type && p->linear == addr && (type < 2 || p->len == len)) {
            return (int)i;
        }
    }
    return -1;
}

/* Tells the target of all points; software and hardware breakpoints in one place are one. */
static bool points_tell(GdbSession *s)
{
    DebugPoint all[DEBUG_POINTS] = { 0 };
    unsigned n = 0;

    for (unsigned i = 0; i < s->point_count; i++) {
        const GdbPoint *p = &s->point[i];
        DebugPoint *to = &all[n];

        if (p->type == 1 && point_find(s, 0, p->linear, 1) >= 0) {
            continue;
        }
        to->linear = p->linear;
        to->len = p->len;
        to->kind = kind_of_type[p->type];
        to->gpa = p->gpa;
        n++;
    }
    return s->target->points(s->opaque, all, n);
}

static void cmd_point(GdbSession *s, const char *text, bool on)
{
    unsigned type = (unsigned)(text[0] - '0');
    uint64_t addr, len, gpa = UINT64_MAX;
    int at;

    if (text[0] < '0' || text[0] > '4' || text[1] != ',') {
        send_text(s, "");
        return;
    }
    text += 2;
    if (!address_parse(&text, &addr, &len) || (*text && *text != ';') ||
        (type >= 2 && (len < 1 || len > DEBUG_WATCH_MAX))) {
        send_error(s, ERROR_INVALID);
        return;
    }
    at = point_find(s, type, addr, len);
    if (on && at < 0) {
        if (s->point_count == DEBUG_POINTS) {
            send_error(s, ERROR_NONE_LEFT);
            return;
        }
        if (type < 2 &&
            !s->target->translate(s->opaque, s->cpu, &gdb_session_regs(s, s->cpu)->s, addr, &gpa)) {
            gpa = UINT64_MAX;
        }
        s->point[s->point_count++] = (GdbPoint){ .type = type, .linear = addr, .gpa = gpa,
                                                 .len = type < 2 ? 1 : len };
        if (!points_tell(s)) {
            s->point_count--;
            points_tell(s);
            send_error(s, ERROR_NONE_LEFT);
            return;
        }
    } else if (!on && at >= 0) {
        s->point[at] = s->point[--s->point_count];
        points_tell(s);
    }
    send_ok(s);
}

/* --- going and stopping --- */

static void reason_text(GdbSession *s, const GdbStop *stop, GString *out)
{
    static const char *const watch[] = { [POINT_WRITE] = "watch", [POINT_READ] = "rwatch",
                                         [POINT_ACCESS] = "awatch" };
    const DebugHit *hit = &stop->hit;
    uint64_t pc = 0;

    if (!hit->point) {
        return;
    }
    if (hit->kind != POINT_EXEC) {
        g_string_append_printf(out, "%s:%" G_GINT64_MODIFIER "x;", watch[hit->kind], hit->linear);
        return;
    }
    reg_get(s, gdb_reg_pc(s->arch), (uint8_t *)&pc);
    if (pc != hit->linear) {
        return;         /* gdb would look for its breakpoint where the program counter is */
    }
    if (s->wants_swbreak && point_find(s, 0, hit->linear, 1) >= 0) {
        g_string_append(out, "swbreak:;");
    } else if (s->wants_hwbreak && point_find(s, 1, hit->linear, 1) >= 0) {
        g_string_append(out, "hwbreak:;");
    }
}

static void send_stop(GdbSession *s)
{
    g_autoptr(GString) out = g_string_new(NULL);

    if (s->stop.how != GDB_STOPPED) {
        send_text(s, s->stop.how == GDB_EXITED ? "W00" : "X06");
        return;
    }
    g_string_printf(out, "T%02xthread:%x;", s->stop.signal, s->stop.cpu + 1);
    reason_text(s, &s->stop, out);
    send_packet(s, out->str, out->len);
}

/* Text on gdb's console; only while it waits for a stop. */
static void send_note(GdbSession *s, const char *text)
{
    g_autoptr(GString) out = g_string_new("O");

    gdb_put_hex(out, text, strlen(text));
    send_packet(s, out->str, out->len);
}

/* gdb can't change its idea of the processor while it is connected. */
static void note_mode(GdbSession *s)
{
    bool in_64 = gdb_in_64(&gdb_session_regs(s, s->cpu)->s);

    if (in_64 && s->arch != GDB_X86_64 && !s->told_mode) {
        s->told_mode = true;
        send_note(s, "The guest runs 64-bit code now; connect again to see all of it "
                     "(disconnect, target remote).\n");
    }
}

void gdb_session_stopped(GdbSession *s, const GdbStop *stop)
{
    s->stop = *stop;
    s->running = false;
    s->cached = -1;
    if (stop->how == GDB_STOPPED) {
        s->cpu = stop->cpu;
        note_mode(s);
    }
    send_stop(s);
}

static void resume(GdbSession *s, const GdbAction *actions)
{
    gdb_session_flush(s);
    s->running = true;
    s->target->resume(s->opaque, actions);
}

/* "3", "-1", "0": a vCPU, or -1 for all, in *cpu.  False: not one. */
static bool thread_parse(GdbSession *s, const char **text, int *cpu)
{
    uint64_t id;

    if (!strncmp(*text, "-1", 2)) {
        *text += 2;
        *cpu = -1;
        return true;
    }
    if (!gdb_get_number(text, &id) || id > s->target->cpus) {
        return false;
    }
    *cpu = id ? (int)id - 1 : -1;
    return true;
}

/* One "s:2" of vCont. */
static bool action_parse(GdbSession *s, const char **text, GdbAction *a, int *cpu)
{
    char c = *(*text)++;
    uint64_t ignored;

    *a = (GdbAction){ .what = c == 'c' || c == 'C' ? GDB_GO : GDB_STEP };
    *cpu = -1;
    if (!strchr("cCsSr", c) || !c || ((c == 'C' || c == 'S') && !gdb_get_number(text, &ignored))) {
        return false;
    }
    if (c == 'r' && !(address_parse(text, &a->from, &a->to))) {
        return false;
    }
    if (**text == ':') {
        ++*text;
        if (!thread_parse(s, text, cpu)) {
            return false;
        }
    }
    return !**text || **text == ';';
}

static void cmd_vcont(GdbSession *s, const char *text)
{
    g_autofree GdbAction *actions = g_new0(GdbAction, s->target->cpus);
    bool any = false;

    while (*text == ';') {
        GdbAction a;
        int cpu;

        text++;
        if (!action_parse(s, &text, &a, &cpu)) {
            send_error(s, ERROR_INVALID);
            return;
        }
        for (unsigned i = 0; i < s->target->cpus; i++) {
            if ((cpu < 0 || i == (unsigned)cpu) && actions[i].what == GDB_STAY) {
                actions[i] = a;
                any = true;
            }
        }
    }
    if (!any || *text) {
        send_error(s, ERROR_INVALID);
        return;
    }
    resume(s, actions);
}

/* c, s, C and S of before vCont. */
static void cmd_go(GdbSession *s, const char *text)
{
    g_autofree GdbAction *actions = g_new0(GdbAction, s->target->cpus);
    bool step = text[0] == 's' || text[0] == 'S';
    bool signal = text[0] == 'C' || text[0] == 'S';
    uint64_t at;

    text++;
    if (signal && !gdb_get_number(&text, &at)) {
        send_error(s, ERROR_INVALID);
        return;
    }
    if (signal && *text == ';') {
        text++;
    }
    if (*text) {
        if (!gdb_get_number(&text, &at) || *text) {
            send_error(s, ERROR_INVALID);
            return;
        }
        reg_set(s, gdb_reg_pc(s->arch), (const uint8_t *)&at);
    }
    for (unsigned i = 0; i < s->target->cpus; i++) {
        bool chosen = s->cpu_go < 0 || i == (unsigned)s->cpu_go;

        if (step) {
            actions[i].what = i == (s->cpu_go < 0 ? s->cpu : (unsigned)s->cpu_go) ? GDB_STEP
                                                                                  : GDB_STAY;
        } else {
            actions[i].what = chosen ? GDB_GO : GDB_STAY;
        }
    }
    resume(s, actions);
}

/* --- threads --- */

static void cmd_thread(GdbSession *s, const char *text)
{
    char what = *text++;
    int cpu;

    if (!thread_parse(s, &text, &cpu) || *text || (what != 'g' && what != 'c')) {
        send_error(s, ERROR_NO_THREAD);
        return;
    }
    if (what == 'c') {
        s->cpu_go = cpu;
    } else if (cpu >= 0) {
        s->cpu = (unsigned)cpu;
    }
    send_ok(s);
}

static void cmd_threads(GdbSession *s)
{
    g_autoptr(GString) out = g_string_new("m");

    for (unsigned i = 0; i < s->target->cpus; i++) {
        g_string_append_printf(out, "%s%x", i ? "," : "", i + 1);
    }
    send_packet(s, out->str, out->len);
}

static void cmd_thread_text(GdbSession *s, const char *text)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *about = NULL;
    int cpu;

    if (!thread_parse(s, &text, &cpu) || cpu < 0) {
        send_error(s, ERROR_NO_THREAD);
        return;
    }
    about = g_strdup_printf("vCPU %d %s", cpu, s->target->about(s->opaque, (unsigned)cpu));
    gdb_put_hex(out, about, strlen(about));
    send_packet(s, out->str, out->len);
}

/* --- queries --- */

static void cmd_supported(GdbSession *s, const char *text)
{
    g_autofree char *reply = g_strdup_printf("PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;"
                                             "swbreak+;hwbreak+;vContSupported+", GDB_PACKET_MAX);

    s->wants_swbreak = strstr(text, "swbreak+") != NULL;
    s->wants_hwbreak = strstr(text, "hwbreak+") != NULL;
    send_text(s, reply);
}

/* target.xml:OFFSET,LENGTH */
static void cmd_features(GdbSession *s, const char *text)
{
    g_autofree char *xml = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    uint64_t at, len;
    size_t all;

    if (!g_str_has_prefix(text, "target.xml:")) {
        send_text(s, "E00");
        return;
    }
    text += strlen("target.xml:");
    if (!address_parse(&text, &at, &len) || *text) {
        send_error(s, ERROR_INVALID);
        return;
    }
    xml = gdb_target_xml(s->arch);
    all = strlen(xml);
    at = MIN(at, all);
    len = MIN(len, MIN(all - at, GDB_PACKET_MAX / 2));
    g_string_append_c(out, at + len == all ? 'l' : 'm');
    g_string_append_len(out, xml + at, len);
    send_packet(s, out->str, out->len);
}

static void cmd_monitor(GdbSession *s, const char *text)
{
    char line[256] = "";
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *answer = NULL;

    if (strlen(text) % 2 || strlen(text) / 2 >= sizeof line ||
        !gdb_get_hex(text, strlen(text), line, strlen(text) / 2)) {
        send_error(s, ERROR_INVALID);
        return;
    }
    answer = gdb_monitor(s, line);
    if (!*answer) {
        send_ok(s);
        return;
    }
    gdb_put_hex(out, answer, MIN(strlen(answer), GDB_PACKET_MAX / 2));
    send_packet(s, out->str, out->len);
}

static void cmd_query(GdbSession *s, const char *text)
{
    char current[16];

    if (g_str_has_prefix(text, "qSupported")) {
        cmd_supported(s, text);
    } else if (g_str_has_prefix(text, "qXfer:features:read:")) {
        cmd_features(s, text + strlen("qXfer:features:read:"));
    } else if (!strcmp(text, "QStartNoAckMode")) {
        send_ok(s);
        s->no_ack = true;
    } else if (!strcmp(text, "qC")) {
        g_snprintf(current, sizeof current, "QC%x", s->cpu + 1);
        send_text(s, current);
    } else if (!strcmp(text, "qfThreadInfo")) {
        cmd_threads(s);
    } else if (!strcmp(text, "qsThreadInfo")) {
        send_text(s, "l");
    } else if (g_str_has_prefix(text, "qThreadExtraInfo,")) {
        cmd_thread_text(s, text + strlen("qThreadExtraInfo,"));
    } else if (g_str_has_prefix(text, "qAttached")) {
        send_text(s, "1");
    } else if (g_str_has_prefix(text, "qRcmd,")) {
        cmd_monitor(s, text + strlen("qRcmd,"));
    } else if (g_str_has_prefix(text, "qSymbol")) {
        send_ok(s);
    } else {
        send_text(s, "");
    }
}

/* --- packets --- */

static void cmd_alive(GdbSession *s, const char *text)
{
    int cpu;

    if (thread_parse(s, &text, &cpu) && cpu >= 0) {
        send_ok(s);
    } else {
        send_error(s, ERROR_NO_THREAD);
    }
}

static bool cmd_v(GdbSession *s, const char *text)
{
    if (!strcmp(text, "vCont?")) {
        send_text(s, "vCont;c;C;s;S;r");
    } else if (g_str_has_prefix(text, "vCont;")) {
        cmd_vcont(s, text + strlen("vCont"));
    } else if (g_str_has_prefix(text, "vKill;")) {
        send_ok(s);
        gdb_session_flush(s);
        s->target->kill(s->opaque);
        return false;
    } else {
        send_text(s, "");
    }
    return true;
}

static bool packet(GdbSession *s)
{
    char *text = s->reader.data, *end = text + s->reader.len;

    switch (text[0]) {
    case '?': send_stop(s); break;
    case 'c': case 'C': case 's': case 'S': cmd_go(s, text); break;
    case 'D':
        gdb_session_flush(s);
        send_ok(s);
        return false;
    case 'g': cmd_read_all(s); break;
    case 'G': cmd_write_all(s, text + 1, s->reader.len - 1); break;
    case 'H': cmd_thread(s, text + 1); break;
    case 'k':
        gdb_session_flush(s);
        s->target->kill(s->opaque);
        return false;
    case 'm': cmd_read_memory(s, text + 1); break;
    case 'M': cmd_write_memory(s, text + 1, end, false); break;
    case 'p': cmd_read_one(s, text + 1); break;
    case 'P': cmd_write_one(s, text + 1); break;
    case 'q': case 'Q': cmd_query(s, text); break;
    case 'T': cmd_alive(s, text + 1); break;
    case 'v': return cmd_v(s, text);
    case 'X': cmd_write_memory(s, text + 1, end, true); break;
    case 'Z': case 'z': cmd_point(s, text + 1, text[0] == 'Z'); break;
    default: send_text(s, "");
    }
    return true;
}

bool gdb_session_input(GdbSession *s, const uint8_t *bytes, size_t len)
{
    bool resent = false;        /* once for all that came together: a peer may send nothing but NAKs */

    for (size_t i = 0; i < len; i++) {
        switch (gdb_reader_byte(&s->reader, bytes[i])) {
        case GDB_INTERRUPT:
            if (s->running) {
                s->target->interrupt(s->opaque);
            }
            break;
        case GDB_PACKET:
            s->used = true;
            if (!s->no_ack) {
                s->target->send(s->opaque, "+", 1);
            }
            if (!s->running && !packet(s)) {    /* gdb says nothing while the guest runs */
                return false;
            }
            break;
        case GDB_DAMAGED:
            s->target->send(s->opaque, "-", 1);
            break;
        case GDB_NAK:
            if (s->last->len && !s->no_ack && !resent) {
                s->target->send(s->opaque, s->last->str, s->last->len);
                resent = true;
            }
            break;
        case GDB_NOTHING:
            break;
        }
    }
    return true;
}

bool gdb_session_running(const GdbSession *s)
{
    return s->running;
}

bool gdb_session_used(const GdbSession *s)
{
    return s->used;
}

GdbSession *gdb_session_new(const GdbTarget *target, void *opaque, GdbSettings *settings)
{
    GdbSession *s = g_new0(GdbSession, 1);

    s->target = target;
    s->opaque = opaque;
    s->settings = settings;
    s->last = g_string_new(NULL);
    s->cached = -1;
    s->cpu_go = -1;
    s->stop = (GdbStop){ .how = GDB_STOPPED, .signal = GDB_SIGTRAP };
    s->arch = arch_of_guest(s);
    return s;
}

void gdb_session_free(GdbSession *s)
{
    g_string_free(s->last, TRUE);
    g_free(s);
}
