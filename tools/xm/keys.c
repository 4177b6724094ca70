/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keys.c - xm send-key: keys by their names, and text as if it were typed. */
#include "tools/common/keys.h"
#include "tools/xm/xm.h"

#include <string.h>

static bool send(Xm *xm, const char *name, unsigned code, bool down, int *status)
{
    Value *params = xm_params(name, NULL);
    g_autoptr(Value) result = NULL;

    value_append(params, value_int(code));
    value_append(params, value_int(down));
    result = xm_call(xm, status, "xend.domain.send_key", params);
    return result != NULL;
}

static bool type_text(Xm *xm, const char *name, const char *text, int *status)
{
    for (; *text; text++) {
        bool shift, ok = true;
        unsigned code = keys_of_char(*text, &shift);

        if (!code) {
            xm_error("'%c' is not on a US keyboard", *text);
            *status = XM_FAILED;
            return false;
        }
        ok = (!shift || send(xm, name, 0x2a, true, status)) && send(xm, name, code, true, status) &&
             send(xm, name, code, false, status) && (!shift || send(xm, name, 0x2a, false, status));
        if (!ok) {
            return false;
        }
        g_usleep(20000);        /* a guest's keyboard queue holds 16 bytes */
    }
    return true;
}

int xm_send_key(Xm *xm, int argc, char **argv)
{
    int status = XM_OK;

    for (int i = 1; i < argc; i++) {
        unsigned codes[8], n;

        if (!strcmp(argv[i], "--text") && i + 1 < argc) {
            if (!type_text(xm, argv[0], argv[++i], &status)) {
                return status;
            }
            continue;
        }
        n = keys_parse(argv[i], codes, G_N_ELEMENTS(codes));
        if (!n) {
            xm_error("unknown key '%s'; write for example ctrl-alt-del, f12, ret, a, or --text "
                     "'some text'", argv[i]);
            return XM_FAILED;
        }
        for (unsigned k = 0; k < n; k++) {
            if (!send(xm, argv[0], codes[k], true, &status)) {
                return status;
            }
        }
        while (n--) {
            if (!send(xm, argv[0], codes[n], false, &status)) {
                return status;
            }
        }
        g_usleep(20000);
    }
    return status;
}
