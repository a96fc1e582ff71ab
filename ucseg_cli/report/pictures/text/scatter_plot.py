"""A scatter in characters, for terminals: braille where a stream can take it, else ASCII."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from itertools import groupby
from typing import NamedTuple

from ucseg_cli.report.formats.cells import one_line, plain_ascii
from ucseg_cli.report.formats.screen import shorten_end
from ucseg_cli.report.pictures.ruler import Ruler, rulers
from ucseg_cli.report.pictures.scatter import Mark, Scatter

ROWS = 10
WIDEST, NARROWEST = 100, 30
"""Columns of the whole, at most, and below which nothing is drawn."""
COLUMNS_OF_A_TICK, ROWS_OF_A_TICK = 16, 3
FEW = 60
"""Variants that have room for a sign each; more are dots of braille."""
BRAILLE = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each of the four by two dots of a character."""


class Part(Enum):
    """The part that a piece of text plays in the plot."""

    FRAME = auto()
    BOUND = auto()
    OUTSIDE = auto()
    PLAIN = auto()
    FRONT = auto()
    BASE = auto()


class Signs(NamedTuple):
    """The characters that a stream can take; *dots* is whether plain variants are braille dots."""

    names: Mapping[Part, str]
    across: str
    corner: str
    edge: str
    tick: str
    side: str
    dots: bool


_FRONT, _BASE = Part.FRONT, Part.BASE
UNICODE = Signs(
    {Part.OUTSIDE: "·", Part.PLAIN: "⠿", _FRONT: "◉", _BASE: "◆", Part.BOUND: "┊"},
    *("╌", "└", "─", "┬", "┤│"),
    dots=True,
)
ASCII = Signs(
    {Part.OUTSIDE: ".", Part.PLAIN: "o", _FRONT: "@", _BASE: "B", Part.BOUND: "|"},
    *("-", "+", "-", "+", "||"),
    dots=False,
)
FEW_DOTS = UNICODE._replace(names={**UNICODE.names, Part.PLAIN: "•"}, dots=False)
_PARTS = {mark: Part[mark.name] for mark in Mark}
_WORDS = {Part.FRONT: "front", Part.PLAIN: "beaten", Part.OUTSIDE: "does not fit"}

Piece = tuple[str, Part]
Line = list[Piece]


def plot_lines(scatter: Scatter, width: int, *, unicode: bool) -> list[Line]:
    """The plot with its edges and the meaning of its signs; nothing where it is too narrow."""
    width = min(width, WIDEST)
    if width < NARROWEST:
        return []
    signs = _signs(scatter, unicode=unicode)
    across, up = rulers(scatter)
    labels = _labels(up)
    margin = max(map(len, labels.values()), default=0) + 1
    columns = width - margin - 1
    canvas = _canvas(scatter, across, up, columns, signs)
    return [
        [(_cut(f"↑ {scatter.up.heading}", width, unicode=unicode), Part.FRAME)],
        *_rows(canvas, labels, margin, signs),
        *_lower_edge(across, margin, columns, signs),
        [(_cut(f"{scatter.across.heading} →", width, unicode=unicode).rjust(width), Part.FRAME)],
        *_meaning(scatter, width, signs),
    ]


def _cut(words: str, width: int, *, unicode: bool) -> str:
    """Words that fit even once they are spelled in ASCII, in which an arrow is two characters."""
    text = one_line(words)
    return shorten_end(text if unicode else plain_ascii(text), width, "…" if unicode else "...")


def _signs(scatter: Scatter, *, unicode: bool) -> Signs:
    """Those of the stream; a few variants are large dots, since small ones would be lost."""
    if not unicode:
        return ASCII
    plain = sum(dot.mark is Mark.PLAIN for dot in scatter.dots)
    return UNICODE if plain > FEW else FEW_DOTS


def _labels(up: Ruler) -> dict[int, str]:
    """The figures beside the rows, from the upper one on."""
    ticks = up.ticks(ROWS // ROWS_OF_A_TICK + 1)
    return {_row(place): text for place, text in ticks}


def _row(place: float) -> int:
    return min(int((1 - place) * ROWS), ROWS - 1)


def _column(place: float, columns: int) -> int:
    return min(int(place * columns), columns - 1)


def _canvas(
    scatter: Scatter, across: Ruler, up: Ruler, columns: int, signs: Signs
) -> list[list[Piece]]:
    """The content of each cell; of several things the most important one."""
    canvas: list[list[Piece]] = [[(" ", Part.FRAME)] * columns for _ in range(ROWS)]
    dots = [*scatter.dots, *([scatter.base] if scatter.base else [])]
    for mark in Mark:
        own = [(across.place(dot.x), up.place(dot.y)) for dot in dots if dot.mark is mark]
        part = _PARTS[mark]
        if mark is Mark.PLAIN:
            _draw_bounds(canvas, scatter, across, up, signs)
        if mark is Mark.PLAIN and signs.dots:
            _draw_braille(canvas, own)
        else:
            for x, y in own:
                canvas[_row(y)][_column(x, columns)] = (signs.names[part], part)
    return canvas


def _draw_bounds(
    canvas: list[list[Piece]], scatter: Scatter, across: Ruler, up: Ruler, signs: Signs
) -> None:
    columns = len(canvas[0])
    for bound in filter(lambda one: up.holds(one.at), scatter.up_bounds):
        canvas[_row(up.place(bound.at))] = [(signs.across, Part.BOUND)] * columns
    for bound in filter(lambda one: across.holds(one.at), scatter.across_bounds):
        for line in canvas:
            line[_column(across.place(bound.at), columns)] = (signs.names[Part.BOUND], Part.BOUND)


def _draw_braille(canvas: list[list[Piece]], places: Iterable[tuple[float, float]]) -> None:
    """Eight dots in each cell, so that a cloud has a shape."""
    columns = len(canvas[0])
    bits: dict[tuple[int, int], int] = {}
    for x, y in places:
        cell = _row(y), _column(x, columns)
        bits[cell] = bits.get(cell, 0) | _bit(x * columns, (1 - y) * ROWS)
    for (row, column), own in bits.items():
        canvas[row][column] = (chr(BRAILLE + own), Part.PLAIN)


def _bit(x: float, y: float) -> int:
    """The braille dot nearest to a place, in characters."""
    return _DOTS[min(int(y % 1 * 4), 3)][min(int(x % 1 * 2), 1)]


def _rows(
    canvas: Sequence[Sequence[Piece]], labels: Mapping[int, str], margin: int, signs: Signs
) -> Iterator[Line]:
    for number, cells in enumerate(canvas):
        label = labels.get(number, "")
        edge = signs.side[0 if label else 1]
        yield [(f"{label:>{margin - 1}} {edge}", Part.FRAME), *_joined(cells)]


def _joined(cells: Sequence[Piece]) -> Iterator[Piece]:
    """Neighbours of one part as one piece."""
    for part, pieces in groupby(cells, key=lambda piece: piece[1]):
        yield "".join(text for text, _ in pieces), part


def _lower_edge(across: Ruler, margin: int, columns: int, signs: Signs) -> Iterator[Line]:
    """The line with its ticks, and the figures under them."""
    edge, figures = [signs.edge] * columns, [" "] * (columns + 1)
    free = 0
    for place, text in across.ticks(max(columns // COLUMNS_OF_A_TICK, 2)):
        column = _column(place, columns)
        first = min(max(column - len(text) // 2, free), columns - len(text))
        if first < free:
            continue
        edge[column] = signs.tick
        figures[first : first + len(text)] = text
        free = first + len(text) + 2
    yield [(f"{' ' * margin}{signs.corner}{''.join(edge)}", Part.FRAME)]
    yield [(f"{' ' * (margin + 1)}{''.join(figures)}".rstrip(), Part.FRAME)]


def _meaning(scatter: Scatter, width: int, signs: Signs) -> Iterator[Line]:
    """Each sign that there is, with what it stands for."""
    phrases = [
        (signs.names[part], _WORDS.get(part, scatter.base_name), part)
        for part in map(_PARTS.__getitem__, reversed(scatter.marks))
    ]
    across, up = rulers(scatter)
    for ruler, bounds, sign in (
        (across, scatter.across_bounds, signs.names[Part.BOUND]),
        (up, scatter.up_bounds, signs.across * 2),
    ):
        phrases += [(sign, bound.text, Part.BOUND) for bound in bounds if ruler.holds(bound.at)]
    line: Line = []
    for sign, words, part in phrases:
        text = _cut(words, width - len(sign) - 1, unicode=signs is not ASCII)
        piece: Line = [(sign, part), (f" {text}", Part.FRAME)]
        gap: Line = [("   ", Part.FRAME)] if line else []
        if line and sum(len(text) for text, _ in (*line, *gap, *piece)) > width:
            yield line
            line, gap = [], []
        line += gap + piece
    yield line
