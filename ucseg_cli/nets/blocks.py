"""The blocks that the head is made of. Convs carry no bias, since a batch norm follows each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Block = Callable[..., nn.Module]
"""``block(in_channels, out_channels, dilation=1)``: a 3×3 block that keeps height and width."""


def pointwise(in_channels: int, out_channels: int) -> list[nn.Module]:
    """1×1 conv, BN, ReLU."""
    return [
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def pointwise_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """The same as a module."""
    return nn.Sequential(*pointwise(in_channels, out_channels))


def regular(in_channels: int, out_channels: int, dilation: int = 1) -> nn.Sequential:
    """3×3 conv, BN, ReLU. Its state dict has ``0`` (conv) and ``1`` (BN)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class Separable(nn.Module):
    """3×3 depthwise conv, BN, ReLU, 1×1 conv, BN, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int = 1) -> None:
        super().__init__()
        options: dict[str, Any] = {"padding": dilation, "dilation": dilation, "groups": in_channels}
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, **options, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """N×in×H×W to N×out×H×W."""
        x = self.relu(self.bn1(self.depthwise(x)))
        out: Tensor = self.relu(self.bn2(self.pointwise(x)))
        return out


BLOCKS: dict[str, Block] = {"regular": regular, "separable": Separable}
"""The values of the axis ``conv``."""


class ImagePooling(nn.Sequential):
    """The map's mean as a map: pool to 1×1, 1×1 conv, BN, ReLU, and back to the map's size.

    Its state dict has ``1`` (conv) and ``2`` (BN).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *pointwise(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """N×in×H×W to N×out×H×W, constant over H and W."""
        pooled: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return upsample(pooled, like=x)


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al. 2017, arXiv:1706.05587).

    Parallel branches are concatenated and projected.
    """

    def __init__(self, inputs: int, channels: int, rates: tuple[int, ...], block: Block) -> None:
        super().__init__()
        dilated = [block(inputs, channels, dilation=rate) for rate in rates]
        first, pooled = nn.Sequential(*pointwise(inputs, channels)), ImagePooling(inputs, channels)
        self.branches = nn.ModuleList([first, *dilated, pooled])
        merge = pointwise(len(self.branches) * channels, channels)
        self.project = nn.Sequential(*merge, nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """N×in×H×W to N×channels×H×W."""
        out: Tensor = self.project(torch.cat([branch(x) for branch in self.branches], dim=1))
        return out


def decoder(in_channels: int, channels: int, blocks: int, block: Block) -> nn.Sequential:
    """So many blocks one after the other, each to *channels*."""
    inputs = [in_channels, *[channels] * (blocks - 1)]
    return nn.Sequential(*(block(width, channels) for width in inputs))


def classifier(channels: int, classes: int, dropout: float) -> nn.Sequential:
    """Dropout, and a 1×1 conv with a bias."""
    return nn.Sequential(nn.Dropout(dropout), nn.Conv2d(channels, classes, 1))


def upsample(x: Tensor, *, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of *like*."""
    return nn.functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
