"""Bringing a lock up to date: which models, what changes, and whether that may be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ucseg_cli.analysis.comparing.drift import drift
from ucseg_cli.analysis.comparing.lock_changes import ModelChange
from ucseg_cli.errors import OutputError, UnknownNameError, UsageError
from ucseg_cli.facts.conditions import Size, parse_size
from ucseg_cli.facts.lock import Lock, Locked, Raise, Tree
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.project.lock_file import NAME, read_lock, write_lock
from ucseg_cli.system.paths import shown
from ucseg_cli.workflow.check_lock import (
    budgeted,
    lock_path,
    refuse_unknown,
    sizes_of,
    today,
    trees_now,
)


class LockUpdate(NamedTuple):
    """A lock as it would be written, and what that changes."""

    path: Path
    before: Lock
    models: Mapping[str, Locked]
    changes: tuple[ModelChange, ...]
    reason: str | None

    @property
    def accepted(self) -> bool:
        """Whether nothing is raised without a reason."""
        return self.reason is not None or not any(change.raised for change in self.changes)

    @property
    def path_shown(self) -> str:
        """The path as the person would write it."""
        return shown(self.path)

    def write(self) -> None:
        """Write what differs, and nothing where nothing does; raises OutputError where another has written meanwhile."""
        now = self.path.read_text("utf-8") if self.path.exists() else ""
        if now != self.before.text:
            raise OutputError(
                "the lock was written by another meanwhile",
                where=self.path_shown,
                help="`ucseg lock` once more",
            )
        if self.models != self.before.models or not self.before.text or self.before.in_conflict:
            write_lock(self.path, self.models)


def plan_update(
    settings: Settings,
    names: Sequence[str],
    sizes: Sequence[str],
    drop: Sequence[str],
    reason: str | None,
    *,
    cache: Cache | None,
) -> LockUpdate:
    """What locking these models would change. Raises UsageError for an empty reason and for a model that cannot be dropped."""
    if reason is not None and not reason.strip():
        raise UsageError(
            "the reason is empty", where="--reason", help="say why the figure may be higher"
        )
    path = lock_path(settings)
    before = read_lock(path, both_sides=True) or Lock({})
    for name in drop:
        if name not in before.models:
            raise UnknownNameError("locked model", name, before.models, where=f"--drop {name}")
        if name in names:
            raise UsageError(
                f"{name} is to be locked and to be dropped",
                where=f"--drop {name}",
                help="do one of them",
            )
    kept = {name: model for name, model in before.models.items() if name not in drop}
    wanted = {
        name: _sizes(name, sizes, kept, settings) for name in _names(names, kept, settings, drop)
    }
    for name in wanted.keys() & kept.keys():
        refuse_unknown(name, settings, path)
    now = trees_now(
        {name: [*each, *_sizes(name, (), kept, settings)] for name, each in wanted.items()},
        settings,
        cache=cache,
    )
    changes = [_change(name, wanted[name], kept.get(name), tree) for name, tree in now.items()]
    fresh = {
        change.model: _locked(
            kept.get(change.model),
            Locked(_only(wanted[change.model], now[change.model]), today()),
            change,
            reason,
        )
        for change in changes
    }
    return LockUpdate(path, before, {**kept, **fresh}, tuple(changes), reason)


def _change(name: str, sizes: Sequence[Size], before: Locked | None, tree: Tree) -> ModelChange:
    """What is raised is told of the sizes that were locked, whichever are locked from now on."""
    if before is None:
        return ModelChange(name, list(map(str, sorted(sizes))), None)
    raised = tuple(each for each in drift(name, before.tree, tree) if each.raised)
    return ModelChange(
        name, list(map(str, sorted(sizes))), drift(name, before.tree, _only(sizes, tree)), raised
    )


def _only(sizes: Sequence[Size], tree: Tree) -> Tree:
    measured = tree["sizes"]
    assert isinstance(measured, Mapping)  # noqa: S101 - trees_now made it
    return {**tree, "sizes": {str(size): measured[str(size)] for size in sorted(sizes)}}


def _names(
    names: Sequence[str], kept: Mapping[str, Locked], settings: Settings, drop: Sequence[str]
) -> list[str]:
    """What was typed, else what is locked and what the budgets are about, else the default."""
    if not names and drop:
        return []
    return list(
        dict.fromkeys(
            [name.strip() for name in names] or [*kept, *budgeted(settings)] or [settings.default]
        )
    )


def _sizes(
    name: str, sizes: Sequence[str], kept: Mapping[str, Locked], settings: Settings
) -> list[Size]:
    """What was typed, else what is locked, else what is configured."""
    if sizes:
        return list(dict.fromkeys(parse_size(size) for size in sizes))
    locked = sizes_of(kept[name]) if name in kept else ()
    return [parse_size(size, where=NAME) for size in locked] or list(settings.sizes)


def _locked(before: Locked | None, now: Locked, change: ModelChange, reason: str | None) -> Locked:
    """As it is now; where nothing differs, since when it was."""
    if before is None:
        return now
    if not change.drifts:
        return before
    kept = reason is not None and change.raised
    raises = (*before.raises, Raise(now.since, (reason or "").strip())) if kept else before.raises
    return now._replace(raises=raises)
