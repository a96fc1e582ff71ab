"""The way in and every way out: ``main`` maps what happens to the exit status of the contract."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ucseg_cli.errors import (
    ExitStatus,
    InterruptionError,
    OutputError,
    ResourceError,
    UcsegError,
    UsageError,
)

if TYPE_CHECKING:
    from ucseg_cli.terminal.deliver import Destination

COMPLETION = "_UCSEG_COMPLETE"
"""The environment variable over which the shells' completion scripts ask."""


class Invocation:
    """One call of ``ucseg``; *destination* is known once the command line is parsed."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = tuple(arguments)
        self.destination: Destination | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``ucseg`` and return its exit status; a traceback is only for UCSEG_DEBUG."""
    call = Invocation(sys.argv[1:] if arguments is None else arguments)
    if sys.stderr is None:  # closed by whoever started us
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - pathlib is slow
    try:
        return _run(call)
    except KeyboardInterrupt:
        return _fail(InterruptionError("interrupted"), call)
    except BrokenPipeError:
        _forget_stdout()
        return ExitStatus.READER_GONE
    except UcsegError as error:
        return _fail(error, call)
    except OSError as error:
        _forget_stdout()
        full = "; nothing more could be written" if error.errno == errno.ENOSPC else ""
        what = f"{error.strerror or error}{full}"
        return _fail(OutputError(what, where=error.filename or "stdout"), call)
    except Exception as error:  # noqa: BLE001 - the last way out
        return _fail(_internal(error), call)


def _run(call: Invocation) -> int:
    """Parse and call. Typer's own ``main`` exits 1 for a closed pipe and swallows Ctrl-C."""
    from typer import Exit
    from typer._click.exceptions import ClickException, NoArgsIsHelpError
    from typer.main import get_command

    from ucseg_cli.cli.app import make_app

    if sys.stdout is None:
        raise OutputError("stdout is closed", where="stdout")
    _refuse_no_text(call.arguments)
    instruction = os.environ.get(COMPLETION)
    command = get_command(make_app(call.arguments, in_full=bool(instruction)))
    if instruction:
        return _complete(command, instruction)
    try:
        with command.make_context("ucseg", list(call.arguments), obj=call) as context:
            return int(command.invoke(context) or ExitStatus.OK)
    except Exit as leaving:
        return int(leaving.exit_code)
    except NoArgsIsHelpError as error:
        error.show()  # the help, on stderr: no answer was asked for
        return ExitStatus.NO_VERDICT
    except ClickException as error:
        raise _usage_error(error) from error


def _refuse_no_text(arguments: Sequence[str]) -> None:
    """Raise UsageError for a word that no system could have passed, nor takes as a file's name."""
    for word in arguments:
        try:
            os.fsencode(word)
        except UnicodeEncodeError as error:
            raise UsageError(f"{ascii(word)[:40]} is not text", where="the command line") from error


def _complete(command: Any, instruction: str) -> int:
    """Answer a shell that asks, over the environment, how a line may go on."""
    from typer.completion import shell_complete

    from ucseg_cli.cli.completion.shells import register_shells

    register_shells()
    try:
        status = shell_complete(command, {}, "ucseg", COMPLETION, instruction)
    except (KeyError, ValueError, IndexError):  # no shell set the variables of its line
        status = 1
    return ExitStatus.NO_VERDICT if status else ExitStatus.OK


def _usage_error(error: Any) -> UsageError:
    """The parser's error, in the words and form of every other."""
    message = getattr(error, "message", "") or error.format_message()
    first_line = message.strip().split("\n")[0]
    what, _, question = first_line.partition(". Did you mean ")
    suggested = filter(None, question.rstrip("?").split(", "))
    nearest = [*(getattr(error, "possibilities", None) or ()), *suggested]
    command = getattr(error.ctx, "command_path", "ucseg")
    option = max(getattr(getattr(error, "param", None), "opts", ()), key=len, default="")
    suggestion = "did you mean '{}'? ".format(nearest[0].strip("'")) if nearest else ""
    return UsageError(
        what[:1].lower() + what[1:].rstrip("."),
        where=f"{command} {option}" if option.startswith("-") else command,
        help=f"{suggestion}`{command} --help` shows how",
    )


def _fail(error: UcsegError, call: Invocation) -> int:
    from ucseg_cli.cli.failures import report_failure

    if os.environ.get("UCSEG_DEBUG"):
        import traceback

        traceback.print_exc()
    try:
        report_failure(error, call.arguments, call.destination)
    except OSError:
        _forget_stdout()
    return error.exit_status


def _internal(error: Exception) -> UcsegError:
    if isinstance(error, MemoryError):
        fix = "a smaller input, or fewer models at once, needs less"
        return ResourceError("the memory is too small for this", help=fix)
    return UcsegError(
        f"internal error: {type(error).__name__}: {error}",
        notes=("this is a fault of ucseg, and no answer was given",),
        help="UCSEG_DEBUG=1 shows where",
    )


def _forget_stdout() -> None:
    from ucseg_cli.terminal.streams import forget

    forget(sys.stdout)
