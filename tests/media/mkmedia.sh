#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mkmedia.sh OUTDIR DEMODIR - makes what the system tests boot, out of Debian's packages:
#   DEMODIR/install.iso   the demonstration's installer (demo/mkiso.sh)
#   memtest.iso           memtest86+          grub.iso    GRUB's rescue CD
#   ipxe.iso              iPXE                i386.iso    Debian's i386 installer kernel, on ttyS0
#   devices.iso           Debian's i386 kernel with deviceinit.c, which drives sound, serial, parallel
#   floppy.bin            a real-mode program that uses INT 13h (floppy.S)
#   debuggee.bin          a boot sector in three modes for gdb (debuggee.S); its labels: debuggee.sym
#   marks64.iso, marks32.iso  Debian's kernels with marks.c as init; its labels: marks64.sym, marks32.sym
#   video.bin             another, that draws in BIOS and VBE modes (video.S)
#   net.iso, dev.iso      Debian's kernel, drivers of networks or of other devices, a shell on ttyS0
#   fb.iso                Debian's kernel in a VESA mode, with DRM drivers in /drm, mouse and key events
#   ide.iso               Debian's kernel and eject, hdparm, smartctl, blkdiscard for IDE drives
#   usb.iso               Debian's USB drivers and a shell (mkusb.sh)
#   cpus64.iso, cpus32.iso  Debian's kernels with cpus.c as init, which tells of processors and their counters
#   memtest32.iso         memtest86+ for 32-bit processors
#   points.iso            Debian's kernel with points.c as init, a debugger and what it debugs
# Packages are fetched once, into OUTDIR/debs.  What is there already is not made again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
[ $# = 2 ] || { sed -n 's/^# \{0,1\}//;3,7p' "$0" >&2; exit 2; }
start_work "$1"
mkdir -p "$2"; demo=$(cd "$2" && pwd)
failed=0

take() { # OUTPUT PACKAGE PATH
    [ -e "$out/$1" ] && return
    echo "  $1"
    package "$2" && cp "$work/$2/$3" "$out/$1.new" && mv "$out/$1.new" "$out/$1" ||
        { echo "mkmedia.sh: error: $1 could not be made from package $2" >&2; failed=1; }
}
i386_installer() {
    local name=debian-installer-12-netboot-i386 di cd=$work/i386.cd
    [ -e "$out/i386.iso" ] && return
    echo "  i386.iso"
    package $name || return 1
    di=$work/$name/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386
    mkdir "$cd"
    cp "$di/linux" "$cd/vmlinuz" && cp "$di/initrd.gz" "$cd/initrd.img" &&
        isolinux "$cd" 'TERM=vt102' && write_iso "$out/i386.iso" I386 "$cd"
}

# guest NAME TITLE MODULES COMMAND_LINE: the demonstration's kernel with the drivers of MODULES, loaded
# in this order, and a shell on ttyS0.  What stands at standard input runs before the shell.
guest() {
    local name=$1 title=$2 list=$3 line=$4 m
    local cd=$work/$name.cd root=$work/$name.root
    [ -e "$out/$name.iso" ] && return
    echo "  $name.iso"
    demo_kernel "$demo" && busybox_tree "$root" || return 1
    mkdir -p "$cd" "$root/lib/modules"
    module_files $list | while read -r m; do
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
    pack "$root" >"$cd/initrd.img"
    cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz" && isolinux "$cd" "quiet panic=5 $line" &&
        write_iso "$out/$name.iso" "$title" "$cd"
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

# The drivers of IDE drives with the programs that know them, each with the libraries it needs.
ide_guest() {
    local root=$work/ide.root program
    [ -e "$out/ide.iso" ] && return
    package eject && package hdparm && package smartmontools || return 1
    mkdir -p "$root/bin" "$root/lib64" "$root/lib/x86_64-linux-gnu"
    for program in "$work/eject/usr/bin/eject" "$work/hdparm/sbin/hdparm" \
            "$work/smartmontools/usr/sbin/smartctl" "$(command -v blkdiscard)"; do
        cp "$program" "$root/bin/"
        ldd "$program" | grep -o '/lib[^ ]*' | while read -r lib; do cp -Lu "$lib" "$root$lib"; done
    done
    guest ide IDE 'ata_piix sd_mod sr_mod isofs sg button' xen_emul_unplug=never </dev/null
}

# vesafb from the start; the DRM drivers wait in /drm until somebody loads them.
fb_guest() {
    local root=$work/fb.root m f
    [ -e "$out/fb.iso" ] && return
    demo_kernel "$demo" || return 1
    for m in cirrus bochs; do
        mkdir -p "$root/drm"
        module_files $m | while read -r f; do cp "$f" "$root/drm/" && echo "/drm/${f##*/}" >>"$root/drm/$m"; done
    done
    guest fb FB 'psmouse evdev' 'xen_emul_unplug=never vga=0x317' </dev/null
}

# A program of some sectors that boots from a floppy.
floppy_program() { # NAME
    [ "$out/$1.bin" -nt "$here/$1.S" ] && [ "$out/$1.bin" -nt "$here/serial.inc" ] && return
    echo "  $1.bin"
    gcc -m32 -c -o "$work/$1.o" "$here/$1.S" &&
        ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$out/$1.bin" "$work/$1.o"
}

# A boot sector for gdb, and where its labels are.
debuggee() {
    [ "$out/debuggee.sym" -nt "$here/debuggee.S" ] && return
    echo "  debuggee.bin"
    gcc -m32 -c -o "$work/debuggee.o" "$here/debuggee.S" &&
        ld -m elf_i386 -Ttext 0x7c00 -o "$work/debuggee.elf" "$work/debuggee.o" &&
        objcopy -O binary -j .text "$work/debuggee.elf" "$out/debuggee.bin" &&
        nm "$work/debuggee.elf" >"$out/debuggee.sym"
}

# Debian's i386 kernel alone has the ISA sound cards' drivers.
i386_kernel() {
    local name
    ls "$out"/debs/linux-image-*-686_*_i386.deb >/dev/null 2>&1 && return
    apt_i386 apt-get update
    name=$(apt_i386 apt-cache depends linux-image-686 |
        sed -n 's/.*Depends: *\(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
    (cd "$out/debs" && apt_i386 apt-get download "$name")
}
devices() ( # a shell of its own: its kernel is another one
    work=$work/devices tree=$work/devices/tree cd=$work/devices/cd
    if [ -e "$out/devices.iso" ] && [ "$out/devices.iso" -nt "$here/deviceinit.c" ] &&
        [ "$out/devices.iso" -nt "$here/mkmedia.sh" ]; then return; fi
    echo "  devices.iso"
    i386_kernel || complain "package linux-image-686 could not be fetched" || return 1
    mkdir -p "$tree"/{m,dev,proc,sys} "$cd"
    kernel "$(ls "$out"/debs/linux-image-*-686_*_i386.deb | tail -n 1)" || return 1
    for m in snd-sb16 snd-ens1370 snd-intel8x0 snd-pcsp pcspkr evdev snd-opl3-synth parport_pc lp; do
        module_files "$m" | while read -r f; do cp "$f" "$tree/m/"; echo "/m/${f##*/}"; done >"$tree/m/$m.list"
    done
    gcc -m32 -O1 -static -s -o "$tree/init" "$here/deviceinit.c" -lm || return 1
    mknod "$tree/dev/console" c 5 1 2>/dev/null || true
    pack "$tree" >"$cd/initrd.img"
    cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz" &&
        isolinux "$cd" 'quiet mitigations=off xen_emul_unplug=never panic=5' &&
        write_iso "$out/devices.iso" DEVICES "$cd"
)
# A kernel that comes out the same each time, and a program whose outcome depends on the processor alone.
marks() ( # BITS KERNEL_DEB
    work=$work/marks$1 tree=$work/marks$1/tree cd=$work/marks$1/cd
    [ "$out/marks$1.iso" -nt "$here/marks.c" ] && [ "$out/marks$1.sym" -nt "$here/marks.c" ] && return
    echo "  marks$1.iso"
    mkdir -p "$tree/dev" "$cd"
    kernel "$2" || return 1
    gcc "-m$1" -O2 -fno-pie -no-pie -static -nostdlib -ffreestanding -fno-stack-protector -fcf-protection=none \
        -o "$tree/init" "$here/marks.c" -lgcc && nm "$tree/init" >"$out/marks$1.sym" || return 1
    mknod "$tree/dev/console" c 5 1 2>/dev/null || true
    pack "$tree" >"$cd/initrd.img"
    cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz" &&
        isolinux "$cd" 'quiet nokaslr norandmaps tsc=reliable mitigations=off xen_emul_unplug=never panic=5' &&
        write_iso "$out/marks$1.iso" MARKS "$cd"
)
points() ( # a program that another one puts breakpoints of the processor's into
    work=$work/points tree=$work/points/tree cd=$work/points/cd
    [ "$out/points.iso" -nt "$here/points.c" ] && return
    echo "  points.iso"
    mkdir -p "$tree/dev" "$cd"
    demo_kernel "$demo" && gcc -O1 -fno-pie -no-pie -static -s -o "$tree/init" "$here/points.c" || return 1
    mknod "$tree/dev/console" c 5 1 2>/dev/null || true
    pack "$tree" >"$cd/initrd.img"
    cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz" &&
        isolinux "$cd" 'quiet mitigations=off xen_emul_unplug=never panic=5' &&
        write_iso "$out/points.iso" POINTS "$cd"
)

# Says what it finds of its processors, and has all of them work.
cpus() ( # BITS KERNEL_DEB FLAGS...
    work=$work/cpus$1 name=cpus$1.iso tree=$work/cpus$1/tree cd=$work/cpus$1/cd
    [ "$out/$name" -nt "$here/cpus.c" ] && return
    echo "  $name"
    mkdir -p "$tree"/{dev,proc,sys} "$cd"
    kernel "$2" && gcc "-m$1" "${@:3}" -O2 -static -pthread -s -o "$tree/init" "$here/cpus.c" || return 1
    mknod "$tree/dev/console" c 5 1 2>/dev/null || true
    pack "$tree" >"$cd/initrd.img"
    cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz" &&
        isolinux "$cd" 'quiet mitigations=off xen_emul_unplug=never panic=5' &&
        write_iso "$out/$name" CPUS "$cd"
)
# memtest86+ for 32-bit processors; GRUB, by which the package's own CD boots, needs a Pentium.
memtest32() {
    local cd=$work/memtest32
    [ -e "$out/memtest32.iso" ] && return
    echo "  memtest32.iso"
    package memtest86+ && mkdir -p "$cd" && cp "$work/memtest86+/boot/memtest86+ia32.bin" "$cd/vmlinuz" || return 1
    printf 'default m\nlabel m\n  linux /vmlinuz\n  append console=ttyS0,115200\n' >"$cd/isolinux.cfg"
    write_iso "$out/memtest32.iso" MEMTEST "$cd"
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
ide_guest || failed=1
fb_guest || failed=1
floppy_program floppy && floppy_program video || failed=1
debuggee || failed=1
marks 64 "$(ls "$demo"/debs/linux-image-[0-9]*.deb 2>/dev/null | tail -n 1)" || failed=1
i386_kernel && marks 32 "$(ls "$out"/debs/linux-image-*-686_*_i386.deb | tail -n 1)" || failed=1
points || failed=1
cpus 64 "$(ls "$demo"/debs/linux-image-[0-9]*.deb 2>/dev/null | tail -n 1)" || failed=1
i386_kernel && cpus 32 "$(ls "$out"/debs/linux-image-*-686_*_i386.deb | tail -n 1)" -march=i686 || failed=1
memtest32 || failed=1
"$here/mknic.sh" "$out" "$demo" || failed=1      # nic64.iso, nic32.iso, nic64/
exit $failed
