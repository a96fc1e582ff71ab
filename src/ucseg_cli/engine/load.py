"""From a model as it was named to a module and its trace."""

from __future__ import annotations

import torch
from torch import nn

from ucseg_cli.conditions import Conditions, Input
from ucseg_cli.engine.build import building_on_meta
from ucseg_cli.engine.record import record
from ucseg_cli.errors import ModelError, UcsegError
from ucseg_cli.nets import Backbone, SegmentationNetwork, build_backbone
from ucseg_cli.references import Model
from ucseg_cli.trace import Trace
from ucseg_cli.variants import Variant


class Tracer:
    """Traces models. What two variants of the family share, the backbone, is built and probed once."""

    def __init__(self) -> None:
        self._backbones: dict[tuple[int, int], Backbone] = {}

    def trace(self, model: Model, conditions: Conditions) -> Trace:
        """Build a model without weights and run it once without data.

        Raises ModelError where it cannot be built, and, for a variant, where it cannot run on the input.
        """
        if isinstance(model, Variant):
            return self._trace_variant(model, conditions)
        raise NotImplementedError

    def _trace_variant(self, variant: Variant, conditions: Conditions) -> Trace:
        try:
            with building_on_meta():
                network = SegmentationNetwork(variant, self._backbone(variant))
        except (RuntimeError, ValueError, TypeError) as error:
            raise ModelError(f"the network cannot be built: {_first_line(error)}", where=variant.key) from error
        return trace_module(network, conditions, taps=variant.taps)

    def _backbone(self, variant: Variant) -> Backbone:
        shape = (variant.backbone, variant.output_stride)
        if shape not in self._backbones:
            self._backbones[shape] = build_backbone(variant)
        return self._backbones[shape]


def trace_variant(variant: Variant, conditions: Conditions) -> Trace:
    """One variant's trace; raises ModelError where it cannot be built or cannot run on the input."""
    return Tracer().trace(variant, conditions)


def trace_module(model: nn.Module, conditions: Conditions, *, taps: dict[str, str]) -> Trace:
    """Run a module on the meta device once on the input that *conditions* describe; raises ModelError where it cannot."""
    try:
        return record(model, *map(_on_meta, conditions.inputs), taps=taps)
    except UcsegError:
        raise
    except Exception as error:
        raise ModelError(
            f"the network cannot run on this input: {_first_line(error)}",
            where=f"forward of {type(model).__name__} on {conditions}",
            help="if the message speaks of sizes, try a larger --size, or one that is a multiple of 32",
        ) from error


def _on_meta(each: Input) -> torch.Tensor:
    return torch.empty(each.shape, dtype=getattr(torch, each.dtype), device="meta")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
