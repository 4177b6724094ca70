/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conformance.c - rules for every device class in hw/devices.c, by name from the list: tables are
 * sound, reset is idempotent, what is saved loads to the same, registers take anything.
 */
#include "hw/devices.h"
#include "tests/fake_machine.h"
#include "ui/hub.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static bool has_option(const DeviceClass *cls, const char *name)
{
    for (const ConfigField *f = cls->config; f && f->kind != CONFIG_END_KIND; f++)
        if (!strcmp(f->name, name))
            return true;
    return false;
}

/* One for the process: cards that come and go draw on it in turn. */
static Display *conformance_display(void)
{
    static Display *display;

    if (!display)
        display = display_new(NULL);
    return display;
}

/* NULL: the class needs back ends that only its own tests have. */
static Device *create(FakeMachine *f, const DeviceClass *cls)
{
    Device *dev = device_new(&f->m, cls);
    GError *error = NULL;

    if (has_option(cls, "devfn")) {
        device_set_pointer(dev, "bus", &f->bus);
        device_set_u64(dev, "devfn", 0x28);
    }
    if (has_option(cls, "display"))
        device_set_pointer(dev, "display", conformance_display());
    if (device_init(dev, &error))
        return dev;
    cr_assert_not_null(error, "%s: failed without an error", cls->name);
    g_error_free(error);
    return NULL;
}

static GByteArray *save(FakeMachine *f)
{
    GByteArray *out = g_byte_array_new();

    machine_save(&f->m, out);
    return out;
}

static bool same(const GByteArray *a, const GByteArray *b)
{
    return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

/* Configuration space on, BARs placed, then anything to any of the device's registers. */
static void exercise(FakeMachine *f, Device *dev, unsigned seed)
{
    if (f->bus.slot[0x28])
        for (unsigned i = 0; i < 6; i++)
            pci_bus_write(&f->bus, 0x28, 0x10 + 4 * i, 4,
                          f->bus.slot[0x28]->bar[i].kind == PCI_BAR_IO ? 0xc000 + 0x400 * i
                                                                      : 0xe0000000 + (i << 25));
    pci_bus_write(&f->bus, 0x28, 4, 2, 7);
    for (unsigned round = 0; round < 3000; round++) {
        const IoRange *r;
        uint64_t addr;
        unsigned width = 1u << rand_r(&seed) % 3;
        if (!dev->ranges->len)
            break;
        r = dev->ranges->pdata[rand_r(&seed) % dev->ranges->len];
        addr = r->base + rand_r(&seed) % r->len;
        if (rand_r(&seed) % 200 == 0)
            f->now += rand_r(&seed) % 1000000;
        if (!r->mapped)
            continue;
        if (rand_r(&seed) & 1)
            io_write(&f->m.io, r->space, addr, width, rand_r(&seed));
        else
            io_read(&f->m.io, r->space, addr, width);
    }
}

static void each_class(void (*check)(const DeviceClass *cls, FakeMachine *f, Device *dev))
{
    for (unsigned i = 0; device_classes[i]; i++) {
        FakeMachine *f = fake_machine_new();
        Device *dev = create(f, device_classes[i]);
        if (dev)
            check(device_classes[i], f, dev);
        fake_machine_free(f);
    }
}

Test(conformance, tables_are_sound_and_names_are_unique)
{
    for (unsigned i = 0; device_classes[i]; i++) {
        const DeviceClass *cls = device_classes[i];
        cr_assert(cls->name && cls->summary && cls->state && cls->init && cls->reset);
        cr_assert_null(state_table_fault(cls->state), "%s: %s", cls->name,
                       state_table_fault(cls->state));
        cr_assert_eq(device_class_find(cls->name), cls, "%s twice", cls->name);
    }
}

static void check_reset(const DeviceClass *cls, FakeMachine *f, Device *dev)
{
    g_autoptr(GByteArray) once = NULL, twice = NULL;

    exercise(f, dev, 1);
    machine_reset(&f->m);
    once = save(f);
    machine_reset(&f->m);
    twice = save(f);
    cr_expect(same(once, twice), "%s", cls->name);
}

Test(conformance, reset_twice_is_reset_once, .timeout = 60)
{
    each_class(check_reset);
}

static void check_load(const DeviceClass *cls, FakeMachine *f, Device *dev)
{
    FakeMachine *other = fake_machine_new();
    g_autoptr(GByteArray) first = NULL, second = NULL;
    g_autoptr(GError) error = NULL;

    exercise(f, dev, 2);
    first = save(f);
    other->now = f->now;
    cr_assert_not_null(create(other, cls));
    if (machine_load(&other->m, first->data, first->len, &error)) {
        second = save(other);
        cr_expect(same(first, second), "%s: saved, loaded and saved again differs", cls->name);
    } else {
        cr_expect(false, "%s: its own state is refused: %s", cls->name, error->message);
    }
    fake_machine_free(other);
}

Test(conformance, state_loads_into_another_machine_unchanged, .timeout = 60)
{
    each_class(check_load);
}

static void check_truncated(const DeviceClass *cls, FakeMachine *f, Device *dev)
{
    g_autoptr(GByteArray) good = NULL, after = NULL;

    exercise(f, dev, 3);
    good = save(f);
    for (unsigned i = 1; i < 20; i++)
        cr_expect(!machine_load(&f->m, good->data, (uint64_t)good->len * i / 20, NULL), "%s",
                  cls->name);
    after = save(f);
    cr_expect(same(good, after), "%s: a refused state changed something", cls->name);
}

Test(conformance, truncated_state_is_refused_and_changes_nothing, .timeout = 60)
{
    each_class(check_truncated);
}
