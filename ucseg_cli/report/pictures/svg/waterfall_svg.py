"""A waterfall as SVG: a bar for each step under its name, beginning where the one before ended."""

from __future__ import annotations

from collections.abc import Iterator

from ucseg_cli.report.pictures.ruler import Ruler, make_ruler
from ucseg_cli.report.pictures.svg.elements import (
    BOLD,
    PHONE,
    SIZE,
    SIZE_ON_PHONE,
    Drawing,
    clean,
    draw_frame,
    fitting,
    short,
    text_width,
)
from ucseg_cli.report.pictures.waterfall import End, Step, Waterfall

LEFT, RIGHT, TOP = 8, 752, 8
ROW, LINE, BAR = 52, 28, 16
"""Units of a step, from its top to its bar, and of the bar; its words stand above the bar."""
TICKS = 4
STYLE = f"""
.waterfall text {{ font: {SIZE}px system-ui, sans-serif; fill: var(--ink); }}
.waterfall .tick {{ fill: var(--quiet); }}
.waterfall .grid {{ stroke: var(--line); fill: none; }}
.waterfall .less {{ fill: var(--good); }}
.waterfall .more {{ fill: var(--bad); }}
.waterfall .join {{ stroke: var(--strong); fill: none; }}
.waterfall .end {{ fill: none; stroke: var(--ink); stroke-width: 2; }}
.waterfall .strong {{ font-weight: 600; }}
.waterfall .over {{ paint-order: stroke; stroke: var(--card); stroke-width: 4px; }}
.waterfall .phone {{ display: none; }}
{PHONE} {{
  .waterfall text {{ font-size: {SIZE_ON_PHONE}px; }}
  .waterfall .few {{ display: none; }}
  .waterfall .phone {{ display: initial; }}
}}
""".strip()


def draw_waterfall(waterfall: Waterfall, name: str) -> Drawing:
    """The whole picture; *name* is its own in the document."""
    values = [waterfall.first.value, waterfall.last.value]
    values += [end for step in waterfall.steps for end in (step.start, step.end)]
    ruler = make_ruler(waterfall.scale, values)
    rows = len(waterfall.steps) + 2
    bottom = TOP + rows * ROW
    parts = [
        *_grid(ruler, bottom),
        *_end(waterfall.first, TOP, ruler),
        *(
            part
            for number, step in enumerate(waterfall.steps, 1)
            for part in _step(step, TOP + number * ROW, ruler)
        ),
        *_end(waterfall.last, TOP + (rows - 1) * ROW, ruler),
    ]
    words = waterfall.title, waterfall.description
    return draw_frame("waterfall", name, bottom + 36, words, STYLE, parts)


def _grid(ruler: Ruler, bottom: float) -> Iterator[str]:
    """Lines at round figures; the scale need not begin at nothing, so that steps are seen."""
    for number, (share, text) in enumerate(ruler.ticks(TICKS)):
        x = _x(share)
        half = text_width(text, SIZE_ON_PHONE) / 2
        inside = min(max(x, half), RIGHT + LEFT - half)
        few = " few" if number % 2 else ""
        yield f'<path class="grid" d="M{short(x)} {TOP}V{short(bottom)}"/>'
        yield (
            f'<text class="tick{few}" x="{short(inside)}" y="{short(bottom + 8)}" dy=".9em"'
            f' text-anchor="middle">{clean(text)}</text>'
        )


def _end(end: End, top: float, ruler: Ruler) -> Iterator[str]:
    """A line at the value of a model, and its name with the figure."""
    x = _x(ruler.place(end.value))
    yield from _words(end.name, end.figure, x, x, top, " strong")
    bar = top + LINE
    yield f'<path class="end" d="M{short(x)} {short(bar - 2)}V{short(bar + BAR + 2)}"/>'


def _step(step: Step, top: float, ruler: Ruler) -> Iterator[str]:
    """The bar of a step, joined to the row above, and its words."""
    start, end = _x(ruler.place(step.start)), _x(ruler.place(step.end))
    left, right, bar = min(start, end), max(start, end), top + LINE
    kind = "less" if step.end < step.start else "more"
    yield f'<path class="join" d="M{short(start)} {short(bar - ROW + BAR)}V{short(bar)}"/>'
    yield from _words(step.name, step.figure, left, right, top, "")
    yield (
        f'<rect class="{kind}" x="{short(left)}" y="{short(bar)}" height="{BAR}"'
        f' width="{short(max(right - left, 1))}"><title>{clean(step.words)}</title></rect>'
    )


def _words(
    name: str, figure: str, left: float, right: float, top: float, style: str
) -> Iterator[str]:
    """The figure and before it the name, on the side of the bar that has more room."""
    is_right = (left + right) / 2 > (LEFT + RIGHT) / 2
    x, anchor = (right, "end") if is_right else (left, "start")
    room = x - LEFT if is_right else RIGHT - x
    room /= BOLD if style else 1
    at = f'x="{short(x)}" y="{short(top + LINE - 7)}" text-anchor="{anchor}"'
    words = fitting(f"{name} {figure}", room, SIZE)
    few = " few" if text_width(words, SIZE_ON_PHONE) > room else ""
    yield f'<text class="over{style}{few}" {at}>{clean(words)}</text>'
    if few:  # then the figure alone, or as much of both as there is room for
        yield (
            f'<text class="over phone{style}" {at}>'
            f"{clean(fitting(f'{name} {figure}', room, SIZE_ON_PHONE))}</text>"
        )


def _x(share: float) -> float:
    return LEFT + share * (RIGHT - LEFT)
