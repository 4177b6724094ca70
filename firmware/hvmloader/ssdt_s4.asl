/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ssdt_s4.asl - present if the configuration lets the guest enter S4. */
DefinitionBlock ("ssdt_s4.aml", "SSDT", 2, "Xen", "HVM", 0)
{
    Name (\_S4, Package () { 0x00, 0x00, 0x00, 0x00 })
}
