#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cover.py BUILD PREFIX... - which part of the lines of each file below PREFIX the tests ran, by the
counts that programs built with --coverage left in BUILD.  Exit status 1 if a file is below 85 %.
With --lines FILE: the lines of that file that nobody ran."""
import glob
import gzip
import json
import os
import subprocess
import sys
import tempfile

LEAST = 85


def counts(notes):
    """source -> {line: times}, of one object"""
    with tempfile.TemporaryDirectory() as work:
        run = subprocess.run(['gcov', '--json-format', os.path.abspath(notes)], cwd=work,
                             capture_output=True, text=True)
        found = {}
        for name in glob.glob(work + '/*.json.gz'):
            with gzip.open(name, 'rt') as f:
                for source in json.load(f)['files']:
                    lines = found.setdefault(os.path.normpath(source['file']), {})
                    for entry in source['lines']:
                        line = entry['line_number']
                        lines[line] = max(lines.get(line, 0), entry['count'])
        if run.returncode:
            print(f'{notes}: {run.stderr.strip()}')
        return found


def ranges(lines):
    out = []
    for line in sorted(lines):
        if out and line <= out[-1][1] + 1:
            out[-1][1] = line
        else:
            out.append([line, line])
    return ' '.join(f'{a}-{b}' if a != b else str(a) for a, b in out)


def main():
    args = sys.argv[1:]
    only = args.pop(args.index('--lines') + 1) if '--lines' in args else None
    args = [a for a in args if a != '--lines']
    build, prefixes = args[0], tuple(args[1:] or ['hw/'])
    if only:
        prefixes = (os.path.dirname(only) + '/',)
    covered = {}
    for prefix in prefixes:
        for notes in glob.glob(f'{build}/obj/{prefix}**/*.gcno', recursive=True):
            for source, lines in counts(notes).items():
                if source.startswith(prefix) and source.endswith('.c'):
                    covered.setdefault(source, {}).update(lines)
    if only:
        print(ranges(n for n, times in covered.get(only, {}).items() if not times))
        return 0
    low, ran, all_lines = 0, 0, 0
    for source in sorted(covered):
        lines = covered[source]
        run = sum(1 for times in lines.values() if times)
        ran, all_lines = ran + run, all_lines + len(lines)
        percent = 100 * run / len(lines) if lines else 100
        low += percent < LEAST
        print(f'{source:34} {len(lines):5} lines {percent:5.1f} %' +
              (f'  BELOW {LEAST} %' if percent < LEAST else ''))
    if not covered:
        print('no file was counted')
        return 1
    print(f'{len(covered)} files, {all_lines} lines, {100 * ran / all_lines:.1f} %, {low} below {LEAST} %')
    return low > 0


if __name__ == '__main__':
    sys.exit(main())
