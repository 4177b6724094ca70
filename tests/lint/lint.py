#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""lint.py - rules that the compiler does not know: who may include what, one header at a time
compiles alone, licence lines, lengths, leftovers, and that paths and functions named in documents exist."""
import os
import re
import subprocess
import sys

MAX_LINES = 1200
NO_X87 = ('hypervisor/', 'lib/')       # runs on vCPU threads, where the x87 may be the guest's
MAX_COLUMNS = 120      # the aim is 100; a line that reads better whole may be longer
SOURCE = ('.c', '.h', '.S')
# Files whose format has no comments, or whose content is shown to a user as it is.
NO_LICENCE = re.compile(r'^(demo/rootfs/etc/(group|hostname|inittab|issue|passwd)|.*\.(png|md|ppm|keys|txt)'
                        r'|LICENSE|COPYING|\.gitignore|.*/\.gitignore|docs/man/.*|demo/.*\.config)$')

# Directory: (prefixes it may include from, system headers it must not use).  The longest match wins.
HOST = ('linux/kvm.h',)
DEVICE = HOST + ('pthread.h', 'sys/socket.h', 'sys/epoll.h', 'unistd.h', 'threads.h')
RULES = {
    'include': (('include/',), HOST),
    'lib': (('include/', 'lib/'), HOST),
    'hw': (('include/', 'lib/', 'hw/', 'block/', 'net/net.h', 'net/offload.h', 'ui/display.h', 'ui/input.h',
            'usb/usb_peer.h', 'ui/chardev.h', 'ui/audio.h'), DEVICE),
    'block': (('include/', 'lib/', 'block/'), HOST),
    'net': (('include/', 'lib/', 'net/'), HOST),
    'ui': (('include/', 'lib/', 'ui/'), HOST),
    'usb': (('include/', 'lib/', 'usb/'), HOST),
    'dm': (('include/', 'lib/', 'dm/', 'hw/', 'block/', 'net/', 'ui/', 'usb/'), HOST),
    'hypervisor': (('include/', 'lib/', 'hypervisor/'), HOST),
    'hypervisor/hvm': (('include/', 'lib/', 'hypervisor/hvm/', 'hypervisor/engine.h',
                        'hypervisor/cpu_policy.h', 'hypervisor/params.h'), DEVICE),
    'hypervisor/soft': (('include/', 'lib/', 'hypervisor/soft/', 'hypervisor/engine.h',
                         'hypervisor/cpu_policy.h'), HOST),
    # What KVM cannot run, the software CPU does, through that one header.
    'hypervisor/kvm': (('include/', 'lib/', 'hypervisor/kvm/', 'hypervisor/engine.h',
                        'hypervisor/soft/assist.h',
                        'hypervisor/cpu_policy.h'), ()),
    'tools': (('include/', 'lib/', 'tools/', 'block/block.h', 'block/format.h'), HOST),
    'firmware': (('include/', 'firmware/'), HOST),
}
# Only these know which devices a PC has.
ONLY = {'hw/devices.h': re.compile(r'^(hw/|dm/(board|usb)\.c|tests/|bench/)')}

problems = []


def problem(path, line, text):
    problems.append(f'{path}:{line}: {text}' if line else f'{path}: {text}')


def files():
    """What git tracks or would track, or without git, every file but the built ones."""
    try:
        out = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
                             capture_output=True, check=True).stdout.decode()
        return sorted(f for f in out.split('\0') if f and os.path.isfile(f))
    except (OSError, subprocess.CalledProcessError):
        return sorted(os.path.join(d, f)[2:] for d, dirs, names in os.walk('.') for f in names
                      if not d.startswith(('./build', './.git')))


def rule_for(path):
    directory = os.path.dirname(path)
    while directory and directory not in RULES:
        directory = os.path.dirname(directory)
    return RULES.get(directory)


def resolve(path, name):
    for base in ('', 'include/', os.path.dirname(path) + '/'):
        if os.path.exists(base + name):
            return os.path.normpath(base + name)
    return name


def check_includes(path, number, line):
    m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
    rule = rule_for(path)
    if not m or not rule:
        return
    allowed, forbidden = rule
    if m[1] == '<':
        if m[2] in forbidden:
            problem(path, number, f'<{m[2]}> is not for {os.path.dirname(path)}/')
        return
    target = resolve(path, m[2])
    if target != 'config.h' and not target.startswith(allowed):
        problem(path, number, f'{os.path.dirname(path)}/ must not include {target}')
    if target in ONLY and not ONLY[target].match(path):
        problem(path, number, f'{target} is not for this file')


def check_text(path):
    with open(path, 'rb') as f:
        data = f.read()
    if b'\0' in data:
        if not path.endswith('.png'):
            problem(path, 0, 'binary file in the repository')
        return
    lines = data.decode('utf-8', 'replace').split('\n')
    source = path.endswith(SOURCE)
    code = source or path.endswith(('.py', '.sh', '.mk')) or lines[0].startswith('#!')
    if not NO_LICENCE.match(path) and not any('SPDX-License-Identifier: GPL-2.0-or-later' in s
                                              for s in lines[:3]):
        problem(path, 1, 'no SPDX-License-Identifier line')
    if len(lines) > MAX_LINES + 1:
        problem(path, 0, f'{len(lines) - 1} lines; split it (at most {MAX_LINES})')
    if data and not data.endswith(b'\n'):
        problem(path, len(lines), 'no newline at the end')
    for number, line in enumerate(lines, 1):
        if code and path != 'tests/lint/lint.py' and re.search(r'\b(TODO|FIXME|XXX|HACK)\b', line):
            problem(path, number, 'unfinished: ' + line.strip())
        if code and len(line) > MAX_COLUMNS + (0 if source else 10):
            problem(path, number, f'{len(line)} columns (at most {MAX_COLUMNS})')
        if code and line != line.rstrip():
            problem(path, number, 'blank at the end of the line')
        if source and not path.endswith('.S') and '\t' in line:
            problem(path, number, 'tab')
        if source:
            check_includes(path, number, line)
        if path.startswith(NO_X87) and re.search(r'\blong double\b', line):
            problem(path, number, 'long double: the x87 may be the guest\'s here (hypervisor/soft/simd.h)')


def words_of_sources(every):
    words = set()
    for path in every:
        if path.endswith(('.c', '.h', '.S', '.py', '.inc')):
            with open(path, encoding='utf-8', errors='replace') as f:
                words.update(re.findall(r'[A-Za-z_]\w+', f.read()))
    return words


def check_paths(path, tops, words):
    """`dir/file` and `function()` in a document must exist."""
    with open(path, encoding='utf-8', errors='replace') as f:
        for number, line in enumerate(f, 1):
            for name in re.findall(r'`([A-Za-z0-9_.+-]+/[A-Za-z0-9_./+-]*)`', line):
                name = name.rstrip('/.')
                if name.split('/')[0] in tops and not os.path.exists(name):
                    problem(path, number, f'{name} does not exist')
            for name in re.findall(r'`([A-Za-z_]\w*)\(\)`', line):
                if name not in words:
                    problem(path, number, f'{name}() does not exist')
            for name in re.findall(r'\]\(([^)#:]+)\)', line):
                if not os.path.exists(os.path.join(os.path.dirname(path), name)):
                    problem(path, number, f'{name} does not exist')


def policy_rows(text):
    """(call, reason, errno or 0) of a table of SandboxCall."""
    for m in re.finditer(r'(?:ALLOW\((\w+), "([^"]*)"\)|\{ SCMP_SYS\((\w+)\), "([^"]*)", (\w+) \})', text):
        yield (m[1], m[2], '0') if m[1] else (m[3], m[4], m[5])


def check_sandbox():
    """docs/sandbox.md has the rows of the policies, each section those of the policy file it names."""
    path = 'docs/sandbox.md'
    with open('lib/sandbox.c', encoding='utf-8') as f:
        base = f.read().split('base_calls[]', 1)[1].split('};', 1)[0]
    with open(path, encoding='utf-8') as f:
        sections = re.split(r'^## ', f.read(), flags=re.M)
    for section in sections:
        name = section.split('\n', 1)[0]
        m = re.search(r'`([\w/]+/policy\.c)`', section)
        if '| why | calls |' not in section:
            continue
        if section is sections[0]:
            name, text = 'the base', base
        elif m:
            with open(m[1], encoding='utf-8') as f:
                text = f.read()
        else:
            problem(path, 0, f'{name}: a table without the policy file it is from')
            continue
        want = set(policy_rows(text))
        got = set()
        for why, calls, answer in re.findall(r'^\| (?!why)([^|-][^|]*) \| ([^|]*) \|([^|]*)\|$', section, re.M):
            got |= {(c, why, answer.split()[-1] if answer.strip() else '0') for c in calls.split()}
        for call, why, _ in sorted(want - got):
            problem(path, 0, f'{name}: no row for {call} ({why})')
        for call, why, _ in sorted(got - want):
            problem(path, 0, f'{name}: {call} ({why}) is not in the policy')
        if section is not sections[0]:
            for call, _, _ in policy_rows(base):
                if call in {c for c, _, _ in want}:
                    problem(m[1], 0, f'{call} is in the base of all processes (lib/sandbox.c)')


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def check_manuals():
    """Every command that exists, and every key of the configs, has its place in the manual pages."""
    commands = read('tools/xm/table.c').split('static const XmCommand commands[]', 1)[1].split('\n};', 1)[0]
    rows = [row for row in re.split(r'\n    \{ (?=")', commands) if row.startswith('"')]
    names = [row.split('"')[1] for row in rows]
    works = [name for name, row in zip(names, rows) if re.search(r'\bxm_\w+', row)]
    keys = re.findall(r'\{ "([\w-]+)", [^,]+, "[^"]*", (KEY_\w+)', read('tools/common/schema.c'))
    vif = re.findall(r'strcmp\(key, "([\w-]+)"\)', read('tools/common/devices.c'))
    xend = re.findall(r'\{ "([\w-]+)", KEY_\w+', read('tools/common/xend_config.c'))
    for name in sorted({n for n in names if names.count(n) > 1}):
        problem('tools/xm/table.c', 0, f'{name} is there twice')
    for path, words in (('docs/man/xm.1', works), ('README.md', works),
                        ('docs/man/xmdomain.cfg.5', [k for k, _ in keys] + vif),
                        ('README.md', [k for k, status in keys if status == 'KEY_WORKS']),
                        ('docs/man/xend.1', xend)):
        text = read(path).replace('\\-', '-')
        for word in words:
            if not re.search(rf'(?<![\w-]){re.escape(word)}(?![\w-])', text):
                problem(path, 0, f'nothing about {word}')
    if not names or not keys or not vif or not xend:
        problem('tests/lint/lint.py', 0, 'the tables of commands and keys look different now')


def check_headers(headers):
    flags = subprocess.run(['pkg-config', '--cflags', 'glib-2.0', 'gio-unix-2.0', 'pixman-1',
                            'xkbcommon', 'libvncserver', 'sdl2', 'slirp', 'libusb-1.0'],
                           capture_output=True, text=True).stdout.split()
    if not flags or not os.path.exists('config.h'):
        print('skipped: compiling each header alone (run ./configure first)')
        return
    for path in headers:
        firmware = path.startswith('firmware/')
        extra = ['-m32', '-ffreestanding', '-I' + os.path.dirname(path)] if firmware else flags
        run = subprocess.run(['gcc', '-fsyntax-only', '-std=gnu11', '-D_GNU_SOURCE', '-I.', '-Iinclude',
                              '-include', path, '-x', 'c', '/dev/null'] + extra,
                             capture_output=True, text=True)
        if run.returncode:
            first = next((s for s in run.stderr.split('\n') if 'error' in s), run.stderr.strip())
            problem(path, 0, 'does not compile alone: ' + first)


def check_planted():
    """Every error of `make check-planted` can still be planted."""
    sys.path.insert(0, 'tests/cpu')
    from planted import FAULTS, SOFT
    for name, path, old, *_ in FAULTS:
        if old not in read(SOFT + path):
            problem('tests/cpu/planted.py', 0, f'"{name}": its text is not in {SOFT}{path} any more')


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
    every = files()
    tops = {f.split('/')[0] for f in every if '/' in f}
    words = words_of_sources(every)
    for path in every:
        if os.path.islink(path):
            continue
        check_text(path)
        if path.endswith('.md'):
            check_paths(path, tops, words)
    check_sandbox()
    check_manuals()
    check_planted()
    # Lists of macros are included in the middle of something else, on purpose.
    check_headers([f for f in every if f.endswith('.h') and not f.endswith('_list.h')])
    for line in problems:
        print('lint: ' + line)
    print(f'lint: {len(every)} files, {len(problems)} problems')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
