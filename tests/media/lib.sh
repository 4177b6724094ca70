# SPDX-License-Identifier: GPL-2.0-or-later
# lib.sh - sourced by the scripts that make bootable CDs: packages, kernel modules, initrds, ISOLINUX.
# Functions return non-zero after saying why; they use $out (the output directory) and $work (a
# directory that goes with the script), which start_work sets.
export SOURCE_DATE_EPOCH=1700000000
export PATH=$PATH:/usr/sbin:/sbin       # depmod and the like; Debian's users other than root lack these

start_work() { # OUTDIR
    mkdir -p "$1" && out=$(cd "$1" && pwd) && work=$(mktemp -d "$out/work.XXXXXX") || return 1
    trap 'rm -rf "$work"' EXIT
}
complain() { echo "${0##*/}: error: $*" >&2; return 1; }

# package NAME: unpacked into $work/NAME; fetched into $out/debs unless it is there.
package() {
    local deb
    [ -d "$work/$1" ] && return
    mkdir -p "$out/debs"
    deb=$(ls "$out/debs/$1"_*.deb 2>/dev/null | tail -n 1 || true)
    if [ -z "$deb" ]; then
        (cd "$out/debs" && apt-get download -qq "$1" 2>/dev/null) ||
            { apt-get update -qq || true; (cd "$out/debs" && apt-get download -qq "$1"); } ||
            complain "package $1 could not be fetched" || return 1
        deb=$(ls "$out/debs/$1"_*.deb | tail -n 1)
    fi
    dpkg-deb -x "$deb" "$work/$1"
}

# apt_i386 TOOL...: for the other architecture, with a state of its own in $out/debs, or $debs if that is set.
apt_i386() {
    local s=${debs:-$out/debs}/apt-i386 tool=$1; shift
    mkdir -p "$s/state/lists/partial" "$s/cache/archives/partial"; touch "$s/state/status"
    "$tool" -qq -o APT::Architecture=i386 -o APT::Architectures::=i386 -o Dir::State="$s/state" \
        -o Dir::State::status="$s/state/status" -o Dir::Cache="$s/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

# kernel DEB: unpacked into $work/kernel, once; sets version.
kernel() {
    if [ ! -d "$work/kernel" ]; then
        [ -e "$1" ] || complain "there is no kernel package ${1:-(demo/mkiso.sh fetches it)}" || return 1
        dpkg-deb -x "$1" "$work/kernel" &&
            depmod -b "$work/kernel" "$(ls "$work/kernel/lib/modules")" || return 1
    fi
    version=$(ls "$work/kernel/lib/modules")
}
demo_kernel() { # DEMODIR: the one that demo/mkiso.sh fetched
    kernel "$(ls "$1"/debs/linux-image-[0-9]*.deb 2>/dev/null | tail -n 1 || true)"
}

# module_files MODULE...: the files of these and of what they need, in the order of loading.
module_files() {
    local m
    for m; do
        modprobe -d "$work/kernel" -S "$version" --show-depends "$m" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | awk '!seen[$1]++'
}
# modules TREE MODULE...: these, for modprobe in TREE.
modules() {
    local tree=$1 to=$1/lib/modules/$version f; shift
    mkdir -p "$to"
    module_files "$@" | while read -r f; do install -m644 "$f" "$to/" || return 1; done || return 1
    cp "$work/kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$to/" &&
        depmod -b "$tree" "$version"
}

# busybox_tree TREE: the directories of an initrd, a console, and busybox.
busybox_tree() {
    mkdir -p "$1"/{bin,dev,proc,sys,tmp,mnt} &&
        install -m755 "$(command -v busybox)" "$1/bin/busybox" || return 1
    mknod "$1/dev/console" c 5 1 2>/dev/null || true
}
pack() { # FOLDER: an initrd, at standard output
    (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -9n)
}

# isolinux FOLDER COMMAND_LINE: boots FOLDER/vmlinuz with FOLDER/initrd.img, at once.
isolinux() {
    cat >"$1/isolinux.cfg" <<END
serial 0 115200
default d
label d
  kernel /vmlinuz
  append initrd=/initrd.img console=ttyS0,115200 $2
END
}
# write_iso OUTPUT LABEL FOLDER: a CD that boots by FOLDER/isolinux.cfg.
write_iso() {
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$3/" || return 1
    xorriso -as mkisofs -quiet -o "$1.new" -V "$2" -R -J -b isolinux.bin -c boot.cat \
        -no-emul-boot -boot-load-size 4 -boot-info-table "$3" 2>"$work/log" ||
        { cat "$work/log" >&2; return 1; }
    mv "$1.new" "$1"
}
