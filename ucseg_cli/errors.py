"""Everything that can go wrong, each class with its exit status.

    UcsegError                      2   no verdict
    ├── UsageError                  2   what was typed does not fit the grammar
    │   ├── UnknownNameError        2   an unknown name; carries the nearest known one
    │   ├── AbsentError             2   a model that is not there at a revision
    │   └── ConfigurationError      2   a configuration or lock file says what it cannot
    ├── MistakesError               2   several of these together
    ├── ModelError                  2   the model cannot be built, or cannot run on this input
    ├── ResourceError               2   this machine cannot do it: memory, a missing library
    ├── OutputError                 2   an answer could not be written where it was asked for
    └── InterruptionError         130   the user stopped it

A gate that fails (exit 1) is an answer, not an error: its command returns the status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

E = TypeVar("E", bound=BaseException)


class ExitStatus(IntEnum):
    """Every way a command can end. It never depends on the output format."""

    OK = 0
    GATE_FAILED = 1
    NO_VERDICT = 2
    INTERRUPTED = 130
    READER_GONE = 141


MOST_NAMES = 24
"""An error lists no more names than these."""
BEGUN = 3
"""So many letters show which name was begun."""


class Place(NamedTuple):
    """A line of a file that a user can edit, and the key that stands there."""

    path: str
    line: int | None = None
    key: str = ""

    def __str__(self) -> str:
        at = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{at}  {self.key}" if self.key else at


Where = str | Place | None
"""Where something went wrong: words such as ``--max params=65x``, or a place in a file."""


class UcsegError(Exception):
    """A failure reported to the user as what, where and how to fix it.

    Args:
        what: one sentence without a final full stop.
        where: what was typed, or the place in a file.
        notes: facts that help, such as ``known: v1, v2, v3``.
        help: what to type or do instead.
    """

    exit_status = ExitStatus.NO_VERDICT
    kind = "error"

    def __init__(
        self,
        what: str,
        *,
        where: Where = None,
        notes: Iterable[str] = (),
        help: str | None = None,  # noqa: A002 - the word on the screen
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.place = where if isinstance(where, Place) else None
        self.notes = tuple(notes)
        self.help = help


class UsageError(UcsegError):
    """The words that were typed do not fit the grammar."""

    kind = "usage"


class UnknownNameError(UsageError):
    """A name that does not exist, with the known ones and the nearest.

    Args:
        noun: what the name should have been, such as ``variant``.
        name: what was typed.
        known: every name that would have been accepted.
        hint: a sentence added to the help line.
    """

    kind = "unknown-name"

    def __init__(
        self,
        noun: str,
        name: str,
        known: Iterable[str],
        *,
        where: Where = None,
        hint: str | None = None,
    ) -> None:
        known = tuple(known)
        nearest = nearest_name(name, known)
        suggestion = f"did you mean '{nearest}'?" if nearest else None
        super().__init__(
            f"no {noun} named '{name}'",
            where=where,
            notes=(f"known: {_listed(name, known)}" if known else "there is none",),
            help=" ".join(filter(None, (suggestion, hint))) or None,
        )


class AbsentError(UsageError):
    """The model is not there at the revision that it is named at."""

    kind = "absent"


class ConfigurationError(UsageError):
    """A file of the project cannot be read, or says something that it cannot."""

    kind = "configuration"


class MistakesError(UcsegError):
    """Everything that is wrong with one file, each mistake an error of its own."""

    kind = "mistakes"

    def __init__(self, errors: Iterable[UcsegError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(first.what, where=first.where, notes=first.notes, help=first.help)


class ModelError(UcsegError):
    """The model cannot be built, or its forward pass cannot run on this input."""

    kind = "model"


class ResourceError(UcsegError):
    """The machine lacks what the answer needs."""

    kind = "resource"


class OutputError(UcsegError):
    """An answer could not be written where it was asked for."""

    kind = "output"


class InterruptionError(UcsegError):
    """The user stopped it."""

    exit_status = ExitStatus.INTERRUPTED
    kind = "interrupted"


def single_errors(error: UcsegError) -> tuple[UcsegError, ...]:
    """The error itself, or each of several mistakes."""
    return error.errors if isinstance(error, MistakesError) else (error,)


def behind(error: BaseException, kinds: type[E] | tuple[type[E], ...]) -> E | None:
    """The error of one of *kinds* that *error* is or came from; None if it has another cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, kinds):
        cause = cause.__cause__ or cause.__context__
    return cause


def encode_error(error: UcsegError) -> dict[str, Any]:
    """The error as JSON can hold it, for another process to raise."""
    return {key: getattr(error, key) for key in ("kind", "what", "where", "notes", "help")}


def decode_error(data: Mapping[str, Any]) -> UcsegError:
    """The inverse of encode_error; a class that needs more than words becomes the one above it.

    Raises TypeError, KeyError or AttributeError for anything that it did not write.
    """
    classes: dict[str, type[UcsegError]] = {
        UsageError.kind: UsageError,
        UnknownNameError.kind: UsageError,
        ConfigurationError.kind: ConfigurationError,
        ResourceError.kind: ResourceError,
        OutputError.kind: OutputError,
    }
    words = {key: data[key] for key in ("what", "where", "notes", "help")}
    written = (data["what"], words["where"] or "", words["help"] or "", *words["notes"])
    if not all(isinstance(text, str) for text in written):
        raise TypeError("an error is made of words")
    error = classes.get(data["kind"], ModelError)(**words)
    error.kind = data["kind"]
    return error


def shortened(text: str, most: int) -> str:
    """*text*, or its beginning and its end where it is longer: names in files may be endless."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}…{text[-half:]}"


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like *name*; None if none is close."""
    from difflib import get_close_matches  # only needed once something has gone wrong

    folded, begun = {candidate.casefold(): candidate for candidate in known}, name.casefold()
    close = get_close_matches(begun, folded, n=1, cutoff=0.6)
    if not close and len(begun) >= BEGUN:
        close = sorted((long for long in folded if long.startswith(begun)), key=len)
    return folded[close[0]] if close else None


def _listed(name: str, known: tuple[str, ...]) -> str:
    """All of *known*; of many, those that are most like *name*."""
    if len(known) <= MOST_NAMES:
        return ", ".join(known)
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=8, cutoff=0)
    return f"{', '.join(near)}, and {len(known) - len(near)} others"
