# SPDX-License-Identifier: BSD-3-Clause
"""Copies a run into the repository and puts its table into the README."""
import json
import shutil
from pathlib import Path

from tests.bench.suite.records import from_json
from tests.bench.suite.table import readme_table

BEGIN = '<!-- benchmark table: begin (generated: ./dev bench --publish) -->'
END = '<!-- benchmark table: end -->'


def replace_between(text: str, table: str) -> str:
    """Only what stands between the markers changes."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f'bench: README.md has no lines "{BEGIN}" and "{END}"')
    return f'{before}{BEGIN}\n{table}{END}{after}'


def publish(run: Path, name: str, top: Path) -> Path:
    target = top / 'tests/bench/results' / name
    target.mkdir(parents=True, exist_ok=True)
    for path in run.iterdir():
        if path.suffix in ('.json', '.md', '.svg'):
            shutil.copy(path, target / path.name)
    rows = from_json(json.loads((run / 'results.json').read_text())['rows'])
    readme = top / 'README.md'
    readme.write_text(replace_between(readme.read_text(), readme_table(rows, f'tests/bench/results/{name}')))
    return target
