"""The sentence at the end of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from ucseg_cli.analysis.comparing.attribution import Attribution
from ucseg_cli.analysis.comparing.comparison import Comparison, Delta
from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.units import format_count, format_percent

MANY_TIMES = 10
"""From here on nobody reads a percentage."""


def compare_sentence(
    comparison: Comparison, convention: Convention, attributions: Sequence[Attribution] = ()
) -> str:
    """What a person would say of two networks: more or fewer parameters and operations, and why.

    The reason is the axis with the largest share where *attributions* tell it, else the module that changes most.
    """
    model, baseline = comparison.model.name, comparison.baseline.name
    runs = comparison.totals[convention.name].known
    if runs and all(module.status == "unchanged" for module in comparison.modules):
        return f"{model} has the same parameters and operations as {baseline} in every module."
    why = {each.metric: each for each in attributions}
    params = _part(comparison, "params", "parameters", why, than=baseline)
    if not runs:
        return f"{model} has {params}; operations are not compared, since not both of them run."
    flops = _part(comparison, convention.name, convention.noun, why)
    axes = comparison.axes
    same = bool(axes) and all(change.axis.same_function for change in axes)
    return f"{model} has {params} and {flops}{'; in eval mode it computes the same function' if same else ''}."


def _part(
    comparison: Comparison,
    metric: str,
    noun: str,
    why: Mapping[str, Attribution],
    *,
    than: str | None = None,
) -> str:
    delta = comparison.totals[metric]
    reason = (
        _largest_share(comparison, why[metric])
        if metric in why
        else _largest_change(comparison, metric)
    )
    if not delta.delta:
        return f"as many {noun}{f' as {than}' if than else ''}{f' ({reason})' if reason else ''}"
    if delta.before and (delta.after or 0) >= MANY_TIMES * delta.before:
        whole, tenth = divmod((delta.after or 0) * 10 // delta.before, 10)
        times = f"{whole:,}.{tenth} times as many {noun}{f' as {than}' if than else ''}"
        return f"{times} ({format_count(delta.delta, exact=True, signed=True)}{f'; {reason}' if reason else ''})"
    direction = "more" if delta.delta > 0 else "fewer"
    return (
        f"{_size(delta)} {direction} {noun}{f' than {than}' if than else ''} "
        f"({format_count(delta.delta, exact=True, signed=True)}{f'; {reason}' if reason else ''})"
    )


def _size(delta: Delta) -> str:
    change = delta.change
    return (
        format_percent(abs(change))
        if isinstance(change, Fraction)
        else format_count(abs(delta.delta), exact=True)
    )


def _largest_share(comparison: Comparison, attribution: Attribution) -> str:
    """The axis that does most to a metric in the direction in which it changed; nothing where none does anything."""
    delta = attribution.after - attribution.before
    effect = max(
        attribution.effects, key=lambda each: each.share * delta if delta else abs(each.share)
    )
    change = next(each for each in comparison.axes if each.axis.name == effect.axis)
    if not effect.share:
        return ""
    most = "" if len(attribution.effects) == 1 else "most by "
    amount = (
        ""
        if len(attribution.effects) == 1
        else f", {format_count(effect.rounded, exact=True, signed=True)}"
    )
    return f"{most}{change}{amount}"


def _largest_change(comparison: Comparison, metric: str) -> str:
    """The module whose figure changes most; nothing where none does."""
    module = max(comparison.modules, key=lambda each: abs(each.figures[metric].delta))
    delta = module.figures[metric].delta
    where = f"{label(module.path, own=module.own)} {format_count(delta, exact=True, signed=True)}"
    return f"largest change: {where}" if delta else ""
