# SPDX-License-Identifier: BSD-3-Clause
"""What a cached GET notices of the store's other work: compaction, and 1 GiB of writes, against idle."""
import dataclasses
import time
from pathlib import Path
from typing import Any, Callable

from tests.bench.suite.bench import Bench
from tests.bench.suite.client import Link, Load
from tests.bench.suite.gannet_server import Gannet
from tests.bench.suite.process import Failed, wait_until
from tests.bench.suite.records import OURS, Row, Sample
from tests.bench.suite.sampling import Entry
from tests.bench.suite.shared_memory import gannet_on_memif

GETS_PER_S = 20_000
PUTS_PER_S = 10_000  # of 4 KiB: 1 GiB in 26 s
CONNECTIONS = 64
KEYS = 1024
VALUE_BYTES = 4096
INGEST_BYTES, INGEST_BYTES_QUICK = 1 << 30, 1 << 27
GARBAGE_KEYS, GARBAGE_KEYS_QUICK = 200_000, 60_000  # of 4 KiB; as many overwrites, at random, of 63 % of them
GARBAGE_PER_S = 20_000
GARBAGE = 'v4096'  # a namespace of its own
MIB = 1 << 20


def upkeep(bench: Bench) -> None:
    """GETs fall due at a rate; the figure is their p99 alone. The control thread has no core of its own on two."""
    data = bench.folder('data')
    leave_garbage(bench, data)
    with gannet_on_memif(bench, data=data, workers={'poll': 'adaptive'}) as (server, link):
        bench.run_client(link, dataclasses.replace(gets(1.0), loads_first=True))
        beside_compaction = entry(bench, server, link, gets(1.0), 'while segments are compacted', check_compaction)
        idle = entry(bench, server, link, gets(bench.depth.seconds), 'and nothing else')
        ingested = INGEST_BYTES_QUICK if bench.depth.is_quick else INGEST_BYTES
        writes = gets(ingested / (PUTS_PER_S * VALUE_BYTES))
        writes = dataclasses.replace(writes, rate=GETS_PER_S + PUTS_PER_S,
                                     put_permille=1000 * PUTS_PER_S // (GETS_PER_S + PUTS_PER_S))
        ingest = entry(bench, server, link, writes, f'while {ingested >> 20:,} MiB are written', check_ingest)
        bench.measure([beside_compaction], runs=bench.depth.side_runs)
        wait_until(lambda: is_at_rest(server), 120, 'compaction has ended', 1)
        bench.measure([idle], runs=bench.depth.runs)
        bench.measure([ingest], runs=1)


def gets(seconds: float) -> Load:
    return Load(CONNECTIONS, seconds, keys=KEYS, value_bytes=VALUE_BYTES, rate=GETS_PER_S, times_gets_only=True)


def leave_garbage(bench: Bench, data: Path) -> None:
    """Segments of which two thirds are dead and that nobody has compacted yet."""
    keys = GARBAGE_KEYS_QUICK if bench.depth.is_quick else GARBAGE_KEYS
    with gannet_on_memif(bench, data=data, store={'compact_dead_percent': 90}) as (server, link):
        bench.load_keys(link, keys, VALUE_BYTES, GARBAGE)
        again = Load(256, keys / GARBAGE_PER_S, warmup_s=0, keys=keys, value_bytes=VALUE_BYTES, namespace=GARBAGE,
                     put_permille=1000, rate=GARBAGE_PER_S, timeout_s=20)
        bench.run_client(link, again)
        server.kill()


def entry(bench: Bench, server: Gannet, link: Link, load: Load, beside: str,
          check: Callable[[Row, Any, Any], None] = lambda row, before, after: None) -> Entry:
    row = bench.row('upkeep', f'p99 of a cached GET, {GETS_PER_S:,}/s, {beside}', OURS, load, link.name, unit='us',
                    is_less_better=True, is_headline=True, facts={'beside': beside, 'rate': load.rate})

    def take() -> Sample:
        before = server.counters()
        sample = bench.sample_gannet(server, link, load, row)
        row.note = f'p50 {sample.extra["p50_us"]:.0f} us, {sample.extra["hit_share"]:.1%} of all from the cache'
        check(row, before, server.counters())
        sample.value = sample.extra['p99_us']
        return sample

    return Entry(row, take)


def check_compaction(row: Row, before: Any, after: Any) -> None:
    copied = after.bytes_compacted - before.bytes_compacted
    if copied == 0:
        raise Failed('nothing was compacted meanwhile')
    row.note += f'; {copied / MIB:.0f} MiB copied by compaction meanwhile'


def check_ingest(row: Row, before: Any, after: Any) -> None:
    row.note += f'; {(after.bytes_accepted - before.bytes_accepted) / MIB:.0f} MiB written meanwhile'


def is_at_rest(server: Gannet) -> bool:
    before = server.counters().bytes_compacted
    time.sleep(2)
    return server.counters().bytes_compacted == before
