"""Errors about a revision, each with what to type instead."""

from __future__ import annotations

from pathlib import Path

from ucseg_cli.errors import ModelError, UcsegError, UnknownNameError, UsageError, Where
from ucseg_cli.system.git_objects import HEAD, GitError, ask_git


def refuse_option(revision: str, where: Where) -> None:
    """Raise UsageError for a revision that git could take for an option, or that is empty."""
    if not revision or revision.startswith("-") or any(sign in revision for sign in "\n\r\0"):
        what = f"'{revision}' is not a revision"
        fix = "write a branch, a tag or a commit, as in net.py:Net@main"
        raise UsageError(what, where=where, help=fix)


def unknown_revision(toplevel: Path, revision: str, where: Where) -> UsageError:
    """The error for a revision that names no commit here."""
    names = (ask_git(toplevel, "for-each-ref", "--format=%(refname:short)") or "").split()
    shallow = (ask_git(toplevel, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
    if not shallow:
        return UnknownNameError("revision", revision, [HEAD, *names], where=where)
    error = UnknownNameError("revision", revision, [HEAD, *names], where=where)
    deeper = (
        "this clone is shallow: `git fetch --unshallow`, or fetch-depth: 0 in the checkout step"
    )
    error.help = " ".join(filter(None, (error.help, deeper)))
    return error


def refused_by_git(toplevel: Path, error: GitError) -> UcsegError:
    """The error for a repository that git does not read, with its own words."""
    said = str(error).splitlines() or ["it ended without a word"]
    if "dubious ownership" in str(error):
        return UsageError(
            "git does not trust the repository, since another user owns it",
            where=str(toplevel),
            help=f"git config --global --add safe.directory {toplevel}",
        )
    partial = "partial clone" in str(error) or "promisor" in str(error)
    fix = "`git fetch --refetch --no-filter` gets all objects" if partial else None
    what = f"git cannot read it: {said[0].removeprefix('fatal: ')}"
    return ModelError(what, where=str(toplevel), help=fix)
