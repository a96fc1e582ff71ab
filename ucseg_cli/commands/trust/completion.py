"""The command ``ucseg completion``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import one_of
from ucseg_cli.errors import ExitStatus

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
ShellArgument = Annotated[
    str,
    typer.Argument(
        metavar="SHELL",
        help=f"{', '.join(SHELLS)}.",
        autocompletion=lambda incomplete: [name for name in SHELLS if name.startswith(incomplete)],
    ),
]


def completion(shell: ShellArgument) -> int:
    """Print a completion script for a shell.

    No file is edited.

    Examples:
      source <(ucseg completion bash)
      ucseg completion fish > ~/.config/fish/completions/ucseg.fish
    """
    # typer's other way edits the user's files
    from typer._completion_shared import get_completion_script

    from ucseg_cli.cli.main import COMPLETION
    from ucseg_cli.terminal.streams import print_text

    known = one_of("shell", shell, SHELLS, "SHELL")
    print_text(get_completion_script(prog_name="ucseg", complete_var=COMPLETION, shell=known))
    return ExitStatus.OK
