# SPDX-License-Identifier: BSD-3-Clause
"""Writes results into a folder; copies those of runs into the repository, their table into the README."""
from pathlib import Path

from tests.bench.suite import bars, merge, plots, table

BEGIN = '<!-- benchmark table: begin (generated: ./dev bench --publish) -->'
END = '<!-- benchmark table: end -->'


def replace_between(text: str, new: str) -> str:
    """Only what stands between the markers changes."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f'bench: README.md has no lines "{BEGIN}" and "{END}"')
    return f'{before}{BEGIN}\n{new}{END}{after}'


def write_results(results: merge.Results, folder: Path) -> None:
    """results.json, table.md and the plots; what an earlier writing left there and is no more is removed."""
    merge.write(results, folder)
    charts = plots.write_plots(results.rows, folder)
    for path in folder.glob('*.svg'):
        if path.stem not in charts:
            path.unlink()
    reasons = bars.read_reasons(folder / bars.REASONS)
    (folder / 'table.md').write_text(table.full_table(results, charts, reasons))


def publish(runs: list[Path], name: str, top: Path, order: list[str]) -> tuple[Path, list[str]]:
    """Returns the folder, and what a person has yet to see to."""
    target = top / 'tests/bench/results' / name
    results = merge.merged([merge.read(run) for run in runs], order)
    target.mkdir(parents=True, exist_ok=True)
    write_results(results, target)
    reasons = bars.read_reasons(target / bars.REASONS)
    readme = top / 'README.md'
    new = table.readme_table(results, f'tests/bench/results/{name}', reasons)
    readme.write_text(replace_between(readme.read_text(), new))
    return target, to_see_to(bars.verdicts(results.rows), reasons, target / bars.REASONS)


def to_see_to(found: list[bars.Verdict], reasons: dict[str, str], path: Path) -> list[str]:
    unexplained = [one for one in found if not one.is_met()
                   and bars.reason_for(one.key, reasons) == bars.UNEXPLAINED]
    return ([f'{one.key} is not met ({one.bar()}, measured {table.figure(one.figure, one.unit)}), and {path} does '
             'not say why' for one in unexplained] +
            [f'{path}: "{key}" explains nothing: all its bars are met or not measured'
             for key in bars.not_needed(found, reasons)])
