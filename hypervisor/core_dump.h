/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core_dump.h - a paused domain's memory as an ELF core. */
#ifndef GH_HV_CORE_DUMP_H
#define GH_HV_CORE_DUMP_H

#include "hypervisor/domain.h"

bool core_dump(Domain *d, int fd, GError **error);

#endif
