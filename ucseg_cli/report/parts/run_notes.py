"""Notes on how a report's models ran, on those that were recognised, and on a project's prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from typing import Any

from ucseg_cli.analysis.counting.operations import used_prices
from ucseg_cli.analysis.counting.random_draws import draws_that_decide
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import OTHER_ARGUMENTS
from ucseg_cli.facts.trace import NO_FORWARD, Price
from ucseg_cli.report.document import Report
from ucseg_cli.report.parts.folding_notes import after_folding
from ucseg_cli.units import plural

COUNTING_NO_OPERATIONS = {f"ucseg.{name}" for name in ("params", "memory", "probe", "reach")}
"""Answers that no price changes."""


def with_run_notes(report: Report, subjects: Sequence[Subject]) -> Report:
    """The report with a note on how *subjects* ran; as it is if there is nothing.

    Which batch norms were folded; which models did not run and why, which ran on real tensors,
    which drew numbers that decide what they do, which are variants of the family, and which have
    packed weights.
    """
    report = after_folding(report, subjects)
    named = {subject.name: subject for subject in subjects}.values()
    unusual = [
        subject
        for subject in named
        if subject.trace.failure is not None or subject.trace.device != "meta"
    ]
    recognised = [subject for subject in named if subject.known_as is not None]
    packed = [
        subject
        for subject in named
        if any(op.name.startswith("quantized::") for op in subject.trace.ops)
    ]
    drawn = {
        subject.name: draws for subject in named if (draws := draws_that_decide(subject.trace))
    }
    idle = {subject.name: subject.trace.idle for subject in named if subject.trace.idle}
    told: dict[str, Any] = {
        "runs": [
            {
                "model": subject.name,
                "device": subject.trace.device,
                "failure": subject.trace.failure,
            }
            for subject in unusual
        ],
        "drawn": [{"model": name, "operators": draws} for name, draws in drawn.items()],
        "idle": [{"model": name, "arguments": list(names)} for name, names in idle.items()],
        "packed": [subject.name for subject in packed],
        "recognised": [
            {"model": subject.name, "variant": subject.known_as} for subject in recognised
        ],
    }
    if not any(told.values()):
        return report
    conditions = {
        **report.payload["conditions"],
        **{key: rows for key, rows in told.items() if rows},
    }
    return report._replace(
        notes=(
            *report.notes,
            *map(_note, unusual),
            *starmap(_drawn, drawn.items()),
            *starmap(_idle, idle.items()),
            *map(_packed, packed),
            *map(_recognised, recognised),
        ),
        payload={**report.payload, "conditions": conditions},
    )


def _drawn(name: str, draws: Mapping[str, int]) -> str:
    operators = ", ".join(f"{operator} {calls}" for operator, calls in draws.items())
    return (
        f"{name} drew random numbers that decide shapes or branches ({operators}): "
        "another run may take another way."
    )


def _idle(name: str, arguments: Sequence[str]) -> str:
    named = " and ".join(arguments)
    return f"{name}: {named} changed no figure; modules and operators are the same without."


def _packed(subject: Subject) -> str:
    return (
        f"{subject.name} has quantized layers: their weights are packed, where no count sees them, "
        "and no convention prices them."
    )


def _recognised(subject: Subject) -> str:
    return (
        f"{subject.name} is {subject.known_as}: the same parameters under the same names, "
        "and the same operators. Dropout leaves no trace, so it is assumed to be the same."
    )


def _note(subject: Subject) -> str:
    name, failure = subject.name, subject.trace.failure
    if failure == NO_FORWARD:
        return f"{name} has nothing to run; `ucseg identify {name}` shows which variant it fits."
    if failure is not None:
        why = f"{name} did not run, so there are no operations to count: {failure}."
        return f"{why} --input gives it other arguments: {OTHER_ARGUMENTS}."
    return (
        f"{subject.name} needs data to run, so it ran with random weights, and on random values "
        "unless a function gave others; what depends on values may differ with others."
    )


# Prices of the project


def with_price_notes(
    report: Report, subjects: Sequence[Subject], in_force: Sequence[Price]
) -> Report:
    """The report with a note on prices that count in *subjects*, or are *in_force* for any model.

    It is as it is if there are none, or if it counts no operations.
    """
    if report.kind in COUNTING_NO_OPERATIONS:
        return report
    calls: dict[Price, int | None] = dict.fromkeys(in_force)
    used: Counter[Price] = Counter()
    traces = {id(subject.trace): subject.trace for subject in subjects if subject.trace.prices}
    for trace in traces.values():
        used.update(used_prices(trace))
    calls |= used
    if not calls:
        return report
    conditions = {**report.payload.get("conditions", {}), "prices": [*_price_entries(calls)]}
    return report._replace(
        notes=(*report.notes, *_price_notes(calls)),
        payload={**report.payload, "conditions": conditions},
    )


def _price_entries(calls: Mapping[Price, int | None]) -> Iterator[dict[str, Any]]:
    for price, count in calls.items():
        written = {"op": price.op, "convention": price.convention, "formula": price.formula}
        yield {**written, "calls": count}


def _price_notes(calls: Mapping[Price, int | None]) -> Iterator[str]:
    """A sentence for each operator, with the conventions that it has a price under, and where."""
    by_operator: dict[str, list[Price]] = {}
    for price in calls:
        by_operator.setdefault(price.op, []).append(price)
    for op, prices in by_operator.items():
        *others, last = [price.convention for price in prices]
        under = f"{', '.join(others)} and {last}" if others else last
        known = [count for count in map(calls.get, prices) if count is not None]
        counted = f", in {plural(max(known), 'call')}" if known else ", where a model has it"
        places = ", ".join(map(str, sorted({price.place for price in prices})))
        yield f"{op} has a price of this project under {under}{counted} ({places})."
