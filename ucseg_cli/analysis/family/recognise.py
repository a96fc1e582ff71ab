"""Whether a person's own model is a variant of the family under another name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product

from ucseg_cli.analysis.family.axes_from_shapes import UNSEEN, read_axes
from ucseg_cli.analysis.family.fit_checkpoint import expected_shapes
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import AXES, CATALOGUE, DEFAULT, Variant, changes

SEEN = {axis.name for axis in AXES} - UNSEEN


def candidates(trace: Trace) -> tuple[Variant, ...]:
    """The variants that the trace may be of, by the shapes of its parameters and the dilations of its ASPP.

    None where it has not the family's layout. What no trace shows, dropout, is as in the nearest named variant.
    """
    if trace.failure is not None or "aspp.branches.0" not in trace.by_path:
        return ()
    seen, rates = read_axes(expected_shapes(trace)), _rates(trace)
    if not seen.keys() >= SEEN or len(rates) != seen["rates"]:
        return ()
    base = CATALOGUE[DEFAULT]._replace(**{**seen, "rates": rates})
    orders = product((32, 16), ("after-upsample", "before-upsample"))
    return tuple(
        _with_dropout(base._replace(output_stride=stride, head=head)) for stride, head in orders
    )


def reference_to(variant: Variant, named: Mapping[str, Variant]) -> str:
    """The variant as a person would type it: the named one that differs least, with what differs."""
    name = min(named, key=lambda each: len(changes(named[each], variant)))
    changed = changes(named[name], variant)
    return "+".join(
        (name, *(f"{change.axis.name}={change.axis.write(change.after)}" for change in changed))
    )


def is_same_network(trace: Trace, other: Trace) -> bool:
    """Whether both have the same parameters and buffers under the same names, and run the same operators on the same shapes."""
    return expected_shapes(trace) == expected_shapes(other) and _operators(trace) == _operators(
        other
    )


def _operators(trace: Trace) -> Counter[object]:
    """How often each runs, in place or not; in which order is a matter of who wrote the forward pass."""
    return Counter(
        (
            op.name.removesuffix("_"),
            tuple(sorted(op.attributes.items())),
            *_shapes(trace, (*op.inputs, *op.outputs)),
        )
        for _, op in trace.kernels()
        if not trace.is_view(op)
    )


def _shapes(trace: Trace, tensors: tuple[int | None, ...]) -> Iterator[tuple[int, ...] | None]:
    return (trace.shape(tensor) for tensor in tensors)


def _rates(trace: Trace) -> tuple[int, ...]:
    """The dilation of the 3×3 conv of each atrous branch, in order."""
    by_branch: dict[str, int] = {}
    for _, op in trace.kernels():
        path = trace.modules[op.module].path.split(".")
        if (
            op.name == "convolution"
            and path[:2] == ["aspp", "branches"]
            and (trace.shape(op.inputs[1]) or ())[2:] == (3, 3)
        ):
            by_branch[path[2]] = op.attributes["dilation"][0]
    return tuple(by_branch[branch] for branch in sorted(by_branch, key=int))


def _with_dropout(variant: Variant) -> Variant:
    nearest = min(
        CATALOGUE.values(),
        key=lambda each: len(changes(each._replace(dropout=variant.dropout), variant)),
    )
    return variant._replace(dropout=nearest.dropout)
