# SPDX-License-Identifier: BSD-3-Clause
"""A flood of spoofed SYNs: what open connections keep of their rate, and whether new ones get in."""
import dataclasses

from tests.bench.suite.bench import Bench
from tests.bench.suite.client import Load
from tests.bench.suite.records import OURS
from tests.bench.suite.sampling import Entry
from tests.bench.suite.shared_memory import gannet_on_memif

SYN_PER_S = 1_000_000  # from the client's core, beside its load
NEWCOMERS_PER_S = 2000


def syn_flood(bench: Bench) -> None:
    """One server, calm and flooded in turn."""
    calm = Load(256, bench.depth.seconds, warmup_s=bench.depth.warmup_s)
    flooded = dataclasses.replace(calm, flood=SYN_PER_S, newcomers=NEWCOMERS_PER_S)
    group = f'GET hit while {SYN_PER_S:,} spoofed SYN/s arrive'
    ours = bench.row('flood', group, OURS, flooded, 'memif', is_headline=True)
    without = bench.row('flood', group, 'without the flood', calm, 'memif')
    with gannet_on_memif(bench) as (server, link):
        bench.load_keys(link, 1)
        bench.measure([Entry(ours, lambda: bench.sample_gannet(server, link, flooded, ours)),
                       Entry(without, lambda: bench.sample_gannet(server, link, calm, without))])
