"""Pickles read for the names, shapes and types of tensors, and nothing in them is ever called.

A pickle is a program: it names functions and asks for calls. Here each name is only a name. Those
of torch and numpy that rebuild a tensor give its shape and type; anything else becomes a
placeholder that keeps what it was made from. Data is passed over, so neither torch nor memory for
it is needed.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any, BinaryIO, ClassVar, NamedTuple

Memory = tuple[object, int, int]
"""A storage, and the first and last byte of a tensor in it."""

MOST_INSTRUCTIONS = 1 << 24
"""Bytes of a pickle beside its data, which take ten seconds; 90,000 tensors have about as many."""
LONGEST_TEXT = 1 << 20
"""Bytes of a text or byte string that are kept; longer ones are data."""
SIMPLE_KEYS = (str, int, float, bytes, type(None))
"""Keys of mappings that are kept; hashing another could recurse without end."""

STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
    "Bool": "bool", "ComplexDouble": "complex128", "ComplexFloat": "complex64",
    "QInt8": "qint8", "QUInt8": "quint8", "QInt32": "qint32", "QUInt4x2": "quint4x2",
    "Untyped": "uint8",
}  # fmt: skip
"""Element types of torch's storage classes."""
NUMPY = {
    "f2": "float16", "f4": "float32", "f8": "float64", "c8": "complex64", "c16": "complex128",
    "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64", "b1": "bool", "?": "bool",
    "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64",
}  # fmt: skip
"""Torch's names for numpy's element types."""


class CutShortError(pickle.UnpicklingError):
    """The pickle ends before its last instruction."""


class Storage(NamedTuple):
    """Memory that tensors lie in: its key in the file, its element type and length."""

    key: object
    dtype: str
    length: int
    offset: int = 0


class StoredTensor(NamedTuple):
    """A tensor without its data; *memory* is None where it is unknown, or in several pieces."""

    shape: tuple[int, ...]
    dtype: str
    memory: Memory | None = None
    layout: str = "strided"


class Placeholder(dict[Any, Any]):
    """An object that was not made: the name of its class or function, arguments and state."""

    def __init__(self, name: str, arguments: tuple[Any, ...] = ()) -> None:
        super().__init__()
        self.name = name
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, _: object) -> None:
        """Take part in the protocol of lists, and forget it."""

    def extend(self, _: object) -> None:
        """Take part in the protocol of lists, and forget it."""


class Global:
    """A class or function by its name; calling it gives a tensor that it rebuilds, or nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Any:
        """The stand-in for what the call would give."""
        rebuild = _REBUILDERS.get(self.name)
        if rebuild is not None:
            return rebuild(*arguments)
        return Placeholder(self.name, arguments)


def tensor_in(value: Any) -> StoredTensor | None:
    """The tensor that a value is: torch's, or numpy's array; None for any other."""
    if isinstance(value, StoredTensor):
        return value
    is_array = isinstance(value, Placeholder) and value.name in ARRAYS
    if not is_array or not isinstance(value.state, tuple) or len(value.state) < 3:
        return None
    _, shape, dtype, *_ = value.state
    return StoredTensor(_shape(shape), _numpy_dtype(dtype))


class Pickle:
    """A pickle in a file, from where the file stands; several may follow one another."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.storages: dict[object, Storage] = {}
        self._file = _Bounded(file, size)

    def read(self) -> Any:
        """The next value. Raises CutShortError or UnpicklingError, and other errors for damage."""
        return _Reader(self._file, self.storages).load()


class _Bounded:
    """A file that never gives less than it is asked for, nor tries to hold what is not there."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size
        self._most = MOST_INSTRUCTIONS

    def read(self, count: int) -> bytes:
        self._take(count)
        self._most -= count
        if self._most < 0:
            raise pickle.UnpicklingError(
                f"it has more than {MOST_INSTRUCTIONS:,} bytes beside data"
            )
        return self._file.read(count)

    def readline(self) -> bytes:
        line = self._file.readline(LONGEST_TEXT)
        self._take(len(line))
        if not line.endswith(b"\n"):
            raise CutShortError("a line does not end")
        return line

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

    def __init__(self, file: _Bounded, storages: dict[object, Storage]) -> None:
        super().__init__(file)
        self._bounded = file
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        return _Dict if full in MAPPINGS else Global(full)

    def persistent_load(self, pid: Any) -> Any:
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] not in {"storage", b"storage"}:
            return Placeholder("persistent", (pid,))
        _, kind, key, _, length, *view = pid
        view_key, offset, _ = view[0] if view and view[0] else (None, 0, 0)
        storage = Storage(key, _storage_dtype(kind), int(length), int(offset))
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
                target[key if isinstance(key, SIMPLE_KEYS) else f"({type(key).__name__})"] = value

    def load_empty_set(self) -> None:
        self.append([])

    def load_frozenset(self) -> None:
        items = self.pop_mark()  # which changes where *append* appends
        self.append(items)

    def load_additems(self) -> None:
        items = self.pop_mark()
        self.stack[-1].extend(items)

    def _load_data(self, layout: str, decode: Callable[[bytes], Any]) -> None:
        (length,) = struct.unpack(layout, self.read(struct.calcsize(layout)))
        if length > LONGEST_TEXT:
            self._bounded.skip(length)
            self.append(Placeholder("data", (length,)))
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


def _data_loader(layout: str, decode: Callable[[bytes], Any]) -> Callable[[Any], None]:
    return lambda reader: reader._load_data(layout, decode)


for _opcode, _layout, _decode in (
    (pickle.BINSTRING, "<i", _text), (pickle.BINUNICODE, "<I", _text),
    (pickle.BINUNICODE8, "<Q", _text), (pickle.BINBYTES, "<I", bytes),
    (pickle.BINBYTES8, "<Q", bytes), (pickle.BYTEARRAY8, "<Q", bytes),
):  # fmt: skip
    _Reader.dispatch[_opcode[0]] = _data_loader(_layout, _decode)
for _opcode, _load in (
    (pickle.NEWOBJ, _Reader.load_newobj), (pickle.NEWOBJ_EX, _Reader.load_newobj_ex),
    (pickle.FRAME, _Reader.load_frame), (pickle.SETITEM, _Reader.load_setitem),
    (pickle.SETITEMS, _Reader.load_setitems), (pickle.DICT, _Reader.load_dict),
    (pickle.EMPTY_DICT, lambda reader: reader.append(_Dict())),
    (pickle.EMPTY_SET, _Reader.load_empty_set), (pickle.FROZENSET, _Reader.load_frozenset),
    (pickle.ADDITEMS, _Reader.load_additems),
):  # fmt: skip
    _Reader.dispatch[_opcode[0]] = _load


def _shape(sizes: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in sizes)


def _name(value: Any) -> str:
    """The last part of a name such as ``torch.float32``."""
    return str(getattr(value, "name", value)).rpartition(".")[2]


def _storage_dtype(kind: Any) -> str:
    name = _name(kind).removesuffix("Storage")
    return STORAGES.get(name, name)


def _numpy_dtype(dtype: Any) -> str:
    code = dtype.arguments[0] if isinstance(dtype, Placeholder) and dtype.arguments else dtype
    text = code.decode("ascii", "replace") if isinstance(code, bytes) else str(code)
    return NUMPY.get(text.lstrip("<>=|"), text)


def _strided(storage: Any, offset: int, size: Any, stride: Any, dtype: str = "") -> StoredTensor:
    shape, dtype = _shape(size), dtype or storage.dtype
    if not isinstance(storage, Storage):
        return StoredTensor(shape, dtype)
    reach = [(length - 1) * step for length, step in zip(shape, _shape(stride), strict=True)]
    first = storage.offset + int(offset)
    if 0 in shape:
        return StoredTensor(shape, dtype)
    if min(reach, default=0) < 0 or first + sum(reach) >= storage.offset + storage.length:
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    return StoredTensor(shape, dtype, (storage.key, first, first + sum(reach)))


def _rebuild(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> StoredTensor:
    return _strided(storage, offset, size, stride)


def _rebuild_typed(storage: Any, offset: int, size: Any, *more: Any) -> StoredTensor:
    """A tensor of a type that has no storage class: the storage counts bytes."""
    dtype = _name(more[3])
    return StoredTensor(_shape(size), dtype, (storage.key, int(offset), prod(_shape(size))))


def _rebuild_quantized(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> StoredTensor:
    return _strided(storage, offset, size, stride)._replace(layout="quantized")


def _rebuild_sparse(layout: Any, data: Any) -> StoredTensor:
    """Indices, of which compressed layouts have two kinds, values and the size."""
    *_, values = (part for part in data if isinstance(part, StoredTensor))
    size = next(part for part in data if not isinstance(part, StoredTensor))
    return StoredTensor(_shape(size), values.dtype, None, _name(layout))


def _rebuild_meta(dtype: Any, size: Any, *_: Any) -> StoredTensor:
    return StoredTensor(_shape(size), _name(dtype))


def _rebuild_wrapper(_: Any, dtype: Any, size: Any, *__: Any) -> StoredTensor:
    return StoredTensor(_shape(size), _name(dtype))


def _first(value: Any, *_: Any) -> Any:
    return value


def _of_subclass(function: Any, _: Any, arguments: Any, *__: Any) -> Any:
    return function(*arguments)


def _frombuffer(_: Any, dtype: Any, shape: Any, *__: Any) -> StoredTensor:
    return StoredTensor(_shape(shape), _numpy_dtype(dtype))


def _items(*items: Any) -> tuple[Any, ...]:
    return tuple(items[0]) if items else ()


MAPPINGS = {"collections.OrderedDict", "collections.Counter", "builtins.dict", "__builtin__.dict"}
ARRAYS = {f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")} | {"numpy.ndarray"}
_REBUILDERS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _rebuild,
    "torch._utils._rebuild_tensor_v2": _rebuild,
    "torch._utils._rebuild_tensor_v3": _rebuild_typed,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._utils._rebuild_qtensor": _rebuild_quantized,
    "torch._utils._rebuild_sparse_tensor": _rebuild_sparse,
    "torch._utils._rebuild_sparse_csr_tensor": _rebuild_sparse,
    "torch._utils._rebuild_nested_tensor": _first,
    "torch._utils._rebuild_meta_tensor_no_storage": _rebuild_meta,
    "torch._utils._rebuild_wrapper_subclass": _rebuild_wrapper,
    "torch._utils._rebuild_device_tensor_from_numpy": _first,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
    "torch._tensor._rebuild_from_type": _of_subclass,
    "torch._tensor._rebuild_from_type_v2": _of_subclass,
    "torch.nn.parameter.Parameter": _first,
    "torch.Size": _items,
    **{
        f"{builtins}.{kind}": _items
        for builtins in ("builtins", "__builtin__")
        for kind in ("set", "frozenset", "list", "tuple")
    },
    "torch.serialization._get_layout": _first,
    **{f"numpy.{core}.numeric._frombuffer": _frombuffer for core in ("core", "_core")},
}
"""The functions of torch and numpy that make a tensor of what is saved."""
