"""From names to traced models: parse the references, plan which traces are needed, get them through the gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ucseg_cli import gate
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.cache import Cache, default_directory
from ucseg_cli.conditions import Conditions
from ucseg_cli.console.streams import say, say_while
from ucseg_cli.units import plural
from ucseg_cli.variants import parse_reference


def open_cache() -> Cache:
    """The person's cache; what goes wrong with it is told on stderr."""
    return Cache(default_directory(), warn=lambda message: say("warning", message))


def measure(
    names: Iterable[str], conditions: Conditions, *, cache: Cache | None, deploy: bool = False
) -> list[Subject]:
    """The models that were named, each traced on the same input, with *deploy* as they are after folding."""
    return [subject for subject, _ in measure_each(names, [conditions], cache=cache, deploy=deploy)]


def measure_each(
    names: Iterable[str], conditions: Sequence[Conditions], *, cache: Cache | None, deploy: bool = False
) -> list[tuple[Subject, Conditions]]:
    """Every model on every input, model by model. What is asked for twice is recorded once."""
    references = list(dict.fromkeys(map(parse_reference, names)))
    requests = {
        (reference, each): gate.Request(reference.variant, each) for reference in references for each in conditions
    }
    with say_while() as announce:
        traces = gate.trace_all(
            requests.values(),
            cache,
            announce=lambda count: announce(f"recording {plural(count, 'network')}…"),
        )
    subjects = (
        (Subject(reference.name, traces[request], reference.variant), each)
        for (reference, each), request in requests.items()
    )
    return [(_as_deployed(subject) if deploy else subject, each) for subject, each in subjects]


def _as_deployed(subject: Subject) -> Subject:
    from ucseg_cli.analysis.deploy import fold_batch_norms

    folding = fold_batch_norms(subject.trace)
    return subject._replace(trace=folding.trace, folding=folding)
