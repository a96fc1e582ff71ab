"""Figures of variants out of a CSV file, joined by the variant that a reference names."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from fractions import Fraction
from io import StringIO
from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.analysis.space.benefits import BENEFITS
from ucseg_cli.analysis.space.sweep_answer import Scores
from ucseg_cli.errors import ConfigurationError, Place, UsageError, Where
from ucseg_cli.references import Model
from ucseg_cli.references.space import Space
from ucseg_cli.units import TIME, parse_duration, time_unit

REFERENCE_NAMES = ("reference", "variant", "model")
"""Headings of the column of references; without one of these it is the first."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?")
_UNIT = re.compile(r"\s*\[(?P<unit>[^\[\]]{1,16})\]\s*$")
"""The end of a heading that names a unit, as in ``pixel8 [ms]``."""
_MISSING = {"", "nan", "none", "null", "na", "-"}
_HEAD = "write a heading line such as reference,miou"

Find = Callable[[str, Place], Model]
"""The model of a reference that stands in a file; raises UsageError."""


class _Line(NamedTuple):
    number: int
    cells: Sequence[str]


def score_name(heading: str) -> str:
    """A heading as options and formulas name its column: ``mIoU test`` as ``miou-test``.

    It leaves a unit out: ``pixel8 [ms]`` is ``pixel8``.
    """
    return re.sub(r"[\s_-]+", "-", _UNIT.sub("", heading).strip().casefold())


def score_unit(heading: str) -> str:
    """The unit that a heading names: ``ms`` of ``pixel8 [ms]``; empty without one."""
    match = _UNIT.search(heading)
    return match["unit"].strip() if match else ""


def parse_score(text: str, where: Where, unit: str = "") -> Fraction:
    """A number such as ``0.612``, exactly, in a column's *unit*; raises UsageError.

    It may have that unit, or another unit of time where this is one: ``0.033s`` is 33 in ms.
    """
    number = text.strip()
    scale = time_unit(unit)
    if scale is not None and re.fullmatch(TIME, number):
        return Fraction(parse_duration(number, where), scale)
    if unit:
        number = number.removesuffix(unit).rstrip()
    if not _NUMBER.fullmatch(number):
        fix = f"write a number such as {f'33 {unit}' if unit else '0.612'}"
        raise UsageError(f"'{text}' is not a number", where=where, help=fix)
    return Fraction(number)


def read_scores(text: str, file: str, space: Space, find: Find) -> Scores:
    """Every column of figures, by variant. Columns of text, axes and metrics are left out.

    Raises UsageError with the line of a mistake: a reference that names nothing or a variant that
    another line has, and a cell that is not a number in a column of numbers.
    """
    lines = list(_lines(text, file))
    if not lines:
        raise ConfigurationError("it is empty", where=Place(file, 1), help=_HEAD)
    heading, *rows = lines
    _refuse_other_separators(heading, file)
    _refuse_long_lines(rows, len(heading.cells), file)
    names = [score_name(cell) for cell in heading.cells]
    column = next((names.index(name) for name in REFERENCE_NAMES if name in names), 0)
    joined, outside = _join(rows, file, column, space, find)
    left_out = {*EVERY_METRIC, *BENEFITS, *(score_name(axis.name) for axis in space.axes), ""}
    columns: dict[str, list[Fraction | None]] = {}
    units: dict[str, str] = {}
    for place, name in enumerate(names):
        if place == column or name in left_out:
            continue
        if name in columns:
            what = f"two columns are named '{name}'"
            raise ConfigurationError(
                what, where=Place(file, heading.number), help="rename one of them"
            )
        figures = _figures(joined, place, name, file)
        if figures:
            columns[name] = [figures.get(variant) for variant in range(space.size)]
            units[name] = score_unit(heading.cells[place])
    if not columns:
        what, notes = "it has no column of figures", tuple(_other_columns(names, column, left_out))
        raise ConfigurationError(what, where=Place(file, heading.number), notes=notes, help=_HEAD)
    return Scores(file, columns, space.size - len(joined), outside, units)


def _lines(text: str, file: str) -> Iterator[_Line]:
    """Each line that has a cell, with the number of its last line in the file."""
    reader = csv.reader(StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _Line(reader.line_num, cells)
    except csv.Error as error:
        what = f"it is not CSV: {error}"
        raise ConfigurationError(what, where=Place(file, reader.line_num)) from None


def _refuse_other_separators(heading: _Line, file: str) -> None:
    """Raise ConfigurationError for a heading whose cells other signs than commas separate."""
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(heading.cells) == 1 and sign in heading.cells[0]:
            what = f"{name} separate its cells"
            fix = "write commas between cells, and points in numbers"
            raise ConfigurationError(what, where=Place(file, heading.number), help=fix)


def _other_columns(names: Sequence[str], column: int, known: Container[str]) -> Iterator[str]:
    """A note about each column that is not one of figures."""
    for place, name in enumerate(names):
        if place != column and name:
            why = "is a metric or an axis" if name in known else "has no number in it"
            yield f"the column '{name}' {why}"


def _refuse_long_lines(rows: Sequence[_Line], length: int, file: str) -> None:
    """Raise ConfigurationError for cells beyond the heading, as of ``1,000`` without quotes."""
    for row in rows:
        if any(cell.strip() for cell in row.cells[length:]):
            what = f"the line has {len(row.cells)} cells, and the heading {length}"
            fix = "write numbers without thousands separators, and texts with commas in quotes"
            raise ConfigurationError(what, where=Place(file, row.number), help=fix)


def _join(
    rows: Sequence[_Line], file: str, column: int, space: Space, find: Find
) -> tuple[dict[int, _Line], tuple[str, ...]]:
    """The line of each variant, and the references that are not in the space."""
    joined: dict[int, _Line] = {}
    outside = []
    for row in rows:
        reference = row.cells[column].strip() if column < len(row.cells) else ""
        place = Place(file, row.number)
        if not reference:
            raise ConfigurationError("the line names no model", where=place, help=_HEAD)
        variant = space.find(find(reference, place))
        if variant is None:
            outside.append(reference)
            continue
        first = joined.setdefault(variant, row)
        if first is not row:
            what = f"'{reference}' is the same variant as that of line {first.number}"
            raise UsageError(what, where=place, help="keep one of them")
    return joined, tuple(outside)


def _figures(
    joined: Mapping[int, _Line], place: int, name: str, file: str
) -> dict[int, Fraction] | None:
    """The numbers of a column by variant; None if it has none, as a column of text."""
    texts = {
        variant: line.cells[place].strip()
        for variant, line in joined.items()
        if place < len(line.cells) and line.cells[place].strip().casefold() not in _MISSING
    }
    wrong = [variant for variant, text in texts.items() if not _NUMBER.fullmatch(text)]
    if len(wrong) == len(texts):
        return None
    if wrong:
        what = f"'{texts[wrong[0]]}' in the column '{name}' is not a number"
        fix = (
            "write a number such as 0.612, or leave the cell empty; "
            "a unit stands in the heading, as in pixel8 [ms]"
        )
        raise ConfigurationError(what, where=Place(file, joined[wrong[0]].number), help=fix)
    return {variant: Fraction(text) for variant, text in texts.items()}
