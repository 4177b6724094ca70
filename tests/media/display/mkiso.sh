#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mkiso.sh OUTPUT KERNELDEB - display.iso: Debian's kernel, its graphics drivers (cirrus, bochs,
# cirrusfb, vga16fb), busybox and fbpaint; boot labels text, vesa16, vesa24, vesa8 and vga16.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 2 ] || { sed -n 's/^# \{0,1\}//;3,4p' "$0" >&2; exit 2; }
out=$1 work=$(mktemp -d "$1.XXXXXX"); trap 'rm -rf "$work"' EXIT
dpkg-deb -x "$2" "$work/kernel"
version=$(ls "$work/kernel/lib/modules")
depmod -b "$work/kernel" "$version"
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,etc} "$work/cd"
for m in cirrus bochs cirrusfb vga16fb i2c-i801; do
    modprobe -d "$work/kernel" -S "$version" --show-depends $m | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u | while read -r f; do
    install -D -m644 "$f" "$root/lib/modules/$version/${f##*/}"
done
cp "$work/kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$version/"
depmod -b "$root" "$version"
cp /bin/busybox "$root/bin/busybox"
cp "$here/init" "$root/init"; chmod 755 "$root/init"
gcc -static -O2 -o "$root/bin/fbpaint" "$here/fbpaint.c"
(cd "$root" && find . | sort | cpio -o -H newc --quiet | gzip -9n >"$work/cd/initrd")
cp "$work"/kernel/boot/vmlinuz-* "$work/cd/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/cd/"
line="initrd=/initrd console=tty1 console=ttyS0,115200 xen_emul_unplug=never mitigations=off quiet"
{
    printf 'serial 0 115200\ndefault text\nprompt 1\ntimeout 20\n'
    for m in text: vesa8:773 vesa16:791 vesa24:792; do
        printf 'label %s\n  kernel /vmlinuz\n  append %s\n' "${m%:*}" "$line ${m#*:}" |
            sed 's/ \([0-9][0-9]*\)$/ vga=\1/'
    done
} >"$work/cd/isolinux.cfg"
xorriso -as mkisofs -quiet -o "$out.new" -V DISPLAY -R -J -b isolinux.bin -c boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$work/cd" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
mv "$out.new" "$out"
