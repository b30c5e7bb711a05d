# SPDX-License-Identifier: BSD-3-Clause
"""How the cost of a request grows: with connections, with keys, with the size of values."""
from tests.bench.suite.bench import Bench
from tests.bench.suite.client import Load
from tests.bench.suite.records import OURS, Row, Sample
from tests.bench.suite.sampling import Entry
from tests.bench.suite.shared_memory import gannet_on_memif

ENTRY_BYTES = 512  # of cache memory per key of the largest set, with room


def against_connections(bench: Bench) -> None:
    """All rows in turn, so that the first and the last see the same machine."""
    most = max(bench.depth.many_connections)
    with gannet_on_memif(bench, tcp={'connections': 2 * most}, memory={'packets': 65536}) as (server, link):
        bench.load_keys(link, 1)
        entries = []
        for connections in bench.depth.many_connections:
            load = Load(connections, bench.depth.seconds, warmup_s=bench.depth.warmup_s)
            row = bench.row('cost-connections', f'GET hit, {connections} connections open', OURS, load, link.name,
                            is_headline=connections == most, series='gannet, memif, one hot key')
            entries.append(Entry(row, lambda load=load, row=row: bench.sample_gannet(server, link, load, row)))
        bench.measure(entries)
        compare_with_first(entries)


def compare_with_first(entries: list[Entry]) -> None:
    first, last = entries[0].row, entries[-1].row
    if first.samples and last.samples:
        share = last.median() / first.median()
        last.note = f'{share:.0%} of the figure at {first.facts["connections"]} connections'


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
    """Two workers against one: needs a core for the client beside two for workers."""
    load = Load(256, bench.depth.seconds, warmup_s=bench.depth.warmup_s)
    if not bench.cores.others:
        bench.row('workers', 'GET hit, two workers against one', OURS, load,
                  note='needs three cores: two workers and a client; this machine lets the suite use two')
        return
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
