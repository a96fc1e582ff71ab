"""The lock of a project: where it lies, and what its models are now."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ucseg_cli.analysis.comparing.drift import drift, locked_tree, unlocked
from ucseg_cli.analysis.comparing.lock_changes import LockState
from ucseg_cli.errors import ConfigurationError, UsageError
from ucseg_cli.facts.conditions import Size, make_conditions, parse_size
from ucseg_cli.facts.lock import Lock, Locked, Tree
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.project.lock_file import NAME, read_lock
from ucseg_cli.references import parse_reference
from ucseg_cli.system.paths import shown
from ucseg_cli.workflow.measure import measure_points

EPOCH = "SOURCE_DATE_EPOCH"
"""See reproducible-builds.org."""


def lock_path(settings: Settings) -> Path:
    """Beside the configuration, or where we are."""
    return (settings.path.parent if settings.path else Path.cwd()) / NAME


def hold_to_lock(settings: Settings, names: Sequence[str], *, cache: Cache | None) -> LockState:
    """What has drifted of the models that were named; where none was, of all, and of those of budgets that are not locked.

    Raises ConfigurationError without a lock, and for a model in it that is none any more.
    """
    path = lock_path(settings)
    lock = read_lock(path)
    if lock is None or not lock.models:
        raise ConfigurationError(
            "there is no lock", where=shown(path), help="`ucseg lock` makes one"
        )
    wanted = [name.strip() for name in names] or list(lock.models)
    for name in wanted:
        if name not in lock.models:
            raise UsageError(
                f"{name} is not locked", where=shown(path), help=f"`ucseg lock {name}` locks it"
            )
        refuse_unknown(name, settings, path)
    sizes = {name: _locked_sizes(lock, name, path) for name in wanted}
    now = trees_now(sizes, settings, cache=cache)
    missing = [] if names else [name for name in budgeted(settings) if name not in lock.models]
    drifts = [
        *(unlocked(name) for name in missing),
        *(each for name in wanted for each in drift(name, lock.models[name].tree, now[name])),
    ]
    return LockState(
        path=shown(path),
        lines={name: lock.line(name) for name in (*wanted, *missing)},
        since={name: lock.models[name].since for name in wanted},
        conditions=[
            make_conditions(size, 1)
            for size in dict.fromkeys(size for each in sizes.values() for size in each)
        ],
        drifts=drifts,
    )


def _locked_sizes(lock: Lock, name: str, path: Path) -> list[Size]:
    where = f"{shown(path)}:{lock.line(name)}"
    sizes = sizes_of(lock.models[name])
    if not sizes:
        raise ConfigurationError(
            f"the lock has no sizes for '{name}'", where=where, help=f"`ucseg lock {name}`"
        )
    return [parse_size(size, where=where) for size in sizes]


def sizes_of(locked: Locked) -> list[str]:
    """The sizes at which a model is locked; none where the lock does not say."""
    sizes = locked.tree.get("sizes")
    return list(sizes) if isinstance(sizes, Mapping) else []


def budgeted(settings: Settings) -> list[str]:
    """The models that budgets are about, each once."""
    return list(dict.fromkeys(name for budget in settings.budgets for name in budget.variants))


def refuse_unknown(name: str, settings: Settings, path: Path) -> None:
    """Raise ConfigurationError for a model of the lock that is none any more."""
    try:
        parse_reference(name, settings.variants, where=shown(path))
    except UsageError as error:
        raise ConfigurationError(
            error.what,
            where=error.where,
            notes=error.notes,
            help=f"`ucseg lock --drop {shlex.quote(name)}` takes it out of the lock",
        ) from error


def trees_now(
    sizes: Mapping[str, Sequence[Size]], settings: Settings, *, cache: Cache | None
) -> dict[str, Tree]:
    """What each model is at its sizes, the smaller first."""
    inputs = {
        name: {str(size): make_conditions(size, 1) for size in sorted(each)}
        for name, each in sizes.items()
    }
    points = [(name, conditions) for name, each in inputs.items() for conditions in each.values()]
    measured = measure_points(points, settings, cache=cache)
    return {
        name: locked_tree({size: measured[name, conditions] for size, conditions in each.items()})
        for name, each in inputs.items()
    }


def today() -> str:
    """The date, or the one that a reproducible build asks for; raises UsageError where that is no moment."""
    epoch = os.environ.get(EPOCH)
    if not epoch:
        return datetime.now().astimezone().date().isoformat()
    try:
        return datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"{EPOCH} is no moment",
            where=f"{EPOCH}={epoch[:40]}",
            help="it is a number of seconds since 1970",
        ) from error
