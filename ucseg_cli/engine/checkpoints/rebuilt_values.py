"""Stand-ins for the values of a pickle: tensors by shape and type, all else by its name.

Functions of torch and numpy that rebuild a tensor have one of ours here, which gives its shape and
type; no other call is made.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

from ucseg_cli.errors import shortened
from ucseg_cli.facts.element_types import BITS
from ucseg_cli.facts.state_dict import META

Memory = tuple[object, int, int]
"""A storage, and the first and last byte of a tensor in it."""

LONGEST_SHOWN = 80
"""Letters of a name in a file that a message shows."""
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


class Data(NamedTuple):
    """A long text or byte string, of which only the beginning is kept.

    *length* counts its bytes in the file, which a text of protocol 0 or 1 has more of than it says.
    *start* is where it begins in the pickle; None for such a text. *is_text* says that it is UTF-8,
    whose letters are the bytes of the data.
    """

    beginning: Any
    length: int
    start: int | None = None
    is_text: bool = False


class Storage(NamedTuple):
    """Memory that tensors lie in: its key in the file, its element type and length.

    One that stands in the pickle itself is in *data*, from the byte *start* of it on.
    """

    key: object
    dtype: str
    length: int
    offset: int = 0
    data: Data | bytes | None = None
    start: int | None = None


class Held(NamedTuple):
    """Where the values of a tensor are, as Values has it, with a *source* yet to be found."""

    source: Storage | Data | bytes
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    order: str = "<"
    zero: int | Held | None = 0
    dtype: str = ""


class StoredTensor(NamedTuple):
    """A tensor without its data; *memory* is None where it is unknown, or in several pieces."""

    shape: tuple[int, ...]
    dtype: str
    memory: Memory | None = None
    layout: str = "strided"
    held: Held | None = None


class Placeholder(dict[Any, Any]):
    """An object that was not made: the name of its class or function, arguments and state.

    *tensor* is what it stands for where it is an array of numbers.
    """

    def __init__(self, name: str, arguments: tuple[Any, ...] = ()) -> None:
        super().__init__()
        self.name = name
        self.arguments = arguments
        self.state: Any = None
        self.tensor: StoredTensor | None = None

    def __setstate__(self, state: Any) -> None:
        self.state = state
        if self.name in ARRAYS and isinstance(state, tuple) and len(state) == ARRAY_STATE:
            _, shape, dtype, is_fortran, data = state
            self.tensor = _array(shape, dtype, data, first_axis_fastest=is_fortran is True)

    def append(self, _: object) -> None:
        """Take part in the protocol of lists, and forget it."""

    def extend(self, _: object) -> None:
        """Take part in the protocol of lists, and forget it."""


class Global:
    """A class or function by its name; calling it gives a tensor that it rebuilds, or nothing.

    *rebuild* is our own function that does so, where it has to know the pickle.
    """

    def __init__(self, name: str, rebuild: Callable[..., Any] | None = None) -> None:
        self.name = name
        self._rebuild = rebuild

    def __call__(self, *arguments: Any) -> Any:
        """The stand-in for what the call would give."""
        rebuild = self._rebuild or _REBUILDERS.get(self.name)
        if rebuild is not None:
            return rebuild(*arguments)
        return Placeholder(self.name, arguments)


def tensor_in(value: Any) -> StoredTensor | None:
    """The tensor that a value is: torch's, or numpy's array; None for any other."""
    if isinstance(value, StoredTensor):
        return value
    return value.tensor if isinstance(value, Placeholder) else None


def kind_of(value: Any) -> str:
    """A noun for a value: a user's word where the value is one of our stand-ins."""
    if isinstance(value, Placeholder | Global):
        return "array" if tensor_in(value) else shortened(value.name, LONGEST_SHOWN)
    return next((noun for kind, noun in _NOUNS.items() if isinstance(value, kind)), "value")


_NOUNS: dict[type, str] = {
    StoredTensor: "tensor", Storage: "tensor's memory", Data: "long text", Mapping: "mapping",
    str: "text", bool: "bool", int: "int", float: "float", bytes: "byte string",
    tuple: "tuple", list: "list",
}  # fmt: skip


def _shape(sizes: Any) -> tuple[int, ...]:
    """Lengths or strides; raises UnpicklingError where one is below zero, which torch refuses."""
    found = tuple(int(size) for size in sizes)
    if min(found, default=0) < 0:
        raise pickle.UnpicklingError("a tensor has a length below zero")
    return found


def _name(value: Any) -> str:
    """The last part of a name such as ``torch.float32``."""
    return str(getattr(value, "name", value)).rpartition(".")[2]


def _name_of(kind: Any) -> str:
    """The full name of a class, which is an object without one if the pickle is odd."""
    return kind.name if isinstance(kind, Global) else type(kind).__name__


def storage_dtype(kind: Any) -> str:
    """The element type of a storage by its class."""
    name = _name(kind).removesuffix("Storage")
    return STORAGES.get(name, name)


def _numpy_dtype(dtype: Any) -> str:
    code = dtype.arguments[0] if isinstance(dtype, Placeholder) and dtype.arguments else dtype
    text = code.decode("ascii", "replace") if isinstance(code, bytes) else _name(code)
    return NUMPY.get(text.lstrip("<>=|"), text)


def _numpy_order(dtype: Any) -> str:
    """The order of bytes, which stands in the state of a type, or before its code."""
    code = dtype.arguments[0] if isinstance(dtype, Placeholder) and dtype.arguments else dtype
    state = dtype.state if isinstance(dtype, Placeholder) else None
    named = (state[1],) if isinstance(state, tuple) and len(state) > 1 else ()
    return ">" if ">" in named or b">" in named or str(code).lstrip("b'").startswith(">") else "<"


def _array(
    shape: Any, dtype: Any, data: Any, *, first_axis_fastest: bool = False
) -> StoredTensor | None:
    """An array of numpy; None for one of objects or texts."""
    found = StoredTensor(_shape(shape), _numpy_dtype(dtype))
    if found.dtype not in BITS:
        return None
    refuse_short(prod(found.shape), found.dtype, data)
    source = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    if not isinstance(source, bytes | Data):
        return found
    strides = dense_strides(found.shape, first_axis_fastest=first_axis_fastest)
    held = Held(source, found.shape, strides, order=_numpy_order(dtype))
    return found._replace(held=held)


def dense_strides(shape: tuple[int, ...], *, first_axis_fastest: bool = False) -> tuple[int, ...]:
    """The strides of a tensor without gaps, whose last axis is the fastest, or the first one."""
    if first_axis_fastest:
        return tuple(prod(shape[:axis]) for axis in range(len(shape)))
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def refuse_short(elements: int, dtype: str, data: Any) -> None:
    """Raise UnpicklingError where there are fewer bytes than so many elements take."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    there = data.length if isinstance(data, Data) else len(data)
    expected = elements * BITS.get(dtype, 0) // 8
    if there < expected:
        reason = f"the data of a tensor should have {expected:,} bytes, and has {there:,}"
        raise pickle.UnpicklingError(reason)


def _encoded(text: Any, *_: Any) -> Any:
    """Bytes that protocols 0 to 2 write as the text of which each letter is one."""
    if isinstance(text, Data):
        beginning = text.beginning
        if isinstance(beginning, bytes):  # of UTF-8, cut anywhere
            beginning = beginning.decode("utf-8", "ignore")
        return text._replace(beginning=beginning.encode("latin-1", "replace"))
    return text.encode("latin-1")


def _reconstructed(kind: Any, _: Any, state: Any = None) -> Placeholder:
    """An object as protocols 0 and 1 write it, with what a class above its own is made of."""
    made = Placeholder(_name_of(kind), (state,))
    if isinstance(state, Mapping):
        made.update(state)
    return made


def _made(kind: Any, *arguments: Any) -> Any:
    return kind(*arguments)


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
    held = Held(storage, shape, _shape(stride), first)
    memory = (storage.key, first, first + sum(reach))
    return StoredTensor(shape, dtype, memory, held=held)


def _rebuild(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> StoredTensor:
    return _strided(storage, offset, size, stride)


def _rebuild_typed(storage: Any, offset: int, size: Any, stride: Any, *more: Any) -> StoredTensor:
    """A tensor of a type that has no storage class: the storage counts bytes."""
    dtype = _name(more[2])
    if dtype in BITS:
        storage = storage._replace(length=storage.length * 8 // BITS[dtype])
    return _strided(storage, offset, size, stride, dtype)


def _rebuild_quantized(
    storage: Any, offset: int, size: Any, stride: Any, quantizer: Any = (), *_: Any
) -> StoredTensor:
    """A scheme, scales and zero points, which are numbers or have one for each channel."""
    tensor = _strided(storage, offset, size, stride)._replace(layout="quantized")
    point = quantizer[2] if isinstance(quantizer, tuple) and len(quantizer) > 2 else None
    zero: int | Held | None = point if isinstance(point, int) else None
    if isinstance(point, StoredTensor) and point.held is not None:
        zero = point.held._replace(dtype=point.dtype)
    return tensor._replace(held=tensor.held and tensor.held._replace(zero=zero))


def _rebuild_sparse(layout: Any, data: Any) -> StoredTensor:
    """Indices, of which compressed layouts have two kinds, values and the size.

    Where an element may have several values, which are added, none of them says whether it is zero.
    """
    *_, values = (part for part in data if isinstance(part, StoredTensor))
    size, *more = (part for part in data if not isinstance(part, StoredTensor))
    adds = _name(layout) == "sparse_coo" and True not in more
    held = None if adds else values.held
    return StoredTensor(_shape(size), values.dtype, None, _name(layout), held)


def _rebuild_meta(dtype: Any, size: Any, *_: Any) -> StoredTensor:
    return StoredTensor(_shape(size), _name(dtype), layout=META)


def _rebuild_wrapper(_: Any, dtype: Any, size: Any, *__: Any) -> StoredTensor:
    return StoredTensor(_shape(size), _name(dtype))


def _first(value: Any, *_: Any) -> Any:
    return value


def _of_subclass(function: Any, kind: Any, arguments: Any, *_: Any) -> Any:
    """A tensor of a class of its own; one that only wraps others has that as its layout."""
    made = function(*arguments)
    if isinstance(made, StoredTensor) and getattr(function, "name", None) == WRAPPER:
        return made._replace(layout=shortened(_name_of(kind), LONGEST_SHOWN))
    return made


def _frombuffer(
    data: Any, dtype: Any, shape: Any, order: Any = "C", axes: Any = None
) -> Placeholder:
    """An array as protocol 5 writes it; those that are neither C's nor Fortran's are permuted."""
    array = Placeholder("numpy.ndarray")
    tensor = _array(shape, dtype, data, first_axis_fastest=order == "F")
    array.tensor = _permuted(tensor, _shape(axes)) if tensor and order == "K" and axes else tensor
    return array


def _permuted(tensor: StoredTensor, axes: tuple[int, ...]) -> StoredTensor:
    if sorted(axes) != list(range(len(tensor.shape))):
        raise pickle.UnpicklingError("the axes of an array are not a permutation")
    shape = tuple(tensor.shape[axis] for axis in axes)
    held = tensor.held
    if held is not None:
        held = held._replace(shape=shape, strides=tuple(held.strides[axis] for axis in axes))
    return tensor._replace(shape=shape, held=held)


def _items(*items: Any) -> tuple[Any, ...]:
    return tuple(items[0]) if items else ()


WRAPPER = "torch._utils._rebuild_wrapper_subclass"
"""The function that makes a tensor whose values are those of others, such as torchao's."""
ARRAY_STATE = 5
"""The state of an array has so many parts: version, shape, type, order and data."""
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
    WRAPPER: _rebuild_wrapper,
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
    "_codecs.encode": _encoded,
    **{
        f"{registry}.{made}": rebuild
        for registry in ("copyreg", "copy_reg")
        for made, rebuild in (("_reconstructor", _reconstructed), ("__newobj__", _made))
    },
    **{f"numpy.{core}.numeric._frombuffer": _frombuffer for core in ("core", "_core")},
}
"""The functions of torch and numpy that make a tensor of what is saved."""
