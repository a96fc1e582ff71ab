"""Figures by module, rolled up by path: children and own remainder add up at every level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ucseg_cli.facts.trace import Module, Trace

Figures = Mapping[str, int]
"""Integers by metric."""


class TreeRow(NamedTuple):
    """A module with everything below it; if *own*, only what it holds or runs itself."""

    path: str
    type: str
    depth: int
    figures: Figures
    own: bool = False
    leaf: bool = False


def module_rows(trace: Trace, own: Mapping[str, Figures], *, max_depth: int) -> list[TreeRow]:
    """The tree in order, *max_depth* levels down, with a row for each remainder that is not zero.

    The root is not among the rows: those of depth 1 add up to it, as children do to their parent.
    """
    totals = roll_up(trace, own)
    parents = {parent_path(module.path) for module in trace.modules if module.path}
    rows: list[TreeRow] = []
    for module in trace.modules:
        path, depth = module.path, path_depth(module.path)
        opened = path in parents and depth < max_depth
        if path and depth <= max_depth:
            rows.append(TreeRow(path, _type(module), depth, totals[path], leaf=not opened))
        if opened and any(own.get(path, {}).values()):
            rows.append(TreeRow(path, module.type, depth + 1, own[path], own=True, leaf=True))
    return rows


def of_metrics(own: Mapping[str, Figures], metrics: Iterable[str]) -> dict[str, Figures]:
    """Only some of the figures, so that a module without any of them has no remainder to show."""
    names = tuple(metrics)
    return {
        path: {name: figures[name] for name in names if name in figures}
        for path, figures in own.items()
    }


def partition(rows: Iterable[TreeRow]) -> list[TreeRow]:
    """Only the rows that do not contain another, at one level: they add up to the total."""
    return [row._replace(depth=1) for row in rows if row.leaf]


def roll_up(trace: Trace, own: Mapping[str, Figures]) -> dict[str, dict[str, int]]:
    """Each module's figures and those of all below its path; every metric of any is present."""
    nothing = dict.fromkeys((metric for figures in own.values() for metric in figures), 0)
    totals = {module.path: {**nothing, **own.get(module.path, {})} for module in trace.modules}
    for path in reversed(totals):  # children stand after their parents
        if path:
            above = totals[parent_path(path)]
            for metric, figure in totals[path].items():
                above[metric] += figure
    return totals


def sum_figures(rows: Iterable[Figures]) -> Figures:
    """Every metric of any, summed."""
    total: Counter[str] = Counter()
    for figures in rows:
        total.update(figures)
    return total


def parent_path(path: str) -> str:
    """The path one level up."""
    return path.rpartition(".")[0]


def ancestry(path: str) -> Iterator[str]:
    """The path and all above it, up to the root's."""
    while path:
        yield path
        path = parent_path(path)
    yield ""


def path_depth(path: str) -> int:
    """Levels below the root."""
    return path.count(".") + 1 if path else 0


def _type(module: Module) -> str:
    return module.type if module.alias_of is None else f"{module.type} (same as {module.alias_of})"
