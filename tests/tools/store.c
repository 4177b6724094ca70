/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenstore: the protocol byte for byte, permissions, transactions, watches, quotas. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include "tools/xend/store_wire.h"

enum { XS_DIRECTORY = 1, XS_READ = 2, XS_GET_PERMS = 3, XS_WATCH = 4, XS_UNWATCH = 5,
       XS_TRANSACTION_START = 6, XS_TRANSACTION_END = 7, XS_GET_DOMAIN_PATH = 10, XS_WRITE = 11,
       XS_MKDIR = 12, XS_RM = 13, XS_SET_PERMS = 14, XS_WATCH_EVENT = 15, XS_ERROR = 16,
       XS_DIRECTORY_PART = 22 };

typedef struct Fixture {
    Store *store;
    StoreServer *server;
    StoreConnection *root, *guest;
    GByteArray *out;
} Fixture;

static Fixture f;

static void setup(void)
{
    f.store = store_new();
    f.server = store_server_new(f.store);
    f.root = store_connection_for_test(f.server, 0);
    f.guest = store_connection_for_test(f.server, 5);
    f.out = g_byte_array_new();
    store_put(f.store, "/local/domain/5/name", "vm");
    store_own(f.store, "/local/domain/5", 0, 5);
    store_own(f.store, "/local/domain/5/data", 5, 0);
}

static void teardown(void)
{
    store_server_free(f.server);
    store_free(f.store);
    g_byte_array_free(f.out, TRUE);
}

/* parts: strings separated by '|' standing for NUL.  The answer: "TYPE:payload" with | for NUL. */
static char *ask(StoreConnection *c, uint32_t type, uint32_t tx, const char *parts)
{
    uint32_t head[4] = { type, 77, tx, strlen(parts) };
    g_autoptr(GByteArray) in = g_byte_array_new();
    GString *answer = g_string_new(NULL);
    guint at = 0;

    g_byte_array_append(in, (guint8 *)head, 16);
    g_byte_array_append(in, (const guint8 *)parts, strlen(parts));
    for (guint i = 16; i < in->len; i++) {
        in->data[i] = in->data[i] == '|' ? 0 : in->data[i];
    }
    g_byte_array_set_size(f.out, 0);
    store_request(f.server, c, in->data, in->len, f.out);
    while (at + 16 <= f.out->len) {
        uint32_t h[4];

        memcpy(h, f.out->data + at, 16);
        g_string_append_printf(answer, "%s%u:", at ? " " : "", h[0]);
        for (guint i = 0; i < h[3]; i++) {
            char ch = f.out->data[at + 16 + i];

            g_string_append_c(answer, ch ? ch : '|');
        }
        at += 16 + h[3];
    }
    return g_string_free(answer, FALSE);
}

#define EXPECT(conn, type, tx, parts, answer) \
    do { \
        g_autofree char *got_ = ask(conn, type, tx, parts); \
        cr_expect_str_eq(got_, answer, "%s gave %s, not %s", parts, got_, answer); \
    } while (0)

TestSuite(store, .init = setup, .fini = teardown);

Test(store, values_are_written_read_listed_and_removed)
{
    EXPECT(f.root, XS_WRITE, 0, "/a/b|one", "11:OK|");
    EXPECT(f.root, XS_WRITE, 0, "/a/c|", "11:OK|");
    EXPECT(f.root, XS_READ, 0, "/a/b|", "2:one");
    EXPECT(f.root, XS_READ, 0, "/a/c|", "2:");
    EXPECT(f.root, XS_DIRECTORY, 0, "/a|", "1:b|c|");
    EXPECT(f.root, XS_RM, 0, "/a/b|", "13:OK|");
    EXPECT(f.root, XS_READ, 0, "/a/b|", "16:ENOENT|");
    EXPECT(f.root, XS_RM, 0, "/a/b|", "13:OK|");
    EXPECT(f.root, XS_RM, 0, "/x/y|", "16:ENOENT|");
    EXPECT(f.root, XS_MKDIR, 0, "/a/d|", "12:OK|");
    EXPECT(f.root, XS_READ, 0, "/a/d|", "2:");
}

Test(store, a_missing_node_is_enoent_for_a_guest_too)
{
    EXPECT(f.guest, XS_READ, 0, "name|", "2:vm");
    EXPECT(f.guest, XS_READ, 0, "hvmloader/none|", "16:ENOENT|");
    EXPECT(f.guest, XS_READ, 0, "/local/domain/5/name|", "2:vm");
}

Test(store, malformed_requests_are_einval)
{
    EXPECT(f.root, XS_READ, 0, "no nul", "16:EINVAL|");
    EXPECT(f.root, XS_READ, 0, "/a//b|", "16:EINVAL|");
    EXPECT(f.root, XS_READ, 0, "/a/|", "16:EINVAL|");
    EXPECT(f.root, XS_READ, 0, "/a b|", "16:EINVAL|");
    EXPECT(f.root, XS_WATCH, 0, "/a|", "16:EINVAL|");
    EXPECT(f.root, 99, 0, "x|", "16:ENOSYS|");
    EXPECT(f.root, XS_READ, 9, "/a|", "16:ENOENT|");
}

Test(store, a_guest_may_only_write_what_it_owns)
{
    store_put(f.store, "/secret", "x");
    EXPECT(f.guest, XS_WRITE, 0, "data/x|1", "11:OK|");
    EXPECT(f.guest, XS_WRITE, 0, "name|other", "16:EACCES|");
    EXPECT(f.guest, XS_WRITE, 0, "/local/domain/6/x|1", "16:EACCES|");
    EXPECT(f.guest, XS_READ, 0, "/secret|", "16:EACCES|");
    EXPECT(f.guest, XS_GET_PERMS, 0, "data/x|", "3:n5|r0|");
    EXPECT(f.guest, XS_SET_PERMS, 0, "data/x|n5|b7|", "14:OK|");
    EXPECT(f.guest, XS_SET_PERMS, 0, "data/x|n0|", "16:EPERM|");
    EXPECT(f.guest, XS_SET_PERMS, 0, "name|n5|", "16:EACCES|");
}

Test(store, a_transaction_is_seen_when_it_ends)
{
    EXPECT(f.root, XS_TRANSACTION_START, 0, "|", "6:1|");
    EXPECT(f.root, XS_WRITE, 1, "/t/a|1", "11:OK|");
    EXPECT(f.root, XS_READ, 1, "/t/a|", "2:1");
    EXPECT(f.root, XS_READ, 0, "/t/a|", "16:ENOENT|");
    EXPECT(f.root, XS_TRANSACTION_END, 1, "T|", "7:OK|");
    EXPECT(f.root, XS_READ, 0, "/t/a|", "2:1");
    EXPECT(f.root, XS_TRANSACTION_START, 0, "|", "6:2|");
    EXPECT(f.root, XS_RM, 2, "/t|", "13:OK|");
    EXPECT(f.root, XS_TRANSACTION_END, 2, "F|", "7:OK|");
    EXPECT(f.root, XS_READ, 0, "/t/a|", "2:1");
}

Test(store, a_transaction_fails_only_if_its_own_nodes_changed)
{
    store_put(f.store, "/t/a", "1");
    EXPECT(f.root, XS_TRANSACTION_START, 0, "|", "6:1|");
    EXPECT(f.root, XS_READ, 1, "/t/a|", "2:1");
    EXPECT(f.root, XS_WRITE, 1, "/t/b|2", "11:OK|");
    store_put(f.store, "/elsewhere", "x");
    EXPECT(f.root, XS_TRANSACTION_END, 1, "T|", "7:OK|");
    EXPECT(f.root, XS_TRANSACTION_START, 0, "|", "6:2|");
    EXPECT(f.root, XS_READ, 2, "/t/a|", "2:1");
    EXPECT(f.root, XS_WRITE, 2, "/t/b|3", "11:OK|");
    store_put(f.store, "/t/a", "9");
    EXPECT(f.root, XS_TRANSACTION_END, 2, "T|", "16:EAGAIN|");
    EXPECT(f.root, XS_READ, 0, "/t/b|", "2:2");
}

Test(store, a_watch_fires_at_once_below_and_when_its_node_goes)
{
    EXPECT(f.root, XS_WATCH, 0, "/w|tok|", "4:OK| 15:/w|tok|");
    EXPECT(f.root, XS_WATCH, 0, "/w|tok|", "16:EEXIST|");
    EXPECT(f.root, XS_WRITE, 0, "/w/x|1", "11:OK| 15:/w/x|tok|");
    EXPECT(f.root, XS_WRITE, 0, "/other|1", "11:OK|");
    EXPECT(f.root, XS_WATCH, 0, "/w/x/deep|t2|", "4:OK| 15:/w/x/deep|t2|");
    EXPECT(f.root, XS_RM, 0, "/w/x|", "13:OK| 15:/w/x|tok| 15:/w/x/deep|t2|");
    EXPECT(f.root, XS_UNWATCH, 0, "/w|tok|", "5:OK|");
    EXPECT(f.root, XS_UNWATCH, 0, "/w|tok|", "16:ENOENT|");
    EXPECT(f.root, XS_WRITE, 0, "/w/x|1", "11:OK|");
}

Test(store, a_relative_watch_reports_relative_paths)
{
    EXPECT(f.guest, XS_WATCH, 0, "data|t|", "4:OK| 15:data|t|");
    EXPECT(f.guest, XS_WRITE, 0, "data/k|v", "11:OK| 15:data/k|t|");
    EXPECT(f.guest, XS_WRITE, 0, "/local/domain/5/data/k|w", "11:OK| 15:data/k|t|");
}

Test(store, a_watch_tells_nothing_of_what_may_not_be_read)
{
    EXPECT(f.guest, XS_WATCH, 0, "/|t|", "4:OK| 15:/|t|");
    store_put(f.store, "/secret", "x");
    EXPECT(f.guest, XS_READ, 0, "name|", "2:vm");
    EXPECT(f.guest, XS_WATCH, 0, "@releaseDomain|r|", "4:OK| 15:@releaseDomain|r|");
}

Test(store, quotas_bound_a_guest)
{
    char path[64];
    unsigned n;
    g_autofree char *big = g_strnfill(3000, 'x');
    g_autofree char *write = g_strdup_printf("data/big|%s", big);

    EXPECT(f.guest, XS_WRITE, 0, write, "16:ENOSPC|");
    for (n = 0; n < 2000; n++) {
        g_autofree char *got = NULL;

        g_snprintf(path, sizeof path, "data/n%u|x", n);
        got = ask(f.guest, XS_WRITE, 0, path);
        if (strcmp(got, "11:OK|")) {
            cr_expect_str_eq(got, "16:ENOSPC|");
            break;
        }
    }
    cr_expect(n > 900 && n < 1000, "%u", n);
    EXPECT(f.guest, XS_RM, 0, "data/n1|", "13:OK|");
    EXPECT(f.guest, XS_WRITE, 0, "data/again|x", "11:OK|");
}

Test(store, accounts_are_right_after_transactions_and_removal)
{
    unsigned before = store_nodes_of(f.store, 5);

    EXPECT(f.guest, XS_TRANSACTION_START, 0, "|", "6:1|");
    EXPECT(f.guest, XS_WRITE, 1, "data/a/b/c|1", "11:OK|");
    EXPECT(f.guest, XS_TRANSACTION_END, 1, "T|", "7:OK|");
    cr_expect_eq(store_nodes_of(f.store, 5), before + 3);
    EXPECT(f.guest, XS_RM, 0, "data/a|", "13:OK|");
    cr_expect_eq(store_nodes_of(f.store, 5), before);
}

Test(store, long_directories_come_in_parts)
{
    GString *names = g_string_new(NULL);
    unsigned seen = 0;
    size_t offset = 0;

    for (unsigned i = 0; i < 900; i++) {
        g_autofree char *path = g_strdup_printf("/d/entry-%04u", i);

        store_put(f.store, path, "");
    }
    EXPECT(f.root, XS_DIRECTORY, 0, "/d|", "16:E2BIG|");
    for (;;) {
        g_autofree char *request = g_strdup_printf("/d|%zu|", offset);
        g_autofree char *got = ask(f.root, XS_DIRECTORY_PART, 0, request);
        char *list = strchr(got, '|') + 1;
        size_t len = strlen(list);

        cr_assert(g_str_has_prefix(got, "22:"));
        for (char *p = list; *p; p++) {
            seen += *p == '|';
        }
        if (len >= 2 && list[len - 1] == '|' && list[len - 2] == '|') {
            seen--;
            break;
        }
        cr_assert(len);
        offset += len;
    }
    cr_expect_eq(seen, 900);
    g_string_free(names, TRUE);
}

Test(store, a_domain_has_a_path)
{
    EXPECT(f.guest, XS_GET_DOMAIN_PATH, 0, "5|", "10:/local/domain/5|");
}
