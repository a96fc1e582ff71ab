"""How a user names a model: a variant of the family, or a source outside it."""

from ucseg_cli.references.designs import Model
from ucseg_cli.references.grammar import (
    Reference,
    find_source,
    is_source,
    parse_reference,
    parse_source,
    with_arguments,
    with_axes,
)
from ucseg_cli.references.sources import (
    Argument,
    Buildable,
    FromCheckpoint,
    FromFile,
    FromLibrary,
    FromModule,
    InMemory,
    OwnCode,
    Source,
    Unbuildable,
    call_text,
)

__all__ = [
    "Argument",
    "Buildable",
    "FromCheckpoint",
    "FromFile",
    "FromLibrary",
    "FromModule",
    "InMemory",
    "Model",
    "OwnCode",
    "Reference",
    "Source",
    "Unbuildable",
    "call_text",
    "find_source",
    "is_source",
    "parse_reference",
    "parse_source",
    "with_arguments",
    "with_axes",
]
