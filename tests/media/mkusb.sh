#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mkusb.sh OUTDIR DEMODIR - makes OUTDIR/usb.iso: Debian's kernel with its USB drivers and a busybox
# shell on the first serial port.  DEMODIR/debs has the kernel package (demo/mkiso.sh fetched it).
set -euo pipefail
[ $# = 2 ] || { sed -n 's/^# \{0,1\}//;3,4p' "$0" >&2; exit 2; }
out=$(cd "$1" && pwd) demo=$(cd "$2" && pwd)
if [ -e "$out/usb.iso" ] && [ "$out/usb.iso" -nt "$0" ]; then exit 0; fi
echo "  usb.iso"
work=$(mktemp -d "$out/work.XXXXXX"); trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000
dpkg-deb -x "$(ls "$demo"/debs/linux-image-[0-9]*.deb | tail -n 1)" "$work/kernel"
version=$(ls "$work/kernel/lib/modules")
depmod -b "$work/kernel" "$version"
root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt} "$work/cd"
install -m755 "$(command -v busybox)" "$root/bin/busybox"
for m in uhci_hcd usbhid hid_generic evdev usb_storage sd_mod sr_mod isofs usbmon; do
    modprobe -d "$work/kernel" -S "$version" --show-depends "$m" |
        sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u | while read -r f; do install -D -m644 "$f" "$root/lib/modules/$version/${f##*/}"; done
cp "$work/kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$version/"
depmod -b "$root" "$version"
cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ PS1='# '
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t debugfs d /sys/kernel/debug
for m in uhci_hcd usbhid hid_generic evdev usb_storage sd_mod sr_mod isofs; do modprobe $m; done
echo "GUEST READY"
exec setsid cttyhack sh </dev/ttyS0 >/dev/ttyS0 2>&1
END
chmod 755 "$root/init"
mknod "$root/dev/console" c 5 1 2>/dev/null || true
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -9n) >"$work/cd/initrd.img"
cp "$work/kernel/boot/vmlinuz-$version" "$work/cd/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/cd/"
cat >"$work/cd/isolinux.cfg" <<'END'
serial 0 115200
default usb
label usb
  kernel /vmlinuz
  append initrd=/initrd.img console=ttyS0,115200 quiet tsc=reliable no_timer_check xen_emul_unplug=never mitigations=off panic=5
END
xorriso -as mkisofs -quiet -o "$out/usb.iso.new" -V USBTEST -R -J -b isolinux.bin -c boot.cat \
    -no-emul-boot -boot-load-size 4 -boot-info-table "$work/cd" 2>"$work/log" ||
    { cat "$work/log" >&2; exit 1; }
mv "$out/usb.iso.new" "$out/usb.iso"
