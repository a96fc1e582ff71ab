"""The bytes of a tensor's memory, a chunk at a time, out of files and archives."""

from __future__ import annotations

import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self, cast
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ucseg_cli.facts.state_dict import Region

LOCAL_HEADER = 30
"""Bytes before the name of a member in an archive; the last four say how long two texts are."""
LOCAL_MARK = b"PK\x03\x04"
PASSED_AT_ONCE = 1 << 20
"""Bytes."""
ENDS = "the file ends before its data does"


class CutError(Exception):
    """A file ends before its data does."""


DAMAGE = (CutError, BadZipFile, zlib.error, EOFError, KeyError, UnicodeError)
"""Raised for a file whose data is not what it should be."""


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Seekable(_Stream, Protocol):
    def seek(self, offset: int, /) -> int: ...


class RegionReader:
    """Reads regions; it keeps open the file of the last one, and is to be closed."""

    def __init__(self) -> None:
        self._path: str | None = None
        self._file: BinaryIO | None = None
        self._archive: ZipFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def chunks(self, region: Region, begin: int, end: int, size: int) -> Iterator[bytes]:
        """The bytes from *begin* to *end* of a region, *size* at a time.

        Raises CutError where there are fewer, and what zipfile and zlib raise for damage.
        """
        if begin < 0 or end > region.size:
            raise CutError(f"{end:,} bytes are read of {region.size:,}")
        if region.inline is not None:
            for start in range(begin, end, size):
                yield region.inline[start : min(end, start + size)]
            return
        stream, start = self._open(region)
        if region.skip is None:
            stream.seek(start + begin)
            yield from _whole_chunks(stream, end - begin, size)
        else:
            stream.seek(start)
            letters = _Letters(stream, region.size)
            _pass_over(letters, region.skip + begin)
            yield from _whole_chunks(letters, end - begin, size)

    def _open(self, region: Region) -> tuple[_Seekable, int]:
        """A stream that has the region, and the byte in it where the region begins."""
        if region.file != self._path or self._file is None:
            self._close()
            self._file = Path(region.file).open("rb")  # noqa: SIM115 - closed with the reader
            self._path = region.file
        if region.member is None:
            return self._file, region.start
        if self._archive is None:
            self._archive = ZipFile(region.file)
        member = self._archive.getinfo(region.member)
        if member.compress_type == ZIP_STORED:
            # torch may write wrong checksums, at which only zipfile would stop
            return self._file, _start_of(self._file, member) + region.start
        return cast("_Seekable", self._archive.open(member)), region.start

    def _close(self) -> None:
        for file in (self._file, self._archive):
            if file is not None:
                file.close()
        self._file = self._archive = None


class _Letters:
    """The letters of a text in UTF-8 of *size* bytes, each as one byte."""

    def __init__(self, stream: _Seekable, size: int) -> None:
        self._stream = stream
        self._left = size
        self._decoder = getincrementaldecoder("utf-8")()
        self._waiting = b""

    def read(self, size: int) -> bytes:
        """The next *size* letters; fewer at the end."""
        while len(self._waiting) < size and self._left:
            found = self._stream.read(min(size, self._left))
            self._left -= len(found) or self._left
            self._waiting += self._decoder.decode(found).encode("latin-1")
        letters, self._waiting = self._waiting[:size], self._waiting[size:]
        return letters


def _pass_over(stream: _Stream, count: int) -> None:
    while count:
        found = stream.read(min(count, PASSED_AT_ONCE))
        if not found:
            raise CutError(ENDS)
        count -= len(found)


def _whole_chunks(stream: _Stream, left: int, size: int) -> Iterator[bytes]:
    while left:
        found = stream.read(min(size, left))
        if len(found) < min(size, left):
            raise CutError(ENDS)
        left -= len(found)
        yield found


def _start_of(file: BinaryIO, member: ZipInfo) -> int:
    """Where the data of a member that is not compressed begins."""
    file.seek(member.header_offset)
    header = file.read(LOCAL_HEADER)
    if len(header) < LOCAL_HEADER or not header.startswith(LOCAL_MARK):
        raise CutError(f"{member.filename[:40]} is not where the archive says")
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return member.header_offset + LOCAL_HEADER + name + extra
