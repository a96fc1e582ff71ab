"""The way that the CPU takes through a call, found without data.

Torch's own code chooses it by asking tensors for their device. Here these have no data and say that
they are on the CPU, as those of torch's FakeTensorMode, which takes long to import.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C import DispatchKey
from torch.utils._pytree import tree_leaves, tree_map

from ucseg_cli.engine.recording.dispatch import (
    DispatchMode,
    as_unwatched,
    operator_name,
    operator_of,
)
from ucseg_cli.engine.recording.tensor_numbers import Numbering

RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
CHOOSES = RECURRENT | {"scaled_dot_product_attention", "max_pool1d"}
"""Composites that are made of other operators on the CPU than on meta."""
KERNELS = frozenset({"_scaled_dot_product_flash_attention_for_cpu", "mkldnn_rnn_layer"})
"""Kernels that stand for a whole call, and that no counter prices."""

NEEDLESS = {"max_pool1d": "int64"}
"""By call, the element type of what it makes only where a mode watches: indices of the maxima."""
IN_PLACE = frozenset({"add_", "mul_", "relu_", "sigmoid_", "tanh_"})
"""Writes in the steps of a recurrent layer, for which torch's kernels on meta are slow."""

META, CPU = torch.device("meta"), torch.device("cpu")
ASKS_FOR_DEVICE: Any = torch.ops.prim.device.default

Strides = tuple[int, ...]


class Way(NamedTuple):
    """How the CPU does a call.

    Args:
        held: the tensors that the call itself makes and that are alive together at its fullest
            moment: shape, element type, bytes.
        kernel: the kernel that stands for the call, or a layer of it; empty for several.
        strides: of each output.
    """

    held: tuple[tuple[tuple[int, ...], str, int], ...]
    kernel: str
    strides: tuple[Strides, ...]


def way_on_cpu(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Way | None:
    """The CPU's way through a composite call; None where no device matters, or it cannot run."""
    name = operator_name(func)
    if name not in CHOOSES or (name in RECURRENT and _is_casting()):
        return None
    try:
        args, kwargs = tree_map(_twin, (tuple(args), dict(kwargs)))
        follower = _Follower((args, kwargs))
        with warnings.catch_warnings(action="ignore"), follower:  # it warns again when it runs
            out = func(*args, **kwargs)
    except (NotImplementedError, RuntimeError, TypeError):
        return None  # it says so itself where it is recorded
    needless = NEEDLESS.get(name)
    held = tuple(one for one in follower.held() if one[1] != needless)
    return Way(held, follower.kernel, tuple(one.stride() for one in tree_leaves(out)))


def lay_out(outputs: Sequence[Tensor], strides: Sequence[Strides]) -> None:
    """Give outputs the strides that they have on the CPU, in place and with the same values."""
    for tensor, stride in zip(outputs, strides, strict=True):
        if tensor.stride() != stride and tensor.is_contiguous():
            values = tensor.clone()
            tensor.as_strided_(tensor.shape, stride).copy_(values)


def _is_casting() -> bool:
    """Whether autocast is on, within which the parts of a recurrent layer are cast one by one."""
    depth = torch.autocast_increment_nesting()
    torch.autocast_decrement_nesting()
    return depth > 1


class OnCpu(Tensor):
    """A tensor without data that says it is on the CPU, unless a kernel for meta is running."""

    __torch_function__: Any = torch._C._disabled_torch_function_impl
    in_kernel = False

    @classmethod
    def __torch_dispatch__(  # type: ignore[override] # torch declares a function of another form
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if func is ASKS_FOR_DEVICE:
            return cls.device_now()
        return run_on_cpu(func, args, kwargs or {})

    @classmethod
    def device_now(cls) -> torch.device:
        """The device that such a tensor names to whoever asks."""
        return META if cls.in_kernel else CPU


def run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call an operator as it is."""
    return func(*args, **kwargs)


def run_on_cpu(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call an operator without data; its outputs say that they are on the CPU."""
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": META}
    given = {id(one): one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
    twins = {key: _without_data(one) for key, one in given.items()}
    known = {id(twin): given[key] for key, twin in twins.items()}
    args, kwargs = tree_map(lambda one: twins.get(id(one), one), (tuple(args), dict(kwargs)))
    with _in_kernel():
        out = func(*args, **kwargs)
    return tree_map(lambda one: known[id(one)] if id(one) in known else on_cpu(one), out)


def on_cpu(tensor: Any) -> Any:
    """One on the same storage that says it is on the CPU; any other value stays as it is."""
    if not isinstance(tensor, Tensor) or isinstance(tensor, OnCpu):
        return tensor
    make: Any = Tensor._make_subclass  # its types lack the last two
    return make(OnCpu, tensor, dispatch_device=True, device_for_backend_keys=CPU)


def _without_data(tensor: Tensor) -> Tensor:
    """It, or beside tensors without data one of its form, since a kernel for meta reads none."""
    if isinstance(tensor, OnCpu) or tensor.is_meta:
        return tensor
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)


def _twin(value: Any) -> Any:
    """One with the same strides and without data; integers stay, such as lengths of sequences."""
    if not isinstance(value, Tensor) or _is_whole(value):
        return value
    twin = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=META)
    return on_cpu(twin)


def _is_whole(tensor: Tensor) -> bool:
    is_inexact = tensor.is_floating_point() or tensor.is_complex()
    return not is_inexact and tensor.dtype is not torch.bool


@contextmanager
def _in_kernel() -> Iterator[None]:
    """While it lasts, kernels for meta run on tensors that say they are on the CPU."""
    with torch._C._DisableTorchDispatch(), torch._C._PreserveDispatchKeyGuard():
        torch._C._set_meta_in_tls_dispatch_include(True)  # noqa: FBT003 - its only argument
        OnCpu.in_kernel = True
        try:
            yield
        finally:
            OnCpu.in_kernel = False


class _Follower(DispatchMode):
    """Runs every operator on meta, and knows which storages are alive together."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self.kernel = ""
        self._within = ""
        self._ops: list[Any] = []
        self._tensors = Numbering(self._ops)
        self._tensors.indices(tree_leaves(given))
        self._begins = [-1] * len(self._tensors.storages)

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is ASKS_FOR_DEVICE:
            return OnCpu.device_now()
        kwargs = kwargs or {}
        operator = operator_of(func)
        if operator.composite:
            return self._run_composite(func, operator.name, args, kwargs)
        if (unwatched := as_unwatched(operator.name, self._within)) is not None:
            return self._run(unwatched, args, kwargs)
        return self._run(func, args, kwargs)

    def _run_composite(self, func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        around, self._within = self._within, name
        try:
            with self:
                return func._op_dk(DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
        finally:
            self._within = around

    def _run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        name = operator_name(func)
        out = args[0] if name in IN_PLACE else run_on_cpu(func, args, kwargs)
        self._note(name, out)
        return out

    def _note(self, name: str, out: Any) -> None:
        self._tensors.indices(out)
        made = len(self._tensors.storages) - len(self._begins)
        self._begins += [len(self._ops)] * made
        self._ops.append(name)
        if name in KERNELS:
            self.kernel = name

    def held(self) -> tuple[tuple[tuple[int, ...], str, int], ...]:
        """The tensors made and alive at the fullest moment, one for each storage."""
        sizes, last = self._tensors.storages, len(self._ops)
        lives = []
        for storage, (begin, freed) in enumerate(
            zip(self._begins, self._tensors.freed, strict=True)
        ):
            end = last if freed is None else max(freed, begin + 1)
            if begin >= 0:
                lives.append((storage, begin, end))
        changes = [0] * (last + 1)
        for storage, begin, end in lives:
            changes[begin] += sizes[storage]
            changes[end] -= sizes[storage]
        alive = [*accumulate(changes)]
        moment = alive.index(max(alive))
        then = [storage for storage, begin, end in lives if begin <= moment < end]
        first = {row.storage: row for row in reversed(self._tensors.rows)}
        return tuple((first[one].shape, first[one].dtype, sizes[one]) for one in then)
