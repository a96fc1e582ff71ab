"""The work of the child process that runs a user's code: trace or count a model, and answer."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from ucseg_cli.engine.require_torch import require_torch
from ucseg_cli.errors import ModelError, UcsegError, encode_error
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.encoding.encoded_trace import encode_trace
from ucseg_cli.facts.question import (
    Question,
    decode_question,
    dependencies_file,
    lines_file,
    progress_file,
    question_file,
    result_file,
)
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import OwnCode
from ucseg_cli.system.checkout import Checkout
from ucseg_cli.system.process_control import end_with_parent

NO_ANSWER = 74
"""The status of a process that cannot write its answer, as in sysexits.h."""


def main() -> None:
    """Answer the question in the file beside the one that the command line names, into this."""
    end_with_parent()
    path = Path(sys.argv[1])
    question = decode_question(question_file(path).read_text("utf-8"))
    write_answer(path, answer(question, path))


def answer(question: Question, path: Path | None = None) -> dict[str, Any]:
    """The results, each of them or an error as JSON can hold it; or one error instead of all.

    With the *path* of the answer, how far it is stands in files beside it: before each pass the
    results so far and the model's modules, and afterwards what the model depends on.
    """
    try:
        require_torch()
    except UcsegError as error:
        return {"error": encode_error(error)}
    if question.is_streamed and path is not None:
        return _stream(question, path)
    if question.is_forked and path is not None:
        return {"results": _results_of_forks(question, path)}
    return {"results": _results(question, path)}


def _stream(question: Question, path: Path) -> dict[str, Any]:
    from ucseg_cli.engine.parts.stream_space import stream_space

    files = _Files(question.checkout, path) if question.checkout else None
    source = question.source
    try:
        with files.used_by(source) if files else nullcontext(source):
            reached = files.entered.source if files else _itself
            with lines_file(path).open("w", encoding="utf-8") as lines:
                for line in stream_space(question, reached):
                    lines.write(f"{line}\n")
                    lines.flush()  # it is known at once how far we are, even if we end
    except BaseException as error:  # noqa: BLE001 - the user's code may raise anything
        return _error_of(source, error)
    return {"results": []}


def _itself(source: OwnCode) -> OwnCode:
    return source


def _results(question: Question, path: Path | None) -> list[Any]:
    files = _Files(question.checkout, path) if question.checkout else None
    results: list[Any] = []
    for number, (source, conditions) in enumerate(question.points):
        before_pass = partial(_note_progress, path, results) if path else lambda _: None
        results.append(_result_or_error(question.task, source, conditions, before_pass, files))
        if path and files and (found := files.watch.dependencies) is not None:
            _write_whole(dependencies_file(path, number), found)
    return results


class _Files:
    """The files of a repository that a user's code runs on, entered and watched."""

    def __init__(self, checkout: Checkout, answer: Path | None) -> None:
        # neither needs loading where a user's code stands in no repository
        from ucseg_cli.engine.user_code.enter_checkout import Entered
        from ucseg_cli.engine.user_code.watch_files import Watch

        self.entered = Entered(checkout)
        self.watch = Watch(checkout, *([str(answer.parent)] if answer else ()))

    @contextmanager
    def used_by(self, source: OwnCode) -> Iterator[OwnCode]:
        """The source as it is reached from here; raises ModelError if it is not all of the commit.

        Errors name files as the user knows them.
        """
        from ucseg_cli.engine.user_code.watch_files import watched

        try:
            with watched(self.watch):
                yield self.entered.source(source)
            self.entered.refuse_others(source)
            if self.watch.refused is not None:  # their own code may have caught it
                raise self.watch.refused
        except UcsegError as error:
            raise self.entered.as_shown(error) from error


def _results_of_forks(question: Question, path: Path) -> list[Any]:
    """The same from a fork for each model, so that none sees what another has changed."""
    from ucseg_cli.engine import counters, trace_model  # noqa: F401 - once, for all of them
    from ucseg_cli.engine.user_code.forked import run_in_forks

    at_once = len(os.sched_getaffinity(0))
    several = len(question.conditions)
    tasks = [
        partial(_answer_in_fork, question, path, model) for model in range(len(question.sources))
    ]
    ended = run_in_forks(tasks, at_once, question.limit)
    results: list[Any] = []
    for number in range(len(question.points)):
        file = result_file(path, number)
        known = file.exists()
        results.append(
            json.loads(file.read_text("utf-8")) if known else {"ended": ended[number // several]}
        )
    return results


def _answer_in_fork(question: Question, path: Path, model: int) -> None:
    end_with_parent()
    first = model * len(question.conditions)
    own = path.with_stem(f"{path.stem}-{model}")
    results = _results(question._replace(sources=[question.sources[model]]), own)
    for number, result in enumerate(results):
        if (depends := dependencies_file(own, number)).exists():
            depends.replace(dependencies_file(path, first + number))
        _write_whole(result_file(path, first + number), result)


def _note_progress(path: Path, results: list[Any], modules: Trace) -> None:
    for number, result in enumerate(results):
        if not result_file(path, number).exists():
            _write_whole(result_file(path, number), result)
    _write_whole(progress_file(path), {"done": len(results), "modules": encode_trace(modules)})


def _result_or_error(
    task: str,
    source: OwnCode,
    conditions: Conditions,
    before_pass: Callable[[Trace], None],
    files: _Files | None,
) -> Any:
    try:
        with files.used_by(source) if files else nullcontext(source) as reached:
            return _result(task, reached, conditions, before_pass)
    except BaseException as error:  # noqa: BLE001 - the user's code may raise anything
        return _error_of(source, error)


def _error_of(source: OwnCode, error: BaseException) -> dict[str, Any]:
    if os.environ.get("UCSEG_DEBUG"):
        traceback.print_exc()
    known = error if isinstance(error, UcsegError) else _as_model_error(source, error)
    known.where = known.where or str(source)
    return {"error": encode_error(known)}


def _result(
    task: str, source: OwnCode, conditions: Conditions, before_pass: Callable[[Trace], None]
) -> Any:
    from ucseg_cli.engine.counters import count_model_of
    from ucseg_cli.engine.trace_model import trace_source
    from ucseg_cli.engine.user_code.import_model import designs_in

    if task == "list":
        return designs_in(source)
    if task == "count":
        return count_model_of(source, conditions)
    return encode_trace(trace_source(source, conditions, before_pass=before_pass))


def _as_model_error(source: OwnCode, error: BaseException) -> ModelError:
    from ucseg_cli.engine.user_code.import_model import error_text

    return ModelError(
        f"{source.name} cannot be inspected: {error_text(error)}",
        where=str(source),
        help="UCSEG_DEBUG=1 shows its own traceback",
    )


def write_answer(path: Path, found: dict[str, Any]) -> None:
    """Write the answer whole or not at all, and end the process, even if threads still run."""
    try:
        _write_whole(path, found)
    except OSError:  # the user's code has removed the folder
        os._exit(NO_ANSWER)
    os._exit(0)


def _write_whole(path: Path, found: Any) -> None:
    waiting = path.with_name(f"{path.name}.part")
    waiting.write_text(json.dumps(found), encoding="utf-8")
    waiting.replace(path)
