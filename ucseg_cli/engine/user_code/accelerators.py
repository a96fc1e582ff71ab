"""Accelerators that a user's code asks for: it gets meta or the CPU, and none has to be there.

No figure depends on where a tensor lies. Whoever asks for a device gets the one that the pass is
on; a call that only manages a device does nothing; a question about it, such as its name, needs it.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache, partial, wraps
from types import ModuleType, NoneType
from typing import Any

import torch
from torch import Generator, Tensor, serialization
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode
from torch.utils import _device  # `with torch.device` and the default device have no public mode

ACCELERATORS = ("cuda", "mps", "xpu", "hpu", "xla")
"""Devices that a model may ask for by name; on meta no kernel runs, so none has to be there."""

MODULES = (*ACCELERATORS, "accelerator", "cuda.memory", "cuda.nvtx", "cuda.streams")
"""Modules of torch that manage such devices, or mark what runs there, where torch has them."""

MANAGING = {"init", "set_stream", "ipc_collect", "range_push", "range_pop", "range_start", "mark"}
"""Their functions that give nothing of use and do not say so; others say that they give None."""

MAKERS = {"as_tensor", "asarray", "new"}
"""Calls that make a tensor of Python's values; on meta no operator of theirs would be seen."""

NAME_NO_DEVICE = {Tensor, Parameter, bool, int, float, NoneType}
"""Types of arguments that name none."""

OURS = {"torch", "ucseg_cli"}
"""Packages that see where a tensor lies, whatever the user's code sees."""


class DeviceAbsentError(RuntimeError):
    """A user's code asks something that only a device could answer, and it is not there."""


class _Elsewhere(TorchFunctionMode):
    """Gives another device to whoever asks for an accelerator: ``.cuda()``, ``device="cuda"``.

    *given* is that other one, *asked* the accelerator that was asked for last, and *casts* whether
    autocast was on for the CPU, which casts no tensor that is on meta. A model is on one
    device, so from then on its code sees all of its tensors there: ``x.is_cuda`` is true.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given = torch.device("cpu")
        self.asked: torch.device | None = None
        self.casts = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.casts |= torch.is_autocast_enabled("cpu")
        if not kwargs and NAME_NO_DEVICE.issuperset(map(type, args)) and _is_indifferent(func):
            return func(*args)  # most calls; the rest takes longer than many of them
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if func is torch.device:  # only named so far
            is_number = len(args) == 1 and type(args[0]) is int
            return func("cuda", *args) if is_number else func(*args, **kwargs)
        if name in _ANSWERS and isinstance(args[0], Tensor):
            return _ANSWERS[name](self, func, args, kwargs)
        args = tuple(map(self.instead, args))
        if name in {"to", "_parse_to"}:
            args = tuple(map(self.of_number, args[:2])) + args[2:]
        kwargs = {key: self.instead(value) for key, value in kwargs.items() if key != "pin_memory"}
        if "device" in kwargs:
            kwargs["device"] = self.of_number(kwargs["device"])
        out = func(*args, **kwargs)
        if name in MAKERS and out.is_meta and not any(out is value for value in args):
            # A tensor made of Python's values is seen by the operator that shows it elsewhere.
            torch.ops.aten.lift_fresh(out)
        return out

    def ask(self, device: str | torch.device) -> torch.device:
        """Note what is asked for; gives what it gets instead."""
        asked = torch.device(device)
        self.asked = torch.device(asked.type, asked.index or 0)
        return self.given

    def instead(self, value: Any) -> Any:
        """The device that is given for an accelerator; any other value as it is."""
        if isinstance(value, torch.device):
            return self.ask(value) if value.type in ACCELERATORS else value
        is_name = isinstance(value, str) and value.partition(":")[0] in ACCELERATORS
        return self.ask(value) if is_name else value

    def of_number(self, value: Any) -> Any:
        """The same for a number, which stands for an accelerator where a device is expected."""
        return self.ask(f"cuda:{value}") if type(value) is int else value


@cache
def _is_indifferent(func: Any) -> bool:
    """Whether a device can be meant only by an argument of it."""
    name = getattr(func, "__name__", "")
    return func is not torch.device and name not in {*_ANSWERS, *MAKERS, "to", "_parse_to"}


_elsewhere = _Elsewhere()


def _move(name: str, mode: _Elsewhere, _: Any, args: Any, kwargs: Any) -> Tensor:
    """``x.cuda()``, ``x.cuda(1)``, ``x.cuda(device="cuda:1")``."""
    where = args[1] if len(args) > 1 else kwargs.get("device")
    named = f"{name}:{where or 0}" if where is None or isinstance(where, int) else where
    moved: Tensor = args[0].to(mode.ask(named))
    return moved


def _change_type(mode: _Elsewhere, func: Any, args: Any, kwargs: Any) -> Any:
    """``x.type(torch.cuda.FloatTensor)``, by name too; without an argument the type's name."""
    kind = args[1] if len(args) > 1 else kwargs.get("dtype")
    if kind is None:
        name, asked = str(func(*args)), mode.asked
        if asked is None or not _is_asked_by_user():
            return name
        return f"torch.{asked.type}.{name.rpartition('.')[2]}"
    element = _element_type(kind)
    return func(args[0], kind) if element is kind else args[0].to(mode.ask("cuda"), element)


def _element_type(kind: Any) -> Any:
    """The element type of an accelerator's tensor type; any other value as it is."""
    if isinstance(kind, str):
        _, _, rest = kind.partition("torch.")
        device, _, name = rest.rpartition(".")
        return _TensorType.of(device, name).dtype if device in ACCELERATORS else kind
    return kind.dtype if getattr(kind, "is_cuda", False) else kind


def _look(mode: _Elsewhere, func: Any, args: Any, kwargs: Any) -> Any:
    """``x.is_cuda``, ``x.device``, ``x.get_device()`` of a model that has asked for a device."""
    asked, name = mode.asked, getattr(func, "__self__", func).__name__
    if asked is None or name not in _PLACES or not _is_asked_by_user():
        return func(*args, **kwargs)
    return _PLACES[name](asked)


def _is_asked_by_user() -> bool:
    """Whether the code that made torch call us is neither torch's nor ours."""
    asker = sys._getframe(2)
    while asker.f_code.co_name == "__torch_function__" and asker.f_back is not None:
        asker = asker.f_back  # a mode that passes the call on
    return asker.f_globals.get("__name__", "").partition(".")[0] not in OURS


def _is_of_kind(kind: str, asked: torch.device) -> bool:
    return asked.type == kind


_PLACES: dict[str, Callable[[torch.device], Any]] = {
    "device": lambda asked: asked,
    "get_device": lambda asked: asked.index,
    "is_cpu": lambda _: False,
    **{f"is_{kind}": partial(_is_of_kind, kind) for kind in ACCELERATORS},
}

_ANSWERS: dict[str, Callable[[_Elsewhere, Any, Any, Any], Any]] = {
    **{name: partial(_move, name) for name in ACCELERATORS},
    "type": _change_type,
    "pin_memory": lambda _mode, _func, args, _: args[0],
    "get_device": _look,
    "__get__": _look,
}
"""Calls of a tensor's methods that are not passed on as they are, by name."""


class Event:
    """A point in a queue of work; the clock is the host's, since the work is done there."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._time = 0.0

    def record(self, _: Any = None) -> None:
        """Note the time."""
        self._time = time.perf_counter()

    def elapsed_time(self, end: Event) -> float:
        """Milliseconds between two events."""
        return 1000 * (end._time - self._time)

    def query(self) -> bool:
        """Whether all work is done."""
        return True

    def wait(self, _: Any = None) -> None:
        """Wait for nothing, as ``synchronize`` does."""

    synchronize = wait


class Stream(nullcontext[None]):
    """A queue of work that is always done."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def record_event(self, event: Event | None = None) -> Event:
        """An event that is recorded now."""
        event = event or Event()
        event.record()
        return event

    def query(self) -> bool:
        """Whether all work is done."""
        return True

    def synchronize(self, _: Any = None) -> None:
        """Wait for nothing, as ``wait_stream`` and ``wait_event`` do."""

    wait_stream = wait_event = synchronize


class _LikeGenerator(type(Generator)):  # type: ignore[misc] # its metaclass depends on the version
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Generator)


class _GeneratorOnCpu(Generator, metaclass=_LikeGenerator):
    """Torch's generator, which draws for meta too, made where it can be."""

    def __new__(cls, device: Any = "cpu") -> Generator:  # type: ignore[misc]
        on_number = _elsewhere.of_number(_elsewhere.instead(device))
        return Generator("cpu" if torch.device(on_number).type == "meta" else on_number)


class _TensorType(type):
    """``torch.cuda.FloatTensor``: what it makes is on the device that is given."""

    dtype: torch.dtype
    device: str

    @staticmethod
    def of(device: str, name: str) -> _TensorType:
        """The type of that name, such as FloatTensor, on an accelerator."""
        on_cpu = getattr(torch, name)
        return _TensorType(name, (), {"dtype": on_cpu.dtype, "is_cuda": True, "device": device})

    def __call__(cls, *args: Any) -> Tensor:
        given = _elsewhere.ask(cls.device)
        made: Tensor = getattr(torch, cls.__name__)(*args)
        return made.to(given)

    def __instancecheck__(cls, value: Any) -> bool:
        asked = _elsewhere.asked
        return isinstance(value, Tensor) and value.dtype is cls.dtype and asked is not None


def _asking(module: ModuleType, original: Callable[..., Any]) -> Callable[..., Any]:
    """A question as it is; it raises DeviceAbsentError where only a device could answer it."""
    device: Any = getattr(torch, module.__name__.split(".")[1])
    is_internal = original.__name__.startswith("_")
    asked = device.__name__ if is_internal else f"{module.__name__}.{original.__name__}()"

    @wraps(original)
    def ask(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except Exception as error:
            if device.is_available():
                raise
            raise DeviceAbsentError(
                f"{asked} needs a device, and there is none; let the code ask only if "
                f"{device.__name__}.is_available()"
            ) from error

    return ask


def _do_nothing(*_: Any, **__: Any) -> None:
    """Manage a device that no tensor is on."""


_FIRST_DEVICE: dict[str, Any] = {
    **dict.fromkeys(("current_device", "current_device_index", "current_device_idx"), lambda: 0),
    **dict.fromkeys(("Stream", "ExternalStream", "current_stream", "default_stream"), Stream),
    **dict.fromkeys(
        ("device", "device_of", "device_index", "stream", "StreamContext"), nullcontext
    ),
    "Event": Event,
    "get_rng_state": lambda *_: torch.get_rng_state(),
}
"""Answers by name, in each of MODULES: as if a device were there, with nothing to wait for."""


def _stand_in(module: ModuleType, name: str, original: Any) -> Any:
    """The stand-in for a name of one of MODULES; the original for one that stays."""
    if (answer := _FIRST_DEVICE.get(name)) is not None:
        return _named(original, answer) if inspect.isfunction(original) else answer
    if type(original) is type(torch.FloatTensor):
        return _TensorType.of("cuda", name)
    is_asked = inspect.isfunction(original) or name.endswith("Graph")
    is_internal = name.startswith("_") and name != "_lazy_init"  # where all else ends up
    if not is_asked or is_internal or not original.__module__.startswith("torch."):
        return original
    gives = original.__annotations__.get("return", ...)
    manages = gives in {None, "None"} or name in MANAGING
    return _named(original, _do_nothing) if manages else _asking(module, original)


def _named(original: Callable[..., Any], answer: Callable[..., Any]) -> Callable[..., Any]:
    """A function of its own with the original's name: torch's compiler lists each, once."""

    @wraps(original)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return answer(*args, **kwargs)

    return stand_in


def _modules() -> Iterator[ModuleType]:
    for name in MODULES:
        module: Any = torch
        for part in name.split("."):
            module = getattr(module, part, None)
        if isinstance(module, ModuleType):
            yield module


def _stand_ins() -> Iterator[tuple[Any, str, Any]]:
    """Every place that names a device past torch's function modes, and what stands there."""
    for module in _modules():
        for name, original in list(vars(module).items()):
            stand_in = _stand_in(module, name, original)
            if stand_in is not original:
                yield module, name, stand_in
    yield torch, "Generator", _GeneratorOnCpu
    yield torch, "Stream", Stream
    yield torch, "Event", Event
    yield torch, "set_default_tensor_type", partial(_set_default, torch.set_default_tensor_type)
    yield Tensor, "record_stream", _do_nothing
    yield torch.jit, "load", partial(_load_script, torch.jit.load)
    restore = partial(_restore_storage, serialization.default_restore_location)
    yield serialization, "default_restore_location", restore
    for storage in (torch.storage._StorageBase, torch.TypedStorage):
        yield storage, "cuda", lambda values, *_, **__: restore(values, "cuda")
    context: Any = _device.DeviceContext
    passing = context.__torch_function__
    yield context, "__torch_function__", lambda *args: _pass_on(passing, *args)


_INHERITED = object()
"""In the place of an attribute that a class has from its base."""


def _pass_on(passing: Callable[..., Any], context: Any, *call: Any) -> Any:
    """Let a default device, or that of ``with torch.device``, be the one that is given."""
    asked = context.device
    context.device = _elsewhere.instead(asked)
    try:
        return passing(context, *call)
    finally:
        context.device = asked


def _restore_storage(original: Callable[..., Any], storage: Any, location: Any) -> Any:
    """A storage of a checkpoint, wherever ``map_location`` or the checkpoint says that it is."""
    where = _elsewhere.instead(location)
    return original(storage, str(where) if isinstance(where, torch.device) else where)


def _load_script(
    original: Callable[..., Any], file: Any, map_location: Any = None, *more: Any, **others: Any
) -> Any:
    return original(file, _elsewhere.instead(map_location), *more, **others)


def _set_default(original: Callable[[Any], None], kind: Any) -> None:
    """The default type of an accelerator's tensors is an element type and a device."""
    element = _element_type(kind)
    if not isinstance(element, torch.dtype):
        original(kind)
        return
    torch.set_default_dtype(element)
    torch.set_default_device("cuda")


@contextmanager
def accelerators_elsewhere() -> Iterator[None]:
    """While it lasts, accelerators can be asked for; what asks for one gets the CPU."""
    _elsewhere.given, _elsewhere.asked = torch.device("cpu"), None
    before: list[tuple[Any, str, Any]] = []
    try:
        for owner, name, stand_in in list(_stand_ins()):
            before.append((owner, name, vars(owner).get(name, _INHERITED)))
            setattr(owner, name, stand_in)
        with _elsewhere:
            yield
    finally:
        for owner, name, original in reversed(before):
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


@contextmanager
def accelerators_on_meta() -> Iterator[_Elsewhere]:
    """While it lasts, what asks for an accelerator gets meta."""
    before, _elsewhere.given = _elsewhere.given, torch.device("meta")
    _elsewhere.casts = False
    try:
        yield _elsewhere
    finally:
        _elsewhere.given = before
