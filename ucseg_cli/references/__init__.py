"""How a user names a model: a variant of the family, or a source outside it."""

from ucseg_cli.references.grammar import Model, Reference, parse_reference, with_axes
from ucseg_cli.references.sources import (
    Argument,
    FromCheckpoint,
    FromFile,
    FromModule,
    FromTorchvision,
    OwnCode,
    Source,
)

__all__ = [
    "Argument",
    "FromCheckpoint",
    "FromFile",
    "FromModule",
    "FromTorchvision",
    "Model",
    "OwnCode",
    "Reference",
    "Source",
    "parse_reference",
    "with_axes",
]
