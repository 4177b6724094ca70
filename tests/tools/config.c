/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The config language: what of Python is understood, what is refused, and where errors are seen. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "tools/common/pyconfig.h"

static char *eval(const char *text, const char *name)
{
    g_autoptr(Config) c = config_new();
    g_autoptr(Messages) m = messages_new();
    ConfigVar *v;

    config_parse(c, "t", text, strlen(text), m);
    v = config_find(c, name);
    return v && v->value && !m->errors ? value_repr(v->value) : g_strdup("error");
}

static void expect(const char *expression, const char *result)
{
    g_autofree char *text = g_strdup_printf("a = %s\n", expression), *got = eval(text, "a");

    cr_expect_str_eq(got, result, "%s gave %s, not %s", expression, got, result);
}

/* The first error of text: "LINE:COL TEXT". */
static char *error_of(const char *text)
{
    g_autoptr(Config) c = config_new();
    g_autoptr(Messages) m = messages_new();
    Message *first;

    config_parse(c, "t", text, strlen(text), m);
    if (!m->errors) {
        return g_strdup("none");
    }
    first = g_ptr_array_index(m->list, 0);
    return g_strdup_printf("%d:%d %s", first->pos.line, first->pos.col, first->text);
}

static void expect_error(const char *text, const char *start)
{
    g_autofree char *got = error_of(text);

    cr_expect(g_str_has_prefix(got, start), "'%s' gave '%s'", text, got);
}

Test(config, literals_of_all_kinds_are_read)
{
    expect("'x'", "'x'");
    expect("\"it's\"", "\"it's\"");
    expect("'''two\nlines'''", "'two\\nlines'");
    expect("'a' \"b\" 'c'", "'abc'");
    expect("r'\\n'", "'\\\\n'");
    expect("'\\x41\\101\\t'", "'AA\\x09'");
    expect("0x1F", "31");
    expect("0755", "493");
    expect("0o17", "15");
    expect("0b101", "5");
    expect("128L", "128");
    expect("2.50", "2.5");
    expect("True", "True");
    expect("None", "None");
    expect("[1, 'a', (2,), {'k': 3},]", "[1, 'a', (2,), {'k': 3}]");
    expect("[\n 1, # one\n 2\n]", "[1, 2]");
    expect("1 + \\\n 2", "3");
}

Test(config, operators_follow_python)
{
    expect("1 + 2 * 3", "7");
    expect("(1 + 2) * 3", "9");
    expect("7 / 2", "3");
    expect("-7 // 2", "-4");
    expect("-7 % 3", "2");
    expect("2 ** 10", "1024");
    expect("'ab' + 'cd'", "'abcd'");
    expect("'-' * 3", "'---'");
    expect("[1] + [2]", "[1, 2]");
    expect("'%s-%03d' % ('a', 7)", "'a-007'");
    expect("'%(n)s' % {'n': 'x'}", "'x'");
    expect("'100%%' % ()", "'100%'");
    expect("str(5) + 'x'", "'5x'");
    expect("int('12') + 1", "13");
    expect("'abc'[1]", "'b'");
}

Test(config, earlier_names_have_their_values)
{
    g_autofree char *a = eval("n = 'vm'\nd = ['file:/%s.img,hda,w' % n]\n", "d");
    g_autofree char *b = eval("m = 64\nm += 64\n", "m"), *c = eval("a = b = 3\n", "a");

    cr_expect_str_eq(a, "['file:/vm.img,hda,w']");
    cr_expect_str_eq(b, "128");
    cr_expect_str_eq(c, "3");
}

Test(config, the_environment_is_readable)
{
    g_autofree char *a = NULL, *b = NULL, *c = NULL;

    setenv("GH_TEST", "value", 1);
    a = eval("import os\na = os.environ['GH_TEST']\n", "a");
    b = eval("import os, sys\na = os.environ.get('GH_NONE', 'other')\n", "a");
    c = eval("a = os.getenv('GH_NONE')\n", "a");
    cr_expect_str_eq(a, "'value'");
    cr_expect_str_eq(b, "'other'");
    cr_expect_str_eq(c, "None");
}

Test(config, a_dashed_name_is_a_key)
{
    g_autofree char *a = eval("full-screen=1\n", "full-screen");

    cr_expect_str_eq(a, "1");
}

Test(config, what_would_run_is_refused_with_its_place)
{
    expect_error("a = 1\nif a:\n    b = 2\n", "2:1 'if' is not available");
    expect_error("def f():\n    return 1\n", "1:1 'def' is not available");
    expect_error("exec('rm')\n", "1:1 'exec' is not available");
    expect_error("a = open('/etc/passwd')\n", "1:5 the call of open()");
    expect_error("import subprocess\n", "1:8 module subprocess is not available");
    expect_error("a = os.system('x')\n", "1:5 os.system is not available");
    expect_error("a = [x for x in b]\n", "1:6 the name 'x' has no value");
    expect_error("a = 'x'.upper()\n", "1:8 methods are not available");
}

Test(config, mistakes_have_line_and_column)
{
    expect_error("a = \"open\nb = 1\n", "1:5 this string does not end");
    expect_error("a = 1\nb = undefined\n", "2:5 the name 'undefined' has no value");
    expect_error("a = [1, 2\nb = 3\n", "2:1 'b' stands where ',' or ']'");
    expect_error("a = 1 2\n", "1:7 a number stands where the end of the line");
    expect_error("a = 12abc\n", "1:5 '12abc' is neither");
    expect_error("a = 1 / 0\n", "1:7 '/' does not work");
    expect_error("a = 99999999999999999999\n", "1:5 the number");
    expect_error("  a = 1\n", "1:3 this line is indented");
    expect_error("a = \x01\n", "1:5 a byte 0x01");
    expect_error("a = '%d' % 'x'\n", "1:10 '%' does not work");
}

Test(config, each_wrong_statement_is_reported_once_and_the_rest_is_read)
{
    static const char text[] = "a = ?\nb = 2\nc = a\nd = $\nif x:\n  y = 1\n  z = 2\ne = 5\n";
    g_autoptr(Config) c = config_new();
    g_autoptr(Messages) m = messages_new();

    config_parse(c, "t", text, strlen(text), m);
    cr_expect_eq(m->errors, 3);     /* a, d, if; not c, whose cause is a */
    cr_expect_not_null(config_find(c, "b")->value);
    cr_expect_not_null(config_find(c, "e")->value);
    cr_expect_null(config_find(c, "y"));
}

Test(config, results_are_bounded)
{
    expect("'x' * 99999999999", "error");
    expect("'%99999d' % 1", "error");
    expect("2 ** 9999", "error");
    expect("9223372036854775807 + 1", "error");
}

Test(config, deep_nesting_is_an_error_not_a_crash)
{
    g_autofree char *deep = g_strnfill(100000, '['), *minus = g_strnfill(100000, '-');
    g_autofree char *a = g_strconcat("a = ", deep, "\n", NULL);
    g_autofree char *b = g_strconcat("a = ", minus, "1\n", NULL);

    expect_error(a, "1:69 brackets are nested");
    expect_error(b, "1:69 the expression is nested");
}

Test(config, every_prefix_of_a_config_is_survived)
{
    static const char text[] = "import os\na = ['x%d' % 3, \"\\x41\", {'k': (1, 2.5)}]\n"
                               "b = os.environ.get('A', '''z\n''') + a[0] * -2\n";

    for (size_t n = 0; n < sizeof text; n++) {
        g_autoptr(Config) c = config_new();
        g_autoptr(Messages) m = messages_new();
        g_autofree char *part = g_strndup(text, n);

        config_parse(c, "t", part, n, m);
        cr_expect_leq(m->errors, 2);
    }
}

Test(config, the_command_line_reads_literals_and_falls_back_to_strings)
{
    g_autoptr(Config) c = config_new();
    g_autoptr(Messages) m = messages_new();

    cr_expect(config_override(c, "memory=256", m));
    cr_expect(config_override(c, "name=my-vm", m));
    cr_expect(config_override(c, "disk=['file:/a,hda,w']", m));
    cr_expect(config_override(c, "boot=", m));
    cr_expect(config_override(c, "vnclisten=0.0.0.0", m));
    cr_expect_eq(config_find(c, "memory")->value->i, 256);
    cr_expect_str_eq(config_find(c, "name")->value->s, "my-vm");
    cr_expect_eq(config_find(c, "disk")->value->kind, VALUE_LIST);
    cr_expect_str_eq(config_find(c, "boot")->value->s, "");
    cr_expect_str_eq(config_find(c, "vnclisten")->value->s, "0.0.0.0");
    cr_expect_not(config_override(c, "=3", m));
}
