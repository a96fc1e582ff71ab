"""Recording by parts: a call that was seen before is not run again.

A part is the call of a module or of an operator. The first time it runs, and what it does is
recorded; each later call with equal arguments returns new tensors of the same shapes. A variant
then takes only its own Python, from one known part to the next.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.modules import module as hooks_of_torch

from ucseg_cli.engine.parts.outputs import Fresh, Given, Nest, Outputs, describe_outputs
from ucseg_cli.engine.parts.signatures import (
    Call,
    Signatures,
    UnknownValueError,
    address_of,
    signed_call,
)
from ucseg_cli.engine.parts.wires import Wires, tensors_of
from ucseg_cli.engine.recording.dispatch import DispatchMode
from ucseg_cli.engine.recording.fused_kernels import without_fast_path
from ucseg_cli.engine.recording.record import record
from ucseg_cli.engine.recording.restore import settings_restored
from ucseg_cli.engine.recording.way_on_cpu import ASKS_FOR_DEVICE
from ucseg_cli.engine.user_code.isolation import state_of_generators
from ucseg_cli.facts import parts as facts

UNSEEN: Any = object()
IS_GONE: Any = torch.UntypedStorage._expired
"""Whether nothing holds the storage that a weak reference is to."""
HOOKED = "a hook that may return something else"
HOOKS = [name for name in vars(hooks_of_torch) if name.startswith("_global") and "hook" in name]


class WholeOnlyError(Exception):
    """A pass that cannot be recorded by parts; recording it whole gives the answer."""


class Part(NamedTuple):
    """A call with arguments of certain shapes: equal calls are equal parts.

    Args:
        number: its place in the book.
        outputs: what it returns; None where only running it again gives that.
    """

    number: int
    outputs: Outputs | None = None


class _Storage:
    """A storage that a part made, alive from step number *begin* up to *end*."""

    __slots__ = ("begin", "end", "number", "reference", "size")

    def __init__(self, storage: torch.UntypedStorage, begin: int) -> None:
        self.begin, self.size = begin, storage.nbytes()
        self.end: int | None = None
        self.reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
        self.number = self.reference.cdata  # asking by this is faster


class Run(NamedTuple):
    """A pass: what ran, and the bytes and the shapes that went in."""

    composed: facts.Composed
    input_bytes: int
    inputs: tuple[tuple[int, ...], ...]


class PartsRecorder(DispatchMode):
    """Runs variants of a design one after the other, and remembers their parts.

    With *wired*, which step takes what another one returned is kept, too.
    """

    def __init__(self, parts: list[facts.Part], *, wired: bool = True) -> None:
        super().__init__()
        self.parts, self.wired = parts, wired
        self.signatures = Signatures()
        self._wires = Wires() if wired else None
        self._book: dict[Hashable, Part | None] = {}
        self._is_watching = False
        self._call_whole: Any = nn.Module.__call__
        self._begin(None, ())

    def _begin(self, model: nn.Module | None, inputs: Sequence[Tensor]) -> None:
        self._model = model
        self._steps: list[Part] = []
        self._made: list[_Storage] = []
        self._alive: dict[int, _Storage] = {}
        self._inputs = {address_of(tensor) for tensor in inputs}
        self._weights: set[int] | None = None
        if self._wires is not None:
            self._wires.begin(inputs)

    @contextmanager
    def watching_calls(self) -> Iterator[None]:
        """While it lasts, a module that *run* calls may be answered for by what is known of it.

        Its signature is worked out again after any attribute of a module is set: a module may set
        on another one what that does in its next call.
        """
        whole = self._call_whole = nn.Module.__call__
        plain = nn.Module.__setattr__

        def called(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            return self._call(module, args, kwargs)

        def noticed(module: nn.Module, name: str, value: Any) -> None:
            if self._is_watching:
                self.signatures.forget()
            plain(module, name, value)

        with ExitStack() as stack:
            stack.enter_context(settings_restored())
            stack.enter_context(without_fast_path())
            stack.enter_context(torch.no_grad())
            nn.Module.__call__ = called  # type: ignore[method-assign]
            nn.Module.__setattr__ = noticed  # type: ignore[assignment,method-assign]
            try:
                yield
            finally:
                nn.Module.__call__ = whole  # type: ignore[method-assign]
                nn.Module.__setattr__ = plain  # type: ignore[method-assign]

    def run(self, model: nn.Module, positional: Sequence[Any], keywords: Mapping[str, Any]) -> Run:
        """One forward pass on arguments without data; the model is in eval mode.

        Raises WholeOnlyError, and whatever forward raises.
        """
        if any(getattr(hooks_of_torch, name) for name in HOOKS):
            raise WholeOnlyError("a hook on every module")
        with torch._C.DisableTorchFunction():
            call = _signed(None, tuple(positional), keywords)
            if call is None:
                raise WholeOnlyError("an argument that cannot be compared")
            self._begin(model, call.tensors)
            inputs = {address_of(tensor): tensor.untyped_storage() for tensor in call.tensors}
            if self.wired and len(inputs) < len(call.tensors):
                raise WholeOnlyError("inputs that share their data")
            shapes = tuple(tuple(tensor.shape) for tensor in call.tensors)
        with torch._C._AutoDispatchBelowADInplaceOrView(), self, self._watching(calls=True):
            # held until the end, since what it returns is not let go
            outputs = self._call_whole(model, *positional, **keywords)
        self._note_freed()
        wiring = self._wiring_since(0, model, call.tensors, outputs)
        del outputs
        size = sum(storage.nbytes() for storage in inputs.values())
        return Run(self._composed_since(0, wiring), size, shapes)

    @contextmanager
    def _watching(self, *, calls: bool) -> Iterator[None]:
        before, self._is_watching = self._is_watching, calls
        try:
            yield
        finally:
            self._is_watching = before

    # Modules

    def _call(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self._is_watching:
            return self._call_whole(module, *args, **kwargs)
        _refuse_casts()
        with torch._C.DisableTorchFunction():
            number = self.signatures.of_module(module)
            call = None if number is None else _signed(number, args, kwargs)
            part = UNSEEN if call is None else self._book.get(call.signature, UNSEEN)
            if call is not None and part is not UNSEEN and part is not None:
                with torch._C._DisableTorchDispatch():
                    return self._repeat(part, call, module)
        if call is None or part is None:
            return self._call_inside(module, args, kwargs)
        self._note_freed()
        random_state = state_of_generators()
        begin, wired = len(self._steps), self._wires.count if self._wires else 0
        out = self._call_whole(module, *args, **kwargs)
        with torch._C.DisableTorchFunction():
            is_same = self.signatures.look_again(module) == number and call.is_unchanged()
            is_same &= state_of_generators() == random_state
            part = self._closed(begin, wired, call, out, module) if is_same else None
            self._book[call.signature] = part
            if self._wires is not None:
                if part is None:
                    self._wires.add(None, (), out, module)
                else:  # from outside it is one step, as it will be from now on
                    given = self._wires.of(call.tensors)
                    self._wires.replace(wired, part.number, given, out, module)
        return out

    def _call_inside(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a module that is not a part: the steps inside are those of the module around it."""
        out = self._call_whole(module, *args, **kwargs)
        if self._wires is not None:
            if module._forward_hooks:
                raise WholeOnlyError(HOOKED)
            self._wires.add(None, (), out, module)
        return out

    def _closed(
        self, begin: int, wired: int, call: Call, out: Any, module: nn.Module
    ) -> Part | None:
        """The part from step *begin* on; None where another call may do otherwise."""
        self._note_freed()
        left = {address for address, one in self._alive.items() if one.begin >= begin}
        try:
            outputs = describe_outputs(out, call.tensors, left)
            wiring = self._wiring_since(wired, module, call.tensors, out)
        except UnknownValueError:
            return None
        if left:  # kept somewhere
            return None
        return self._written(self._composed_since(begin, wiring), outputs)

    def _composed_since(self, begin: int, wiring: facts.Wiring | None) -> facts.Composed:
        """The steps from *begin* on; only what is alive now, or returned, has no end."""
        made = tuple(
            facts.Made(one.size, one.begin - begin, None if one.end is None else one.end - begin)
            for one in self._made
            if one.begin >= begin
        )
        return facts.Composed(tuple(part.number for part in self._steps[begin:]), made, wiring)

    def _wiring_since(
        self, wired: int, module: nn.Module, inputs: Sequence[Tensor], out: Any
    ) -> facts.Wiring | None:
        if self._wires is None:
            return None
        if module._forward_hooks:
            raise WholeOnlyError(HOOKED)
        return self._wires.since(wired, module, inputs, out)

    def _written(self, part: facts.Part, outputs: Outputs | None) -> Part:
        """Enter a part into the book."""
        self.parts.append(part)
        return Part(len(self.parts) - 1, outputs)

    # Operators

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is ASKS_FOR_DEVICE or isinstance(func, HigherOrderOperator):
            raise WholeOnlyError(str(func))
        _refuse_casts()
        call = _signed(func, args, kwargs)
        if call is None:
            raise WholeOnlyError(str(func))
        self._refuse_unknown(func, call.tensors)
        part = self._book.get(call.signature)
        if part is None:
            return self._first(func, call, args, kwargs)
        if part.outputs is not None:
            return self._repeat(part, call)
        self._note(part)
        return self._wired(func(*args, **kwargs), part, call)

    def _first(self, func: Any, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operator that is new, and record it as a network of its own."""
        returned, redraws, sizes = [], False, _sizes(call.tensors)

        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal redraws
            returned.append(func(*args, **kwargs))
            redraws = not call.is_unchanged()  # as unsqueeze_ does
            if _sizes(call.tensors) != sizes:
                raise WholeOnlyError("a storage that grows")
            return returned[0]

        with self._watching(calls=False):
            trace = record(_OneCall(run), *args, keywords=kwargs)
        (out,) = returned
        if redraws:  # what was recorded is undone
            func(*args, **kwargs)
        fresh = self._fresh_among(tensors_of(out), call.tensors)
        left = set(fresh)
        try:
            outputs = None if redraws else describe_outputs(out, call.tensors, left)
        except UnknownValueError:
            if fresh:
                raise WholeOnlyError(str(func)) from None
            outputs = None  # views, which are soon made again
        part = self._book[call.signature] = self._written(trace, outputs)
        number = self._note(part)
        for tensor in fresh.values():
            self._note_made(tensor, number)
        return self._wired(out, part, call)

    def _fresh_among(
        self, tensors: Sequence[Tensor], inputs: Sequence[Tensor]
    ) -> dict[int, Tensor]:
        """The outputs on new storages, by address; raises WholeOnlyError for one with data."""
        known = {*map(address_of, inputs)}
        if not all(tensor.is_meta for tensor in tensors):
            raise WholeOnlyError("it makes a tensor with data")
        return {
            address: tensor for tensor in tensors if (address := address_of(tensor)) not in known
        }

    def _refuse_unknown(self, func: Any, tensors: Sequence[Tensor]) -> None:
        """Raise WholeOnlyError for a tensor of unknown origin, or one that has data."""
        for tensor in tensors:
            address = address_of(tensor)
            if address in self._alive or address in self._inputs:
                continue
            if not tensor.is_meta or address not in self._weight_addresses():
                raise WholeOnlyError(f"{func} reads a tensor that nothing made")

    def _weight_addresses(self) -> set[int]:
        if self._weights is None:
            model = self._model or nn.Module()
            self._weights = {address_of(one) for one in (*model.parameters(), *model.buffers())}
        return self._weights

    # Both

    def _note(self, part: Part) -> int:
        """Let a part have run; gives its number."""
        self._note_freed()
        self._steps.append(part)
        return len(self._steps) - 1

    def _repeat(self, part: Part, call: Call, module: nn.Module | None = None) -> Any:
        out = self._make(part.outputs, call.tensors, self._note(part))
        return self._wired(out, part, call, module)

    def _wired(self, out: Any, part: Part, call: Call, module: nn.Module | None = None) -> Any:
        if self._wires is not None:
            self._wires.add(part.number, self._wires.of(call.tensors), out, module)
        return out

    def _make(self, outputs: Outputs | None, tensors: Sequence[Tensor], number: int) -> Any:
        match outputs:
            case Fresh():
                tensor = outputs.make()
                self._note_made(tensor, number)
                return tensor
            case Given():
                return tensors[outputs.number]
            case Nest():
                made = [self._make(value, tensors, number) for value in outputs.values]
                return outputs.gather(made)
        return None

    def _note_made(self, tensor: Tensor, number: int) -> None:
        address = address_of(tensor)
        if (before := self._alive.get(address)) is not None:  # freed since we last looked
            before.end = number
        made = self._alive[address] = _Storage(tensor.untyped_storage(), number)
        self._made.append(made)

    def _note_freed(self) -> None:
        """Storages that are gone were freed after the last part: nothing else ran since."""
        gone = [address for address, made in self._alive.items() if IS_GONE(made.number)]
        for address in gone:
            self._alive.pop(address).end = len(self._steps)


class _OneCall(nn.Module):
    """A network of one operator; weights are among its inputs."""

    def __init__(self, func: Any) -> None:
        super().__init__()
        self.forward = func


def _sizes(tensors: Sequence[Tensor]) -> list[int]:
    return [tensor.untyped_storage().nbytes() for tensor in tensors]


def _refuse_casts() -> None:
    """Raise WholeOnlyError under autocast, which casts no tensor that is on meta."""
    if torch.is_autocast_enabled("cpu"):
        raise WholeOnlyError("autocast")


def _signed(called: Hashable, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | None:
    try:
        return signed_call(called, args, kwargs)
    except UnknownValueError:
        return None
