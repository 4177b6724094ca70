# SPDX-License-Identifier: GPL-2.0-or-later
"""BIOS and VBE modes, drawn by a real-mode program (tests/media/video.S) and compared as pictures with
what its numbers make on a VGA; floppy and disk by INT 13h on the way."""
import functools
import os
import random
import struct

import screen
from harness import MEDIA, Case, need

PROGRAM = os.path.join(MEDIA, 'video.bin')
PICTURE, SAVED = 36 * 512, 2520 * 512       # in the floppy


@functools.lru_cache(maxsize=None)
def numbers():
    """The generator's whole period as bytes, and where each state is in it."""
    x, out, place = 0, bytearray(), {}
    for i in range(65536):
        place[x] = i
        x = (x * 25173 + 13849) & 0xffff
        out.append(x >> 8)
    return bytes(out), place


def filled(seed, count):
    period, place = numbers()
    at = place[seed & 0xffff]
    return (period[at:] + period[:at])[:count]


def total(data):
    s = 0
    for (word,) in struct.iter_unpack('<I', data):
        s = (s + word) & 0xffffffff
        s = (s << 1 | s >> 31) & 0xffffffff
    return s


def dac(i):
    six = (i & 63, 3 * i & 63, 63 - i & 63)
    return bytes(c << 2 | c >> 4 for c in six)


DAC = [dac(i) for i in range(256)]


def rows(lines, wide, high):
    """Lines of colours as a picture, each pixel wide x high."""
    return b''.join(b''.join(c * wide for c in line) * high for line in lines)


def text_picture(cells):
    with open(screen.FONT_FILE, 'rb') as f:
        data = f.read()
    start = data.find(screen.LETTER_A) - 16 * 65
    out = []
    for row in range(25):
        for scan in range(16):
            for column in range(80):
                ch, attr = cells[(row * 80 + column) * 2:][:2]
                bits = data[start + ch * 16 + scan] << 1
                if 0xc0 <= ch < 0xe0:
                    bits |= bits >> 1 & 1
                out += [DAC[attr & 15] if bits >> (8 - i) & 1 else DAC[attr >> 4] for i in range(9)]
    return b''.join(out)


def cga_picture(memory, bits):
    def line(y):
        data = memory[(y & 1) * 0x2000 + y // 2 * 80:][:80]
        return [DAC[byte >> shift & (1 << bits) - 1] for byte in data for shift in range(8 - bits, -1, -bits)]
    return rows([line(y) for y in range(200)], bits, 2)


def planar_picture(planes, width, height, wide, high):
    pitch = width // 8

    def line(y):
        parts = [p[y * pitch:(y + 1) * pitch] for p in planes]
        return [DAC[(a >> s & 1) | (b >> s & 1) << 1 | (c >> s & 1) << 2 | (d >> s & 1) << 3]
                for a, b, c, d in zip(*parts) for s in range(7, -1, -1)]
    return rows([line(y) for y in range(height)], wide, high)


def packed_picture(memory, width, height, pitch, bpp):
    def grow(v, bits):
        return v << (8 - bits) | v >> (2 * bits - 8)

    def sixteen(v):
        return bytes((grow(v >> 11, 5), grow(v >> 5 & 63, 6), grow(v & 31, 5)))

    def fifteen(v):
        return bytes((grow(v >> 10 & 31, 5), grow(v >> 5 & 31, 5), grow(v & 31, 5)))
    out = []
    for y in range(height):
        line = memory[y * pitch:(y + 1) * pitch]
        if bpp == 8:
            out.append(b''.join(map(DAC.__getitem__, line[:width])))
        elif bpp in (15, 16):
            make = sixteen if bpp == 16 else fifteen
            out.append(b''.join(make(v) for (v,) in struct.iter_unpack('<H', line[:2 * width])))
        else:
            size, rgb = bpp // 8, bytearray(3 * width)
            for i in range(3):
                rgb[2 - i::3] = line[i:size * width:size]
            out.append(bytes(rgb))
    return b''.join(out)


class Video(Case):
    seconds = 600
    test_seconds = 240
    # width, height, bits of the VBE modes of video.S; 0x112 and 0x115 are 24 or 32 bits deep
    MODES = {0x101: (640, 480, 8), 0x110: (640, 480, 15), 0x111: (640, 480, 16), 0x112: (640, 480, 24),
             0x115: (800, 600, 24), 0x117: (1024, 768, 16), 0x144: (1024, 768, 32)}

    @classmethod
    def prepare(cls):
        need(PROGRAM)
        need(screen.FONT_FILE, 'seabios')

    def start(self, name, floppy=True, **keys):
        with open(PROGRAM, 'rb') as f:
            image = bytearray(f.read().ljust(1474560 if floppy else 4 << 20, b'\0'))
        image[PICTURE:PICTURE + 64000] = random.Random(13).randbytes(64000)
        self.floppy = self.host.path(name + '.img')
        with open(self.floppy, 'wb') as f:
            f.write(image)
        keys.update({'fda': self.floppy, 'boot': 'a', 'disk': []} if floppy else
                    {'boot': 'c', 'disk': [f'file:{self.floppy},hda,w']})
        self.domain = self.host.create(name, memory=32, vncdisplay=180, **keys)
        self.image = image

    def ready(self, what, seconds=60):
        return self.domain.serial.wait(what + r'[^\r\n]* SUM ([0-9A-F]{8}) READY', seconds)

    def check(self, m, memory, width, height, rgb, what):
        """The sum that the guest read and the picture that everybody sees; then the next mode."""
        self.assertEqual(m[m.re.groups].decode(), f'{total(memory):08X}', f'{what}: what the guest reads')
        p = self.domain.picture()
        self.assertEqual((p.width, p.height), (width, height), what)
        if p.rgb != rgb:
            wrong = [i // 3 for i in range(0, len(rgb), 3) if rgb[i:i + 3] != p.rgb[i:i + 3]]
            x, y = wrong[0] % width, wrong[0] // width
            self.fail(f'{what}: {len(wrong)} pixels differ, the first at ({x}, {y}): '
                      f'{p.rgb[wrong[0] * 3:][:3].hex()}, not {rgb[wrong[0] * 3:][:3].hex()}')
        self.domain.serial.type('n')

    def text(self):
        m = self.ready('MODE 03')
        cells = bytearray(filled(3, 4000))
        for i in range(1, 4000, 2):
            cells[i] &= 0x7f
        for row in range(1, 21):
            for column in range(2, 71):
                at = (row * 80 + column) * 2
                cells[at:at + 2] = cells[at + 480:at + 482] if row < 18 else b' \x17'
        for i, ch in enumerate(b'Guesthouse'):
            cells[(22 * 80 + 3 + i) * 2] = ch
        self.check(m, cells, 720, 400, text_picture(cells), 'mode 3')
        with open(self.floppy, 'rb') as f:
            after = f.read()
        self.assertEqual(after[SAVED:SAVED + 4000], cells, 'written by INT 13h')
        self.assertEqual(after[:SAVED], self.image[:SAVED])

    def cga(self):
        for mode, bits in ((4, 2), (6, 1)):
            memory = filled(mode, 16384)
            self.check(self.ready(f'MODE {mode:02X}'), memory, 640, 400, cga_picture(memory, bits), f'mode {mode}')

    def graphics(self):
        for mode, width, height, wide, high in ((0x0d, 320, 200, 2, 2), (0x10, 640, 350, 1, 1),
                                                (0x12, 640, 480, 1, 1)):
            planes = [filled(mode + 257 * i, width // 8 * height) for i in range(4)]
            self.check(self.ready(f'MODE {mode:02X}'), b''.join(planes), width * wide, height * high,
                       planar_picture(planes, width, height, wide, high), f'mode {mode:#x}')
        memory = bytes(self.image[PICTURE:PICTURE + 64000])
        lines = [[DAC[b] for b in memory[y * 320:(y + 1) * 320]] for y in range(200)]
        self.check(self.ready('MODE 13'), memory, 640, 400, rows(lines, 2, 2), 'mode 0x13')
        planes = [filled(0x58 + 257 * i, 19200) for i in range(4)]
        lines = [[DAC[planes[x & 3][y * 80 + x // 4]] for x in range(320)] for y in range(240)]
        self.check(self.ready('MODE X'), b''.join(planes), 640, 480, rows(lines, 2, 2), 'mode X')

    def vbe(self, least):
        """At least so many VBE modes are there; those that are show what they should."""
        found = 0
        for mode, (width, height, bits) in self.MODES.items():
            m = self.domain.serial.wait(
                rf'VBE {mode:04x} (?:NONE|(\w{{4}}) (\w{{4}}) (\w{{4}}) (\w\w) SUM (\w{{8}}) READY)', 60)
            if not m[1]:
                continue
            w, h, pitch, bpp = (int(m[i], 16) for i in range(1, 5))
            self.assertEqual((w, h), (width, height))
            self.assertTrue(bpp == bits or bits == 24 and bpp == 32, f'{mode:#x}: {bpp} bits')
            banks = (pitch * h + 65535) // 65536
            memory = b''.join(filled(mode + 257 * i, 65536) for i in range(banks))
            self.check(m, memory, w, h, packed_picture(memory, w, h, pitch, bpp), f'VBE mode {mode:#x}')
            found += 1
        self.domain.serial.wait('DONE', 30)
        self.assertGreaterEqual(found, least)

    def run_modes(self, name, least, **keys):
        """least: of VBE; 0: only the modes that write little, for a KVM that is slow at devices"""
        self.start(name, **keys)
        try:
            self.text()
            self.cga()
            if least:
                self.graphics()
                self.vbe(least)
        finally:
            self.domain.close()
            self.host.xm('destroy', name)

    def test_cirrus_shows_every_mode(self):
        self.run_modes('cirrus', 5)

    def test_standard_vga_shows_every_mode(self):
        self.run_modes('std', 7, stdvga=1, videoram=16)

    def test_standard_vga_interpreted(self):
        self.run_modes('interp', 7, stdvga=1, cpu='interp')

    def test_text_cga_and_a_disk_under_kvm(self):
        if not os.access('/dev/kvm', os.R_OK | os.W_OK):
            self.skipTest('no /dev/kvm')
        self.run_modes('kvm', 0, floppy=False, cpu='kvm')
