#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mkiso.sh OUTDIR - makes OUTDIR/install.iso, a small installer CD out of Debian's packages:
# ISOLINUX, Debian's amd64 kernel and modules, busybox, e2fsprogs, extlinux, demo/installer and the
# tree it installs (demo/rootfs plus what the packages give).  Nothing is done if it is there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { sed -n 's/^# \{0,1\}//;3,5p' "$0" >&2; exit 2; }
mkdir -p "$1"; out=$(cd "$1" && pwd)
newest=$(find "$here" -type f -printf "%T@ %p\n" | sort -rn | head -n 1 | cut -d" " -f2-)
if [ -e "$out/install.iso" ] && [ "$out/install.iso" -nt "$newest" ]; then exit 0; fi
work=$(mktemp -d "$out/work.XXXXXX"); trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000
export PATH=$PATH:/usr/sbin:/sbin       # depmod and the like; Debian's users other than root lack these
step() { echo "  install.iso: $*"; }

# --- the kernel package
step "fetching Debian's kernel"
mkdir -p "$out/debs"
kernel_package() {
    apt-cache depends linux-image-amd64 2>/dev/null |
        sed -n 's/.*Depends: *\(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1
}
deb=$(ls "$out"/debs/linux-image-[0-9]*.deb 2>/dev/null | tail -n 1 || true)
if [ -z "$deb" ]; then
    name=$(kernel_package)
    [ -n "$name" ] || { apt-get update -qq || true; name=$(kernel_package); }
    [ -n "$name" ] || { echo "mkiso.sh: error: apt knows no linux-image-amd64; run apt-get update" >&2; exit 1; }
    (cd "$out/debs" && apt-get download -qq "$name" 2>/dev/null) ||
        { apt-get update -qq; (cd "$out/debs" && apt-get download -qq "$name"); }
    deb=$(ls "$out"/debs/linux-image-[0-9]*.deb | tail -n 1)
fi
dpkg-deb -x "$deb" "$work/kernel"
version=$(ls "$work/kernel/lib/modules")
depmod -b "$work/kernel" "$version"

# --- trees
modules() { # TREE MODULE...
    local tree=$1; shift
    for m in "$@"; do
        modprobe -d "$work/kernel" -S "$version" --show-depends "$m" 2>/dev/null |
            sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | sort -u | while read -r f; do
        install -D -m644 "$f" "$tree/lib/modules/$version/${f##*/}"
    done
    cp "$work/kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$tree/lib/modules/$version/"
    depmod -b "$tree" "$version"
    rm -f "$tree/lib/modules/$version"/*.bin
}
program() { # TREE PROGRAM...: with the libraries it needs
    local tree=$1 p path; shift
    for p; do
        path=$(command -v "$p")
        install -D -m755 "$path" "$tree/bin/${p##*/}"
        ldd "$path" 2>/dev/null | grep -o '/[^ ]*' | while read -r lib; do
            [ -e "$tree$lib" ] || install -D -m755 "$(readlink -f "$lib")" "$tree$lib"
        done
    done
}
step "installer"
root=$work/installer
mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt,cdrom}
busybox=$(command -v busybox)
install -m755 "$busybox" "$root/bin/busybox"
program "$root" mke2fs sfdisk extlinux
install -m755 "$here/installer" "$root/init"
mknod "$root/dev/console" c 5 1 2>/dev/null || true
modules "$root" ata_piix sd_mod sr_mod isofs crc32c_generic ext4
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -9n) >"$work/installer.img"

step "system to install"
tree=$work/iso/system
mkdir -p "$tree"/{bin,boot,dev,etc,mnt,proc,root,run,sys,tmp,var/log}
install -m755 "$busybox" "$tree/bin/busybox"
program "$tree" mke2fs e2fsck
cp -a "$here/rootfs/." "$tree/"
chmod 1777 "$tree/tmp"; chmod 755 "$tree"/sbin/* "$tree"/etc/init.d/* "$tree"/etc/acpi/PWRF/*
cp "$work/kernel/boot/vmlinuz-$version" "$tree/boot/vmlinuz"
modules "$tree" ata_piix sd_mod sr_mod isofs crc32c_generic ext4 8139cp 8139too psmouse evdev button
# the installed system boots with a small initramfs that finds its disk
small=$work/small
mkdir -p "$small"/{bin,dev,proc,sys,root}
install -m755 "$busybox" "$small/bin/busybox"
install -m755 "$here/initramfs" "$small/init"
mknod "$small/dev/console" c 5 1 2>/dev/null || true
modules "$small" ata_piix sd_mod crc32c_generic ext4
(cd "$small" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -9n) >"$tree/boot/initrd.img"

# --- the CD
step "writing the CD image"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/"
cp /usr/lib/syslinux/mbr/mbr.bin "$work/iso/"
cp "$work/kernel/boot/vmlinuz-$version" "$work/iso/vmlinuz"
cp "$work/installer.img" "$work/iso/initrd.img"
cat >"$work/iso/isolinux.cfg" <<'END'
serial 0 115200
say Guesthouse demonstration installer
prompt 1
timeout 20
default install
label install
  kernel /vmlinuz
  append initrd=/initrd.img console=tty0 console=ttyS0,115200 earlyprintk=ttyS0,115200 xen_emul_unplug=never panic=5 quiet
END
xorriso -as mkisofs -quiet -o "$out/install.iso.new" -V GUESTHOUSE -R -J -uid 0 -gid 0 \
    -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$work/iso" 2>"$work/xorriso.log" ||
    { cat "$work/xorriso.log" >&2; exit 1; }
mv "$out/install.iso.new" "$out/install.iso"
