"""The words that options and configurations choose from; so light that the help can import them."""

from __future__ import annotations

DEFAULT_CONVENTION = "fvcore"
CONVENTION_NAMES = (DEFAULT_CONVENTION, "macs", "torch")

DTYPE = "float32"
DTYPES = (DTYPE, "float16", "bfloat16", "float64")

FAIL_ON = ("never", "info", "warning", "error")
"""The severity from which a finding of the linter fails."""
