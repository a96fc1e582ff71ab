"""``ucseg cache``: where answers are kept, and how many."""

from __future__ import annotations

from operator import attrgetter
from typing import NamedTuple

from ucseg_cli.report.document import Kind, Report
from ucseg_cli.report.fields import Field, Fields, Output, make_entry, make_table
from ucseg_cli.units import format_bytes, plural


class CacheState(NamedTuple):
    """The cache as it is, or as it is after *cleared* traces were deleted.

    Args:
        directory: where it is.
        entries: traces and totals.
        leftovers: half-written files of runs that were killed.
        size: of all of these, in bytes.
        cleared: None if nothing was to be deleted.
    """

    directory: str
    entries: int
    leftovers: int
    size: int
    cleared: int | None


FIELDS: Fields[CacheState] = (
    Field("directory", "directory", attrgetter("directory"), Kind.PROSE),
    Field("entries", "traces", attrgetter("entries"), Kind.EXACT),
    Field("leftovers", "half-written", attrgetter("leftovers"), Kind.EXACT, tier=1),
    Field("bytes", "size", attrgetter("size"), Kind.BYTES),
    Field("cleared", "", attrgetter("cleared"), output=Output.JSON),
)


def cache_report(state: CacheState) -> Report:
    """Where answers are kept, and how many."""
    size = format_bytes(state.size)
    kept = f"{plural(state.entries, 'trace')} kept in {state.directory}, {size}."
    deleted = "" if state.cleared is None else f"{plural(state.cleared, 'trace')} deleted; "
    return Report(
        kind="ucseg.cache",
        title="cache",
        conditions={},
        tables=(make_table("cache", "", FIELDS, [state]),),
        summary=f"{deleted}{kept}",
        payload=make_entry(FIELDS, state),
    )
