#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""display.py [-r ROUNDS] [-w WHAT] [-n NICE] - the standard VGA with one VNC viewer, beside QEMU's under
TCG, alternately: lines that scroll on the kernel's text console, and frames of 1024x768 copied into the
linear frame buffer (build/media/display.iso, by tests/media/display/mkiso.sh ISO KERNEL_PACKAGE).  Times
are the guest's own; the viewer asks for every change and counts what it gets."""
import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import tty

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))
sys.path.insert(0, os.path.join(TOP, 'tests/system'))
sys.path.insert(0, os.path.join(TOP, 'bench'))
import harness  # noqa: E402
import rfb      # noqa: E402
from net import Wire  # noqa: E402
from run import prefer  # noqa: E402

ISO = os.path.join(harness.MEDIA, 'display.iso')
# What: the boot label, the command, how its time becomes a rate, the unit
WORK = {'scroll': ('text', 'fbpaint scroll 30000', 30000, 'lines/s'),
        'redraw': ('vesa24', 'fbpaint redraw 400', 400, 'frames/s')}


def children(parent):
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat') as f:
                if f.read().rpartition(')')[2].split()[1] == parent:
                    found.append(pid)
        except OSError:
            pass
    return found


class Guesthouse:
    name = 'guesthouse'

    def start(self):
        self.host = harness.Host('bench-display')
        self.domain = self.host.create('display', disk=[f'file:{ISO},hdc:cdrom,r'], boot='d', memory=256,
                                       stdvga=1, videoram=16, vncdisplay=61)
        return self.domain.serial, self.domain.display

    def pids(self):
        with open(os.path.join(self.host.home, 'xend.pid')) as f:
            xend = f.read().strip()
        return children(xend)

    def stop(self):
        self.host.stop()


class Qemu:
    name = 'qemu-tcg'

    def start(self):
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.serial = Wire(master, slave)    # open until QEMU has it, or the terminal hangs up
        port = harness.free_port()
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-machine', 'pc,accel=tcg', '-m', '256', '-nodefaults', '-vga', 'std',
             '-vnc', f'127.0.0.1:{port - 5900}', '-serial', os.ttyname(slave), '-boot', 'd',
             '-drive', f'file={ISO},if=ide,index=2,media=cdrom,format=raw,readonly=on'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self.serial, port

    def pids(self):
        return [str(self.process.pid)]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.serial.close()


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
        self.viewer.close()


def measure(machine, what, nice):
    """The rate, and the viewer's updates a second."""
    label, command, count, _ = WORK[what]
    serial, port = machine.start()
    serial.wait('boot:', 120)
    serial.type(label + '\n')
    serial.wait('display: ready', 400)
    serial.wait('# $', 60)
    if nice:
        prefer(machine.pids(), nice)
    watcher = Watcher(port)
    watcher.start()
    time.sleep(2)
    before, since = watcher.updates, time.monotonic()
    out = serial.command(command, 900)
    ms = float(re.search(r'([\d.]+) ms', out)[1])
    updates = (watcher.updates - before) / (time.monotonic() - since)
    watcher.close()
    return count * 1000 / ms, updates


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-r', '--rounds', type=int, default=3)
    parser.add_argument('-w', '--what', choices=list(WORK), action='append')
    parser.add_argument('-n', '--nice', type=int, default=0,
                        help='priority of both, when the host has other work too (root: -19)')
    args = parser.parse_args()
    harness.become_reaper()
    for what in args.what or WORK:
        results = {}
        for n in range(args.rounds):
            for machine in Guesthouse(), Qemu():
                try:
                    r = measure(machine, what, args.nice)
                finally:
                    machine.stop()
                results.setdefault(machine.name, []).append(r)
                print(f'{what} round {n + 1} {machine.name}: {r[0]:.1f} {WORK[what][3]}, {r[1]:.1f} updates/s, '
                      f'load {os.getloadavg()[0]:.1f}', flush=True)
        ours, peer = (statistics.median(r[0] for r in results[m]) for m in ('guesthouse', 'qemu-tcg'))
        print(f'| {what}, {WORK[what][3]} | {ours:.1f} | {peer:.1f} | {ours / peer:.2f} |', flush=True)


if __name__ == '__main__':
    main()
