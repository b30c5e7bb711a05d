#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark suite: measures everything of tests/bench/README.md, peers in the same run; `./dev bench`.

Writes var/bench/DATE/results.json, table.md and the plots. Needs root: namespaces, raw sockets, hugepages.
"""
import argparse
import datetime
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, Callable

TOP = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP))
# pylint: disable=wrong-import-position
from tests.bench.suite import machine, merge, publish  # noqa: E402
from tests.bench.suite.bench import FULL, QUICK, Bench  # noqa: E402
from tests.bench.suite.process import Failed  # noqa: E402
from tests.bench.suite.rows import cache_quality, cost, get_hit, memory  # noqa: E402
from tests.bench.suite.rows import open_loop, peers_get, start, store, storms, upkeep  # noqa: E402

# In this order: what matters most comes first, should somebody interrupt it.
EXPERIMENTS: dict[str, Callable[[Bench], None]] = {
    'memif': get_hit.memif,
    'close': get_hit.new_connections,
    'flood': storms.syn_flood,
    'peers': peers_get.against_peers,
    'redis': peers_get.redis,
    'put': store.durable_put,
    'miss': store.miss,
    'start': start.first_answer,
    'idle': start.idle,
    'idle-memory': memory.idle_connections,
    'entry-memory': memory.cached_entries,
    'vhost': get_hit.vhost,
    'latency': open_loop.latency,
    'connections': cost.against_connections,
    'values': cost.against_value_size,
    'recovery': store.recovery,
    'upkeep': upkeep.upkeep,
    'workers': cost.workers,
    'keys': cost.against_keys,
    'miss-ratio': cache_quality.miss_ratios,
}
HUGE_MIB_QUICK, HUGE_MIB_FULL = 2048, 9216


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='./dev bench', description=__doc__)
    parser.add_argument('depth', nargs='?', choices=('full', 'quick'), default='full')
    parser.add_argument('--only', default='', metavar='NAME,...', help=f'of {", ".join(EXPERIMENTS)}')
    parser.add_argument('--publish', metavar='NAME', default='',
                        help='copy the results to tests/bench/results/NAME and put the table into README.md')
    parser.add_argument('--from', dest='sources', type=Path, metavar='FOLDER', action='append', default=[],
                        help='with --publish: measure nothing, take this folder of var/bench; given several '
                             'times, an experiment of a later one replaces that of an earlier one')
    parser.add_argument('--build', type=Path, default=TOP / 'build', help='the build to measure')
    chosen = parser.parse_args()
    if chosen.sources and not chosen.publish:
        parser.error('--from is for --publish')
    unknown = [name for name in chosen.only.split(',') if name and name not in EXPERIMENTS]
    if unknown:
        parser.error(f'--only {unknown[0]}: there are {", ".join(EXPERIMENTS)}')
    return chosen


def interrupted(*_: Any) -> None:
    """SIGTERM and SIGHUP unwind as Ctrl-C does: every `finally` and `with` runs."""
    raise KeyboardInterrupt


def run_experiments(bench: Bench, names: list[str]) -> None:
    for name in names:
        started_s, bench.part = time.monotonic(), name
        try:
            EXPERIMENTS[name](bench)
        except (Failed, OSError) as error:
            bench.row(name, name, 'gannet', note=f'failed: {str(error).splitlines()[0]}')
            bench.say(f'{name} FAILED: {error}')
        bench.say(f'{name}: {time.monotonic() - started_s:.0f} s')


def measure(chosen: argparse.Namespace) -> tuple[Path, bool]:
    """Returns the folder of results, and whether every row was measured."""
    depth = QUICK if chosen.depth == 'quick' else FULL
    folder = TOP / 'var/bench' / datetime.datetime.now().strftime('%Y-%m-%d-%H%M%S')
    scratch = folder / 'scratch'
    scratch.mkdir(parents=True)
    cores = machine.choose_cores()
    about = machine.describe(cores, TOP) | {'suite': chosen.depth, 'date': folder.name}
    bench = Bench(TOP, chosen.build.resolve(), scratch, cores, depth)
    bench.date = folder.name
    names = [name for name in EXPERIMENTS if not chosen.only or name in chosen.only.split(',')]
    started_s = time.monotonic()
    try:
        with machine.reserved_huge_pages(HUGE_MIB_QUICK if depth.is_quick else HUGE_MIB_FULL):
            run_experiments(bench, names)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        about['took'] = f'{time.monotonic() - started_s:.0f} s'
        publish.write_results(merge.Results(bench.rows, [about]), folder)
        bench.say(f'wrote {folder}/table.md, results.json and plots')
    return folder, all(row.samples or not row.note.startswith('failed') for row in bench.rows)


def main() -> int:
    chosen = arguments()
    if not chosen.sources and os.geteuid() != 0:
        raise Failed('needs root: it makes network namespaces, opens raw sockets and reserves hugepages')
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    folders, is_complete = chosen.sources, True
    if not folders:
        folder, is_complete = measure(chosen)
        folders = [folder]
    if chosen.publish:
        target, open_ends = publish.publish(folders, chosen.publish, TOP, list(EXPERIMENTS))
        print(f'bench: published in {target} and README.md')
        for text in open_ends:
            print(f'bench: {text}')
    return 0 if is_complete else 1


if __name__ == '__main__':
    try:
        sys.exit(main())
    except Failed as problem:
        sys.exit(f'bench: {problem}')
    except KeyboardInterrupt:
        sys.exit('bench: interrupted; everything it started was stopped')
