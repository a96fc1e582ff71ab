"""Settings of modules that differ between two networks, most of which no cost shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ucseg_cli.analysis.comparing.match_modules import Correspondence
from ucseg_cli.analysis.counting.module_tree import parent_path
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.trace import Module, Op, Trace

SIZES = frozenset({"size", "sizes", "output_size", "normalized_shape", "split_size", "split_sizes"})
"""Attributes of operators that only repeat a shape."""
TRAINABLE = "trainable"
"""The name of the setting that says whether parameters are trained."""

Value = str | int | float | bool | None | tuple[Any, ...]


class SettingChange(NamedTuple):
    """One setting of one module; *path* is as the model, or the family's role, names it.

    *name* is ``class``, ``trainable``, ``dtype``, ``shape of`` a weight, ``operators``, ``order``,
    ``inputs`` or an argument of an operator, such as ``dilation``; None is its default there.
    """

    path: str
    name: str
    before: Value
    after: Value


class _Call(NamedTuple):
    """An operator and its arguments beside tensors and sizes."""

    name: str
    arguments: Mapping[str, Any]


class _Step(NamedTuple):
    """A kernel, the numbers of those whose results it reads, and the modules these ran in."""

    path: str
    name: str
    reads: list[int]
    sources: tuple[str, ...]


def partners(baseline: Subject, model: Subject, matched: Correspondence) -> dict[str, str]:
    """By path in the baseline, the path of the module in the model that it is compared with."""
    old, new = baseline.trace.by_path, model.trace.by_path
    if baseline.variant is not None and model.variant is not None:
        of_role = {model.role(path): path for path in new}
        roles = {path: baseline.role(path) for path in old}
        return {path: of_role[role] for path, role in roles.items() if role in of_role}
    rows = {pair.before.path for pair in matched.pairs if pair.before and not pair.before.own}
    found = {}
    for path in old:
        above = path
        while above and above not in matched.renamed:
            above = parent_path(above)
        # Below a matched row names are alike; a child of an opened module has a match of its own.
        if (above == path or above in rows) and matched.name_after(path) in new:
            found[path] = matched.name_after(path)
    return found


def setting_changes(
    baseline: Subject, model: Subject, partner: Mapping[str, str]
) -> tuple[SettingChange, ...]:
    """All that differs in the modules of two networks beside their figures, in the model's order.

    Operators are left out if one of the two did not run, and if axes of the family differ, which
    say it all.
    """
    old, new = baseline.trace, model.trace
    of_family = baseline.variant is not None and model.variant is not None
    runs = bool(old.ops and new.ops) and (not of_family or baseline.variant == model.variant)
    calls = [_calls(trace) if runs else {} for trace in (old, new)]
    containers = [_containers(trace) for trace in (old, new)]
    found = []
    for path, other in partner.items():
        before, after = old.by_path[path], new.by_path[other]
        changed = dict(_of_weights(old, new, before, after))
        holds = path in containers[0], other in containers[1]
        if not any(holds) and before.type and after.type and before.type != after.type:
            # The class says which operators run.
            changed["class"] = before.type, after.type
        elif holds[0] == holds[1]:
            changed |= _of_operators(calls[0].get(path, []), calls[1].get(other, []))
        place = model.role(other)
        found += [SettingChange(place, name, *values) for name, values in changed.items()]
    if runs and not found and len(partner) == len(old.modules) == len(new.modules):
        found += _of_wiring(old, new, partner)
    order = {model.role(path): index for index, path in enumerate(new.by_path)}
    return tuple(sorted(found, key=lambda change: order[change.path]))


def _containers(trace: Trace) -> set[str]:
    return {"", *(parent_path(path) for path in trace.by_path)}


def _of_weights(
    old: Trace, new: Trace, before: Module, after: Module
) -> Iterator[tuple[str, tuple[Value, Value]]]:
    """Whether they are trained, their element types, and shapes of as many elements."""
    trained = [{weight.trainable for weight in module.parameters} for module in (before, after)]
    if all(trained) and None not in trained[0] | trained[1] and trained[0] != trained[1]:
        yield TRAINABLE, (_yes_or_no(trained[0]), _yes_or_no(trained[1]))
    by_name = {weight.name: weight for weight in (*after.parameters, *after.buffers)}
    for one in (*before.parameters, *before.buffers):
        other = by_name.get(one.name)
        if other is None:
            continue
        was, tensor = old.tensors[one.tensor], new.tensors[other.tensor]
        if was.dtype != tensor.dtype:
            yield "dtype", (was.dtype, tensor.dtype)
        if was.numel == tensor.numel and was.shape != tensor.shape:
            yield f"shape of {other.name}", (was.shape, tensor.shape)


def _yes_or_no(trained: set[bool | None]) -> str:
    return "in part" if len(trained) > 1 else "yes" if True in trained else "no"


def _calls(trace: Trace) -> dict[str, list[_Call]]:
    """By path, what its forward calls: of each call the innermost, which has all its arguments."""
    parents = {op.parent for op in trace.ops}
    found: dict[str, list[_Call]] = {}
    for index, op in enumerate(trace.ops[: _end_of_forward(trace)]):
        # A dropout in eval mode is made of nothing, and is a call all the same.
        if index not in parents and not trace.is_view(op):
            found.setdefault(trace.modules[op.module].path, []).append(_call(trace, op))
    return found


def _end_of_forward(trace: Trace) -> int:
    """The first operator that no module calls, as loss, backward and update are not called."""
    return len(trace.ops) if trace.trained is None else trace.trained.loss


def _call(trace: Trace, op: Op) -> _Call:
    arguments = {name: value for name, value in op.attributes.items() if name not in SIZES}
    groups, shape = arguments.get("groups", 1), trace.shape(op.inputs[0] if op.inputs else None)
    if groups != 1 and shape and shape[1:2] == (groups,):
        # As many as there are channels, which is one setting at every width.
        arguments["groups"] = "depthwise"
    return _Call(op.name, arguments)


def _of_operators(before: list[_Call], after: list[_Call]) -> dict[str, tuple[Value, Value]]:
    old, new = (Counter(call.name for call in calls) for calls in (before, after))
    if old != new:
        return {"operators": (tuple((old - new).elements()), tuple((new - old).elements()))}
    found: dict[str, tuple[Value, Value]] = {}
    for one, other in zip(before, after, strict=True):
        if one.name == other.name:
            for name in dict.fromkeys((*one.arguments, *other.arguments)):
                values = one.arguments.get(name), other.arguments.get(name)
                if values[0] != values[1]:
                    found.setdefault(name, values)
    return found


def _of_wiring(old: Trace, new: Trace, partner: Mapping[str, str]) -> Iterator[SettingChange]:
    """The first operator that runs in another module's place, or on other maps than before."""
    for before, after in zip(_wiring(old), _wiring(new), strict=False):
        if (partner.get(before.path), before.name) != (after.path, after.name):
            ran = partner.get(before.path, before.path)
            # A module that ran later now runs before the one that was in its place.
            yield SettingChange(after.path, "order", f"after {ran}", f"before {ran}")
            return
        if before.reads != after.reads:
            yield SettingChange(after.path, "inputs", before.sources, after.sources)
            return


def _wiring(trace: Trace) -> Iterator[_Step]:
    """Every kernel in order, and which ones it reads, views followed to what they show."""
    made_by = {tensor: (-1 - index, "the input") for index, tensor in enumerate(trace.inputs)}
    end = _end_of_forward(trace)
    for at, (index, op) in enumerate(trace.kernels()):
        if index >= end:
            return
        read = [made_by[tensor] for tensor in op.inputs if tensor in made_by]
        path = trace.modules[op.module].path
        made = read[0] if read and trace.is_view(op) else (at, path)
        made_by.update(dict.fromkeys(op.outputs, made))
        yield _Step(path, op.name, [number for number, _ in read], tuple(name for _, name in read))
