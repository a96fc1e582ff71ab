"""Bringing a lock up to date: which models, what changes, and whether that may be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ucseg_cli.analysis.comparing.drift import drift
from ucseg_cli.analysis.comparing.lock_changes import ModelChange
from ucseg_cli.errors import OutputError, Place, UnknownNameError, UsageError
from ucseg_cli.facts.conditions import Conditions, Example, make_conditions
from ucseg_cli.facts.lock import Lock, Locked, Raise, Tree
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.project.lock_file import read_lock, write_lock
from ucseg_cli.references import FromCheckpoint, FromFile, Reference
from ucseg_cli.system.folder_lock import alone_in
from ucseg_cli.system.paths import shown
from ucseg_cli.workflow.check_lock import (
    budgeted,
    in_order,
    lock_path,
    locked_inputs,
    locked_reference,
    today,
    trees_now,
)


class LockUpdate(NamedTuple):
    """A lock as it would be written, and what that changes."""

    path: Path
    before: Lock
    fresh: Mapping[str, Locked]
    dropped: frozenset[str]
    changes: tuple[ModelChange, ...]
    reason: str | None

    @property
    def accepted(self) -> bool:
        """Whether nothing is raised without a reason."""
        return self.reason is not None or not any(change.raised for change in self.changes)

    @property
    def path_shown(self) -> str:
        """The path as the user would write it."""
        return shown(self.path)

    def write(self) -> None:
        """Write what differs into the lock as it is now, so that nothing of others is lost.

        Raises OutputError if another process has changed one of the same models meanwhile.
        """
        try:
            with alone_in(self.path.parent):
                self.write_alone()
        except TimeoutError as error:
            raise OutputError(str(error.strerror), where=Place(self.path_shown)) from error

    def write_alone(self) -> None:
        """The same, by whoever is alone in the folder already."""
        now = read_lock(self.path, both_sides=True) or Lock({})
        for name in (*self.fresh, *self.dropped):
            if now.models.get(name) != self.before.models.get(name):
                what = f"another process has changed {name} in the lock meanwhile"
                raise OutputError(what, where=Place(self.path_shown), help="`ucseg lock` once more")
        kept = {name: model for name, model in now.models.items() if name not in self.dropped}
        models = {**kept, **self.fresh}
        if models != now.models or not now.text or now.in_conflict:
            write_lock(self.path, models)


def plan_update(
    settings: Settings,
    models: Sequence[Reference],
    inputs: Sequence[Conditions],
    drop: Sequence[str],
    reason: str | None,
    *,
    cache: Cache | None,
) -> LockUpdate:
    """The update that locking *models* on *inputs* makes.

    Without inputs each model has those that it is locked on, else the configured sizes.

    Raises UsageError for an empty reason and for a model that cannot be dropped.
    """
    if reason is not None and not reason.strip():
        what = "the reason is empty"
        raise UsageError(what, where="--reason", help="say why the figure may be higher")
    path = lock_path(settings)
    before = read_lock(path, both_sides=True) or Lock({})
    _refuse_drops(drop, before, models)
    kept = before._replace(
        models={name: model for name, model in before.models.items() if name not in drop}
    )
    chosen = _chosen(models, kept, settings, path, drop=drop)
    _refuse_other_names(models, inputs, settings, path)
    locked = {
        model: locked_inputs(model.name, kept, settings, path) if model.name in kept.models else []
        for model in chosen
    }
    configured = [make_conditions(size, 1) for size in settings.sizes]
    wanted = {model: inputs or locked[model] or configured for model in chosen}
    # a raise is seen on the inputs that were locked, also if other ones are locked from now on
    measured = {model: [*wanted[model], *locked[model]] for model in chosen}
    now, _ = trees_now(measured, settings, cache=cache)
    fresh, changes = {}, []
    for model in chosen:
        old, tree = kept.models.get(model.name), now[model.name]
        change = _change(model.name, wanted[model], old, tree)
        new = Locked(_only_on(wanted[model], tree), today())
        fresh[model.name] = _locked(old, new, change, reason)
        changes.append(change)
    return LockUpdate(path, before, fresh, frozenset(drop), tuple(changes), reason)


def _refuse_other_names(
    models: Sequence[Reference], inputs: Sequence[Conditions], settings: Settings, path: Path
) -> None:
    """Raise UsageError for a name that would stand for another file in the lock, or for none."""
    examples = [one.given for one in inputs if isinstance(one.given, Example)]
    named = {model.name: model.model for model in models}
    named |= {example.name: example.function for example in examples}
    for name, typed in named.items():
        written = settings.find_written(name, Place(shown(path))).model
        files = [one for one in (typed, written) if isinstance(one, FromFile | FromCheckpoint)]
        if type(typed) is type(written) and len({Path(file.path).resolve() for file in files}) > 1:
            what = f"seen from {settings.folder}, where the lock lies, {name} is another file"
            raise UsageError(what, where=name, help="name it as seen from that folder")


def _refuse_drops(drop: Sequence[str], lock: Lock, models: Sequence[Reference]) -> None:
    for name in drop:
        where = f"--drop {name}"
        if name not in lock.models:
            hint = None if lock.models else "leave --drop out"
            raise UnknownNameError("locked model", name, lock.models, where=where, hint=hint)
        if name in {model.name for model in models}:
            what = f"{name} is to be locked and to be dropped"
            raise UsageError(what, where=where, help="do one of them")


def _chosen(
    models: Sequence[Reference], lock: Lock, settings: Settings, path: Path, *, drop: Sequence[str]
) -> list[Reference]:
    """The models that were typed; else those that are locked or in budgets, else the default."""
    if models or drop:
        return list(dict.fromkeys(models))
    locked = [locked_reference(name, lock, settings, path) for name in lock.models]
    return list(dict.fromkeys([*locked, *budgeted(settings)])) or [settings.default]


def _change(
    name: str, inputs: Sequence[Conditions], before: Locked | None, tree: Tree
) -> ModelChange:
    written = [given.written for given in in_order(inputs)]
    if before is None:
        return ModelChange(name, written, None)
    raised = tuple(one for one in drift(name, before.tree, tree) if one.raised)
    now = _only_on(inputs, tree)
    drifts = drift(name, before.tree, now)
    return ModelChange(name, written, drifts, raised, extended=before.tree != now)


def _only_on(inputs: Sequence[Conditions], tree: Tree) -> Tree:
    measured = tree["sizes"]
    assert isinstance(measured, Mapping)  # noqa: S101 - trees_now made it
    written = [given.written for given in in_order(inputs)]
    return {**tree, "sizes": {name: measured[name] for name in written}}


def _locked(before: Locked | None, now: Locked, change: ModelChange, reason: str | None) -> Locked:
    """The model as it is now; if nothing differs, since the day on which it was locked before."""
    if before is None:
        return now
    if not change.drifts:
        return before._replace(tree=now.tree)
    raises = before.raises
    if reason is not None and change.raised:
        raises = (*raises, Raise(now.since, reason.strip()))
    return now._replace(raises=raises)
