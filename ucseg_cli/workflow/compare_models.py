"""Models compared with the first of them, and the reasons why one differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ucseg_cli.analysis.comparing.attribution import NO_REASONS, Reasons
from ucseg_cli.analysis.comparing.comparison import Comparison, compare_all
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.references import Reference
from ucseg_cli.workflow.attribute_axes import attribute_axes
from ucseg_cli.workflow.checkpoints.find_checkpoint import with_state_dicts
from ucseg_cli.workflow.measure import measure


class ComparedModels(NamedTuple):
    """The measured models, the input they ran on, and how they differ; a pair also has reasons."""

    subjects: list[Subject]
    conditions: Conditions
    comparisons: list[Comparison]
    reasons: Reasons


def compare_models(
    references: Sequence[Reference],
    conditions: Conditions,
    settings: Settings,
    *,
    cache: Cache | None,
    deploy: bool = False,
    depth: int,
) -> ComparedModels:
    """Each model beside the first; a checkpoint beside a network as this network loads it."""
    subjects = measure(references, [conditions], settings, cache=cache, deploy=deploy, run=False)
    conditions = conditions.as_run(*(subject.trace for subject in subjects))
    baseline, *others = with_state_dicts(references, subjects, deploy=deploy)
    comparisons = compare_all(baseline, others, depth=depth)
    reasons = NO_REASONS
    if len(others) == 1:
        reasons = attribute_axes(comparisons[0], conditions, settings, cache=cache)
    return ComparedModels(subjects, conditions, comparisons, reasons)
