"""Diagrams and layers of awkward networks and torchvision's: nothing missing, sums are totals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ucseg_cli.analysis.counting.layers import layers
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.analysis.diagram.diagram_blocks import Blocks, blocks_of, missing
from ucseg_cli.engine.recording.build_on_meta import building_on_meta
from ucseg_cli.engine.trace_model import trace_in_memory
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.zoo.torchvision_models import build_torchvision

LIBRARY = (
    *("alexnet", "vgg11_bn", "resnet18", "resnext50_32x4d", "densenet121", "squeezenet1_0"),
    *("googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x1_0"),
    *("mnasnet1_0", "efficientnet_b0", "efficientnet_v2_s", "regnet_y_400mf", "convnext_tiny"),
    *("vit_b_16", "swin_t", "swin_v2_t", "maxvit_t", "deeplabv3_resnet50", "fcn_resnet50"),
    "lraspp_mobilenet_v3_large",
)


def conv(channels: int = 3) -> nn.Conv2d:
    return nn.Conv2d(3, channels, 3, padding=1)


class ManyOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(), conv()

    def forward(self, image: Tensor) -> dict[str, Tensor | list[Tensor]]:
        return {"out": self.a(image) + self.b(image), "aux": [self.a(image), self.b(image)]}


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.twice, self.last = conv(), conv(4)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        again = self.twice(self.twice(image))
        return self.last(torch.cat([again, image], 1)[:, :3]), self.last(again)


class OnlyFunctions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 3, 3, 3))

    def forward(self, image: Tensor) -> Tensor:
        seen = functional.relu(functional.conv2d(image, self.weight, stride=8))
        rows = (functional.interpolate(seen, scale_factor=2.0) + 1).flatten(2)
        return rows @ rows.transpose(1, 2)


class InPlace(nn.Module):
    """Writes through views: into a part of what one module made, and into an empty tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.relu, self.last = conv(), nn.ReLU(inplace=True), conv()

    def forward(self, image: Tensor) -> Tensor:
        made = self.stem(image)
        self.relu(made[:, :2])
        last = self.last(made)
        joined = torch.empty_like(last)
        joined[:, :2] = last[:, :2]
        joined[:, 2:] = made[:, 2:]
        return joined.view(1, -1)


class IteratedList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(nn.Sequential(conv(), nn.ReLU()) for _ in range(6))

    def forward(self, image: Tensor) -> Tensor:
        for step in self.steps:
            image = image + step(image)
        return image


AWKWARD = (ManyOutputs, Shared, OnlyFunctions, InPlace, IteratedList)


def check(trace: Trace) -> None:
    """Sums over layers are the totals; at each depth all calls are in a block, no edge missing."""
    assert trace.ops
    every = layers(trace)
    for metric, total in {**total_flops(trace), "params": total_params(trace)["params"]}.items():
        assert sum(layer.figures[metric] for layer in every) == total
    for depth in (None, 1, 2, 3, 9):
        check_blocks(trace, blocks_of(trace, depth))


def check_blocks(trace: Trace, blocks: Blocks) -> None:
    assert missing(trace, blocks) == []
    inside = sorted(op for block in blocks.blocks for op in block.ops)
    assert inside == [index for index, op in enumerate(trace.ops) if op.parent is None]
    assert all(edge.source < edge.target for edge in blocks.edges)
    last = len(blocks.blocks) - 1
    shapes = {edge.shape for edge in blocks.edges if edge.target == last}
    assert shapes == {trace.tensors[tensor].shape for tensor in trace.outputs}


@pytest.mark.parametrize("network", AWKWARD)
def test_an_awkward_network_is_drawn_and_listed_as_a_whole(network: type[nn.Module]) -> None:
    check(trace_in_memory(network(), Conditions()))


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARY)
def test_a_network_of_torchvision_is_drawn_and_listed_as_a_whole(name: str) -> None:
    with building_on_meta():
        network = build_torchvision(name, {})
    check(trace_in_memory(network.eval(), Conditions()))
