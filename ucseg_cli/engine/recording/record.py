"""One forward pass as a Trace: every operator with its shapes, and the module whose forward ran it.

Operators are seen at torch's dispatcher, below autograd and above their decomposition, so that a composite such as
``adaptive_avg_pool2d`` is seen as itself and then as the kernels it is made of. No Python function is patched and no
module gets a hook of its own, so the answer does not depend on how the model calls what it calls.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import DispatchKey  # the dispatcher's keys have no public name
from torch.nn.parameter import is_lazy

from ucseg_cli.engine.recording.dispatch import DispatchMode, Operator, operator_of
from ucseg_cli.engine.recording.meta_shapes import output_on_meta
from ucseg_cli.engine.recording.module_rows import ModuleTree
from ucseg_cli.engine.recording.restore import Before, as_before
from ucseg_cli.engine.recording.tensor_numbers import Numbering
from ucseg_cli.errors import ModelError
from ucseg_cli.facts import trace

PLACEMENT = {"device", "layout", "pin_memory"}
"""Arguments that say where a tensor lies, not what is computed."""

READABLE = (complex, torch.dtype, torch.device, torch.layout, torch.memory_format)
"""Values whose text is the same in every run."""


def record(model: nn.Module, *inputs: Tensor, taps: Mapping[str, str] | None = None) -> trace.Trace:
    """What one forward pass of *model* on *inputs* does, in eval mode and without gradients.

    Args:
        model: any module. It is afterwards as it was, and so are its inputs and torch's settings, also when forward
            raises. Lazy modules stay lazy, and what ``torch.compile`` would compile runs as it is written.
        inputs: tensors on the model's device; on the meta device there is no data and the cost does not depend on sizes.
        taps: names for modules whose outputs are of interest, name to path.
    """
    model = _as_written(model)
    with ExitStack() as stack:
        before = stack.enter_context(as_before(model, *inputs))
        model = _without_lazy_modules(model, inputs)
        recorder = _Recorder(model, inputs, before)
        stack.enter_context(_measuring(model))
        stack.enter_context(recorder.modules.following_calls())
        # Autograd would take composites apart before the recorder sees them, and a tensor would count its versions.
        stack.enter_context(
            torch._C._AutoDispatchBelowADInplaceOrView()
        )  # what inference_mode is made of
        stack.enter_context(recorder)
        outputs = model(*inputs)  # held until the end, since what the model returns is not let go
        modules = recorder.modules.rows()
        _refuse_what_was_not_seen(model, modules, recorder.ops)
        return trace.Trace(
            modules=modules,
            outputs=recorder.tensors.indices(outputs),
            tensors=tuple(recorder.tensors.rows),
            storages=tuple(recorder.tensors.storages),
            freed=tuple(recorder.tensors.freed),
            ops=tuple(recorder.ops),
            inputs=recorder.inputs,
            taps=tuple(trace.Tap(name, path) for name, path in (taps or {}).items()),
            device=_device(model, inputs),
        )


def _refuse_what_was_not_seen(
    model: nn.Module, rows: Iterable[trace.Module], ops: Iterable[trace.Op]
) -> None:
    """Raise RuntimeError where a layer of torch's returned what no operator made: other threads are not looked into."""
    made = {tensor for op in ops for tensor in op.outputs}
    called = (row for row in rows if row.calls and row.parameters and row.outputs)
    for row in called:
        is_layer = type(model.get_submodule(row.path)).__module__.startswith("torch.nn.")
        if is_layer and not made.intersection(row.outputs):
            raise RuntimeError(
                f"{row.path or 'it'} computes where no operator is seen, as in another thread"
            )


def describe(model: nn.Module, failure: str) -> trace.Trace:
    """The modules of a model that cannot run, with their parameters and buffers; *failure* says why it cannot.

    Raises ModelError where one is lazy.
    """
    model = _as_written(model)
    if _has_lazy_modules(model):
        raise ModelError(
            "lazy modules get their shapes from a forward pass, and there is none", notes=(failure,)
        )
    tensors = Numbering(())
    return trace.Trace(
        modules=ModuleTree(model, tensors).rows(),
        tensors=tuple(tensors.rows),
        storages=tuple(tensors.storages),
        freed=tuple(tensors.freed),
        ops=(),
        inputs=(),
        outputs=(),
        device=_device(model, ()),
        failure=failure,
    )


class _Recorder(DispatchMode):
    """Sees every operator and keeps it as a row."""

    def __init__(self, model: nn.Module, inputs: Sequence[Tensor], before: Before) -> None:
        super().__init__()
        self.ops: list[trace.Op] = []
        self.tensors = Numbering(self.ops)
        self.inputs = self.tensors.indices(inputs)
        self.modules = ModuleTree(model, self.tensors)
        self._before = before
        self._composite: int | None = None

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        operator = operator_of(func)
        if operator.composite:
            run = self._run_layer if operator.name == "lstm" else self._run_composite
            return run(func, operator, args, kwargs)
        if (
            operator.name == "_convolution"
        ):  # what a script made by torch.jit.trace calls: more arguments, same kernel
            return self.__torch_dispatch__(torch.ops.aten.convolution.default, types, args[:9])
        for place in operator.written:
            self._note_write(
                args[place] if place < len(args) else kwargs.get(operator.arguments[place].name)
            )
        out = output_on_meta(operator.name, args, kwargs)
        if out is None:
            out = func(*args, **kwargs)
        self._append(operator, args, kwargs, out)
        return out

    def _run_composite(
        self, func: Any, operator: Operator, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Let torch take it apart under our eyes. Of composites within composites only the outermost is kept."""
        outermost = self._composite is None
        if outermost:
            self._composite = self._append(operator, args, kwargs, None)
        try:
            with self:
                out = func._op_dk(DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
            if outermost and self._composite is not None:
                self.ops[self._composite] = self.ops[self._composite]._replace(
                    outputs=self.tensors.indices(out)
                )
        finally:
            if outermost:
                self._composite = None
        return out

    def _run_layer(
        self, func: Any, operator: Operator, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """On the CPU one kernel stands for a whole LSTM layer: no counter knows it, and on meta there is none."""
        enabled = torch._C._get_mkldnn_enabled()  # torch.backends sets more than this, and warns
        torch._C._set_mkldnn_enabled(False)  # noqa: FBT003 - its only argument
        try:
            return self._run_composite(func, operator, args, kwargs)
        finally:
            torch._C._set_mkldnn_enabled(enabled)

    def _note_write(self, written: Any) -> None:
        for tensor in written if isinstance(written, (list, tuple)) else (written,):
            if isinstance(tensor, Tensor):
                self._before.keep_values(tensor)

    def _append(
        self, operator: Operator, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
    ) -> int:
        inputs, attributes = self._arguments(operator, args, kwargs)
        outputs = self.tensors.indices(out)
        row = trace.Op(
            operator.name,
            self.modules.running,
            inputs,
            outputs,
            attributes,
            self._composite,
            operator.composite,
        )
        self.ops.append(row)
        return len(self.ops) - 1

    def _arguments(
        self, operator: Operator, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[int | None, ...], dict[str, Any]]:
        """Tensors in the schema's order, and the other arguments that differ from their defaults, by name."""
        inputs: list[int | None] = []
        attributes: dict[str, Any] = {}
        for position, (name, holds_tensors, default) in enumerate(operator.arguments):
            value = args[position] if position < len(args) else kwargs.get(name, default)
            if holds_tensors:
                inputs.extend(self.tensors.indices(value) or (None,))
            elif (
                value is not None
                and (default is None or value != default)
                and name not in PLACEMENT
            ):
                attributes[name] = _plain(value)
        return tuple(inputs), attributes


def _as_written(model: nn.Module) -> nn.Module:
    """The module inside ``torch.compile(model)``; any other is itself."""
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    if compiler is not None and isinstance(model, compiler.OptimizedModule):
        return _as_written(model._orig_mod)
    return model


def _without_lazy_modules(model: nn.Module, inputs: Sequence[Tensor]) -> nn.Module:
    """The model, or where it has lazy modules a copy whose modules have got their shapes from a pass of its own.

    That pass also fills the new parameters, which is no part of what the model does.
    """
    if not _has_lazy_modules(model):
        return model
    another: Any = (
        nn.UninitializedBuffer
    )  # torch knows how to copy a lazy parameter, and not how to copy one of these
    copied = {
        id(each): another(device=each.device, dtype=each.dtype) for each in _lazy(model.buffers())
    }
    model, inputs = deepcopy((model, inputs), {**copied})
    with _measuring(model):
        model(*inputs)
    return model


def _has_lazy_modules(model: nn.Module) -> bool:
    return bool(_lazy(chain(model.parameters(), model.buffers())))


def _lazy(tensors: Iterable[Tensor]) -> list[Tensor]:
    return list(filter(is_lazy, tensors))


@contextmanager
def _measuring(model: nn.Module) -> Iterator[None]:
    """In eval mode, without gradients, and without compiling. The flags are for others to put back."""
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        if "torch._dynamo" in sys.modules:  # else nothing can have been compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            warnings.filterwarnings(
                "ignore", "Using `torch.compile", UserWarning
            )  # of global hooks, as ours
        model.eval()
        yield


def _device(model: nn.Module, inputs: Sequence[Tensor]) -> str:
    """Where a pass runs: where its inputs are, or else what the model owns."""
    first = next(chain(inputs, model.parameters(), model.buffers()), None)
    return "cpu" if first is None else first.device.type


def _plain(value: Any) -> Any:
    """The value as JSON can hold it; what it cannot is kept as its text, or as its type's."""
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    return str(value) if isinstance(value, READABLE) else type(value).__name__
