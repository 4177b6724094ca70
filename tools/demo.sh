#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh - the main job, from a fresh clone: builds, makes an install CD out of Debian's packages, a
# blank disk and the tutorial's config, and starts the guest with `xm create -c` in this terminal.
# The guest installs itself and powers off; then it is booted from its disk.
#   GUESTHOUSE_DEMO=install   stop after the installation
set -eu
cd "$(dirname "$0")/.."
out=$PWD/build/demo xm=$PWD/build/bin/xm
step() { printf '\n== %s\n' "$*"; }

step "building"
if [ ! -e config.mk ]; then ./configure >build-configure.log 2>&1 || { cat build-configure.log; exit 1; }; fi
rm -f build-configure.log
make --no-print-directory -j"$(nproc)" all
step "making the install CD"
mkdir -p "$out"
demo/mkiso.sh "$out"
rm -f "$out/domuhvm.img"
truncate -s 256M "$out/domuhvm.img"
write_config() { # FILE BOOT
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
vif = [ 'type=ioemu, bridge=xenbr0' ]
disk = [ 'file:$out/domuhvm.img,hda,w', 'file:$out/install.iso,hdc:cdrom,r' ]
device_model = 'qemu-dm'
boot = "$2"
sdl = 0
opengl = 0
vnc = 1
vncpasswd = ""
vncunused = 1
stdvga = 0
serial = 'pty'
tsc_mode = 0
localtime = 1
keymap = 'en-us'
on_poweroff = 'destroy'
on_reboot = 'restart'
on_crash = 'destroy'
END
}
write_config "$out/domu-hvm.config" dc
write_config "$out/domu-hvm-disk.config" c

if "$xm" domid domu-hvm >/dev/null 2>&1; then
    echo "demo: a domain domu-hvm runs already; end it with: $xm destroy domu-hvm" >&2
    exit 1
fi
step "installing: $xm create -c $out/domu-hvm.config"
echo "The serial console follows; Ctrl+] leaves it. The screen: vncviewer localhost:DISPLAY, with the"
echo "display that xm prints below (xm vncviewer domu-hvm starts it)."
"$xm" create -c "$out/domu-hvm.config"
# Left with Ctrl+], or the installer has powered the guest off.
if "$xm" domid domu-hvm >/dev/null 2>&1; then
    echo "The guest still runs: $xm console domu-hvm, $xm list, $xm destroy domu-hvm"
    exit 0
fi
[ "${GUESTHOUSE_DEMO-}" = install ] && exit 0
step "booting the installed system: $xm create $out/domu-hvm-disk.config"
if [ -t 0 ]; then
    "$xm" create -c "$out/domu-hvm-disk.config"
else
    "$xm" create "$out/domu-hvm-disk.config"
fi
echo "Some things to try (log in as root, no password):"
echo "  $xm list; $xm console domu-hvm; $xm vncviewer domu-hvm; $xm shutdown -w domu-hvm"
