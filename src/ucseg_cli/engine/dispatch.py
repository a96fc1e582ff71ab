"""Seeing operators at torch's dispatcher."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode  # where FlopCounterMode's base is, too


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


def operator_name(func: Any) -> str:
    """An operator as a trace names it: ``convolution``, and with its namespace outside ATen (``quantized::add``)."""
    namespace, _, name = func._schema.name.partition("::")
    return str(name if namespace == "aten" else f"{namespace}::{name}")
