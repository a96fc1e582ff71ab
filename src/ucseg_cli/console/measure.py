"""From names to traced models: parse the references, plan which traces are needed, get them through the gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ucseg_cli import gate
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.cache import Cache, default_directory
from ucseg_cli.conditions import Conditions
from ucseg_cli.console.streams import say, say_while
from ucseg_cli.references import parse_reference
from ucseg_cli.settings import Settings
from ucseg_cli.units import plural

Point = tuple[str, Conditions]
"""A model by name, and the input that it runs on."""


def open_cache() -> Cache:
    """The person's cache; what goes wrong with it is told on stderr."""
    return Cache(default_directory(), warn=lambda message: say("warning", message))


def measure(
    names: Iterable[str], conditions: Conditions, settings: Settings, *, cache: Cache | None, deploy: bool = False
) -> list[Subject]:
    """The models that were named, each traced on the same input, with *deploy* as they are after folding."""
    return [subject for subject, _ in measure_each(names, [conditions], settings, cache=cache, deploy=deploy)]


def measure_each(
    names: Iterable[str],
    conditions: Sequence[Conditions],
    settings: Settings,
    *,
    cache: Cache | None,
    deploy: bool = False,
) -> list[tuple[Subject, Conditions]]:
    """Every model on every input, model by model."""
    points = [(name.strip(), each) for name in names for each in conditions]
    measured = measure_points(points, settings, cache=cache, deploy=deploy)
    return [(subject, each) for (_, each), subject in measured.items()]


def measure_points(
    points: Iterable[Point], settings: Settings, *, cache: Cache | None, deploy: bool = False
) -> dict[Point, Subject]:
    """Each model on its input. What is asked for twice is recorded once."""
    references = {(name, each): parse_reference(name, settings.variants) for name, each in points}
    requests = {point: gate.Request(reference.model, point[1]) for point, reference in references.items()}
    with say_while() as announce:
        traces = gate.trace_all(
            requests.values(),
            cache,
            announce=lambda count: announce(f"recording {plural(count, 'network')}…"),
        )
    subjects = {
        point: Subject(reference.name, traces[requests[point]], reference.variant)
        for point, reference in references.items()
    }
    return {point: _as_deployed(subject) if deploy else subject for point, subject in subjects.items()}


def _as_deployed(subject: Subject) -> Subject:
    from ucseg_cli.analysis.deploy import fold_batch_norms

    folding = fold_batch_norms(subject.trace)
    return subject._replace(trace=folding.trace, folding=folding)
