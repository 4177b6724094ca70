/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_eval.c - operators of the Python subset.  Integers are 64 bits wide (overflow is an
 * error, not a long number); strings and lists are bounded so that a config can't eat memory.
 */
#include "tools/common/config_eval.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_RESULT (1 << 20)    /* bytes of a string, items of a list */
#define MAX_WIDTH 4096

Value *eval_copy(const Value *v)
{
    Value *c = value_new(v->kind);

    c->i = v->i;
    c->d = v->d;
    c->s = g_strdup(v->s);
    return c;
}

void eval_relocate(Value *v, SourcePos pos)
{
    v->pos = pos;
    for (unsigned i = 0; v->items && i < v->items->len; i++) {
        eval_relocate(g_ptr_array_index(v->items, i), pos);
    }
}

static bool integral(const Value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_BOOL;
}

static bool numeric(const Value *v)
{
    return integral(v) || v->kind == VALUE_FLOAT;
}

static double as_double(const Value *v)
{
    return v->kind == VALUE_FLOAT ? v->d : (double)v->i;
}

Value *eval_unary(char op, const Value *v)
{
    if (op == '~') {
        return integral(v) ? value_int(~v->i) : NULL;
    }
    if (!numeric(v)) {
        return NULL;
    }
    if (v->kind == VALUE_FLOAT) {
        return value_float(op == '-' ? -v->d : v->d);
    }
    return v->i == G_MININT64 && op == '-' ? NULL : value_int(op == '-' ? -v->i : v->i);
}

static Value *integer_power(int64_t base, int64_t power)
{
    int64_t result = 1;

    if (power < 0) {
        return base ? value_float(pow((double)base, (double)power)) : NULL;
    }
    while (power-- > 0) {
        if (__builtin_mul_overflow(result, base, &result)) {
            return NULL;
        }
        if (result == 0 || result == 1) {
            break;
        }
    }
    return value_int(result);
}

static Value *integer_binary(const char *op, int64_t a, int64_t b)
{
    int64_t r;

    switch (*op) {
    case '+': return __builtin_add_overflow(a, b, &r) ? NULL : value_int(r);
    case '-': return __builtin_sub_overflow(a, b, &r) ? NULL : value_int(r);
    case '*':
        if (op[1] == '*') {
            return a == -1 && b >= 0 ? value_int(b & 1 ? -1 : 1) : integer_power(a, b);
        }
        return __builtin_mul_overflow(a, b, &r) ? NULL : value_int(r);
    case '/':       /* Python 2: / of integers is //, which rounds down */
    case '%':
        if (b == 0 || (a == G_MININT64 && b == -1)) {
            return NULL;
        }
        r = a / b - (a % b != 0 && (a < 0) != (b < 0));
        return value_int(*op == '/' ? r : a - r * b);
    case '|': return value_int(a | b);
    case '&': return value_int(a & b);
    case '^': return value_int(a ^ b);
    case '<': return b < 0 || b > 62 || a < 0 || a > G_MAXINT64 >> b ? NULL : value_int(a << b);
    case '>': return b < 0 ? NULL : value_int(a >> MIN(b, 63));
    default: return NULL;
    }
}

static Value *float_binary(const char *op, double a, double b)
{
    switch (*op) {
    case '+': return value_float(a + b);
    case '-': return value_float(a - b);
    case '*': return value_float(op[1] ? pow(a, b) : a * b);
    case '/': return b == 0 ? NULL : value_float(op[1] ? floor(a / b) : a / b);
    case '%': return b == 0 ? NULL : value_float(a - floor(a / b) * b);
    default: return NULL;
    }
}

static Value *repeat(const Value *what, int64_t times)
{
    Value *r;

    times = MAX(times, 0);
    if (what->kind == VALUE_STR) {
        GString *s;
        size_t len = strlen(what->s);

        if (len && times > (int64_t)(MAX_RESULT / len)) {
            return NULL;
        }
        s = g_string_new(NULL);
        while (len && times--) {
            g_string_append(s, what->s);
        }
        return value_take_str(g_string_free(s, FALSE));
    }
    if (what->items->len && times > MAX_RESULT / what->items->len) {
        return NULL;
    }
    r = value_new(what->kind);
    while (what->items->len && times--) {
        for (unsigned i = 0; i < what->items->len; i++) {
            value_append(r, value_ref(value_item(what, i)));
        }
    }
    return r;
}

Value *eval_binary(const char *op, Value *a, Value *b)
{
    bool sequence_a = a->kind == VALUE_STR || a->kind == VALUE_LIST || a->kind == VALUE_TUPLE;

    if (integral(a) && integral(b)) {
        return integer_binary(op, a->i, b->i);
    }
    if (numeric(a) && numeric(b)) {
        return float_binary(op, as_double(a), as_double(b));
    }
    if (!strcmp(op, "+") && a->kind == VALUE_STR && b->kind == VALUE_STR) {
        return strlen(a->s) + strlen(b->s) > MAX_RESULT ? NULL
               : value_take_str(g_strconcat(a->s, b->s, NULL));
    }
    if (!strcmp(op, "+") && sequence_a && a->kind == b->kind) {
        Value *r = value_new(a->kind);

        for (unsigned i = 0; i < a->items->len; i++) {
            value_append(r, value_ref(value_item(a, i)));
        }
        for (unsigned i = 0; i < b->items->len && r->items->len < MAX_RESULT; i++) {
            value_append(r, value_ref(value_item(b, i)));
        }
        return r;
    }
    if (!strcmp(op, "*") && sequence_a && integral(b)) {
        return repeat(a, b->i);
    }
    if (!strcmp(op, "*") && integral(a) &&
        (b->kind == VALUE_STR || b->kind == VALUE_LIST || b->kind == VALUE_TUPLE)) {
        return repeat(b, a->i);
    }
    if (!strcmp(op, "%") && a->kind == VALUE_STR) {
        char *s = eval_format(a->s, b);

        return s ? value_take_str(s) : NULL;
    }
    return NULL;
}

Value *eval_index(const Value *from, const Value *index)
{
    if (from->kind == VALUE_DICT) {
        Value *v = index->kind == VALUE_STR ? value_get(from, index->s) : NULL;

        return v ? value_ref(v) : NULL;
    }
    if (!integral(index)) {
        return NULL;
    }
    if (from->kind == VALUE_STR) {
        int64_t len = g_utf8_strlen(from->s, -1), i = index->i < 0 ? index->i + len : index->i;

        return i < 0 || i >= len ? NULL : value_take_str(g_utf8_substring(from->s, i, i + 1));
    }
    if (from->kind == VALUE_LIST || from->kind == VALUE_TUPLE) {
        int64_t len = value_len(from), i = index->i < 0 ? index->i + len : index->i;

        return i < 0 || i >= len ? NULL : value_ref(value_item(from, i));
    }
    return NULL;
}

Value *eval_function(const char *name, const Value *v)
{
    if (!strcmp(name, "str")) {
        return value_take_str(value_text(v));
    }
    if (!strcmp(name, "len") && (v->kind == VALUE_STR || v->kind >= VALUE_LIST)) {
        return value_int(v->kind == VALUE_STR ? g_utf8_strlen(v->s, -1) : (int64_t)value_len(v));
    }
    if (!strcmp(name, "int") && numeric(v)) {
        return v->kind != VALUE_FLOAT ? value_int(v->i)
               : fabs(v->d) < 9e18 ? value_int((int64_t)v->d) : NULL;
    }
    if (!strcmp(name, "float") && numeric(v)) {
        return value_float(as_double(v));
    }
    if (v->kind == VALUE_STR && (!strcmp(name, "int") || !strcmp(name, "float"))) {
        char *end;
        bool whole = *name == 'i';
        int64_t i = g_ascii_strtoll(v->s, &end, 10);
        double d = whole ? 0 : g_ascii_strtod(v->s, &end);

        return !*v->s || *end ? NULL : whole ? value_int(i) : value_float(d);
    }
    return NULL;
}

typedef struct Conversion {
    bool left, zero, plus, space, alternate;
    int width, precision;       /* -1: none */
    char type;
} Conversion;

static bool append_number(GString *out, const Conversion *c, const Value *v)
{
    char spec[48], *p = spec;
    bool whole = strchr("diuxXo", c->type) != NULL;

    if (!numeric(v)) {
        return false;
    }
    *p++ = '%';
    if (c->left) *p++ = '-';
    if (c->zero) *p++ = '0';
    if (c->plus) *p++ = '+';
    if (c->space) *p++ = ' ';
    if (c->alternate) *p++ = '#';
    p += sprintf(p, "%d", c->width);
    if (c->precision >= 0) {
        p += sprintf(p, ".%d", c->precision);
    }
    p += sprintf(p, "%s%c", whole ? "ll" : "", c->type == 'i' || c->type == 'u' ? 'd' : c->type);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (whole) {
        g_string_append_printf(out, spec, v->kind == VALUE_FLOAT ? (long long)v->d
                               : (long long)v->i);
    } else {
        g_string_append_printf(out, spec, as_double(v));
    }
#pragma GCC diagnostic pop
    return true;
}

static bool append_converted(GString *out, const Conversion *c, const Value *v)
{
    g_autofree char *text = NULL;
    glong len;

    if (strchr("diuxXoeEfFgG", c->type)) {
        return append_number(out, c, v);
    }
    if (c->type == 'c') {
        text = v->kind == VALUE_STR ? g_strdup(v->s) : NULL;
    } else {
        text = c->type == 'r' ? value_repr(v) : value_text(v);
    }
    if (!text) {
        return false;
    }
    len = g_utf8_strlen(text, -1);
    if (c->precision >= 0 && c->precision < len) {
        char *cut = g_utf8_substring(text, 0, c->precision);

        g_free(text);
        text = cut;
        len = c->precision;
    }
    for (glong i = len; !c->left && i < c->width; i++) {
        g_string_append_c(out, ' ');
    }
    g_string_append(out, text);
    for (glong i = len; c->left && i < c->width; i++) {
        g_string_append_c(out, ' ');
    }
    return true;
}

static const char *parse_conversion(const char *f, Conversion *c)
{
    *c = (Conversion){ .precision = -1 };
    for (;; f++) {
        switch (*f) {
        case '-': c->left = true; continue;
        case '0': c->zero = true; continue;
        case '+': c->plus = true; continue;
        case ' ': c->space = true; continue;
        case '#': c->alternate = true; continue;
        default: break;
        }
        break;
    }
    while (g_ascii_isdigit(*f) && c->width <= MAX_WIDTH) {
        c->width = c->width * 10 + *f++ - '0';
    }
    if (*f == '.') {
        c->precision = 0;
        f++;
        while (g_ascii_isdigit(*f) && c->precision <= MAX_WIDTH) {
            c->precision = c->precision * 10 + *f++ - '0';
        }
    }
    while (*f && strchr("hlL", *f)) {
        f++;
    }
    c->type = *f;
    return *f && strchr("diuxXoeEfFgGcrs", *f) && c->width <= MAX_WIDTH &&
           c->precision <= MAX_WIDTH ? f + 1 : NULL;
}

char *eval_format(const char *format, const Value *arguments)
{
    g_autoptr(GString) out = g_string_new(NULL);
    unsigned next = 0, count = arguments->kind == VALUE_TUPLE ? value_len(arguments) : 1;
    bool named = false;

    for (const char *f = format; *f;) {
        const Value *v = NULL;
        Conversion c;

        if (*f != '%') {
            g_string_append_c(out, *f++);
            continue;
        }
        if (*++f == '%') {
            g_string_append_c(out, *f++);
            continue;
        }
        if (*f == '(') {
            const char *close = strchr(f, ')');
            g_autofree char *key = close ? g_strndup(f + 1, close - f - 1) : NULL;

            v = key ? value_get(arguments, key) : NULL;
            if (!v) {
                return NULL;
            }
            named = true;
            f = close + 1;
        } else {
            if (next == count) {
                return NULL;
            }
            v = arguments->kind == VALUE_TUPLE ? value_item(arguments, next) : arguments;
            next++;
        }
        f = parse_conversion(f, &c);
        if (!f || !append_converted(out, &c, v) || out->len > MAX_RESULT) {
            return NULL;
        }
    }
    if (!named && next != count && arguments->kind != VALUE_DICT) {
        return NULL;
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}
