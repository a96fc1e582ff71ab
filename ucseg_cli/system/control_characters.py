"""Characters that a terminal, a spreadsheet or a reader's eye would obey rather than show.

Control codes of ASCII and of Latin-1 (C1), marks that turn the direction of writing, characters
without a width, and halves of surrogate pairs. Line feeds and tabs are left to each format.
"""

from __future__ import annotations

import re

OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff]"
    r"|(?<=##)\["  # GitHub's runner takes ``##[error]`` for a command anywhere in a line
)


def escaped(text: str) -> str:
    """*text* with each of them written out, as Python does in a string."""
    return OBEYED.sub(_written, text)


def escaped_in_json(text: str) -> str:
    """JSON with each of them as JSON escapes it, which reads as the same value."""
    return OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _written(found: re.Match[str]) -> str:
    if found[0] == "[":
        return r"\x5b"
    return found[0].encode("unicode_escape").decode("ascii")
