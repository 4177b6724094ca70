#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py [--jobs N] [--count FILE] [--list] [PATTERN...] - runs the system tests.

Every scenario (a class) runs in a process of its own with a time limit; some at a time.  PATTERN is
a part of Scenario.test.  FILE gets "PASSED FAILED SKIPPED"."""
import argparse
import glob
import importlib
import inspect
import json
import os
import signal
import sys
import threading
import time
import traceback
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

TEST_SECONDS = 150      # for one test; a scenario can say otherwise


class TimeUp(AssertionError):
    pass


class Report(unittest.TestResult):
    """One JSON line a result, into a pipe."""

    def __init__(self, pipe, case):
        super().__init__()
        self.pipe, self.case, self.since, self.done = pipe, case, 0, set()

    def say(self, test, kind, text=''):
        name = getattr(test, '_testMethodName', None)
        seconds = time.monotonic() - self.since if name else 0
        key = f'{self.case.__name__}.{name or "scenario"}'
        if name:
            self.done.add(name)
        self.pipe.write(json.dumps([key, kind, text, seconds]) + '\n')
        self.pipe.flush()

    def startTest(self, test):
        super().startTest(test)
        self.since = time.monotonic()
        signal.signal(signal.SIGALRM, self.alarm)
        signal.alarm(int(getattr(self.case, 'test_seconds', TEST_SECONDS) * harness.PATIENCE))

    def alarm(self, *_):
        raise TimeUp('the time limit of one test is over')

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def addSuccess(self, test):
        self.say(test, 'passed')

    def addFailure(self, test, err):
        self.addError(test, err)

    def addError(self, test, err):
        lines = ''.join(traceback.format_exception(*err)).splitlines()
        own = [s for s in lines if not s.startswith('Traceback') and 'unittest/' not in s]
        self.say(test, 'failed', '\n'.join(own[-40:]))

    def addSkip(self, test, reason):
        self.say(test, 'skipped', reason)


def methods(case, patterns):
    names = [n for n, f in inspect.getmembers(case, inspect.isfunction) if n.startswith('test_')]
    names.sort(key=lambda n: getattr(case, n).__code__.co_firstlineno)
    full = [f'{case.__name__}.{n}' for n in names]
    return [n for n, f in zip(names, full) if not patterns or any(p in f for p in patterns)]


def load(patterns):
    here = os.path.dirname(os.path.abspath(__file__))
    cases = []
    for path in sorted(glob.glob(os.path.join(here, 'test_*.py'))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for _, case in inspect.getmembers(module, inspect.isclass):
            if issubclass(case, harness.Case) and case.__module__ == module.__name__ \
                    and methods(case, patterns):
                cases.append(case)
    # What others need comes first, then what takes longest.
    cases.sort(key=lambda c: (c.__name__ != 'Install', c.needs_installed, -c.seconds))
    return cases


def child(case, names, pipe):
    """In the scenario's process."""
    os.setpgid(0, 0)
    harness.become_reaper()
    threading.Thread(target=harness.reap_daemons, daemon=True).start()
    report = Report(os.fdopen(pipe, 'w'), case)
    suite = unittest.TestSuite(case(n) for n in names)
    try:
        suite.run(report)
    except BaseException as e:      # whatever it is, the tests that did not run must be counted
        report.say(None, 'failed', f'{type(e).__name__}: {e}')
    for pid in harness.descendants():
        os.kill(pid, signal.SIGKILL)
    report.pipe.flush()
    os._exit(0)


class Scenario:
    def __init__(self, case, patterns):
        self.case, self.names = case, methods(case, patterns)
        self.left = {f'{case.__name__}.{n}' for n in self.names}
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(read)
            child(case, self.names, write)
        os.close(write)
        os.set_blocking(read, False)
        self.read, self.buffer = read, b''
        self.deadline = time.monotonic() + case.seconds * harness.PATIENCE

    def lines(self):
        try:
            while True:
                part = os.read(self.read, 65536)
                if not part:
                    break
                self.buffer += part
        except BlockingIOError:
            pass
        *whole, self.buffer = self.buffer.split(b'\n')
        return [json.loads(s) for s in whole]

    def poll(self):
        """Results so far, and whether it is over."""
        over = os.waitpid(self.pid, os.WNOHANG)[0] != 0
        if not over and time.monotonic() > self.deadline:
            for pid in list(harness.descendants(self.pid)) + [self.pid]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            os.waitpid(self.pid, 0)
            over = True
        results = self.lines()
        broken = [r for r in results if r[0].endswith('.scenario') and r[1] != 'passed']
        self.left -= {r[0] for r in results}
        if over:
            os.close(self.read)
            # A set-up that failed or skipped did so for each of its tests.
            if broken and self.left:
                results = [r for r in results if r not in broken]
                results += [[n, broken[0][1], broken[0][2], 0] for n in sorted(self.left)]
            else:
                results += [[n, 'failed', f'did not run: the scenario took more than '
                             f'{self.case.seconds * harness.PATIENCE:.0f} s', 0] for n in sorted(self.left)]
        return results, over


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--jobs', type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument('--count')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('patterns', nargs='*')
    args = parser.parse_args()
    cases = load(args.patterns)
    if args.list:
        for case in cases:
            print('\n'.join(f'{case.__name__}.{n}' for n in methods(case, args.patterns)))
        return 0
    os.makedirs(harness.WORK, exist_ok=True)
    if any(c.__name__ == 'Install' for c in cases) and os.path.exists(harness.INSTALLED):
        os.unlink(harness.INSTALLED)
    harness.become_reaper()
    count = {'passed': 0, 'failed': 0, 'skipped': 0}
    waiting, running = list(cases), []

    def ready(case):
        return not case.needs_installed or os.path.exists(harness.INSTALLED) or not any(
            c.__name__ == 'Install' for c in waiting + [s.case for s in running])

    try:
        while waiting or running:
            used = sum(s.case.weight for s in running)
            for case in list(waiting):
                if ready(case) and (not running or used + case.weight <= args.jobs):
                    waiting.remove(case)
                    running.append(Scenario(case, args.patterns))
                    used += case.weight
            for s in list(running):
                results, over = s.poll()
                for name, kind, text, seconds in results:
                    count[kind] += 1
                    word = {'passed': 'ok', 'failed': 'FAILED', 'skipped': 'skipped'}[kind]
                    print(f'{word}: {name} ({seconds:.1f} s)' + (f': {text}' if kind == 'skipped' else ''))
                    if kind == 'failed':
                        print('    ' + text.replace('\n', '\n    '))
                    sys.stdout.flush()
                if over:
                    running.remove(s)
            time.sleep(0.1)
    finally:
        for pid in harness.descendants():
            os.kill(pid, signal.SIGKILL)
    print(f'tests/system: {count["passed"]} passed, {count["failed"]} failed, '
          f'{count["skipped"]} skipped')
    if args.count:
        with open(args.count, 'w') as f:
            f.write(f'{count["passed"]} {count["failed"]} {count["skipped"]}\n')
    return 1 if count['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
