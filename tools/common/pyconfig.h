/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pyconfig.h - domain configs.  xm's configs are Python programs; this evaluates the part of Python
 * that configs use (assignments, literals, + and % on strings, arithmetic, earlier names,
 * os.environ) and refuses the rest with a clear message.  Nothing is ever executed.
 */
#ifndef GH_TOOLS_PYCONFIG_H
#define GH_TOOLS_PYCONFIG_H

#include "tools/common/messages.h"
#include "tools/common/value.h"

typedef struct ConfigVar {
    char *name;
    Value *value;               /* NULL: its statement had an error, already reported */
    SourcePos pos;              /* of the name */
    bool used;                  /* another statement refers to it */
} ConfigVar;

typedef struct Config {
    GPtrArray *vars;            /* ConfigVar*, in the order of first assignment */
} Config;

Config *config_new(void);
void config_free(Config *c);
ConfigVar *config_find(const Config *c, const char *name);
void config_set(Config *c, const char *name, Value *value, SourcePos pos);  /* takes value */
/* Evaluates text.  Errors go to messages; what could be evaluated is there all the same. */
void config_parse(Config *c, const char *file, const char *text, gsize len, Messages *messages);
bool config_parse_file(Config *c, const char *path, Messages *messages);
/* One VAR=VAL of the command line: VAL is a literal if it reads as one, else a string. */
bool config_override(Config *c, const char *assignment, Messages *messages);
Value *config_to_value(const Config *c);        /* a dict, for XML-RPC */
Config *config_from_value(const Value *dict);   /* positions are lost */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

#endif
