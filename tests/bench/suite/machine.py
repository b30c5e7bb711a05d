# SPDX-License-Identifier: BSD-3-Clause
"""The machine: what it is, its cores, its hugepages, and how far its cores are from each other just now."""
import contextlib
import dataclasses
import os
import platform
from pathlib import Path
from typing import Any, Iterator

from tests.bench.suite.process import Failed, run

HUGE_PAGES = Path('/proc/sys/vm/nr_hugepages')
HUGE_PAGE_MIB = 2


@dataclasses.dataclass(frozen=True)
class Cores:
    """One core for each side; control threads get a third where there is one."""
    client: int
    server: int
    others: tuple[int, ...]

    def text(self) -> str:
        control = f'control thread on core {self.others[0]}' if self.others else 'control thread unpinned'
        return f'client core {self.client}, server core {self.server}, {control}'


def choose_cores() -> Cores:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Failed('two cores are needed: one for the client, one for the server')
    return Cores(cores[0], cores[1], tuple(cores[2:]))


def file_value(path: str, name: str) -> str:
    for text in Path(path).read_text().splitlines():
        key, _, value = text.partition(':')
        if key.strip() == name:
            return value.strip()
    return 'unknown'


def describe(cores: Cores, top: Path) -> dict[str, Any]:
    versions = run(['dpkg-query', '-W', '-f', '${Package} ${Version}, ', 'dpdk-dev', 'libdpdk-dev', 'nginx', 'h2o',
                    'haproxy', 'varnish', 'redis-server', 'memcached', 'fio', 'wrk'], 20, may_fail=True)
    commit = run(['git', '-C', top, '-c', f'safe.directory={top}', 'rev-parse', '--short', 'HEAD'], 20,
                 may_fail=True).strip()
    return {
        'processor': file_value('/proc/cpuinfo', 'model name'),
        'clock': file_value('/proc/cpuinfo', 'cpu MHz') + ' MHz',
        'is virtual': 'yes' if 'hypervisor' in file_value('/proc/cpuinfo', 'flags') else 'no',
        'cores': f'{os.cpu_count()}: {cores.text()}',
        'memory': file_value('/proc/meminfo', 'MemTotal'),
        'kernel': platform.release(),
        'disk': run(['findmnt', '-n', '-o', 'SOURCE,FSTYPE', '-T', top], 10, may_fail=True).strip(),
        'packages': versions.strip(', '),
        'commit': commit or 'unknown',
    }


def huge_pages() -> int:
    return int(HUGE_PAGES.read_text())


@contextlib.contextmanager
def reserved_huge_pages(mib: int) -> Iterator[None]:
    """At least this much for the time of the run; afterwards as many as before. The kernel may give fewer."""
    before = huge_pages()
    free = int(file_value('/proc/meminfo', 'HugePages_Free'))
    wanted = before - free + mib // HUGE_PAGE_MIB
    try:
        if wanted > before:
            set_huge_pages(wanted, before)
        yield
    finally:
        if huge_pages() != before:
            HUGE_PAGES.write_text(str(before))


def set_huge_pages(wanted: int, before: int) -> None:
    try:
        HUGE_PAGES.write_text(str(wanted))
    except OSError as error:
        raise Failed(f'cannot reserve hugepages: {error}. The shared-memory rows need {wanted} of 2 MiB: as root, '
                     f'echo {wanted} >{HUGE_PAGES}') from None
    if huge_pages() < wanted:
        raise Failed(f'the kernel gave {huge_pages()} hugepages of {wanted}: memory is full or in pieces; free '
                     f'some, or run fewer rows with --only')
    print(f'bench: hugepages: {before} before, {wanted} while this runs, {before} again at the end', flush=True)


@dataclasses.dataclass
class CoreTimes:
    """Of some cores, in ticks since start."""
    total: int
    idle: int
    stolen: int

    def since(self, before: 'CoreTimes') -> 'CoreTimes':
        return CoreTimes(self.total - before.total, self.idle - before.idle, self.stolen - before.stolen)

    def busy(self) -> float:
        return 1 - self.idle / self.total if self.total else 0.0

    def steal(self) -> float:
        return self.stolen / self.total if self.total else 0.0


def core_times(*cores: int) -> CoreTimes:
    total = idle = stolen = 0
    for text in Path('/proc/stat').read_text().splitlines():
        name, *fields = text.split()
        if name in {f'cpu{core}' for core in cores}:
            ticks = list(map(int, fields[:8]))  # user nice system idle iowait irq softirq steal
            total, idle, stolen = total + sum(ticks), idle + ticks[3] + ticks[4], stolen + ticks[7]
    return CoreTimes(total, idle, stolen)
