"""A process of its own for a person's code, so that nothing it does reaches the answer, the other models or the cache."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ucseg_cli.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.errors import ModelError, decode_error
from ucseg_cli.references import Argument, FromFile, FromModule, OwnCode

CHILD = "import sys; sys.path.append(sys.argv.pop()); from ucseg_cli.engine.apart import main; main()"
ROOT = Path(__file__).parents[1]


class Question(NamedTuple):
    """What a process is asked: to ``trace`` a model, or to ``count`` it with other counters, on each input."""

    task: str
    source: OwnCode
    conditions: Sequence[Conditions]


def encode_question(question: Question) -> str:
    """The question as an argument on a command line."""
    return json.dumps([question.task, type(question.source).__name__, question.source, question.conditions])


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
    tensors = Tensors(tuple(Input(tuple(shape), dtype) for shape, dtype in given[0])) if given else None
    return Conditions(Size(*size), batch, tensors)


class Asked(NamedTuple):
    """A process at work."""

    question: Question
    process: subprocess.Popen[bytes]
    answer: Path

    def result(self) -> list[Any]:
        """What it found on each input, as JSON holds it.

        Raises the error that it met, and ModelError where it ended without an answer.
        """
        status = self.process.wait()
        if not self.answer.exists():
            raise _without_answer(self.question.source, status)
        found = json.loads(self.answer.read_bytes())
        if "error" in found:
            raise decode_error(found["error"])
        return list(found["results"])


@contextmanager
def asked_apart(questions: Sequence[Question]) -> Iterator[list[Asked]]:
    """A process for each question, all at once; those that still run are ended with the context, as on Ctrl-C."""
    with TemporaryDirectory(prefix="ucseg-", ignore_cleanup_errors=True) as folder:
        asked = [_ask(each, Path(folder) / f"{number}.json") for number, each in enumerate(questions)]
        try:
            yield asked
        finally:
            for each in asked:
                if each.process.poll() is None:
                    each.process.kill()
                    each.process.wait()


def _ask(question: Question, answer: Path) -> Asked:
    # What it prints joins our stderr, since stdout is for the answer; -P keeps this folder from hiding what is installed.
    command = [sys.executable, "-P", "-c", CHILD, str(answer), encode_question(question), str(ROOT)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2)  # noqa: S603 - ourselves
    return Asked(question, process, answer)


def _without_answer(source: OwnCode, status: int) -> BaseException:
    if status in {-signal.SIGINT, 128 + signal.SIGINT}:
        return KeyboardInterrupt()
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended itself with status {status}"
    return ModelError(f"{source.name} {how}, before there was an answer", where=str(source))


def write_answer(path: Path, found: dict[str, Any]) -> None:
    """Leave the answer where it is looked for, whole or not at all, and end, whatever threads and hooks are left."""
    waiting = path.with_suffix(".part")
    waiting.write_text(json.dumps(found), encoding="utf-8")
    waiting.replace(path)
    os._exit(0)
