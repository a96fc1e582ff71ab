"""From a model as it was named to its trace."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain

from torch import nn

from ucseg_cli.engine.forward_arguments import (
    ArgumentMaker,
    Arguments,
    argument_maker,
    refuse_other_arguments,
)
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
from ucseg_cli.facts.conditions import Conditions, Example
from ucseg_cli.facts.trace import Trace
from ucseg_cli.facts.training import Training, help_for
from ucseg_cli.nets import Backbone, SegmentationNetwork, build_backbone
from ucseg_cli.nets import build_model as build_variant
from ucseg_cli.references import Buildable, InMemory, OwnCode
from ucseg_cli.references.variants import Variant
from ucseg_cli.system.free_memory import free_memory
from ucseg_cli.units import format_bytes
from ucseg_cli.zoo.torchvision_models import missing_operators

COMPILER = "torch._dynamo"
OTHER_SIZE = "if the message is about sizes, try a larger --size, or a multiple of 32"
FAST = 2.0
"""Seconds within which a model is built and run that is worth doing so again."""
ACTIVATIONS = 64
"""A guess: an unknown network needs this many times its input at once. It may be too high."""


class Tracer:
    """Traces models. A backbone that two variants share is built and probed once."""

    def __init__(self) -> None:
        self._backbones: dict[tuple[int, int], Backbone] = {}

    def trace(self, model: Variant | Buildable | InMemory, conditions: Conditions) -> Trace:
        """Build a model without weights and run it once without data.

        Raises ModelError where it cannot be built, and, for a variant, where it cannot run.
        """
        if isinstance(conditions.given, Example) and not isinstance(model, OwnCode):
            raise _only_for_own_code(conditions.given)
        if isinstance(model, InMemory):
            return trace_in_memory(model.module, conditions)
        if isinstance(model, Variant):
            return self._trace_variant(model, conditions)
        return trace_source(model, conditions)

    def _trace_variant(self, variant: Variant, conditions: Conditions) -> Trace:
        (first, *others) = conditions.inputs
        if others or first.name:  # the second would be taken for return_features
            where, fix = f"--input {conditions.written}", "write it as in --input 1x3x384x640"
            raise UsageError("a variant takes one tensor, N×3×H×W", where=where, help=fix)
        try:
            with building_on_meta():
                network = SegmentationNetwork(variant, self.backbone(variant))
        except (RuntimeError, ValueError, TypeError) as error:
            what = f"the network cannot be built: {first_line(error)}"
            raise ModelError(what, where=variant.key) from error
        return trace_module(network, conditions, taps=variant.taps)

    def backbone(self, variant: Variant) -> Backbone:
        """The backbone of a variant."""
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
        return _record_without_data(model, argument_maker(conditions), taps)
    except UcsegError:
        raise
    except Exception as error:
        raise ModelError(
            f"the network cannot run on this input: {first_line(error)}",
            where=f"forward of {type(model).__name__} on {conditions}",
            help=help_for(str(error)) or OTHER_SIZE,
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
    with model_builder(source, function_of(conditions)) as build:
        began = time.monotonic()
        model, real = _build(build)
        if not has_lazy_modules(model):
            before_pass(trace_modules(model))
        _refuse_unknown_modules(model, conditions.training)
        make = argument_maker(conditions)
        make("meta")  # if the function fails, that is not the model's failure
        trace = _trace(build, model, real, make)
        is_fast = time.monotonic() - began < FAST
        idle = _idle_arguments(build, make, trace) if is_fast else ()
        return replace(trace, axes=build.axes, idle=idle)


def trace_in_memory(model: nn.Module, conditions: Conditions) -> Trace:
    """Run a module that is here already once: without data, or as it is on its own device.

    It is afterwards as it was before. Where it cannot run, the trace has its modules and the
    reason.
    """
    model = _unwrapped(model)
    _refuse_unknown_modules(model, conditions.training)
    make = argument_maker(conditions)
    try:
        refuse_other_arguments(model, make)
        if (trace := record_on_meta(model, make)) is not None:
            return trace
        first = next(chain(model.parameters(), model.buffers()), None)
        device = "cpu" if first is None else str(first.device)
        return _record(model, make(device), make.training)
    except Exception as error:  # noqa: BLE001 - it is the user's code
        return trace_modules(
            model, error.what if isinstance(error, UcsegError) else error_text(error)
        )


def _unwrapped(model: nn.Module) -> nn.Module:
    """The module that one for several devices or processes holds, which is what each of them runs.

    Compiled ones are opened where they are recorded.
    """
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    return _unwrapped(model.module) if isinstance(model, wrappers) else model


def trace_built(build: Builder, make: ArgumentMaker) -> Trace:
    """Build a model that is imported already and run it once; without its axes.

    Raises UsageError or ModelError where it cannot be built.
    """
    return _trace(build, *_build(build), make)


def function_of(conditions: Conditions) -> OwnCode | None:
    """The user's function that makes the arguments, if one does."""
    return conditions.given.function if isinstance(conditions.given, Example) else None


def _only_for_own_code(example: Example) -> UsageError:
    return UsageError(
        f"{example} gives arguments to a model of your own",
        where=f"--input {example}",
        help="write shapes as in 1x3x224x224,mask=1x16, or name a function of your file that "
        "returns this model",
    )


def _trace(build: Builder, model: nn.Module, real: nn.Module | None, make: ArgumentMaker) -> Trace:
    """The trace; of a model that cannot run its modules and the reason."""
    try:
        refuse_other_arguments(model, make)
        return _record_anywhere(build, model, real, make)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the user's code
        return trace_modules(model, _reason(error, build.source))


def _idle_arguments(build: Builder, make: ArgumentMaker, trace: Trace) -> tuple[str, ...]:
    """The arguments without which the trace is the same, and which do not say the default."""
    found = []
    for name in build.changed:
        without = build.without(name)
        with suppress(UcsegError):  # it may need this argument
            if _trace(without, *_build(without), make) == trace:
                found.append(name)
    return tuple(found)


def _record_anywhere(
    build: Builder, model: nn.Module, real: nn.Module | None, make: ArgumentMaker
) -> Trace:
    """The trace on meta, else with data; once more if the pass has loaded torch's compiler.

    It is switched off where it is loaded, and loading it always would take as long as torch.
    """
    compiler_was_there = COMPILER in sys.modules
    try:
        if (trace := record_on_meta(model, make)) is not None:
            return trace
        runnable = real or _build_for_real(build, model, make)
        return _record(runnable, make("cpu"), make.training)
    except Exception:
        if compiler_was_there or COMPILER not in sys.modules:
            raise
    return _record_anywhere(build, model, real, make)


@contextmanager
def runnable_model(
    model: Variant | Buildable, conditions: Conditions, *, real_devices: bool = False
) -> Iterator[tuple[nn.Module, Arguments]]:
    """A model in eval mode with random weights, and its arguments; it may run while this lasts.

    Accelerators that a user's code asks for are stood in for, unless it gets *real_devices*.
    """
    if isinstance(model, Variant):
        yield build_variant(model).eval(), argument_maker(conditions)("cpu")
    else:
        example = function_of(conditions)
        with model_builder(model, example, real_devices=real_devices) as build:
            yield build().eval(), argument_maker(conditions)("cpu")


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


def _build_for_real(build: Builder, model: nn.Module, make: ArgumentMaker) -> nn.Module:
    """The model with random weights; raises ResourceError where a run would not fit in memory."""
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    inputs = sum(tensor.nbytes for tensor in make("meta").tensors)
    needed, free = weights + ACTIVATIONS * inputs, free_memory()
    if free is not None and needed > free:
        raise ResourceError(
            f"it needs data to run, and about {format_bytes(needed)} of memory for that; "
            f"{format_bytes(free)} are free"
        )
    return build()


def record_on_meta(model: nn.Module, make: ArgumentMaker) -> Trace | None:
    """The trace on meta; None for a model that cannot run there, or not at all."""
    try:
        return _record_without_data(model, make)
    except (Exception, SystemExit) as error:
        if behind(error, REFUSALS) is not None:
            raise
        return None  # a run on real tensors gives the better message


def _record_without_data(
    model: nn.Module, make: ArgumentMaker, taps: dict[str, str] | None = None
) -> Trace:
    """The trace on meta, of tensors that say they are on the CPU if the model's way needs that."""
    if make.training is None or not make.training.amp:
        with moved_to_meta(model), accelerators_on_meta() as elsewhere:
            trace = _record(model, make("meta"), make.training, taps)
        if not elsewhere.casts and not _trains_attention(trace):
            return trace
    # Autocast and attention ask where a tensor is; all of torch then takes longer.
    with moved_to_meta(model, on_cpu), accelerators_on_meta():
        return _record(model, make("meta").each(on_cpu), make.training, taps)


def _trains_attention(trace: Trace) -> bool:
    """Whether attention ran as the parts that it has on meta, beneath autograd's view of it."""
    return trace.trained is not None and any(op.name == "_safe_softmax" for op in trace.ops)


def _refuse_unknown_modules(model: nn.Module, training: Training | None) -> None:
    """Raise UsageError for a name in *training* that the model does not have."""
    if training is not None:
        from ucseg_cli.engine.training.record_step import refuse_unknown_modules

        refuse_unknown_modules(model, training)


def _record(
    model: nn.Module,
    arguments: Arguments,
    training: Training | None,
    taps: dict[str, str] | None = None,
) -> Trace:
    if training is None:
        return record(model, *arguments.positional, keywords=arguments.keywords, taps=taps)
    from ucseg_cli.engine.training.record_step import record_step  # few answers are about training

    given = arguments.positional
    return record_step(model, *given, training=training, keywords=arguments.keywords, taps=taps)


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
