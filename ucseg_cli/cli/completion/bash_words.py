"""Completion in bash, which takes ``v2+backbone=10`` and ``net.py:Net`` for three words each."""

from __future__ import annotations

from typing import Any

from typer._click.shell_completion import CompletionItem, add_completion_class
from typer._completion_classes import (  # typer makes classes for shells public no more
    BashComplete,
    completion_init,
)

BREAKS = ("=", ":")


class BashWords(BashComplete):
    """Puts words together again that bash broke, and answers with what comes after the break."""

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
    """Make every shell known to the completion protocol, bash with the class above."""
    completion_init()
    shell: Any = BashWords
    add_completion_class(shell, "bash")
