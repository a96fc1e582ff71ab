"""Show what compact networks cost, exactly, and why variants differ.

Every answer of the command line is a function here, on a reference or a module in memory::

    import ucseg_cli as ucseg

    ucseg.flops("v2", size=512)
    ucseg.show(model)

See :mod:`ucseg_cli.door` for all of them. Importing this imports neither torch nor rich.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ucseg_cli.door.budgets import assert_budget, count_parameters
    from ucseg_cli.door.functions import (
        check,
        compare,
        draw,
        flops,
        history,
        identify,
        latency,
        layers,
        lint,
        memory,
        overview,
        params,
        probe,
        reach,
        show,
        shrink,
        sweep,
        verify,
    )
    from ucseg_cli.nets import build_model

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "assert_budget",
    "build_model",
    "check",
    "compare",
    "count_parameters",
    "draw",
    "flops",
    "history",
    "identify",
    "latency",
    "layers",
    "lint",
    "memory",
    "overview",
    "params",
    "probe",
    "reach",
    "show",
    "shrink",
    "sweep",
    "verify",
]

_HOMES = {
    "assert_budget": "ucseg_cli.door.budgets",
    "count_parameters": "ucseg_cli.door.budgets",
    "build_model": "ucseg_cli.nets",
}
"""Modules of names that are not in the one with all answers."""


def __getattr__(name: str) -> object:
    """Import what is asked for, and torch only for what needs it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "ucseg_cli.door.functions")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
