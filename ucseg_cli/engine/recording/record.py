"""One forward pass as a Trace: every operator with its shapes and the module that ran it.

Operators are seen at torch's dispatcher, below autograd and above their decomposition, so that a
composite such as ``adaptive_avg_pool2d`` is seen as itself and then as the kernels it is made of.
No Python function is patched and no module gets a hook of its own, so the answer does not depend
on how the model calls what it calls.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from itertools import chain, starmap
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import DispatchKey  # the dispatcher's keys have no public name
from torch._ops import HigherOrderOperator  # nor has this class
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves

from ucseg_cli.engine.recording.dispatch import (
    DispatchMode,
    Operator,
    as_unwatched,
    operator_of,
    running_through,
)
from ucseg_cli.engine.recording.fused_kernels import without_kernel_of
from ucseg_cli.engine.recording.meta_shapes import output_on_meta
from ucseg_cli.engine.recording.module_rows import ModuleTree
from ucseg_cli.engine.recording.restore import Snapshot, restored_afterwards
from ucseg_cli.engine.recording.tensor_numbers import Numbering, argument_names, named_tensors_in
from ucseg_cli.engine.recording.way_on_cpu import (
    ASKS_FOR_DEVICE,
    OnCpu,
    Way,
    lay_out,
    run,
    run_on_cpu,
    way_on_cpu,
)
from ucseg_cli.errors import ModelError
from ucseg_cli.facts import trace

PLACEMENT = {"device", "layout", "pin_memory"}
"""Arguments that say where a tensor lies, not what is computed."""

RAISED = " (raised)"
"""After the name of a call that raised, which no convention prices."""

NUMBERS = (bool, int, float, complex)

READABLE = (complex, torch.dtype, torch.device, torch.layout, torch.memory_format)
"""Values whose text is the same in every run."""


def record(
    model: nn.Module,
    *inputs: Any,
    keywords: Mapping[str, Any] | None = None,
    taps: Mapping[str, str] | None = None,
) -> trace.Trace:
    """One forward pass of *model* on its arguments, in eval mode and without gradients.

    Args:
        model: any module. It, its inputs and torch's settings are afterwards as they were, even if
            forward raises. Lazy modules stay lazy, and ``torch.compile`` compiles nothing.
        inputs: tensors on the model's device; on meta a larger input costs no more. Lists and
            dictionaries may hold them, and other values are passed as they are.
        keywords: the same by name.
        taps: names for modules whose outputs are of interest, name to path.

    Raises RuntimeError where the model runs in a thread of its own, and whatever forward raises.
    """
    model, keywords = not_compiled(model), dict(keywords or {})
    names = argument_names(inputs, keywords)
    with ExitStack() as stack:
        snapshot = stack.enter_context(restored_afterwards(model, *inputs, keywords))
        model = without_lazy_modules(model, inputs, keywords)
        recorder = Recorder(model, (*inputs, keywords), snapshot)
        stack.enter_context(_measuring(model))
        stack.enter_context(recorder.modules.following_calls())
        # Autograd would take composites apart before the recorder sees them, and a tensor would
        # count its versions: this is what inference_mode is made of.
        stack.enter_context(torch._C._AutoDispatchBelowADInplaceOrView())
        stack.enter_context(recorder)
        with passing(recorder):
            # held until the end, since what it returns is not let go
            outputs = model(*inputs, **keywords)
        return recorder.traced(model, outputs, names, taps)


@contextmanager
def passing(recorder: Recorder) -> Iterator[None]:
    """While it lasts, an error gets the last modules that ran as a note."""
    try:
        yield
    except Exception as error:
        error.add_note(recorder.modules.progress())
        raise


def _refuse_unseen_layers(
    model: nn.Module, rows: Iterable[trace.Module], ops: Iterable[trace.Op]
) -> None:
    """Raise RuntimeError where a layer of torch returned what no operator made, as in a thread."""
    made = set(chain.from_iterable(op.outputs for op in ops))
    called = (row for row in rows if row.calls and row.parameters and row.outputs)
    for row in called:
        is_layer = type(model.get_submodule(row.path)).__module__.startswith("torch.nn.")
        if is_layer and not made.intersection(row.outputs):
            raise RuntimeError(
                f"{row.path or 'it'} computes where no operator is seen, as in another thread or "
                "under torch.vmap"
            )


def trace_modules(model: nn.Module, failure: str | None = None) -> trace.Trace:
    """The modules of a model that does not run, with what they own; *failure* says why it cannot.

    Raises ModelError where one is lazy.
    """
    model = not_compiled(model)
    if lazy := _lazy_modules(model):
        raise ModelError(
            f"no forward pass gives {lazy} a shape",
            notes=(failure,) if failure else (),
            help="give its sizes, as in nn.Linear(64, 10) instead of nn.LazyLinear(10)",
        )
    tensors = Numbering(())
    tree = ModuleTree(model, tensors)
    return trace.Trace(
        modules=tree.rows(),
        tensors=tuple(tensors.rows),
        storages=tuple(tensors.storages),
        freed=tuple(tensors.freed),
        device=_device(model, ()),
        unsaved=tree.unsaved,
        beside=tree.beside,
        failure=failure,
    )


class Recorder(DispatchMode):
    """Sees every operator and keeps it as a row."""

    def __init__(
        self,
        model: nn.Module,
        arguments: Sequence[Any],
        snapshot: Snapshot,
        tree: type[ModuleTree] = ModuleTree,
    ) -> None:
        super().__init__()
        self.ops: list[trace.Op] = []
        self.tensors = Numbering(self.ops)
        self.inputs = self.tensors.indices(arguments)
        self.modules = tree(model, self.tensors)
        self.device = _device(model, arguments)
        self._snapshot = snapshot
        self._composite: int | None = None
        self._within = ""
        tensors = _tensors_of(model, arguments)
        self._run = run_on_cpu if any(isinstance(x, OnCpu) for x in tensors) else run

    def traced(
        self,
        model: nn.Module,
        outputs: Any,
        input_names: tuple[str, ...],
        taps: Mapping[str, str] | None,
    ) -> trace.Trace:
        """The pass as it was seen; raises RuntimeError where a layer of torch ran unseen."""
        modules, tensors = self.modules.rows(), self.tensors
        _refuse_unseen_layers(model, modules, self.ops)
        return trace.Trace(
            modules=modules,
            outputs=tensors.indices(outputs),
            tensors=tuple(tensors.rows),
            storages=tuple(tensors.storages),
            freed=tuple(tensors.freed),
            ops=tuple(self.ops),
            inputs=self.inputs,
            input_names=input_names,
            taps=tuple(starmap(trace.Tap, (taps or {}).items())),
            device=self.device,
            unsaved=self.modules.unsaved,
            beside=self.modules.beside,
        )

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is ASKS_FOR_DEVICE:
            return OnCpu.device_now()
        if isinstance(func, HigherOrderOperator):
            return self._run_through(func, args, kwargs)
        operator = operator_of(func)
        if operator.composite:
            return self._run_composite(func, operator, args, kwargs)
        if (unwatched := as_unwatched(operator.name, self._within)) is not None:
            func, operator = unwatched, operator_of(unwatched)
        if operator.name == "_convolution":
            # A script made by torch.jit.trace calls this: more arguments, the same kernel.
            return self.__torch_dispatch__(torch.ops.aten.convolution.default, types, args[:9])
        for position in operator.written:
            name = operator.arguments[position].name
            self._note_write(args[position] if position < len(args) else kwargs.get(name))
        out = output_on_meta(operator.name, args, kwargs)
        if out is None:
            out = self._run(func, args, kwargs)
        self._append(operator, args, kwargs, out)
        return out

    def _run_composite(
        self, func: Any, operator: Operator, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Let torch take it apart while we watch, and keep the outermost of nested composites."""
        outermost, around = self._composite is None, self._within
        self._within = operator.name
        way = way_on_cpu(func, args, kwargs) if outermost else None
        if outermost:
            self._composite = self._append(operator, args, kwargs, None)
        try:
            # The mode is off while it handles a call; on again, it sees the parts, too.
            with without_kernel_of(operator.name), self:
                out = func._op_dk(DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
            # The row was kept before the parts, so that it stands above them; now it has outputs.
            if outermost and self._composite is not None:
                whole = self.ops[self._composite]._replace(outputs=self.tensors.indices(out))
                self.ops[self._composite] = whole if way is None else _on_its_way(whole, way, out)
        except Exception:
            # The model may catch it; a call that came to nothing has no outputs, and no price.
            if outermost and self._composite is not None:
                failed = self.ops[self._composite]
                self.ops[self._composite] = failed._replace(name=f"{failed.name}{RAISED}")
            raise
        finally:
            self._within = around
            if outermost:
                self._composite = None
        return out

    def _run_through(
        self, func: HigherOrderOperator, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Record the branch or body that runs: such an operator only chooses or repeats others."""
        with self, running_through(func) as run:
            return run(*args, **kwargs)

    def _note_write(self, written: Any) -> None:
        for tensor in written if isinstance(written, (list, tuple)) else (written,):
            if isinstance(tensor, Tensor):
                self._snapshot.keep_values(tensor)

    def _append(
        self, operator: Operator, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
    ) -> int:
        """Keep a call as a row: its tensors, and the other arguments that are not the default."""
        inputs: list[int | None] = []
        attributes: dict[str, Any] = {}
        for position, (name, holds_tensors, default, kept) in enumerate(operator.arguments):
            value = args[position] if position < len(args) else kwargs.get(name, default)
            if holds_tensors:
                inputs.extend(self.tensors.indices(value) or (None,))
                if isinstance(value, NUMBERS):  # in the place of a tensor, as in ``x * 2``
                    attributes[name] = _plain(value)
            elif value is None or name in PLACEMENT:
                continue
            elif kept or _differs(value, default):
                attributes[name] = _plain(value)
        outputs, module = self.tensors.indices(out), self.modules.running
        row = trace.Op(operator.name, module, tuple(inputs), outputs, attributes)
        self.ops.append(row._replace(parent=self._composite, composite=operator.composite))
        return len(self.ops) - 1


def _on_its_way(op: trace.Op, way: Way, out: Any) -> trace.Op:
    """The call with what the CPU holds in it, its outputs laid out as the CPU leaves them."""
    lay_out(tree_leaves(out), way.strides)
    kernel = {trace.KERNEL: way.kernel} if way.kernel else {}
    return op._replace(attributes={**op.attributes, trace.HELD: way.held, **kernel})


def _differs(value: Any, default: Any) -> bool:
    """Whether an argument is not its default; a packed weight cannot be compared, nor has one."""
    return default is None or bool(value != default)


def not_compiled(model: nn.Module) -> nn.Module:
    """The module inside ``torch.compile(model)``; any other is itself."""
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    if compiler is not None and isinstance(model, compiler.OptimizedModule):
        return not_compiled(model._orig_mod)
    return model


def without_lazy_modules(
    model: nn.Module, inputs: Sequence[Any], keywords: Mapping[str, Any]
) -> nn.Module:
    """The model, or where it has lazy modules a copy that a first pass has given its shapes.

    That pass also fills the new parameters, which is not part of the model's own work. Raises
    ModelError where it leaves one without a shape.
    """
    if not has_lazy_modules(model):
        return model
    # torch can copy a lazy parameter, and cannot copy a lazy buffer.
    empty: Any = nn.UninitializedBuffer
    lazy = filter(is_lazy, model.buffers())
    copied: dict[int, Any] = {id(old): empty(device=old.device, dtype=old.dtype) for old in lazy}
    model, inputs, keywords = deepcopy((model, inputs, keywords), copied)
    with _measuring(model):
        model(*inputs, **keywords)
    if unused := _lazy_modules(model):
        raise ModelError(f"forward does not run {unused}")
    return model


def _lazy_modules(model: nn.Module) -> str:
    """The paths of its modules without shapes; empty if there is none."""
    named = model.named_modules()
    lazy = [path or "the model" for path, one in named if has_lazy_modules(one, recurse=False)]
    return ", ".join(lazy)


def has_lazy_modules(model: nn.Module, *, recurse: bool = True) -> bool:
    """Whether any of its parameters or buffers gets its shape from a forward pass."""
    return any(map(is_lazy, chain(model.parameters(recurse), model.buffers(recurse))))


@contextmanager
def _measuring(model: nn.Module) -> Iterator[None]:
    """In eval mode, without gradients or compiling; the caller puts the modules' flags back."""
    with torch.no_grad(), without_compiling():
        model.eval()
        yield


@contextmanager
def without_compiling() -> Iterator[None]:
    """While it lasts, ``torch.compile`` compiles nothing; the caller restores the warnings."""
    if "torch._dynamo" not in sys.modules:  # then nothing can have been compiled
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        # torch warns of global hooks, and ours are among them.
        warnings.filterwarnings("ignore", "Using `torch.compile", UserWarning)
        yield


def _tensors_of(model: nn.Module, arguments: Sequence[Any]) -> Iterator[Tensor]:
    """Those that go in, and then the model's own."""
    given = (tensor for _, tensor in named_tensors_in(arguments))
    return chain(given, model.parameters(), model.buffers())


def _device(model: nn.Module, arguments: Sequence[Any]) -> str:
    """The device of the inputs, or else of the model's own tensors."""
    first = next(_tensors_of(model, arguments), None)
    if isinstance(first, OnCpu):
        return "meta"
    return "cpu" if first is None else first.device.type


def _plain(value: Any) -> Any:
    """The value as JSON can hold it; any other is kept as its text, or as its type's name."""
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    return str(value) if isinstance(value, READABLE) else type(value).__name__
