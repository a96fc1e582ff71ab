"""The architectures of segmentation_models_pytorch by name, with any of its encoders."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from torch import nn

from ucseg_cli.errors import ResourceError, UnknownNameError
from ucseg_cli.references.libraries import LIBRARIES, network_modules, network_names, part_names
from ucseg_cli.zoo.library_parameters import Parameters, refuse_unknown, refuse_weights
from ucseg_cli.zoo.numbers_with_values import NumbersWithValues, on_default_device
from ucseg_cli.zoo.timm_models import accepted_by_timm, import_timm
from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand

ENCODER, WEIGHTS = "encoder_name", "encoder_weights"
OF_TIMM = "tu-"
"""The beginning of an encoder's name that is one of timm's networks."""
DEPRECATED = "timm-"
"""The beginning of names that segmentation_models_pytorch itself maps to others."""


def build_smp(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The architecture of that name, its encoder without weights.

    Raises UnknownNameError for an architecture, an encoder or a parameter that does not exist,
    UsageError where weights are asked for, ResourceError where the library cannot be imported.
    """
    where, parameters = f"smp:{name}", smp_parameters(name)
    encoder = str(arguments.get(ENCODER, parameters[ENCODER].default))
    _refuse_unknown_encoder(encoder, f"{where}+{ENCODER}={encoder}")
    # Only an encoder of timm's gets what no parameter of the architecture takes.
    others = accepted_by_timm(encoder.removeprefix(OF_TIMM)) if encoder.startswith(OF_TIMM) else ()
    refuse_unknown(arguments, parameters, others, where)
    refuse_weights(arguments, [WEIGHTS], where)
    build = _architecture(name)
    with NumbersWithValues(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of initial values, which are never used
        model = build(**{**arguments, WEIGHTS: None})
    return on_default_device(model)


def smp_parameters(name: str) -> Parameters:
    """The named parameters of an architecture; weights are none by default, as in build_smp.

    Raises UnknownNameError for one that does not exist.
    """
    parameters = {
        key: parameter
        for key, parameter in signature(_architecture(name)).parameters.items()
        if parameter.kind is not Parameter.VAR_KEYWORD
    }
    return {**parameters, WEIGHTS: parameters[WEIGHTS].replace(default=None)}


def _architecture(name: str) -> type[nn.Module]:
    known = network_names("smp")
    if name not in known:
        raise UnknownNameError("architecture", name, known, where=f"smp:{name}")
    import_timm()  # which it imports at once
    with torchvision_packages_on_demand(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of timm's modules that moved
        try:
            module = import_module(network_modules("smp")[name])
        except ImportError as error:
            what = f"segmentation_models_pytorch cannot be imported: {error}"
            fix = "pip install --upgrade segmentation-models-pytorch timm"
            raise ResourceError(what, help=fix) from error
    architecture: type[nn.Module] = getattr(module, name)
    return architecture


def _refuse_unknown_encoder(encoder: str, where: str) -> None:
    known = part_names("smp", ENCODER)
    of_timm = encoder.startswith(OF_TIMM)
    if of_timm:
        known = tuple(f"{OF_TIMM}{name}" for name in network_names("timm"))
    if encoder.partition(".")[0] not in known and not encoder.startswith(DEPRECATED):
        raise UnknownNameError(
            "encoder", encoder, known, where=where, hint=None if of_timm else LIBRARIES["smp"].hint
        )
