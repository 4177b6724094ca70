#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mkiso.sh OUTPUT KERNELDEB - display.iso: Debian's kernel, its graphics drivers (cirrus, bochs,
# cirrusfb, vga16fb), busybox and fbpaint; boot labels text, vesa8, vesa16, vesa24 and vesa32.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 2 ] || { sed -n 's/^# \{0,1\}//;3,4p' "$0" >&2; exit 2; }
. "$here/../lib.sh"
start_work "$(dirname "$1")"
kernel "$2"
root=$work/root cd=$work/cd
mkdir -p "$cd" "$root/etc"
busybox_tree "$root"
modules "$root" cirrus bochs cirrusfb vga16fb i2c-i801
cp "$here/init" "$root/init"; chmod 755 "$root/init"
gcc -static -O2 -o "$root/bin/fbpaint" "$here/fbpaint.c"
pack "$root" >"$cd/initrd"
cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz"
line="initrd=/initrd console=tty1 console=ttyS0,115200 xen_emul_unplug=never mitigations=off quiet"
{
    printf 'serial 0 115200\ndefault text\nprompt 1\ntimeout 20\n'
    for m in text: vesa8:773 vesa16:791 vesa24:792 vesa32:836; do
        printf 'label %s\n  kernel /vmlinuz\n  append %s\n' "${m%:*}" "$line ${m#*:}" |
            sed 's/ \([0-9][0-9]*\)$/ vga=\1/'
    done
} >"$cd/isolinux.cfg"
write_iso "$out/${1##*/}" DISPLAY "$cd"
