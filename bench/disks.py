#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""disks.py [-r ROUNDS] [-n NICE] [-f FORMAT]... [-w WHAT]... - the IDE disk and CD beside QEMU's TCG, as
bench/run.py --disks has them, but both guests (bench/guest.c) run all the time and work in turns, ten tries
a turn: medians and how far they scatter, where run.py tells the best.  Times are the guest's own."""
import argparse
import os
import re
import statistics
import subprocess
import tempfile

import machines as pair
from machines import TOP, Guesthouse, Qemu, harness, make_disk, prefer

WHAT = {'read': '/dev/sda', 'write': '/dev/sda', 'read4k': '/dev/sda', 'write4k': '/dev/sda',
        'sync4k': '/dev/sda', 'cd': '/dev/sr0'}


def tries(serial, what):
    """MiB/s, or requests a second."""
    start = serial.seen
    serial.type(f'{what} {WHAT[what]}\n')
    serial.wait('BENCH-READY', 120)
    text = serial.data[start:serial.seen].decode()
    return [float(f) for f in re.search(r'TRIES \S+ ([\d. ]+)', text)[1].split()]


def compare(form, iso, work, args):
    disks = [os.path.join(work, f'{name}.{form}') for name in ('ours', 'qemu')]
    for disk in disks:
        make_disk(disk, form)
    running, results = [], {}
    try:
        running.append(Guesthouse('bench-disks', boot='d', stdvga=1,
                                  disk=[pair.our_disk(disks[0], form), f'file:{iso},hdc:cdrom,r']))
        running.append(Qemu(iso, 128, '-vga', 'std', *pair.qemu_disk(disks[1], form)))
        if args.nice:
            prefer([str(pid) for pid in [os.getpid(), *harness.descendants()]], args.nice)
        for m in running:
            m.serial.wait('BENCH-IDLE', 180)
        if args.nice:
            prefer([str(pid) for pid in harness.descendants()], args.nice)
        for n in range(args.rounds):
            for what in args.what or WHAT:
                for m in running if n % 2 == 0 else reversed(running):
                    results.setdefault((what, m.name), []).append(tries(m.serial, what))
    finally:
        for m in running:
            m.stop()
    for what in args.what or WHAT:
        cells, middle = [], []
        for m in running:
            rounds = results[what, m.name]
            every = sorted(v for r in rounds for v in r)
            tenth = len(every) // 10
            middle.append(statistics.median(every))
            cells.append(f'{middle[-1]:.0f} ({every[tenth]:.0f} to {every[-1 - tenth]:.0f})')
            if args.verbose:
                print(what, m.name, ' '.join(f'{statistics.median(r):.0f}' for r in rounds))
        print(f'| {form} {what} | {cells[0]} | {cells[1]} | {middle[0] / middle[1]:.2f} |', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-r', '--rounds', type=int, default=5)
    parser.add_argument('-n', '--nice', type=int, default=0,
                        help='priority of both, when the host has other work too (root: -19)')
    parser.add_argument('-f', '--format', action='append', choices=['raw', 'qcow2', 'vpc'])
    parser.add_argument('-w', '--what', action='append', choices=list(WHAT))
    parser.add_argument('-v', '--verbose', action='store_true', help="each round's median")
    args = parser.parse_args()
    harness.become_reaper()
    harness.end_orderly()
    folder = os.path.join(TOP, 'build/bench')
    subprocess.run([os.path.join(TOP, 'bench/mkiso.sh'), folder], check=True)
    print('| median (tenth to nine tenths of the tries) | guesthouse | qemu-tcg | ratio |\n|---|---:|---:|---:|',
          flush=True)
    with tempfile.TemporaryDirectory(prefix='bench.', dir=os.path.join(TOP, 'build')) as work:
        for form in args.format or ['raw', 'qcow2', 'vpc']:
            compare(form, os.path.join(folder, 'bench.iso'), work, args)


if __name__ == '__main__':
    main()
