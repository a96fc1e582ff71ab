"""Models and inputs so small that thousands of commands about them fit in minutes."""

from __future__ import annotations

from functools import cache

from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import as_variant

SMALL = Conditions(Size(32, 32))
AT_SMALL = ("--size", "32")
OWN = "def Net(width=4):\n    raise RuntimeError('never asked')\n"
LOOKING = ("show", "params", "flops", "memory", "probe", "reach", "compare", "lint")
FORMATS = ("table", "json", "csv", "markdown", "html")


@cache
def small_trace(name: str) -> Trace:
    """The trace of a variant on 32 by 32 pixels."""
    from ucseg_cli.engine.trace_model import Tracer

    return Tracer().trace(as_variant(name), SMALL)
