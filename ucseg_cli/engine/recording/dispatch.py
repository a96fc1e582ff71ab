"""Seeing operators at torch's dispatcher."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode  # where FlopCounterMode's base is, too

UNDECLARED_WRITES = {"native_batch_norm": ("running_mean", "running_var")}
"""Arguments that an operator writes to although its schema does not say so."""


class DispatchMode(TorchDispatchMode):
    """A dispatch mode that does not import torch's compiler on its first call."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say no: torch would wrap ``__torch_dispatch__`` for its compiler, and nothing here is compiled."""
        return False


class SchemaArgument(NamedTuple):
    """An argument as an operator's schema declares it."""

    name: str
    holds_tensors: bool
    default: Any


class Operator(NamedTuple):
    """What is known of an operator before it is called.

    Args:
        name: as a trace has it.
        arguments: in the schema's order.
        composite: whether it is only made of others (``CompositeImplicitAutograd`` in ATen's terms).
        written: positions of the arguments that it writes to.
    """

    name: str
    arguments: tuple[SchemaArgument, ...]
    composite: bool
    written: tuple[int, ...]


@cache
def operator_of(func: Any) -> Operator:
    """What the dispatcher calls *func*, looked up once: asking its schema costs more than running it on meta."""
    name, declared = operator_name(func), func._schema.arguments  # the only way to a call's names
    hidden = UNDECLARED_WRITES.get(name, ())
    return Operator(
        name,
        tuple(
            SchemaArgument(each.name, "Tensor" in str(each.type), each.default_value)
            for each in declared
        ),
        torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"),
        tuple(place for place, each in enumerate(declared) if each.is_write or each.name in hidden),
    )


@cache
def operator_name(func: Any) -> str:
    """An operator as a trace names it: ``convolution``, and with its namespace outside ATen (``quantized::add``)."""
    namespace, _, name = func._schema.name.partition("::")
    return str(name if namespace == "aten" else f"{namespace}::{name}")
