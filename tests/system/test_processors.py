# SPDX-License-Identifier: GPL-2.0-or-later
"""Processors of all ages, many of them, and what their time stamp counters are made of: as memtest86+ and
Linux (tests/media/cpus.c) see them."""
import os
import re

from harness import Case, MEDIA, need

WAIT = 100      # seconds for a boot; mostly 3


class Processors(Case):
    seconds, test_seconds = 400, 120
    display = 194

    def boot(self, name, bits=64, **keys):
        """What cpus.c says: a dictionary; and that it comes to its end without complaints of the kernel's."""
        iso = need(os.path.join(MEDIA, f'cpus{bits}.iso'))
        d = self.host.create(name, disk=[f'file:{iso},hdc:cdrom,r'], boot='d', memory=160, vncdisplay=self.display,
                             **keys)
        self.addCleanup(d.close)
        d.serial.wait('CPUS end', WAIT)
        text = d.serial.text().replace('\r', '')
        d.wait_gone(30)
        found = dict(re.findall(r'(?m)^CPUS ([^:\t\n]+?)\s*: *(.*)$', text))
        found['log'] = re.findall(r'(?m)^CPUS log: (.*)$', text)
        found['features'] = set(found['flags'].split())
        self.assertEqual([s for s in found['log'] if re.search('WARNING|Oops|unchecked MSR', s)], [])
        self.assertRegex(found['job'], r'^pieces 512 right, additions right, other processors 0$')
        return found


class OldProcessors(Processors):
    """What a model lacks Linux doesn't see; and it needs a Pentium Pro."""

    def memtest(self, model, shown, **keys):
        iso = need(os.path.join(MEDIA, 'memtest32.iso'))
        d = self.host.create(f'm-{model}', disk=[f'file:{iso},hdc:cdrom,r'], boot='d', memory=16, cpu_model=model,
                             vncdisplay=self.display, **keys)
        self.addCleanup(d.close)
        d.wait_screen(r'(?s)Memtest86\+.*Pass\s+\d+%.*Test #[2-9]', WAIT)
        self.assertRegex(d.screen(), r'(?m)^\s*Memtest86\+ v6\S+\s+\S ' + shown)
        self.assertRegex(d.screen(), r'Errors:\s+0')
        self.host.good('destroy', d.name)

    def test_486(self):
        self.memtest('486', 'Intel 486DX4')

    def test_pentium(self):
        self.memtest('pentium', 'Pentium *\n')

    def test_pentium_interpreted(self):
        self.memtest('pentium', 'Pentium *\n', cpu='interp')

    def check_model(self, found, vendor, family, model, stepping, features, lacking):
        self.assertEqual([found[k] for k in ('vendor_id', 'cpu family', 'model', 'stepping')],
                         [vendor, family, model, stepping])
        self.assertEqual(set(features.split()) - found['features'], set())
        self.assertEqual(set(lacking.split()) & found['features'], set())

    def test_pentium2(self):
        self.check_model(self.boot('p2', 32, cpu_model='pentium2'), 'GenuineIntel', '6', '5', '2',
                         'fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pse36 mmx fxsr',
                         'sse sse2 pni clflush nx lm syscall popcnt xsave avx rdtscp')

    def test_pentium3(self):
        self.check_model(self.boot('p3', 32, cpu_model='pentium3'), 'GenuineIntel', '6', '8', '10',
                         'fpu tsc pae cx8 sep cmov mmx fxsr sse', 'sse2 pni clflush nx lm syscall xsave avx')

    def test_pentium3_interpreted(self):
        self.check_model(self.boot('p3i', 32, cpu_model='pentium3', cpu='interp'), 'GenuineIntel', '6', '8', '10',
                         'sse', 'sse2')

    def test_core2(self):
        self.check_model(self.boot('c2', cpu_model='core2'), 'GenuineIntel', '6', '15', '11',
                         'sse2 pni ssse3 cx16 nx lm syscall lahf_lm', 'sse4_1 popcnt xsave avx rdtscp pdpe1gb smep')

    def test_level_2(self):
        found = self.boot('v2', cpu_model='x86-64-v2')
        self.assertEqual(set('sse4_1 sse4_2 popcnt cx16 lahf_lm rdtscp x2apic'.split()) - found['features'], set())
        self.assertEqual(set('avx avx2 xsave fma bmi1 bmi2 movbe aes smep smap rdrand fsgsbase pdpe1gb pcid'.split())
                         & found['features'], set())


class ManyProcessors(Processors):
    weight = 2

    def test_32_do_a_job_together(self):
        found = self.boot('many', vcpus=32)
        self.assertEqual((found['online'], found['same features'], found['tsc']), ('0-31', '32', 'backward 0'))

    def test_32_test_memory_one_after_the_other(self):
        """memtest86+ starts all processors itself, and gives each its turn."""
        iso = need(os.path.join(MEDIA, 'memtest.iso'))
        d = self.host.create('m-32', disk=[f'file:{iso},hdc:cdrom,r'], boot='d', memory=32, vcpus=32,
                             vncdisplay=self.display)
        self.addCleanup(d.close)
        d.wait_screen(r'(?s)CPU: 32 Cores 32 Threads.*Pass:', WAIT)
        d.wait_screen(r'(?s)Test #[1-9]', WAIT)
        self.assertRegex(d.screen(), r'Errors:\s+0')
        self.host.good('destroy', d.name)


class Counters(Processors):
    """tsc_mode=, with two processors."""
    khz = {}

    def check_mode(self, mode, aux):
        found = self.boot(f'tsc{mode}', vcpus=2, tsc_mode=mode)
        self.assertEqual((found['tsc'], found['aux']), ('backward 0', aux))
        self.assertIn('tsc', found['clocksources'].split())
        self.assertIn('constant_tsc', found['features'])
        self.assertEqual([s for s in found['log'] if 'unstable' in s], [])
        # Linux' own idea of it, which it has of Xen's clock; and all modes have the host's frequency.
        linux = float(re.search(r'Detected ([\d.]+) MHz', ' '.join(found['log']))[1])
        khz = int(found['khz'])
        self.assertAlmostEqual(linux * 1000 / khz, 1, delta=0.005)
        self.khz[mode] = khz
        self.assertAlmostEqual(khz / next(iter(self.khz.values())), 1, delta=0.002)
        return found

    def test_mode_0(self):
        self.check_mode(0, '0 1')

    def test_mode_1_is_made_of_the_systems_time(self):
        self.check_mode(1, '0 1')

    def test_mode_2_is_the_hosts(self):
        self.check_mode(2, '0 1')

    def test_mode_3_has_the_incarnation_in_tsc_aux(self):
        found = self.check_mode(3, '1 1')
        self.assertNotIn('rdpid', found['features'])

    def test_kernel_without_xens_clock(self):
        """Debian's for 32 bits asks CPUID, or measures."""
        if not self.khz:
            self.check_mode(0, '0 1')
        found = self.boot('tsc32', 32)
        linux = float(re.search(r'Detected ([\d.]+) MHz', ' '.join(found['log']))[1])
        self.assertAlmostEqual(linux * 1000 / next(iter(self.khz.values())), 1, delta=0.005)
