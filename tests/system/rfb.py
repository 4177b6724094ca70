# SPDX-License-Identifier: GPL-2.0-or-later
"""A VNC viewer of our own (RFB 3.8, RFC 6143): raw pictures, keys, and the password's DES."""
import socket
import struct
import time

from screen import Picture

KEYS = {'\n': 0xff0d, '\t': 0xff09, '\b': 0xff08, '\x1b': 0xff1b}
SHIFTED = set('~!@#$%^&*()_+{}|:"<>?ABCDEFGHIJKLMNOPQRSTUVWXYZ')

# DES (FIPS 46-3), for one block: the permutations and boxes as the standard prints them.
IP = [58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6,
      64, 56, 48, 40, 32, 24, 16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3,
      61, 53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7]
FP = [IP.index(i + 1) + 1 for i in range(64)]
EXPAND = [32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17, 16, 17,
          18, 19, 20, 21, 20, 21, 22, 23, 24, 25, 24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1]
PBOX = [16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19,
        13, 30, 6, 22, 11, 4, 25]
PC1 = [57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3,
       60, 52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37,
       29, 21, 13, 5, 28, 20, 12, 4]
PC2 = [14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41,
       52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32]
ROTATE = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1]
# One hexadecimal digit an entry, four rows of sixteen a box.
SBOX = [[int(c, 16) for c in box] for box in (
    'e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d',
    'f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9',
    'a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c',
    '7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e',
    '2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453',
    'c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d',
    '4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c',
    'd2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b')]


def _pick(value, width, table):
    out = 0
    for position in table:
        out = out << 1 | value >> (width - position) & 1
    return out


def des_block(key, block):
    """Encrypts 8 bytes with DES in ECB."""
    k = _pick(int.from_bytes(key, 'big'), 64, PC1)
    c, d = k >> 28, k & 0xfffffff
    v = _pick(int.from_bytes(block, 'big'), 64, IP)
    left, right = v >> 32, v & 0xffffffff
    for turn in ROTATE:
        c = (c << turn | c >> (28 - turn)) & 0xfffffff
        d = (d << turn | d >> (28 - turn)) & 0xfffffff
        x = _pick(right, 32, EXPAND) ^ _pick(c << 28 | d, 56, PC2)
        f = 0
        for box in range(8):
            six = x >> (42 - 6 * box) & 0x3f
            f = f << 4 | SBOX[box][(six >> 4 & 2 | six & 1) * 16 + (six >> 1 & 15)]
        left, right = right, left ^ _pick(f, 32, PBOX)
    return _pick(right << 32 | left, 64, FP).to_bytes(8, 'big')


def vnc_response(password, challenge):
    """VNC turns the bits of each of the password's bytes round before it uses them as the key."""
    key = bytes(int(f'{b:08b}'[::-1], 2) for b in password.encode()[:8].ljust(8, b'\0'))
    return des_block(key, challenge[:8]) + des_block(key, challenge[8:])


class Refused(Exception):
    """The server's words when it lets nobody in."""


class Viewer:
    def __init__(self, port, password=None, host='127.0.0.1', timeout=20):
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.settimeout(timeout)
        self.version = self._take(12)
        self.sock.sendall(b'RFB 003.008\n')
        types = self._take(self._take(1)[0])
        if not types:
            raise Refused(self._reason())
        self.needs_password = 1 not in types
        if self.needs_password:
            self.sock.sendall(b'\2')
            self.sock.sendall(vnc_response(password or '', self._take(16)))
        else:
            self.sock.sendall(b'\1')
        if struct.unpack('>I', self._take(4))[0]:
            raise Refused(self._reason())
        self.sock.sendall(b'\1')    # shared
        self.width, self.height = struct.unpack('>HH', self._take(4))
        self._take(16)
        self.name = self._take(struct.unpack('>I', self._take(4))[0]).decode()
        # 32 bits a pixel, little-endian, red lowest; raw, and changes of the size
        self.sock.sendall(struct.pack('>BxxxBBBBHHHBBBxxx', 0, 32, 24, 0, 1, 255, 255, 255, 0, 8, 16))
        self.sock.sendall(struct.pack('>BxHii', 2, 2, 0, -223))
        self.pixels = bytearray(self.width * self.height * 4)
        self.updates = 0

    def close(self):
        self.sock.close()

    def _take(self, n):
        data = bytearray(n)
        rest = memoryview(data)
        while rest:
            got = self.sock.recv_into(rest)
            if not got:
                raise ConnectionError('the VNC server closed the connection')
            rest = rest[got:]
        return data

    def _reason(self):
        return self._take(struct.unpack('>I', self._take(4))[0]).decode('utf-8', 'replace')

    def _rectangle(self):
        x, y, w, h, encoding = struct.unpack('>HHHHi', self._take(12))
        if encoding == -223:
            self.width, self.height = w, h
            self.pixels = bytearray(w * h * 4)
            return True
        if encoding != 0:
            raise ConnectionError(f'encoding {encoding} was not asked for')
        data = self._take(w * h * 4)
        for row in range(h):
            at = ((y + row) * self.width + x) * 4
            self.pixels[at:at + w * 4] = data[row * w * 4:(row + 1) * w * 4]
        return False

    def request(self, incremental=False):
        self.sock.sendall(struct.pack('>BBHHHH', 3, incremental, 0, 0, self.width, self.height))

    def update(self):
        """Reads one framebuffer update; True if the size changed."""
        resized = False
        while True:
            kind = self._take(1)[0]
            if kind == 0:
                for _ in range(struct.unpack('>xH', self._take(3))[0]):
                    resized |= self._rectangle()
                self.updates += 1
                return resized
            if kind == 1:
                _, n = struct.unpack('>xHH', self._take(5))
                self._take(n * 6)
            elif kind == 3:
                self._take(struct.unpack('>xxxI', self._take(7))[0])
            elif kind != 2:
                raise ConnectionError(f'unknown message {kind}')

    def picture(self):
        self.request()
        while self.update():
            self.request()
        rgb = bytearray(self.width * self.height * 3)
        for channel in range(3):
            rgb[channel::3] = self.pixels[channel::4]
        return Picture(self.width, self.height, bytes(rgb))

    def key(self, symbol, down):
        self.sock.sendall(struct.pack('>BBxxI', 4, down, symbol))

    def press(self, *symbols):
        for s in symbols:
            self.key(s, 1)
        for s in reversed(symbols):
            self.key(s, 0)

    def point(self, x, y, buttons=0):
        """buttons: 1 left, 2 middle, 4 right, 8 wheel up, 16 wheel down"""
        self.sock.sendall(struct.pack('>BBHH', 5, buttons, x, y))

    def type(self, text, pause=0.03):
        for ch in text:
            symbol = KEYS.get(ch, ord(ch))
            if ch in SHIFTED:
                self.press(0xffe1, symbol)
            else:
                self.press(symbol)
            time.sleep(pause)
