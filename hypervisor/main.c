/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - the hypervisor program: one domain's vCPUs, memory and Xen interface.  Everything it
 * needs is opened by xend and inherited; once the domain stands, the process confines itself.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "hypervisor/control.h"
#include "hypervisor/domain.h"
#include "hypervisor/engines.h"
#include "hypervisor/options.h"
#include "hypervisor/policy.h"
#include "include/ctl_proto.h"
#include "lib/log.h"

/* Builds the domain, starts its threads (all paused) and locks the process down. */
static Domain *stand_up(const Options *opt, GError **error)
{
    Domain *d = domain_new(opt, error);

    if (!d) {
        return NULL;
    }
    if (!domain_start(d, error) || !sandbox_enter(hypervisor_calls, error)) {
        domain_destroy(d);
        domain_free(d);
        return NULL;
    }
    return d;
}

static int fail(int control_fd, const GError *error)
{
    g_critical("%s", error->message);
    control_event(control_fd, CTL_EVENT_FAILED, 0, error->message);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GMainLoop) loop = NULL;
    g_autofree char *title = NULL;
    Options opt;
    Control *control;
    Domain *d;
    bool help;

    if (!options_parse(&opt, argc, argv, &help, &error)) {
        fprintf(stderr, "hypervisor: %s\n", error->message);
        return 2;
    }
    if (help) {
        return EXIT_SUCCESS;
    }
    title = g_strdup_printf("hypervisor: %s", opt.name);
    log_init(title, opt.log_fd, opt.verbose);
    process_title(argc, argv, "%s", title);
    signal(SIGPIPE, SIG_IGN);
    d = stand_up(&opt, &error);
    if (!d) {
        return fail(opt.control_fd, error);
    }
    loop = g_main_loop_new(NULL, FALSE);
    control_event(opt.control_fd, CTL_EVENT_ENGINE, 0, engines_reason(d));
    control_event(opt.control_fd, CTL_EVENT_READY, 0, NULL);
    control = control_new(d, opt.control_fd, loop);
    g_main_loop_run(loop);
    control_free(control);
    domain_destroy(d);
    domain_free(d);
    options_free(&opt);
    return EXIT_SUCCESS;
}
