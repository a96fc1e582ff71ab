"""torchvision's networks by name: only a network's own module is imported, nothing downloaded."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from inspect import isclass, signature
from typing import Any, get_args

from torch import nn

from ucseg_cli.errors import ModelError, ResourceError, UnknownNameError, UsageError
from ucseg_cli.references.libraries import LIBRARIES, network_modules, network_names
from ucseg_cli.zoo.library_parameters import (
    Parameters,
    classes_of,
    parameters_around,
    parameters_behind,
    refuse_unknown,
    with_values,
)
from ucseg_cli.zoo.numbers_with_values import NumbersWithValues, on_default_device
from ucseg_cli.zoo.torchvision_import import (
    declare_missing_operators,
    has_compiled_operators,
    torchvision_packages_on_demand,
)
from ucseg_cli.zoo.torchvision_weights import without_reading_weights

Builder = Callable[..., nn.Module]

QUANTIZED = str(LIBRARIES["torchvision"].hidden)
WITHOUT_OPERATORS = re.compile(r"custom C\+\+ ops|torchvision::")


def build_torchvision(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network of ``torchvision.models.get_model(name, **arguments)``, with no weights read.

    Neither it nor its backbone is pretrained unless *arguments* say so. ``weights="DEFAULT"`` and
    the like give the network the shape that these weights need and leave its values alone: counts
    depend on them in detection only, where they decide how many boxes there are.

    Raises UnknownNameError for a network, a parameter or weights that do not exist, ModelError
    where torchvision refuses the arguments, ResourceError where it cannot be imported.
    """
    where = f"torchvision:{name}"
    builder = _builder(name)
    around = parameters_around((builder, *classes_of(builder)))
    refuse_unknown(arguments, parameters_behind(builder, classes_of(builder)), around, where)
    weights = _weights(builder)
    for parameter in arguments.keys() & weights:
        value = arguments[parameter]
        _check_weights(value, weights[parameter], f"{where}+{parameter}={value}")
    try:
        with without_reading_weights(), NumbersWithValues(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of initial values, which are never used
            model = builder(**{**dict.fromkeys(weights), **arguments})
    except Exception as error:
        raise ModelError(f"torchvision cannot build it: {error}", where=where) from error
    return on_default_device(model)


def torchvision_parameters(name: str) -> Parameters:
    """The named parameters of a network's builder and, behind ``**kwargs``, of its class.

    The defaults are the values that the network has, and weights are none, as in build_torchvision.
    Raises UnknownNameError for a network that does not exist.
    """
    builder = _builder(name)
    classes, weights = classes_of(builder), dict.fromkeys(_weights(builder))
    build = partial(builder, **weights)
    with NumbersWithValues():
        found = with_values(parameters_behind(builder, classes), classes[0], build)
    return {**found, **{key: found[key].replace(default=None) for key in weights}}


def missing_operators(error: Exception) -> ResourceError | None:
    """The reason for *error* if it came from compiled operators that do not load; else None.

    Only detection networks need these operators, and only when they run.
    """
    if not WITHOUT_OPERATORS.search(str(error)) or has_compiled_operators():
        return None
    return ResourceError(
        "the compiled operators of the installed torchvision (nms, roi_align) do not load "
        "beside this torch",
        help="install the torchvision that was built for this torch: both from the same place, "
        "for the same device",
    )


def _builder(name: str) -> Builder:
    where = f"torchvision:{name}"
    modules = network_modules("torchvision")
    if name.startswith(QUANTIZED) and name in modules:
        help_ = f"name the network it was made from: torchvision:{name.removeprefix(QUANTIZED)}"
        raise UsageError("a quantized network cannot be counted", where=where, help=help_)
    known = network_names("torchvision")
    if name not in known:
        raise UnknownNameError("torchvision model", name, known, where=where)
    with torchvision_packages_on_demand():
        builder: Builder = getattr(import_module(modules[name]), name)
    if "torchvision.extension" in sys.modules:  # which will run torchvision's own package file
        declare_missing_operators()
    return builder


def _weights(builder: Builder) -> dict[str, type[Any]]:
    """The enumerations of weights of a builder's parameters: its own, and its backbone's."""
    found: dict[str, type[Any]] = {}
    for name, parameter in signature(builder).parameters.items():
        for kind in get_args(parameter.annotation):
            if isclass(kind) and hasattr(kind, "get_state_dict"):
                found[name] = kind
    return found


def _check_weights(value: Any, known: type[Any], where: str) -> None:
    plain = str(value).removeprefix(f"{known.__name__}.")
    if value is not None and not isinstance(value, known) and plain not in known.__members__:
        raise UnknownNameError("weights", plain, known.__members__, where=where)
