"""The figures of every variant of a space: each part of it is recorded and priced once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ucseg_cli.analysis.space.assembled import WIRED, OutcomeFigures
from ucseg_cli.errors import UcsegError
from ucseg_cli.facts.choices import TIMEOUT
from ucseg_cli.facts.parts import Outcome
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.swept import Measure, Swept
from ucseg_cli.facts.trace import Price, Trace
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache
from ucseg_cli.gate.sweeping import record_space, space_key
from ucseg_cli.gate.tracing import Request
from ucseg_cli.references.space import Space


def sweep_all(
    space: Space,
    measures: Sequence[Measure],
    cache: Cache | None,
    announce: Callable[[int, int], None],
    timeout: float = TIMEOUT,
    prices: tuple[Price, ...] = (),
) -> Swept:
    """Every measure of every variant.

    Args:
        space: the variants.
        measures: the metrics, each on its input.
        cache: where to look and to keep; None records everything again and keeps nothing.
        announce: called with how many variants are done, and of how many, after each.
        timeout: seconds that a user's code may take for a variant.
        prices: the project's own.
    """
    key = space_key(space, measures, prices) if cache else None
    known = cache.get_swept(key) if cache and key else None
    if known is not None and known.size == space.size:
        return known
    swept = _record_all(space, measures, announce, timeout, prices)
    if cache and key:
        cache.put_swept(key, swept)
    return swept


def _record_all(
    space: Space,
    measures: Sequence[Measure],
    announce: Callable[[int, int], None],
    timeout: float,
    prices: tuple[Price, ...],
) -> Swept:
    inputs = list(dict.fromkeys(measure.at for measure in measures))
    wired = not WIRED.isdisjoint(measure.metric.partition(":")[0] for measure in measures)
    models = [space.model_at(index) for index in range(space.size)]
    columns: dict[str, list[int | None]] = {measure.label: [] for measure in measures}
    reasons: dict[int, str] = {}
    figures: OutcomeFigures | None = None
    recorded = record_space(models, inputs, wired=wired, timeout=timeout)
    for variant, one in enumerate(recorded):
        announce(variant, space.size)
        if figures is None or figures.book is not one.book:  # another process has its own parts
            figures = OutcomeFigures(one.book, prices)
        reason = next(filter(None, map(_reason, one.outcomes)), None)
        if reason is not None:
            reasons[variant] = reason
        for measure in measures:
            number = inputs.index(measure.at)
            figure = None if reason else figures.figure(one.outcomes[number], measure.metric)
            columns[measure.label].append(figure)
    return Swept(columns, reasons)


def _reason(outcome: Outcome) -> str | None:
    """Why a variant cannot be built, or cannot run on an input; None if it can."""
    if isinstance(outcome, UcsegError):
        return outcome.what
    if isinstance(outcome, Trace) and outcome.failure is not None:
        return f"it does not run: {outcome.failure}"
    return None


def record_variants(
    space: Space, variants: Iterable[int], measures: Sequence[Measure], settings: Settings
) -> tuple[Mapping[Request, Trace], tracing.Failures]:
    """The traces of some variants on every input, each recorded alone, and why some have none."""
    failures: tracing.Failures = {}
    needed = [one for variant in variants for one in requests_of(space, variant, measures)]
    traces = tracing.trace_all(
        needed,
        None,
        announce=lambda _: None,
        timeout=settings.timeout,
        failures=failures,
        prices=settings.prices,
        together=True,
    )
    return traces, failures


def requests_of(space: Space, variant: int, measures: Sequence[Measure]) -> list[Request]:
    """The trace of a variant that each measure needs."""
    model = space.model_at(variant)
    return [Request(model, measure.at) for measure in measures]
