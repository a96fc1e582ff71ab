"""How a person names several modules at once: a pattern over their paths."""

from __future__ import annotations

import re

SIGNS = {"**": ".*", "*": r"[^.]*", "?": r"[^.]"}


def path_pattern(text: str) -> re.Pattern[str]:
    """``*`` and ``?`` stay within one name of a path, ``**`` goes over any number of them."""
    return re.compile("".join(SIGNS.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*|\?)", text)))


def is_pattern(text: str) -> bool:
    """Whether it may fit more than the one path that it spells."""
    return "*" in text or "?" in text
