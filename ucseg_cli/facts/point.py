"""A model on an input: what is traced, measured and judged."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.references import Reference


class Point(NamedTuple):
    """A model as it was named, and the input that it runs on."""

    reference: Reference
    conditions: Conditions
