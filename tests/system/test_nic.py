# SPDX-License-Identifier: GPL-2.0-or-later
"""The network cards under Debian's own drivers: both directions under load, data compared."""
import hashlib
import http.server
import os
import random
import shutil
import socket
import threading

from harness import Case, MEDIA, free_port, need

DATA = random.Random(8139).randbytes(6 << 20)
DIGEST = hashlib.md5(DATA).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, *_):
        pass


class Sink:
    """Takes one connection and digests what comes."""

    def __init__(self):
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.digest, self.length = hashlib.md5(), 0
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self):
        c, _ = self.socket.accept()
        while True:
            part = c.recv(65536)
            if not part:
                break
            self.digest.update(part)
            self.length += len(part)
        c.close()

    def result(self, seconds):
        self.thread.join(seconds)
        self.socket.close()
        return self.digest.hexdigest()


class Card:
    """One card, one driver: what the scenarios below have in common."""
    vif, driver, options, iso, memory, display = None, None, '', 'nic64.iso', 128, 180
    extra, seconds, host_port = {}, 200, None

    counters = ['rx_errors', 'tx_errors', 'rx_crc_errors', 'rx_over_errors', 'tx_carrier_errors']

    @classmethod
    def prepare(cls):
        path = need(os.path.join(MEDIA, cls.iso))
        cls.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.server.shutdown)
        cls.host_port = free_port()
        cls.domain = cls.host.create(
            'nic', disk=[f'file:{path},hdc:cdrom,r'], boot='d', memory=cls.memory,
            vif=[f'{cls.vif}, hostfwd=tcp:127.0.0.1:{cls.host_port}-:7'], vncdisplay=cls.display,
            **cls.extra)

    def shell(self, line, seconds=30):
        return self.domain.serial.command(line, seconds)

    def test_1_driver_finds_the_card(self):
        self.domain.serial.wait(r'NIC-READY', 120)
        self.domain.serial.wait(r'# $', 20)
        self.assertIn('0', self.shell(f'modprobe {self.driver} {self.options}; echo $?'))
        self.assertIn('00:16:3e', self.shell('ip link show eth0'))
        self.shell('ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; '
                   'ip route add default via 10.0.2.2')
        self.assertIn(' 0% packet loss', self.shell('ping -c 3 10.0.2.2', 40))

    def download(self, seconds=120):
        return self.shell(f'wget -q -O - http://10.0.2.2:{self.server.server_address[1]}/x | md5sum',
                          seconds)

    def test_2_download_is_complete(self):
        self.assertIn(DIGEST, self.download())

    def test_3_upload_is_complete_with_a_download_at_the_same_time(self):
        self.shell(f'wget -q -O /tmp/x http://10.0.2.2:{self.server.server_address[1]}/x', 120)
        sink = Sink()
        self.shell(f'(nc 10.0.2.2 {sink.port} </tmp/x >/dev/null; echo sent) >/tmp/sent 2>&1 &')
        self.assertIn(DIGEST, self.download())
        self.assertEqual(sink.result(120), DIGEST, f'{sink.length} bytes')

    def test_4_a_port_of_the_host_leads_into_the_guest(self):
        self.shell('nc -l -p 7 </proc/version >/tmp/in &')
        self.shell('until grep -q ":0007 .* 0A " /proc/net/tcp*; do sleep 1; done')     # it listens
        with socket.create_connection(('127.0.0.1', self.host_port), 20) as s:
            s.sendall(b'hello guest\n')
            self.assertIn(b'Linux version', s.recv(100))
        self.assertIn('hello guest', self.shell('sleep 1; cat /tmp/in'))

    def test_5_no_errors_are_counted(self):
        for name in self.counters:
            self.assertEqual(self.shell(f'cat /sys/class/net/eth0/statistics/{name}').strip(), '0', name)
        self.assertNotIn('nobody cared', self.shell('dmesg'))


class Rtl8139C(Card, Case):
    vif, driver, display = 'model=rtl8139,cplus=0', '8139too', 180


class Rtl8139Cplus(Card, Case):
    vif, driver, display = 'model=rtl8139', '8139cp', 190


class Ne2kPci(Card, Case):
    vif, driver, display = 'model=ne2k_pci', 'ne2k-pci', 200


class Ne2kIsa(Card, Case):
    vif, driver, options = 'model=ne2k_isa,irq=5', 'ne', 'io=0x300 irq=5'
    iso, memory, display = 'nic32.iso', 256, 210

    def test_6_acpi_says_where_it_is(self):
        self.assertIn('0300-031f : PNP80D6:00', self.shell('grep PNP80 /proc/ioports'))
        status = self.shell('cd /sys/bus/acpi/devices; cat PNP80D6:0*/status')
        self.assertEqual(status.split(), ['15'] + ['0'] * 7)


class NetworkBoot(Case):
    """From iPXE in the card's ROM by DHCP and TFTP to PXELINUX and a kernel."""
    seconds, test_seconds = 400, 270

    @classmethod
    def prepare(cls):
        source = need(os.path.join(MEDIA, 'nic64/pxelinux.0'), 'pxelinux')
        cls.folder = cls.host.path('tftp')
        shutil.copytree(os.path.dirname(source), cls.folder)
        os.mkdir(os.path.join(cls.folder, 'pxelinux.cfg'))
        with open(os.path.join(cls.folder, 'pxelinux.cfg/default'), 'w') as f:
            f.write('default n\nlabel n\n kernel vmlinuz\n'
                    ' append initrd=initrd.img console=ttyS0,115200 quiet\n')

    def boot(self, name, **keys):
        d = self.host.create(name, boot='n', vif=['type=ioemu'], tftp=self.folder, bootfile='pxelinux.0',
                             vncdisplay=220, **keys)
        self.addCleanup(d.close)
        return d

    def cards(self, domain):
        domain.serial.wait('# $', 20)
        return domain.serial.command('cat /sys/bus/pci/devices/*/vendor').split()

    def test_pxelinux_from_a_tftp_folder_loads_a_kernel(self):
        d = self.boot('pxe')
        d.wait_screen(r'iPXE|PXELINUX|Loading', 60)
        d.serial.wait('NIC-READY', 200)
        vendors = self.cards(d)
        self.assertIn('0x10ec', vendors)
        self.assertNotIn('0x5853', vendors)
        self.host.good('destroy', 'pxe')

    def test_a_kernel_that_finds_the_platform_device_unplugs_the_card(self):
        d = self.boot('unplug', xen_platform_pci=1)
        d.serial.wait('NIC-READY', 200)
        vendors = self.cards(d)
        self.assertIn('0x5853', vendors)
        self.assertNotIn('0x10ec', vendors)
        self.assertIn('unplug mask', self.host.log('qemu-dm-unplug.log'))
