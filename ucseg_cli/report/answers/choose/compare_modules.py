"""Modules of models beside those of their baseline: aligned, sorted and folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain

from ucseg_cli.analysis.comparing.comparison import Comparison, Delta, ModuleDelta
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.report.answers.choose.compare_tables import Compared, delta_cells, delta_columns
from ucseg_cli.report.document import (
    Cell,
    Column,
    Kind,
    Role,
    Row,
    Table,
)
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.units import exact_ratio, plural


def modules_table(answer: Compared, metrics: Sequence[str], handful: int | None) -> Table:
    """The modules that change a metric most; the others, and those that do not, in one row each."""
    by_module = align(answer.comparisons)
    changed = [item for item in by_module.items() if is_changed_in(item[1], metrics)]
    unchanged = [deltas for deltas in by_module.values() if not is_changed_in(deltas, metrics)]
    changed.sort(key=lambda item: _order(answer, item, metrics))
    top = len(changed) if handful is None else handful
    top = top if answer.top is None else answer.top
    others = [deltas for _, deltas in changed[top:]]
    totals = [comparison.totals for comparison in answer.comparisons]
    rows = [
        *(Row((_label(*item), *_cells(_figures(item[1]), metrics))) for item in changed[:top]),
        *_folded_row(plural(len(others), "other"), others, metrics),
        *_folded_row(f"{len(unchanged)} unchanged", unchanged, metrics),
        Row(("total", *_cells(totals, metrics)), role=Role.TOTAL),
    ]
    columns = [Column("path", "module", Kind.PATH)]
    if len(metrics) > 1:
        for metric in metrics:
            columns += delta_columns(answer, metric)
        return Table("modules", "Modules", tuple(columns), tuple(rows))
    title = EVERY_METRIC[metrics[0]].title
    columns += delta_columns(answer)
    name = f"{title[0].upper()}{title[1:]} by module"
    return Table(f"modules.{metrics[0]}", name, tuple(columns), tuple(rows))


Key = tuple[bool, str]
"""Whether the baseline has a module, and its label there, else in the models that have it."""
Figures = Sequence[Mapping[str, Delta]]
"""By metric, of each model beside the baseline."""


def align(comparisons: Sequence[Comparison]) -> dict[Key, list[ModuleDelta]]:
    """Each module of any model with its delta in every comparison."""
    by_key = [{_key(module): module for module in model.modules} for model in comparisons]
    keys = dict.fromkeys(chain.from_iterable(by_key))
    return {key: [own.get(key) or _absent(key, by_key) for own in by_key] for key in keys}


def _key(module: ModuleDelta) -> Key:
    is_old = module.figures["params"].before is not None
    path = module.was or module.path if is_old else module.path
    return is_old, label(path, own=module.own)


def _absent(key: Key, by_key: Iterable[Mapping[Key, ModuleDelta]]) -> ModuleDelta:
    """A module that another model has, and neither the baseline nor this one."""
    known = next(own[key] for own in by_key if key in own)
    return known._replace(figures=dict.fromkeys(known.figures, Delta(None, None)), was=None)


def _label(key: Key, deltas: Sequence[ModuleDelta]) -> str:
    """The baseline's name; of one comparison the model's, with the baseline's if that differs."""
    only = deltas[0]
    if len(deltas) > 1 or not only.was:
        return key[1]
    return f"{label(only.path, own=only.own)} (was {only.was})"


def is_changed_in(deltas: Sequence[ModuleDelta], metrics: Sequence[str]) -> bool:
    """Whether a module differs in one of *metrics* from the baseline in any model."""
    return any(delta.figures[metric].delta for delta in deltas for metric in metrics)


def _order(
    answer: Compared, item: tuple[Key, Sequence[ModuleDelta]], metrics: Sequence[str]
) -> tuple[Fraction, str]:
    """By the largest change of any metric as a share of the whole network's, or by path."""
    key, deltas = item
    if answer.sort == "path":
        return Fraction(), _label(key, deltas)
    shares = (
        exact_ratio(abs(delta.figures[metric].delta), answer.largest(metric))
        for delta in deltas
        for metric in metrics
    )
    return -max(share or Fraction() for share in shares), _label(key, deltas)


def _figures(deltas: Sequence[ModuleDelta]) -> Figures:
    return [delta.figures for delta in deltas]


def _cells(figures: Figures, metrics: Sequence[str]) -> Iterator[Cell]:
    for metric in metrics:
        yield from delta_cells([of_model[metric] for of_model in figures])


def _folded_row(
    name: str, folded: Sequence[Sequence[ModuleDelta]], metrics: Sequence[str]
) -> list[Row]:
    """Several modules as one row, with their sums."""
    if not folded:
        return []
    by_model = zip(*map(_figures, folded), strict=True)
    sums = [{metric: _sum(figures, metric) for metric in metrics} for figures in by_model]
    return [Row((name, *_cells(sums, metrics)), role=Role.FOLDED)]


def _sum(figures: Figures, metric: str) -> Delta:
    deltas = [of_module[metric] for of_module in figures]
    return Delta(sum(d.before or 0 for d in deltas), sum(d.after or 0 for d in deltas))
