"""The icicle of a model's modules by one metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from ucseg_cli.analysis.counting.module_kinds import ModuleKind, kinds_of_modules
from ucseg_cli.analysis.counting.module_tree import Figures, TreeRow, module_rows
from ucseg_cli.facts.trace import Trace
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.report.pictures.icicle import Cell, Icicle
from ucseg_cli.units import exact_ratio, format_bytes, format_count, format_percent

KINDS = tuple(ModuleKind)
DEEPEST = 99


class Measured(NamedTuple):
    """A metric of a model by module: its name in figures, a heading, and as words after a count."""

    name: str
    title: str
    noun: str
    in_bytes: bool = False

    def text(self, figure: int, *, exact: bool = False) -> str:
        """A figure with its unit."""
        return (format_bytes if self.in_bytes else format_count)(figure, exact=exact)

    def signed(self, figure: int, *, exact: bool = False) -> str:
        """A difference, with its sign."""
        return (format_bytes if self.in_bytes else format_count)(figure, exact=exact, signed=True)


def module_icicles(
    trace: Trace, own: Mapping[str, Figures], metric: Measured
) -> tuple[Icicle, ...]:
    """All modules as wide as their share of *metric*; no picture if nothing has any of it."""
    rows = module_rows(trace, own, max_depth=DEEPEST)
    whole = sum(row.figures.get(metric.name, 0) for row in rows if row.depth == 1)
    if not whole:
        return ()
    kinds = kinds_of_modules(trace)

    def make(row: TreeRow, cells: tuple[Cell, ...]) -> Cell:
        return _cell(row, cells, metric, whole, kinds)

    root = TreeRow("", trace.modules[0].type, 0, {metric.name: whole})
    tree = make(root, _nested(rows, 1, make))._replace(path=trace.modules[0].type)
    icicle = Icicle(
        title=f"{metric.title} by module",
        description=_description(tree, metric),
        root=tree,
        kinds=tuple(kind.value for kind in KINDS),
        note=f"Each module is as wide as its share of the {metric.text(whole)} {metric.noun}.",
    )
    return (icicle,)


def _nested(
    rows: Sequence[TreeRow], depth: int, make: Callable[[TreeRow, tuple[Cell, ...]], Cell]
) -> tuple[Cell, ...]:
    """The cells of the rows at *depth*, each with those that follow it further down."""
    starts = [place for place, row in enumerate(rows) if row.depth == depth]
    return tuple(
        make(rows[start], _nested(rows[start + 1 : end], depth + 1, make))
        for start, end in pairwise([*starts, len(rows)])
    )


def _cell(
    row: TreeRow,
    cells: tuple[Cell, ...],
    metric: Measured,
    whole: int,
    kinds: Mapping[str, ModuleKind],
) -> Cell:
    value = row.figures.get(metric.name, 0)
    share = format_percent(exact_ratio(value, whole))
    name = label(row.path, own=row.own)
    exact = metric.text(value, exact=True)
    words = f"{name or 'all'} · {row.type} · {exact} {metric.noun} · {share}"
    kind = None if cells else KINDS.index(kinds.get(row.path, ModuleKind.OTHER))
    short = metric.text(value)
    return Cell(name, value, (f"{short} · {share}", short), words, kind, cells)


def _description(tree: Cell, metric: Measured) -> str:
    """The heaviest modules, for those who do not see the picture."""
    heaviest = sorted(tree.cells, key=lambda cell: -cell.value)[:3]
    named = ", ".join(f"{cell.path} {cell.figures[0]}" for cell in heaviest)
    return f"{metric.title} of all modules, each inside the one above it; most are in {named}."
