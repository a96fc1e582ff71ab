"""One step down in the channels of each layer, with all that depends on them."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.facts.trace import Trace


class Layer(NamedTuple):
    """A conv or linear layer with its output channels before and after a step."""

    path: str
    before: int
    after: int


class LayerStep(NamedTuple):
    """A quarter fewer channels in layers that only change together.

    *dependent* are the paths of all other modules whose weights become narrower: norms, depthwise
    convs, and the layers that read these channels.
    """

    layers: tuple[Layer, ...]
    dependent: tuple[str, ...] = ()


class NotNarrowable(NamedTuple):
    """A layer whose output channels cannot become fewer alone, and why."""

    path: str
    channels: int
    reason: str


class Narrowed(NamedTuple):
    """Each step with the trace after it, and the layers that have none."""

    steps: list[tuple[LayerStep, Trace]]
    fixed: list[NotNarrowable]


def narrow_each_layer(trace: Trace) -> Narrowed:
    """TODO."""
    return Narrowed([], [])
