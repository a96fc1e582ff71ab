"""A report: raw values in tables, then a sentence: what is shown, never how it looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from ucseg_cli.analysis.rules.lint_catalogue import Rule

if TYPE_CHECKING:  # few answers have any
    from ucseg_cli.report.pictures.picture import Picture


@dataclass(frozen=True)  # slots would take it twice as long to define
class Span:
    """A stretch of a scale, each end between 0 and 1; *end* below *start* is a step down.

    One from 0 is a whole. It is not a named tuple as the others are, since a cell that is a tuple
    is a shape.
    """

    start: Fraction
    end: Fraction


Cell = int | str | bool | Fraction | tuple[int, ...] | Span | None


class Kind(Enum):
    """The kind of a column's values, which decides alignment, text and colour in every format."""

    TEXT = auto()
    PROSE = auto()
    """Words in a sentence, which may go on in the next line where space is short."""
    PATH = auto()
    """A dotted module path, shortened in the middle; rows may be indented by depth."""
    QUANTITY = auto()
    """An integer in the row's unit."""
    EXACT = auto()
    """An integer written in full, such as a length or a number of calls."""
    BYTES = auto()
    """An integer of bytes, whatever the row's unit."""
    DURATION = auto()
    """An integer of nanoseconds, whatever the row's unit."""
    DELTA = auto()
    """A signed integer in the row's unit; less is better."""
    BYTES_DELTA = auto()
    """A DELTA in bytes, whatever the row's unit."""
    EXACT_DELTA = auto()
    """A DELTA written in full."""
    EFFECT = auto()
    """A signed integer or measured figure in the row's unit, neither good nor bad."""
    BYTES_EFFECT = auto()
    """An EFFECT in bytes, whatever the row's unit."""
    DECIMAL = auto()
    """A figure that need not be whole."""
    QUOTIENT = auto()
    """A figure per unit of another, with two decimals in every row."""
    CHANGE = auto()
    """A signed ratio, or ``new`` or ``gone`` instead of a division by zero; less is better."""
    SHARE = auto()
    """A ratio of a whole, with a bar where there is room."""
    RATIO = auto()
    """A ratio that may be more than a whole, without a bar."""
    SPAN = auto()
    """A Span, drawn; rows that begin where the one before ended are a waterfall."""
    SHAPE = auto()
    """A tuple of lengths."""
    STATUS = auto()
    """A word of a verdict: pass, warn, fail, agrees, differs."""


class Unit(Enum):
    """The unit of a row's integers."""

    COUNT = auto()
    EXACT = auto()
    """An integer written in full, such as a length or a number of calls."""
    BYTES = auto()
    TIME = auto()
    """An integer of nanoseconds."""


class Role(Enum):
    """The part a row plays in its table."""

    DATA = auto()
    TOTAL = auto()
    """The sum of the data and folded rows."""
    FOLDED = auto()
    """Several rows named by their number, so that the column still sums."""


class Column(NamedTuple):
    """One column. Narrow terminals drop tier 3 below 100 columns, 2 below 72, 1 below 50, never 0.

    *legend* says what the title means, where it does not say so itself.
    """

    key: str
    title: str
    kind: Kind = Kind.TEXT
    tier: int = 0
    legend: str = ""


class Row(NamedTuple):
    """One row, with a cell for each column; *depth* indents the PATH cell."""

    cells: tuple[Cell, ...]
    depth: int = 0
    role: Role = Role.DATA
    unit: Unit = Unit.COUNT


class Table(NamedTuple):
    """A titled table. *note* says what was left out and why; *news*, that every row is a change.

    *picture* shows the same: it stands above the rows in a format that can draw it.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    note: str | None = None
    news: bool = False
    picture: Picture | None = None

    def footnote(self, shown: Iterable[Column]) -> str:
        """The lines under it: the note, and what the titles of the columns *shown* mean."""
        legends = [f"{column.title}: {column.legend}" for column in shown if column.legend]
        legend = f"{'; '.join(legends)}." if legends else ""
        return " ".join(filter(None, (self.note, legend)))


class Highlight(NamedTuple):
    """A figure that a reader should see first: shown as a tile where there is room for tiles.

    *change* is against a baseline, which has *before*.
    """

    label: str
    value: int
    unit: Unit = Unit.COUNT
    change: Fraction | None = None
    before: int | None = None


class Judgement(NamedTuple):
    """One thing that was checked against a limit or a rule, in the terms of CI systems.

    Args:
        name: of the limit or rule. group: what was judged, such as a variant.
        status: ``pass``, ``warn`` or ``fail``.
        message: one sentence about it.
        path, line: where a user would edit it; None if that is not a file.
        weight: how bad it is, so that the worst comes first.
        module: the part of the model, where it is one.
    """

    name: str
    group: str
    status: str
    message: str
    path: str | None = None
    line: int | None = None
    weight: Fraction = Fraction()
    module: str | None = None


class First(NamedTuple):
    """The *tables* to show first, and *rest*, a sentence that counts what they leave out."""

    tables: tuple[Table, ...]
    rest: str


class Report(NamedTuple):
    """An answer.

    Args:
        kind: such as ``ucseg.params``; scripts dispatch on it.
        title: the answer's name and its subjects, such as ``compare v1 → v2``.
        conditions: input, dtype, convention: what every number rests on, in order.
        tables: the tables of the screen, in order.
        summary: one sentence; the screen's last line.
        payload: the answer for scripts, raw integers, without the summary; its keys are a contract.
        records: the table that CSV writes, without totals; the first of *tables* where None.
        highlights: what a page shows first.
        notes: sentences a user needs to read the figures, shown before the summary.
        judgements: everything that was judged; what passed too.
        rules: what the judgements look for, where that has a name.
        command: the command line that asked for it, where one did.
        pictures: makes the pictures of the whole answer, for a format that shows any.
        first: what a terminal shows; None if that is all *tables*, as every other format has them.
    """

    kind: str
    title: str
    conditions: Mapping[str, str]
    tables: tuple[Table, ...]
    summary: str
    payload: Mapping[str, Any]
    records: Table | None = None
    highlights: tuple[Highlight, ...] = ()
    notes: tuple[str, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    rules: tuple[Rule, ...] = ()
    command: str = ""
    pictures: Callable[[], tuple[Picture, ...]] = tuple
    first: First | None = None

    def all_pictures(self) -> tuple[Picture, ...]:
        """Those of the whole answer, then those of its tables."""
        of_tables = (table.picture for table in self.tables if table.picture is not None)
        return (*self.pictures(), *of_tables)
