"""Our counts compared with those of another counter, to the last unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import PRICED
from ucseg_cli.analysis.counting.module_tree import Figures, parent_path, roll_up
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

    *failure* is why it could not count the model; then there is nothing to compare. *left_out* are
    the modules that mean another thing to it.
    """

    counter: str
    convention: str | None
    ours: int
    theirs: int | None
    compared: int
    differences: tuple[Difference, ...]
    failure: str | None = None
    left_out: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool | None:
        """Not one figure differs; None where nothing was compared."""
        return None if self.failure else not self.differences


def our_count(trace: Trace, convention: str | None) -> Count:
    """Our own count of a trace under a convention, or its parameters."""
    rolled_up = roll_up(trace, _own(trace, convention))
    metric = convention or "params"
    modules = {path: figures.get(metric, 0) for path, figures in rolled_up.items()}
    if convention is None:
        return Count("ucseg", None, modules[""], modules)
    by_operator = flops_by_operator(trace, PRICED[convention])
    operators = {label: count for label, (_, count) in by_operator.items()}
    return Count("ucseg", convention, modules[""], modules, operators)


def _own(trace: Trace, convention: str | None) -> Mapping[str, Figures]:
    if convention is None:
        return own_params(trace)
    return own_flops(trace, {convention: PRICED[convention]})


def agreement(trace: Trace, theirs: Count) -> Agreement:
    """Every figure that either has; a module or operator of no cost may be left out.

    A module of two names has its figures under the first, whichever the other counter goes by.
    """
    ours = our_count(trace, theirs.convention)
    if theirs.failure:
        return Agreement(theirs.counter, theirs.convention, ours.total, None, 0, (), theirs.failure)
    mine, others = (_under_first_names(trace, count.modules) for count in (ours, theirs))
    left_out: tuple[str, ...] = ()
    if not theirs.sees_uncalled:
        # modules that the other counter cannot see are the sum of others that it can
        mine = {path: count for path, count in mine.items() if trace.by_path[path].calls}
        left_out = tuple(path for path in _sharing(trace) if path in mine)
        mine, others = (_without(left_out, modules) for modules in (mine, others))
    pairs = [
        Difference("total", "", ours.total, theirs.total),
        *_pairs("module", mine, others),
        *_pairs("operator", ours.operators or {}, theirs.operators or {}),
    ]
    differences = tuple(pair for pair in pairs if (pair.ours or 0) != (pair.theirs or 0))
    return Agreement(
        counter=theirs.counter,
        convention=theirs.convention,
        ours=ours.total,
        theirs=theirs.total,
        compared=len(pairs),
        differences=differences,
        left_out=left_out,
    )


def _under_first_names(trace: Trace, modules: Mapping[str, int]) -> dict[str, int]:
    """The figures by the first path of each module object; a name unknown to us stays."""
    found: Counter[str] = Counter()
    for path, count in modules.items():
        module = trace.by_path.get(path)
        found[module.alias_of or path if module else path] += count
    return dict(found)


def _without(left_out: Collection[str], modules: Mapping[str, int]) -> dict[str, int]:
    return {path: count for path, count in modules.items() if path not in left_out}


def _sharing(trace: Trace) -> list[str]:
    """The modules, by first path, that hold one which also stands outside of them.

    A counter that follows calls counts such a module where it is called, and we at its first path,
    so that only for itself and for what holds all its names both mean the same.
    """
    names: dict[str, list[str]] = {}
    for module in trace.modules:
        names.setdefault(module.alias_of or module.path, []).append(module.path)
    first = {path: original for original, paths in names.items() for path in paths}
    found: dict[str, None] = {}
    for paths in names.values():
        holders = [set(map(first.__getitem__, _above(path))) for path in paths]
        # The object that holds one name may be known by two names itself.
        some, every = set.union(*holders), set.intersection(*holders)
        found.update(dict.fromkeys(some - every))
    return [path for path in names if path in found]


def _above(path: str) -> Iterator[str]:
    while path:
        path = parent_path(path)
        yield path


def _pairs(scope: str, ours: Mapping[str, int], theirs: Mapping[str, int]) -> list[Difference]:
    names = dict.fromkeys((*ours, *theirs))
    return [Difference(scope, name, ours.get(name), theirs.get(name)) for name in names]
