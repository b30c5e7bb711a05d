# SPDX-License-Identifier: BSD-3-Clause
"""What reaches the disk: misses beside fio, durable writes beside redis, recovery beside redis."""
import re
import time
from pathlib import Path

from tests.bench.suite import other_clients, peers
from tests.bench.suite.bench import Bench
from tests.bench.suite.client import Link, Load
from tests.bench.suite.gannet_server import Gannet, memif_port
from tests.bench.suite.machine import core_times
from tests.bench.suite.network import cable
from tests.bench.suite.process import Failed
from tests.bench.suite.records import OURS, Row, Sample
from tests.bench.suite.rows.peers_get import redis_sample
from tests.bench.suite.sampling import Entry
from tests.bench.suite.shared_memory import gannet_on_memif

IN_FLIGHT = 256
MISS_DEPTH = 64  # of control.io_depth, and of fio
MISS_KEYS_QUICK, MISS_KEYS = 100_000, 1_000_000
PUT_KEYS = 1_000_000


# ---- misses -------------------------------------------------------------------------------------

def miss(bench: Bench) -> None:
    """A cache of 1 MiB holds next to nothing of the key set, so nearly every GET reads the disk."""
    keys = MISS_KEYS_QUICK if bench.depth.is_quick else MISS_KEYS
    small = {'cache': {'memory_mib': 1}, 'workers': {'poll': 'adaptive'}}
    with gannet_on_memif(bench, is_paused=True, **small) as (server, link):
        bench.sample_with(server, lambda: bench.load_keys(link, keys))
        load = Load(MISS_DEPTH, bench.depth.seconds, warmup_s=bench.depth.warmup_s, keys=keys, timeout_s=20)
        group = f'GET miss served from disk, {MISS_DEPTH} in flight'
        ours = bench.row('miss', group, OURS, load, link.name, is_headline=True)
        reference = bench.row('miss', group, 'fio randread', load, 'disk alone', is_headline=True)
        data = Path(server.config['store']['directory'])
        file = bench.folder('fio') / 'file'
        size_mib = max(64, sum(path.stat().st_size for path in data.rglob('*') if path.is_file()) >> 20)
        bench.measure([
            Entry(ours, lambda: bench.sample_with(server, lambda: miss_sample(bench, server, link, load, ours))),
            Entry(reference, lambda: fio_sample(bench, reference, file, size_mib))])
        file.unlink(missing_ok=True)


def miss_sample(bench: Bench, server: Gannet, link: Link, load: Load, row: Row) -> Sample:
    """The figure is reads of the disk, not answers: what the small cache had does not count."""
    before = server.counters()
    sample = bench.sample_gannet(server, link, load, row)
    after = server.counters()
    reads_per_request = (after.store_reads - before.store_reads) / max(1, after.requests - before.requests)
    row.note = f'{reads_per_request:.3f} disk reads per answer; answers: {sample.value:,.0f}/s'
    sample.value *= min(1.0, reads_per_request)
    return sample


def fio_sample(bench: Bench, row: Row, file: Path, size_mib: int) -> Sample:
    row.facts |= {'key_set': f'a file of {size_mib} MiB', 'response_bytes': 4096, 'verified': '',
                  'connections': '', 'depth': MISS_DEPTH}
    before = core_times(bench.cores.client)
    iops, latencies = other_clients.fio_randread(file, size_mib, MISS_DEPTH, bench.depth.seconds,
                                                 bench.cores.client)
    return Sample(iops, latencies, client_busy=core_times(bench.cores.client).since(before).busy())


# ---- durable writes -----------------------------------------------------------------------------

def durable_put(bench: Bench) -> None:
    """
    256 writes in flight; redis as 256 connections, and as 16 with 16 in flight on each. Two cores for each system,
    its client included; redis-benchmark waits in the kernel, ours polls.
    """
    group = f'durable PUT, {IN_FLIGHT} in flight'
    load = Load(IN_FLIGHT, bench.depth.seconds, warmup_s=bench.depth.warmup_s, keys=PUT_KEYS, put_permille=1000,
                timeout_s=20)
    folder = bench.folder('redis-data')
    with cable(bench.top, 'redis', is_for_kernel=True) as wire, \
            peers.redis(bench, wire.server, log=folder, sync='always'), \
            gannet_on_memif(bench, is_paused=True, workers={'poll': 'adaptive'}) as (server, link):
        entries = [put_entry(bench, group, load, server, link)]
        for clients, pipeline in ((256, 1), (16, 16)):
            their_load = Load(clients, bench.depth.seconds, pipeline, keys=PUT_KEYS)
            row = bench.row('durable-put', group, f'redis always, {clients} x {pipeline}', their_load, 'loopback',
                            is_headline=True)
            row.facts['cores'] = 'redis on one core, redis-benchmark on the other'
            row.facts['verified'] = 'no error reply'
            entries.append(Entry(row, lambda row=row, their_load=their_load: redis_sample(
                bench, row, wire, their_load, 'set')))
        bench.measure(entries)


def put_entry(bench: Bench, group: str, load: Load, server: Gannet, link: Link) -> Entry:
    row = bench.row('durable-put', group, OURS, load, link.name, is_headline=True)
    where = 'on a third core' if bench.cores.others else 'on what they leave'
    row.facts['cores'] = f'worker on one core, client on the other, control thread {where}'
    return Entry(row, lambda: bench.sample_with(server, lambda: bench.sample_gannet(server, link, load, row)))


# ---- recovery -----------------------------------------------------------------------------------

def recovery(bench: Bench) -> None:
    """After kill -9, until the server says it is ready: by the number of keys; the most of them beside redis."""
    for keys in bench.depth.recovery_keys[:-1]:
        bench.measure([our_recovery(bench, keys)], runs=min(3, bench.depth.runs), is_of_speed=False)
    keys = bench.depth.recovery_keys[-1]
    ours = our_recovery(bench, keys)
    theirs = bench.row('recovery', ours.row.group, 'redis, append-only file', unit='s', is_less_better=True,
                       is_headline=True, facts={'keys': keys, 'value_bytes': 128})
    redis_data = bench.folder('redis-data')
    with cable(bench.top, 'redis', is_for_kernel=True) as wire:
        with peers.redis(bench, wire.server, log=redis_data):
            peers.fill_redis(wire.server, keys, 128)
            time.sleep(1.5)  # its log is synced every second
        bench.measure([ours, Entry(theirs, lambda: redis_recovery_sample(bench, wire.server, redis_data))],
                      runs=min(3, bench.depth.runs), is_of_speed=False)


def our_recovery(bench: Bench, keys: int) -> Entry:
    """Writes the keys; what is measured is a start on them."""
    row = bench.row('recovery', f'recovery of {keys:,} keys after kill -9', OURS, unit='s', is_less_better=True,
                    is_headline=keys == bench.depth.recovery_keys[-1], facts={'keys': keys, 'value_bytes': 128})
    data, store = bench.folder('data'), {'index_memory_mib': 4096}
    with gannet_on_memif(bench, data=data, store=store) as (server, link):
        empty_kib = peak_kib(server)
        bench.load_keys(link, keys)
        server.kill()
    return Entry(row, lambda: recovery_sample(bench, data, store, row, empty_kib))


def peak_kib(server: Gannet) -> int:
    status = Path(f'/proc/{server.alive().pid}/status').read_text()
    return int(re.search(r'VmHWM:\s+(\d+) kB', status).group(1))


def recovery_sample(bench: Bench, data: Path, store: dict, row: Row, empty_kib: int) -> Sample:
    """Memory: the most that was resident, less that of a server without keys, and what the index keeps of it."""
    server = bench.gannet(memif_port(bench.folder('memif') / 'socket'), data=data, store=store)
    try:
        server.start()
        took_s = time.monotonic() - server.started_s
        found = server.counters()
        memory = {'peak_mib': (peak_kib(server) - empty_kib) / 1024, 'index_mib': found.index_bytes / 2**20}
        server.kill()
    finally:
        server.end()
    if found.keys != row.facts['keys']:
        raise Failed(f'{found.keys:.0f} keys after recovery, {row.facts["keys"]} were written')
    row.note = (f'{memory["peak_mib"]:.0f} MiB at most beyond a server without keys, '
                f'{memory["index_mib"]:.0f} MiB of it the index')
    return Sample(took_s, memory)


def redis_recovery_sample(bench: Bench, namespace: str, data: Path) -> Sample:
    started_s = time.monotonic()
    with peers.redis(bench, namespace, log=data):
        return Sample(time.monotonic() - started_s)
