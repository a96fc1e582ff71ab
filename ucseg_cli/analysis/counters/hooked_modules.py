"""Modules priced by their class, as counters do that hook modules: what any such counter needs.

A module is priced by its exact class, with the shapes of its call, and what runs outside of a class they know is not
seen. Here the price is taken at the operator that the class runs, which also shows that the class is torch's own.
Where a trace does not tell what a counter would do, NotDerivedError says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from typing import NamedTuple

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.operations import charges
from ucseg_cli.facts.trace import Op, Trace


class NotDerivedError(Exception):
    """A trace does not tell what the counter would print; the message says why."""


class Step(NamedTuple):
    """What a counter adds to the figure before, or leaves out of it."""

    label: str
    amount: int


class ModulePrice(NamedTuple):
    """What a class of modules costs beyond the MACs of *runs*, the operator that it runs once in every call."""

    runs: str
    label: str
    beyond: Callable[[Trace, Op], int]


UNSEEN = "conv and matmul outside of any module that it knows"
WITHOUT_BATCH = "it takes the first axis of an input for the batch, and there is none"


def hooked(
    trace: Trace, rules: Mapping[str, ModulePrice], elsewhere: frozenset[str]
) -> Iterator[Step]:
    """What modules with a rule cost beyond their MACs; raises NotDerivedError for one of a class priced *elsewhere*."""
    refuse_shared(trace)
    calls: Counter[str] = Counter()
    for op in trace.ops:
        module = trace.modules[op.module]
        rule = rules.get(module.type)
        if rule is not None and op.name.removesuffix("_") == rule.runs:
            _refuse_without_batch(trace, op)
            calls[module.path] += 1
            yield Step(rule.label, rule.beyond(trace, op))
    for module in trace.modules:
        if module.calls and module.type in elsewhere:
            raise NotDerivedError(f"its price of {module.type} is not derived here")
        if module.type in rules and calls[module.path] != module.calls:
            raise NotDerivedError(
                f"{module.path or 'the model'} is a {module.type} that does not run {rules[module.type].runs}"
            )


def unhooked_macs(trace: Trace, rules: Mapping[str, ModulePrice]) -> Iterator[Step]:
    """MACs of modules without a rule, taken off."""
    types = {module.path: module.type for module in trace.modules}
    for path, macs in own_macs(trace).items():
        if types[path] not in rules:
            yield Step(UNSEEN, -macs)


def shape(trace: Trace, tensor: int | None) -> tuple[int, ...]:
    """The shape of a tensor by index; empty for one left out."""
    return trace.shape(tensor) or ()


def elements_in(trace: Trace, op: Op) -> int:
    """Elements of the first input."""
    return prod(shape(trace, op.inputs[0]))


def elements_out(trace: Trace, op: Op) -> int:
    """Elements of the first output."""
    return prod(shape(trace, op.outputs[0]))


def own_macs(trace: Trace) -> Counter[str]:
    """MACs that each module's own forward runs, by path."""
    own: Counter[str] = Counter()
    for charge in charges(trace, CONVENTIONS["macs"]):
        own[charge.module] += charge.cost
    return own


def total_macs(trace: Trace) -> int:
    """MACs of the whole network."""
    return sum(own_macs(trace).values())


def refuse_shared(trace: Trace) -> None:
    """Raise NotDerivedError where parameters or modules are shared."""
    tensors = [weight.tensor for module in trace.modules for weight in module.parameters]
    if len(set(tensors)) < len(tensors) or any(
        module.alias_of is not None for module in trace.modules
    ):
        raise NotDerivedError(
            "modules share parameters or stand at two places, which it may count twice"
        )


def _refuse_without_batch(trace: Trace, op: Op) -> None:
    whole = op if op.parent is None else trace.ops[op.parent]
    if op.name == "convolution" and len(shape(trace, whole.inputs[0])) != len(
        shape(trace, op.inputs[1])
    ):
        raise NotDerivedError(WITHOUT_BATCH)


def summed(steps: Iterable[Step]) -> list[Step]:
    """One step for each label that comes to anything, in the order they came."""
    counts: Counter[str] = Counter()
    for step in steps:
        counts[step.label] += step.amount
    return [Step(label, count) for label, count in counts.items() if count]
