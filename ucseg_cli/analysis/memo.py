"""Answers that several questions about one trace share, worked out once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from ucseg_cli.facts.trace import Trace

Answer = TypeVar("Answer")


def once_per_trace(function: Callable[[Trace], Answer]) -> Callable[[Trace], Answer]:
    """Keep the answer in the trace, as cached_property does. It is shared: never change it."""
    key = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def answer(trace: Trace) -> Answer:
        kept = vars(trace)
        if key not in kept:
            kept[key] = function(trace)
        found: Answer = kept[key]
        return found

    return answer
