# SPDX-License-Identifier: GPL-2.0-or-later
"""USB devices under Debian's drivers."""
import os
import re
import struct
import time

from harness import Case, MEDIA, need, wait_for


class UsbCase(Case):
    usbdevice, display, disks, memory = None, 300, [], 192
    seconds = 240

    @classmethod
    def prepare(cls):
        iso = need(os.path.join(MEDIA, 'usb.iso'))
        cls.domain = cls.host.create('usb', disk=cls.disks + [f'file:{iso},hdc:cdrom,r'], boot='d',
                                     memory=cls.memory, vncdisplay=cls.display, usb=1,
                                     usbdevice=cls.usbdevice)
        cls.domain.serial.wait('GUEST READY', 150)
        cls.domain.serial.wait('# $', 20)
        cls.domain.serial.command('stty cols 200; dmesg -n 1')

    def guest(self, line, seconds=30):
        return self.domain.serial.command(line, seconds)

    def event_node(self, name):
        """/dev/input/eventN of the device with that name"""
        def look():
            m = re.search(r'Name="[^"]*%s.*?Handlers=[^\n]*?(event\d+)' % name,
                          self.guest('cat /proc/bus/input/devices'), re.S)
            return m and '/dev/input/' + m[1]
        return wait_for(f'input device {name}', 20, look, 0.5)


def events(dump):
    """(type, code, value) of each input_event in a hexdump without addresses"""
    data = bytes.fromhex(re.sub(r'[^0-9a-f]', '', dump))
    return [struct.unpack_from('<HHi', data, at + 16) for at in range(0, len(data) - 23, 24)]


class UsbTablet(UsbCase):
    usbdevice = 'tablet'

    def test_the_guests_pointer_is_where_the_viewers_is(self):
        node = self.event_node('USB Tablet')
        viewer = self.domain.viewer()
        self.addCleanup(viewer.close)
        w, h = viewer.width, viewer.height
        self.guest(f'cat {node} >/tmp/events & sleep 1')
        places = [(0, 0), (1, 1), (w - 1, h - 1), (w // 2, h // 3), (w - 2, 1), (7, h - 2), (333, 222)]
        for x, y in places:
            viewer.point(x, y)
            time.sleep(0.2)
        viewer.point(333, 222, 1)
        time.sleep(0.2)
        viewer.point(333, 222, 0)
        viewer.point(333, 222, 8)
        viewer.point(333, 222, 0)
        time.sleep(1)
        found = events(self.guest("kill %1; od -An -v -tx1 /tmp/events"))
        x, y, seen, clicks, wheel = 0, 0, [], [], []
        for kind, code, value in found:
            if (kind, code) == (3, 0):
                x = value
            elif (kind, code) == (3, 1):
                y = value
            elif (kind, code) == (0, 0):
                seen.append((x * w // 32768, y * h // 32768))
                self.assertEqual((round(x * (w - 1) / 32767), round(y * (h - 1) / 32767)), seen[-1])
            elif kind == 1:
                clicks.append((code, value))
            elif (kind, code) == (2, 8):
                wheel.append(value)
        self.assertEqual([s for i, s in enumerate(seen) if i == 0 or s != seen[i - 1]], places)
        self.assertEqual(clicks, [(0x110, 1), (0x110, 0)])
        self.assertEqual(wheel, [1])

    def test_idle_controller_costs_next_to_nothing(self):
        pid = self.host.processes('qemu-dm')[0]

        def ticks():
            with open(f'/proc/{pid}/stat') as f:
                return sum(map(int, f.read().rsplit(')', 1)[1].split()[11:13]))
        self.guest('cat /dev/input/event1 >/dev/null &')
        time.sleep(2)
        before = ticks()
        time.sleep(5)
        self.assertLessEqual(ticks() - before, 10, 'hundredths of a second in five seconds')
