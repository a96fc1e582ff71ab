"""The backbone: the first entries of MobileNetV3-Small, and the widths of its taps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ucseg_cli.references.variants import Variant
from ucseg_cli.references.variants.layout import FEATURES
from ucseg_cli.zoo.mobilenet_v3 import mobilenet_v3_small_features

PROBE_SIDE = 32
"""Side of the dummy input on which the widths of the taps are seen."""


class Backbone(NamedTuple):
    """The kept entries, and the channels of each tap by name."""

    features: nn.Sequential
    widths: Mapping[str, int]


def build_backbone(variant: Variant, *, pretrained: bool = False) -> Backbone:
    """The backbone of a variant; its axes ``backbone`` and ``output_stride`` decide it alone."""
    stride = variant.output_stride
    features = build_features(variant.backbone, output_stride=stride, pretrained=pretrained)
    return Backbone(features, probe_widths(features, variant.taps))


def build_features(entries: int, *, output_stride: int, pretrained: bool) -> nn.Sequential:
    """``mobilenet_v3_small().features[:entries]``, with ImageNet weights if *pretrained*.

    An output stride of 16 is torchvision's ``dilated=True``.
    """
    features = mobilenet_v3_small_features(dilated=output_stride == 16, pretrained=pretrained)
    return nn.Sequential(*list(features)[:entries])


def run_features(features: nn.Sequential, x: Tensor, taps: Mapping[str, str]) -> dict[str, Tensor]:
    """The output of each tapped entry by tap name; *taps* maps names to paths: ``features.3``."""
    tapped: dict[str, Tensor] = {}
    for index, entry in enumerate(features):
        x = entry(x)
        if (path := f"{FEATURES}.{index}") in taps.values():
            tapped[path] = x
    return {name: tapped[path] for name, path in taps.items()}


def probe_widths(features: nn.Sequential, taps: Mapping[str, str]) -> dict[str, int]:
    """Channels of each tap, seen in a dummy pass; flags and buffers are afterwards as they were."""
    device = next(features.parameters()).device
    flags = {module: module.training for module in features.modules()}
    features.eval()
    try:
        with torch.no_grad():
            x = torch.zeros(1, 3, PROBE_SIDE, PROBE_SIDE, device=device)
            tapped = run_features(features, x, taps)
    finally:
        for module, training in flags.items():
            module.training = training
    return {name: tensor.shape[1] for name, tensor in tapped.items()}
