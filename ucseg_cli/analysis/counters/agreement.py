"""Our counts compared with those of another counter, to the last unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.module_tree import Figures, roll_up
from ucseg_cli.analysis.counting.operations import flops_by_operator, own_flops
from ucseg_cli.analysis.counting.parameters import own_params
from ucseg_cli.facts.count import Count
from ucseg_cli.facts.trace import Trace


class Difference(NamedTuple):
    """A place where two counters disagree; None means not counted.

    *scope* is ``total``, ``module`` or ``operator``.
    """

    scope: str
    name: str
    ours: int | None
    theirs: int | None


class Agreement(NamedTuple):
    """One counter's total beside ours, the number of figures compared, and where they differ.

    *failure* is why it could not count the model; then there is nothing to compare.
    """

    counter: str
    convention: str | None
    ours: int
    theirs: int | None
    compared: int
    differences: tuple[Difference, ...]
    failure: str | None = None

    @property
    def agrees(self) -> bool | None:
        """Not one figure differs; None where nothing was compared."""
        return None if self.failure else not self.differences


def our_count(trace: Trace, convention: str | None) -> Count:
    """Our own count of a trace under a convention, or its parameters."""
    own: Mapping[str, Figures] = own_params(trace) if convention is None else own_flops(trace)
    rolled_up = roll_up(trace, own)
    metric = convention or "params"
    modules = {path: figures.get(metric, 0) for path, figures in rolled_up.items()}
    if convention is None:
        return Count("ucseg", None, modules[""], modules)
    by_operator = flops_by_operator(trace, CONVENTIONS[convention])
    operators = {label: count for label, (_, count) in by_operator.items()}
    return Count("ucseg", convention, modules[""], modules, operators)


def agreement(trace: Trace, theirs: Count) -> Agreement:
    """Every figure that either has; a module or operator of no cost may be left out."""
    ours = our_count(trace, theirs.convention)
    if theirs.failure:
        return Agreement(theirs.counter, theirs.convention, ours.total, None, 0, (), theirs.failure)
    # modules that the other counter cannot see are the sum of others that it can
    seen = {
        path: count
        for path, count in ours.modules.items()
        if theirs.sees_uncalled or trace.by_path[path].calls
    }
    pairs = [
        Difference("total", "", ours.total, theirs.total),
        *_pairs("module", seen, theirs.modules),
        *_pairs("operator", ours.operators or {}, theirs.operators or {}),
    ]
    differences = tuple(pair for pair in pairs if (pair.ours or 0) != (pair.theirs or 0))
    return Agreement(
        theirs.counter, theirs.convention, ours.total, theirs.total, len(pairs), differences
    )


def _pairs(scope: str, ours: Mapping[str, int], theirs: Mapping[str, int]) -> list[Difference]:
    names = dict.fromkeys((*ours, *theirs))
    return [Difference(scope, name, ours.get(name), theirs.get(name)) for name in names]
