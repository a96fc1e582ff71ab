"""From references to traced models: plan which traces are needed, and get them through the gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import ModelError, UcsegError
from ucseg_cli.facts.conditions import OTHER_ARGUMENTS, Conditions, Point
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.trace import NO_FORWARD
from ucseg_cli.facts.training import help_for
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache, default_directory
from ucseg_cli.references import Reference, call_text
from ucseg_cli.references.variants.layout import FIRST_BRANCH
from ucseg_cli.terminal.progress import show_progress
from ucseg_cli.terminal.streams import say
from ucseg_cli.units import plural

INPUT_OPTION = f"--input gives it other arguments: {OTHER_ARGUMENTS}"
PATIENCE = 2.0
"""Seconds for a pass whose figures an answer can do without."""


def open_cache() -> Cache:
    """The user's cache; what goes wrong with it is reported on stderr."""
    return Cache(default_directory(), warn=lambda message: say("warning", message))


def measure(
    references: Iterable[Reference],
    conditions: Sequence[Conditions],
    settings: Settings,
    *,
    cache: Cache | None,
    deploy: bool = False,
    run: bool = True,
    patience: float | None = None,
) -> list[Subject]:
    """Every model on every input, model by model, with *deploy* as it is after folding.

    With *patience*, modules are enough for a user's own code whose pass takes longer. Raises
    ModelError for a model that does not run, unless the answer needs no *run*.
    """
    points = [Point(model, given) for model in references for given in conditions]
    measured = measure_points(
        points, settings, cache=cache, deploy=deploy, run=run, patience=patience
    )
    return [measured[point] for point in points]


def measure_points(
    points: Iterable[Point],
    settings: Settings,
    *,
    cache: Cache | None,
    deploy: bool = False,
    run: bool = True,
    patience: float | None = None,
    failures: dict[Point, UcsegError] | None = None,
) -> dict[Point, Subject]:
    """Each model on its input; what is needed twice is recorded once.

    *failures* gets the error of each model that cannot be built or read, instead of the first one
    being raised.
    """
    requests = {point: tracing.Request(point.reference.model, point.conditions) for point in points}
    failed: tracing.Failures | None = None if failures is None else {}
    with show_progress() as announce:
        traces = tracing.trace_all(
            requests.values(),
            cache,
            announce=lambda count: announce(f"recording {plural(count, 'network')}…"),
            timeout=settings.timeout,
            patience=patience,
            prices=settings.prices,
            failures=failed,
        )
    subjects: dict[Point, Subject] = {}
    for point, request in requests.items():
        reference, conditions = point
        if failures is not None and failed and request in failed:
            failures[point] = failed[request]
            continue
        subject = Subject(reference.name, traces[request], reference.variant, model=reference.model)
        subject = _recognised(subject, conditions, settings, cache)
        if run:
            refuse_failure(subject, conditions)
        subjects[point] = _as_deployed(subject) if deploy else subject
    return subjects


def _recognised(
    subject: Subject, conditions: Conditions, settings: Settings, cache: Cache | None
) -> Subject:
    """The subject as the variant that it is, if a user's own model is one."""
    ran = subject.trace.ops
    if subject.variant is not None or not ran or FIRST_BRANCH not in subject.trace.by_path:
        return subject
    from ucseg_cli.analysis.family.recognise import candidates, is_same_network, reference_to

    for variant in candidates(subject.trace):
        request = tracing.Request(variant, conditions.as_run(subject.trace).by_place)
        trace = tracing.trace_all([request], cache, announce=lambda _: None)[request]
        if is_same_network(subject.trace, trace):
            known_as = reference_to(variant, settings.family)
            own = subject.trace.with_taps(trace.taps)
            return subject._replace(trace=own, variant=variant, known_as=known_as)
    return subject


def refuse_failure(subject: Subject, conditions: Conditions) -> None:
    """Raise ModelError with the reason for a model that has no forward pass."""
    failure = subject.trace.failure
    if failure is None:
        return
    other_input = "" if failure == NO_FORWARD else f"; {INPUT_OPTION}"
    params = call_text("params", subject.name, subject.model)
    counted = f"{params} counts its parameters all the same{other_input}"
    if conditions.training is not None and failure != NO_FORWARD:
        memory = call_text("memory", subject.name, subject.model)
        raise ModelError(
            f"{subject.name} cannot run a training step: {failure}",
            where=f"training step on {conditions}",
            help=help_for(failure) or f"{memory} without --train runs its forward pass alone",
        )
    raise ModelError(
        f"{subject.name} does not run: {failure}", where=f"forward on {conditions}", help=counted
    )


def _as_deployed(subject: Subject) -> Subject:
    if subject.trace.failure is not None:
        return subject
    from ucseg_cli.analysis.counting.fold_batch_norms import fold_batch_norms

    folding = fold_batch_norms(subject.trace)
    return subject._replace(trace=folding.trace, folding=folding)
