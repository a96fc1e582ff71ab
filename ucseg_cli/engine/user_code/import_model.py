"""Importing a user's file or module, finding the class or function in it, and calling it."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from torch import nn

from ucseg_cli.engine.user_code.accelerators import DeviceAbsentError
from ucseg_cli.engine.user_code.arguments import Parameters, parameters_of, refuse_arguments
from ucseg_cli.engine.user_code.constructor_axes import as_annotated, constructor_axes
from ucseg_cli.engine.user_code.isolation import isolated
from ucseg_cli.engine.user_code.package_of_file import imports_relatively, package_of
from ucseg_cli.engine.user_code.refuse_downloads import (
    DownloadError,
    DownloadRefusedError,
    without_weights,
)
from ucseg_cli.engine.user_code.user_state import UserState
from ucseg_cli.errors import (
    ModelError,
    UcsegError,
    UnknownNameError,
    UsageError,
    behind,
    nearest_name,
)
from ucseg_cli.facts.design import Design
from ucseg_cli.facts.trace import ConstructorAxis
from ucseg_cli.references import Buildable, FromFile, FromLibrary, OwnCode
from ucseg_cli.zoo.providers import PROVIDERS, Provider
from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand

REFUSALS = (DownloadError, DeviceAbsentError)
"""Raised in a user's code that asks for what it does not get, on meta or with data."""

MOST_LINES, LONGEST_LINE = 12, 400
"""Lines of a user's message that are shown, and letters of each."""


class Builder(NamedTuple):
    """Builds a model by calling *make*.

    *offline* are arguments that may keep it from downloading; *parameters* those that it takes.
    """

    source: Buildable
    make: Callable[..., Any]
    arguments: Mapping[str, Any] = MappingProxyType({})
    parameters: Parameters = MappingProxyType({})
    offline: str = ""

    def __call__(self) -> nn.Module:
        """The model; raises ModelError or UsageError."""
        model = self.call("built")
        if not isinstance(model, nn.Module):
            what = f"{self.source.name} gives {type(model).__name__}, not a torch.nn.Module"
            raise ModelError(what, where=str(self.source))
        return model

    def call(self, verb: str = "called") -> Any:
        """Whatever *make* returns; raises ModelError where it fails, and says that by the verb."""
        try:
            return self.make(**self.arguments)
        except UcsegError:
            raise
        except (Exception, SystemExit) as error:
            what = f"{self.source.name} cannot be {verb}"
            raise _failed(what, error, self.source, self.offline) from error

    @property
    def changed(self) -> list[str]:
        """The arguments with another value than by default, or without a default."""
        defaults = {name: parameter.default for name, parameter in self.parameters.items()}
        values = self.arguments.items()
        return [name for name, value in values if repr(defaults.get(name, ...)) != repr(value)]

    @property
    def axes(self) -> tuple[ConstructorAxis, ...]:
        """The arguments that it can be built with, and the values in force."""
        return constructor_axes(self.parameters, self.arguments)

    def without(self, argument: str) -> Builder:
        """The same without an argument."""
        left = {name: value for name, value in self.arguments.items() if name != argument}
        return self._replace(arguments=left)


@contextmanager
def model_builder(
    source: Buildable, example: OwnCode | None = None, *, real_devices: bool = False
) -> Iterator[Builder]:
    """A function that builds the model; it may be called, and its models run, while this lasts.

    So may the function of its *example*, which may stand in another file. Accelerators that its
    code asks for are stood in for, unless it gets *real_devices*. Raises ModelError or UsageError
    where there is no such model, or where the user's code fails.
    """
    with _importing(source, example, real_devices=real_devices):
        yield _builder(source)


@contextmanager
def model_builders(
    source: Buildable, example: OwnCode | None = None
) -> Iterator[Callable[[Buildable], Builder]]:
    """The same for any variant of the model's design: its code is imported once for all."""
    with _importing(source, example):
        yield _builder


def user_state(source: Buildable) -> UserState:
    """The state of its own code, once that is imported."""
    if isinstance(source, FromLibrary):
        return UserState(())
    with suppress(UcsegError):  # each variant says so itself
        file = getattr(_import(source), "__file__", None)
        beside = [Path(file).resolve().parent] if file else []
        return UserState([*beside, *_folders_of(source), Path.cwd()])
    return UserState(())


def designs_in(source: Buildable) -> list[Design]:
    """The design of that name, or without a name all that a file or module defines.

    Raises ModelError or UsageError as model_builder does.
    """
    with _importing(source):
        if isinstance(source, FromLibrary):
            parameters = PROVIDERS[source.library].parameters(source.name)
            return [Design(source.name, "network", constructor_axes(parameters, {}))]
        module = _import(source)
        if source.name:
            return [_design(source.name, _find(module, source, MODEL))]
        public = [name for name in _names_of(module, module, MODEL) if not name.startswith("_")]
        return [_design(name, getattr(module, name)) for name in public]


@contextmanager
def _importing(
    source: Buildable, example: OwnCode | None = None, *, real_devices: bool = False
) -> Iterator[None]:
    script = source.path if isinstance(source, FromFile) else ""
    beside = [*_folders_of(source), *_folders_of(example)]
    folders = [] if isinstance(source, FromLibrary) else [*dict.fromkeys(beside), Path.cwd()]
    isolation = isolated(folders, script, real_devices=real_devices)
    with isolation, torchvision_packages_on_demand():
        yield


def example_caller(function: OwnCode) -> Builder:
    """Calls a user's function that returns the arguments of a forward pass; see model_builder."""
    return _caller(function, FUNCTION)


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or its type's name where it has none."""
    return _shortened((_text(error) or type(error).__name__).splitlines()[0])


def more_lines(error: BaseException) -> list[str]:
    """The lines after the first of an exception's message, up to MOST_LINES."""
    lines = [line.strip() for line in _text(error).splitlines()[1:] if line.strip()]
    left_out = [f"… and {len(lines) - MOST_LINES} more lines"] if len(lines) > MOST_LINES else []
    return [*map(_shortened, lines[:MOST_LINES]), *left_out]


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"


def error_text(error: BaseException) -> str:
    """The same after the type's name, unless that is RuntimeError, as for most errors of torch."""
    plain = type(error) in {RuntimeError, DeviceAbsentError} or not _text(error)
    return first_line(error) if plain else f"{type(error).__name__}: {first_line(error)}"


def _text(error: BaseException) -> str:
    try:
        return str(error).strip()
    except BaseException:  # noqa: BLE001 - a user's own exception may fail even at that
        return ""


def line_of(error: BaseException, source: Buildable) -> str | None:
    """The last line of the user's own file that an exception came through, as ``net.py:12``."""
    if not isinstance(source, FromFile):
        return None
    file = str(Path(source.path).resolve())
    at = f" at {source.revision}" if source.revision else ""
    if isinstance(error, SyntaxError) and error.filename == file:
        return f"{source.path}:{error.lineno}{at}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f"{source.path}:{lines[-1]}{at}" if lines else None


def _builder(source: Buildable) -> Builder:
    if isinstance(source, FromLibrary):
        arguments = {argument.name: argument.value for argument in source.arguments}
        provider = PROVIDERS[source.library]
        make = partial(_make_network, provider, source.name)
        return Builder(source, make, arguments, provider.parameters(source.name))
    return _caller(source, MODEL)


def _caller(source: OwnCode, wanted: _Wanted) -> Builder:
    """Calls what *source* names with its arguments."""
    arguments = {argument.name: argument.value for argument in source.arguments}
    found = _find(_import(source), source, wanted)
    if isinstance(found, nn.Module):
        if arguments:
            what = f"{source.name} is a model already, and takes no arguments"
            raise UsageError(what, where=str(source))
        return Builder(source, lambda: found)
    parameters = parameters_of(found)
    refuse_arguments(parameters, arguments, source)
    values = {
        name: as_annotated(parameters, name, value, f"{source}+{name}={value}")
        for name, value in arguments.items()
    }
    return Builder(source, found, values, parameters, without_weights(parameters))


def _folders_of(source: Buildable | None) -> list[Path]:
    """Those of a file that are importable while it is, as in ``python file``."""
    if not isinstance(source, FromFile):
        return []
    return [Path(source.path).resolve().parent, package_of(Path(source.path))[0]]


def _make_network(provider: Provider, network: str, /, **arguments: Any) -> nn.Module:
    return provider.build(network, arguments)


def _import(source: OwnCode) -> ModuleType:
    place = _place(source)
    try:
        return _import_file(place) if isinstance(source, FromFile) else _import_module(place)
    except UcsegError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(f"{place} cannot be imported", error, source) from error


def _import_file(path: str) -> ModuleType:
    """Import that very file, even if an installed module has its name."""
    file = Path(path)
    if not file.is_file():
        names = [beside.name for beside in file.parent.glob("*.py") if beside.is_file()]
        near = nearest_name(file.name, names)
        help_ = f"did you mean '{file.with_name(near)}'?" if near else None
        raise UsageError(f"there is no file {path}", where=path, help=help_)
    root, (top, *below) = package_of(file)
    if not imports_relatively(file):
        return _load(file.stem, file.resolve(), path)
    if top in sys.modules:
        top = _load(top, root / top / "__init__.py", path).__name__
    return import_module(".".join((top, *below)))


def _load(name: str, file: Path, shown: str) -> ModuleType:
    for known in (name, f"{name}_of_the_user"):
        loaded = sys.modules.get(known)
        if loaded is not None and getattr(loaded, "__file__", None) == str(file):
            return loaded  # the model's file is often that of its example, too
    # A module that is loaded keeps its name: others import it while the file runs.
    name = f"{name}_of_the_user" if name in sys.modules else name
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{shown} is not a Python file", where=shown)
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their own module up
    spec.loader.exec_module(module)
    return module


def _import_module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, and imports another that is not
        raise UsageError(
            f"no module named '{error.name}'",
            where=name,
            notes=("a module is searched for in this folder and among the installed packages",),
            help="name a file by its path, as in net.py:Net",
        ) from error


def _find(module: ModuleType, source: OwnCode, wanted: _Wanted) -> Any:
    found: Any = module
    above = ""
    for name in source.name.split("."):
        if not hasattr(found, name):
            raise _not_there(found, above, module, source, wanted)
        found = getattr(found, name)
        above = f"{above}{name}."
    if not callable(found):
        what = f"{source.name} is not a class, function or model but {type(found).__name__}"
        raise UsageError(what, where=str(source), help=_what_to_write(source, wanted))
    return found


def _design(name: str, found: Any) -> Design:
    """A design with its arguments and the first line of its own docstring."""
    about = inspect.cleandoc(vars(found).get("__doc__") or "").partition("\n")[0]
    if isinstance(found, nn.Module):
        return Design(name, "model", about=about)
    kind = "class" if isinstance(found, type) else "function"
    return Design(name, kind, constructor_axes(parameters_of(found), {}), about)


def _not_there(
    found: Any, above: str, module: ModuleType, source: OwnCode, wanted: _Wanted
) -> UsageError:
    known = [f"{above}{name}" for name in _names_of(found, module, wanted)]
    if known:
        return UnknownNameError(wanted.noun, source.name, known, where=str(source))
    within = above.rstrip(".") or _place(source)
    return UsageError(
        f"no {wanted.noun} named '{source.name}'",
        where=str(source),
        notes=(f"{within} has {wanted.none} of its own",),
        help=_what_to_write(source, wanted),
    )


def _what_to_write(source: OwnCode, wanted: _Wanted) -> str:
    return f"write {wanted.code}, and name it as in {_place(source)}:{wanted.example}"


def _place(source: OwnCode) -> str:
    return source.path if isinstance(source, FromFile) else source.module


def _names_of(found: Any, module: ModuleType, wanted: _Wanted) -> Iterator[str]:
    """The names in a module, class or model that a user would give."""
    if isinstance(found, nn.Module):
        yield from (name for name, child in found.named_children() if wanted.is_it(child, module))
        return
    for name, value in vars(found).items():
        is_method = isinstance(found, type) and inspect.isfunction(value)
        bound = isinstance(value, classmethod | staticmethod)
        if not is_method and wanted.is_it(value.__func__ if bound else value, module):
            yield name


def _is_model(value: Any, module: ModuleType) -> bool:
    """Whether it is a model, or a class of models or function defined here or in a part of it."""
    if isinstance(value, nn.Module):
        return True
    builds = issubclass(value, nn.Module) if isinstance(value, type) else inspect.isfunction(value)
    return builds and _stands_in(value, module)


def _is_function(value: Any, module: ModuleType) -> bool:
    return inspect.isfunction(value) and _stands_in(value, module)


def _stands_in(value: Any, module: ModuleType) -> bool:
    return f"{value.__module__}.".startswith(f"{module.__name__}.")


class _Wanted(NamedTuple):
    """A model or a function as it is looked for by name, and as messages speak of it."""

    noun: str
    is_it: Callable[[Any, ModuleType], bool]
    none: str
    code: str
    example: str


MODEL = _Wanted(
    "model",
    _is_model,
    "no class of torch.nn.Module and no function",
    "a class of torch.nn.Module, or a function that returns a model",
    "Net",
)
FUNCTION = _Wanted(
    "function",
    _is_function,
    "no function",
    "a function that returns the arguments of the forward pass",
    "example",
)


def _failed(what: str, error: BaseException, source: Buildable, offline: str = "") -> ModelError:
    """The error for a failure of the user's code, with the way out."""
    if (download := behind(error, DownloadError)) is not None:
        argument = f"let {source.name} take an argument that keeps it from loading any"
        way = f"write {source}{offline}" if offline else argument
        help_ = f"no count needs weights: {way}"
        return DownloadRefusedError(f"{what}: {download}", where=str(source), help=help_)
    help_ = "UCSEG_DEBUG=1 shows its own traceback"
    if isinstance(source, FromFile) and "attempted relative import" in first_line(error):
        help_ = "it imports as a part of a package, so the folders of that need an __init__.py each"
    where = line_of(error, source) or str(source)
    notes = more_lines(error)
    return ModelError(f"{what}: {error_text(error)}", where=where, notes=notes, help=help_)
