#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""net.py [-r ROUNDS] [-s SECONDS] [CARD...] - throughput of the network cards to the host and back, beside
QEMU's same cards under TCG: one guest (build/media/nic64.iso), Debian's drivers, user-mode networking on
both, alternately.  CARD: 8139cp, 8139too, ne2k-pci.  QEMU's RTL8139 is a C+, which 8139too leaves to
8139cp: the guest's copy of the module has its look at the revision taken out.  And its receiver stops for
good once that driver's ring of 32 KiB is full, so that there, and only there, the TCP window is made smaller
than the ring.  Times are the guest's own.  How much goes over is found before the first round, for each of
them and each way, so that a transfer takes SECONDS whatever the card's rate is (QEMU's NE2000 takes 0.1 MiB/s
in).  "pause" is the longest time in which nothing went over."""
import argparse
import http.server
import itertools
import os
import re
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from machines import Guesthouse, Qemu, harness, prefer

CARDS = {'8139cp': ('model=rtl8139', 'rtl8139'), '8139too': ('model=rtl8139,cplus=0', 'rtl8139'),
         'ne2k-pci': ('model=ne2k_pci', 'ne2k_pci')}
BLOCK = bytes(1 << 16)          # what goes over is whole blocks
WAYS = 'in', 'out'
PROBE = 2                       # blocks
MOST = 1 << 14
# 8139too's "revision above 1fh" becomes "above ffh", which none is.
REVISION_CHECK = re.compile(rb'\x41\x80[\xf8-\xff]\x1f\x0f\x87|\x80[\xf8-\xff]\x1f\x0f\x87')
ISO = os.path.join(harness.MEDIA, 'nic64.iso')


class Peer:
    """The host's ends of the connections, and for how long at most nothing went over."""

    def __init__(self):
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                blocks = int(self.path[1:])
                self.send_response(200)
                self.send_header('Content-Length', str(blocks * len(BLOCK)))
                self.end_headers()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)    # or pauses are hidden
                peer.watch(lambda n: n < blocks and self.wfile.write(BLOCK))

            def log_message(self, *_):
                pass

        self.pause = 0
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        listener = socket.create_server(('127.0.0.1', 0))
        self.port = {'in': server.server_address[1], 'out': listener.getsockname()[1]}
        for target, args in (server.serve_forever, ()), (self.sink, (listener,)):
            threading.Thread(target=target, args=args, daemon=True).start()

    def watch(self, step):
        """Calls step(0), step(1), ... until it does nothing."""
        last, n = time.monotonic(), 0
        while step(n):
            now = time.monotonic()
            self.pause = max(self.pause, now - last)
            last, n = now, n + 1

    def sink(self, listener):
        while True:
            c, _ = listener.accept()
            self.watch(lambda _, c=c: c.recv(1 << 18))
            c.close()


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


def prepare(serial, card, name):
    serial.wait('NIC-READY', 240)
    serial.wait('# $', 60)
    for at, byte in revision_check(card):
        serial.command(f'cd /lib/modules/*; printf "\\{byte:o}" | dd of=$(find . -name {card}.ko) bs=1 seek={at} '
                       'conv=notrunc; cd /')
    serial.command(f'modprobe {card}; ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up')
    if card == '8139too' and name == Qemu.name:
        serial.command('echo 49152 49152 49152 > /proc/sys/net/ipv4/tcp_rmem')
    serial.command('ping -c 2 10.0.2.2', 60)


def transfer(serial, way, blocks, peer):
    """Seconds that so many blocks take into the guest or out of it."""
    if way == 'in':
        line = f'wget -q -O /dev/null http://10.0.2.2:{peer.port[way]}/{blocks}'
    else:
        line = f"sh -c 'dd if=/dev/zero bs=64k count={blocks} 2>/dev/null | nc 10.0.2.2 {peer.port[way]}'"
    peer.pause = 0
    minutes, seconds = re.search(r'real\s+(\d+)m\s*([\d.]+)s', serial.command(f'time {line}', 600)).groups()
    return int(minutes) * 60 + float(seconds)


def find_size(serial, way, seconds, peer):
    """Blocks that take about so long, and no fewer than the probe."""
    blocks = PROBE
    took = transfer(serial, way, blocks, peer)
    while took < seconds / 4 and blocks < MOST:
        blocks *= 4
        took = transfer(serial, way, blocks, peer)
    return min(max(int(blocks * seconds / max(took, 0.01)), PROBE), MOST)


def compare(card, args, peer):
    """Both guests run all the time, and work in turns."""
    machines, begin = [], time.monotonic()
    results = {(name, way): [] for name in (Guesthouse.name, Qemu.name) for way in WAYS}
    try:
        machines.append(Guesthouse('bench-net', disk=[f'file:{ISO},hdc:cdrom,r'], boot='d', memory=256,
                                   vif=[CARDS[card][0]], vncdisplay=60))
        machines.append(Qemu(ISO, 256, '-netdev', 'user,id=n', '-device', f'{CARDS[card][1]},netdev=n,romfile='))
        for m in machines:
            prepare(m.serial, card, m.name)
        if args.nice:
            prefer([str(pid) for pid in [os.getpid(), *harness.descendants()]], args.nice)
        size = {k: 0 for k in results}
        for n, way, m in itertools.product(range(args.rounds), args.way or WAYS, machines):
            k = m.name, way
            size[k] = size[k] or find_size(m.serial, way, args.seconds, peer)
            results[k].append(size[k] * len(BLOCK) / (1 << 20) / transfer(m.serial, way, size[k], peer))
            print(f'{time.monotonic() - begin:4.0f} s: {card} {way} round {n + 1} {m.name}: '
                  f'{results[k][-1]:.2f} MiB/s, pause {peer.pause * 1000:.0f} ms, '
                  f'load {os.getloadavg()[0]:.1f}', flush=True)
    finally:
        for m in machines:
            m.stop()
    for way in args.way or WAYS:
        ours, theirs = (results[m.name, way] for m in machines)
        print(f'| {card} {way} | {statistics.median(ours):.2f} | {statistics.median(theirs):.2f} | '
              f'{statistics.median(ours) / statistics.median(theirs):.2f} | best '
              f'{max(ours):.2f} | {max(theirs):.2f} | {max(ours) / max(theirs):.2f} |', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-r', '--rounds', type=int, default=3)
    parser.add_argument('-s', '--seconds', type=float, default=2, help='of each transfer [2]')
    parser.add_argument('-w', '--way', action='append', choices=WAYS, help='only this way')
    parser.add_argument('-n', '--nice', type=int, default=0,
                        help='priority of both, when the host has other work too (root: -19)')
    parser.add_argument('card', nargs='*', default=['8139cp', '8139too', 'ne2k-pci'])
    args = parser.parse_args()
    harness.become_reaper()
    harness.end_orderly()
    peer = Peer()
    for card in args.card:
        compare(card, args, peer)


if __name__ == '__main__':
    main()
