# SPDX-License-Identifier: GPL-2.0-or-later
"""Images in other formats than raw, a host without space, disks that grow."""
import os
import shutil
import subprocess
import tempfile

import sectors
from harness import Case, INSTALLED, need, run, wait_for
from test_install import partition_check


def writer():
    """Writes sectors 2048 and up by the BIOS, one dot each; E and a stop when it fails.
    ah = 43h with a packet at 0x600."""
    packet = bytes.fromhex('1000 4000 0080 0000') + (2048).to_bytes(8, 'little')
    text = sectors.say('W')
    loop = bytes.fromhex('be0006 b80043 b280 cd13')             # si = 0x600; ax = 4300; int 13h
    copy = bytes.fromhex('bf0006 b91000')                       # di = 0x600; cx = 16
    dot = sectors.say('.')
    fail = sectors.say('E') + sectors.HALT
    step = bytes.fromhex('8306080640')                          # add word [0x608], 0x40
    body = loop + b'\x72' + bytes([len(dot) + len(step) + 2]) + dot + step
    body += b'\xeb' + (256 - len(body) - 2).to_bytes(1, 'little')
    source = 0x7c00 + len(sectors.START) + 3 + len(copy) + 2 + len(text) + len(body) + len(fail)
    code = b'\xbe' + source.to_bytes(2, 'little') + copy + b'\xf3\xa4' + text + body + fail
    return sectors.sector(code, packet)


def flat(path, form):
    raw = path + '.raw'
    subprocess.run(['qemu-img', 'convert', '-f', form, '-O', 'raw', path, raw], check=True)
    return raw


class Formats(Case):
    """The installed system boots from qcow2 over raw, from VHD, VMDK and a block device, and leaves them sound."""
    seconds, test_seconds = 400, 140

    def boots(self, name, spec, display):
        """Logs in, writes a file, powers off."""
        d = self.host.create(name, disk=[f'{spec},hda,w'], memory=128, boot='c', vncdisplay=display)
        self.addCleanup(self.host.xm, 'destroy', name)
        d.login()
        d.serial.type('dd if=/dev/urandom of=/root/x bs=64k count=32; cp /root/x /root/y; sync; '
                      'echo 3 >/proc/sys/vm/drop_caches; cmp /root/x /root/y && echo SA""ME\n')
        d.serial.wait('SAME', 60)
        d.serial.type('poweroff\n')
        d.wait_gone(60)

    def test_qcow2_over_a_raw_base(self):
        need(INSTALLED)
        top = os.path.join(self.host.dir, 'top.qcow2')
        self.host.good('disk-create', top, '--format', 'qcow2', '--backing', INSTALLED,
                       '--backing-format', 'raw')
        self.boots('q', f'tap:qcow2:{top}', 200)
        check = run('qemu-img', 'check', '-f', 'qcow2', top)
        self.assertEqual(check.status, 0, check)
        check = partition_check(flat(top, 'qcow2'))
        self.assertEqual(check.status, 0, check)

    def test_vhd(self):
        need(INSTALLED)
        disk = os.path.join(self.host.dir, 'a.vhd')
        made = run('qemu-img', 'convert', '-f', 'raw', '-O', 'vpc', '-o', 'force_size=on',
                   INSTALLED, disk)
        self.assertEqual(made.status, 0, made)
        self.boots('v', f'tap2:vhd:{disk}', 210)
        check = partition_check(flat(disk, 'vpc'))
        self.assertEqual(check.status, 0, check)

    def test_vmdk_by_qemu_nbd(self):
        need(INSTALLED)
        disk = os.path.join(self.host.dir, 'a.vmdk')
        made = run('qemu-img', 'convert', '-f', 'raw', '-O', 'vmdk', INSTALLED, disk)
        self.assertEqual(made.status, 0, made)
        self.boots('k', f'tap:vmdk:{disk}', 212)
        check = partition_check(flat(disk, 'vmdk'))
        self.assertEqual(check.status, 0, check)

    def test_block_device(self):
        need(INSTALLED)
        if os.geteuid():
            self.skipTest('only root can make a block device')
        image = self.host.image('device.img', copy_of=INSTALLED)
        loop = run('losetup', '-f', '--show', image)
        if loop.status:
            self.skipTest(f'no loop device: {loop.err.strip()}')
        device = loop.out.strip()
        self.addCleanup(run, 'losetup', '-d', device)
        self.boots('p', f'phy:{device}', 214)
        run('losetup', '-d', device)
        check = partition_check(image)
        self.assertEqual(check.status, 0, check)


class FullHost(Case):
    """A file system that is full while the guest writes."""
    seconds, test_seconds = 150, 120

    def start(self, name, policy, display):
        if os.geteuid():
            self.skipTest('only root can make a small file system')
        self.place = tempfile.mkdtemp(prefix='gh-full-')
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', self.place], check=True)
        self.addCleanup(shutil.rmtree, self.place, True)
        self.addCleanup(subprocess.run, ['umount', '-l', self.place], check=False)
        disk = os.path.join(self.place, 'a.qcow2')
        self.host.good('disk-create', disk, '64M', '--format', 'qcow2')
        boot = self.host.medium(name + '.img', writer())
        copied = run('qemu-io', '-f', 'qcow2', '-c', f'write -s {boot} 0 512', disk)
        self.assertEqual(copied.status, 0, copied)
        d = self.host.create(name, disk=[f'tap:qcow2:{disk},hda,w'], memory=32, vncdisplay=display,
                             on_disk_error=policy)
        d.serial.wait('W', 60)
        return d, disk

    def paused(self, name):
        return 'p' in self.host.listed()[name]['state']

    def test_pause_waits_for_space_and_loses_nothing(self):
        d, disk = self.start('wait', 'pause', 220)
        wait_for('the domain to be paused', 60, lambda: self.paused('wait'))
        self.assertNotIn('E', d.serial.text())
        self.host.good('unpause', 'wait')               # still full: paused again
        wait_for('it to be paused again', 20, lambda: self.paused('wait'))
        before = d.serial.text().count('.')
        subprocess.run(['mount', '-o', 'remount,size=200m', self.place], check=True)
        self.host.good('unpause', 'wait')
        wait_for('it to go on', 30, lambda: d.serial.text().count('.') > before + 20)
        self.assertFalse(self.paused('wait'))
        self.host.good('destroy', 'wait')
        check = run('qemu-img', 'check', '-f', 'qcow2', disk)
        self.assertIn(check.status, (0, 3), check)

    def test_report_gives_the_guest_an_error(self):
        d, _ = self.start('tell', 'report', 230)
        d.serial.wait('E', 60)
        self.assertFalse(self.paused('tell'))

    def test_stop_ends_it_as_a_crash(self):
        d, _ = self.start('stop', 'stop', 240)
        d.wait_gone(60)


class Growth(Case):
    """xm disk-resize, for raw and qcow2."""

    def test_disk_resize(self):
        raw = self.host.medium('g.img', sectors.idle())
        qcow2 = os.path.join(self.host.dir, 'g.qcow2')
        self.host.good('disk-create', qcow2, '16M', '--format', 'qcow2')
        d = self.host.create('grow', disk=[f'file:{raw},hda,w', f'tap:qcow2:{qcow2},hdb,w'],
                             memory=32, vncdisplay=250)
        d.serial.wait('IDLE', 60)
        self.host.good('disk-resize', 'grow', 'hda', '40M')
        self.host.good('disk-resize', 'grow', 'hdb', '2G')
        self.assertEqual(os.path.getsize(raw), 40 << 20)
        smaller = self.host.xm('disk-resize', 'grow', 'hdb', '1G')
        self.assertNotEqual(smaller.status, 0)
        self.host.good('destroy', 'grow')
        info = run('qemu-img', 'info', '-f', 'qcow2', qcow2)
        self.assertIn('2 GiB', info.out)


class Images(Case):
    """xm disk-create."""

    def test_disk_create_never_overwrites(self):
        path = os.path.join(self.host.dir, 'n.img')
        self.host.good('disk-create', path, '1.5M')
        self.assertEqual(os.path.getsize(path), 3 << 19)
        again = self.host.xm('disk-create', path, '1M')
        self.assertNotEqual(again.status, 0)
        self.assertIn('--force', again.err)
        self.assertEqual(os.path.getsize(path), 3 << 19)
        self.host.good('disk-create', '--force', path, '1M')
        self.assertEqual(os.path.getsize(path), 1 << 20)
