"""From a model as it was named to its trace."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn

from ucseg_cli.engine.recording.build_on_meta import building_on_meta
from ucseg_cli.engine.recording.move_to_meta import moved_to_meta
from ucseg_cli.engine.recording.record import has_lazy_modules, record, trace_modules
from ucseg_cli.engine.recording.way_on_cpu import on_cpu
from ucseg_cli.engine.user_code.accelerators import accelerators_on_meta
from ucseg_cli.engine.user_code.import_model import (
    REFUSALS,
    Builder,
    error_text,
    first_line,
    line_of,
    model_builder,
)
from ucseg_cli.errors import ModelError, ResourceError, UcsegError, UsageError, behind
from ucseg_cli.facts.conditions import OTHER_ARGUMENTS, Conditions, Input
from ucseg_cli.facts.trace import Trace
from ucseg_cli.nets import Backbone, SegmentationNetwork, build_backbone
from ucseg_cli.nets import build_model as build_variant
from ucseg_cli.references import Buildable
from ucseg_cli.references.variants import Variant
from ucseg_cli.system.free_memory import free_memory
from ucseg_cli.units import format_bytes, plural
from ucseg_cli.zoo.torchvision_models import missing_operators

COMPILER = "torch._dynamo"
FAST = 2.0
"""Seconds within which a model is built and run that is worth doing so again."""
ACTIVATIONS = 64
"""A guess: an unknown network needs this many times its input at once. It may be too high."""


class Tracer:
    """Traces models. A backbone that two variants share is built and probed once."""

    def __init__(self) -> None:
        self._backbones: dict[tuple[int, int], Backbone] = {}

    def trace(self, model: Variant | Buildable, conditions: Conditions) -> Trace:
        """Build a model without weights and run it once without data.

        Raises ModelError where it cannot be built, and, for a variant, where it cannot run.
        """
        if isinstance(model, Variant):
            return self._trace_variant(model, conditions)
        return trace_source(model, conditions)

    def _trace_variant(self, variant: Variant, conditions: Conditions) -> Trace:
        if len(conditions.inputs) > 1:  # the second would be taken for return_features
            where = f"--input {conditions.at}"
            raise UsageError("a variant takes one tensor, N×3×H×W", where=where)
        try:
            with building_on_meta():
                network = SegmentationNetwork(variant, self._backbone(variant))
        except (RuntimeError, ValueError, TypeError) as error:
            what = f"the network cannot be built: {first_line(error)}"
            raise ModelError(what, where=variant.key) from error
        return trace_module(network, conditions, taps=variant.taps)

    def _backbone(self, variant: Variant) -> Backbone:
        shape = (variant.backbone, variant.output_stride)
        if shape not in self._backbones:
            self._backbones[shape] = build_backbone(variant)
        return self._backbones[shape]


def trace_variant(variant: Variant, conditions: Conditions) -> Trace:
    """One variant's trace; raises ModelError where it cannot be built or cannot run."""
    return Tracer().trace(variant, conditions)


def trace_module(model: nn.Module, conditions: Conditions, *, taps: dict[str, str]) -> Trace:
    """Run a module on meta once on the input of *conditions*; raises ModelError where it cannot."""
    try:
        return record(model, *input_tensors(conditions, "meta"), taps=taps)
    except UcsegError:
        raise
    except Exception as error:
        raise ModelError(
            f"the network cannot run on this input: {first_line(error)}",
            where=f"forward of {type(model).__name__} on {conditions}",
            help="if the message is about sizes, try a larger --size, or a multiple of 32",
        ) from error


def trace_source(
    source: Buildable,
    conditions: Conditions,
    *,
    before_pass: Callable[[Trace], None] = lambda _: None,
) -> Trace:
    """Build a model from outside the family and run it once: on meta, or with data if it needs it.

    Args:
        source: where it comes from.
        conditions: its input.
        before_pass: called with the modules, since the pass may never end.

    Where it cannot run, the trace has its modules and the reason. Raises UsageError or ModelError
    where it cannot be built.
    """
    with model_builder(source) as build:
        began = time.monotonic()
        model, real = _build(build)
        if not has_lazy_modules(model):
            before_pass(trace_modules(model))
        trace = _trace(build, model, real, conditions)
        is_fast = time.monotonic() - began < FAST
        idle = _idle_arguments(build, conditions, trace) if is_fast else ()
        return replace(trace, axes=build.axes, idle=idle)


def _trace(
    build: Builder, model: nn.Module, real: nn.Module | None, conditions: Conditions
) -> Trace:
    """The trace; of a model that cannot run its modules and the reason."""
    try:
        _refuse_other_inputs(model, conditions)
        return _record_anywhere(build, model, real, conditions)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the user's code
        return trace_modules(model, _reason(error, build.source))


def _idle_arguments(build: Builder, conditions: Conditions, trace: Trace) -> tuple[str, ...]:
    """The arguments without which the trace is the same, and which do not say the default."""
    found = []
    for name in build.changed:
        without = build.without(name)
        with suppress(UcsegError):  # it may need this argument
            if _trace(without, *_build(without), conditions) == trace:
                found.append(name)
    return tuple(found)


def _record_anywhere(
    build: Builder, model: nn.Module, real: nn.Module | None, conditions: Conditions
) -> Trace:
    """The trace on meta, else with data; once more if the pass has loaded torch's compiler.

    It is switched off where it is loaded, and loading it always would take as long as torch.
    """
    compiler_was_there = COMPILER in sys.modules
    try:
        if (trace := record_on_meta(model, conditions)) is not None:
            return trace
        runnable = real or _build_for_real(build, model, conditions)
        return record(runnable, *input_tensors(conditions, "cpu"))
    except Exception:
        if compiler_was_there or COMPILER not in sys.modules:
            raise
    return _record_anywhere(build, model, real, conditions)


@contextmanager
def runnable_model(model: Variant | Buildable) -> Iterator[nn.Module]:
    """A model with random weights, in eval mode, on the CPU; it may be run while this lasts."""
    if isinstance(model, Variant):
        yield build_variant(model).eval()
    else:
        with model_builder(model) as build:
            yield build().eval()


def _build(build: Builder) -> tuple[nn.Module, nn.Module | None]:
    """The model on meta and None; if it needs values to be built, the real model twice."""
    try:
        with building_on_meta(), accelerators_on_meta():
            return build(), None
    except UcsegError as error:
        if behind(error, REFUSALS) is not None:
            raise
        model = build()
        return model, model


def _build_for_real(build: Builder, model: nn.Module, conditions: Conditions) -> nn.Module:
    """The model with random weights; raises ResourceError where a run would not fit in memory."""
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    inputs = sum(prod(shape) * getattr(torch, dtype).itemsize for shape, dtype in conditions.inputs)
    needed, free = weights + ACTIVATIONS * inputs, free_memory()
    if free is not None and needed > free:
        raise ResourceError(
            f"it needs data to run, and about {format_bytes(needed)} of memory for that; "
            f"{format_bytes(free)} are free"
        )
    return build()


def record_on_meta(model: nn.Module, conditions: Conditions) -> Trace | None:
    """The trace on meta; None for a model that cannot run there, or not at all."""
    try:
        with moved_to_meta(model), accelerators_on_meta() as elsewhere:
            trace = record(model, *input_tensors(conditions, "meta"))
        if not elsewhere.casts:
            return trace
        # Autocast asks where a tensor is; all of torch then takes longer.
        with moved_to_meta(model, on_cpu), accelerators_on_meta():
            return record(model, *map(on_cpu, input_tensors(conditions, "meta")))
    except (Exception, SystemExit) as error:
        if behind(error, REFUSALS) is not None:
            raise
        return None  # a run on real tensors gives the better message


def _refuse_other_inputs(model: nn.Module, conditions: Conditions) -> None:
    """Raise UsageError where the forward pass takes other arguments than the input tensors."""
    try:
        signature = inspect.signature(model.forward)
    except (ValueError, TypeError):  # a script, or written in C
        return
    try:
        signature.bind(*conditions.inputs)
    except TypeError as error:
        tensors = plural(len(conditions.inputs), "input tensor")
        raise UsageError(
            f"forward{signature} does not take {tensors}",
            help=f"give one shape for each, as in --input 1x3x224x224,1x10; {OTHER_ARGUMENTS}",
        ) from error


def input_tensors(conditions: Conditions, device: str) -> list[Tensor]:
    """The tensors that go in. Their data is the same every time: in 0 to 1, and 0 for integers."""
    generator = None if device == "meta" else torch.Generator().manual_seed(0)
    return [_tensor(given, device, generator) for given in conditions.inputs]


def _tensor(given: Input, device: str, generator: torch.Generator | None) -> Tensor:
    dtype: torch.dtype = getattr(torch, given.dtype)
    if generator is None:
        return torch.empty(given.shape, dtype=dtype, device=device)  # zeros is slow in torch 2.6
    if not (dtype.is_floating_point or dtype.is_complex):
        return torch.zeros(given.shape, dtype=dtype)
    return torch.rand(given.shape, dtype=dtype, generator=generator)


def _reason(error: BaseException, source: Buildable) -> str:
    """Why there is no forward pass, with the line in the user's file."""
    if isinstance(error, UcsegError):
        return error.what
    if isinstance(error, Exception) and (missing := missing_operators(error)) is not None:
        return f"{missing.what}; {missing.help}"
    line = line_of(error, source)
    last = next(filter(None, getattr(error, "__notes__", ())), "")
    came_as_far = f"; the last modules that ran: {last}" if last else ""
    return f"{error_text(error)}{f' ({line})' if line else ''}{came_as_far}"
