# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person looks at: TigerVNC's viewer and the SDL window, on an X server without a screen."""
import os
import shutil
import subprocess
import time

import screen
import sectors
from harness import Case, wait_for


class Viewers(Case):
    seconds = 180

    @classmethod
    def prepare(cls):
        for program, package in (('Xvfb', 'xvfb'), ('vncviewer', 'tigervnc-viewer'),
                                 ('xdotool', 'xdotool'), ('import', 'imagemagick')):
            if not shutil.which(program):
                raise cls.skip(program, package)
        read, write = os.pipe()
        cls.x = subprocess.Popen(['Xvfb', '-displayfd', str(write), '-screen', '0', '1024x768x24',
                                  '-nolisten', 'tcp', '-noreset'], pass_fds=[write], stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.x.wait)
        cls.addClassCleanup(cls.x.terminate)
        os.close(write)
        # To the end: the server writes the number and the newline apart, and dies if nobody reads the latter.
        with open(read, encoding='ascii') as f:
            cls.x_display = ':' + f.read().strip()
        cls.host.env['DISPLAY'] = cls.x_display
        cls.disk = cls.host.medium('idle.img', sectors.echo())

    @staticmethod
    def skip(program, package):
        import unittest
        return unittest.SkipTest(f'{program} is missing (package {package})')

    def root_window(self):
        path = self.host.path('x.ppm')
        subprocess.run(['import', '-window', 'root', '-depth', '8', path], env=self.host.env, check=True, timeout=20)
        with open(path, 'rb') as f:
            return screen.Picture.from_ppm(f.read())

    def shows_a_guest(self):
        """The X screen has many pixels in the light grey of text, some of which are SeaBIOS's."""
        picture = self.root_window()
        grey = sum(picture.rgb[i:i + 3] == b'\xaa\xaa\xaa' for i in range(0, len(picture.rgb), 3))
        return 300 < grey < 20000

    def windows(self, name):
        self.assertIsNone(self.x.poll(), 'the X server has ended')
        r = subprocess.run(['xdotool', 'search', '--onlyvisible', '--name', name], env=self.host.env,
                           capture_output=True, text=True)
        return r.stdout.split()

    def test_vncviewer_shows_the_guest_and_types(self):
        d = self.host.create('vnc', disk=[f'file:{self.disk},hda,w'], memory=32, vncdisplay=160,
                             vncpasswd='secret12')
        self.addCleanup(d.close)
        self.addCleanup(lambda: self.host.xm('destroy', 'vnc'))
        d.serial.wait('ECHO', 30)
        password = self.host.path('passwd')
        with open(password, 'wb') as f:
            subprocess.run(['vncpasswd', '-f'], input=b'secret12\n', stdout=f, check=False) \
                if shutil.which('vncpasswd') else f.write(stored_password('secret12'))
        log = open(self.host.path('vncviewer.log'), 'wb')
        self.addCleanup(log.close)
        viewer = subprocess.Popen(['vncviewer', '-PasswordFile', password, f'localhost::{d.display}'],
                                  env=self.host.env, stderr=log, stdout=log,
                                  stdin=subprocess.DEVNULL)
        self.addCleanup(viewer.wait)
        self.addCleanup(viewer.kill)
        window = wait_for('the viewer\'s window', 20, lambda: self.windows('TigerVNC'))[0]
        wait_for('the guest\'s picture', 20, self.shows_a_guest, 0.5)
        self.type_into(window, d)

    def type_into(self, window, d):
        subprocess.run(['xdotool', 'mousemove', '--window', window, '100', '100', 'click', '1'],
                       env=self.host.env, timeout=20)
        subprocess.run(['xdotool', 'windowfocus', window], env=self.host.env, timeout=20,
                       stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        subprocess.run(['xdotool', 'type', '--delay', '80', 'hello'], env=self.host.env, timeout=20)
        d.serial.wait('hello', 20)

    def test_sdl_window_shows_the_guest_and_types(self):
        d = self.host.create('sdl', disk=[f'file:{self.disk},hda,w'], memory=32, vnc=0, sdl=1,
                             vncdisplay=None, vncunused=None)
        self.addCleanup(d.close)
        self.addCleanup(lambda: self.host.xm('destroy', 'sdl'))
        d.serial.wait('ECHO', 30)
        window = wait_for('the window', 20, lambda: self.windows('sdl'))[0]
        wait_for('the guest\'s picture', 20, self.shows_a_guest, 0.5)
        self.type_into(window, d)


def stored_password(password):
    """The format of vncpasswd's files: DES under a key that everybody knows."""
    import rfb
    key = bytes([23, 82, 107, 6, 35, 78, 88, 7])
    key = bytes(int(f'{b:08b}'[::-1], 2) for b in key)
    return rfb.des_block(key, password.encode()[:8].ljust(8, b'\0'))
