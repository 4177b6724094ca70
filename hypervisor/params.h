/* SPDX-License-Identifier: GPL-2.0-or-later */
/* params.h - HVM parameters, as the toolstack may set them; device lock held. */
#ifndef GH_HV_PARAMS_H
#define GH_HV_PARAMS_H

#include "hypervisor/domain.h"

int param_set(Domain *d, uint32_t index, uint64_t value);
int param_get(const Domain *d, uint32_t index, uint64_t *value);

#endif
