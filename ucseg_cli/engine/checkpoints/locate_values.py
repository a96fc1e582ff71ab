"""Where in a file the values of a tensor are, from what its pickle says about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ucseg_cli.engine.checkpoints.pickled_values import LENGTH_OF_STORAGE
from ucseg_cli.engine.checkpoints.rebuilt_values import Data, Held, Storage
from ucseg_cli.facts.element_types import BITS
from ucseg_cli.facts.state_dict import Region, Values


class Places(NamedTuple):
    """Where the memory of tensors is.

    Args:
        file: the path.
        member: of an archive, that has the pickle; None if the file is the pickle.
        storages: of those that are not in the pickle, by key.
        order: of bytes in these.
    """

    file: str
    member: str | None
    storages: Mapping[object, Region]
    order: str = "<"

    def values(self, held: Held | None) -> Values | None:
        """The values that are held so; None where their place is unknown."""
        if held is None:
            return None
        region, order = self._region(held.source), held.order
        if isinstance(held.source, Storage):
            order = self.order
        if region is None:
            return None
        zero = self.values(held.zero) if isinstance(held.zero, Held) else held.zero
        return Values(region, held.shape, held.strides, held.offset, order, zero, held.dtype)

    def _region(self, source: Storage | Data | bytes) -> Region | None:
        if isinstance(source, Storage):
            if source.data is None:
                return self.storages.get(source.key)
            whole = self._region(source.data)
            return None if whole is None or source.start is None else _from(whole, source.start)
        if isinstance(source, bytes):
            return Region(self.file, 0, len(source), inline=source)
        if source.start is None:
            return None
        skip = 0 if source.is_text else None
        return Region(self.file, source.start, source.length, self.member, skip=skip)


def places_in_archive(
    path: str, member: str, sizes: Mapping[str, int], order: bytes | None
) -> Places:
    """The places in an archive of torch, beside the *member* that has its pickle."""
    data = f"{member.removesuffix('data.pkl')}data/"
    storages: dict[object, Region] = {
        name.removeprefix(data): Region(path, 0, size, name)
        for name, size in sizes.items()
        if name.startswith(data)
    }
    return Places(path, member, storages, ">" if order == b"big" else "<")


def places_after_pickles(
    path: str, start: int, keys: Iterable[object], dtypes: Mapping[object, str], order: str
) -> Places:
    """The places in a file before torch 1.6: after its pickles one storage after the other.

    Each begins with its number of elements. Where one has a size that is unknown, those after it
    have no place.
    """
    storages: dict[object, Region] = {}
    end = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        for key in keys:
            bits = BITS.get(dtypes.get(key, ""))
            file.seek(start)
            elements = int.from_bytes(file.read(LENGTH_OF_STORAGE), "little")
            start += LENGTH_OF_STORAGE
            if bits is None or start + elements * bits // 8 > end:
                break
            storages[key] = Region(path, start, elements * bits // 8)
            start += elements * bits // 8
    return Places(path, None, storages, order)


def _from(whole: Region, start: int) -> Region:
    """The same without the bytes before *start*."""
    if whole.skip is not None:
        return whole._replace(skip=whole.skip + start)
    inline = None if whole.inline is None else whole.inline[start:]
    return whole._replace(start=whole.start + start, size=whole.size - start, inline=inline)
