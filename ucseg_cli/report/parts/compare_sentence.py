"""The sentence at the end of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from ucseg_cli.analysis.comparing.attribution import Attribution
from ucseg_cli.analysis.comparing.comparison import MODULE_METRICS, Comparison, Delta, ModuleDelta
from ucseg_cli.analysis.comparing.setting_changes import TRAINABLE
from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, METRICS, TRAIN_MEMORY
from ucseg_cli.report.answers.choose.compare_settings import (
    MOST_NAMED,
    settings_in_words,
    settings_place,
)
from ucseg_cli.report.answers.choose.loading_tables import loading_sentence, names_in_loading
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.units import format_bytes, format_percent, plural, spoken_count

MANY_TIMES = 10
"""From here on a reader is better served by a factor than by a percentage."""


def compare_sentence(
    comparison: Comparison, convention: Convention, attributions: Sequence[Attribution] = ()
) -> str:
    """How two networks differ, as one would say it: parameters and operations, and why.

    The reason is the axis with the largest share if *attributions* are known, else the module that
    changes most. If these do not differ, the sentence names what does. Between a network and a
    checkpoint it says whether the one loads the other.
    """
    if comparison.loading is not None:
        return loading_sentence(*names_in_loading(comparison), comparison.loading)
    model, baseline, axes = comparison.model.name, comparison.baseline.name, comparison.axes
    same = bool(axes) and all(change.axis.same_function for change in axes)
    function = "; in eval mode it computes the same function" if same else ""
    if comparison.is_same:
        return _nothing(comparison)
    costs = [metric for metric, delta in comparison.totals.items() if _differs(delta)]
    equal = all(_is_equal(module) for module in comparison.modules)
    if not costs and axes and equal:
        named = ", ".join(map(str, axes))
        if comparison.settings:
            named += f" ({settings_in_words(comparison.settings)})"
        return f"{model} differs from {baseline} in {named}; no cost differs{function}."
    if not costs and equal:
        named = settings_in_words(comparison.settings)
        return f"{model} differs from {baseline} in {named}; no cost differs."
    reasons = {known.metric: _largest_share(comparison, known) for known in attributions}
    of_training = TRAIN_MEMORY.name in comparison.totals
    first = TRAIN_MEMORY if of_training else METRICS["params"]
    has = f"A training step of {model} needs" if of_training else f"{model} has"
    if not comparison.totals[convention.name].known:
        params = _part(comparison, "params", "parameters", reasons, than=f" than {baseline}")
        return f"{model} has {params}; operations are not compared, as one of them does not run."
    noun = "memory" if of_training else first.title
    size = _part(comparison, first.name, noun, reasons, than=f" than {baseline}")
    flops = _part(comparison, convention.name, convention.noun, reasons)
    counted = [change for change in axes if change.axis.counted or of_training]
    both_same = not {first.name, convention.name} & set(costs)
    one_cause = len(counted) == 1 and attributions and not both_same
    cause = f", from {counted[0]}" if one_cause else ""
    others = "".join(f"; {clause}" for clause in _others(comparison, costs)) if both_same else ""
    return f"{has} {size} and {flops}{cause}{others}{function}."


def _others(comparison: Comparison, costs: Sequence[str]) -> Iterator[str]:
    """All that differs between two models of which the sentence's two figures agree."""
    for metric in costs:
        delta = comparison.totals[metric]
        if metric not in {"trainable", "frozen"} and isinstance(delta.change, Fraction):
            known, direction = EVERY_METRIC[metric], "rise" if delta.delta > 0 else "fall"
            verb = direction if known.is_plural else f"{direction}s"
            yield f"{known.title} {verb} by {format_percent(abs(delta.change))}"
    frozen = comparison.totals["frozen"]
    if frozen.delta:
        more = "more" if frozen.delta > 0 else "fewer"
        paths = [change.path for change in comparison.settings if change.name == TRAINABLE]
        place = f", in {settings_place(paths)}" if paths else ""
        yield f"{spoken_count(abs(frozen.delta))} {more} of them are frozen{place}"
    yield from _modules_that_differ(comparison)
    settings = [change for change in comparison.settings if change.name != TRAINABLE]
    if settings:
        yield f"it differs in {settings_in_words(settings)}"


def _modules_that_differ(comparison: Comparison) -> Iterator[str]:
    """Those whose figures differ though the totals agree, and those of one side."""
    for status in ("new", "gone"):
        found = [module for module in comparison.modules if module.status == status]
        if found:
            paths = [label(module.path, own=module.own) for module in found]
            yield f"{settings_place(paths)} {'is' if len(found) == 1 else 'are'} {status}"
    changed = [module for module in comparison.modules if not _is_equal(module)]
    metric = next(
        (name for name in MODULE_METRICS if any(module.figures[name].delta for module in changed)),
        None,
    )
    if metric is None:
        return
    changed.sort(key=lambda module: -abs(module.figures[metric].delta))
    shown = [
        f"{label(module.path, own=module.own)} "
        f"{spoken_count(module.figures[metric].delta, signed=True)}"
        for module in changed[:MOST_NAMED]
        if module.figures[metric].delta
    ]
    noun = "parameters" if metric == "params" else CONVENTIONS[metric].noun
    yield f"{noun} move between modules: {', '.join(shown)}"


def _is_equal(module: ModuleDelta) -> bool:
    """Whether it is on both sides, and no figure of it differs."""
    figures = module.figures.values()
    return module.status in {"changed", "unchanged"} and not any(figure.delta for figure in figures)


def _differs(delta: Delta) -> bool:
    return bool(delta.delta) or not delta.known


def _nothing(comparison: Comparison) -> str:
    model, baseline = comparison.model.name, comparison.baseline.name
    if model == baseline:
        return f"{model} is compared with itself: nothing differs."
    renamed = [module for module in comparison.modules if module.was]
    names = f"; {plural(len(renamed), 'has', 'have')} another name" if renamed else ""
    return f"{model} has the same parameters and operations as {baseline} in every module{names}."


def _part(
    comparison: Comparison, metric: str, noun: str, reasons: dict[str, str], *, than: str = ""
) -> str:
    """How much more or less of one metric."""
    delta, known = comparison.totals[metric], EVERY_METRIC[metric]
    many, fewer = ("many", "fewer") if known.is_plural else ("much", "less")
    as_many = than.replace(" than ", " as ")
    if not delta.delta:
        return f"as {many} {noun}{as_many}"
    write = format_bytes if known.in_bytes else spoken_count
    reason = reasons[metric] if metric in reasons else _largest_change(comparison, metric)
    spoken = ", ".join(filter(None, (write(delta.delta, signed=True), reason)))
    before, after = delta.before or 0, delta.after or 0
    if before and after >= MANY_TIMES * before:
        whole, tenth = divmod(after * 10 // before, 10)
        return f"{whole:,}.{tenth} times as {many} {noun}{as_many} ({spoken})"
    direction = "more" if delta.delta > 0 else fewer
    size = write(abs(delta.delta))
    if isinstance(delta.change, Fraction):
        size = format_percent(abs(delta.change))
    return f"{size} {direction} {noun}{than} ({spoken})"


def _largest_share(comparison: Comparison, attribution: Attribution) -> str:
    """The one of several axes that does most to a metric in the direction in which it changed."""
    if len(attribution.effects) == 1:
        return ""
    delta = attribution.after - attribution.before
    effect = max(attribution.effects, key=lambda effect: effect.share * delta)
    return f"mostly from {next(c for c in comparison.axes if c.axis.name == effect.axis)}"


def _largest_change(comparison: Comparison, metric: str) -> str:
    """The module whose figure changes most; of a peak, the part."""
    if metric == TRAIN_MEMORY.name:
        return _largest_part(comparison)
    module = max(comparison.modules, key=lambda module: abs(module.figures[metric].delta))
    amount = spoken_count(module.figures[metric].delta, signed=True)
    return f"largest change: {label(module.path, own=module.own)} {amount}"


def _largest_part(comparison: Comparison) -> str:
    """The part of a training step's memory that changes most."""
    from ucseg_cli.analysis.comparing.step_changes import part_changes  # few are of training
    from ucseg_cli.report.parts.trained.step_parts import TITLES

    changes = part_changes(comparison)
    part = max(changes, key=lambda part: abs(changes[part].delta))
    amount = format_bytes(changes[part].delta, signed=True)
    return f"largest change: {TITLES[part]} {amount}"
