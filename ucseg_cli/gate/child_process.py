"""A child process for each user's model: nothing it does reaches the answer or the cache."""

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

CHILD = (
    "import sys; sys.path.append(sys.argv.pop()); "
    "from ucseg_cli.engine.user_code.answer_question import main; main()"
)
ROOT = Path(__file__).parents[2]


class ChildProcess(NamedTuple):
    """A process that works on a question, and the file for its answer."""

    question: Question
    process: subprocess.Popen[bytes]
    answer: Path

    def wait_for_results(self) -> list[Any]:
        """The result for each input, as JSON holds it.

        Raises the error that it met, and ModelError where it ended without an answer.
        """
        status = self.process.wait()
        if not self.answer.exists():
            raise _ended_early(self.question.source, status)
        found = json.loads(self.answer.read_bytes())
        if "error" in found:
            raise decode_error(found["error"])
        return list(found["results"])


@contextmanager
def child_processes(questions: Sequence[Question]) -> Iterator[list[ChildProcess]]:
    """A process for each question, all at once; leaving the context, as on Ctrl-C, ends them."""
    with TemporaryDirectory(prefix="ucseg-", ignore_cleanup_errors=True) as folder:
        answers = [Path(folder) / f"{number}.json" for number in range(len(questions))]
        children = list(map(_start, questions, answers))
        try:
            yield children
        finally:
            for child in children:
                if child.process.poll() is None:
                    child.process.kill()
                    child.process.wait()


def _start(question: Question, answer: Path) -> ChildProcess:
    # Its prints join our stderr, since stdout is for the answer.
    # -P keeps files of this folder from hiding installed packages.
    command = [sys.executable, "-P", "-c", CHILD, str(answer), encode_question(question), str(ROOT)]
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=nothing, stdout=2)  # noqa: S603 - ourselves
    return ChildProcess(question, process, answer)


def _ended_early(source: OwnCode, status: int) -> BaseException:
    if status in {-signal.SIGINT, 128 + signal.SIGINT}:
        return KeyboardInterrupt()
    by_signal = f"was ended by {signal.Signals(-status).name}" if status < 0 else ""
    how = by_signal or f"ended itself with status {status}"
    return ModelError(f"{source.name} {how}, before there was an answer", where=str(source))
