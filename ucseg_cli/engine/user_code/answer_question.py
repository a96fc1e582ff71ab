"""The work of the child process that runs a user's code: trace or count a model, and answer."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ucseg_cli.engine.require_torch import require_torch
from ucseg_cli.errors import ModelError, UcsegError, encode_error
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.encoded_trace import encode_trace
from ucseg_cli.facts.question import Question, decode_question, progress_file, result_file
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import OwnCode
from ucseg_cli.system.process_control import end_with_parent

NO_ANSWER = 74
"""The status of a process that cannot write its answer, as in sysexits.h."""


def main() -> None:
    """Answer the question on the command line into the file that is named there."""
    end_with_parent()
    path, question = Path(sys.argv[1]), decode_question(sys.argv[2])
    write_answer(path, answer(question, partial(_note_progress, path)))


def answer(
    question: Question, note_progress: Callable[[list[Any], Trace], None] = lambda _, __: None
) -> dict[str, Any]:
    """The results, each of them or an error as JSON can hold it; or one error instead of all.

    *note_progress* is called before each pass with the results so far and the model's modules.
    """
    try:
        require_torch()
    except UcsegError as error:
        return {"error": encode_error(error)}
    return {"results": _results(question, note_progress)}


def _results(question: Question, note_progress: Callable[[list[Any], Trace], None]) -> list[Any]:
    results: list[Any] = []
    for source, conditions in question.points:
        before_pass = partial(note_progress, results)
        results.append(_result_or_error(question.task, source, conditions, before_pass))
    return results


def _note_progress(path: Path, results: list[Any], modules: Trace) -> None:
    for number, result in enumerate(results):
        if not result_file(path, number).exists():
            _write_whole(result_file(path, number), result)
    _write_whole(progress_file(path), {"done": len(results), "modules": encode_trace(modules)})


def _result_or_error(
    task: str, source: OwnCode, conditions: Conditions, before_pass: Callable[[Trace], None]
) -> Any:
    try:
        return _result(task, source, conditions, before_pass)
    except BaseException as error:  # noqa: BLE001 - the user's code may raise anything
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


def _write_whole(path: Path, found: dict[str, Any]) -> None:
    waiting = path.with_name(f"{path.name}.part")
    waiting.write_text(json.dumps(found), encoding="utf-8")
    waiting.replace(path)
