# SPDX-License-Identifier: BSD-3-Clause
"""The same values from other people's servers, each on one core, asked by wrk and by gannet-bench."""
import contextlib
import dataclasses
from typing import Callable, Iterator, Optional

from tests.bench.suite import client, other_clients, peers
from tests.bench.suite.bench import Bench
from tests.bench.suite.client import Link, Load
from tests.bench.suite.gannet_server import Gannet, veth_port
from tests.bench.suite.machine import core_times
from tests.bench.suite.network import SERVER_ADDRESS, Cable, cable
from tests.bench.suite.records import OURS, Row, Sample
from tests.bench.suite.rows.open_loop import p99_of
from tests.bench.suite.sampling import Entry

VALUE_BYTES = 128
WRK_CONNECTIONS = 64
REDIS_REQUESTS_PER_S = 100_000


def load_of(bench: Bench, connections: int) -> Load:
    return Load(connections, bench.depth.seconds, warmup_s=bench.depth.warmup_s, keys=bench.depth.peer_keys,
                timeout_s=20)


@dataclasses.dataclass
class Contestant:
    """A server that is up with every key in its memory; a polling one is off its core until its turn."""
    name: str
    link: Link  # for gannet-bench
    wrk_namespace: str
    wrk_url: str
    server: Optional[Gannet] = None

    def take(self, bench: Bench, sample: Callable[[], Sample]) -> Sample:
        return bench.sample_with(self.server, sample) if self.server else sample()


@contextlib.contextmanager
def everybody(bench: Bench) -> Iterator[list[Contestant]]:
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(gannet(bench))]
        wire = stack.enter_context(cable(bench.top, 'kernel', is_for_kernel=True))
        files = stack.enter_context(peers.value_files(bench.depth.peer_keys, VALUE_BYTES))
        for name, port in peers.PORTS.items():
            stack.enter_context(peers.http_peer(bench, name, wire.server, files))
            found.append(Contestant(name, client.veth(wire.client, port), wire.server, f'http://127.0.0.1:{port}'))
            warm_up(bench, found[-1].link)
        yield found


@contextlib.contextmanager
def gannet(bench: Bench) -> Iterator[Contestant]:
    """On raw frames of a cable of its own; wrk reaches it from the other end."""
    with cable(bench.top, 'gannet', is_for_kernel=False) as wire, \
            bench.gannet(veth_port(), namespace=wire.server, memory={'pages': 'ordinary'},
                         cache={'memory_mib': 128}) as server:
        link = client.veth(wire.client)
        bench.load_keys(link, bench.depth.peer_keys)
        warm_up(bench, link)
        server.pause()
        yield Contestant(OURS, link, wire.client, f'http://{SERVER_ADDRESS}', server)


def warm_up(bench: Bench, link: Link) -> None:
    """Caches have asked for, and file servers have opened, nearly every key."""
    seconds = max(0.3, bench.depth.peer_keys / 5_000)
    bench.run_client(link, dataclasses.replace(load_of(bench, 64), seconds=seconds))


def against_peers(bench: Bench) -> None:
    with everybody(bench) as contestants:
        some = contestants[:2] if bench.depth.is_quick else contestants  # Gannet and nginx
        for connections in bench.depth.peer_connections:
            load = load_of(bench, connections)
            bench.measure([veth_entry(bench, one, load) for one in contestants])
            bench.measure([wrk_entry(bench, one, load) for one in some], bench.depth.side_runs)
        latency_at_half(bench, some)
        new_connections(bench, some)


def veth_entry(bench: Bench, one: Contestant, load: Load) -> Entry:
    group = f'GET hit from gannet-bench over veth, {load.connections} connections'
    row = bench.row('peers-veth', group, one.name, load, one.link.name, series=one.name, is_headline=True)
    return Entry(row, lambda: one.take(bench, lambda: bench_sample(bench, one, load, row)))


def bench_sample(bench: Bench, one: Contestant, load: Load, row: Row) -> Sample:
    if one.server:
        return bench.sample_gannet(one.server, one.link, load, row)
    return bench.sample_peer(one.link, load, row)


def wrk_entry(bench: Bench, one: Contestant, load: Load) -> Entry:
    """wrk's own core is the limit from about 200 k/s on; busy columns say who was."""
    row = bench.row('peers-wrk', f'GET hit from wrk, {load.connections} connections', one.name, load,
                    'veth' if one.server else 'loopback', series=one.name, is_headline=True)
    row.facts['verified'] = 'status'
    return Entry(row, lambda: one.take(bench, lambda: wrk_sample(bench, row, one, load)))


def wrk_sample(bench: Bench, row: Row, one: Contestant, load: Load) -> Sample:
    client_before, server_before = core_times(bench.cores.client), core_times(bench.cores.server)
    script = bench.top / 'tests/bench/peers/keys.lua'
    counters = one.server.counters() if one.server else None
    rate, latencies, size = other_clients.wrk(one.wrk_namespace, one.wrk_url, load.connections, load.seconds,
                                              bench.cores.client, script, load.keys)
    row.facts['response_bytes'] = round(size)
    sample = Sample(rate, latencies, client_busy=core_times(bench.cores.client).since(client_before).busy(),
                    server_busy=core_times(bench.cores.server).since(server_before).busy())
    return bench.add_server_side(sample, one.server, counters, load) if one.server else sample


def latency_at_half(bench: Bench, contestants: list[Contestant]) -> None:
    """Each at half of its own peak, as found above."""
    connections = bench.depth.peer_connections[0]
    peaks = {row.subject: row.median() for row in bench.rows if row.experiment == 'peers-veth' and row.samples
             and row.facts['connections'] == connections}
    entries = []
    for one in contestants:
        if one.name in peaks:
            load = dataclasses.replace(load_of(bench, connections), rate=round(peaks[one.name] / 2))
            row = bench.row('peers-latency', 'p99 of a GET hit at half of the own peak, over veth', one.name, load,
                            one.link.name, unit='us', is_less_better=True, is_headline=True)
            entries.append(Entry(row, lambda one=one, load=load, row=row: one.take(
                bench, lambda: p99_of(row, bench_sample(bench, one, load, row), load.rate))))
    bench.measure(entries, bench.depth.side_runs)


def new_connections(bench: Bench, contestants: list[Contestant]) -> None:
    load = dataclasses.replace(load_of(bench, 64), closes=True)
    entries = []
    for one in contestants:
        row = bench.row('peers-close', 'new connection, GET, close, over veth', one.name, load, one.link.name,
                        is_headline=True)
        entries.append(Entry(row, lambda one=one, row=row: one.take(
            bench, lambda: bench_sample(bench, one, load, row))))
    bench.measure(entries, runs=1)  # the next would begin among TIME-WAIT entries


# ---- redis --------------------------------------------------------------------------------------

def redis(bench: Bench) -> None:
    """In its own protocol, with its own client, on loopback: shorter messages than HTTP's."""
    with cable(bench.top, 'redis', is_for_kernel=True) as wire, peers.redis(bench, wire.server):
        peers.fill_redis(wire.server, bench.depth.peer_keys, VALUE_BYTES)
        entries = []
        for pipeline in (1, 16):
            load = dataclasses.replace(load_of(bench, WRK_CONNECTIONS), depth=pipeline)
            group = f'GET from redis-benchmark, {pipeline} in flight on each of {WRK_CONNECTIONS} connections'
            row = bench.row('redis', group, 'redis', load, 'loopback')
            row.facts['verified'] = 'no error reply'
            entries.append(Entry(row, lambda row=row, load=load: redis_sample(bench, row, wire, load, 'get')))
        bench.measure(entries)


def redis_sample(bench: Bench, row: Row, wire: Cable, load: Load, operation: str) -> Sample:
    """redis-benchmark counts requests, not time."""
    requests = round(REDIS_REQUESTS_PER_S * load.seconds * (1 if load.depth == 1 else 8))
    client_before, server_before = core_times(bench.cores.client), core_times(bench.cores.server)
    rate, latencies = other_clients.redis_benchmark(
        wire.server, operation, load.connections, load.depth, load.keys, load.value_bytes, requests,
        bench.cores.client)
    return Sample(rate, latencies, client_busy=core_times(bench.cores.client).since(client_before).busy(),
                  server_busy=core_times(bench.cores.server).since(server_before).busy())
