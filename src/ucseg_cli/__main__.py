"""The way in, and every way out: ``main`` maps what happens to the exit status of the contract."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from ucseg_cli.errors import ExitStatus, OutputError, UcsegError, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``ucseg`` and return its exit status; nothing but the person's own debugging ever sees a traceback."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        _tell(UcsegError("interrupted"), arguments=())
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return ExitStatus.READER_GONE
    except UcsegError as error:
        return _fail(error, arguments)
    except OSError as error:
        _forget_stdout()
        full = "; nothing more could be written" if error.errno == errno.ENOSPC else ""
        return _fail(OutputError(f"{error.strerror or error}{full}", where=error.filename or "stdout"), arguments)
    except Exception as error:  # noqa: BLE001 - the last way out
        return _fail(_internal(error), arguments)


def _run(arguments: Sequence[str]) -> int:
    from typer import Abort, Exit
    from typer._click.exceptions import ClickException

    from ucseg_cli.commands.app import make_app

    try:
        return int(make_app(arguments)(args=list(arguments), prog_name="ucseg", standalone_mode=False) or ExitStatus.OK)
    except Exit as leaving:
        return int(leaving.exit_code)
    except Abort as abort:
        raise KeyboardInterrupt from abort
    except ClickException as error:
        raise _usage_error(error) from error


def _usage_error(error: Exception) -> UsageError:
    """What the parser found, in the words and form of every other error."""
    message = str(getattr(error, "message", "") or getattr(error, "format_message", lambda: error)())
    what = message.strip().rstrip(".").split("\n")[0]
    nearest = getattr(error, "possibilities", None)
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", "ucseg")
    suggestion = f"did you mean {nearest[0]}? " if nearest else ""
    return UsageError(what[:1].lower() + what[1:], where=command, help=f"{suggestion}`{command} --help` shows how")


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
    from ucseg_cli.commands.terminal import print_text, say_error

    say_error(error)
    if _wants_json(arguments):
        from ucseg_cli.report.formats.json import render_json_error

        print_text(render_json_error(error))


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether stdout was to be JSON; asked of the words themselves, since the parser may have failed."""
    words = " ".join(arguments).replace("=", " ")
    return f" {words} ".find(" --format json ") >= 0 or f" {words} ".find(" -f json ") >= 0 or "-fjson" in arguments


def _internal(error: Exception) -> UcsegError:
    return UcsegError(
        f"internal error: {type(error).__name__}: {error}",
        notes=("this is a fault of ucseg's, and no answer was given",),
        help="UCSEG_DEBUG=1 shows where",
    )


def _forget_stdout() -> None:
    """Point stdout at nothing, so that Python does not complain at exit that it cannot be flushed."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
