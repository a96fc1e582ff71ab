"""Modules priced by their class, as counters do that hook modules.

Such a counter prices a module by its exact class, with the shapes of its call, and does not see
calls outside of a class it knows; a user's own class of that name, or a subclass, is none. Here the
price is taken at the operator that the class runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import shape
from ucseg_cli.analysis.counting.operations import own_flops, whole_call
from ucseg_cli.facts.trace import Module, Op, Trace


class NotDerivedError(Exception):
    """A trace does not show what the counter would print; the message says why."""


class Step(NamedTuple):
    """An amount that a counter adds to the figure before, or leaves out of it."""

    label: str
    amount: int


class ModulePrice(NamedTuple):
    """The cost of a class beyond the MACs of *runs*, the operator it runs once in every call."""

    runs: str
    label: str
    beyond: Callable[[Trace, Op], int]


UNSEEN = "conv and matmul outside of any module that it knows"
WITHOUT_BATCH = "it takes the first axis of an input for the batch, and there is none"


def hooked(
    trace: Trace, prices: Mapping[str, ModulePrice], elsewhere: frozenset[str]
) -> Iterator[Step]:
    """The cost of priced modules beyond their MACs, less the MACs of all others.

    Raises NotDerivedError for a module of a class priced *elsewhere*.
    """
    refuse_shared(trace)
    calls: Counter[str] = Counter()
    for index, op in enumerate(trace.ops):
        module = trace.modules[op.module]
        price = prices.get(known_class(module))
        if price is not None and op.name.removesuffix("_") == price.runs:
            _refuse_without_batch(trace, index)
            calls[module.path] += 1
            yield Step(price.label, price.beyond(trace, op))
    macs = own_macs(trace)
    for path, kind, times in ((m.path, known_class(m), m.calls) for m in trace.modules):
        if times and kind in elsewhere:
            raise NotDerivedError(f"its price of {kind} is not derived here")
        if kind not in prices:
            yield Step(UNSEEN, -macs[path])
        elif calls[path] != times:
            missing = f"is a {kind} that does not run {prices[kind].runs}"
            raise NotDerivedError(f"{path or 'the model'} {missing}")


def known_class(module: Module) -> str:
    """Its class as counters look it up: torch's by name, a library's with that; no user's own."""
    return module.type if module.library == "torch.nn" else f"{module.library}.{module.type}"


def own_macs(trace: Trace) -> Counter[str]:
    """MACs that each module's own forward runs, by path."""
    return Counter({path: own["macs"] for path, own in own_flops(trace).items()})


def refuse_shared(trace: Trace) -> None:
    """Raise NotDerivedError where parameters or modules are shared."""
    tensors = [weight.tensor for module in trace.modules for weight in module.parameters]
    aliases = any(module.alias_of is not None for module in trace.modules)
    if aliases or len(set(tensors)) < len(tensors):
        what = "modules share parameters or stand at two places"
        raise NotDerivedError(f"{what}, which it may count twice")


def _refuse_without_batch(trace: Trace, index: int) -> None:
    op, call = trace.ops[index], trace.ops[whole_call(trace, index)]
    if op.name == "convolution":
        ranks = (len(shape(trace, tensor)) for tensor in (call.inputs[0], op.inputs[1]))
        if len({*ranks}) > 1:
            raise NotDerivedError(WITHOUT_BATCH)


def summed(steps: Iterable[Step]) -> list[Step]:
    """One step for each label that comes to anything, in the order they came."""
    counts: Counter[str] = Counter()
    for step in steps:
        counts[step.label] += step.amount
    return [Step(label, count) for label, count in counts.items() if count]
