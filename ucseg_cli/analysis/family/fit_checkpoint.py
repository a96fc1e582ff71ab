"""The variant that a state dict fits: shapes determine some axes, a named variant the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ucseg_cli.analysis.comparing.loading import COUNTER, Difference, Loading, load_into
from ucseg_cli.analysis.family.axes_from_shapes import (
    UNSEEN,
    read_axes,
    visible,
)
from ucseg_cli.analysis.family.recognise import reference_to
from ucseg_cli.facts.state_dict import StateDict, inner_network
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import AXES, Axis, Variant
from ucseg_cli.references.variants.layout import PARTS

ROOTS = tuple(f"{part}." for part in PARTS)
"""How the names of the family begin."""
LEAST_SHARED = 20
"""One in so many of the expected entries makes a state dict one of the family."""


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
    """How the candidate loads the state dict.

    *shared* entries have the name and shape of an expected one, without the counters of batch norm,
    which look the same everywhere.
    """

    candidate: Candidate
    loading: Loading
    shared: int

    @property
    def related(self) -> bool:
        """Whether it is of the family at all; networks of one ancestor share a few entries."""
        return self.shared * LEAST_SHARED >= self.loading.expected


def propose(state: StateDict, named: Mapping[str, Variant], default: str) -> Candidate:
    """The variant to compare *state* with; *default* is taken where several are as near."""
    state = inner_network(state, _is_of_family)
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
    """The state dict loaded into the candidate's own trace."""
    expected = trace.state_entries()
    shared = sum(
        expected.get(entry.name) == entry.shape and not entry.name.endswith(COUNTER)
        for entry in candidate.state.entries
    )
    return Identification(candidate, load_into(trace, candidate.state), shared)


def by_module(differences: Iterable[Difference]) -> dict[str, Counter[str]]:
    """How many differences of each kind a module has, the most first."""
    counts: dict[str, Counter[str]] = {}
    for difference in differences:
        counts.setdefault(difference.module, Counter())[difference.kind] += 1
    return dict(sorted(counts.items(), key=lambda item: -item[1].total()))


def _is_of_family(name: str) -> bool:
    """Whether it begins as the family's names do, and not further on: ``features.features.0``."""
    return name.startswith(ROOTS) and not any(f".{root}" in name for root in ROOTS)


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
