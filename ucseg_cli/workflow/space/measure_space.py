"""The figures of every variant of a space, each recorded as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ucseg_cli.analysis.space.benefits import figure_of
from ucseg_cli.facts.choices import TIMEOUT
from ucseg_cli.facts.swept import Measure, Swept
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache
from ucseg_cli.gate.tracing import Request
from ucseg_cli.references.space import Space

CHUNK = 64
"""So many variants are recorded before their traces are let go."""


def sweep_all(
    space: Space,
    measures: Sequence[Measure],
    cache: Cache | None,  # noqa: ARG001 - thousands of traces would push all others out of it
    announce: Callable[[int, int], None],
    timeout: float = TIMEOUT,
) -> Swept:
    """Every measure of every variant.

    Args:
        space: the variants.
        measures: the metrics, each on its input.
        cache: where to look and to keep; None records everything again and keeps nothing.
        announce: called with how many variants are done, and of how many, before each chunk.
        timeout: seconds that a user's code may take.
    """
    columns: dict[str, list[int | None]] = {measure.label: [] for measure in measures}
    reasons: dict[int, str] = {}
    for start in range(0, space.size, CHUNK):
        announce(start, space.size)
        chunk = range(start, min(start + CHUNK, space.size))
        traces, failures = record_variants(space, chunk, measures, timeout)
        for variant in chunk:
            requests = requests_of(space, variant, measures)
            reason = next(_reasons(requests, traces, failures), None)
            if reason is not None:
                reasons[variant] = reason
            for measure, request in zip(measures, requests, strict=True):
                figure = figure_of(traces[request], measure.metric) if reason is None else None
                columns[measure.label].append(figure)
    return Swept(columns, reasons)


def record_variants(
    space: Space, variants: Iterable[int], measures: Sequence[Measure], timeout: float
) -> tuple[Mapping[Request, Trace], tracing.Failures]:
    """The traces of some variants on every input, recorded anew, and why some have none."""
    failures: tracing.Failures = {}
    needed = [one for variant in variants for one in requests_of(space, variant, measures)]
    traces = tracing.trace_all(
        needed, None, announce=lambda _: None, timeout=timeout, failures=failures, together=True
    )
    return traces, failures


def requests_of(space: Space, variant: int, measures: Sequence[Measure]) -> list[Request]:
    """The trace of a variant that each measure needs."""
    model = space.model_at(variant)
    return [Request(model, measure.at) for measure in measures]


def _reasons(
    requests: Iterable[Request], traces: Mapping[Request, Trace], failures: tracing.Failures
) -> Iterator[str]:
    """Why a variant cannot be built, or cannot run on an input."""
    for request in requests:
        if request in failures:
            yield failures[request].what
        elif (failure := traces[request].failure) is not None:
            yield f"it does not run: {failure}"
