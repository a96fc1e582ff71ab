"""The way in, and every way out: ``main`` maps what happens to the exit status of the contract."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

from ucseg_cli.errors import (
    ExitStatus,
    InterruptionError,
    MistakesError,
    OutputError,
    UcsegError,
    UsageError,
)

COMPLETION = "_UCSEG_COMPLETE"
"""The environment variable over which the shells' completion scripts ask."""
QUOTE = "'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``ucseg`` and return its exit status; nothing but the person's own debugging ever sees a traceback."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if sys.stderr is None:  # closed by who started us
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - pathlib would take its time
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _fail(InterruptionError("interrupted"), arguments)
    except BrokenPipeError:
        _forget_stdout()
        return ExitStatus.READER_GONE
    except UcsegError as error:
        return _fail(error, arguments)
    except OSError as error:
        _forget_stdout()
        full = "; nothing more could be written" if error.errno == errno.ENOSPC else ""
        return _fail(
            OutputError(f"{error.strerror or error}{full}", where=error.filename or "stdout"),
            arguments,
        )
    except Exception as error:  # noqa: BLE001 - the last way out
        return _fail(_internal(error), arguments)


def _run(arguments: Sequence[str]) -> int:
    """Parse and call. Typer's own ``main`` would exit 1 for a closed pipe and swallow Ctrl-C, so its parts are used."""
    from typer import Exit
    from typer._click.exceptions import ClickException, NoArgsIsHelpError
    from typer.main import get_command

    from ucseg_cli.cli.app import make_app

    if sys.stdout is None:
        raise OutputError("stdout is closed", where="stdout")
    command = get_command(make_app(arguments))
    if instruction := os.environ.get(COMPLETION):
        return _complete(command, instruction)
    try:
        with command.make_context("ucseg", list(arguments)) as context:
            return int(command.invoke(context) or ExitStatus.OK)
    except Exit as leaving:
        return int(leaving.exit_code)
    except NoArgsIsHelpError as error:
        error.show()  # the help, on stderr: no answer was asked for
        return ExitStatus.NO_VERDICT
    except ClickException as error:
        raise _usage_error(error) from error


def _complete(command: Any, instruction: str) -> int:
    """Answer a shell that asks, over the environment, how a line may go on."""
    from typer.completion import shell_complete

    from ucseg_cli.cli.completion.bash_words import register_shells

    register_shells()
    return shell_complete(command, {}, "ucseg", COMPLETION, instruction)


def _usage_error(error: Exception) -> UsageError:
    """What the parser found, in the words and form of every other error."""
    message = str(
        getattr(error, "message", "") or getattr(error, "format_message", lambda: error)()
    )
    what, _, question = message.strip().split("\n")[0].partition(". Did you mean ")
    nearest = [
        *(getattr(error, "possibilities", None) or ()),
        *filter(None, question.rstrip("?").split(", ")),
    ]
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    command = getattr(context, "command_path", "ucseg")
    option = max(getattr(parameter, "opts", ()), key=len, default="")
    suggestion = f"did you mean '{nearest[0].strip(QUOTE)}'? " if nearest else ""
    if "extra argument" in what:
        suggestion = "`ucseg compare` takes several models; "
    return UsageError(
        what[:1].lower() + what[1:].rstrip("."),
        where=f"{command} {option}" if option.startswith("-") else command,
        help=f"{suggestion}`{command} --help` shows how",
    )


def _fail(error: UcsegError, arguments: Sequence[str]) -> int:
    if os.environ.get("UCSEG_DEBUG"):
        import traceback

        traceback.print_exc()
    try:
        _tell(error, arguments)
    except OSError:
        _forget_stdout()
    return error.exit_status


def _tell(error: UcsegError, arguments: Sequence[str]) -> None:
    from ucseg_cli.terminal.streams import print_text, say_error

    for each in error.errors if isinstance(error, MistakesError) else (error,):
        say_error(each)
    form = _form(arguments)
    if form == "json" and sys.stdout is not None:
        from ucseg_cli.report.formats.json import render_json_error

        print_text(render_json_error(error))
    elif arguments:
        from ucseg_cli.cli.failures import tell_who_runs_checks

        tell_who_runs_checks(error, form if sys.stdout is not None else "", arguments)


def _form(arguments: Sequence[str]) -> str:
    """What stdout was to be; asked of the words themselves, since the parser may have failed."""
    form = ""
    for word, following in zip(arguments, (*arguments[1:], ""), strict=True):
        if word in {"-f", "--format"}:
            form = following
        elif word.startswith(("-f", "--format=")):
            form = word.removeprefix("-f").removeprefix("--format=")
        elif (word, following) == ("--export-json", "-") or word == "--export-json=-":
            return "json"
    return form


def _internal(error: Exception) -> UcsegError:
    return UcsegError(
        f"internal error: {type(error).__name__}: {error}",
        notes=("this is a fault of ucseg's, and no answer was given",),
        help="UCSEG_DEBUG=1 shows where",
    )


def _forget_stdout() -> None:
    from ucseg_cli.terminal.streams import forget

    forget(sys.stdout)
