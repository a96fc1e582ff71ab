"""From a variant to a module and its trace, on the meta device."""

from __future__ import annotations

import torch
from torch import nn

from ucseg_cli.conditions import Conditions
from ucseg_cli.engine.build import building_on_meta
from ucseg_cli.engine.record import record
from ucseg_cli.errors import ModelError, UcsegError
from ucseg_cli.nets import build_model
from ucseg_cli.trace import Trace
from ucseg_cli.variants import Variant


def trace_variant(variant: Variant, conditions: Conditions) -> Trace:
    """Build the variant without weights and run it once without data.

    Raises ModelError where it cannot be built or cannot run on the input.
    """
    try:
        with building_on_meta():
            model = build_model(variant)
    except (RuntimeError, ValueError, TypeError) as error:
        raise ModelError(f"the network cannot be built: {_first_line(error)}", where=variant.key) from error
    return trace_module(model, conditions, taps=variant.taps)


def trace_module(model: nn.Module, conditions: Conditions, *, taps: dict[str, str]) -> Trace:
    """Run a module on the meta device once on the input that *conditions* describe; raises ModelError where it cannot."""
    try:
        return record(model, torch.empty(conditions.shape, device="meta"), taps=taps)
    except UcsegError:
        raise
    except Exception as error:
        raise ModelError(
            f"the network cannot run on this input: {_first_line(error)}",
            where=f"forward of {type(model).__name__} on {conditions}",
            help="if the message speaks of sizes, try a larger --size, or one that is a multiple of 32",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
