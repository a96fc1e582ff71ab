"""The pictures of a comparison: where two models differ and why, or several of them at a glance."""

from __future__ import annotations

from collections.abc import Iterator

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.report.answers.choose.compare_tables import Compared
from ucseg_cli.report.parts.drawn.attribution_waterfall import attribution_waterfall
from ucseg_cli.report.parts.drawn.compared_scatter import ACROSS, compared_scatter
from ucseg_cli.report.parts.drawn.difference_icicle import difference_icicles
from ucseg_cli.report.parts.drawn.module_icicle import Measured
from ucseg_cli.report.pictures.picture import Picture


def compare_pictures(answer: Compared) -> tuple[Picture, ...]:
    """Where each metric of two models differs, and why; of more models where each of them is."""
    return tuple(_of_pair(answer)) if answer.is_pair else _of_several(answer)


def _of_several(answer: Compared) -> tuple[Picture, ...]:
    """All models by parameters and operations; none of a model that does not run."""
    up = answer.convention.name
    first = answer.comparisons[0]
    rows = {first.baseline.name: {name: first.totals[name].before for name in (ACROSS, up)}}
    for model in answer.comparisons:
        rows[model.model.name] = {name: model.totals[name].after for name in (ACROSS, up)}
    figures = {
        name: {metric: figure for metric, figure in row.items() if figure is not None}
        for name, row in rows.items()
    }
    if any(len(row) < len((ACROSS, up)) for row in figures.values()):
        return ()
    return compared_scatter(figures, up, answer.budgets, answer.size)


def _of_pair(answer: Compared) -> Iterator[Picture]:
    """The difference by module of each metric that changed, then by axis."""
    (comparison,) = answer.comparisons
    metrics = [name for name in ("params", answer.convention.name) if answer.is_changed(name)]
    for name in reversed(metrics):
        yield from difference_icicles(comparison, _measured(name))
    baseline, model = comparison.baseline.name, comparison.model.name
    for attribution in answer.reasons.attributions:
        several = sum(bool(effect.rounded) for effect in attribution.effects) > 1
        if attribution.metric in metrics and several:
            yield attribution_waterfall(attribution, comparison.axes, baseline, model)


def _measured(name: str) -> Measured:
    metric = EVERY_METRIC[name]
    noun = CONVENTIONS[name].noun if name in CONVENTIONS else metric.title
    return Measured(name, f"{metric.title[0].upper()}{metric.title[1:]}", noun, metric.in_bytes)
