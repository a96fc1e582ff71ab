"""Tables of modules: as a tree, or at one level and sorted, with what is folded summed in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ucseg_cli.analysis.counting.module_tree import TreeRow, partition, sum_figures
from ucseg_cli.report.document import Cell, Kind, Role, Table
from ucseg_cli.report.fields import Field, Fields, Output, make_records, make_row, make_table
from ucseg_cli.units import exact_ratio, plural

PLACE: Fields[TreeRow] = (
    Field(
        "path",
        "module",
        lambda row: label(row.path, own=row.own),
        Kind.PATH,
        output=Output.TABLES,
    ),
    Field("path", "", lambda row: row.path, output=Output.JSON),
    Field("type", "type", lambda row: row.type, tier=2),
    Field("own", "", lambda row: row.own, output=Output.JSON),
)
"""Which module a row is about."""


class Arrangement(NamedTuple):
    """How module rows are laid out.

    Args:
        depth: levels of modules below the root.
        sort: ``tree`` in the model's order, ``count`` heaviest first, or ``path``; the last two
            are at one level.
        top: only the first that many; the rest folded into one row. None shows all.
    """

    depth: int = 2
    sort: str = "tree"
    top: int | None = None


def module_table(
    title: str,
    fields: Fields[TreeRow],
    rows: Sequence[TreeRow],
    arrangement: Arrangement,
    metric: str,
    total: TreeRow | None = None,
) -> Table:
    """A table whose rows add up to *total* at every level."""
    shown, folded = _arrange(rows, arrangement, metric)
    body = [make_row(fields, row, depth=row.depth - 1) for row in shown]
    if folded:
        others = TreeRow(
            plural(len(folded), "other"), "", 1, sum_figures(row.figures for row in folded)
        )
        body.append(make_row(fields, others, role=Role.FOLDED))
    if total is not None:
        body.append(make_row(fields, total, role=Role.TOTAL))
    return make_table("modules", title, fields, body)


def module_records(
    fields: Fields[TreeRow], rows: Sequence[TreeRow], arrangement: Arrangement, metric: str
) -> Table:
    """The modules at one level, for a reader who sums them."""
    return make_records("modules", fields, _arrange(partition(rows), arrangement, metric)[0])


def count_of(metric: str) -> Callable[[TreeRow], int]:
    """The getter of a metric's count."""
    return lambda row: row.figures.get(metric, 0)


def share_of(metric: str, whole: int | None) -> Callable[[TreeRow], Cell]:
    """The getter of a metric's share of the *whole*."""
    return lambda row: exact_ratio(row.figures.get(metric, 0), whole)


def label(path: str, *, own: bool) -> str:
    """A module's path, or what it holds and runs itself beside its children."""
    return f"{path} (own)".lstrip() if own else path


def _arrange(
    rows: Sequence[TreeRow], arrangement: Arrangement, metric: str
) -> tuple[Sequence[TreeRow], Sequence[TreeRow]]:
    """The rows to show and the rows to fold."""
    if arrangement.sort == "tree" and arrangement.top is None:
        return rows, ()
    level = sorted(partition(rows), key=lambda row: _order(row, arrangement, metric))
    top = len(level) if arrangement.top is None else arrangement.top
    return level[:top], level[top:]


def _order(row: TreeRow, arrangement: Arrangement, metric: str) -> tuple[int, str]:
    heaviest_first = -row.figures.get(metric, 0) if arrangement.sort != "path" else 0
    return heaviest_first, label(row.path, own=row.own)
