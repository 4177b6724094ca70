/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_lex.h - the tokens of Python, as far as domain configs use them.
 */
#ifndef GH_TOOLS_CONFIG_LEX_H
#define GH_TOOLS_CONFIG_LEX_H

#include "tools/common/messages.h"

typedef enum TokenKind {
    TOKEN_END, TOKEN_NEWLINE, TOKEN_NAME, TOKEN_INT, TOKEN_FLOAT, TOKEN_STR, TOKEN_OP, TOKEN_BAD
} TokenKind;

typedef struct Token {
    TokenKind kind;
    SourcePos pos;
    int64_t i;
    double d;
    char text[4];               /* TOKEN_OP */
    char *s;                    /* NAME, STR: owned by the lexer, until the next token */
} Token;

typedef struct Lexer {
    const char *file, *p, *end, *line_start;
    int line;
    int depth;                  /* open brackets: newlines are blanks inside */
    bool line_begun;            /* a token of this logical line was seen */
    bool failed;                /* the current statement has an error: say no more of it */
    Token token;
    Messages *messages;
} Lexer;

void lexer_init(Lexer *l, const char *file, const char *text, gsize len, Messages *messages);
void lexer_finish(Lexer *l);
void lexer_next(Lexer *l);
void lexer_skip_line(Lexer *l);         /* to the end of the logical line */
/* An error at pos, unless the statement has one already. */
void lexer_error(Lexer *l, SourcePos pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool lexer_is(const Lexer *l, const char *op);

#endif
