"""The networks that torchvision lists, by name: only the module that defines one is imported, and nothing downloaded."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from inspect import Parameter, isclass, isfunction, signature
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ucseg_cli.errors import ModelError, ResourceError, UnknownNameError, UsageError
from ucseg_cli.zoo.torchvision_import import (
    declare_missing_operators,
    has_compiled_operators,
    torchvision_packages_on_demand,
)
from ucseg_cli.zoo.torchvision_weights import without_reading_weights

Builder = Callable[..., nn.Module]

REGISTRATION = re.compile(
    r'^@register_model\((?:name="(\w+)")?\)\n(?:.*\n)*?def (\w+)\(', re.MULTILINE
)
"""How a builder stands in torchvision's source: listed under its own name, unless another is given."""

QUANTIZED = "quantized_"
WITHOUT_OPERATORS = re.compile(r"custom C\+\+ ops|torchvision::")


def torchvision_names() -> tuple[str, ...]:
    """Every network that torchvision lists, sorted, but for those that are already quantized."""
    return tuple(sorted(name for name in _modules() if not name.startswith(QUANTIZED)))


def build_torchvision(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network that ``torchvision.models.get_model(name, **arguments)`` builds, with no weights read.

    Neither it nor its backbone is pretrained unless *arguments* say so. ``weights="DEFAULT"`` and the like give the
    network the shape that these weights need and leave its values alone: counts depend on them in detection only,
    where they decide how many boxes there are.

    Raises UnknownNameError for a network, a parameter or weights that do not exist, ModelError where torchvision
    refuses the arguments, ResourceError where torchvision cannot be imported.
    """
    where = f"torchvision:{name}"
    builder = _builder(name)
    for parameter in arguments:
        if parameter not in _accepted(builder):
            raise UnknownNameError("parameter", parameter, _parameters(builder), where=where)
    weights = _weights(builder)
    for parameter in arguments.keys() & weights:
        _check_weights(
            arguments[parameter], weights[parameter], f"{where}+{parameter}={arguments[parameter]}"
        )
    try:
        with without_reading_weights(), _NumbersWithValues(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of initial values, which nobody will look at
            model = builder(**{**dict.fromkeys(weights), **arguments})
    except Exception as error:
        raise ModelError(f"torchvision cannot build it: {error}", where=where) from error
    return _on_default_device(model)


def missing_operators(error: Exception) -> ResourceError | None:
    """What to say instead where *error* came of compiled operators that could not be loaded; else None.

    Detection networks need these operators when they run, and only then.
    """
    if not WITHOUT_OPERATORS.search(str(error)) or has_compiled_operators():
        return None
    return ResourceError(
        "the compiled operators of the installed torchvision (nms, roi_align) do not load beside this torch",
        help="install the torchvision that was built for this torch: both from the same place, for the same device",
    )


@cache
def _modules() -> Mapping[str, str]:
    """The module that defines each network, by the name it is listed under: read in the source, so nothing is imported."""
    package = find_spec("torchvision")
    if package is None or package.origin is None:
        raise ResourceError(
            "torchvision cannot be imported: it is not installed", help="pip install torchvision"
        )
    root = Path(package.origin).parent
    return {
        listed or function: ".".join(("torchvision", *file.relative_to(root).with_suffix("").parts))
        for file in root.glob("models/**/*.py")
        for listed, function in REGISTRATION.findall(file.read_text(encoding="utf-8"))
    }


def _builder(name: str) -> Builder:
    where = f"torchvision:{name}"
    if name.startswith(QUANTIZED) and name in _modules():
        plain = f"torchvision:{name.removeprefix(QUANTIZED)}"
        raise UsageError(
            "a quantized network cannot be counted",
            where=where,
            help=f"name what it was made of: {plain}",
        )
    if name not in torchvision_names():
        raise UnknownNameError("torchvision model", name, torchvision_names(), where=where)
    with torchvision_packages_on_demand():
        builder: Builder = getattr(import_module(_modules()[name]), name)
    if (
        "torchvision.extension" in sys.modules
    ):  # it will run torchvision's own package, if only to ask it something
        declare_missing_operators()
    return builder


def _weights(builder: Builder) -> dict[str, type[Any]]:
    """The enumerations of weights that a builder takes, by parameter: the network's, and its backbone's."""
    return {
        parameter.name: kind
        for parameter in signature(builder).parameters.values()
        for kind in get_args(parameter.annotation)
        if isclass(kind) and hasattr(kind, "get_state_dict")
    }


def _check_weights(value: Any, known: type[Any], where: str) -> None:
    plain = str(value).removeprefix(f"{known.__name__}.")
    if value is not None and not isinstance(value, known) and plain not in known.__members__:
        raise UnknownNameError("weights", plain, known.__members__, where=where)


def _parameters(builder: Builder) -> list[str]:
    """The parameters of a builder and, as far as each passes further ones on, of its class and that class's bases."""
    names: dict[str, None] = {}
    functions: list[Callable[..., Any]] = [builder, *_kinds(builder)]
    for function in functions:
        parameters = signature(function).parameters.values()
        names |= dict.fromkeys(
            each.name for each in parameters if each.kind is not Parameter.VAR_KEYWORD
        )
        if all(each.kind is not Parameter.VAR_KEYWORD for each in parameters):
            break
    return list(names)


def _accepted(builder: Builder) -> set[str]:
    """Those, and all that functions and classes around take: some builders pass their arguments to one of these.

    What is in neither some builders would ignore without a word.
    """
    homes = {builder.__module__, *(kind.__module__ for kind in _kinds(builder))}
    around = chain.from_iterable(vars(sys.modules[home]).values() for home in homes)
    used = [
        each
        for each in around
        if isfunction(each) or (isclass(each) and issubclass(each, nn.Module))
    ]
    return {
        *_parameters(builder),
        *chain.from_iterable(signature(each).parameters for each in used),
    }


def _kinds(builder: Builder) -> list[type[nn.Module]]:
    """The class of the network, and those of its bases that torchvision defines."""
    bases = signature(builder).return_annotation.__mro__
    return [base for base in bases if base.__module__.startswith("torchvision.")]


class _NumbersWithValues(TorchFunctionMode):
    """Gives numbers that are written out values also on the meta device: RegNet works its widths and depths out from some."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        own = {"device": "cpu"} if func in {torch.arange, torch.linspace, torch.tensor} else {}
        return func(*args, **{**own, **(kwargs or {})})


def _on_default_device(model: nn.Module) -> nn.Module:
    """The model with the buffers that were made from such numbers where the others are."""
    device = torch.get_default_device()
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = buffer.to(device)
    return model
