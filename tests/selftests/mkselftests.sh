#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mkselftests.sh OUTDIR DEMODIR MEDIADIR - the CDs that run.py boots: Debian's amd64 and i386 kernels, each
# with programs of its source (package linux-source-6.1, tools/testing/selftests) that test what a processor
# does to a system, its test modules, and stress-ng with the libraries it needs.
#   self64.iso   64- and 32-bit programs, stress-ng        self32.iso   the 32-bit programs
# Both have a shell on ttyS0.  The kernels' packages are in DEMODIR/debs and MEDIADIR/debs, or are fetched.
# What is there already is not made again.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../media/lib.sh"
[ $# = 3 ] || { sed -n 's/^# \{0,1\}//;3,8p' "$0" >&2; exit 2; }
start_work "$1" && mkdir -p "$2" "$3" || exit 2
demo=$(cd "$2" && pwd) debs=$(mkdir -p "$3/debs" && cd "$3/debs" && pwd)
tarball=/usr/src/linux-source-6.1.tar.xz
source=$work/linux-source-6.1
tests=$source/tools/testing/selftests
for c in xorriso cpio depmod busybox gcc stress-ng setsid; do
    command -v $c >/dev/null || { complain "$c is missing"; exit 2; }
done
[ -e "$tarball" ] || { complain "$tarball is missing (package linux-source-6.1)"; exit 2; }
echo 'int main(void) { return 0; }' | gcc -m32 -x c -o "$work/empty32" - 2>/dev/null ||
    { complain "gcc -m32 does not work (package gcc-multilib)"; exit 2; }

# program BITS TREE FOLDER NAME [SOURCE... [FLAG...]]: TREE/t/NAME_BITS of FOLDER/NAME.c and of what else is named.
program() {
    local bits=$1 tree=$2 folder=$3 name=$4; shift 4
    (cd "$tests/$folder" && gcc "-m$bits" -O2 -g -w -std=gnu99 -D_GNU_SOURCE -pthread -I. -I"$tests" -I../include \
        -o "$tree/t/${name}_$bits" "$name.c" "$@" -lrt -ldl -lm) ||
        complain "$folder/$name does not compile for $bits bits"
}
programs() { # BITS TREE
    local b=$1 t=$2 p
    mkdir -p "$t/t"
    make -k -C "$tests/x86" OUTPUT="$t/t" "all_$b" >"$work/log" 2>&1 ||
        { grep -E 'error|\*\*\*' "$work/log" >&2; complain "the programs of x86/ do not compile"; return 1; }
    program "$b" "$t" breakpoints breakpoint_test -O0 && program "$b" "$t" sigaltstack sas || return 1
    for p in gettimeofday getcpu abi; do program "$b" "$t" vDSO vdso_test_$p parse_vdso.c || return 1; done
    for p in clock_getres correctness; do program "$b" "$t" vDSO vdso_test_$p || return 1; done
    for p in basic_test param_test; do
        program "$b" "$t" rseq $p rseq.c -I"$source/tools/include" && mv "$t/t/${p}_$b" "$t/t/rseq_${p}_$b" || return 1
    done
    for p in membarrier_test_single_thread membarrier_test_multi_thread; do
        program "$b" "$t" membarrier $p || return 1
    done
    for p in get_syscall_info peeksiginfo; do program "$b" "$t" ptrace $p || return 1; done
    program "$b" "$t" syscall_user_dispatch sud_test -include linux/sysinfo.h || return 1
    for p in posix_timers nanosleep inconsistency-check threadtest; do
        program "$b" "$t" timers $p || return 1
    done
    for p in wait_timeout wait_wouldblock requeue_pi requeue_pi_signal_restart requeue_pi_mismatched_ops \
        wait_uninitialized_heap wait_private_mapped_file wait requeue; do
        program "$b" "$t" futex/functional futex_$p || return 1
    done
    for p in mremap_test mremap_dontunmap map_fixed_noreplace map_populate mlock2-tests; do
        program "$b" "$t" vm $p || return 1
    done
    for p in madv_populate soft-dirty userfaultfd; do program "$b" "$t" vm $p vm_util.c || return 1; done
    [ "$b" = 32 ] || program "$b" "$t" vm split_huge_page_test vm_util.c || return 1
    strip "$t"/t/* 2>/dev/null || true
}

# libraries TREE FILE...: those that these programs name.
libraries() {
    local tree=$1 file f; shift
    for file; do
        ldd "$file" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^\t\(\/[^ ]*\) .*/\1/p'
    done | sort -u | while read -r f; do
        [ -e "$tree$f" ] || install -D -m755 "$f" "$tree$f" || return 1
    done
}

# busybox32 TARGET
busybox32() {
    local deb
    ls "$debs"/busybox-static_*_i386.deb >/dev/null 2>&1 ||
        (cd "$debs" && { apt_i386 apt-get download busybox-static 2>/dev/null ||
            { apt_i386 apt-get update; apt_i386 apt-get download busybox-static; }; }) ||
        complain "busybox-static for i386 could not be fetched" || return 1
    deb=$(ls "$debs"/busybox-static_*_i386.deb | tail -n 1)
    dpkg-deb -x "$deb" "$work/busybox32" && install -m755 "$work/busybox32/bin/busybox" "$1"
}

# guest NAME KERNEL_DEB BITS...
guest() {
    local name=$1 deb=$2 tree=$work/$1 cd=$work/$1.cd b m; shift 2
    [ "$out/$name.iso" -nt "$here/mkselftests.sh" ] && [ "$out/$name.iso" -nt "$here/guest-init" ] && return
    echo "  $name.iso"
    [ -d "$source" ] || tar -C "$work" -xf "$tarball" "linux-source-6.1/tools/testing/selftests" \
        linux-source-6.1/tools/include linux-source-6.1/arch/x86/include/asm || return 1
    rm -rf "$work/kernel"
    kernel "$deb" && busybox_tree "$tree" && mkdir -p "$tree/etc" "$tree/root" "$cd" || return 1
    [ "$1" = 64 ] || busybox32 "$tree/bin/busybox" || return 1
    for b; do programs "$b" "$tree" || return 1; done
    libraries "$tree" "$tree"/t/* || return 1
    for b; do       # what pthread_exit() loads by its name
        install -D -m755 "$(gcc "-m$b" -print-file-name=libgcc_s.so.1)" "$tree/lib${b#64}/libgcc_s.so.1" || return 1
    done
    if [ "$1" = 64 ]; then
        install -m755 "$(command -v stress-ng)" "$tree/bin/" && libraries "$tree" "$(command -v stress-ng)" || return 1
    fi
    modules "$tree" test_bpf test_user_copy test_static_keys || return 1
    install -m755 "$here/guest-init" "$tree/init"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd"
    echo 'root:x:0:' >"$tree/etc/group"
    pack "$tree" >"$cd/initrd.img"
    cp "$work/kernel/boot/vmlinuz-$version" "$cd/vmlinuz" &&
        isolinux "$cd" 'quiet panic=5 xen_emul_unplug=never' && write_iso "$out/$name.iso" SELF "$cd"
}

ls "$demo"/debs/linux-image-[0-9]*.deb >/dev/null 2>&1 ||
    { mkdir -p "$demo/debs"; name=$(apt-cache depends linux-image-amd64 |
        sed -n 's/.*Depends: *\(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
      (cd "$demo/debs" && apt-get download -qq "$name"); }
guest self64 "$(ls "$demo"/debs/linux-image-[0-9]*.deb | tail -n 1)" 64 32 || exit 1
ls "$debs"/linux-image-*-686_*_i386.deb >/dev/null 2>&1 ||
    { apt_i386 apt-get update; name=$(apt_i386 apt-cache depends linux-image-686 |
        sed -n 's/.*Depends: *\(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
      (cd "$debs" && apt_i386 apt-get download "$name"); }
guest self32 "$(ls "$debs"/linux-image-*-686_*_i386.deb | tail -n 1)" 32
