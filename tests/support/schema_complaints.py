"""A configuration, checked as an editor checks it: against the schema that ``config`` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from ucseg_cli.project.schema import section_schema


@cache
def _validator() -> Draft7Validator:
    Draft7Validator.check_schema(section_schema())
    return Draft7Validator(section_schema())


def schema_complaints(data: Any) -> dict[str, str]:
    """The places that the schema refuses, spelled as in our own messages: ``budgets[0].max``."""
    errors = _validator().iter_errors(data)
    return {place: error.message for error in errors for place in _places(error)}


def _places(error: ValidationError) -> Iterator[str]:
    """The value; of a table with unknown keys, each of these; of a wrong name, what has it."""
    path = list(error.absolute_path)
    names = error.validator == "propertyNames" or "propertyNames" in error.absolute_schema_path
    unknown = error.validator == "additionalProperties"
    below = [error.instance] if names else [*_unknown_keys(error)] if unknown else []
    for inner in [[name] for name in below] or [[]]:
        yield _spell([*path, *inner])


def _unknown_keys(error: ValidationError) -> Iterator[str]:
    yield from (key for key in error.instance if key not in error.schema["properties"])


def _spell(path: list[str | int]) -> str:
    names = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return re.sub(r"^\.", "", "".join(names))
