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
    from ucseg_cli.cli.completion.shells import completion_script
    from ucseg_cli.cli.main import COMPLETION
    from ucseg_cli.terminal.streams import print_text

    known = one_of("shell", shell, SHELLS, "SHELL")
    print_text(completion_script(known, COMPLETION))
    return ExitStatus.OK
