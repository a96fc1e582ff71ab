"""The effects of steps down, ranked by what each saves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import METRICS, totals
from ucseg_cli.analysis.narrowing.axis_steps import AxisStep, LeftOut
from ucseg_cli.analysis.narrowing.layer_steps import LayerStep, NotNarrowable
from ucseg_cli.analysis.space.benefits import benefits_of
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.trace import Trace

OTHER_OUTPUT = "it changes the shape of the output"

Shapes = tuple[tuple[int, ...], ...]
Benefits = Mapping[str, int | None]
"""The figures of which more is wanted, by name; but for the stride, of which less is."""


class Effect(NamedTuple):
    """A step down and the figures after it.

    Args:
        step: along an axis, or in the channels of layers.
        total: every metric after it.
        saved: every metric before it minus after it; below 0 it costs.
        benefits: after it.
        outputs: the shapes of the model's outputs after it.
        keeps_output: whether those are as before.
    """

    step: AxisStep | LayerStep
    total: Mapping[str, int]
    saved: Mapping[str, int]
    benefits: Benefits
    outputs: Shapes
    keeps_output: bool

    @property
    def raises(self) -> tuple[str, ...]:
        """The metrics that the step makes higher."""
        return tuple(metric for metric, saved in self.saved.items() if saved < 0)


class Failed(NamedTuple):
    """A step whose model cannot be built or run, and why."""

    step: AxisStep
    reason: str


class Shrinking(NamedTuple):
    """A model and its steps down.

    Args:
        subject: the model.
        metric: by which the effects are sorted, most saved first; those that change the shape of
            the output come last.
        failed, left_out: of the axes. fixed: the layers that cannot be narrowed.
        by_layers: whether the steps are in the channels of layers rather than along axes.
    """

    subject: Subject
    metric: str
    effects: Sequence[Effect]
    failed: Sequence[Failed] = ()
    left_out: Sequence[LeftOut] = ()
    fixed: Sequence[NotNarrowable] = ()
    by_layers: bool = False

    @property
    def total(self) -> dict[str, int]:
        """Every metric of the model as it is."""
        return totals(self.subject.trace)

    @property
    def benefits(self) -> Benefits:
        """The benefits of the model as it is."""
        return benefits_of(self.subject.trace)

    @property
    def first(self) -> Effect | None:
        """The step that saves most and keeps the shape of the output; None if nothing saves."""
        best = next(iter(self.effects), None)
        saves = best is not None and best.keeps_output and best.saved[self.metric] > 0
        return best if saves else None


def effect_of(
    step: AxisStep | LayerStep,
    before: Trace,
    after: Trace,
    benefits: Benefits | None = None,
) -> Effect:
    """The effect of a step from the traces before and after it, on the same input.

    *benefits* are those after it, where they are known already.
    """
    old, new = totals(before), totals(after)
    outputs = _output_shapes(after)
    return Effect(
        step,
        new,
        {metric: old[metric] - new[metric] for metric in METRICS if metric in old},
        benefits or benefits_of(after),
        outputs,
        keeps_output=outputs == _output_shapes(before),
    )


def ranked(effects: Iterable[Effect], metric: str) -> list[Effect]:
    """The effects that keep the shape of the output, most saved first, and then the others."""
    return sorted(effects, key=lambda effect: (not effect.keeps_output, -effect.saved[metric]))


def _output_shapes(trace: Trace) -> Shapes:
    return tuple(trace.tensors[tensor].shape for tensor in trace.outputs)
