#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ports.py [-r ROUNDS] [-n NICE] [-c CPU] [-o ROW]... - what an access to a port or a memory-mapped register costs code
at ring 0, beside QEMU's TCG: one guest of our own (bench/ports/), both machines run all the time and
measure in turns.  Times are the guest's own.  -c: cpu= of ours (soft, interp, kvm).  -o: only rows with
this in their name."""
import argparse
import os
import re
import statistics
import subprocess
import tempfile

from machines import TOP, Guesthouse, Qemu, prefer


def rows(parts):
    """The bytes that ask for the rows with one of these in their names."""
    with open(os.path.join(TOP, 'bench/ports/guest.c')) as f:
        names = re.findall(r'\{ "(\w+)", \w+, \w+ \}', f.read())
    return [chr(32 + n) for n, name in enumerate(names) if any(p in name for p in parts)]


def measure(serial, wanted):
    """Nanoseconds by the name of the access."""
    start = serial.seen
    for byte in wanted:
        serial.type(byte)
        serial.wait('DONE', 120)
        serial.wait('READY', 10)
    return {m[1]: int(m[2]) / 100 for m in re.finditer(r'PORTS (\w+) (\d+)', serial.data[start:].decode())}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-r', '--rounds', type=int, default=3)
    parser.add_argument('-n', '--nice', type=int)
    parser.add_argument('-c', '--cpu', default='soft')
    parser.add_argument('-o', '--only', action='append')
    args = parser.parse_args()
    wanted = rows(args.only) if args.only else ['r']
    with tempfile.TemporaryDirectory() as folder:
        iso = os.path.join(folder, 'ports.iso')
        subprocess.run([os.path.join(TOP, 'bench/ports/mkiso.sh'), iso], check=True)
        machines = [Guesthouse('bench-ports', disk=[f'file:{iso},hdc:cdrom,r'], boot='d', cpu=args.cpu,
                               stdvga=1, hpet=1),
                    Qemu(iso, 128, '-vga', 'std')]
        results = {m.name: {} for m in machines}
        try:
            for machine in machines:
                machine.serial.wait('READY', 60)
                if args.nice is not None:
                    prefer(machine.pids(), args.nice)
            for _ in range(args.rounds):
                for machine in machines:
                    for name, took in measure(machine.serial, wanted).items():
                        results[machine.name].setdefault(name, []).append(took)
        finally:
            for machine in machines:
                machine.stop()
    ours, theirs = (results[m.name] for m in machines)
    print(f'| ns each, best of {args.rounds} rounds | guesthouse | qemu-tcg | speed of TCG\'s |')
    print('|---|---:|---:|---:|')
    for name in ours:
        if name in theirs:
            a, b = min(ours[name]), min(theirs[name])
            print(f'| {name} | {a:.0f} | {b:.0f} | {b / max(a, 0.1):.2f} |')
    ratio = statistics.geometric_mean(min(theirs[n]) / max(min(ours[n]), 0.1) for n in ours if n in theirs)
    print(f'\ngeometric mean {ratio:.2f}')


if __name__ == '__main__':
    main()
