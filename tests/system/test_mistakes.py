# SPDX-License-Identifier: GPL-2.0-or-later
"""What users get wrong: each mistake costs one line, which says what, where and what to do, and an
exit status of its own."""
import os
import shutil
import socket
import subprocess
import unittest

from harness import BIN, Case, run, wait_for


class Mistakes(Case):
    def refused(self, text, status=1, **keys):
        """xm create with these keys fails, with one line that has this text."""
        keys.setdefault('disk', [])
        path = self.host.config('wrong', **keys)
        r = self.host.xm('create', path)
        self.assertEqual(r.status, status, r)
        lines = [s for s in r.err.splitlines() if ': warning: ' not in s]
        self.assertEqual(len(lines), 1, r)
        self.assertIn(text, lines[0])
        self.assertIn(f'xm: error: {path}:', lines[0])      # the place
        self.assertNotIn('wrong', self.host.listed())

    def error(self, *args, status=1):
        r = self.host.xm(*args)
        self.assertEqual(r.status, status, r)
        self.assertTrue(r.err.startswith('Error: '), r)
        return r.err.splitlines()[0]

    def test_config_file_that_is_not_there(self):
        self.assertIn('write its path', self.error('create', 'nowhere.cfg'))

    def test_unknown_key_is_named_with_the_nearest_one(self):
        r = self.host.xm('create', '-n', self.host.config('near', memmory=64, disk=[]))
        self.assertEqual(r.status, 0, r)
        self.assertIn('did you mean memory?', r.err)

    def test_values_that_can_not_be(self):
        self.refused('is not a hardware address; write', vif=['mac=00:16:3e:zz:00:01'])
        self.refused('xm disk-create', disk=['file:/nowhere/disk.img,hda,w'])
        self.refused('out of range; use', memory=9000000)
        self.refused('not enough memory on this host', memory=1 << 20)
        self.refused("'x' is not a device; use the letters", boot='dcx')

    def test_ports_in_use(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            port = taken.getsockname()[1]
            self.refused('another program has this port of the host',
                         vif=[f'hostfwd=tcp:127.0.0.1:{port}-:22'])
        with socket.create_server(('127.0.0.1', 5900 + 77)):
            self.refused('or write vncunused=1', vncunused=0, vncdisplay=77)

    def test_image_that_another_domain_has(self):
        disk = self.host.image('shared.img', mib=2)
        d = self.host.create('owner', disk=[f'file:{disk},hda,w'])
        self.addCleanup(d.close)
        self.refused("in use by domain 'owner'", disk=[f'file:{disk},hda,w'])
        self.assertIn('no drive', self.error('cd-insert', 'owner', 'hdc', '/nowhere.iso'))
        self.assertIn('between 1 and maxmem', self.error('mem-set', 'owner', '4000'))
        self.host.good('destroy', 'owner')

    def test_image_between_a_domain_and_qemus_tools(self):
        if not shutil.which('qemu-io'):
            raise unittest.SkipTest('the package qemu-utils is missing')

        def qemu_io(path, *options):
            return run('qemu-io', '-f', 'raw', *options, '-c', 'read 0 512', path).status == 0

        cd, disk = self.host.image('cd.iso', mib=2), self.host.image('written.img', mib=2)
        d = self.host.create('both', disk=[f'file:{cd},hdc:cdrom,r', f'file:{disk},hda,w'])
        self.addCleanup(d.close)
        self.assertTrue(qemu_io(cd, '-r'))
        self.assertFalse(qemu_io(cd))
        self.assertFalse(qemu_io(disk, '-r'))
        self.host.good('destroy', 'both')
        self.assertTrue(qemu_io(disk))
        holder = subprocess.Popen(['qemu-io', '-f', 'raw', cd], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.addCleanup(holder.communicate, b'quit\n')
        wait_for('the locks of qemu-io', 10, lambda: 'lock:' in ''.join(
            open(f.path).read() for f in os.scandir(f'/proc/{holder.pid}/fdinfo')))
        self.refused('in use by qemu-io', disk=[f'file:{cd},hdc:cdrom,r'])

    def test_domain_and_command_that_do_not_exist(self):
        self.assertIn("Domain 'nobody' does not exist", self.error('destroy', 'nobody', status=3))
        self.assertIn('Subcommand frob not found', self.error('frob'))
        self.assertIn('requires 1 argument', self.error('destroy'))

    def test_directory_that_can_not_be_written(self):
        env = dict(self.host.env, GUESTHOUSE_DIR='/proc/nowhere')
        r = run(os.path.join(BIN, 'xm'), 'list', env=env)
        self.assertEqual(r.status, 1, r)
        self.assertIn('Unable to start xend: directory /proc/nowhere', r.err)
        r = run(os.path.join(BIN, 'xend'), 'frob', env=env)
        self.assertEqual((r.status, r.err), (2, 'xend: error: unknown command frob (try --help)\n'))
