# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads text off a picture of a guest's screen: cuts it into character cells and looks each one up
in the VGA's own 8x16 font, which is in SeaBIOS's VGA BIOS."""
import functools

FONT_FILE = '/usr/share/seabios/vgabios-stdvga.bin'
# 'A' in the font that every PC has had since the VGA; the font starts 65 glyphs before it.
LETTER_A = bytes.fromhex('00001038 6cc6c6fe c6c6c6c6 00000000')


class Picture:
    """width x height pixels, rows of 3 bytes each"""

    def __init__(self, width, height, rgb):
        self.width, self.height, self.rgb = width, height, rgb

    @classmethod
    def from_ppm(cls, data):
        fields, pos = [], 0
        while len(fields) < 4:
            end = pos
            while data[end:end + 1] not in (b' ', b'\n', b'\t'):
                end += 1
            if data[pos:pos + 1] == b'#':
                end = data.index(b'\n', pos)
            elif end > pos:
                fields.append(data[pos:end])
            pos = end + 1
        if fields[0] != b'P6' or fields[3] != b'255':
            raise ValueError('not a PPM picture')
        width, height = int(fields[1]), int(fields[2])
        rgb = data[pos:]
        if len(rgb) != width * height * 3:
            raise ValueError(f'{width}x{height} picture with {len(rgb)} bytes of pixels')
        return cls(width, height, rgb)

    def ppm(self):
        return b'P6\n%d %d\n255\n' % (self.width, self.height) + self.rgb

    def colours(self):
        return {self.rgb[i:i + 3] for i in range(0, len(self.rgb), 3)}

    def blank(self):
        return len(self.colours()) < 2


@functools.lru_cache(maxsize=None)
def font():
    """glyph (16 bytes, one a row) -> character"""
    with open(FONT_FILE, 'rb') as f:
        data = f.read()
    start = data.find(LETTER_A) - 16 * 65
    if start < 0:
        raise RuntimeError(f'no font in {FONT_FILE}')
    table = {}
    for code in list(range(32, 127)) + list(range(127, 256)):
        glyph = data[start + code * 16:start + code * 16 + 16]
        table.setdefault(glyph, chr(code) if code < 127 else bytes([code]).decode('cp437'))
    # The cursor is a bar over the lowest rows: glyphs are known by their upper rows, too.
    for code in range(32, 127):
        glyph = data[start + code * 16:start + code * 16 + 16]
        table.setdefault(glyph[:13], chr(code))
    return table


def _cell(rows):
    """rows: 16 slices of 8 pixels"""
    background = rows[0][0:3]
    bits, mixed = bytearray(), False
    for row in rows:
        value = 0
        for x in range(0, 24, 3):
            value <<= 1
            if row[x:x + 3] != background:
                value |= 1
                mixed = True
        bits.append(value)
    if not mixed:
        return ' '
    table = font()
    glyph = bytes(bits)
    found = table.get(glyph) or table.get(bytes(b ^ 255 for b in glyph))
    if not found:
        found = table.get(glyph[:13]) or table.get(bytes(b ^ 255 for b in glyph[:13]))
    return found or '\ufffd'


def text(picture):
    """The lines of text on the picture, right-stripped."""
    wide = 9 if picture.width % 720 == 0 and picture.height % 400 == 0 else 8
    stride = picture.width * 3
    cache, lines = {}, []
    for top in range(0, picture.height - 15, 16):
        rows = [picture.rgb[(top + y) * stride:(top + y + 1) * stride] for y in range(16)]
        line = []
        for column in range(picture.width // wide):
            left = column * wide * 3
            cell = tuple(r[left:left + 24] for r in rows)
            if cell not in cache:
                cache[cell] = _cell(cell)
            line.append(cache[cell])
        lines.append(''.join(line).rstrip())
    return '\n'.join(lines).rstrip('\n')
