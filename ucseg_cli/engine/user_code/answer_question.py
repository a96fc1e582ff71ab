"""What happens in the process that a person's code has for itself."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from ucseg_cli.errors import ModelError, ResourceError, UcsegError, encode_error
from ucseg_cli.facts.question import Question, decode_question
from ucseg_cli.facts.trace import encode_trace


def main() -> None:
    """Answer the question on the command line into the file that is named there."""
    path, question = Path(sys.argv[1]), decode_question(sys.argv[2])
    write_answer(path, answer(question))


def answer(question: Question) -> dict[str, Any]:
    """The results, or the error, as JSON can hold them."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        return {
            "error": encode_error(
                ResourceError(
                    f"torch cannot be imported: {error}", help="pip install torch torchvision"
                )
            )
        }
    try:
        return {"results": [_result(question, each) for each in question.conditions]}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - it is the person's code, which may raise anything
        if os.environ.get("UCSEG_DEBUG"):
            traceback.print_exc()
        return {
            "error": encode_error(
                error if isinstance(error, UcsegError) else _foreign(question, error)
            )
        }


def _result(question: Question, conditions: Any) -> Any:
    from ucseg_cli.engine.counters import count_model_of
    from ucseg_cli.engine.trace_model import trace_source

    if question.task == "count":
        return count_model_of(question.source, conditions)
    return encode_trace(trace_source(question.source, conditions))


def _foreign(question: Question, error: BaseException) -> ModelError:
    from ucseg_cli.engine.user_code.import_model import said

    return ModelError(
        f"{question.source.name} cannot be inspected: {said(error)}",
        where=str(question.source),
        help="UCSEG_DEBUG=1 shows its own traceback",
    )


def write_answer(path: Path, found: dict[str, Any]) -> None:
    """Leave the answer where it is looked for, whole or not at all, and end, whatever threads and hooks are left."""
    waiting = path.with_suffix(".part")
    waiting.write_text(json.dumps(found), encoding="utf-8")
    waiting.replace(path)
    os._exit(0)
