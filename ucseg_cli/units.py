"""Counts, bytes, ratios and shapes to and from text; only here does a number become words."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.errors import UsageError, Where

DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
TIMES = {"ns": 1, "µs": 10**3, "ms": 10**6, "s": 10**9}
"""Nanoseconds in each unit of time."""
TIME_SPELLINGS = {"us": "µs", "μs": "µs"}
TIME = r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(?P<unit>ns|us|µs|μs|ms|s)"
"""How a time is written; two letters look like a micro sign."""
MISSING = "–"
GROUP = 3
"""Digits between two separators."""
WRITTEN_IN_FULL = 10_000
"""Counts below are as short in full as they are abbreviated."""

TINY = 8
"""Zeros after the point at which a figure is as good as nothing."""
Number = int | Fraction

COUNT = (
    r"(?P<whole>[0-9]{1,3}(?:[,_ \u00a0\u2009\u202f][0-9]{3}){1,20}|[0-9]{1,64})"
    r"(?:\.(?P<decimals>[0-9]{1,63}))?(?P<gap>(?:\s|&nbsp;)*)"
    r"(?P<prefix>[kKMGTPE]?|[KMGT]i)"
)
BYTES = rf"{COUNT}(?P<unit>B?)"
"""How a quantity is written, for a metric that does not count bytes, and for one that does.

Digits stand in groups of three: between them a comma, an underscore or a space of any width.
"""


class Quantity(NamedTuple):
    """A quantity as it is written, and so how another one would be written in its place.

    Args:
        text: the whole of it.
        amount: what it says, exactly.
        separator: between groups of three digits.
        decimals: digits after the point.
        gap: between the number and what follows.
        prefix: a key of DECIMAL or BINARY, or ``K``.
        unit: ``B``, or nothing.
    """

    text: str
    amount: Fraction
    separator: str
    decimals: int
    gap: str
    prefix: str
    unit: str

    def fits(self, count: int) -> bool:
        """Whether *count* rounds to what is written, with as many digits as are written.

        What lies halfway may be rounded either way; only 0 is written as zero.
        """
        if not self.amount:
            return count == 0
        last_digit = Fraction(_scale(self.prefix), 10**self.decimals)
        return abs(count - self.amount) * 2 <= last_digit

    def write(self, count: int) -> str:
        """*count* in this notation, with a smaller prefix only where it would be written as 0."""
        smaller = _prefixes_down_from(self.prefix)
        prefix = next((one for one in smaller if self._rounded(count, one)), self.prefix)
        decimals = self._decimals(prefix)
        whole, rest = divmod(self._rounded(count, prefix), 10**decimals)
        point = f".{rest:0{decimals}}" if decimals else ""
        gap = self.gap if prefix or self.unit else ""
        return f"{f'{whole:,}'.replace(',', self.separator)}{point}{gap}{prefix}{self.unit}"

    def _rounded(self, count: int, prefix: str) -> int:
        """*count* in units of the last digit."""
        return round(Fraction(count * 10 ** self._decimals(prefix), _scale(prefix)))

    def _decimals(self, prefix: str) -> int:
        return self.decimals if prefix else 0


def format_count(count: int | None, *, exact: bool = False, signed: bool = False) -> str:
    """``1_234_567`` as ``1.23M``, or ``1,234,567`` when *exact*; None as a dash."""
    if count is None:
        return MISSING
    sign = "-" if count < 0 else "+" if signed and count > 0 else ""
    magnitude = abs(count)
    return sign + (f"{magnitude:,}" if exact or magnitude < WRITTEN_IN_FULL else _scaled(magnitude))


def spoken_count(count: int, *, signed: bool = False) -> str:
    """A count in a sentence, rounded as a speaker would: ``391_905_280`` as ``392M``."""
    if abs(count) < WRITTEN_IN_FULL:
        return format_count(count, signed=signed)
    three_digits = round(count, 3 - len(str(abs(count))))
    text = format_count(three_digits, signed=signed)
    return text[:-1].rstrip("0").rstrip(".") + text[-1]


def format_bytes(count: int | None, *, exact: bool = False, signed: bool = False) -> str:
    """Bytes in decimal units, ``1_900_308`` as ``1.90 MB``; ``1,900,308 B`` when *exact*."""
    if count is None:
        return MISSING
    text = format_count(count, exact=exact, signed=signed)
    number, prefix = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return f"{number} {prefix}B"


def format_duration(nanoseconds: int | None, *, exact: bool = False, signed: bool = False) -> str:
    """``79_412_345`` nanoseconds as ``79.4 ms``; ``79,412,345 ns`` when *exact*."""
    if nanoseconds is None:
        return MISSING
    sign = "-" if nanoseconds < 0 else "+" if signed and nanoseconds > 0 else ""
    magnitude = abs(nanoseconds)
    tenths = {unit: round(Fraction(magnitude * 10, TIMES[unit])) for unit in TIMES}
    unit = next((unit for unit in TIMES if tenths[unit] < 10_000), "s")
    if exact or unit == "ns":
        return f"{sign}{magnitude:,} ns"
    return f"{sign}{_three_digits(magnitude, TIMES[unit])} {unit}"


def write_duration(nanoseconds: int) -> str:
    """The inverse of parse_duration: ``2_500_000`` exactly as ``2.5 ms``."""
    known = (unit for unit in reversed(TIMES) if TIMES[unit] <= nanoseconds)
    unit = next(known, "ns")
    whole, rest = divmod(nanoseconds, TIMES[unit])
    decimals = f".{rest:0{len(str(TIMES[unit])) - 1}}".rstrip("0").rstrip(".") if rest else ""
    return f"{whole}{decimals} {unit}"


def parse_duration(text: str, where: Where = None) -> int:
    """A time such as ``33ms``, ``800us`` or ``1.2 s`` in nanoseconds; raises UsageError."""
    match = re.fullmatch(TIME, text.strip())
    if match is None:
        fix = "write a time with its unit, such as 33ms, 800us or 1.2s"
        raise UsageError(f"'{text}' is not a time", where=where, help=fix)
    return round(Fraction(match["number"]) * (time_unit(match["unit"]) or 1))


def time_unit(text: str) -> int | None:
    """Nanoseconds in the unit of time that *text* names; None for any other text."""
    return TIMES.get(TIME_SPELLINGS.get(text, text))


def write_quantity(count: int, *, in_bytes: bool) -> str:
    """The inverse of parse_count: ``1_040_000`` exactly as ``1.04M``, in bytes as ``1.04 MB``."""
    if count < WRITTEN_IN_FULL:
        return str(count)
    prefix = next(prefix for prefix in reversed(DECIMAL) if DECIMAL[prefix] <= count)
    whole, rest = divmod(count, DECIMAL[prefix])
    zeros = len(str(DECIMAL[prefix])) - 1
    number = f"{whole}.{rest:0{zeros}}".rstrip("0").rstrip(".")
    return f"{number} {prefix}B" if in_bytes else f"{number}{prefix}"


def format_percent(ratio: Fraction | None, *, signed: bool = False) -> str:
    """A ratio with one decimal, ``7/20`` as ``35.0%``; what rounds to zero but is not says so."""
    if ratio is None:
        return MISSING
    tenths = round(abs(ratio) * 1000)
    sign = "-" if ratio < 0 else "+" if signed and ratio > 0 else ""
    if tenths == 0 and ratio != 0:
        return f"{sign}<0.1%"
    if tenths == 1000 and abs(ratio) != 1:
        # a limit just exceeded must not look just met, nor what is nearly gone gone
        return f"{sign}{'>' if abs(ratio) > 1 else '<'}100.0%"
    return f"{sign}{tenths // 10:,}.{tenths % 10}%"


def format_decimal(number: Number, *, signed: bool = False) -> str:
    """A measured figure with four digits that count: ``0.7312``, ``71.32``; an integer in full."""
    sign = "-" if number < 0 else "+" if signed and number > 0 else ""
    magnitude = abs(Fraction(number))
    decimals = max(4 - len(str(int(magnitude))), 0) if magnitude >= 1 else _decimals_of(magnitude)
    whole, rest = divmod(round(magnitude * 10**decimals), 10**decimals)
    point = f".{rest:0{decimals}}".rstrip("0") if decimals else "."
    return f"{sign}{whole:,}{point.rstrip('.')}"


def format_quotient(number: Number) -> str:
    """A figure per unit of another, with two decimals: ``1.88``; ``<0.01`` below what they show."""
    exact = Fraction(number)
    if 0 < exact < Fraction(1, 100):
        return "<0.01"
    whole, hundredths = divmod(round(exact * 100), 100)
    return f"{whole:,}.{hundredths:02}"


def format_shape(shape: Sequence[int] | None) -> str:
    """``(1, 3, 224, 224)`` as ``1×3×224×224``."""
    if shape is None:
        return MISSING
    return "×".join(map(str, shape)) if shape else "scalar"


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """``1 module``, ``2 modules``."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def exact_ratio(part: int | None, whole: int | None) -> Fraction | None:
    """``part / whole`` exactly; None where either is missing or the whole is zero."""
    return None if part is None or not whole else Fraction(part, whole)


def parse_count(text: str, *, in_bytes: bool, where: Where = None) -> int:
    """A quantity such as ``650k``, ``1.5M`` or ``800_000``, or bytes such as ``512KiB``, exactly.

    Raises UsageError as parse_quantity does, and for one that is not whole once scaled.
    """
    amount = parse_quantity(text, in_bytes=in_bytes, where=where).amount
    if amount.denominator != 1:
        raise UsageError(f"'{text}' is not a whole number", where=where, help="counts are integers")
    return amount.numerator


def parse_quantity(text: str, *, in_bytes: bool, where: Where = None) -> Quantity:
    """A quantity, perhaps rounded, with its notation.

    Prefixes are decimal (k, M, G, T, P, E) or, with an i, binary. Raises UsageError for anything
    else: a negative number, bytes of a metric that counts none.
    """
    text = text.strip()
    match = re.fullmatch(BYTES, text)
    if match is None:
        raise UsageError(
            f"'{text}' is not a quantity",
            where=where,
            help="write a number such as 650k, 1.5M, 800_000 or 2.5MB",
        )
    if match["unit"] and not in_bytes:
        raise UsageError(
            f"'{text}' counts bytes", where=where, help="write a number such as 650k or 1.5M"
        )
    whole, decimals, prefix = match["whole"], match["decimals"] or "", match["prefix"]
    groups = re.split("([^0-9])", whole)
    digits = "".join(groups[::2])
    return Quantity(
        text,
        amount=Fraction(f"{digits}.{decimals}" if decimals else digits) * _scale(prefix),
        separator=groups[1] if len(groups) > 1 else "" if len(whole) > GROUP else ",",
        decimals=len(decimals),
        gap=match["gap"],
        prefix=prefix,
        unit=match["unit"],
    )


def exact_quantity(*, in_bytes: bool) -> Quantity:
    """The notation in which nothing is rounded."""
    return parse_quantity("0 B" if in_bytes else "0", in_bytes=in_bytes)


def _decimals_of(share: Fraction) -> int:
    """Decimals of a number below 1 that keep four digits that count, of a tiny one twelve."""
    zeros = 0
    while share and share * 10 ** (zeros + 1) < 1 and zeros < TINY:
        zeros += 1
    return zeros + 4


def _scale(prefix: str) -> int:
    return BINARY.get(prefix) or DECIMAL["k" if prefix == "K" else prefix]


def _prefixes_down_from(prefix: str) -> list[str]:
    """The prefix itself, then each smaller one of its kind, and none at last."""
    kind = {"": 1, **(BINARY if prefix in BINARY else DECIMAL)}
    return [prefix, *(name for name in reversed(kind) if kind[name] < _scale(prefix))]


def _scaled(magnitude: int) -> str:
    """At least three digits and a prefix; 999,950 is rounded to 1.00M, not to 1,000k."""
    tenths = {p: round(Fraction(magnitude * 10, DECIMAL[p])) for p in DECIMAL if p}
    prefix = next((p for p in tenths if tenths[p] < 10_000), "E")
    return f"{_three_digits(magnitude, DECIMAL[prefix])}{prefix}"


def _three_digits(magnitude: int, scale: int) -> str:
    """At least three digits, and one after the point."""
    hundredths = round(Fraction(magnitude * 100, scale))
    if hundredths < 1000:
        return f"{hundredths // 100}.{hundredths % 100:02}"
    tenths = round(Fraction(magnitude * 10, scale))
    return f"{tenths // 10:,}.{tenths % 10}"


def shown_day(seconds: int) -> str:
    """A time in seconds since 1970 as a date in UTC: ``1_795_478_400`` as ``2026-11-24``."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
