"""Small networks, each with another way in which channels depend on one another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv(inputs: int, outputs: int, kernel: int = 3, **options: Any) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def chain(a: int = 8, b: int = 12) -> nn.Module:
    return nn.Sequential(conv(3, a), conv(a, b, stride=2), nn.Conv2d(b, 5, 1))


class Residual(nn.Module):
    """Two convs whose outputs are added, and one inside a branch."""

    def __init__(self, a: int = 16, b: int = 20) -> None:
        super().__init__()
        self.stem, self.down, self.up = conv(3, a), conv(a, b), conv(b, a)
        self.head = nn.Conv2d(a, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        out: Tensor = self.head(x + self.up(self.down(x)))
        return out


def separable(a: int = 16, b: int = 24) -> nn.Module:
    """A depthwise conv, and one with two outputs for each channel."""
    return nn.Sequential(
        conv(3, a),
        conv(a, a, groups=a),
        conv(a, b, 1),
        conv(b, 2 * b, groups=b),
        nn.Conv2d(2 * b, 3, 1),
    )


class Gated(nn.Module):
    """Squeeze and excite."""

    def __init__(self, a: int = 16, b: int = 8) -> None:
        super().__init__()
        self.stem, self.pool = conv(3, a), nn.AdaptiveAvgPool2d(1)
        self.squeeze, self.excite = nn.Conv2d(a, b, 1), nn.Conv2d(b, a, 1)
        self.head = nn.Conv2d(a, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        gate = self.excite(functional.relu(self.squeeze(self.pool(x)))).sigmoid()
        out: Tensor = self.head(x * gate)
        return out


class Joined(nn.Module):
    """Two branches concatenated, then normalised together and added to a third of their width."""

    def __init__(self, a: int = 8, b: int = 12) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(3, a, 3, padding=1), nn.Conv2d(3, b, 1)
        self.norm, self.beside = nn.BatchNorm2d(a + b), nn.Conv2d(3, a + b, 1)
        self.head = nn.Conv2d(a + b, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        both = self.norm(torch.cat([self.one(x), self.other(x)], dim=1))
        out: Tensor = self.head(both + self.beside(x))
        return out


class Skipping(nn.Module):
    """As in a U-Net: pooled, transposed back, and concatenated with the finer map."""

    def __init__(self, a: int = 8, b: int = 16, c: int = 12) -> None:
        super().__init__()
        self.fine, self.coarse = conv(3, a), conv(a, b)
        self.back = nn.ConvTranspose2d(b, c, 2, stride=2)
        self.merge, self.head = conv(a + c, 10), nn.Conv2d(10, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        back = self.back(self.coarse(functional.max_pool2d(fine, 2)))
        out: Tensor = self.head(self.merge(torch.cat([back, fine], 1)))
        return out


def grouped(a: int = 16, b: int = 32) -> nn.Module:
    """A conv in four groups between others, and a group norm."""
    return nn.Sequential(
        conv(3, a), nn.Conv2d(a, b, 3, groups=4), nn.GroupNorm(2, b), nn.SiLU(), nn.Conv2d(b, 3, 1)
    )


def classifier(a: int = 12, b: int = 20) -> nn.Module:
    """A flattened map of several positions, then linear layers."""
    return nn.Sequential(
        conv(3, a), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(4 * a, b), nn.ReLU(),
        nn.Dropout(), nn.Linear(b, 5),
    )  # fmt: skip


class Shuffled(nn.Module):
    """Halves of the channels, one of them convolved, and all shuffled; then into pixels."""

    def __init__(self, a: int = 16) -> None:
        super().__init__()
        self.stem, self.inner = conv(3, a), conv(a // 2, a // 2)
        self.shuffle, self.head = nn.PixelShuffle(2), nn.Conv2d(a // 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept, rest = self.stem(x).chunk(2, dim=1)
        x = torch.cat((kept, self.inner(rest)), dim=1)
        count, channels, height, width = x.shape
        x = x.view(count, 2, channels // 2, height, width).transpose(1, 2)
        x = x.reshape(count, channels, height, width)
        out: Tensor = self.head(self.shuffle(x))
        return out


class Mixing(nn.Module):
    """Linear layers on the last axis, with a layer norm, as in a transformer's MLP."""

    def __init__(self, a: int = 16, b: int = 32) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, a, 4, stride=4), nn.LayerNorm(a)
        self.up, self.down, self.head = nn.Linear(a, b), nn.Linear(b, a), nn.Linear(a, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2)
        x = x + self.down(functional.gelu(self.up(self.norm(x))))
        out: Tensor = self.head(x.mean(dim=1))
        return out
