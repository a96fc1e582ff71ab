"""The designs that a source defines: the models of a file or module, or the axes of one design."""

from __future__ import annotations

from ucseg_cli.facts.design import Design
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.trace import ConstructorAxis
from ucseg_cli.gate import tracing
from ucseg_cli.references import FromCheckpoint, Model, parse_source
from ucseg_cli.references.variants import Variant


def find_source(text: str, settings: Settings) -> Model:
    """The model that *text* names, or a file or module as a whole; raises UsageError."""
    return parse_source(text) or settings.find(text).model


def list_designs(source: Model, settings: Settings) -> list[Design]:
    """All that a file or module defines, or the one design that is named."""
    if isinstance(source, Variant):
        axes = (
            ConstructorAxis(axis.name, value, value, axis.accepts) for axis, value in source.values
        )
        return [Design("", "variant", tuple(axes))]
    if isinstance(source, FromCheckpoint):
        return []
    return tracing.list_designs(source, settings.timeout)
