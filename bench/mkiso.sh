#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mkiso.sh OUTDIR - makes OUTDIR/bench.iso, a CD that boots Debian's amd64 kernel with busybox and
# bench/guest.c as its only programs.  The kernel package is taken from build/demo/debs (where
# demo/mkiso.sh keeps it) or fetched by apt-get download.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { sed -n 's/^# \{0,1\}//;3,5p' "$0" >&2; exit 2; }
mkdir -p "$1"; out=$(cd "$1" && pwd)
if [ -e "$out/bench.iso" ] && [ -z "$(find "$here" -newer "$out/bench.iso" -type f)" ]; then exit 0; fi
work=$(mktemp -d "$out/work.XXXXXX"); trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000

deb=$(ls "$here"/../build/demo/debs/linux-image-[0-9]*.deb "$out"/linux-image-[0-9]*.deb 2>/dev/null | tail -n 1 || true)
if [ -z "$deb" ]; then
    name=$(apt-cache depends linux-image-amd64 |
        sed -n 's/.*Depends: *\(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
    (cd "$out" && apt-get download -qq "$name")
    deb=$(ls "$out"/linux-image-[0-9]*.deb | tail -n 1)
fi
dpkg-deb -x "$deb" "$work/kernel"
version=$(ls "$work/kernel/lib/modules")
depmod -b "$work/kernel" "$version"

root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys} "$root/lib/modules/$version"
install -m755 "$(command -v busybox)" "$root/bin/busybox"
gcc -O2 -Wall -Wextra -static -o "$root/bin/bench" "$here/guest.c"
install -m755 "$here/init" "$root/init"
mknod "$root/dev/console" c 5 1 2>/dev/null || true
for m in ata_piix sd_mod sr_mod; do
    modprobe -d "$work/kernel" -S "$version" --show-depends "$m" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u | while read -r f; do
    install -m644 "$f" "$root/lib/modules/$version/"
done
cp "$work/kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$version/"
depmod -b "$root" "$version"

mkdir -p "$work/iso"
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -9n) >"$work/iso/initrd.img"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/"
cp "$work/kernel/boot/vmlinuz-$version" "$work/iso/vmlinuz"
cat >"$work/iso/isolinux.cfg" <<'END'
default bench
prompt 0
label bench
  kernel /vmlinuz
  append initrd=/initrd.img console=tty0 console=ttyS0,115200 xen_emul_unplug=never quiet
END
xorriso -as mkisofs -quiet -o "$out/bench.iso.new" -V GUESTHOUSE_BENCH -R -J -b isolinux.bin \
    -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$work/iso" 2>"$work/log" ||
    { cat "$work/log" >&2; exit 1; }
mv "$out/bench.iso.new" "$out/bench.iso"
