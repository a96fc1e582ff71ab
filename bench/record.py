"""Record v2 twenty times at a size, so that recording outweighs importing."""

from __future__ import annotations

import sys

from ucseg_cli.engine.trace_model import trace_variant
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.references.variants import as_variant

side = int(sys.argv[1])
for _ in range(20):
    trace_variant(as_variant("v2"), Conditions(Size(side, side)))
