"""The named variants of a project as its configuration stood at a revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from ucseg_cli.errors import (
    AbsentError,
    ConfigurationError,
    MistakesError,
    UcsegError,
    UsageError,
    Where,
)
from ucseg_cli.project.config_file import OWN_NAME, SHARED_NAME, Document, parse_document
from ucseg_cli.project.sections.config_section import Section
from ucseg_cli.project.sections.variant_sections import read_variants
from ucseg_cli.references import Model
from ucseg_cli.system.git_failures import refuse_option, refused_by_git, unknown_revision
from ucseg_cli.system.git_objects import GitError, GitObjects, repository_around


def variants_at(folder: Path, revision: str, where: Where) -> Mapping[str, Model]:
    """Every named variant, ours and those of the configuration of *folder* at a revision.

    Raises UsageError for a revision or a configuration that is not there, and MistakesError.
    """
    refuse_option(revision, where)
    toplevel = repository_around(folder)
    if toplevel is None:
        what = f"{folder} is in no git repository, so it has no revision '{revision}'"
        raise UsageError(what, where=where, help="`ucseg list` shows the names as they are now")
    with GitObjects(toplevel) as objects:
        try:
            commit = objects.commit(revision)
            if commit is None:
                raise unknown_revision(toplevel, revision, where)
            inside = folder.resolve().relative_to(toplevel).as_posix()
            document = next(_documents(objects, commit.tree, PurePosixPath(inside), revision), None)
        except GitError as error:
            raise refused_by_git(toplevel, error) from error
    if document is None:
        what = f"nothing is configured at {revision}"
        raise AbsentError(what, where=where, help="name a file, as in net.py:Net@main")
    mistakes: list[UcsegError] = []
    table = Section(document, document.data, (), mistakes).table("variants")
    known = read_variants(table, document.path.parent, now=False)
    if mistakes:
        raise MistakesError(mistakes)
    return known


def _documents(
    objects: GitObjects, tree: str, folder: PurePosixPath, revision: str
) -> Iterator[Document]:
    """The configurations of a folder and those above it, the nearest first."""
    for above in (folder, *folder.parents):
        for name in (OWN_NAME, SHARED_NAME):
            path = (above / name).as_posix()
            contents = objects.text(tree, path)
            if contents is None:
                continue
            at = f" at {revision}"
            try:
                text = contents.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ConfigurationError("it is not UTF-8", where=f"{path}{at}") from error
            document = parse_document(objects.root / path, text, at)
            if document is not None:
                yield document
