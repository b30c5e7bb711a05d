#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Keeps README.md true: its table of scripts is what their first lines say, every MUST of RFC 9293 has a row,
and every test that is named exists. `--update` writes the table of scripts anew.
"""
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
TESTS = FOLDER.parent
README = FOLDER / 'README.md'
BEGIN = '<!-- scripts: begin (generated: tests/packet_scripts/check_rules.py --update) -->\n'
END = '<!-- scripts: end -->\n'
MUSTS = range(1, 70)


def script_row(path):
    """Rule, RFC and name of one script, from the comment it begins with."""
    rule, section = [], []
    for line in path.read_text().splitlines():
        if not line.startswith('# '):
            break
        target = section if section or line.startswith('# RFC ') else rule
        target.append(line[2:])
    return f'| {" ".join(rule)} | {" ".join(section)} | `{path.name}` |\n'


def script_table():
    rows = [script_row(path) for path in sorted(FOLDER.glob('*.script'))]
    return '| rule | where it is written | test |\n|---|---|---|\n' + ''.join(rows)


def split_readme():
    text = README.read_text()
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    return before, table, after


def test_exists(name):
    if name.endswith('.script'):
        return (FOLDER / name).exists()
    if name.endswith('.matrix'):
        return (FOLDER / name).exists()
    stem, _, function = name.partition(': ')
    path = TESTS / 'unit' / f'{stem}.c'
    return path.exists() and re.search(rf'^static void {function}\(', path.read_text(), re.M) is not None


def must_rows(text):
    """Requirement number -> the cell with its tests or its reason."""
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        for number in re.findall(r'MUST-(\d+)', cells[0]) if line.startswith('| MUST-') else []:
            rows[int(number)] = cells[-1]
    return rows


def problems():
    before, table, after = split_readme()
    if table != script_table():
        yield 'the table of scripts is old: run tests/packet_scripts/check_rules.py --update'
    rows = must_rows(before + after)
    for number in MUSTS:
        if number not in rows:
            yield f'MUST-{number} has no row'
        elif not re.search(r'`|not |nothing', rows[number]):
            yield f'MUST-{number} has neither a test nor a reason'
    names = re.findall(r'`([\w]+(?:\.script|\.matrix)|\w+_test: \w+)`', before + after)
    for name in sorted(set(names)):
        if not test_exists(name):
            yield f'there is no test {name}'
    if len(names) < 50:
        yield 'hardly any test is named: has the form of the table changed?'


def main():
    if sys.argv[1:] == ['--update']:
        before, _, after = split_readme()
        README.write_text(before + BEGIN + script_table() + END + after)
        return 0
    found = list(problems())
    for problem in found:
        print(f'{README}: {problem}')
    count = len(MUSTS) + len(list(FOLDER.glob('*.script')))
    print(f'{count} checks, {len(found)} violations of {min(1, len(found))} rules')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
