"""Show what compact networks cost, exactly, and why variants differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["__version__", "build_model"]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ucseg_cli.nets import build_model


def __getattr__(name: str) -> object:
    """Import torch only when a model is asked for."""
    if name == "build_model":
        from ucseg_cli.nets import build_model

        return build_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
