"""Answers that several questions about one trace share, worked out once."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from ucseg_cli.facts.trace import Trace

Answer = TypeVar("Answer")


def once_per_trace(function: Callable[[Trace], Answer]) -> Callable[[Trace], Answer]:
    """Keep the answer as long as the trace lives. Traces are told apart by identity: comparing them costs more.

    The answer is shared, so nobody may change it.
    """
    known: dict[int, tuple[weakref.ref[Trace], Answer]] = {}

    @wraps(function)
    def answer(trace: Trace) -> Answer:
        kept = known.get(id(trace))
        if kept is None or kept[0]() is not trace:
            key = id(trace)
            kept = known[key] = (
                weakref.ref(trace, lambda _: known.pop(key, None)),
                function(trace),
            )
        return kept[1]

    return answer
