"""The signature of a call: two calls with equal signatures do the same."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from enum import Enum
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType, NoneType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ucseg_cli.engine.parts.hidden_reads import HiddenReads

PLAIN = {
    *(bool, int, float, complex, str, bytes, NoneType, type),
    *(torch.dtype, torch.device, torch.layout, torch.memory_format),
}
"""Types of values that are equal where their uses are."""
CONTAINERS = {tuple, list, torch.Size}
OF_TORCH = frozenset(vars(nn.Module())) - {"training"}
"""The attributes that every module has, and that say nothing about how it runs."""
HIDDEN = HiddenReads()


class UnknownValueError(Exception):
    """A value that cannot be compared with another."""


class Signatures:
    """Signatures of modules, each a number: equal for modules that do the same on equal inputs."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._known: dict[int, int | None] = {}

    def forget(self) -> None:
        """Forget the modules, before their addresses are those of others."""
        self._known.clear()

    def of_module(self, module: nn.Module) -> int | None:
        """Its number; None where it holds something that cannot be compared."""
        number = self._known.get(id(module), -1)
        if number == -1:
            number = self._number_now(module)
            if number is None or self._is_noticed(module):
                self._known[id(module)] = number
        return number

    def look_again(self, module: nn.Module) -> int | None:
        """The same after a call, which may have changed the module or those inside."""
        for inside in module.modules():
            self._known.pop(id(inside), None)
        return self.of_module(module)

    def _is_noticed(self, module: nn.Module) -> bool:
        """Whether nothing changes about it, or in it, but by setting an attribute of a module."""
        if type(module).__module__.partition(".")[0] != "torch":
            changes = any(type(value) in {list, dict} for value in _own_attributes(module).values())
            if changes or HIDDEN.of_class(type(module)):
                return False
        return all(id(child) in self._known for child in module.children())

    def _number_now(self, module: nn.Module) -> int | None:
        try:
            kind: Any = type(module)
            found = (kind, *self._hidden(kind), *self._attributes(module))
            found += tuple(self._registered(module))
        except UnknownValueError:
            return None
        return self._numbers.setdefault(found, len(self._numbers))

    def _hidden(self, kind: type) -> Iterable[Hashable]:
        for place in HIDDEN.of_class(kind):
            yield place.name
            yield from plain_values(place.value)

    def _attributes(self, module: nn.Module) -> Iterable[Hashable]:
        for name, value in _own_attributes(module).items():
            yield name
            yield from plain_values(value)
        for name, value in vars(module).items():
            if name.endswith("_hooks") and value:
                raise UnknownValueError(name)

    def _registered(self, module: nn.Module) -> Iterable[Hashable]:
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            yield name
            if tensor is not None:
                if is_lazy(tensor):
                    raise UnknownValueError(name)
                yield from (tensor.shape, tensor.stride(), tensor.dtype, tensor.requires_grad)
        for name, child in module._modules.items():
            number = None if child is None else self.of_module(child)
            if child is not None and number is None:
                raise UnknownValueError(name)
            yield (name, number)


def _own_attributes(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in OF_TORCH}


class Call(NamedTuple):
    """A call: its signature, and the tensors among its arguments, each once."""

    signature: tuple[Hashable, ...]
    tensors: list[Tensor]
    arguments: tuple[Any, ...]

    def is_unchanged(self) -> bool:
        """Whether its tensors are still as they were: it may have resized one."""
        return signed_call(self.signature[0], *self.arguments).signature == self.signature


def signed_call(called: Hashable, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """The signature of a call; raises UnknownValueError for an argument that has none."""
    signature: list[Hashable] = [called]
    tensors: list[Tensor] = []
    for one in args:
        _describe(one, signature, tensors)
    for name, one in kwargs.items():
        signature.append(name)
        _describe(one, signature, tensors)
    return Call(tuple(signature), tensors, (args, kwargs))


def _describe(value: Any, signature: list[Hashable], tensors: list[Tensor]) -> None:
    if isinstance(value, Tensor):
        if tensors:
            signature.append(_among(value, tensors))
        tensors.append(value)
        signature += (value.shape, value.stride(), value.dtype)
    elif type(value) in CONTAINERS:
        signature += [type(value).__name__, len(value)]
        for one in value:
            _describe(one, signature, tensors)
    elif type(value) is dict:
        signature.append(tuple(value))
        for one in value.values():
            _describe(one, signature, tensors)
    else:
        signature += plain_values(value)


def _among(tensor: Tensor, others: Sequence[Tensor]) -> Hashable:
    """Which of them it is, or shares a storage with."""
    address = address_of(tensor)
    for number, other in enumerate(others):
        if other is tensor:
            return number
        if address_of(other) == address:
            return number, tensor.storage_offset()
    return None


def plain_values(value: Any) -> list[Hashable]:
    """A value and its type, since 1 is True; raises UnknownValueError for one with a state."""
    if type(value) in PLAIN:
        return [type(value).__name__, value]
    if type(value) in CONTAINERS:
        found: list[Hashable] = [type(value).__name__, len(value)]
        for one in value:
            found += plain_values(one)
        return found
    if isinstance(value, Enum):
        return [type(value), value.name]
    if type(value) in {FunctionType, BuiltinFunctionType}:
        return _function_values(value)
    if type(value) is dict and all(type(key) in PLAIN for key in value):
        return ["dict", *plain_values(list(value)), *plain_values(list(value.values()))]
    raise UnknownValueError(type(value).__name__)


def _function_values(function: Any) -> list[Hashable]:
    """A function with all that it reads; a method of an object may change that object."""
    if isinstance(function, BuiltinFunctionType):
        if not isinstance(function.__self__, ModuleType | NoneType | type):
            raise UnknownValueError(function.__name__)
        return [function]
    found: list[Hashable] = [function]
    try:
        for value in (function.__defaults__, *map(_content, function.__closure__ or ())):
            found += plain_values(value)
        for place in HIDDEN.of_function(function):
            found += plain_values(place.value)
    except RecursionError:  # it reads itself
        raise UnknownValueError(function.__name__) from None
    return found


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        raise UnknownValueError("nothing yet") from None


def address_of(tensor: Tensor) -> int:
    """The address of its storage, which is that of no other as long as it lives."""
    address: int = tensor.untyped_storage()._cdata  # it has no public name
    return address
