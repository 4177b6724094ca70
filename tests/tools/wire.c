/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XML-RPC, S-expressions, and the tables of xm. */
#include <criterion/criterion.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tools/common/keys.h"
#include "tools/common/sxp.h"
#include "tools/common/xmlrpc.h"
#include "tools/xm/format.h"
#include "tools/xm/xm.h"

static Value *sample(void)
{
    Value *d = value_new(VALUE_DICT), *l = value_list(), *inner = value_new(VALUE_DICT);

    value_append(l, value_int(-5));
    value_append(l, value_float(2.5));
    value_append(l, value_str("<&> \"'\n"));
    value_append(l, value_list());
    value_append(l, value_bool(true));
    value_append(l, value_none());
    value_set(inner, "deep", value_int(INT64_C(1) << 40));
    value_append(l, inner);
    value_set(d, "list", l);
    value_set(d, "empty", value_str(""));
    return d;
}

Test(xmlrpc, a_call_survives_the_round_trip)
{
    g_autoptr(Value) params = value_list();
    g_autofree char *text = NULL, *before = NULL, *after = NULL;
    XmlRpcMessage m;

    value_append(params, sample());
    value_append(params, value_str("second"));
    text = xmlrpc_call_text("a.b", params);
    cr_assert(xmlrpc_parse(&m, text, strlen(text), NULL));
    before = value_repr(params);
    after = value_repr(m.params);
    cr_expect_str_eq(m.method, "a.b");
    cr_expect_str_eq(after, before);
    xmlrpc_clear(&m);
}

Test(xmlrpc, faults_carry_code_and_text)
{
    g_autofree char *text = xmlrpc_fault_text(3, "Domain 'x' does not exist.");
    XmlRpcMessage m;

    cr_assert(xmlrpc_parse(&m, text, strlen(text), NULL));
    cr_expect_eq(m.fault, 3);
    cr_expect_str_eq(m.fault_text, "Domain 'x' does not exist.");
    xmlrpc_clear(&m);
}

Test(xmlrpc, an_untyped_value_is_a_string_as_other_clients_send_it)
{
    static const char text[] = "<?xml version='1.0'?><methodCall><methodName>m</methodName><params>"
        "<param><value>plain</value></param><param><value><i4>7</i4></value></param>"
        "</params></methodCall>";
    XmlRpcMessage m;

    cr_assert(xmlrpc_parse(&m, text, strlen(text), NULL));
    cr_expect_str_eq(value_item(m.params, 0)->s, "plain");
    cr_expect_eq(value_item(m.params, 1)->i, 7);
    xmlrpc_clear(&m);
}

Test(xmlrpc, nonsense_is_refused_at_every_length)
{
    g_autoptr(Value) params = value_list();
    g_autofree char *text = NULL;

    value_append(params, sample());
    text = xmlrpc_call_text("m", params);
    for (size_t n = 0; n < strlen(text) - 1; n++) {
        XmlRpcMessage m;

        cr_expect_not(xmlrpc_parse(&m, text, n, NULL), "%zu bytes", n);
    }
}

Test(xmlrpc, http_waits_for_the_whole_body)
{
    g_autofree char *all = http_wrap("POST /RPC2 HTTP/1.0", "<x/>");
    const char *body;
    gsize len;

    for (size_t n = 0; n < strlen(all); n++) {
        cr_expect_eq(http_body(all, n, &body, &len), 0);
    }
    cr_expect_eq(http_body(all, strlen(all), &body, &len), 1);
    cr_expect_eq(len, 4);
    cr_expect_eq(http_body("GET / HTTP/1.0\r\n\r\n", 18, &body, &len), -1);
    cr_expect_eq(http_body("POST / HTTP/1.0\r\nContent-Length: 99999999999\r\n\r\n", 48, &body,
                           &len),
                 -1);
}

/* A peer that answers with these bytes and says no more. */
static int closing_peer(const char *answer)
{
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    cr_assert_eq(write(ends[1], answer, strlen(answer)), (ssize_t)strlen(answer));
    shutdown(ends[1], SHUT_WR);
    return ends[0];
}

Test(xmlrpc, a_connection_closed_without_an_answer_is_told_from_half_an_answer)
{
    g_autoptr(Value) none = value_list();
    g_autoptr(GError) gone = NULL, half = NULL;

    cr_expect_null(xmlrpc_call(closing_peer(""), "m", none, &gone));
    cr_expect(g_error_matches(gone, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE));
    cr_expect_null(xmlrpc_call(closing_peer("HTTP/1.0 200 OK\r\nCont"), "m", none, &half));
    cr_expect_not(g_error_matches(half, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE));
}

/* A xend that closes so many connections before it answers one; returns those it took. */
typedef struct DyingXend {
    int listening, deaths;
} DyingXend;

static gpointer dying_xend(gpointer opaque)
{
    DyingXend *x = opaque;
    g_autoptr(Value) answer = value_str("alive");
    g_autofree char *body = xmlrpc_response_text(answer), *text = http_wrap("HTTP/1.0 200 OK", body);
    char request[4096];
    int taken = 0;

    for (bool answered = false; !answered; taken++) {
        int fd = accept(x->listening, NULL, NULL);

        if (fd < 0 || read(fd, request, sizeof request) < 0) {
            answered = true;
        } else if (taken >= x->deaths) {
            answered = write(fd, text, strlen(text)) > 0;
        } else if (taken == 1) {
            answered = true;
        }
        close(fd);
    }
    return GINT_TO_POINTER(taken);
}

static int calls_until_answer(int deaths, bool good)
{
    g_autofree char *path = g_strdup_printf("/tmp/gh-test-xend.%d", (int)getpid());
    DyingXend x = { unix_listen(path), deaths };
    Paths paths = { .rpc_socket = path };
    Xm xm = { .paths = &paths };
    g_autoptr(Value) v = NULL;
    GThread *thread;
    int status, taken;

    cr_assert_geq(x.listening, 0);
    thread = g_thread_new("xend", dying_xend, &x);
    v = xm_call(&xm, &status, "m", NULL);
    taken = GPOINTER_TO_INT(g_thread_join(thread));
    cr_expect_eq(v != NULL, good);
    cr_expect_eq(status, good ? XM_OK : XM_FAILED);
    close(x.listening);
    unlink(path);
    return taken;
}

Test(xmlrpc, a_call_that_a_dying_xend_took_is_made_again_once)
{
    cr_expect_eq(calls_until_answer(0, true), 1);
    cr_expect_eq(calls_until_answer(1, true), 2);
    cr_expect_eq(calls_until_answer(2, false), 2);
}

Test(sxp, text_is_read_and_printed)
{
    char *error = NULL;
    g_autoptr(Value) v = sxp_parse("# comment\n(domain (name 'a b') (memory 128)\n (x ()))",
                                   &error);
    g_autofree char *text = NULL;

    cr_assert_not_null(v);
    cr_expect_str_eq(sxp_atom(value_item(v, 0), "name", ""), "a b");
    cr_expect_str_eq(sxp_atom(value_item(v, 0), "memory", ""), "128");
    text = sxp_print(value_item(v, 0));
    cr_expect_str_eq(text, "(domain\n    (name 'a b')\n    (memory 128)\n    (x\n        ()\n    "
                     ")\n)");
}

Test(sxp, errors_have_a_place)
{
    static const char *const bad[] = { "(a", "(a))", "(a 'b", "\n  )" };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        char *error = NULL;

        cr_expect_null(sxp_parse(bad[i], &error));
        cr_expect_not_null(error);
        cr_expect_not_null(strchr(error, ':'));
        g_free(error);
    }
}

static Value *two_domains(void)
{
    Value *list = value_list(), *d = value_new(VALUE_DICT), *vcpus = value_list();
    Value *v = value_new(VALUE_DICT);

    value_set_str(d, "name", "domu-hvm");
    value_set_int(d, "domid", 3);
    value_set_int(d, "mem", 128);
    value_set_int(d, "vcpus", 1);
    value_set_str(d, "state", "-b----");
    value_set(d, "cpu_time", value_float(12.34));
    value_set_int(d, "start_time", 1000);
    value_set_int(v, "state", 2);
    value_set_int(v, "cpu", 1);
    value_set(v, "cpu_time", value_float(1.5));
    value_append(vcpus, v);
    value_set(d, "vcpu", vcpus);
    value_append(list, d);
    return list;
}

Test(format, list_is_xms_byte_for_byte)
{
    g_autoptr(Value) list = two_domains();
    g_autofree char *text = format_list(list, false);

    cr_expect_str_eq(text,
        "Name                                        ID   Mem VCPUs      State   Time(s)\n"
        "domu-hvm                                     3   128     1     -b----     12.3\n");
}

Test(format, vcpu_list_is_xms)
{
    g_autoptr(Value) list = two_domains();
    g_autofree char *text = format_vcpu_list(list);

    cr_expect_str_eq(text,
        "Name                                ID  VCPU   CPU State   Time(s) CPU Affinity\n"
        "domu-hvm                             3     0     1   -b-       1.5 any cpu\n");
}

Test(format, uptime_counts_days)
{
    g_autoptr(Value) list = two_domains();
    g_autofree char *text = format_uptime(list, 1000 + 2 * 86400 + 3661, false);
    g_autofree char *one = format_duration(86400, true);

    cr_expect_str_eq(text, "Name                                ID Uptime \n"
                           "domu-hvm                             3 2 days,  1:01:01\n");
    cr_expect_str_eq(one, "1 day,  0:00:00");
}

Test(format, info_shows_none_for_empty_values)
{
    g_autoptr(Value) v = value_new(VALUE_DICT);
    g_autofree char *text = NULL;

    value_set_str(v, "host", "here");
    value_set_str(v, "virt_caps", "");
    text = format_info(v, false);
    cr_expect_str_eq(text, "host                   : here\nvirt_caps              : (none)\n");
}

Test(format, device_lists_keep_their_trailing_blanks)
{
    g_autoptr(Value) list = value_list();
    Value *d = value_new(VALUE_DICT);
    g_autofree char *block = NULL, *net = NULL;

    value_set_int(d, "id", 768);
    value_set_int(d, "state", 4);
    value_set_str(d, "mac", "00:16:3e:00:00:01");
    value_set_str(d, "backend", "/local/domain/0/backend/vbd/1/768");
    value_append(list, d);
    block = format_block_list(list);
    net = format_network_list(list);
    cr_expect(g_str_has_suffix(block, "768    0    0     4      -1     -1    "
                               "/local/domain/0/backend/vbd/1/768  \n"), "%s", block);
    cr_expect(g_str_has_prefix(net, "Idx BE     MAC Addr.     handle state evt-ch tx-/rx-ring-ref "
                               "BE-path\n768 0  00:16:3e:00:00:01    768"), "%s", net);
}

Test(format, device_lists_show_what_a_driver_has_set_up)
{
    g_autoptr(Value) list = value_list();
    Value *d = value_new(VALUE_DICT);
    g_autofree char *block = NULL, *net = NULL;

    value_set_int(d, "id", 2);
    value_set_int(d, "state", 4);
    value_set_int(d, "evt-ch", 9);
    value_set_int(d, "ring-ref", 8);
    value_set_int(d, "tx-ring-ref", 768);
    value_set_int(d, "rx-ring-ref", 769);
    value_append(list, d);
    block = format_block_list(list);
    net = format_network_list(list);
    cr_expect(strstr(block, "\n2      0    0     4      9      8     "), "%s", block);
    cr_expect(strstr(net, "2     4      9     768  /769  "), "%s", net);
}

Test(commands, unambiguous_prefixes_and_aliases_are_found)
{
    cr_expect_str_eq(xm_find_command("li")->name, "list");
    cr_expect_str_eq(xm_find_command("balloon")->name, "mem-set");
    cr_expect_str_eq(xm_find_command("vbd-list")->name, "block-list");
    cr_expect_str_eq(xm_find_command("create")->name, "create");
    cr_expect_null(xm_find_command("c"));
    cr_expect_null(xm_find_command("frob"));
}

Test(keys, names_combinations_and_characters_have_codes)
{
    unsigned codes[4];
    bool shift;

    cr_expect_eq(keys_parse("ctrl-alt-del", codes, 4), 3);
    cr_expect(codes[0] == 0x1d && codes[1] == 0x38 && codes[2] == 0xd3);
    cr_expect_eq(keys_parse("f12", codes, 4), 1);
    cr_expect_eq(codes[0], 0x58);
    cr_expect_eq(keys_parse("nokey", codes, 4), 0);
    cr_expect_eq(keys_parse("a-b-c-d-e", codes, 4), 0);
    cr_expect(keys_of_char('a', &shift) == 0x1e && !shift);
    cr_expect(keys_of_char('A', &shift) == 0x1e && shift);
    cr_expect(keys_of_char('\n', &shift) == 0x1c);
    cr_expect(keys_of_char('/', &shift) == 0x35 && !shift);
    cr_expect(keys_of_char('|', &shift) == 0x2b && shift);
    cr_expect(keys_of_char('z', &shift) == 0x2c);
}
