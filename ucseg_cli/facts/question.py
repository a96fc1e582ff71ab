"""A question to the child process of a user's code, and the files in which it is answered."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import product, starmap
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ucseg_cli.facts.choices import TIMEOUT
from ucseg_cli.facts.conditions import Conditions, Example, Given, Input, Size, Tensors
from ucseg_cli.facts.training import Training
from ucseg_cli.references import Argument, FromFile, FromModule, OwnCode
from ucseg_cli.system.checkout import Checkout

CAN_FORK = sys.platform == "linux"
"""Whether a process that has imported torch can be forked; on macOS its libraries forbid it."""


SWEEP, SWEEP_WIRED = "sweep", "sweep wired"
"""Tasks for many models: each by its parts, or also how these are connected."""


class Question(NamedTuple):
    """A task for each model on each input; for ``list`` the input does not matter.

    ``trace``, or ``count`` with other counters, or ``list`` what can be built, or SWEEP. The models
    are of one design, so that one process may run them one after the other. Models at several
    revisions run in forks of it, each for at most *limit* seconds. *checkouts* are the files of
    each, by revision; by an empty one those of the working tree.
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
    def is_streamed(self) -> bool:
        """Whether each model has its answer as soon as it is there."""
        return self.task in {SWEEP, SWEEP_WIRED}

    @property
    def checkout(self) -> Checkout | None:
        """The files of the first model; None if it stands in no repository."""
        return self.checkouts.get(self.source.revision or "")


def question_file(answer: Path) -> Path:
    """The file that has the question, beside that for its answer."""
    return answer.with_suffix(".question")


def lines_file(answer: Path) -> Path:
    """The file for answers that are streamed, a line for each model."""
    return answer.with_suffix(".lines")


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
    """The question as text."""
    sources = list(map(_encode_source, question.sources))
    conditions = [one._replace(given=_encode_given(one.given)) for one in question.conditions]
    files = dict(question.checkouts), question.limit
    return json.dumps([question.task, sources, conditions, *files])


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


def _encode_source(source: OwnCode) -> tuple[str, OwnCode]:
    return type(source).__name__, source


def _encode_given(given: Given | None) -> Any:
    if isinstance(given, Example):
        return {"name": given.name, "function": _encode_source(given.function)}
    return given and given.inputs


def _decode_source(kind: str, row: list[Any]) -> OwnCode:
    kinds: dict[str, type[OwnCode]] = {"FromFile": FromFile, "FromModule": FromModule}
    place, name, arguments, revision = row
    return kinds[kind](place, name, tuple(starmap(Argument, arguments)), revision)


def _decode_conditions(
    size: list[int], batch: int, given: Any, training: list[Any] | None
) -> Conditions:
    return Conditions(Size(*size), batch, _decode_given(given), _decode_training(training))


def _decode_training(row: list[Any] | None) -> Training | None:
    if row is None:
        return None
    optimizer, loss, amp, frozen, checkpointed = row
    return Training(optimizer, loss, amp, tuple(frozen), tuple(checkpointed))


def _decode_given(given: Any) -> Given | None:
    if isinstance(given, dict):
        return Example(given["name"], _decode_source(*given["function"]))
    if given is None:
        return None
    return Tensors(tuple(Input(tuple(shape), dtype, name) for shape, dtype, name in given))
