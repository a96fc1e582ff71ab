"""Importing a user's file or module, finding the class or factory in it, and building it."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from torch import nn

from ucseg_cli.engine.user_code.constructor_axes import (
    BY_NAME,
    Parameters,
    as_annotated,
    constructor_axes,
    constructor_parameters,
)
from ucseg_cli.engine.user_code.isolation import isolated
from ucseg_cli.engine.user_code.package_of_file import imports_relatively, package_of
from ucseg_cli.engine.user_code.refuse_downloads import (
    DownloadRefusedError,
    download_behind,
    without_weights,
)
from ucseg_cli.errors import ModelError, UcsegError, UnknownNameError, UsageError, nearest_name
from ucseg_cli.facts.trace import ConstructorAxis
from ucseg_cli.references import Buildable, FromFile, FromLibrary, OwnCode
from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand
from ucseg_cli.zoo.torchvision_models import build_torchvision, torchvision_parameters

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
        try:
            model = self.make(**self.arguments)
        except UcsegError:
            raise
        except (Exception, SystemExit) as error:
            what = f"{self.source.name} cannot be built"
            raise _failed(what, error, self.source, self.offline) from error
        if not isinstance(model, nn.Module):
            what = f"{self.source.name} gives {type(model).__name__}, not a torch.nn.Module"
            raise ModelError(what, where=str(self.source))
        return model

    @property
    def changed(self) -> list[str]:
        """The arguments with another value than by default, or without a default."""
        defaults = {name: parameter.default for name, parameter in self.parameters.items()}
        values = self.arguments.items()
        return [name for name, value in values if repr(defaults.get(name, ...)) != repr(value)]

    @property
    def axes(self) -> tuple[ConstructorAxis, ...]:
        """What it can be built with, and the values in force."""
        return constructor_axes(self.parameters, self.arguments)

    def without(self, argument: str) -> Builder:
        """The same without an argument."""
        left = {name: value for name, value in self.arguments.items() if name != argument}
        return self._replace(arguments=left)


@contextmanager
def model_builder(source: Buildable) -> Iterator[Builder]:
    """A function that builds the model; it may be called, and its models run, while this lasts.

    Raises ModelError or UsageError where there is no such model, or where the user's code fails.
    """
    script = source.path if isinstance(source, FromFile) else ""
    beside = [Path(script).resolve().parent, package_of(Path(script))[0]] if script else []
    folders = [] if isinstance(source, FromLibrary) else [*dict.fromkeys(beside), Path.cwd()]
    with isolated(folders, script), torchvision_packages_on_demand():
        yield _builder(source)


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
    plain = type(error) is RuntimeError or not _text(error)
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
    arguments = {argument.name: argument.value for argument in source.arguments}
    if isinstance(source, FromLibrary):
        make = partial(_make_torchvision, source.name)
        return Builder(source, make, arguments, torchvision_parameters(source.name))
    found = _find(_import(source), source)
    if isinstance(found, nn.Module):
        if arguments:
            what = f"{source.name} is a model already, and takes no arguments"
            raise UsageError(what, where=str(source))
        return Builder(source, lambda: found)
    parameters = constructor_parameters(found)
    _refuse_arguments(parameters, arguments, source)
    values = {
        name: as_annotated(parameters, name, value, f"{source}+{name}={value}")
        for name, value in arguments.items()
    }
    return Builder(source, found, values, parameters, without_weights(parameters))


def _make_torchvision(network: str, /, **arguments: Any) -> nn.Module:
    return build_torchvision(network, arguments)


def _import(source: OwnCode) -> ModuleType:
    place = source.path if isinstance(source, FromFile) else source.module
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


def _find(module: ModuleType, source: OwnCode) -> Any:
    found: Any = module
    for name in source.name.split("."):
        if not hasattr(found, name):
            known = [other for other, value in vars(found).items() if _is_model(value, module)]
            raise UnknownNameError("model", source.name, known, where=str(source))
        found = getattr(found, name)
    if not callable(found):
        what = f"{source.name} is not a class, function or model but {type(found).__name__}"
        raise UsageError(what, where=str(source))
    return found


def _is_model(value: Any, module: ModuleType) -> bool:
    """Whether a user would name it: a model, or a class of models or function defined here."""
    if isinstance(value, nn.Module):
        return True
    builds = issubclass(value, nn.Module) if isinstance(value, type) else inspect.isfunction(value)
    return builds and value.__module__ == module.__name__


def _refuse_arguments(
    parameters: Parameters, arguments: Mapping[str, Any], source: OwnCode
) -> None:
    """Raise UsageError for arguments that it does not take, or that it needs and was not given."""
    named = {name: p for name, p in parameters.items() if p.kind in BY_NAME}
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for name in [name for name in arguments if name not in named and not takes_any]:
        where = f"{source}+{name}=…"
        if not named:
            raise UsageError(
                f"{source.name} takes no arguments", where=where, help=f"write {source}"
            )
        raise UnknownNameError(f"argument of {source.name}", name, named, where=where)
    required = [name for name, p in named.items() if p.default is inspect.Parameter.empty]
    missing = [name for name in required if name not in arguments]
    if missing:
        raise UsageError(
            f"{source.name} needs {', '.join(missing)}",
            where=str(source),
            notes=(f"it is {source.name}({', '.join(map(str, parameters.values()))})",),
            help=f"write {source}{''.join(f'+{name}=VALUE' for name in missing)}",
        )


def _failed(what: str, error: BaseException, source: Buildable, offline: str = "") -> ModelError:
    """The error for a failure of the user's code, with the way out."""
    if (download := download_behind(error)) is not None:
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
