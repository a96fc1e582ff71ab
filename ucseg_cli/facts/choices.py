"""The words that options and configurations choose from; so light that the help can import them."""

from __future__ import annotations

DEFAULT_CONVENTION = "fvcore"
CONVENTION_NAMES = (DEFAULT_CONVENTION, "macs", "torch")

DTYPE = "float32"
DTYPES = (DTYPE, "float16", "bfloat16", "float64")

TIMEOUT, A_DAY = 300.0, 86_400
"""Seconds that a user's code may take, by default and at most."""

FAIL_ON = ("never", "info", "warning", "error")
"""The severity from which a finding of the linter fails."""
