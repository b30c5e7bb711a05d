# SPDX-License-Identifier: BSD-3-Clause
"""Miss ratios of our cache and of three reference policies on generated traces: counts, not times."""
import json

from tests.bench.suite.bench import Bench
from tests.bench.suite.plots import slug
from tests.bench.suite.process import run
from tests.bench.suite.records import Sample

PROGRAM_S = 120


def miss_ratios(bench: Bench) -> None:
    """One row per trace, cache size and policy; seeded, so one run says it all."""
    path = bench.folder('policy') / 'ratios.json'
    run([bench.build / 'tests/bench/bench_cache_policy', path], PROGRAM_S)
    for record in json.loads(path.read_text()):
        percent = 100 * record['cache_fraction']
        row = bench.row(f'miss-{slug(record["workload"])}',
                        f'misses, {record["workload"]}, cache of {percent:.1f} % of the keys', record['policy'],
                        unit='%', facts={'cache_percent': percent}, is_less_better=True)
        row.samples.append(Sample(100 * record['miss_ratio']))
