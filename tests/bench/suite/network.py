# SPDX-License-Identifier: BSD-3-Clause
"""A cable between two network namespaces: a server of ours on raw frames, or a peer on the kernel's TCP."""
import contextlib
import os
from pathlib import Path
from typing import Iterator

from tests.bench.suite.process import run

SERVER_END, CLIENT_END = 'gannet0', 'gannet-c0'
SERVER_ADDRESS = '10.99.0.2'
KERNEL_CLIENT = '10.99.0.1'
BENCH_CLIENT = '10.99.0.101'  # the kernel does not know it, so it does not reset the generator's connections


class Cable:
    """Names carry this process's number: two suites, or a suite and `./dev up`, do not meet."""

    def __init__(self, top: Path, name: str):
        self.script = top / 'tests/support/veth.sh'
        self.client = f'gannet-bc-{os.getpid()}-{name}'
        self.server = f'gannet-bs-{os.getpid()}-{name}'

    def up(self) -> None:
        run([self.script, 'up', self.client, self.server], 30)

    def down(self) -> None:
        run([self.script, 'down', self.client, self.server], 30)

    def give_kernel_address(self) -> None:
        """The server's end belongs to the kernel: for peers."""
        run(['ip', 'link', 'set', SERVER_END, 'arp', 'on'], 10, namespace=self.server)
        run(['ip', 'addr', 'add', f'{SERVER_ADDRESS}/24', 'dev', SERVER_END], 10, namespace=self.server)
        run(['sysctl', '-q', '-w', 'net.core.somaxconn=65535', 'net.ipv4.tcp_max_syn_backlog=65535',
             'net.ipv4.ip_local_port_range=1024 65535'], 10, namespace=self.server)


@contextlib.contextmanager
def cable(top: Path, name: str, is_for_kernel: bool) -> Iterator[Cable]:
    link = Cable(top, name)
    try:
        link.up()
        if is_for_kernel:
            link.give_kernel_address()
        yield link
    finally:
        link.down()
