"""The words of ``ucseg shrink``: what a step gives up, and the sentence at the end."""

from __future__ import annotations

from collections.abc import Iterator

from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.narrowing.axis_steps import AxisStep
from ucseg_cli.analysis.narrowing.layer_steps import LayerStep
from ucseg_cli.analysis.narrowing.shrunk import Benefits, Effect, Shrinking
from ucseg_cli.analysis.space.benefits import BENEFITS, RECEPTIVE_FIELD
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.units import (
    exact_ratio,
    format_bytes,
    format_percent,
    format_shape,
    plural,
    spoken_count,
)

KEPT = "the receptive field stays"
SAME = "same output"


def layer_names(step: LayerStep) -> str:
    """The first layer of a step, and how many others become narrower with it."""
    first, *others = step.layers
    name = label(first.path, own=not first.path)
    return f"{name} and {len(others)} more" if others else name


def name_of(step: AxisStep | LayerStep) -> str:
    """The axis or the layers."""
    return step.axis if isinstance(step, AxisStep) else layer_names(step)


def change_of(step: AxisStep | LayerStep) -> str:
    """The value, or the channels of the first layer, before and after it; a word only after it."""
    if isinstance(step, AxisStep):
        is_word = not any(map(str.isdigit, step.before))
        return f"→ {step.after}" if is_word else f"{step.before} → {step.after}"
    return f"{step.layers[0].before} → {step.layers[0].after}"


def changes_of(effect: Effect, before: Benefits) -> str | None:
    """The benefits that change, the metrics that rise, another output; None if there is nothing.

    A step that keeps the function says so.
    """
    step, shapes = effect.step, ", ".join(map(format_shape, effect.outputs))
    same = (SAME,) if isinstance(step, AxisStep) and step.same_function else ()
    raised = (f"raises {', '.join(effect.raises)}",) if effect.raises else ()
    other = () if effect.keeps_output else (f"another output, {shapes}",)
    return "; ".join((*same, *_benefits(effect.benefits, before), *raised, *other)) or None


def shrink_sentence(found: Shrinking, conditions: Conditions) -> str:
    """The step to take first, what it saves, and what it changes."""
    where = f"{found.subject.name} at {conditions.at}"
    title = METRICS[found.metric].title
    first = found.first
    if first is None:
        kind = "layer" if found.by_layers else "axis"
        return f"No {kind} of {where} has a step down that saves {title}."
    share = exact_ratio(first.saved[found.metric], found.total[found.metric])
    saved = f"{amount(found.metric, first.saved[found.metric])} {title} ({format_percent(share)})"
    also = "" if found.metric == "params" else f" and {_parameters(first, found)}"
    if isinstance(first.step, AxisStep):
        kept = "" if found.benefits[RECEPTIVE_FIELD.name] is None else KEPT
        changed = changes_of(first, found.benefits) or kept
        to = first.step.reference.name
        then = f"; {changed}" if changed else ""
        return f"In {where} shrink {first.step.axis} first: {to} saves {saved}{also}{then}."
    named, channels = name_of(first.step), change_of(first.step)
    return f"In {where} shrink {named} first: {channels} channels save {saved}{also}."


def amount(metric: str, count: int) -> str:
    """A figure as a speaker rounds it."""
    return format_bytes(count) if METRICS[metric].in_bytes else spoken_count(count)


def _parameters(effect: Effect, found: Shrinking) -> str:
    saved, whole = effect.saved["params"], found.total["params"]
    if saved <= 0:
        return "no parameters"
    return f"{format_percent(exact_ratio(saved, whole))} of the parameters"


def _benefits(after: Benefits, before: Benefits) -> Iterator[str]:
    """Each figure that changes."""
    for name, metric in BENEFITS.items():
        old, new = before[name], after[name]
        if old != new:
            yield f"{metric.title} {_shown(old)} → {_shown(new)}"


def _shown(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def dependents(step: LayerStep) -> str:
    """How many other modules become narrower with the layers."""
    return plural(len(step.dependent), "module")
