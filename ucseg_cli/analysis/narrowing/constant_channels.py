"""Which channels are zero wherever a pass reads them, followed from the weights on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from ucseg_cli.analysis.geometry.operator_kinds import (
    MOVING,
    POINTWISE,
    PRODUCTS,
    REDUCTIONS,
    RESHAPING,
    plain_name,
)
from ucseg_cli.analysis.narrowing.channel_axes import Axes, ChannelAxes
from ucseg_cli.analysis.narrowing.channel_layouts import Element
from ucseg_cli.analysis.narrowing.constant_values import combined, normalised
from ucseg_cli.facts.state_dict import Zeros
from ucseg_cli.facts.trace import Op

Constants = dict[Element, float]
"""The elements of an axis at which a tensor has one value everywhere, and that value."""
ByAxis = list[Constants]
"""The same for each axis of a tensor."""


class ConstantChannels:
    """The constants of every tensor of a pass, from the *zeros* of its weights by tensor.

    *read* has each element of a variable that a pass needs, with the operator that reads it first
    where it is not zero. *blocked* has each variable with an operator that works across all its
    elements; in *unordered* ones elements are not distinguished. *met* are the elements that are
    zero somewhere, and *lost* has the operators that make something else of such an element.
    """

    def __init__(
        self, axes: ChannelAxes, resolved: Mapping[int, Axes], zeros: Mapping[int, Zeros]
    ) -> None:
        self._trace = axes.trace
        self._layouts = axes.layouts
        self._axes = resolved
        self._constants: dict[int, ByAxis] = {}
        self.read: dict[Element, int] = {}
        self.blocked: dict[int, int] = {}
        self.unordered = set(self._without_order())
        self.met: set[Element] = set()
        self.lost: dict[Element, list[int]] = {}
        for tensor, found in zeros.items():
            if tensor in resolved:
                self._constants[tensor] = self._of_weight(tensor, found)
        for index, op in self._trace.kernels():
            self._follow(index, op)

    def elements(self, tensor: int, axis: int) -> list[Element]:
        """The element at each place of an axis; none if it has no channels, or none in order."""
        if tensor not in self._axes:
            return []
        layout = self._axes[tensor][axis]
        if all(self._layouts.reason(term.variable) is not None for term in layout):
            return []
        return self._layouts.elements(layout) or []

    def at(self, tensor: int | None, axis: int) -> Constants:
        """The constants of a tensor along an axis."""
        known = None if tensor is None else self._constants.get(tensor)
        return known[axis] if known and -len(known) <= axis < len(known) else {}

    def variables(self, tensor: int, axis: int) -> set[int]:
        """The variables of an axis."""
        axes = self._axes.get(tensor)
        return {term.variable for term in axes[axis]} if axes else set()

    def length(self, tensor: int, axis: int) -> int:
        """How long an axis is."""
        return self._trace.tensors[tensor].shape[axis]

    def rank(self, tensor: int) -> int:
        """How many axes a tensor has."""
        return len(self._trace.tensors[tensor].shape)

    def block(self, index: int, variables: Iterable[int]) -> None:
        """An operator works across all elements of these variables."""
        for variable in variables:
            self.blocked.setdefault(variable, index)

    def need(self, index: int, elements: Iterable[Element], *zero: Constants) -> None:
        """An operator sums over elements: it needs those that no factor makes zero."""
        for element in elements:
            if any(constants.get(element) == 0 for constants in zero):
                self.met.add(element)
            else:
                self.read.setdefault(element, index)

    def note_lost(self, index: int, zero: Iterable[Element], after: Constants) -> None:
        """An operator has made *after* of elements that were *zero*."""
        for element in zero:
            if after.get(element) != 0:
                self.lost.setdefault(element, []).append(index)

    def _without_order(self) -> Iterator[int]:
        for layouts in self._axes.values():
            for layout in layouts:
                if not self._layouts.is_in_order(layout):
                    yield from (term.variable for term in layout)

    def _of_weight(self, tensor: int, found: Zeros) -> ByAxis:
        known: ByAxis = [{} for _ in range(self.rank(tensor))]
        if found.numbers is not None and len(known) == 1:
            known[0] = _agreed(self.elements(tensor, 0), found.numbers.__getitem__)
        for axis, places in enumerate(found.slices or ()):
            zero = set(places)
            if zero:
                value = dict.fromkeys(zero, 0.0)
                known[axis] = _agreed(self.elements(tensor, axis), value.get)
        return known

    def _follow(self, index: int, op: Op) -> None:
        made = _rule_of(op)(self, index, op) if op.outputs else []
        self._forget_written(op)
        for out, constants in zip(op.outputs, made, strict=False):
            self._constants[out] = constants
            self.met.update(
                element for axis in constants for element, value in axis.items() if value == 0
            )

    def _forget_written(self, op: Op) -> None:
        """A write in place changes every view of the memory."""
        written = {self._trace.tensors[out].storage for out in op.outputs if out in op.inputs}
        if written:
            for tensor in list(self._constants):
                if self._trace.tensors[tensor].storage in written:
                    del self._constants[tensor]


def _agreed(elements: list[Element], value_at: Callable[[int], float | None]) -> Constants:
    """The value of each element that has the same at all its places."""
    found: dict[Element, float | None] = {}
    for place, element in enumerate(elements):
        value = value_at(place)
        if found.setdefault(element, value) != value:
            found[element] = None
    return {element: value for element, value in found.items() if value is not None}


Rule = Callable[[ConstantChannels, int, Op], list[ByAxis]]
"""Gives the constants of what a call makes, for each of its outputs, or for the first ones."""


def _present(op: Op) -> list[int]:
    return [tensor for tensor in op.inputs if tensor is not None]


def _nothing(known: ConstantChannels, tensor: int) -> ByAxis:
    return [{} for _ in range(known.rank(tensor))]


# Elements that only move


def _moved(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    """Wherever an element is in the output, it is what all inputs have there that have it."""
    return [_moved_to(known, index, op, out) for out in op.outputs]


def _moved_to(known: ConstantChannels, index: int, op: Op, out: int) -> ByAxis:
    made = _nothing(known, out)
    inputs = [_by_variable(known, tensor) for tensor in dict.fromkeys(_present(op))]
    for axis, constants in enumerate(made):
        for variable in known.variables(out, axis):
            first, *others = [one[variable] for one in inputs if variable in one] or [{}]
            for element, value in first.items():
                if all(other.get(element) == value for other in others):
                    constants[element] = value
            for source in (first, *others):
                zero = (element for element, value in source.items() if value == 0)
                known.note_lost(index, zero, constants)
    return made


def _by_variable(known: ConstantChannels, tensor: int) -> dict[int, Constants]:
    """The constants of each variable of a tensor; none of one that is on two of its axes."""
    found: dict[int, Constants] = {}
    twice = set()
    for axis in range(known.rank(tensor)):
        variables = known.variables(tensor, axis)
        twice |= variables & found.keys()
        found |= {variable: {} for variable in variables}
        for element, value in known.at(tensor, axis).items():
            found[element[0]][element] = value
    return found | {variable: {} for variable in twice}


def _zero_moved(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    """Sums, means and interpolation of zeros are zero; padding and weights change other values."""
    made = _moved_to(known, index, op, op.outputs[0])
    zero = [{element: 0.0 for element, value in axis.items() if value == 0} for axis in made]
    return [zero, *(_nothing(known, out) for out in op.outputs[1:])]


def _largest(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    """The largest of equal values, and where it is."""
    first = _moved_to(known, index, op, op.outputs[0])
    return [first, *(_nothing(known, out) for out in op.outputs[1:])]


def _padded(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    if op.attributes.get("value"):
        return [_nothing(known, out) for out in op.outputs]
    return _zero_moved(known, index, op)


def _placed_anew(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    """Rolled and flipped along some axes, whose elements change places."""
    _block_along(known, index, op, op.attributes.get("dims", ()))
    return _moved(known, index, op)


# Arithmetic


def _pointwise(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    """Axes are counted from the last; an input of length one there has the same for all."""
    out = op.outputs[0]
    rank = known.rank(out)
    made = []
    for axis in range(rank):
        operands: list[Constants | None] = []
        for tensor in _present(op):
            place = axis - rank + known.rank(tensor)
            has_it = place >= 0 and known.length(tensor, place) == known.length(out, axis)
            operands.append(known.at(tensor, place) if has_it else None)
        made.append(_combined_along(known, index, op, operands))
    return [made, *(_nothing(known, other) for other in op.outputs[1:])]


def _combined_along(
    known: ConstantChannels, index: int, op: Op, operands: list[Constants | None]
) -> Constants:
    elements = dict.fromkeys(element for operand in operands for element in operand or ())
    made: Constants = {}
    zero = []
    for element in elements:
        values = [None if operand is None else operand.get(element) for operand in operands]
        value = combined(op, values)
        if value is not None:
            made[element] = value
        if 0 in values:
            zero.append(element)
    known.note_lost(index, zero, made)
    return made


def _batch_norm(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    out, (source, *given) = op.outputs[0], op.inputs
    made = _nothing(known, out)
    before = known.at(source, 1)
    weight, bias, mean, variance = (known.at(tensor, 0) for tensor in given[:4])
    is_fixed = not op.attributes.get("training") and None not in given[2:4]
    elements = dict.fromkeys((*before, *weight)) if is_fixed else {}
    for element in elements:
        shift = bias.get(element) if given[1] is not None else 0.0
        scale = weight.get(element) if given[0] is not None else 1.0
        value = normalised(
            before.get(element), scale, shift, mean.get(element), variance.get(element),
            op.attributes["eps"],
        )  # fmt: skip
        if value is not None:
            made[1][element] = value
    known.note_lost(index, (e for e, value in before.items() if value == 0), made[1])
    return [made, *(_nothing(known, other) for other in op.outputs[1:])]


def _convolved(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    source, weight, bias = _present(op)[0], _present(op)[1], op.inputs[2]
    groups, transposed = op.attributes["groups"], op.attributes["transposed"]
    is_depthwise = groups > 1 and groups == known.length(source, 1)
    before = known.at(source, 1)
    if is_depthwise:
        zero = {**_zero(before), **_zero(known.at(weight, 0))}
    else:
        reads, makes = (0, 1) if transposed else (1, 0)
        known.need(index, known.elements(source, 1), before, known.at(weight, reads))
        zero = _zero(known.at(weight, makes))
    made = _nothing(known, op.outputs[0])
    made[1] = _shifted(known, index, zero, known.at(bias, 0) if bias is not None else None)
    return [made]


def _zero(constants: Constants) -> Constants:
    return {element: 0.0 for element, value in constants.items() if value == 0}


def _shifted(
    known: ConstantChannels, index: int, zero: Constants, bias: Constants | None
) -> Constants:
    """Zeros after a bias is added."""
    if bias is None:
        return zero
    made = {element: bias[element] for element in zero if element in bias}
    known.note_lost(index, zero, made)
    return made


def _multiplied(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    """The columns of one by the rows of the other, added to what stands before both."""
    *addend, left, right = _present(op)
    known.need(index, known.elements(left, -1), known.at(left, -1), known.at(right, -2))
    made = _nothing(known, op.outputs[0])
    if {"alpha", "beta"}.isdisjoint(op.attributes):
        for axis, factor in ((-1, right), (-2, left)):
            beside = known.at(addend[0], axis) if addend else None
            made[axis] = _shifted(known, index, _zero(known.at(factor, axis)), beside)
    return [made]


# Across an axis


def _dims(known: ConstantChannels, op: Op, default: object) -> set[int]:
    rank = known.rank(_present(op)[0])
    dims = op.attributes.get("dim", default)
    listed = dims if isinstance(dims, tuple) else (dims,)
    return {dim % max(1, rank) for dim in listed if isinstance(dim, int)} or set(range(rank))


def _block_along(known: ConstantChannels, index: int, op: Op, dims: Iterable[int]) -> None:
    source = _present(op)[0]
    for axis in dims:
        if known.rank(source):
            known.block(index, known.variables(source, axis % known.rank(source)))


def _reduced(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    """A sum needs what is not zero; any other reduction depends on how many there are."""
    source = _present(op)[0]
    for axis in _dims(known, op, ()):
        if op.name == "sum" and known.rank(source):
            known.need(index, known.elements(source, axis), known.at(source, axis))
        else:
            _block_along(known, index, op, [axis])
    if op.name in ZERO_OF_ZEROS:
        return _zero_moved(known, index, op)
    return [_nothing(known, out) for out in op.outputs]


def _along_one_axis(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    _block_along(known, index, op, _dims(known, op, 0))
    return [_nothing(known, out) for out in op.outputs]


def _group_norm(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    _block_along(known, index, op, [1])
    return [_nothing(known, out) for out in op.outputs]


def _layer_norm(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    count = len(op.attributes["normalized_shape"])
    _block_along(known, index, op, range(-count, 0))
    return [_nothing(known, out) for out in op.outputs]


def _unknown(known: ConstantChannels, index: int, op: Op) -> list[ByAxis]:
    for tensor in _present(op):
        for axis in range(known.rank(tensor)):
            known.block(index, known.variables(tensor, axis))
    return [_nothing(known, out) for out in op.outputs]


ZERO_OF_ZEROS = frozenset({"sum", "mean", "amax", "amin", "prod", "linalg_vector_norm", "norm"})
MOVED = (
    *("cat", "stack", "split", "split_with_sizes", "unsafe_split", "unsafe_chunk", "slice"),
    *("select", "unbind", "permute", "transpose", "t", "expand", "embedding", "as_strided"),
    *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle"),
)
_RULES: dict[str, Rule] = {
    **dict.fromkeys(POINTWISE, _pointwise),
    **dict.fromkeys(REDUCTIONS, _reduced),
    **dict.fromkeys((*RESHAPING, *MOVED), _moved),
    **dict.fromkeys(MOVING, _placed_anew),
    **dict.fromkeys(PRODUCTS, _multiplied),
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training"), _batch_norm),
    **dict.fromkeys(
        ("_softmax", "_log_softmax", "_safe_softmax", "cumsum", "cumprod"), _along_one_axis
    ),
    **dict.fromkeys(("glu", "native_dropout"), _zero_moved),
    "constant_pad_nd": _padded,
    "convolution": _convolved,
    "native_group_norm": _group_norm,
    "native_layer_norm": _layer_norm,
}
_FAMILIES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (re.compile(r"_?(adaptive_)?max_pool[123]d(_with_indices)?$"), _largest),
    (re.compile(r"_?(adaptive_)?avg_pool[123]d$"), _zero_moved),
    (re.compile(r"(reflection|replication)_pad[123]d$"), _moved),
    (re.compile(r"_?upsample_\w*[123]d(_aa)?$"), _zero_moved),
    (re.compile(r"\w+_like$"), lambda known, _, op: [_nothing(known, out) for out in op.outputs]),
)


def _rule_of(op: Op) -> Rule:
    families = (rule for name, rule in _FAMILIES if name.match(op.name))
    return _RULES.get(plain_name(op)) or next(families, _unknown)
