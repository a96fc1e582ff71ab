"""The icicle of what grew, shrank, came and went between two models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ucseg_cli.analysis.comparing.comparison import Comparison, Delta, ModuleDelta, compare
from ucseg_cli.report.parts.drawn.module_icicle import DEEPEST, Measured
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.report.pictures.icicle import Cell, Icicle
from ucseg_cli.units import exact_ratio, format_percent

SAME, SHRANK, GREW, NEW, GONE = range(5)
KINDS = ("same", "− shrank", "+ grew", "new", "gone")
SIGNS = ("", "− ", "+ ", "new ", "gone ")
COLOURS = ("s5", "s0", "s1", "s2", "s4")


class _Leaf(NamedTuple):
    """A module that holds no other, by its *parts*: the names that lead to it."""

    parts: tuple[str, ...]
    module: ModuleDelta


def difference_icicles(comparison: Comparison, metric: Measured) -> tuple[Icicle, ...]:
    """Modules of both models, each as wide as the larger of its two figures; none if all is 0."""
    deep = compare(comparison.baseline, comparison.model, comparison.totals, depth=DEEPEST)
    leaves = [_Leaf(_parts(module), module) for module in deep.modules]
    cells = _nested(leaves, 0, metric)
    whole = sum(cell.value for cell in cells)
    if not whole:
        return ()
    baseline, model = comparison.baseline.name, comparison.model.name
    total = comparison.totals[metric.name]
    words = f"{baseline} → {model} · {_change(total, metric)}"
    root = Cell(f"{baseline} → {model}", whole, _figures(total, metric), words, _kind(total), cells)
    icicle = Icicle(
        title=f"{metric.title} by module, {baseline} → {model}",
        description=f"What changed in {metric.noun}: {_change(total, metric)}.",
        root=root,
        kinds=KINDS,
        signs=SIGNS,
        colours=COLOURS,
        note="Each module is as wide as the larger of its two figures.",
    )
    return (icicle,)


def _parts(module: ModuleDelta) -> tuple[str, ...]:
    """The names that lead to a module; its own remainder stands below it."""
    names = tuple(filter(None, module.path.split(".")))
    return (*names, label("", own=True)) if module.own else names or ("",)


def _nested(leaves: Sequence[_Leaf], level: int, metric: Measured) -> tuple[Cell, ...]:
    """A cell for each name at this level, in the order in which it first comes."""
    groups: dict[str, list[_Leaf]] = {}
    for leaf in leaves:
        groups.setdefault(leaf.parts[level], []).append(leaf)
    return tuple(_cell(group, level, metric) for group in groups.values())


def _cell(group: Sequence[_Leaf], level: int, metric: Measured) -> Cell:
    """One module, or all that stand below one name."""
    ends = [leaf for leaf in group if len(leaf.parts) == level + 1]
    below = [leaf for leaf in group if len(leaf.parts) > level + 1]
    cells = (*(_leaf(leaf, metric) for leaf in ends), *_nested(below, level + 1, metric))
    if len(cells) == 1 and not below:
        return cells[0]
    path = ".".join(group[0].parts[: level + 1])
    total = _sum(leaf.module.figures[metric.name] for leaf in group)
    words = f"{path} · {_change(total, metric)}"
    size = sum(cell.value for cell in cells)
    return Cell(path, size, _figures(total, metric), words, _kind(total), cells)


def _leaf(leaf: _Leaf, metric: Measured) -> Cell:
    module, delta = leaf.module, leaf.module.figures[metric.name]
    was = f" (was {module.was})" if module.was else ""
    name = label(module.path, own=module.own)
    words = f"{name}{was} · {module.type} · {_change(delta, metric)}"
    size = max(delta.before or 0, delta.after or 0)
    return Cell(name, size, _figures(delta, metric), words, _kind(delta))


def _kind(delta: Delta) -> int:
    if isinstance(delta.change, str):
        return NEW if delta.change == "new" else GONE
    if not delta.delta:
        return SAME
    return GREW if delta.delta > 0 else SHRANK


def _sum(deltas: Iterator[Delta]) -> Delta:
    known = list(deltas)
    before, after = ([getattr(delta, side) for delta in known] for side in ("before", "after"))
    return Delta(_total(before), _total(after))


def _total(figures: Sequence[int | None]) -> int | None:
    """The sum of what there is; None if there is nothing."""
    there = [figure for figure in figures if figure is not None]
    return sum(there) if there else None


def _figures(delta: Delta, metric: Measured) -> tuple[str, ...]:
    """The difference with what it is a change of, and the difference alone."""
    if not delta.delta:
        return (metric.text(delta.after or 0),)
    signed = metric.signed(delta.delta)
    if not delta.before or not delta.after:
        return (signed,)
    return (f"{signed} of {metric.text(delta.before or 0)}", signed)


def _change(delta: Delta, metric: Measured) -> str:
    """Before, after and the difference, exactly."""
    if not delta.delta:
        return f"{metric.text(delta.after or 0, exact=True)} {metric.noun} in both"
    before, after = (metric.text(figure or 0, exact=True) for figure in (delta.before, delta.after))
    share = format_percent(exact_ratio(delta.delta, delta.before), signed=True)
    percent = f", {share}" if delta.before else ""
    exact = metric.signed(delta.delta, exact=True)
    return f"{before} → {after} {metric.noun} ({exact}{percent})"
