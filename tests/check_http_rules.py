#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Keeps http_rules.md true: every test that it names exists, and every row but a few names one."""
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parent
RULES = TESTS / 'http_rules.md'
ROWS_WITHOUT_TEST = 1  # Vary
NAME = re.compile(r'`((?:\w+_test|vector|chunk): [^`]+)`')


def test_exists(name):
    place, _, what = name.partition(': ')
    if place == 'vector':
        return f'_HEAD("{what}"' in (TESTS / 'unit/http_parser_vectors.def').read_text()
    if place == 'chunk':
        return f'{{"{what}' in (TESTS / 'unit/http_chunked_test.c').read_text()
    path = TESTS / f'unit/{place}.c'
    return path.exists() and re.search(rf'^static void {what}\(', path.read_text(), re.M) is not None


def main():
    text = RULES.read_text()
    rows = [line for line in text.splitlines()
            if line.startswith('| ') and not line.startswith(('| rule', '| limit'))]
    names = sorted(set(NAME.findall(text)) - {'vector: NAME', 'chunk: NAME'})
    problems = [f'there is no test {name}' for name in names if not test_exists(name)]
    without = [row for row in rows if not NAME.search(row)]
    if len(without) > ROWS_WITHOUT_TEST:
        problems += [f'no test: {row}' for row in without]
    if len(names) < 80:
        problems.append(f'only {len(names)} tests are named: has the form of the table changed?')
    for problem in problems:
        print(f'{RULES}: {problem}')
    print(f'{len(names)} checks, {len(problems)} violations of {min(1, len(problems))} rules')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
