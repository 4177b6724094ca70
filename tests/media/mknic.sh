#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mknic.sh OUTDIR DEMODIR - makes what the network cards' tests boot, out of Debian's packages:
#   nic64.iso nic32.iso   a shell on ttyS0 and Debian's drivers for our network cards
#   nic64/                the same kernel and initrd, and PXELINUX, for network boot
# DEMODIR/debs has the amd64 kernel; other packages are fetched once, into OUTDIR/debs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 2 ] || { sed -n 's/^# \{0,1\}//;3,6p' "$0" >&2; exit 2; }
mkdir -p "$1/debs"; out=$(cd "$1" && pwd) demo=$(cd "$2" && pwd)
work=$(mktemp -d "$out/work.XXXXXX"); trap 'rm -rf "$work"' EXIT
failed=0

package() { # NAME: unpacked into $work/NAME
    local deb
    deb=$(ls "$out/debs/$1"_*.deb 2>/dev/null | tail -n 1 || true)
    if [ -z "$deb" ]; then
        (cd "$out/debs" && apt-get download -qq "$1" 2>/dev/null) ||
            { apt-get update -qq || true; (cd "$out/debs" && apt-get download -qq "$1"); } ||
            return 1
        deb=$(ls "$out/debs/$1"_*.deb | tail -n 1)
    fi
    dpkg-deb -x "$deb" "$work/$1"
}
boot_cd() { # OUTPUT FOLDER: with vmlinuz and initrd.img in it
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$2/"
    cat >"$2/isolinux.cfg" <<'END'
serial 0 115200
default d
label d
  kernel /vmlinuz
  append initrd=/initrd.img console=ttyS0,115200 xen_emul_unplug=never quiet
END
    xorriso -as mkisofs -quiet -o "$out/$1.new" -V NIC -R -J -b isolinux.bin -c boot.cat \
        -no-emul-boot -boot-load-size 4 -boot-info-table "$2" 2>"$work/log" ||
        { cat "$work/log" >&2; return 1; }
    mv "$out/$1.new" "$out/$1"
}
pack() { # FOLDER
    (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -9n)
}
nic64() {
    local deb version root=$work/r64
    [ -e "$out/nic64.iso" ] && [ -e "$out/nic64/pxelinux.0" ] && return
    echo "  nic64.iso"
    deb=$(ls "$demo"/debs/linux-image-[0-9]*.deb | tail -n 1) && package pxelinux || return 1
    dpkg-deb -x "$deb" "$work/k64"
    version=$(ls "$work/k64/lib/modules")
    mkdir -p "$root"/{bin,proc,sys,dev,tmp} "$root/lib/modules/$version" "$work/cd64" "$out/nic64"
    depmod -b "$work/k64" "$version"
    for m in 8139too 8139cp ne2k-pci; do
        modprobe -d "$work/k64" -S "$version" --show-depends "$m" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | sort -u | while read -r f; do install -m644 "$f" "$root/lib/modules/$version/"; done
    cp "$work/k64/lib/modules/$version"/modules.{builtin,order} "$root/lib/modules/$version/"
    depmod -b "$root" "$version"
    install -m755 "$(command -v busybox)" "$root/bin/busybox"
    for f in $(busybox --list); do [ $f = busybox ] || ln -s busybox "$root/bin/$f"; done
    install -m755 "$here/nic-init" "$root/init"
    pack "$root" >"$work/cd64/initrd.img"
    cp "$work/k64/boot/vmlinuz-$version" "$work/cd64/vmlinuz"
    cp "$work/cd64"/{vmlinuz,initrd.img} /usr/lib/syslinux/modules/bios/ldlinux.c32 "$out/nic64/"
    cp "$work/pxelinux/usr/lib/PXELINUX/pxelinux.0" "$out/nic64/"
    boot_cd nic64.iso "$work/cd64"
}
nic32() { # the installer's kernel and programs: drivers for ISA cards are for i386 only
    local name=debian-installer-12-netboot-i386 di
    [ -e "$out/nic32.iso" ] && return
    echo "  nic32.iso"
    [ -d "$work/$name" ] || package $name || return 1
    di=$work/$name/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386
    mkdir -p "$work/r32" "$work/cd32"
    install -m755 "$here/nic-init" "$work/r32/init"
    { cat "$di/initrd.gz"; pack "$work/r32"; } >"$work/cd32/initrd.img"
    cp "$di/linux" "$work/cd32/vmlinuz"
    boot_cd nic32.iso "$work/cd32"
}

nic64 || failed=1
nic32 || failed=1
exit $failed
