"""The command ``ucseg completion``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import complete_from, one_of
from ucseg_cli.errors import ExitStatus

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def completion(
    shell: Annotated[
        str,
        typer.Argument(
            metavar="SHELL", help=f"{', '.join(SHELLS)}.", autocompletion=complete_from(SHELLS)
        ),
    ],
) -> int:
    """Print a completion script for a shell.

    For example: source <(ucseg completion bash). No file is edited.
    """
    from typer._completion_shared import (
        get_completion_script,  # typer's other door edits the person's files
    )

    from ucseg_cli.terminal.streams import print_text

    script = get_completion_script(
        prog_name="ucseg",
        complete_var="_UCSEG_COMPLETE",
        shell=one_of("shell", shell, SHELLS, "SHELL"),
    )
    print_text(script)
    return ExitStatus.OK
