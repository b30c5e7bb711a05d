# SPDX-License-Identifier: BSD-3-Clause
"""The results as Markdown: everything, and the short table of the README."""
from typing import Any

from tests.bench.suite.bars import UNEXPLAINED, Verdict, reason_for, verdicts
from tests.bench.suite.figures import share, short
from tests.bench.suite.merge import Results, parts_by_date
from tests.bench.suite.records import OURS, Row, ratio
from tests.bench.suite.sampling import RULES

COLUMNS = ('what', 'subject', 'median', 'min .. max', 'p50', 'p99', 'link', 'keys', 'connections', 'depth',
           'bytes per answer', 'verified', 'client busy', 'server busy', 'cores', 'runs', 'note')
BAR_COLUMNS = ('what', 'measured', 'first bar', 'goal', '', 'what limits it', 'key')


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


def connections(row: Row) -> str:
    """Open, and where fewer are in use, how many requests are in flight over all of them."""
    active = row.facts.get('active')
    return f'{row.facts.get("connections", "")}' + (f', {active} in flight' if active else '')


def full_row(row: Row) -> str:
    facts = row.facts
    if not row.samples:
        return line([row.group, row.subject, 'not measured', *[''] * 13, row.note])
    spread = f'{short(row.lowest())} .. {short(row.highest())}'
    return line([row.group, row.subject, figure(row.median(), row.unit), spread, microseconds(row, 'p50_us'),
                 microseconds(row, 'p99_us'), facts.get('link', ''), facts.get('key_set', ''),
                 connections(row), facts.get('depth', ''), facts.get('response_bytes', ''),
                 facts.get('verified', ''), share(row.typical('client_busy')), share(row.typical('server_busy')),
                 facts.get('cores', ''), runs(row), row.note])


# ---- the machine, and when ----------------------------------------------------------------------

def about(results: Results) -> list[str]:
    """What is the same for all runs once; what differs, and which experiments it is about, per run."""
    lines, machines, parts = [], results.machines, parts_by_date(results)
    for name in dict.fromkeys(name for machine in machines for name in machine):
        values = [str(machine.get(name, '')) for machine in machines]
        if len(set(values)) == 1:
            lines.append(f'- {name}: {values[0]}')
            continue
        lines += [f'- {name}: {value} ({", ".join(parts[machine["date"]])})'
                  for value, machine in zip(values, machines) if value]
    return lines


# ---- bars ---------------------------------------------------------------------------------------

def bar_row(verdict: Verdict, reasons: dict[str, str]) -> str:
    known = filter(None, (reason_for(verdict.key, reasons), verdict.gaps()))
    reason = '' if verdict.is_met() else '. '.join(known)
    word = f'**{verdict.word()}**' if not verdict.is_met() else verdict.word()
    return line([verdict.row.group, f'{verdict.what}{figure(verdict.figure, verdict.unit)}', verdict.bar(),
                 verdict.threshold(verdict.goal), word, reason, verdict.key])


def bar_table(rows: list[Row], reasons: dict[str, str]) -> list[str]:
    found = verdicts(rows)
    if not found:
        return []
    met, goals = sum(one.is_met() for one in found), sum(one.word() == 'goal met' for one in found)
    return ['## Bars', '', f'{met} of {len(found)} first bars are met, {goals} of them with their goal.', '',
            line(BAR_COLUMNS), line(['---'] * len(BAR_COLUMNS)), *(bar_row(one, reasons) for one in found), '']


def full_table(results: Results, charts: list[str], reasons: dict[str, str]) -> str:
    lines = ['# Results', '', *about(results), '',
             f'Medians of short runs taken in turn; a run is set aside when {RULES}. min .. max is over all runs.',
             'Busy: share of a core in rounds that had work (the server\'s from its own counter; of other '
             'servers, the share of their core that was not idle).', '',
             *bar_table(results.rows, reasons), '## All rows', '',
             line(COLUMNS), line(['---'] * len(COLUMNS)), *map(full_row, results.rows), '']
    return '\n'.join(lines + [f'![{name}]({name}.svg)' for name in charts]) + '\n'


# ---- the README ---------------------------------------------------------------------------------

def comparisons(rows: list[Row]) -> list[tuple[Row, list[Row]]]:
    """Our headline rows, each with the others of its group."""
    return [(row, [other for other in rows if other.group == row.group and other.subject != row.subject
                   and not other.subject.startswith(OURS) and other.samples])
            for row in rows if row.is_headline and row.subject.startswith(OURS) and row.samples]


class Footnotes:
    """Reasons by number; one that serves several rows is printed once."""

    def __init__(self, reasons: dict[str, str]):
        self.reasons, self.texts = reasons, []

    def mark(self, verdict: Verdict) -> str:
        if verdict.is_met():
            return f'{verdict.bar()}: {verdict.word()}'
        text = reason_for(verdict.key, self.reasons)
        if text == UNEXPLAINED:
            return f'{verdict.bar()}: **not met, {UNEXPLAINED}**'
        if text not in self.texts:
            self.texts.append(text)
        number = f'{verdict.bar()}: **not met** ({self.texts.index(text) + 1})'
        return '; '.join(filter(None, (number, verdict.gaps())))

    def lines(self) -> list[str]:
        numbered = [f'{number}. {text}' for number, text in enumerate(self.texts, 1)]
        return ['', 'What limits the rows whose first bar is not met, by measurement:', '', *numbered] \
            if numbered else []


def when(results: Results) -> str:
    """One date for all, or which experiments are of which."""
    days = {date: date[:10] for date in results.dates()}
    if len(set(days.values())) <= 1:
        return f' Measured {", ".join(sorted(set(days.values())))}.'
    parts = parts_by_date(results)
    return ' Measured ' + '; '.join(f'{days[date]}: {", ".join(parts[date])}' for date in results.dates()) + '.'


def readme_table(results: Results, folder: str, reasons: dict[str, str]) -> str:
    """Beside each row of ours the strongest of the others."""
    found, notes = verdicts(results.rows), Footnotes(reasons)
    lines = [line(['what', 'gannet', 'best of the others, same run', 'ratio', 'bar']), line(['---'] * 5)]
    for row, others in comparisons(results.rows):
        best = min(others, key=lambda other: ratio(row, other), default=None)
        what = row.group + ('' if row.subject == OURS else f' ({row.subject.removeprefix(OURS).strip(", ")})')
        lines.append(line([what, figure(row.median(), row.unit),
                           f'{best.subject} {figure(best.median(), best.unit)}' if best else '',
                           short(ratio(row, best)) if best else '',
                           '<br>'.join(notes.mark(one) for one in found if one.row is row)]))
    answers = {row.facts['response_bytes'] for row in results.rows
               if row.experiment == 'get-hit' and row.subject == OURS and 'response_bytes' in row.facts}
    hot = 'one hot key' + ''.join(f' and answers of {count} B' for count in sorted(answers)[:1])
    explained = (f'Ratio above 1: gannet is better. Medians, with {hot} where a row '
                 'says nothing else; link, keys, connections, spread, how busy both sides were, the other peers '
                 f'and all further rows: [{folder}]({folder}/table.md).{when(results)}')
    return '\n'.join([*lines, '', explained, *notes.lines()]) + '\n'
