"""The features of torchvision's MobileNetV3-Small, which the family's backbone is cut from."""

from __future__ import annotations

from torch import nn

from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand


def mobilenet_v3_small_features(*, dilated: bool, pretrained: bool) -> nn.Sequential:
    """``mobilenet_v3_small().features``, with ImageNet weights if *pretrained*.

    If *dilated*, the last stage dilates instead of striding.
    """
    with torchvision_packages_on_demand():
        from torchvision.models.mobilenetv3 import MobileNet_V3_Small_Weights, mobilenet_v3_small
    weights = MobileNet_V3_Small_Weights.IMAGENET1K_V1 if pretrained else None
    features: nn.Sequential = mobilenet_v3_small(weights=weights, dilated=dilated).features
    return features
