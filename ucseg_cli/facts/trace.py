"""A trace: one forward pass as one small frozen value. Everything else is arithmetic on it.

It has the module tree with its parameters and buffers, every tensor with its storage (so views and
in-place writes are known), and every operator in the order it ran. Operators stand at two levels: a
composite such as ``linear``, as the model called it, is the parent of the kernels it was made of
(``t``, ``addmm``). A convention may price either level, and nothing is counted at both.

Rows are named tuples, not dataclasses: a trace has a thousand, and reading them takes most of the
time of a cached answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from math import prod
from typing import Any, NamedTuple

from ucseg_cli.errors import Place

NO_FORWARD = "a state dict has no forward pass"
"""The failure of a trace that has modules out of a checkpoint."""

HELD, KERNEL = "held", "kernel"
"""Attributes of a call for which the CPU takes another way than its parts show.

*held* are the tensors that the call makes and that are alive at its fullest moment there (shape,
element type, bytes), *kernel* is the name of the one that runs in place of the parts, if one does.
"""


class Tensor(NamedTuple):
    """A tensor value: its shape, its element type, and the index of the storage that holds it."""

    shape: tuple[int, ...]
    dtype: str
    storage: int

    @property
    def numel(self) -> int:
        """How many elements it has."""
        return prod(self.shape)


class Weight(NamedTuple):
    """A parameter or buffer as one module owns it: *tensor* is an index, equal where two share it.

    *trainable* is None where it is unknown, as in a state dict.
    """

    name: str
    tensor: int
    trainable: bool | None


class Module(NamedTuple):
    """One entry of ``named_modules``.

    *alias_of* is the first path of the same object, where this is another. *calls* is 0 for a
    module that never ran, as for a container that is only iterated. *outputs* are the tensors of
    its last call, *output_names* the model's names for them (``out``, ``aux.0``), if it has any.
    *library* is where its class is from: ``torch.nn`` for one that torch exports, ``torchvision``
    and the like; empty for any other, whatever its name.
    """

    path: str
    type: str
    parameters: tuple[Weight, ...] = ()
    buffers: tuple[Weight, ...] = ()
    alias_of: str | None = None
    calls: int = 0
    outputs: tuple[int, ...] = ()
    output_names: tuple[str, ...] = ()
    library: str = ""


class Op(NamedTuple):
    """One operator call, named as ATen names it.

    Args:
        name: such as ``convolution`` (no overload; a namespace outside ATen, ``quantized::add``).
        module: index of the module whose forward ran it.
        inputs: tensors in the order of the operator's schema; None for an optional one left out.
        outputs: the tensors it returned. One that is also an input was written in place.
        attributes: arguments that are not tensors and differ from the schema's default; of some
            calls also HELD and KERNEL.
        parent: index of the composite operator that the model called and this is a part of.
        composite: it is only made of other operators and computes nothing itself.
    """

    name: str
    module: int
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    attributes: Mapping[str, Any]
    parent: int | None = None
    composite: bool = False


class Saved(NamedTuple):
    """An entry of a state dict beside what modules own; *shape* is None if it is not a tensor."""

    name: str
    shape: tuple[int, ...] | None


class Tap(NamedTuple):
    """A feature map with a name: the output of the module at *module*."""

    name: str
    module: str


class ConstructorAxis(NamedTuple):
    """An argument with which a model can be built, and its value in this one.

    Args:
        name: as in ``net.py:Net+NAME=value``.
        value: text, number, bool, None or a tuple of these; anything else as a text that names it.
        default: the same of its default; REQUIRED without one.
        accepts: its annotation, as its author wrote it; empty without one.
        choices: the values that an annotation closes it to, as they are typed.
    """

    name: str
    value: Any
    default: Any
    accepts: str = ""
    choices: tuple[str, ...] = ()


class Trained(NamedTuple):
    """The rest of a training step, beside its forward pass.

    Args:
        loss, backward, update: the first operators of these parts of the step.
        targets: tensors that the loss compares outputs with.
        gradients: those of the parameters that got one.
        state: what the optimizer keeps between steps.
    """

    loss: int
    backward: int
    update: int
    targets: tuple[int, ...] = ()
    gradients: tuple[int, ...] = ()
    state: tuple[int, ...] = ()


class Price(NamedTuple):
    """The price that a project gives an operator which a convention has none for.

    Args:
        op: its name as ``ucseg flops`` lists it, without underscores around it.
        convention: the one that it completes.
        formula: over the shapes of a call, as it was written.
        place: where.
    """

    op: str
    convention: str
    formula: str
    place: Place


REQUIRED = "required"
"""The default of an argument that has none."""


@dataclass(frozen=True)
class Trace:
    """One forward pass. Indices point into ``modules``, ``tensors``, ``storages`` and ``ops``.

    *storages* are sizes in bytes. *freed* has for each the number of operators that had run when
    Python's reference counts freed it; None if it was alive at the end.

    *input_names* are the keywords and keys that lead to the inputs, one for each; none if no input
    has any.

    *device* is where it ran: ``meta``, without data, or ``cpu``, with random weights, for a model
    that needs data. *failure* is why there is no forward pass: then there are only modules, and
    *ops* mean nothing.

    A state dict has what the modules own, without the names *unsaved* (buffers that are not
    persistent), and with the entries *beside* it (extra state, packed weights).

    *trained* is there if it was a training step, with all operators of forward, loss, backward and
    update.

    *prices* are a project's own, for operators that a convention leaves out. No pass has any: they
    are given to its trace before it is counted, and are not stored with it.

    *axes* are the arguments that the model can be built with, in their order; *idle* are those of
    them that were given and change nothing of all this.
    """

    modules: tuple[Module, ...]
    tensors: tuple[Tensor, ...]
    storages: tuple[int, ...]
    freed: tuple[int | None, ...]
    ops: tuple[Op, ...] = ()
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    taps: tuple[Tap, ...] = ()
    device: str = "meta"
    unsaved: tuple[str, ...] = ()
    beside: tuple[Saved, ...] = ()
    axes: tuple[ConstructorAxis, ...] = ()
    idle: tuple[str, ...] = ()
    failure: str | None = None
    input_names: tuple[str, ...] = ()
    trained: Trained | None = None
    prices: tuple[Price, ...] = ()

    @cached_property
    def by_path(self) -> dict[str, Module]:
        """Modules by path; the root's path is the empty string."""
        return {module.path: module for module in self.modules}

    def with_taps(self, taps: tuple[Tap, ...]) -> Trace:
        """The same pass with other taps."""
        return replace(self, taps=taps)

    def with_prices(self, prices: tuple[Price, ...]) -> Trace:
        """The same pass with other prices of the project; itself if they are the same."""
        return self if prices == self.prices else replace(self, prices=prices)

    def state_entries(self) -> dict[str, tuple[int, ...] | None]:
        """The shape of each entry that the network's state dict has; None for no tensor.

        A module with two paths is in it twice, as torch has it.
        """
        tensors = {
            name: self.shape(weight.tensor) for name, weight in self._owned("parameters", "buffers")
        }
        for name in self.unsaved:
            tensors.pop(name, None)  # folding may have removed it
        return tensors | dict(self.beside)

    def buffer_names(self) -> set[str]:
        """Every buffer by each of its names."""
        return {name for name, _ in self._owned("buffers")}

    def _owned(self, *kinds: str) -> Iterator[tuple[str, Weight]]:
        for module in self.modules:
            owner = module if module.alias_of is None else self.by_path[module.alias_of]
            inside = f"{module.path}." if module.path else ""
            for weight in chain.from_iterable(getattr(owner, kind) for kind in kinds):
                yield inside + weight.name, weight

    def kernels(self) -> Iterator[tuple[int, Op]]:
        """The operators that compute something themselves, with their indices."""
        return ((index, op) for index, op in enumerate(self.ops) if not op.composite)

    def shape(self, tensor: int | None) -> tuple[int, ...] | None:
        """The shape of a tensor by index; None for an optional one left out."""
        return None if tensor is None else self.tensors[tensor].shape

    def is_view(self, op: Op) -> bool:
        """Whether it only gives an existing storage a new shape, moving and computing nothing."""
        storages = {self.tensors[tensor].storage for tensor in op.inputs if tensor is not None}
        made = {self.tensors[tensor].storage for tensor in op.outputs}
        in_place = not set(op.outputs).isdisjoint(op.inputs)
        return bool(made) and made <= storages and not in_place
