"""The work of the child process that runs a user's code: trace or count a model, and answer."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from ucseg_cli.engine.require_torch import require_torch
from ucseg_cli.errors import ModelError, UcsegError, encode_error
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.question import Question, decode_question
from ucseg_cli.facts.trace import encode_trace


def main() -> None:
    """Answer the question on the command line into the file that is named there."""
    path, question = Path(sys.argv[1]), decode_question(sys.argv[2])
    write_answer(path, answer(question))


def answer(question: Question) -> dict[str, Any]:
    """The results, or the error, as JSON can hold them."""
    try:
        require_torch()
        return {"results": [_result(question, conditions) for conditions in question.conditions]}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - the user's code may raise anything
        if os.environ.get("UCSEG_DEBUG"):
            traceback.print_exc()
        known = error if isinstance(error, UcsegError) else _as_model_error(question, error)
        return {"error": encode_error(known)}


def _result(question: Question, conditions: Conditions) -> Any:
    from ucseg_cli.engine.counters import count_model_of
    from ucseg_cli.engine.trace_model import trace_source

    if question.task == "count":
        return count_model_of(question.source, conditions)
    return encode_trace(trace_source(question.source, conditions))


def _as_model_error(question: Question, error: BaseException) -> ModelError:
    from ucseg_cli.engine.user_code.import_model import error_text

    return ModelError(
        f"{question.source.name} cannot be inspected: {error_text(error)}",
        where=str(question.source),
        help="UCSEG_DEBUG=1 shows its own traceback",
    )


def write_answer(path: Path, found: dict[str, Any]) -> None:
    """Write the answer whole or not at all, and end the process, even if threads still run."""
    waiting = path.with_suffix(".part")
    waiting.write_text(json.dumps(found), encoding="utf-8")
    waiting.replace(path)
    os._exit(0)
