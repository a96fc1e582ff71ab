"""Every layer of a pass in order: each call of a module without others, and what runs beside them.

All operators of the pass are in just one of the rows, and so is every parameter, so that both add
up to the totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ucseg_cli.analysis.counting.conventions import shape, tables_of
from ucseg_cli.analysis.counting.module_tree import ancestry
from ucseg_cli.analysis.counting.operations import charges, whole_call
from ucseg_cli.analysis.counting.parameters import own_params
from ucseg_cli.facts.trace import Op, Trace

Shape = tuple[int, ...]

NOTHING_HAPPENS = frozenset({"detach", "alias", "lift_fresh", "_to_copy", "contiguous", "to"})
"""Calls that are left out where they change no shape, and cost nothing."""


class Window(NamedTuple):
    """The kernel of a convolution or a pooling; *groups* is None for a pooling."""

    kernel: Shape
    stride: Shape
    dilation: Shape
    groups: int | None


class Layer(NamedTuple):
    """One call of a module, or of an operator beside the modules.

    Args:
        path: of the module that was called, or in whose forward an operator ran.
        type: the module's class; of an operator its name.
        is_operator: whether it is one.
        call: which call of this module it is, from 1 on; 0 for one that never ran.
        inputs, outputs: shapes of what goes in, without weights, and of what comes out.
        window: of its convolution or pooling, if it has one.
        figures: ``params``, for the first call alone, and operations by convention.
    """

    path: str
    type: str
    is_operator: bool
    call: int
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    window: Window | None
    figures: Mapping[str, int]


class _Pass(NamedTuple):
    """Facts about a pass: costs by call, the last reader of each tensor, and which are weights."""

    costs: Mapping[int, Counter[str]]
    used: Mapping[int, int]
    weights: Collection[int]


def layers(trace: Trace) -> list[Layer]:
    """All layers in the order in which they ran; then modules with parameters that never ran."""
    known, holding = _Pass(_costs(trace), _last_uses(trace), _weights(trace)), _holding(trace)
    own = {path: figures["params"] for path, figures in own_params(trace).items()}
    calls: Counter[str] = Counter()
    rows = []
    for run in _runs(trace):
        is_operator = trace.modules[trace.ops[run[0]].module].path in holding
        layer = _layer(trace, run, known, is_operator=is_operator)
        if _is_nothing(layer):
            continue
        calls[layer.path] += not layer.is_operator
        params = _take_params(own, layer)
        figures = {"params": params, **layer.figures}
        rows.append(layer._replace(call=calls[layer.path] or 1, figures=figures))
    return [*rows, *_never_ran(trace, own)]


def _take_params(own: dict[str, int], layer: Layer) -> int:
    """The parameters of a row, which no other row gets: those of the module at its first call.

    With them are those of modules inside that it uses without calling them. A module with others
    inside has its own with the first operator that it runs.
    """
    inside = "" if layer.is_operator else f"{layer.path}."
    paths = [path for path in own if path == layer.path or (inside and path.startswith(inside))]
    return sum(own.pop(path) for path in paths)


def _holding(trace: Trace) -> set[str]:
    """The model, and every module in which another one runs something."""
    running = {trace.modules[op.module].path for op in trace.ops}
    return {""}.union(*(list(ancestry(path))[1:] for path in running if path))


def _runs(trace: Trace) -> Iterator[list[int]]:
    """The calls of the model, by index: those of one call of a module together."""
    holding = _holding(trace)
    outermost = [index for index, op in enumerate(trace.ops) if op.parent is None]
    for module, group in groupby(outermost, key=lambda index: trace.ops[index].module):
        run = list(group)
        if trace.modules[module].path in holding:
            yield from ([index] for index in run)
        else:
            yield from _split(run, [trace.ops[index].name for index in run])


def _split(run: list[int], names: Sequence[str]) -> Iterator[list[int]]:
    """Calls of one module right after another, which run the same operators again."""
    for times in range(len(run), 1, -1):
        length, rest = divmod(len(run), times)
        if not rest and list(names) == list(names[:length]) * times and length == _whole(names):
            yield from (run[start : start + length] for start in range(0, len(run), length))
            return
    yield run


def _whole(names: Sequence[str]) -> int:
    """The length after which the first operator comes again; of all if it does not."""
    return next((place for place in range(1, len(names)) if names[place] == names[0]), len(names))


def _layer(
    trace: Trace,
    run: Sequence[int],
    known: _Pass,
    *,
    is_operator: bool,
) -> Layer:
    first, module = trace.ops[run[0]], trace.modules[trace.ops[run[0]].module]
    figures: Counter[str] = Counter(dict.fromkeys(tables_of(trace), 0))
    for index in run:
        figures.update(known.costs.get(index, {}))
    return Layer(
        path=module.path,
        type=first.name.strip("_") if is_operator else module.type,
        is_operator=is_operator,
        call=0,
        inputs=tuple(_inputs(trace, run, known.weights)),
        outputs=tuple(_outputs(trace, run, known.used)),
        window=next(filter(None, (_window(trace, trace.ops[index]) for index in run)), None),
        figures=figures,
    )


def _costs(trace: Trace) -> dict[int, Counter[str]]:
    """Operations by convention, by the call of the model that they are a part of."""
    costs: dict[int, Counter[str]] = {}
    for name, convention in tables_of(trace).items():
        for charge in charges(trace, convention):
            costs.setdefault(whole_call(trace, charge.op), Counter())[name] += charge.cost
    return costs


def _weights(trace: Trace) -> set[int]:
    owned = (weight for module in trace.modules for weight in (*module.parameters, *module.buffers))
    return {weight.tensor for weight in owned}


def _inputs(trace: Trace, run: Sequence[int], weights: Collection[int]) -> Iterator[Shape]:
    """Shapes of tensors that a run reads and did not make, each once, without weights."""
    made = set[int]()
    seen: dict[int, None] = {}
    for index in run:
        op = trace.ops[index]
        seen |= dict.fromkeys(
            tensor
            for tensor in op.inputs
            if tensor is not None and tensor not in made and tensor not in weights
        )
        made.update(op.outputs)
    return (shape(trace, tensor) for tensor in seen)


def _last_uses(trace: Trace) -> dict[int, int]:
    """By tensor, the last call of the model that reads it; an output is read after all."""
    used = {
        tensor: whole_call(trace, index)
        for index, op in enumerate(trace.ops)
        for tensor in op.inputs
        if tensor is not None
    }
    return used | dict.fromkeys(trace.outputs, len(trace.ops))


def _outputs(trace: Trace, run: Sequence[int], used: Mapping[int, int]) -> Iterator[Shape]:
    """Shapes of what a run makes and others read; else of what its last call makes."""
    made = [tensor for index in run for tensor in trace.ops[index].outputs]
    kept = [tensor for tensor in made if used.get(tensor, -1) > run[-1]]
    return (shape(trace, tensor) for tensor in dict.fromkeys(kept or trace.ops[run[-1]].outputs))


def _window(trace: Trace, op: Op) -> Window | None:
    """The kernel of a convolution or pooling as the model called it."""
    if op.name.startswith(("conv", "_conv")) and len(op.inputs) > 1 and op.inputs[1] is not None:
        sides = shape(trace, op.inputs[1])[2:]
        groups = op.attributes.get("groups", 1)
    elif "kernel_size" in op.attributes:
        sides, groups = _sides(op.attributes["kernel_size"], 1), None
    else:
        return None
    rank = len(sides)
    stride = op.attributes.get("stride") or (sides if groups is None else 1)
    dilation = op.attributes.get("dilation", 1)
    return Window(sides, _sides(stride, rank), _sides(dilation, rank), groups)


def _sides(value: Any, rank: int) -> Shape:
    """A number for every side, or a number for each."""
    sides = (value,) * rank if isinstance(value, int) else tuple(value)
    return sides * rank if len(sides) == 1 else sides


def _is_nothing(layer: Layer) -> bool:
    """Whether it is a call that only passes a tensor on."""
    if not layer.is_operator or any(layer.figures.values()):
        return False
    return layer.type in NOTHING_HAPPENS and layer.inputs == layer.outputs


def _never_ran(trace: Trace, own: Mapping[str, int]) -> Iterable[Layer]:
    """Modules whose parameters no row has yet."""
    none = dict.fromkeys(tables_of(trace), 0)
    for path, params in own.items():
        if params:
            kind, figures = trace.by_path[path].type, {"params": params, **none}
            yield Layer(
                path,
                kind,
                is_operator=False,
                call=0,
                inputs=(),
                outputs=(),
                window=None,
                figures=figures,
            )
