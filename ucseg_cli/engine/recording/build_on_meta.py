"""Building a model on the meta device: every parameter has a shape, none has data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors  # the calls that take a default device

from ucseg_cli.engine.recording.dispatch import DispatchMode, operator_name, running_through
from ucseg_cli.engine.recording.meta_shapes import output_on_meta
from ucseg_cli.engine.recording.plain_tensors import META

FILLS = {"constant_", "fill_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "zero_"}
FILLS |= {"erfinv_", "clamp_"}  # torch 2.6 shows what trunc_normal_ runs, not the call itself
"""Calls that only set a tensor's values; skipping them on meta saves time and slow imports."""


RESET = (nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._NormBase)
"""Layers with ``reset_parameters``, which only sets values."""


class _WithoutValues(TorchFunctionMode):
    """Makes tensors on meta that are asked for nowhere, and leaves their values alone.

    ``with torch.device("meta")`` would change places with a default device of the constructor's
    own, which outlasts it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.casts = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in FILLS:
            tensor = args[0] if args else kwargs.get("tensor")
            if isinstance(tensor, torch.Tensor) and tensor.is_meta:
                return tensor
        if func in _device_constructors() and kwargs.get("device") is None:
            kwargs["device"] = META
        return func(*args, **kwargs)


class _KnownShapes(DispatchMode):
    """Answers from output_on_meta, for constructors that run a part of themselves."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            with self, running_through(func) as run:
                return run(*args, **kwargs)
        out = output_on_meta(operator_name(func), args, kwargs)
        return func(*args, **kwargs) if out is None else out


@contextmanager
def values_left_alone() -> Iterator[None]:
    """While it lasts, torch's most usual layers on meta do not even begin to initialise values.

    That saves half the time of building them, which counts where many models are built.
    """
    before = [(kind, kind.reset_parameters) for kind in RESET]
    for kind, reset in before:
        setattr(kind, "reset_parameters", _unless_on_meta(reset))  # noqa: B010 - for mypy
    try:
        yield
    finally:
        for kind, reset in before:
            setattr(kind, "reset_parameters", reset)  # noqa: B010


def _unless_on_meta(reset: Callable[[Any], None]) -> Callable[[Any], None]:
    def reset_parameters(module: Any) -> None:
        if module.weight is None or not module.weight.is_meta:
            reset(module)

    return reset_parameters


@contextmanager
def building_on_meta() -> Iterator[None]:
    """While it lasts, new tensors are on the meta device and initialisers cost nothing."""
    with _WithoutValues(), _KnownShapes():
        yield
