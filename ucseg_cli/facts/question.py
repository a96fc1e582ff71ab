"""A question to the child process of a user's code, and its form on a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.references import Argument, FromFile, FromModule, OwnCode


class Question(NamedTuple):
    """A task, ``trace`` or ``count`` with other counters, for a model on each input."""

    task: str
    source: OwnCode
    conditions: Sequence[Conditions]


def progress_file(answer: Path) -> Path:
    """The file in which a child notes how far it is, beside that for its answer."""
    return answer.with_suffix(".progress")


def encode_question(question: Question) -> str:
    """The question as an argument on a command line."""
    task, source, conditions = question
    return json.dumps([task, type(source).__name__, source, conditions])


def decode_question(text: str) -> Question:
    """The inverse of encode_question."""
    task, kind, (place, name, arguments), conditions = json.loads(text)
    kinds: dict[str, type[OwnCode]] = {"FromFile": FromFile, "FromModule": FromModule}
    source = kinds[kind](place, name, tuple(starmap(Argument, arguments)))
    return Question(task, source, list(starmap(_decode_conditions, conditions)))


def _decode_conditions(size: list[int], batch: int, given: list[Any] | None) -> Conditions:
    inputs = [Input(tuple(shape), dtype) for shape, dtype in given[0]] if given else []
    return Conditions(Size(*size), batch, Tensors(tuple(inputs)) if inputs else None)
