"""timm's networks by name, as ``timm.create_model`` builds them without weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from torch import nn

from ucseg_cli.errors import ResourceError, UnknownNameError
from ucseg_cli.references.libraries import network_modules, network_names
from ucseg_cli.zoo.library_parameters import (
    Parameters,
    classes_of,
    parameters_around,
    parameters_behind,
    refuse_unknown,
    refuse_weights,
    with_values,
)
from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand

WEIGHTS = ("pretrained", "checkpoint_path")
"""Arguments that say where weights come from."""


def build_timm(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network of ``timm.create_model(name, **arguments)``, with no weights read.

    A tag in the name, as in ``resnet50.a1_in1k``, gives the network the shape that these weights
    need. Raises UnknownNameError for a network, a tag or a parameter that does not exist,
    UsageError where weights are asked for, ResourceError where timm cannot be imported.
    """
    where = f"timm:{name}"
    refuse_unknown(arguments, _named_parameters(name), accepted_by_timm(name), where)
    refuse_weights(arguments, WEIGHTS, where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of initial values, which are never used
        model: nn.Module = import_timm().create_model(name, **arguments)
    return model


def timm_parameters(name: str) -> Parameters:
    """The named parameters of a network's entry point and, behind ``**kwargs``, of its class.

    The defaults are the values that the network has. Raises UnknownNameError for a network or a tag
    that does not exist.
    """
    kind = classes_of(_entry_point(name))[0]
    build = partial(import_timm().create_model, name)
    return with_values(_named_parameters(name), kind, build)


def _named_parameters(name: str) -> Parameters:
    builder = _entry_point(name)
    found = dict(parameters_behind(builder, classes_of(builder)))
    last = {weights: found.pop(weights) for weights in WEIGHTS if weights in found}
    return {**found, **last}


def accepted_by_timm(name: str) -> set[str]:
    """Every argument that a network's entry point may hand on to something inside."""
    timm, builder = import_timm(), _entry_point(name)
    makers = (timm.create_model, timm.models.build_model_with_cfg)
    return parameters_around((builder, *classes_of(builder), *makers)) | {"features_only"}


def import_timm() -> ModuleType:
    """The package; raises ResourceError where it cannot be imported."""
    network_modules("timm")  # says so where it is not installed
    with torchvision_packages_on_demand(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own modules that moved
        try:
            return import_module("timm")
        except ImportError as error:
            what = f"timm cannot be imported: {error}"
            raise ResourceError(what, help="pip install --upgrade timm") from error


def _entry_point(name: str) -> Callable[..., Any]:
    where = f"timm:{name}"
    architecture, _, tag = name.partition(".")
    known = network_names("timm")
    if architecture not in known:
        raise UnknownNameError("timm model", architecture, known, where=where)
    models = import_timm().models
    try:
        models.get_pretrained_cfg(name)
    except RuntimeError as error:
        tags = [one.partition(".")[2] for one in models.list_pretrained(f"{architecture}.*")]
        raise UnknownNameError(f"tag of {architecture}", tag, tags, where=where) from error
    builder: Callable[..., Any] = models.model_entrypoint(architecture)
    return builder
