"""The waterfall of why a metric of two models differs, from what each change adds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ucseg_cli.analysis.comparing.attribution import Attribution
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.references.variants import Change
from ucseg_cli.report.parts.attribution_tables import ordered_effects, share_legend, values_between
from ucseg_cli.report.pictures.scatter import Scale
from ucseg_cli.report.pictures.waterfall import End, Step, Waterfall
from ucseg_cli.units import format_bytes, format_count


def attribution_waterfall(
    attribution: Attribution, changes: Sequence[Change], baseline: str, model: str
) -> Waterfall:
    """From the baseline's value to the model's; a change without any effect has no step."""
    metric = EVERY_METRIC[attribution.metric]
    write = format_bytes if metric.in_bytes else format_count
    by_axis = {change.axis.name: str(change) for change in changes}
    effects = ordered_effects(attribution)
    values = values_between(attribution, effects)
    steps = []
    for effect, (start, end) in zip(effects, pairwise(values), strict=True):
        name, exact = by_axis[effect.axis], write(effect.rounded, exact=True, signed=True)
        if effect.rounded:
            figure = write(effect.rounded, signed=True)
            steps.append(Step(name, start, end, figure, f"{name}: {exact} {metric.title}"))
    named = ", ".join(f"{step.name} {step.figure}" for step in steps)
    return Waterfall(
        title=f"Why {metric.title} change, {baseline} → {model}",
        description=f"From {baseline} to {model}: {named}.",
        scale=Scale(metric.title, in_bytes=metric.in_bytes),
        first=End(baseline, attribution.before, write(attribution.before)),
        steps=tuple(steps),
        last=End(model, attribution.after, write(attribution.after)),
        note=f"Each bar: {share_legend([attribution])}.",
    )
