#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plants one violation at a time in a tree that is clean without it: the lint must name exactly that."""
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import check_tree  # noqa: E402
import rules  # noqa: E402

SPDX_C = '/* SPDX-License-Identifier: BSD-3-Clause */\n'
HEADER = SPDX_C + '''/*
 * NAME.h - a module.
 *
 * Purpose:   to be clean.
 * Ownership: nobody.
 * Threading: none.
 * Units:     none.
 * Errors:    none.
 * Source:    none.
 */
#ifndef GANNET_GUARD_H
#define GANNET_GUARD_H

int NAME_do(int value);

#endif
'''
CODE = SPDX_C + '''#include "FOLDER/NAME.h"

int NAME_do(int value)
{
    return value + 1;
}
'''
TEST = SPDX_C + '#include "FOLDER/NAME.h"\n\nint main(void)\n{\n    return NAME_do(-1);\n}\n'


def header(name):
    return HEADER.replace('NAME', name).replace('GUARD', name.upper())


def clean_tree():
    tree = {}
    for folder, name in (('include', 'thing'), ('dataplane', 'tcp_input'), ('dataplane', 'http_parser'),
                         ('dataplane', 'core_loop'), ('control', 'shard')):
        tree[f'{folder}/{name}.h'] = header(name)
        tree[f'{folder}/{name}.c'] = CODE.replace('FOLDER', folder).replace('NAME', name)
        tree[f'tests/unit/{name}_test.c'] = TEST.replace('FOLDER', folder).replace('NAME', name)
    names = ' '.join(Path(path).stem for path in tree)
    tree['meson.build'] = f'# SPDX-License-Identifier: BSD-3-Clause\n# {names}\n'
    return tree


def in_function(line, function='shard_do_more'):
    return f'\nint {function}(int value)\n{{\n    {line}\n    return value;\n}}\n'


# (rule expected, file, text appended to it)
APPENDED = [
    ('layer', 'dataplane/tcp_input.c', '#include "control/shard.h"\n'),
    ('layer', 'control/shard.c', '#include "dataplane/tcp_input.h"\n'),
    ('layer', 'include/thing.h', '#include "dataplane/tcp_input.h"\n'),
    ('layer', 'dataplane/tcp_input.c', '#include "dataplane/core_loop.h"\n'),
    ('layer', 'dataplane/http_parser.c', '#include "dataplane/tcp_input.h"\n'),
    ('include-path', 'dataplane/tcp_input.c', '#include "tcp_input.h"\n'),
    ('include-path', 'dataplane/tcp_input.c', '#include "include/absent.h"\n'),
    ('dpdk-include', 'dataplane/tcp_input.c', '#include <rte_ethdev.h>\n'),
    ('dpdk-include', 'include/thing.h', '#include <rte_ethdev.h>\n'),
    ('liburing-include', 'control/shard.c', '#include <liburing.h>\n'),
    ('unsafe-string', 'control/shard.c', in_function('strcpy(a, b);')),
    ('unsafe-string', 'tests/unit/shard_test.c', in_function('value += sprintf(a, b);')),
    ('number-parsing', 'control/shard.c', in_function('value = atoi(text);')),
    ('strtok', 'control/shard.c', in_function('text = strtok(text, " ");')),
    ('volatile', 'control/shard.c', 'static volatile int flag;\n'),
    ('sync-builtin', 'control/shard.c', in_function('__sync_fetch_and_add(&value, 1);')),
    ('libc-assert', 'control/shard.c', in_function('assert(value);')),
    ('alloca', 'control/shard.c', in_function('char *text = alloca(value);')),
    ('allocation', 'dataplane/tcp_input.c', in_function('free(text);')),
    ('allocation', 'dataplane/tcp_input.c', in_function('char *text = malloc(5);')),
    ('print', 'dataplane/tcp_input.c', in_function('printf("x");')),
    ('print', 'control/shard.c', in_function('fprintf(stderr, "x");')),
    ('hot-log', 'dataplane/tcp_input.c', in_function('log_info("x");')),
    ('lock', 'dataplane/tcp_input.c', in_function('pthread_mutex_lock(&lock);')),
    ('syscall', 'dataplane/tcp_input.c', in_function('usleep(1);')),
    ('clock', 'dataplane/tcp_input.c', in_function('clock_gettime(CLOCK_MONOTONIC, &now);')),
    ('clock', 'control/shard.c', in_function('gettimeofday(&now, 0);')),
    ('randomness', 'control/shard.c', in_function('value = rand();')),
    ('division', 'dataplane/tcp_input.c', in_function('value = value / count;')),
    ('division', 'dataplane/tcp_input.c', in_function('value %= count;')),
    ('exit', 'dataplane/tcp_input.c', in_function('abort();')),
    ('unfinished', 'control/shard.c', '/* TO' + 'DO: later */\n'),
    ('unfinished', 'tests/unit/shard_test.c', '/* FIX' + 'ME */\n'),
    ('place', 'control/shard.c', '/* see /ho' + 'me/somebody/x.c */\n'),
    ('place', 'control/shard.c', '/* see ../sha' + 'red/design */\n'),
    ('line-length', 'control/shard.c', '/* ' + 'x' * 99 + ' */\n'),
    ('tab', 'control/shard.c', '\tint x;\n'),
    ('trailing-space', 'control/shard.c', 'int x; \n'),
    ('final-newline', 'control/shard.c', 'int x;'),
    ('function-length', 'control/shard.c', in_function('value++;\n' * 80)),
    ('file-length', 'control/shard.c', 'int x;\n' * 950),
    ('unknown-excuse', 'control/shard.c', '/* lint-allow: no-such-rule: because */\n'),
    ('unused-excuse', 'control/shard.c', '/* lint-allow: volatile: because */\n'),
]

# Text that looks like a violation and is none.
INNOCENT = [
    ('dataplane/tcp_input.c', '/* never malloc() or printf() here; a / b is slow */\n'),
    ('dataplane/tcp_input.c', 'static const char *text = "free(x) / y";\n'),
    ('dataplane/tcp_input.c', in_function('char *text = malloc(5);', 'tcp_input_create')),
    ('dataplane/tcp_input.c', in_function('value = value / 8 + value / SOME_CONSTANT;')),
    ('dataplane/tcp_input.c', in_function('value += (int)(sizeof(names) / sizeof(names[0]));')),
    ('dataplane/tcp_input.c', in_function('value = vtable->read(value);')),
    ('control/shard.c', 'static_assert(sizeof(int) == 4, "int");\n'),
    ('control/shard.c', '/* lint-allow: volatile: a device register */\nstatic volatile int flag;\n'),
    ('control/shard.c', in_function('__asm__ volatile("" ::: "memory");')),
    ('control/shard.c', '#include "include/thing.h"\n'),
    ('tests/unit/shard_test.c', '#include <rte_eal.h>\n'),
]


class CheckTree(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix='gannet-lint-'))
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copy(Path(__file__).resolve().parents[2] / '.clang-format', self.root)
        for path, text in clean_tree().items():
            self.write(path, text)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def append(self, path, text):
        self.write(path, (self.root / path).read_text() + text)

    def found(self, is_quick=True):
        return {(rule, path) for path, _, rule, _ in check_tree.violations(self.root, is_quick)}

    def test_a_clean_tree_has_no_violation(self):
        self.assertEqual(self.found(is_quick=False), set())

    def test_each_planted_violation_is_named(self):
        before = {path: (self.root / path).read_text() for _, path, _ in APPENDED}
        for rule, path, text in APPENDED:
            with self.subTest(rule=rule, text=text[:60]):
                self.append(path, text)
                self.assertEqual(self.found(), {(rule, path)})
            self.write(path, before[path])

    def test_what_only_looks_like_a_violation_is_accepted(self):
        before = {path: (self.root / path).read_text() for path, _ in INNOCENT}
        for path, text in INNOCENT:
            with self.subTest(text=text[:60]):
                self.append(path, text)
                self.assertEqual(self.found(), set())
            self.write(path, before[path])

    def test_a_missing_licence_line_is_named(self):
        for path in ('control/shard.c', 'control/shard.h', 'meson.build'):
            with self.subTest(path=path):
                before = (self.root / path).read_text()
                self.write(path, before.split('\n', 1)[1])
                self.assertIn(('spdx', path), self.found())
                self.write(path, before)

    def test_each_missing_header_label_is_named(self):
        for label in rules.HEADER_LABELS:
            with self.subTest(label=label):
                self.write('control/shard.h', header('shard').replace(label, 'Other:'))
                self.assertEqual(self.found(), {('header-comment', 'control/shard.h')})

    def test_a_wrong_guard_is_named(self):
        self.write('control/shard.h', header('shard').replace('SHARD_H', 'SHARDS_H'))
        self.assertEqual(self.found(), {('header-guard', 'control/shard.h')})

    def test_a_module_without_test_is_named(self):
        (self.root / 'tests/unit/shard_test.c').unlink()
        self.assertEqual(self.found(), {('no-test', 'control/shard.c')})

    def test_a_file_that_nothing_builds_is_named(self):
        self.write('tests/unit/orphan.c', SPDX_C + 'int orphan;\n')
        self.assertEqual(self.found(), {('not-built', 'tests/unit/orphan.c')})

    def test_main_sees_both_sides(self):
        self.write('control/main.c', SPDX_C + '#include "dataplane/core_loop.h"\n')
        self.write('tests/unit/main_test.c', SPDX_C)
        self.append('meson.build', '# main.c main_test.c\n')
        self.assertEqual(self.found(), set())

    def test_a_covering_test_counts_when_it_exists(self):
        self.write('control/admin.c', SPDX_C)
        self.append('meson.build', '# admin.c\n')
        self.assertEqual(self.found(), {('no-test', 'control/admin.c')})
        self.write('tests/system/test_tools.py', '# SPDX-License-Identifier: BSD-3-Clause\n')
        self.assertEqual(self.found(), set())

    @unittest.skipUnless(shutil.which('gcc'), 'needs gcc')
    def test_a_header_that_does_not_compile_alone_is_named(self):
        self.append('control/shard.h', 'uint32_t needs_stdint;\n')
        self.assertIn(('header-alone', 'control/shard.h'), self.found(is_quick=False))

    @unittest.skipUnless(shutil.which('clang-format'), 'needs clang-format')
    def test_unformatted_code_is_named(self):
        self.append('control/shard.c', 'int    wide;\n')
        self.assertEqual(self.found(is_quick=False), {('format', 'control/shard.c')})

    @unittest.skipUnless(shutil.which('shellcheck'), 'needs shellcheck')
    def test_a_careless_script_is_named(self):
        self.write('run.sh', '#!/bin/bash\n# SPDX-License-Identifier: BSD-3-Clause\nrm -rf $1/*\n')
        self.assertIn(('shellcheck', 'run.sh'), self.found(is_quick=False))

    def test_broken_python_is_named(self):
        self.write('tests/x.py', '# SPDX-License-Identifier: BSD-3-Clause\ndef (\n')
        self.assertIn(('python', 'tests/x.py'), self.found(is_quick=False))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + ['-v'] + sys.argv[1:])
