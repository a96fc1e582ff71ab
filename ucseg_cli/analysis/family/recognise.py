"""Whether a user's own model is a variant of the family under another name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import product

from ucseg_cli.analysis.family.axes_from_shapes import UNSEEN, expected_shapes, read_axes
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import AXES, CATALOGUE, DEFAULT, Variant, changes
from ucseg_cli.references.variants.layout import FIRST_BRANCH, branch_index

SEEN = {axis.name for axis in AXES} - UNSEEN


def candidates(trace: Trace) -> tuple[Variant, ...]:
    """The variants that fit the trace's parameter shapes and the dilations of its ASPP.

    There are none without the family's layout. No trace shows dropout: it is as in the nearest
    named variant.
    """
    if trace.failure is not None or FIRST_BRANCH not in trace.by_path:
        return ()
    seen, rates = read_axes(expected_shapes(trace)), _rates(trace)
    if not seen.keys() >= SEEN or len(rates) != seen["rates"]:
        return ()
    base = CATALOGUE[DEFAULT]._replace(**{**seen, "rates": rates})
    orders = product((32, 16), ("after-upsample", "before-upsample"))
    possible = (base._replace(output_stride=stride, head=head) for stride, head in orders)
    return tuple(map(_with_dropout, possible))


def reference_to(variant: Variant, named: Mapping[str, Variant]) -> str:
    """The variant as a user would type it: the nearest named one, with what differs."""
    name = min(named, key=lambda name: len(changes(named[name].values, variant.values)))
    changed = changes(named[name].values, variant.values)
    values = (f"{change.axis.name}={change.axis.write(change.after)}" for change in changed)
    return "+".join((name, *values))


def is_same_network(trace: Trace, other: Trace) -> bool:
    """Whether both have the same state dict and run the same operators on the same shapes."""
    if trace.state_entries() != other.state_entries():
        return False
    return _operators(trace) == _operators(other)


def _operators(trace: Trace) -> Counter[object]:
    """The calls of each, in place or not; their order depends on who wrote the forward pass."""
    calls: Counter[object] = Counter()
    for _, op in trace.kernels():
        if not trace.is_view(op):
            attributes = tuple(sorted(op.attributes.items()))
            shapes = tuple(map(trace.shape, (*op.inputs, *op.outputs)))
            calls[op.name.removesuffix("_"), attributes, shapes] += 1
    return calls


def _rates(trace: Trace) -> tuple[int, ...]:
    """The dilation of the 3×3 conv of each atrous branch, in order."""
    by_branch: dict[int, int] = {}
    for _, op in trace.kernels():
        branch = branch_index(trace.modules[op.module].path)
        if branch is not None and op.name == "convolution":
            kernel = (trace.shape(op.inputs[1]) or ())[2:]
            if kernel == (3, 3):
                by_branch[branch] = op.attributes["dilation"][0]
    return tuple(by_branch[branch] for branch in sorted(by_branch))


def _with_dropout(variant: Variant) -> Variant:
    def distance(named: Variant) -> int:
        return len(changes(named._replace(dropout=variant.dropout).values, variant.values))

    return variant._replace(dropout=min(CATALOGUE.values(), key=distance).dropout)
