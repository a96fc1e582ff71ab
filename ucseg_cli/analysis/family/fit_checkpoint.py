"""The variant that a state dict fits: shapes determine some axes, a named variant the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ucseg_cli.analysis.family.axes_from_shapes import (
    UNSEEN,
    Shape,
    Shapes,
    expected_shapes,
    read_axes,
    visible,
)
from ucseg_cli.analysis.family.recognise import reference_to
from ucseg_cli.facts.state_dict import AVERAGED, DENSE, Entry, StateDict, without_prefix
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import AXES, Axis, Variant
from ucseg_cli.references.variants.layout import PARTS

ROOTS = tuple(f"{part}." for part in PARTS)
"""How the names of the family begin."""
LEAST_SHARED = 20
"""One in so many of the expected entries makes a state dict one of the family."""
COUNTER = "num_batches_tracked"


class Reading(NamedTuple):
    """One axis of the variant that a state dict is compared with.

    *seen* is ``shapes`` where shapes determine the value, ``number`` where they only show how many
    there are, None where they show nothing, or not in this file. *source* is the named variant
    that the rest is taken from, if there is one.
    """

    axis: Axis
    value: Any
    seen: str | None
    source: str | None = None


class Difference(NamedTuple):
    """An entry that ``load_state_dict(strict=True)`` would stop at.

    *kind* is ``missing``, ``unexpected``, ``shape`` or ``layout`` (a tensor that is not dense).
    *expected* and *found* are shapes, None for an entry that is not there.
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
    """The variant that a state dict may be of, before anything is compared.

    Args:
        state: the state dict, with everything stripped that stands before the family's own names.
        name: a reference to the variant, from the named one that it is nearest to.
        variant: that named one with every axis that shapes determine.
        readings: every axis, with how it is known.
        alike: the named variants that differ from it at most in axes that shapes do not show.
    """

    state: StateDict
    name: str
    variant: Variant
    readings: tuple[Reading, ...]
    alike: tuple[str, ...]


class Identification(NamedTuple):
    """A state dict compared with its candidate.

    *matched* of the *expected* entries are as they should be; *shared* of its own have the name and
    shape of an expected one, without the counters of batch norm, which look the same everywhere.
    """

    candidate: Candidate
    matched: int
    expected: int
    differences: tuple[Difference, ...]
    shared: int

    @property
    def added(self) -> int:
        """The counters of batch norm that the state dict lacks and torch adds as it loads it."""
        differ = sum(difference.kind != "unexpected" for difference in self.differences)
        return self.expected - self.matched - differ

    @property
    def related(self) -> bool:
        """Whether it is of the family at all; networks of one ancestor share a few entries."""
        return self.shared * LEAST_SHARED >= self.expected

    @property
    def fits(self) -> bool:
        """Whether ``load_state_dict(strict=True)`` takes it."""
        return not self.differences


def propose(state: StateDict, named: Mapping[str, Variant], default: str) -> Candidate:
    """The variant to compare *state* with; *default* is taken where several are as near."""
    state = _without_outer_modules(state)
    seen = read_axes({entry.name: entry.shape for entry in state.entries})

    def nearness(name: str) -> tuple[int, bool]:
        agreeing = sum(visible(named[name], axis) == value for axis, value in seen.items())
        return agreeing, name == default

    base = max(named, key=nearness)
    variant, sources = _complete(seen, named, base)
    return Candidate(
        state=state,
        name=reference_to(variant, {base: named[base]}),
        variant=variant,
        readings=tuple(
            Reading(axis, getattr(variant, axis.name), _seen(axis, seen), sources.get(axis.name))
            for axis in AXES
        ),
        alike=tuple(name for name, other in named.items() if _looks_like(other, variant)),
    )


def identify(candidate: Candidate, trace: Trace) -> Identification:
    """The state dict compared with the candidate's own trace: every name and every shape."""
    state, expected = candidate.state, expected_shapes(trace)
    differences = tuple(_differences(state, expected))
    found = {entry.name for entry in state.entries}
    matched = found & expected.keys() - {difference.name for difference in differences}
    shared = sum(
        expected.get(entry.name) == entry.shape and not entry.name.endswith(COUNTER)
        for entry in state.entries
    )
    return Identification(candidate, len(matched), len(expected), differences, shared)


def by_module(differences: Iterable[Difference]) -> dict[str, Counter[str]]:
    """How many differences of each kind a module has, the most first."""
    counts: dict[str, Counter[str]] = {}
    for difference in differences:
        counts.setdefault(difference.module, Counter())[difference.kind] += 1
    return dict(sorted(counts.items(), key=lambda item: -item[1].total()))


def _differences(state: StateDict, expected: Shapes) -> Iterator[Difference]:
    found = {entry.name: entry for entry in state.entries}
    for name, shape in expected.items():
        entry = found.get(name)
        if kind := _mismatch(entry, shape) if entry else _lack(state, name):
            yield Difference(kind, name, shape, entry.shape if entry else None)
    # torch also stops at names without a tensor; AveragedModel's own counter goes with its prefix
    beside = (name for name in state.left_out if not state.prefix or name != AVERAGED)
    for name in (*found, *beside):
        if name not in expected:
            yield Difference("unexpected", name, found=found[name].shape if name in found else None)


def _mismatch(entry: Entry, shape: Shape) -> str | None:
    """Why torch cannot copy an entry. Scalars saved before torch 0.4 have shape (1,) and load."""
    if entry.shape not in {shape, shape or (1,)}:
        return "shape"
    return None if entry.layout == DENSE else "layout"


def _lack(state: StateDict, name: str) -> str | None:
    """``missing``, unless torch adds it: batch norm's counter, to files from before it existed."""
    added = name.endswith(f".{COUNTER}") and not state.versioned and name not in state.left_out
    return None if added else "missing"


def _without_outer_modules(state: StateDict) -> StateDict:
    """The network's own names if it was a module of another (``net.features.0``).

    The outer module is the one below which most entries have names of the family, the first of
    several; what stands beside it keeps its whole name.
    """
    outer = Counter(filter(None, (_outer_module(entry.name) for entry in state.entries)))
    own = sum(entry.name.startswith(ROOTS) for entry in state.entries)
    if not outer or max(outer.values()) <= own:
        return state
    ((prefix, _),) = outer.most_common(1)
    inner = without_prefix(state, prefix)
    names = [entry.name for entry in inner.entries]
    return inner if len(set(names)) == len(names) else state


def _outer_module(name: str) -> str | None:
    """The part before the first name of the family, with its dot; None if there is none."""
    places = [name.find(f".{root}") for root in ROOTS]
    first = min((place for place in places if place >= 0), default=None)
    return None if first is None or name.startswith(ROOTS) else name[: first + 1]


def _looks_like(one: Variant, other: Variant) -> bool:
    return all(visible(one, axis.name) == visible(other, axis.name) for axis in AXES)


def _complete(
    seen: Mapping[str, Any], named: Mapping[str, Variant], base: str
) -> tuple[Variant, dict[str, str | None]]:
    """The base with what is seen, and the named variant that each value not seen comes from."""
    values = {**seen}
    count = values.pop("rates", len(named[base].rates))
    with_as_many = (name for name in (base, *named) if len(named[name].rates) == count)
    source = next(with_as_many, None)
    rates = named[source or base].rates
    if source is None:
        # a guess: the first rates, or these and further multiples of the first
        further = (rates[0] * factor for factor in range(len(rates) + 1, count + 1))
        rates = (*rates, *further)[:count]
    sources: dict[str, str | None] = {axis.name: base for axis in AXES if axis.name not in seen}
    return named[base]._replace(**values, rates=rates), {**sources, "rates": source}


def _seen(axis: Axis, seen: Mapping[str, Any]) -> str | None:
    if axis.name not in seen:
        return None
    return "number" if axis.name in UNSEEN else "shapes"
