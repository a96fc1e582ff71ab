"""Times of calls as SVG: a line of dots for each model, and a box around the middle half."""

from __future__ import annotations

from collections.abc import Iterator

from ucseg_cli.report.formats.cells import one_line
from ucseg_cli.report.formats.screen import shorten_middle
from ucseg_cli.report.pictures.ruler import Ruler, make_ruler
from ucseg_cli.report.pictures.scatter import Scale, Strip, Strips
from ucseg_cli.report.pictures.svg.elements import Drawing, clean, draw_frame, short
from ucseg_cli.units import format_duration

LEFT, RIGHT = 40, 736
TOP, ROW, FOOT = 8, 64, 56
"""Units above the first model, of each, and below the last; a row has its name above its dots."""
LINE, BOX, LEVELS = 42, 11, 5
"""Where in its row the line of a model is, half the height of its box, levels of dots on it."""
TICKS = 6
LONGEST_NAME = 60
STYLE = """
.strips { display: block; width: 100%; height: auto; }
.strips text { font: 11px system-ui, sans-serif; fill: var(--quiet); }
.strips .name { font-weight: 600; fill: var(--ink); }
.strips .grid { stroke: var(--line); }
.strips .call { fill: var(--accent); fill-opacity: .35; r: 2.5px; }
.strips .box { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.strips .middle { stroke: var(--ink); stroke-width: 3; }
@media (max-width: 40rem) {
  .strips text { font-size: 22px; }
  .strips .few { display: none; }
  .strips .call { r: 4px; }
}
""".strip()


def draw_strips(strips: Strips, name: str) -> Drawing:
    """The whole picture; *name* is its own on a page, as an attribute may hold it."""
    height = TOP + ROW * len(strips.rows) + FOOT
    every = [call for row in strips.rows for call in (*row.calls, *row.quartiles)]
    ruler = make_ruler(Scale("time of one call", in_time=True), every)
    parts = [
        *_edge(ruler, height),
        *(part for place, row in enumerate(strips.rows) for part in _row(row, place, ruler)),
    ]
    return draw_frame("strips", name, height, (strips.title, strips.description), STYLE, parts)


def _edge(ruler: Ruler, height: int) -> Iterator[str]:
    """The grid with its times, and what they are."""
    bottom = height - FOOT
    for number, (share, text) in enumerate(ruler.ticks(TICKS)):
        x = _x(share)
        few = ' class="few"' if number % 2 else ""
        yield f'<path class="grid" d="M{x} {TOP}V{bottom}"/>'
        yield f'<text{few} x="{x}" y="{bottom + 16}" text-anchor="middle">{clean(text)}</text>'
    yield f'<text x="{RIGHT}" y="{bottom + 46}" text-anchor="end">time of one call →</text>'


def _row(row: Strip, place: int, ruler: Ruler) -> Iterator[str]:
    y = TOP + place * ROW + LINE
    low, middle, high = (_x(ruler.place(figure)) for figure in row.quartiles)
    shown = shorten_middle(one_line(row.name), LONGEST_NAME, "…")
    times = " to ".join(format_duration(row.quartiles[end]) for end in (0, 2))
    yield f'<text class="name" x="{LEFT}" y="{y - 20}">{clean(shown)}</text>'
    for number, call in enumerate(row.calls):
        level = y + (number % LEVELS - LEVELS // 2) * 3  # side by side, so that none hides another
        yield f'<circle class="call" cx="{_x(ruler.place(call))}" cy="{level}"/>'
    title = f"<title>{clean(f'{row.name}: half of all calls took {times}')}</title>"
    yield f'<path class="box" d="M{low} {y - BOX}H{high}V{y + BOX}H{low}Z">{title}</path>'
    yield f'<path class="middle" d="M{middle} {y - BOX}V{y + BOX}"/>'


def _x(share: float) -> str:
    return short(LEFT + share * (RIGHT - LEFT))
