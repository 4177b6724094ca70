/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ssdt_s3.asl - present if the configuration lets the guest enter S3. */
DefinitionBlock ("ssdt_s3.aml", "SSDT", 2, "Xen", "HVM", 0)
{
    Name (\_S3, Package () { 0x01, 0x01, 0x00, 0x00 })
}
