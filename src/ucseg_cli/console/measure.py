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


def measure(names: Iterable[str], conditions: Conditions, *, no_cache: bool) -> list[Subject]:
    """The models that were named, each traced on the same input."""
    return [subject for subject, _ in measure_each(names, [conditions], no_cache=no_cache)]


def measure_each(
    names: Iterable[str], conditions: Sequence[Conditions], *, no_cache: bool
) -> list[tuple[Subject, Conditions]]:
    """Every model on every input, model by model. What is asked for twice is recorded once."""
    references = list(dict.fromkeys(map(parse_reference, names)))
    requests = {
        (reference, each): gate.Request(reference.variant, each) for reference in references for each in conditions
    }
    with say_while() as announce:
        traces = gate.trace_all(
            requests.values(),
            None if no_cache else open_cache(),
            announce=lambda count: announce(f"recording {plural(count, 'network')}…"),
        )
    return [
        (Subject(reference.name, traces[request], reference.variant), each)
        for (reference, each), request in requests.items()
    ]
