"""A process for each model that is timed: it is alone there, and does nothing until it is asked.

So a model is run as it would be in a program of its own, whatever its code has set or replaced;
and models take turns, since all are there at once.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any

from ucseg_cli.errors import ModelError, UcsegError, decode_error
from ucseg_cli.facts.question import Question
from ucseg_cli.facts.timing.block import Block
from ucseg_cli.facts.timing.timing_question import (
    CALLS,
    FIRST,
    MODULES,
    TASK,
    TimingQuestion,
    encode_timing_question,
)
from ucseg_cli.gate.child_process import (
    MORE_TIME,
    command_of_child,
    end_process,
    ended_early,
    folder_of_children,
)
from ucseg_cli.gate.revisions import with_checkouts
from ucseg_cli.references import OwnCode

TIMER = "ucseg_cli.engine.timing.answer_blocks"


class TimingProcess:
    """A process that runs one model; each answer has *limit* seconds."""

    def __init__(
        self, question: TimingQuestion, process: subprocess.Popen[bytes], limit: float
    ) -> None:
        self.question = question
        self.process = process
        self._limit = limit
        self._answers: Queue[bytes | None] = Queue()
        Thread(target=self._read, args=(process.stdout,), daemon=True).start()
        self._write(encode_timing_question(question))

    def wait_until_built(self) -> str | None:
        """The name of the GPU that the model is on, if it is on one."""
        name = self._answer().get("device")
        return name if isinstance(name, str) else None

    def run_first(self) -> tuple[Block, float | None]:
        """The first call, and by how much its outputs differ from those of eager mode."""
        answer = self._ask(FIRST, 1)
        difference = answer.get("difference")
        return self._block(answer), difference if isinstance(difference, float) else None

    def run_block(self, count: int) -> Block:
        """So many calls, one after the other."""
        return self._block(self._ask(CALLS, count))

    def time_modules(self, passes: int) -> Mapping[str, int]:
        """Nanoseconds that each module takes for itself, by path."""
        found = self._ask(MODULES, passes).get("modules")
        if not isinstance(found, dict) or not all(type(own) is int for own in found.values()):
            raise self._garbled()
        return found

    def end(self) -> None:
        """Kill it, and all that it started in its session."""
        end_process(self.process)
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()

    def _ask(self, command: str, count: int) -> dict[str, Any]:
        self._write(json.dumps([command, count]))
        return self._answer()

    def _write(self, line: str) -> None:
        with suppress(OSError):  # if it has ended, reading says why
            if self.process.stdin is not None:
                self.process.stdin.write(f"{line}\n".encode())
                self.process.stdin.flush()

    def _read(self, answers: IO[bytes]) -> None:
        with suppress(OSError, ValueError):  # it is closed as we end
            for line in answers:
                self._answers.put(line)
        self._answers.put(None)

    def _answer(self) -> dict[str, Any]:
        """The next answer; raises the error that it is, and ModelError where none comes."""
        try:
            line = self._answers.get(timeout=self._limit)
        except Empty:
            what = f"{self.question.name} gave no answer within {self._limit:,g} s"
            raise ModelError(what, where=self.question.where, help=MORE_TIME) from None
        if line is None:
            raise ended_early(self.question.name, self.process.wait(), self.question.where)
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._garbled() from error
        if not isinstance(answer, dict):
            raise self._garbled()
        if "error" in answer:
            raise self._error(answer["error"])
        return answer

    def _block(self, answer: Mapping[str, Any]) -> Block:
        calls, received = answer.get("calls"), answer.get("received")
        are_times = isinstance(calls, list) and calls and all(type(call) is int for call in calls)
        if not are_times or type(received) not in {int, type(None)}:
            raise self._garbled()
        return Block(tuple(calls or ()), received)

    def _error(self, data: Any) -> UcsegError:
        try:
            return decode_error(data)
        except (TypeError, KeyError, AttributeError):
            return self._garbled()

    def _garbled(self) -> ModelError:
        what = f"{self.question.name} wrote over its answer, which cannot be read"
        return ModelError(what, where=self.question.where)


@contextmanager
def timing_processes(
    questions: Sequence[TimingQuestion], limit: float
) -> Iterator[list[TimingProcess]]:
    """A process for each question, all at once; afterwards none of them is left.

    Each has at most *limit* seconds for an answer.
    """
    with folder_of_children() as folder:
        processes: list[TimingProcess] = []
        try:
            for number, question in enumerate(questions):
                place = folder / str(number)
                processes.append(_start(_with_checkout(question, place), limit))
            yield processes
        finally:
            for process in processes:
                process.end()


def _with_checkout(question: TimingQuestion, place: Path) -> TimingQuestion:
    """The question with the files of its revision, if it is of a user's code."""
    model = question.model
    if not isinstance(model, OwnCode):
        return question
    asked = with_checkouts(Question(TASK, [model], [question.conditions]), place)
    return question._replace(checkout=asked.checkout)


def _start(question: TimingQuestion, limit: float) -> TimingProcess:
    process = subprocess.Popen(  # noqa: S603 - ourselves
        command_of_child(TIMER),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    return TimingProcess(question, process, limit)
