"""The arguments of a library's networks have the values that the network has."""

from __future__ import annotations

from typing import Any

import pytest

from ucseg_cli.zoo.library_parameters import with_values
from ucseg_cli.zoo.torchvision_models import build_torchvision, torchvision_parameters


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("resnet50", {"groups": 1, "width_per_group": 64}),
        ("resnext50_32x4d", {"groups": 32, "width_per_group": 4}),
        ("wide_resnet50_2", {"width_per_group": 128, "weights": None}),
        ("vit_b_16", {"attention_dropout": 0.0, "num_classes": 1000}),
        ("densenet161", {"memory_efficient": False}),
        ("mnasnet0_5", {"dropout": 0.2}),
        ("regnet_y_400mf", {"stem_width": 32}),
        ("fcn_resnet50", {"weights_backbone": None, "num_classes": None}),
    ],
)
def test_the_default_of_an_argument_is_the_value_that_the_network_has(
    name: str, values: dict[str, Any]
) -> None:
    parameters = torchvision_parameters(name)
    assert {key: parameters[key].default for key in values} == values


def test_a_class_builds_again_afterwards() -> None:
    torchvision_parameters("resnext50_32x4d")
    assert sum(p.numel() for p in build_torchvision("resnet18", {}).parameters()) == 11_689_512


def test_a_builder_that_never_calls_its_class_keeps_the_defaults() -> None:
    class Net:
        def __init__(self, width: int = 8) -> None:
            self.width = width

    def fails() -> Net:
        raise RuntimeError("it needs an argument")

    parameters = torchvision_parameters("resnet18")
    assert with_values(parameters, Net, fails) == parameters
    assert Net(4).width == 4
