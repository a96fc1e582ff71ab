"""Seeing operators at torch's dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, NamedTuple

import torch
from torch._C import DispatchKey
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode  # where FlopCounterMode's base is, too

MODE_NOW = "_get_current_dispatch_mode"
"""The function by which torch's higher-order operators see who is watching."""
UNDECLARED_WRITES = {"native_batch_norm": ("running_mean", "running_var")}
"""Arguments that an operator writes to although its schema does not say so, by operator."""


class DispatchMode(TorchDispatchMode):
    """A dispatch mode that does not import torch's compiler on its first call."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if not hasattr(TorchDispatchMode, "supports_higher_order_operators"):
            _show_higher_order_operators_to(type(self))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch would wrap ``__torch_dispatch__`` for its compiler; nothing here is compiled."""
        return False


def _show_higher_order_operators_to(mode: type[DispatchMode]) -> None:
    """Enter a mode in the table of every such operator, since torch 2.6 asks no other mode."""
    for operator in torch._ops._higher_order_ops.values():
        if mode not in operator.python_key_table:
            operator.py_impl(mode)(partial(_show, operator))


def _show(operator: HigherOrderOperator, mode: DispatchMode, *args: Any, **kwargs: Any) -> Any:
    return mode.__torch_dispatch__(operator, (), args, kwargs)  # type: ignore[no-untyped-call]


@contextmanager
def running_through(func: HigherOrderOperator) -> Iterator[Callable[..., Any]]:
    """A function that runs the operators which *func* (``cond``, ``scan``, …) chooses or repeats.

    It is torch's own for tensors with data. Some of these assert that no mode is watching: while
    this lasts, they find none. Raises NotImplementedError where torch has no such function.
    """
    run: Any = func.py_kernels.get(DispatchKey.CompositeExplicitAutograd)
    if run is None:
        raise NotImplementedError(f"torch runs {func} only whole")
    names = getattr(run, "__globals__", {})
    watching = names.get(MODE_NOW)
    if watching is not None:
        names[MODE_NOW] = lambda: None
    try:
        yield run
    finally:
        if watching is not None:
            names[MODE_NOW] = watching


class SchemaArgument(NamedTuple):
    """An argument as an operator's schema declares it.

    *always_kept* is one that the schema is named after: ``conv2d`` has a second one for padding
    that is a word, with the default ``"valid"``, which counters treat otherwise.
    """

    name: str
    holds_tensors: bool
    default: Any
    always_kept: bool = False


class Operator(NamedTuple):
    """An operator before it is called.

    Args:
        name: as a trace has it.
        arguments: in the schema's order.
        composite: whether it is only made of others (ATen's ``CompositeImplicitAutograd``).
        written: positions of the arguments that it writes to.
    """

    name: str
    arguments: tuple[SchemaArgument, ...]
    composite: bool
    written: tuple[int, ...]


@cache
def operator_of(func: Any) -> Operator:
    """The operator of *func*, looked up once: its schema costs more than running it on meta."""
    name, declared = operator_name(func), func._schema.arguments  # the only way to a call's names
    hidden = UNDECLARED_WRITES.get(name, ())
    arguments = (
        SchemaArgument(
            a.name, "Tensor" in str(a.type), a.default_value, a.name == func._overloadname
        )
        for a in declared
    )
    written = (at for at, a in enumerate(declared) if a.is_write or a.name in hidden)
    return Operator(name, tuple(arguments), _is_composite(func.name()), tuple(written))


def _is_composite(full_name: str) -> bool:
    # The dispatcher of torch 2.6 has no ``aten::dim``, though a nested tensor is asked for it.
    known = torch._C._dispatch_has_kernel(full_name)
    key = "CompositeImplicitAutograd"
    return known and torch._C._dispatch_has_kernel_for_dispatch_key(full_name, key)


@cache
def operator_name(func: Any) -> str:
    """Its name in a trace: ``convolution``, and outside ATen ``quantized::add``."""
    namespace, _, name = func._schema.name.partition("::")
    return str(name if namespace == "aten" else f"{namespace}::{name}")


def as_unwatched(operator: str, within: str) -> Any:
    """The operator that torch runs in place of *operator*, part of *within*, if no mode watches.

    Torch takes a mode for a subclass of tensors, for which ``linear`` adds its bias to a copy.
    """
    return torch.ops.aten.add_.Tensor if (operator, within) == ("add", "linear") else None
