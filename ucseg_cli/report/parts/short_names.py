"""How models are called where there is little room."""

from __future__ import annotations

from collections.abc import Iterable


def column_names(names: Iterable[str]) -> dict[str, str]:
    """Each without its file or package, where that keeps all of them distinct."""
    names = list(dict.fromkeys(names))
    short = {name: name.rpartition(":")[2] for name in names}
    return short if len(set(short.values())) == len(names) else {name: name for name in names}
