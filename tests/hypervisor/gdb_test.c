/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gdb_test.c - gdb's remote protocol against a machine that only remembers what it was asked. */
#include <criterion/criterion.h>
#include <glib.h>
#include <string.h>
#include "hypervisor/gdb_packet.h"
#include "hypervisor/gdb_session.h"

#define CPUS 3
#define RAM 0x10000u

typedef struct Fake {
    GdbTarget target;
    GdbSettings settings;
    GdbSession *session;
    GString *sent;              /* raw, since the last take() */
    GdbRegs regs[CPUS];
    uint8_t ram[RAM];
    DebugPoint point[DEBUG_POINTS];
    unsigned points, points_limit, sets, resumes, interrupts, kills, nmis;
    GdbAction action[CPUS];
    uint64_t unmapped;          /* this page is not */
} Fake;

static Fake *f;

static void fake_send(void *o, const char *bytes, size_t len)
{
    (void)o;
    g_string_append_len(f->sent, bytes, len);
}

static void fake_get(void *o, unsigned cpu, GdbRegs *r)
{
    (void)o;
    *r = f->regs[cpu];
}

static void fake_set(void *o, unsigned cpu, const GdbRegs *r)
{
    (void)o;
    f->regs[cpu] = *r;
    f->sets++;
}

static const char *fake_about(void *o, unsigned cpu)
{
    (void)o;
    return cpu ? "offline" : "halted";
}

static bool fake_read(void *o, uint64_t gpa, void *buf, size_t len)
{
    (void)o;
    if (gpa >= RAM || len > RAM - gpa) {
        return false;
    }
    memcpy(buf, f->ram + gpa, len);
    return true;
}

static bool fake_write(void *o, uint64_t gpa, const void *buf, size_t len)
{
    (void)o;
    if (gpa >= RAM || len > RAM - gpa) {
        return false;
    }
    memcpy(f->ram + gpa, buf, len);
    return true;
}

/* Linear addresses lie 1 MiB above their bytes. */
static bool fake_translate(void *o, unsigned cpu, const VcpuState *s, uint64_t linear,
                           uint64_t *gpa)
{
    (void)o;
    (void)cpu;
    (void)s;
    *gpa = linear - 0x100000;
    return linear >= 0x100000 && *gpa < RAM && linear >> 12 != f->unmapped >> 12;
}

static bool fake_points(void *o, const DebugPoint *points, unsigned n)
{
    (void)o;
    if (n > f->points_limit) {
        return false;
    }
    memcpy(f->point, points, n * sizeof *points);
    f->points = n;
    return true;
}

static void fake_resume(void *o, const GdbAction *actions)
{
    (void)o;
    memcpy(f->action, actions, sizeof f->action);
    f->resumes++;
}

static void fake_interrupt(void *o)
{
    (void)o;
    f->interrupts++;
}

static void fake_kill(void *o)
{
    (void)o;
    f->kills++;
}

static void fake_nmi(void *o, unsigned cpu)
{
    (void)o;
    f->nmis += cpu + 1;
}

static unsigned fake_counters(void *o, unsigned cpu, EngineCounter *out)
{
    (void)o;
    out[0] = (EngineCounter){ "things", cpu + 12345 };
    return 1;
}

static void connect_as(bool long_mode)
{
    if (f->session) {
        gdb_session_free(f->session);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        f->regs[i].s.efer = long_mode ? 0x500 : 0;
        f->regs[i].s.cr0 = 0x80000011;
        f->regs[i].s.seg[SEG_CS].attr = long_mode ? 0xa9b : 0xc9b;
    }
    f->session = gdb_session_new(&f->target, f, &f->settings);
}

static void setup(void)
{
    f = g_new0(Fake, 1);
    f->target = (GdbTarget){ .send = fake_send, .cpus = CPUS, .get = fake_get, .set = fake_set,
                             .about = fake_about, .read = fake_read, .write = fake_write,
                             .translate = fake_translate, .points = fake_points,
                             .resume = fake_resume, .interrupt = fake_interrupt,
                             .kill = fake_kill, .nmi = fake_nmi, .counters = fake_counters };
    f->settings.arch = -1;
    f->sent = g_string_new(NULL);
    f->points_limit = DEBUG_POINTS;
    f->unmapped = UINT64_MAX;
    connect_as(true);
}

static void teardown(void)
{
    gdb_session_free(f->session);
    g_string_free(f->sent, TRUE);
    g_free(f);
}

TestSuite(gdb, .init = setup, .fini = teardown, .timeout = 60);

static bool feed(const char *bytes, size_t len)
{
    g_string_truncate(f->sent, 0);
    return gdb_session_input(f->session, (const uint8_t *)bytes, len);
}

static bool ask_bytes(const char *text, size_t len)
{
    g_autoptr(GString) framed = g_string_new(NULL);

    gdb_frame(framed, text, len);
    return feed(framed->str, framed->len);
}

/* The reply's data to a packet, without its frame. */
static const char *ask(const char *text)
{
    static char reply[2 * GDB_PACKET_MAX];
    char *end;

    ask_bytes(text, strlen(text));
    cr_assert_eq(f->sent->str[0], '+');
    g_strlcpy(reply, f->sent->str[1] == '$' ? f->sent->str + 2 : "", sizeof reply);
    end = strrchr(reply, '#');
    if (end) {
        *end = 0;
    }
    return reply;
}

static void says(const char *packet, const char *reply)
{
    const char *got = ask(packet);

    cr_expect_str_eq(got, reply, "%s: %s, not %s", packet, got, reply);
}

/* --- framing --- */

Test(gdb, damaged_packets_are_refused_and_forgotten)
{
    feed("$?#00", 5);
    cr_expect_str_eq(f->sent->str, "-");
    feed("$?#zz", 5);
    cr_expect_str_eq(f->sent->str, "-");
    feed("$gg$?#3f", 8);
    cr_expect_str_eq(f->sent->str, "+$T05thread:1;#d7");
}

Test(gdb, packets_that_are_too_long_are_refused)
{
    g_autofree char *text = g_malloc(GDB_PACKET_MAX + 1);

    memset(text, 'm', GDB_PACKET_MAX + 1);
    ask_bytes(text, GDB_PACKET_MAX + 1);
    cr_expect_str_eq(f->sent->str, "-");
    says("qC", "QC1");
}

Test(gdb, last_reply_is_repeated_on_request)
{
    g_autofree char *first = NULL;

    ask("qC");
    first = g_strdup(f->sent->str + 1);
    feed("-", 1);
    cr_expect_str_eq(f->sent->str, first);
}

Test(gdb, no_acknowledgements_after_start_no_ack_mode)
{
    says("QStartNoAckMode", "OK");
    ask_bytes("qC", 2);
    cr_expect_eq(f->sent->str[0], '$');
}

Test(gdb, replies_escape_what_framing_uses)
{
    g_autoptr(GString) out = g_string_new(NULL);
    char back[] = "a}\x03" "b}]c";

    gdb_frame(out, "a#b}c", 5);
    cr_expect(g_str_has_prefix(out->str, "$a}\x03" "b}]c#"));
    cr_expect_eq(gdb_unescape(back, 7), 5);
    cr_expect(!memcmp(back, "a#b}c", 5));
}

/* --- registers --- */

Test(gdb, registers_are_in_gdbs_order)
{
    GdbRegs *r = &f->regs[0];
    const char *all;

    r->s.gpr[0] = 0x1122334455667788;
    r->s.gpr[3] = 0x99;
    r->s.rip = 0xffffffff81000000;
    r->s.rflags = 0x246;
    r->s.seg[SEG_CS].selector = 0x10;
    r->s.seg[SEG_FS].base = 0x7f00;
    connect_as(true);
    all = ask("g");
    cr_expect(g_str_has_prefix(all, "887766554433221199000000"));
    cr_expect(!strncmp(all + 16 * 16, "00000081ffffffff4602000010000000", 32));
    says("p10", "00000081ffffffff");
    says("p0", "8877665544332211");
}

Test(gdb, one_register_is_written_before_the_guest_goes_on)
{
    says("P0=efbeadde00000000", "OK");
    cr_expect_eq(f->sets, 0);
    ask("vCont;c");
    cr_expect_eq(f->sets, 1);
    cr_expect_eq(f->regs[0].s.gpr[0], 0xdeadbeef);
}

Test(gdb, all_registers_are_written_back_as_they_were_read)
{
    g_autofree char *all = NULL, *write = NULL;
    GdbRegs before;

    for (unsigned i = 0; i < 16; i++) {
        f->regs[0].s.gpr[i] = 0x0101010101010101 * (i + 1);
    }
    before = f->regs[0];
    all = g_strdup(ask("g"));
    write = g_strconcat("G", all, NULL);
    says(write, "OK");
    ask("vCont;c");
    cr_expect(!memcmp(&before, &f->regs[0], sizeof before));
}

Test(gdb, writes_keep_what_a_processor_refuses)
{
    says("P11=ffffffff", "OK");                                 /* eflags */
    ask("vCont;c");
    cr_expect_eq(f->regs[0].s.rflags, 0x3d7fd5 | 2, "%#llx",
                 (unsigned long long)f->regs[0].s.rflags);
}

Test(gdb, mxcsr_takes_no_reserved_bits)
{
    unsigned n = gdb_reg_count(GDB_X86_64), at = 0;
    GdbRegs r = { 0 };
    uint8_t ones[GDB_REG_MAX];
    uint32_t mxcsr;

    memset(ones, 0xff, sizeof ones);
    for (; at < n; at++) {
        gdb_reg_set(GDB_X86_64, at, &r, ones);
    }
    memcpy(&mxcsr, r.s.xsave + 24, 4);
    cr_expect_eq(mxcsr, 0xffff);
    cr_expect_eq(r.s.efer, 0);
    cr_expect_eq(r.s.xcr0, 0);
    cr_expect(!(r.s.rflags & 1u << 17));
    cr_expect_eq(r.cr8, 15);
    cr_expect(!gdb_reg_set(GDB_X86_64, n, &r, ones));
}

Test(gdb, absent_fpu_state_reads_as_initial)
{
    GdbRegs r = { 0 };
    uint8_t v[GDB_REG_MAX];

    memset(r.s.xsave, 0xee, 512);
    cr_assert(gdb_reg_get(GDB_I386, 16, &r, v));        /* st0 */
    cr_expect_eq(v[0], 0);
    cr_assert(gdb_reg_get(GDB_I386, 24, &r, v));        /* fctrl */
    cr_expect(v[0] == 0x7f && v[1] == 3);
    cr_assert(gdb_reg_get(GDB_I386, 26, &r, v));        /* ftag */
    cr_expect(v[0] == 0xff && v[1] == 0xff);
    v[0] = 5;
    cr_assert(gdb_reg_set(GDB_I386, 16, &r, v));
    cr_expect_eq(r.s.xsave[512], 1);
    cr_expect_eq(r.s.xsave[0], 0x7f);
    cr_expect_eq(r.s.xsave[32], 5);
}

Test(gdb, selectors_load_their_base_in_real_mode_only)
{
    GdbRegs r = { 0 };
    const uint8_t v[GDB_REG_MAX] = { 0x00, 0xb8 };

    cr_assert(gdb_reg_set(GDB_I386, 12, &r, v));        /* ds */
    cr_expect_eq(r.s.seg[SEG_DS].base, 0xb8000);
    r.s.cr0 = 1;
    cr_assert(gdb_reg_set(GDB_I386, 13, &r, v));        /* es */
    cr_expect_eq(r.s.seg[SEG_ES].selector, 0xb800);
    cr_expect_eq(r.s.seg[SEG_ES].base, 0);
}

Test(gdb, description_has_every_register_once_and_its_number)
{
    for (unsigned arch = 0; arch < GDB_ARCHES; arch++) {
        g_autofree char *xml = gdb_target_xml(arch), *last = NULL, *more = NULL;

        last = g_strdup_printf("regnum=\"%u\"", gdb_reg_count(arch) - 1);
        more = g_strdup_printf("regnum=\"%u\"", gdb_reg_count(arch));
        cr_expect(strstr(xml, last) && !strstr(xml, more));
        cr_expect_not_null(strstr(xml, "org.gnu.gdb.i386.core"));
    }
}

Test(gdb, description_is_told_in_pieces)
{
    g_autofree char *xml = gdb_target_xml(GDB_X86_64);
    g_autoptr(GString) all = g_string_new(NULL);
    const char *piece;

    do {
        g_autofree char *q = g_strdup_printf("qXfer:features:read:target.xml:%x,400",
                                             (unsigned)all->len);

        piece = ask(q);
        g_string_append(all, piece + 1);
    } while (*piece == 'm');
    cr_expect_eq(*piece, 'l');
    cr_expect_str_eq(all->str, xml);
    says("qXfer:features:read:target.xml:ffffffffffffffff,10", "l");
    says("qXfer:features:read:other.xml:0,10", "E00");
}

Test(gdb, architecture_follows_the_guest_or_the_setting)
{
    GdbArch arch;

    connect_as(false);
    cr_expect_not_null(strstr(ask("qXfer:features:read:target.xml:0,200"), "<architecture>i386<"));
    f->regs[0].s.cr0 = 0x10;
    cr_expect_eq(gdb_arch_of(&f->regs[0].s), GDB_I8086);
    cr_assert(gdb_arch_find("x86-64", &arch));
    f->settings.arch = (int)arch;
    connect_as(false);
    cr_expect_not_null(strstr(ask("qXfer:features:read:target.xml:0,200"), "i386:x86-64"));
}

/* --- memory --- */

Test(gdb, memory_goes_through_the_page_tables)
{
    memcpy(f->ram + 0x10, "\x01\x02\x03\x04", 4);
    says("m100010,4", "01020304");
    says("M100011,2:aabb", "OK");
    says("m100010,4", "01aabb04");
    cr_expect(ask_bytes("X100010,3:z#y", 13));
    cr_expect_not_null(strstr(f->sent->str, "$OK#"));
    cr_expect(!memcmp(f->ram + 0x10, "z#y", 3));
}

Test(gdb, unmapped_memory_is_an_error_and_a_part_of_it_a_short_answer)
{
    says("m0,4", "E0e");
    says("M0,1:00", "E0e");
    f->unmapped = 0x101000;
    f->ram[0xfff] = 0x77;
    says("m100fff,10", "77");
    says("m101000,1", "E0e");
}

Test(gdb, addresses_may_be_physical)
{
    f->ram[4] = 0x42;
    says("qRcmd,6d656d6f727920706879736963616c", "OK");        /* memory physical */
    says("m4,1", "42");
}

Test(gdb, malformed_memory_packets_are_errors)
{
    says("m", "E16");
    says("m10", "E16");
    says("m100000,4x", "E16");
    says("M100000,4:00", "E16");
    says("M100000,2:zzzz", "E16");
    says("M100000,ffffffffffffffff:00", "E16");
    says("m11111111111111111,4", "E16");
    says("X100000,5:a", "E16");
    says("P", "E16");
    says("P0", "E16");
    says("P0=12", "E16");
    says("pffff", "E16");
    says("Pffff=00", "E16");
    says("G00", "E16");
    says("H", "E03");
    says("Hg7f", "E03");
    says("T", "E03");
    says("Z0,", "E16");
    says("Z2,100000,0", "E16");
    says("Z2,100000,ffffffff", "E16");
    says("Z7,0,1", "");
    says("vCont;", "E16");
    says("vCont;x", "E16");
    says("vCont;c:99", "E16");
    says("vCont;r1", "E16");
    says("C", "E16");
    says("qRcmd,zz", "E16");
    says("qRcmd,1", "E16");
    says("", "");
    cr_expect_eq(f->resumes, 0);
}

/* --- points --- */

Test(gdb, points_come_and_go)
{
    says("Z0,100020,1", "OK");
    says("Z0,100020,1", "OK");
    cr_expect_eq(f->points, 1);
    says("Z1,100020,1", "OK");
    cr_expect_eq(f->points, 1, "two kinds of breakpoint in one place are one");
    says("Z2,100040,4", "OK");
    cr_expect_eq(f->points, 2);
    cr_expect_eq(f->point[1].kind, POINT_WRITE);
    cr_expect_eq(f->point[1].len, 4);
    says("z0,100020,1", "OK");
    says("z0,100020,1", "OK");
    cr_expect_eq(f->points, 2);
    cr_expect_eq(f->point[1].kind == POINT_EXEC || f->point[0].kind == POINT_EXEC, true);
    says("z1,100020,1", "OK");
    says("z2,100040,4", "OK");
    cr_expect_eq(f->points, 0);
}

Test(gdb, points_know_where_they_lie)
{
    says("Z0,100020,1", "OK");
    cr_expect_eq(f->point[0].gpa, 0x20);
    says("Z0,20,1", "OK");
    cr_expect_eq(f->point[1].gpa, UINT64_MAX);
}

Test(gdb, more_points_than_the_engine_has_are_an_error)
{
    f->points_limit = 2;
    says("Z2,100000,1", "OK");
    says("Z2,100008,1", "OK");
    says("Z2,100010,1", "E1c");
    cr_expect_eq(f->points, 2);
    says("z2,100008,1", "OK");
    says("Z2,100010,1", "OK");
}

Test(gdb, points_are_bounded)
{
    for (unsigned i = 0; i < DEBUG_POINTS; i++) {
        g_autofree char *z = g_strdup_printf("Z0,%x,1", 0x100000 + i);

        says(z, "OK");
    }
    says("Z0,10ffff,1", "E1c");
}

/* --- going and stopping --- */

static void stopped(unsigned cpu, unsigned signal, DebugHit hit)
{
    GdbStop stop = { .how = GDB_STOPPED, .cpu = cpu, .signal = signal, .hit = hit };

    g_string_truncate(f->sent, 0);
    gdb_session_stopped(f->session, &stop);
}

Test(gdb, vcont_gives_each_cpu_its_first_action)
{
    ask("vCont;s:2;c");
    cr_expect_eq(f->action[0].what, GDB_GO);
    cr_expect_eq(f->action[1].what, GDB_STEP);
    cr_expect_eq(f->action[2].what, GDB_GO);
    cr_expect(gdb_session_running(f->session));
    stopped(1, 5, (DebugHit){ .step = true });
    cr_expect_not_null(strstr(f->sent->str, "T05thread:2;#"));
    ask("vCont;C05:3");
    cr_expect_eq(f->action[0].what, GDB_STAY);
    cr_expect_eq(f->action[2].what, GDB_GO);
}

Test(gdb, range_steps_carry_their_range)
{
    ask("vCont;r100000,100010:1;c");
    cr_expect_eq(f->action[0].what, GDB_STEP);
    cr_expect_eq(f->action[0].from, 0x100000);
    cr_expect_eq(f->action[0].to, 0x100010);
    cr_expect_eq(f->action[1].to, 0);
}

Test(gdb, old_step_and_continue_obey_the_chosen_thread)
{
    says("Hc-1", "OK");
    ask("c");
    cr_expect_eq(f->action[2].what, GDB_GO);
    stopped(0, 5, (DebugHit){ 0 });
    says("Hc2", "OK");
    ask("s100400");
    cr_expect_eq(f->action[0].what, GDB_STAY);
    cr_expect_eq(f->action[1].what, GDB_STEP);
    cr_expect_eq(f->regs[0].s.rip, 0x100400);
}

Test(gdb, stop_tells_the_kind_of_breakpoint_to_who_wants_it)
{
    DebugHit hit = { .point = true, .kind = POINT_EXEC, .linear = 0x100020 };

    says("Z0,100020,1", "OK");
    f->regs[0].s.rip = 0x100020;
    ask("vCont;c");
    stopped(0, 5, hit);
    cr_expect_not_null(strstr(f->sent->str, "T05thread:1;#"));
    ask("qSupported:swbreak+;hwbreak+");
    ask("vCont;c");
    stopped(0, 5, hit);
    cr_expect_not_null(strstr(f->sent->str, "T05thread:1;swbreak:;#"));
    says("z0,100020,1", "OK");
    says("Z1,100020,1", "OK");
    ask("vCont;c");
    stopped(0, 5, hit);
    cr_expect_not_null(strstr(f->sent->str, "T05thread:1;hwbreak:;#"));
}

/* gdb would take a breakpoint elsewhere than at its program counter for an old one, and go on. */
Test(gdb, stop_in_a_segment_with_a_base_is_a_plain_trap)
{
    connect_as(false);
    ask("qSupported:swbreak+;hwbreak+");
    says("Z0,1f0020,1", "OK");
    f->regs[0].s.seg[SEG_CS].base = 0xf0000;
    f->regs[0].s.rip = 0x100020;
    ask("vCont;c");
    stopped(0, 5, (DebugHit){ .point = true, .kind = POINT_EXEC, .linear = 0x1f0020 });
    cr_expect_not_null(strstr(f->sent->str, "T05thread:1;#"));
    says("qRcmd,7063206c696e656172", "OK");                    /* pc linear */
    ask("vCont;c");
    stopped(0, 5, (DebugHit){ .point = true, .kind = POINT_EXEC, .linear = 0x1f0020 });
    cr_expect_not_null(strstr(f->sent->str, "T05thread:1;swbreak:;#"));
    says("p8", "20001f00");
    says("P8=40001f00", "OK");
    ask("vCont;c");
    cr_expect_eq(f->regs[0].s.rip, 0x100040);
}

Test(gdb, watchpoints_tell_their_address)
{
    ask("vCont;c");
    stopped(2, 5, (DebugHit){ .point = true, .kind = POINT_ACCESS, .linear = 0xabc0 });
    cr_expect_not_null(strstr(f->sent->str, "T05thread:3;awatch:abc0;#"));
}

Test(gdb, control_c_interrupts_only_a_running_guest)
{
    feed("\x03", 1);
    cr_expect_eq(f->interrupts, 0);
    ask("vCont;c");
    feed("\x03", 1);
    cr_expect_eq(f->interrupts, 1);
}

Test(gdb, packets_while_the_guest_runs_get_no_answer)
{
    ask("vCont;c");
    ask_bytes("g", 1);
    cr_expect_str_eq(f->sent->str, "+");
    ask_bytes("P0=0000000000000000", 19);
    cr_expect_eq(f->sets, 0);
}

Test(gdb, end_of_the_guest_is_an_exit_or_a_signal)
{
    GdbStop stop = { .how = GDB_EXITED };

    ask("vCont;c");
    gdb_session_stopped(f->session, &stop);
    cr_expect_not_null(strstr(f->sent->str, "$W00#"));
    says("?", "W00");
    stop.how = GDB_KILLED;
    gdb_session_stopped(f->session, &stop);
    says("?", "X06");
}

Test(gdb, detach_and_kill_end_the_session)
{
    cr_expect(!ask_bytes("D", 1));
    cr_expect_str_eq(f->sent->str, "+$OK#9a");
    cr_expect(!ask_bytes("vKill;1", 7));
    cr_expect(!ask_bytes("k", 1));
    cr_expect_eq(f->kills, 2);
}

/* --- threads and monitor --- */

Test(gdb, cpus_are_threads)
{
    char text[64] = "";
    const char *hex;

    says("qfThreadInfo", "m1,2,3");
    says("qsThreadInfo", "l");
    says("T3", "OK");
    says("T4", "E03");
    says("Hg2", "OK");
    says("qC", "QC2");
    hex = ask("qThreadExtraInfo,2");
    cr_assert(gdb_get_hex(hex, strlen(hex), text, strlen(hex) / 2));
    cr_expect_str_eq(text, "vCPU 1 offline");
}

static char *monitor(const char *line)
{
    g_autoptr(GString) q = g_string_new("qRcmd,");
    const char *hex;
    char *text;

    gdb_put_hex(q, line, strlen(line));
    hex = ask(q->str);
    if (!strcmp(hex, "OK")) {
        return g_strdup("");
    }
    text = g_malloc0(strlen(hex) / 2 + 1);
    cr_assert(gdb_get_hex(hex, strlen(hex), text, strlen(hex) / 2));
    return text;
}

Test(gdb, monitor_explains_itself_and_refuses_nonsense)
{
    static const char *const lines[] = { "", "nothing", "arch vax", "memory there", "translate",
                                         "translate 12x", "pc", "arch" };
    g_autofree char *help = monitor("help"), *cpus = monitor("cpus");
    g_autofree char *where = monitor("translate 0x100020"), *nowhere = monitor("translate 5");

    cr_expect_not_null(strstr(help, "monitor translate ADDRESS"));
    cr_expect_not_null(strstr(cpus, "* vCPU 0 (thread 1): halted, 64-bit mode"));
    cr_expect_not_null(strstr(where, "guest-physical 20 for vCPU 0\n"));
    cr_expect_not_null(strstr(nowhere, "not mapped"));
    for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *answer = monitor(lines[i]);

        cr_expect(*answer, "monitor %s", lines[i]);
    }
    g_autofree char *counted = monitor("counters");

    cr_expect_not_null(strstr(counted, "12345  things\n"));
    g_free(monitor("nmi"));
    cr_expect_eq(f->nmis, 1);
}

/* Any bytes: an answer or none, and the next good packet works. */
Test(gdb, noise_does_no_harm)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);

    for (unsigned n = 0; n < 20000; n++) {
        static const char first[] = "?cCDgGHkmMpPqQsSTvXzZ#$}\x03-+";
        char text[48];
        unsigned len = g_rand_int_range(rand, 0, sizeof text);

        for (unsigned i = 0; i < len; i++) {
            text[i] = g_rand_int_range(rand, 0, 3) ? "0123456789abcdef,;:=-"[g_rand_int_range(rand, 0, 21)]
                                                   : (char)g_rand_int(rand);
        }
        if (len) {
            text[0] = first[g_rand_int_range(rand, 0, sizeof first - 1)];
        }
        ask_bytes(text, len);
        if (gdb_session_running(f->session)) {
            stopped(g_rand_int_range(rand, 0, CPUS), 5, (DebugHit){ 0 });
        }
        cr_assert_leq(f->points, DEBUG_POINTS);
    }
    says("qfThreadInfo", "m1,2,3");
}
