#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh - configures, builds, makes an install CD and an empty disk, and starts the domain with
# `xm create -c` on this terminal.  Answers nothing, asks nothing; run it again to boot the disk
# that it has installed.
#   demo.sh [--install]      --install: with an empty disk again
#   CPU=kvm|soft             what runs the guest (default: what is faster here)
set -eu
cd "$(dirname "$0")/.."
: "${B:=build}"
case ${1-} in
'' | --install) ;;
*) sed -n 's/^# \{0,1\}//;3,7p' "$0" >&2; exit 2 ;;
esac
jobs=$(nproc 2>/dev/null || echo 2)
[ -e config.mk ] && [ -e config.h ] || ./configure
make --no-print-directory -j"$jobs" B="$B"
demo/mkiso.sh "$B/demo"
dir=$(cd "$B/demo" && pwd)
disk=$dir/domuhvm.img

# An installed disk has a boot record; a blank one has none.
installed() { [ -e "$disk" ] && [ "$(od -An -tx1 -j510 -N2 "$disk" | tr -d ' ')" = 55aa ]; }
[ "${1-}" = --install ] && rm -f "$disk"
[ -e "$disk" ] || truncate -s 256M "$disk"

config() { # FILE BOOT
    cat >"$1" <<END
# The tutorial's HVM guest.
kernel = "hvmloader"
builder = 'hvm'
memory = 128
name = "domu-hvm"
vcpus = 1
pae = 1
acpi = 1
apic = 1
cpu = "${CPU:-auto}"
vif = ['type=ioemu, bridge=xenbr0']
disk = ['file:$disk,hda,w', 'file:$dir/install.iso,hdc:cdrom,r']
device_model = 'qemu-dm'
boot = "$2"
sdl = 0
opengl = 0
vnc = 1
vnclisten = "127.0.0.1"
vncdisplay = 1
vncunused = 1
vncpasswd = ""
stdvga = 0
nographic = 0
monitor = 0
serial = 'pty'
soundhw = ""
full-screen = 0
usb = 0
usbdevice = ""
keymap = "en-us"
tsc_mode = 0
localtime = 1
xen_platform_pci = 0
on_poweroff = 'destroy'
on_reboot = 'restart'
on_crash = 'destroy'
END
}
config "$dir/domu-hvm.config" dc
config "$dir/domu-hvm-disk.config" c

if "$B/bin/xm" domid domu-hvm >/dev/null 2>&1; then
    echo "demo.sh: error: domain domu-hvm runs already; end it with $B/bin/xm destroy domu-hvm" >&2
    exit 1
fi
run() { # OPTION CONFIG
    echo
    echo "\$ $B/bin/xm create${1:+ $1} $2"
    echo "(its screen: vncviewer localhost:1, or the display that xm names; Ctrl+] leaves the console)"
    # shellcheck disable=SC2086
    "$B/bin/xm" create $1 "$2"
}
if ! installed; then
    run -c "$B/demo/domu-hvm.config"
    # Left with Ctrl+], or the installer has powered the guest off.
    if "$B/bin/xm" domid domu-hvm >/dev/null 2>&1; then
        echo "The installer still runs: $B/bin/xm console domu-hvm, $B/bin/xm destroy domu-hvm"
        exit 0
    fi
    installed || { echo "The installer has not finished; make demo starts it again." >&2; exit 1; }
    echo
    echo "The system is installed.  From its disk it boots with boot=\"c\":"
fi
if [ -t 0 ]; then
    run -c "$B/demo/domu-hvm-disk.config"
else
    run "" "$B/demo/domu-hvm-disk.config"
fi
echo "Try (log in as root, no password): $B/bin/xm list, console, vncviewer, shutdown -w domu-hvm"
