"""The module of every operator of a training step, in backward too."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ucseg_cli.engine.recording.module_rows import ModuleTree
from ucseg_cli.engine.recording.tensor_numbers import Numbering

GATHERS = 2**64 - 1
"""The number of every node that adds up a parameter's gradient; all others count from 0."""


class TrainedModules(ModuleTree):
    """Follows calls, and which module's forward made each node of autograd's graph.

    Torch numbers the nodes as they are made, so that each call of a module has an interval of
    numbers; what a node runs in backward belongs to the module whose interval has its number.
    """

    def __init__(self, model: nn.Module, tensors: Numbering) -> None:
        super().__init__(model, tensors)
        self._first_nodes = [0]
        self._modules = [0]
        self._owners = {
            id(parameter): self._number[module]
            for _, module in self._named
            for parameter in module._parameters.values()
        }

    @property
    def running(self) -> int:
        """The number of the module that runs, or whose node does."""
        node: Any = torch._C._current_autograd_node()
        if node is None or len(self._running) > 1:  # in backward only what is checkpointed is run
            return self._running[-1]
        if node._sequence_nr() == GATHERS:
            return self._owners.get(id(node.variable), 0)
        return self._modules[bisect_right(self._first_nodes, node._sequence_nr()) - 1]

    @contextmanager
    def inside(self, module: nn.Module) -> Iterator[None]:
        """While it lasts, a module's forward runs without having been called."""
        self._enter(module, ())
        try:
            yield
        finally:
            self._running.pop()
            self._mark()

    def _enter(self, module: nn.Module, args: Any) -> None:
        super()._enter(module, args)
        self._mark()

    def _leave(self, module: nn.Module, args: Any, out: Any) -> None:
        if torch._C._current_autograd_node() is None:
            super()._leave(module, args, out)
        else:  # it is run again, and was counted when it first ran
            self._running.pop()
        self._mark()

    def _mark(self) -> None:
        self._first_nodes.append(torch._C._autograd._get_sequence_nr())
        self._modules.append(self._running[-1])
