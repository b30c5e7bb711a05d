#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""suite_result.py FILE...: prints "PASSED FAILED" summed over the files.

FILE is meson's testlog.json (one line per program; the cases inside are counted from what cmocka, unittest
or the lint printed) or what another runner printed.
A program that ended badly without saying which case failed counts as one failure.
"""
import json
import re
import sys

# What a test program prints -> (cases run, cases failed)
FORMATS = [
    (r'\[==========\] (?:\w+: )?(\d+) test\(s\) run', r'\[  FAILED  \] (?:\w+: )?(\d+) test\(s\), listed below'),
    (r'^Ran (\d+) tests? in', r'^FAILED \((?:failures=(\d+))?(?:, )?(?:errors=(\d+))?'),
    (r'^(\d+) checks, \d+ violations', r'^\d+ checks, \d+ violations of (\d+) rules'),
]


def total(pattern, text):
    return sum(int(number) for found in re.finditer(pattern, text, re.M)
               for number in found.groups() if number)


def count_program(text, is_good):
    for run_pattern, failed_pattern in FORMATS:
        run = total(run_pattern, text)
        if run:
            failed = min(run, total(failed_pattern, text))
            if not is_good and not failed:
                return run, 1
            return run - failed, failed
    return (1, 0) if is_good else (0, 1)


def count_output(text):
    """Of one runner that is no meson test; whether it ended well is for the caller to add."""
    summary = re.findall(r'^(\d+) passed, (\d+) failed', text, re.M)
    if summary:
        return int(summary[-1][0]), int(summary[-1][1])
    fuzzed = len(re.findall(r'^fuzz_\w+: \d+ inputs, nothing found', text, re.M))
    found = len(re.findall(r'^fuzz_\w+: (?:FAILED|still fails)', text, re.M))
    if fuzzed + found:
        return fuzzed, found
    if any(total(run, text) for run, _ in FORMATS):
        return count_program(text, True)
    return 0, 0


def count_file(path):
    with open(path, errors='replace') as file:
        text = file.read()
    if not path.endswith('.json'):
        return count_output(text)
    passed = failed = 0
    for line in text.splitlines():
        result = json.loads(line)
        if result['result'] == 'SKIP':
            continue
        good, bad = count_program(result.get('stdout', '') + '\n' + result.get('stderr', ''),
                                  result['result'] in ('OK', 'EXPECTEDFAIL'))
        passed, failed = passed + good, failed + bad
    return passed, failed


if __name__ == '__main__':
    counts = [count_file(path) for path in sys.argv[1:]]
    print(sum(good for good, _ in counts), sum(bad for _, bad in counts))
