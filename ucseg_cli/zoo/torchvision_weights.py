"""torchvision's pretrained weights, named and not read: a network gets the shape that they need and keeps its own values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand


@contextmanager
def without_reading_weights() -> Iterator[None]:
    """While it lasts, a builder that is given weights neither downloads them nor takes them in."""
    with torchvision_packages_on_demand():
        from torchvision.models._api import WeightsEnum

    fetch, take_in = WeightsEnum.get_state_dict, nn.Module.load_state_dict
    WeightsEnum.get_state_dict = lambda *_args, **_kwargs: {}
    nn.Module.load_state_dict = lambda *_args, **_kwargs: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        WeightsEnum.get_state_dict, nn.Module.load_state_dict = fetch, take_in  # type: ignore[method-assign]
