"""Our counts held against those of another counter, to the last unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.module_tree import roll_up
from ucseg_cli.analysis.counting.operations import flops_by_operator, own_flops
from ucseg_cli.analysis.counting.parameters import own_params
from ucseg_cli.facts.count import Count
from ucseg_cli.facts.trace import Trace


class Difference(NamedTuple):
    """A place where two counters disagree. *scope* is ``total``, ``module`` or ``operator``; None means not counted."""

    scope: str
    name: str
    ours: int | None
    theirs: int | None


class Agreement(NamedTuple):
    """One counter's total beside ours, how many figures were held against each other, and where they differ."""

    counter: str
    convention: str | None
    ours: int
    theirs: int
    compared: int
    differences: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        """Not one figure differs."""
        return not self.differences


def our_count(trace: Trace, convention: str | None) -> Count:
    """Our own count of a trace under a convention, or its parameters."""
    if convention is None:
        modules = {
            path: figures.get("params", 0)
            for path, figures in roll_up(trace, own_params(trace)).items()
        }
        return Count("ucseg", None, modules[""], modules)
    flops = {
        path: figures.get(convention, 0)
        for path, figures in roll_up(trace, own_flops(trace)).items()
    }
    by_operator = flops_by_operator(trace, CONVENTIONS[convention])
    return Count(
        "ucseg",
        convention,
        flops[""],
        flops,
        {label: count for label, (_, count) in by_operator.items()},
    )


def agreement(trace: Trace, theirs: Count) -> Agreement:
    """Every figure that either has, held against the other's; a module or operator of no cost may be left out."""
    ours = our_count(trace, theirs.convention)
    pairs = [
        Difference("total", "", ours.total, theirs.total),
        *_pairs("module", _visible(trace, ours.modules, theirs), theirs.modules),
        *_pairs("operator", ours.operators or {}, theirs.operators or {}),
    ]
    return Agreement(
        counter=theirs.counter,
        convention=theirs.convention,
        ours=ours.total,
        theirs=theirs.total,
        compared=len(pairs),
        differences=tuple(pair for pair in pairs if (pair.ours or 0) != (pair.theirs or 0)),
    )


def _pairs(scope: str, ours: Mapping[str, int], theirs: Mapping[str, int]) -> list[Difference]:
    return [
        Difference(scope, name, ours.get(name), theirs.get(name))
        for name in dict.fromkeys((*ours, *theirs))
    ]


def _visible(trace: Trace, modules: Mapping[str, int], theirs: Count) -> dict[str, int]:
    """Our modules that the other counter can see; those it cannot are the sum of others that it can."""
    return {
        path: count
        for path, count in modules.items()
        if theirs.sees_uncalled or trace.by_path[path].calls
    }
