# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's boot media, each up to a named screen or line."""
import os
import re
import unittest

import sectors
from harness import Case, INSTALLED, MEDIA, need, wait_for


class Medium(Case):
    """Boots one CD."""
    iso, memory, display = None, 128, 80

    @classmethod
    def prepare(cls):
        if cls.iso is None:
            return
        path = need(os.path.join(MEDIA, cls.iso))
        cls.domain = cls.host.create('cd', disk=[f'file:{path},hdc:cdrom,r'], boot='d',
                                     memory=cls.memory, vncdisplay=cls.display)


class Memtest(Medium):
    iso, memory, display = 'memtest.iso', 16, 80

    def test_starts_to_test_memory(self):
        self.domain.wait_screen(r'(?i)memtest86\+', 90)
        self.domain.wait_screen(r'(?s)Pass\s+\d+%.*Test\s+\d+%', 60)
        self.assertRegex(self.domain.screen(), r'Errors:\s+0')

    def test_gets_through_its_patterns_without_errors(self):
        """All tests but the last, which mostly waits."""
        self.domain.wait_screen(r'Test #10|Errors:\s+[1-9]', 150)
        self.assertRegex(self.domain.screen(), r'Errors:\s+0')

    def test_destroy_ends_a_busy_guest(self):
        self.host.good('destroy', 'cd')
        self.assertEqual(self.host.listed(), {})


class Grub(Medium):
    iso, display = 'grub.iso', 90

    def test_shows_its_menu(self):
        self.domain.wait_screen(r'GNU GRUB +version', 90)

    def test_takes_commands_from_the_keyboard(self):
        viewer = self.domain.viewer()
        self.addCleanup(viewer.close)
        viewer.type('c')
        self.domain.wait_screen(r'grub>', 30)
        viewer.type('echo "said $grub_cpu-$grub_platform"\n', 0.1)
        self.domain.wait_screen(r'\nsaid i386-pc', 30)

    def test_its_own_tests_pass(self):
        """Arithmetic, setjmp, hashes, RSA signatures, and pictures drawn in each video mode up to 2560x1440."""
        tests = ('shift mul cmp ctz bswap div setjmp strtoull xnu_uuid pbkdf2 signature').split()
        viewer = self.domain.viewer()
        self.addCleanup(viewer.close)
        for line in ('serial --speed=115200; terminal_output serial',
                     'for t in ' + ' '.join(tests) + '; do insmod ${t}_test; done', 'insmod videotest_checksum'):
            viewer.type(line + '\n', 0.1)
            self.domain.serial.wait('grub> $', 30)      # the BIOS keeps fifteen keys, no more
        viewer.type('functional_test\n', 0.1)
        self.domain.serial.wait('ALL TESTS PASSED|TEST FAILURE', 150)
        text = self.domain.serial.text()[-3000:]        # before that there are tables of colours
        for name in [t + '_test' for t in tests] + ['videotest_checksum']:
            self.assertIn(name + ': PASS', text)
        self.assertIn('ALL TESTS PASSED', text)


class Ipxe(Medium):
    iso, display = 'ipxe.iso', 100

    def test_shows_its_banner(self):
        self.domain.wait_screen(r'iPXE .*Open Source Network Boot Firmware', 90)


class I386Installer(Medium):
    """Debian's i386 kernel: PAE or not, 32-bit code all the way to its installer."""
    iso, display, memory, seconds, test_seconds = 'i386.iso', 110, 512, 330, 280

    def test_kernel_starts_and_installer_asks_for_the_language(self):
        self.domain.serial.wait(r'Linux version 6\.\S+-686', 90)
        self.domain.serial.wait(r'(?i)select a language|choose the language|low memory', 180)


class KvmEngine(Case):
    """Firmware and a boot sector under the kernel's KVM, where there is one."""
    seconds = 200

    def test_firmware_and_boot_sector_run_under_kvm(self):
        if not os.access('/dev/kvm', os.R_OK | os.W_OK):
            self.skipTest('/dev/kvm is not there for this user')
        disk = self.host.medium('idle.img', sectors.idle())
        d = self.host.create('kvm', disk=[f'file:{disk},hda,w'], memory=32, cpu='kvm', vncdisplay=170)
        self.addCleanup(d.close)
        self.assertRegex(d.output, r'(?m)^cpu: kvm')
        d.serial.wait('IDLE', 120)
        self.assertIn('SeaBIOS', d.screen())
        self.host.good('destroy', 'kvm')

    def test_no_kvm_is_one_clear_line(self):
        if os.path.exists('/dev/kvm'):
            self.skipTest('/dev/kvm exists')
        r = self.host.xm('create', self.host.config('kvm', memory=32, cpu='kvm'))
        self.assertEqual(r.status, 1, r)
        self.assertRegex(r.err, r'(?i)kvm')


class KvmLoaders(Case):
    """Boot loaders under the kernel's KVM: each as far as one comes in about 15 s where that interprets code."""
    seconds, needs_installed = 420, True

    @classmethod
    def prepare(cls):
        if not os.access('/dev/kvm', os.R_OK | os.W_OK):
            raise unittest.SkipTest('/dev/kvm is not there for this user')

    def boot(self, name, **keys):
        d = self.host.create(name, cpu='kvm', memory=32, vncdisplay=175, **keys)
        self.addCleanup(d.close)
        self.addCleanup(self.host.xm, 'destroy', name)
        self.assertRegex(d.output, r'(?m)^cpu: kvm')
        return d

    def cd(self, name):
        return {'disk': [f'file:{need(os.path.join(MEDIA, name))},hdc:cdrom,r'], 'boot': 'd'}

    def test_isolinux_is_loaded(self):
        self.boot('isolinux', **self.cd('ide.iso')).wait_screen(r'ISOLINUX 6\.04 .*H\. Peter Anvin', 100)

    def test_grub_is_loaded(self):
        self.boot('grub', **self.cd('grub.iso')).wait_screen(r'Welcome to GRUB!', 120)

    def test_extlinux_is_loaded_from_a_disk(self):
        disk = self.host.image('disk.img', copy_of=need(INSTALLED))
        self.boot('extlinux', disk=[f'file:{disk},hda,w']).wait_screen(
            r'(?s)Booting from Hard Disk.*SYSLINUX 6\.04 EDD', 100)

    def test_memtest_tests_and_hears_keys(self):
        d = self.boot('memtest', on_reboot='destroy', **self.cd('memtest.iso'))
        d.wait_screen(r'(?s)Memtest86\+.*Status: Testing', 150)
        exits = {k.strip(): int(v) for k, v in
                 re.findall(r'(?m)^(.{55}) +(\d+)', self.host.good('counters', 'memtest'))}
        self.assertGreater(exits['entries into KVM'], exits['VGA window'])
        self.assertGreater(exits['VGA window'] + exits['writes that KVM had collected'], 100)
        self.assertGreater(exits['ports of PCI configuration'], 100)
        viewer = d.viewer()
        self.addCleanup(viewer.close)
        viewer.press(0xff1b)                    # <ESC> Exit: it starts the machine anew
        wait_for('the end', 60, lambda: 'domain has shut down: reboot' in self.host.log('hypervisor-memtest.log'))
