"""A pattern over module paths, by which a user names several modules at once."""

from __future__ import annotations

import re
from fnmatch import translate

SIGN = re.compile(r"(\*\*+|\*|\?|\[!?[^\[\].!]+\])")
SPANS = re.compile(r"\*{2,}")


def path_pattern(text: str) -> re.Pattern[str]:
    """``*``, ``?`` and ``[48]`` stay within one name of a path, ``**`` spans any number of them.

    Takes time in proportion to the square of a path, however many stars there are: the part after a
    star is searched for once, from the left, and never again (the groups ``(?>…)``). Another place
    could only help if the star before it reached further than the next one can.
    """
    first, *others = SPANS.split(text)
    if not others:
        return re.compile(_within_names(first, is_last=True))
    between = "".join(f"(?>.*?{_within_names(part)})" for part in others[:-1])
    last = _within_names(others[-1], is_last=True)
    return re.compile(f"{_within_names(first)}{between}.*{last}", re.DOTALL)


def is_pattern(text: str) -> bool:
    """Whether it may fit more than the one path that it spells."""
    return SIGN.search(text) is not None


def _within_names(text: str, *, is_last: bool = False) -> str:
    """The part between two ``**``; the last one reaches to the end of the path."""
    pieces: list[list[str]] = [[]]
    for sign in SIGN.split(text):
        if sign == "*":
            pieces.append([])
        else:
            pieces[-1].append(_expression(sign))
    first, *others = ("".join(piece) for piece in pieces)
    end = others.pop() if is_last and others else None
    searched = "".join(f"(?>[^.]*?{piece})" for piece in others)
    return first + searched + ("" if end is None else f"[^.]*{end}")


def _expression(part: str) -> str:
    if SIGN.fullmatch(part):  # one character, as in a file name, but not a dot
        return r"(?!\.)" + translate(part)[: -len(r"\Z")]
    return re.escape(part)
