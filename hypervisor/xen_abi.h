/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen_abi.h - Xen's public headers with today's numbers: without this they rename the event channel
 * and scheduler calls to those of Xen 3.0.
 */
#ifndef GH_HV_XEN_ABI_H
#define GH_HV_XEN_ABI_H

#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#endif
#include <stdint.h>
#include <xen/xen.h>

#endif
