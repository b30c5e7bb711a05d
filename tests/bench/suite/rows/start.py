# SPDX-License-Identifier: BSD-3-Clause
"""Start to first answer, and what an idle server costs."""
import socket
import time

from tests.bench.suite.bench import Bench
from tests.bench.suite.gannet_server import veth_port
from tests.bench.suite.network import SERVER_ADDRESS, Cable, cable
from tests.bench.suite.process import cpu_seconds, wait_until
from tests.bench.suite.records import OURS, Sample
from tests.bench.suite.sampling import Entry
from tests.system.harness import inside

START_LIMIT_S = 20
ATTEMPT_S = 0.02  # a handshake that was not answered by then is tried anew


def first_answer(bench: Bench) -> None:
    """From exec to a 200 that a kernel client has read, asked every few milliseconds; empty store."""
    row = bench.row('start', 'start to first answer, empty store', OURS, link='veth', unit='s',
                    is_less_better=True, is_headline=True)
    with cable(bench.top, 'gannet', is_for_kernel=False) as wire:
        bench.measure([Entry(row, lambda: start_sample(bench, wire))])


def start_sample(bench: Bench, wire: Cable) -> Sample:
    with_ordinary_pages = {'memory': {'pages': 'ordinary'}, 'workers': {'poll': 'adaptive'}}
    server = bench.gannet(veth_port(), namespace=wire.server, **with_ordinary_pages)
    try:
        server.start(is_waited_for=False)
        with inside(wire.client):
            wait_until(is_answered, START_LIMIT_S, 'the first answer', 0.002)
        return Sample(time.monotonic() - server.started_s)
    finally:
        server.end()


def is_answered() -> bool:
    try:
        with socket.create_connection((SERVER_ADDRESS, 80), ATTEMPT_S) as one:
            one.settimeout(1)
            one.sendall(b'GET /v1/ns HTTP/1.1\r\nHost: gannet\r\n\r\n')
            return one.recv(64).startswith(b'HTTP/1.1 200')
    except OSError:
        return False


def idle(bench: Bench) -> None:
    """Processor time of the whole process while nobody asks."""
    row = bench.row('idle', 'processor time while idle, poll: adaptive', OURS, link='veth', unit='% of a core',
                    is_less_better=True, is_headline=True)
    seconds = 1 if bench.depth.is_quick else 10
    with cable(bench.top, 'gannet', is_for_kernel=False) as wire, \
            bench.gannet(veth_port(), namespace=wire.server, memory={'pages': 'ordinary'},
                         workers={'poll': 'adaptive'}) as server:
        time.sleep(0.5)
        pid = server.alive().pid

        def take() -> Sample:
            before = cpu_seconds(pid)
            time.sleep(seconds)
            return Sample((cpu_seconds(pid) - before) / seconds * 100)
        bench.measure([Entry(row, take)], runs=2, is_of_speed=False)
