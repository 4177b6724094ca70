# SPDX-License-Identifier: GPL-2.0-or-later
"""Floppies: booted from, used by a real-mode program through INT 13h and by Linux's driver, changed
while the guest runs."""
import hashlib
import os
import random
import struct

from harness import MEDIA, Case, need, wait_for

PROGRAM = os.path.join(MEDIA, 'floppy.bin')
GUEST = os.path.join(MEDIA, 'dev.iso')


def total(image):
    """As floppy.S sums: add, rotate left."""
    s = 0
    for (word,) in struct.iter_unpack('<I', image):
        s = (s + word) & 0xffffffff
        s = (s << 1 | s >> 31) & 0xffffffff
    return s


class Floppies(Case):
    seconds = 300

    @classmethod
    def prepare(cls):
        need(PROGRAM)

    def disk(self, name, tracks, heads, sectors, read_only=False):
        with open(PROGRAM, 'rb') as f:
            program = bytearray(f.read())
        program[3:8] = bytes((sectors, heads, tracks, 0, read_only))
        image = bytes(program) + random.Random(name).randbytes(tracks * heads * sectors * 512 - 1536)
        path = self.host.path(name + '.img')
        with open(path, 'wb') as f:
            f.write(image)
        return path, image

    def check(self, name, kind, tracks, heads, sectors, writes=True):
        path, image = self.disk(name, tracks, heads, sectors, not writes)
        d = self.host.create(name, fda=path, boot='a', disk=[], memory=32, vncdisplay=160)
        try:
            m = d.serial.wait(r'GEOMETRY ([0-9A-F]{8})\s+SUM ([0-9A-F]{8})', 60)
            self.assertEqual(m[1][:2].decode(), kind)
            self.assertEqual(int(m[2], 16), total(image))
            if writes:
                d.serial.wait(r'WRITE\s+FORMAT\s+OK\s+CHANGE', 60)
                with open(path, 'rb') as f:
                    after = f.read()
                track = sectors * 512
                pattern = bytes((3 + 7 * i) & 0xff for i in range(track))
                self.assertEqual(after[-track:], pattern)
                filled = (tracks - 2) * heads * track
                self.assertEqual(len(set(after[filled:filled + track])), 1, 'formatted')
                self.assertEqual(after[:filled], image[:filled])
                self.assertEqual(after[filled + track:-track], image[filled + track:-track])
        finally:
            d.close()
            self.host.xm('destroy', name)

    def test_boot_and_int_13h_on_1440(self):
        self.check('f1440', '04', 80, 2, 18)

    def test_boot_and_int_13h_on_360(self):
        self.check('f360', '01', 40, 2, 9)

    def test_boot_and_int_13h_on_160_180_and_320(self):
        self.check('f160', '01', 40, 1, 8)
        self.check('f180', '01', 40, 1, 9)
        self.check('f320', '01', 40, 2, 8)

    def test_boot_and_int_13h_on_1200(self):
        self.check('f1200', '02', 80, 2, 15)

    def test_boot_and_int_13h_on_720(self):
        self.check('f720', '04', 80, 2, 9)

    def test_boot_and_int_13h_on_2880(self):
        self.check('f2880', '05', 80, 2, 36, writes=False)      # SeaBIOS formats up to 18 sectors

    def test_medium_is_changed_under_a_program(self):
        path, image = self.disk('first', 80, 2, 18, True)
        other = bytes(reversed(image))
        second = self.host.path('second.img')
        with open(second, 'wb') as f:
            f.write(other)
        d = self.host.create('swap', fda=path, boot='a', disk=[], memory=32, vncdisplay=165)
        try:
            d.serial.wait('CHANGE', 60)
            self.host.good('block-configure', 'swap', '', 'fda', 'r')
            self.host.good('block-configure', 'swap', 'file:' + second, 'fda', 'r')
            m = d.serial.wait(r'NEW [0-9A-F]{2}\s+SUM ([0-9A-F]{8})', 60)
            self.assertEqual(int(m[1], 16), total(other))
            r = self.host.xm('block-configure', 'swap', 'file:' + PROGRAM, 'fdb', 'r')
            self.assertEqual(r.status, 1)
        finally:
            d.close()
            self.host.xm('destroy', 'swap')

    def test_linux_reads_writes_and_sees_a_change(self):
        need(GUEST)
        paths = [self.host.path(f'l{i}.img') for i in range(3)]
        images = [random.Random(i).randbytes(1474560 if i else 737280) for i in range(3)]
        for p, i in zip(paths, images):
            with open(p, 'wb') as f:
                f.write(i)
        d = self.host.create('lfd', fda=paths[1], fdb=paths[0], boot='d', memory=160, vncdisplay=170,
                             disk=[f'file:{GUEST},hdc:cdrom,r'])
        try:
            s = d.serial
            s.wait('DEV GUEST READY', 120)
            s.wait('# $', 10)
            self.assertIn('fd0', s.command('ls /dev'))
            for dev, image in (('fd0', images[1]), ('fd1', images[0])):
                out = s.command(f'dd if=/dev/{dev} bs=18k 2>/dev/null | md5sum', 60)
                self.assertIn(hashlib.md5(image).hexdigest(), out)
            out = s.command('dd if=/dev/zero of=/dev/fd0 bs=512 seek=100 count=333 conv=fsync 2>&1; '
                            'echo status $?', 60)
            self.assertIn('status 0', out)
            with open(paths[1], 'rb') as f:
                after = f.read()
            self.assertEqual(after, images[1][:51200] + bytes(333 * 512) + images[1][51200 + 333 * 512:])
            self.host.good('block-configure', 'lfd', 'file:' + paths[2], 'fda', 'w')
            out = s.command('dd if=/dev/fd0 bs=18k 2>/dev/null | md5sum', 60)
            self.assertIn(hashlib.md5(images[2]).hexdigest(), out)
            os.chmod(paths[2], 0o444)
            self.host.good('block-configure', 'lfd', 'file:' + paths[1], 'fda', 'r')
            out = s.command('dd if=/dev/zero of=/dev/fd0 bs=512 count=1 2>&1; echo status $?', 60)
            self.assertNotIn('status 0', out, 'write protected')
            self.host.good('block-configure', 'lfd', '', 'fda', 'r')
            out = s.command('dd if=/dev/fd0 of=/dev/null count=1 2>&1; echo status $?', 60)
            self.assertNotIn('status 0', out, 'empty')
        finally:
            d.close()
            self.host.xm('destroy', 'lfd')
