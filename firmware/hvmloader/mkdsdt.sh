#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# mkdsdt.sh DSDT.ASL - prints it with the parts that repeat per device or processor written out:
# interrupt routing (include/pc_layout.h: PCI_GSI, PCI_LINK), the PIIX3's links, 128 processors,
# eight NE2000s.
set -eu
exec awk '
function routes(apic,    dev, pin, sep) {
    printf "            Name (PRT%s, Package ()\n            {\n", apic ? "A" : "P"
    for (dev = 1; dev < 32; dev++)
        for (pin = 0; pin < 4; pin++) {
            sep = dev == 31 && pin == 3 ? "" : ","
            if (apic)
                printf "                Package () { 0x%04XFFFF, %d, 0, %d }%s\n", dev, pin,
                       (dev * 4 + int(dev / 8) + pin) % 32 + 16, sep
            else
                printf "                Package () { 0x%04XFFFF, %d, \\_SB.LNK%s, 0 }%s\n",
                       dev, pin, substr("ABCD", (dev + pin) % 4 + 1, 1), sep
        }
    print "            })"
}

# A link register: bit 7 set means off, else its low nibble is the interrupt.
function link(i,    name, reg) {
    name = "LNK" substr("ABCD", i, 1)
    reg = "\\PIR" substr("ABCD", i, 1)
    print "        Device (" name ")\n        {"
    print "            Name (_HID, EisaId (\"PNP0C0F\"))"
    print "            Name (_UID, " i ")"
    print "            Name (_PRS, ResourceTemplate ()"
    print "            {"
    print "                IRQ (Level, ActiveLow, Shared) {5, 10, 11}"
    print "            })"
    print "            Method (_STA)\n            {"
    print "                If (" reg " & 0x80) { Return (0x09) }"
    print "                Return (0x0B)\n            }"
    print "            Method (_DIS)\n            {"
    print "                " reg " |= 0x80\n            }"
    print "            Method (_CRS, 0, Serialized)\n            {"
    print "                Name (PRR, ResourceTemplate ()"
    print "                {"
    print "                    IRQ (Level, ActiveLow, Shared) {15}"
    print "                })"
    print "                CreateWordField (PRR, 1, IRQW)"
    print "                IRQW = 0"
    print "                If (!(" reg " & 0x80)) { IRQW = 1 << (" reg " & 0x0F) }"
    print "                Return (PRR)\n            }"
    print "            Method (_SRS, 1)\n            {"
    print "                CreateWordField (Arg0, 1, IRQW)"
    print "                FindSetRightBit (IRQW, Local0)"
    print "                If (Local0) { " reg " = Local0 - 1 }"
    print "            }\n        }"
}

# One byte for each: bit 0 as in the flags of the MADT.
function flags(n,    i) {
    print "        Field (CFLG, ByteAcc, NoLock, Preserve)\n        {"
    for (i = 0; i < n; i++)
        printf "            FL%02X, 8%s\n", i, i < n - 1 ? "," : ""
    print "        }"
}

# A processor is there if its flag is set.  SYNC makes the flag follow the map and tells the system:
# 1 is a device check, 3 a request to eject.  _MAT is a local APIC entry of the MADT.
function processor(i,    name, flag) {
    name = sprintf("PR%02X", i)
    flag = sprintf("FL%02X", i)
    printf "        Processor (%s, %d, 0x0000B010, 0x06)\n        {\n", name, i
    print "            Name (_HID, \"ACPI0007\")"
    print "            Name (_UID, " i ")"
    print "            Method (_MAT)\n            {"
    print "                Local0 = Buffer (8) { 0, 8, " i ", " i * 2 ", 0, 0, 0, 0 }"
    print "                Local0[4] = " flag
    print "                Return (Local0)\n            }"
    print "            Method (_STA)\n            {"
    print "                If (NCPU > " i ")\n                {"
    print "                    If (" flag ") { Return (0x0F) }\n                }"
    print "                Return (0x00)\n            }"
    print "            Method (_EJ0, 1)\n            {"
    print "                Sleep (200)\n            }"
    print "            Method (SYNC, 1)\n            {"
    print "                If (Arg0 == " flag ") { Return (0) }"
    print "                " flag " = Arg0"
    print "                If (Arg0) { Notify (" name ", 1) }"
    print "                Else { Notify (" name ", 3) }"
    print "                Return (0)\n            }\n        }"
}

function scan(n,    i) {
    print "        Method (PRSC, 0, Serialized)\n        {"
    print "            Local0 = ToBuffer (ONLN)"
    for (i = 0; i < n; i++) {
        if (i % 8 == 0) {
            print "            If (NCPU <= " i ") { Return (0) }"
            print "            Local1 = DerefOf (Local0[" i / 8 "])"
        }
        printf "            If (NCPU > %d) { \\_SB.PR%02X.SYNC (Local1 & 1) }\n", i, i
        print "            Local1 = Local1 >> 1"
    }
    print "            Return (0)\n        }"
}

# The jumpers of ISA cards: first port (0: no card), interrupts as a bitmap.
function ne2000_fields(n,    i) {
    for (i = 0; i < n; i++)
        printf "            NEP%d, 16, NEI%d, 16%s\n", i, i, i < n - 1 ? "," : ""
}

function ne2000(i) {
    print "                Device (NE2" i ")\n                {"
    print "                    Name (_HID, EisaId (\"PNP80D6\"))"
    print "                    Name (_UID, " i ")"
    print "                    Method (_STA)\n                    {"
    print "                        If (NEP" i ") { Return (0x0F) }"
    print "                        Return (0x00)\n                    }"
    print "                    Method (_CRS, 0, Serialized)\n                    {"
    print "                        Name (RES, ResourceTemplate ()"
    print "                        {"
    print "                            IO (Decode16, 0x0300, 0x0300, 0x01, 0x20)"
    print "                            IRQNoFlags () {9}"
    print "                        })"
    print "                        CreateWordField (RES, 2, LOW)"
    print "                        CreateWordField (RES, 4, HIGH)"
    print "                        CreateWordField (RES, 9, IRQS)"
    print "                        LOW = NEP" i
    print "                        HIGH = NEP" i
    print "                        IRQS = NEI" i
    print "                        Return (RES)\n                    }"
    print "                }"
}

/^@NE2000FIELDS@/ { ne2000_fields(8); next }
/^@NE2000S@/    { for (i = 0; i < 8; i++) ne2000(i); next }
/^@ROUTES@/     { routes(0); routes(1); next }
/^@LINKS@/      { for (i = 1; i <= 4; i++) link(i); next }
/^@FLAGS@/      { flags(128); next }
/^@PROCESSORS@/ { for (i = 0; i < 128; i++) processor(i); scan(128); next }
                { print }
' "$1"
