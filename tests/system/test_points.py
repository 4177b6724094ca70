# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's debug registers as Linux uses them for debuggers in the guest (tests/media/points.c)."""
import os
import re

from harness import Case, MEDIA, need


class Points(Case):
    seconds = 120

    @classmethod
    def prepare(cls):
        iso = need(os.path.join(MEDIA, 'points.iso'))
        cls.domain = cls.host.create('points', disk=[f'file:{iso},hdc:cdrom,r'], boot='d')
        cls.domain.serial.wait(r'POINTS end', 100)
        text = cls.domain.serial.data
        text = text.decode(errors='replace') if isinstance(text, bytes) else text
        cls.found = {m[1]: {'hits': int(m[2]), 'dr6': int(m[3], 16), 'right': int(m[4]), 'exit': int(m[5]),
                            'ms': int(m[6])}
                     for m in re.finditer(r'POINTS (\w+): hits (\d+) dr6 (\w+) right (\d+) exit (\d+) ms (\d+)', text)}

    def test_each_program_comes_out_right(self):
        self.assertEqual(sorted(self.found), ['data', 'elsewhere', 'instruction', 'none', 'shared', 'unused'])
        self.assertEqual({f['exit'] for f in self.found.values()}, {7})

    def test_breakpoints_that_are_not_met(self):
        for name in ('none', 'unused', 'elsewhere'):
            self.assertEqual(self.found[name]['hits'], 0, name)

    def test_breakpoints_on_an_instruction_stop_before_it(self):
        for name, dr6 in (('instruction', 4), ('shared', 1)):
            f = self.found[name]
            self.assertEqual((f['hits'], f['right'], f['dr6']), (4, 4, dr6), name)

    def test_breakpoints_on_data_stop_behind_the_store(self):
        f = self.found['data']
        self.assertEqual((f['hits'], f['right'], f['dr6']), (4, 0, 8))

    def test_the_traced_program_is_not_run_in_steps(self):
        for name in ('unused', 'instruction', 'data', 'elsewhere'):
            self.assertLess(self.found[name]['ms'], 10 * self.found['none']['ms'] + 100, name)
