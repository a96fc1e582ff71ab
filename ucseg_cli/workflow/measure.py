"""From names to traced models: parse the references, plan which traces are needed, get them through the gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import ModelError, UnknownNameError, UsageError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.state_dict import NO_FORWARD
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache, default_directory
from ucseg_cli.references import FromCheckpoint, FromFile, Reference, parse_reference
from ucseg_cli.terminal.streams import say, say_while
from ucseg_cli.units import plural

Point = tuple[str, Conditions]
"""A model by name, and the input that it runs on."""


def open_cache() -> Cache:
    """The person's cache; what goes wrong with it is told on stderr."""
    return Cache(default_directory(), warn=lambda message: say("warning", message))


def measure(
    names: Iterable[str],
    conditions: Conditions,
    settings: Settings,
    *,
    cache: Cache | None,
    deploy: bool = False,
    run: bool = True,
) -> list[Subject]:
    """The models that were named, each traced on the same input, with *deploy* as they are after folding.

    Raises ModelError for one that does not run, unless the answer needs no *run*.
    """
    return [
        subject
        for subject, _ in measure_each(
            names, [conditions], settings, cache=cache, deploy=deploy, run=run
        )
    ]


def measure_each(
    names: Iterable[str],
    conditions: Sequence[Conditions],
    settings: Settings,
    *,
    cache: Cache | None,
    deploy: bool = False,
    run: bool = True,
) -> list[tuple[Subject, Conditions]]:
    """Every model on every input, model by model."""
    points = [(name.strip(), each) for name in names for each in conditions]
    measured = measure_points(points, settings, cache=cache, deploy=deploy, run=run)
    return [(subject, each) for (_, each), subject in measured.items()]


def measure_points(
    points: Iterable[Point],
    settings: Settings,
    *,
    cache: Cache | None,
    deploy: bool = False,
    run: bool = True,
) -> dict[Point, Subject]:
    """Each model on its input. What is asked for twice is recorded once.

    Raises ModelError for one that does not run, unless the answer needs no *run*.
    """
    references = {(name, each): find_model(name, settings) for name, each in points}
    requests = {
        point: tracing.Request(reference.model, point[1]) for point, reference in references.items()
    }
    with say_while() as announce:
        traces = tracing.trace_all(
            requests.values(),
            cache,
            announce=lambda count: announce(f"recording {plural(count, 'network')}…"),
        )
    subjects = {
        point: _recognised(
            Subject(reference.name, traces[requests[point]], reference.variant),
            point[1],
            settings,
            cache,
        )
        for point, reference in references.items()
    }
    if run:
        for (_, conditions), subject in subjects.items():
            refuse_what_did_not_run(subject, conditions)
    return {
        point: _as_deployed(subject) if deploy else subject for point, subject in subjects.items()
    }


def _recognised(
    subject: Subject, conditions: Conditions, settings: Settings, cache: Cache | None
) -> Subject:
    """The subject as the variant that it is, where a person's own model is one."""
    if subject.variant is not None or "aspp.branches.0" not in subject.trace.by_path:
        return subject
    from ucseg_cli.analysis.family.recognise import candidates, is_same_network, reference_to

    for variant in candidates(subject.trace):
        (trace,) = tracing.trace_all(
            [tracing.Request(variant, conditions)], cache, announce=lambda _: None
        ).values()
        if is_same_network(subject.trace, trace):
            return Subject(
                subject.name,
                subject.trace.with_taps(trace.taps),
                variant,
                known_as=reference_to(variant, settings.variants),
            )
    return subject


def find_model(name: str, settings: Settings) -> Reference:
    """The model that was named. A file is looked for here, and then where the configuration lies, which may name it."""
    try:
        reference = parse_reference(name, settings.variants)
    except UnknownNameError as error:
        if not Path(name).is_file():
            raise
        raise UsageError(
            f"'{name}' is no variant", help=f"as a checkpoint, the file is ./{name}"
        ) from error
    model = reference.model
    if (
        settings.path is None
        or not isinstance(model, FromFile | FromCheckpoint)
        or Path(model.path).exists()
    ):
        return reference
    beside = settings.path.parent / model.path
    return (
        reference._replace(model=model._replace(path=str(beside))) if beside.exists() else reference
    )


def refuse_what_did_not_run(subject: Subject, conditions: Conditions) -> None:
    """Raise ModelError with the reason for a model that has no forward pass."""
    if subject.trace.failure is not None:
        raise ModelError(
            f"{subject.name} does not run: {subject.trace.failure}",
            where=f"forward on {conditions}",
            help=f"`ucseg params {subject.name}` counts its parameters all the same"
            + ("" if subject.trace.failure == NO_FORWARD else "; --input gives it other tensors"),
        )


def _as_deployed(subject: Subject) -> Subject:
    if subject.trace.failure is not None:
        return subject
    from ucseg_cli.analysis.counting.fold_batch_norms import fold_batch_norms

    folding = fold_batch_norms(subject.trace)
    return subject._replace(trace=folding.trace, folding=folding)
