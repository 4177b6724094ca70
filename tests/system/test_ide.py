# SPDX-License-Identifier: GPL-2.0-or-later
"""IDE drives under Debian's ata_piix, sd_mod and sr_mod: trays, locks, discs that change, what hdparm
and smartctl find."""
import hashlib
import os
import random
import re
import shutil
import subprocess
import time

from harness import Case, MEDIA, need, run, wait_for

GUEST = os.path.join(MEDIA, 'ide.iso')
HERE = os.path.dirname(os.path.abspath(__file__))


def disc(path, label, text, mib=2):
    """An ISO 9660 image with the file NAME.TXT; its MD5."""
    folder = path + '.d'
    os.makedirs(folder)
    with open(os.path.join(folder, 'name.txt'), 'w') as f:
        f.write(text)
    with open(os.path.join(folder, 'data.bin'), 'wb') as f:
        f.write(random.Random(text).randbytes(mib << 20))
    subprocess.run(['xorriso', '-as', 'mkisofs', '-quiet', '-V', label, '-R', '-o', path, folder],
                   check=True, capture_output=True)
    shutil.rmtree(folder)
    with open(path, 'rb') as f:
        return hashlib.md5(f.read()).hexdigest()


class Tray(Case):
    """A second CD drive, hdd, whose disc comes and goes while the system runs from the first."""
    seconds, test_seconds = 240, 120

    @classmethod
    def prepare(cls):
        need(GUEST)
        cls.a, cls.b = cls.host.path('a.iso'), cls.host.path('b.iso')
        cls.sum_a, cls.sum_b = disc(cls.a, 'DISC_A', 'this is A\n'), disc(cls.b, 'DISC_B', 'this is B\n')
        cls.domain = cls.host.create('tray', disk=[f'file:{GUEST},hdc:cdrom,r', 'hdd:cdrom,r'], boot='d',
                                     memory=160, vncdisplay=175)
        cls.addClassCleanup(cls.domain.close)
        cls.domain.serial.wait('IDE GUEST READY', 120)
        cls.domain.serial.wait('# $', 10)
        cls.domain.serial.command('dmesg -n 1')

    def sh(self, line, seconds=30):
        return self.domain.serial.command(line, seconds)

    def md5(self, size):
        return self.sh(f'head -c {size} /dev/sr1 2>&1 | md5sum', 60)

    def ejected(self):
        return 'opened the tray of hdd' in self.host.xend_log()

    def test_empty_drive_says_so(self):
        self.assertIn('No medium', self.sh('dd if=/dev/sr1 of=/dev/null count=1 2>&1'))

    def test_insert_is_seen(self):
        self.host.good('cd-insert', 'tray', 'hdd', self.a)
        self.assertIn(self.sum_a, self.md5(os.path.getsize(self.a)))
        self.assertIn('this is A', self.sh('mount -t iso9660 -o ro /dev/sr1 /mnt && cat /mnt/name.txt'))

    def test_mounted_disc_is_locked_in(self):
        r = self.host.xm('cd-eject', 'tray', 'hdd')
        self.assertEqual(r.status, 1, r)
        self.assertRegex(r.err, 'locked.*--force')
        self.assertEqual(self.host.xm('cd-insert', 'tray', 'hdd', self.b).status, 1)
        self.assertIn('this is A', self.sh('cat /mnt/name.txt'))

    def test_unmounted_disc_goes_and_another_comes(self):
        self.sh('umount /mnt')
        self.host.good('cd-eject', 'tray', 'hdd')
        self.assertIn('No medium', self.sh('dd if=/dev/sr1 of=/dev/null count=1 2>&1'))
        self.host.good('cd-insert', 'tray', 'hdd', self.b)
        self.assertIn(self.sum_b, self.md5(os.path.getsize(self.b)))

    def test_guest_opens_and_closes_the_tray(self):
        self.assertFalse(self.ejected())
        self.assertIn('status 0', self.sh('eject /dev/sr1; echo status $?'))
        wait_for('the word of the tray', 10, self.ejected)
        self.assertIn('No medium', self.sh('dd if=/dev/sr1 of=/dev/null count=1 2>&1'))
        self.assertIn('status 0', self.sh('eject -t /dev/sr1; echo status $?'))
        self.assertIn(self.sum_b, self.md5(os.path.getsize(self.b)))

    def test_tray_that_moves_all_the_time_fills_no_log(self):
        count = lambda: len(re.findall('the guest (opened|closed) the tray', self.host.xend_log()))
        before, start = count(), time.monotonic()
        self.sh('for i in $(seq 25); do eject /dev/sr1; eject -t /dev/sr1; done', 100)
        said = count() - before
        self.assertGreater(said, 10)
        self.assertLessEqual(said, 20 + time.monotonic() - start + 1, 'of 50')

    def test_insert_closes_an_open_tray(self):
        self.sh('eject /dev/sr1')
        self.host.good('cd-insert', 'tray', 'hdd', self.a)
        self.assertIn(self.sum_a, self.md5(os.path.getsize(self.a)))

    def test_force_takes_a_mounted_disc(self):
        self.sh('mount -t iso9660 -o ro /dev/sr1 /mnt')
        self.host.good('cd-eject', '--force', 'tray', 'hdd')
        self.assertIn('No medium', self.sh('dd if=/dev/sr1 of=/dev/null count=1 2>&1'))
        self.sh('umount /mnt')

    def test_block_configure_changes_a_mounted_disc_as_in_xen(self):
        self.host.good('cd-insert', 'tray', 'hdd', self.a)
        self.sh('mount -t iso9660 -o ro /dev/sr1 /mnt')
        self.host.good('block-configure', 'tray', 'file:' + self.b, 'hdd:cdrom', 'r')
        self.sh('umount /mnt')
        self.assertIn('this is B', self.sh('mount -t iso9660 -o ro /dev/sr1 /mnt && cat /mnt/name.txt; umount /mnt'))

    def test_other_formats_are_inserted_too(self):
        images = {}
        for form, spec in (('qcow2', 'tap:qcow2:'), ('vpc', 'tap2:vhd:'), ('vmdk', 'tap:vmdk:')):
            images[form] = self.host.path('c.' + form)
            subprocess.run(['qemu-img', 'convert', '-O', form, self.a, images[form]], check=True,
                           capture_output=True)
            self.host.good('cd-insert', 'tray', 'hdd', spec + images[form])
            self.assertIn(self.sum_a, self.md5(os.path.getsize(self.a)), form)
            self.host.good('cd-insert', 'tray', 'hdd', self.b)
        top = self.host.path('top.qcow2')
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', self.a, '-F', 'raw', top], check=True)
        self.host.good('cd-insert', 'tray', 'hdd', 'tap:qcow2:' + top)
        self.assertIn(self.sum_a, self.md5(os.path.getsize(self.a)), 'with a backing file')
        r = self.host.xm('cd-insert', 'tray', 'hdd', 'tap:qcow2:' + self.b)
        self.assertEqual(r.status, 1, 'that is no qcow2 image')
        self.assertIn(self.sum_a, self.md5(os.path.getsize(self.a)), 'and nothing was changed')

    def test_attach_and_detach_do_what_ide_can(self):
        rows = self.host.good('block-list', 'tray')
        self.assertRegex(rows, r'(?m)^5632 +0 +0 +1 +-1 +-1 .*\n5696 ', 'no driver of Xen')
        r = self.host.xm('block-attach', 'tray', 'file:' + self.b, 'hdd:cdrom', 'r')
        self.assertEqual((r.status, 'already connected' in r.err), (1, True), r)
        self.host.good('block-detach', 'tray', 'hdd')
        self.host.good('block-attach', 'tray', 'file:' + self.b, 'hdd:cdrom', 'r')
        self.assertIn(self.sum_b, self.md5(os.path.getsize(self.b)))
        r = self.host.xm('block-attach', 'tray', 'file:' + self.b, 'hda', 'w')
        self.assertEqual((r.status, 'usb-add' in r.err), (1, True), r)
        r = self.host.xm('block-detach', 'tray', 'hdb')
        self.assertEqual((r.status, 'not connected' in r.err), (1, True), r)


class HostDrive(Case):
    """A loop device that answers like a CD drive of this host, behind hdd."""
    seconds, test_seconds = 200, 120

    @classmethod
    def prepare(cls):
        need(GUEST)
        if os.geteuid() != 0 or not os.path.exists('/dev/loop-control'):
            raise cls.skipTest(cls, 'loop devices need root')
        cls.iso = cls.host.path('a.iso')
        cls.sum = disc(cls.iso, 'DISC_A', 'this is A\n')
        made = run('losetup', '-f', '--show', '-r', '-b', '2048', cls.iso)
        if made.status != 0:
            raise cls.skipTest(cls, 'no loop device with sectors of 2048 bytes: ' + made.err)
        cls.loop = made.out.strip()
        cls.addClassCleanup(run, 'losetup', '-d', cls.loop)
        shim, cls.status = cls.host.path('fake_cd.so'), cls.host.path('status')
        subprocess.run(['gcc', '-shared', '-fPIC', '-O1', '-o', shim, os.path.join(HERE, 'fake_cd.c'), '-ldl'],
                       check=True)
        cls.put(1)
        cls.host.env.update(LD_PRELOAD=shim, FAKE_CD=cls.status)
        cls.domain = cls.host.create('hostcd', boot='d', memory=160, vncdisplay=180, disk=[
            f'file:{GUEST},hdc:cdrom,r', f'phy:{cls.loop},hdd:cdrom,r'])
        cls.addClassCleanup(cls.domain.close)
        cls.domain.serial.wait('IDE GUEST READY', 120)
        cls.domain.serial.wait('# $', 10)

    @classmethod
    def put(cls, status):
        with open(cls.status + '.new', 'w') as f:
            f.write(str(status))
        os.rename(cls.status + '.new', cls.status)

    def told(self):
        try:
            with open(self.status + '.log') as f:
                return f.read()
        except OSError:
            return ''

    def sh(self, line, seconds=30):
        return self.domain.serial.command(line, seconds)

    def sees(self, text):
        size = os.path.getsize(self.iso)
        wait_for(f'{text!r} in the guest', 20,
                 lambda: text in self.sh(f'head -c {size} /dev/sr1 2>&1 | md5sum; '
                                         'dd if=/dev/sr1 of=/dev/null count=1 2>&1', 60), 1)

    def test_empty_drive_gets_a_disc(self):
        self.sees('No medium')
        self.put(4)
        self.sees(self.sum)

    def test_guest_locks_and_opens_the_real_drive(self):
        self.sh('mount -t iso9660 -o ro /dev/sr1 /mnt')
        wait_for('the lock', 10, lambda: 'lock 1' in self.told())
        self.sh('umount /mnt')
        wait_for('the end of the lock', 10, lambda: self.told().rstrip().endswith('lock 0'))
        self.assertNotIn('eject', self.told())
        self.sh('eject /dev/sr1')
        wait_for('the tray', 10, lambda: 'eject' in self.told())
        self.sees('No medium')

    def test_guest_closes_the_real_drive(self):
        self.sh('eject -t /dev/sr1')
        wait_for('the tray', 10, lambda: 'close' in self.told())
        self.put(4)
        self.sees(self.sum)

    def test_tray_that_takes_its_time_holds_up_nobody(self):
        open(self.status + '.slow', 'w').close()
        before = self.told().count('eject')
        self.sh('eject /dev/sr1')
        for _ in range(3):
            start = time.monotonic()
            self.host.good('list')
            self.assertLess(time.monotonic() - start, 3, 'xend answers')
        self.assertEqual(self.told().count('eject'), before, 'while the tray moves')
        wait_for('the tray', 20, lambda: self.told().count('eject') > before)
        os.unlink(self.status + '.slow')
        self.sh('eject -t /dev/sr1')
        self.put(4)
        self.sees(self.sum)

    def test_drive_is_given_while_the_machine_runs(self):
        self.host.good('cd-eject', '--force', 'hostcd', 'hdd')
        self.sees('No medium')
        self.host.good('block-configure', 'hostcd', 'phy:' + self.loop, 'hdd:cdrom', 'r')
        self.sees(self.sum)

    def test_disc_is_there_from_the_start(self):
        d = self.host.create('second', memory=32, vncdisplay=181, disk=[f'phy:{self.loop},hdc:cdrom,r'], boot='d')
        self.addCleanup(d.close)
        wait_for('the word of the disc', 10, lambda: re.search(r'domain second .* has a disc', self.host.xend_log()))
        self.host.good('destroy', 'second')

    def test_disc_taken_out_by_hand_is_missed(self):
        self.put(1)
        self.sees('No medium')


class Tools(Case):
    """What hdparm, smartctl and blkdiscard say of the disk."""
    seconds, test_seconds = 200, 100

    @classmethod
    def prepare(cls):
        need(GUEST)
        cls.image = cls.host.image('disk.img', mib=64)
        with open(cls.image, 'r+b') as f:
            f.write(random.Random(1).randbytes(8 << 20))
        cls.domain = cls.host.create('tools', disk=[f'file:{cls.image},hda,w', f'file:{GUEST},hdc:cdrom,r'],
                                     boot='d', memory=160, vncdisplay=185)
        cls.addClassCleanup(cls.domain.close)
        cls.domain.serial.wait('IDE GUEST READY', 120)
        cls.domain.serial.wait('# $', 10)

    def sh(self, line, seconds=30):
        return self.domain.serial.command(line, seconds)

    def test_hdparm_finds_the_feature_sets(self):
        out = self.sh('hdparm -I /dev/sda')
        for line in ('SMART feature set', 'Power Management feature set', 'Host Protected Area feature set',
                     'Mandatory FLUSH_CACHE', '48-bit Address feature set', 'WRITE_{DMA|MULTIPLE}_FUA_EXT',
                     'Data Set Management TRIM supported', 'SMART self-test', 'SMART error logging'):
            self.assertRegex(out, r'\*\s+' + line.replace('{', r'\{').replace('|', r'\|'))
        self.assertRegex(out, r'DMA:.*\*mdma2', 'what a PIIX3 can do')

    def test_hdparm_reads_power_modes_and_the_native_size(self):
        self.assertIn('active/idle', self.sh('hdparm -C /dev/sda'))
        self.sh('hdparm -y /dev/sda')
        self.assertIn('standby', self.sh('hdparm -C /dev/sda'))
        self.assertRegex(self.sh('hdparm -N /dev/sda'), r'131072/131072, HPA is disabled')

    def test_smartctl_passes_the_disk_after_a_self_test(self):
        self.assertIn('PASSED', self.sh('smartctl -H /dev/sda'))
        self.assertIn('has begun', self.sh('smartctl -t short /dev/sda'))
        wait_for('the self-test', 40, lambda: 'Completed without error' in
                 self.sh('smartctl -l selftest /dev/sda'), 1)
        out = self.sh('smartctl -a /dev/sda')
        self.assertRegex(out, r'Total_LBAs_Read')
        self.assertIn('No Errors Logged', out)
        self.assertNotRegex(out, r'(?i)checksum error|invalid')

    def test_blkdiscard_gives_the_space_back(self):
        before = os.stat(self.image).st_blocks
        self.assertIn('status 0', self.sh('blkdiscard -o 1M -l 4M /dev/sda; echo status $?'))
        self.assertLess(os.stat(self.image).st_blocks, before - 8000)
        self.assertIn('data', self.sh('head -c 5242880 /dev/sda | tail -c 4194304 | tr -d "\\\\000" | wc -c | '
                                      'sed "s/^0$/data gone/"'))

    def test_smart_and_hdparm_leave_the_data_alone(self):
        with open(self.image, 'rb') as f:
            want = hashlib.md5(f.read(1 << 20)).hexdigest()
        self.assertIn(want, self.sh('dd if=/dev/sda bs=1M count=1 iflag=direct 2>/dev/null | md5sum'))
