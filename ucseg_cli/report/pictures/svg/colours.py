"""The colours of pages and pictures, light and dark, as variables of CSS.

Text in ``ink`` and ``quiet`` has a contrast of at least 4.5 on ``card`` and ``page``, and so have
the colours of words. Colour-blind readers see the series as different, and each stands beside a
name.
"""

from __future__ import annotations

from collections.abc import Mapping

LIGHT = {
    "page": "#f6f7f9",
    "card": "#fff",
    "ink": "#16191d",
    "quiet": "#5b6470",
    "line": "#e3e6ea",
    "strong": "#c3c9d1",
    "accent": "#0b7285",
    "track": "#e9edf0",
    "hover": "#f2f6f7",
    "good": "#18794e",
    "caution": "#8a5a00",
    "bad": "#c4320a",
    "shadow": "0 1px 2px rgb(16 24 40 / .05), 0 4px 16px rgb(16 24 40 / .04)",
    "s0": "#0b7285",
    "s1": "#c2410c",
    "s2": "#6d28d9",
    "s3": "#2f7d32",
    "s4": "#a61e4d",
    "s5": "#596069",
    "s6": "#8a6d00",
    "s7": "#1d5fbf",
}
DARK = {
    "page": "#0f1215",
    "card": "#171b20",
    "ink": "#e8ebee",
    "quiet": "#98a2ad",
    "line": "#262c33",
    "strong": "#414a54",
    "accent": "#4cc3d4",
    "track": "#262d34",
    "hover": "#1d2329",
    "good": "#56c994",
    "caution": "#e0ac4d",
    "bad": "#ff8a65",
    "shadow": "none",
    "s0": "#4cc3d4",
    "s1": "#ff9a5c",
    "s2": "#b197fc",
    "s3": "#69db7c",
    "s4": "#f783ac",
    "s5": "#adb5bd",
    "s6": "#e3c55b",
    "s7": "#7fb2ff",
}
PRINTED = {
    **LIGHT,
    "page": "#fff",
    "ink": "#000",
    "quiet": "#444",
    "line": "#ddd",
    "strong": "#888",
    "track": "#eee",
    "hover": "transparent",
    "shadow": "none",
}
SERIES = tuple(f"s{number}" for number in range(8))
"""Colours for things of several kinds, in the order in which they are taken."""


def theme(selector: str) -> str:
    """The rules that give *selector* the colours of the reader's theme, or those of paper."""
    return "\n".join(
        (
            f"{selector} {{ {_variables(LIGHT)} }}",
            _when("screen and (prefers-color-scheme: dark)", selector, DARK),
            _when("print", selector, PRINTED),
        )
    )


def _when(media: str, selector: str, colours: Mapping[str, str]) -> str:
    return f"@media {media} {{ {selector} {{ {_variables(colours)} }} }}"


def _variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())
