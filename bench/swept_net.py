"""A small feature pyramid, as users write one; bench/sweeping.py sweeps it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class Gate(nn.Module):
    """Squeeze and excite."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, channels // 4, 1)
        self.up = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to the same."""
        squeezed = functional.relu(self.down(functional.adaptive_avg_pool2d(x, 1)))
        return x * torch.sigmoid(self.up(squeezed))


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, inputs: int, channels: int, stride: int, rate: int, *, gated: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, rate, rate, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.gate = Gate(channels) if gated else nn.Identity()
        self.short: nn.Module = nn.Identity()
        if stride > 1 or inputs != channels:
            short = nn.Conv2d(inputs, channels, 1, stride, bias=False)
            self.short = nn.Sequential(short, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """N×inputs×H×W to N×channels×H×W, or half of H and W."""
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.gate(self.norm2(self.conv2(y)))
        return functional.relu(y + self.short(x))


class Net(nn.Module):
    """Three stages, of which each is merged into the one before it."""

    def __init__(
        self,
        width: int = 16,
        depth: int = 2,
        rate: int = 1,
        gated: bool = True,  # noqa: FBT001, FBT002 - an axis
        classes: int = 10,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        widths = [width, width, 2 * width, 4 * width]
        self.stages = nn.ModuleList(
            nn.Sequential(
                Block(before, after, 1 if stage == 0 else 2, rate, gated=gated),
                *(Block(after, after, 1, rate, gated=gated) for _ in range(depth - 1)),
            )
            for stage, (before, after) in enumerate(pairwise(widths))
        )
        self.merges = nn.ModuleList(nn.Conv2d(each, width, 1) for each in widths[1:])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """N×3×H×W to logits N×classes×H×W."""
        x, maps = self.stem(image), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        out = self.merges[-1](maps[-1])
        for merge, kept in zip(self.merges[-2::-1], maps[-2::-1], strict=True):
            out = merge(kept) + functional.interpolate(out, size=kept.shape[-2:])
        logits = self.head(out)
        return functional.interpolate(logits, size=image.shape[-2:], mode="bilinear")
