"""Answers about spaces whose figures follow from a formula, so that no network is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ucseg_cli.analysis.space.conclude_sweep import Wanted, conclude_sweep
from ucseg_cli.analysis.space.sweep_answer import Limit, Objective, Quantity, SweepAnswer
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.swept import Measure, Swept
from ucseg_cli.references import parse_reference
from ucseg_cli.references.space import Space, VariedAxis

Place = tuple[int, ...]
"""The places of a variant's values on the axes."""
BACKBONE = VariedAxis("backbone", (9, 10, 11), 11)
CONV = VariedAxis("conv", ("regular", "separable"), "separable")
CHANNELS = VariedAxis("aspp_channels", (32, 48, 64, 80, 96), 64)
CONDITIONS = Conditions()
PARAMS = Quantity("params", "parameters", measure=Measure("params", CONDITIONS, "params"))
FVCORE = Quantity("fvcore", "FLOPs (fvcore)", measure=Measure("fvcore", CONDITIONS, "fvcore"))
PEAK = Quantity(
    "peak-memory",
    "peak memory",
    in_bytes=True,
    measure=Measure("peak-memory", CONDITIONS, "peak-memory"),
)
FIELD = Quantity(
    "receptive-field",
    "receptive field",
    measure=Measure("receptive-field", CONDITIONS, "receptive-field"),
)


def params(place: Place) -> int:
    return 200_000 + 160_000 * place[0] + 9_999 * place[2] * (3 - 2 * place[1])


def fvcore(place: Place) -> int:
    return 190_000_000 - 60_000_000 * place[1] + 7_000_000 * place[2] - 1_500_000 * place[0]


def peak(place: Place) -> int:
    return 18_300_000 - 9_408 * place[0]


FIGURES = {PARAMS: params, FVCORE: fvcore, PEAK: peak}


def at_most(label: str, bound: int, text: str) -> Limit:
    return Limit(label, bound, is_max=True, text=text)


def swept_answer(
    axes: Sequence[VariedAxis] = (BACKBONE, CONV, CHANNELS),
    figures: Mapping[Quantity, Callable[[Place], int | None]] = FIGURES,
    base: str = "v2",
    reasons: Mapping[int, str] | None = None,
    objectives: Sequence[Objective] = (),
    **wanted: Any,
) -> SweepAnswer:
    """The answer about the space of *axes* around *base*, with the least of all figures wanted."""
    space = Space(parse_reference(base), tuple(axes))
    broken = reasons or {}
    columns = {
        quantity.label: [
            None if variant in broken else figure(digits)
            for variant, digits in enumerate(space.all_digits())
        ]
        for quantity, figure in figures.items()
    }
    goals = tuple(objectives) or tuple(Objective(quantity.label) for quantity in figures)
    at = space.base_index
    known = {label: None if at is None else column[at] for label, column in columns.items()}
    return conclude_sweep(
        space,
        CONDITIONS,
        Wanted(tuple(figures), goals, **wanted),
        Swept(columns, broken),
        known,
    )
