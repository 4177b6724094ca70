# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks: each way in which a vif can be connected, in network namespaces made here, with data
compared.  All but the private segment need root."""
import ctypes
import hashlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import unittest

from harness import BIN, Case, INSTALLED, MEDIA, TOP, descendants, need, run, wait_for

NET_ISO = os.path.join(MEDIA, 'net.iso')
DNSMASQ = shutil.which('dnsmasq', path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
HAS_NFT = any(os.path.exists(d + '/nft') for d in ('/usr/sbin', '/sbin', '/usr/bin'))


class Namespace:
    """A network of its own, with a name for `ip netns exec`."""
    count = 0

    def __init__(self):
        Namespace.count += 1
        self.name = f'gh{os.getpid()}n{Namespace.count}'
        subprocess.run(['ip', 'netns', 'add', self.name], check=True)
        self.prefix = ['ip', 'netns', 'exec', self.name]
        self('ip link set lo up')

    def __call__(self, line, check=True):
        r = run(*self.prefix, *line.split())
        if check and r.status != 0:
            raise AssertionError(f'{line}: {r}')
        return r.out

    def socket(self, kind=socket.SOCK_STREAM):
        """Made by a thread that enters the namespace and ends."""
        made = []

        def make():
            with open(f'/run/netns/{self.name}') as f:
                if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0x40000000) == 0:
                    made.append(socket.socket(socket.AF_INET, kind))
        t = threading.Thread(target=make)
        t.start()
        t.join()
        return made[0]

    def close(self):
        run('ip', 'netns', 'del', self.name)


class Server(threading.Thread):
    """One TCP connection: sends data, or takes all; .got, .peer and .seconds tell of it."""

    def __init__(self, ns, send=None):
        super().__init__(daemon=True)
        self.sock, self.send_data, self.got, self.peer = ns.socket(), send, b'', None
        self.sock.bind(('0.0.0.0', 0))
        self.sock.listen()
        self.sock.settimeout(120)
        self.port = self.sock.getsockname()[1]
        self.start()

    def run(self):
        try:
            c, self.peer = self.sock.accept()
            if self.send_data is not None:
                c.sendall(self.send_data)
                c.shutdown(socket.SHUT_WR)
            parts = []
            while part := c.recv(65536):
                parts.append(part)
            self.got = b''.join(parts)
            c.close()
        except OSError:
            pass
        self.sock.close()


def ip(address):
    return f'ip addr flush dev eth0; ip addr add {address} dev eth0; ip link set eth0 up'


class NetCase(Case):
    seconds = 400
    weight = 2
    settings = None             # xend-config.sxp
    namespaces = []

    @classmethod
    def prepare(cls):
        need(NET_ISO)
        if os.geteuid() != 0:
            raise unittest.SkipTest('needs root')
        if not os.path.exists('/dev/net/tun'):
            raise unittest.SkipTest('/dev/net/tun is missing')
        try:
            cls.ns = Namespace()
        except (OSError, subprocess.CalledProcessError) as e:
            raise unittest.SkipTest(f'no network namespaces: {e}')
        cls.namespaces = [cls.ns]
        cls.host.prefix = cls.ns.prefix
        if cls.settings:
            os.makedirs(cls.host.home, exist_ok=True)
            with open(os.path.join(cls.host.home, 'xend-config.sxp'), 'w') as f:
                f.write(cls.settings)
        cls.guests = {}
        cls.networks()

    @classmethod
    def networks(cls):
        pass

    @classmethod
    def finish(cls):
        try:
            super().finish()
        finally:
            for n in cls.namespaces:
                n.close()

    @classmethod
    def outside(cls):
        """A second namespace, reached over the interface wan: 10.9.0.1 here, 10.9.0.2 there."""
        cls.out = Namespace()
        cls.namespaces.append(cls.out)
        cls.ns('ip link add wan type veth peer name lan')
        cls.ns(f'ip link set lan netns {cls.out.name}')
        cls.ns('ip addr add 10.9.0.1/24 dev wan')
        cls.ns('ip link set wan up')
        cls.ns('ip route add default via 10.9.0.2')
        cls.out('ip addr add 10.9.0.2/24 dev lan')
        cls.out('ip link set lan up')

    @classmethod
    def boot(cls, name, vif, address=None, **keys):
        """A guest with a shell; it stays until the scenario ends."""
        d = cls.host.create(name, disk=[f'file:{NET_ISO},hdc:cdrom,r'], vif=vif, boot='d', memory=112,
                            on_crash='destroy', on_reboot='destroy', **keys)
        cls.guests[name] = d
        d.serial.wait('NET GUEST READY', 90)
        d.serial.wait('# $', 30)
        if address:
            d.serial.command(ip(address))
        return d

    def ping(self, d, address, options=''):
        return ' 0% packet loss' in d.serial.command(f'ping -c 2 -w 4 {options} {address}', 30)

    def ping_from(self, ns, address):
        return ' 0% packet loss' in ns(f'busybox ping -c 2 -w 4 {address}', check=False)

    def fetch(self, d, ns, address, size=2 << 20):
        data = os.urandom(size)
        server = Server(ns, data)
        text = d.serial.command(f'nc {address} {server.port} </dev/null | md5sum', 120)
        self.assertIn(hashlib.md5(data).hexdigest(), text)
        return server

    def deliver(self, d, ns, address, kib=1024):
        server = Server(ns)
        d.serial.command(f'dd if=/dev/urandom of=/tmp/data bs=1k count={kib} 2>/dev/null', 60)
        text = d.serial.command(f'md5sum </tmp/data; nc {address} {server.port} </tmp/data', 120)
        server.join(60)
        self.assertIn(hashlib.md5(server.got).hexdigest(), text)
        self.assertEqual(len(server.got), kib << 10)
        return server

    def interfaces(self):
        return re.findall(r'(?m)^\d+: ([^:@]+)', self.ns('ip -o link'))


class Bridged(NetCase):
    @classmethod
    def networks(cls):
        cls.ns('ip link add xenbr0 type bridge')
        cls.ns('ip addr add 192.168.77.1/24 dev xenbr0')
        cls.ns('ip link set xenbr0 up')
        cls.boot('one', ['bridge=xenbr0, rate=8Mb/s@20ms'], '192.168.77.2/24')
        guarded = ', ip=192.168.77.3' if HAS_NFT else ''
        cls.boot('two', ['bridge=xenbr0, mac=00:16:3e:00:00:22' + guarded], '192.168.77.3/24')

    def test_tap_is_a_port_of_the_bridge(self):
        one = self.guests['one']
        self.assertIn(f'vif{one.id}.0', self.ns('bridge link'))
        self.assertRegex(self.ns('bridge link'), rf'vif{one.id}\.0: .* master xenbr0')
        self.assertRegex(self.ns(f'ip link show vif{one.id}.0'), 'fe:ff:ff:ff:ff:ff')
        self.assertIn('00:16:3e:00:00:22', self.host.good('network-list', 'two'))
        self.assertIn('(bridge xenbr0)', self.host.good('network-list', 'two', '--long'))

    def test_host_and_guest_reach_each_other(self):
        self.assertTrue(self.ping(self.guests['one'], '192.168.77.1'))
        self.assertTrue(self.ping_from(self.ns, '192.168.77.2'))
        self.fetch(self.guests['one'], self.ns, '192.168.77.1', 6 << 20)
        self.deliver(self.guests['two'], self.ns, '192.168.77.1')

    def test_guest_to_guest(self):
        one, two = self.guests['one'], self.guests['two']
        one.serial.command('dd if=/dev/urandom of=/tmp/g bs=1k count=512 2>/dev/null; '
                           'httpd -p 4000 -h /tmp')
        text = two.serial.command('wget -q -O - http://192.168.77.2:4000/g | md5sum', 60)
        self.assertIn(one.serial.command('md5sum </tmp/g').split()[0], text)

    def test_rate_limits_what_the_guest_sends(self):
        server = Server(self.ns)
        self.guests['one'].serial.command(
            f'dd if=/dev/zero bs=1k count=2048 2>/dev/null | nc 192.168.77.1 {server.port}', 120)
        server.join(60)
        text = self.guests['one'].serial.command(
            'cat /proc/uptime; dd if=/dev/zero bs=1k count=2048 2>/dev/null | '
            f'nc 192.168.77.1 {Server(self.ns).port}; cat /proc/uptime', 120)
        times = [float(t) for t in re.findall(r'(?m)^(\d+\.\d+) ', text)]
        self.assertEqual(len(server.got), 2 << 20)
        self.assertGreater(times[-1] - times[0], 1.8)   # 2 MiB at 1 MB/s

    @unittest.skipUnless(HAS_NFT, 'the package nftables is missing')
    def test_guest_with_ip_can_not_send_from_other_addresses(self):
        two = self.guests['two']
        self.assertTrue(self.ping(two, '192.168.77.1'))
        two.serial.command('ip addr add 192.168.77.99/24 dev eth0')
        self.assertFalse(self.ping(two, '192.168.77.1', '-I 192.168.77.99'))
        two.serial.command('ip addr del 192.168.77.99/24 dev eth0')
        self.assertTrue(self.ping(two, '192.168.77.1'))

    def test_vif_dump_captures_both_directions(self):
        path = self.host.path('two.pcap')
        self.host.good('vif-dump', 'two', '0', path)
        self.assertTrue(self.ping(self.guests['two'], '192.168.77.1'))
        self.host.good('vif-dump', 'two', '0', '--stop')
        with open(path, 'rb') as f:
            data = f.read()
        self.assertEqual(struct.unpack_from('<IHH', data), (0xa1b23c4d, 2, 4))
        at, kinds = 24, []
        while at < len(data):
            stored, length = struct.unpack_from('<II', data, at + 8)
            frame = data[at + 16:at + 16 + stored]
            self.assertEqual((stored, len(frame)), (length, length))
            if frame[12:14] == b'\x08\x00' and frame[23] == 1:
                kinds.append(frame[34])
            at += 16 + stored
        self.assertGreaterEqual(kinds.count(8), 2)      # echo requests
        self.assertGreaterEqual(kinds.count(0), 2)      # and replies
        self.assertEqual(self.host.xm('vif-dump', 'two', '7', path).status, 1)

    def test_detach_unplugs_and_attach_plugs_in_again(self):
        two = self.guests['two']
        self.host.good('network-detach', 'two', '0')
        self.assertEqual(two.serial.command('cat /sys/class/net/eth0/carrier').strip(), '0')
        wait_for('the end of the tap', 5, lambda: f'vif{two.id}.0' not in self.interfaces())
        r = self.host.xm('network-attach', 'two', 'bridge=nosuch', 'script=vif-bridge')
        self.assertEqual(r.status, 1)
        self.assertIn('there is no bridge nosuch', r.err)
        self.host.good('network-attach', 'two', 'bridge=xenbr0')
        wait_for('the carrier', 10,
                 lambda: two.serial.command('cat /sys/class/net/eth0/carrier').strip() == '1', 0.5)
        self.assertTrue(self.ping(two, '192.168.77.1'))
        self.assertEqual(self.host.xm('network-attach', 'two', 'bridge=xenbr0').status, 1)

    def test_interface_deleted_under_the_guest_costs_its_link_only(self):
        one = self.guests['one']
        self.ns(f'ip link del vif{one.id}.0')
        wait_for('the loss of the carrier', 10,
                 lambda: one.serial.command('cat /sys/class/net/eth0/carrier').strip() == '0', 0.5)
        self.host.good('network-detach', 'one', '0')
        self.host.good('network-attach', 'one', 'bridge=xenbr0')
        wait_for('the carrier', 10,
                 lambda: one.serial.command('cat /sys/class/net/eth0/carrier').strip() == '1', 0.5)
        self.assertTrue(self.ping(one, '192.168.77.1'))

    def test_destroy_removes_the_tap(self):
        two = self.guests['two']
        self.host.good('destroy', 'two')
        self.assertNotIn(f'vif{two.id}.0', self.interfaces())
        if HAS_NFT:
            self.assertNotIn('gh-vif', self.ns('nft list tables'))

    def test_missing_bridge_is_a_note_and_user_mode(self):
        d = self.host.create('three', vif=['bridge=xenbr7'], disk=[])
        self.addCleanup(d.close)
        self.assertIn('user-mode networking (no bridge xenbr7)', d.output)
        self.host.good('destroy', 'three')

    def test_killed_xend_leaves_nothing_that_the_next_does_not_remove(self):
        vif = ['bridge=xenbr0' + (', ip=192.168.77.9' if HAS_NFT else '')]
        d = self.host.create('killed', vif=vif, disk=[])
        self.addCleanup(d.close)
        self.assertIn(f'vif{d.id}.0', self.interfaces())
        os.kill(self.host.processes('xend')[0], signal.SIGKILL)
        wait_for('the end of the taps', 10,
                 lambda: not [i for i in self.interfaces() if i.startswith('vif')])
        self.assertNotIn('killed', self.host.listed())      # starts another xend
        if HAS_NFT:
            self.assertNotIn('gh-vif', self.ns('nft list tables'))


@unittest.skipUnless(HAS_NFT, 'the package nftables is missing')
class Masqueraded(NetCase):
    settings = ("(network-script 'network-bridge netdev=none bridge=xenbr1 "
                "address=192.168.55.1/24 masquerade=yes')\n")

    @classmethod
    def networks(cls):
        cls.outside()
        d = cls.boot('inner', ['bridge=xenbr1'], '192.168.55.2/24')
        d.serial.command('ip route add default via 192.168.55.1')

    def test_guest_reaches_the_outside_under_the_hosts_address(self):
        inner = self.guests['inner']
        self.assertTrue(self.ping(inner, '10.9.0.2'))
        self.assertEqual(self.fetch(inner, self.out, '10.9.0.2').peer[0], '10.9.0.1')
        self.assertFalse(self.ping_from(self.out, '192.168.55.2'))

    def test_stop_of_xend_removes_the_bridge(self):
        self.host.good('destroy', 'inner')
        run(*self.host.prefix, os.path.join(BIN, 'xend'), 'stop', env=self.host.env, timeout=40)
        self.assertNotIn('xenbr1', self.interfaces())
        self.assertNotIn('gh-nat', self.ns('nft list tables'))


def readme(pattern):
    """What the manual tells its readers to write."""
    with open(os.path.join(TOP, 'README.md')) as f:
        return re.search(pattern, f.read())[1]


@unittest.skipUnless(HAS_NFT, 'the package nftables is missing')
@unittest.skipUnless(DNSMASQ, 'the package dnsmasq-base is missing')
class OwnSubnetWithDhcp(NetCase):
    """Example 2 of README's networks and its line for dnsmasq, to the letter; only what dnsmasq would keep
    elsewhere on the host is redirected.  One guest asks for its address at its start, one when told to."""
    seconds = 240
    needs_installed = True

    @classmethod
    def networks(cls):
        cls.outside()
        os.makedirs(cls.host.home, exist_ok=True)
        settings = readme(r"(?m)^(\(network-script 'network-bridge netdev=none .*\))$")
        cls.router = re.search(r'address=([\d.]+)/24', settings)[1]
        cls.subnet = cls.router.rpartition('.')[0] + '.'
        with open(os.path.join(cls.host.home, 'xend-config.sxp'), 'w') as f:
            f.write(settings + '\n')
        cls.serve()                     # there is no bridge yet: the first command makes it
        disk = cls.host.image('disk.img', copy_of=INSTALLED)
        cls.installed = cls.host.create('installed', disk=[f'file:{disk},hda,w'], vif=['bridge=xenbr1'])
        cls.tool = cls.boot('tool', ['bridge=xenbr1'])
        cls.tool.serial.command("printf '#!/bin/sh\\n[ -n \"$ip\" ] && echo LEASE $ip/$mask $router $dns && "
                                "ip addr replace $ip/$mask dev $interface && "
                                "ip route replace default via $router\\nexit 0\\n' >/tmp/lease; "
                                'chmod 755 /tmp/lease; ip link set eth0 up')
        cls.installed.login(120)

    @classmethod
    def serve(cls):
        """The one on the bridge, which asks the one outside for names."""
        command = readme(r'(?m)^(dnsmasq --interface=xenbr1 .*)$').split()
        command[0] = DNSMASQ
        cls.server = cls.start(cls.ns, command, 'inner', '--server=10.9.0.2')
        cls.names = cls.start(cls.out, [DNSMASQ, '--listen-address=10.9.0.2', '--bind-interfaces'], 'outer',
                              '--address=/far.example/10.9.0.2')

    @classmethod
    def start(cls, ns, command, name, *options):
        path = cls.host.path(name)
        p = subprocess.Popen([*ns.prefix, *command, '--keep-in-foreground', '--conf-file=/dev/null', '--user=root',
                              '--no-resolv', '--no-hosts', f'--pid-file={path}.pid', '--log-dhcp',
                              f'--dhcp-leasefile={path}.leases', f'--log-facility={path}.log', *options])
        cls.addClassCleanup(p.wait)
        cls.addClassCleanup(p.terminate)
        wait_for(f'dnsmasq {name}', 10, lambda: os.path.exists(path + '.pid') or p.poll() is not None)
        if p.poll() is not None:
            raise AssertionError(f'dnsmasq {name}: status {p.returncode}')
        return p

    def ask(self):
        """One lease: (address, router, name server)"""
        text = self.tool.serial.command('udhcpc -i eth0 -n -q -t 5 -T 2 -s /tmp/lease', 40)
        m = re.search(r'LEASE (\S+) (\S+) (\S+)', text)
        self.assertIsNotNone(m, text)
        return m.groups()

    def assertInRange(self, address):
        self.assertTrue(address.startswith(self.subnet), address)
        self.assertIn(int(address.rpartition('.')[2].partition('/')[0]), range(50, 201))

    def test_installed_system_has_an_address_a_route_and_a_name_server(self):
        text = self.installed.serial.command('ip -4 addr show dev eth0; ip route; cat /etc/resolv.conf')
        self.assertInRange(re.search(r'inet (\S+/24) ', text)[1])
        self.assertIn(f'default via {self.router} ', text)
        self.assertIn(f'nameserver {self.router}', text)

    def test_installed_system_reaches_the_outside_by_name(self):
        self.assertTrue(self.ping(self.installed, '10.9.0.2'))
        self.assertIn('10.9.0.2', self.installed.serial.command('nslookup far.example'))
        server = self.fetch(self.installed, self.out, 'far.example')
        self.assertEqual(server.peer[0], '10.9.0.1')
        self.assertEqual(self.deliver(self.installed, self.out, '10.9.0.2', 256).peer[0], '10.9.0.1')

    def test_other_guest_gets_another_address_and_reaches_the_first(self):
        address, router, name_server = self.ask()
        self.assertInRange(address)
        self.assertEqual((router, name_server), (self.router, self.router))
        text = self.installed.serial.command('ip -4 addr show dev eth0')
        first = re.search(r'inet ([\d.]+)/24', text)[1]
        self.assertNotEqual(address, first + '/24')
        self.assertTrue(self.ping(self.tool, first))
        self.assertTrue(self.ping(self.tool, '10.9.0.2'))
        self.assertFalse(self.ping_from(self.out, first))

    def test_lease_belongs_to_the_cards_address(self):
        again = self.ask()[0]
        self.assertEqual(self.ask()[0], again)
        with open(self.host.path('inner.leases')) as f:
            leases = f.read()
        mac = self.tool.serial.command('cat /sys/class/net/eth0/address').strip()
        self.assertRegex(leases, rf'{mac} {re.escape(again.partition("/")[0])} ')

    def test_server_survives_another_start_of_xend(self):
        for d in (self.installed, self.tool):
            self.host.good('destroy', d.name)
        run(*self.host.prefix, os.path.join(BIN, 'xend'), 'stop', env=self.host.env, timeout=40)
        self.assertNotIn('xenbr1', self.interfaces())
        self.assertIsNone(self.server.poll())
        self.host.good('list')
        self.assertIn('xenbr1', self.interfaces())
        d = self.host.create('again', disk=[f'file:{self.host.path("disk.img")},hda,w'], vif=['bridge=xenbr1'])
        d.login(120)
        self.assertInRange(re.search(r'inet (\S+/24) ', d.serial.command('ip -4 addr show dev eth0'))[1])


@unittest.skipUnless(HAS_NFT, 'the package nftables is missing')
class Natted(NetCase):
    settings = "# NAT\n(network-script 'network-nat netdev=wan')\n(vif-script vif-nat)\n"

    @classmethod
    def networks(cls):
        cls.outside()
        d = cls.boot('nat', ['ip=10.0.0.5'], '10.0.0.5/24')
        d.serial.command('ip route add default via 10.0.0.132')

    def test_guest_is_told_its_gateway(self):
        self.assertIn('the guest is 10.0.0.5, its gateway 10.0.0.132', self.guests['nat'].output)

    def test_guest_reaches_the_outside_under_the_hosts_address(self):
        nat = self.guests['nat']
        self.assertTrue(self.ping(nat, '10.0.0.132'))
        self.assertTrue(self.ping(nat, '10.9.0.2'))
        self.assertEqual(self.fetch(nat, self.out, '10.9.0.2').peer[0], '10.9.0.1')
        self.deliver(nat, self.out, '10.9.0.2', 256)


class Routed(NetCase):
    settings = "(network-script 'network-route netdev=wan')\n(vif-script 'vif-route netdev=wan')\n"

    @classmethod
    def networks(cls):
        cls.outside()
        if not HAS_NFT:
            raise unittest.SkipTest('the package nftables is missing')
        d = cls.boot('routed', ['ip=10.9.0.50'], '10.9.0.50/32')
        d.serial.command('ip route add 10.9.0.1 dev eth0; ip route add default via 10.9.0.1')

    def test_both_ways_with_the_guests_own_address(self):
        routed = self.guests['routed']
        self.assertTrue(self.ping(routed, '10.9.0.2'))
        self.assertTrue(self.ping_from(self.out, '10.9.0.50'))      # by proxy ARP
        self.assertEqual(self.fetch(routed, self.out, '10.9.0.2').peer[0], '10.9.0.50')
        routed.serial.command('dd if=/dev/urandom of=/tmp/r bs=1k count=256 2>/dev/null; '
                              'nc -l -p 4000 </tmp/r >/dev/null &')
        s = self.out.socket()
        s.settimeout(60)
        wait_for('the guest to listen', 10, lambda: s.connect_ex(('10.9.0.50', 4000)) in (0, 106), 0.5)
        got = b''
        while part := s.recv(65536):
            got += part
            if len(got) == 256 << 10:
                break
        s.close()
        self.assertIn(hashlib.md5(got).hexdigest(), routed.serial.command('md5sum </tmp/r'))

    def test_host_route_goes_with_the_domain(self):
        self.assertIn(f"10.9.0.50 dev vif{self.guests['routed'].id}.0", self.ns('ip route'))
        self.host.good('destroy', 'routed')
        self.assertNotIn('10.9.0.50', self.ns('ip route'))


SCRIPT = '''#!/bin/sh
# $1: online or offline
echo "$1 vif=$vif mac=$(xenstore-read $XENBUS_PATH/mac) ip=$ip" >>%s
[ "$2" = type_if=vif ] || exit 1
case $1 in
online) ip link set $vif up; ip link set $vif master xenbr0
        xenstore-write $XENBUS_PATH/hotplug-status connected ;;
esac
'''


class Scripts(NetCase):
    @classmethod
    def networks(cls):
        cls.ns('ip link add xenbr0 type bridge')
        cls.ns('ip addr add 192.168.77.1/24 dev xenbr0')
        cls.ns('ip link set xenbr0 up')
        cls.trace = cls.host.path('trace')
        cls.script = cls.host.path('vif-own')
        with open(cls.script, 'w') as f:
            f.write(SCRIPT % cls.trace)
        os.chmod(cls.script, 0o755)

    def traced(self):
        try:
            with open(self.trace) as f:
                return f.read()
        except OSError:
            return ''

    def test_own_script_runs_with_xens_environment(self):
        mac = '00:16:3e:00:00:33'
        d = self.boot('own', [f'mac={mac}, ip=192.168.77.2, script={self.script}'], '192.168.77.2/24')
        self.assertEqual(self.traced(), f'online vif=vif{d.id}.0 mac={mac} ip=192.168.77.2\n')
        self.assertTrue(self.ping(d, '192.168.77.1'))
        self.host.good('destroy', 'own')
        self.assertIn(f'offline vif=vif{d.id}.0 mac={mac}', self.traced())
        self.assertFalse([i for i in self.interfaces() if i.startswith('vif')])

    def test_script_that_fails_is_the_reason_of_the_failure(self):
        bad = self.host.path('vif-bad')
        with open(bad, 'w') as f:
            f.write('#!/bin/sh\n[ $1 = online ] || exit 0\n'
                    'xenstore-write $XENBUS_PATH/hotplug-error "no cable here"\nexit 0\n')
        os.chmod(bad, 0o755)
        config = self.host.config('bad', vif=[f'script={bad}'], disk=[])
        r = self.host.xm('create', config)
        self.assertEqual(r.status, 1)
        self.assertIn('no cable here', r.err)
        self.assertNotIn('bad', self.host.listed())
        self.assertFalse([i for i in self.interfaces() if i.startswith('vif')])

    def test_missing_script_is_named(self):
        r = self.host.xm('create', self.host.config('none', vif=['script=vif-nosuch'], disk=[]))
        self.assertEqual(r.status, 1)
        self.assertIn('/etc/xen/scripts/vif-nosuch', r.err)

    def test_xens_own_vif_bridge_works(self):
        script = need('/etc/xen/scripts/vif-bridge', 'xen-utils-common')
        d = self.host.create('debian', vif=[f'bridge=xenbr0, vifname=mine0, script={script}'], disk=[])
        self.addCleanup(d.close)
        self.assertRegex(self.ns('bridge link'), 'mine0: .* master xenbr0')
        self.host.good('destroy', 'debian')
        self.assertNotIn('mine0', self.interfaces())

    def test_vifname_names_the_tap(self):
        d = self.host.create('named', vif=['bridge=xenbr0, vifname=web0'], disk=[])
        self.addCleanup(d.close)
        self.assertRegex(self.ns('bridge link'), 'web0: .* master xenbr0')
        self.host.good('destroy', 'named')
        self.assertNotIn('web0', self.interfaces())


class Segment(NetCase):
    """Without root: another user's xend, where there is one to be had."""

    @classmethod
    def prepare(cls):
        need(NET_ISO)
        cls.guests = {}
        if os.geteuid() == 0:
            cls.host.prefix = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
            os.makedirs(cls.host.home, exist_ok=True)
            os.chown(cls.host.home, 65534, 65534)
            os.chmod(cls.host.dir, 0o755)
            r = run(*cls.host.prefix, os.path.join(BIN, 'xm'), '--help', env=cls.host.env)
            if r.status != 0 or run(*cls.host.prefix, 'test', '-r', NET_ISO).status != 0:
                raise unittest.SkipTest('the build directory is not readable for others')
        cls.boot('left', ['segment=lab', 'type=ioemu'], '10.5.0.1/24')
        cls.boot('right', ['segment=lab', 'unplugged=1'], '10.5.0.2/24')

    def test_guests_reach_each_other(self):
        left, right = self.guests['left'], self.guests['right']
        self.assertIn('vif 0: private segment lab', left.output)
        self.assertTrue(self.ping(left, '10.5.0.2'))
        self.assertTrue(self.ping(right, '10.5.0.1'))
        left.serial.command('dd if=/dev/urandom of=/tmp/s bs=1k count=512 2>/dev/null; '
                            'httpd -p 4000 -h /tmp')
        text = right.serial.command('wget -q -O - http://10.5.0.1:4000/s | md5sum', 60)
        self.assertIn(left.serial.command('md5sum </tmp/s').split()[0], text)

    def test_switch_that_dies_comes_back(self):
        pid, = self.host.processes('dm-switch')
        os.kill(pid, signal.SIGKILL)
        wait_for('a new dm-switch', 10, lambda: [p for p in self.host.processes('dm-switch') if p != pid])
        self.assertTrue(self.ping(self.guests['left'], '10.5.0.2'))

    def test_unplugged_card_can_be_plugged_into_a_segment(self):
        left, right = self.guests['left'], self.guests['right']
        right.serial.command('ip link set eth1 up')
        self.assertEqual(right.serial.command('cat /sys/class/net/eth1/carrier').strip(), '0')
        self.host.good('network-attach', 'right', 'segment=lab')
        wait_for('the carrier', 10,
                 lambda: right.serial.command('cat /sys/class/net/eth1/carrier').strip() == '1', 0.5)
        right.serial.command('ip addr flush dev eth0; ip addr add 10.5.0.3/24 dev eth1')
        self.assertTrue(self.ping(left, '10.5.0.3'))

    def test_segment_ends_with_its_last_guest(self):
        self.host.good('destroy', 'left')
        self.assertTrue(self.host.processes('dm-switch'))
        self.host.good('destroy', 'right')
        wait_for('the end of dm-switch', 5, lambda: not self.host.processes('dm-switch'))

    def test_bridge_without_root_is_user_mode_and_said_so(self):
        d = self.host.create('plain', vif=['bridge=xenbr0'], disk=[])
        self.addCleanup(d.close)
        self.assertRegex(d.output, r'vif 0: user-mode networking \(.*xenbr0.*\)')
        self.host.good('destroy', 'plain')


class BadSettings(NetCase):
    def test_mistakes_in_xend_config_have_their_places(self):
        os.makedirs(self.host.home, exist_ok=True)
        path = os.path.join(self.host.home, 'xend-config.sxp')
        with open(path, 'w') as f:
            f.write("# comment\n(vnc-listen '1.2.3')\n  (keymap)\n")
        self.addCleanup(os.unlink, path)
        r = run(*self.host.prefix, os.path.join(BIN, 'xend'), 'start', env=self.host.env)
        self.assertEqual(r.status, 1)
        self.assertIn(f'{path}:2:1: ', r.err)
        self.assertIn(f'{path}:3:3: ', r.err)
        self.assertFalse([p for p, (n, _) in descendants().items() if n == 'xend'])
