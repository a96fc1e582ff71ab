"""The sentence at the end of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ucseg_cli.analysis.comparing.attribution import Attribution
from ucseg_cli.analysis.comparing.comparison import Comparison, Delta
from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.report.answers.choose.loading_tables import loading_sentence
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.units import format_percent, spoken_count

MANY_TIMES = 10
"""From here on a reader is better served by a factor than by a percentage."""


def compare_sentence(
    comparison: Comparison, convention: Convention, attributions: Sequence[Attribution] = ()
) -> str:
    """How two networks differ, as one would say it: parameters and operations, and why.

    The reason is the axis with the largest share if *attributions* are known, else the module that
    changes most. If no cost differs, the sentence names the axes that do. Between a
    network and a checkpoint it says whether the one loads the other.
    """
    if comparison.loading is not None:
        return loading_sentence(comparison, comparison.loading)
    model, baseline, axes = comparison.model.name, comparison.baseline.name, comparison.axes
    same = bool(axes) and all(change.axis.same_function for change in axes)
    function = "; in eval mode it computes the same function" if same else ""
    costs = [metric for metric, delta in comparison.totals.items() if _differs(delta)]
    if not costs and axes:
        named = ", ".join(map(str, axes))
        return f"{model} differs from {baseline} in {named}; no cost differs{function}."
    if not costs and all(module.status == "unchanged" for module in comparison.modules):
        return _nothing(model, baseline)
    reasons = {known.metric: _largest_share(comparison, known) for known in attributions}
    params = _part(comparison, "params", "parameters", reasons, than=f" than {baseline}")
    if not comparison.totals[convention.name].known:
        return f"{model} has {params}; operations are not compared, as one of them does not run."
    flops = _part(comparison, convention.name, convention.noun, reasons)
    counted = [change for change in axes if change.axis.counted]
    cause = f", from {counted[0]}" if len(counted) == 1 and attributions else ""
    others = [
        METRICS[metric].title for metric in costs if metric not in {"params", convention.name}
    ]
    differ = f"; {' and '.join(others)} differ" if len(others) == len(costs) else ""
    return f"{model} has {params} and {flops}{cause}{differ}{function}."


def _differs(delta: Delta) -> bool:
    return bool(delta.delta) or not delta.known


def _nothing(model: str, baseline: str) -> str:
    if model == baseline:
        return f"{model} is compared with itself: nothing differs."
    return f"{model} has the same parameters and operations as {baseline} in every module."


def _part(
    comparison: Comparison, metric: str, noun: str, reasons: dict[str, str], *, than: str = ""
) -> str:
    """How much more or less of one metric."""
    delta = comparison.totals[metric]
    as_many = than.replace(" than ", " as ")
    if not delta.delta:
        return f"as many {noun}{as_many}"
    reason = reasons[metric] if metric in reasons else _largest_change(comparison, metric)
    spoken = ", ".join(filter(None, (spoken_count(delta.delta, signed=True), reason)))
    before, after = delta.before or 0, delta.after or 0
    if before and after >= MANY_TIMES * before:
        whole, tenth = divmod(after * 10 // before, 10)
        return f"{whole:,}.{tenth} times as many {noun}{as_many} ({spoken})"
    direction = "more" if delta.delta > 0 else "fewer"
    return f"{_size(delta)} {direction} {noun}{than} ({spoken})"


def _size(delta: Delta) -> str:
    if isinstance(delta.change, Fraction):
        return format_percent(abs(delta.change))
    return spoken_count(abs(delta.delta))


def _largest_share(comparison: Comparison, attribution: Attribution) -> str:
    """The one of several axes that does most to a metric in the direction in which it changed."""
    if len(attribution.effects) == 1:
        return ""
    delta = attribution.after - attribution.before
    effect = max(attribution.effects, key=lambda effect: effect.share * delta)
    return f"mostly from {next(c for c in comparison.axes if c.axis.name == effect.axis)}"


def _largest_change(comparison: Comparison, metric: str) -> str:
    """The module whose figure changes most."""
    module = max(comparison.modules, key=lambda module: abs(module.figures[metric].delta))
    amount = spoken_count(module.figures[metric].delta, signed=True)
    return f"largest change: {label(module.path, own=module.own)} {amount}"
