"""Prices of operators that no convention has, as a project writes them: ``[[prices]]``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention
from ucseg_cli.analysis.counting.operations import PRICED_BY_PARTS
from ucseg_cli.analysis.geometry.operator_kinds import COMPUTES_NOTHING
from ucseg_cli.errors import ConfigurationError, Place
from ucseg_cli.facts.choices import EVERY_CONVENTION, PRICE_KEYS
from ucseg_cli.facts.trace import Price
from ucseg_cli.project.sections.config_section import Section, read_text

OPERATOR = r"(?:[^\W\d]\w*::)?\w+"
ATEN = "aten::"
_SECONDS = {"torch": "2*({})"}
"""How the formula of multiply-adds is written for a convention that counts them otherwise."""


def read_prices(sections: Iterable[Section]) -> tuple[Price, ...]:
    """Every price; what is wrong goes to the sections' mistakes."""
    found: dict[tuple[str, str], Price] = {}
    for section in sections:
        for price, key in _read_price(section):
            if (price.op, price.convention) in found:
                what = f"'{price.op}' has another price under {price.convention}"
                section.mistaken(what, key, help="keep one of them")
            found[price.op, price.convention] = price
    return tuple(found.values())


def _read_price(section: Section) -> Iterator[tuple[Price, str]]:
    """The prices of one operator, each with its key."""
    section.only(PRICE_KEYS)
    if "op" not in section:
        section.mistaken("a price needs 'op'", help='as in op = "mylib::deform_attn"')
    op = section.read("op", _read_operator, None)
    keys = (*CONVENTIONS, EVERY_CONVENTION)
    given = [key for key in keys if key in section]
    if not given:
        fix = 'as in macs = "2*out[0].numel*in[1].shape[1]"'
        section.mistaken(
            f"a price needs a formula: {', '.join((*CONVENTIONS, EVERY_CONVENTION))}", help=fix
        )
    formulas = {key: section.read(key, _read_formula, None) for key in given}
    if op is None:
        return
    for convention in CONVENTIONS.values():
        key = convention.name if convention.name in given else EVERY_CONVENTION
        formula = formulas.get(key)
        if formula is None:
            continue
        if not _prices(convention, op):
            text = _SECONDS.get(convention.name, "{}") if key == EVERY_CONVENTION else "{}"
            place = section.place(key)._replace(key="")
            yield Price(op, convention.name, text.format(formula), place), key
        elif key != EVERY_CONVENTION:
            what = f"{convention.name} has a price for '{op}'"
            section.mistaken(what, key, help=f"leave {key} out: prices of yours only fill gaps")
    if given == [EVERY_CONVENTION] and all(
        _prices(convention, op) for convention in CONVENTIONS.values()
    ):
        section.mistaken(f"every convention has a price for '{op}'", EVERY_CONVENTION)


def _prices(convention: Convention, op: str) -> bool:
    """Whether a convention has a price for an operator, or for those that it is made of."""
    names = {name.strip("_") for name in convention.prices}
    return op in names or op in PRICED_BY_PARTS[convention.level]


def _read_operator(value: Any, where: Place) -> str:
    name = read_text(value, where).removeprefix(ATEN)
    if not re.fullmatch(OPERATOR, name):
        what = f"'{name}' cannot be the name of an operator"
        fix = "write it as `ucseg flops` lists it: mylib::deform_attn, hardswish"
        raise ConfigurationError(what, where=where, help=fix)
    name = name.strip("_")
    if name in _MOVING:
        what = f"'{name}' computes nothing: it moves elements, or makes them"
        raise ConfigurationError(what, where=where, help="`moved-bytes` has what it moves")
    return name


def _read_formula(value: Any, where: Place) -> str:
    """A formula, checked; a whole number is the same for every call."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ConfigurationError(f"{value} is negative", where=where)
        value = str(value)
    from ucseg_cli.analysis.counting.price_formula import parse_price

    text = " ".join(read_text(value, where).split())
    parse_price(text, where)
    return text


_MOVING = frozenset(name.strip("_") for name in COMPUTES_NOTHING)
