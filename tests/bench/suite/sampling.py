# SPDX-License-Identifier: BSD-3-Clause
"""Runs in turn, and the rule by which a run is set aside.

The two cores of a virtual machine are moved about by the host, which changes what a cache line costs between
them by a factor of ten within minutes. So runs are short, A and B alternate, and before each the round trip
between the two cores is measured. A run is set aside, never removed, by rules that were written down before:
"""
import dataclasses
import statistics
from typing import Callable

from tests.bench.suite.records import Row, Sample

ROUND_TRIP_FACTOR = 1.6  # of the median of the same rows
CLIENT_CPU_LEAST = 0.94
STEAL_MOST = 0.05

RULES = (f'the round trip between the cores before it was more than {ROUND_TRIP_FACTOR} times, or less than 1/'
         f'{ROUND_TRIP_FACTOR} of, the median of the runs it is compared with; or the client had less than '
         f'{CLIENT_CPU_LEAST:.0%} of its core; or the host took more than {STEAL_MOST:.0%} of the cores')


@dataclasses.dataclass
class Entry:
    """A row and how one sample of it is taken."""
    row: Row
    take: Callable[[], Sample]


def in_turn(entries: list[Entry], runs: int) -> list[Entry]:
    """A B, B A, A B ...: neither always goes first."""
    return [entry for number in range(runs)
            for entry in (entries if number % 2 == 0 else list(reversed(entries)))]


def mark_outliers(rows: list[Row]) -> None:
    """By the rules above and nothing else; `rows` were measured in turn."""
    samples = [sample for row in rows for sample in row.samples]
    if not samples:
        return
    typical_ns = statistics.median(sample.round_trip_ns for sample in samples)
    for sample in samples:
        if sample.client_cpu is not None and sample.client_cpu < CLIENT_CPU_LEAST:
            sample.mark = f'the client had {sample.client_cpu:.0%} of its core'
        elif sample.steal > STEAL_MOST:
            sample.mark = f'the host took {sample.steal:.0%}'
        elif not typical_ns / ROUND_TRIP_FACTOR <= sample.round_trip_ns <= typical_ns * ROUND_TRIP_FACTOR:
            sample.mark = f'round trip {sample.round_trip_ns:.0f} ns, the others {typical_ns:.0f} ns'
