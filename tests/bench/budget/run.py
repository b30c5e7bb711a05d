#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How many instructions a request costs, by stage: instruction_budget.c under callgrind.

  run.py                    builds, counts, prints the table
  run.py --functions        also the 40 source functions with the highest own cost, per path
  run.py --check            fails when a path costs more than 3 % above tests/bench/budget/recorded.json
  run.py --record           writes that file
  --path NAME               only this path (get_hit, get_hit_pipelined, get_miss, put); may be repeated
  --build FOLDER            default build-budget

tests/bench/README.md says what is counted and how it is attributed.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import attribution  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '../../..'))
RECORDED = os.path.join(ROOT, 'tests/bench/budget/recorded.json')
TARGET = 'tests/bench/instruction_budget'
TOLERANCE_PERCENT = 3
OTHER_PERCENT_MAX = 1
# The compiler's own idea of the CPU it runs on must not decide what is counted.
BUILD = ['--buildtype=release', '-Ddebug=true', '-Db_lto=true', '-Dc_args=-mtune=generic']
# Nor may glibc's choice of memcpy: always the variants for SSE2, whatever CPU valgrind shows.
LIBC = 'glibc.cpu.hwcaps=' + ','.join('-' + name for name in (
    'AVX512F', 'AVX512VL', 'AVX512BW', 'AVX2', 'AVX', 'AVX_Fast_Unaligned_Load', 'ERMS', 'FSRM', 'BMI2', 'BMI1',
    'SSE4_2', 'SSE4_1', 'SSSE3', 'LZCNT', 'MOVBE'))


def run(command, **options):
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode != 0:
        sys.exit(f'{" ".join(command)}: exit {done.returncode}\n{done.stdout[-4000:]}')
    return done.stdout


def build(folder):
    if not os.path.exists(os.path.join(ROOT, folder, 'build.ninja')):
        run(['meson', 'setup', folder] + BUILD, env=dict(os.environ, CC='gcc'))
    run(['ninja', '-C', folder, TARGET])


def count(folder, wanted):
    """Runs the program; returns {path: attribution.Profile}."""
    profiles = {}
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, 'out')
        run(['valgrind', '--tool=callgrind', '--instr-atstart=no', '--collect-atstart=no', '--compress-strings=no',
             '--compress-pos=no', '--callgrind-out-file=' + out, os.path.join(folder, TARGET)] + wanted,
            env=dict(os.environ, GLIBC_TUNABLES=LIBC))
        for name in sorted(os.listdir(scratch)):
            profile = attribution.read_profile(os.path.join(scratch, name), ROOT)
            if profile.path:
                profiles[profile.path] = profile
    return profiles


def tools():
    return {'gcc': run(['gcc', '-dumpfullversion']).strip(),
            'libc': platform.libc_ver()[1],
            'valgrind': run(['valgrind', '--version']).strip(),
            'dpdk': run(['pkg-config', '--modversion', 'libdpdk']).strip()}


def summarize(profile):
    stages = {name: round(cost / profile.requests, 1) for name, cost in profile.stages.items()}
    counted = {name: cost for name, cost in stages.items() if name not in attribution.NOT_COUNTED}
    return {'requests': profile.requests, 'total': round(sum(counted.values()), 1), 'stages': stages}


def print_table(results, recorded):
    """One column per path; with something recorded, its figure behind each."""
    names = [name for name in attribution.STAGES if any(r['stages'].get(name) for r in results.values())]
    print(f'{"instructions per request":<26}' + ''.join(f'{path:>26}' for path in results))
    for name in [n for n in names if n not in attribution.NOT_COUNTED] + ['total'] + \
            [n for n in names if n in attribution.NOT_COUNTED]:
        note = ' (not in the total)' if name in attribution.NOT_COUNTED else ''
        row = f'{name + note:<26}'
        for path, result in results.items():
            was = recorded.get(path)
            is_value = result['total'] if name == 'total' else result['stages'].get(name, 0)
            cell = f'{is_value:.0f}'
            if was:
                was_value = was['total'] if name == 'total' else was['stages'].get(name, 0)
                cell += f' (was {was_value:.0f})' if abs(is_value - was_value) >= 0.5 else ' ' * 11
            row += f'{cell:>26}'
        print(row)
    print()


def print_functions(path, profile):
    print(f'{path}: own cost per request of source functions, inlined or not')
    for cost, name in profile.functions[:40]:
        print(f'{cost / profile.requests:9.1f}  {name}')
    print()


def print_other(profiles):
    for path, profile in profiles.items():
        for cost, name in profile.others:
            if cost / profile.requests >= 1:
                print(f'{path}: in no stage: {cost / profile.requests:.1f} {name}')


def check(results, recorded):
    """Returns how many paths failed."""
    failed = 0
    here = tools()
    if here != recorded['tools']:
        print(f'these figures were recorded with other tools: {recorded["tools"]}, here: {here}')
    for path, result in results.items():
        was = recorded['paths'].get(path)
        other = result['stages'].get('other', 0)
        change = 100 * (result['total'] / was['total'] - 1) if was else 0
        if not was:
            print(f'{path}: FAILED: nothing is recorded for it')
        elif other > OTHER_PERCENT_MAX * result['total'] / 100:
            print(f'{path}: FAILED: {other:.0f} instructions are in no stage: see tests/bench/budget/stages.py')
        elif change > TOLERANCE_PERCENT:
            print(f'{path}: FAILED: {result["total"]:.0f} instructions per request, {change:+.1f} % against '
                  f'{was["total"]:.0f}')
        else:
            note = ': record the improvement' if change < -TOLERANCE_PERCENT else ''
            print(f'{path}: {result["total"]:.0f} instructions per request, {change:+.1f} %{note}')
            continue
        failed += 1
    if failed:
        print('if that is what the change is worth: tests/bench/budget/run.py --record')
    return failed


def main():
    options = argparse.ArgumentParser()
    options.add_argument('--functions', action='store_true')
    options.add_argument('--check', action='store_true')
    options.add_argument('--record', action='store_true')
    options.add_argument('--path', action='append', default=[])
    options.add_argument('--build', default='build-budget')
    options = options.parse_args()
    build(options.build)
    profiles = count(options.build, options.path)
    results = {path: summarize(profile) for path, profile in profiles.items()}
    recorded = {'tools': {}, 'paths': {}}
    if os.path.exists(RECORDED):
        with open(RECORDED, encoding='utf-8') as file:
            recorded = json.load(file)
    print_table(results, recorded['paths'])
    print_other(profiles)
    if options.functions:
        for path, profile in profiles.items():
            print_functions(path, profile)
    if options.record:
        recorded = {'tools': tools(), 'paths': {**recorded['paths'], **results}}
        with open(RECORDED, 'w', encoding='utf-8') as file:
            json.dump(recorded, file, indent=2)
            file.write('\n')
        print('recorded', os.path.relpath(RECORDED, ROOT))
    if options.check:
        failed = check(results, recorded)
        print(f'{len(results) - failed} passed, {failed} failed')
        sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
