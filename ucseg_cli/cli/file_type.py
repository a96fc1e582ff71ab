"""A file as options take it: the empty text, as of a variable that is not set, is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer._click.core import Context, Parameter  # the parser, which Typer vendors
from typer._click.types import ParamType

from ucseg_cli.errors import UsageError


class FileName(ParamType):
    """The path of a file; *example* is one."""

    name = "path"

    def __init__(self, example: str) -> None:
        self._example = example

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Any:  # noqa: ARG002
        """The path; raises UsageError for a text that is the name of no file."""
        if not isinstance(value, str):  # a default
            return value
        if not value.strip():
            option = max(param.opts, key=len) if param else ""
            what = f"{option} names no file"
            raise UsageError(what, where=option, help=f"write {option} {self._example}")
        return Path(value)
