# SPDX-License-Identifier: GPL-2.0-or-later
"""The installed system from its disk: both consoles, the network, the commands of xm."""
import hashlib
import http.server
import os
import pty
import random
import re
import select
import threading
import time

import rfb
from harness import BIN, INSTALLED, Case, Serial, need, run, store_env, wait_for
from test_install import partition_check

PASSWORD = 'secret12'


class QuietHandler(http.server.BaseHTTPRequestHandler):
    body = random.Random(1).randbytes(1 << 20)

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


class Boot(Case):
    needs_installed = True
    seconds = 420

    @classmethod
    def prepare(cls):
        cls.disk = cls.host.image('disk.img', copy_of=INSTALLED)
        cls.domain = cls.host.create('guest', disk=[f'file:{cls.disk},hda,w'], vif=['type=ioemu'],
                                     vncpasswd=PASSWORD, vncdisplay=50)

    def test_login_prompt_on_serial_and_screen_at_once(self):
        self.domain.serial.wait(r'guesthouse login: $|\S+ login: $', 120)
        self.domain.wait_screen(r'\S+ login:', 30)

    def test_vnc_refuses_a_wrong_password(self):
        with self.assertRaises((rfb.Refused, ConnectionError)):
            self.domain.viewer('wrong')

    def test_vnc_shows_the_screen_and_takes_keys(self):
        viewer = self.domain.viewer(PASSWORD)
        self.addCleanup(viewer.close)
        self.assertTrue(viewer.needs_password)
        wait_for('the login prompt', 10, lambda: 'login:' in screen_text(viewer))
        viewer.type('root\n')
        wait_for('a prompt', 30, lambda: re.search(r'# ?$', screen_text(viewer)), 0.5)
        viewer.type('echo "VNC-$((6 * 7))_~{}|<>?"\n')
        wait_for('the answer', 30, lambda: 'VNC-42_~{}|<>?' in screen_text(viewer), 0.5)
        self.assertIn('VNC-42', self.domain.screen())

    def test_viewer_gets_changes_without_asking_again_for_all(self):
        viewer = self.domain.viewer(PASSWORD)
        self.addCleanup(viewer.close)
        wait_for('a picture', 10, lambda: '#' in screen_text(viewer))
        viewer.request(incremental=True)
        before = bytes(viewer.pixels)
        viewer.type('x\b')
        viewer.update()
        self.assertNotEqual(before, bytes(viewer.pixels))

    def test_serial_login_and_commands(self):
        self.domain.serial.seen = 0
        self.domain.login()
        self.assertEqual(self.domain.serial.command('echo $((20 + 22))').strip(), '42')
        self.assertIn('Xen HVM', self.domain.serial.command('dmesg | grep -i hypervisor'))

    def on_terminal(self, argv, leave, word):
        """Runs a terminal program on a pty of ours, types a command, leaves; its exit status."""
        serial, self.domain.serial = self.domain.serial, None
        device = os.readlink(f'/proc/self/fd/{serial.fd}')
        serial.close()
        pid, fd = pty.fork()
        if pid == 0:
            os.execvpe(argv[0], [device if a == 'DEVICE' else a for a in argv], self.host.env)
        seen = b''

        def until(pattern, seconds):
            nonlocal seen
            end = time.monotonic() + seconds
            while not re.search(pattern, seen):
                self.assertLess(time.monotonic(), end, f'{pattern} in {seen[-800:]!r}')
                if select.select([fd], [], [], 0.2)[0]:
                    seen += os.read(fd, 4096)

        try:
            time.sleep(0.5)
            os.write(fd, b'\n')
            until(rb'# ', 20)
            os.write(fd, b'echo %s-$((40 + 2))\n' % word)
            until(word + rb'-42', 20)
            os.write(fd, leave)
            return wait_for(f'the end of {argv[0]}', 10, lambda: ended(pid, fd))[1]
        finally:
            os.close(fd)
            self.domain.serial = Serial(device)
            self.domain.serial.settle()

    def test_xm_console_types_and_ctrl_bracket_leaves(self):
        status = self.on_terminal([os.path.join(BIN, 'xm'), 'console', 'guest'], b'\x1d', b'console')
        self.assertEqual(status, 0)
        self.assertEqual(self.domain.serial.command('echo still-$((1 + 1))').strip(), 'still-2')

    def test_picocom_works_on_the_pty(self):
        need('/usr/bin/picocom', 'picocom')
        argv = ['picocom', '--quiet', '--nolock', '--baud', '115200', 'DEVICE']
        self.assertEqual(self.on_terminal(argv, b'\x01\x18', b'picocom'), 0)
        self.assertEqual(self.domain.serial.command('echo still-$((1 + 1))').strip(), 'still-2')

    def test_list_has_xens_format(self):
        out = self.host.good('list')
        lines = out.splitlines()
        self.assertEqual(lines[0], '%-40s %5s %5s %5s %10s %9s' % ('Name', 'ID', 'Mem', 'VCPUs', 'State',
                                                                  'Time(s)'))
        row = next(s for s in lines if s.startswith('guest '))
        m = re.fullmatch(r'guest {35} ( *\d+) ( *\d+) ( *\d+) ( *[rbpscd-]{6}) ( *\d+\.\d)', row)
        self.assertIsNotNone(m, row)
        self.assertEqual([len(g) for g in m.groups()], [5, 5, 5, 10, 8], row)
        self.assertEqual((int(m[2]), int(m[3])), (128, 1))

    def test_domid_and_domname_are_each_others_inverse(self):
        number = self.host.good('domid', 'guest').strip()
        self.assertEqual(number, str(self.domain.id))
        self.assertEqual(self.host.good('domname', number).strip(), 'guest')

    def test_pause_stops_the_guest_and_unpause_lets_it_go_on(self):
        self.host.good('pause', 'guest')
        self.assertIn('p', self.host.listed()['guest']['state'])
        start = len(self.domain.serial.text())
        self.domain.serial.type('echo after-$((7 * 7))\n')
        time.sleep(2)
        self.assertEqual(self.domain.serial.text()[start:], '')
        self.host.good('unpause', 'guest')
        self.domain.serial.wait(r'after-49', 20)
        self.assertNotIn('p', self.host.listed()['guest']['state'])
        self.domain.serial.wait(r'# $', 20)

    def test_wget_over_the_user_mode_network(self):
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), QuietHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        line = f'wget -q -O /tmp/got http://10.0.2.2:{server.server_address[1]}/x; md5sum </tmp/got'
        self.assertIn(hashlib.md5(QuietHandler.body).hexdigest(), self.domain.serial.command(line, 60))

    def test_xenstore_ls_shows_the_domain(self):
        need('/usr/bin/xenstore-ls', 'xenstore-utils')
        r = run('xenstore-ls', f'/local/domain/{self.domain.id}', env=store_env(self.host))
        self.assertEqual(r.status, 0, r)
        self.assertRegex(r.out, r'(?m)^name = "guest"')
        self.assertRegex(r.out, r'(?m)^memory = ')

    def test_screenshot_is_the_picture_that_vnc_shows(self):
        self.domain.serial.command('printf "\\033[?25l" >/dev/tty1')      # no cursor
        viewer = self.domain.viewer(PASSWORD)
        self.addCleanup(viewer.close)

        def same():
            picture, shot = viewer.picture(), self.domain.picture()
            return (picture.width, picture.height, picture.rgb) == (shot.width, shot.height, shot.rgb)
        wait_for('the same picture', 10, same)

    def test_reboot_starts_it_again_under_a_new_number(self):
        old = self.domain.id
        self.domain.serial.command('echo kept >/root/kept; sync')
        out = self.host.good('reboot', '-w', 'guest', timeout=90)
        self.assertIn('Domain guest rebooted', out)
        wait_for('the new domain', 20, lambda: self.host.listed().get('guest', {}).get('id', old) != old)
        self.domain.reopen()
        self.domain.login(120)
        self.assertEqual(self.domain.serial.command('cat /root/kept').strip(), 'kept')

    def test_shutdown_ends_it_in_good_order(self):
        out = self.host.good('shutdown', '-w', 'guest', timeout=90)
        self.assertEqual(out.splitlines()[-2:], ['Domain guest terminated', 'All domains terminated'])
        self.assertFalse(self.domain.listed())
        self.assertEqual(self.host.processes('hypervisor'), [])
        check = partition_check(self.disk)
        self.assertEqual(check.status, 0, check)


def screen_text(viewer):
    import screen
    return screen.text(viewer.picture())


def ended(pid, fd):
    while select.select([fd], [], [], 0)[0]:
        try:
            if not os.read(fd, 4096):
                break
        except OSError:
            break
    done, status = os.waitpid(pid, os.WNOHANG)
    return (done, status) if done else None


class DebiansLoader(Case):
    """Debian's own binary of Xen's hvmloader, as it is, on our hypervisor."""
    needs_installed = True

    @classmethod
    def prepare(cls):
        loader = need('/usr/lib/xen-4.17/boot/hvmloader', 'xen-utils-4.17')
        cls.disk = cls.host.image('disk.img', copy_of=INSTALLED)
        cls.domain = cls.host.create('guest', kernel=loader, disk=[f'file:{cls.disk},hda,w'],
                                     vncdisplay=60)

    def test_boots_to_the_login_prompt(self):
        self.domain.login(120)

    def test_acpi_power_button_shuts_it_down(self):
        self.domain.serial.command('pidof acpid')
        self.host.good('trigger', 'guest', 'power')
        self.domain.wait_gone(60)


class TwoProcessors(Case):
    needs_installed = True
    weight = 2

    @classmethod
    def prepare(cls):
        cls.disk = cls.host.image('disk.img', copy_of=INSTALLED)
        cls.domain = cls.host.create('guest', vcpus=2, disk=[f'file:{cls.disk},hda,w'], vncdisplay=70)

    def test_both_processors_come_up_and_work(self):
        self.domain.login(150)
        command = self.domain.serial.command
        self.assertEqual(command('cat /sys/devices/system/cpu/online').strip(), '0-1')
        self.assertEqual(command('grep -c ^processor /proc/cpuinfo').strip(), '2')
        self.assertEqual(command('for c in 0 1; do taskset $((1 << c)) sh -c "echo on-$c"; done')
                         .split(), ['on-0', 'on-1'])

    def test_vcpu_list_shows_two(self):
        rows = [s for s in self.host.good('vcpu-list', 'guest').splitlines() if s.startswith('guest')]
        self.assertEqual([r.split()[2] for r in rows], ['0', '1'])

    def test_powers_off_by_itself(self):
        self.domain.serial.type('poweroff\n')
        self.domain.wait_gone(60)
