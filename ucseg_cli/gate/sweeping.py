"""The variants of a space: recorded here by their parts, or in a process of the user's code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ucseg_cli.errors import ModelError, UcsegError
from ucseg_cli.facts.choices import TIMEOUT
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.encoding.encoded_parts import decode_outcomes
from ucseg_cli.facts.encoding.encoded_trace import TraceFormatError
from ucseg_cli.facts.parts import Outcome, PartBook
from ucseg_cli.facts.question import SWEEP, SWEEP_WIRED, Question
from ucseg_cli.facts.swept import Measure
from ucseg_cli.facts.trace import Price
from ucseg_cli.gate.fingerprints import space_fingerprint
from ucseg_cli.gate.tracing import Request, trace_key
from ucseg_cli.references import OwnCode
from ucseg_cli.references.designs import Model
from ucseg_cli.references.space import Space

MOST_FAILURES = 3
"""So many processes may end at a variant each before no other is tried."""


class Recorded(NamedTuple):
    """A variant on each input, and what its parts are: the same book for many of them."""

    outcomes: Sequence[Outcome]
    book: PartBook


def record_space(
    models: Sequence[Model],
    conditions: Sequence[Conditions],
    *,
    wired: bool = False,
    timeout: float = TIMEOUT,
) -> Iterator[Recorded]:
    """Each variant of one design on each input, in order.

    Args:
        models: the variants.
        conditions: the inputs.
        wired: whether a metric needs to know how the parts are connected.
        timeout: seconds that a user's code may take for a variant.

    Raises UcsegError where the design itself cannot be had.
    """
    if models and isinstance(models[0], OwnCode):
        own = [model for model in models if isinstance(model, OwnCode)]
        yield from _in_processes(own, conditions, wired=wired, timeout=timeout)
    else:
        yield from _record_here(models, conditions, wired=wired)


def _record_here(
    models: Sequence[Model], conditions: Sequence[Conditions], *, wired: bool
) -> Iterator[Recorded]:
    from ucseg_cli.engine.require_torch import require_torch

    require_torch()
    from ucseg_cli.engine.parts.record_space import SpaceRecorder

    recorder = SpaceRecorder(conditions, wired=wired)
    for outcomes in recorder.record(models):
        yield Recorded(outcomes, recorder.book)


def space_key(space: Space, measures: Sequence[Measure], prices: Sequence[Price]) -> str | None:
    """The name under which the figures of a space are kept; None if it is of a user's code."""
    keys = [trace_key(Request(space.base.model, measure.at)) for measure in measures]
    known = [key for key in keys if key is not None]
    if len(known) < len(keys):
        return None
    labels = repr([one.label for one in measures])
    return space_fingerprint(known, repr(space.axes), labels, prices)


def _in_processes(
    models: Sequence[OwnCode], conditions: Sequence[Conditions], *, wired: bool, timeout: float
) -> Iterator[Recorded]:
    """The same in one process, and in another one after each variant at which it ended."""
    from ucseg_cli.gate.child_process import child_processes  # only a user's code needs processes

    done = failures = 0
    while done < len(models):
        task = SWEEP_WIRED if wired else SWEEP
        question = Question(task, models[done:], conditions)
        book = PartBook([], [])
        reason: UcsegError | None = None
        with child_processes([question], timeout) as (child,):
            try:
                for line in child.follow_lines():
                    yield Recorded(decode_outcomes(line, book), book)
                    done, failures = done + 1, 0
            except TraceFormatError:
                reason = child.garbled()
            except ModelError as error:
                reason = error
        if reason is not None:
            failures += 1
            left = len(models) - done if failures == MOST_FAILURES else 1
            for _ in range(left):
                yield Recorded([reason] * len(conditions), book)
            done += left
