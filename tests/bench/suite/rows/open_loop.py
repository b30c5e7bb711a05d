# SPDX-License-Identifier: BSD-3-Clause
"""Latency against load: requests fall due at a rate, so that a stall counts against every one of them."""
import dataclasses

from tests.bench.suite.bench import Bench
from tests.bench.suite.client import Link, Load
from tests.bench.suite.gannet_server import Gannet
from tests.bench.suite.records import OURS, Row, Sample
from tests.bench.suite.sampling import Entry
from tests.bench.suite.shared_memory import gannet_on_memif

CONNECTIONS = 256
HALF = 0.5


def latency(bench: Bench) -> None:
    with gannet_on_memif(bench) as (server, link):
        bench.load_keys(link, 1)
        closed = Load(CONNECTIONS, bench.depth.seconds, warmup_s=bench.depth.warmup_s)
        peak = bench.run_client(link, closed).responses_per_s
        steps = [step(bench, server, link, closed, share, peak) for share in bench.depth.load_steps]
        bench.measure(steps + [stalls(bench)])


def step(bench: Bench, server: Gannet, link: Link, closed: Load, share: float, peak: float) -> Entry:
    """The row's figure is the p99 at that rate; the rates are shares of the peak found at the start."""
    load = dataclasses.replace(closed, rate=round(peak * share))
    row = bench.row('open-loop', f'p99 of a GET hit at {share:.0%} of the peak', OURS, load, link.name, unit='us',
                    is_less_better=True, is_headline=share == HALF, series='gannet, memif',
                    facts={'rate': load.rate, 'arrivals': 'Poisson'})
    return Entry(row, lambda: p99_of(row, bench.sample_gannet(server, link, load, row), load.rate))


def stalls(bench: Bench) -> Entry:
    """The floor under all other rows: what kernel and host take from the two cores meanwhile."""
    row = bench.row('open-loop', 'p99 of waiting for a core that only looks at the clock', 'this machine',
                    unit='us', is_less_better=True)

    def take() -> Sample:
        p99_us, share = bench.ask_machine('core_stalls', bench.depth.seconds, bench.cores.client,
                                          bench.cores.server).split()
        row.note = f'{float(share):.1%} of the time in gaps of 20 us and more, client and server core together'
        return Sample(float(p99_us))

    return Entry(row, take)


def p99_of(row: Row, sample: Sample, rate: int) -> Sample:
    reached = sample.value
    sample.extra['reached_per_s'] = reached
    row.note = f'{rate:,}/s asked for, {reached:,.0f}/s answered, Poisson'
    sample.value = sample.extra['p99_us']
    return sample
