# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's drivers of sound cards, serial ports and the parallel port, and what comes out of them."""
import math
import os
import re
import signal
import socket
import struct
import time
import wave

import sectors
from harness import Case, MEDIA, need, wait_for

RATE = 48000
WINDOW = 2400


def pattern(count, seed):
    """The bytes of deviceinit.c's write command."""
    out = bytearray()
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) & 0xffffffff
        out.append(seed >> 16 & 255)
    return bytes(out)


def checksum(data):
    s = 0
    for b in data:
        s = (s * 31 + b) & 0xffffffff
    return s


def left(path):
    """The left side of the file, as far as its head says that it goes."""
    with wave.open(path) as w:
        assert (w.getframerate(), w.getnchannels(), w.getsampwidth()) == (RATE, 2, 2)
        return struct.unpack(f'<{2 * w.getnframes()}h', w.readframes(w.getnframes()))[::2]


def heard(path, hz, start=0):
    """Seconds of the left side in which the tone is there, undistorted and alone."""
    data = left(path)[start:]
    step = 2 * math.pi * hz / RATE
    sin = [math.sin(step * i) for i in range(WINDOW)]
    cos = [math.cos(step * i) for i in range(WINDOW)]
    ss, cc = sum(x * x for x in sin), sum(x * x for x in cos)
    sc = sum(x * y for x, y in zip(sin, cos))
    good = 0
    for k in range(0, len(data) - WINDOW, WINDOW):
        part = data[k:k + WINDOW]
        p, q = sum(map(lambda x, y: x * y, part, sin)), sum(map(lambda x, y: x * y, part, cos))
        s, c = (p * cc - q * sc) / (ss * cc - sc * sc), (q * ss - p * sc) / (ss * cc - sc * sc)
        size = math.hypot(s, c)
        if size > 300:
            error = max(abs(x - s * y - c * z) for x, y, z in zip(part, sin, cos))
            good += error < size * 0.03
    return good * WINDOW / RATE


SB16 = 'snd-sb16 isapnp=0 port=0x220 irq=5 dma8=1 dma16=5 mpu_port=0x330 fm_port=0x388'


class Devices(Case):
    """One guest for all of them: it boots once."""
    seconds, test_seconds = 400, 240

    @classmethod
    def prepare(cls):
        iso = need(os.path.join(MEDIA, 'devices.iso'))
        cls.wav, cls.printed, cls.com2, cls.com3 = (cls.host.path(n) for n in
                                                    ('sound.wav', 'printed', 'com2', 'com3'))
        cls.domain = cls.host.create('devices', disk=[f'file:{iso},hdc:cdrom,r'], boot='d',
                                     vncdisplay=130, soundhw='all', audio=f'wav:{cls.wav}',
                                     serial=['pty', f'file:{cls.com2}', f'unix:{cls.com3},server'],
                                     parallel=f'file:{cls.printed}')
        cls.domain.serial.wait(r'ready', 200)

    def command(self, line, seconds=60):
        start = len(self.domain.serial.data)
        self.domain.serial.type(line + '\n')
        self.domain.serial.wait(r'(?m)^= -?\d+\r?$', seconds, since=start)
        text = self.domain.serial.data[start:].decode('latin1').replace('\r', '')
        self.assertIn('\n= 0', '\n' + text, f'{line}: {text}')
        return text

    def play(self, card, module, rate, hz):
        """A busy host lets a guest's buffer run empty: then once more."""
        self.command(f'load {module}', 100)
        number = re.search(rf'(\d+) \[\w+ *\]: {card}', self.command('cards'))[1]
        self.command(f'mix {number}')
        for attempt in range(4):
            try:
                said = self.command(f'play {number} {rate} 2 16 {hz} 1000', 60)
            except AssertionError:
                continue
            time.sleep(0.3)
            if ' 0 underruns' in said and heard(self.wav, hz) >= 0.7:
                break
        self.assertGreaterEqual(heard(self.wav, hz), 0.7)

    def test_es1370_plays_the_tone(self):
        self.play('ENS1370', 'snd-ens1370', 44100, 500)

    def test_ac97_plays_the_tone_at_48000_and_22050(self):
        self.play('ICH', 'snd-intel8x0', 48000, 640)
        self.play('ICH', 'snd-intel8x0', 22050, 740)

    def test_sb16_plays_the_tone(self):
        self.play('SB16', SB16, 44100, 840)

    def test_sb16_synthesizer_is_found_and_plays_the_note(self):
        self.command(f'load {SB16}', 100)
        number = re.search(r'(\d+) \[\w+ *\]: SB16', self.command('cards'))[1]
        self.command(f'mix {number}')
        self.command('load snd-opl3-synth')
        for _ in range(20):             # the kernel binds it in a thread of its own
            clients = self.command('show /proc/asound/seq/clients')
            if 'OPL3 FM synth' in clients:
                break
            time.sleep(0.3)
        self.assertIn('OPL3 FM synth', clients)
        before = len(left(self.wav))
        self.assertIn('fm type 1', self.command(f'fm {number} 440 1000'))
        time.sleep(1.5)
        note = left(self.wav)[before:]
        hz = (440 * 2 ** 16 // 49716) * 49716 / 2 ** 16 if 440 * 2 ** 16 // 49716 < 1024 else 0
        self.assertGreater(heard(self.wav, hz, before), 0.7)
        edges = [i for i in range(1, len(note)) if note[i - 1] < 0 <= note[i]]
        middle = edges[len(edges) // 4:len(edges) // 2]
        self.assertAlmostEqual((len(middle) - 1) * RATE / (middle[-1] - middle[0]), hz, delta=1)
        steps = [max(map(abs, note[i:i + 480])) for i in range(0, len(note) - 480, 480)]
        held = max(i for i, step in enumerate(steps) if step > 0.98 * max(steps))
        fall = [step for step in steps[held:] if step > 60]     # released: it falls, and ends
        self.assertGreater(len(fall), 10)
        self.assertEqual(fall, sorted(fall, reverse=True))
        self.assertLess(max(steps[held + len(fall):]), 61)

    def test_pc_speaker_beeps_at_the_frequency_asked_for(self):
        self.command('load pcspkr')
        self.command('load evdev')
        for hz in (440, 1000, 2500):
            before = len(left(self.wav))
            self.command(f'tone {hz} 500')
            time.sleep(0.6)
            beep = left(self.wav)[before:]
            self.assertGreater(len(beep), RATE * 0.4)
            edges = [i for i in range(1, len(beep)) if beep[i - 1] < 0 <= beep[i]]
            edges = edges[2:-2]
            self.assertAlmostEqual((len(edges) - 1) * RATE / (edges[-1] - edges[0]),
                                   1193182 / (1193182 // hz), delta=hz / 1000)
            self.assertGreater(edges[-1] - edges[0], RATE * 0.4)
            middle = beep[edges[0] + RATE // 10:edges[0] + RATE // 10 + WINDOW]
            high = [x for x in middle if abs(x) > 5000]     # a square: almost always at its top
            self.assertGreater(len(high), WINDOW * 0.8 if hz < 2000 else WINDOW * 0.6)

    def test_printer_gets_every_byte(self):
        self.command('load parport_pc', 60)
        self.command('load lp')
        self.command('write /dev/lp0 3000 5', 120)
        time.sleep(0.3)
        with open(self.printed, 'rb') as f:
            self.assertEqual(f.read(), pattern(3000, 5))

    def test_serial_ports_lose_nothing(self):
        self.command('tty /dev/ttyS1 115200')
        self.command('tty /dev/ttyS2 115200')
        self.command('write /dev/ttyS1 8000 6', 120)
        time.sleep(0.3)
        with open(self.com2, 'rb') as f:
            self.assertEqual(f.read(), pattern(8000, 6))
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.com3)
            data = pattern(1500, 7)
            start = len(self.domain.serial.data)
            self.domain.serial.type('read /dev/ttyS2 6000\n')
            time.sleep(2)
            s.sendall(data)
            self.domain.serial.wait(rf'read 1500 bytes, sum {checksum(data):08x}', 60, since=start)


class SoundOnTheDesktop(Case):
    """A boot sector beeps at 1000 Hz for ever, and dm-sound plays into a file."""
    seconds = 90

    @classmethod
    def prepare(cls):
        cls.played = cls.host.path('played.raw')
        cls.host.env.update(SDL_AUDIODRIVER='disk', SDL_DISKAUDIOFILE=cls.played)
        cls.domain = cls.host.create('beep', disk=[f'file:{cls.host.medium("beep.img", sectors.beep(1193))},hda,w'],
                                     memory=32, soundhw='pcspk', audio='sdl', vncdisplay=131)

    def tone(self):
        """Hz in the last tenth of a second that was played; 0: silence."""
        try:
            with open(self.played, 'rb') as f:
                data = f.read()[-RATE // 10 * 4:]
        except OSError:
            return 0
        left_side = struct.unpack(f'<{len(data) // 2}h', data)[::2] if len(data) == RATE // 10 * 4 else ()
        edges = [i for i in range(1, len(left_side)) if left_side[i - 1] < 0 <= left_side[i]]
        return (len(edges) - 1) * RATE / (edges[-1] - edges[0]) if len(edges) > 2 else 0

    def beeps(self):
        return abs(self.tone() - 1000) < 10

    def test_1_the_desktop_hears_the_guest(self):
        wait_for('the tone', 30, self.beeps)
        self.assertEqual(len(self.host.processes('dm-sound')), 1)

    def test_2_a_paused_guest_is_silent_and_goes_on_later(self):
        self.host.good('pause', 'beep')
        wait_for('silence', 10, lambda: self.tone() == 0)
        self.host.good('unpause', 'beep')
        wait_for('the tone', 10, self.beeps)

    def test_3_player_that_died_comes_back(self):
        player = self.host.processes('dm-sound')[0]
        os.kill(player, signal.SIGKILL)
        wait_for('another player', 10, lambda: self.host.processes('dm-sound') not in ([], [player]))
        wait_for('the tone', 10, self.beeps)
        self.assertIn('dm-sound was killed', self.host.xend_log())

    def test_4_domain_is_destroyed_with_its_player(self):
        self.host.good('destroy', 'beep')
        wait_for('the end', 10, lambda: not self.host.processes('dm-sound'))
