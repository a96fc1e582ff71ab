"""Pickles read for the names, shapes and types of tensors, and nothing in them is ever called.

A pickle is a program: it names functions and asks for calls. Here each name is only a name. Those
of torch and numpy that rebuild a tensor give its shape and type; anything else becomes a
placeholder that keeps what it was made from. Data is passed over, so neither torch nor memory for
it is needed.
"""

from __future__ import annotations

import codecs
import io
import pickle
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO, ClassVar

from ucseg_cli.engine.checkpoints.rebuilt_values import (
    Data,
    Global,
    Placeholder,
    Storage,
    kind_of,
    refuse_short,
    storage_dtype,
)

MOST_INSTRUCTIONS = 1 << 24
"""Bytes of a pickle beside its data, which take ten seconds; 90,000 tensors have about as many."""
LONGEST_TEXT = 1 << 14
"""Bytes of a text that are kept; a longer one is data, such as a name in no network has."""
LONGEST_BYTES = 1 << 10
"""Bytes of a byte string, or of the beginning of data, that are kept."""
SIMPLE_KEYS = (str, int, float, bytes, type(None))
"""Keys of mappings that are kept; hashing another could recurse without end."""

MAPPINGS = {"collections.OrderedDict", "collections.Counter", "builtins.dict", "__builtin__.dict"}
STORAGE_IN_BYTES = "torch.storage._load_from_bytes"
"""The function that makes a tensor's memory in a pickle that torch did not write itself."""
PID_TEXT = re.compile(
    r"\('storage', <class '(?P<kind>[\w.]+)'>, '(?P<key>[^']*)', '[^']*', (?P<length>\d+)"
    r"(, None)?\)"
)
"""How protocol 0 writes the storage of a tensor: as Python prints the tuple of other protocols."""


LENGTH_OF_STORAGE = 8
"""Bytes before the data of a storage in a file before torch 1.6, which say how long it is."""
BEGINNING_OF_LINE = 4 * LONGEST_BYTES
"""Bytes that are kept of a text as protocol 0 writes it, six bytes for a zero."""


class CutShortError(pickle.UnpicklingError):
    """The pickle ends before its last instruction."""


class Pickle:
    """A pickle in a file, from where the file stands; several may follow one another.

    Args:
        file: to read.
        size: of the file, which is not read beyond.
        is_inner: whether it lies in another, where there can be no third.

    *storages* are those that it has met, by key, and *dtypes* the types of these and of any of
    which it has met a part; *is_text* says that it names them as protocol 0 does, from which torch
    itself cannot find them.
    """

    def __init__(self, file: BinaryIO, size: int, *, is_inner: bool = False) -> None:
        self.storages: dict[object, Storage] = {}
        self.dtypes: dict[object, str] = {}
        self.is_text = False
        self._file = _Bounded(file, size)
        self._is_inner = is_inner

    @property
    def position(self) -> int:
        """Bytes that have been read or passed over."""
        return self._file.position

    def read(self) -> Any:
        """The next value. Raises CutShortError or UnpicklingError, and other errors for damage."""
        reader = _Reader(self._file, self.storages, self.dtypes, is_inner=self._is_inner)
        value = reader.load()
        self.is_text |= reader.has_text_storages
        return value


class _Bounded:
    """A file that never gives less than it is asked for, nor tries to hold what is not there."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = self._left = size
        self._most = MOST_INSTRUCTIONS

    @property
    def position(self) -> int:
        """Bytes from where the file stood at first."""
        return self._size - self._left

    def read(self, count: int) -> bytes:
        self._take(count)
        self.spend(count)
        return self._file.read(count)

    def readline(self) -> bytes:
        line = self._file.readline(LONGEST_TEXT)
        self._take(len(line))
        self.spend(len(line))
        if not line.endswith(b"\n"):
            raise CutShortError("a line does not end")
        return line

    def read_text_line(self) -> tuple[bytes, int]:
        """A line without its end, or the beginning of a very long one; and its whole length."""
        line = last = self._file.readline(LONGEST_TEXT)
        length = len(line)
        while last and not last.endswith(b"\n"):
            last = self._file.readline(LONGEST_TEXT)
            length += len(last)
        self._take(length)
        if not last:
            raise CutShortError("a line does not end")
        kept = line.removesuffix(b"\n") if length == len(line) else line[:BEGINNING_OF_LINE]
        self.spend(len(kept))
        return kept, length - 1

    def spend(self, count: int) -> None:
        """Count what is kept in memory, or takes time as reading so many bytes does."""
        self._most -= count
        if self._most < 0:
            raise pickle.UnpicklingError(
                f"it has more than {MOST_INSTRUCTIONS:,} bytes beside data"
            )

    def skip(self, count: int) -> None:
        self._take(count)
        self._file.seek(count, 1)

    def _take(self, count: int) -> None:
        if count < 0 or count > self._left:
            raise CutShortError(f"it should go on for {count:,} bytes")
        self._left -= count


_PythonUnpickler: Any = pickle._Unpickler
"""The one in C could not be kept from frames, data and keys, and makes room for any memo."""


class _Reader(_PythonUnpickler):  # type: ignore[misc]
    """An unpickler without imports, calls, frames, data and hashing of anything odd."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_PythonUnpickler.dispatch)

    def __init__(
        self,
        file: _Bounded,
        storages: dict[object, Storage],
        dtypes: dict[object, str],
        *,
        is_inner: bool,
    ) -> None:
        # Python 2 wrote names and data alike as byte strings.
        super().__init__(file, encoding="utf-8", errors="surrogateescape")
        self._bounded = file
        self._storages = storages
        self._dtypes = dtypes
        self._is_inner = is_inner
        self.has_text_storages = False

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in MAPPINGS:
            return _Dict
        is_storage = full == STORAGE_IN_BYTES and not self._is_inner
        return Global(full, self._load_storage if is_storage else None)

    def get_extension(self, code: int) -> None:
        self.append(Global(f"extension {code}"))  # whose real name other code may have registered

    def _load_storage(self, data: Any) -> Any:
        """The storage in a byte string, which torch gives to a pickle that is not its own.

        It is a file of torch.save in itself, which begins with three values that do not matter.
        """
        beginning = data.beginning if isinstance(data, Data) else data
        self._bounded.spend(LONGEST_BYTES)  # it takes as long as to read them
        inner = Pickle(io.BytesIO(beginning), len(beginning), is_inner=True)
        *_, storage = (inner.read() for _ in range(4))
        refuse_short(storage.length, storage.dtype, data)
        try:
            inner.read()  # the keys of all storages in it, which is one
        except Exception:  # noqa: BLE001 - damage raises anything, and only the place is lost
            return storage
        return storage._replace(data=data, start=inner.position + LENGTH_OF_STORAGE)

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, str) and (text := PID_TEXT.fullmatch(pid)):
            self.has_text_storages = True
            pid = ("storage", text["kind"], text["key"], None, text["length"])
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] not in {"storage", b"storage"}:
            return Placeholder("persistent", (pid,))
        _, kind, key, _, length, *view = pid
        view_key, offset, _ = view[0] if view and view[0] else (None, 0, 0)
        storage = Storage(key, storage_dtype(kind), int(length), int(offset))
        self._dtypes[key] = storage.dtype
        if view_key is None:
            self._storages[key] = storage
        return storage

    def _instantiate(self, kind: Any, arguments: Iterable[Any]) -> None:
        self.append(kind(*arguments))

    def load_newobj(self) -> None:
        arguments = self.stack.pop()
        kind = self.stack.pop()
        self.append(kind(*arguments))

    def load_newobj_ex(self) -> None:
        self.stack.pop()  # keyword arguments
        self.load_newobj()

    def load_frame(self) -> None:
        self.read(8)  # its length; the stream is read straight on

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def load_setitems(self) -> None:
        self._set_items(self.pop_mark())

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append(_Dict())
        self._set_items(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                target[key if isinstance(key, SIMPLE_KEYS) else f"({kind_of(key)})"] = value

    def load_empty_set(self) -> None:
        self.append([])

    def load_frozenset(self) -> None:
        items = self.pop_mark()  # which changes where *append* appends
        self.append(items)

    def load_additems(self) -> None:
        items = self.pop_mark()
        self.stack[-1].extend(items)

    def load_unicode(self) -> None:
        line, length = self._bounded.read_text_line()
        text = line.decode("raw-unicode-escape", "replace")  # a long one is cut anywhere
        self.append(text if length < LONGEST_TEXT else Data(text, length))

    def load_string(self) -> None:
        line, length = self._bounded.read_text_line()
        if length >= LONGEST_TEXT:
            self.append(Data(line, length))
        else:
            self.append(self._decode_string(codecs.escape_decode(line.strip()[1:-1])[0]))

    def _load_data(self, layout: str, longest: int, decode: Callable[[bytes], Any]) -> None:
        (length,) = struct.unpack(layout, self.read(struct.calcsize(layout)))
        if length > longest:
            start = self._bounded.position
            beginning = self.read(LONGEST_BYTES)
            self._bounded.skip(length - LONGEST_BYTES)
            self.append(Data(beginning, length, start, is_text=decode is _text))
        else:
            self.append(decode(self.read(length)))


class _Dict(dict[Any, Any]):
    """A mapping; torch keeps the versions of modules in the attributes of one."""

    versioned: frozenset[str] = frozenset()

    def __init__(self, *arguments: Any) -> None:
        super().__init__()
        for pairs in arguments:
            if isinstance(pairs, Mapping):
                self.update(pairs)
            elif isinstance(pairs, list):
                self.update(pair for pair in pairs if isinstance(pair[0], SIMPLE_KEYS))

    def __setstate__(self, state: Any) -> None:
        found = state.get("_metadata") if isinstance(state, dict) else None
        modules = found.items() if isinstance(found, dict) else ()
        self.versioned = frozenset(path for path, data in modules if _is_second_version(path, data))


def _is_second_version(path: Any, data: Any) -> bool:
    version = data.get("version") if isinstance(data, dict) else None
    return isinstance(path, str) and isinstance(version, int) and version > 1


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _string(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _data_loader(
    layout: str, longest: int, decode: Callable[[bytes], Any]
) -> Callable[[Any], None]:
    return lambda reader: reader._load_data(layout, longest, decode)


for _opcode, _layout, _longest, _decode in (
    (pickle.BINSTRING, "<i", LONGEST_TEXT, _string),
    (pickle.BINUNICODE, "<I", LONGEST_TEXT, _text),
    (pickle.BINUNICODE8, "<Q", LONGEST_TEXT, _text),
    (pickle.BINBYTES, "<I", LONGEST_BYTES, bytes),
    (pickle.BINBYTES8, "<Q", LONGEST_BYTES, bytes),
    (pickle.BYTEARRAY8, "<Q", LONGEST_BYTES, bytes),
):
    _Reader.dispatch[_opcode[0]] = _data_loader(_layout, _longest, _decode)
for _opcode, _load in (
    (pickle.NEWOBJ, _Reader.load_newobj), (pickle.NEWOBJ_EX, _Reader.load_newobj_ex),
    (pickle.FRAME, _Reader.load_frame), (pickle.SETITEM, _Reader.load_setitem),
    (pickle.SETITEMS, _Reader.load_setitems), (pickle.DICT, _Reader.load_dict),
    (pickle.EMPTY_DICT, lambda reader: reader.append(_Dict())),
    (pickle.EMPTY_SET, _Reader.load_empty_set), (pickle.FROZENSET, _Reader.load_frozenset),
    (pickle.ADDITEMS, _Reader.load_additems),
    (pickle.UNICODE, _Reader.load_unicode), (pickle.STRING, _Reader.load_string),
):  # fmt: skip
    _Reader.dispatch[_opcode[0]] = _load
