# SPDX-License-Identifier: GPL-2.0-or-later
"""The two machines that the benchmarks compare: a domain of Guesthouse on a host of its own, and QEMU's
TCG.  Both give .serial, .port (the viewer's; None without one), .pids() and .stop()."""
import os
import subprocess
import sys
import threading
import tty

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))
sys.path.insert(0, os.path.join(TOP, 'tests/system'))
import harness  # noqa: E402

DISK = 96       # MiB, of which the guests read and write the first 64


def prefer(pids, nice):
    """Priority before whatever else runs here; sessions have one of their own in Linux's scheduler."""
    for pid in pids:
        try:
            for task in os.listdir(f'/proc/{pid}/task'):
                os.setpriority(os.PRIO_PROCESS, int(task), nice)
            with open(f'/proc/{pid}/autogroup', 'w') as f:
                f.write(str(nice))
        except OSError as e:
            print(f'warning: priority of {pid}: {e}', file=sys.stderr)


def children(parent):
    """Its processes, which xend's are as long as their domain lives."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat') as f:
                fields = f.read().rpartition(')')[2].split()
        except OSError:
            continue
        if fields[1] == parent:
            found.append(pid)
    return found


def make_disk(path, form):
    """Data, not holes: a hole is not read from anywhere.  form: raw, qcow2 or vpc."""
    with open(path, 'wb') as f:
        for _ in range(64):
            f.write(os.urandom(1 << 20))
        f.truncate(DISK << 20)
        f.flush()
        os.fsync(f.fileno())
    if form != 'raw':
        subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', form, *(
            ['-o', 'force_size=on'] if form == 'vpc' else []), path, path + '.new'], check=True)
        os.rename(path + '.new', path)


def our_disk(path, form):
    kind = {'raw': 'file', 'qcow2': 'tap:qcow2', 'vpc': 'tap:vhd'}[form]
    return f'{kind}:{path},hda,w'


def qemu_disk(path, form):
    return ['-drive', f'file={path},if=ide,index=0,format={form},cache=none,aio=native']


class Wire(harness.Serial):
    """A terminal's master end that we hold already; held open, the other end never hangs up."""

    def __init__(self, fd, slave):
        self.fd, self.slave = fd, slave
        self.raw, self.data, self.seen, self.lock = bytearray(), b'', 0, threading.Lock()
        self.ending = False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def close(self):
        super().close()
        os.close(self.slave)


class Guesthouse:
    """keys: the config's, beside the harness's own."""
    name = 'guesthouse'

    def __init__(self, test, **keys):
        self.host = harness.Host(test)
        try:
            self.domain = self.host.create('bench', **keys)
        except BaseException:
            self.host.stop()
            raise
        self.serial, self.port = self.domain.serial, self.domain.display

    def pids(self):
        with open(os.path.join(self.host.home, 'xend.pid')) as f:
            return children(f.read().strip())

    def stop(self):
        self.host.stop()


class Qemu:
    """One vCPU of the PC; iso: the CD it boots; to: a file for the serial port, else .serial is there."""
    name = 'qemu-tcg'

    def __init__(self, iso, memory, *args, viewer=False, to=None):
        self.serial, self.port, serial = None, None, f'file:{to}'
        display = ['-display', 'none']
        if not to:
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self.serial, serial = Wire(master, slave), os.ttyname(slave)
        if viewer:
            self.port = harness.free_port()
            display = ['-vnc', f'127.0.0.1:{self.port - 5900}']
        # Guesthouse has the CD open and locked; QEMU would not start.
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-machine', 'pc,accel=tcg', '-m', str(memory), '-smp', '1', '-nodefaults',
             *display, '-serial', serial, '-boot', 'd', '-drive',
             f'file={iso},if=ide,index=2,media=cdrom,format=raw,readonly=on,file.locking=off', *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def pids(self):
        return [str(self.process.pid)]

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        if self.serial:
            self.serial.close()
        self.process.kill()
        self.process.wait()
