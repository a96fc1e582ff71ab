"""One trace of only those steps of a variant that lead to certain modules."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from ucseg_cli.facts.parts import Assembled, Composed, Part, PartBook, Step, Wiring
from ucseg_cli.facts.trace import Module, Op, Tensor, Trace


class _Effect(NamedTuple):
    """The effect of a part on storages, each by the position of the input that is on it.

    Args:
        outputs: the storages of what it returns; None for a new one.
        written: those that it writes to.
    """

    outputs: tuple[int | None, ...]
    written: frozenset[int]


class Slice(NamedTuple):
    """Some steps of a pass, and the shapes that go in; equal for variants that have them alike."""

    wiring: Wiring
    inputs: tuple[tuple[int, ...], ...]


class Slices:
    """Slices of variants that are made of the parts in a book."""

    def __init__(self, book: PartBook) -> None:
        self._book = book
        self._effects: dict[int, _Effect] = {}

    def slice_to(self, variant: Assembled, modules: Sequence[str]) -> Slice:
        """The steps that decide what the modules at these paths return.

        The empty path is that of the variant itself.
        """
        wiring = wiring_of(variant.run)
        kept = self._kept(wiring, modules)
        steps = tuple(step for number, step in enumerate(wiring.steps) if number in kept)
        outputs = wiring.outputs if "" in modules else ()
        return Slice(Wiring(wiring.inputs, steps, outputs), variant.inputs)

    def trace(self, of: Slice) -> Trace:
        """A slice as one pass, without weights."""
        return _Joined(self._book.parts).trace(of)

    def _kept(self, wiring: Wiring, modules: Sequence[str]) -> set[int]:
        """The steps that may change what these modules return, by number."""
        storages, written = self._storages(wiring)
        kept = {n for n, step in enumerate(wiring.steps) if _leads_to(step, modules)}
        needed: set[int | None] = {storages.get(n) for n in wiring.outputs if "" in modules}
        before = -1
        while len(kept) + len(needed) > before:
            before = len(kept) + len(needed)
            for number, step in reversed(list(enumerate(wiring.steps))):
                changed = {storages.get(one) for one in step.outputs} | written[number]
                if number in kept or (step.part is not None and needed & (changed - {None})):
                    kept.add(number)
                    needed |= changed | {storages.get(one) for one in step.inputs}
        return kept

    def _storages(
        self, wiring: Wiring
    ) -> tuple[dict[int | None, int | None], list[set[int | None]]]:
        """A number for the storage of each tensor, and those that each step writes to."""
        storages: dict[int | None, int | None] = {n: n for n in range(wiring.inputs)}
        written: list[set[int | None]] = []
        for step in wiring.steps:
            given = [storages.get(tensor) for tensor in step.inputs]
            effect = self._effect(step.part)
            for tensor, at in zip(step.outputs, effect.outputs, strict=False):
                storages[tensor] = tensor if at is None else given[at]
            written.append({given[at] for at in effect.written})
        return storages, written

    def _effect(self, part: int | None) -> _Effect:
        if part is None:
            return _Effect((), frozenset())
        if part not in self._effects:
            found = self._book.parts[part]
            self._effects[part] = (
                self._effect_of_steps(wiring_of(found))
                if isinstance(found, Composed)
                else _effect_of_operator(found)
            )
        return self._effects[part]

    def _effect_of_steps(self, wiring: Wiring) -> _Effect:
        storages, written = self._storages(wiring)
        inputs = range(wiring.inputs)
        outputs = (storages.get(tensor) for tensor in wiring.outputs)
        return _Effect(
            tuple(one if one in inputs else None for one in outputs),
            frozenset(one for one in chain(*written) if one is not None and one in inputs),
        )


def wiring_of(part: Composed) -> Wiring:
    """Its wiring; raises ValueError where none was kept."""
    if part.wiring is None:
        raise ValueError("it was recorded without its wiring")
    return part.wiring


def _leads_to(step: Step, modules: Sequence[str]) -> bool:
    """Whether it is, or contains, the call of one of these modules."""
    path = step.module
    if path is None or step.part is None:
        return path in modules
    return any(one == path or one.startswith(f"{path}.") for one in modules)


def _effect_of_operator(part: Trace) -> _Effect:
    on = [part.tensors[tensor].storage for tensor in part.inputs]
    outputs = (part.tensors[tensor].storage for tensor in part.outputs)
    in_place = (set(op.inputs).intersection(op.outputs) for op in part.ops)
    written = {part.tensors[tensor].storage for tensor in chain(*in_place) if tensor is not None}
    return _Effect(
        tuple(on.index(storage) if storage in on else None for storage in outputs),
        frozenset(at for at, storage in enumerate(on) if storage in written),
    )


class _Joined:
    """A trace in the making."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._tensors: list[Tensor] = []
        self._storages: list[int] = []
        self._ops: list[Op] = []
        self._modules = {"": 0}
        self._outputs: dict[str, tuple[int, ...]] = {}

    def trace(self, of: Slice) -> Trace:
        """All of a slice."""
        inputs = [self._add(shape, "", self._new_storage(0)) for shape in of.inputs]
        self._note_call("", self._run_steps(of.wiring, inputs, ""))
        modules = (Module(path, "", outputs=self._outputs.get(path, ())) for path in self._modules)
        return Trace(
            modules=tuple(modules),
            tensors=tuple(self._tensors),
            storages=tuple(self._storages),
            freed=(None,) * len(self._storages),
            ops=tuple(self._ops),
            inputs=tuple(inputs),
        )

    def _run_steps(
        self, wiring: Wiring, given: Sequence[int | None], path: str
    ) -> list[int | None]:
        """Add the steps, as called in the module at *path*; gives what they return."""
        known: dict[int | None, int | None] = dict(enumerate(given))
        for step in wiring.steps:
            inside = path if step.module is None else _below(path, step.module)
            if step.part is not None:
                taken = [known.get(tensor) for tensor in step.inputs]
                out = self._run(self._parts[step.part], taken, inside)
                known.update(zip(step.outputs, out, strict=True))
            if step.module is not None:
                self._note_call(inside, [known.get(tensor) for tensor in step.outputs])
        return [known.get(tensor) for tensor in wiring.outputs]

    def _run(self, part: Part, given: Sequence[int | None], path: str) -> list[int | None]:
        if isinstance(part, Composed):
            return self._run_steps(wiring_of(part), given, path)
        return self._run_operator(part, given, path)

    def _run_operator(
        self, part: Trace, given: Sequence[int | None], path: str
    ) -> list[int | None]:
        pairs = zip(part.inputs, given, strict=True)
        known = {one: tensor for one, tensor in pairs if tensor is not None}
        storages = {
            part.tensors[one].storage: self._tensors[at].storage for one, at in known.items()
        }
        for one, (shape, dtype, storage) in enumerate(part.tensors):
            if one not in known:
                if storage not in storages:
                    storages[storage] = self._new_storage(part.storages[storage])
                known[one] = self._add(shape, dtype, storages[storage])
        module, first = self._modules.setdefault(path, len(self._modules)), len(self._ops)
        for op in part.ops:
            self._ops.append(
                op._replace(
                    module=module,
                    inputs=tuple(None if one is None else known[one] for one in op.inputs),
                    outputs=tuple(known[one] for one in op.outputs),
                    parent=None if op.parent is None else op.parent + first,
                )
            )
        return [known[one] for one in part.outputs]

    def _note_call(self, path: str, outputs: Sequence[int | None]) -> None:
        self._modules.setdefault(path, len(self._modules))
        self._outputs[path] = tuple(tensor for tensor in outputs if tensor is not None)

    def _new_storage(self, size: int) -> int:
        self._storages.append(size)
        return len(self._storages) - 1

    def _add(self, shape: tuple[int, ...], dtype: str, storage: int) -> int:
        self._tensors.append(Tensor(shape, dtype, storage))
        return len(self._tensors) - 1


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
