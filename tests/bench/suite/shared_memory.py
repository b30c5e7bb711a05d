# SPDX-License-Identifier: BSD-3-Clause
"""Servers at the other end of shared memory: Gannet, or the stateless responder that shows the ceiling."""
import contextlib
from pathlib import Path
from typing import Any, Iterator

from tests.bench.suite import client
from tests.bench.suite.bench import Bench, wait_for_socket
from tests.bench.suite.client import Link, Load
from tests.bench.suite.gannet_server import Gannet, memif_port, vhost_port
from tests.bench.suite.process import Program, wait_until
from tests.bench.suite.records import Row, Sample


@contextlib.contextmanager
def gannet_on_memif(bench: Bench, is_paused: bool = False, **options: Any) -> Iterator[tuple[Gannet, Link]]:
    socket = bench.folder('memif') / 'socket'
    server = bench.gannet(memif_port(socket), **options)
    with bench.paused(server) if is_paused else server:
        yield server, client.memif(socket)


def sample_responder_on_memif(bench: Bench, load: Load, row: Row) -> Sample:
    folder = bench.folder('responder')
    socket = folder / 'socket'
    words = client.responder_words(bench.generator, socket, False, bench.cores.server)
    with Program(words, folder / 'responder.log'):
        wait_for_socket(socket)
        return bench.sample_of(bench.run_client(client.memif(socket), load), row)


def sample_gannet_on_vhost(bench: Bench, load: Load, row: Row, data: Path) -> Sample:
    """The vhost side starts first, so client and server are new for every run; the client waits for the link."""
    socket = bench.folder('vhost') / 'socket'
    program, output = bench.start_client(client.vhost(socket), load)
    with program:
        wait_for_socket(socket)
        with bench.gannet(vhost_port(socket), data=data) as server:
            before = server.counters()
            answer = bench.finish_client(program, output, load)
            return bench.add_server_side(bench.sample_of(answer, row), server, before, load)


def sample_responder_on_vhost(bench: Bench, load: Load, row: Row) -> Sample:
    folder = bench.folder('vhost')
    socket = folder / 'socket'
    program, output = bench.start_client(client.vhost(socket), load)
    with program:
        wait_for_socket(socket)
        words = client.responder_words(bench.generator, socket, True, bench.cores.server)
        with Program(words, folder / 'responder.log'):
            return bench.sample_of(bench.finish_client(program, output, load), row)


def wait_for_connections(server: Gannet, count: int, limit_s: float) -> None:
    wait_until(lambda: server.counters().connections >= count, limit_s, f'{count} connections are open', 0.1)
