#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mkiso.sh OUTDIR - makes OUTDIR/bench.iso, a CD that boots Debian's amd64 kernel with busybox and
# bench/guest.c as its only programs.  The kernel package is taken from build/demo/debs (where
# demo/mkiso.sh keeps it) or fetched by apt-get download.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { sed -n 's/^# \{0,1\}//;3,5p' "$0" >&2; exit 2; }
. "$here/../tests/media/lib.sh"
if [ -e "$1/bench.iso" ] && [ -z "$(find "$here" -newer "$1/bench.iso" -type f)" ]; then exit 0; fi
start_work "$1"

deb=$(ls "$here"/../build/demo/debs/linux-image-[0-9]*.deb "$out"/linux-image-[0-9]*.deb 2>/dev/null | tail -n 1 || true)
if [ -z "$deb" ]; then
    name=$(apt-cache depends linux-image-amd64 |
        sed -n 's/.*Depends: *\(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
    (cd "$out" && apt-get download -qq "$name")
    deb=$(ls "$out"/linux-image-[0-9]*.deb | tail -n 1)
fi
kernel "$deb"
root=$work/root iso=$work/iso
mkdir -p "$iso"
busybox_tree "$root"
gcc -O2 -Wall -Wextra -static -o "$root/bin/bench" "$here/guest.c"
install -m755 "$here/init" "$root/init"
modules "$root" ata_piix sd_mod sr_mod
pack "$root" >"$iso/initrd.img"
cp "$work/kernel/boot/vmlinuz-$version" "$iso/vmlinuz"
cat >"$iso/isolinux.cfg" <<'END'
default bench
prompt 0
label bench
  kernel /vmlinuz
  append initrd=/initrd.img console=tty0 console=ttyS0,115200 xen_emul_unplug=never quiet
END
write_iso "$out/bench.iso" GUESTHOUSE_BENCH "$iso"
