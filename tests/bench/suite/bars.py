# SPDX-License-Identifier: BSD-3-Clause
"""What a row should reach: the first bar, which is required, and the goal, as data; and whether it did.

A bar that is missed needs a reason found by measurement. A person writes it into reasons.txt beside the results:

    KEY: TEXT          the key of the bar as the tables print it, or its beginning: `p99` is for every p99
"""
import dataclasses
from pathlib import Path
from typing import Callable, Optional

from tests.bench.suite.client import GAPS
from tests.bench.suite.figures import short
from tests.bench.suite.records import OURS, Row

REASONS = 'reasons.txt'
FIRST_HIT = 2.5e6  # requests/s
UNEXPLAINED = 'not explained'

# A threshold may follow from the others of the same run; None: this run cannot say.
Threshold = Callable[[Row, list[Row]], Optional[float]]


@dataclasses.dataclass(frozen=True)
class Bar:
    key: str
    chooses: Callable[[Row], bool]  # of our own rows
    first: Threshold
    goal: Threshold
    extra: str = ''  # a measured extra of the row instead of its figure
    unit: str = ''  # of that extra
    is_less_better: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One bar for one row."""
    key: str
    row: Row
    figure: float
    first: float
    goal: Optional[float]
    unit: str
    is_less_better: bool
    what: str = ''

    def reaches(self, threshold: Optional[float]) -> bool:
        if threshold is None:
            return False
        return self.figure <= threshold if self.is_less_better else self.figure >= threshold

    def is_met(self) -> bool:
        return self.reaches(self.first)

    def word(self) -> str:
        if self.reaches(self.goal):
            return 'goal met'
        return 'met' if self.is_met() else 'not met'

    def gaps(self) -> str:
        """Of a latency: what is left of it where no core was away, and how long they were."""
        calm_us, shares = self.row.extra('calm_p99_us'), [self.row.extra(f'{name}_share') for name in GAPS]
        if self.unit != 'us' or not calm_us or None in shares:
            return ''
        client, server = (short(100 * (value or 0)) for value in shares)
        return (f'{short(calm_us)} us for requests that no gap of 25 us touched; client away {client} %, '
                f'server silent {server} % of the time')

    def bar(self) -> str:
        """At least 2.5 M/s, at most 50 us."""
        return self.threshold(self.first)

    def threshold(self, value: Optional[float]) -> str:
        if value is None:
            return ''
        sign = '<=' if self.is_less_better else '>='
        return f'{self.what}{sign} {short(value)} {self.unit}'.replace(' /s', '/s')


def fixed(value: float) -> Threshold:
    return lambda row, rows: value


def others(row: Row, rows: list[Row], names: tuple[str, ...] = ()) -> list[float]:
    """Figures of the same comparison; `names`: only these."""
    return [other.median() for other in rows if other.group == row.group and other.samples
            and not other.subject.startswith(OURS) and (not names or other.subject in names)]


def times_best(factor: float) -> Threshold:
    """Of whoever else was measured beside it, the highest figure."""
    return lambda row, rows: max([factor * value for value in others(row, rows)], default=None)


def least_of(*names: str) -> Threshold:
    return lambda row, rows: min(others(row, rows, names), default=None)


def times_fewest_connections(factor: float) -> Threshold:
    """Of the figure of the same link with 64 connections."""
    def threshold(row: Row, rows: list[Row]) -> Optional[float]:
        fewest = [other.median() for other in rows if other.experiment == row.experiment and other.samples
                  and other.facts.get('connections') == 64]
        return factor * fewest[0] if fewest else None
    return threshold


def times_ideal(factor: float) -> Threshold:
    """The p99 against what every answer would take if all took the same: connections / throughput."""
    def threshold(row: Row, rows: list[Row]) -> Optional[float]:
        ideal_us = row.extra('ideal_us')
        return None if ideal_us is None else factor * ideal_us
    return threshold


def times_idle(factor: float) -> Threshold:
    """Of the same requests with nothing beside them."""
    def threshold(row: Row, rows: list[Row]) -> Optional[float]:
        idle = [other.median() for other in rows if other.experiment == row.experiment and other.samples
                and other.facts['beside'] == 'and nothing else']
        return factor * idle[0] if idle else None
    return threshold


def hit_goal(row: Row, rows: list[Row]) -> Optional[float]:
    """80 % of the ceiling of the same run, and 5 M/s from 256 connections on; never less than the first bar."""
    least = 5e6 if row.facts['connections'] >= 256 else FIRST_HIT
    return max(least, times_best(0.8)(row, rows) or 0)


def of(experiment: str, **facts: object) -> Callable[[Row], bool]:
    return lambda row: row.experiment == experiment and all(row.facts.get(name) == value
                                                            for name, value in facts.items())


def is_steady_trace(row: Row) -> bool:
    """Zipf 0.9 to 1.1, alone and polluted by scans; not shifting, not with TTL."""
    return row.experiment.startswith('miss-zipf') and not row.experiment.endswith(('shifting', 'ttl'))


BARS = [
    Bar('hit', of('get-hit'), fixed(FIRST_HIT), hit_goal),
    Bar('p99', of('get-hit'), times_ideal(1.5), times_ideal(1.2), extra='p99_us', unit='us', is_less_better=True),
    Bar('pipelined', of('pipelined', depth=16), fixed(8e6), fixed(15e6)),
    Bar('zipf', of('cost-keys', key_set='10,000,000 keys, Zipf 0.99'), fixed(FIRST_HIT), fixed(5e6)),
    Bar('100k', of('cost-connections', connections=100_000, active=256), times_fewest_connections(0.7),
        times_fewest_connections(0.9)),
    Bar('half', lambda row: row.experiment == 'open-loop' and row.is_headline, fixed(50), fixed(20),
        is_less_better=True),
    Bar('close', of('new-connections'), fixed(300e3), fixed(700e3)),
    Bar('flood', of('flood'), times_best(0.5), times_best(0.8)),
    Bar('newcomers', of('flood'), fixed(0.99), fixed(1), extra='newcomers_served_share', unit='of 1'),
    Bar('idle-memory', of('idle-memory'), fixed(1024), fixed(256), is_less_better=True),
    Bar('miss', of('miss'), times_best(0.8), times_best(0.95)),
    Bar('put', of('durable-put'), times_best(1.5), times_best(4)),
    Bar('entry', of('entry-memory'), fixed(96), fixed(56), is_less_better=True),
    Bar('policy', is_steady_trace, least_of('lru'), least_of('lru', 'sieve', 's3-fifo'), is_less_better=True),
    Bar('start', of('start'), fixed(1), fixed(0.3), is_less_better=True),
    Bar('recovery', of('recovery', keys=10_000_000), fixed(10), fixed(3), is_less_better=True),
    Bar('upkeep', lambda row: row.experiment == 'upkeep' and row.facts['beside'].startswith('while'),
        times_idle(2), times_idle(1.2), is_less_better=True),
    Bar('idle', of('idle'), fixed(5), fixed(1), is_less_better=True),
]


def key_of(bar: Bar, row: Row) -> str:
    """What tells rows of one bar apart: link and connections where there are several."""
    parts = [bar.key]
    if bar.key in ('hit', 'p99', 'pipelined'):
        parts += [str(row.facts.get('link', '')), str(row.facts.get('connections', ''))]
    if bar.key == 'upkeep':
        parts.append('compaction' if 'compacted' in row.facts['beside'] else 'ingest')
    if bar.key == 'policy':
        parts += [row.experiment.removeprefix('miss-'), f'{row.facts["cache_percent"]:.1f}']
    return '/'.join(parts)


def verdict(bar: Bar, row: Row, rows: list[Row]) -> Optional[Verdict]:
    figure = row.extra(bar.extra) if bar.extra else row.median()
    first = bar.first(row, rows)
    if figure is None or first is None:
        return None
    what = bar.extra.removesuffix('_us') + ' ' if bar.extra else ''
    return Verdict(key_of(bar, row), row, figure, first, bar.goal(row, rows), bar.unit or row.unit,
                   bar.is_less_better, what)


def verdicts(rows: list[Row]) -> list[Verdict]:
    """Every bar of every row of ours that was measured."""
    found = [verdict(bar, row, rows) for row in rows if row.subject == OURS and row.samples
             for bar in BARS if bar.chooses(row)]
    return [one for one in found if one is not None]


def read_reasons(path: Path) -> dict[str, str]:
    reasons = {}
    for text in path.read_text().splitlines() if path.exists() else []:
        key, colon, reason = text.partition(':')
        if colon and not text.startswith('#') and reason.strip():
            reasons[key.strip()] = reason.strip()
    return reasons


def reason_for(key: str, reasons: dict[str, str]) -> str:
    """The one with the longest key that this one begins with."""
    fitting = [one for one in reasons if key == one or key.startswith(one + '/')]
    return reasons[max(fitting, key=len)] if fitting else UNEXPLAINED


def not_needed(found: list[Verdict], reasons: dict[str, str]) -> list[str]:
    """Keys of reasons that explain nothing any more."""
    missed = [one.key for one in found if not one.is_met()]
    return [key for key in reasons if not any(one == key or one.startswith(key + '/') for one in missed)]
