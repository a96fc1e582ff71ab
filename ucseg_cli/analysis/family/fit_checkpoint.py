"""Which variant of the family a state dict fits: what its shapes determine is read, the rest taken from a named variant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ucseg_cli.analysis.family.axes_from_shapes import UNSEEN, Shape, Shapes, read_axes, visible
from ucseg_cli.facts.state_dict import AVERAGED, DENSE, Entry, StateDict, without_prefix
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import AXES, Axis, Variant, changes

ROOTS = ("features.", "aspp.", "mid_conv.", "decoder.", "classifier.")
"""How the names of the family begin."""
LEAST_SHARED = 20
"""One in so many of the expected entries makes a state dict one of the family."""
COUNTER = "num_batches_tracked"


class Reading(NamedTuple):
    """One axis of the variant that a state dict is held against.

    *seen* is ``shapes`` where shapes determine the value, ``number`` where only of how many parts it is, None where they
    do not, or not in this file. *source* is the named variant that the rest is taken from; None where there is no such.
    """

    axis: Axis
    value: Any
    seen: str | None
    source: str | None = None


class Difference(NamedTuple):
    """An entry that ``load_state_dict(strict=True)`` would stop at.

    *kind* is ``missing``, ``unexpected``, ``shape`` or ``layout``, where the tensor is no dense one. *expected* and
    *found* are shapes, None for what is not there.
    """

    kind: str
    name: str
    expected: Shape | None = None
    found: Shape | None = None

    @property
    def module(self) -> str:
        """The part of the network that it belongs to: two levels of the module's path."""
        return ".".join(self.name.split(".")[:-1][:2])


class Candidate(NamedTuple):
    """The variant that a state dict may be of, before anything is held against it.

    Args:
        state: the state dict, with everything stripped that stands before the family's own names.
        base: the named variant that it is nearest to.
        variant: that one with every axis that shapes determine.
        readings: every axis, with how it is known.
        alike: the named variants that differ from it at most in what shapes do not tell.
    """

    state: StateDict
    base: str
    variant: Variant
    readings: tuple[Reading, ...]
    alike: tuple[str, ...]
    based_on: Variant

    @property
    def name(self) -> str:
        """A reference to the variant."""
        changed = changes(self.based_on, self.variant)
        return "+".join(
            (self.base, *(f"{each.axis.name}={each.axis.write(each.after)}" for each in changed))
        )


class Identification(NamedTuple):
    """A state dict held against its candidate.

    *matched* of the *expected* entries are as they should be; *shared* of its own have the name and shape of one that
    is expected, without the counters of batch norm, which look the same everywhere.
    """

    candidate: Candidate
    matched: int
    expected: int
    differences: tuple[Difference, ...]
    shared: int

    @property
    def added(self) -> int:
        """How many counters of batch norm the state dict lacks and torch adds as it loads it."""
        amiss = sum(each.kind != "unexpected" for each in self.differences)
        return self.expected - self.matched - amiss

    @property
    def related(self) -> bool:
        """Whether it is of the family at all; a few entries agree by chance in networks that descend from a common one."""
        return self.shared * LEAST_SHARED >= self.expected

    @property
    def fits(self) -> bool:
        """Whether ``load_state_dict(strict=True)`` takes it."""
        return not self.differences


def propose(state: StateDict, named: Mapping[str, Variant], default: str) -> Candidate:
    """The variant to hold *state* against; *default* is the named variant to begin from where several are as near."""
    state = _without_outer_modules(state)
    shapes = {entry.name: entry.shape for entry in state.entries}
    seen = read_axes(shapes)
    base = max(named, key=lambda name: (_agreement(named[name], seen), name == default))
    variant, sources = _complete(seen, named, base)
    return Candidate(
        state,
        base,
        variant,
        tuple(_reading(axis, variant, seen, sources) for axis in AXES),
        tuple(name for name, each in named.items() if _looks_like(each, variant)),
        named[base],
    )


def identify(candidate: Candidate, trace: Trace) -> Identification:
    """The state dict held against the candidate's own trace: every name and every shape."""
    expected = expected_shapes(trace)
    differences = tuple(_differences(candidate.state, expected))
    found = {entry.name for entry in candidate.state.entries}
    matched = len((expected.keys() & found) - {each.name for each in differences})
    return Identification(
        candidate, matched, len(expected), differences, _shared(candidate, expected)
    )


def expected_shapes(trace: Trace) -> dict[str, Shape]:
    """What a state dict of the traced network has, by name."""
    return {
        f"{module.path}.{weight.name}".lstrip("."): trace.tensors[weight.tensor].shape
        for module in trace.modules
        for weight in (*module.parameters, *module.buffers)
    }


def _shared(candidate: Candidate, expected: Shapes) -> int:
    return sum(
        expected.get(entry.name) == entry.shape and not entry.name.endswith(COUNTER)
        for entry in candidate.state.entries
    )


def by_module(differences: Iterable[Difference]) -> dict[str, Counter[str]]:
    """How many differences of each kind a module has, the most first."""
    counts: dict[str, Counter[str]] = {}
    for each in differences:
        counts.setdefault(each.module, Counter())[each.kind] += 1
    return dict(sorted(counts.items(), key=lambda item: -item[1].total()))


def _differences(state: StateDict, expected: Shapes) -> Iterable[Difference]:
    found = {entry.name: entry for entry in state.entries}
    for name, shape in expected.items():
        entry = found.get(name)
        if kind := _amiss(entry, shape) if entry else _lack(state, name):
            yield Difference(kind, name, shape, entry.shape if entry else None)
    for name in (*found, *_beside(state)):
        if name not in expected:
            yield Difference("unexpected", name, found=found[name].shape if name in found else None)


def _amiss(entry: Entry, shape: Shape) -> str | None:
    """What keeps torch from copying an entry. It takes a scalar of before it had scalars, which has the shape 1."""
    if entry.shape not in {shape, shape or (1,)}:
        return "shape"
    return None if entry.layout == DENSE else "layout"


def _lack(state: StateDict, name: str) -> str | None:
    """``missing``, unless torch adds it: the counters of batch norm, to what was written before these had a version."""
    added = name.endswith(f".{COUNTER}") and not state.versioned and name not in state.left_out
    return None if added else "missing"


def _beside(state: StateDict) -> Iterable[str]:
    """Names beside the tensors, at which torch stops too; what AveragedModel keeps goes with its prefix."""
    return (name for name in state.left_out if not state.prefix or name != AVERAGED)


def _without_outer_modules(state: StateDict) -> StateDict:
    """The state dict of the network alone, where it was a module of another, as in ``net.features.0``; else as it is."""
    inner = state
    while inner.entries and not any(entry.name.startswith(ROOTS) for entry in inner.entries):
        outer, dot, _ = inner.entries[0].name.partition(".")
        if not dot or not all(entry.name.startswith(f"{outer}.") for entry in inner.entries):
            return state
        inner = without_prefix(inner, f"{outer}.")
    return inner


def _agreement(variant: Variant, seen: Mapping[str, Any]) -> int:
    return sum(visible(variant, name) == value for name, value in seen.items())


def _looks_like(one: Variant, other: Variant) -> bool:
    return all(visible(one, axis.name) == visible(other, axis.name) for axis in AXES)


def _complete(
    seen: Mapping[str, Any], named: Mapping[str, Variant], base: str
) -> tuple[Variant, dict[str, str]]:
    """The named variant with what is seen in it, and the named variant that each other value comes from."""
    variant = named[base]
    sources = {axis.name: base for axis in AXES if axis.name not in seen or axis.name in UNSEEN}
    values = {name: value for name, value in seen.items() if name != "rates"}
    number = seen.get("rates", len(variant.rates))
    if number != len(variant.rates):
        sources.pop("rates")
        same = next((name for name in named if len(named[name].rates) == number), None)
        if same is not None:
            sources["rates"] = same
        values["rates"] = named[same].rates if same is not None else _so_many(variant.rates, number)
    return variant._replace(**values), sources


def _so_many(rates: tuple[int, ...], number: int) -> tuple[int, ...]:
    """The first of *rates*, or these and multiples of the first: a guess where only the number is known."""
    return (*rates, *(rates[0] * factor for factor in range(len(rates) + 1, number + 1)))[:number]


def _reading(
    axis: Axis, variant: Variant, seen: Mapping[str, Any], sources: Mapping[str, str]
) -> Reading:
    how = None if axis.name not in seen else "number" if axis.name in UNSEEN else "shapes"
    return Reading(axis, getattr(variant, axis.name), how, sources.get(axis.name))
