# SPDX-License-Identifier: GPL-2.0-or-later
"""What the system tests share: a host of their own (a directory for xend's sockets, logs and
state), domains in it, their serial ports and screens.  Nothing here needs root."""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
import unittest

import rfb
import screen
import stacks

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), '../..'))
BUILD = os.path.abspath(os.path.join(TOP, os.environ.get('B', 'build')))
BIN = os.environ.get('GUESTHOUSE_BIN', os.path.join(BUILD, 'bin'))
MEDIA = os.path.join(BUILD, 'media')
INSTALL_ISO = os.path.join(BUILD, 'demo/install.iso')
WORK = os.path.join(BUILD, 'check/system')
DAEMONS = ('xend', 'hypervisor', 'qemu-dm', 'dm-ui', 'dm-sdl', 'dm-sound', 'dm-net', 'dm-switch')
INSTALLED = os.path.join(WORK, 'installed.img')
CONTROL = re.compile(rb'\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]')    # what terminals obey, not show
# Two tests at a time on a busy machine: every wait for a guest is this much longer than it needs.
PATIENCE = float(os.environ.get('PATIENCE', '1'))


def become_reaper():
    """Daemons started from here stay this process's descendants (prctl 36)."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def end_orderly():
    """SIGTERM, as timeout(1) sends it, ends what was started as well."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def reap_daemons():
    """As init would: ends the zombies among the daemons, which are in sessions of their own."""
    own = os.getpid()
    while True:
        for entry in os.listdir('/proc'):
            if entry.isdigit():
                try:
                    with open(f'/proc/{entry}/stat') as f:
                        name, _, rest = f.read().rpartition(')')
                    fields = rest.split()
                    if (fields[0] == 'Z' and int(fields[1]) == own and int(fields[3]) != os.getsid(0)
                            and name.partition('(')[2] in DAEMONS):
                        os.waitpid(int(entry), os.WNOHANG)
                except OSError:
                    pass
        time.sleep(0.2)


def descendants(of=None):
    """pid -> (name, state) of all processes below this one."""
    parents, names = {}, {}
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                with open(f'/proc/{entry}/stat') as f:
                    line = f.read()
            except OSError:
                continue
            name, rest = line[line.index('(') + 1:line.rindex(')')], line[line.rindex(')') + 2:].split()
            parents[int(entry)] = int(rest[1])
            names[int(entry)] = (name, rest[0])
    found, change = {of or os.getpid()}, True
    while change:
        more = {p for p, parent in parents.items() if parent in found} - found
        change = bool(more)
        found |= more
    found.discard(of or os.getpid())
    return {p: names[p] for p in found if names[p][1] not in 'ZX'}


def wait_for(what, seconds, check, pause=0.1):
    """Waits until check() is true and returns it; fails with the words `what`."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'{what}: not within {seconds * PATIENCE:.0f} s')
        time.sleep(pause)


def need(path, package=None):
    """The medium, or the test is skipped."""
    if not os.path.exists(path):
        raise unittest.SkipTest(f'{path} is missing' + (f' (package {package})' if package else ''))
    return path


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f'status {self.status}\nstdout: {self.out}\nstderr: {self.err}'


def run(*command, timeout=60, env=None, cwd=None, stdin=subprocess.DEVNULL):
    p = subprocess.run(command, stdin=stdin, capture_output=True, text=True, errors='replace',
                       timeout=timeout, env=env, cwd=cwd)
    return Result(p.returncode, p.stdout, p.stderr)


class Host:
    """One xend's world, in a directory of its own."""

    def __init__(self, name):
        self.dir = os.path.join(WORK, name)
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.home = os.path.join(self.dir, 'gh')
        self.env = dict(os.environ, GUESTHOUSE_DIR=self.home, LC_ALL='C')
        self.env.pop('DISPLAY', None)
        self.domains = []
        self.prefix = []        # of every command: another network namespace, another user

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def xm(self, *args, timeout=60, cwd=None):
        return run(*self.prefix, os.path.join(BIN, 'xm'), *args, timeout=timeout, env=self.env, cwd=cwd or self.dir)

    def good(self, *args, **kw):
        """xm must succeed; its output."""
        r = self.xm(*args, **kw)
        if r.status != 0:
            raise AssertionError(f'xm {" ".join(args)}: {r}')
        return r.out

    def xend_log(self):
        return self.log('xend.log')

    def log(self, name):
        try:
            with open(os.path.join(self.home, 'log', name), errors='replace') as f:
                return f.read()
        except OSError:
            return ''

    def processes(self, name):
        """Ours of this name; the kernel cuts names at 15 characters."""
        return sorted(p for p, (n, _) in descendants().items() if n == name[:15])

    def listed(self):
        """name -> fields of `xm list`, without Domain-0"""
        rows = {}
        for line in self.good('list').splitlines()[1:]:
            f = line.split()
            if f[0] != 'Domain-0':
                rows[f[0]] = {'id': int(f[1]), 'mem': int(f[2]), 'vcpus': int(f[3]), 'state': f[4]}
        return rows

    def image(self, name, copy_of=None, mib=256):
        path = self.path(name)
        if copy_of:
            subprocess.run(['cp', '--sparse=always', '--reflink=auto', copy_of, path], check=True)
        else:
            with open(path, 'wb') as f:
                f.truncate(mib << 20)
        return path

    def medium(self, name, sectors):
        """An image whose first bytes are these."""
        path = self.path(name)
        with open(path, 'wb') as f:
            f.write(sectors)
            f.truncate(max(1 << 20, len(sectors)))
        return path

    def config(self, name, **keys):
        """Writes a config; keys= in Python's notation."""
        base = {'kernel': 'hvmloader', 'builder': 'hvm', 'memory': 128, 'name': name, 'vcpus': 1,
                'pae': 1, 'acpi': 1, 'apic': 1, 'boot': 'c', 'vnc': 1, 'vncunused': 1, 'vncdisplay': 30,
                'sdl': 0, 'serial': 'pty', 'on_reboot': 'restart', 'on_crash': 'restart',
                'on_poweroff': 'destroy'}
        base.update(keys)
        path = self.path(name + '.config')
        with open(path, 'w') as f:
            f.write(''.join(f'{k} = {v!r}\n' for k, v in base.items() if v is not None))
        return path

    def create(self, name, **keys):
        d = Domain(self, name, self.config(name, **keys))
        self.domains.append(d)
        d.start()
        return d

    def stop(self):
        """Ends everything; the names of what did not end by itself."""
        for d in self.domains:
            d.close()
        try:
            run(*self.prefix, os.path.join(BIN, 'xend'), 'stop', env=self.env, timeout=30)
        except subprocess.TimeoutExpired:
            pass
        end = time.monotonic() + 10
        while descendants() and time.monotonic() < end:
            time.sleep(0.05)
        left = descendants()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        return sorted(f'{n}[{p}]' for p, (n, _) in left.items())


class Serial:
    """Reads a pty all the time, as minicom would, and types on it."""

    def __init__(self, path, why=lambda: ''):
        self.why = why          # called when nothing came in time: what there is to say of it
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)
        self.raw, self.data, self.seen, self.lock = bytearray(), b'', 0, threading.Lock()
        self.ending = False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while not self.ending:
            try:
                part = os.read(self.fd, 65536)
            except BlockingIOError:
                time.sleep(0.02)
                continue
            except OSError:
                return
            if not part:
                return
            with self.lock:
                self.raw += part
                self.data = CONTROL.sub(b'', bytes(self.raw))

    def text(self):
        with self.lock:
            return self.data.decode('utf-8', 'replace')

    def wait(self, pattern, seconds, since=None):
        """Waits for a regular expression after what earlier waits matched."""
        start = self.seen if since is None else since

        def look():
            with self.lock:
                m = re.search(pattern.encode(), self.data[start:])
            if m:
                self.seen = start + m.end()
            return m
        try:
            return wait_for(f'{pattern!r} on the serial port', seconds, look)
        except AssertionError as e:
            raise AssertionError(f'{e}; its last lines:\n{self.text()[-1500:]}\n{self.why()}') from None

    def type(self, text):
        for ch in text.encode():
            os.write(self.fd, bytes([ch]))
            time.sleep(0.005)

    def command(self, line, seconds=30):
        """Types a command at a shell's prompt; its output."""
        start = len(self.data)
        self.type(line + '\n')
        self.wait(r'(?m)^[^\n]*# $', seconds, since=start + len(line))
        with self.lock:
            text = self.data[start:].decode('utf-8', 'replace').replace('\r', '')
        echo = text.find(line + '\n')           # what came before it is an older prompt's
        return '\n'.join(text[max(echo, 0):].split('\n')[1:-1])

    def settle(self, quiet=0.7):
        """Until what a terminal gets when it attaches, the last 16 KiB, is through."""
        size = -1
        while size != len(self.data):
            size = len(self.data)
            time.sleep(quiet)

    def close(self):
        self.ending = True
        self.thread.join(1)
        os.close(self.fd)


class Domain:
    def __init__(self, host, name, config):
        self.host, self.name, self.config = host, name, config
        self.output, self.serial, self.display, self.id = '', None, None, None

    def start(self):
        """xm create -p, so that no byte of the serial port is missed; then it runs."""
        r = self.host.xm('create', '-p', self.config, timeout=90)
        if r.status != 0:
            raise AssertionError(f'xm create {self.config}: {r}')
        self.output = r.out + r.err
        m = re.search(r'Started domain (\S+) \(id=(\d+)\)', r.out)
        if not m or m[1] != self.name:
            raise AssertionError(f'no line "Started domain {self.name} (id=N)": {r}')
        self.id = int(m[2])
        m = re.search(r'serial port: (/dev/pts/\d+)', r.out)
        if m:
            self.serial = Serial(m[1], self.standing)
        m = re.search(r'port (\d+)', r.out)
        self.display = int(m[1]) if m else None
        self.host.good('unpause', self.name)

    def reopen(self):
        """After a restart: the new pty, as xenstore names it."""
        if self.serial:
            self.serial.close()
        self.id = int(self.host.good('domid', self.name))
        r = run('xenstore-read', f'/local/domain/{self.id}/serial/0/tty', env=store_env(self.host))
        self.serial = Serial(r.out.strip(), self.standing)

    def standing(self):
        """What its processes stand at, and whether a pause gets it going again, as it does when a wake-up was lost."""
        lines = []
        for name in 'hypervisor', 'qemu-dm':
            found = self.host.processes(name)
            for pid in found:
                lines += [f'{name}[{pid}]'] + stacks.of(pid)
            lines += [] if found else [f'{name} has gone']
        for log in 'xend.log', f'hypervisor-{self.name}.log', f'qemu-dm-{self.name}.log':
            lines.append(log + ': ' + ' | '.join(self.host.log(log).splitlines()[-4:])[-400:])
        size = len(self.serial.data)
        try:
            lines.append(self.host.xm('vcpu-list', self.name, timeout=10).out)
            self.host.xm('pause', self.name, timeout=10)
            self.host.xm('unpause', self.name, timeout=10)
        except subprocess.SubprocessError as e:
            lines.append(f'{e}')
        time.sleep(3)
        lines.append(f'characters after a pause: {len(self.serial.data) - size}')
        return '\n'.join(lines)

    def listed(self):
        return self.name in self.host.listed()

    def wait_gone(self, seconds):
        wait_for(f'the end of domain {self.name}', seconds, lambda: not self.listed(), 0.3)

    def picture(self):
        path = self.host.path(f'{self.name}.ppm')
        self.host.good('screenshot', self.name, path)
        with open(path, 'rb') as f:
            return screen.Picture.from_ppm(f.read())

    def screen(self):
        return screen.text(self.picture())

    def wait_screen(self, pattern, seconds):
        last = ['']

        def look():
            last[0] = self.screen()
            return re.search(pattern, last[0])
        try:
            return wait_for(f'{pattern!r} on the screen', seconds, look, 0.5)
        except AssertionError as e:
            raise AssertionError(f'{e}; the screen:\n{last[0]}') from None

    def viewer(self, password=None):
        return rfb.Viewer(self.display, password)

    def login(self, seconds=90):
        """Logs in on the serial port of the demonstration system."""
        self.serial.wait(r'login: $', seconds)
        self.serial.type('root\n')
        self.serial.wait(r'# $', 20)
        self.serial.type('stty -echo cols 200; dmesg -n 1\n')
        self.serial.wait(r'\n[^\n]*# $', 20)
        self.serial.type('stty echo\n')
        self.serial.wait(r'# $', 20)

    def close(self):
        if self.serial:
            self.serial.close()
            self.serial = None


def store_env(host):
    path = os.path.join(host.home, 'xenstored/socket')
    return dict(os.environ, XENSTORED_PATH=path, XENSTORED_RUNDIR=os.path.dirname(path))


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Case(unittest.TestCase):
    """A scenario: its tests run in the order in which they are written, on one host."""
    seconds = 240       # for the whole scenario
    needs_installed = False
    weight = 1          # processors it keeps busy

    @classmethod
    def setUpClass(cls):
        if cls.needs_installed and not os.path.exists(INSTALLED):
            raise AssertionError('no installed disk: the scenario Install failed')
        cls.host = Host(cls.__name__)
        cls.addClassCleanup(cls.finish)
        cls.prepare()

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def finish(cls):
        left = cls.host.stop()
        if left:
            raise AssertionError('left running after xend stop: ' + ', '.join(left))
