#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py [--run GUEST,ENGINE,VCPUS,PATTERN]... [--seconds N] [--list] [PATTERN...] - runs the kernel's own
selftests and stress-ng in guests (mkselftests.sh) and compares their status with what is expected (programs.py).

GUEST is self64 or self32; ENGINE one of cpu='s or tcg, QEMU's, as a peer.  Without --run all of RUNS.  PATTERN
is a regular expression that a name begins with.  --seconds is how long each of stress-ng's runs.  The last line is
"N passed, N failed, N skipped"; the exit status is 0 if nothing failed.  Everything that was said is in
build/check/selftests/GUEST-ENGINE-VCPUS.log."""
import argparse
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../system'))
import harness  # noqa: E402
from programs import EXPECTED, TIMED, table  # noqa: E402

ISO = os.path.join(harness.BUILD, 'selftests')
PROGRAMS = r'.*_(64|32)$'
RUNS = [('self64', 'soft', 1, PROGRAMS + '|module|compute|system|cpu'), ('self64', 'soft', 2, 'shared|cpu'),
        ('self32', 'soft', 1, PROGRAMS), ('self64', 'interp', 2, PROGRAMS)]
SLOW = {'interp': 4, 'tcg': 2}      # how much longer than translated
MEMORY = 512            # MiB, and more for each processor
SKIP = 4                # the status by which the programs say that they can't be run here
LOGS = os.path.join(harness.BUILD, 'check/selftests')


class Ours:
    def __init__(self, iso, engine, vcpus, memory, name):
        self.host = harness.Host(f'selftests-{name}')
        try:
            self.serial = self.host.create(
                'self', disk=[f'file:{iso},hdc:cdrom,r'], boot='d', cpu=engine, vcpus=vcpus, memory=memory,
                on_crash='preserve', on_reboot='destroy').serial
        except BaseException:
            self.host.stop()
            raise

    def alive(self):
        row = self.host.listed().get('self')
        return bool(row) and 'c' not in row['state']

    def stop(self):
        left = self.host.stop()
        if left:
            print('left running: ' + ', '.join(left))


class Qemu:
    def __init__(self, iso, engine, vcpus, memory, name):
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-machine', f'pc,accel={engine}', '-cpu', 'max', '-m', str(memory), '-smp',
             str(vcpus), '-nodefaults', '-display', 'none', '-serial', 'pty', '-boot', 'd', '-no-reboot', '-drive',
             f'file={iso},if=ide,index=2,media=cdrom,format=raw,readonly=on,file.locking=off'],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.serial = harness.Serial(re.search(r'/dev/pts/\d+', self.process.stdout.readline())[0])

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        self.serial.close()
        self.process.kill()
        self.process.wait()


class Guest:
    """A machine that is booted again when it hangs or dies."""

    def __init__(self, guest, engine, vcpus):
        self.engine, self.vcpus, self.machine = engine, vcpus, None
        self.iso = harness.need(os.path.join(ISO, guest + '.iso'))
        self.name = f'{guest}-{engine}-{vcpus}'
        os.makedirs(LOGS, exist_ok=True)
        self.log = open(os.path.join(LOGS, self.name + '.log'), 'w', buffering=1)

    def boot(self):
        kind = Qemu if self.engine == 'tcg' else Ours
        self.machine = kind(self.iso, self.engine, self.vcpus, MEMORY + 64 * self.vcpus, self.name)
        self.machine.serial.wait('SELF GUEST READY', 300)
        self.machine.serial.wait('# $', 30)

    def run(self, seconds, command):
        """What the command said, and its status; None if the guest had to be given up."""
        if not self.machine:
            self.boot()
        serial, seconds = self.machine.serial, seconds * SLOW.get(self.engine, 1)
        start = len(serial.data)
        serial.type(f't {seconds} {command}\n')
        end = time.monotonic() + (seconds + 20) * harness.PATIENCE
        while time.monotonic() < end:
            text = serial.data[start:].decode('utf-8', 'replace').replace('\r', '')
            m = re.search(r'\nSTATUS (\d+)\n.*# $', text, re.S)
            if m:
                return text.split('\n', 1)[1][:-2], int(m[1])
            if not self.machine.alive():
                break
            time.sleep(0.05)
        text = serial.data[start:].decode('utf-8', 'replace').replace('\r', '')
        self.stop()
        return text, None

    def stop(self):
        if self.machine:
            self.machine.stop()
            self.machine = None


def judge(name, text, status):
    """passed, failed or skipped; and why"""
    wanted = EXPECTED.get(name)
    trouble = re.search(r'^KERNEL: (.*)', text, re.M)
    if status is None:
        return 'failed', 'the guest hangs or has died'
    if trouble:
        return 'failed', 'the kernel: ' + trouble[1]
    if wanted and status == wanted[0]:
        return 'skipped', wanted[1]
    if status == SKIP:
        return 'skipped', text.strip().split('\n')[0]
    if status == 0 and re.search(r'^\[FAIL\]|^not ok|unexpected signal', text, re.M):
        return 'failed', 'says so'
    return ('passed', '') if status == 0 else ('failed', f'status {status}')


def run(guest, tests, count):
    try:
        for name, seconds, command in tests:
            since = time.monotonic()
            for _ in range(3):
                text, status = guest.run(seconds, command)
                if status == 0 or not re.fullmatch(TIMED, name):
                    break
            verdict, why = judge(name, text, status)
            count[verdict] += 1
            guest.log.write(f'==== {name}: {verdict} {why} ({time.monotonic() - since:.1f} s)\n{text}\n')
            if verdict != 'passed':
                print(f'{verdict}: {guest.name}: {name}: {why}', flush=True)
    finally:
        guest.stop()


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('--run', action='append', default=[])
    p.add_argument('--seconds', type=int, default=1)
    p.add_argument('--list', action='store_true')
    p.add_argument('patterns', nargs='*')
    args = p.parse_args()
    runs = [(f + ['.*'])[:4] for f in (x.split(',', 3) for x in args.run)] or RUNS
    harness.become_reaper()
    harness.end_orderly()
    count = {'passed': 0, 'failed': 0, 'skipped': 0}
    for guest, engine, vcpus, pattern in runs:
        tests = [t for t in table(guest, int(vcpus), args.seconds)
                 if re.match(pattern, t[0]) and (not args.patterns or any(re.match(x, t[0]) for x in args.patterns))]
        if args.list:
            print('\n'.join(f'{guest} {engine} {vcpus} {t[0]}' for t in tests))
        elif tests:
            print(f'== {guest}, {engine}, {vcpus} processors: {len(tests)} tests', flush=True)
            run(Guest(guest, engine, int(vcpus)), tests, count)
    if not args.list:
        print('{passed} passed, {failed} failed, {skipped} skipped'.format(**count))
    return 1 if count['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
