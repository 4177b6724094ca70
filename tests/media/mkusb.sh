#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mkusb.sh OUTDIR DEMODIR - makes OUTDIR/usb.iso: Debian's kernel with its USB drivers and a busybox
# shell on the first serial port.  DEMODIR/debs has the kernel package (demo/mkiso.sh fetched it).
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ $# = 2 ] || { sed -n 's/^# \{0,1\}//;3,4p' "$0" >&2; exit 2; }
if [ -e "$1/usb.iso" ] && [ "$1/usb.iso" -nt "$0" ]; then exit 0; fi
echo "  usb.iso"
start_work "$1"
demo_kernel "$2"
root=$work/root cd=$work/cd
mkdir -p "$cd"
busybox_tree "$root"
modules "$root" uhci_hcd usbhid hid_generic evdev usb_storage sd_mod sr_mod isofs usbmon
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
pack "$root" >"$cd/initrd.img"
cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz"
isolinux "$cd" "quiet tsc=reliable no_timer_check xen_emul_unplug=never mitigations=off panic=5"
write_iso "$out/usb.iso" USBTEST "$cd"
