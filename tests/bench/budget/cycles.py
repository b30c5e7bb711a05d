#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How many cycles a GET hit costs, by stage: the real worker under memif load, sampled by the kernel's clock.

  cycles.py                 builds, measures, prints the table; `./dev bench stages`
  --functions               also the 40 source functions with most cycles, per load
  --build FOLDER            default build-stages
  --seconds S               of each measurement, default 6

Cycles per request are the worker's: elapsed time stamp counter ticks over requests answered, all rounds included.
Samples give each stage its share of them. A sample's instruction belongs to the source line it came from, and the
line to the function around it, inlined or not (addr2line), as attribution.py does for instructions. Needs
root, two cores and hugepages.
"""
import argparse
import collections
import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(TOP), str(Path(__file__).resolve().parent)]
# pylint: disable=wrong-import-position
import attribution  # noqa: E402
from tests.bench.suite import machine  # noqa: E402
from tests.bench.suite.bench import QUICK, Bench  # noqa: E402
from tests.bench.suite.client import Load  # noqa: E402
from tests.bench.suite.process import Failed, run  # noqa: E402
from tests.bench.suite.shared_memory import gannet_on_memif  # noqa: E402

HERTZ = 9973  # a prime: no beat with anything periodic
HUGE_MIB = 1024
KEYS = 1024
LOADS = {'64 x 1': (64, 1), '256 x 1': (256, 1), '64 x 16': (64, 16)}
STAGES = ('rx', 'ethernet/ip', 'tcp in', 'http parse', 'api', 'lookup', 'response', 'tcp out', 'tx',
          'loop overhead', 'clock', 'driver', 'copies', 'other')
# What no line of ours was inlined around: by object and symbol, first match.
ELSEWHERE = [
    (r'.*librte_net_memif.*', r'.*', 'driver'),  # receiving and sending: its symbols are not in the package
    (r'.*', r'key_hash_cache', 'lookup'),
    (r'.*', r'.*clock_gettime.*', 'clock'),
    (r'.*libc[.-].*', r'.*(memmove|memcpy).*', 'copies'),  # by the stages and by the driver
]


def build(folder):
    """As users run it, with line numbers."""
    def step(words):
        done = subprocess.run(words, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode != 0:
            raise Failed(f'{" ".join(map(str, words))}: exit {done.returncode}\n{done.stdout[-3000:]}')
    if not (TOP / folder / 'build.ninja').exists():
        step(['meson', 'setup', folder, '--buildtype=release', '-Ddebug=true', '-Db_lto=true'])
    step(['ninja', '-C', folder, 'gannet', 'gannet-bench', 'tests/bench/core_round_trip'])


# ---- samples ------------------------------------------------------------------------------------

def worker_thread(pid, core):
    """The thread that may run on the worker's core and nowhere else."""
    for task in Path(f'/proc/{pid}/task').iterdir():
        if machine.file_value(f'{task}/status', 'Cpus_allowed_list') == str(core):
            return int(task.name)
    raise Failed(f'process {pid} has no thread of its own on core {core}')


def load_base(pid, binary):
    for text in Path(f'/proc/{pid}/maps').read_text().splitlines():
        fields = text.split()
        if fields[-1] == str(binary) and int(fields[2], 16) == 0:
            return int(fields[0].split('-')[0], 16)
    raise Failed(f'{binary} is not mapped by {pid}')


def record(thread, seconds, data):
    run(['perf', 'record', '-q', '-e', 'cpu-clock', '-F', HERTZ, '-t', thread, '-o', data, '--', 'sleep', seconds],
        seconds + 20)


def read_samples(data):
    """[(address, symbol, object)] of every sample."""
    text = run(['perf', 'script', '-i', data, '-F', 'ip,sym,dso'], 120)
    found = re.findall(r'^\s*([0-9a-f]+) (.*) \((\S*)\)$', text, re.MULTILINE)
    if not found:
        raise Failed('perf recorded no sample of the worker')
    return [(int(address, 16), symbol, where) for address, symbol, where in found]


def lines_of(binary, addresses):
    """{address: [(function, file, line), ...]}: the source line, then those it was inlined into."""
    given = '\n'.join(f'{address:#x}' for address in addresses) + '\n'
    text = run(['addr2line', '-a', '-i', '-f', '-e', binary], 300, given=given.encode())
    chains, chain, function = {}, None, None
    for line in text.splitlines():
        if line.startswith('0x'):
            chain = chains.setdefault(int(line, 16), [])
            function = None
        elif function is None:
            function = line
        else:
            path, _, number = line.split(' (')[0].rpartition(':')
            chain.append((function, attribution.place(str(TOP), path), int(number) if number.isdigit() else 0))
            function = None
    return chains


# ---- attribution --------------------------------------------------------------------------------

def stage_of(chain, source):
    """(stage, source function); (None, ...) when no file of ours that has a stage is in it."""
    ours = [(file, source.function(file, line) or function) for function, file, line in chain
            if file.endswith('.c') and not re.fullmatch(attribution.HELPERS, file)]
    owner = next((attribution.stage_of(file, function) for file, function in ours
                  if attribution.stage_of(file, function)), None)
    if chain and chain[0][1].endswith('.h'):
        for pattern, inside, stage in attribution.HEADERS:
            if re.fullmatch(pattern, chain[0][1]) and inside in (None, owner):
                owner = stage
    return owner, chain[0][0] if chain else '?'


def attribute(samples, base, binary, source):
    """({stage: samples}, {function: samples})"""
    stages, functions = collections.Counter(), collections.Counter()
    own = {address - base for address, _, where in samples if where == str(binary)}
    chains = lines_of(binary, sorted(own))
    for address, symbol, where in samples:
        stage, function = stage_of(chains.get(address - base, []) if where == str(binary) else [], source)
        if stage is None:
            stage = next((name for in_object, in_symbol, name in ELSEWHERE
                          if re.fullmatch(in_object, where) and re.fullmatch(in_symbol, symbol)), 'other')
            function = f'{symbol} ({os.path.basename(where)})'
        stages[stage] += 1
        functions[f'{stage}: {function}'] += 1
    return stages, functions


# ---- measuring ----------------------------------------------------------------------------------

def clock_hertz():
    """Of the time stamp counter, which on every current x86 runs at the nominal clock."""
    return float(machine.file_value('/proc/cpuinfo', 'cpu MHz')) * 1e6


@dataclasses.dataclass
class Measured:
    cycles: float  # of the worker, per request
    busy: float  # share of the time in rounds that had work
    stages: collections.Counter  # samples
    functions: collections.Counter

    def of(self, name):
        return self.cycles * self.stages[name] / self.stages.total()


def measure(bench, connections, depth, seconds):
    with gannet_on_memif(bench) as (server, link), tempfile.TemporaryDirectory() as scratch:
        bench.load_keys(link, KEYS)
        binary, pid, data = bench.binary.resolve(), server.alive().pid, Path(scratch) / 'perf.data'
        load = Load(connections, seconds + 4, depth, warmup_s=1, keys=KEYS)
        program, output = bench.start_client(link, load)
        with program:
            time.sleep(3)
            before, started_s = server.counters(), time.monotonic()
            record(worker_thread(pid, bench.cores.server), seconds, data)
            after, took_s = server.counters(), time.monotonic() - started_s
            base = load_base(pid, binary)
            bench.finish_client(program, output, load)  # a wrong answer is a failure
        stages, functions = attribute(read_samples(data), base, binary, attribution.Source(str(TOP)))
        return Measured(clock_hertz() * took_s / (after.requests - before.requests),
                        (after.busy_ns - before.busy_ns) / took_s / 1e9, stages, functions)


def print_table(results):
    print(f'{"cycles per request":<22}' + ''.join(f'{name:>12}' for name in results))
    for stage in STAGES:
        if any(result.stages[stage] for result in results.values()):
            print(f'{stage:<22}' + ''.join(f'{result.of(stage):>12.0f}' for result in results.values()))
    print(f'{"total":<22}' + ''.join(f'{result.cycles:>12.0f}' for result in results.values()))
    print(f'{"samples":<22}' + ''.join(f'{result.stages.total():>12}' for result in results.values()))
    print(f'{"worker busy":<22}' + ''.join(f'{result.busy:>12.0%}' for result in results.values()))


def print_functions(name, result):
    print(f'\n{name}: cycles per request of source functions, inlined or not')
    for function, samples in result.functions.most_common(40):
        print(f'{result.cycles * samples / result.stages.total():9.1f}  {function}')


def main():
    options = argparse.ArgumentParser(prog='./dev bench stages')
    options.add_argument('--functions', action='store_true')
    options.add_argument('--build', default='build-stages')
    options.add_argument('--seconds', type=float, default=6)
    options = options.parse_args()
    build(options.build)
    cores, results = machine.choose_cores(), {}
    with tempfile.TemporaryDirectory() as scratch, machine.reserved_huge_pages(HUGE_MIB):
        bench = Bench(TOP, TOP / options.build, Path(scratch), cores, QUICK)
        for name, (connections, depth) in LOADS.items():
            results[name] = measure(bench, connections, depth, options.seconds)
        print(f'GET hit over memif, connections x in flight; {KEYS} keys, 128 B values; round trip between the '
              f'cores {bench.round_trip_ns():.0f} ns')
    print_table(results)
    for name, result in results.items() if options.functions else ():
        print_functions(name, result)


if __name__ == '__main__':
    try:
        main()
    except Failed as problem:
        sys.exit(f'stages: {problem}')
