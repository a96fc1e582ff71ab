"""The sentence at the end of a comparison."""

from __future__ import annotations

from fractions import Fraction

from ucseg_cli.analysis.compare import Comparison, Delta
from ucseg_cli.analysis.conventions import Convention
from ucseg_cli.report.module_table import label
from ucseg_cli.units import format_count, format_percent


def compare_sentence(comparison: Comparison, convention: Convention) -> str:
    """What a person would say of two networks: more or fewer parameters and operations, and where most of it lies."""
    model, baseline = comparison.model.name, comparison.baseline.name
    if all(module.status == "unchanged" for module in comparison.modules):
        return f"{model} has the same parameters and operations as {baseline} in every module."
    params = _part(comparison, "params", "parameters", than=baseline)
    return f"{model} has {params} and {_part(comparison, convention.name, convention.noun)}."


def _part(comparison: Comparison, metric: str, noun: str, *, than: str | None = None) -> str:
    delta, largest = comparison.totals[metric], _largest(comparison, metric)
    if not delta.delta:
        return f"as many {noun}{f' as {than}' if than else ''}{f' (largest change: {largest})' if largest else ''}"
    direction = "more" if delta.delta > 0 else "fewer"
    where = f"; largest change: {largest}" if largest else ""
    return (
        f"{_size(delta)} {direction} {noun}{f' than {than}' if than else ''} "
        f"({format_count(delta.delta, exact=True, signed=True)}{where})"
    )


def _size(delta: Delta) -> str:
    change = delta.change
    return format_percent(abs(change)) if isinstance(change, Fraction) else format_count(abs(delta.delta), exact=True)


def _largest(comparison: Comparison, metric: str) -> str:
    """The module whose figure changes most; nothing where none does."""
    module = max(comparison.modules, key=lambda each: abs(each.figures[metric].delta))
    delta = module.figures[metric].delta
    return f"{label(module.path, own=module.own)} {format_count(delta, exact=True, signed=True)}" if delta else ""
