"""Numbers as options take them: a refusal says what is accepted, and shows one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer._click.core import Context, Parameter  # the parser, which Typer vendors
from typer._click.types import ParamType

from ucseg_cli.errors import UsageError
from ucseg_cli.facts.choices import MOST_THREADS, SECONDS, read_seconds


class Number(ParamType):
    """A number as *read* takes it from text, or raises ValueError; *example* is one."""

    name = "number"

    def __init__(self, read: Callable[[str], float], accepts: str, example: str) -> None:
        self._read = read
        self._accepts = accepts
        self._example = example

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Any:  # noqa: ARG002
        """The number; raises UsageError that says what is accepted."""
        if not isinstance(value, str):  # a default
            return value
        try:
            return self._read(value)
        except ValueError:
            option = max(param.opts, key=len) if param else ""
            what = f"'{value}' is not {self._accepts}"
            fix = f"write {option} {self._example}, for example"
            raise UsageError(what, where=f"{option} {value}", help=fix) from None


def _read_positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _read_threads(text: str) -> int:
    number = _read_positive(text)
    if number > MOST_THREADS:
        raise ValueError(text)
    return number


WHOLE = Number(int, "a whole number", "8")
POSITIVE = Number(_read_positive, "a whole number from 1", "3")
THREADS = Number(_read_threads, f"a whole number from 1 to {MOST_THREADS:,}", "2")
TIME_LIMIT = Number(lambda text: read_seconds(float(text)), SECONDS, "600")
