/* SPDX-License-Identifier: GPL-2.0-or-later */
/* engines.h - picks and makes the domain's CPU engine. */
#ifndef GH_HV_ENGINES_H
#define GH_HV_ENGINES_H

#include "hypervisor/domain.h"

/* Sets ops, engine and caps; the choice and its reason are in the log and engines_reason(). */
bool engines_create(Domain *d, GError **error);
const char *engines_reason(const Domain *d);

#endif
