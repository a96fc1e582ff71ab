"""Completion as each shell takes it: words put together again, and nothing that a shell would run.

A candidate is handed over on a line of its own, as it is, and quoted by the shell's script. Typer's
own script for zsh evaluates what it is given, so that the name of a file could run a command.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from typer._click.shell_completion import CompletionItem, add_completion_class
from typer._completion_classes import (  # typer makes classes for shells public no more
    BashComplete,
    FishComplete,
    PowerShellComplete,
    ZshComplete,
)
from typer._completion_shared import get_completion_script

BREAKS = ("=", ":")
PLAIN = re.compile(r"[\w+=,.:/@%-]*")
"""Words that PowerShell takes as they are."""


def completion_script(shell: str, variable: str) -> str:
    """The script that a user's shell reads; *variable* is the one over which it asks."""
    script = files("ucseg_cli.cli.completion").joinpath(f"complete.{shell}")
    if script.is_file():
        return script.read_text(encoding="utf-8")
    return get_completion_script(prog_name="ucseg", complete_var=variable, shell=shell)


class _OneLineEach:
    """Leaves out candidates that no line can hold, such as a file's name with a line break."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        found: list[CompletionItem] = super().get_completions(args, incomplete)  # type: ignore[misc]
        return [item for item in found if str(item.value).isprintable()]


class BashWords(_OneLineEach, BashComplete):
    """Puts words together again that bash broke, and answers with what comes after the break.

    Bash takes ``v2+backbone=10`` and ``net.py:Net`` for three words each.
    """

    _kept = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one to be completed, and that one."""
        before, incomplete = super().get_completion_args()
        *words, last = join_broken([*before, incomplete])
        self._kept = (
            last if incomplete in BREAKS else last.removesuffix(incomplete) if incomplete else last
        )
        return words, last

    def format_completion(self, item: CompletionItem) -> str:
        """The text that bash puts in place of the word it sees."""
        return str(item.value).removeprefix(self._kept)


class ZshLines(_OneLineEach, ZshComplete):
    """A line for each candidate, with its help after a tab."""

    def complete(self) -> str:
        """The candidates for the words so far."""
        found = self.get_completions(*self.get_completion_args())
        return "\n".join(map(self.format_completion, found))

    def format_completion(self, item: CompletionItem) -> str:
        """The candidate, and its help in one line."""
        return f"{item.value}\t{' '.join(item.help.split())}" if item.help else str(item.value)


class FishLines(_OneLineEach, FishComplete):
    """As Typer has it: fish quotes what it inserts."""


class PowerShellWords(_OneLineEach, PowerShellComplete):
    """Words in quotes where PowerShell would read them otherwise."""

    def format_completion(self, item: CompletionItem) -> str:
        """The candidate, and its help after three colons."""
        if not PLAIN.fullmatch(str(item.value)):
            item.value = "'{}'".format(str(item.value).replace("'", "''"))
        return super().format_completion(item)


SHELLS: dict[str, Any] = {
    "bash": BashWords,
    "zsh": ZshLines,
    "fish": FishLines,
    "powershell": PowerShellWords,
    "pwsh": PowerShellWords,
}


def join_broken(words: list[str]) -> list[str]:
    """``v2+head``, ``=``, ``b`` as the one word that was typed."""
    joined: list[str] = []
    for word in words:
        if joined and (word in BREAKS or joined[-1].endswith(BREAKS)):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def register_shells() -> None:
    """Make every shell known to the completion protocol."""
    for name, shell in SHELLS.items():
        add_completion_class(shell, name)
