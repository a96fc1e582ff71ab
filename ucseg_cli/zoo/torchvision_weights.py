"""Building torchvision networks for given weights without reading these: values do not matter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand


@contextmanager
def without_reading_weights() -> Iterator[None]:
    """While it lasts, a builder that is given weights neither downloads nor loads them."""
    with torchvision_packages_on_demand():
        from torchvision.models._api import WeightsEnum

    fetch, load = WeightsEnum.get_state_dict, nn.Module.load_state_dict
    WeightsEnum.get_state_dict = lambda *_args, **_kwargs: {}
    nn.Module.load_state_dict = lambda *_args, **_kwargs: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        WeightsEnum.get_state_dict = fetch
        nn.Module.load_state_dict = load  # type: ignore[method-assign]
