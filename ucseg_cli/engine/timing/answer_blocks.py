"""The work of a process that runs one model: it answers each command with a block of calls."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from ucseg_cli.engine.require_torch import require_torch
from ucseg_cli.errors import ModelError, UcsegError, encode_error
from ucseg_cli.facts.timing.timing_question import (
    CALLS,
    FIRST,
    TimingQuestion,
    decode_timing_question,
)
from ucseg_cli.references import Buildable, OwnCode
from ucseg_cli.references.variants import Variant
from ucseg_cli.system.process_control import end_with_parent


def main() -> None:
    """Answer the question in the first line of stdin, then each command after it, on stdout."""
    end_with_parent()
    commands, answers = _streams()
    question = decode_timing_question(commands.readline())
    for answer in answers_to(question, commands):
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()
    os._exit(0)  # even if threads still run


def answers_to(question: TimingQuestion, commands: Iterable[str]) -> Iterator[dict[str, Any]]:
    """An answer once the model is built, then one for each command; an error ends them.

    Commands are lines of JSON: ``["calls", 5]``, ``["first", 1]``, ``["modules", 20]``.
    """
    try:
        require_torch()
        yield from _answers(question, commands)
    except BaseException as error:  # noqa: BLE001 - the user's code may raise anything
        if os.environ.get("UCSEG_DEBUG"):
            traceback.print_exc()
        yield {"error": encode_error(_known(question, error))}


def _answers(question: TimingQuestion, commands: Iterable[str]) -> Iterator[dict[str, Any]]:
    import torch

    from ucseg_cli.engine.timing.timed_model import timed_model

    torch.set_num_threads(question.setup.threads)
    with _reached(question) as model, timed_model(question, model) as timed:
        torch.set_num_threads(question.setup.threads)  # their code may have set another number
        yield {"device": timed.device.name}
        for line in commands:
            command, count = json.loads(line)
            if command == FIRST:
                block, difference = timed.run_first()
                yield {"calls": block.calls, "received": None, "difference": difference}
            elif command == CALLS:
                block = timed.run_block(count)
                yield {"calls": block.calls, "received": block.received}
            else:
                yield {"modules": timed.time_modules(count)}


@contextmanager
def _reached(question: TimingQuestion) -> Iterator[Variant | Buildable]:
    """The model as it is reached from here; errors name files as the user knows them."""
    model = question.model
    if question.checkout is None or not isinstance(model, OwnCode):
        yield model
        return
    from ucseg_cli.engine.user_code.enter_checkout import Entered

    entered = Entered(question.checkout)
    try:
        yield entered.source(model)
    except UcsegError as error:
        raise entered.as_shown(error) from error


def _known(question: TimingQuestion, error: BaseException) -> UcsegError:
    """The error as one of ours, with where it came from."""
    from ucseg_cli.engine.user_code.import_model import error_text

    if isinstance(error, UcsegError):
        error.where = error.where or question.where
        return error
    what = f"{question.name} cannot be timed on {question.setup.device}: {error_text(error)}"
    asks = "it runs as it is here: a device that it asks for has to be there"
    fix = asks if "CUDA" in what or "NVIDIA" in what else "UCSEG_DEBUG=1 shows its own traceback"
    return ModelError(what, where=question.where, help=fix)


def _streams() -> tuple[IO[str], IO[str]]:
    """Our ends of stdin and stdout; the user's code reads nothing there, and prints to stderr."""
    commands = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    sys.stdout.flush()
    os.dup2(2, 1)
    return commands, answers
