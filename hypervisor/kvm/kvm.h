/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kvm.h - of the KVM engine, what is not in EngineOps. */
#ifndef GH_KVM_KVM_H
#define GH_KVM_KVM_H

/* An open /dev/kvm for engines made from now on; taken over.  Without one, the path is opened. */
void kvm_set_fd(int fd);

#endif
