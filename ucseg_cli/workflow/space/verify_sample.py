"""Figures of a sweep against those of variants that are recorded alone."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ucseg_cli.analysis.space.benefits import figure_of
from ucseg_cli.errors import ModelError
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.swept import Measure, Swept
from ucseg_cli.references.space import Space
from ucseg_cli.workflow.space.measure_space import record_variants, requests_of


def verify_sample(
    space: Space, measures: Sequence[Measure], swept: Swept, count: int, settings: Settings
) -> int:
    """Record *count* variants at random, each as a whole, and compare; gives how many.

    Raises ModelError for a figure that is another one.
    """
    built = [variant for variant in range(space.size) if variant not in swept.reasons]
    chosen = random.sample(built, min(count, len(built)))
    for variant in chosen:
        traces, _ = record_variants(space, [variant], measures, settings)
        requests = requests_of(space, variant, measures)
        for measure, request in zip(measures, requests, strict=True):
            trace = traces.get(request)
            alone = None if trace is None else figure_of(trace, measure.metric)
            known = swept.columns[measure.label][variant]
            if alone != known:
                raise ModelError(
                    f"{space.reference_at(variant)} has {measure.label} {alone}, not {known}",
                    where=f"--verify {count}",
                    help="this is a mistake of ucseg: please report it with the command",
                )
    return len(chosen)
