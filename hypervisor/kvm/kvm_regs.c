/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_regs.c - general and system registers.  KVM puts them into the page that it shares with us when it is
 * asked to (KVM_CAP_SYNC_REGS), and takes the general ones from there at its next entry: that spares
 * hypercalls, which need both, a dozen ioctls.  It is asked for no other exit, as collecting the system
 * registers costs more than most exits.  Without that, ioctls.
 */
#include "hypervisor/kvm/kvm_internal.h"

#include <errno.h>
#include <sys/ioctl.h>

#define WANTED (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS)

void kvm_regs_init(Engine *e)
{
    int offered = ioctl(e->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);

    e->sync_regs = offered > 0 && (offered & WANTED) == WANTED;
}

int kvm_run_plain(EngineVcpu *ev)
{
    int rc;

    ev->regs_in_page = false;
    rc = ioctl(ev->fd, KVM_RUN, 0);
    return rc;
}

int kvm_run_for_regs(EngineVcpu *ev)
{
    int rc, error;

    if (!ev->e->sync_regs) {
        return kvm_run_plain(ev);
    }
    ev->run->kvm_valid_regs = WANTED;
    rc = ioctl(ev->fd, KVM_RUN, 0);
    error = errno;
    ev->run->kvm_valid_regs = 0;
    ev->regs_in_page = rc == 0 || error == EINTR;
    errno = error;
    return rc;
}

void kvm_regs_settle(EngineVcpu *ev)
{
    struct kvm_run *run = ev->run;

    ev->regs_in_page = false;
    if (run->kvm_dirty_regs) {
        run->kvm_dirty_regs = 0;
        ioctl(ev->fd, KVM_SET_REGS, &run->s.regs.regs);
    }
}

bool kvm_get_regs(EngineVcpu *ev, struct kvm_regs *r)
{
    if (ev->regs_in_page) {
        *r = ev->run->s.regs.regs;
        return true;
    }
    return ioctl(ev->fd, KVM_GET_REGS, r) == 0;
}

bool kvm_get_sregs(EngineVcpu *ev, struct kvm_sregs *sr)
{
    if (ev->regs_in_page) {
        *sr = ev->run->s.regs.sregs;
        return true;
    }
    return ioctl(ev->fd, KVM_GET_SREGS, sr) == 0;
}

bool kvm_set_regs(EngineVcpu *ev, const struct kvm_regs *r)
{
    if (ev->regs_in_page) {
        ev->run->s.regs.regs = *r;
        ev->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
        return true;
    }
    return ioctl(ev->fd, KVM_SET_REGS, r) == 0;
}

bool kvm_set_sregs(EngineVcpu *ev, const struct kvm_sregs *sr)
{
    kvm_regs_settle(ev);
    return ioctl(ev->fd, KVM_SET_SREGS, sr) == 0;
}
