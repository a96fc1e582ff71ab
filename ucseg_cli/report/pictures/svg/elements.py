"""The parts that every picture in SVG has: its frame, and text that fits where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from math import ceil
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from ucseg_cli.report.formats.cells import one_line
from ucseg_cli.report.formats.screen import shorten_middle

WIDTH = 760
"""Units across; a picture is as wide as what it stands in."""
FONT = "system-ui, sans-serif"
SIZE, SIZE_ON_PHONE = 11, 24
"""Units of text on a screen, and on one that shows the picture less than half as wide."""
ENLARGED = 1.2
"""How much larger than its units a picture of its own width may be on a page."""
BOLD = 1.06
"""How much wider letters are in bold."""
PHONE = "@media (max-width: 40rem)"
_NARROW, _WIDE = frozenset("ijl.,:;'|!ftrI()[]{}/\\ ·-"), frozenset("mwMW@%…→")
_ADVANCE = {True: 0.45, False: 0.66}
_WIDEST, _FULL = 1.0, 1.1
"""Shares of the text's size that a letter takes in the widest fonts that systems come with."""


class Drawing(NamedTuple):
    """A picture as an element, and its size in units."""

    element: str
    height: float
    width: float = WIDTH


def draw_frame(
    kind: str,
    name: str,
    height: float,
    words: tuple[str, str],
    style: str,
    parts: Iterable[str],
    *,
    width: float = WIDTH,
) -> Drawing:
    """The picture made of *parts*.

    Args:
        kind: its class, which the rules of *style* begin with.
        name: its own one in the document.
        height: in units.
        words: its title, and what it shows, for those who do not see it.
        style: rules of CSS.
        parts: elements, in which every name is escaped.
        width: in units; a picture of another width than WIDTH is not enlarged.
    """
    title, description = map(clean, words)
    body = "\n".join(parts)
    natural = "" if width == WIDTH else f' style="max-width: {short(width * ENLARGED)}px"'
    element = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{kind}" width="100%"{natural}'
        f' viewBox="0 0 {short(width)} {short(height)}"'
        f' role="img" aria-labelledby="{name}-title {name}-desc">\n'
        f'<title id="{name}-title">{title}</title>\n'
        f'<desc id="{name}-desc">{description}</desc>\n'
        f"<style>{style}</style>\n{body}\n</svg>"
    )
    return Drawing(element, height, width)


def clean(words: str) -> str:
    """Words as text of an element or attribute: one line, and nothing in it is a tag."""
    return escape(one_line(words))


def short(number: float) -> str:
    """A place in units, to a tenth."""
    return f"{number:.1f}".removesuffix(".0")


def text_width(words: str, size: float = SIZE) -> float:
    """Units that words take at most, in any of the usual fonts."""
    return size * sum(map(_advance, words))


def fitting(words: str, width: float, size: float = SIZE) -> str:
    """Words shortened in the middle to *width* units; empty if next to nothing is left."""
    line = one_line(words)
    cells = len(line)
    while cells > 0 and text_width(shorten_middle(line, cells, "…"), size) > width:
        cells -= 1
    is_readable = cells == len(line) or cells >= SHORTEST
    return shorten_middle(line, cells, "…") if cells and is_readable else ""


def fitting_lines(words: str, width: float, size: float = SIZE) -> list[str]:
    """Words in lines of at most *width* units; a word that is longer is shortened."""
    lines: list[str] = []
    for word in one_line(words).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(fitting(word, width, size))
    return lines


SHORTEST = 5
"""Letters of a shortened name that still say something."""


LEGEND_ROW, SWATCH, COLUMNS = 30, 11, (3, 2)
"""Units of a line of a legend and of a patch of colour, and entries in a line: most, and fewest.

They have room for the larger text of a phone.
"""


def draw_legend(entries: Sequence[tuple[str, str]], top: float) -> Iterator[str]:
    """Patches of colour with their names; *entries* are variables of CSS and names."""
    columns = _columns(entries)
    for number, (colour, words) in enumerate(entries):
        x = WIDTH / columns * (number % columns)
        y = top + LEGEND_ROW * (number // columns)
        shown = fitting(words, _room(columns), SIZE_ON_PHONE)
        yield (
            f'<g class="legend"><rect x="{short(x)}" y="{short(y + 6)}" width="{SWATCH}"'
            f' height="{SWATCH}" fill="var(--{colour})"/><text x="{short(x + SWATCH + 7)}"'
            f' y="{short(y + 6 + SWATCH / 2)}" dy=".35em">{clean(shown)}</text></g>'
        )


def legend_height(entries: Sequence[tuple[str, str]]) -> float:
    """Units that the legend of these takes."""
    return LEGEND_ROW * ceil(len(entries) / _columns(entries))


def _columns(entries: Sequence[tuple[str, str]]) -> int:
    """As many as leave every name whole on a phone, if any do."""
    longest = max((text_width(one_line(words), SIZE_ON_PHONE) for _, words in entries), default=0)
    return next((columns for columns in COLUMNS if longest <= _room(columns)), COLUMNS[-1])


def _room(columns: int) -> float:
    return WIDTH / columns - 2 * SWATCH - 7


def _advance(letter: str) -> float:
    if combining(letter):
        return 0.0
    if east_asian_width(letter) in "WF":
        return _FULL
    return _WIDEST if letter in _WIDE else _ADVANCE[letter in _NARROW]
