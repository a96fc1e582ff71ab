"""The bytes that are alive at each moment of a pass, by what they belong to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import NamedTuple

from ucseg_cli.analysis.memory.peak_memory import (
    Life,
    call_at,
    fullest_moment,
    storage_lives,
    weights_storages,
)
from ucseg_cli.analysis.memory.training_memory import PARTS, WEIGHTS, kinds_of_storages, phase_at
from ucseg_cli.facts.trace import Trace, Trained

INPUT, ITSELF = "(input)", "(own)"
"""The input, and what the model makes outside of its modules."""


class Run(NamedTuple):
    """Operators *begin* to *end* - 1, all of the part of the model at *name*."""

    name: str
    begin: int
    end: int


class MemoryCourse(NamedTuple):
    """Memory over a pass.

    Args:
        bands: by name, the bytes alive while each operator runs; together they are what is alive.
        fullest: the operator at which most is alive, the first of several.
        module, op: whose forward runs then, and the model's call.
        runs: which part of the model runs when, or which part of a training step.
    """

    bands: dict[str, tuple[int, ...]]
    fullest: int
    module: str
    op: str
    runs: tuple[Run, ...]

    @property
    def peak(self) -> int:
        """The bytes alive at the fullest moment."""
        return sum(band[self.fullest] for band in self.bands.values())


def memory_course(trace: Trace, dtype: str | None = None) -> MemoryCourse:
    """A forward pass, by the part of the model that made each storage; without weights."""
    lives = storage_lives(trace, dtype)
    return _course(trace, lives, _made_by, {})


def training_course(trace: Trace) -> MemoryCourse:
    """A training step, by use; weights are there throughout."""
    if trace.trained is None:
        raise ValueError("the trace is not of a training step")
    lives = storage_lives(trace)
    kinds = kinds_of_storages(trace, trace.trained, lives)
    weights = sum(trace.storages[storage] for storage in weights_storages(trace))
    course = _course(trace, lives, lambda life: kinds[life.storage], {WEIGHTS: weights})
    known = {part: course.bands[part] for part in PARTS if part in course.bands}
    return course._replace(bands=known, runs=tuple(_phases(trace, trace.trained)))


def _course(
    trace: Trace,
    lives: Sequence[Life],
    name: Callable[[Life], str],
    always: dict[str, int],
) -> MemoryCourse:
    """The bytes alive, by the *name* of each storage, and what is there *always*."""
    moments = max(len(trace.ops), 1)
    changes: dict[str, Counter[int]] = defaultdict(Counter)
    for life in lives:
        band = changes[name(life)]
        band[life.begin] += life.held.bytes
        band[life.end] -= life.held.bytes
    bands = {
        known: tuple(accumulate(changes[known][moment] for moment in range(moments)))
        for known in changes
    }
    throughout = {known: (size,) * moments for known, size in always.items()}
    fullest = fullest_moment(trace, lives)
    module, op = call_at(trace, fullest) if trace.ops else ("", "")
    return MemoryCourse({**throughout, **bands}, fullest, module, op, tuple(_runs(trace)))


def _made_by(life: Life) -> str:
    if not life.held.op:
        return INPUT
    return life.held.module.partition(".")[0] or ITSELF


def _runs(trace: Trace) -> Iterator[Run]:
    """Neighbouring operators of one child of the root."""
    places = (trace.modules[op.module].path.partition(".")[0] or ITSELF for op in trace.ops)
    return _runs_of(places)


def _phases(trace: Trace, trained: Trained) -> Iterator[Run]:
    """Forward, loss, backward and update."""
    return _runs_of(phase_at(trained, op) for op in range(len(trace.ops)))


def _runs_of(names: Iterable[str]) -> Iterator[Run]:
    """Neighbours with the same name."""
    begin = 0
    for name, run in groupby(names):
        end = begin + len(list(run))
        yield Run(name, begin, end)
        begin = end
