# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's drivers of graphics cards - vesafb, cirrus, bochs, with fbcon above them - and of the PS/2 mouse: what they
write into their frame buffers is what everybody sees."""
import os
import re
import time

import screen
from harness import MEDIA, Case, need, wait_for
from test_usb import events
from test_video import packed_picture

LINE = b'The picture is made of this line, again and again.\n'


class Card(Case):
    """One of the two cards, first in a VESA mode, then with its own driver."""
    seconds, test_seconds = 240, 120

    @classmethod
    def start(cls, **keys):
        iso = need(os.path.join(MEDIA, 'fb.iso'))
        cls.domain = cls.host.create('fb', disk=[f'file:{iso},hdc:cdrom,r'], boot='d', memory=160, **keys)
        cls.addClassCleanup(cls.domain.close)
        cls.domain.serial.wait('FB GUEST READY', 120)
        cls.domain.serial.wait('# $', 10)

    def sh(self, line, seconds=30):
        return self.domain.serial.command(line, seconds)

    def check_picture(self, width, height, bits):
        """Fills all of /dev/fb0; the screen shows it, and it is there when it is read."""
        self.sh('echo 0 >/sys/class/graphics/fbcon/cursor_blink; printf "\\033[?25l" >/dev/tty0')
        size, stride, depth = self.sh('cd /sys/class/graphics/fb0; cat virtual_size stride bits_per_pixel; cd /').split()[-3:]
        self.assertEqual((size.split(',')[0], depth), (str(width), str(bits)))
        pitch = int(stride)
        total = pitch * height
        out = self.sh(f'yes "{LINE.decode().strip()}" | head -c {total} >/tmp/picture; cat /tmp/picture >/dev/fb0; '
                      f'head -c {total} /dev/fb0 | cmp - /tmp/picture && echo as written')
        self.assertRegex(out, r'(?m)^as written')
        memory = (LINE * (total // len(LINE) + 1))[:total]
        rgb = packed_picture(memory, width, height, pitch, bits)
        wait_for('the picture', 10, lambda: self.domain.picture().rgb == rgb, 0.5)

    def check_console(self, columns):
        """The console's text, in the kernel's font: most of its letters are the VGA's."""
        words = 'the console prints lines'
        self.sh(f'printf "\\033c\\033[5;{columns - 50}H{words}" >/dev/tty0')
        wait_for('the text', 10, lambda: words in screen.text(self.domain.picture()), 0.5)

    def load(self, name):
        self.sh(f'for m in $(cat /drm/{name}); do insmod $m; done; sleep 1')

    def vesa(self):
        self.assertIn('VESA VGA', self.sh('cat /proc/fb'))
        self.check_picture(1024, 768, 16)
        self.check_console(128)


class Cirrus(Card):
    @classmethod
    def prepare(cls):
        cls.start(vncdisplay=250)

    def test_1_vesafb(self):
        self.vesa()

    def test_2_mouse_of_the_ps2_port(self):
        found = re.search(r'Name="([^"]*Mouse)".*?Handlers=[^\n]*?(event\d+)',
                          self.sh('cat /proc/bus/input/devices'), re.S)
        self.assertIn('Explorer', found[1])         # with a wheel and five buttons
        viewer = self.domain.viewer()
        self.addCleanup(viewer.close)
        viewer.picture()
        viewer.point(100, 100)
        self.sh(f'cat /dev/input/{found[2]} >/tmp/events & sleep 1')
        for place in (110, 100), (110, 85), (80, 95):
            viewer.point(*place)
        for buttons in 1, 2, 4, 8, 16:
            viewer.point(80, 95, buttons)
            viewer.point(80, 95, 0)
            time.sleep(0.1)                         # up and down in one moment is no turn of the wheel
        self.sh('sleep 1; kill %1; wait; echo')
        seen = events(self.sh('od -An -v -tx1 /tmp/events'))
        moved = [sum(v for t, c, v in seen if (t, c) == (2, axis)) for axis in (0, 1)]
        self.assertEqual(moved, [-20, -5])
        self.assertEqual([c for t, c, v in seen if t == 1 and v], [0x110, 0x112, 0x111])
        self.assertEqual([v for t, c, v in seen if (t, c) == (2, 8)], [1, -1])

    def test_3_cirrus_driver(self):
        self.load('cirrus')
        self.assertIn('cirrus', self.sh('cat /proc/fb'))
        self.check_picture(1024, 768, 16)
        self.check_console(128)


class Bochs(Card):
    @classmethod
    def prepare(cls):
        cls.start(vncdisplay=255, stdvga=1, videoram=16)

    def test_1_vesafb(self):
        self.vesa()

    def test_2_bochs_driver(self):
        self.load('bochs')
        self.assertIn('bochs', self.sh('cat /proc/fb'))
        self.check_picture(1024, 768, 32)
        self.check_console(128)
