"""A child process for each user's model: nothing it does reaches the answer or the cache.

It leads a session of its own, so that Ctrl-C is ours alone. It ends with us, however we end, and
after a time limit, and everything that it started ends with it, on Linux in other sessions too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, NoReturn

from ucseg_cli.errors import ModelError, UcsegError, decode_error, encode_error
from ucseg_cli.facts.design import Design, decode_design
from ucseg_cli.facts.encoding.encoded_trace import TraceFormatError, decode_trace
from ucseg_cli.facts.question import (
    Question,
    dependencies_file,
    encode_question,
    lines_file,
    progress_file,
    question_file,
    result_file,
)
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate.revisions import with_checkouts
from ucseg_cli.references import OwnCode
from ucseg_cli.system.checkout import Dependencies, decode_dependencies
from ucseg_cli.system.plain_file import read_plain_file
from ucseg_cli.system.process_control import orphans_ended

CHILD = "ucseg_cli.engine.user_code.answer_question"
ROOT = Path(__file__).parents[2]
PAUSE = 0.05
"""Seconds between two looks at how far a child is."""
MORE_TIME = "--timeout N gives it more"
HARMLESS = {"SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGINFO"}
HARMLESS |= {"SIGTSTP", "SIGTTIN", "SIGTTOU"}  # these stop us, and we may go on
"""Signals that by default do not end a process."""
UNCAUGHT = {"SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT"}
"""Signals that cannot be caught, or after which no code of ours may run."""


class ChildProcess(NamedTuple):
    """A process that works on a question, the file for its answer, and when its time is up.

    *patience* is how long a pass may take once the modules are known, where those are enough.
    """

    question: Question
    process: subprocess.Popen[bytes]
    answer: Path
    limit: float
    deadline: float
    patience: float | None = None

    def wait_for_results(self) -> list[Any]:
        """The result for each model on each input as JSON holds it, or its error.

        Of a process whose time is up these are the ones that it has; for each other input of the
        model that runs its modules, and an error for a model that was not built. Raises the error
        that ended it, and ModelError where it ended without an answer.
        """
        status = self._wait()
        self.end()
        results: Any
        if status is None:
            results = self._results_so_far()
        elif not self.answer.exists():
            raise self._ended(self.question.source, status)
        else:
            found = self._read(self.answer)
            if "error" in found:
                raise self._error(found["error"])
            results = found.get("results")
        if not isinstance(results, list) or len(results) != len(self.question.points):
            raise _garbled(self.question.source)
        pairs = zip(self.question.points, results, strict=True)
        return [self._or_error(source, result) for (source, _), result in pairs]

    def wait_for_traces(self) -> list[Trace | UcsegError]:
        """The same as traces, or the error of one that cannot be read."""
        return [
            result if isinstance(result, UcsegError) else self._decoded(result)
            for result in self.wait_for_results()
        ]

    def _decoded(self, result: Any) -> Trace | UcsegError:
        try:
            return decode_trace(result)
        except TraceFormatError:
            return self.garbled()

    def wait_for_designs(self) -> list[Design]:
        """The designs there are, if that was the question; raises as the others do."""
        (found,) = self.wait_for_results()
        if isinstance(found, UcsegError):
            raise found
        try:
            return list(map(decode_design, found))
        except (TypeError, ValueError) as error:
            raise _garbled(self.question.source) from error

    def follow_lines(self) -> Iterator[Any]:
        """The lines that a process streams, each as soon as it is there.

        Raises the error that ended it, and ModelError where nothing came within its time, where it
        ended before it was done, and for what is not JSON.
        """
        file, done, since = lines_file(self.answer), 0, time.monotonic()
        with ExitStack() as stack:
            lines: Any = None
            while True:
                has_ended = self.process.poll() is not None
                if lines is None and file.exists():
                    lines = stack.enter_context(file.open(encoding="utf-8", errors="replace"))
                for line in _whole_lines(lines):
                    yield self._parsed(line)
                    done, since = done + 1, time.monotonic()
                if has_ended or done == len(self.question.sources):
                    break
                if time.monotonic() - since > self.limit:
                    raise self._not_done(self.question.sources[done])
                time.sleep(PAUSE)
        if done < len(self.question.sources):
            raise self._ended_at(self.question.sources[done])

    def _parsed(self, line: str) -> Any:
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self.garbled() from error

    def _ended_at(self, source: OwnCode) -> UcsegError:
        """Why it ended before it was done with a model."""
        if self.answer.exists() and "error" in (found := self._read(self.answer)):
            return self._error(found["error"])
        return self._ended(source, self.process.wait())

    def _not_done(self, source: OwnCode) -> ModelError:
        what = f"{source.name} was not built and run within {self.limit:,g} s"
        return ModelError(what, where=str(source), help=MORE_TIME)

    def garbled(self) -> ModelError:
        """The error of an answer that cannot be read."""
        return _garbled(self.question.source)

    def dependencies(self) -> list[Dependencies | None]:
        """The dependencies of the model on each input; None where they are unknown."""
        answers = (
            dependencies_file(self.answer, number) for number in range(len(self.question.points))
        )
        return [self._dependencies_in(file) if file.exists() else None for file in answers]

    def _dependencies_in(self, file: Path) -> Dependencies:
        try:
            return decode_dependencies(json.loads(read_plain_file(file, follow=False)))
        except (OSError, ValueError, RecursionError) as error:
            raise _garbled(self.question.source) from error

    def _or_error(self, source: OwnCode, result: Any) -> Any:
        if isinstance(result, dict) and "error" in result:
            return self._error(result["error"])
        if isinstance(result, dict) and type(status := result.get("ended")) is int:
            is_late = hasattr(signal, "SIGALRM") and status == -signal.SIGALRM
            return self._not_built(source) if is_late else self._ended(source, status)
        return result

    def _wait(self) -> int | None:
        """The exit status; None if its time, or ours, is up first."""
        while (left := self.deadline - time.monotonic()) > 0:
            pause = left if self.patience is None else min(left, PAUSE)
            try:
                return self.process.wait(pause)
            except subprocess.TimeoutExpired:
                if self.patience is not None and self._is_known_for(self.patience):
                    break
        return None

    def _is_known_for(self, seconds: float) -> bool:
        try:
            noted = progress_file(self.answer).stat().st_mtime
        except OSError:
            return False
        return time.time() - noted > seconds

    def end(self) -> None:
        """Kill what is left of the process and of all that it started."""
        end_process(self.process)

    def _results_so_far(self) -> list[Any]:
        if self.question.is_forked:  # each has a result of its own, in any order
            numbered = enumerate(self.question.points)
            return [self._forked_result(number, source) for number, (source, _) in numbered]
        progress = progress_file(self.answer)
        if not progress.exists():
            raise self._not_built(self.question.source)
        noted = self._read(progress)
        done, modules = noted.get("done"), noted.get("modules")
        points = self.question.points
        if type(done) is not int or not 0 <= done < len(points) or not isinstance(modules, dict):
            raise _garbled(self.question.source)
        results: list[Any] = [
            self._read(result_file(self.answer, number)) for number in range(done)
        ]
        if self.patience is None or time.monotonic() >= self.deadline:
            failure = f"its forward pass did not end within {self.limit:,g} s; {MORE_TIME}"
            modules = {**modules, "failure": failure}
        running = points[done][0]
        for source, _ in points[done:]:
            missing = {"error": encode_error(self._not_built(source))}
            results.append(modules if source == running else missing)
        return results

    def _forked_result(self, number: int, source: OwnCode) -> Any:
        file = result_file(self.answer, number)
        return (
            self._read(file) if file.exists() else {"error": encode_error(self._not_built(source))}
        )

    def _ended(self, source: OwnCode, status: int) -> ModelError:
        return ended_early(source.name, status, str(source))

    def _not_built(self, source: OwnCode) -> ModelError:
        what = f"{source.name} was not built within {self.limit:,g} s"
        return ModelError(what, where=str(source), help=MORE_TIME)

    def _read(self, path: Path) -> dict[str, Any]:
        """The file that the child wrote; the user's code may have written anything there."""
        try:
            found = json.loads(read_plain_file(path, follow=False))
            if isinstance(found, dict):
                return found
        except (OSError, ValueError, RecursionError):
            pass
        raise _garbled(self.question.source)

    def _error(self, data: Any) -> UcsegError:
        try:
            return decode_error(data)
        except (TypeError, KeyError, AttributeError):
            return _garbled(self.question.source)


@contextmanager
def child_processes(
    questions: Sequence[Question], limit: float, patience: float | None = None
) -> Iterator[list[ChildProcess]]:
    """A process for each question, all at once, each for at most *limit* seconds.

    Leaving the context, as on Ctrl-C or a signal that ends us, ends them and what they started.
    """
    with folder_of_children() as folder:
        children: list[ChildProcess] = []
        try:
            for number, question in enumerate(questions):
                place = folder / f"{number}.json"
                question = with_checkouts(question, place.with_suffix(""))  # noqa: PLW2901
                child = _start(question._replace(limit=limit), place, limit)
                children.append(child._replace(patience=patience))
            yield children
        finally:
            for child in children:
                child.end()


@contextmanager
def folder_of_children() -> Iterator[Path]:
    """A folder for what passes between us and our children; afterwards none of them is left."""
    with (
        _signals_clean_up(),
        TemporaryDirectory(prefix="ucseg-", ignore_cleanup_errors=True) as folder,
        orphans_ended(),
    ):
        yield Path(folder)


def command_of_child(module: str, *arguments: str) -> list[str]:
    """The command of a process that calls ``main`` in one of our modules."""
    # -P keeps files of this folder from hiding installed packages.
    code = f"import sys; sys.path.append(sys.argv.pop()); from {module} import main; main()"
    return [sys.executable, "-P", "-c", code, *arguments, str(ROOT)]


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a child and of all that it started in its session."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
        process.wait()


def _start(question: Question, answer: Path, limit: float) -> ChildProcess:
    # Its prints join our stderr, since stdout is for the answer.
    question_file(answer).write_text(encode_question(question), encoding="utf-8")
    command = command_of_child(CHILD, str(answer))
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=nothing, stdout=2, start_new_session=True
    )
    turns = len(question.sources) if question.is_forked else 1
    return ChildProcess(question, process, answer, limit, time.monotonic() + limit * turns)


@contextmanager
def _signals_clean_up() -> Iterator[None]:
    """While it lasts, a signal that ends us first unwinds, so that nothing is left behind."""
    if threading.current_thread() is not threading.main_thread():  # Python allows no handlers there
        yield
        return
    caught = _ending_signals()
    for number in caught:
        signal.signal(number, _unwind)
    try:
        yield
    except _EndedBySignalError as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)  # as if it had not been caught
        raise KeyboardInterrupt from ended
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _ending_signals(handler: object = signal.SIG_DFL) -> list[int]:
    """The signals that end us by default, as far as this is what is done about them."""
    names = filter(partial(hasattr, signal), HARMLESS | UNCAUGHT)
    ending = signal.valid_signals() - {getattr(signal, name) for name in names}
    return [number for number in ending if signal.getsignal(number) is handler]


class _EndedBySignalError(BaseException):
    """A signal came that ends this process."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _unwind(number: int, _: object) -> NoReturn:
    for other in _ending_signals(_unwind):
        signal.signal(other, signal.SIG_IGN)  # the first has begun to clean up
    raise _EndedBySignalError(number)


def _whole_lines(lines: Any) -> Iterator[str]:
    """The lines that are there by now; one without an end waits."""
    while lines is not None:
        place = lines.tell()
        line = lines.readline()
        if not line.endswith("\n"):
            lines.seek(place)
            return
        yield line


def _garbled(source: OwnCode) -> ModelError:
    what = f"{source.name} wrote over its answer, which cannot be read"
    return ModelError(what, where=str(source), help="UCSEG_DEBUG=1 shows what it prints")


def _name(number: int) -> str:
    known = {one.value: one.name for one in signal.Signals}
    return known.get(number, f"signal {number}")  # most real-time signals have no names


def ended_early(name: str, status: int, where: str) -> ModelError:
    """The error of a child that ended without an answer."""
    how = f"was ended by {_name(-status)}" if status < 0 else f"ended itself with status {status}"
    fix = "native code failed: `python -X faulthandler` on your own call of it shows where"
    if status == -signal.SIGKILL:
        fix = "the system does so where memory runs out: a smaller --size or --batch needs less"
    elif status >= 0:
        fix = "its code calls os._exit or the like; an exception instead says where"
    return ModelError(f"{name} {how}, before there was an answer", where=where, help=fix)
