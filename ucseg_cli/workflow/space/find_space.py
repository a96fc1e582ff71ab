"""The space that a user asks for: a base, the axes that its design has, and the values of some."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ucseg_cli.errors import UcsegError, UnknownNameError, UsageError, Where
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import SavedSpace, Settings
from ucseg_cli.facts.trace import REQUIRED, ConstructorAxis, Trace
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache
from ucseg_cli.references import (
    Argument,
    Buildable,
    FromCheckpoint,
    Reference,
    Source,
    Unbuildable,
    with_arguments,
)
from ucseg_cli.references.designs import arguments_of
from ucseg_cli.references.space import Space, VariedAxis
from ucseg_cli.references.variants import Variant
from ucseg_cli.references.vary import OpenAxis, family_axes, find_axis, parse_values, split_vary
from ucseg_cli.workflow.list_designs import list_designs

MOST_VARIANTS = 200_000
"""A space with more of them needs a yes."""
_SEQUENCE = re.compile(r"\b(?:tuple|list|sequence|iterable|collection|set)\b", re.IGNORECASE)
"""In an annotation, it says that commas belong to a value."""
_NAMES = {UnknownNameError.kind, UsageError.kind}
"""Errors of a model whose arguments are at fault, rather than what they make of it."""


class Given(NamedTuple):
    """The values of an axis as they were given, as one text or each as its own, and where."""

    values: str | tuple[str, ...]
    where: Where


def given_axes(vary: Sequence[str], saved: SavedSpace | None) -> dict[str, Given]:
    """The axes of a saved space and those that were typed, which win; raises UsageError."""
    given = {axis.name: Given(axis.values, axis.place) for axis in (saved.axes if saved else ())}
    typed: dict[str, Given] = {}
    for text in vary:
        where = f"--vary {text}"
        name, values = split_vary(text, where)
        if name in typed:
            fix = "write all of its values in one --vary"
            raise UsageError(f"the axis '{name}' is varied twice", where=where, help=fix)
        typed[name] = Given(values, where)
    return {**given, **typed}


def find_space(
    base: Reference,
    given: Mapping[str, Given],
    conditions: Conditions,
    settings: Settings,
    *,
    cache: Cache | None,
) -> Space:
    """The base with these axes varied; one of any design but the family is looked at first.

    Raises UsageError for an axis or a value that its design does not have.
    """
    if isinstance(base.model, Unbuildable):
        is_file = isinstance(base.model, FromCheckpoint)
        kind = "a checkpoint" if is_file else "a module in memory"
        what = f"{base.name} is {kind}, which has no axes"
        raise UsageError(what, where="ucseg sweep", help="name the model that it is of")
    if not given:
        what = f"nothing of {base.name} is varied"
        fix = f"write `ucseg sweep {base.name} --vary AXIS=VALUES`, as in --vary backbone=9..11"
        raise UsageError(what, where="ucseg sweep", help=fix)
    if isinstance(base.model, Variant):
        axes = family_axes(base.model)
        return Space(
            base,
            tuple(_varied(find_axis(name, axes, one.where), one) for name, one in given.items()),
        )
    probe = _Probe(base.model, conditions, settings, cache)
    return Space(base, tuple(probe.vary(given)))


def refuse_too_many(space: Space, *, accepted: bool) -> None:
    """Raise UsageError for a space with more variants than anyone would wait for unasked."""
    if space.size > MOST_VARIANTS and not accepted:
        raise UsageError(
            f"the space has {space.size:,} variants, more than {MOST_VARIANTS:,}",
            where="ucseg sweep",
            notes=(" × ".join(f"{len(axis.values):,} {axis.name}" for axis in space.axes),),
            help="vary fewer axes or take larger steps, or accept the time with --yes",
        )


def _varied(axis: OpenAxis, given: Given) -> VariedAxis:
    values = given.values
    texts = parse_values(values, axis, given.where) if isinstance(values, str) else values
    return axis.vary(texts, given.where)


class _Probe:
    """A design outside of the family, which only its own code knows."""

    def __init__(
        self, source: Buildable, conditions: Conditions, settings: Settings, cache: Cache | None
    ) -> None:
        self.source = source
        self.conditions = conditions
        self.settings = settings
        self.cache = cache

    def vary(self, given: Mapping[str, Given]) -> Iterator[VariedAxis]:
        """Each axis with its values, after looking at what the design takes; raises UsageError."""
        axes = self._axes()
        for name, one in given.items():
            axis = axes.get(name, OpenAxis(name))
            varied = _varied(axis, one)
            for text in self._doubtful(varied, axis, is_known=name in axes):
                self._refuse(name, text, one.where)
            yield varied

    def _axes(self) -> dict[str, OpenAxis]:
        """The arguments of its constructor, from a trace; from its signature if there is none."""
        trace, _ = self._trace(self.source)
        if trace is not None and trace.axes:
            rows = trace.axes
        else:
            designs = list_designs(self.source, self.settings)
            rows = designs[0].axes if designs else ()
        given = {name: argument.text for name, argument in arguments_of(self.source).items()}
        return {row.name: _open_axis(row, given.get(row.name)) for row in rows}

    def _doubtful(self, varied: VariedAxis, axis: OpenAxis, *, is_known: bool) -> list[str]:
        """The values that its own code may refuse by name: one is enough of an unknown axis."""
        if not is_known:
            return [varied.texts[0]]
        closed = set(axis.closed)
        return [text for text in varied.texts if closed and not closed & _spellings(text)]

    def _refuse(self, name: str, text: str, where: Where) -> None:
        """Raise the error of a model with a value that its constructor does not take."""
        _, error = self._trace(with_arguments(self.source, [Argument(name, text)], where))
        if error is not None and error.kind in _NAMES:
            raise UsageError(error.what, where=where, notes=error.notes, help=error.help)

    def _trace(self, source: Source) -> tuple[Trace | None, UcsegError | None]:
        request = tracing.Request(source, self.conditions)
        failures: tracing.Failures = {}
        traces = tracing.trace_all(
            [request],
            self.cache,
            announce=lambda _: None,
            timeout=self.settings.timeout,
            failures=failures,
        )
        return traces.get(request), failures.get(request)


def _open_axis(row: ConstructorAxis, given: str | None) -> OpenAxis:
    """An argument of a constructor as an axis; *given* is what the base sets it to."""
    default = None if row.default == REQUIRED else Argument.of(row.name, row.default).text
    is_sequence = isinstance(row.default, tuple) or _SEQUENCE.search(row.accepts) is not None
    # an argument that is True or False by default, without an annotation, is meant as a switch
    switch = () if row.accepts or type(row.default) is not bool else ("False", "True")
    value = given if given is not None else default
    return OpenAxis(row.name, value, is_sequence, row.choices or switch)


def _spellings(text: str) -> set[str]:
    return {text, str(Argument("", text).value)}
