"""Rows and entries that are made as they are read: an answer may have a hundred thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar, overload

Item = TypeVar("Item")


class Streamed(Sequence[Item]):
    """A sequence of known length whose items are made anew each time it is read.

    Args:
        size: how many there are. stream: makes all of them, in order.
    """

    def __init__(self, size: int, stream: Callable[[], Iterator[Item]]) -> None:
        self._size, self._stream = size, stream

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Item]:
        return self._stream()

    @overload
    def __getitem__(self, at: int) -> Item: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Item]: ...

    def __getitem__(self, at: int | slice) -> Item | Sequence[Item]:
        """An item, or several; slow, since all before it are made."""
        if isinstance(at, slice):
            return tuple(self)[at]
        return next(islice(self, range(self._size)[at], None))
