#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py - Guesthouse beside QEMU's TCG, on the same CD, disk and memory, one vCPU each, taking turns.

Each round powers a guest on, waits until the benchmarks in it (bench/guest.c) are through, and then
looks at the idle guest's processes from outside.  Only the ratios mean anything: the two alternate so
that both see the same host.  Needs qemu-system-x86_64 and, for the memory figures, root."""
import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import machines as pair
from machines import TOP, make_disk, prefer

MEMORY = 128                    # MiB
BOOT_LIMIT = 180                # seconds until the guest idles
IDLE_SECONDS = 20
TICK = os.sysconf('SC_CLK_TCK')


def read(path, mode='r'):
    try:
        with open(path, mode) as f:
            return f.read()
    except OSError:
        return b'' if 'b' in mode else ''


def wait_for(path, text, limit, alive):
    """Seconds since the start that text came, or an exception."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if text in read(path, 'rb'):
            return time.monotonic()
        if not alive():
            break
        time.sleep(0.005)
    raise RuntimeError(f'{text.decode()} did not come; the end of {path}:\n' + read(path)[-500:])


def cpu_ticks(pids):
    total = 0
    for pid in pids:
        fields = read(f'/proc/{pid}/stat').rpartition(')')[2].split()
        total += int(fields[11]) + int(fields[12]) if fields else 0
    return total


def memory(pids):
    """(PSS of all mappings, of those PSS of guest RAM, sum of RSS) in MiB, None when not allowed."""
    pss = ram = rss = 0
    for pid in pids:
        is_ram = False
        text = read(f'/proc/{pid}/smaps')
        if not text:
            return None
        for line in text.splitlines():
            words = line.split()
            if not words[0].endswith(':'):
                is_ram = 'memfd:guest-ram' in line or 'memfd:ram' in line
            elif words[0] == 'Size:' and int(words[1]) == MEMORY * 1024:
                is_ram = True           # QEMU's is anonymous
            elif words[0] == 'Rss:':
                rss += int(words[1])
            elif words[0] == 'Pss:':
                pss += int(words[1])
                ram += int(words[1]) if is_ram else 0
    return pss / 1024, ram / 1024, rss / 1024


class Guesthouse:
    name = 'guesthouse'

    def __init__(self, work, build, cpu):
        self.work, self.build, self.cpu = work, build, cpu
        self.env = dict(os.environ, GUESTHOUSE_DIR=os.path.join(work, 'gh'))
        self.config = os.path.join(work, 'bench.cfg')

    def xm(self, *args):
        run = subprocess.run([os.path.join(self.build, 'bin/xm'), *args], env=self.env,
                             capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f'xm {" ".join(args)}: {run.stderr}')
        return run.stdout

    def prepare(self):
        """xend runs already, as QEMU's shared libraries are in memory already."""
        self.xm('list')

    def start(self, serial, disk, iso, form):
        with open(self.config, 'w') as f:
            f.write(f"kernel='hvmloader'\nbuilder='hvm'\nname='bench'\nmemory={MEMORY}\nvcpus=1\n"
                    f"cpu='{self.cpu}'\nboot='d'\nvif=[]\nstdvga=1\nvnc=1\nserial='file:{serial}'\n"
                    f"on_crash='destroy'\non_reboot='destroy'\n"
                    f"disk=['{pair.our_disk(disk, form)}', 'file:{iso},hdc:cdrom,r']\n")
        self.xm('create', self.config)

    def pids(self):
        xend = read(os.path.join(self.work, 'gh/xend.pid')).strip()
        return pair.children(xend)

    def alive(self):
        return bool(self.pids())

    def stop(self):
        subprocess.run([os.path.join(self.build, 'bin/xm'), 'destroy', 'bench'], env=self.env,
                       capture_output=True)

    def finish(self):
        subprocess.run([os.path.join(self.build, 'bin/xend'), 'stop'], env=self.env,
                       capture_output=True)


class Qemu:
    name = 'qemu-tcg'
    machine = None

    def prepare(self):
        subprocess.run(['qemu-system-x86_64', '--version'], capture_output=True, check=True)

    def start(self, serial, disk, iso, form):
        self.machine = pair.Qemu(iso, MEMORY, '-vga', 'std', *pair.qemu_disk(disk, form), to=serial)

    def pids(self):
        return self.machine.pids()

    def alive(self):
        return self.machine.alive()

    def stop(self):
        if self.machine:
            self.machine.stop()
            self.machine = None

    def finish(self):
        pass


def one_round(machine, work, iso, args):
    serial, disk = os.path.join(work, 'serial.log'), os.path.join(work, 'disk.img')
    idle_seconds, nice = args.idle, args.nice
    values = {}
    if os.path.exists(serial):
        os.unlink(serial)
    make_disk(disk, args.format)
    begin = time.monotonic()
    try:
        machine.start(serial, disk, iso, args.format)
        if nice:
            prefer(machine.pids(), nice)
        init = wait_for(serial, b'BENCH-INIT', BOOT_LIMIT, machine.alive)
        values['power-on to init'] = (init - begin, 's', False)
        values['CPU time for it'] = (cpu_ticks(machine.pids()) / TICK, 's', False)
        wait_for(serial, b'BENCH-DISKS' if args.disks else b'BENCH-IDLE', BOOT_LIMIT, machine.alive)
        for line in read(serial).splitlines():
            words = line.split()
            if len(words) == 4 and words[0] == 'BENCH':
                values[words[1]] = (float(words[2]), words[3], words[3] in ('MiB/s', '/s'))
        if args.disks:
            return values
        time.sleep(3)
        pids = machine.pids()
        before, start = cpu_ticks(pids), time.monotonic()
        time.sleep(idle_seconds)
        used = (cpu_ticks(pids) - before) / TICK / (time.monotonic() - start)
        values['idle CPU'] = (used * 100, '%', False)
        m = memory(pids)
        if m:
            values['resident (PSS)'] = (m[0], 'MiB', False)
            values['of it not guest RAM'] = (m[0] - m[1], 'MiB', False)
    finally:
        machine.stop()
    return values


def report(machines, results):
    print(f'\n{time.strftime("%Y-%m-%d %H:%M")}, Linux {platform.release()}, {os.cpu_count()} CPUs, '
          f'load {os.getloadavg()[0]:.1f}; best of {len(results[machines[0].name])} rounds (median)\n')
    print('| | ' + ' | '.join(m.name for m in machines) + ' | Guesthouse takes |')
    print('|---|' + '---:|' * (len(machines) + 1))
    for key in results[machines[0].name][0]:
        cells, best = [], []
        for m in machines:
            seen = [r[key][0] for r in results[m.name] if key in r]
            if not seen:
                cells.append('-')
                continue
            unit, higher = next(r[key][1:] for r in results[m.name] if key in r)
            best.append(max(seen) if higher else min(seen))
            cells.append(f'{best[-1]:.2f} ({statistics.median(seen):.2f}) {unit}')
        ratio = ''
        if len(best) == 2 and min(best) > 0:
            ratio = f'{best[1] / best[0] if higher else best[0] / best[1]:.2f} x'
        print(f'| {key} | ' + ' | '.join(cells) + f' | {ratio} |')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-r', '--rounds', type=int, default=3)
    parser.add_argument('-b', '--build', default=os.path.join(TOP, 'build'), help='build directory')
    parser.add_argument('-c', '--cpu', default='soft', help="Guesthouse's cpu= [soft]")
    parser.add_argument('-i', '--idle', type=float, default=IDLE_SECONDS, help='seconds to idle [20]')
    parser.add_argument('-n', '--nice', type=int, default=0,
                        help='priority of both, when the host has other work too (root: -19)')
    parser.add_argument('-f', '--format', default='raw', choices=['raw', 'qcow2', 'vpc'],
                        help='of the disk image [raw]')
    parser.add_argument('--disks', action='store_true', help='only the disks')
    parser.add_argument('--no-qemu', action='store_true', help='only Guesthouse')
    parser.add_argument('-d', '--dir', default=os.path.join(TOP, 'build'),
                        help='where the disk image lies; not on a tmpfs [build]')
    args = parser.parse_args()
    iso_dir = os.path.join(args.build, 'bench')
    subprocess.run([os.path.join(TOP, 'bench/mkiso.sh'), iso_dir], check=True)
    with tempfile.TemporaryDirectory(prefix='bench.', dir=args.dir) as work:
        machines = [Guesthouse(work, os.path.abspath(args.build), args.cpu)]
        machines += [] if args.no_qemu else [Qemu()]
        results = {m.name: [] for m in machines}
        try:
            for m in machines:
                m.prepare()
            for n in range(args.rounds):
                for m in machines:
                    values = one_round(m, work, os.path.join(iso_dir, 'bench.iso'), args)
                    results[m.name].append(values)
                    print(f'round {n + 1}, {m.name}: init after {values["power-on to init"][0]:.2f} s',
                          file=sys.stderr)
        finally:
            for m in machines:
                m.finish()
        report(machines, results)


if __name__ == '__main__':
    main()
