#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ports.py [-r ROUNDS] [-n NICE] [-c CPU] - what an access to a port or a memory-mapped register costs code
at ring 0, beside QEMU's TCG: one guest of our own (bench/ports/), both machines run all the time and
measure in turns.  Times are the guest's own.  -c: cpu= of ours (soft, interp, kvm)."""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import tty

from net import Wire
from run import prefer

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))
sys.path.insert(0, os.path.join(TOP, 'tests/system'))
import harness  # noqa: E402


class Guesthouse:
    name = 'guesthouse'

    def __init__(self, iso, cpu):
        self.host = harness.Host('bench-ports')
        self.domain = self.host.create('ports', disk=[f'file:{iso},hdc:cdrom,r'], boot='d', memory=128,
                                       cpu=cpu, stdvga=1, hpet=1, vncunused=1)
        self.serial = self.domain.serial

    def pids(self):
        with open(os.path.join(self.host.home, 'xend.pid')) as f:
            return subprocess.run(['pgrep', '-P', f.read().strip()], capture_output=True,
                                  text=True, check=False).stdout.split()

    def stop(self):
        self.host.stop()


class Qemu:
    name = 'qemu-tcg'

    def __init__(self, iso):
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.serial = Wire(master, slave)
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-machine', 'pc,accel=tcg', '-m', '128', '-nodefaults', '-display', 'none',
             '-vga', 'std', '-serial', os.ttyname(slave), '-boot', 'd',
             '-drive', f'file={iso},if=ide,index=2,media=cdrom,format=raw,readonly=on,file.locking=off'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def pids(self):
        return [str(self.process.pid)]

    def stop(self):
        self.serial.close()
        self.process.kill()
        self.process.wait()


def measure(serial):
    """Nanoseconds by the name of the access."""
    start = serial.seen
    serial.type('r')
    serial.wait('DONE', 120)
    serial.wait('READY', 10)
    return {m[1]: int(m[2]) / 100 for m in re.finditer(r'PORTS (\w+) (\d+)', serial.data[start:].decode())}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-r', '--rounds', type=int, default=3)
    parser.add_argument('-n', '--nice', type=int)
    parser.add_argument('-c', '--cpu', default='soft')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        iso = os.path.join(folder, 'ports.iso')
        subprocess.run([os.path.join(TOP, 'bench/ports/mkiso.sh'), iso], check=True)
        machines = [Guesthouse(iso, args.cpu), Qemu(iso)]
        results = {m.name: {} for m in machines}
        try:
            for machine in machines:
                machine.serial.wait('READY', 60)
                if args.nice is not None:
                    prefer(machine.pids(), args.nice)
            for _ in range(args.rounds):
                for machine in machines:
                    for name, took in measure(machine.serial).items():
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
