"""The question to a process that runs one model again and again, and the lines between us.

It is asked line by line: each has a command, and each answer is one line of JSON.
"""

from __future__ import annotations

import json
from itertools import starmap
from typing import Any, NamedTuple

from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.question import Question, decode_question, encode_question
from ucseg_cli.facts.timing.timing_setup import TimingSetup
from ucseg_cli.references import Argument, Buildable, FromLibrary, OwnCode
from ucseg_cli.references.variants import DEFAULT, Variant, as_variant
from ucseg_cli.system.checkout import Checkout

TASK = "time"
CALLS, FIRST, MODULES = "calls", "first", "modules"
"""Commands: so many calls, the first call, and so many passes with a clock on each module."""


class TimingQuestion(NamedTuple):
    """A model to be timed; *checkout* has the files of a user's own code at a revision."""

    model: Variant | Buildable
    conditions: Conditions
    setup: TimingSetup
    checkout: Checkout | None = None

    @property
    def name(self) -> str:
        """The model as an error names it."""
        return self.model.key if isinstance(self.model, Variant) else self.model.name

    @property
    def where(self) -> str:
        """Where it stands."""
        return self.name if isinstance(self.model, Variant) else str(self.model)


def encode_timing_question(question: TimingQuestion) -> str:
    """The question as text."""
    model, checkout = question.model, question.checkout
    own = [model] if isinstance(model, OwnCode) else []
    files = {own[0].revision or "": checkout} if own and checkout else {}
    asked = Question(TASK, own, [question.conditions], files)
    return json.dumps([_encode_model(model), question.setup, encode_question(asked)])


def decode_timing_question(text: str) -> TimingQuestion:
    """The inverse of encode_timing_question."""
    model, setup, asked = json.loads(text)
    question = decode_question(asked)
    (conditions,) = question.conditions
    if model is None:
        own, files = question.source, question.checkout
        return TimingQuestion(own, conditions, TimingSetup(*setup), files)
    return TimingQuestion(_decode_model(*model), conditions, TimingSetup(*setup))


def _encode_model(model: Variant | Buildable) -> tuple[str, Any] | None:
    """A variant or a network of a library; None for a user's code, which is asked about anyway."""
    if isinstance(model, Variant):
        return Variant.__name__, model.key
    return (FromLibrary.__name__, model) if isinstance(model, FromLibrary) else None


def _decode_model(kind: str, row: Any) -> Variant | FromLibrary:
    if kind == Variant.__name__:
        return as_variant(f"{DEFAULT}+{row}")
    library, name, arguments = row
    return FromLibrary(library, name, tuple(starmap(Argument, arguments)))
