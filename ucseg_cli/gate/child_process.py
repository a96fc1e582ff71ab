"""A process of its own for a person's code, so that nothing it does reaches the answer, the other models or the cache."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ucseg_cli.errors import ModelError, decode_error
from ucseg_cli.facts.question import Question, encode_question
from ucseg_cli.references import OwnCode

CHILD = "import sys; sys.path.append(sys.argv.pop()); from ucseg_cli.engine.user_code.answer_question import main; main()"
ROOT = Path(__file__).parents[2]


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
        asked = [
            _ask(each, Path(folder) / f"{number}.json") for number, each in enumerate(questions)
        ]
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
    how = (
        f"was ended by {signal.Signals(-status).name}"
        if status < 0
        else f"ended itself with status {status}"
    )
    return ModelError(f"{source.name} {how}, before there was an answer", where=str(source))
