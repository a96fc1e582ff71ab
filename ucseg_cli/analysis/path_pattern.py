"""A pattern over module paths, by which a user names several modules at once."""

from __future__ import annotations

import re
from fnmatch import translate

SIGN = re.compile(r"(\*\*|\*|\?|\[!?[^\[\].!]+\])")


def path_pattern(text: str) -> re.Pattern[str]:
    """``*``, ``?`` and ``[48]`` stay within one name of a path, ``**`` spans any number of them."""
    return re.compile("".join(map(_expression, SIGN.split(text))))


def is_pattern(text: str) -> bool:
    """Whether it may fit more than the one path that it spells."""
    return SIGN.search(text) is not None


def _expression(part: str) -> str:
    match part:
        case "**":
            return ".*"
        case "*":
            return "[^.]*"
        case _ if SIGN.fullmatch(part):  # one character, as in a file name, but not a dot
            return r"(?!\.)" + translate(part)[: -len(r"\Z")]
        case _:
            return re.escape(part)
