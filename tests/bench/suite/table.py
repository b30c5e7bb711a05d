# SPDX-License-Identifier: BSD-3-Clause
"""The results as Markdown: everything, and the short table of the README."""
from typing import Any

from tests.bench.suite.figures import share, short
from tests.bench.suite.records import OURS, Row, ratio
from tests.bench.suite.sampling import RULES

COLUMNS = ('what', 'subject', 'median', 'min .. max', 'p50', 'p99', 'link', 'keys', 'connections', 'depth',
           'bytes per answer', 'verified', 'client busy', 'server busy', 'cores', 'runs', 'note')


def line(cells: Any) -> str:
    return '| ' + ' | '.join(str(cell).replace('|', '\\|') for cell in cells) + ' |'


def figure(value: float, unit: str) -> str:
    return f'{short(value)} {unit}'.replace(' /s', '/s')


def microseconds(row: Row, name: str) -> str:
    value = row.extra(name)
    return '' if value is None else short(value) + ' us'


def runs(row: Row) -> str:
    marked = sum(bool(sample.mark) for sample in row.samples)
    return f'{len(row.samples)}' + (f', {marked} set aside' if marked else '')


def full_row(row: Row) -> str:
    facts = row.facts
    if not row.samples:
        return line([row.group, row.subject, 'not measured', *[''] * 13, row.note])
    spread = f'{short(row.lowest())} .. {short(row.highest())}'
    return line([row.group, row.subject, figure(row.median(), row.unit), spread, microseconds(row, 'p50_us'),
                 microseconds(row, 'p99_us'), facts.get('link', ''), facts.get('key_set', ''),
                 facts.get('connections', ''), facts.get('depth', ''), facts.get('response_bytes', ''),
                 facts.get('verified', ''), share(row.typical('client_busy')), share(row.typical('server_busy')),
                 facts.get('cores', ''), runs(row), row.note])


def full_table(rows: list[Row], machine: dict[str, Any], charts: list[str]) -> str:
    about = [f'- {name}: {value}' for name, value in machine.items()]
    lines = ['# Results', '', *about, '',
             f'Medians of short runs taken in turn; a run is set aside when {RULES}. min .. max is over all runs.',
             'Busy: share of a core in rounds that had work (the server\'s from its own counter; of other '
             'servers, the share of their core that was not idle).', '',
             line(COLUMNS), line(['---'] * len(COLUMNS)), *map(full_row, rows), '']
    return '\n'.join(lines + [f'![{name}]({name}.svg)' for name in charts]) + '\n'


def comparisons(rows: list[Row]) -> list[tuple[Row, list[Row]]]:
    """Our headline rows, each with the others of its group."""
    return [(row, [other for other in rows if other.group == row.group and other.subject != row.subject
                   and not other.subject.startswith(OURS) and other.samples])
            for row in rows if row.is_headline and row.subject.startswith(OURS) and row.samples]


def brief(row: Row) -> str:
    """What a reader must know to repeat it."""
    names = ('link', 'key_set', 'connections', 'depth', 'response_bytes')
    units = {'connections': ' connections', 'response_bytes': ' B', 'depth': ' in flight on each'}
    return ', '.join(f'{row.facts[name]}{units.get(name, "")}' for name in names if row.facts.get(name))


def readme_table(rows: list[Row], folder: str) -> str:
    lines = [line(['what', 'how', 'gannet', 'others in the same run', 'ratio']), line(['---'] * 5)]
    for row, others in comparisons(rows):
        texts = [f'{other.subject} {figure(other.median(), other.unit)}' for other in others]
        ratios = [f'{short(ratio(row, other))}' for other in others]
        what = row.group + ('' if row.subject == OURS else f' ({row.subject.removeprefix(OURS).strip(", ")})')
        lines.append(line([what, brief(row), figure(row.median(), row.unit), '<br>'.join(texts),
                           '<br>'.join(ratios)]))
    return '\n'.join([*lines, '', 'Ratio above 1: gannet is better. Medians; spread, how busy both sides were and '
                      f'every other row: [{folder}]({folder}/table.md).']) + '\n'
