/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hvmloader as it was built: the form that domain builders want, the ACPI tables in it, and the
 * DSDT's processor hotplug, run by ACPICA's interpreter (acpiexec) with a simulated machine.
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include "pc_layout.h"

/* Beside the directory of this program. */
static char *built(const char *name)
{
    g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = g_path_get_dirname(exe);

    return g_build_filename(dir, "..", name, NULL);
}

static char *read_built(const char *name, size_t *len)
{
    g_autofree char *path = built(name);
    char *data = NULL;

    cr_assert(g_file_get_contents(path, &data, len, NULL), "%s can't be read", path);
    return data;
}

static uint8_t sum(const void *p, size_t n)
{
    uint8_t s = 0;

    for (const uint8_t *b = p; n; n--) {
        s += *b++;
    }
    return s;
}

Test(hvmloader, is_one_segment_at_one_mebibyte_entered_at_its_start)
{
    size_t len;
    g_autofree char *data = read_built("boot/hvmloader", &len);
    const Elf32_Ehdr *eh = (const Elf32_Ehdr *)data;
    const Elf32_Phdr *ph = (const Elf32_Phdr *)(data + eh->e_phoff);
    unsigned loads = 0;

    cr_assert_geq(len, sizeof *eh);
    cr_assert_eq(memcmp(eh->e_ident, ELFMAG, SELFMAG), 0);
    cr_expect_eq(eh->e_ident[EI_CLASS], ELFCLASS32);
    cr_expect_eq(eh->e_machine, EM_386);
    cr_expect_eq(eh->e_entry, PC_HVMLOADER);
    for (unsigned i = 0; i < eh->e_phnum; i++) {
        /* Xen's builder takes a program with notes for a paravirtualised kernel. */
        cr_expect_neq(ph[i].p_type, PT_NOTE);
        if (ph[i].p_type == PT_LOAD) {
            loads++;
            cr_expect_eq(ph[i].p_paddr, PC_HVMLOADER);
            cr_expect_leq(ph[i].p_memsz, 1u << 20);
        }
    }
    cr_expect_eq(loads, 1);
}

Test(hvmloader, aml_tables_are_whole_and_inside_the_program)
{
    static const char *const names[] = { "dsdt", "ssdt_s3", "ssdt_s4" };
    size_t image_len;
    g_autofree char *image = read_built("boot/hvmloader", &image_len);

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *name = g_strdup_printf("obj/firmware/hvmloader/%s.aml", names[i]);
        size_t len;
        g_autofree char *aml = read_built(name, &len);
        uint32_t length;

        cr_assert_gt(len, 36);
        memcpy(&length, aml + 4, 4);
        cr_expect_eq(length, len, "%s", names[i]);
        cr_expect_eq(sum(aml, len), 0, "%s", names[i]);
        cr_expect_not_null(memmem(image, image_len, aml, len), "%s", names[i]);
    }
}

/* The toolstack has told of one card, the second, at 0x2a0 with interrupt 10. */
static const char ne2000_asl[] =
    "DefinitionBlock (\"t.aml\", \"SSDT\", 2, \"GH\", \"TEST\", 0) {\n"
    "External (\\_SB.NEP1, FieldUnitObj) External (\\_SB.NEI1, FieldUnitObj)\n"
    "External (\\_SB.PCI0.ISA.NE20._STA, MethodObj) External (\\_SB.PCI0.ISA.NE21._STA, MethodObj)\n"
    "External (\\_SB.PCI0.ISA.NE21._CRS, MethodObj)\n"
    "Method (\\TEST, 0, Serialized) {\n"
    "  \\_SB.NEP1 = 0x2A0\n  \\_SB.NEI1 = 0x400\n"
    "  Local0 = \\_SB.PCI0.ISA.NE21._CRS ()\n"
    "  If (\\_SB.PCI0.ISA.NE20._STA ()) { Return (0) }\n"
    "  If (\\_SB.PCI0.ISA.NE21._STA () != 15) { Return (1) }\n"
    "  Return (Local0)\n} }\n";

/* What acpiexec says of \\TEST in this ASL, beside our DSDT. */
static char *evaluate(const char *source)
{
    g_autofree char *dir = g_dir_make_tmp("gh-firmware-XXXXXX", NULL);
    g_autofree char *asl = g_build_filename(dir, "t.asl", NULL);
    g_autofree char *aml = g_build_filename(dir, "t.aml", NULL);
    g_autofree char *dsdt = built("obj/firmware/hvmloader/dsdt.aml");
    g_autofree char *compile = g_strdup_printf("iasl -vs %s", asl);
    g_autofree char *run = g_strdup_printf("acpiexec -b 'evaluate \\TEST' %s %s", dsdt, aml);
    g_autofree char *ignored = NULL;
    char *out = NULL;

    cr_assert(g_file_set_contents(asl, source, -1, NULL));
    cr_assert(g_spawn_command_line_sync(compile, &ignored, NULL, NULL, NULL));
    cr_assert(g_spawn_command_line_sync(run, &out, NULL, NULL, NULL));
    g_remove(asl);
    g_remove(aml);
    g_rmdir(dir);
    return out;
}

Test(hvmloader, an_isa_network_card_is_where_its_jumpers_are)
{
    g_autofree char *out = evaluate(ne2000_asl);

    cr_expect_not_null(strstr(out, "47 01 A0 02 A0 02 01 20 22 00 04 79"), "%s", out);
}

/* Processors 0 and 3 were online, the map wants 0, 1 and 9; there are ten. */
static const char hotplug_asl[] =
    "DefinitionBlock (\"t.aml\", \"SSDT\", 2, \"GH\", \"TEST\", 0) {\n"
    "External (\\_SB.NCPU, FieldUnitObj) External (\\_SB.ONLN, FieldUnitObj)\n"
    "External (\\_SB.FL00, FieldUnitObj) External (\\_SB.PRSC, MethodObj)\n"
    "External (\\_SB.FL01, FieldUnitObj) External (\\_SB.FL03, FieldUnitObj)\n"
    "External (\\_SB.FL09, FieldUnitObj) External (\\_SB.PR09._MAT, MethodObj)\n"
    "Method (\\TEST, 0, Serialized) {\n"
    "  \\_SB.NCPU = 10\n  \\_SB.FL00 = 1\n  \\_SB.FL03 = 1\n"
    "  Name (B, Buffer (16) { 0x03, 0x06 })\n  \\_SB.ONLN = B\n  \\_SB.PRSC ()\n"
    "  Local0 = \\_SB.PR09._MAT ()\n"
    "  Return (DerefOf (Local0[3]) << 8 | \\_SB.FL09 << 3 | \\_SB.FL03 << 2 | \\_SB.FL01 << 1 |\n"
    "          \\_SB.FL00)\n} }\n";

Test(hvmloader, processors_follow_the_map_and_say_who_they_are)
{
    g_autofree char *out = evaluate(hotplug_asl);

    cr_expect_null(strstr(out, "[PR00]"), "a processor that stays is not told of");
    cr_expect_not_null(strstr(out, "Notify on [PR01]"));
    cr_expect_not_null(strstr(out, "Notify on [PR09]"));
    cr_expect_null(strstr(out, "[PR0A]"), "there are only ten processors");
    cr_expect_not_null(strstr(out, "(Eject Request)"));
    cr_expect_not_null(strstr(out, "= 000000000000120B"), "APIC id 18; 0, 1 and 9 are there");
}
