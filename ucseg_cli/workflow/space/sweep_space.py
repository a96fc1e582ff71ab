"""From what was typed about a space to the answer about all of its variants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from ucseg_cli.analysis.space.benefits import refuse_unknown_tap
from ucseg_cli.analysis.space.conclude_sweep import conclude_sweep
from ucseg_cli.analysis.space.scores import read_scores
from ucseg_cli.analysis.space.sweep_answer import Number, Quantity, Scores, SweepAnswer
from ucseg_cli.errors import ModelError, Place, UnknownNameError, UsageError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.swept import Measure, Swept
from ucseg_cli.facts.training import help_for
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache
from ucseg_cli.references import Model, Reference
from ucseg_cli.references.space import Space
from ucseg_cli.references.variants import Variant
from ucseg_cli.system.plain_file import read_plain_text
from ucseg_cli.terminal.progress import progress_in_words, show_progress
from ucseg_cli.units import plural
from ucseg_cli.workflow.space.budget_limits import BudgetLimits, budget_limits
from ucseg_cli.workflow.space.find_space import find_space, given_axes, refuse_too_many
from ucseg_cli.workflow.space.measure_space import sweep_all
from ucseg_cli.workflow.space.read_wishes import Wishes, read_wishes


class Sweep(NamedTuple):
    """How a space is swept.

    Args:
        vary: axes with their values, as typed.
        wishes: limits, objectives and formula, as typed.
        budgets: whether the budgets of the configuration are limits, too.
        scores: a file of scores.
        verify: how many variants are recorded alone, to compare.
        accepted: whether there may be any number of variants.
    """

    vary: Sequence[str] = ()
    wishes: Wishes = Wishes()
    budgets: bool = False
    scores: Path | None = None
    verify: int = 0
    accepted: bool = False


def sweep_space(
    named: str | None,
    sweep: Sweep,
    conditions: Conditions,
    settings: Settings,
    *,
    cache: Cache | None,
) -> SweepAnswer:
    """The answer about the space around a model, or about one that the configuration names.

    Raises UsageError for all that is wrong with what was typed, before anything is swept.
    """
    saved = settings.spaces.get(named or "")
    base = saved.base if saved else _find_base(named, settings)
    given = given_axes(sweep.vary, saved)
    space = find_space(base, given, conditions, settings, cache=cache)
    refuse_too_many(space, accepted=sweep.accepted)
    scores = _read_scores(sweep.scores, space, settings) if sweep.scores else None
    budgets = BudgetLimits()
    if sweep.budgets:
        budgets = budget_limits(base, conditions, settings, sweep.wishes.step, cache=cache)
    wanted = read_wishes(
        sweep.wishes, conditions, settings.convention, scores=scores, limits=budgets.limits
    )
    measures = [one.measure for one in wanted.quantities if one.measure is not None]
    _refuse_unknown_taps(base, measures, settings, cache=cache)
    swept = _sweep(space, measures, settings, cache=cache)
    _refuse_nothing_built(space, swept, measures)
    figures = _base_figures(space, measures, swept, wanted.quantities, scores, settings, cache)
    answer = conclude_sweep(space, conditions, wanted, swept, figures, scores)
    return answer._replace(
        name=named if saved else None,
        notes=(*answer.notes, *budgets.notes),
        verified=_verify(space, measures, swept, sweep.verify, settings),
    )


def _find_base(named: str | None, settings: Settings) -> Reference:
    """The model whose axes are varied; raises UsageError, which knows spaces, too."""
    if named is None:
        return settings.default
    try:
        return settings.find(named)
    except UnknownNameError as error:
        if not settings.spaces or named in settings.variants or "+" in named:
            raise
        known = (*settings.variants, *settings.spaces)
        raise UnknownNameError("variant or space", named, known, where=error.where) from None


def _sweep(
    space: Space, measures: Sequence[Measure], settings: Settings, *, cache: Cache | None
) -> Swept:
    begun: list[float] = []
    with show_progress() as announce:
        announce(f"recording {_size_in_words(space)}")

        def progress(done: int, size: int) -> None:
            begun.append(monotonic())  # the first is there once torch is
            at = progress_in_words(done, size, begun[-1] - begun[0])
            del begun[1:]
            announce(f"recording {plural(size, 'variant')}: {at}")

        return sweep_all(space, measures, cache, progress, settings.timeout, settings.prices)


def _refuse_nothing_built(space: Space, swept: Swept, measures: Sequence[Measure]) -> None:
    """Raise ModelError where every variant is broken, with the reason that most of them have."""
    if len(swept.reasons) < space.size:
        return
    reason, times = Counter(swept.reasons.values()).most_common(1)[0]
    first = next(variant for variant, why in swept.reasons.items() if why == reason)
    name, trains = space.reference_at(first), any(measure.at.training for measure in measures)
    alone = f"ucseg memory '{name}' --train" if trains else f"ucseg show '{name}'"
    raise ModelError(
        f"none of {plural(space.size, 'variant')} can be built and run: {reason}",
        where=name,
        notes=(f"the same reason for {times:,} of {space.size:,}",) if times > 1 else (),
        help=help_for(reason) or f"`{alone}` looks at one of them alone",
    )


def _base_figures(
    space: Space,
    measures: Sequence[Measure],
    swept: Swept,
    quantities: Sequence[Quantity],
    scores: Scores | None,
    settings: Settings,
    cache: Cache | None,
) -> Mapping[str, Number | None]:
    """The figures of the base, which is measured alone if it is not one of the variants."""
    at = space.base_index
    if at is None:
        alone = _sweep(Space(space.base, ()), measures, settings, cache=cache)
        return {label: column[0] for label, column in alone.columns.items()}
    every = {**swept.columns, **(scores.columns if scores else {})}
    return {quantity.label: every[quantity.label][at] for quantity in quantities}


def _read_scores(path: Path, space: Space, settings: Settings) -> Scores:
    """The scores in a file; raises UsageError for one that cannot be read."""

    def find(text: str, where: Place) -> Model:
        return settings.find(text, where).model

    try:
        text = read_plain_text(path)
    except OSError as error:
        what = f"cannot read {path}: {error.strerror}"
        raise UsageError(what, where=f"--scores {path}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8", where=f"--scores {path}") from error
    return read_scores(text, str(path), space, find)


def _refuse_unknown_taps(
    base: Reference, measures: Sequence[Measure], settings: Settings, *, cache: Cache | None
) -> None:
    """Raise UnknownNameError for a metric of a tap that the base does not have."""
    named = [measure for measure in measures if ":" in measure.metric]
    taps = base.model.taps if isinstance(base.model, Variant) else {}
    unknown = [one for one in named if one.metric.partition(":")[2] not in taps]
    requests = [tracing.Request(base.model, one.at) for one in unknown]
    traces = tracing.trace_all(
        requests, cache, announce=lambda _: None, timeout=settings.timeout, failures={}
    )
    for measure, request in zip(unknown, requests, strict=True):
        if request in traces:
            refuse_unknown_tap(traces[request], measure.metric, measure.label)


def _verify(
    space: Space, measures: Sequence[Measure], swept: Swept, count: int, settings: Settings
) -> int | None:
    if not count:
        return None
    from ucseg_cli.workflow.space.verify_sample import verify_sample

    return verify_sample(space, measures, swept, count, settings)


def _size_in_words(space: Space) -> str:
    """``1,080 variants of v2: 3 backbone × 2 conv``."""
    axes = " × ".join(f"{len(axis.values):,} {axis.name}" for axis in space.axes)
    return f"{plural(space.size, 'variant')} of {space.base.name}: {axes}"
