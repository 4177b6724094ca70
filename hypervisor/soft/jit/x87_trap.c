/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87_trap.c - SIGFPE of an FWAIT in translated code: an x87 exception that the guest has unmasked is
 * pending.  The kernel saves and restores the host's x87 state as it is, so nothing is lost by it.
 * All that the handler needs is in the code, next to the FWAIT: no thread's or vCPU's data.
 */
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include "hypervisor/soft/jit/x87_trap.h"

/* Any other SIGFPE is an error, and comes again with nobody to handle it; one that was sent is sent again. */
static void on_sigfpe(int number, siginfo_t *info, void *context)
{
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    const uint8_t *at = (const uint8_t *)(uintptr_t)*rip;
    int32_t distance;

    if (info->si_code <= 0 || memcmp(at, X87_TRAP, sizeof X87_TRAP) != 0) {
        signal(number, SIG_DFL);
        if (info->si_code <= 0) {
            raise(number);
        }
        return;
    }
    memcpy(&distance, at + sizeof X87_TRAP, 4);
    *rip += (greg_t)sizeof X87_TRAP + 4 + distance;
}

bool x87_catch_traps(void)
{
    sigset_t set;
    struct sigaction sa = { .sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };

    sigemptyset(&set);
    sigaddset(&set, SIGFPE);
    return sigaction(SIGFPE, &sa, NULL) == 0 && pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0;
}
