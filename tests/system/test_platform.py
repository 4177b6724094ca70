# SPDX-License-Identifier: GPL-2.0-or-later
"""The clock over restarts, the sleep button, vCPUs on chosen processors."""
import os
import re
import subprocess
import time

from harness import Case, MEDIA, need, wait_for

GUEST = os.path.join(MEDIA, 'ide.iso')
READY = 'IDE GUEST READY'
DEVICES = os.path.join(MEDIA, 'dev.iso')


class Clock(Case):
    """A guest whose clock shows the local time of a place nine hours ahead, and which sets it."""
    seconds, test_seconds = 200, 120

    @classmethod
    def prepare(cls):
        need(GUEST)
        cls.host.env['TZ'] = 'THERE-9'
        cls.domain = cls.host.create('clock', disk=[f'file:{GUEST},hdc:cdrom,r'], boot='d', memory=160,
                                     localtime=1, rtc_timeoffset=100, vncdisplay=187)
        cls.addClassCleanup(cls.domain.close)
        cls.domain.serial.wait(READY, 120)
        cls.domain.serial.wait('# $', 10)

    def ahead(self):
        """Seconds that the guest's RTC is ahead of UTC."""
        return int(self.domain.serial.command('cat /sys/class/rtc/rtc0/since_epoch').split()[-1]) - time.time()

    def test_shows_local_time_and_the_offset(self):
        self.assertAlmostEqual(self.ahead(), 9 * 3600 + 100, delta=5)

    def test_keeps_what_the_guest_sets(self):
        self.domain.serial.command('date -u -s "2031-05-06 07:08:09"; hwclock -u -w')
        self.shift = self.ahead()
        self.assertGreater(self.shift, 365 * 86400)
        time.sleep(3)
        self.assertAlmostEqual(self.ahead(), self.shift, delta=3)

    def test_keeps_it_over_a_restart(self):
        shift = self.ahead()
        before = self.domain.id
        self.host.good('reset', 'clock')
        wait_for('the restart', 60, lambda: self.host.listed().get('clock', {'id': before})['id'] != before)
        self.domain.reopen()
        self.domain.serial.wait(READY, 120, since=0)
        self.domain.serial.wait('# $', 10)
        self.assertAlmostEqual(self.ahead(), shift, delta=5)

    def test_sleep_button_reaches_the_guest(self):
        def presses():
            text = self.domain.serial.command('cat /sys/firmware/acpi/interrupts/ff_slp_btn')
            return int(re.search(r'(\d+)\s+\S*\s*enabled', text)[1])
        count = presses()
        self.host.good('trigger', 'clock', 'sleep')
        wait_for('the event', 10, lambda: presses() == count + 1)


class Pins(Case):
    """cpus= and xm vcpu-pin."""
    seconds, test_seconds = 100, 60

    @classmethod
    def prepare(cls):
        need(GUEST)
        if os.cpu_count() < 2:
            raise cls.skipTest(cls, 'one processor only')
        cls.domain = cls.host.create('pins', disk=[f'file:{GUEST},hdc:cdrom,r'], boot='d', memory=160,
                                     vcpus=2, cpus=['1', 'all'], vncdisplay=188)
        cls.addClassCleanup(cls.domain.close)

    def allowed(self):
        """name of a vCPU's thread -> processors, as the kernel has it."""
        found = {}
        for pid in self.host.processes('hypervisor'):
            for task in os.listdir(f'/proc/{pid}/task'):
                with open(f'/proc/{pid}/task/{task}/status') as f:
                    text = f.read()
                name = re.search(r'Name:\t(.*)', text)[1]
                if name.startswith('vcpu'):
                    found[name] = re.search(r'Cpus_allowed_list:\t(.*)', text)[1]
        return found

    def column(self):
        rows = [s for s in self.host.good('vcpu-list', 'pins').splitlines() if s.startswith('pins')]
        return [re.split(r'\d+\.\d ', r)[1] for r in rows]

    def test_config_pins_at_the_start(self):
        every = f'0-{os.cpu_count() - 1}'
        self.assertEqual(self.allowed(), {'vcpu 0': '1', 'vcpu 1': every})
        self.assertEqual(self.column(), ['1', 'any cpu'])

    def test_vcpu_pin_moves_one_or_all(self):
        self.host.good('vcpu-pin', 'pins', '1', '0')
        self.assertEqual(self.allowed(), {'vcpu 0': '1', 'vcpu 1': '0'})
        self.host.good('vcpu-pin', 'pins', 'all', 'all')
        self.assertEqual(self.column(), ['any cpu', 'any cpu'])
        self.host.good('vcpu-pin', 'pins', 'all', '0-1,^0')
        self.assertEqual(self.allowed(), {'vcpu 0': '1', 'vcpu 1': '1'})
        self.assertEqual(self.column(), ['1', '1'])

    def test_mistakes_are_named(self):
        for args, words in ((('2', '0'), 'no vCPU'), (('0', '9999'), 'does not exist'), (('0', '^0,0'), 'leaves no'),
                            (('0', 'x'), 'no processor')):
            r = self.host.xm('vcpu-pin', 'pins', *args)
            self.assertEqual((r.status, words in r.err), (1, True), r)


class Hibernate(Case):
    """Debian's kernel writes itself to its swap, sleeps in S4, and is there again after the next start."""
    seconds, test_seconds = 400, 240

    @classmethod
    def prepare(cls):
        need(GUEST)
        cls.swap = cls.host.image('swap.img', mib=256)
        subprocess.run(['mkswap', cls.swap], check=True, capture_output=True)
        cls.config = dict(disk=[f'file:{cls.swap},hda,w', f'file:{GUEST},hdc:cdrom,r'], boot='d', memory=384,
                          vncdisplay=189)
        cls.domain = cls.host.create('sleeper', **cls.config)
        cls.addClassCleanup(cls.domain.close)
        cls.domain.serial.wait(READY, 120)
        cls.domain.serial.wait('# $', 10)

    def sh(self, line, seconds=30):
        return self.domain.serial.command(line, seconds)

    def test_firmware_offers_s4(self):
        self.assertIn('[platform]', self.sh('cat /sys/power/disk'))

    def test_sleep_ends_the_domain(self):
        self.sh('MARK=kept; echo in memory >/tmp/mark')
        self.assertIn('status 0', self.sh('swapon /dev/sda; echo status $?'))
        self.domain.serial.type('echo disk >/sys/power/state\n')
        self.domain.wait_gone(120)
        self.domain.close()
        self.assertRegex(self.host.log('hypervisor-sleeper.log') + self.host.xend_log(), 'poweroff')

    def test_next_start_finds_what_it_was(self):
        type(self).domain = self.host.create('sleeper', **self.config)
        self.addClassCleanup(self.domain.close)
        self.domain.serial.wait(READY, 120)
        self.domain.serial.wait('# $', 10)
        self.assertIn('none yet', self.sh('echo ${MARK:-none yet}'))
        self.domain.serial.type('echo 8:0 >/sys/power/resume; echo back: $MARK\n')
        self.domain.serial.wait('# $', 120)
        self.assertIn('kept in memory', self.sh('echo $MARK $(cat /tmp/mark)'))

    def test_devices_work_after_it(self):
        self.assertIn('/dev/sda', self.sh('cat /proc/swaps'))
        self.assertIn('status 0', self.sh('swapoff /dev/sda; echo status $?'))
        self.assertIn('status 0', self.sh('dd if=/dev/zero of=/dev/sda bs=64k count=64 oflag=direct; echo status $?'))
        self.assertIn('status 0', self.sh('dd if=/dev/sr0 of=/dev/null bs=64k count=64; echo status $?'))

class Suspend(Case):
    """S3: two processors and a disk go to sleep with the memory kept, and come back by a trigger."""
    seconds, test_seconds = 200, 120

    @classmethod
    def prepare(cls):
        need(GUEST)
        disk = cls.host.path('disk.img')
        with open(disk, 'wb') as f:
            f.write(os.urandom(4 << 20))
        cls.domain = cls.host.create('s3', disk=[f'file:{disk},hda,w', f'file:{GUEST},hdc:cdrom,r'], boot='d',
                                     memory=160, vcpus=2, vncdisplay=192)
        cls.addClassCleanup(cls.domain.close)
        cls.domain.serial.wait(READY, 120)
        cls.domain.serial.wait('# $', 10)

    def sh(self, line, seconds=30):
        return self.domain.serial.command(line, seconds)

    def test_what_was_in_memory_is_there_after_it(self):
        before = self.sh('md5sum /dev/sda; dd if=/dev/urandom of=/tmp/memory bs=1M count=16 2>/dev/null; '
                         'md5sum /tmp/memory')
        self.domain.serial.type('echo mem >/sys/power/state; echo a"wake"\n')
        wait_for('the sleep', 30, lambda: self.host.listed()['s3']['state'][2] == 'p')
        time.sleep(2)
        self.assertNotIn('awake', self.domain.serial.text())
        self.host.good('trigger', 's3', 's3resume')
        self.domain.serial.wait('awake', 30)
        self.domain.serial.wait('# $', 10)
        self.sh('echo 3 >/proc/sys/vm/drop_caches')
        sums = re.findall(r'\b[0-9a-f]{32}\b', before)
        self.assertEqual(re.findall(r'\b[0-9a-f]{32}\b', self.sh('md5sum /dev/sda /tmp/memory')), sums)
        self.assertEqual(len(sums), 2)

    def test_both_processors_work_after_it(self):
        self.assertEqual(self.sh('nproc').split()[-1], '2')
        for cpu in '0', '1':
            self.assertIn('it works', self.sh(f'taskset -c {cpu} echo it works'))


class Crashes(Case):
    """What a guest reports as its crash: a watchdog that nobody feeds, a panic."""
    seconds, test_seconds = 240, 120

    def boot(self, name, **keys):
        d = self.host.create(name, disk=[f'file:{need(DEVICES)},hdc:cdrom,r'], boot='d', memory=160,
                             on_crash='preserve', vncdisplay=193, **keys)
        self.addCleanup(d.close)
        d.serial.wait('DEV GUEST READY', 120)
        d.serial.wait('# $', 10)
        return d

    def state(self, name):
        return self.host.listed()[name]['state']

    def test_watchdog_that_is_fed_waits_and_then_bites(self):
        d = self.boot('dog', watchdog='i6300esb')
        d.serial.type('(for i in 1 2 3 4 5 6 7 8; do echo >&3; sleep 1; done; exec sleep 99) 3>/dev/watchdog &\n')
        time.sleep(5)
        self.assertNotIn('c', self.state('dog'))
        # The driver's time-out is 30 s as Debian's kernel loads it.
        wait_for('the bite', 60, lambda: self.state('dog')[4] == 'c')
        self.host.good('destroy', 'dog')

    def test_panic_is_reported(self):
        d = self.boot('panic', pvpanic=1)
        d.serial.type('echo c >/proc/sysrq-trigger\n')
        wait_for('the crash', 20, lambda: self.state('panic')[4] == 'c')
        self.assertRegex(self.host.xend_log(), r'panic \(\d+\).*crash')
        self.host.good('destroy', 'panic')
