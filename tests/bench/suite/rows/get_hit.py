# SPDX-License-Identifier: BSD-3-Clause
"""GET hit over shared memory: the figure the project is about, with the ceiling of the same run beside it."""
from tests.bench.suite.bench import Bench
from tests.bench.suite.client import Load
from tests.bench.suite.records import OURS, Row, Sample
from tests.bench.suite.sampling import Entry
from tests.bench.suite.shared_memory import (gannet_on_memif, sample_gannet_on_vhost, sample_responder_on_memif,
                                             sample_responder_on_vhost)

CEILING = 'stateless responder'
PIPELINE_DEPTH = 16


def loads(bench: Bench, depth: int) -> list[Load]:
    """Quick: pipelined with the middle number of connections only."""
    chosen = bench.depth.connections if depth == 1 or not bench.depth.is_quick else bench.depth.connections[1:2]
    return [Load(connections, bench.depth.seconds, depth, warmup_s=bench.depth.warmup_s) for connections in chosen]


def pair(bench: Bench, load: Load, link: str) -> tuple:
    """A row of ours and one of the ceiling, to be compared."""
    depth = '' if load.depth == 1 else f', {load.depth} in flight on each'
    group = f'GET hit, {link}, {load.connections} connections{depth}'
    experiment = 'get-hit' if load.depth == 1 else 'pipelined'
    return tuple(bench.row(experiment, group, subject, load, link, series=f'{subject}, {link}', is_headline=True)
                 for subject in (OURS, CEILING))


def memif(bench: Bench) -> None:
    with gannet_on_memif(bench, is_paused=True) as (server, link):
        bench.sample_with(server, lambda: bench.load_keys(link, 1))
        for load in loads(bench, 1) + loads(bench, PIPELINE_DEPTH):
            ours, ceiling = pair(bench, load, 'memif')
            bench.measure([
                Entry(ours, lambda load=load, row=ours: bench.sample_with(
                    server, lambda: bench.sample_gannet(server, link, load, row))),
                Entry(ceiling, lambda load=load, row=ceiling: sample_responder_on_memif(bench, load, row)),
            ], max(2, bench.depth.runs))


def vhost(bench: Bench) -> None:
    data = bench.folder('data')
    with gannet_on_memif(bench, data=data) as (_, link):
        bench.load_keys(link, 1)
    chosen = loads(bench, 1)[1:2] if bench.depth.is_quick else loads(bench, 1) + loads(bench, PIPELINE_DEPTH)
    for load in chosen:
        ours, ceiling = pair(bench, load, 'vhost-user')
        bench.measure([
            Entry(ours, lambda load=load, row=ours: sample_gannet_on_vhost(bench, load, row, data)),
            Entry(ceiling, lambda load=load, row=ceiling: sample_responder_on_vhost(bench, load, row)),
        ])


def new_connections(bench: Bench) -> None:
    """Connect, GET, close: handshakes and ends count as much as the request. Each run has a server of its own,
    so that none begins among the TIME-WAIT entries of the one before."""
    load = Load(256, bench.depth.seconds, warmup_s=bench.depth.warmup_s, closes=True)
    row = bench.row('new-connections', 'new connection, GET, close', OURS, load, 'memif', is_headline=True)
    bench.measure([Entry(row, lambda: new_connections_sample(bench, load, row))])


def new_connections_sample(bench: Bench, load: Load, row: Row) -> Sample:
    with gannet_on_memif(bench, tcp={'connections': 131072}) as (server, link):
        bench.load_keys(link, 1)
        return bench.sample_gannet(server, link, load, row)
