"""The work of the child process that records the variants of a user's design."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ucseg_cli.engine.parts.record_space import SpaceRecorder
from ucseg_cli.facts.encoding.encoded_parts import encode_outcomes
from ucseg_cli.facts.parts import PartBook
from ucseg_cli.facts.question import SWEEP_WIRED, Question
from ucseg_cli.references import OwnCode


def stream_space(question: Question, reached: Callable[[OwnCode], OwnCode]) -> Iterator[str]:
    """A line of JSON for each variant, with the parts that are new in it.

    *reached* gives a source as it is reached from here.
    """
    recorder = SpaceRecorder(question.conditions, wired=question.task == SWEEP_WIRED)
    parts = weights = 0
    for outcomes in recorder.record(map(reached, question.sources)):
        book = recorder.book
        line: Any = encode_outcomes(outcomes, PartBook(book.parts[parts:], book.weights[weights:]))
        parts, weights = len(book.parts), len(book.weights)
        yield json.dumps(line)
