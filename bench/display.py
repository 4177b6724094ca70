#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""display.py [-r ROUNDS] [-s SECONDS] [-c CARD] [-w WHAT] [-n NICE] - a graphics card with one VNC viewer,
beside QEMU's under TCG: lines that scroll on the kernel's text console, and frames of 1024x768 with the
card's most bits, copied into the linear frame buffer (build/media/display.iso, by
tests/media/display/mkiso.sh ISO KERNEL_PACKAGE).  Both guests run all the time and work in turns, each
for about the same time; the idle one waits for a key.  Times are the guest's own; the viewer asks for
every change as soon as it has the last, and counts what it gets."""
import argparse
import os
import re
import socket
import statistics
import threading
import time

from machines import Guesthouse, Qemu, harness, prefer
import rfb

ISO = os.path.join(harness.MEDIA, 'display.iso')
# fbpaint's word: how many at first, the unit
WORK = {'scroll': (2000, 'lines/s'), 'redraw': (20, 'frames/s')}
# A line of a GD5446's has at most 1FFh * 8 bytes: 1024 pixels have 24 bits there.
LABEL = {('stdvga', 'scroll'): 'text', ('stdvga', 'redraw'): 'vesa32',
         ('cirrus', 'scroll'): 'text', ('cirrus', 'redraw'): 'vesa24'}
BITS = {'stdvga': 32, 'cirrus': 24}


class Watcher(threading.Thread):
    """A viewer that is never idle."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.viewer, self.updates, self.ending = rfb.Viewer(port, timeout=600), 0, False

    def run(self):
        try:
            while not self.ending:
                self.viewer.request(True)
                self.viewer.update()
                self.updates += 1
        except (OSError, EOFError, ValueError, socket.timeout):
            pass

    def close(self):
        self.ending = True
        self.viewer.sock.shutdown(socket.SHUT_RDWR)
        self.join()
        self.viewer.close()


def boot(machine, card, what):
    machine.serial.wait('boot:', 60)
    machine.serial.type(LABEL[card, what] + '\n')
    machine.serial.wait('display: ready', 100)
    machine.serial.wait('# $', 60)
    if what == 'redraw':
        info = machine.serial.command('fbpaint info')
        if not info.startswith(f'1024 768 {BITS[card]} '):
            raise SystemExit(f'{machine.name}: the frame buffer is {info}')
    machine.count = WORK[what][0]


def measure(machine, what, seconds):
    """The rate, and the viewer's updates a second; the next time as many as take so long."""
    watcher = Watcher(machine.port)
    watcher.start()
    time.sleep(0.7)
    before, since = watcher.updates, time.monotonic()
    out = machine.serial.command(f'fbpaint {what} {machine.count}', 900)
    updates = (watcher.updates - before) / (time.monotonic() - since)
    watcher.close()
    rate = machine.count * 1000 / float(re.search(r'([\d.]+) ms', out)[1])
    machine.count = max(int(rate * seconds), 1)
    return rate, updates


def compare(card, what, args):
    results = {'guesthouse': [], 'qemu-tcg': []}
    machines = []
    try:
        machines.append(Guesthouse('bench-display', disk=[f'file:{ISO},hdc:cdrom,r'], boot='d', memory=256,
                                   stdvga=int(card == 'stdvga'), videoram=16 if card == 'stdvga' else 4,
                                   vncdisplay=61))
        boot(machines[0], card, what)
        machines.append(Qemu(ISO, 256, '-vga', 'std' if card == 'stdvga' else card, viewer=True))
        boot(machines[1], card, what)
        if args.nice:
            prefer([str(pid) for pid in [os.getpid(), *harness.descendants()]], args.nice)
        for n in range(args.rounds + 1):
            for m in machines:
                r = measure(m, what, args.seconds)
                if n:       # the first only says how many it takes
                    results[m.name].append(r)
                    print(f'{card} {what} round {n} {m.name}: {r[0]:.1f} {WORK[what][1]}, {r[1]:.1f} updates/s, '
                          f'load {os.getloadavg()[0]:.1f}', flush=True)
    finally:
        for m in machines:
            m.stop()
    (ours, our_updates), (peer, peer_updates) = (
        [statistics.median(r[i] for r in results[m.name]) for i in (0, 1)] for m in machines)
    print(f'| {card}, {what} | {ours:.1f} | {peer:.1f} | {ours / peer:.2f} | {our_updates:.1f} to '
          f'{peer_updates:.1f} |', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-r', '--rounds', type=int, default=5)
    parser.add_argument('-s', '--seconds', type=float, default=2, help='of work in each round [2]')
    parser.add_argument('-c', '--card', choices=['stdvga', 'cirrus'], action='append')
    parser.add_argument('-w', '--what', choices=list(WORK), action='append')
    parser.add_argument('-n', '--nice', type=int, default=0,
                        help='priority of both, when the host has other work too (root: -19)')
    args = parser.parse_args()
    harness.become_reaper()
    harness.end_orderly()
    print('| | guesthouse | qemu-tcg | ratio | updates a second |\n|---|---:|---:|---:|---|')
    for card in args.card or ['stdvga', 'cirrus']:
        for what in args.what or WORK:
            compare(card, what, args)


if __name__ == '__main__':
    main()
