# SPDX-License-Identifier: BSD-3-Clause
"""Line charts as SVG: logarithmic or linear axes, a legend, whiskers from the lowest to the highest run.

Colours follow the reader's light or dark setting; a series also differs by its marker, so that it can be read
without colour.
"""
import dataclasses
import math
from html import escape

from tests.bench.suite.figures import short

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 46, 56
LEGEND_LINE = 19
COLOURS = [('#0b62c4', '#6cb0ff'), ('#c4440b', '#ff9a66'), ('#1a7f37', '#57d37a'), ('#8250df', '#c297ff'),
           ('#9a6700', '#e3b341'), ('#bf3989', '#ff80c8'), ('#57606a', '#b1bac4'), ('#0a7d7d', '#4fd6d6')]
MARKERS = ['circle', 'square', 'diamond', 'triangle']


@dataclasses.dataclass
class Point:
    x: float
    y: float
    low: float
    high: float


@dataclasses.dataclass
class Series:
    name: str
    points: list[Point]


@dataclasses.dataclass
class Axis:
    label: str
    is_logarithmic: bool = False


class Scale:
    """Maps values to pixels."""

    def __init__(self, values: list[float], is_logarithmic: bool, first_px: float, last_px: float):
        self.is_logarithmic = is_logarithmic
        if is_logarithmic:
            self.low, self.high = logarithmic_bounds([value for value in values if value > 0] or [1.0])
        else:
            self.low, self.high = 0.0, linear_top(max([0.0, *values]))
        self.first_px, self.last_px = first_px, last_px

    def place(self, value: float) -> float:
        if self.is_logarithmic:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.first_px + share * (self.last_px - self.first_px)

    def ticks(self) -> list[float]:
        if not self.is_logarithmic:
            step = linear_step(self.high)
            return [step * number for number in range(round(self.high / step) + 1)]
        decades = math.log10(self.high / self.low)
        factors = (1, 2, 5) if decades <= 2.1 else (1,)
        candidates = [factor * 10.0 ** power for power in
                      range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
                      for factor in factors]
        return [value for value in candidates if self.low * 0.999 <= value <= self.high * 1.001]


def logarithmic_bounds(values: list[float]) -> tuple[float, float]:
    """The values with a little room; at least a factor of two."""
    low, high = min(values) / 1.15, max(values) * 1.15
    return (low, high) if high / low >= 2 else (low / 1.5, high * 1.5)


def linear_step(top: float) -> float:
    """1, 2 or 5 times a power of ten, 4 to 8 of them up to `top`."""
    rough = top / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def linear_top(highest: float) -> float:
    if highest <= 0:
        return 1.0
    step = linear_step(highest * 1.05)
    return math.ceil(highest * 1.05 / step) * step


def draw(title: str, x_axis: Axis, y_axis: Axis, series: list[Series]) -> str:
    points = [point for one in series for point in one.points]
    legend_top = HEIGHT + 4
    height = legend_top + LEGEND_LINE * math.ceil(len(series) / 2) + 8
    x = Scale([point.x for point in points], x_axis.is_logarithmic, LEFT, WIDTH - RIGHT)
    y = Scale([value for point in points for value in (point.low, point.y, point.high)],
              y_axis.is_logarithmic, HEIGHT - BOTTOM, TOP)
    parts = [head(title, height), *grid(x, y, x_axis, y_axis)]
    for number, one in enumerate(series):
        parts += curve(number, one, x, y)
        parts += legend_entry(number, one.name, legend_top)
    return '\n'.join([*parts, '</svg>']) + '\n'


def head(title: str, height: float) -> str:
    light = ''.join(f'.s{number}{{--c:{pair[0]}}}' for number, pair in enumerate(COLOURS))
    dark = ''.join(f'.s{number}{{--c:{pair[1]}}}' for number, pair in enumerate(COLOURS))
    return f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">
<title>{escape(title)}</title>
<style>
svg{{--ink:#1f2328;--grid:#d8dee4;--paper:#ffffff;font:13px system-ui,sans-serif}}{light}
@media (prefers-color-scheme:dark){{svg{{--ink:#e6edf3;--grid:#30363d;--paper:#0d1117}}{dark}}}
text{{fill:var(--ink)}}.grid{{stroke:var(--grid)}}.line{{fill:none;stroke:var(--c);stroke-width:2}}
.whisker{{stroke:var(--c);opacity:.7}}.marker{{fill:var(--c)}}.title{{font-size:16px;font-weight:600}}
</style>
<rect width="{WIDTH}" height="{height}" style="fill:var(--paper)"/>
<text class="title" x="{LEFT}" y="26">{escape(title)}</text>'''


def grid(x: Scale, y: Scale, x_axis: Axis, y_axis: Axis) -> list[str]:
    bottom = HEIGHT - BOTTOM
    parts = []
    for value in y.ticks():
        at = y.place(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
                     f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{short(value)}</text>')
    for value in x.ticks():
        at = x.place(value)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>'
                     f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{short(value)}</text>')
    middle = (TOP + bottom) / 2
    return parts + [
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">'
        f'{escape(x_axis.label)}</text>',
        f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">'
        f'{escape(y_axis.label)}</text>']


def curve(number: int, series: Series, x: Scale, y: Scale) -> list[str]:
    style = f's{number % len(COLOURS)}'
    points = sorted(series.points, key=lambda point: point.x)
    path = ' '.join(f'{x.place(point.x):.1f},{y.place(point.y):.1f}' for point in points)
    parts = [f'<polyline class="{style} line" points="{path}"/>']
    for point in points:
        at, low, high = x.place(point.x), y.place(point.low), y.place(point.high)
        parts.append(f'<path class="{style} whisker" d="M{at:.1f} {low:.1f}V{high:.1f}M{at - 4:.1f} {low:.1f}h8'
                     f'M{at - 4:.1f} {high:.1f}h8"/>')
        parts.append(marker(number, at, y.place(point.y)))
    return parts


def marker(number: int, x: float, y: float) -> str:
    style = f'class="s{number % len(COLOURS)} marker"'
    kind = MARKERS[number % len(MARKERS)]
    if kind == 'circle':
        return f'<circle {style} cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    if kind == 'square':
        return f'<rect {style} x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"/>'
    if kind == 'diamond':
        return f'<path {style} d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"/>'
    return f'<path {style} d="M{x:.1f} {y - 5:.1f}l5 9h-10z"/>'


def legend_entry(number: int, name: str, top: float) -> list[str]:
    x = LEFT + (number % 2) * (WIDTH - LEFT - RIGHT) / 2
    y = top + (number // 2) * LEGEND_LINE
    style = f's{number % len(COLOURS)}'
    return [f'<path class="{style} line" d="M{x:.1f} {y:.1f}h24"/>', marker(number, x + 12, y),
            f'<text x="{x + 31:.1f}" y="{y + 4:.1f}">{escape(name)}</text>']
