# SPDX-License-Identifier: BSD-3-Clause
"""Which charts there are, as data: an experiment's rows, what is on the axes, and the words."""
import dataclasses
from pathlib import Path
from typing import Optional

from tests.bench.suite.chart import Axis, Point, Series, draw
from tests.bench.suite.records import Row


@dataclasses.dataclass
class Plot:
    name: str
    title: str
    experiment: str
    x_fact: str
    x_axis: Axis
    y_axis: Axis
    extra: str = ''  # empty: the row's own figure
    also: str = ''  # a second extra of the same rows, as further series


def slug(words: str) -> str:
    """As part of a file name."""
    return '-'.join(''.join(c if c.isalnum() or c == '.' else ' ' for c in words.lower()).split())


def logarithmic(label: str) -> Axis:
    return Axis(label, is_logarithmic=True)


CONNECTIONS = logarithmic('connections, one request in flight on each')
KEYS = logarithmic('keys of 16 bytes, values of 128')
PLOTS = [
    Plot('get-hit', 'GET hit: requests per second', 'get-hit', 'connections', CONNECTIONS, Axis('requests/s')),
    Plot('get-hit-p99', 'GET hit: p99, and what connections/throughput would be', 'get-hit', 'connections',
         CONNECTIONS, logarithmic('microseconds'), extra='p99_us', also='ideal_us'),
    Plot('pipelined', 'GET hit, 16 requests in flight on each connection', 'pipelined', 'connections', CONNECTIONS,
         Axis('requests/s')),
    Plot('latency-against-load', 'Latency against load, open loop', 'open-loop', 'rate',
         logarithmic('requests/s'), logarithmic('microseconds'), extra='p50_us', also='p99_us'),
    Plot('cost-against-connections', 'Cost of a GET hit against open connections', 'cost-connections',
         'connections', logarithmic('open connections'), Axis('server nanoseconds per request'),
         extra='server_ns'),
    Plot('cost-against-keys', 'Cost of a GET against keys', 'cost-keys', 'keys', logarithmic('keys'),
         Axis('server nanoseconds per request'), extra='server_ns'),
    Plot('cost-against-value', 'Cost of a GET hit against value size', 'cost-value', 'value_bytes',
         logarithmic('bytes per value'), logarithmic('server nanoseconds per request'), extra='server_ns'),
    Plot('bytes-against-value', 'Bytes per second against value size', 'cost-value', 'value_bytes',
         logarithmic('bytes per value'), logarithmic('bytes/s'), extra='bytes_per_s'),
    Plot('peers-veth', 'Peers, one core each, gannet-bench over veth', 'peers-veth', 'connections', CONNECTIONS,
         logarithmic('requests/s')),
    Plot('peers-wrk', 'Peers, one core each, wrk', 'peers-wrk', 'connections', CONNECTIONS,
         logarithmic('requests/s')),
    Plot('recovery', 'Recovery after kill -9 against keys', 'recovery', 'keys', KEYS,
         logarithmic('seconds until ready')),
    Plot('recovery-memory', 'Memory at the end of recovery against keys', 'recovery', 'keys', KEYS,
         logarithmic('MiB'), extra='peak_mib', also='index_mib'),
    *(Plot(f'miss-{slug(trace)}', f'Misses, {trace}', f'miss-{slug(trace)}', 'cache_percent',
           logarithmic('cache, % of the keys'), Axis('misses, % of the requests'))
      for trace in ('zipf 0.9', 'zipf 1.0, 30 % scan', 'zipf 1.0, shifting', 'zipf 1.0, half with TTL')),
]


def point(row: Row, x_fact: str, extra: str) -> Optional[Point]:
    if not row.samples or x_fact not in row.facts:
        return None
    if not extra:
        return Point(row.facts[x_fact], row.median(), row.lowest(), row.highest())
    middle = row.extra(extra)
    return None if middle is None else Point(row.facts[x_fact], middle, *row.extremes(extra))


def series_of(plot: Plot, rows: list[Row]) -> list[Series]:
    found: dict[str, list[Point]] = {}
    for row in rows:
        if row.experiment != plot.experiment:
            continue
        for extra in filter(None, (plot.extra, plot.also)) if plot.extra else ('',):
            name = row.series or row.subject
            if plot.also:
                name += ': ' + extra.removesuffix('_us').replace('ideal', 'connections/throughput')
            if made := point(row, plot.x_fact, extra):
                found.setdefault(name, []).append(made)
    return [Series(name, points) for name, points in found.items()]


def write_plots(rows: list[Row], folder: Path) -> list[str]:
    """Charts that have something to show; returns their names."""
    written = []
    for plot in PLOTS:
        series = series_of(plot, rows)
        if any(len(one.points) > 1 for one in series):
            (folder / f'{plot.name}.svg').write_text(draw(plot.title, plot.x_axis, plot.y_axis, series))
            written.append(plot.name)
    return written
