# SPDX-License-Identifier: BSD-3-Clause
"""How the cost of a request grows: with connections, with keys, with the size of values."""
import json

from tests.bench.suite.bench import Bench
from tests.bench.suite.client import Load
from tests.bench.suite.process import run
from tests.bench.suite.records import OURS, Row, Sample
from tests.bench.suite.sampling import Entry
from tests.bench.suite.shared_memory import gannet_on_memif

FEW_ACTIVE = 256
PACKETS = 262144
WORKERS_LIMIT_S = 120
SLOWEST_PER_S = 1_000_000  # with a million connections open
ENTRY_BYTES = 512  # of cache memory per key of the largest set, with room


def against_connections(bench: Bench) -> None:
    """All rows in turn, so that the first and the last see the same machine. Answers wait for acknowledgements,
    up to 20 ms where a connection's next request is further away: hence the packets."""
    loads = loads_of(bench, bench.depth.many_connections, 0) + \
        loads_of(bench, bench.depth.open_connections, FEW_ACTIVE)
    most = max(load.connections for load in loads)
    with gannet_on_memif(bench, tcp={'connections': most + most // 8 + 1024},
                         memory={'packets': PACKETS}) as (server, link):
        bench.load_keys(link, 1)
        entries = []
        for load in loads:
            how = f'{load.active} in flight' if load.active else 'a request in flight on each'
            group = f'GET hit, {load.connections:,} connections open, {how}'
            row = bench.row('cost-connections', group, OURS, load, link.name, series=how,
                            is_headline=load.connections >= 100_000)
            entries.append(Entry(row, lambda load=load, row=row: bench.sample_gannet(server, link, load, row)))
        bench.measure(entries, bench.depth.side_runs)
        compare_with_first(entries)


def loads_of(bench: Bench, counts: tuple[int, ...], active: int) -> list[Load]:
    """With few active, the warm-up is to ask each of the connections once, so that none is new."""
    return [Load(connections, bench.depth.seconds, active=active,
                 warmup_s=bench.depth.warmup_s + (connections / SLOWEST_PER_S if active else 0))
            for connections in counts]


def compare_with_first(entries: list[Entry]) -> None:
    first = entries[0].row
    for entry in entries[1:]:
        if first.samples and entry.row.samples:
            share = entry.row.median() / first.median()
            entry.row.note = f'{share:.0%} of the figure at {first.facts["connections"]} connections'


def against_keys(bench: Bench) -> None:
    """Every key is read once, so that it is cached, before its set is measured."""
    most = max(bench.depth.keys)
    cache_mib = max(64, most * ENTRY_BYTES >> 20)
    with gannet_on_memif(bench, cache={'memory_mib': cache_mib},
                         store={'index_memory_mib': 4096}) as (server, link):
        entries = []
        bench.load_keys(link, most)
        for keys in bench.depth.keys:
            for popularity in ('zipf', 'uniform') if keys > 1 else ('uniform',):
                load = Load(256, bench.depth.seconds, warmup_s=bench.depth.warmup_s, keys=keys,
                            popularity=popularity)
                row = bench.row('cost-keys', f'GET, {load.key_set()}', OURS, load, link.name,
                                series=f'gannet, memif, {popularity if keys > 1 else "uniform"}',
                                is_headline=keys == most and popularity == 'zipf')
                entries.append(Entry(row, lambda load=load, row=row: noting_hits(
                    row, bench.sample_gannet(server, link, load, row))))
        bench.run_client(link, Load(256, max(1.0, most / 100_000), warmup_s=0, keys=most))
        bench.measure(entries)


def noting_hits(row: Row, sample: Sample) -> Sample:
    row.note = f'{sample.extra["hit_share"]:.1%} from the cache'
    return sample


def against_value_size(bench: Bench) -> None:
    with gannet_on_memif(bench, cache={'memory_mib': 128}) as (server, link):
        entries = []
        for size in bench.depth.value_bytes:
            bench.load_keys(link, 1, size, f'v{size}', connections=1)
            load = Load(64, bench.depth.seconds, warmup_s=bench.depth.warmup_s, value_bytes=size,
                        namespace=f'v{size}')
            row = bench.row('cost-value', f'GET hit, values of {size} B', OURS, load, link.name,
                            series='gannet, memif, one hot key')
            entries.append(Entry(row, lambda load=load, row=row: with_bytes(
                row, bench.sample_gannet(server, link, load, row))))
        bench.measure(entries)


def with_bytes(row: Row, sample: Sample) -> Sample:
    sample.extra['bytes_per_s'] = sample.value * row.facts['response_bytes']
    return sample


def workers(bench: Bench) -> None:
    """Two workers against one, with a client on a third core; without one, in a process of their own."""
    if not bench.cores.others:
        workers_without_client(bench)
        return
    load = Load(256, bench.depth.seconds, warmup_s=bench.depth.warmup_s)
    entries = []
    with gannet_on_memif(bench, is_paused=True) as (one, link_one), gannet_on_memif(
            bench, is_paused=True,
            workers={'cores': [bench.cores.server, bench.cores.others[0]]}) as (two, link_two):
        for name, server, link in ((OURS, two, link_two), ('one worker', one, link_one)):
            bench.sample_with(server, lambda server=server, link=link: bench.load_keys(link, 1))
            row = bench.row('workers', 'GET hit, two workers against one', name, load, link.name, is_headline=True)
            entries.append(Entry(row, lambda server=server, link=link, row=row: bench.sample_with(
                server, lambda: bench.sample_gannet(server, link, load, row))))
        bench.measure(entries)


def workers_without_client(bench: Bench) -> None:
    """bench_workers: whole workers in one process, each with a client inside its port, on the same core. So the
    figures say what two workers share, not what one of them does with a core of its own."""
    words = [bench.build / 'tests/bench/bench_workers', '--json', *(['--quick'] if bench.depth.is_quick else [])]
    found = json.loads(run(words, WORKERS_LIMIT_S))
    for record in found:
        group = f'GET hit, one server of two workers, {record["keys"]:,} keys, client inside the port'
        facts = {'connections': f'{record["connections_per_worker"]} per worker', 'depth': 1,
                 'key_set': f'{record["keys"]:,} keys, uniform', 'keys': record['keys'], 'verified': 'status',
                 'cores': 'a worker on each of two cores, its client on the same core'}
        for name, values in record['answers_per_s'].items():
            subject = OURS if name == 'one server of two workers' else name
            row = bench.row('workers', group, subject, link='in the process', is_headline=subject == OURS,
                            facts=facts, note='bench_workers: no third core for a client')
            row.samples = [Sample(value) for value in values]
