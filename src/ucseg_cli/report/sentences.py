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
    metrics = {"params": "parameters", convention.name: convention.title}
    deltas = {metric: comparison.totals[metric] for metric in metrics}
    if not any(module.status != "unchanged" for module in comparison.modules):
        return f"{model} and {baseline} have the same parameters and operations in every module."
    parts = [_part(deltas[metric], noun, _largest(comparison, metric)) for metric, noun in metrics.items()]
    return f"Against {baseline}, {model} has {parts[0]} and {parts[1]}."


def _part(delta: Delta, noun: str, largest: str) -> str:
    if not delta.delta:
        return f"as many {noun}{f' ({largest})' if largest else ''}"
    direction = "more" if delta.delta > 0 else "fewer"
    change = delta.change
    size = format_percent(abs(change)) if isinstance(change, Fraction) else format_count(abs(delta.delta), exact=True)
    where = f", most in {largest}" if largest else ""
    return f"{size} {direction} {noun} ({format_count(delta.delta, exact=True, signed=True)}{where})"


def _largest(comparison: Comparison, metric: str) -> str:
    """The module that changes most, where it is not the only word to say."""
    module = max(comparison.modules, key=lambda each: abs(each.figures[metric].delta))
    delta = module.figures[metric].delta
    name = label(module.path, own=module.own)
    return f"{name} {format_count(delta, exact=True, signed=True)}" if delta else ""
