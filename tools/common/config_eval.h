/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_eval.h - Python's operators on values.  Each returns a new value, or NULL when the
 * operation does not exist for these kinds or its result would be too large.
 */
#ifndef GH_TOOLS_CONFIG_EVAL_H
#define GH_TOOLS_CONFIG_EVAL_H

#include "tools/common/value.h"

Value *eval_copy(const Value *v);               /* of a scalar */
Value *eval_unary(char op, const Value *v);
Value *eval_binary(const char *op, Value *a, Value *b);
Value *eval_index(const Value *from, const Value *index);
Value *eval_function(const char *name, const Value *argument);  /* str int float len */
char *eval_format(const char *format, const Value *arguments);  /* Python's % */
void eval_relocate(Value *v, SourcePos pos);    /* v and all it holds */

#endif
