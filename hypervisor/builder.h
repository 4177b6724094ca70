/* SPDX-License-Identifier: GPL-2.0-or-later */
/* builder.h - puts hvmloader, its firmware module and the start information into a new domain. */
#ifndef GH_HV_BUILDER_H
#define GH_HV_BUILDER_H

#include "hypervisor/domain.h"

bool builder_build(Domain *d, GError **error);
/* One entry of XENMEM_memory_map; false: no such entry. */
bool builder_e820(const Domain *d, unsigned n, uint64_t *addr, uint64_t *size, uint32_t *type);

#endif
