/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates, addresses and names in vifs; xend-config.sxp. */
#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <string.h>
#include "tools/common/domain_config.h"
#include "tools/common/netspec.h"
#include "tools/common/xend_config.h"

Test(netspec, rates_are_xens)
{
    static const struct { const char *text; uint64_t bytes; uint32_t us; } good[] = {
        { "10Mb/s", 62500, 50000 }, { "250KB/s", 12500, 50000 }, { "1MB/s@20ms", 20000, 20000 },
        { "10Mb/s@50ms", 62500, 50000 }, { "1Gb/s@1s", 125000000, 1000000 },
        { "8000b/s@1000us", 1, 1000 }, { "1000B/s@1s", 1000, 1000000 } };
    static const char *const bad[] = { "", "10", "10Mb", "Mb/s", "10mb/s", "10Mb/s@", "10Mb/s@50",
                                       "0Mb/s", "10Mb/s@0ms", "1b/s@1us", "-1Mb/s", "10Mb/s@11s",
                                       "99999999999999999999Gb/s", "10Mb/s,x" };
    uint64_t bytes;
    uint32_t us;

    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        cr_expect(rate_parse(good[i].text, &bytes, &us), "%s", good[i].text);
        cr_expect_eq(bytes, good[i].bytes, "%s", good[i].text);
        cr_expect_eq(us, good[i].us, "%s", good[i].text);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        cr_expect_not(rate_parse(bad[i], &bytes, &us), "%s", bad[i]);
    }
}

Test(netspec, addresses_come_out_in_one_spelling)
{
    GArray *list = ip_list_parse(" 10.0.0.5  10.1.0.0/16 FD00:0::5 ");

    cr_assert_not_null(list);
    cr_assert_eq(list->len, 3);
    cr_expect_str_eq(g_array_index(list, IpNet, 1).text, "10.1.0.0");
    cr_expect_eq(g_array_index(list, IpNet, 1).bits, 16);
    cr_expect_str_eq(g_array_index(list, IpNet, 2).text, "fd00::5");
    cr_expect_eq(g_array_index(list, IpNet, 2).bits, 128);
    cr_expect_null(ip_list_parse("10.0.0.5; rm -rf /"));
    cr_expect_null(ip_list_parse("10.0.0.5/33"));
    cr_expect_null(ip_list_parse("10.0.0"));
    cr_expect_null(ip_list_parse("1.2.3.4} drop"));
}

Test(netspec, names_of_interfaces_are_safe_in_commands)
{
    cr_expect(interface_name_valid("xenbr0"));
    cr_expect(interface_name_valid("vif1.0"));
    cr_expect(interface_name_valid("br-lan_2"));
    cr_expect_not(interface_name_valid(""));
    cr_expect_not(interface_name_valid("-x"));
    cr_expect_not(interface_name_valid("sixteen-letters-"));
    cr_expect_not(interface_name_valid("a b"));
    cr_expect_not(interface_name_valid("a\nb"));
    cr_expect_not(interface_name_valid("../x"));
    cr_expect_not(interface_name_valid("x\""));
}

static char *complaint(const char *spec)
{
    g_autoptr(Messages) m = messages_new();
    VifConfig v;
    char *text;

    vif_parse(&v, spec, (SourcePos){ 0 }, m);
    text = m->errors ? g_strdup(((Message *)m->list->pdata[0])->text) : NULL;
    vif_clear(&v);
    return text;
}

Test(netspec, a_vif_with_a_wrong_word_is_refused_with_its_reason)
{
    static const char *const bad[][2] = {
        { "rate=fast", "10Mb/s" }, { "ip=10.0.0.300", "list of addresses" },
        { "bridge=a/b", "interface" }, { "vifname=much-too-long-a-name", "interface" },
        { "segment=lab,bridge=xenbr0", "network of its own" }, { "segment=../lab", "no name" },
        { "unplugged=2", "neither" } };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *text = complaint(bad[i][0]);

        cr_expect_not_null(text, "%s", bad[i][0]);
        cr_expect(text && strstr(text, bad[i][1]), "%s: %s", bad[i][0], text);
    }
    cr_expect_null(complaint("bridge=xenbr0, ip=10.0.0.5 10.0.0.6, rate=10Mb/s@20ms, vifname=web0"));
    cr_expect_null(complaint("segment=lab, unplugged=1"));
}

static XendConfig *read_text(const char *text, Messages *m)
{
    g_autofree char *dir = g_dir_make_tmp("ghXXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "xend-config.sxp", NULL);
    XendConfig *c;

    g_file_set_contents(path, text, -1, NULL);
    c = xend_config_read(path, m);
    g_unlink(path);
    g_rmdir(dir);
    return c;
}

Test(xend_config, keys_are_read_with_quotes_comments_and_arguments)
{
    g_autoptr(Messages) m = messages_new();
    g_autoptr(XendConfig) c = read_text(
        "# -*- sh -*-\n(logfile /var/log/xen/xend.log)\n#(vnc-listen '1.1.1.1')\n"
        "(network-script 'network-bridge netdev=eth1')\n(vif-script vif-nat netdev=up)\n"
        "(vnc-listen '0.0.0.0')\n(vncpasswd '')\n(keymap 'de')\n(enable-dump yes)\n"
        "(qemu-dm-logrotate-count 3)\n(loglevel warning)\n(console-limit 64)\n", m);

    cr_expect_eq(m->list->len, 0);
    cr_expect_str_eq(c->logfile, "/var/log/xen/xend.log");
    cr_expect_eq(c->loglevel, LOG_LEVEL_WARNING);
    cr_expect_eq(c->console_limit, 64);
    cr_expect_str_eq(c->network_script, "network-bridge netdev=eth1");
    cr_expect_str_eq(c->vif_script, "vif-nat netdev=up");
    cr_expect_str_eq(c->vnc_listen, "0.0.0.0");
    cr_expect_null(c->vnc_password);
    cr_expect_str_eq(c->keymap, "de");
    cr_expect(c->enable_dump);
    cr_expect_eq(c->logs_kept, 3);
}

static void expect_message(const char *text, int line, int col, Severity severity)
{
    g_autoptr(Messages) m = messages_new();
    g_autoptr(XendConfig) c = read_text(text, m);
    Message *first;

    cr_assert_not_null(c);
    cr_assert_geq(m->list->len, 1, "%s", text);
    first = m->list->pdata[0];
    cr_expect_eq(first->pos.line, line, "%s: %d", text, first->pos.line);
    cr_expect_eq(first->pos.col, col, "%s: %d", text, first->pos.col);
    cr_expect_eq(first->severity, severity);
}

Test(xend_config, mistakes_have_their_places)
{
    expect_message("\n (vnc-listen nowhere)\n", 2, 2, MESSAGE_ERROR);
    expect_message("(network-script\n", 2, 1, MESSAGE_ERROR);
    expect_message("(keymap de)\n(vif-script)\n", 2, 1, MESSAGE_ERROR);
    expect_message("(enable-dump perhaps)", 1, 1, MESSAGE_ERROR);
    expect_message("(qemu-dm-logrotate-count 0)", 1, 1, MESSAGE_ERROR);
    expect_message("(loglevel LOUD)", 1, 1, MESSAGE_ERROR);
    expect_message("(console-limit 0)", 1, 1, MESSAGE_ERROR);
    expect_message("keymap de\n", 1, 1, MESSAGE_ERROR);
    expect_message("(keymap de)\n\n  (vnclisten x)\n", 3, 3, MESSAGE_WARNING);
    expect_message("(vif-script (a b))", 1, 13, MESSAGE_ERROR);
}

Test(xend_config, keys_without_effect_are_named_in_one_line)
{
    g_autoptr(Messages) m = messages_new();
    g_autoptr(XendConfig) c = read_text("(xend-http-server no)\n(keymap de)\n(xend-port 8000)\n", m);
    Message *only;

    cr_assert_eq(m->list->len, 1);
    only = m->list->pdata[0];
    cr_expect_eq(only->severity, MESSAGE_WARNING);
    cr_expect_eq(only->pos.line, 1);
    cr_expect(strstr(only->text, "xend-http-server, xend-port"), "%s", only->text);
    cr_expect_str_eq(c->keymap, "de");
}

Test(xend_config, a_file_that_is_not_there_is_an_empty_one)
{
    g_autoptr(Messages) m = messages_new();
    g_autoptr(XendConfig) c = xend_config_read("/nonexistent/xend-config.sxp", m);

    cr_expect_eq(m->list->len, 0);
    cr_expect_null(c->vif_script);
    cr_expect_eq(c->logs_kept, 10);
}
