/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sxp.h - S-expressions: xend's own format of configs ("xm list --long", xend-config.sxp).
 * A list is a VALUE_LIST, an atom a VALUE_STR.
 */
#ifndef GH_TOOLS_SXP_H
#define GH_TOOLS_SXP_H

#include "tools/common/value.h"

/* All expressions of text, as a list.  NULL with a message that names line and column. */
Value *sxp_parse(const char *text, char **error);
Value *sxp_parse_file(const char *text, const char *file, char **error);    /* values know places */
char *sxp_print(const Value *v);                    /* indented by 4, no newline at the end */
Value *sxp_pair(const char *key, const char *atom); /* (key atom) */
Value *sxp_pair_int(const char *key, int64_t n);
Value *sxp_child(const Value *list, const char *key);   /* the first (key ...), or NULL */
const char *sxp_atom(const Value *list, const char *key, const char *missing);

#endif
