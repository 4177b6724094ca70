# SPDX-License-Identifier: GPL-2.0-or-later
"""What the threads of a process are doing, for a test that waits in vain."""
import os
import re
import subprocess
import time

TICKS = os.sysconf('SC_CLK_TCK')


def threads(pid):
    """number -> (name, state, seconds of CPU)"""
    found = {}
    for tid in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{tid}/stat') as f:
            name, _, rest = f.read().rpartition(')')
        fields = rest.split()
        found[int(tid)] = name.partition('(')[2], fields[0], (int(fields[11]) + int(fields[12])) / TICKS
    return found


def calls(pid):
    """number -> the innermost functions' names, as gdb sees them"""
    out = subprocess.run(['gdb', '-nx', '-batch', '-p', str(pid), '-ex', 'thread apply all bt 6'], timeout=30,
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace').stdout
    found, who = {}, None
    for line in out.splitlines():
        thread = re.match(r'Thread .*LWP (\d+)', line)
        call = re.match(r'#\d+ +(?:0x\w+ in )?(\S+)', line)
        if thread:
            who = int(thread[1])
        elif call and who:
            found.setdefault(who, []).append(call[1])
    return found


def of(pid):
    """A line for each thread: name, state, seconds of CPU in the last half of one, calls."""
    try:
        before = threads(pid)
        time.sleep(0.5)
        after = threads(pid)
    except OSError as e:
        return [f'{e}']
    try:
        stack = calls(pid)
    except (OSError, subprocess.SubprocessError) as e:
        stack = {tid: [f'({e})'] for tid in after}
    return [f'{name} {state} {seconds - before.get(tid, (0, 0, seconds))[2]:.2f} {" < ".join(stack.get(tid, []))}'
            for tid, (name, state, seconds) in sorted(after.items())]
