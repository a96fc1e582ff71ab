"""One forward pass as a Trace: every operator with its shapes, and the module whose forward ran it.

Operators are seen at torch's dispatcher, below autograd and above their decomposition, so that a composite such as
``adaptive_avg_pool2d`` is seen as itself and then as the kernels it is made of. No Python function is patched and no
module gets a hook of its own, so the answer does not depend on how the model calls what it calls.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import DispatchKey  # the dispatcher's keys have no public name
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from ucseg_cli import trace
from ucseg_cli.engine.dispatch import DispatchMode, operator_name
from ucseg_cli.engine.shapes import output_on_meta

PLACEMENT = {"device", "layout", "pin_memory"}
"""Arguments that say where a tensor lies, not what is computed."""


def record(model: nn.Module, *inputs: Tensor, taps: Mapping[str, str] | None = None) -> trace.Trace:
    """What one forward pass of *model* on *inputs* does, in eval mode and without gradients.

    Args:
        model: any module. Its train/eval flags, buffers and hooks are afterwards as they were, also when forward raises.
        inputs: tensors on the model's device; on the meta device there is no data and the cost does not depend on sizes.
        taps: names for modules whose outputs are of interest, name to path.
    """
    recorder = _Recorder(model)
    with ExitStack() as stack:
        stack.enter_context(_eval_mode(model))
        stack.enter_context(recorder.following_modules())
        stack.enter_context(torch.no_grad())
        # Autograd would take composites apart before the recorder sees them.
        stack.enter_context(torch._C._AutoDispatchBelowAutograd())  # what inference_mode is made of
        stack.enter_context(recorder)
        input_indices = recorder.tensors.indices(inputs)
        outputs = model(*inputs)
    return recorder.finish(input_indices, outputs, taps or {})


class _Tensors:
    """Numbers tensors and storages in the order they appear, and sees when each storage is let go."""

    def __init__(self, ops: Sequence[trace.Op]) -> None:
        self.rows: list[trace.Tensor] = []
        self.storages: list[int] = []
        self.freed: list[int | None] = []
        self._ops = ops
        self._index: dict[int, int] = {}
        self._watched: dict[int, weakref.ref[Tensor]] = {}
        self._storage_index: dict[int, int] = {}
        self._holders: Counter[int] = Counter()

    def index(self, tensor: Tensor) -> int:
        """The tensor's number; the same object keeps its number as long as it lives."""
        number = self._index.get(id(tensor))
        if number is None:
            number = self._index[id(tensor)] = len(self.rows)
            storage, identity = self._storage(tensor)
            self.rows.append(trace.Tensor(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), storage))
            self._holders[storage] += 1
            gone = partial(self._gone, id(tensor), storage, identity)
            self._watched[id(tensor)] = weakref.ref(tensor, lambda _: gone())
        return number

    def indices(self, value: Any) -> tuple[int, ...]:
        """The numbers of every tensor in a nest of tuples, lists and dicts."""
        return tuple(map(self.index, tensors_in(value)))

    def _storage(self, tensor: Tensor) -> tuple[int, int]:
        storage = tensor.untyped_storage()
        identity = storage._cdata  # a storage's identity has no public name
        number = self._storage_index.get(identity)
        if number is None:
            number = self._storage_index[identity] = len(self.storages)
            self.storages.append(storage.nbytes())
            self.freed.append(None)
        return number, identity

    def _gone(self, tensor: int, storage: int, identity: int) -> None:
        """Forget a tensor, since another may get its identity; the last one on a storage frees it."""
        del self._index[tensor], self._watched[tensor]
        self._holders[storage] -= 1
        if not self._holders[storage]:
            self.freed[storage] = len(self._ops)
            self._storage_index.pop(identity, None)


class _Recorder(DispatchMode):
    """Sees every operator and keeps it as a row."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.ops: list[trace.Op] = []
        self.tensors = _Tensors(self.ops)
        self._named = list(model.named_modules(remove_duplicate=False))
        self._path: dict[nn.Module, str] = {}
        for path, module in self._named:
            self._path.setdefault(module, path)
        self._number = {path: number for number, (path, _) in enumerate(self._named)}
        self._running = [""]
        self._composite: int | None = None
        self._calls = dict.fromkeys(self._number, 0)
        self._outputs: dict[str, tuple[int, ...]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = operator_name(func)
        if _is_composite(func):
            return self._run_composite(func, name, args, kwargs)
        out = output_on_meta(name, args, kwargs)
        if out is None:
            out = func(*args, **kwargs)
        self._append(func, name, args, kwargs, out)
        return out

    def _run_composite(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Let torch take it apart under our eyes. Of composites within composites only the outermost is kept."""
        outermost = self._composite is None
        if outermost:
            self._composite = self._append(func, name, args, kwargs, None, composite=True)
        try:
            with self:
                out = func._op_dk(DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
            if outermost and self._composite is not None:
                self.ops[self._composite] = self.ops[self._composite]._replace(outputs=self.tensors.indices(out))
        finally:
            if outermost:
                self._composite = None
        return out

    def _append(
        self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, *, composite: bool = False
    ) -> int:
        inputs, attributes = self._arguments(func, args, kwargs)
        self.ops.append(
            trace.Op(
                name=name,
                module=self._number[self._running[-1]],
                inputs=inputs,
                outputs=self.tensors.indices(out),
                attributes=attributes,
                parent=self._composite,
                composite=composite,
            )
        )
        return len(self.ops) - 1

    def _arguments(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[int | None, ...], dict[str, Any]]:
        """Tensors in the schema's order, and the other arguments that differ from their defaults, by name."""
        inputs: list[int | None] = []
        attributes: dict[str, Any] = {}
        for position, argument in enumerate(func._schema.arguments):  # the only way to a call's names
            value = args[position] if position < len(args) else kwargs.get(argument.name, argument.default_value)
            if "Tensor" in str(argument.type):
                inputs.extend(self.tensors.indices(value) or [None])
            elif argument.name not in PLACEMENT and value is not None and value != argument.default_value:
                attributes[argument.name] = _plain(value)
        return tuple(inputs), attributes

    @contextmanager
    def following_modules(self) -> Iterator[None]:
        """While it lasts, the path of the module whose forward runs is known, through torch's global hooks."""
        before = register_module_forward_pre_hook(self._enter)
        after = register_module_forward_hook(self._leave, always_call=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def _enter(self, module: nn.Module, _args: Any) -> None:
        self._running.append(self._path.get(module, self._running[-1]))

    def _leave(self, module: nn.Module, _args: Any, out: Any) -> None:
        self._running.pop()
        if (path := self._path.get(module)) is not None:
            self._calls[path] += 1
            self._outputs[path] = self.tensors.indices(out)

    def finish(self, inputs: tuple[int, ...], outputs: Any, taps: Mapping[str, str]) -> trace.Trace:
        """Everything seen, as a Trace."""
        output_indices = self.tensors.indices(outputs)
        modules = tuple(self._module(path, module) for path, module in self._named)
        return trace.Trace(
            modules=modules,
            tensors=tuple(self.tensors.rows),
            storages=tuple(self.tensors.storages),
            freed=tuple(self.tensors.freed),
            ops=tuple(self.ops),
            inputs=inputs,
            outputs=output_indices,
            taps=tuple(trace.Tap(name, path) for name, path in taps.items()),
        )

    def _module(self, path: str, module: nn.Module) -> trace.Module:
        first = self._path[module]
        if first != path:
            return trace.Module(path, type(module).__name__, alias_of=first)
        return trace.Module(
            path=path,
            type=type(module).__name__,
            parameters=self._weights(module.named_parameters(recurse=False, remove_duplicate=False)),
            buffers=self._weights(module.named_buffers(recurse=False, remove_duplicate=False)),
            calls=self._calls[path],
            outputs=self._outputs.get(path, ()),
        )

    def _weights(self, named: Iterable[tuple[str, Tensor]]) -> tuple[trace.Weight, ...]:
        return tuple(trace.Weight(name, self.tensors.index(tensor), tensor.requires_grad) for name, tensor in named)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in a nest of tuples, lists and dicts, in order."""
    match value:
        case Tensor():
            yield value
        case dict():
            yield from chain.from_iterable(map(tensors_in, value.values()))
        case list() | tuple():
            yield from chain.from_iterable(map(tensors_in, value))


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    """Eval while it lasts; then each module's own flag as it was."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in flags:
            module.training = training


_COMPOSITE: dict[Callable[..., Any], bool] = {}


def _is_composite(func: Any) -> bool:
    """Whether the operator is only made of others (``CompositeImplicitAutograd`` in ATen's terms)."""
    if func not in _COMPOSITE:
        _COMPOSITE[func] = torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
    return _COMPOSITE[func]


def _plain(value: Any) -> Any:
    """The value as JSON can hold it; what it cannot is kept as its text."""
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    return str(value)
