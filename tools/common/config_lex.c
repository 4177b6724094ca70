/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_lex.c - tokens of the Python subset: names, numbers in all bases, strings with prefixes
 * and escapes, triple quotes, comments, continuation lines.  \N{...} names are left out.
 */
#include "tools/common/config_lex.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void lexer_init(Lexer *l, const char *file, const char *text, gsize len, Messages *messages)
{
    *l = (Lexer){ .file = g_intern_string(file), .p = text, .end = text + len, .line_start = text,
                  .line = 1, .messages = messages };
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        l->p += 3;
        l->line_start += 3;
    }
}

void lexer_finish(Lexer *l)
{
    g_clear_pointer(&l->token.s, g_free);
}

void lexer_error(Lexer *l, SourcePos pos, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (!l->failed) {
        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);
        message_add(l->messages, MESSAGE_ERROR, pos, "%s", text);
        l->failed = true;
    }
}

bool lexer_is(const Lexer *l, const char *op)
{
    return l->token.kind == TOKEN_OP && !strcmp(l->token.text, op);
}

static SourcePos here(const Lexer *l)
{
    return (SourcePos){ l->file, l->line, (int)(l->p - l->line_start) + 1 };
}

static void new_line(Lexer *l)
{
    l->p++;
    l->line++;
    l->line_start = l->p;
}

static int peek(const Lexer *l, int offset)
{
    return l->p + offset < l->end ? (unsigned char)l->p[offset] : -1;
}

/* Blanks, comments, continuation lines.  True at a newline that ends a logical line. */
static bool skip_blanks(Lexer *l)
{
    for (;;) {
        int c = peek(l, 0);

        if (c == '#') {
            while (peek(l, 0) >= 0 && peek(l, 0) != '\n') {
                l->p++;
            }
        } else if (c == '\\' &&
                   (peek(l, 1) == '\n' || (peek(l, 1) == '\r' && peek(l, 2) == '\n'))) {
            l->p += peek(l, 1) == '\r' ? 2 : 1;
            new_line(l);
        } else if (c == '\n') {
            if (l->depth == 0 && l->line_begun) {
                return true;
            }
            new_line(l);
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
            l->p++;
        } else {
            return false;
        }
    }
}

static void append_escape(Lexer *l, GString *out)
{
    int c = peek(l, 0), digits, base;
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    const char *at;
    gunichar code = 0;

    if (c < 0) {
        return;
    }
    if (c == '\n') {
        new_line(l);
        return;
    }
    at = strchr(from, c);
    if (at) {
        g_string_append_c(out, to[at - from]);
        l->p++;
        return;
    }
    if (c >= '0' && c <= '7') {
        digits = 3, base = 8;
    } else if (c == 'x' || c == 'u' || c == 'U') {
        digits = c == 'x' ? 2 : c == 'u' ? 4 : 8, base = 16;
        l->p++;
    } else {
        g_string_append_c(out, '\\');       /* Python keeps unknown escapes */
        return;
    }
    while (digits-- && peek(l, 0) >= 0 && g_ascii_isxdigit(peek(l, 0)) &&
           (base == 16 || (peek(l, 0) >= '0' && peek(l, 0) <= '7'))) {
        code = code * base + g_ascii_xdigit_value(*l->p++);
    }
    if (code == 0 || code > 0x10ffff) {
        lexer_error(l, here(l), "a NUL or impossible character in a string; remove the escape");
    } else {
        g_string_append_unichar(out, code);
    }
}

static void lex_string(Lexer *l, bool raw)
{
    SourcePos start = l->token.pos;
    char quote = *l->p;
    bool triple = peek(l, 1) == quote && peek(l, 2) == quote;
    GString *out = g_string_new(NULL);

    l->p += triple ? 3 : 1;
    for (;;) {
        int c = peek(l, 0);

        if (c < 0 || (c == '\n' && !triple)) {
            lexer_error(l, start, "this string does not end; close it with %s%c",
                        triple ? "three times " : "", quote);
            l->token.kind = TOKEN_BAD;
            break;
        }
        if (c == quote && (!triple || (peek(l, 1) == quote && peek(l, 2) == quote))) {
            l->p += triple ? 3 : 1;
            l->token.kind = TOKEN_STR;
            break;
        }
        if (c == '\\' && !raw) {
            l->p++;
            append_escape(l, out);
        } else if (c == '\n') {
            g_string_append_c(out, '\n');
            new_line(l);
        } else {
            if (c == '\\' && peek(l, 1) > 0 && peek(l, 1) != '\n') {
                g_string_append_c(out, *l->p++);
            }
            g_string_append_c(out, *l->p++);
        }
    }
    l->token.s = g_string_free(out, FALSE);
}

static void lex_number(Lexer *l)
{
    const char *start = l->p;
    g_autofree char *text = NULL;
    char *end;
    int base = 10, skip = 0;
    bool fraction = false;
    guint64 n;

    if (*start == '0' && l->end - start > 1) {
        int c = g_ascii_tolower(start[1]);

        base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : g_ascii_isdigit(c) ? 8 : 10;
        skip = base == 16 || base == 2 || c == 'o' ? 2 : 0;
    }
    while (l->p < l->end && (g_ascii_isalnum(*l->p) || *l->p == '.' || *l->p == '_' ||
           (fraction && (*l->p == '-' || *l->p == '+') && g_ascii_tolower(l->p[-1]) == 'e'))) {
        fraction |= base != 16 && (*l->p == '.' || g_ascii_tolower(*l->p) == 'e');
        l->p++;
    }
    text = g_strndup(start + skip, l->p - start - skip);
    if (strlen(text) > 1 && g_ascii_tolower(text[strlen(text) - 1]) == 'l') {
        text[strlen(text) - 1] = 0;         /* Python 2's long */
    }
    errno = 0;
    if (fraction) {
        l->token.kind = TOKEN_FLOAT;
        l->token.d = g_ascii_strtod(text, &end);
    } else {
        l->token.kind = TOKEN_INT;
        n = g_ascii_strtoull(text, &end, base);
        l->token.i = n;
        if (errno || n > G_MAXINT64) {
            lexer_error(l, l->token.pos, "the number %s is too large", text);
        }
    }
    if (*end || !*text) {
        lexer_error(l, l->token.pos, "'%.*s' is neither a number nor a name; put text in quotes",
                    (int)(l->p - start), start);
        l->token.kind = TOKEN_BAD;
    }
}

static bool name_char(int c)
{
    return c == '_' || c >= 0x80 || (c > 0 && g_ascii_isalnum(c));
}

static void lex_operator(Lexer *l)
{
    static const char *const ops[] = { "**=", "//=", "<<=", ">>=", "**", "//", "<<", ">>", "==",
                                       "!=", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "|=", "&=" };
    int c = *l->p;

    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        size_t n = strlen(ops[i]);

        if ((size_t)(l->end - l->p) >= n && !memcmp(l->p, ops[i], n)) {
            l->token.kind = TOKEN_OP;
            strcpy(l->token.text, ops[i]);
            l->p += n;
            return;
        }
    }
    if (c > 0 && strchr("+-*/%()[]{},:=.;<>|&^~@`", c)) {
        l->token.kind = TOKEN_OP;
        l->token.text[0] = c;
        l->token.text[1] = 0;
        l->depth += strchr("([{", c) ? 1 : strchr(")]}", c) && l->depth ? -1 : 0;
        l->p++;
        return;
    }
    lexer_error(l, l->token.pos, c >= 32 && c < 127 ? "the character '%c' means nothing here"
                : "a byte %#04x, which is not text; is this a config file?", c & 0xff);
    l->token.kind = TOKEN_BAD;
    l->p++;
}

void lexer_next(Lexer *l)
{
    bool newline;
    int c;

    g_clear_pointer(&l->token.s, g_free);
    newline = skip_blanks(l);
    l->token.pos = here(l);
    c = peek(l, 0);
    if (newline) {
        l->token.kind = TOKEN_NEWLINE;
        l->line_begun = false;
        new_line(l);
        return;
    }
    if (c < 0) {
        l->token.kind = l->line_begun ? TOKEN_NEWLINE : TOKEN_END;
        l->line_begun = false;
        return;
    }
    l->line_begun = true;
    if (g_ascii_isdigit(c) || (c == '.' && peek(l, 1) > 0 && g_ascii_isdigit(peek(l, 1)))) {
        lex_number(l);
    } else if (c == '"' || c == '\'') {
        lex_string(l, false);
    } else if (name_char(c)) {
        const char *start = l->p;
        size_t n;

        while (name_char(peek(l, 0))) {
            l->p++;
        }
        n = l->p - start;
        c = peek(l, 0);
        if ((c == '"' || c == '\'') && n <= 2 && strspn(start, "rRuUbB") >= n) {
            lex_string(l, memchr(start, 'r', n) || memchr(start, 'R', n));
        } else {
            l->token.kind = TOKEN_NAME;
            l->token.s = g_strndup(start, n);
        }
    } else {
        lex_operator(l);
    }
}

void lexer_skip_line(Lexer *l)
{
    int line = l->token.pos.line;

    /* An unclosed bracket would swallow the file: a line that starts like an assignment ends it. */
    while (l->token.kind != TOKEN_END && l->token.kind != TOKEN_NEWLINE) {
        if (l->depth && l->token.kind == TOKEN_NAME && l->token.pos.col == 1 &&
            l->token.pos.line > line) {
            const char *q = l->p;

            while (q < l->end && (*q == ' ' || *q == '\t')) {
                q++;
            }
            if (q + 1 < l->end && *q == '=' && q[1] != '=') {
                l->depth = 0;
                return;
            }
        }
        lexer_next(l);
    }
    l->depth = 0;
}
