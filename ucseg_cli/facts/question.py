"""A question to the child process of a user's code, and its form on a command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import product, starmap
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ucseg_cli.facts.checkout import Checkout
from ucseg_cli.facts.choices import TIMEOUT
from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.references import Argument, FromFile, FromModule, OwnCode

CAN_FORK = sys.platform == "linux"
"""Whether a process that has imported torch can be forked; on macOS its libraries forbid it."""


class Question(NamedTuple):
    """A task, ``trace`` or ``count`` with other counters, for each model on each input.

    The models are of one design, so that one process may run them one after the other. Models at
    several revisions run in forks of it, each for at most *limit* seconds. *checkouts* are the
    files of each, by revision; by an empty one those of the working tree.
    """

    task: str
    sources: Sequence[OwnCode]
    conditions: Sequence[Conditions]
    checkouts: Mapping[str, Checkout] = MappingProxyType({})
    limit: float = TIMEOUT

    @property
    def source(self) -> OwnCode:
        """The first model, after which the process is named."""
        return self.sources[0]

    @property
    def points(self) -> list[tuple[OwnCode, Conditions]]:
        """Each model on each input, in the order of the results."""
        return list(product(self.sources, self.conditions))

    @property
    def is_forked(self) -> bool:
        """Whether its models are of several revisions."""
        return len({source.revision for source in self.sources}) > 1

    @property
    def checkout(self) -> Checkout | None:
        """The files of the first model; None if it stands in no repository."""
        return self.checkouts.get(self.source.revision or "")


def progress_file(answer: Path) -> Path:
    """The file in which a child notes how far it is, beside that for its answer."""
    return answer.with_suffix(".progress")


def result_file(answer: Path, number: int) -> Path:
    """The file for one result of a child that has not come to its end."""
    return answer.with_suffix(f".{number}")


def dependencies_file(answer: Path, number: int) -> Path:
    """The file in which a child says what one of its models depends on."""
    return answer.with_suffix(f".{number}.depends")


def encode_question(question: Question) -> str:
    """The question as an argument on a command line."""
    sources = [(type(source).__name__, source) for source in question.sources]
    files = dict(question.checkouts), question.limit
    return json.dumps([question.task, sources, question.conditions, *files])


def decode_question(text: str) -> Question:
    """The inverse of encode_question."""
    task, sources, conditions, checkouts, limit = json.loads(text)
    return Question(
        task,
        list(starmap(_decode_source, sources)),
        list(starmap(_decode_conditions, conditions)),
        {revision: Checkout(*fields) for revision, fields in checkouts.items()},
        limit,
    )


def _decode_source(kind: str, row: list[Any]) -> OwnCode:
    kinds: dict[str, type[OwnCode]] = {"FromFile": FromFile, "FromModule": FromModule}
    place, name, arguments, revision = row
    return kinds[kind](place, name, tuple(starmap(Argument, arguments)), revision)


def _decode_conditions(size: list[int], batch: int, given: list[Any] | None) -> Conditions:
    inputs = [Input(tuple(shape), dtype) for shape, dtype in given[0]] if given else []
    return Conditions(Size(*size), batch, Tensors(tuple(inputs)) if inputs else None)
