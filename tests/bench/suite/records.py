# SPDX-License-Identifier: BSD-3-Clause
"""What a run of the suite knows: samples, the rows they belong to, and what a row says of them."""
import dataclasses
import statistics
from typing import Any, Optional

OURS = 'gannet'


@dataclasses.dataclass
class Sample:
    """One short run. `value` is the row's figure; `extra` what else was measured, by name with its unit."""
    value: float
    extra: dict[str, float] = dataclasses.field(default_factory=dict)
    client_busy: Optional[float] = None  # share of one core; None where nobody can say
    server_busy: Optional[float] = None
    client_cpu: Optional[float] = None  # share of the time that the kernel gave the client's thread
    round_trip_ns: float = 0  # between client's and server's core, just before
    steal: float = 0  # share of the time that the host took away from these cores
    mark: str = ''  # why it does not count for the median


@dataclasses.dataclass
class Row:
    """One line of the table: one subject in one situation."""
    experiment: str  # the chart it belongs to
    group: str  # rows of one group are compared with each other
    subject: str
    unit: str
    facts: dict[str, Any]
    series: str = ''
    is_less_better: bool = False
    is_headline: bool = False  # shown in the README
    note: str = ''
    part: str = ''  # which part of the suite it is of, as --only names it
    date: str = ''  # of the run that measured it
    samples: list[Sample] = dataclasses.field(default_factory=list)

    def counted(self) -> list[Sample]:
        """Marked samples count only when all of them are."""
        return [sample for sample in self.samples if not sample.mark] or self.samples

    def median(self) -> float:
        return statistics.median(sample.value for sample in self.counted())

    def lowest(self) -> float:
        return min(sample.value for sample in self.samples)

    def highest(self) -> float:
        return max(sample.value for sample in self.samples)

    def extra(self, name: str) -> Optional[float]:
        found = [sample.extra[name] for sample in self.counted() if name in sample.extra]
        return statistics.median(found) if found else None

    def extremes(self, name: str) -> tuple[float, float]:
        found = [sample.extra[name] for sample in self.samples if name in sample.extra]
        return min(found), max(found)

    def typical(self, name: str) -> Optional[float]:
        """Median of a field of the samples, such as server_busy."""
        found = [getattr(sample, name) for sample in self.counted() if getattr(sample, name) is not None]
        return statistics.median(found) if found else None


def ratio(row: Row, other: Row) -> float:
    """How many times better `row` is than `other`; above 1 is better whatever the unit."""
    ours, theirs = row.median(), other.median()
    if row.is_less_better:
        ours, theirs = theirs, ours
    return ours / theirs if theirs else float('inf')


def to_json(rows: list[Row]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(row) | ({'median': row.median(), 'min': row.lowest(), 'max': row.highest()}
                                       if row.samples else {}) for row in rows]


def from_json(records: list[dict[str, Any]]) -> list[Row]:
    derived = ('median', 'min', 'max', 'samples')
    return [Row(**{name: value for name, value in record.items() if name not in derived},
                samples=[Sample(**sample) for sample in record['samples']]) for record in records]
