"""A model at each commit of a branch: which commits there are, and what it is at each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ucseg_cli.analysis.comparing.history_steps import End, History, Stage
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.errors import AbsentError, UcsegError, UsageError
from ucseg_cli.facts.conditions import Conditions, Point
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.gate.revisions import Revisions, standing
from ucseg_cli.references import OwnCode, Reference
from ucseg_cli.references.grammar import at_other_revision, split_revision
from ucseg_cli.system.git_failures import refuse_option, refused_by_git, unknown_revision
from ucseg_cli.system.git_objects import (
    HEAD,
    Commit,
    GitError,
    GitObjects,
    ask_git,
    repository_around,
)
from ucseg_cli.workflow.measure import measure_points


def trace_history(
    name: str,
    conditions: Conditions,
    settings: Settings,
    *,
    since: str | None,
    most: int,
    cache: Cache | None,
) -> History:
    """A model at HEAD, or at the revision that it is named at, and at those before it.

    At most *most* commits, each the first parent of the one after it, down to *since*. Raises
    UsageError for a model that has no revisions, or is not in the first commit.
    """
    plain, revision = split_revision(name)
    newest = settings.find(at_other_revision(plain, revision or HEAD, name))
    with Revisions() as revisions:
        toplevel = _repository(newest, settings)
        if isinstance(newest.model, OwnCode):
            revisions.commit_of(newest.model)
        objects = revisions.objects(toplevel)
        try:
            head = _commit(objects, revision or HEAD, name)
            oldest = None if since is None else _common(objects, head, since)
            found = list(_walk(objects, head, oldest, most + 1))
            references = list(_references(plain, found[:most], settings, revisions))
        except GitError as error:
            raise refused_by_git(toplevel, error) from error
    end = _end(found, len(references), oldest, most)
    points = {
        commit: Point(model, conditions)
        for commit, model in references
        if isinstance(model, Reference)
    }
    failures: dict[Point, UcsegError] = {}
    subjects = measure_points(points.values(), settings, cache=cache, run=False, failures=failures)
    stages = []
    for commit, model in references:
        if isinstance(model, UcsegError):
            stages.append(Stage(commit, {}, model.what))
            continue
        point = points[commit]
        if point in failures:
            stages.append(Stage(commit, {}, failures[point].what))
        else:
            trace = subjects[point].trace
            reason = None if trace.failure is None else f"it does not run: {trace.failure}"
            stages.append(Stage(commit, totals(trace), reason))
    return History(name, stages, end)


def _repository(model: Reference, settings: Settings) -> Path:
    """The repository of a model's file; of a name, that of the configuration."""
    place = standing(model.model) if isinstance(model.model, OwnCode) else None
    toplevel = place.toplevel if place else repository_around(settings.folder)
    if toplevel is None:
        raise UsageError(f"{settings.folder} is in no git repository", where=model.name)
    return toplevel


def _commit(objects: GitObjects, revision: str, where: str) -> Commit:
    refuse_option(revision, where)
    commit = objects.commit(revision)
    if commit is None:
        raise unknown_revision(objects.root, revision, where)
    return commit


def _common(objects: GitObjects, newest: Commit, since: str) -> Commit:
    """The commit of a revision, or the one from which it and the newest went apart."""
    where = f"--since {since}"
    other = _commit(objects, since, where)
    base = ask_git(objects.root, "merge-base", newest.id, other.id)
    if base is None:
        raise UsageError(f"no commit of {since} is before this one", where=where)
    return _commit(objects, base.strip(), where)


def _walk(
    objects: GitObjects, newest: Commit, oldest: Commit | None, most: int
) -> Iterator[Commit]:
    """The commits down to the oldest, which is among them."""
    for commit in objects.first_parents(newest, most):
        yield commit
        if oldest is not None and commit.id == oldest.id:
            return


def _references(
    plain: str, commits: Sequence[Commit], settings: Settings, revisions: Revisions
) -> Iterator[tuple[Commit, Reference | UcsegError]]:
    """The model at each commit that has it, or why it cannot be named there."""
    for commit in commits:
        try:
            model = settings.find(at_other_revision(plain, commit.id, plain))
            if isinstance(model.model, OwnCode):
                revisions.commit_of(model.model)
        except AbsentError:
            return
        except UcsegError as error:
            yield commit, error
            continue
        yield commit, model


def _end(found: Sequence[Commit], known: int, oldest: Commit | None, most: int) -> End:
    last = found[known - 1]
    if known < min(len(found), most) or not last.parents:
        return End.BEGINS
    if oldest is not None and last.id == oldest.id:
        return End.SINCE
    return End.MAX_COUNT if len(found) > most else End.SHALLOW
