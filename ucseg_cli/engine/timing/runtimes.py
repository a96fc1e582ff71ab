"""The ways to call a model: torch in eager mode, torch's compiler, or onnxruntime."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from ucseg_cli.engine.forward_arguments import Arguments
from ucseg_cli.engine.recording.tensor_numbers import named_tensors_in
from ucseg_cli.engine.timing.timing_devices import Call, Device, Gpu
from ucseg_cli.errors import ModelError
from ucseg_cli.facts.choices import EAGER, RUNTIMES
from ucseg_cli.facts.timing.timing_setup import TimingSetup
from ucseg_cli.units import format_percent

_, COMPILE, ONNXRUNTIME = RUNTIMES
TOLERANCE, COARSE_TOLERANCE = 1e-3, 5e-2
"""The largest difference of an output, as a share of the largest of all, in float32 and in less."""
COARSE = {"float16", "bfloat16"}


def placed(
    module: nn.Module, arguments: Arguments, setup: TimingSetup
) -> tuple[nn.Module, Arguments]:
    """A model and its arguments on the device, and of the type, of the setup."""
    dtype: torch.dtype | None = getattr(torch, setup.dtype) if setup.dtype else None

    def place(tensor: Tensor) -> Tensor:
        moved = tensor.to(setup.device)
        return moved.to(dtype) if dtype and moved.is_floating_point() else moved

    module = module.to(setup.device)
    return (module.to(dtype) if dtype else module), arguments.each(place)


def eager_call(module: nn.Module, arguments: Arguments) -> Call:
    """A call as Python makes it."""
    positional, keywords = tuple(arguments.positional), dict(arguments.keywords)
    return lambda: module(*positional, **keywords)


def call_of(module: nn.Module, arguments: Arguments, setup: TimingSetup, device: Device) -> Call:
    """A call by the runtime of the setup; raises ResourceError where that is not installed."""
    if setup.runtime == ONNXRUNTIME:
        from ucseg_cli.engine.timing.onnx_session import onnx_call

        return onnx_call(module, arguments, setup)
    call = eager_call(module, arguments)
    if setup.runtime == COMPILE:
        compiled: Any = torch.compile(module)
        call = eager_call(compiled, arguments)
    return device.graph_of(call) if setup.graph and isinstance(device, Gpu) else call


def without_gradients(setup: TimingSetup) -> AbstractContextManager[object]:
    """The mode in which calls are made; torch's compiler knows the older one better."""
    if setup.runtime == ONNXRUNTIME:
        return nullcontext()
    return torch.inference_mode() if setup.runtime == EAGER else torch.no_grad()


def largest_difference(expected: Any, found: Any) -> float | None:
    """By how much outputs differ, as a share of the largest number of each; inf for other shapes.

    Numbers that are not finite have to be in the same places; None if no number is finite, so that
    nothing could be compared.
    """
    pairs = [[tensor for _, tensor in named_tensors_in(value)] for value in (expected, found)]
    shapes = [[tensor.shape for tensor in tensors] for tensors in pairs]
    if shapes[0] != shapes[1]:
        return inf
    differences = (_difference(one, other) for one, other in zip(*pairs, strict=True))
    return max((one for one in differences if one is not None), default=None)


def refuse_difference(difference: float | None, name: str, where: str, setup: TimingSetup) -> None:
    """Raise ModelError where a runtime gives other outputs than eager mode."""
    tolerance = COARSE_TOLERANCE if setup.dtype in COARSE else TOLERANCE
    if difference is None or difference <= tolerance:
        return
    by = "in shape" if difference == inf else f"by {format_percent(Fraction(difference))}"
    raise ModelError(
        f"{name} gives other outputs with {setup.runtime} than in eager mode: they differ {by}",
        where=where,
        notes=(f"up to {format_percent(Fraction(tolerance))} of the largest number is accepted",),
        help="its time would be that of another network; `--runtime eager` times this one",
    )


def _difference(expected: Tensor, found: Tensor) -> float | None:
    one, other = (tensor.detach().cpu().double() for tensor in (expected, found))
    finite = one.isfinite()
    if not torch.equal(finite, other.isfinite()):
        return inf
    if not finite.any():
        return None
    one, other = one[finite], other[finite]
    largest = float(one.abs().max())
    return float((one - other).abs().max()) / (largest or 1.0)
