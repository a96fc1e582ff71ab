"""Stacked bands over the operators of a pass as SVG, with the highest moment marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from ucseg_cli.report.pictures.course import Course, Stretch
from ucseg_cli.report.pictures.ruler import Ruler, make_ruler
from ucseg_cli.report.pictures.svg.colours import SERIES
from ucseg_cli.report.pictures.svg.elements import (
    PHONE,
    SIZE,
    SIZE_ON_PHONE,
    Drawing,
    clean,
    draw_frame,
    draw_legend,
    fitting,
    legend_height,
    short,
    text_width,
)

LEFT, RIGHT, TOP, BOTTOM = 112, 744, 56, 312
"""The frame of the bands; the rest is for words, which are larger on a phone."""
STRIP, LEGEND = 34, 364
"""Units of the strip below the bands, and where the legend begins."""
TICKS = 5
STYLE = f"""
.course text {{ font: {SIZE}px system-ui, sans-serif; fill: var(--quiet); }}
.course .label {{ font-weight: 600; fill: var(--ink); }}
.course .grid {{ stroke: var(--line); fill: none; }}
.course .edge {{ stroke: var(--strong); fill: none; }}
.course .band {{ fill-opacity: .62; stroke: var(--card); stroke-width: .3; }}
.course .highest {{ stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 5 3; }}
.course .strip {{ fill: var(--track); stroke: var(--card); }}
.course .strip.odd {{ fill: var(--line); }}
{PHONE} {{ .course text {{ font-size: {SIZE_ON_PHONE}px; }} .course .few {{ display: none; }} }}
""".strip()


def draw_course(course: Course, name: str) -> Drawing:
    """The whole picture; *name* is its own in the document."""
    sums = course.sums
    ruler = make_ruler(course.scale, [0, max(sums)])
    ruler = ruler._replace(low=0)
    entries = [(SERIES[place % len(SERIES)], band.name) for place, band in enumerate(course.bands)]
    parts = [
        *_grid(ruler),
        *_bands(course, ruler),
        f'<path class="edge" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>',
        *_strip(course),
        *_highest(course),
        *draw_legend(entries, LEGEND),
    ]
    height = LEGEND + legend_height(entries)
    return draw_frame("course", name, height, (course.title, course.description), STYLE, parts)


def _grid(ruler: Ruler) -> Iterator[str]:
    for share, text in ruler.ticks(TICKS):
        y = short(_y(share))
        yield f'<path class="grid" d="M{LEFT} {y}H{RIGHT}"/>'
        yield f'<text x="{LEFT - 8}" y="{y}" dy=".35em" text-anchor="end">{clean(text)}</text>'


def _bands(course: Course, ruler: Ruler) -> Iterator[str]:
    """Each band as an area between what is below it and itself."""
    moments = len(course.sums)
    below = [0] * moments
    for place, band in enumerate(course.bands):
        above = [low + own for low, own in zip(below, band.values, strict=True)]
        outline = f"M{_steps(above, moments, ruler)}L{_steps(below, moments, ruler, back=True)}Z"
        colour = SERIES[place % len(SERIES)]
        title = f"<title>{clean(band.words)}</title>"
        yield f'<path class="band" fill="var(--{colour})" d="{outline}">{title}</path>'
        below = above


def _steps(values: Sequence[int], moments: int, ruler: Ruler, *, back: bool = False) -> str:
    """The corners of a line that is level while an operator runs; *back* from right to left."""
    corners = []
    for value, run in groupby(range(moments), key=values.__getitem__):
        places = list(run)
        y = short(_y(ruler.place(value)))
        corners += [
            f"{short(_x(places[0], moments))} {y}",
            f"{short(_x(places[-1] + 1, moments))} {y}",
        ]
    return "L".join(reversed(corners) if back else corners)


def _strip(course: Course) -> Iterator[str]:
    """The parts that run when, under the bands; names where they fit."""
    moments, top = len(course.sums), BOTTOM + 6
    for number, stretch in enumerate(course.stretches):
        left, right = _x(stretch.begin, moments), _x(stretch.end, moments)
        odd = " odd" if number % 2 else ""
        yield (
            f'<rect class="strip{odd}" x="{short(left)}" y="{top}" width="{short(right - left)}"'
            f' height="{STRIP}"><title>{clean(_words(stretch))}</title></rect>'
        )
        yield from _name(stretch, left, right, top)


def _name(stretch: Stretch, left: float, right: float, top: float) -> Iterator[str]:
    room = right - left - 8
    if not (shown := fitting(stretch.name, room)):
        return
    few = "" if text_width(shown, SIZE_ON_PHONE) <= room else ' class="few"'
    at = f'x="{short((left + right) / 2)}" y="{short(top + STRIP / 2)}" dy=".35em"'
    yield f'<text{few} {at} text-anchor="middle">{clean(shown)}</text>'


def _words(stretch: Stretch) -> str:
    last = stretch.end - 1
    which = f"operator {last}" if last == stretch.begin else f"operators {stretch.begin} to {last}"
    return f"{stretch.name}: {which}"


def _highest(course: Course) -> Iterator[str]:
    """A line at the highest moment, and in words its figure and where it is."""
    moments = len(course.sums)
    x = (_x(course.highest.moment, moments) + _x(course.highest.moment + 1, moments)) / 2
    is_right = x > (LEFT + RIGHT) / 2
    anchor, shift = ("end", -8) if is_right else ("start", 8)
    room = (x if is_right else RIGHT - x) - 16
    yield f'<path class="highest" d="M{short(x)} 8V{BOTTOM}"/>'
    at = f'x="{short(x + shift)}" text-anchor="{anchor}"'
    yield f'<text class="label strong" {at} y="24">{clean(course.highest.figure)}</text>'
    where = fitting(course.highest.where, room)
    yield f'<text class="few" {at} y="40">{clean(where)}</text>'


def _x(moment: int, moments: int) -> float:
    return LEFT + moment / moments * (RIGHT - LEFT)


def _y(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)
