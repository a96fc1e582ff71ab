"""Building a model on the meta device: every parameter has a shape, none has data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._ops import HigherOrderOperator
from torch.overrides import TorchFunctionMode

from ucseg_cli.engine.recording.dispatch import DispatchMode, operator_name, running_through
from ucseg_cli.engine.recording.meta_shapes import output_on_meta

FILLS = {"constant_", "fill_", "kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "zero_"}
FILLS |= {"erfinv_", "clamp_"}  # torch 2.6 shows what trunc_normal_ runs, not the call itself
"""Calls that only set a tensor's values; skipping them on meta saves time and slow imports."""


ACCELERATORS = ("cuda", "mps", "xpu", "hpu", "xla")
"""Devices that a model may ask for by name; on meta no kernel runs, so none has to be there."""


MAKERS = {"as_tensor", "asarray", "new"}
"""Calls that make a tensor of Python's values; on meta no operator of theirs would be seen."""


class ElsewhereOnMeta(TorchFunctionMode):
    """Gives meta to whoever asks for an accelerator: ``.cuda()``, ``device="cuda"``.

    A tensor made there of Python's values is seen at once, by the operator that shows it elsewhere.
    *casts* is whether autocast was on for the CPU, which casts no tensor that is on meta.
    """

    def __init__(self) -> None:
        super().__init__()
        self.casts = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.casts |= torch.is_autocast_enabled("cpu")
        if getattr(func, "__name__", "") in ACCELERATORS and isinstance(args[0], torch.Tensor):
            return args[0].to("meta")
        args = tuple(map(_on_meta, args))
        out = func(*args, **{name: _on_meta(value) for name, value in kwargs.items()})
        is_given = any(out is value for value in args)
        if getattr(func, "__name__", "") in MAKERS and out.is_meta and not is_given:
            torch.ops.aten.lift_fresh(out)
        return out


def _on_meta(value: Any) -> Any:
    """Meta for an accelerator; any other value as it is."""
    if isinstance(value, str):
        return "meta" if value.partition(":")[0] in ACCELERATORS else value
    is_device = isinstance(value, torch.device)
    return torch.device("meta") if is_device and value.type in ACCELERATORS else value


class _WithoutFilling(TorchFunctionMode):
    """Leaves a meta tensor's values alone, since it has none."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in FILLS:
            tensor = args[0] if args else kwargs.get("tensor")
            if isinstance(tensor, torch.Tensor) and tensor.is_meta:
                return tensor
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
def building_on_meta() -> Iterator[None]:
    """While it lasts, new tensors are on the meta device and initialisers cost nothing."""
    with torch.device("meta"), _WithoutFilling(), ElsewhereOnMeta(), _KnownShapes():
        yield
