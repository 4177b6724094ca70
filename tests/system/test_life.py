# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of domains: on_poweroff, on_reboot, on_crash, guests that misbehave, and processes
that are killed."""
import hashlib
import http.server
import os
import re
import signal
import threading
import time

import sectors
from harness import BIN, INSTALLED, Case, Serial, descendants, run, wait_for
from test_boot import QuietHandler
from test_install import lock_is_free


class Actions(Case):
    """Guests of one boot sector."""
    seconds = 300

    def start(self, name, code, **keys):
        disk = self.host.medium(name + '.img', code)
        # Some are gone in a tenth of a second: boot_menu gives time to attach the serial port.
        d = self.host.create(name, disk=[f'file:{disk},hda,w'], memory=32, vncdisplay=120,
                             boot_menu=1, **keys)
        self.addCleanup(lambda: self.host.xm('destroy', name))
        self.addCleanup(d.close)
        return d

    def shutdown_line(self, name):
        lines = [s for s in self.host.xend_log().splitlines() if f'domain {name} ' in s]
        return next((s for s in lines if 'shutdown, reason' in s), '')

    def test_poweroff_destroys(self):
        d = self.start('off', sectors.power_off(), on_poweroff='destroy')
        d.serial.wait('OFF', 30)
        d.wait_gone(15)
        self.assertIn('reason poweroff; destroy', self.shutdown_line('off'))

    def test_poweroff_preserves(self):
        d = self.start('keep', sectors.power_off(), on_poweroff='preserve')
        d.serial.wait('OFF', 30)
        wait_for('state s', 15, lambda: 's' in self.host.listed()['keep']['state'])
        self.host.good('destroy', 'keep')
        self.assertFalse(d.listed())

    def test_restart_in_less_than_a_minute_is_refused(self):
        d = self.start('again', sectors.power_off(), on_poweroff='restart')
        d.serial.wait('OFF', 30)
        d.wait_gone(15)
        self.assertIn('restarting too fast', self.host.xend_log())

    def test_triple_fault_obeys_on_reboot_and_says_so(self):
        d = self.start('fault', sectors.triple_fault(), on_reboot='destroy', on_crash='destroy')
        d.serial.wait('FAULT', 30)
        d.wait_gone(15)
        self.assertRegex(self.shutdown_line('fault'), r'reason (reboot|crash); destroy')
        self.assertRegex(self.host.log('hypervisor-fault.log'), r'vCPU 0: triple fault at [0-9a-f]{4}:00007c[0-9a-f]{2}, cr0=')

    def test_jump_to_where_nothing_is_ends_as_the_config_says(self):
        d = self.start('jump', sectors.wild_jump(), on_reboot='destroy', on_crash='destroy')
        d.serial.wait('JUMP', 30)
        d.wait_gone(15)
        self.assertRegex(self.shutdown_line('jump'), r'reason (reboot|crash); destroy')
        self.assertRegex(self.host.log('hypervisor-jump.log'), 'triple fault at 0008:e0000000, cr0=')

    def test_guest_that_hammers_ports_is_only_slow(self):
        d = self.start('hammer', sectors.hammer(), on_crash='preserve')
        d.serial.wait('HAMMER', 30)
        d.serial.wait('DONE', 90)
        self.assertNotIn('c', self.host.listed()['hammer']['state'])
        self.assertEqual(self.shutdown_line('hammer'), '')

    def test_loss_of_the_device_model_is_a_crash(self):
        d = self.start('broken', sectors.idle(), on_crash='preserve')
        d.serial.wait('IDLE', 30)
        os.kill(self.host.processes('qemu-dm')[-1], signal.SIGKILL)
        # Its memory and processors are there to be looked at; whichever of its two processes tells
        # first, it is preserved as crashed.
        wait_for('the crash', 20, lambda: 'c' in self.host.listed()['broken']['state'], 0.3)
        self.assertRegex(self.shutdown_line('broken'), 'reason crash')
        self.host.good('destroy', 'broken')
        self.assertFalse(d.listed())
        self.assertRegex(self.host.xend_log(), r'domain broken .*qemu-dm .*was killed by signal 9')

    def test_destroy_of_an_idle_guest_is_quick(self):
        d = self.start('idle', sectors.idle())
        d.serial.wait('IDLE', 30)
        before = time.monotonic()
        self.host.good('destroy', 'idle')
        self.assertLess(time.monotonic() - before, 5)
        self.assertFalse(d.listed())
        self.assertEqual(self.host.xm('destroy', 'idle').status, 3)

    def test_two_domains_live_side_by_side(self):
        one, two = self.start('one', sectors.idle('ONE\r\n')), self.start('two', sectors.idle('TWO\r\n'))
        one.serial.wait('ONE', 30)
        two.serial.wait('TWO', 30)
        self.assertNotEqual(one.display, two.display)
        self.assertEqual(sorted(self.host.listed()), ['one', 'two'])
        self.host.good('destroy', 'one')
        self.assertEqual(sorted(self.host.listed()), ['two'])
        self.assertIn('SeaBIOS', two.screen())

    def test_reset_restarts_the_guest(self):
        d = self.start('reset', sectors.idle())
        d.serial.wait('IDLE', 30)
        self.host.good('reset', 'reset')
        wait_for('the new domain', 20, lambda: self.host.listed().get('reset', {}).get('id', d.id) != d.id)
        d.reopen()
        d.serial.wait('IDLE', 30)


class Killed(Case):
    """kill -9 of each process in turn, while the guest has just flushed a file."""
    needs_installed = True
    seconds = 420

    def boot(self, name):
        disk = self.host.image(name + '.img', copy_of=INSTALLED)
        d = self.host.create(name, disk=[f'file:{disk},hda,w'], vif=['type=ioemu'], vncdisplay=140,
                             on_crash='destroy')
        self.addCleanup(d.close)
        d.login(120)
        d.serial.command(f'echo flushed-{name} >/root/flushed; sync')
        return d, disk

    def kill(self, program):
        pids = self.host.processes(program)
        self.assertEqual(len(pids), 1, f'{program}: {pids}')
        os.kill(pids[0], signal.SIGKILL)
        wait_for(f'the end of {program}', 5, lambda: pids[0] not in descendants())
        return pids[0]

    def check_end(self, name, disk):
        for program in ('hypervisor', 'qemu-dm', 'dm-ui', 'dm-net'):
            wait_for(f'no {program} left', 10, lambda p=program: not self.host.processes(p))
        wait_for('the lock to go', 5, lambda: lock_is_free(disk))
        system = self.host.path('system.img')       # the partition, mended without harm to the disk
        run('dd', f'if={disk}', f'of={system}', 'bs=1M', 'skip=1', 'conv=sparse')
        env = dict(os.environ, PATH=os.environ['PATH'] + ':/sbin:/usr/sbin')
        r = run('e2fsck', '-f', '-y', system, env=env)
        self.assertIn(r.status, (0, 1), r)
        r = run('debugfs', '-R', 'cat /root/flushed', system, env=env)
        self.assertEqual(r.out.strip(), f'flushed-{name}', r)

    def test_dm_ui_and_dm_net_come_back_and_then_qemu_dm_is_the_end(self):
        d, disk = self.boot('dm')
        self.kill('dm-ui')
        wait_for('a new dm-ui', 10, lambda: self.host.processes('dm-ui'))
        viewer = wait_for('VNC again', 10, lambda: self.try_viewer(d))
        wait_for('a picture', 10, lambda: not viewer.picture().blank())
        viewer.close()
        self.kill('dm-net')
        wait_for('a new dm-net', 10, lambda: self.host.processes('dm-net'))
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), QuietHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        line = f'wget -q -O - http://10.0.2.2:{server.server_address[1]}/x | md5sum'
        self.assertIn(hashlib.md5(QuietHandler.body).hexdigest(), d.serial.command(line, 60))
        self.kill('qemu-dm')
        d.wait_gone(20)
        self.check_end('dm', disk)

    @staticmethod
    def try_viewer(d):
        try:
            return d.viewer()
        except (OSError, ConnectionError):
            return None

    def test_hypervisor(self):
        d, disk = self.boot('hv')
        self.kill('hypervisor')
        d.wait_gone(20)
        self.check_end('hv', disk)

    def test_xend(self):
        d, disk = self.boot('xend')
        self.kill('xend')
        self.assertNotIn('xend', self.host.listed())    # a new xend tells the truth
        self.check_end('xend', disk)
        again = self.host.create('xend', disk=[f'file:{disk},hda,w'], vncdisplay=140)
        self.addCleanup(again.close)
        self.host.good('destroy', 'xend')

    def test_xend_stop_ends_all_domains(self):
        d, disk = self.boot('stop')
        r = run(os.path.join(BIN, 'xend'), 'stop', env=self.host.env, timeout=40)
        self.assertEqual(r.status, 0, r)
        self.check_end('stop', disk)
        self.assertEqual(run(os.path.join(BIN, 'xend'), 'status', env=self.host.env).status, 3)


class MonitorOnATerminal(Case):
    """monitor=1: the device model's monitor of Xen 4.1, on a pty."""
    seconds = 90

    @classmethod
    def prepare(cls):
        cls.disc = cls.host.medium('disc.iso', b'')
        cls.domain = cls.host.create('mon', disk=[f'file:{cls.host.medium("echo.img", sectors.echo())},hda,w',
                                                  ',hdc:cdrom,r'],
                                     memory=32, monitor=1, usb=1, vncdisplay=132)
        cls.domain.serial.wait('ECHO', 30)
        cls.monitor = Serial(re.search(r'monitor on (/dev/pts/\d+)', cls.domain.output)[1])
        cls.monitor.type('\r')          # what stood there before went with the opening
        cls.monitor.wait(r'\(qemu\) ', 10)

    @classmethod
    def ask(cls, line):
        start = len(cls.monitor.data)
        cls.monitor.type(line + '\r')
        cls.monitor.wait(r'\n(.*\n)*\(qemu\) $', 20, since=start)
        return cls.monitor.data[start:].decode().replace('\r', '').split('\n', 1)[1].rsplit('(qemu) ', 1)[0]

    def test_1_help_and_information(self):
        self.assertIn('system_powerdown  -- press the power button', self.ask('help'))
        self.assertEqual(self.ask('info status'), 'VM status: running\n')
        self.assertIn('hdc: type=cdrom removable=1 [not inserted]', self.ask('info block'))
        self.assertEqual(self.ask('info name'), 'mon\n')
        self.assertIn("unknown command: 'savevm'", self.ask('savevm now'))
        self.assertIn('usage: change device file', self.ask('change hdc'))

    def test_2_stop_and_cont(self):
        self.assertEqual(self.ask('stop'), '')
        self.assertEqual(self.ask('info status'), 'VM status: paused\n')
        self.assertEqual(self.host.listed()['mon']['state'][2], 'p')
        self.ask('cont')
        self.assertEqual(self.ask('info status'), 'VM status: running\n')

    def test_3_media_keys_pictures_and_usb(self):
        self.assertEqual(self.ask(f'change ide1-cd0 {self.disc}'), '')
        self.assertIn(f'file={self.disc}', self.ask('info block'))
        self.assertEqual(self.ask('eject hdc'), '')
        self.assertIn('[not inserted]', self.ask('info block'))
        self.assertIn('no drive', self.ask('eject hdd'))
        start = len(self.domain.serial.data)
        self.ask('sendkey x')
        self.domain.serial.wait('x', 10, since=start)
        picture = self.host.path('screen.ppm')
        self.assertEqual(self.ask(f'screendump {picture}'), '')
        with open(picture, 'rb') as f:
            self.assertEqual(f.read(2), b'P6')
        self.assertEqual(self.ask('usb_add tablet'), '')
        self.assertEqual(self.ask('info usb'), 'tablet\n')
        self.assertEqual(self.ask('usb_del tablet'), '')
        self.assertEqual(self.ask('info usb'), '')

    def test_4_quit_destroys(self):
        self.monitor.type('quit\r')
        wait_for('the end', 20, lambda: 'mon' not in self.host.listed())
        self.monitor.close()
