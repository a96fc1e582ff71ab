"""From a source to what builds it: a person's class or factory is found, and called with what they gave."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ucseg_cli.engine.user_code.isolation import DownloadError, surroundings
from ucseg_cli.errors import ModelError, UcsegError, UnknownNameError, UsageError, nearest_name
from ucseg_cli.references import FromFile, FromTorchvision, OwnCode
from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand

NO_WEIGHTS = "no count needs weights"
ABOUT_WEIGHTS = re.compile(r"pretrain|weight|checkpoint|download", re.IGNORECASE)
"""How parameters are called that keep a model from loading any."""


class DownloadRefusedError(ModelError):
    """The model asked the network for something while it was imported or built."""

    kind = "download"


Builder = Callable[[], nn.Module]
Importable = OwnCode | FromTorchvision


@contextmanager
def loading(source: Importable) -> Iterator[Builder]:
    """What builds the model, which may be called, and its models run, while this lasts.

    Raises ModelError or UsageError where there is no such thing, or where the person's own code fails.
    """
    script = source.path if isinstance(source, FromFile) else ""
    beside = [Path(script).resolve().parent] if script else []
    folders = [] if isinstance(source, FromTorchvision) else [*beside, Path.cwd()]
    with surroundings(folders, script), torchvision_packages_on_demand():
        yield _builder(source)


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    return (_text(error) or type(error).__name__).splitlines()[0]


def said(error: BaseException) -> str:
    """The same with the exception's name, where that is more than torch's usual one."""
    plain = type(error) is RuntimeError or not _text(error)
    return first_line(error) if plain else f"{type(error).__name__}: {first_line(error)}"


def _text(error: BaseException) -> str:
    try:
        return str(error).strip()
    except Exception:  # noqa: BLE001 - an exception of a person's own may fail at that, too
        return ""


def line_of(error: BaseException, source: Importable) -> str | None:
    """The line in the person's own file that an exception came through last, as ``net.py:12``."""
    if not isinstance(source, FromFile):
        return None
    file = str(Path(source.path).resolve())
    if isinstance(error, SyntaxError) and error.filename == file:
        return f"{source.path}:{error.lineno}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file
    ]
    return f"{source.path}:{lines[-1]}" if lines else None


def _builder(source: Importable) -> Builder:
    arguments = {argument.name: argument.value for argument in source.arguments}
    if isinstance(source, FromTorchvision):
        from ucseg_cli.zoo.torchvision_models import build_torchvision

        return lambda: _called(source, lambda: build_torchvision(source.name, arguments))
    found = _find(_import(source), source)
    if isinstance(found, nn.Module):
        if arguments:
            raise UsageError(
                f"{source.name} is a model already, and takes no arguments", where=str(source)
            )
        return lambda: found
    parameters = _parameters(found)
    _refuse_arguments(parameters, arguments, source)
    offline = "".join(
        f"+{name}={_without(each)}"
        for name, each in parameters.items()
        if ABOUT_WEIGHTS.search(name)
    )
    return lambda: _called(source, lambda: found(**arguments), offline)


def _import(source: OwnCode) -> ModuleType:
    try:
        return (
            _import_file(source.path)
            if isinstance(source, FromFile)
            else _import_module(source.module)
        )
    except UcsegError:
        raise
    except (Exception, SystemExit) as error:
        place = source.path if isinstance(source, FromFile) else source.module
        raise _failed(f"{place} cannot be imported", error, source) from error


def _import_file(path: str) -> ModuleType:
    """As ``import`` would, from that very file, whatever else goes by its name."""
    file = Path(path)
    if not file.is_file():
        files = (
            [each.name for each in file.parent.glob("*.py") if each.is_file()]
            if file.parent.is_dir()
            else []
        )
        near = nearest_name(file.name, files)
        raise UsageError(
            f"there is no file {path}",
            where=path,
            help=f"did you mean '{file.with_name(near)}'?" if near else None,
        )
    name = file.stem if file.stem not in sys.modules else f"{file.stem} of {file.parent}"
    spec = spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file", where=path)
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their own module up
    spec.loader.exec_module(module)
    return module


def _import_module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise UsageError(
            f"no module named '{error.name}'",
            where=name,
            help="modules are looked for here and among what is installed; a file is named by its path, as in net.py:Net",
        ) from error


def _find(module: ModuleType, source: OwnCode) -> Any:
    found: Any = module
    for name in source.name.split("."):
        if not hasattr(found, name):
            known = [each for each, value in vars(found).items() if _builds(value, module)]
            raise UnknownNameError("model", source.name, known, where=str(source))
        found = getattr(found, name)
    if not callable(found):
        raise UsageError(
            f"{source.name} is no class, function or model but {type(found).__name__}",
            where=str(source),
        )
    return found


def _builds(value: Any, module: ModuleType) -> bool:
    """Whether it is what a person would name: a model, a class of models, or a function of the module's own."""
    if isinstance(value, type):
        return issubclass(value, nn.Module) and value.__module__ == module.__name__
    return isinstance(value, nn.Module) or (
        inspect.isfunction(value) and value.__module__ == module.__name__
    )


def _parameters(found: Any) -> Mapping[str, inspect.Parameter]:
    """What it is called with, as far as it tells."""
    try:
        return inspect.signature(found).parameters
    except (ValueError, TypeError):  # written in C
        return {"arguments": inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD)}


def _without(parameter: inspect.Parameter) -> str:
    return "false" if isinstance(parameter.default, bool) else "none"


def _refuse_arguments(
    parameters: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any], source: OwnCode
) -> None:
    """Raise UsageError for arguments that it does not take, or that it needs and was not given."""
    kinds = {parameter.kind for parameter in parameters.values()}
    named = [name for name, each in parameters.items() if each.kind in _BY_NAME]
    for name in arguments:
        if name in named or inspect.Parameter.VAR_KEYWORD in kinds:
            continue
        if not named:
            raise UsageError(f"{source.name} takes no arguments", where=f"{source}+{name}=…")
        raise UnknownNameError(
            f"argument of {source.name}", name, named, where=f"{source}+{name}=…"
        )
    missing = [
        name
        for name in named
        if parameters[name].default is inspect.Parameter.empty and name not in arguments
    ]
    if missing:
        raise UsageError(
            f"{source.name} needs {', '.join(missing)}",
            where=str(source),
            notes=(f"it is {source.name}({', '.join(map(str, parameters.values()))})",),
            help=f"write {source}{''.join(f'+{name}=VALUE' for name in missing)}",
        )


_BY_NAME = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


def _called(source: Importable, build: Builder, offline: str = "") -> nn.Module:
    """What it builds; *offline* are arguments that may keep it from downloading."""
    try:
        model = build()
    except UcsegError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(f"{source.name} cannot be built", error, source, offline) from error
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"{source.name} gives {type(model).__name__}, not a torch.nn.Module", where=str(source)
        )
    return model


def _failed(what: str, error: BaseException, source: Importable, offline: str = "") -> ModelError:
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, DownloadError):
            way = (
                f"write {source}{offline}"
                if offline
                else f"let {source.name} take an argument that keeps it from loading any"
            )
            return DownloadRefusedError(
                f"{what}: {chain}", where=str(source), help=f"{NO_WEIGHTS}: {way}"
            )
        chain = chain.__cause__ or chain.__context__
    in_package = isinstance(source, FromFile) and "attempted relative import" in first_line(error)
    return ModelError(
        f"{what}: {said(error)}",
        where=line_of(error, source) or str(source),
        help=f"a file of a package is named as a module, as in package.{Path(source.path).stem}:{source.name}"
        if in_package and isinstance(source, FromFile)
        else "UCSEG_DEBUG=1 shows its own traceback",
    )
