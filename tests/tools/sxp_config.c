/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sxp_config.c - domain configs as S-expressions. */
#include <criterion/criterion.h>
#include "tools/common/sxp_config.h"

static Config *c;
static Messages *m;

static void setup(void)
{
    c = config_new();
    m = messages_new();
}

static void teardown(void)
{
    config_free(c);
    messages_free(m);
}

TestSuite(sxp_config, .init = setup, .fini = teardown);

static char *variable(const char *name)
{
    ConfigVar *v = config_find(c, name);

    return v && v->value ? value_repr(v->value) : g_strdup("none");
}

static void expect(const char *name, const char *value)
{
    g_autofree char *text = variable(name);

    cr_expect_str_eq(text, value, "%s is %s", name, text);
}

Test(sxp_config, what_a_dry_run_prints_is_what_was_read)
{
    sxp_config_parse(c, "f", "(vm\n (name guest)\n (memory 256)\n (disk 'file:/a,hda,w' 'file:/b,hdc:cdrom,r')\n"
                     " (vif type=ioemu)\n (serial pty)\n (pae 1)\n (cpu soft)\n (vif))", m);
    cr_expect_eq(m->list->len, 0);
    expect("name", "'guest'");
    expect("memory", "256");
    expect("disk", "['file:/a,hda,w', 'file:/b,hdc:cdrom,r']");
    expect("serial", "'pty'");
    expect("pae", "1");
    expect("cpu", "'soft'");
    expect("vif", "[]");
    sxp_config_parse(c, "f", "(vm (vif 'type=ioemu, model=rtl8139') (cpuid 1:ecx=0))", m);
    expect("vif", "['type=ioemu, model=rtl8139']");
    expect("cpuid", "'1:ecx=0'");
}

Test(sxp_config, what_list_prints_has_devices_and_an_image)
{
    sxp_config_parse(c, "f", "(domain (domid 7) (name g) (vcpus 2) (image (hvm (kernel hvmloader) (boot dc) (acpi 1)))"
                     " (device (vbd (uname file:/a) (dev hda) (devtype disk) (mode w)))"
                     " (device (vbd (uname file:/b) (dev hdc) (devtype cdrom) (mode r)))"
                     " (device (tap (uname tap:aio:/c) (dev hdb:disk) (mode w)))"
                     " (device (vif (mac 00:16:3e:00:00:01) (bridge xenbr0) (script '') (type ioemu)))"
                     " (device (vfb (vnc 1) (vncdisplay 3) (location 127.0.0.1:5903))))", m);
    cr_expect_eq(m->list->len, 0);
    expect("builder", "'hvm'");
    expect("boot", "'dc'");
    expect("acpi", "1");
    expect("vcpus", "2");
    expect("disk", "['file:/a,hda,w', 'file:/b,hdc:cdrom,r', 'tap:aio:/c,hdb:disk,w']");
    expect("vif", "['mac=00:16:3e:00:00:01,bridge=xenbr0,type=ioemu']");
    expect("vncdisplay", "3");
}

Test(sxp_config, mistakes_are_named_with_their_places)
{
    static const char *const wrong[] = { "", "(vm", "name = 'x'", "(xen (name g))", "(vm (name g)) (vm (name h))",
                                         "(vm ((name g)))", "(vm name)", "(vm (device (vtpm (backend 0))))" };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        unsigned before = m->errors;

        sxp_config_parse(c, "f", wrong[i], m);
        cr_expect_gt(m->errors, before, "%s", wrong[i]);
    }
    sxp_config_parse(c, "f", "(vm\n  (name g)\n  (nonsense 1))", m);
    g_autofree char *line = message_line(g_ptr_array_index(m->list, m->list->len - 1));
    cr_expect(g_str_has_prefix(line, "warning: f:3:"), "%s", line);
}
