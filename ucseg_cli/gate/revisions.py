"""The repositories that users' models stand in: their commits, and the files of each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ucseg_cli.errors import AbsentError, ResourceError, UsageError
from ucseg_cli.facts.question import Question
from ucseg_cli.gate.write_tree import write_tree
from ucseg_cli.references import FromFile, OwnCode
from ucseg_cli.system.checkout import Checkout
from ucseg_cli.system.git_failures import refuse_option, refused_by_git, unknown_revision
from ucseg_cli.system.git_objects import HEAD, Commit, GitError, GitObjects, repository_around
from ucseg_cli.units import shown_day

FARTHEST = 2000
"""Commits that are looked through for the one that added a file."""
OF_BARE = ("HEAD", "objects", "refs")


class Standing(NamedTuple):
    """Where a model stands: the folder of its repository, and its file's path below that.

    *path* is None for a module, which is searched for.
    """

    toplevel: Path
    path: str | None


def standing(source: OwnCode) -> Standing | None:
    """Where a model stands; None if that is in no repository."""
    if not isinstance(source, FromFile):
        around = repository_around(Path.cwd())
        return None if around is None else Standing(around, None)
    file = Path(source.path)
    folder = Path(os.path.realpath(file.parent))
    around = repository_around(folder)
    if around is None:
        return None
    return Standing(around, (folder / file.name).relative_to(around).as_posix())


class Revisions:
    """The commits that models are named at, each looked up once."""

    def __init__(self) -> None:
        self._repositories: dict[Path, GitObjects] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for repository in self._repositories.values():
            repository.close()

    def objects(self, toplevel: Path) -> GitObjects:
        """The objects of a repository."""
        if toplevel not in self._repositories:
            self._repositories[toplevel] = GitObjects(toplevel)
        return self._repositories[toplevel]

    def commit_of(self, source: OwnCode) -> tuple[Standing, Commit]:
        """Where a model stands, and the commit of its revision, in which its file is.

        Raises UsageError with the reason for any other, and ResourceError without git.
        """
        revision = HEAD if source.revision is None else source.revision
        where = str(source)
        refuse_option(revision, where)
        place = standing(source)
        if place is None:
            raise _no_repository(source)
        objects = self.objects(place.toplevel)
        try:
            commit = objects.commit(revision)
            if commit is None:
                raise unknown_revision(place.toplevel, revision, where)
            if place.path is not None and objects.find(commit.tree, place.path) is None:
                raise _absent(objects, source, place)
        except GitError as error:
            raise refused_by_git(place.toplevel, error) from error
        return place, commit


def with_checkouts(question: Question, folder: Path) -> Question:
    """The question with the files of each revision, which are written beside *folder*."""
    place = standing(question.source)
    if place is None:
        return question
    checkouts: dict[str, Checkout] = {}
    toplevel = str(place.toplevel)
    with Revisions() as revisions:
        for number, source in enumerate(question.sources):
            if source.revision is None:
                checkouts[""] = Checkout(toplevel, toplevel)
            elif source.revision not in checkouts:
                _, commit = revisions.commit_of(source)
                tree = folder.with_suffix(f".tree{number}")
                objects = revisions.objects(place.toplevel)
                checkouts[source.revision] = _write(objects, commit, tree, source.revision)
    return question._replace(checkouts=checkouts)


def _write(objects: GitObjects, commit: Commit, folder: Path, revision: str) -> Checkout:
    root = Path(os.path.realpath(folder.parent)) / folder.name
    try:
        left_out = write_tree(objects, commit.tree, root)
    except GitError as error:
        raise refused_by_git(objects.root, error) from error
    except OSError as error:
        what = f"the files of {revision} cannot be written: {error.strerror}"
        raise ResourceError(what, where=error.filename) from error
    noted = root.with_name(f"{root.name}.left_out")
    noted.write_text(json.dumps(left_out), encoding="utf-8")
    return Checkout(str(root), str(objects.root), revision, str(noted))


def _no_repository(source: OwnCode) -> UsageError:
    plain = str(source._replace(revision=None))
    here = Path.cwd()
    for folder in (here, *here.parents):
        if all((folder / name).exists() for name in OF_BARE):
            what = "a bare repository has no files that could be named"
            fix = "name the model in a clone or a worktree of it"
            return UsageError(what, where=str(folder), help=fix)
    place = source.path if isinstance(source, FromFile) else "this folder"
    return UsageError(
        f"{place} is in no git repository, so it has no revision '{source.revision}'",
        where=str(source),
        help=f"{plain} is the file as it stands",
    )


def _absent(objects: GitObjects, source: OwnCode, place: Standing) -> AbsentError:
    """The error for a file that its commit does not have, with the one that added it."""
    name = source.path if isinstance(source, FromFile) else str(source)
    head = objects.commit(HEAD)
    path = place.path or ""
    if head is None or objects.find(head.tree, path) is None:
        is_there = Path(name).exists()
        what = f"{name} is not committed" if is_there else f"there is no file {name}"
        return AbsentError(f"{what}, so it is not in {source.revision}", where=str(source))
    added = _added_by(objects, head, path)
    return AbsentError(
        f"{name} is new since {source.revision}",
        where=str(source),
        notes=() if added is None else (f"it came with {described(added)}",),
        help=None if added is None else f"the oldest is {source._replace(revision=added.id[:10])}",
    )


def _added_by(objects: GitObjects, head: Commit, path: str) -> Commit | None:
    """The commit that added a file, along the first parents; None if that is far back."""
    last = None
    for commit in objects.first_parents(head, FARTHEST):
        if objects.find(commit.tree, path) is None:
            return last
        last = commit
    return None if last is None or last.parents else last


def described(commit: Commit) -> str:
    """A commit in a line: short hash, day and subject."""
    return f"{commit.id[:10]} of {shown_day(commit.seconds)}: {commit.subject}"
