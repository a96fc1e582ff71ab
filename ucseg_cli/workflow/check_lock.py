"""The lock of a project: where it lies, and how models differ from it now."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ucseg_cli.analysis.comparing.drift import drift, locked_tree, unlocked
from ucseg_cli.analysis.comparing.lock_changes import LockState
from ucseg_cli.errors import ConfigurationError, Place, UsageError
from ucseg_cli.facts.conditions import Conditions, Point, parse_conditions
from ucseg_cli.facts.lock import Lock, Tree
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.project.lock_file import NAME, read_lock
from ucseg_cli.references import Reference
from ucseg_cli.system.paths import shown
from ucseg_cli.workflow.measure import measure_points

EPOCH = "SOURCE_DATE_EPOCH"
"""See reproducible-builds.org."""


def lock_path(settings: Settings) -> Path:
    """Beside the configuration, or in the working directory."""
    return settings.folder / NAME


def check_lock(
    settings: Settings, models: Sequence[Reference], *, cache: Cache | None
) -> LockState:
    """How *models* differ from the lock; without any, every locked and every budgeted model.

    Raises ConfigurationError without a lock, and for a model in it that no longer exists.
    """
    path = lock_path(settings)
    lock = read_lock(path)
    if lock is None or not lock.models:
        fix = "`ucseg lock` makes one"
        raise ConfigurationError("there is no lock", where=Place(shown(path)), help=fix)
    wanted = [model.name for model in models] or list(lock.models)
    inputs = {}
    for name in wanted:
        reference = locked_reference(name, lock, settings, path)
        inputs[reference] = locked_inputs(name, lock, settings, path)
        if not inputs[reference]:
            what, where = f"the lock has no sizes for '{name}'", Place(shown(path), lock.line(name))
            raise ConfigurationError(what, where=where, help=f"`ucseg lock {name}`")
    now, ran_on = trees_now(inputs, settings, cache=cache)
    missing = [] if models else [m.name for m in budgeted(settings) if m.name not in lock.models]
    drifts = [unlocked(name) for name in missing]
    for name in wanted:
        drifts += drift(name, lock.models[name].tree, now[name])
    return LockState(
        path=shown(path),
        lines={name: lock.line(name) for name in (*wanted, *missing)},
        since={name: lock.models[name].since for name in wanted},
        conditions=ran_on,
        drifts=drifts,
    )


def locked_reference(name: str, lock: Lock, settings: Settings, path: Path) -> Reference:
    """A locked model; raises UsageError if it is not locked, ConfigurationError if it is gone."""
    if name not in lock.models:
        fix = f"`ucseg lock {name}` locks it"
        raise UsageError(f"{name} is not locked", where=Place(shown(path)), help=fix)
    try:
        return settings.find_written(name, Place(shown(path), lock.line(name)))
    except UsageError as error:
        raise ConfigurationError(
            error.what,
            where=error.place,
            notes=error.notes,
            help=f"`ucseg lock --drop {shlex.quote(name)}` takes it out of the lock",
        ) from error


def locked_inputs(name: str, lock: Lock, settings: Settings, path: Path) -> list[Conditions]:
    """The sizes, or other inputs, at which a model is locked; none if the lock does not say."""
    where = Place(shown(path), lock.line(name))
    sizes = lock.models[name].tree.get("sizes")
    if not isinstance(sizes, Mapping):
        return []
    return [parse_conditions(written, where=where, beneath=settings.folder) for written in sizes]


def budgeted(settings: Settings) -> list[Reference]:
    """The models that budgets limit, each once."""
    return list(dict.fromkeys(model for budget in settings.budgets for model in budget.variants))


def trees_now(
    inputs: Mapping[Reference, Sequence[Conditions]], settings: Settings, *, cache: Cache | None
) -> tuple[dict[str, Tree], list[Conditions]]:
    """Each model as a lock has it, by name, on its inputs; and these as they turned out."""
    points = {
        model: {given.written: Point(model, given) for given in in_order(own)}
        for model, own in inputs.items()
    }
    every = [point for own in points.values() for point in own.values()]
    measured = measure_points(every, settings, cache=cache)
    trees = {
        model.name: locked_tree({written: measured[point] for written, point in own.items()})
        for model, own in points.items()
    }
    ran_on = (point.conditions.as_run(measured[point].trace) for point in every)
    return trees, list(dict.fromkeys(ran_on))


def in_order(inputs: Iterable[Conditions]) -> list[Conditions]:
    """The smaller sizes first, then other inputs."""
    return sorted(inputs, key=lambda given: (given.given is not None, given.size, given.written))


def today() -> str:
    """The date, or that of a reproducible build; raises UsageError if it sets another text."""
    epoch = os.environ.get(EPOCH)
    if not epoch:
        return datetime.now().astimezone().date().isoformat()
    try:
        return datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{EPOCH} is not a moment",
            where=f"{EPOCH}={epoch[:40]}",
            help="it is a number of seconds since 1970",
        ) from error
