#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# setup.sh [check|selftests] - installs the Debian packages that the build (and with "check": the tests, with
# "selftests": make check-selftests) need, by name, only those that are missing.  Asks for nothing; needs root only
# if something is missing.
set -eu
build="gcc make pkg-config libc6-dev libglib2.0-dev libpixman-1-dev libvncserver-dev libsdl2-dev
 libaio-dev libslirp-dev libusb-1.0-0-dev libseccomp-dev libcap-ng-dev libxkbcommon-dev xkb-data libpng-dev zlib1g-dev
 libadplug-dev libzstd-dev libxen-dev libzydis-dev libcriterion-dev gcc-multilib acpica-tools seabios ipxe-qemu"
demo="xorriso isolinux syslinux-common extlinux e2fsprogs fdisk cpio kmod busybox-static dpkg-dev
 python3 tigervnc-viewer xz-utils"
check="xen-utils-4.17 xenstore-utils qemu-utils xvfb xdotool imagemagick picocom
 procps nftables iproute2 dnsmasq-base gdb"
selftests="linux-source-6.1 stress-ng"
want="$build $demo"
[ "${1-}" = check ] && want="$want $check"
[ "${1-}" = selftests ] && want="$want $selftests"
missing=
for p in $want; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
echo "Installing missing packages:$missing"
if [ "$(id -u)" = 0 ]; then run=
elif command -v sudo >/dev/null 2>&1; then run=sudo
else
    echo "setup.sh: error: these packages are missing and only root can install them; as root:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
log=$(mktemp)
trap 'rm -f "$log"' EXIT
$run apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1 ||
    { $run apt-get update -q && $run apt-get install -y -q --no-install-recommends $missing; } \
        >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "setup.sh: error: apt-get failed (its last lines are above)" >&2
    exit 1
}
