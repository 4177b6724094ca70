# SPDX-License-Identifier: GPL-2.0-or-later
"""USB devices under Debian's drivers."""
import hashlib
import os
import re
import struct
import time

import sectors
from harness import Case, MEDIA, need, run, wait_for


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
    data = bytes.fromhex(''.join(re.findall(r'(?m)^[0-9a-f ]+$', dump)))
    return [struct.unpack_from('<HHi', data, at + 16) for at in range(0, len(data) - 23, 24)]


class UsbTablet(UsbCase):
    usbdevice = 'tablet'

    def test_the_guests_pointer_is_where_the_viewers_is(self):
        node = self.event_node('USB Tablet')
        viewer = self.domain.viewer()
        self.addCleanup(viewer.close)
        viewer.picture()                # the size before the first picture may be an old one
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
        self.guest('kill %1; wait; echo')
        found = events(self.guest('od -An -v -tx1 /tmp/events'))
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


class UsbStorage(UsbCase):
    """Six devices, so most behind a hub; a disk and a CD-ROM drive with their data compared."""
    display = 310

    @classmethod
    def prepare(cls):
        cls.image = cls.host.path('stick.img')
        with open(cls.image, 'wb') as f:
            f.write(os.urandom(1 << 20) * 12)
            f.write(os.urandom(12345 * 512))
        cls.usbdevice = ['keyboard', 'mouse', 'tablet', f'disk:{cls.image}',
                         f'cdrom:{need(os.path.join(MEDIA, "grub.iso"))}', 'hub']
        super().prepare()

    def disk(self, vendor='USB Disk'):
        def look():
            return re.search(r'/(sd[a-z]+|sr\d+)/device/model:%s' % vendor,
                             self.guest('grep -r . /sys/block/s*/device/model'))
        return '/dev/' + wait_for(f'the {vendor} in the guest', 30, look, 1)[1]

    def digest(self):
        with open(self.image, 'rb') as f:
            return hashlib.md5(f.read()).hexdigest()

    def test_every_device_is_found_behind_the_hub(self):
        wanted = ['UHCI Host Controller', 'USB Hub', 'USB Hub', 'USB Keyboard', 'USB Mouse',
                  'USB Storage', 'USB Storage', 'USB Tablet']
        wait_for('all devices in the guest', 30, lambda: sorted(
            self.guest('cat /sys/bus/usb/devices/*/product').splitlines()) == wanted, 1)

    def test_what_is_read_is_what_is_on_the_host(self):
        disk = self.disk()
        self.assertIn(self.digest(), self.guest(f'md5sum {disk}', 120))

    def test_what_is_written_is_on_the_host_after_sync(self):
        disk = self.disk()
        self.guest('cat /proc/kallsyms | dd of=/tmp/data bs=64k count=60 iflag=fullblock')
        self.guest(f'dd if=/tmp/data of={disk} bs=100k seek=3 conv=notrunc; sync', 120)
        wanted = self.guest('md5sum </tmp/data').split()[0]
        size = int(self.guest('stat -c %s /tmp/data').split()[0])
        with open(self.image, 'rb') as f:
            f.seek(300 << 10)
            self.assertEqual(hashlib.md5(f.read(size)).hexdigest(), wanted)

    def test_both_ways_at_once_with_small_requests(self):
        disk = self.disk()
        self.guest(f'dd if=/tmp/data of={disk} bs=1536 seek=4000 count=1000 conv=notrunc 2>/dev/null & '
                   f'dd if={disk} of=/dev/null bs=4k count=1500 2>/dev/null; wait; sync', 120)
        self.guest('echo 3 >/proc/sys/vm/drop_caches')
        self.assertIn(self.digest(), self.guest(f'md5sum {disk}', 120))

    def test_cd_is_mounted_and_read(self):
        drive = self.disk('USB CD-ROM')
        self.guest(f'mount -t iso9660 {drive} /mnt')
        self.assertIn('boot', self.guest('ls /mnt'))
        self.guest('umount /mnt')
        with open(os.path.join(MEDIA, 'grub.iso'), 'rb') as f:
            digest = hashlib.md5(f.read()).hexdigest()
        self.assertIn(digest, self.guest(f'md5sum {drive}', 120))

    def test_nothing_went_wrong_on_the_bus(self):
        self.assertNotRegex(self.guest('dmesg'), r'(?i)I/O error|reset full-speed|host system error|'
                            r'process error|not responding')


class UsbHotplug(UsbCase):
    usbdevice, display = 'tablet', 320

    def products(self):
        return sorted(self.guest('cat /sys/bus/usb/devices/*/product').splitlines())

    def wait_products(self, *names):
        wanted = sorted(names + ('UHCI Host Controller',))
        wait_for(f'devices {wanted}', 30, lambda: self.products() == wanted, 0.5)

    def test_devices_come_and_go_while_the_guest_runs(self):
        self.wait_products('USB Tablet')
        self.host.good('usb-add', 'usb', 'keyboard')
        self.wait_products('USB Tablet', 'USB Hub', 'USB Keyboard')
        self.assertRegex(self.host.good('usb-list', 'usb'), r'(?s)0 +tablet\n1 +keyboard\n$')
        self.host.good('usb-del', 'usb', 'tablet')
        self.wait_products('USB Hub', 'USB Keyboard')
        self.host.good('usb-add', 'usb', 'tablet')
        self.wait_products('USB Tablet', 'USB Hub', 'USB Keyboard')

    def test_a_disk_is_plugged_in_read_and_pulled_out_under_load(self):
        path = self.host.image('stick.img', mib=8)
        with open(path, 'r+b') as f:
            f.write(os.urandom(8 << 20))
        self.host.good('usb-add', 'usb', 'disk:stick.img')
        wait_for('the disk', 30, lambda: 'sda' in self.guest('ls /sys/block'), 0.5)
        with open(path, 'rb') as f:
            self.assertIn(hashlib.md5(f.read()).hexdigest(), self.guest('md5sum /dev/sda', 120))
        self.guest('dd if=/dev/sda of=/dev/null bs=64k count=4000 2>/dev/null & sleep 1')
        self.host.good('usb-del', 'usb', 'disk:stick.img')
        wait_for('the end of the disk', 30, lambda: 'sda' not in self.guest('ls /sys/block'), 0.5)
        self.host.good('usb-add', 'usb', 'disk:stick.img')
        wait_for('the disk again', 30, lambda: 'sd' in self.guest('ls /sys/block'), 0.5)

    def test_an_image_with_a_backing_file_is_plugged_in(self):
        base, top = self.host.image('base.img', mib=8), self.host.path('top.qcow2')
        with open(base, 'r+b') as f:
            f.write(os.urandom(8 << 20))
        run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', top)
        old = self.guest('ls /sys/block').split()
        self.host.good('usb-add', 'usb', 'disk:format=qcow2:top.qcow2')
        new = wait_for('the disk', 30, lambda: [n for n in self.guest('ls /sys/block').split() if n not in old], 0.5)
        with open(base, 'rb') as f:
            self.assertIn(hashlib.md5(f.read()).hexdigest(), self.guest(f'md5sum /dev/{new[0]}', 120))
        self.host.good('usb-del', 'usb', f'disk:format=qcow2:{top}')

    def test_what_can_not_be_is_said_in_one_line(self):
        for spec, words in (('disk:format=qcow2:stick.img', 'qcow2'), ('disk:format=zip:/a', 'no such format'),
                            ('disk:/nowhere.img', 'No such file'), ('tabled', 'unknown'),
                            ('wacom-tablet', 'not available')):
            r = self.host.xm('usb-add', 'usb', spec)
            self.assertEqual(r.status, 1, r)
            self.assertRegex(r.err, words)
        r = self.host.xm('usb-del', 'usb', 'mouse')
        self.assertEqual(r.status, 1, r)
        self.assertRegex(r.err, "no USB device 'mouse'")


class UsbBios(Case):
    """SeaBIOS drives the controller: a keyboard for GRUB, and a disk to boot from."""
    seconds = 200

    def test_keys_of_a_usb_keyboard_reach_grub_through_the_bios(self):
        iso = need(os.path.join(MEDIA, 'grub.iso'))
        d = self.host.create('grub', disk=[f'file:{iso},hdc:cdrom,r'], boot='d', memory=64,
                             vncdisplay=330, usbdevice='keyboard')
        d.wait_screen(r'GNU GRUB +version', 90)
        self.assertRegex(self.host.log('hypervisor-grub.log'), r'USB keyboard initialized')
        viewer = d.viewer()
        self.addCleanup(viewer.close)
        viewer.type('c', 0.2)
        d.wait_screen(r'grub>', 30)
        viewer.type('echo usb\n', 0.2)
        d.wait_screen(r'\nusb', 30)
        self.host.good('destroy', 'grub')

    def test_a_usb_disk_boots(self):
        raw, stick = self.host.medium('boot.img', sectors.idle()), self.host.path('boot.qcow2')
        run('qemu-img', 'convert', '-O', 'qcow2', raw, stick)
        d = self.host.create('boot', disk=[], memory=32, vncdisplay=340, usbdevice=f'disk:format=qcow2:{stick}')
        d.serial.wait('IDLE', 120)
        self.host.good('destroy', 'boot')
