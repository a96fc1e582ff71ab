"""A question to the child process of a user's code, and its form on a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product, starmap
from pathlib import Path
from typing import Any, NamedTuple

from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.references import Argument, FromFile, FromModule, OwnCode


class Question(NamedTuple):
    """A task for each model on each input; for ``list`` the input does not matter.

    ``trace``, or ``count`` with other counters, or ``list`` what can be built. The models are of
    one design, so that one process may run them one after the other.
    """

    task: str
    sources: Sequence[OwnCode]
    conditions: Sequence[Conditions]

    @property
    def source(self) -> OwnCode:
        """The first model, after which the process is named."""
        return self.sources[0]

    @property
    def points(self) -> list[tuple[OwnCode, Conditions]]:
        """Each model on each input, in the order of the results."""
        return list(product(self.sources, self.conditions))


def progress_file(answer: Path) -> Path:
    """The file in which a child notes how far it is, beside that for its answer."""
    return answer.with_suffix(".progress")


def result_file(answer: Path, number: int) -> Path:
    """The file for one result of a child that has not come to its end."""
    return answer.with_suffix(f".{number}")


def encode_question(question: Question) -> str:
    """The question as an argument on a command line."""
    sources = [(type(source).__name__, source) for source in question.sources]
    return json.dumps([question.task, sources, question.conditions])


def decode_question(text: str) -> Question:
    """The inverse of encode_question."""
    task, sources, conditions = json.loads(text)
    return Question(
        task,
        list(starmap(_decode_source, sources)),
        list(starmap(_decode_conditions, conditions)),
    )


def _decode_source(kind: str, row: list[Any]) -> OwnCode:
    kinds: dict[str, type[OwnCode]] = {"FromFile": FromFile, "FromModule": FromModule}
    place, name, arguments, revision = row
    return kinds[kind](place, name, tuple(starmap(Argument, arguments)), revision)


def _decode_conditions(size: list[int], batch: int, given: list[Any] | None) -> Conditions:
    inputs = [Input(tuple(shape), dtype) for shape, dtype in given[0]] if given else []
    return Conditions(Size(*size), batch, Tensors(tuple(inputs)) if inputs else None)
