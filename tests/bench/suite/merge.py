# SPDX-License-Identifier: BSD-3-Clause
"""Several runs of the suite as one result: an experiment that was run again replaces what it was before."""
import dataclasses
import json
from pathlib import Path
from typing import Any, Optional

from tests.bench.suite.process import Failed
from tests.bench.suite.records import Row, from_json, to_json

RESULTS = 'results.json'


@dataclasses.dataclass
class Results:
    rows: list[Row]
    machines: list[dict[str, Any]]  # of each run that rows are left of, the oldest first

    def dates(self) -> list[str]:
        return [machine['date'] for machine in self.machines]


def read(folder: Path) -> Results:
    """Rows of before there were dates in them have that of their file."""
    try:
        found = json.loads((folder / RESULTS).read_text())
    except (OSError, ValueError) as error:
        raise Failed(f'{folder}: no results of a run: {error}') from None
    machines = found.get('machines') or [found['machine']]
    rows = from_json(found['rows'])
    for row in rows:
        row.date = row.date or str(machines[-1].get('date', 'unknown'))
    return Results(rows, machines)


def write(results: Results, folder: Path) -> None:
    (folder / RESULTS).write_text(json.dumps({'machines': results.machines, 'rows': to_json(results.rows)},
                                             indent=1) + '\n')


def origin(row: Row) -> str:
    """The name by which --only takes it; rows of old results know only their chart."""
    return row.part or row.experiment


def merged(runs: list[Results], order: Optional[list[str]] = None) -> Results:
    """The later replaces the earlier, experiment by experiment; in the suite's order."""
    latest: dict[str, list[Row]] = {}
    for run in runs:
        parts: dict[str, list[Row]] = {}
        for row in run.rows:
            parts.setdefault(origin(row), []).append(row)
        latest |= parts
    places = {name: number for number, name in enumerate(order or [])}
    names = sorted(latest, key=lambda name: places.get(name, len(places)))
    rows = [row for name in names for row in latest[name]]
    dates = {row.date for row in rows}
    machines = {machine['date']: machine for run in runs for machine in run.machines}
    return Results(rows, [machine for date, machine in sorted(machines.items()) if date in dates])


def parts_by_date(results: Results) -> dict[str, list[str]]:
    """Which experiments are of which run."""
    found: dict[str, list[str]] = {}
    for row in results.rows:
        parts = found.setdefault(row.date, [])
        if origin(row) not in parts:
            parts.append(origin(row))
    return found
