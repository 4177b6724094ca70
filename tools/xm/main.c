/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - xm: finds the command, counts its arguments, runs it.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "config.h"
#include "tools/xm/xm.h"

/* Arguments that are not options; an option's separate value is not one either. */
static int count_arguments(const XmCommand *c, int argc, char **argv)
{
    int n = 0;

    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            i += argv[i][1] != '-' && !argv[i][2] && strchr(c->valued, argv[i][1]) != NULL;
        } else {
            n++;
        }
    }
    return n;
}

static int wrong_count(const XmCommand *c)
{
    if (c->min == c->max || c->max < 0) {
        xm_error("'xm %s' requires %s%d argument%s.", c->name, c->max < 0 ? "at least " : "",
                 c->min,
                 c->min == 1 ? "" : "s");
    } else {
        xm_error("'xm %s' requires between %d and %d arguments.", c->name, c->min, c->max);
    }
    xm_usage(c);
    return XM_FAILED;
}

static int run(Xm *xm, const char *name, int argc, char **argv)
{
    const XmCommand *c = xm_find_command(name);
    int n;

    if (!c) {
        char *help_args[] = { NULL };

        xm_error("Subcommand %s not found!", name);
        fflush(stderr);
        xm_help(xm, 0, help_args);
        return XM_FAILED;
    }
    xm->command = c;
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            char *help_args[] = { (char *)c->name, NULL };

            return xm_help(xm, 1, help_args);
        }
    }
    if (!c->run) {
        xm_error("'xm %s' is not available yet", c->name);
        return XM_FAILED;
    }
    n = c->run == xm_create || c->run == xm_send_key || c->run == xm_help ? argc
        : count_arguments(c, argc, argv);
    if (n < c->min || (c->max >= 0 && n > c->max)) {
        return wrong_count(c);
    }
    return c->run(xm, argc, argv);
}

int main(int argc, char **argv)
{
    Xm xm = { .paths = paths_new() };
    int status;

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_DFL);
    if (argc > 1 && !strcmp(argv[1], "--version")) {
        puts("xm (Guesthouse) " GUESTHOUSE_VERSION);
        status = XM_OK;
    } else if (argc < 2) {
        xm_help(&xm, 0, argv);
        status = XM_FAILED;
    } else if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        status = xm_help(&xm, 0, argv);
    } else {
        status = run(&xm, argv[1], argc - 2, argv + 2);
    }
    paths_free(xm.paths);
    return status;
}
