# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole boots, translated and interpreted, of Debian's amd64 and i386 kernels: at each mark on the way from the
BIOS to the end of a program in user mode all registers and the memory that depends on nothing but the processor
must be the same."""
import hashlib
import os

from harness import MEDIA, PATIENCE, Case, free_port, need
from test_gdb import Remote

KERNEL = 0x1000000          # where Debian's kernels are linked to run (without KASLR)
TEXT = 11 << 20             # of their code, at least
OUTCOME = 262144 + 96       # words and sums of marks.c
CHUNK = 8192


class Marks:
    seconds, test_seconds = 400, 180
    bits, high, arch = 64, 0xffffffff80000000, 'x86-64'

    @classmethod
    def prepare(cls):
        cls.iso = need(os.path.join(MEDIA, f'marks{cls.bits}.iso'))
        with open(need(os.path.join(MEDIA, f'marks{cls.bits}.sym'))) as f:
            cls.label = {name: int(at, 16) for at, _, name in (line.split() for line in f)}

    def memory(self, r, at, size):
        digest = hashlib.sha256()
        for part in range(at, at + size, CHUNK):
            answer = r.ask(b'm%x,%x' % (part, min(CHUNK, at + size - part)))
            self.assertNotEqual(answer[:1], b'E', f'memory at {part:#x}')
            digest.update(answer)
        return digest.hexdigest()

    def mark(self, r, at):
        """The registers there; the breakpoint is gone then."""
        self.assertEqual(r.ask(b'Z1,%x,1' % at), b'OK')
        self.assertRegex(r.ask(b'c'), rb'^T05')
        self.assertEqual(r.ask(b'z1,%x,1' % at), b'OK')
        return r.ask(b'g').decode()

    def boot(self, engine):
        name, port = f'{engine}{self.bits}', free_port()
        self.host.good('create', '-p', self.host.config(
            name, disk=[f'file:{self.iso},hdc:cdrom,r'], boot='d', cpu=engine, memory=128, serial='null', vncdisplay=240,
            gdbserver=f'{port},{self.arch}'))
        r, found = Remote(port), {}
        r.sock.settimeout(150 * PATIENCE)
        try:
            r.ask(b'?')
            self.host.good('unpause', name)
            found['boot sector'] = self.mark(r, 0x7c00)
            found['its bytes'] = self.memory(r, 0x7c00, 2048)
            found['the BIOS'] = self.memory(r, 0xf8000, 0x7000)
            found['kernel'] = self.mark(r, KERNEL)
            found['its code'] = self.memory(r, KERNEL, TEXT)
            found['program'] = self.mark(r, self.label['_start'])
            found['the kernel when it runs'] = self.memory(r, self.high + KERNEL, TEXT)
            found['end'] = self.mark(r, self.label['mark_end'])
            found['its outcome'] = self.memory(r, self.label['sums'], OUTCOME)
            r.close()
        finally:
            self.host.xm('destroy', name)
        return found

    def test_boots_are_the_same(self):
        first, second = self.boot('soft'), self.boot('interp')
        self.assertEqual(first, second)


class Marks64(Marks, Case):
    pass


class Marks32(Marks, Case):
    bits, high, arch = 32, 0xc0000000, 'i386'
