"""The words that options and configurations choose from; so light that the help can import them."""

from __future__ import annotations

from typing import Any

DEFAULT_CONVENTION = "fvcore"
CONVENTION_NAMES = (DEFAULT_CONVENTION, "macs", "torch")

EVERY_CONVENTION = "all"
PRICE_KEYS = {
    "op": "the operator as `ucseg flops` lists it: mylib::deform_attn",
    **{name: f"what a call costs under {name}, a formula" for name in CONVENTION_NAMES},
    EVERY_CONVENTION: "multiply-adds of a call, for conventions without a key; torch has 2 each",
}
"""The keys of a price in a configuration, and what each means."""

DTYPE = "float32"
DTYPES = (DTYPE, "float16", "bfloat16", "float64")

DEFAULT_OPTIMIZER = "sgd"
OPTIMIZERS = {
    DEFAULT_OPTIMIZER: "SGD",
    "momentum": "SGD with momentum",
    "adam": "Adam",
    "adamw": "AdamW",
}
"""Optimizers by the word on the command line, with the name of each."""

CROSS_ENTROPY, MEAN = "cross-entropy", "mean"
LOSSES = (CROSS_ENTROPY, MEAN)

TIMEOUT, A_MOMENT, A_DAY = 300.0, 0.001, 86_400
"""Seconds that a user's code may take: by default, at least and at most."""
SECONDS = f"a number of seconds from {A_MOMENT} to {A_DAY:,}"

DEVICES = ("cpu", "cuda")
RUNTIMES = ("eager", "compile", "onnxruntime")
"""How a model is run while it is timed."""
EAGER = RUNTIMES[0]
MOST_THREADS = 1024
"""More than any CPU has use for in one call; some thousands end the process that starts them."""
MEASURING_TIME = 30.0
"""Seconds that measuring takes at most, unless said otherwise."""

FAIL_ON = ("never", "info", "warning", "error")
"""The severity from which a finding of the linter fails."""


def read_seconds(value: Any) -> float:
    """A time limit; raises ValueError for all that is none, as is nan."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and A_MOMENT <= value <= A_DAY):
        raise ValueError(value)
    return float(value)
