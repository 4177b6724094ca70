# SPDX-License-Identifier: GPL-2.0-or-later
"""Input that is wrong: one clear line for each mistake, the right exit status, nothing started."""
import os
import re
import socket

import sectors
from harness import BIN, Case, run

TEN_MISTAKES = '''# ten mistakes, from line 2 on
name = "ten mistakes!"
memory = "much"
vcpus = 0
builder = "hvmx"
boot = "xyz"
on_crash = "panic"
acpi = 7
disk = ['file:/nowhere/at/all.img,hda,w', 'nonsense']
vif = ['type=ioemu, mac=1:2:3']
'''


class BadInput(Case):
    seconds = 120

    def refused(self, text, name='bad.config', patterns=(), status=1):
        path = self.host.path(name)
        with open(path, 'w') as f:
            f.write(text)
        r = self.host.xm('create', path)
        self.assertEqual(r.status, status, r)
        for p in patterns:
            self.assertRegex(r.err, p)
        self.assertEqual(self.host.listed(), {})
        self.assertEqual(self.host.processes('hypervisor') + self.host.processes('qemu-dm'), [])
        return r

    def config_with(self, **keys):
        with open(self.host.config('bad', memory=32, **keys)) as f:
            return f.read()

    def test_ten_mistakes_give_ten_lines_with_their_places(self):
        r = self.refused(TEN_MISTAKES)
        lines = [s for s in r.err.splitlines() if s]
        places = [re.match(r'xm: error: (\S+bad\.config):(\d+):(\d+): \S', s) for s in lines]
        self.assertTrue(all(places), r)
        self.assertEqual(len(lines), 10, r)
        self.assertEqual([int(m[2]) for m in places], [2, 3, 4, 5, 6, 7, 8, 9, 9, 10], r)

    def test_unfinished_python_names_line_and_column(self):
        self.refused('memory = 128\ndisk = [ "file:/x,hda,w"\nname = "x"\n',
                     patterns=[r'bad\.config:\d+:\d+: '])

    def test_missing_config_file(self):
        r = self.host.xm('create', 'there-is-none')
        self.assertEqual(r.status, 1, r)
        self.assertRegex(r.err, r'^Error: .*there-is-none')

    def test_missing_image(self):
        self.refused(self.config_with(disk=['file:/nowhere/disk.img,hda,w']),
                     patterns=[r'bad\.config:\d+:\d+: .*/nowhere/disk\.img.*(No such file|does not exist)'])

    def test_empty_image(self):
        path = self.host.path('empty.img')
        with open(path, 'w'):
            pass
        self.refused(self.config_with(disk=[f'file:{path},hda,w']), patterns=[r':\d+:\d+: .*empty\.img'])

    def test_directory_as_cd(self):
        self.refused(self.config_with(disk=[f'file:{self.host.dir},hdc:cdrom,r']),
                     patterns=[r':\d+:\d+: .*directory'])

    def test_image_that_may_not_be_read(self):
        if os.geteuid() == 0:
            self.skipTest('root may read everything')
        path = self.host.image('secret.img', mib=1)
        os.chmod(path, 0)
        self.refused(self.config_with(disk=[f'file:{path},hda,w']), patterns=[r'[Pp]ermission denied'])

    def test_busy_display(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            s.listen()
            port = s.getsockname()[1]
            self.refused(self.config_with(vncunused=0, vncdisplay=port - 5900),
                         patterns=[r'(?i)display|port'])

    def test_more_memory_than_there_is(self):
        self.refused(self.config_with().replace('memory = 32', 'memory = 900000'),
                     patterns=[r'(?i)memory'])

    def test_taken_name_and_image_in_use(self):
        disk = self.host.medium('one.img', sectors.idle())
        d = self.host.create('one', disk=[f'file:{disk},hda,w'], memory=32, vncdisplay=150)
        self.addCleanup(lambda: self.host.xm('destroy', 'one'))
        r = self.host.xm('create', d.config)
        self.assertEqual(r.status, 1, r)
        self.assertRegex(r.err, r"(?i)one\b.*(exist|taken|use)")
        r = self.host.xm('create', self.host.config('two', disk=[f'file:{disk},hda,w'], memory=32))
        self.assertEqual(r.status, 1, r)
        self.assertRegex(r.err, r'one\.img is in use')
        self.assertEqual(list(self.host.listed()), ['one'])

    def test_unknown_domain_has_exit_status_3(self):
        for command in ('destroy', 'pause', 'unpause', 'domid', 'console', 'shutdown', 'reboot'):
            r = self.host.xm(command, 'nobody')
            self.assertEqual((r.status, r.err), (3, "Error: Domain 'nobody' does not exist.\n"), command)

    def test_unknown_command_and_missing_argument(self):
        r = self.host.xm('frobnicate')
        self.assertEqual(r.status, 1)
        self.assertRegex(r.err, r'^Error: Subcommand frobnicate not found!')
        r = self.host.xm('destroy')
        self.assertEqual(r.status, 1)
        self.assertRegex(r.err, r"^Error: 'xm destroy' requires 1 argument\.")

    def test_programs_explain_themselves(self):
        for program in ('xm', 'xend', 'hypervisor', 'qemu-dm', 'dm-net', 'dm-ui', 'dm-sdl'):
            r = run(os.path.join(BIN, program), '--help', env=self.host.env)
            self.assertEqual(r.status, 0, program)
            self.assertRegex(r.out, r'(?i)usage:', program)

    def test_dry_run_starts_nothing(self):
        out = self.host.good('create', '-n', self.host.config('dry', memory=32))
        self.assertIn('(vm', out)
        self.assertEqual(self.host.listed(), {})
        path = self.host.path('dry.sxp')
        with open(path, 'w') as f:
            f.write(out[out.index('(vm'):])
        again = self.host.good('create', '-n', '-F', path)
        self.assertEqual(again[again.index('(vm'):], out[out.index('(vm'):])
