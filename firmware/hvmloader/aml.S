/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aml.S - the compiled ACPI tables, from the directory of the objects. */
    .section .rodata
    .macro table name, file
    .global \name, \name\()_end
    .align 4
\name:
    .incbin "\file"
\name\()_end:
    .endm
    table aml_dsdt, "dsdt.aml"
    table aml_s3, "ssdt_s3.aml"
    table aml_s4, "ssdt_s4.aml"
