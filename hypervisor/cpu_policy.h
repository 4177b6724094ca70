/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu_policy.h - the version of Xen whose interface we offer, for CPUID and xen_version alike. */
#ifndef GH_HV_CPU_POLICY_H
#define GH_HV_CPU_POLICY_H

#define XEN_VERSION_MAJOR 4
#define XEN_VERSION_MINOR 17
#define XEN_VERSION_EXTRA ".0-guesthouse"

#endif
