"""The memory that a training step needs at once, and what it consists of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ucseg_cli.analysis.counting.operations import BACKWARD, FORWARD
from ucseg_cli.analysis.memo import once_per_trace
from ucseg_cli.analysis.memory.peak_memory import (
    Life,
    call_at,
    fullest_moment,
    storage_lives,
    weights_storages,
)
from ucseg_cli.facts.trace import Trace, Trained

WEIGHTS, GRADIENTS, OPTIMIZER = "weights", "gradients", "optimizer"
SAVED, TEMPORARY, INPUT = "saved", "temporary", "input"
PARTS = (WEIGHTS, GRADIENTS, OPTIMIZER, SAVED, TEMPORARY, INPUT)
"""Uses of a storage; each has one of these."""

LOSS, UPDATE = "loss", "update"


class TrainingPeak(NamedTuple):
    """The moment of a training step at which most is alive.

    Args:
        bytes: all storages alive together.
        parts: bytes by each of PARTS, which add up to it.
        saved: the part SAVED by the module that made it; the loss's under the name LOSS.
        phase, module, op: what runs then: FORWARD, LOSS, BACKWARD or UPDATE, whose operator.
    """

    bytes: int
    parts: dict[str, int]
    saved: dict[tuple[str, str], int]
    phase: str
    module: str
    op: str


@once_per_trace
def training_peak(trace: Trace) -> TrainingPeak:
    """The peak of a step that was recorded; weights and the optimizer's state are always there.

    SAVED is what forward and loss made and is alive when backward begins: what autograd keeps, and
    what the loop holds, the outputs and the loss. TEMPORARY is all else that the step makes.
    """
    if trace.trained is None:
        raise ValueError("the trace is not of a training step")
    lives = storage_lives(trace)
    moment = fullest_moment(trace, lives)
    parts = Counter(dict.fromkeys(PARTS, 0))
    parts[WEIGHTS] = sum(trace.storages[storage] for storage in weights_storages(trace))
    saved: Counter[tuple[str, str]] = Counter()
    kinds = kinds_of_storages(trace, trace.trained, lives)
    for life in lives:
        if life.begin <= moment < life.end:
            kind = kinds[life.storage]
            parts[kind] += life.held.bytes
            if kind == SAVED:
                made_in = phase_at(trace.trained, life.begin)
                saved[made_in, life.held.module] += life.held.bytes
    return TrainingPeak(
        parts.total(),
        dict(parts),
        dict(saved),
        phase_at(trace.trained, moment),
        *_at(trace, moment),
    )


def phase_at(trained: Trained, op: int) -> str:
    """The part of the step in which an operator runs."""
    if op >= trained.update:
        return UPDATE
    if op >= trained.backward:
        return BACKWARD
    return LOSS if op >= trained.loss else FORWARD


def kinds_of_storages(trace: Trace, trained: Trained, lives: Sequence[Life]) -> dict[int, str]:
    """By storage, which of PARTS it is of."""

    def storages(tensors: Sequence[int]) -> set[int]:
        return {trace.tensors[tensor].storage for tensor in tensors}

    given = {
        **dict.fromkeys(storages(trace.inputs + trained.targets), INPUT),
        **dict.fromkeys(storages(trained.gradients), GRADIENTS),
        **dict.fromkeys(storages(trained.state), OPTIMIZER),
    }
    kinds = {}
    for life in lives:
        kept = life.begin < trained.backward < life.end
        kinds[life.storage] = given.get(life.storage) or (SAVED if kept else TEMPORARY)
    return kinds


def _at(trace: Trace, moment: int) -> tuple[str, str]:
    return call_at(trace, moment) if trace.ops else ("", "")
