"""How tests read a screen."""

from __future__ import annotations


def verdict(screen: str) -> str:
    """The sentence at the end of a screen, which a pipe wraps."""
    return " ".join(screen.rstrip().rpartition("\n\n")[2].split())


def unwrapped(screen: str) -> str:
    """A screen on one line, for sentences that a pipe wraps."""
    return " ".join(screen.split())
