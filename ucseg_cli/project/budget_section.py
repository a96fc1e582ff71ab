"""A budget as a project writes it, read with every mistake in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

from ucseg_cli.errors import ConfigurationError, UnknownNameError
from ucseg_cli.facts.budget import Bound, Budget, Place
from ucseg_cli.facts.conditions import Size, parse_size
from ucseg_cli.project.config_section import Section, read_known, read_text, spell
from ucseg_cli.references import parse_reference
from ucseg_cli.references.variants import Variant
from ucseg_cli.units import parse_count

KEYS = (
    "id",
    "variant",
    "module",
    "metric",
    "dtype",
    "size",
    "max",
    "vs-baseline",
    "warn",
    "message",
)
LOCK = "lock"
_CHANGE = re.compile(r"(?P<sign>[+-]?)\s*(?P<amount>[0-9][^%]*|[0-9]{1,9}(?:\.[0-9]{1,9})?\s*%)")
_GLOB = re.compile(r"[*?\[]")


class Vocabulary(NamedTuple):
    """The names that a configuration may use and that are made elsewhere.

    Args:
        metrics: every metric, of which *in_bytes* count bytes and *of_the_whole* say nothing of a module.
    """

    metrics: tuple[str, ...]
    in_bytes: frozenset[str]
    of_the_whole: frozenset[str]
    dtypes: tuple[str, ...]
    conventions: tuple[str, ...]
    rules: tuple[str, ...]
    severities: tuple[str, ...]


def read_budget(
    section: Section, named: Mapping[str, Variant], default: str, words: Vocabulary
) -> Budget:
    """One ``[[budgets]]``; what is wrong goes to the section's mistakes."""
    section.only(KEYS)
    for key in ("id", "metric"):
        if key not in section:
            section.mistaken(f"a budget needs '{key}'")
    metric = section.read("metric", partial(read_known, "metric", words.metrics), "")
    in_bytes = (
        metric in words.in_bytes or not metric
    )  # of an unknown metric nothing more is held against the file
    most, warn = _read_bounds(section, in_bytes=in_bytes)
    if not {"max", "vs-baseline", "warn"}.intersection(section.names()):
        section.mistaken("a budget needs 'max', 'vs-baseline' or 'warn'", help='as in max = "650k"')
    budget = Budget(
        id=section.read("id", read_text, ""),
        variants=section.read("variant", partial(_read_variants, named), (default,)),
        metric=metric,
        module=section.read("module", read_text, None),
        dtype=section.read("dtype", partial(read_known, "dtype", words.dtypes), None),
        sizes=section.read_each("size", read_size, ()),
        max=most,
        warn=warn,
        message=section.read("message", read_text, None),
        place=_place(section, "max", "vs-baseline", "warn"),
        module_place=_place(section, "module") if "module" in section else None,
        warn_place=_place(section, "warn") if "warn" in section else None,
    )
    _refuse_contradictions(section, budget, words)
    return budget


def read_size(value: Any, where: str) -> Size:
    """``512`` or ``"384x640"``."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ConfigurationError(
            f"{spell(value)} is not an input size", where=where, help='write 512 or "384x640"'
        )
    return parse_size(str(value), where=where)


def parse_change(text: str, *, in_bytes: bool, where: str) -> Bound:
    """``+2%``, ``-1.5%``, ``+50k`` or ``0``: how much more than the baseline there may be."""
    match = _CHANGE.fullmatch(text)
    if match is None:
        raise ConfigurationError(
            f"'{text}' is not a change", where=where, help="write one such as +2% or +50k"
        )
    sign = -1 if match["sign"] == "-" else 1
    if not match["amount"].endswith("%"):
        if not match["sign"] and match["amount"] != "0":
            raise ConfigurationError(
                f"'{text}' is not a change",
                where=where,
                help=f"write +{text}, or +{text}% of the baseline",
            )
        count = parse_count(match["amount"], in_bytes=in_bytes, where=where)
        return Bound(Fraction(1), sign * count, text, against_baseline=True)
    ratio = 1 + sign * Fraction(match["amount"].rstrip("% ")) / 100
    if ratio <= 0:
        raise ConfigurationError(
            f"'{text}' of the baseline leaves nothing", where=where, help="write one above -100%"
        )
    return Bound(ratio, 0, text, against_baseline=True)


def _read_bounds(section: Section, *, in_bytes: bool) -> tuple[Bound | None, Bound | None]:
    """The limit, and the level beyond which to warn, which is written as the limit is."""
    if "max" in section and "vs-baseline" in section:
        section.mistaken(
            "'max' and 'vs-baseline' are two budgets", help="write a [[budgets]] for each"
        )
        return None, None
    key = "vs-baseline" if "vs-baseline" in section else "max"
    read = partial(_read_change if key == "vs-baseline" else _read_limit, in_bytes)
    return section.read(key, read, None), section.read("warn", read, None)


def _read_limit(in_bytes: bool, value: Any, where: str) -> Bound:  # noqa: FBT001 - bound by position
    text = _read_quantity(value, where)
    return Bound(Fraction(0), parse_count(text, in_bytes=in_bytes, where=where), text)


def _read_change(in_bytes: bool, value: Any, where: str) -> Bound:  # noqa: FBT001
    return parse_change(_read_quantity(value, where), in_bytes=in_bytes, where=where)


def _read_quantity(value: Any, where: str) -> str:
    if isinstance(value, bool | float):
        raise ConfigurationError(
            f"{spell(value)} is not a whole number",
            where=where,
            help='write one such as 650000 or "1.5M"',
        )
    return str(value) if isinstance(value, int) else read_text(value, where)


def _place(section: Section, *keys: str) -> Place:
    """The line of the first of *keys* that is there."""
    key = next((key for key in keys if key in section), "id")
    return Place(section.document.shown_path, section.document.line((*section.at, key)))


def _read_variants(named: Mapping[str, Variant], value: Any, where: str) -> tuple[str, ...]:
    """A reference, or every named variant that a pattern fits."""
    text = read_text(value, where)
    if not _GLOB.search(text):
        return (parse_reference(text, named, where=where).name,)
    matching = tuple(name for name in named if fnmatchcase(name, text))
    if not matching:
        raise UnknownNameError(
            "variant", text, named, where=where, hint="a budget of nothing would always pass"
        )
    return matching


def _is_beyond(warn: Bound, most: Bound) -> bool:
    """Whether that is so for every baseline; a percentage and a number are only told apart once there is one."""
    comparable = warn.ratio == most.ratio or warn.offset == most.offset
    return comparable and (warn.ratio, warn.offset) > (most.ratio, most.offset)


def _refuse_contradictions(section: Section, budget: Budget, words: Vocabulary) -> None:
    if budget.id == LOCK:
        section.mistaken(
            f"'{LOCK}' is what the lock is called among budgets", "id", help="choose another id"
        )
    if budget.module is not None and budget.metric in words.of_the_whole:
        section.mistaken(f"{budget.metric} is of a whole network, not of a module", "module")
    if budget.dtype is not None and budget.metric and budget.metric not in words.in_bytes:
        section.mistaken(f"{budget.metric} does not depend on a dtype", "dtype")
    if budget.max is not None and budget.warn is not None and _is_beyond(budget.warn, budget.max):
        section.mistaken(
            f"it would warn beyond {budget.warn.text}, and fail beyond {budget.max.text} already",
            "warn",
        )
