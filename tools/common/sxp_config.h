/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sxp_config.h - domain configs as S-expressions, for xm create -F: what "xm create -n" and "xm list --long" print.
 */
#ifndef GH_TOOLS_SXP_CONFIG_H
#define GH_TOOLS_SXP_CONFIG_H

#include "tools/common/pyconfig.h"

/* Variables go to c.  Mistakes go to messages; what could be read is there all the same. */
void sxp_config_parse(Config *c, const char *file, const char *text, Messages *messages);
/* False: the file can't be read, which is among the messages. */
bool sxp_config_parse_file(Config *c, const char *path, Messages *messages);

#endif
