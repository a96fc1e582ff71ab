"""Steps down along the axes of a design, or in its layers, measured and ranked."""

from __future__ import annotations

from collections.abc import Sequence

from ucseg_cli.analysis.narrowing.axis_steps import (
    AxisStep,
    LeftOut,
    Steps,
    argument_steps,
    family_steps,
)
from ucseg_cli.analysis.narrowing.layer_steps import narrow_each_layer
from ucseg_cli.analysis.narrowing.shrunk import (
    OTHER_OUTPUT,
    Effect,
    Failed,
    Shrinking,
    effect_of,
    ranked,
)
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache
from ucseg_cli.references import Buildable, Reference
from ucseg_cli.references.variants import Variant
from ucseg_cli.terminal.progress import show_progress
from ucseg_cli.units import plural


def shrink(
    subject: Subject,
    conditions: Conditions,
    settings: Settings,
    metric: str,
    *,
    layers: bool,
    cache: Cache | None,
) -> Shrinking:
    """The effects of a model's steps down, most of *metric* saved first.

    Along the axes of its design, unless *layers* are asked for, or no axis has a step that can be
    built and keeps the shape of the output: then in its layers.
    """
    steps, left_out = ([], []) if layers else _axis_steps(subject)
    effects, failed = _measure(subject, steps, conditions, settings, cache)
    if any(effect.keeps_output for effect in effects):
        found = ranked(effects, metric)
        return Shrinking(subject, metric, found, failed, left_out)
    other_outputs = (effect.step for effect in effects)
    left_out += [
        LeftOut(step.axis, step.before, OTHER_OUTPUT)
        for step in other_outputs
        if isinstance(step, AxisStep)
    ]
    narrowed = narrow_each_layer(subject.trace)
    benefits = None
    found = []
    for step, trace in narrowed.steps:
        effect = effect_of(step, subject.trace, trace, benefits)
        benefits = effect.benefits  # channels do not decide them
        found.append(effect)
    return Shrinking(
        subject, metric, ranked(found, metric), failed, left_out, narrowed.fixed, by_layers=True
    )


def _axis_steps(subject: Subject) -> Steps:
    reference = Reference(subject.name, subject.model) if subject.model is not None else None
    if reference is None:
        return [], []
    if reference.variant is not None:
        return family_steps(reference, reference.variant)
    if isinstance(reference.model, Buildable):
        return argument_steps(subject.name, reference.model, subject.trace.axes)
    return [], []


def _measure(
    subject: Subject,
    steps: Sequence[AxisStep],
    conditions: Conditions,
    settings: Settings,
    cache: Cache | None,
) -> tuple[list[Effect], list[Failed]]:
    at = conditions.by_place if isinstance(subject.model, Variant) else conditions
    requests = [tracing.Request(step.reference.model, at) for step in steps]
    failures: tracing.Failures = {}
    with show_progress() as announce:
        traces = tracing.trace_all(
            requests,
            cache,
            announce=lambda count: announce(f"recording {plural(count, 'step')} down…"),
            timeout=settings.timeout,
            failures=failures,
            prices=settings.prices,
            together=True,
        )
    effects, failed = [], []
    for step, request in zip(steps, requests, strict=True):
        trace = traces.get(request)
        if trace is None or trace.failure is not None:
            error = failures.get(request)
            why = error.what if error else f"it does not run: {trace and trace.failure}"
            failed.append(Failed(step, why))
        else:
            effects.append(effect_of(step, subject.trace, trace))
    return effects, failed
