"""The traces of users' models whose files are committed, by the contents of the files that matter.

For each model it is kept what it was seen to depend on, and its trace under the contents of just
that. So commits that differ elsewhere share a trace, and so does a working tree without changes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from ucseg_cli.errors import UcsegError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate.cache import Cache
from ucseg_cli.gate.fingerprints import own_code_fingerprint
from ucseg_cli.gate.revisions import Revisions, Standing, standing
from ucseg_cli.references import OwnCode
from ucseg_cli.system.checkout import Dependencies
from ucseg_cli.system.git_objects import FOLDER, GitError, GitObjects

MOST_KNOWN = 16
"""Sets of dependencies of a model that are kept: one for each way its code has been divided."""
SHA256_DIGITS = 64
ABSENT = "absent"

Outcome = Trace | UcsegError
"""A trace, or why there is none."""


class Committed:
    """Finds and keeps the traces of users' models, as far as git has their files.

    Without a *cache* they are kept as long as this lasts.
    """

    def __init__(self, revisions: Revisions, cache: Cache | None) -> None:
        self._revisions = revisions
        self._cache = cache
        self._outcomes: dict[str, Outcome] = {}
        self._dependencies: dict[str, list[Dependencies]] = {}
        self._unknown: set[str] = set()

    def find(self, source: OwnCode, conditions: Conditions) -> Outcome | None:
        """The trace of a model, or why it has none, if one with the same files was met before.

        None if its files are not committed, or it was never recorded.
        """
        place = standing(source)
        if place is None:
            return None
        identity = _identity(source, place, conditions)
        for dependencies in self._known(identity):
            key = self._key(source, identity, dependencies)
            outcome = None if key is None else self._get(key)
            if outcome is not None:
                return outcome
        return None

    def likeness(self, source: OwnCode, conditions: Conditions) -> object:
        """A value that is equal for models that are likely to be the same."""
        place = standing(source)
        if place is None or source.revision is None:
            return object()
        identity = _identity(source, place, conditions)
        if identity in self._unknown:
            return object()
        _, commit = self._revisions.commit_of(source)
        objects = self._revisions.objects(place.toplevel)
        known = self._known(identity)
        wanted = (
            known[0] if known else Dependencies((place.path,) if place.path else (), (), (), ())
        )
        return identity, json.dumps(contents_of(objects, commit.tree, wanted))

    def keep(
        self,
        source: OwnCode,
        conditions: Conditions,
        outcome: Outcome,
        found: Dependencies | None,
    ) -> None:
        """Keep the trace of a model if its files are committed; why it has none as long as we last.

        A failure may be this machine's.
        """
        place = standing(source)
        if place is None:
            return
        identity = _identity(source, place, conditions)
        if found is None:
            self._unknown.add(identity)
            return
        key = self._key(source, identity, found)
        if key is None:
            return
        known = [found, *(other for other in self._known(identity) if other != found)]
        self._dependencies[identity] = known[:MOST_KNOWN]
        self._outcomes[key] = outcome
        if self._cache and isinstance(outcome, Trace) and outcome.failure is None:
            self._cache.put(key, outcome)
            self._cache.put_dependencies(identity, known[:MOST_KNOWN])

    def refuse(self, source: OwnCode) -> None:
        """Raise UsageError if a model is named at a revision that does not have its file."""
        if source.revision is not None:
            self._revisions.commit_of(source)

    def _known(self, identity: str) -> list[Dependencies]:
        if identity not in self._dependencies:
            found = self._cache.get_dependencies(identity) if self._cache else []
            self._dependencies[identity] = found
        return self._dependencies[identity]

    def _get(self, key: str) -> Outcome | None:
        if key not in self._outcomes:
            trace = self._cache.get(key) if self._cache else None
            if trace is None:
                return None
            self._outcomes[key] = trace
        return self._outcomes[key]

    def _key(self, source: OwnCode, identity: str, dependencies: Dependencies) -> str | None:
        """The name of a model's trace, given what it depends on; None if that is not committed."""
        if not dependencies.are_installed:
            return None
        try:
            place, commit = self._revisions.commit_of(source)
            objects = self._revisions.objects(place.toplevel)
            contents = contents_of(objects, commit.tree, dependencies)
        except (GitError, UcsegError):
            if source.revision is None:  # it needs no git to be run
                return None
            raise
        if source.revision is None and not is_unchanged(place.toplevel, contents, dependencies):
            return None
        return sha256(json.dumps([identity, dependencies, contents]).encode()).hexdigest()


Contents = Mapping[str, object]
"""By path what stands there, and by folder what in it has one of the names that are looked for."""


def contents_of(objects: GitObjects, tree: str, wanted: Dependencies) -> Contents:
    """The contents of a commit in all places that a model depends on."""
    files: dict[str, object] = {}
    for path in wanted.files:
        entry = objects.find(tree, path)
        files[path] = ABSENT if entry is None else FOLDER if entry.mode == FOLDER else entry.id
    for path in wanted.folders:
        entry = objects.find(tree, path)
        files[f"{path}/"] = ABSENT if entry is None else entry.id
    for path, names in wanted.names:
        entry = objects.find(tree, path)
        there = objects.entries(entry.id) if entry is not None and entry.mode == FOLDER else ()
        files[f"{path}/*"] = _named(there, names)
    return files


def is_unchanged(toplevel: Path, committed: Contents, wanted: Dependencies) -> bool:
    """Whether the working tree has the same in all these places.

    Of a folder that was listed nothing is known, since it may hold what git ignores.
    """
    if wanted.folders:
        return False
    for path in wanted.files:
        if _on_disk(toplevel / path, committed[path]) != committed[path]:
            return False
    for path, names in wanted.names:
        try:
            there = [entry.name for entry in (toplevel / path).iterdir()]
        except OSError:
            there = []
        if _named(there, names) != committed[f"{path}/*"]:
            return False
    return True


def _on_disk(path: Path, committed: object) -> object:
    """The id of the contents of a path, as a commit would have it."""
    try:
        if path.is_symlink():
            contents = os.fsencode(path.readlink())
        elif path.is_dir():
            return FOLDER
        else:
            contents = path.read_bytes()
    except OSError:
        return ABSENT
    wide = isinstance(committed, str) and len(committed) == SHA256_DIGITS
    name = hashlib.sha256 if wide else hashlib.sha1
    return name(b"blob %d\0" % len(contents) + contents, usedforsecurity=False).hexdigest()


def _named(there: Sequence[str] | Mapping[str, object], names: Sequence[str]) -> list[str]:
    """The entries of a folder that an import of one of the names would find."""
    wanted = frozenset(names)
    return sorted(name for name in there if name.partition(".")[0] in wanted)


def _identity(source: OwnCode, place: Standing, conditions: Conditions) -> str:
    """The name of all that is typed, wherever the repository stands, and whatever its revision."""
    plain = source._replace(revision=None)
    model = place.path if place.path is not None else str(plain)
    here = os.path.relpath(os.path.realpath(Path.cwd()), place.toplevel)
    arguments = "".join(map(str, source.arguments))
    return own_code_fingerprint(f"{model}\n{source.name}\n{arguments}\n{here}", conditions)
