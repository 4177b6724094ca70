#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mkmedia.sh OUTDIR DEMODIR - makes what the system tests boot, out of Debian's packages:
#   DEMODIR/install.iso   the demonstration's installer (demo/mkiso.sh)
#   memtest.iso           memtest86+          grub.iso    GRUB's rescue CD
#   ipxe.iso              iPXE                i386.iso    Debian's i386 installer kernel, on ttyS0
#   devices.iso           Debian's i386 kernel with deviceinit.c, which drives sound, serial, parallel
#   floppy.bin            a real-mode program that uses INT 13h (floppy.S)
#   net.iso, dev.iso      Debian's kernel, drivers of networks or of other devices, a shell on ttyS0
#   usb.iso               Debian's USB drivers and a shell (mkusb.sh)
# Packages are fetched once, into OUTDIR/debs.  What is there already is not made again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 2 ] || { sed -n 's/^# \{0,1\}//;3,7p' "$0" >&2; exit 2; }
mkdir -p "$1/debs" "$2"; out=$(cd "$1" && pwd) demo=$(cd "$2" && pwd)
work=$(mktemp -d "$out/work.XXXXXX"); trap 'rm -rf "$work"' EXIT
failed=0

package() { # NAME: unpacked into $work/NAME
    local deb
    deb=$(ls "$out/debs/$1"_*.deb 2>/dev/null | tail -n 1 || true)
    if [ -z "$deb" ]; then
        (cd "$out/debs" && apt-get download -qq "$1" 2>/dev/null) ||
            { apt-get update -qq || true; (cd "$out/debs" && apt-get download -qq "$1"); } ||
            return 1
        deb=$(ls "$out/debs/$1"_*.deb | tail -n 1)
    fi
    dpkg-deb -x "$deb" "$work/$1"
}
take() { # OUTPUT PACKAGE PATH
    [ -e "$out/$1" ] && return
    echo "  $1"
    package "$2" && cp "$work/$2/$3" "$out/$1.new" && mv "$out/$1.new" "$out/$1" ||
        { echo "mkmedia.sh: error: $1 could not be made from package $2" >&2; failed=1; }
}
i386_installer() {
    local name=debian-installer-12-netboot-i386 di
    [ -e "$out/i386.iso" ] && return
    echo "  i386.iso"
    package $name || { echo "mkmedia.sh: error: package $name could not be fetched" >&2; return 1; }
    di=$work/$name/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386
    mkdir "$work/cd"
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/cd/"
    cp "$di/linux" "$di/initrd.gz" "$work/cd/"
    cat >"$work/cd/isolinux.cfg" <<'END'
serial 0 115200
default d
label d
  kernel /linux
  append initrd=/initrd.gz console=ttyS0,115200 TERM=vt102
END
    xorriso -as mkisofs -quiet -o "$out/i386.iso.new" -V I386 -R -J -b isolinux.bin -c boot.cat \
        -no-emul-boot -boot-load-size 4 -boot-info-table "$work/cd" 2>"$work/log" ||
        { cat "$work/log" >&2; return 1; }
    mv "$out/i386.iso.new" "$out/i386.iso"
}

# guest NAME TITLE MODULES COMMAND_LINE: the demonstration's kernel with the drivers of MODULES, loaded
# in this order, and a shell on ttyS0.  What stands at standard input runs before the shell.
guest() {
    local name=$1 title=$2 modules=$3 line=$4 deb version m
    local cd=$work/$name.cd root=$work/$name.root
    [ -e "$out/$name.iso" ] && return
    echo "  $name.iso"
    if [ ! -d "$work/kernel" ]; then
        deb=$(ls "$demo"/debs/linux-image-[0-9]*.deb | tail -n 1)
        dpkg-deb -x "$deb" "$work/kernel" && version=$(ls "$work/kernel/lib/modules") &&
            depmod -b "$work/kernel" "$version" || return 1
    fi
    version=$(ls "$work/kernel/lib/modules")
    mkdir -p "$cd" "$root"/{bin,dev,proc,sys,tmp,mnt,lib/modules}
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$cd/"
    cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz"
    install -m755 "$(command -v busybox)" "$root/bin/busybox"
    for m in $modules; do
        modprobe -d "$work/kernel" -S "$version" --show-depends "$m" | sed -n 's/^insmod //p'
    done | awk '!seen[$1]++ { print $1 }' | while read -r m; do
        cp "$m" "$root/lib/modules/" && echo "${m##*/}" >>"$root/lib/modules/order"
    done
    { cat <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
while read -r m; do insmod "/lib/modules/$m"; done </lib/modules/order
dmesg -n 1
export COLUMNS=250
END
        cat
        echo "echo; echo '$title GUEST READY'"
        cat <<'END'
exec setsid sh -c 'while :; do PS1="# " sh <>/dev/ttyS0 >&0 2>&1; done'
END
    } >"$root/init"
    chmod 755 "$root/init"
    (cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -9n) >"$cd/initrd.img"
    cat >"$cd/isolinux.cfg" <<END
serial 0 115200
default n
label n
  kernel /vmlinuz
  append initrd=/initrd.img console=ttyS0,115200 quiet panic=5 $line
END
    xorriso -as mkisofs -quiet -o "$out/$name.iso.new" -V "$title" -R -J -b isolinux.bin -c boot.cat \
        -no-emul-boot -boot-load-size 4 -boot-info-table "$cd" 2>"$work/log" ||
        { cat "$work/log" >&2; return 1; }
    mv "$out/$name.iso.new" "$out/$name.iso"
}
net_guest() {
    guest net NET '8139too 8139cp ne2k-pci' xen_emul_unplug=never <<'END'
ip link set lo up
for i in /sys/class/net/eth*; do ip link set "${i##*/}" up; done
END
}
dev_guest() {
    guest dev DEV 'ata_piix sd_mod sr_mod isofs vfat nls_cp437 nls_ascii floppy button i6300esb pvpanic-mmio' \
        xen_emul_unplug=never </dev/null
}

# A program of three sectors that boots from a floppy.
floppy_program() {
    [ "$out/floppy.bin" -nt "$here/floppy.S" ] && return
    echo "  floppy.bin"
    gcc -m32 -c -o "$work/floppy.o" "$here/floppy.S" &&
        ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$out/floppy.bin" "$work/floppy.o"
}

# Debian's i386 kernel alone has the ISA sound cards' drivers; apt needs a state of its own for it.
apt_i386() {
    local s=$out/debs/apt-i386 tool=$1; shift
    mkdir -p "$s/state/lists/partial" "$s/cache/archives/partial"; touch "$s/state/status"
    "$tool" -qq -o APT::Architecture=i386 -o APT::Architectures::=i386 -o Dir::State="$s/state" \
        -o Dir::State::status="$s/state/status" -o Dir::Cache="$s/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}
i386_kernel() {
    local name
    ls "$out"/debs/linux-image-*-686_*_i386.deb >/dev/null 2>&1 && return
    apt_i386 apt-get update
    name=$(apt_i386 apt-cache depends linux-image-686 |
        sed -n 's/.*Depends: *\(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
    (cd "$out/debs" && apt_i386 apt-get download "$name")
}
devices() {
    local tree=$work/devices/tree k=$work/devices/kernel cd=$work/devices/cd version m f
    if [ -e "$out/devices.iso" ] && [ "$out/devices.iso" -nt "$here/deviceinit.c" ] &&
        [ "$out/devices.iso" -nt "$here/mkmedia.sh" ]; then return; fi
    echo "  devices.iso"
    i386_kernel || { echo "mkmedia.sh: error: package linux-image-686 could not be fetched" >&2; return 1; }
    mkdir -p "$tree"/{m,dev,proc,sys} "$cd"
    dpkg-deb -x "$(ls "$out"/debs/linux-image-*-686_*_i386.deb | tail -n 1)" "$k"
    version=$(ls "$k/lib/modules")
    depmod -b "$k" "$version"
    for m in snd-sb16 snd-ens1370 snd-intel8x0 snd-pcsp pcspkr evdev snd-opl3-synth parport_pc lp; do
        modprobe -d "$k" -S "$version" --show-depends "$m" | sed -n 's/^insmod \([^ ]*\).*/\1/p' |
            while read -r f; do cp "$f" "$tree/m/"; echo "/m/${f##*/}"; done >"$tree/m/$m.list"
    done
    gcc -m32 -O1 -static -s -o "$tree/init" "$here/deviceinit.c" -lm || return 1
    mknod "$tree/dev/console" c 5 1 2>/dev/null || true
    (cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -1n) >"$cd/initrd.img"
    cp "$k/boot/vmlinuz-$version" "$cd/vmlinuz"
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$cd/"
    cat >"$cd/isolinux.cfg" <<'END'
serial 0 115200
default d
label d
  kernel /vmlinuz
  append initrd=/initrd.img console=ttyS0,115200 quiet mitigations=off xen_emul_unplug=never panic=5
END
    xorriso -as mkisofs -quiet -o "$out/devices.iso.new" -V DEVICES -R -J -b isolinux.bin -c boot.cat \
        -no-emul-boot -boot-load-size 4 -boot-info-table "$cd" 2>"$work/log" ||
        { cat "$work/log" >&2; return 1; }
    mv "$out/devices.iso.new" "$out/devices.iso"
}

"$here/../../demo/mkiso.sh" "$demo"
take memtest.iso memtest86+ usr/lib/memtest86+/memtest86+x64.iso
take grub.iso grub-rescue-pc usr/lib/grub-rescue/grub-rescue-cdrom.iso
take ipxe.iso ipxe usr/lib/ipxe/ipxe.iso
i386_installer || failed=1
devices || failed=1
net_guest || failed=1
"$here/mkusb.sh" "$out" "$demo" || failed=1
dev_guest || failed=1
floppy_program || failed=1
"$here/mknic.sh" "$out" "$demo" || failed=1      # nic64.iso, nic32.iso, nic64/
exit $failed
