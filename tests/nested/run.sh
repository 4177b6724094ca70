#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh [DEMODIR] - the KVM engine on a full Linux KVM (kvm_amd), which this machine's may not be: a
# Debian kernel in QEMU's TCG, whose processor has SVM and nested paging, runs our unit tests of the
# engine and a domain with cpu='kvm', from firmware to another Debian kernel's init.
#   B=DIR   the build directory        KEEP=1   leave the images
# Needs qemu-system-x86, xorriso, isolinux, busybox-static; DEMODIR/debs has the kernel, or gets it.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd) top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 2
. tests/media/lib.sh
: "${B:=build}" "${LIMIT:=540}"
demo=${1-$B/demo} logs=$B/check/nested
start_work "$B/nested" && mkdir -p "$logs" || exit 2
for c in qemu-system-x86_64 xorriso cpio depmod busybox; do
    command -v $c >/dev/null || { complain "$c is missing"; exit 2; }
done
ls "$demo"/debs/linux-image-[0-9]*.deb >/dev/null 2>&1 ||
    { mkdir -p "$demo/debs"; name=$(apt-cache depends linux-image-amd64 |
        sed -n 's/.*Depends: *\(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
      (cd "$demo/debs" && apt-get download -qq "$name"); }
demo_kernel "$demo" || exit 2

# The guest: its init says so, and switches off.
guest() {
    local tree=$work/guest cd=$work/guest-cd
    busybox_tree "$tree" && install -m755 "$here/guest-init" "$tree/init" && mkdir -p "$cd" || return 1
    pack "$tree" >"$cd/initrd.img" && cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz" || return 1
    isolinux "$cd" "quiet xen_emul_unplug=never mitigations=off"
    write_iso "$work/guest.iso" GUEST "$cd"
}

# copy_program TREE FILE TARGET: with the libraries that it names.
copy_program() {
    install -D -m755 "$2" "$1$3" || return 1
    ldd "$2" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^\t\(\/[^ ]*\) .*/\1/p' | while read -r f; do
        [ -e "$1$f" ] || install -D -m755 "$f" "$1$f" || return 1
    done
}
machine() {
    local tree=$work/machine p
    busybox_tree "$tree" && modules "$tree" kvm-amd || return 1
    mkdir -p "$tree"/{etc,run,root,var} "$tree/dev/pts"
    for p in hypervisor qemu-dm xend xm; do
        copy_program "$tree" "$B/bin/$p" "/gh/bin/$p" || return 1
    done
    for p in hvm hypervisor; do
        copy_program "$tree" "$B/tests/$p" "/gh/tests/$p" || return 1
    done
    install -D -m644 "$B/boot/hvmloader" "$tree/gh/boot/hvmloader" &&
        install -D -m644 "$(sed -n 's/#define SEABIOS_PATH "\(.*\)"/\1/p' config.h)" \
            "$tree$(sed -n 's/#define SEABIOS_PATH "\(.*\)"/\1/p' config.h)" &&
        cp "$work/guest.iso" "$tree/gh/guest.iso" && cp "$here/domain.config" "$tree/gh/" &&
        install -m755 "$here/machine-init" "$tree/init" &&
        echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd" &&
        echo 'root:x:0:' >"$tree/etc/group" && (cd "$tree" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/machine.img"
}
guest && machine || exit 2

# Of QEMU 7.2: under SVM the machine's own TSC goes astray while guests with offsets run, so it is not its
# clock; IRET in ring 3 reads its stack as the kernel, which SMAP forbids; two processors lock up sooner or
# later.
echo "nested: the log is $logs/console.log"
timeout --kill-after=10 "$LIMIT" qemu-system-x86_64 -accel tcg,thread=multi -cpu max,smap=off -m 1536 \
    -display none -no-reboot -net none -serial "file:$logs/console.log" \
    -kernel "$work/kernel/boot/vmlinuz-$version" -initrd "$work/machine.img" \
    -append "console=ttyS0,115200 panic=-1 mitigations=off quiet clocksource=acpi_pm tsc=unstable" \
    </dev/null
status=$?
[ -n "${KEEP-}" ] && cp "$work/machine.img" "$work/guest.iso" "$B/nested/"
passed=0 failed=0
for mark in 'NESTED kvm module' 'NESTED units' 'NESTED engine' 'NESTED guest' 'NESTED off'; do
    if grep -q "^$mark ok" "$logs/console.log"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)); echo "FAILED: ${mark#NESTED }"
    fi
done
if [ "$failed" != 0 ]; then
    [ "$status" = 124 ] && echo "it took more than $LIMIT s"
    tail -n 40 "$logs/console.log"
fi
echo "check-kvm-nested: $passed passed, $failed failed"
[ "$failed" = 0 ]
