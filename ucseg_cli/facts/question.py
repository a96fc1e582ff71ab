"""What the process of a user's code is asked, and how it is written on a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.references import Argument, FromFile, FromModule, OwnCode


class Question(NamedTuple):
    """What a process is asked: to ``trace`` a model, or to ``count`` it with other counters, on each input."""

    task: str
    source: OwnCode
    conditions: Sequence[Conditions]


def encode_question(question: Question) -> str:
    """The question as an argument on a command line."""
    return json.dumps(
        [question.task, type(question.source).__name__, question.source, question.conditions]
    )


def decode_question(text: str) -> Question:
    """The inverse of encode_question."""
    task, kind, (place, name, arguments), conditions = json.loads(text)
    source = {each.__name__: each for each in (FromFile, FromModule)}[kind]
    return Question(
        task,
        source(place, name, tuple(Argument(*each) for each in arguments)),
        [_decode_conditions(*each) for each in conditions],
    )


def _decode_conditions(size: list[int], batch: int, given: list[Any] | None) -> Conditions:
    tensors = (
        Tensors(tuple(Input(tuple(shape), dtype) for shape, dtype in given[0])) if given else None
    )
    return Conditions(Size(*size), batch, tensors)
