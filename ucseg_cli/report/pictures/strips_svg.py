"""Times of calls as SVG: a line of dots for each model, and a box around the middle half."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ucseg_cli.report.formats.cells import one_line
from ucseg_cli.report.formats.screen import shorten_middle
from ucseg_cli.report.pictures.ruler import Ruler, make_ruler
from ucseg_cli.report.pictures.scatter import Scale, Strip, Strips
from ucseg_cli.units import format_duration

WIDTH, LEFT, RIGHT = 760, 40, 736
TOP, ROW, FOOT = 8, 64, 44
"""Units above the first model, of each, and below the last; a row has its name above its dots."""
LINE, BOX, LEVELS = 42, 11, 5
"""Where in its row the line of a model is, half the height of its box, levels of dots on it."""
TICKS = 6
LONGEST_NAME = 60
STYLE = """
.strips { display: block; width: 100%; height: auto; }
.strips text { font: 11px system-ui, sans-serif; fill: var(--quiet, #5b6470); }
.strips .name { font-weight: 600; fill: var(--ink, #16191d); }
.strips .grid { stroke: var(--line, #e3e6ea); }
.strips .call { fill: var(--accent, #0b7285); fill-opacity: .35; r: 2.5px; }
.strips .box { fill: none; stroke: var(--ink, #16191d); stroke-width: 1.5; }
.strips .middle { stroke: var(--ink, #16191d); stroke-width: 3; }
@media (max-width: 40rem) {
  .strips text { font-size: 22px; }
  .strips .few { display: none; }
  .strips .call { r: 4px; }
}
""".strip()


def strips_svg(strips: Strips, name: str) -> str:
    """The whole picture; *name* is its own on a page, as an attribute may hold it."""
    height = TOP + ROW * len(strips.rows) + FOOT
    every = [call for row in strips.rows for call in (*row.calls, *row.quartiles)]
    ruler = make_ruler(Scale("time of one call", in_time=True), every)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="strips" viewBox="0 0 {WIDTH} {height}"',
        f' role="img" aria-labelledby="{name}-title {name}-desc">',
        f'<title id="{name}-title">{_text(strips.title)}</title>',
        f'<desc id="{name}-desc">{_text(strips.description)}</desc>',
        f"<style>{STYLE}</style>",
        *_edge(ruler, height),
        *(part for place, row in enumerate(strips.rows) for part in _row(row, place, ruler)),
        "</svg>",
    ]
    return "\n".join(parts)


def _edge(ruler: Ruler, height: int) -> Iterator[str]:
    """The grid with its times, and what they are."""
    bottom = height - FOOT
    for number, (share, text) in enumerate(ruler.ticks(TICKS)):
        x = _x(share)
        few = ' class="few"' if number % 2 else ""
        yield f'<path class="grid" d="M{x} {TOP}V{bottom}"/>'
        yield f'<text{few} x="{x}" y="{bottom + 16}" text-anchor="middle">{_text(text)}</text>'
    yield f'<text x="{RIGHT}" y="{bottom + 34}" text-anchor="end">time of one call →</text>'


def _row(row: Strip, place: int, ruler: Ruler) -> Iterator[str]:
    y = TOP + place * ROW + LINE
    low, middle, high = (_x(ruler.place(figure)) for figure in row.quartiles)
    shown = shorten_middle(one_line(row.name), LONGEST_NAME, "…")
    times = " to ".join(format_duration(row.quartiles[end]) for end in (0, 2))
    yield f'<text class="name" x="{LEFT}" y="{y - 20}">{escape(shown)}</text>'
    for number, call in enumerate(row.calls):
        level = y + (number % LEVELS - LEVELS // 2) * 3  # side by side, so that none hides another
        yield f'<circle class="call" cx="{_x(ruler.place(call))}" cy="{level}"/>'
    title = f"<title>{_text(f'{row.name}: half of all calls took {times}')}</title>"
    yield f'<path class="box" d="M{low} {y - BOX}H{high}V{y + BOX}H{low}Z">{title}</path>'
    yield f'<path class="middle" d="M{middle} {y - BOX}V{y + BOX}"/>'


def _x(share: float) -> str:
    return f"{LEFT + share * (RIGHT - LEFT):.1f}".removesuffix(".0")


def _text(words: str) -> str:
    return escape(one_line(words))
