"""Tables of modules: as a tree, or at one level and sorted, with what is folded named and summed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import add_up
from ucseg_cli.analysis.counting.module_tree import TreeRow, partition
from ucseg_cli.report.document import Cell, Role, Row, Table
from ucseg_cli.units import plural

MakeCells = Callable[[str, str, "dict[str, int]"], tuple[Cell, ...]]
"""From a label, a type and figures to the cells of a row."""


class Arrangement(NamedTuple):
    """How module rows are laid out.

    Args:
        depth: levels of modules below the root.
        sort: ``tree`` in the model's order, ``count`` heaviest first, or ``path``. All but ``tree`` are at one level.
        top: only the first that many; the rest folded into one row. None shows all.
    """

    depth: int = 2
    sort: str = "tree"
    top: int | None = None


def arrange(
    rows: Sequence[TreeRow], arrangement: Arrangement, metric: str, make_cells: MakeCells
) -> list[Row]:
    """Rows for a table, which add up to the whole at every level."""
    if arrangement.sort == "tree" and arrangement.top is None:
        return [_row(row, make_cells) for row in rows]
    level = sorted(partition(rows), key=lambda row: _order(row, arrangement, metric))
    top = len(level) if arrangement.top is None else arrangement.top
    folded = level[top:]
    return [
        *(_row(row, make_cells) for row in level[:top]),
        *([_fold(folded, make_cells)] if folded else []),
    ]


def only_data(table: Table) -> Table:
    """The table for a reader who sums it: without the total, and without what was folded."""
    return table._replace(rows=tuple(row for row in table.rows if row.role is Role.DATA))


def label(path: str, *, own: bool) -> str:
    """A module's path, or what it holds and runs itself beside its children."""
    return f"{path} (own)".lstrip() if own else path


def _order(row: TreeRow, arrangement: Arrangement, metric: str) -> tuple[int, str]:
    heaviest_first = -row.figures.get(metric, 0) if arrangement.sort != "path" else 0
    return heaviest_first, label(row.path, own=row.own)


def _row(row: TreeRow, make_cells: MakeCells) -> Row:
    return Row(
        make_cells(label(row.path, own=row.own), row.type, dict(row.figures)), depth=row.depth - 1
    )


def _fold(rows: Sequence[TreeRow], make_cells: MakeCells) -> Row:
    return Row(
        make_cells(f"{plural(len(rows), 'other')}", "", add_up(row.figures for row in rows)),
        role=Role.FOLDED,
    )
