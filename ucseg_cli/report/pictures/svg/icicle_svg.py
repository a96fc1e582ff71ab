"""An icicle as SVG: a row for each level, cells as wide as their share, exact words on hovering."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

from ucseg_cli.report.formats.cells import one_line
from ucseg_cli.report.pictures.icicle import Cell, Icicle
from ucseg_cli.report.pictures.svg.colours import SERIES
from ucseg_cli.report.pictures.svg.elements import (
    PHONE,
    SIZE,
    SIZE_ON_PHONE,
    WIDTH,
    Drawing,
    clean,
    draw_frame,
    draw_legend,
    fitting,
    legend_height,
    text_width,
)

ROW, BAND, INSET = 40, 4, 6
"""Units of a row, of the stripe in the colour of its kind, and beside the words in a cell."""
NARROWEST, NAMED = 1.0, 3
"""Neighbours that are narrower stand together as one cell, which names so many of them."""
LEGEND_GAP, LOWER = 12, 11
"""Units above the legend, and by which the larger name on a phone is lower."""
STYLE = f"""
.icicle text {{ font: {SIZE}px system-ui, sans-serif; fill: var(--ink); }}
.icicle .figure {{ fill: var(--quiet); }}
.icicle .cell rect {{ stroke: var(--card); stroke-width: 1; }}
.icicle .holds rect {{ fill: var(--track); }}
.icicle .cell:hover > rect:first-of-type {{ stroke: var(--ink); stroke-width: 1.5; }}
.icicle .tint {{ fill-opacity: .2; }}
.icicle .pale {{ fill-opacity: .1; }}
.icicle .legend text {{ fill: var(--quiet); }}
{PHONE} {{
  .icicle text {{ font-size: {SIZE_ON_PHONE}px; }}
  .icicle .name {{ transform: translateY({LOWER}px); }}
  .icicle .few {{ display: none; }}
}}
""".strip()


class _Placed(NamedTuple):
    """A cell and its two edges, in units of the picture."""

    cell: Cell
    left: float
    right: float
    level: int


def draw_icicle(icicle: Icicle, name: str) -> Drawing:
    """The whole picture; *name* is its own in the document."""
    placed = list(_placed(icicle.root, 0, WIDTH, 0))
    bottom = ROW * (1 + max(one.level for one in placed))
    shown = _present(icicle)
    parts = [part for one in placed for part in _cell(icicle, one)]
    parts += draw_legend(shown, bottom + LEGEND_GAP)
    height = bottom + LEGEND_GAP + legend_height(shown)
    return draw_frame("icicle", name, height, (icicle.title, icicle.description), STYLE, parts)


def _present(icicle: Icicle) -> list[tuple[str, str]]:
    """The colour and name of each kind that there is."""
    present = {cell.kind for cell in icicle.root.walk() if cell.value}
    kinds = zip(_colours(icicle), icicle.kinds, strict=False)
    return [kind for place, kind in enumerate(kinds) if place in present]


def _colours(icicle: Icicle) -> tuple[str, ...]:
    return icicle.colours or SERIES


def _placed(cell: Cell, left: float, right: float, level: int) -> Iterator[_Placed]:
    """The cell and all below it; the edges of neighbours are the same number."""
    yield _Placed(cell, left, right, level)
    below = [one for one in cell.cells if one.value > 0]
    if not below:
        return
    unit = (right - left) / cell.value
    shown = list(_together(below, unit))
    ends = accumulate((one.value for one in shown), initial=0)
    edges = [round(left + unit * end, 2) for end in ends]
    for one, (start, end) in zip(shown, pairwise(edges), strict=True):
        yield from _placed(one, start, end, level + 1)


def _together(cells: Sequence[Cell], unit: float) -> Iterator[Cell]:
    """Each wide cell, and runs of narrow ones as one."""
    for is_narrow, run in groupby(cells, key=lambda cell: cell.value * unit < NARROWEST):
        several = list(run)
        if is_narrow and len(several) > 1:
            yield _joined(several)
        else:
            yield from several


def _joined(cells: Sequence[Cell]) -> Cell:
    """Neighbours that are too narrow to be seen, as one; their kind is that of the widest."""
    widest = max(cells, key=lambda cell: cell.value)
    words = "; ".join(cell.words for cell in cells[:NAMED])
    rest = f"; and {len(cells) - NAMED} more" if len(cells) > NAMED else ""
    kind = next(widest.leaves()).kind
    return Cell("", sum(cell.value for cell in cells), (), f"{words}{rest}", kind)


def _cell(icicle: Icicle, placed: _Placed) -> Iterator[str]:
    cell, left, right, level = placed
    y, width = level * ROW, round(right - left, 2)
    yield f'<g class="cell{"" if cell.kind is not None else " holds"}">'
    yield f"<title>{clean(cell.words)}</title>"
    yield from _box(icicle, cell, left, y, width)
    yield from _words(icicle, cell, left, y, width)
    yield "</g>"


def _box(icicle: Icicle, cell: Cell, left: float, y: int, width: float) -> Iterator[str]:
    place = f'x="{left:g}" width="{width:g}"'
    if cell.kind is None:
        yield f'<rect {place} y="{y}" height="{ROW}"/>'
        return
    colour = f'fill="var(--{_colours(icicle)[cell.kind]})"'
    strength = "pale" if cell.cells else "tint"
    yield f'<rect class="{strength}" {place} y="{y}" height="{ROW}" {colour}/>'
    if not cell.cells:
        yield f'<rect {place} y="{y + ROW - BAND}" height="{BAND}" {colour}/>'


def _words(icicle: Icicle, cell: Cell, left: float, y: int, width: float) -> Iterator[str]:
    """The name, and below it the figure, as far as they fit."""
    room = width - 2 * INSET
    sign = icicle.signs[cell.kind] if cell.kind is not None and icicle.signs else ""
    if not (shown := _name(one_line(f"{sign}{cell.path}"), room)):
        return
    x = f"{left + INSET:g}"
    few = "" if text_width(shown, SIZE_ON_PHONE) <= room else " few"
    yield f'<text class="name{few}" x="{x}" y="{y + 15}">{clean(shown)}</text>'
    if figure := next((text for text in cell.figures if text_width(text) <= room), ""):
        yield f'<text class="figure few" x="{x}" y="{y + 29}">{clean(figure)}</text>'


def _name(path: str, room: float) -> str:
    """The path, or as much of its end as fits."""
    parts = path.split(".")
    ends = (".".join(parts[start:]) for start in range(len(parts)))
    whole = next((end for end in ends if text_width(end) <= room), "")
    return whole or fitting(parts[-1], room)
