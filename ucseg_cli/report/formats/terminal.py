"""A report on a terminal, or plain in a pipe: the only file that knows rich."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.text import Text

from ucseg_cli.report.document import Cell, Column, Kind, Report, Role, Row, Span, Table
from ucseg_cli.report.formats.cells import WORDS, Tone, draw_span, format_cell, tone_of
from ucseg_cli.report.formats.column_fit import GAP, Layout, fit_columns
from ucseg_cli.report.formats.screen import (
    SENTENCE,
    Screen,
    display_width,
    shorten_end,
    shorten_middle,
)

if TYPE_CHECKING:
    from ucseg_cli.report.pictures.picture import Picture

TITLE = 15
"""Cells that a column's title may take in any case."""
INDENTS = (2, 1, 0)
"""Spaces for each level of depth; the later ones where names would have to be shortened."""
_TITLE, _QUIET, _BAR, _TOTAL = "bold", "dim", "cyan", "bold"
# These are, of the sixteen colours, the ones that read on dark and on light backgrounds.
_TONES = {Tone.GOOD: "green", Tone.CAUTION: "yellow", Tone.BAD: "red", Tone.NEUTRAL: ""}
_PARTS = {
    "FRAME": _QUIET, "BOUND": "red", "OUTSIDE": _QUIET, "PLAIN": "", "FRONT": "bold cyan",
    "BASE": "bold magenta",
}  # fmt: skip
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_TRAILING_SPACE = re.compile(r" +$", re.MULTILINE)


def render_terminal(report: Report, screen: Screen) -> str:
    """Title, conditions, tables, notes, what was left out; the last line is the summary."""
    tables = report.first.tables if report.first else report.tables
    left = report.first.rest if report.first else ""
    rest = _styled(screen.fold(left), _QUIET) if left else []
    drawings = _draw_all(tables, screen)
    blocks = [_head(report, screen), *(drawing.block() for drawing in drawings)]
    notes = _styled(line for note in report.notes for line in screen.fold(note))
    blocks += [
        notes + rest + _left_out(drawings, screen),
        _styled(screen.fold(report.summary), _TITLE),
    ]
    return _print(blocks, screen)


def _draw_all(tables: Sequence[Table], screen: Screen) -> list[_Drawing]:
    """Every table; those that repeat the same columns, as for each size, have one layout."""
    alike: dict[tuple[str, tuple[Column, ...]], list[Table]] = {}
    for table in tables:
        alike.setdefault((table.key, table.columns), []).append(table)
    drawn = {key: iter(_Drawing.of(group, screen)) for key, group in alike.items()}
    return [next(drawn[table.key, table.columns]) for table in tables]


def _head(report: Report, screen: Screen) -> list[Text]:
    conditions = [f"{key} {value}" for key, value in report.conditions.items()]
    return _styled(screen.fold(report.title), _TITLE) + _styled(
        screen.flow(conditions, " · "), _QUIET
    )


def _left_out(drawings: Iterable[_Drawing], screen: Screen) -> list[Text]:
    dropped = (
        column
        for drawing in drawings
        if drawing.table.rows
        for column in drawing.layout.dropped(drawing.table)
    )
    names = dict.fromkeys(column.title or column.key for column in dropped)
    sentence = f"not shown at this width: {', '.join(names)}"
    return _styled(screen.fold(sentence), _QUIET) if names else []


def _styled(lines: Iterable[str], style: str = "") -> list[Text]:
    return [Text.assemble((line, style)) for line in lines]


def _plot(picture: Picture | None, screen: Screen) -> list[Text]:
    """A scatter in characters; only pages have more."""
    if picture is None:
        return []
    from ucseg_cli.report.pictures.scatter import Scatter
    from ucseg_cli.report.pictures.text.scatter_plot import plot_lines

    if not isinstance(picture, Scatter):
        return []
    lines = plot_lines(picture, screen.width or SENTENCE, unicode=screen.unicode)
    styled = ([(screen.spell(text), _PARTS[part.name]) for text, part in line] for line in lines)
    return [Text.assemble(*line) for line in styled]


class _Cell(NamedTuple):
    """A cell as it is drawn; prose may have several lines."""

    text: str
    width: int
    style: str = ""
    rightward: bool = False

    def line(self, number: int) -> tuple[str | tuple[str, str], ...]:
        """One of its lines between the spaces that pad it to its width; blank beyond the last."""
        lines = self.text.split("\n")
        text = lines[number] if number < len(lines) else ""
        space = " " * (self.width - display_width(text))
        padded = (text, self.style)
        return (space, padded, "") if self.rightward else ("", padded, space)


class _Drawing(NamedTuple):
    """One table on one screen."""

    table: Table
    screen: Screen
    texts: tuple[tuple[str, ...], ...]
    layout: Layout

    @classmethod
    def of(cls, tables: Sequence[Table], screen: Screen) -> list[_Drawing]:
        """The deepest indentation that costs neither a column nor a letter of a name.

        Titles are whole where they fit too. The *tables* have the same columns.
        """
        if screen.width is None:
            return cls._laid_out(tables, screen, INDENTS[0], whole_titles=True)
        narrowest = cls._laid_out(tables, screen, INDENTS[-1], whole_titles=False)
        layouts = ((indent, whole) for indent in INDENTS for whole in (True, False))
        for indent, whole in layouts:
            drawings = cls._laid_out(tables, screen, indent, whole_titles=whole)
            pairs = zip(drawings, narrowest, strict=True)
            if all(drawing.costs_nothing(other) for drawing, other in pairs):
                return drawings
        return narrowest

    @classmethod
    def _laid_out(
        cls, tables: Sequence[Table], screen: Screen, indent: int, *, whole_titles: bool
    ) -> list[_Drawing]:
        texts = []
        for table in tables:
            rows = [_spell_row(row, table, screen, indent) for row in table.rows]
            texts.append((_titles(table, rows, screen, whole=whole_titles), *rows))
        natural = list(map(max, zip(*map(_natural_widths, texts), strict=True)))
        layout = fit_columns(tables[0], natural, screen.width)
        return [cls(table, screen, own, layout) for table, own in zip(tables, texts, strict=True)]

    def costs_nothing(self, narrowest: _Drawing) -> bool:
        """Whether the columns are those of *narrowest* and no name is shortened."""
        natural = _natural_widths(self.texts)
        fitted = zip(self.layout.shown, self.layout.widths, strict=True)
        # a scale has no natural width: it takes the room that is left
        unshortened = all(width >= natural[index] for index, width in fitted)
        return self.layout.shown == narrowest.layout.shown and unshortened

    def block(self) -> list[Text]:
        """The title, the picture, the rows and the note."""
        title = _styled(self.screen.fold(self.table.title), _TITLE) if self.table.title else []
        title += _plot(self.table.picture, self.screen)
        if not self.table.rows:
            return title + _styled(self.screen.fold(self.table.note or "none"), _QUIET)
        footnote = self.table.footnote(self.layout.columns(self.table))
        notes = _styled(self.screen.fold(footnote), _QUIET) if footnote else []
        return title + list(self._lines()) + notes

    def _lines(self) -> Iterator[Text]:
        """The titles and the rows under a rule; totals under another."""
        titles = list(self._titles())
        (rule,) = _styled([("─" if self.screen.unicode else "-") * _line_width(titles)], _QUIET)
        yield from _joined(_bottom_aligned(titles))
        yield rule
        ends = self._ends_of_sections()
        for index, row in enumerate(self.table.rows):
            yield from _joined(list(self._cells(index, row)))
            if index in ends:
                yield rule

    def _titles(self) -> Iterator[_Cell]:
        for place, width, column in self._columns():
            title = self._fit(self.texts[0][place], column, width)
            yield _Cell(title, width, _QUIET, column.kind not in WORDS)
            if self._has_bar(column):
                yield _Cell("", self.layout.bar)

    def _cells(self, index: int, row: Row) -> Iterator[_Cell]:
        for place, width, column in self._columns():
            cell = row.cells[place]
            text = self._fit(self.texts[index + 1][place], column, width)
            if isinstance(cell, Span):
                text = self.screen.spell(draw_span(cell, width))
            yield _Cell(text, width, _style(cell, column.kind, row.role), column.kind not in WORDS)
            if self._has_bar(column):
                yield self._bar(place, cell, row.role)

    def _bar(self, place: int, cell: Cell, role: Role) -> _Cell:
        """A share as a bar; where one exceeds its limit, all of the column have a mark at it."""
        length = self.layout.bar
        if role is Role.TOTAL or not isinstance(cell, Fraction | int):
            return _Cell("", length)
        shares = [row.cells[place] for row in self.table.rows if row.role is Role.DATA]
        if not any(isinstance(share, Fraction | int) and share > 1 for share in shares):
            bar = _draw_bar(cell, length, self.screen)
            return _Cell(bar, length, _QUIET if role is Role.FOLDED else _BAR)
        limit = length * 3 // 4
        mark = "│" if self.screen.unicode else "|"
        within = _draw_bar(cell, limit, self.screen)
        beyond = _draw_bar(max(cell - 1, 0), length - limit - 1, self.screen)
        bar = within + " " * (limit - len(within)) + mark + beyond
        return _Cell(bar, length, _TONES[tone_of(cell, Kind.SHARE)] or _BAR)

    def _columns(self) -> Iterator[tuple[int, int, Column]]:
        for place, width in zip(self.layout.shown, self.layout.widths, strict=True):
            column = self.table.columns[place]
            if column.kind is Kind.PROSE:
                yield place, self._folded_width(place, width), column
            else:
                yield place, width, column

    def _folded_width(self, place: int, width: int) -> int:
        """Prose breaks between words, so its lines may be shorter than there is room for."""
        lines = (line for texts in self.texts for line in self.screen.fold(texts[place], width))
        return max(map(display_width, lines))

    def _has_bar(self, column: Column) -> bool:
        return self.layout.bar > 0 and column.kind is Kind.SHARE

    def _fit(self, text: str, column: Column, width: int) -> str:
        if column.kind is Kind.PROSE:
            return "\n".join(self.screen.fold(text, width))
        shorten = shorten_middle if column.kind is Kind.PATH else shorten_end
        return shorten(text, width, self.screen.ellipsis)

    def _ends_of_sections(self) -> frozenset[int]:
        totals = [row.role is Role.TOTAL for row in self.table.rows]
        return frozenset(
            index for index, (this, following) in enumerate(pairwise(totals)) if this != following
        )


def _joined(cells: Sequence[_Cell]) -> list[Text]:
    """A row of the table, which is as many lines as its longest cell."""
    height = max(cell.text.count("\n") for cell in cells) + 1
    parts = (
        [part for cell in cells for part in (" " * GAP, *cell.line(number))]
        for number in range(height)
    )
    return [Text.assemble(*line[1:]) for line in parts]


def _bottom_aligned(cells: Sequence[_Cell]) -> list[_Cell]:
    """The cells with their last lines side by side, so that every title stands on its column."""
    height = max(cell.text.count("\n") for cell in cells)
    missing = [height - cell.text.count("\n") for cell in cells]
    pairs = zip(cells, missing, strict=True)
    return [cell._replace(text="\n" * count + cell.text) for cell, count in pairs]


def _line_width(cells: Sequence[_Cell]) -> int:
    return sum(cell.width for cell in cells) + GAP * (len(cells) - 1)


def _titles(
    table: Table, rows: Sequence[Sequence[str]], screen: Screen, *, whole: bool
) -> tuple[str, ...]:
    """The columns' titles; unless *whole*, a long one takes no more room than its figures."""
    titles = tuple(screen.spell(column.title) for column in table.columns)
    if whole or screen.width is None:
        return titles
    widths = [max(TITLE, *map(display_width, cells)) for cells in zip(*rows, strict=True)]
    room = widths or [TITLE] * len(titles)
    pairs = zip(titles, room, strict=True)
    return tuple(shorten_middle(title, width, screen.ellipsis) for title, width in pairs)


def _natural_widths(texts: Sequence[Sequence[str]]) -> tuple[int, ...]:
    return tuple(max(map(display_width, column)) for column in zip(*texts, strict=True))


def _spell_row(row: Row, table: Table, screen: Screen, indent: int) -> tuple[str, ...]:
    cells = zip(row.cells, table.columns, strict=True)
    return tuple(_spell(cell, column, row, screen, indent) for cell, column in cells)


def _spell(cell: Cell, column: Column, row: Row, screen: Screen, indent: int) -> str:
    if isinstance(cell, Span):  # drawn once the width of its scale is known
        return ""
    text = screen.spell(format_cell(cell, column.kind, row.unit, exact=screen.exact))
    return " " * (indent * row.depth) + text if column.kind is Kind.PATH else text


def _style(cell: Cell, kind: Kind, role: Role) -> str:
    weight = {Role.TOTAL: _TOTAL, Role.FOLDED: _QUIET}.get(role, _QUIET if cell is None else "")
    return f"{weight} {_TONES[tone_of(cell, kind)]}".strip()


def _draw_bar(cell: int | Fraction, length: int, screen: Screen) -> str:
    """A share of *length* cells, to the eighth of a cell; what is not zero is seen."""
    share = min(max(cell, 0), 1)
    if not screen.unicode:
        return "#" * round(share * length)
    whole, eighth = divmod(max(round(share * length * 8), int(share > 0)), 8)
    return "█" * whole + (_EIGHTHS[eighth] if eighth else "")


def _print(blocks: Iterable[list[Text]], screen: Screen) -> str:
    """Blocks with a blank line between; all fits already, so the console is as wide as can be."""
    console = Console(
        file=StringIO(),
        width=1 << 16,
        height=100,
        color_system="standard" if screen.colour else None,
        force_terminal=screen.colour,
        no_color=False,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    with console.capture() as capture:
        for index, block in enumerate(filter(None, blocks)):
            console.print(*([""] if index else []), *block, sep="\n", soft_wrap=True)
    return _TRAILING_SPACE.sub("", capture.get())
