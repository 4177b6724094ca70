/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pyconfig.c - statements and expressions of the Python subset of domain configs.  One pass: each
 * statement is evaluated as it is read; an error ends its statement only, so that all the errors of
 * a file are found.  Left out on purpose: everything that runs (if, for, def, exec, calls other
 * than str, int, float, len, os.getenv).
 */
#include "tools/common/pyconfig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/common/config_eval.h"
#include "tools/common/config_lex.h"

#define MAX_CONFIG_BYTES (1 << 20)
#define MAX_NESTING 64
#define EXPECT_HELP "see xmdomain.cfg(5)"

typedef struct Parser {
    Lexer lex;
    Config *config;
    int nesting;
} Parser;

static Value *parse_expression(Parser *p);

static void var_free(gpointer opaque)
{
    ConfigVar *v = opaque;

    g_free(v->name);
    value_unref(v->value);
    g_free(v);
}

Config *config_new(void)
{
    Config *c = g_new0(Config, 1);

    c->vars = g_ptr_array_new_with_free_func(var_free);
    return c;
}

void config_free(Config *c)
{
    if (c) {
        g_ptr_array_free(c->vars, TRUE);
        g_free(c);
    }
}

ConfigVar *config_find(const Config *c, const char *name)
{
    for (unsigned i = 0; i < c->vars->len; i++) {
        ConfigVar *v = g_ptr_array_index(c->vars, i);

        if (!strcmp(v->name, name)) {
            return v;
        }
    }
    return NULL;
}

void config_set(Config *c, const char *name, Value *value, SourcePos pos)
{
    ConfigVar *v = config_find(c, name);

    if (!v) {
        v = g_new0(ConfigVar, 1);
        v->name = g_strdup(name);
        g_ptr_array_add(c->vars, v);
    }
    value_unref(v->value);
    v->value = value;
    v->pos = pos;
}

Value *config_to_value(const Config *c)
{
    Value *dict = value_new(VALUE_DICT);

    for (unsigned i = 0; i < c->vars->len; i++) {
        ConfigVar *v = g_ptr_array_index(c->vars, i);

        if (v->value) {
            value_set(dict, v->name, value_ref(v->value));
        }
    }
    return dict;
}

Config *config_from_value(const Value *dict)
{
    Config *c = config_new();

    for (unsigned i = 0; dict->kind == VALUE_DICT && i + 1 < dict->items->len; i += 2) {
        Value *k = value_item(dict, i);

        if (k->kind == VALUE_STR) {
            config_set(c, k->s, value_ref(value_item(dict, i + 1)), (SourcePos){ 0 });
        }
    }
    return c;
}

static SourcePos now(const Parser *p)
{
    return p->lex.token.pos;
}

static char *describe(const Lexer *l)
{
    switch (l->token.kind) {
    case TOKEN_END: return g_strdup("the end of the file");
    case TOKEN_NEWLINE: return g_strdup("the end of the line");
    case TOKEN_NAME: return g_strdup_printf("'%s'", l->token.s);
    case TOKEN_STR: return g_strdup("a string");
    case TOKEN_INT:
    case TOKEN_FLOAT: return g_strdup("a number");
    case TOKEN_OP: return g_strdup_printf("'%s'", l->token.text);
    default: return g_strdup("something unreadable");
    }
}

static Value *fail_expected(Parser *p, const char *wanted)
{
    g_autofree char *found = describe(&p->lex);

    lexer_error(&p->lex, now(p), "%s stands where %s should be", found, wanted);
    return NULL;
}

static bool expect(Parser *p, const char *op)
{
    if (!lexer_is(&p->lex, op)) {
        g_autofree char *wanted = g_strdup_printf("'%s'", op);

        fail_expected(p, wanted);
        return false;
    }
    lexer_next(&p->lex);
    return true;
}

/* --- atoms ----------------------------------------------------------------------------------- */

/* Items up to close, which is consumed.  *comma: a comma was seen. */
static bool parse_items(Parser *p, const char *close, Value *into, bool *comma)
{
    while (!lexer_is(&p->lex, close)) {
        SourcePos pos = now(p);
        Value *item = parse_expression(p);

        if (!item) {
            return false;
        }
        if (into->kind == VALUE_DICT) {
            if (item->kind != VALUE_STR) {
                lexer_error(&p->lex, pos, "a dictionary's key is %s; use a string",
                            value_kind_name(item));
            }
            value_append(into, item);
            if (!expect(p, ":") || !(item = parse_expression(p))) {
                value_append(into, value_none());
                return false;
            }
        }
        value_append(into, item);
        if (lexer_is(&p->lex, ",")) {
            *comma = true;
            lexer_next(&p->lex);
        } else if (!lexer_is(&p->lex, close)) {
            g_autofree char *wanted = g_strdup_printf("',' or '%s'", close);

            fail_expected(p, wanted);
            return false;
        }
    }
    lexer_next(&p->lex);
    return true;
}

static Value *parse_bracket(Parser *p)
{
    SourcePos pos = now(p);
    char open = p->lex.token.text[0];
    const char *close = open == '(' ? ")" : open == '[' ? "]" : "}";
    Value *v = value_new(open == '(' ? VALUE_TUPLE : open == '[' ? VALUE_LIST : VALUE_DICT);
    bool comma = false;

    if (++p->nesting > MAX_NESTING) {
        lexer_error(&p->lex, pos, "brackets are nested more than %d deep", MAX_NESTING);
        value_unref(v);
        return NULL;
    }
    lexer_next(&p->lex);
    if (!parse_items(p, close, v, &comma)) {
        value_unref(v);
        v = NULL;
    } else if (open == '(' && value_len(v) == 1 && !comma) {
        Value *inner = value_ref(value_item(v, 0));

        value_unref(v);
        v = inner;
    } else {
        value_at(v, pos);
    }
    p->nesting--;
    return v;
}

static Value *parse_strings(Parser *p)
{
    SourcePos pos = now(p);
    GString *all = g_string_new(NULL);

    while (p->lex.token.kind == TOKEN_STR) {
        g_string_append(all, p->lex.token.s);
        lexer_next(&p->lex);
    }
    if (!g_utf8_validate(all->str, all->len, NULL)) {
        lexer_error(&p->lex, pos, "this string is not UTF-8; save the file as UTF-8");
    }
    return value_at(value_take_str(g_string_free(all, FALSE)), pos);
}

/* os.environ["X"], os.environ.get("X"[, default]), os.getenv("X"[, default]), os.getcwd() */
static Value *parse_os(Parser *p, SourcePos pos)
{
    g_autofree char *attribute = NULL;
    g_autoptr(Value) args = value_new(VALUE_TUPLE);
    bool comma = false, must = false;
    const char *found;

    if (!expect(p, ".") || p->lex.token.kind != TOKEN_NAME) {
        return fail_expected(p, "a name of module os");
    }
    attribute = g_strdup(p->lex.token.s);
    lexer_next(&p->lex);
    if (!strcmp(attribute, "environ")) {
        if (lexer_is(&p->lex, "[")) {
            must = true;
            lexer_next(&p->lex);
            if (!parse_items(p, "]", args, &comma)) {
                return NULL;
            }
        } else if (!expect(p, ".") || p->lex.token.kind != TOKEN_NAME ||
                   strcmp(p->lex.token.s, "get")) {
            return fail_expected(p, "get");
        } else {
            lexer_next(&p->lex);
        }
    } else if (strcmp(attribute, "getenv") && strcmp(attribute, "getcwd")) {
        lexer_error(&p->lex, pos, "os.%s is not available in configs; write its value out (%s)",
                    attribute, EXPECT_HELP);
        return NULL;
    }
    if (!must && (!expect(p, "(") || !parse_items(p, ")", args, &comma))) {
        return NULL;
    }
    if (!strcmp(attribute, "getcwd")) {
        g_autofree char *cwd = g_get_current_dir();

        return value_at(value_str(cwd), pos);
    }
    if (value_len(args) < 1 || value_len(args) > 2 || value_item(args, 0)->kind != VALUE_STR) {
        lexer_error(&p->lex, pos, "os.%s needs the name of a variable, in quotes", attribute);
        return NULL;
    }
    found = getenv(value_item(args, 0)->s);
    if (!found && must) {
        lexer_error(&p->lex, pos, "the environment has no variable %s; set it, or use "
                    "os.environ.get(name, default)", value_item(args, 0)->s);
        return NULL;
    }
    if (!found) {
        return value_len(args) == 2 ? value_ref(value_item(args, 1)) : value_at(value_none(), pos);
    }
    return value_at(value_str(found), pos);
}

static Value *parse_call(Parser *p, const char *name, SourcePos pos)
{
    g_autoptr(Value) args = value_new(VALUE_TUPLE);
    bool comma = false;
    Value *result = NULL;

    lexer_next(&p->lex);
    if (!parse_items(p, ")", args, &comma)) {
        return NULL;
    }
    if (value_len(args) == 1) {
        result = eval_function(name, value_item(args, 0));
    }
    if (!result) {
        lexer_error(&p->lex, pos, "the call of %s() is not possible in a config: configs are read, "
                    "not run; write the value out (%s)", name, EXPECT_HELP);
        return NULL;
    }
    return value_at(result, pos);
}

static Value *parse_name(Parser *p)
{
    SourcePos pos = now(p);
    g_autofree char *name = g_strdup(p->lex.token.s);
    ConfigVar *var;

    lexer_next(&p->lex);
    if (!strcmp(name, "None")) {
        return value_at(value_none(), pos);
    }
    if (!strcmp(name, "True") || !strcmp(name, "False")) {
        return value_at(value_bool(*name == 'T'), pos);
    }
    if (!strcmp(name, "os") && lexer_is(&p->lex, ".")) {
        return parse_os(p, pos);
    }
    if (lexer_is(&p->lex, "(")) {
        return parse_call(p, name, pos);
    }
    var = config_find(p->config, name);
    if (!var) {
        lexer_error(&p->lex, pos, "the name '%s' has no value here; assign it above, or put text "
                    "in quotes", name);
        return NULL;
    }
    var->used = true;
    if (!var->value) {
        p->lex.failed = true;       /* its own error was reported */
        return NULL;
    }
    if (var->value->kind >= VALUE_LIST) {
        return value_ref(var->value);
    }
    return value_at(eval_copy(var->value), pos);
}

static Value *parse_atom(Parser *p)
{
    SourcePos pos = now(p);
    Value *v;

    switch (p->lex.token.kind) {
    case TOKEN_INT:
        v = value_at(value_int(p->lex.token.i), pos);
        lexer_next(&p->lex);
        return v;
    case TOKEN_FLOAT:
        v = value_at(value_float(p->lex.token.d), pos);
        lexer_next(&p->lex);
        return v;
    case TOKEN_STR:
        return parse_strings(p);
    case TOKEN_NAME:
        return parse_name(p);
    case TOKEN_OP:
        if (strchr("([{", p->lex.token.text[0])) {
            return parse_bracket(p);
        }
        break;
    default:
        break;
    }
    return fail_expected(p, "a value");
}

static Value *parse_postfix(Parser *p)
{
    Value *v = parse_atom(p);

    while (v && (lexer_is(&p->lex, "[") || lexer_is(&p->lex, "."))) {
        SourcePos pos = now(p);
        g_autoptr(Value) from = v;
        Value *index;

        v = NULL;
        if (lexer_is(&p->lex, ".")) {
            lexer_error(&p->lex, pos, "methods are not available in configs; write the result out "
                        "(%s)", EXPECT_HELP);
            return NULL;
        }
        lexer_next(&p->lex);
        index = parse_expression(p);
        if (index && expect(p, "]")) {
            v = eval_index(from, index);
            if (!v) {
                lexer_error(&p->lex, pos, "this index does not exist in %s", value_kind_name(from));
            }
        }
        value_unref(index);
    }
    return v;
}

/* --- operators ------------------------------------------------------------------------------- */

static int precedence(const Lexer *l)
{
    static const char *const levels[] = { "|", "^", "&", "<< >>", "+ -", "* / // %" };

    if (l->token.kind != TOKEN_OP) {
        return -1;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(levels); i++) {
        g_auto(GStrv) ops = g_strsplit(levels[i], " ", -1);

        if (g_strv_contains((const char *const *)ops, l->token.text)) {
            return i;
        }
    }
    return -1;
}

static Value *parse_unary(Parser *p)
{
    SourcePos pos = now(p);
    Value *v, *result;
    char op;

    if (!lexer_is(&p->lex, "-") && !lexer_is(&p->lex, "+") && !lexer_is(&p->lex, "~")) {
        v = parse_postfix(p);
        if (v && lexer_is(&p->lex, "**")) {
            g_autoptr(Value) base = v;
            g_autoptr(Value) power = NULL;

            lexer_next(&p->lex);
            power = parse_unary(p);
            v = power ? eval_binary("**", base, power) : NULL;
            if (power && !v) {
                lexer_error(&p->lex, pos, "this power can't be computed");
            }
            return v ? value_at(v, pos) : NULL;
        }
        return v;
    }
    op = p->lex.token.text[0];
    if (++p->nesting > MAX_NESTING) {
        lexer_error(&p->lex, pos, "the expression is nested more than %d deep", MAX_NESTING);
        return NULL;
    }
    lexer_next(&p->lex);
    v = parse_unary(p);
    p->nesting--;
    if (!v) {
        return NULL;
    }
    result = eval_unary(op, v);
    if (!result) {
        lexer_error(&p->lex, pos, "'%c' can't be applied to %s", op, value_kind_name(v));
    }
    value_unref(v);
    return result ? value_at(result, pos) : NULL;
}

static Value *parse_binary(Parser *p, int level)
{
    Value *left = parse_unary(p);
    int found;

    while (left && (found = precedence(&p->lex)) >= level) {
        SourcePos pos = now(p), start = left->pos;
        g_autoptr(Value) a = left;
        g_autoptr(Value) b = NULL;
        char op[4];

        g_strlcpy(op, p->lex.token.text, sizeof op);
        left = NULL;
        lexer_next(&p->lex);
        b = parse_binary(p, found + 1);
        if (!b) {
            return NULL;
        }
        left = eval_binary(op, a, b);
        if (!left) {
            lexer_error(&p->lex, pos, "'%s' does not work between %s and %s%s", op,
                        value_kind_name(a), value_kind_name(b),
                        a->kind == VALUE_STR && *op == '%' ? ": the format does not fit" : "");
            return NULL;
        }
        value_at(left, start);
    }
    return left;
}

static Value *parse_expression(Parser *p)
{
    Value *v = parse_binary(p, 0);

    if (v && (p->lex.token.kind == TOKEN_NAME) &&
        (!strcmp(p->lex.token.s, "if") || !strcmp(p->lex.token.s, "for") ||
         !strcmp(p->lex.token.s, "and") || !strcmp(p->lex.token.s, "or"))) {
        lexer_error(&p->lex, now(p), "'%s' is not available in configs: they are read, not run; "
                    "write the value out (%s)", p->lex.token.s, EXPECT_HELP);
        value_unref(v);
        return NULL;
    }
    return v;
}

/* --- statements ------------------------------------------------------------------------------ */

static bool refused_keyword(const char *name)
{
    static const char *const words[] = { "if", "elif", "else", "for", "while", "def", "class",
                                         "try",
        "except", "finally", "with", "exec", "eval", "print", "return", "lambda", "del", "global",
        "assert", "raise", "from", "yield", "async", "await", "nonlocal", "execfile" };

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!strcmp(words[i], name)) {
            return true;
        }
    }
    return false;
}

/* The statement's line, and the indented block below it. */
static void skip_block(Parser *p)
{
    lexer_skip_line(&p->lex);
    for (;;) {
        const char *q = p->lex.p;

        while (q < p->lex.end && (*q == ' ' || *q == '\t' || *q == '\r' || *q == '\n')) {
            q++;
        }
        if (q == p->lex.end || q == p->lex.p || q[-1] == '\n') {
            return;
        }
        lexer_next(&p->lex);
        lexer_skip_line(&p->lex);
    }
}

static void parse_import(Parser *p)
{
    do {
        lexer_next(&p->lex);
        if (p->lex.token.kind != TOKEN_NAME) {
            fail_expected(p, "the name of a module");
            return;
        }
        if (strcmp(p->lex.token.s, "os") && strcmp(p->lex.token.s, "sys") &&
            strcmp(p->lex.token.s, "string") && strcmp(p->lex.token.s, "re")) {
            lexer_error(&p->lex, now(p), "module %s is not available in configs, which are read, "
                        "not run; only os.environ is (%s)", p->lex.token.s, EXPECT_HELP);
            return;
        }
        lexer_next(&p->lex);
    } while (lexer_is(&p->lex, ","));
}

/* Real configs contain full-screen=1, which Python itself would refuse. */
static char *parse_target(Parser *p)
{
    GString *name = g_string_new(p->lex.token.s);

    lexer_next(&p->lex);
    while (lexer_is(&p->lex, "-")) {
        lexer_next(&p->lex);
        if (p->lex.token.kind == TOKEN_NAME) {
            g_string_append_printf(name, "-%s", p->lex.token.s);
            lexer_next(&p->lex);
        } else {
            break;
        }
    }
    return g_string_free(name, FALSE);
}

static void assign_augmented(Parser *p, const char *name, SourcePos pos)
{
    char op[4];
    ConfigVar *var = config_find(p->config, name);
    g_autoptr(Value) right = NULL;
    Value *result = NULL;

    g_strlcpy(op, p->lex.token.text, sizeof op);
    op[strlen(op) - 1] = 0;
    lexer_next(&p->lex);
    right = parse_expression(p);
    if (!var) {
        lexer_error(&p->lex, pos, "the name '%s' has no value yet; assign it above with =", name);
    } else if (right && var->value) {
        result = eval_binary(op, var->value, right);
        if (!result) {
            lexer_error(&p->lex, pos, "'%s=' does not work between %s and %s", op,
                        value_kind_name(var->value), value_kind_name(right));
        } else {
            value_at(result, right->pos);
        }
    }
    config_set(p->config, name, result, pos);
}

static void parse_assignment(Parser *p)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree SourcePos *where = g_new0(SourcePos, 64);
    SourcePos start = now(p);
    Value *v = NULL;

    for (;;) {
        where[names->len] = now(p);
        if (p->lex.token.kind != TOKEN_NAME) {
            break;
        } else {
            const char *save = p->lex.p;

            /* In a = b = 1 each name is followed by "="; in a = b + 1 the last is not. */
            while (save < p->lex.end && (*save == ' ' || *save == '\t')) {
                save++;
            }
            if (names->len && (save + 1 >= p->lex.end || *save != '=' || save[1] == '=')) {
                break;
            }
        }
        g_ptr_array_add(names, parse_target(p));
        if (names->len == 1 && p->lex.token.kind == TOKEN_OP && strlen(p->lex.token.text) > 1 &&
            p->lex.token.text[strlen(p->lex.token.text) - 1] == '=' && !lexer_is(&p->lex, "==") &&
            !strchr("!<>", p->lex.token.text[0])) {
            assign_augmented(p, names->pdata[0], start);
            return;
        }
        if (!lexer_is(&p->lex, "=") || names->len == 63) {
            lexer_error(&p->lex, start, "this line assigns nothing; write NAME = VALUE (configs "
                        "are read, not run: %s)", EXPECT_HELP);
            return;
        }
        lexer_next(&p->lex);
    }
    v = parse_expression(p);
    if (v && lexer_is(&p->lex, ",")) {      /* a = 1, 2 is a tuple */
        Value *tuple = value_at(value_new(VALUE_TUPLE), v->pos);

        value_append(tuple, v);
        v = tuple;
        while (lexer_is(&p->lex, ",")) {
            Value *item;

            lexer_next(&p->lex);
            if (p->lex.token.kind == TOKEN_NEWLINE) {
                break;
            }
            item = parse_expression(p);
            if (!item) {
                value_unref(v);
                v = NULL;
                break;
            }
            value_append(v, item);
        }
    }
    if (v && p->lex.token.kind != TOKEN_NEWLINE && p->lex.token.kind != TOKEN_END &&
        !lexer_is(&p->lex, ";")) {
        fail_expected(p, "the end of the line");
        value_unref(v);
        v = NULL;
    }
    for (unsigned i = 0; i < names->len; i++) {
        config_set(p->config, names->pdata[i], v ? value_ref(v) : NULL, where[i]);
    }
    value_unref(v);
}

static void parse_statement(Parser *p)
{
    SourcePos pos = now(p);

    p->lex.failed = false;
    p->nesting = 0;
    if (pos.col > 1 && p->lex.p > p->lex.line_start) {
        const char *q = p->lex.line_start;

        while (*q == ' ' || *q == '\t') {
            q++;
        }
        if (q - p->lex.line_start + 1 == pos.col) {
            lexer_error(&p->lex, pos, "this line is indented, which Python refuses here; remove "
                        "the blanks");
            skip_block(p);
            return;
        }
    }
    if (p->lex.token.kind == TOKEN_STR) {
        value_unref(parse_expression(p));   /* a docstring */
    } else if (p->lex.token.kind != TOKEN_NAME) {
        fail_expected(p, "NAME = VALUE");
    } else if (!strcmp(p->lex.token.s, "import")) {
        parse_import(p);
    } else if (!strcmp(p->lex.token.s, "pass")) {
        lexer_next(&p->lex);
    } else if (refused_keyword(p->lex.token.s)) {
        lexer_error(&p->lex, pos, "'%s' is not available in configs: they are read, not run; write "
                    "the values out (%s)", p->lex.token.s, EXPECT_HELP);
        skip_block(p);
        return;
    } else {
        parse_assignment(p);
    }
    if (!p->lex.failed && p->lex.token.kind != TOKEN_NEWLINE && p->lex.token.kind != TOKEN_END &&
        !lexer_is(&p->lex, ";")) {
        fail_expected(p, "the end of the line");
    }
    if (p->lex.failed) {
        lexer_skip_line(&p->lex);
    }
}

void config_parse(Config *c, const char *file, const char *text, gsize len, Messages *messages)
{
    Parser p = { .config = c };

    lexer_init(&p.lex, file, text, len, messages);
    lexer_next(&p.lex);
    while (p.lex.token.kind != TOKEN_END) {
        if (p.lex.token.kind == TOKEN_NEWLINE || lexer_is(&p.lex, ";")) {
            lexer_next(&p.lex);
        } else {
            parse_statement(&p);
        }
    }
    lexer_finish(&p.lex);
}

bool config_parse_file(Config *c, const char *path, Messages *messages)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    SourcePos pos = { g_intern_string(path), 0, 0 };
    gsize len;

    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        message_add(messages, MESSAGE_ERROR, pos, "this is a directory; name a config file");
        return false;
    }
    if (!g_file_get_contents(path, &text, &len, &error)) {
        message_add(messages, MESSAGE_ERROR, pos, "can't be read (%s)", error->message);
        return false;
    }
    if (len > MAX_CONFIG_BYTES) {
        message_add(messages, MESSAGE_ERROR, pos, "is larger than 1 MiB: not a config file");
        return false;
    }
    config_parse(c, path, text, len, messages);
    return true;
}

bool config_override(Config *c, const char *assignment, Messages *messages)
{
    const char *equals = strchr(assignment, '=');
    g_autofree char *name = NULL, *where = NULL;
    g_autoptr(Messages) ignored = messages_new();
    Parser p = { .config = c };
    SourcePos pos;
    Value *v = NULL;

    where = g_strdup_printf("command line: %s", assignment);
    pos = (SourcePos){ g_intern_string(where), 0, 0 };
    if (!equals || equals == assignment) {
        message_add(messages, MESSAGE_ERROR, pos, "is not VAR=VALUE");
        return false;
    }
    name = g_strndup(assignment, equals - assignment);
    equals++;
    if (*equals && strchr("'\"[({0123456789-", *equals)) {
        lexer_init(&p.lex, "", equals, strlen(equals), ignored);
        lexer_next(&p.lex);
        v = parse_expression(&p);
        if (v && (ignored->errors || p.lex.token.kind != TOKEN_NEWLINE)) {
            value_unref(v);
            v = NULL;
        }
        lexer_finish(&p.lex);
    }
    if (!v) {
        v = value_str(equals);
    }
    eval_relocate(v, pos);
    config_set(c, name, v, pos);
    return true;
}
