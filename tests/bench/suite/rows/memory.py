# SPDX-License-Identifier: BSD-3-Clause
"""Memory: of an idle connection, beside nginx; of a cached entry, beside memcached."""
import re
import socket
from pathlib import Path

from tests.bench.suite import client, peers
from tests.bench.suite.bench import Bench
from tests.bench.suite.client import KEY_BYTES, Load
from tests.bench.suite.machine import file_value
from tests.bench.suite.network import cable
from tests.bench.suite.process import Failed, Program, resident_bytes, run, wait_until
from tests.bench.suite.records import OURS, Row, Sample
from tests.bench.suite.sampling import Entry
from tests.bench.suite.shared_memory import gannet_on_memif, wait_for_connections

VALUE_BYTES = 128
CONNECTIONS = 10_000  # within a common limit of descriptors, for nginx
HOLD_S = 4
ENOUGH = 0.98  # a packet socket may lose a handshake


# ---- connections --------------------------------------------------------------------------------

def idle_connections(bench: Bench) -> None:
    """Each asked once or twice, then is silent: what the process, and for nginx the kernel, has grown by."""
    load = Load(CONNECTIONS, HOLD_S, warmup_s=0, rate=CONNECTIONS // 2)
    group = f'memory of one of {CONNECTIONS:,} idle connections'
    ours = bench.row('idle-memory', group, OURS, load, 'memif', unit='B', is_less_better=True, is_headline=True)
    theirs = bench.row('idle-memory', group, 'nginx and kernel', load, 'veth/af_packet', unit='B',
                       is_less_better=True, is_headline=True)
    bench.measure([Entry(ours, lambda: ours_per_connection(bench, load)),
                   Entry(theirs, lambda: nginx_per_connection(bench, load))], runs=1, is_of_speed=False)


def ours_per_connection(bench: Bench, load: Load) -> Sample:
    """Ordinary pages, so that only touched memory is counted."""
    with gannet_on_memif(bench, memory={'pages': 'ordinary'},
                         tcp={'connections': 2 * load.connections}) as (server, link):
        bench.load_keys(link, 1)
        before = resident_bytes(server.alive().pid)
        program, _ = bench.start_client(link, load)
        with program:
            wait_for_connections(server, load.connections, 60)
            return Sample((resident_bytes(server.alive().pid) - before) / load.connections)


def nginx_per_connection(bench: Bench, load: Load) -> Sample:
    with cable(bench.top, 'kernel', is_for_kernel=True) as wire, peers.value_files(1, VALUE_BYTES) as files, \
            peers.http_peer(bench, 'nginx', wire.server, files) as nginx:
        link = client.veth(wire.client, peers.PORTS['nginx'])
        before = resident_bytes(nginx.pid) + kernel_bytes()
        program, _ = bench.start_client(link, load)
        with program:
            enough = ENOUGH * load.connections
            wait_until(lambda: open_sockets(wire.server) >= enough or not program.is_alive(), 60,
                       'nginx has the connections', 0.1)
            count = open_sockets(wire.server)
            if count < ENOUGH * load.connections:
                raise Failed(f'nginx had {count} connections of {load.connections}\n{program.tail()}')
            return Sample((resident_bytes(nginx.pid) + kernel_bytes() - before) / count)


def kernel_bytes() -> int:
    return int(file_value('/proc/meminfo', 'Slab').split()[0]) * 1024


def open_sockets(namespace: str) -> int:
    text = run(['cat', '/proc/net/sockstat'], 10, namespace=namespace)
    return int(re.search(r'TCP: inuse (\d+)', text).group(1))


# ---- cached entries -----------------------------------------------------------------------------

def cached_entries(bench: Bench) -> None:
    """The same entries into both; what each grew by, over the entries it then has, less key and value."""
    count = bench.depth.cache_entries
    group = f'overhead of a cached entry, {count:,} entries of {KEY_BYTES} B and {VALUE_BYTES} B'
    facts = {'keys': count, 'value_bytes': VALUE_BYTES}
    ours = bench.row('entry-memory', group, OURS, unit='B', is_less_better=True, is_headline=True, facts=facts)
    theirs = bench.row('entry-memory', group, 'memcached', unit='B', is_less_better=True, is_headline=True,
                       facts=facts)
    bench.measure([Entry(ours, lambda: ours_per_entry(bench, count, ours)),
                   Entry(theirs, lambda: memcached_per_entry(bench, count))], runs=1, is_of_speed=False)


def ours_per_entry(bench: Bench, count: int, row: Row) -> Sample:
    """A cache too small for them all is full; all of its memory over the entries that fit is the honest figure."""
    mib = max(8, count * 100 >> 20)  # about half of them
    with gannet_on_memif(bench, cache={'memory_mib': mib}) as (server, link):
        bench.load_keys(link, count)
        bench.run_client(link, Load(256, max(1.0, count / 100_000), warmup_s=0, keys=count, timeout_s=20))
        entries = server.counters().cache_entries
        row.note = f'{mib} MiB of cache held {entries:,.0f} entries; all of its memory counts'
        return Sample(mib * 2**20 / entries - KEY_BYTES - VALUE_BYTES, {'entries': entries})


def memcached_per_entry(bench: Bench, count: int) -> Sample:
    folder = bench.folder('memcached')
    path = folder / 'socket'
    with Program(['memcached', '-u', 'root', '-s', path, '-m', '2048', '-t', '1'], folder / 'log',
                 [bench.cores.server]) as program:
        wait_until(path.exists, 10, f'memcached listens\n{program.tail()}')
        before = resident_bytes(program.pid)
        entries = fill_memcached(path, count)
        return Sample((resident_bytes(program.pid) - before) / entries - KEY_BYTES - VALUE_BYTES,
                      {'entries': entries})


def fill_memcached(path: Path, count: int) -> int:
    """Returns how many it has."""
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        for first in range(0, count, 10_000):
            one.sendall(b''.join(b'set %016d 0 0 %d noreply\r\n%s\r\n' %
                                 (key, VALUE_BYTES, peers.value_of(key, VALUE_BYTES))
                                 for key in range(first, min(count, first + 10_000))))
        one.sendall(b'stats\r\n')
        text = b''
        while not text.endswith(b'END\r\n'):
            text += one.recv(65536)
    return int(re.search(rb'STAT curr_items (\d+)', text).group(1))
