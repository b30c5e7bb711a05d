# SPDX-License-Identifier: BSD-3-Clause
"""gannet-bench: what is asked of it, its command line, and what it answers."""
import dataclasses
import json
from pathlib import Path
from typing import Any, Optional

from tests.bench.suite.network import BENCH_CLIENT, CLIENT_END, SERVER_ADDRESS
from tests.bench.suite.process import Failed

KEY_BYTES = 16
QUANTILES = ('p50', 'p90', 'p99', 'p99_9', 'p99_99', 'max', 'calm_p99')

GAPS = ('client_stalled', 'server_silent')  # of 25 us and more


@dataclasses.dataclass(frozen=True)
class Link:
    """Where the client's port is, and who is at the other end."""
    name: str
    device: str
    local: str
    remote: str
    namespace: str = ''
    port: int = 80


def memif(socket: Path) -> Link:
    return Link('memif', f'net_memif0,role=client,socket={socket},socket-abstract=no', '192.0.2.1', '192.0.2.2')


def vhost(socket: Path) -> Link:
    return Link('vhost-user', f'net_vhost0,iface={socket},queues=1', '192.0.2.1', '192.0.2.2')


def veth(namespace: str, port: int = 80) -> Link:
    device = f'net_af_packet0,iface={CLIENT_END}'
    return Link('veth/af_packet', device, BENCH_CLIENT, SERVER_ADDRESS, namespace, port)


@dataclasses.dataclass(frozen=True)
class Load:
    connections: int
    seconds: float
    depth: int = 1
    warmup_s: float = 0.2
    keys: int = 1
    popularity: str = 'uniform'  # or zipf, with 0.99
    value_bytes: int = 128
    namespace: str = 'demo'
    put_permille: int = 0
    loads_first: bool = False  # PUT every key once
    closes: bool = False
    rate: int = 0  # requests/s; 0: closed loop
    verifies_body: bool = False
    times_gets_only: bool = False
    timeout_s: float = 5
    active: int = 0  # in flight over all connections; 0: `depth` on each
    flood: int = 0  # SYN/s of spoofed sources beside the load
    newcomers: int = 0  # connections/s beside the load, each of which asks once

    def in_flight(self) -> int:
        return self.active or self.connections * self.depth

    def key_set(self) -> str:
        if self.keys == 1:
            return 'one hot key'
        return f'{self.keys:,} keys, ' + ('Zipf 0.99' if self.popularity == 'zipf' else 'uniform')


@dataclasses.dataclass
class Answer:
    """What one run measured."""
    responses_per_s: float
    responses: int
    bytes_per_response: float
    errors: int
    busy: Optional[float]
    cpu: Optional[float]
    latency_us: dict[str, float]  # p50_us, p99_us, ...; calm_p99_us: of requests that no gap touched
    gap_shares: dict[str, float]  # of the time: in which the client stood still, in which the server was silent
    verified: str  # what was checked of every answer
    storm: dict[str, float]  # SYN/s that the port took, the share it had no room for; newcomers served


def from_new_address(link: Link, number: int) -> Link:
    """A server keeps closed connections in TIME-WAIT; the next run comes from other addresses."""
    network, _, _ = link.local.rpartition('.')
    return dataclasses.replace(link, local=f'{network}.{10 + number % 45 * 4}')


def seconds(value: float) -> str:
    return f'{round(value * 1000)}ms'


def words(generator: Path, link: Link, load: Load, core: int) -> list[object]:
    """The command line of one run."""
    line: list[object] = [
        generator, '--device', link.device, '--cores', core, '--local', f'{link.local}/24',
        '--remote', f'{link.remote}:{link.port}', '--namespace', load.namespace, '--keys', load.keys,
        '--key-bytes', KEY_BYTES, '--popularity', 'zipf=0.99' if load.popularity == 'zipf' else 'uniform',
        '--value-bytes', load.value_bytes, '--connections', load.connections, '--runs', 1,
        '--warmup', seconds(load.warmup_s), '--duration', seconds(load.seconds),
        '--timeout', seconds(load.timeout_s), '--json', '-', '--quiet']
    if load.rate:
        line += ['--rate', load.rate]
    elif load.active:
        line += ['--active', load.active]
    else:
        line += ['--depth', load.depth]
    for name, rate in (('--flood', load.flood), ('--newcomers', load.newcomers)):
        if rate:
            line += [name, rate]
    if load.put_permille:
        line += ['--mix', f'put={load.put_permille / 10:g}']
    if load.put_permille < 1000:
        line += ['--expect-bytes', load.value_bytes]
    flags = {'--load': load.loads_first, '--close': load.closes, '--check-body': load.verifies_body,
             '--time-gets': load.times_gets_only}
    return line + [name for name, is_set in flags.items() if is_set]


def responder_words(generator: Path, socket: Path, is_vhost: bool, core: int) -> list[object]:
    """A stateless server: the ceiling of link and client."""
    device = f'virtio_user0,path={socket},queues=1,queue_size=1024' if is_vhost else \
        f'net_memif0,role=server,socket={socket},socket-abstract=no'
    return [generator, 'responder', '--device', device, '--cores', core, '--local', '192.0.2.2/24', '--quiet']


def parse(text: str) -> Answer:
    """Of a result with one step and one run."""
    found: dict[str, Any] = json.loads(text)
    run = found['steps'][0]['runs'][0]
    return Answer(run['responses_per_s'], run['responses'], run['bytes_per_response'], sum(run['errors'].values()),
                  run['busy_share'], run['cpu_share'],
                  {f'{name}_us': run[f'{name}_ns'] / 1000 for name in QUANTILES},
                  {f'{name}_share': run[f'{name}_ns'] / run['elapsed_ns'] for name in GAPS},
                  ', '.join(name for name, is_checked in found['verified'].items() if is_checked), storm_of(run))


def storm_of(run: dict[str, Any]) -> dict[str, float]:
    found, sent = {}, run['flood_sent'] + run['flood_missed']
    if sent:
        found |= {'syn_per_s': run['flood_sent'] * 1e9 / run['elapsed_ns'],
                  'syn_missed_share': run['flood_missed'] / sent}
    if run['newcomers']:
        found |= {'newcomers_served_share': run['newcomers_served'] / run['newcomers'],
                  'newcomers_max_us': run['newcomers_max_ns'] / 1000}
    return found


def answer(status: int, text: str, complaint: str) -> Answer:
    """Errors in the answers are a failure of the run: a wrong answer is not fast."""
    try:
        found = parse(text)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Failed(f'gannet-bench: exit {status}, no result ({error!r})\n{complaint}') from None
    if found.errors:
        raise Failed(f'gannet-bench: {found.errors} wrong or missing answers of {found.responses}\n{complaint}')
    return found
