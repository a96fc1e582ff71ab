"""The time of the best variants of a space, beside its base."""

from __future__ import annotations

from collections.abc import Sequence

from ucseg_cli.analysis.space.sweep_answer import SweepAnswer
from ucseg_cli.analysis.timing.timing_answer import TimingAnswer
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.references import Reference
from ucseg_cli.workflow.measure import measure
from ucseg_cli.workflow.timing.time_models import TimingWish, time_models


def time_front(
    answer: SweepAnswer, count: int, settings: Settings, *, cache: Cache | None
) -> TimingAnswer | None:
    """The time of the *count* best variants; None where none fits.

    These are the first of the ranking if there is a formula, else of the front.
    """
    space = answer.space
    best = [variant for variant in _best(answer)[:count] if variant != space.base_index]
    if not best and space.base_index not in _best(answer)[:count]:
        return None
    chosen = [Reference(space.reference_at(one), space.model_at(one)) for one in best]
    references = [space.base, *chosen]
    subjects = measure(references, [answer.conditions], settings, cache=cache)
    return time_models(subjects, answer.conditions, TimingWish(), settings)


def _best(answer: SweepAnswer) -> Sequence[int]:
    if answer.ranking is not None:
        return answer.ranking.order
    return [point.variant for point in answer.front]
