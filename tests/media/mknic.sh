#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mknic.sh OUTDIR DEMODIR - makes what the network cards' tests boot, out of Debian's packages:
#   nic64.iso nic32.iso   a shell on ttyS0 and Debian's drivers for our network cards
#   nic64/                the same kernel and initrd, and PXELINUX, for network boot
# DEMODIR/debs has the amd64 kernel; other packages are fetched once, into OUTDIR/debs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
[ $# = 2 ] || { sed -n 's/^# \{0,1\}//;3,6p' "$0" >&2; exit 2; }
start_work "$1"; demo=$2
failed=0 line='xen_emul_unplug=never quiet'

nic64() {
    local root=$work/r64 cd=$work/cd64 f
    [ -e "$out/nic64.iso" ] && [ -e "$out/nic64/pxelinux.0" ] && return
    echo "  nic64.iso"
    demo_kernel "$demo" && package pxelinux && busybox_tree "$root" || return 1
    mkdir -p "$cd" "$out/nic64"
    modules "$root" 8139too 8139cp ne2k-pci || return 1
    for f in $(busybox --list); do [ $f = busybox ] || ln -s busybox "$root/bin/$f"; done
    install -m755 "$here/nic-init" "$root/init"
    pack "$root" >"$cd/initrd.img"
    cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz"
    cp "$cd"/{vmlinuz,initrd.img} /usr/lib/syslinux/modules/bios/ldlinux.c32 "$out/nic64/"
    cp "$work/pxelinux/usr/lib/PXELINUX/pxelinux.0" "$out/nic64/"
    isolinux "$cd" "$line" && write_iso "$out/nic64.iso" NIC "$cd"
}
nic32() { # the installer's kernel and programs: drivers for ISA cards are for i386 only
    local name=debian-installer-12-netboot-i386 di root=$work/r32 cd=$work/cd32
    [ -e "$out/nic32.iso" ] && return
    echo "  nic32.iso"
    package $name || return 1
    di=$work/$name/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386
    mkdir -p "$root" "$cd"
    install -m755 "$here/nic-init" "$root/init"
    { cat "$di/initrd.gz"; pack "$root"; } >"$cd/initrd.img"
    cp "$di/linux" "$cd/vmlinuz"
    isolinux "$cd" "$line" && write_iso "$out/nic32.iso" NIC "$cd"
}

nic64 || failed=1
nic32 || failed=1
exit $failed
