/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check_vifs.c - network cards, and the keys of user-mode networks. */
#include "tools/common/check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Jumpers that the config leaves open: as Xen's device model sets them, but not on IDE's ports. */
static void choose_jumpers(Check *c, VifConfig *vif, unsigned nth)
{
    static const uint16_t base[] = { 0x300, 0x320, 0x340, 0x280, 0x380, 0x2a0 };
    static const uint8_t irq[] = { 9, 10, 11, 3, 4, 5 };

    if (nth >= G_N_ELEMENTS(base) && !(vif->iobase && vif->irq)) {
        ERROR(c, vif->pos, "the %uth ne2k_isa has no jumper setting left; give it iobase= and irq=",
              nth + 1);
        return;
    }
    vif->iobase = vif->iobase ? vif->iobase : base[nth];
    vif->irq = vif->irq ? vif->irq : irq[nth];
    for (unsigned i = 0; i < c->d->vifs; i++) {
        if (c->d->vif[i].iobase == vif->iobase) {
            ERROR(c, vif->pos, "two network cards are at iobase 0x%x; change one", vif->iobase);
        }
    }
}

/* The mac must differ from those of the cards before, given or chosen. */
static void check_mac(Check *c, VifConfig *vif)
{
    unsigned index = c->d->vifs;

    for (unsigned attempt = 0; attempt < 2 * MAX_VIFS; attempt++) {
        bool taken = false;

        if (vif->random_mac) {
            vif_choose_mac(vif, c->d->name ? c->d->name : "", index, attempt);
        }
        for (unsigned j = 0; j < index; j++) {
            taken |= !memcmp(c->d->vif[j].mac, vif->mac, 6);
        }
        if (!taken) {
            return;
        }
        if (!vif->random_mac) {
            break;
        }
    }
    ERROR(c, vif->pos, "mac %s is used twice; change one", vif->mac_text);
}

/* hostfwd, tftp, bootfile outside of vif: the first card's. */
static void apply_network_keys(Check *c)
{
    static const char *const names[] = { "hostfwd", "tftp", "bootfile" };
    VifConfig *vif = &c->d->vif[0];
    Value *v;

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if ((v = check_value(c, names[i])) && c->d->vifs == 0) {
            ERROR(c, v->pos, "%s needs a network card; write vif=['type=ioemu']", names[i]);
            return;
        }
    }
    if ((v = check_value(c, "tftp")) && v->kind == VALUE_STR && !vif->tftp) {
        vif->tftp = g_strdup(v->s);
    }
    if ((v = check_value(c, "bootfile")) && v->kind == VALUE_STR && !vif->bootfile) {
        vif->bootfile = g_strdup(v->s);
    }
    v = check_value(c, "hostfwd");
    for (unsigned i = 0, n = !v ? 0 : v->kind == VALUE_STR ? 1 : value_len(v); i < n; i++) {
        Value *item = v->kind == VALUE_STR ? v : value_item(v, i);
        g_autofree char *fault = item->kind == VALUE_STR ? hostfwd_fault(item->s)
                                 : g_strdup_printf("it is %s", value_kind_name(item));
        guint had = g_strv_length(vif->hostfwd);

        if (fault) {
            ERROR(c, item->pos, "hostfwd '%s': %s; write for example tcp:127.0.0.1:2222-:22",
                  item->kind == VALUE_STR ? item->s : "", fault);
            continue;
        }
        vif->hostfwd = g_renew(char *, vif->hostfwd, had + 2);
        vif->hostfwd[had] = g_strdup(item->s);
        vif->hostfwd[had + 1] = NULL;
    }
}

static void check_user_network(Check *c, const VifConfig *vif)
{
    if (vif->bootfile && !vif->tftp) {
        ERROR(c, vif->pos, "bootfile '%s' needs a folder to be in; add tftp=/PATH", vif->bootfile);
    }
    if (vif->tftp && !g_path_is_absolute(vif->tftp)) {
        ERROR(c, vif->pos, "tftp '%s' is no absolute path", vif->tftp);
    } else if (vif->tftp && c->facts && c->facts->check_host && access(vif->tftp, R_OK | X_OK) != 0) {
        ERROR(c, vif->pos, "tftp folder %s can't be read (%s)", vif->tftp, g_strerror(errno));
    } else if (vif->tftp && c->facts && c->facts->check_host &&
               !g_file_test(vif->tftp, G_FILE_TEST_IS_DIR)) {
        ERROR(c, vif->pos, "tftp %s is no folder", vif->tftp);
    }
    for (char **f = vif->hostfwd; f && *f && c->facts && c->facts->check_host; f++) {
        if (hostfwd_busy(*f)) {
            ERROR(c, vif->pos, "hostfwd '%s': another program has this port of the host; choose "
                  "another", *f);
        }
    }
}

void check_vifs(Check *c)
{
    Value *list = check_value(c, "vif");
    unsigned n = list && list->kind != VALUE_STR ? value_len(list) : 0, isa = 0;

    for (unsigned i = 0; i < n; i++) {
        Value *v = value_item(list, i);
        VifConfig *vif = &c->d->vif[c->d->vifs];

        if (v->kind != VALUE_STR) {
            ERROR(c, v->pos, "a vif is %s; write 'type=ioemu, bridge=xenbr0'", value_kind_name(v));
            continue;
        }
        if (c->d->vifs == MAX_VIFS) {
            ERROR(c, v->pos, "too many network cards; at most %d", MAX_VIFS);
            return;
        }
        vif_parse(vif, v->s, v->pos, c->messages);
        check_mac(c, vif);
        if (!strcmp(vif->model, "ne2k_isa")) {
            choose_jumpers(c, vif, isa++);
        }
        c->d->vifs++;
    }
    apply_network_keys(c);
    for (unsigned i = 0; i < c->d->vifs; i++) {
        check_user_network(c, &c->d->vif[i]);
    }
}
