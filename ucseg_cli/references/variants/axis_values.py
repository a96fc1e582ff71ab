"""The sets of values that an axis may have; each reads text, and shows its bounds to a schema."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

Value = int | str | float | tuple[Any, ...] | None

DIGITS = "[0-9]{1,9}"
PROBABILITY = r"0|0?\.[0-9]{1,15}|0\.0*"


class Integers(NamedTuple):
    """Whole numbers from *low* to *high*, also written with the *prefix*."""

    low: int
    high: int
    prefix: str = ""

    def __call__(self, text: str) -> int:
        """The number; raises ValueError."""
        digits = text.removeprefix(self.prefix)
        if not re.fullmatch(DIGITS, digits) or not self.low <= int(digits) <= self.high:
            raise ValueError(text)
        return int(digits)


class Choice(NamedTuple):
    """One of a few words or numbers."""

    options: tuple[int | str, ...]

    def __call__(self, text: str) -> int | str:
        """The option that is written so; raises ValueError."""
        return self.options[[str(option) for option in self.options].index(text)]


class Several(NamedTuple):
    """One to *most* whole numbers, with commas between."""

    one: Integers
    most: int

    def __call__(self, text: str) -> tuple[int, ...]:
        """The numbers in order; raises ValueError."""
        numbers = tuple(self.one(part.strip()) for part in text.split(","))
        if len(numbers) > self.most:
            raise ValueError(text)
        return numbers


class Probability(NamedTuple):
    """From 0 to below 1."""

    def __call__(self, text: str) -> float:
        """The number; raises ValueError."""
        if not re.fullmatch(PROBABILITY, text):
            raise ValueError(text)
        return float(text)


class AnyText(NamedTuple):
    """The values of an argument of any constructor, which only its own code knows."""

    def __call__(self, text: str) -> str:
        """The text itself."""
        return text


Values = AnyText | Integers | Choice | Several | Probability
