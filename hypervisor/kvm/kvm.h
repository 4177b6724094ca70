/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kvm.h - of the KVM engine, what is not in EngineOps. */
#ifndef GH_KVM_KVM_H
#define GH_KVM_KVM_H

#include "hypervisor/engine.h"

/* An open /dev/kvm for engines made from now on; taken over.  Without one, the path is opened. */
void kvm_set_fd(int fd);

/*
 * The CPUID leaves of e, an engine of engine_kvm, for which KVM has put answers of its own in the place
 * of ours; returns how many.  Known of a KVM that works without VT-x and SVM.  Any thread, once a vCPU
 * has run.
 */
#define KVM_CHANGED_LEAVES 16
unsigned kvm_changed_leaves(const Engine *e, uint32_t leaf[KVM_CHANGED_LEAVES]);

#endif
