"""Raw cells to text, and the meaning of a value: shared by every format, coloured by none."""

from __future__ import annotations

import re
from enum import Enum, auto
from fractions import Fraction

from ucseg_cli.report.document import Cell, Kind, Row, Span, Table, Unit
from ucseg_cli.system.control_characters import escaped
from ucseg_cli.units import (
    MISSING,
    format_bytes,
    format_count,
    format_decimal,
    format_duration,
    format_percent,
    format_quotient,
    format_shape,
)

FLEXIBLE = frozenset({Kind.TEXT, Kind.PATH, Kind.PROSE})
"""Kinds that may be shortened or folded; every other kind is a figure, which may not."""
WORDS = FLEXIBLE | {Kind.STATUS, Kind.SPAN}
"""Kinds that are aligned to the left, so that names and signs stand under one another."""
CHANGES = frozenset({Kind.DELTA, Kind.BYTES_DELTA, Kind.EXACT_DELTA, Kind.CHANGE})
"""Kinds of which less is better."""

SPAN_CELLS = 28


class Tone(Enum):
    """The meaning of a value, so that each format can choose its own colour for it."""

    GOOD = auto()
    CAUTION = auto()
    BAD = auto()
    NEUTRAL = auto()


_STATUS = {
    "pass": (Tone.GOOD, "✓"),
    "agrees": (Tone.GOOD, "✓"),
    "fits": (Tone.GOOD, "✓"),
    "warn": (Tone.CAUTION, "!"),
    "new": (Tone.NEUTRAL, "+"),
    "warning": (Tone.CAUTION, "!"),
    "error": (Tone.BAD, "✗"),
    "fail": (Tone.BAD, "✗"),
    "differs": (Tone.BAD, "✗"),
}
_WRITERS = {
    Unit.COUNT: format_count,
    Unit.EXACT: format_count,
    Unit.BYTES: format_bytes,
    Unit.TIME: format_duration,
}
_COMMAND = re.compile(r"^(\s*)::", re.MULTILINE)
_PRESENCE = {"gone": Tone.GOOD, "new": Tone.BAD}
_ASCII = str.maketrans(
    {
        "\u00d7": "x", "Δ": "delta", "δ": "delta", "→": "->", "←": "<-", "…": "...",
        "\u2013": "-", "—": "-", "\u2212": "-", "·": "-", "•": "-", "─": "-", "░": "-",
        "✓": "ok", "✗": "x", "≥": ">=", "≤": "<=", "≠": "!=", "≈": "~", "±": "+-",
        "↑": "^", "↓": "v",
        "│": "|", "├": "|", "└": "`", "\u2018": "'", "\u2019": "'", "“": '"', "”": '"',
        **dict(zip("▁▂▃▄▅▆▇", "_.-=+*%", strict=True)),
        "\u00a0": " ", "\u202f": " ", "²": "2", "³": "3", "µ": "u", "μ": "u",
        **dict.fromkeys("█▉▊▋▌", "#"), **dict.fromkeys("▍▎▏", ""),
    }
)  # fmt: skip


def format_cell(cell: Cell, kind: Kind, unit: Unit = Unit.COUNT, *, exact: bool = False) -> str:
    """A cell as one line of text; None is a dash, and a status carries its sign."""
    match cell:
        case None:
            return MISSING
        case Span():
            return draw_span(cell)
        case bool():
            return "yes" if cell else "no"
        case str():
            return format_status(cell) if kind is Kind.STATUS else one_line(cell)
        case tuple():
            return format_shape(cell)
        case _:
            return _format_number(cell, kind, unit, exact=exact)


def format_rows(table: Table, *, exact: bool = False) -> list[list[str]]:
    """Every row of *table* as text, cell by cell."""
    return [_format_row(row, table, exact=exact) for row in table.rows]


def without_spans(table: Table) -> Table:
    """The table for a format without a scale to draw on; figures beside a drawing say the same."""
    kept = [index for index, column in enumerate(table.columns) if column.kind is not Kind.SPAN]
    rows = (row._replace(cells=tuple(row.cells[index] for index in kept)) for row in table.rows)
    return table._replace(columns=tuple(table.columns[index] for index in kept), rows=tuple(rows))


def draw_span(span: Span, scale: int = SPAN_CELLS) -> str:
    """A block from start to end on a *scale* of cells, to the nearest; a step down is shaded."""
    low, high = sorted((span.start, span.end))
    first = min(round(low * scale), scale - 1)
    length = max(round(high * scale) - first, 1)
    return " " * first + ("░" if span.end < span.start else "█") * length


def format_status(word: str) -> str:
    """``pass`` as ``✓ pass``, so that colour is never the only sign."""
    known = _STATUS.get(word)
    return f"{known[1]} {word}" if known else one_line(word)


def tone_of(cell: Cell, kind: Kind) -> Tone:
    """Whether a value is good or bad news; less is better for every delta."""
    match kind, cell:
        case Kind.STATUS, str():
            return _STATUS.get(cell, (Tone.NEUTRAL, ""))[0]
        case Kind.CHANGE, str():
            return _PRESENCE.get(cell, Tone.NEUTRAL)
        case Kind.SPAN, Span(start=start, end=end) if start:
            return Tone.GOOD if end < start else Tone.BAD
        case Kind.SHARE, int() | Fraction():
            return Tone.BAD if cell > 1 else Tone.NEUTRAL  # over its limit
        case (Kind(), int() | Fraction()) if cell and kind in CHANGES:
            return Tone.GOOD if cell < 0 else Tone.BAD
        case _:
            return Tone.NEUTRAL


def one_line(text: str) -> str:
    """*text* without line breaks or control codes, which the name of a module may hold."""
    if not text.isprintable():
        text = "".join(map(_visible, text))
    return escaped(text) if "##[" in text else text


def inert_lines(text: str) -> str:
    """*text* without lines that CI would take for a command: they begin with ``::``."""
    return _COMMAND.sub(r"\1: :", text)


def plain_ascii(text: str) -> str:
    """*text* for a stream that only encodes ASCII: signs become words, the rest is escaped."""
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def _format_row(row: Row, table: Table, *, exact: bool) -> list[str]:
    pairs = zip(row.cells, table.columns, strict=True)
    return [format_cell(cell, column.kind, row.unit, exact=exact) for cell, column in pairs]


def _format_number(number: int | Fraction, kind: Kind, unit: Unit, *, exact: bool) -> str:
    if kind is Kind.DECIMAL or (kind is Kind.EFFECT and isinstance(number, Fraction)):
        return format_decimal(number, signed=kind is Kind.EFFECT)
    if kind is Kind.QUOTIENT:
        return format_quotient(number)
    if isinstance(number, Fraction):
        return format_percent(number, signed=kind is Kind.CHANGE)
    return _format_integer(number, kind, unit, exact=exact)


def _format_integer(number: int, kind: Kind, unit: Unit, *, exact: bool) -> str:
    match kind:
        case Kind.SHARE | Kind.CHANGE | Kind.RATIO:
            return format_percent(Fraction(number), signed=kind is Kind.CHANGE)
        case Kind.EXACT:
            return format_count(number, exact=True)
        case Kind.EXACT_DELTA:
            return _WRITERS[unit](number, exact=True, signed=True)
        case Kind.QUANTITY | Kind.DELTA | Kind.EFFECT:
            return _WRITERS[unit](number, exact=exact, signed=kind is not Kind.QUANTITY)
        case Kind.BYTES | Kind.BYTES_DELTA | Kind.BYTES_EFFECT | Kind.DURATION:
            own = Unit.TIME if kind is Kind.DURATION else Unit.BYTES
            signed = kind in {Kind.BYTES_DELTA, Kind.BYTES_EFFECT}
            return _WRITERS[own](number, exact=exact, signed=signed)
        case _:
            return str(number)


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")
