/* SPDX-License-Identifier: GPL-2.0-or-later */
/* network.c - xm's commands that change what a domain's network cards are plugged into. */
#include <stdlib.h>
#include <string.h>
#include "tools/xm/xm.h"

static int call(Xm *xm, const char *method, Value *params)
{
    int status;
    g_autoptr(Value) result = xm_call(xm, &status, method, params);

    return result ? XM_OK : status;
}

int xm_network_attach(Xm *xm, int argc, char **argv)
{
    g_autoptr(GString) spec = g_string_new(NULL);

    for (int i = 1; i < argc; i++) {
        g_string_append_printf(spec, "%s%s", i > 1 ? "," : "", argv[i]);
    }
    return call(xm, "xend.domain.network_attach", xm_params(argv[0], spec->str, NULL));
}

int xm_network_detach(Xm *xm, int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[2], "-f") && strcmp(argv[2], "--force")) {
        xm_error("unknown option %s", argv[2]);
        return XM_FAILED;
    }
    return call(xm, "xend.domain.network_detach", xm_params(argv[0], argv[1], NULL));
}

int xm_vif_dump(Xm *xm, int argc, char **argv)
{
    g_autofree char *path = NULL;
    guint64 size = 1024;
    Value *params;

    if (g_str_has_prefix(argv[0], "--size=")) {
        if (!g_ascii_string_to_unsigned(argv[0] + 7, 10, 1, 1 << 20, &size, NULL)) {
            xm_error("%s: write a number of MiB", argv[0]);
            return XM_FAILED;
        }
        argc--, argv++;
    }
    if (argc != 3) {
        xm_error("name a domain, a network card and a file, or --stop");
        return XM_FAILED;
    }
    path = strcmp(argv[2], "--stop") ? g_canonicalize_filename(argv[2], NULL) : g_strdup("");
    params = xm_params(argv[0], argv[1], path, NULL);
    value_append(params, value_int((int64_t)size << 20));
    return call(xm, "xend.domain.vif_dump", params);
}
