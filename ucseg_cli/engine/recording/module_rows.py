"""The modules of a model: their weights, their calls, and the tensors they returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from ucseg_cli.engine.recording.tensor_numbers import Numbering, output_names, shape_of
from ucseg_cli.errors import ModelError
from ucseg_cli.facts import trace
from ucseg_cli.units import format_shape

LIBRARIES = frozenset({"torchvision", "timm", "segmentation_models_pytorch"})
"""Packages beside torch whose classes are named as theirs."""
LONGEST_NAME = 1000
LAST_MODULES = 3
"""How many modules a failed pass is remembered by."""


class ModuleTree:
    """Follows the calls of a model's modules; their weights are those before the first call."""

    def __init__(self, model: nn.Module, tensors: Numbering) -> None:
        self._tensors = tensors
        self._named = list(model.named_modules(remove_duplicate=False))
        _refuse_dots(model)
        self._owned: list[tuple[tuple[trace.Weight, ...], tuple[trace.Weight, ...]]] = []
        self._number: dict[nn.Module, int] = {}
        for number, (_, module) in enumerate(self._named):
            self._number.setdefault(module, number)
            owned = self._weights(module._parameters), self._weights(module._buffers)
            self._owned.append(owned)
        self.unsaved, self.beside = _saved_otherwise(self._named)
        self._running = [0]
        self._calls = [0] * len(self._named)
        self._outputs: dict[int, tuple[tuple[int, ...], tuple[str, ...]]] = {}

    @property
    def running(self) -> int:
        """The number of the module whose forward runs, or of its nearest parent in the tree."""
        return self._running[-1]

    @contextmanager
    def following_calls(self) -> Iterator[None]:
        """While it lasts, the module whose forward runs is known, through torch's global hooks."""
        before = register_module_forward_pre_hook(self._enter)
        after = register_module_forward_hook(self._leave, always_call=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def _enter(self, module: nn.Module, _args: Any) -> None:
        # A module outside the tree (made in forward) counts as part of the one that calls it.
        self._running.append(self._number.get(module, self._running[-1]))

    def _leave(self, module: nn.Module, _args: Any, out: Any) -> None:
        self._running.pop()
        if (number := self._number.get(module)) is not None:
            self._calls[number] += 1
            names = () if isinstance(out, Tensor) else output_names(out)
            self._outputs[number] = self._tensors.indices(out), names

    def progress(self) -> str:
        """The last modules that returned tensors, with their shapes: ``a 1×8×15×15``."""
        shown = []
        for number, (outputs, _) in self._outputs.items():
            shapes = ", ".join(format_shape(self._tensors.rows[index].shape) for index in outputs)
            if shapes:
                shown.append(f"{self._named[number][0] or 'the model'} {shapes}")
        return "; ".join(shown[-LAST_MODULES:])

    def rows(self) -> tuple[trace.Module, ...]:
        """Every module, as a trace has it."""
        return tuple(map(self._row, range(len(self._named))))

    def _row(self, number: int) -> trace.Module:
        path, module = self._named[number]
        first, kind, library = self._number[module], _type_name(module), _library(module)
        if first != number:
            return trace.Module(path, kind, alias_of=self._named[first][0], library=library)
        outputs, names = self._outputs.get(number, ((), ()))
        owned, calls = self._owned[number], self._calls[number]
        return trace.Module(path, kind, *owned, None, calls, outputs, names, library)

    def _weights(self, registry: Mapping[str, Tensor | None]) -> tuple[trace.Weight, ...]:
        index = self._tensors.index
        named = _tensors(registry).items()
        return tuple(trace.Weight(name, index(t), t.requires_grad) for name, t in named)


def _refuse_dots(model: nn.Module) -> None:
    """Raise ModelError for a name by which no path is clear; torch's add_module refuses them."""
    for path, module in model.named_modules():
        for name in module._modules.keys():  # noqa: SIM118 - a script has no iterator there
            if not name or "." in name:
                what = f"a module in {path or 'the model'} is named '{name}'"
                fix = "a module's name is not empty and has no dot, as in torch's add_module"
                raise ModelError(what, where=type(model).__name__, help=fix)
            if len(name) > LONGEST_NAME:
                what = f"a module in {path or 'the model'} has a name of {len(name):,} letters"
                fix = f"at most {LONGEST_NAME:,} can be shown"
                raise ModelError(what, where=type(model).__name__, help=fix)


def _saved_otherwise(
    named: Sequence[tuple[str, nn.Module]],
) -> tuple[tuple[str, ...], tuple[trace.Saved, ...]]:
    """Names that modules own and do not save, and entries that they save beside these.

    Each is asked by itself, as loading asks it: a state dict as a whole may be filtered.
    """
    unsaved: list[str] = []
    beside: list[trace.Saved] = []
    for path, module in named:
        inside = f"{path}." if path else ""
        owned = _tensors({**module._parameters, **module._buffers})
        saved = _saved_by(module, owned)
        unsaved += (inside + name for name in owned if name not in saved)
        for name in saved.keys() - owned.keys():
            shape = shape_of(saved[name]) if isinstance(saved[name], Tensor) else None
            beside.append(trace.Saved(inside + name, shape))
    return tuple(unsaved), tuple(sorted(beside))


def _tensors(registry: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in registry.items() if tensor is not None}


def _saved_by(module: nn.Module, owned: Mapping[str, Any]) -> Mapping[str, Any]:
    saved: dict[str, Any] = {}
    try:
        module._save_to_state_dict(saved, "", keep_vars=True)
    except Exception:  # noqa: BLE001 - it may be the user's code
        return owned
    return saved


def _library(module: nn.Module) -> str:
    """The library whose class it is; a subclass, or a user's own class, may have that name too."""
    kind = type(module)
    if vars(nn).get(kind.__name__) is kind:
        return "torch.nn"
    package = kind.__module__.partition(".")[0]
    return package if package in LIBRARIES else ""


def _type_name(module: nn.Module) -> str:
    """The class's name; a scripted module remembers that of the class it was made from."""
    scripted = isinstance(module, torch.jit.ScriptModule)
    return str(module.original_name) if scripted else type(module).__name__
