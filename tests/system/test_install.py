# SPDX-License-Identifier: GPL-2.0-or-later
"""The tutorial's cycle: install from the CD, then the disk is sound and nothing is left behind."""
import fcntl
import json
import os
import re

import harness
from harness import Case, INSTALL_ISO, INSTALLED, need, run

MIB = 256
SBIN = dict(os.environ, PATH=os.environ['PATH'] + ':/sbin:/usr/sbin')


def partition_check(path):
    """e2fsck of the first partition, changing nothing."""
    return run('e2fsck', '-f', '-n', path + '?offset=1048576', timeout=60, env=SBIN)


def lock_is_free(path):
    with open(path, 'r+b') as f:
        try:
            fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


class Install(Case):
    seconds = 300
    test_seconds = 200

    @classmethod
    def prepare(cls):
        need(INSTALL_ISO)
        cls.disk = cls.host.image('domuhvm.img', mib=MIB)
        # Every key of the tutorial's file.
        cls.domain = cls.host.create(
            'domu-hvm', vif=['type=ioemu, bridge=xenbr0'],
            disk=[f'file:{cls.disk},hda,w', f'file:{INSTALL_ISO},hdc:cdrom,r'], device_model='qemu-dm',
            boot='dc', sdl=0, vnc=1, vnclisten='127.0.0.1', vncdisplay=40, vncunused=1, vncpasswd='',
            stdvga=0, serial='pty', tsc_mode=0, localtime=1, nographic=0, opengl=0, monitor=0,
            soundhw='', usb=1, usbdevice='tablet', keymap='en-us', xen_platform_pci=0,
            **{'full-screen': 0})

    def test_create_says_what_the_user_needs(self):
        out = self.domain.output
        self.assertRegex(out, r'(?m)^Using config file "/.*domu-hvm.config"\.$')
        self.assertRegex(out, r'(?m)^Started domain domu-hvm \(id=\d+\)$')
        self.assertRegex(out, r'(?m)^cpu: (kvm|soft)')
        self.assertRegex(out, r'(?m)^serial port: /dev/pts/\d+$')
        self.assertRegex(out, r'(?m)vncviewer localhost:\d+$')

    def test_no_key_of_the_tutorial_is_ignored(self):
        self.assertEqual([s for s in self.domain.output.splitlines() if 'ignored' in s], [])

    def test_bios_and_boot_menu_are_on_the_screen(self):
        self.domain.wait_screen(r'SeaBIOS', 30)
        self.domain.wait_screen(r'Guesthouse demonstration installer\n(.*\n)*boot:', 30)

    def test_installer_runs_to_its_end_and_powers_off(self):
        serial = self.domain.serial
        serial.wait(r'Disk: .* 256 MiB', 90)
        serial.wait(r'Partitioning', 10)
        serial.wait(r'Installation complete', 90)
        self.assertNotIn('INSTALL FAILED', serial.text())
        self.domain.wait_gone(30)

    def test_nothing_is_left_running(self):
        for name in ('hypervisor', 'qemu-dm', 'dm-ui', 'dm-net'):
            self.assertEqual(self.host.processes(name), [], name)
        self.assertTrue(lock_is_free(self.disk))

    def test_image_has_its_size_and_a_sound_file_system(self):
        info = run('qemu-img', 'info', '--output=json', '-f', 'raw', self.disk)
        self.assertEqual(info.status, 0, info)
        self.assertEqual(json.loads(info.out)['virtual-size'], MIB << 20)
        check = partition_check(self.disk)
        self.assertEqual(check.status, 0, check)
        found = re.search(r'(\d+)/\d+ files', check.out + check.err)
        self.assertGreater(int(found[1]), 100, 'files')
        # not those of whoever made the CD
        listing = run('debugfs', '-R', 'ls -l /', self.disk + '?offset=1048576', env=SBIN)
        owners = {line.split()[3] for line in listing.out.splitlines() if line.strip()}
        self.assertEqual(owners, {'0'}, listing)
        new = INSTALLED + '.new'
        harness.subprocess.run(['cp', '--sparse=always', self.disk, new], check=True)
        os.rename(new, INSTALLED)
