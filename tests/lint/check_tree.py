#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks the rules that a compiler does not: layers, banned tokens, headers, sizes, formatting.

    tests/lint/check_tree.py [--root DIR] [--quick] [--list]

Prints file:line: rule: what and why, one line per violation; exit code 1 if there is any.
--quick leaves out what starts other programs (compilers, clang-format, shellcheck).
The rules themselves are data, in rules.py.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import rules  # noqa: E402

CODE_FOLDERS = ('include', 'dataplane', 'control', 'tests')
SKIPPED_FOLDERS = {'.git', 'var', '__pycache__', 'corpus', 'subprojects'}
EXCUSE = re.compile(r'lint-allow:\s*([\w-]+):\s*(\S.*)')


class Source:
    """One file: its lines, and for C the same lines with comments and strings blanked."""

    def __init__(self, root, path):
        self.path = path
        self.full = root / path
        self.text = self.full.read_text(errors='replace')
        self.lines = self.text.split('\n')
        self.is_c = path.endswith(('.c', '.h'))
        self.code = blank_comments_and_strings(self.text).split('\n') if self.is_c else self.lines
        self.functions = list(find_functions(self.code)) if self.is_c else []
        self.excuses = {}
        self.used_excuses = set()
        for number, line in enumerate(self.lines, 1):
            found = EXCUSE.search(line)
            if found and not self.path.startswith('tests/lint/'):
                self.excuses[number] = found.group(1)

    def function_at(self, number):
        for name, first, last in self.functions:
            if first <= number <= last:
                return name
        return ''

    def excused(self, rule, number):
        for at in (number, number - 1):
            if self.excuses.get(at) == rule:
                self.used_excuses.add(at)
                return True
        return False


def blank_comments_and_strings(text):
    """Same length and lines, so that positions stay true."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        found = match.group(0)
        if found[0] in '"\'':
            return found[0] + ' ' * (len(found) - 2) + found[0]
        return re.sub(r'[^\n]', ' ', found)

    # Names in #include "..." are wanted, so those lines are kept.
    return '\n'.join(kept if kept.lstrip().startswith('#include') else line
                     for kept, line in zip(text.split('\n'), pattern.sub(blank, text).split('\n')))


def find_functions(code):
    """(name, first line, last line): the brace opens in column 0 and closes in column 0 (Linux style)."""
    start = None
    name = ''
    for number, line in enumerate(code, 1):
        header = re.match(r'[A-Za-z_].*?\b(\w+)\s*\(', line)
        if header and not line.startswith(('#', 'typedef')):
            name, start = header.group(1), number
        elif line.startswith('{') and name:
            opened = start
        elif line.startswith('}'):
            if start is not None and name and 'opened' in locals():
                yield name, opened, number
                del opened
            name, start = '', None


# ---- the checks: each yields (path, line, rule, text) ------------------------------------------------

def check_spdx(tree):
    kinds = ('.c', '.h', '.def', '.py', '.sh', '.lua', '.yaml', 'meson.build', 'meson_options.txt')
    for source in tree.values():
        if not source.path.endswith(kinds) and not source.text.startswith('#!'):
            continue
        if 'SPDX-License-Identifier: BSD-3-Clause' not in '\n'.join(source.lines[:2]):
            yield source.path, 1, 'spdx', 'the first line is SPDX-License-Identifier: BSD-3-Clause'


def includes_of(source):
    for number, line in enumerate(source.lines, 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1) == '"', found.group(2)


def dataplane_rank(path):
    stem = Path(path).stem
    for pattern, rank in rules.DATAPLANE_RANKS:
        if re.fullmatch(pattern, stem):
            return rank
    return None


def check_layers(tree):
    for source in tree.values():
        if source.is_c:
            for number, is_ours, name in includes_of(source):
                yield from check_include(tree, source, number, is_ours, name)


def check_include(tree, source, number, is_ours, name):
    folder = source.path.split('/')[0]
    if not is_ours:
        yield from check_library_include(source, number, name)
        return
    target = name.split('/')[0]
    if '/' not in name or name not in tree:
        yield (source.path, number, 'include-path',
               f'"{name}": includes are root-relative, so that each names its layer')
    elif target not in rules.FOLDER_MAY_INCLUDE.get(folder, set()) and \
            source.path not in rules.SEES_BOTH_SIDES:
        yield source.path, number, 'layer', f'{folder}/ does not include {target}/ ("{name}")'
    elif folder == 'dataplane' == target:
        own, other = dataplane_rank(source.path), dataplane_rank(name)
        if own is not None and other is not None and other > own:
            yield (source.path, number, 'layer',
                   f'"{name}" lies above: upward flow is by returned batches, not calls')
        stem, other_stem = Path(source.path).stem, Path(name).stem
        if re.fullmatch(rules.DATAPLANE_LEAVES, stem) and other_stem != stem and \
                not re.fullmatch(rules.DATAPLANE_LEAVES, other_stem):
            yield source.path, number, 'layer', f'{stem} is a leaf: it knows bytes, not "{name}"'


def check_library_include(source, number, name):
    if name.startswith('rte_'):
        header = name.removesuffix('.h')
        if not any(re.fullmatch(files, source.path) and re.fullmatch(headers, header)
                   for files, headers, _ in rules.DPDK_ALLOWED):
            yield (source.path, number, 'dpdk-include',
                   f'<{name}> is not in the allow-list of rules.py for this file')
    if name.startswith('liburing') and not re.fullmatch(rules.IO_URING_ALLOWED, source.path):
        yield source.path, number, 'liburing-include', 'io_uring lives behind control/io_loop.h'


def check_banned_tokens(tree):
    for source in tree.values():
        if not source.is_c:
            continue
        for rule, files, pattern, why, exceptions in rules.BANNED:
            if not re.fullmatch(files, source.path):
                continue
            if any(re.fullmatch(known, source.path) for known in exceptions.get('files', {})):
                continue
            yield from banned_in_file(source, rule, pattern, why, exceptions)


def banned_in_file(source, rule, pattern, why, exceptions):
    for number, line in enumerate(source.code, 1):
        if line.lstrip().startswith('#include'):
            continue
        if 'asm' in exceptions:
            line = re.sub(exceptions['asm'], '', line)
        found = re.search(pattern, line)
        if not found or is_declaration(line, found):
            continue
        if 'function' in exceptions and re.search(exceptions['function'], source.function_at(number)):
            continue
        if not source.excused(rule, number):
            yield source.path, number, rule, f'{found.group(0).strip()}: {why}'


def is_declaration(line, found):
    """`static int read(struct x *y)` and `void (*free)(...)` name something; they do not call it."""
    if not found.group(0).rstrip().endswith('('):
        return False
    before = line[:found.start()]
    return before.endswith(('->', '.')) or bool(re.match(r'[A-Za-z_][\w\s\*]*\s\**$', before))


def check_unfinished_and_places(tree):
    for source in tree.values():
        for number, line in enumerate(source.lines, 1):
            if re.search(rules.UNFINISHED, line):
                yield source.path, number, 'unfinished', 'finish it, or write it down in an issue'
            if re.search(rules.PLACES, line):
                yield source.path, number, 'place', 'a checkout does not depend on where it lies'


def check_headers(tree):
    for source in tree.values():
        folder = source.path.split('/')[0]
        if not source.path.endswith('.h') or folder == 'tests':
            continue
        head = source.text[:source.text.find('*/', source.text.find('/*', 3) + 2)]
        if f' {Path(source.path).name} - ' not in head:
            yield source.path, 2, 'header-comment', f'starts with "{Path(source.path).name} - ..."'
        for label in rules.HEADER_LABELS:
            if not re.search(rf'^ \* {label}', head, re.M):
                yield source.path, 2, 'header-comment', f'the block has no "{label}"'
        guard = 'GANNET_' + re.sub(r'\W', '_', Path(source.path).name).upper()
        if f'#ifndef {guard}\n#define {guard}\n' not in source.text:
            yield source.path, 1, 'header-guard', f'the guard is {guard}'


def check_text(tree):
    for source in tree.values():
        may_be_long = re.fullmatch(rules.LONG_LINES_ALLOWED, source.path) or \
            source.path.endswith(('.md', '.yaml', '.json'))
        most = rules.LINE_COLUMNS if source.is_c else rules.SCRIPT_COLUMNS
        for number, line in enumerate(source.lines, 1):
            if len(line) > most and not may_be_long:
                yield source.path, number, 'line-length', f'{len(line)} columns, {most} allowed'
            if '\t' in line and not source.path.endswith('.md'):
                yield source.path, number, 'tab', 'indent with spaces'
            if line != line.rstrip() and not source.path.endswith('.md'):
                yield source.path, number, 'trailing-space', 'remove it'
        if source.text and not source.text.endswith('\n'):
            yield source.path, len(source.lines), 'final-newline', 'the last line has no end'


def check_sizes(tree):
    for source in tree.values():
        most = rules.LONG_FILES.get(source.path, (rules.FILE_LINES, ''))[0]
        if source.is_c and len(source.lines) > most:
            yield source.path, most, 'file-length', f'{len(source.lines)} lines, {most} allowed'
        for name, first, last in source.functions:
            length = last - first + 1
            allowed = rules.LONG_FUNCTIONS.get(name, (rules.FUNCTION_LINES, ''))[0]
            if length > allowed and not source.excused('function-length', first):
                yield (source.path, first, 'function-length',
                       f'{name} has {length} lines, {allowed} allowed: split where a comment would '
                       'be a title, or add it to LONG_FUNCTIONS with a reason')


def check_every_file_has_a_test(tree):
    tests = {Path(path).name for path in tree if path.startswith('tests/')}
    for path in tree:
        if not re.fullmatch(r'(dataplane|control)/\w+\.c', path):
            continue
        if path in rules.WITHOUT_OWN_TEST:
            continue
        stem = Path(path).stem
        covering = [test for pattern, test in rules.COVERED_BY if re.fullmatch(pattern, path)]
        if not any(re.fullmatch(rf'{stem}(_\w+)?_test\.(c|py)', name) for name in tests) and \
                not any(test in tree for test in covering):
            yield path, 1, 'no-test', f'write tests/unit/{stem}_test.c, or name the test in COVERED_BY'


def check_every_file_is_built(tree):
    built = '\n'.join(source.text for source in tree.values() if source.path.endswith('meson.build'))
    for source in tree.values():
        name = Path(source.path).name
        if source.path.endswith('.c') and name not in built and Path(name).stem not in built:
            yield source.path, 1, 'not-built', 'no meson.build names this file'


def check_excuses(tree):
    known = {entry[0] for entry in rules.BANNED} | {'function-length'}
    for source in tree.values():
        for number, rule in source.excuses.items():
            if rule not in known:
                yield source.path, number, 'unknown-excuse', f'there is no rule {rule}'
            elif number not in source.used_excuses:
                yield source.path, number, 'unused-excuse', f'nothing here breaks {rule}'


# ---- checks that start other programs -----------------------------------------------------------------

def compile_flags():
    flags = ['-std=gnu17', '-D_GNU_SOURCE', '-DALLOW_EXPERIMENTAL_API', '-march=x86-64-v2', '-Wall',
             '-Wextra', '-Werror', '-Wno-unused-function', '-fsyntax-only', '-x', 'c']
    asked = subprocess.run(['pkg-config', '--cflags', 'libdpdk', 'libxxhash', 'liburing'],
                           capture_output=True, text=True)
    return flags + [flag.replace('-I', '-isystem') if flag.startswith('-I') else flag
                    for flag in asked.stdout.split() if not flag.startswith('-march')]


def check_headers_compile_alone(tree, root):
    compilers = [name for name in ('gcc', 'clang') if shutil.which(name)]
    flags = compile_flags()
    headers = [path for path in tree if path.endswith('.h')]

    def compile_one(job):
        compiler, path = job
        done = subprocess.run([compiler, *flags, f'-I{root}', '-include', str(root / path), '-'],
                              input='', capture_output=True, text=True, cwd=root)
        return path, compiler, done

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(compiler, path) for path in headers for compiler in compilers]
        for path, compiler, done in pool.map(compile_one, jobs):
            if done.returncode:
                first = next((l for l in done.stderr.splitlines() if 'error' in l), done.stderr[:200])
                yield path, 1, 'header-alone', f'does not compile alone with {compiler}: {first}'


def check_format(tree, root):
    files = [path for path in tree if path.endswith(('.c', '.h'))]
    if not shutil.which('clang-format') or not files:
        return
    done = subprocess.run(['clang-format', '--dry-run', '-Werror', *files], cwd=root,
                          capture_output=True, text=True)
    seen = set()
    for line in done.stderr.splitlines():
        found = re.match(r'(\S+?):(\d+):\d+: error', line)
        if found and found.group(1) not in seen:
            seen.add(found.group(1))
            yield (found.group(1), int(found.group(2)), 'format',
                   f'run clang-format -i {found.group(1)}')


def check_shell(tree, root):
    scripts = [path for path, source in tree.items()
               if path.endswith('.sh') or re.match(r'#!.*\b(ba)?sh\b', source.lines[0])]
    if not shutil.which('shellcheck') or not scripts:
        return
    done = subprocess.run(['shellcheck', '-x', '-S', 'warning', '-e', 'SC2100', '-f', 'gcc', *scripts], cwd=root,
                          capture_output=True, text=True)
    for line in done.stdout.splitlines():
        found = re.match(r'(\S+?):(\d+):\d+: \w+: (.*)', line)
        if found:
            yield found.group(1), int(found.group(2)), 'shellcheck', found.group(3)


def check_python(tree, _root):
    for source in tree.values():
        if source.path.endswith('.py'):
            try:
                compile(source.text, source.path, 'exec')
            except SyntaxError as error:
                yield source.path, error.lineno or 1, 'python', str(error)


TREE_CHECKS = [check_spdx, check_layers, check_banned_tokens, check_unfinished_and_places,
               check_headers, check_text, check_sizes, check_every_file_has_a_test,
               check_every_file_is_built, check_excuses]
PROGRAM_CHECKS = [check_python, check_headers_compile_alone, check_format, check_shell]


def read_tree(root):
    tree = {}
    wanted = ('.c', '.h', '.def', '.py', '.sh', '.lua', '.md', '.yaml', '.service',
              'meson.build', 'meson_options.txt', '/dev', '.ci/run')
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders
                            if name not in SKIPPED_FOLDERS and not name.startswith('build'))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), root)
            if ('/' + path).endswith(wanted):
                tree[path] = Source(root, path)
    return tree


def violations(root, is_quick=False):
    root = Path(root).resolve()
    tree = read_tree(root)
    found = []
    for check in TREE_CHECKS:
        found += check(tree)
    for check in [] if is_quick else PROGRAM_CHECKS:
        found += check(tree, root)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--root', default=Path(__file__).resolve().parents[2])
    parser.add_argument('--quick', action='store_true', help='start no other programs')
    options = parser.parse_args()
    found = violations(options.root, options.quick)
    for path, line, rule, text in found:
        print(f'{path}:{line}: {rule}: {text}')
    count = len(TREE_CHECKS) + (0 if options.quick else len(PROGRAM_CHECKS))
    print(f'{count} checks, {len(found)} violations of {len({rule for _, _, rule, _ in found})} rules')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
