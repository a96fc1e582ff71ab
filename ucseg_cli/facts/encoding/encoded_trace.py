"""A trace as JSON can hold it, and back, refusing what no pass could have left.

A user's code may write over its answer, and a file of the cache may be anything; all arithmetic
relies on what is checked here. It is done with sets and maps over whole columns, since it is part
of every answer from the cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from itertools import chain, starmap
from types import NoneType
from typing import Any

from ucseg_cli.facts.encoding.operator_forms import LARGEST, has_its_form
from ucseg_cli.facts.trace import (
    ConstructorAxis,
    Module,
    Op,
    Saved,
    Tap,
    Tensor,
    Trace,
    Trained,
    Weight,
)

FORMAT = 6
"""Version of encoded traces; raise it when their fields change, so that older ones are ignored."""

MOST_AXES = 64
"""As many as torch allows."""


class TraceFormatError(ValueError):
    """Data that should have been a trace and is not."""


def encode_trace(trace: Trace) -> dict[str, Any]:
    """The trace as JSON can hold it; rows become lists there, which keeps it small."""
    found = {field.name: getattr(trace, field.name) for field in fields(trace)}
    del found["prices"]
    # left out where they say nothing, as in nearly every trace, and in those from before them
    for name in ("input_names", "trained"):
        if not found[name]:
            del found[name]
    return {"format": FORMAT, **found}


def decode_trace(data: Any) -> Trace:
    """The inverse of encode_trace; raises TraceFormatError for anything it did not write."""
    try:
        if data["format"] != FORMAT:
            raise TraceFormatError(f"trace format {data['format']!r}, expected {FORMAT}")
        rows = data["tensors"]
        trace = Trace(
            modules=tuple(map(_decode_module, data["modules"])),
            tensors=tuple(Tensor(tuple(shape), dtype, storage) for shape, dtype, storage in rows),
            storages=tuple(data["storages"]),
            freed=tuple(data["freed"]),
            ops=tuple(map(_decode_op, data["ops"])),
            inputs=tuple(data["inputs"]),
            outputs=tuple(data["outputs"]),
            taps=tuple(starmap(Tap, data["taps"])),
            device=data["device"],
            unsaved=tuple(data["unsaved"]),
            beside=tuple(_decode_saved(*row) for row in data["beside"]),
            axes=tuple(decode_axis(*row) for row in data["axes"]),
            idle=tuple(data["idle"]),
            failure=data["failure"],
            input_names=tuple(data.get("input_names", ())),
            trained=_decode_trained(data.get("trained")),
        )
        _refuse_impossible(trace)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise TraceFormatError(str(error)) from error
    return trace


def _decode_module(row: Any) -> Module:
    path, kind, parameters, buffers, alias_of, calls, outputs, names, library = row
    owned, held = tuple(starmap(Weight, parameters)), tuple(starmap(Weight, buffers))
    returned = tuple(outputs), tuple(names)
    return Module(path, kind, owned, held, alias_of, calls, *returned, library)


def _decode_saved(name: str, shape: list[int] | None) -> Saved:
    return Saved(name, None if shape is None else tuple(shape))


def _decode_trained(row: Any) -> Trained | None:
    if row is None:
        return None
    loss, backward, update, *tensors = row
    return Trained(loss, backward, update, *map(tuple, tensors))


def decode_axis(
    name: str, value: Any, default: Any, accepts: str, choices: list[str]
) -> ConstructorAxis:
    """An axis out of the fields of its row."""
    return ConstructorAxis(name, _freeze(value), _freeze(default), accepts, tuple(choices))


def _decode_op(row: Any) -> Op:
    name, module, inputs, outputs, attributes, parent, composite = row
    frozen = {key: _freeze(value) for key, value in attributes.items()}
    return Op(name, module, tuple(inputs), tuple(outputs), frozen, parent, composite)


def _freeze(value: Any) -> Any:
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


# Refusing traces that no pass could have left


def _refuse_impossible(trace: Trace) -> None:
    """Raise TraceFormatError for a wrong type, an index out of range, or an impossible order."""
    _refuse_modules(trace)
    _refuse_tensors(trace)
    _refuse_ops(trace)
    _only({str}, [trace.device])
    _only({str, NoneType}, [trace.failure])
    paths = trace.by_path
    _only({str}, chain.from_iterable(trace.taps))
    _only({str}, chain(trace.unsaved, trace.idle, (saved.name for saved in trace.beside)))
    _only({str}, trace.input_names)
    if trace.input_names and len(trace.input_names) != len(trace.inputs):
        raise TraceFormatError("names of inputs that are not there")
    _refuse_axes(trace)
    _refuse_step(trace)
    _refuse_numbers(chain.from_iterable(saved.shape or () for saved in trace.beside), LARGEST)
    if not all(tap.module in paths for tap in trace.taps):
        raise TraceFormatError("a tap of a module that is not there")


def _refuse_step(trace: Trace) -> None:
    if trace.trained is None:
        return
    loss, backward, update, *tensors = trace.trained
    _refuse_numbers((loss, backward, update), len(trace.ops) + 1)
    if not loss <= backward <= update:
        raise TraceFormatError("parts of a step that are out of order")
    _refuse_numbers(chain.from_iterable(tensors), len(trace.tensors))


def _refuse_axes(trace: Trace) -> None:
    for axis in trace.axes:
        _only({str}, (axis.name, axis.accepts, *axis.choices))
        for value in (axis.value, axis.default):
            _only({str, int, float, bool, NoneType, tuple}, [value])


def _refuse_modules(trace: Trace) -> None:
    modules, paths = trace.modules, trace.by_path
    weights = [*chain.from_iterable(module.parameters + module.buffers for module in modules)]
    _only({str}, chain.from_iterable((one.path, one.type, one.library) for one in modules))
    _only({str}, chain.from_iterable(module.output_names for module in modules))
    _only({str, NoneType}, [module.alias_of for module in modules])
    _only({str}, [weight.name for weight in weights])
    _only({bool, NoneType}, [weight.trainable for weight in weights])
    _refuse_numbers([module.calls for module in modules], LARGEST)
    if modules[0].path or len(paths) != len(modules):
        raise TraceFormatError("paths of modules that cannot be")
    if not all(path.rpartition(".")[0] in paths for path in paths):
        raise TraceFormatError("a module without the one around it")
    if not all(module.alias_of is None or module.alias_of in paths for module in modules):
        raise TraceFormatError("another name of a module that is not there")
    outputs = chain.from_iterable(module.outputs for module in modules)
    used = chain([weight.tensor for weight in weights], outputs)
    _refuse_numbers(used, len(trace.tensors))


def _refuse_tensors(trace: Trace) -> None:
    tensors, storages = trace.tensors, trace.storages
    if len(trace.freed) != len(storages):
        raise TraceFormatError("storages of which it is not known when they were freed")
    _only({str}, [tensor.dtype for tensor in tensors])
    if max((len(tensor.shape) for tensor in tensors), default=0) > MOST_AXES:
        raise TraceFormatError("a tensor of too many axes")
    _refuse_numbers(chain.from_iterable(tensor.shape for tensor in tensors), LARGEST)
    _refuse_numbers([tensor.storage for tensor in tensors], len(storages))
    _refuse_numbers(storages, LARGEST)
    _refuse_numbers(_present(trace.freed), len(trace.ops) + 1)


def _refuse_ops(trace: Trace) -> None:
    ops = trace.ops
    _only({str}, [op.name for op in ops])
    _only({bool}, [op.composite for op in ops])
    _refuse_numbers([op.module for op in ops], len(trace.modules))
    inputs = _present(chain.from_iterable(op.inputs for op in ops))
    outputs = chain.from_iterable(op.outputs for op in ops)
    _refuse_numbers(chain(inputs, outputs, trace.inputs, trace.outputs), len(trace.tensors))
    parents = [(op.parent, index) for index, op in enumerate(ops) if op.parent is not None]
    _refuse_numbers([parent for parent, _ in parents], len(ops))
    if any(parent >= index for parent, index in parents):
        raise TraceFormatError("a part that ran before the whole")
    if not all(has_its_form(op, trace.tensors) for op in ops):
        raise TraceFormatError("an operator without its arguments")


def _present(numbers: Iterable[int | None]) -> list[int]:
    return [number for number in numbers if number is not None]


def _refuse_numbers(numbers: Iterable[int], limit: int) -> None:
    """All are whole, at least 0 and less than *limit*."""
    numbers = list(numbers)
    _only({int}, numbers)
    if numbers and not 0 <= min(numbers) <= max(numbers) < limit:
        raise TraceFormatError("a number out of range")


def _only(types: set[type], values: Iterable[object]) -> None:
    if not types.issuperset(map(type, values)):
        raise TraceFormatError("a value of another type")
