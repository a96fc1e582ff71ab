"""How a person names several modules at once: a pattern over their paths."""

from __future__ import annotations

import re

SIGNS = {"**": ".*", "*": r"[^.]*", "?": r"[^.]"}
SIGN = re.compile(r"(\*\*|\*|\?|\[!?[^\[\].!]+\])")


def path_pattern(text: str) -> re.Pattern[str]:
    """``*``, ``?`` and ``[48]`` stay within one name of a path, ``**`` goes over any number of them."""
    return re.compile("".join(map(_expression, SIGN.split(text))))


def is_pattern(text: str) -> bool:
    """Whether it may fit more than the one path that it spells."""
    return SIGN.search(text) is not None


def _expression(part: str) -> str:
    if part in SIGNS:
        return SIGNS[part]
    return _one_of(part[1:-1]) if SIGN.fullmatch(part) else re.escape(part)


def _one_of(signs: str) -> str:
    """``48``, ``0-7``, or any but these after an exclamation mark."""
    ranges = re.findall(r"(.)-(.)|(.)", signs.removeprefix("!"))
    single = "".join(
        chr(code)
        for first, last, one in ranges
        for code in range(ord(first or one), ord(last or one) + 1)
    )
    if signs.startswith("!"):
        return f"[^.{re.escape(single)}]"
    return f"[{re.escape(single)}]" if single else "(?!)"
