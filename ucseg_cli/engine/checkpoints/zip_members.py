"""How many bytes the members of a zip archive can have, even if its directory claims more."""

from __future__ import annotations

from collections.abc import Mapping
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

MOST_TIMES: Mapping[int, int] = {ZIP_STORED: 1, ZIP_DEFLATED: 1032}
"""How many bytes one can stand for: in deflate at most 258 for two bits. No library of weights
compresses in another way."""


def member_sizes(archive: ZipFile, size: int) -> dict[str, int]:
    """The bytes of each member: as many as it claims, and no more than *size* bytes have room for.

    Raises BadZipFile where that cannot be known, or where members lie in the same bytes.
    """
    members = archive.infolist()
    if sum(member.compress_size for member in members) > size:
        raise BadZipFile("its members are longer than the file")
    sizes: dict[str, int] = {}
    for member in members:
        if member.compress_type not in MOST_TIMES:
            raise BadZipFile(f"{member.filename[:40]} is compressed in an unusual way")
        most = member.compress_size * MOST_TIMES[member.compress_type]
        sizes[member.filename] = min(member.file_size, most)
    return sizes
