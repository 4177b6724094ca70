/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pin.h - which processors of this host a domain's vCPUs may run on: cpus= and xm vcpu-pin.  A vCPU is a
 * thread of the hypervisor process; its affinity is set from here, for the hypervisor may not.
 */
#ifndef GH_XEND_PIN_H
#define GH_XEND_PIN_H

#include "tools/xend/domain.h"

/* DOMAIN VCPU|all CPUS|all */
void api_vcpu_pin(Xend *x, Domain *d, RpcCall *call, const Value *params);
void pin_start(Domain *d);              /* as the config says; once the vCPUs exist */
char *pin_text(const Domain *d, unsigned vcpu);     /* for xm vcpu-list */

#endif
