"""The figures that a lock records of a model, and how they have drifted since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

from ucseg_cli.analysis.counting.conventions import ACTIVATIONS, CONVENTIONS
from ucseg_cli.analysis.counting.metrics import METRICS, MOVED_BYTES, own_figures, totals
from ucseg_cli.analysis.counting.operations import used_prices
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS
from ucseg_cli.analysis.geometry.tap_shapes import tap_shapes
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.choices import DEFAULT_CONVENTION
from ucseg_cli.facts.lock import Address, Leaf, Tree, leaves
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import AXES

GEOMETRY = ("stride", "padding", "dilation", "groups", "transposed", "output_padding")
NEWER = frozenset({ACTIVATIONS.name, MOVED_BYTES})
"""Metrics that locks of earlier releases do not have; they are compared once they are locked."""
KINDS = {
    "axes": "axis",
    "prices": "price",
    "total": "total",
    "convs": "conv",
    "taps": "tap",
    "weights": "module",
    "modules": "module",
}


class Drift(NamedTuple):
    """One figure of a model that is not as it was locked.

    Args:
        size: the input; None for what does not depend on it.
        kind: ``axis``, ``price``, ``total``, ``module``, ``conv`` or ``tap``.
        name: which; empty for totals.
        figure: what of it.
        before: as locked. after: as it is. None where it is absent.
    """

    model: str
    size: str | None
    kind: str
    name: str
    figure: str
    before: Leaf | None
    after: Leaf | None

    @property
    def delta(self) -> int | None:
        """The difference of two counts."""
        if isinstance(self.before, int) and isinstance(self.after, int):
            return self.after - self.before
        return None

    @property
    def raised(self) -> bool:
        """Whether a figure of the whole network grew, which needs a reason."""
        return self.kind == "total" and (self.delta or 0) > 0


def locked_tree(subjects: Mapping[str, Subject]) -> Tree:
    """The figures of a model at each size that are the same on every machine."""
    first = next(iter(subjects.values()))
    axes = (
        {axis.name: axis.write(getattr(first.variant, axis.name)) for axis in AXES}
        if first.variant
        else {}
    )
    return {
        "axes": axes,
        **_prices(subject.trace for subject in subjects.values()),
        "total": _totals(first.trace, depending_on_size=False),
        "weights": _own(first.trace, PARAM_METRICS),
        "convs": _convs(first.trace),
        "sizes": {
            size: {
                "total": _totals(subject.trace, depending_on_size=True),
                "modules": _own(subject.trace, CONVENTIONS),
                "taps": _taps(subject.trace),
            }
            for size, subject in subjects.items()
        },
    }


def _prices(traces: Iterable[Trace]) -> Tree:
    """The prices of the project that count in a model, by operator and convention, if any does."""
    found: dict[str, dict[str, str]] = {}
    for price in chain.from_iterable(map(used_prices, traces)):
        found.setdefault(price.op, {})[price.convention] = price.formula
    return {"prices": found} if found else {}


def drift(model: str, before: Tree, after: Tree) -> list[Drift]:
    """Everything that differs between two trees of one model, the axes and totals first."""
    old, new = dict(leaves(before)), dict(leaves(after))
    found = [
        _drift(model, address, old.get(address), new.get(address))
        for address in dict.fromkeys((*old, *new))
        if old.get(address) != new.get(address) and not _is_newer(address, old)
    ]
    return sorted(found, key=_order)


def _is_newer(address: Address, old: Mapping[Address, Leaf]) -> bool:
    """Whether it is a total that the lock leaves out, at an input that it has."""
    *at, figure = address
    return figure in NEWER and address not in old and (*at, DEFAULT_CONVENTION) in old


def unlocked(model: str) -> Drift:
    """A model that should be locked and is not."""
    return Drift(model, None, "model", "", "lock", None, "not locked")


def _order(found: Drift) -> tuple[int, int, str, str]:
    """By kind, totals in the order of every table, others in the order of the lock."""
    kinds, metrics = list(dict.fromkeys(KINDS.values())), list(METRICS)
    return (
        kinds.index(found.kind) if found.kind in kinds else len(kinds),
        metrics.index(found.figure) if found.kind == "total" and found.figure in metrics else 0,
        found.name,
        found.figure,
    )


def _drift(model: str, address: tuple[str, ...], before: Leaf | None, after: Leaf | None) -> Drift:
    at_a_size = address[0] == "sizes" and len(address) > 2
    size, rest = (address[1], address[2:]) if at_a_size else (None, address)
    name = ".".join(rest[1:-1])
    return Drift(model, size, KINDS.get(rest[0], rest[0]), name, rest[-1], before, after)


def _totals(trace: Trace, *, depending_on_size: bool) -> dict[str, int]:
    every = totals(trace)
    return {
        name: every[name]
        for name, metric in METRICS.items()
        if metric.depends_on_size == depending_on_size
    }


def _own(trace: Trace, metrics: Iterable[str]) -> dict[str, dict[str, int]]:
    """The figures of each module without its children, zeros left out."""
    own = (
        (path, {name: figures[name] for name in metrics if figures.get(name)})
        for path, figures in own_figures(trace).items()
    )
    return {path: figures for path, figures in sorted(own) if figures}


def _convs(trace: Trace) -> dict[str, dict[str, Any]]:
    """The geometry of each convolution, which counts may not show: a dilation costs nothing."""
    found: dict[str, dict[str, Any]] = {}
    for _, op in trace.kernels():
        if op.name == "convolution":
            path = trace.modules[op.module].path
            times = sum(key == path or key.startswith(f"{path}#") for key in found)
            kernel = {"kernel": (trace.shape(op.inputs[1]) or ())[2:]}
            geometry = {
                name: _leaf(op.attributes[name]) for name in GEOMETRY if name in op.attributes
            }
            found[f"{path}#{times + 1}" if times else path] = {**kernel, **geometry}
    return dict(sorted(found.items()))


def _leaf(value: Any) -> Leaf:
    return int(value) if isinstance(value, int) else tuple(value)


def _taps(trace: Trace) -> dict[str, dict[str, Any]]:
    return {
        tap.name: {
            "module": tap.module,
            "shape": tap.shape,
            **({"stride": tap.whole_stride} if tap.whole_stride else {}),
        }
        for tap in tap_shapes(trace)
    }
