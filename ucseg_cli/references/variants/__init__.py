"""The design space of the family: axes, variants, the named ones, and how a user names them."""

from ucseg_cli.references.variants.axes import AXES, Axis
from ucseg_cli.references.variants.catalogue import BASELINE, CATALOGUE, DEFAULT, ORIGINS
from ucseg_cli.references.variants.parse_variant import as_variant, parse_variant
from ucseg_cli.references.variants.variant import (
    ABSENT,
    AxisValue,
    AxisValues,
    Change,
    Variant,
    changes,
)

__all__ = [
    "ABSENT",
    "AXES",
    "BASELINE",
    "CATALOGUE",
    "DEFAULT",
    "ORIGINS",
    "Axis",
    "AxisValue",
    "AxisValues",
    "Change",
    "Variant",
    "as_variant",
    "changes",
    "parse_variant",
]
