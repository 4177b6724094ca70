# SPDX-License-Identifier: GPL-2.0-or-later
"""gdbserver=: Debian's gdb on guests in real, protected and 64-bit mode, and what a hostile peer gets."""
import os
import re
import shutil
import socket
import time
import unittest

from harness import BIN, MEDIA, Case, free_port, need, run, wait_for

HIGH = 0xffffffff80000000


def labels():
    with open(need(os.path.join(MEDIA, 'debuggee.sym'))) as f:
        return {name: int(at, 16) for at, _, name in (line.split() for line in f)}


class Remote:
    """The protocol by hand."""

    def __init__(self, port):
        self.sock = socket.create_connection(('127.0.0.1', port), 20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b''

    def send(self, text):
        self.sock.sendall(b'$%s#%02x' % (text, sum(text) & 255))

    def reply(self):
        while True:
            m = re.search(rb'\$([^#]*)#..', self.rest)
            if m:
                self.rest = self.rest[m.end():]
                self.sock.sendall(b'+')
                if m[1][:1] == b'O' and m[1] != b'OK':
                    continue                        # for gdb's console
                return m[1]
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError('closed')
            self.rest += more

    def ask(self, text):
        self.send(text)
        return self.reply()

    def close(self):
        self.ask(b'D')
        self.sock.close()


class GdbBase(Case):
    seconds = 240
    engine = None

    @classmethod
    def prepare(cls):
        if not shutil.which('gdb'):
            raise unittest.SkipTest('gdb is missing (package gdb)')
        if cls.engine == 'kvm' and not os.access('/dev/kvm', os.R_OK | os.W_OK):
            raise unittest.SkipTest('/dev/kvm is missing')
        cls.label = labels()
        cls.port = free_port()
        with open(need(os.path.join(MEDIA, 'debuggee.bin')), 'rb') as f:
            disk = cls.host.medium('debuggee.img', f.read())
        cls.config = cls.host.config('debuggee', disk=[f'file:{disk},hda,w'], cpu=cls.engine,
                                     gdbserver=cls.port, vcpus=2, serial='null', memory=64,
                                     on_reboot='preserve', on_crash='preserve')

    def setUp(self):
        self.host.good('create', '-p', self.config)

    def tearDown(self):
        if 'debuggee' in self.host.listed():
            self.host.good('destroy', 'debuggee')
        wait_for('the end', 20, lambda: 'debuggee' not in self.host.listed())

    def gdb(self, *lines, seconds=60):
        script = self.host.path('script.gdb')
        unpause = f'shell {os.path.join(BIN, "xm")} unpause debuggee'
        with open(script, 'w') as f:
            f.write('set pagination off\nset confirm off\n')
            f.writelines((unpause if line == 'UNPAUSE' else line) + '\n' for line in lines)
        r = run('gdb', '-nx', '-batch', '-x', script, timeout=seconds, env=self.host.env)
        return r.out + r.err

    def expect(self, text, *patterns):
        at = 0
        for p in patterns:
            m = re.compile(p, re.M).search(text, at)
            self.assertTrue(m, f'no {p!r} after {text[:at][-200:]!r} in:\n{text}')
            at = m.end()

    def remote(self):
        return f'target remote 127.0.0.1:{self.port}'


class GdbTests:
    def test_real_mode(self):
        at = self.label
        out = self.gdb(self.remote(), 'UNPAUSE', 'set architecture i8086',
                       f'break *{at["real"]}', 'continue', 'info registers eip cs',
                       f'x/2i {at["real"]}', 'x/2xb 0x7dfe', 'stepi', 'info registers eip',
                       'p *(short*)0x8000', 'delete',
                       f'hbreak *{at["real_far"]}', 'continue', 'info registers eip cs cs_base',
                       'delete', 'stepi', 'info registers eip',
                       'monitor pc linear', 'flushregs', 'info registers eip', 'x/i $pc',
                       'monitor pc offset', 'p *(short*)0x8000', 'detach')
        self.expect(out, r'Breakpoint 1,', rf'^eip +{at["real"]:#x}', r'^cs +0x0 ',
                    rf'{at["real"]:#x}:\s+inc.*0x8000', r'cmp.*0x8000', r'0x55\s+0xaa',
                    rf'^eip +{at["real"] + 4:#x}', r'= 1$',
                    rf'^eip +{at["real_far"] - 0x7000:#x}', r'^cs +0x700 ', r'^cs_base +0x7000 ',
                    rf'^eip +{at["real_far"] - 0x7000 + 1:#x}',
                    rf'^eip +{at["real_far"] + 1:#x}', r'nop', r'= 5$')

    def test_breakpoint_that_gdb_can_not_see_does_not_hold_the_guest(self):
        """CS has a base: gdb does not step over its breakpoint, so the server does."""
        at = self.label
        out = self.gdb(self.remote(), 'UNPAUSE', f'hbreak *{at["real_far"]}', 'continue',
                       f'hbreak *{at["prot"]}', 'continue', 'info registers eip')
        self.expect(out, 'SIGTRAP', rf'Breakpoint 2, {at["prot"]:#010x}')

    def test_protected_mode(self):
        at = self.label
        out = self.gdb(self.remote(), 'UNPAUSE', f'break *{at["prot_loop"]}', 'continue',
                       'set architecture i386', 'x/i $pc', 'p $st0', 'p/x $xmm1.v4_int32',
                       'info registers cr0', 'continue', 'continue', 'p *(int*)0x8004', 'delete',
                       f'break *{at["prot_end"]}', 'continue', 'p *(int*)0x8004',
                       f'break *{at["on_break"]}', 'continue', 'x/2xw $esp', 'p *(int*)0x8010',
                       'set var *(int*)0x8010=41', 'set $eax=0xdeadbeef', 'stepi',
                       'p *(int*)0x8010', 'p/x $eax', 'detach')
        self.expect(out, r'inc.*0x8004', r'= 3\.14159265', r'= \{0x12345678, 0x0', r'^cr0 +0x11',
                    r'= 2$', r'= 5$', rf'{at["its_int3"] + 1:#010x}\s+0x00000008', r'= 0$',
                    r'= 42$', r'= 0xdeadbeef$')

    def test_64_bit_mode(self):
        at = self.label
        upper = HIGH + at['upper']
        out = self.gdb(self.remote(), 'UNPAUSE', f'hbreak *{at["long_mode"]}', 'continue',
                       'disconnect', self.remote(), 'info registers rip', 'stepi', 'p/x $rax',
                       f'break *{upper:#x}', 'continue', 'info registers rip rbx efer', 'x/2i $pc',
                       'continue', f'p *(long*){HIGH + 0x8008:#x}', 'p *(long*)0x8008',
                       f'monitor translate {upper:#x}', 'monitor cpus', 'info threads',
                       'delete', f'set $rip={HIGH + at["upper_end"]:#x}', 'stepi',
                       'info registers rip', 'x/x 0x200000', 'detach')
        self.expect(out, 'The guest runs 64-bit code now')
        self.expect(out, rf'^rip +{at["long_mode"]:#x}',
                    r'= 0x1122334455667788', r'Breakpoint 2,', rf'^rip +{upper:#x}',
                    rf'^rbx +{upper:#x}', r'^efer +0x500', r'incq.*0x8008\(%r15\)', r'nop', r'= 1$',
                    r'= 1$', r'\* 1 .*vCPU 0', r'2 .*vCPU 1', rf'^rip +{upper:#x}',
                    'Cannot access memory at address 0x200000')
        self.expect(out, rf'guest-physical {at["upper"]:x} for vCPU 0', 'vCPU 0 .*64-bit mode')

    def test_watchpoints(self):
        at = self.label
        out = self.gdb(self.remote(), 'UNPAUSE', f'hbreak *{at["prot_loop"]}', 'continue', 'delete',
                       'watch *(int*)0x8004', 'continue', 'info registers eip', 'continue', 'delete',
                       'awatch *(int*)0x8004', 'continue', 'delete', 'detach')
        self.expect(out, r'watchpoint 2', r'Old value = 0', r'New value = 1', r'^eip',
                    r'Old value = 1', r'New value = 2', r'Hardware access .*watchpoint 3', r'alue = ')

    def test_guests_own_int3_is_its_own(self):
        at = self.label
        self.gdb(self.remote(), 'UNPAUSE', f'hbreak *{at["prot"]}', 'continue',
                 f'hbreak *{at["long_mode"]}', 'continue', 'detach')
        out = self.gdb(self.remote(), 'p *(int*)0x8010', 'detach')
        self.expect(out, r'= 1$')

    def test_control_c_and_the_guest_goes_on_after_the_connection(self):
        self.host.good('unpause', 'debuggee')
        r = Remote(self.port)
        self.assertTrue(r.ask(b'?').startswith(b'T05'))
        for _ in range(3):
            r.send(b'vCont;c')
            time.sleep(0.3)
            r.sock.sendall(b'\x03')
            self.assertRegex(r.reply(), b'^T02')
        r.close()

        def counts():
            c = Remote(self.port)
            value = c.ask(b'm8008,8')
            c.close()
            return value
        wait_for('64-bit mode', 60, lambda: counts() not in (b'0' * 16, b'E0e'))
        first = counts()
        wait_for('the guest to go on', 10, lambda: counts() != first)

    def test_hostile_peers(self):
        for garbage in (b'\0' * 70000, b'$' * 70000, b'$' + b'm' * 70000, b'$m0,ffffffffffffffff#',
                        os.urandom(20000), b'-' * 5000):
            with socket.create_connection(('127.0.0.1', self.port), 20) as s:
                s.sendall(garbage)
        self.host.good('unpause', 'debuggee')       # none of them has stopped it for good
        r = Remote(self.port)
        r.send(b'vCont;c')
        time.sleep(0.3)
        r.sock.sendall(b'\x03')
        self.assertTrue(r.reply().startswith(b'T02'))
        self.assertEqual(r.ask(b'm0,ffffffff')[:2].isalnum(), True)
        for text in (b'p100', b'P0=', b'Z0,', b'vCont;q', b'G00', b'Hg99'):
            self.assertTrue(r.ask(text).startswith(b'E'), text)
        second = socket.create_connection(('127.0.0.1', self.port), 20)     # one at a time
        self.assertEqual(second.recv(1), b'')
        second.close()
        r.close()

    def test_wild_registers_do_not_hurt_the_host(self):
        r = Remote(self.port)
        for n in range(0x80):
            value = r.ask(b'p%x' % n)
            if value.startswith(b'E'):
                break
            self.assertIn(r.ask(b'P%x=' % n + b'f' * len(value)), (b'OK', b'E16'))
        self.host.good('unpause', 'debuggee')
        for _ in range(5):
            r.send(b'vCont;s:1')
            r.sock.settimeout(10)
            if not r.reply().startswith(b'T'):
                break
        r.sock.close()
        time.sleep(0.5)
        self.assertIn('debuggee', self.host.listed())       # crashed perhaps, but kept

    def test_kill_and_shutdown(self):
        out = self.gdb(self.remote(), 'UNPAUSE', 'stepi', 'kill')
        wait_for('the end', 20, lambda: 'debuggee' not in self.host.listed())
        self.assertIn('killed', out)

    def test_exit_is_told(self):
        self.host.good('unpause', 'debuggee')
        r = Remote(self.port)
        r.ask(b'?')
        r.send(b'vCont;c')
        time.sleep(0.2)
        self.host.good('destroy', 'debuggee')
        self.assertEqual(r.reply(), b'W00')
        r.sock.close()


class GdbSoft(GdbTests, GdbBase):
    engine = 'soft'


class GdbInterp(GdbTests, GdbBase):
    engine = 'interp'


class GdbKvm(GdbBase):
    """Without the firmware, which takes long where KVM has no help from the processor: gdb puts the
    program into memory and the processor in front of it."""
    engine = 'kvm'

    def test_both_modes_in_one_go(self):
        at = self.label
        upper = HIGH + at['upper']
        program = os.path.join(MEDIA, 'debuggee.bin')
        out = self.gdb(self.remote(), 'UNPAUSE', f'restore {program} binary 0x7c00',
                       f'set $gdt_base={at["gdt"]}', 'set $gdt_limit=31', f'set $eip={at["prot"]}', 'set $cs=8',
                       'x/2xb 0x7dfe', 'stepi', f'break *{at["prot_loop"]}', 'continue',
                       'set architecture i386', 'p $st0', 'p/x $xmm1.v4_int32', 'x/i $pc',
                       'watch *(int*)0x8004', 'stepi', 'stepi', 'delete', f'break *{at["on_break"]}',
                       'continue', 'x/2xw $esp', 'stepi', 'p *(int*)0x8010', 'delete',
                       f'hbreak *{at["long_mode"]}', 'continue', 'set architecture auto',
                       'disconnect', self.remote(), 'delete', 'stepi', 'p/x $rax',
                       f'break *{upper:#x}', 'continue', 'info registers rip', 'continue',
                       'p *(long*)0x8008', 'set $rbx=77', 'stepi', 'p $rbx', 'p *(long*)0x8008',
                       'monitor cpus', 'detach')
        self.expect(out, r'0x55\s+0xaa', rf'{at["prot"] + 4:#010x} in',
                    rf'{at["prot_loop"]:#010x} in', r'= 3\.14159265', r'= \{0x12345678, 0x0',
                    r'inc.*0x8004', 'New value = 1', rf'{at["its_int3"] + 1:#010x}\s+0x00000008',
                    r'= 1$', rf'{at["long_mode"]:#010x} in', r'= 0x1122334455667788',
                    rf'^rip +{upper:#x}', r'= 1$', r'= 77$', r'= 2$')


class GdbKvmFirmware(GdbBase):
    """The boot sector in real mode, by way of the firmware."""
    engine = 'kvm'

    def gdb(self, *lines, seconds=110):
        return super().gdb(*lines, seconds=seconds)

    test_real_mode = GdbTests.test_real_mode
    test_breakpoint_that_gdb_can_not_see_does_not_hold_the_guest = \
        GdbTests.test_breakpoint_that_gdb_can_not_see_does_not_hold_the_guest
