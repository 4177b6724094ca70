#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# mkiso.sh ISO - the CD that bench/ports.py boots.
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc="${CC:-gcc} -m32 -Os -march=i686 -ffreestanding -fno-pic -fno-pie
    -fno-stack-protector -fno-asynchronous-unwind-tables -mgeneral-regs-only -Wall"
mkdir "$work/cd"
(cd "$work" && $cc -c -o start.o "$here/start.S" && $cc -c -o guest.o "$here/guest.c" &&
    ld --no-warn-rwx-segments -m elf_i386 -T "$here/guest.ld" -o guest start.o guest.o && objcopy -O binary guest cd/boot.bin)
sectors=$((($(stat -c %s "$work/cd/boot.bin") + 511) / 512))
xorriso -as mkisofs -quiet -o "$1" -b boot.bin -no-emul-boot -boot-load-size "$sectors" "$work/cd" 2>/dev/null
