#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""net.py [-r ROUNDS] [-m MIB] [CARD...] - throughput of the network cards to the host and back, beside
QEMU's same cards under TCG: one guest (build/media/nic64.iso), Debian's drivers, user-mode networking on
both, alternately.  CARD: 8139cp, 8139too, ne2k-pci.  QEMU's RTL8139 is a C+, which 8139too leaves to
8139cp: the guest's copy of the module has its look at the revision taken out.  Times are the guest's
own."""
import argparse
import http.server
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import tty

from run import prefer

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))
sys.path.insert(0, os.path.join(TOP, 'tests/system'))
import harness  # noqa: E402

CARDS = {'8139cp': ('model=rtl8139', 'rtl8139', 16), '8139too': ('model=rtl8139,cplus=0', 'rtl8139', 4),
         'ne2k-pci': ('model=ne2k_pci', 'ne2k_pci', 1)}
MIB = bytes(1 << 20)
# 8139too's "revision above 1fh" becomes "above ffh", which none is.
REVISION_CHECK = re.compile(rb'\x41\x80[\xf8-\xff]\x1f\x0f\x87|\x80[\xf8-\xff]\x1f\x0f\x87')
ISO = os.path.join(harness.MEDIA, 'nic64.iso')


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        size = int(self.path[1:])
        self.send_response(200)
        self.send_header('Content-Length', str(size))
        self.end_headers()
        for _ in range(size >> 20):
            self.wfile.write(MIB)

    def log_message(self, *_):
        pass


def sink(server):
    while True:
        try:
            c, _ = server.accept()
        except OSError:
            return
        while c.recv(1 << 18):
            pass
        c.close()


class Guesthouse:
    name = 'guesthouse'

    def start(self, card):
        self.host = harness.Host('bench-net')
        self.domain = self.host.create('net', disk=[f'file:{ISO},hdc:cdrom,r'], boot='d', memory=256,
                                       vif=[CARDS[card][0]], vncdisplay=60)
        return self.domain.serial

    def stop(self):
        self.host.stop()


class Wire(harness.Serial):
    """A terminal's master end that we hold already; held open, the other end never hangs up."""

    def __init__(self, fd, slave):
        self.fd, self.slave = fd, slave
        self.raw, self.data, self.seen, self.lock = bytearray(), b'', 0, threading.Lock()
        self.ending = False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def close(self):
        super().close()
        os.close(self.slave)


class Qemu:
    name = 'qemu-tcg'

    def start(self, card):
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.serial = Wire(master, slave)
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-machine', 'pc,accel=tcg', '-m', '256', '-nodefaults', '-display', 'none',
             '-serial', os.ttyname(slave), '-drive',
             f'file={ISO},if=ide,index=2,media=cdrom,format=raw,readonly=on,file.locking=off',
             '-boot', 'd', '-netdev', 'user,id=n', '-device', f'{CARDS[card][1]},netdev=n,romfile='],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return self.serial

    def stop(self):
        self.serial.close()
        self.process.kill()
        self.process.wait()


def revision_check(card):
    """(where, byte) to change in Debian's module: the 1fh of the comparison, and the mark of a signature."""
    if card != '8139too':
        return []
    initrd = os.path.join(harness.MEDIA, 'nic64/initrd.img')
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(f'zcat {initrd} | cpio -idm --quiet "*/8139too.ko"', shell=True, cwd=folder, check=True)
        path = subprocess.run(['find', folder, '-name', '8139too.ko'], capture_output=True, text=True,
                              check=True).stdout.strip()
        with open(path, 'rb') as f:
            module = f.read()
    found = list(REVISION_CHECK.finditer(module))
    if len(found) != 1:
        raise SystemExit('8139too is not compiled as expected: no comparison with the revision')
    return [(found[0].end() - 3, 0xff), (len(module) - 2, ord('x'))]


def prepare(serial, card):
    serial.wait('NIC-READY', 240)
    serial.wait('# $', 60)
    for at, byte in revision_check(card):
        serial.command(f'cd /lib/modules/*; printf "\\{byte:o}" | dd of=$(find . -name {card}.ko) bs=1 seek={at} '
                       'conv=notrunc; cd /')
    serial.command(f'modprobe {card}; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up')
    serial.command('ping -c 2 10.0.2.2', 60)


def measure(serial, mib, ports):
    """MiB/s into the guest and out of it."""
    rates = []
    for mib, line in (
            (mib, f'time wget -q -O /dev/null http://10.0.2.2:{ports[0]}/{mib << 20}'),
            (mib // 4, f"time sh -c 'dd if=/dev/zero bs=64k count={mib * 4} 2>/dev/null | nc 10.0.2.2 {ports[1]}'")):
        out = serial.command(line, 600)
        minutes, seconds = re.search(r'real\s+(\d+)m\s*([\d.]+)s', out).groups()
        rates.append(mib / (int(minutes) * 60 + float(seconds)))
    return rates


def compare(card, args, ports):
    """Both guests run all the time, and work in turns."""
    machines = [Guesthouse(), Qemu()]
    results = {m.name: [] for m in machines}
    started = []
    try:
        for m in machines:
            started.append(m)
            m.serial = m.start(card)
        for m in machines:
            prepare(m.serial, card)
        if args.nice:
            prefer([str(pid) for pid in [os.getpid(), *harness.descendants()]], args.nice)
        for n in range(args.rounds):
            for m in machines:
                r = measure(m.serial, args.mib * CARDS[card][2], ports)
                results[m.name].append(r)
                print(f'{card} round {n + 1} {m.name}: in {r[0]:.2f}, out {r[1]:.2f} MiB/s, '
                      f'load {os.getloadavg()[0]:.1f}', flush=True)
    finally:
        for m in started:
            m.stop()
    for i, way in enumerate(('in', 'out')):
        ours = statistics.median(r[i] for r in results['guesthouse'])
        peer = statistics.median(r[i] for r in results['qemu-tcg'])
        print(f'| {card} {way} | {ours:.2f} | {peer:.2f} | {ours / peer:.2f} |', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-r', '--rounds', type=int, default=3)
    parser.add_argument('-m', '--mib', type=int, default=8,
                        help='into the guest, times the card\'s own factor; a quarter of it out [8]')
    parser.add_argument('-n', '--nice', type=int, default=0,
                        help='priority of both, when the host has other work too (root: -19)')
    parser.add_argument('card', nargs='*', default=['8139cp', '8139too', 'ne2k-pci'])
    args = parser.parse_args()
    harness.become_reaper()
    harness.end_orderly()
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    listener = socket.create_server(('127.0.0.1', 0))
    threading.Thread(target=sink, args=(listener,), daemon=True).start()
    for card in args.card:
        compare(card, args, (server.server_address[1], listener.getsockname()[1]))


if __name__ == '__main__':
    main()
