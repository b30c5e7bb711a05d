# SPDX-License-Identifier: BSD-3-Clause
"""What every experiment is handed: cores, folders, programs, how long to measure, and how a sample is taken."""
import contextlib
import dataclasses
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

from tests.bench.suite import client
from tests.bench.suite.client import Answer, Link, Load
from tests.bench.suite.gannet_server import Gannet, configuration
from tests.bench.suite.machine import Cores, CoreTimes, core_times
from tests.bench.suite.process import Failed, Program, run, wait_until
from tests.bench.suite.records import Row, Sample
from tests.bench.suite.sampling import Entry, in_turn, mark_outliers

CLIENT_START_S = 60


@dataclasses.dataclass(frozen=True)
class Depth:
    """How long and how much: the difference between quick and full."""
    is_quick: bool
    runs: int
    side_runs: int  # of what is measured beside the main rows, so that quick stays within two minutes
    seconds: float
    warmup_s: float
    connections: tuple[int, ...]
    many_connections: tuple[int, ...]  # a request in flight on each
    open_connections: tuple[int, ...]  # few in flight over all
    keys: tuple[int, ...]  # the last is the key set of the Zipf row
    peer_keys: int
    peer_connections: tuple[int, ...]
    value_bytes: tuple[int, ...]
    load_steps: tuple[float, ...]  # of the peak
    recovery_keys: tuple[int, ...]  # the last beside redis
    cache_entries: int


QUICK = Depth(is_quick=True, runs=1, side_runs=1, seconds=0.4, warmup_s=0.1, connections=(64, 256, 1024),
              many_connections=(64,), open_connections=(256, 100_000), keys=(1, 100_000), peer_keys=1000,
              peer_connections=(64,),
              value_bytes=(16, 16384), load_steps=(0.5, 0.9), recovery_keys=(10_000, 100_000),
              cache_entries=100_000)
FULL = Depth(is_quick=False, runs=5, side_runs=3, seconds=1.0, warmup_s=0.3, connections=(64, 256, 1024),
             many_connections=(64, 256, 1024, 4096, 16384, 65536),
             open_connections=(256, 1024, 10_000, 100_000, 1_000_000),
             keys=(1, 1000, 100_000, 1_000_000, 10_000_000), peer_keys=10_000, peer_connections=(64, 256, 1024),
             value_bytes=(16, 128, 1024, 4096, 16384, 65536), load_steps=(0.1, 0.25, 0.5, 0.75, 0.9, 1.0),
             recovery_keys=(10_000, 100_000, 1_000_000, 10_000_000), cache_entries=1_000_000)


class Bench:
    """One run of the suite."""

    def __init__(self, top: Path, build: Path, scratch: Path, cores: Cores, depth: Depth):
        self.top, self.build, self.scratch, self.cores, self.depth = top, build, scratch, cores, depth
        self.binary = build / 'gannet'
        self.generator = build / 'gannet-bench'
        self.rows: list[Row] = []
        self.names = 0
        self.gannets: list[Gannet] = []
        self.part, self.date = '', ''  # what rows made from now on are of

    # ---- rows and samples

    def row(self, experiment: str, group: str, subject: str, load: Optional[Load] = None,
            link: str = '', unit: str = '/s', **more: Any) -> Row:
        facts: dict[str, Any] = {'link': link, 'cores': self.cores.text()}
        if load is not None:
            facts |= {'connections': load.connections, 'depth': load.depth, 'key_set': load.key_set(),
                      'keys': load.keys, 'value_bytes': load.value_bytes}
            if load.active:
                facts['active'] = load.active
        facts |= more.pop('facts', {})
        made = Row(experiment, group, subject, unit, facts, part=self.part, date=self.date, **more)
        self.rows.append(made)
        return made

    def measure(self, entries: list[Entry], runs: Optional[int] = None, is_of_speed: bool = True) -> None:
        """All entries in turn; a sample that fails is the end of its row, not of the suite."""
        broken: set[int] = set()
        for entry in in_turn(entries, runs or self.depth.runs):
            if id(entry.row) in broken:
                continue
            distance_ns, before = self.round_trip_ns(), core_times(self.cores.client, self.cores.server)
            try:
                sample = entry.take()
            except Failed as error:
                entry.row.note = f'failed: {str(error).splitlines()[0]}'
                broken.add(id(entry.row))
                self.say(f'{entry.row.group}, {entry.row.subject}: {error}')
                continue
            sample.round_trip_ns = distance_ns
            sample.steal = core_times(self.cores.client, self.cores.server).since(before).steal()
            entry.row.samples.append(sample)
        if is_of_speed:
            mark_outliers([entry.row for entry in entries])

    def round_trip_ns(self) -> float:
        return float(self.ask_machine('core_round_trip', self.cores.client, self.cores.server))

    def ask_machine(self, program: str, *words: Any) -> str:
        """With both cores free: polling servers stand still meanwhile."""
        running = [server for server in self.gannets if server.is_running()]
        for server in running:
            server.pause()
        try:
            return run([self.build / 'tests/bench' / program, *words], 20)
        finally:
            for server in running:
                server.resume()

    def say(self, text: str) -> None:
        print(f'bench: {text}', flush=True)

    # ---- programs

    def folder(self, name: str) -> Path:
        self.names += 1
        path = self.scratch / f'{self.names:03}-{name}'
        path.mkdir(parents=True)
        return path

    def gannet(self, port: dict[str, Any], data: Optional[Path] = None, namespace: str = '',
               **changes: Any) -> Gannet:
        """One that is not started. Without `data` its store is new and empty."""
        folder = self.folder('gannet')
        config = configuration(port, self.cores, data or folder / 'data', changes)
        self.gannets.append(Gannet(self.binary, folder, config, namespace))
        return self.gannets[-1]

    def start_client(self, link: Link, load: Load) -> tuple[Program, Path]:
        folder = self.folder('client')
        link = client.from_new_address(link, self.names)
        words = client.words(self.generator, link, load, self.cores.client)
        return Program(words, folder / 'client.log', namespace=link.namespace, output=folder / 'client.json'), \
            folder / 'client.json'

    def client_limit_s(self, load: Load) -> float:
        return CLIENT_START_S + load.warmup_s + load.seconds + (load.keys / 20_000 if load.loads_first else 0)

    def finish_client(self, program: Program, output: Path, load: Load) -> Answer:
        with program:
            status = program.wait(self.client_limit_s(load))
        return client.answer(status, output.read_text(), program.tail())

    def run_client(self, link: Link, load: Load) -> Answer:
        return self.finish_client(*self.start_client(link, load), load)

    def sample_of(self, answer: Answer, row: Row) -> Sample:
        row.facts['response_bytes'] = round(answer.bytes_per_response)
        row.facts['verified'] = answer.verified
        return Sample(answer.responses_per_s, answer.latency_us | answer.gap_shares | answer.storm,
                      client_busy=answer.busy, client_cpu=answer.cpu)

    def sample_gannet(self, server: Gannet, link: Link, load: Load, row: Row) -> Sample:
        """A run against a server that is up, with what the server's counters say of it."""
        before = server.counters()
        answer = self.run_client(link, load)
        return self.add_server_side(self.sample_of(answer, row), server, before, load)

    def add_server_side(self, sample: Sample, server: Gannet, before: Any, load: Load) -> Sample:
        after = server.counters()
        sample.extra['server_ns'] = after.busy_ns_per_request(before)
        sample.extra['hit_share'] = after.hit_share(before)
        sample.extra['ideal_us'] = load.in_flight() / max(1.0, sample.value) * 1e6
        sample.server_busy = min(1.0, sample.value * sample.extra['server_ns'] / 1e9)
        return sample

    def sample_peer(self, link: Link, load: Load, row: Row) -> Sample:
        """A run against somebody else's server; how busy its core was comes from the kernel."""
        before = core_times(self.cores.server)
        started_s = time.monotonic()
        sample = self.sample_of(self.run_client(link, load), row)
        sample.server_busy = busy_while_asked(core_times(self.cores.server).since(before),
                                              time.monotonic() - started_s, load)
        return sample

    def sample_with(self, server: Gannet, take: Callable[[], Sample]) -> Sample:
        """A polling server gets its core only while it is measured."""
        server.resume()
        try:
            return take()
        finally:
            server.pause()

    @contextlib.contextmanager
    def paused(self, server: Gannet) -> Iterator[Gannet]:
        with server:
            server.pause()
            yield server

    def load_keys(self, link: Link, keys: int, value_bytes: int = 128, namespace: str = 'demo',
                  connections: int = 256) -> None:
        """PUTs every key once."""
        load = Load(min(connections, keys), 0.1, warmup_s=0, keys=keys, value_bytes=value_bytes,
                    namespace=namespace, loads_first=True, timeout_s=20)
        self.run_client(link, load)


def busy_while_asked(times: CoreTimes, elapsed_s: float, load: Load) -> float:
    """The client's own start takes part of the time; the core was idle then."""
    return min(1.0, times.busy() * elapsed_s / (load.seconds + load.warmup_s))


def wait_for_socket(path: Path) -> None:
    wait_until(path.exists, CLIENT_START_S, f'{path} is there')
