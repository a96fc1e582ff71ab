"""How the networks of each library are built: one entry for a library, beside that of its names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import nn

from ucseg_cli.zoo.library_parameters import Parameters
from ucseg_cli.zoo.smp_models import build_smp, smp_parameters
from ucseg_cli.zoo.timm_models import build_timm, timm_parameters
from ucseg_cli.zoo.torchvision_models import build_torchvision, torchvision_parameters


class Provider(NamedTuple):
    """Builds a library's networks by name.

    Args:
        parameters: what a network of that name can be built with.
        build: the network of that name, with these arguments and without weights.
    """

    parameters: Callable[[str], Parameters]
    build: Callable[[str, Mapping[str, Any]], nn.Module]


PROVIDERS: Mapping[str, Provider] = {
    "torchvision": Provider(torchvision_parameters, build_torchvision),
    "timm": Provider(timm_parameters, build_timm),
    "smp": Provider(smp_parameters, build_smp),
}
"""By the key of the library in ``references/libraries.py``."""
