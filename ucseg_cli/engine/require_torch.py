"""Saying what to install where torch is missing."""

from __future__ import annotations

from ucseg_cli.errors import ResourceError


def require_torch() -> None:
    """Import torch; raises ResourceError where it cannot be imported."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ResourceError(
            f"torch cannot be imported: {error}", help="pip install torch torchvision"
        ) from error
