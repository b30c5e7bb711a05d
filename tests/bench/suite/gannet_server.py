# SPDX-License-Identifier: BSD-3-Clause
"""A Gannet under measurement: its configuration, its start and end, and what its counters say."""
import signal
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any, Optional

from tests.bench.suite.machine import Cores
from tests.bench.suite.network import SERVER_ADDRESS, SERVER_END
from tests.bench.suite.process import Failed, Program, run, wait_until
from tests.system.harness import Metrics, merge, to_yaml

READY_LIMIT_S = 120
VALUE_SIZES = (16, 128, 1024, 4096, 16384, 65536)


def free_port() -> int:
    with socket.create_server(('127.0.0.1', 0)) as one:
        return one.getsockname()[1]


def memif_port(path: Path) -> dict[str, Any]:
    return {'device': f'net_memif0,role=server,socket={path},socket-abstract=no', 'ipv4': '192.0.2.2/24',
            'offloads': 'none'}


def vhost_port(path: Path) -> dict[str, Any]:
    return {'device': f'virtio_user0,path={path},queues=1,queue_size=1024', 'ipv4': '192.0.2.2/24',
            'offloads': 'none'}


def veth_port() -> dict[str, Any]:
    return {'device': f'net_af_packet0,iface={SERVER_END}', 'queues': 1, 'rx_descriptors': 512,
            'tx_descriptors': 512, 'ipv4': f'{SERVER_ADDRESS}/24', 'offloads': 'none'}


def configuration(port: dict[str, Any], cores: Cores, data: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """As hw-configs/memif.yaml, and room for what the suite asks; `changes` win."""
    base = {
        'workers': {'cores': [cores.server], 'poll': 'busy'},
        'control': {'threads': 1, 'cores': [cores.others[0]] if cores.others else 'none'},
        'memory': {'pages': 'huge', 'packets': 16384, 'values_mib': 256},
        'tcp': {'connections': 4096},
        'cache': {'memory_mib': 64},
        'http': {},
        'store': {'directory': str(data)},
        'admin': {'listen': f'127.0.0.1:{free_port()}', 'drain_timeout_ms': 1000},
        'ports': [port],
        'listeners': [{'port': 80}],
        'namespaces': [{'name': 'demo'}] + [{'name': f'v{size}'} for size in VALUE_SIZES],
        'routes': [{'path': '/v1/', 'backend': 'values'}],
    }
    return merge(base, changes)


class Gannet:
    """Started by start(), or by `with`. Its admin port lies on its namespace's loopback."""

    def __init__(self, binary: Path, folder: Path, config: dict[str, Any], namespace: str = ''):
        self.binary, self.folder, self.config, self.namespace = binary, folder, config, namespace
        self.program: Optional[Program] = None
        self.started_s = 0.0
        self.is_paused = False

    def start(self, is_waited_for: bool = True) -> 'Gannet':
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / 'gannet.yaml'
        path.write_text(to_yaml(self.config))
        self.started_s = time.monotonic()
        self.program = Program([self.binary, 'serve', path], self.folder / 'gannet.log', namespace=self.namespace)
        if is_waited_for:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        wait_until(self.is_ready, READY_LIMIT_S, f'gannet is ready; its log is {self.folder}/gannet.log', 0.01)

    def is_ready(self) -> bool:
        if not self.alive().is_alive():
            raise Failed(f'gannet ended with {self.alive().process.returncode}\n{self.alive().tail()}')
        try:
            return self.admin('/readyz') is not None
        except OSError:
            return False

    def alive(self) -> Program:
        assert self.program is not None, 'start() first'
        return self.program

    def admin(self, path: str) -> str:
        url = f'http://{self.config["admin"]["listen"]}{path}'
        if self.namespace:
            try:
                return run(['curl', '-sSf', '-m', '5', url], 10, namespace=self.namespace)
            except Failed as error:
                raise OSError(str(error)) from None
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    def counters(self) -> 'Counters':
        return Counters(Metrics(self.admin('/metrics')))

    def pause(self) -> None:
        self.alive().signal(signal.SIGSTOP)
        self.is_paused = True

    def resume(self) -> None:
        self.alive().signal(signal.SIGCONT)
        self.is_paused = False

    def is_running(self) -> bool:
        return self.program is not None and self.program.is_alive() and not self.is_paused

    def kill(self) -> None:
        self.alive().signal(signal.SIGKILL)
        self.alive().process.wait()

    def end(self) -> None:
        if self.program is not None:
            self.program.end()

    def __enter__(self) -> 'Gannet':
        try:
            return self.start()
        except BaseException:
            self.end()
            raise

    def __exit__(self, *_: object) -> None:
        self.end()


class Counters:
    """What rows need of /metrics."""

    def __init__(self, metrics: Metrics):
        self.requests = metrics.total('gannet_http_requests_total')
        self.busy_ns = metrics.total('gannet_worker_busy_ns_total')
        self.hits = metrics.total('gannet_cache_hits_total')
        self.cache_entries = metrics.total('gannet_cache', what='entries')
        self.store_reads = metrics.total('gannet_store_reads_total')
        self.bytes_compacted = metrics.total('gannet_store_bytes_compacted_total')
        self.bytes_accepted = metrics.total('gannet_store_bytes_accepted_total')
        self.index_bytes = metrics.total('gannet_store', what='index_bytes')
        self.connections = metrics.total('gannet_connections', thread='worker0')
        self.keys = metrics.total('gannet_store', what='keys')

    def busy_ns_per_request(self, before: 'Counters') -> float:
        """Time in rounds that had work, over the requests they answered."""
        return (self.busy_ns - before.busy_ns) / max(1, self.requests - before.requests)

    def hit_share(self, before: 'Counters') -> float:
        return (self.hits - before.hits) / max(1, self.requests - before.requests)
