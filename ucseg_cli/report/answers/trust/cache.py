"""``ucseg cache``: where answers are kept, and how many."""

from __future__ import annotations

from ucseg_cli.report.document import Column, Kind, Report, Row, Table
from ucseg_cli.units import format_bytes, plural

COLUMNS = (
    Column("directory", "directory", Kind.PROSE),
    Column("entries", "traces", Kind.EXACT),
    Column("bytes", "size", Kind.BYTES),
)


def cache_report(directory: str, entries: int, size: int, cleared: int | None) -> Report:
    """The cache as it is, or as it is after *cleared* traces were deleted; *size* in bytes."""
    kept = f"{plural(entries, 'trace')} kept in {directory}, {format_bytes(size)}."
    return Report(
        kind="ucseg.cache",
        title="cache",
        conditions={},
        tables=(Table("cache", "", COLUMNS, (Row((directory, entries, size)),)),),
        summary=kept if cleared is None else f"{plural(cleared, 'trace')} deleted; {kept}",
        payload={"directory": directory, "entries": entries, "bytes": size, "cleared": cleared},
    )
