"""The JSON schema of a configuration, for editors, made from the tables that the reader goes by.

It refuses what the reader refuses, but for mistakes that lie between two places or in arithmetic:
a model that is unknown, two budgets of one id, a limit that is not whole, a range within a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, SYNONYMS, Metric
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.facts.budget import BUDGET_KEYS, LIMITS, LOCK_ID, TRAINING_KEYS
from ucseg_cli.facts.choices import (
    A_DAY,
    DTYPES,
    FAIL_ON,
    LOSSES,
    MOST_THREADS,
    OPTIMIZERS,
    PRICE_KEYS,
)
from ucseg_cli.facts.conditions import INPUT_DTYPES, MAX_BATCH, MAX_SIDE, SHAPE, SIDES
from ucseg_cli.facts.settings import Settings
from ucseg_cli.project.config_file import SHARED_NAME
from ucseg_cli.project.configuration import KEYS, LINT_KEYS
from ucseg_cli.project.sections.budget_section import PERCENT
from ucseg_cli.project.sections.machine_sections import MACHINE_KEYS
from ucseg_cli.project.sections.price_sections import ATEN, OPERATOR
from ucseg_cli.project.sections.space_sections import SPACE_KEYS
from ucseg_cli.project.sections.variant_sections import NAME, VARIANT_KEYS
from ucseg_cli.references.variants import AXES, CATALOGUE, Axis
from ucseg_cli.references.variants.axis_values import (
    DIGITS,
    PROBABILITY,
    AnyText,
    Choice,
    Integers,
    Probability,
    Several,
)
from ucseg_cli.units import BYTES, COUNT

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest that taplo reads, and so the TOML extension of VS Code."""
ID = "urn:ucseg:configuration"
OTHER_TOOLS = "https://json.schemastore.org/pyproject.json"
"""An editor takes one schema for a file: this is the one that it takes otherwise."""


def section_schema() -> Schema:
    """The schema of a ``ucseg.toml``, which is that of our table in a ``pyproject.toml``."""
    about = {"title": "ucseg", "description": "The configuration of ucseg."}
    return {"$schema": DRAFT, "$id": ID, **about, **_table(KEYS, _values())}


def shared_schema() -> Schema:
    """The schema of a whole ``pyproject.toml``: ours for our table, SchemaStore's for the rest."""
    section = section_schema()
    head = {key: section.pop(key) for key in ("$schema", "$id")}
    tool = {"type": "object", "properties": {"ucseg": section}}
    ours = {"type": "object", "properties": {"tool": tool}}
    return {
        **head,
        "$id": f"{head['$id']}:{SHARED_NAME}",
        "title": SHARED_NAME,
        "allOf": [{"$ref": OTHER_TOOLS}, ours],
    }


def _table(keys: Mapping[str, str], values: Mapping[str, Schema]) -> Schema:
    """A table with these keys and no others; raises KeyError for a key without a value."""
    properties = {key: {"description": meaning, **values[key]} for key, meaning in keys.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _values() -> Mapping[str, Schema]:
    built_in = Settings()
    return {
        "default": {**_REFERENCE, "default": built_in.default.name},
        "baseline": {**_REFERENCE, "default": built_in.baseline.name},
        "size": {**_one_or_several(_SIZES), "default": built_in.sizes[0].height},
        "convention": {"enum": [*CONVENTIONS], "default": built_in.convention},
        "timeout": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": A_DAY,
            "default": built_in.timeout,
        },
        "variants": {
            "type": "object",
            "propertyNames": {**_whole(NAME.pattern), "not": {"enum": [*CATALOGUE]}},
            "additionalProperties": _variant(),
        },
        "spaces": {
            "type": "object",
            "propertyNames": {**_whole(NAME.pattern), "not": {"enum": [*CATALOGUE]}},
            "additionalProperties": _space(),
        },
        "machines": {
            "type": "object",
            "propertyNames": _whole(NAME.pattern),
            "additionalProperties": _machine(),
        },
        "budgets": {"type": "array", "items": _budget()},
        "prices": {"type": "array", "items": _price()},
        "lint": {
            "title": "lint",
            **_table(
                LINT_KEYS,
                {
                    "select": _one_or_several([_CODE]),
                    "ignore": _one_or_several([_CODE]),
                    "fail-on": {"enum": [*FAIL_ON], "default": built_in.lint.fail_on},
                },
            ),
        },
    }


# Variants and spaces


def _variant() -> Schema:
    """The axes of the family, unless it comes from a source, or from one that may."""
    values = {"from": _REFERENCE, **{axis.name: _axis(axis) for axis in AXES}}
    return {"title": "variant", **_by_design(_table(VARIANT_KEYS, values), _ARGUMENT)}


def _space() -> Schema:
    """Several values of each axis, in a list or as a text that a schema does not read."""
    values = {axis.name: _several(_axis(axis)) for axis in AXES}
    family = _table(SPACE_KEYS, {"from": _REFERENCE, **values})
    needed = {"required": ["from"], "minProperties": 2}
    return {"title": "space", **_by_design(family, _several(_ARGUMENT)), **needed}


def _several(value: Schema) -> Schema:
    a_list = {"type": "array", "items": value, "minItems": 1}
    of_one = {"type": ["number", "boolean"]} if value is _ARGUMENT else value
    return {"anyOf": [of_one, a_list, _TEXT]}


def _by_design(of_family: Schema, argument: Schema) -> Schema:
    """A table with axes of the family, or with arguments of any other constructor."""
    named = "|".join(map(re.escape, CATALOGUE))
    is_ours = {"properties": {"from": _text(rf"(?:{named})(?:\+[^:]*)?")}}
    other = {"properties": {"from": _REFERENCE}, "additionalProperties": argument}
    return {"type": "object", "if": is_ours, "then": of_family, "else": other}


def _axis(axis: Axis) -> Schema:
    """The values of an axis as TOML has them, and as the text in which a reference has them."""
    match axis.parse:
        case Integers(_, _, prefix) as one:
            before = f"(?:{re.escape(prefix)})?" if prefix else ""
            return {"anyOf": [_integer(one), _text(f"{before}{DIGITS}")]}
        case Choice(options):
            numbers = [option for option in options if not isinstance(option, str)]
            return {"enum": [*options, *map(str, numbers)]}
        case Several(one, most):
            array = {"type": "array", "items": _integer(one), "minItems": 1, "maxItems": most}
            texts = _text(rf"{DIGITS}(?:\s*,\s*{DIGITS}){{0,{most - 1}}}")
            return {"anyOf": [_integer(one), array, texts]}
        case Probability():
            number = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
            return {"anyOf": [number, _text(PROBABILITY)]}
        case AnyText():
            return _ARGUMENT


# Machines


def _machine() -> Schema:
    count = {"type": "integer", "minimum": 1}
    values = {"cores": count, "threads": {**count, "maximum": MOST_THREADS}}
    texts = dict.fromkeys(("cpu", "governor", "gpu"), _TEXT)
    return {"title": "machine", **_table(MACHINE_KEYS, {**values, **texts}), "minProperties": 1}


# Budgets


def _budget() -> Schema:
    anything: Schema = {}  # what a limit may be depends on the metric
    values = {
        **dict.fromkeys(LIMITS, anything),
        "id": {**_TEXT, "not": {"const": LOCK_ID}},
        "variant": _REFERENCE,
        "module": _TEXT,
        "metric": {"anyOf": [{"enum": [*EVERY_METRIC]}, _metric_names(EVERY_METRIC.values())]},
        "dtype": {"enum": [*DTYPES]},
        "size": _one_or_several(_SIZES),
        "batch": {"type": "integer", "minimum": 1, "maximum": MAX_BATCH},
        "optimizer": {"enum": [*OPTIMIZERS]},
        "loss": {"enum": [*LOSSES]},
        "amp": {"type": "boolean"},
        "freeze": _one_or_several([_TEXT]),
        "checkpoint": _one_or_several([_TEXT]),
        "input": _text(rf"{_TENSOR}(?:\s*,\s*{_TENSOR})*|{_FUNCTION}"),
        "message": _TEXT,
    }
    return {
        "title": "budget",
        **_table(BUDGET_KEYS, values),
        "required": ["id", "metric"],
        "anyOf": [{"required": [key]} for key in LIMITS],
        "dependencies": {"input": {"properties": {"size": False, "batch": False}}},
        **_metric_rules(),
    }


def _metric_rules() -> Schema:
    """The keys and values that a budget's metric allows, by nested conditions.

    Editors complete no key of a table with ``allOf``.
    """
    rules = _allowed(in_bytes=True, additive=True, of_training=True)  # with an unknown metric
    kinds = {_kind(metric) for metric in EVERY_METRIC.values()}
    for kind in sorted(kinds):
        alike = [metric for metric in EVERY_METRIC.values() if _kind(metric) == kind]
        is_one = {"required": ["metric"], "properties": {"metric": _metric_names(alike)}}
        in_bytes, additive, of_training = kind
        then = _allowed(in_bytes=in_bytes, additive=additive, of_training=of_training)
        rules = {"if": is_one, "then": then, "else": rules}
    return rules


def _kind(metric: Metric) -> tuple[bool, bool, bool]:
    return metric.in_bytes, metric.additive, metric.of_training


def _allowed(*, in_bytes: bool, additive: bool, of_training: bool) -> Schema:
    quantity = BYTES if in_bytes else COUNT
    count = _number_or(quantity, minimum=0)
    change = _number_or(rf"[+-]\s*(?:{quantity})|[+-]?\s*(?:{PERCENT})|0", maximum=0)
    properties: dict[str, Any] = {"max": count, "vs-baseline": change}
    properties |= {} if in_bytes and not (of_training and not additive) else {"dtype": False}
    properties |= {} if of_training else dict.fromkeys(TRAINING_KEYS, False)
    properties |= {} if additive else {"module": False}
    return {
        "properties": properties,
        "if": {"required": ["vs-baseline"]},
        "then": {"properties": {"warn": change, "max": False}},
        "else": {"properties": {"warn": count}},
    }


def _metric_names(metrics: Iterable[Metric]) -> Schema:
    """The names and synonyms in any case, with ``_`` or ``-`` between words."""
    names = [metric.name for metric in metrics]
    names += [synonym for synonym, name in SYNONYMS.items() if name in names]
    return _text("|".join("".join(map(_in_any_case, name)) for name in names))


def _in_any_case(letter: str) -> str:
    return "[_-]" if letter == "-" else f"[{letter.upper()}{letter}]"


def _price() -> Schema:
    """An operator with a formula, or a whole number, for at least one convention."""
    formulas = [key for key in PRICE_KEYS if key != "op"]
    formula = {"anyOf": [{"type": "integer", "minimum": 0}, _TEXT]}
    values = {"op": _text(rf"(?:{ATEN})?{OPERATOR}"), **dict.fromkeys(formulas, formula)}
    return {
        "title": "price",
        **_table(PRICE_KEYS, values),
        "required": ["op"],
        "anyOf": [{"required": [key]} for key in formulas],
    }


# Values


def _whole(pattern: str) -> Schema:
    """A text that is all of a pattern of ours; JSON schemas know no named groups."""
    return {"type": "string", "pattern": f"^(?:{re.sub(r'[?]P<[a-z]+>', '?:', pattern)})$"}


def _text(pattern: str) -> Schema:
    """The same, perhaps with spaces around."""
    return _whole(rf"\s*(?:{pattern})\s*")


def _number_or(pattern: str, **bounds: int) -> Schema:
    return {"anyOf": [{"type": "integer", **bounds}, _text(pattern)]}


def _integer(one: Integers) -> Schema:
    return {"type": "integer", "minimum": one.low, "maximum": one.high}


def _one_or_several(values: list[Schema]) -> Schema:
    array = {"type": "array", "items": {"anyOf": values}, "minItems": 1}
    return {"anyOf": [*values, array]}


_ARGUMENT: Schema = {"type": ["string", "number", "boolean", "array", "object"]}
"""An argument of a constructor."""
_TEXT: Schema = {"type": "string", "pattern": r"\S"}
_REFERENCE: Schema = {"anyOf": [{"enum": [*CATALOGUE]}, _TEXT]}
"""Any text may name a model; an editor offers ours."""
_SIZES = [{"type": "integer", "minimum": 1, "maximum": MAX_SIDE}, _text(SIDES)]
_TENSOR = rf"(?:[^\s=,:]+=\s*)?{SHAPE}(?::(?:{'|'.join(INPUT_DTYPES)}))?"
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FUNCTION = rf"(?:.+\.py|{_DOTTED}):{_DOTTED}(?:\+.+)?"
_CODES = {code[:end] for code in RULES for end in range(1, len(code) + 1)}
_CODE: Schema = {"enum": sorted(_CODES, key=lambda code: (-len(code), code))}
