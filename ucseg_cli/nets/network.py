"""The network: backbone, ASPP, mid-level skip, decoder, optional low-level skip, classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from ucseg_cli.nets.backbone import Backbone, build_backbone, run_features
from ucseg_cli.nets.blocks import BLOCKS, Aspp, classifier, decoder, pointwise_block, upsample
from ucseg_cli.references.variants import Variant, as_variant

Child = TypeVar("Child", bound=nn.Module)


class Make(Protocol):
    """Gives a network the child of that name."""

    def __call__(self, name: str, constructor: Callable[..., Child], *given: Any) -> Child:
        """The child that *constructor* makes of what is given."""


def make_anew(name: str, constructor: Callable[..., Child], *given: Any) -> Child:  # noqa: ARG001
    """Build a child and initialise it: kaiming-normal (fan_out, relu) convs, BN at 1/0."""
    return constructor(*given).apply(_initialise)


class SegmentationNetwork(nn.Module):
    """A variant of the family as a plain module.

    Attributes:
        variant: the variant that was built.
        low_ch, mid_ch, high_ch: channels of the taps, as probed.
    """

    def __init__(self, variant: Variant, backbone: Backbone, make: Make = make_anew) -> None:
        super().__init__()
        self.variant = variant
        self.features = backbone.features
        self.low_ch, self.mid_ch, self.high_ch = (
            backbone.widths[t] for t in ("low", "mid", "high")
        )

        block, width = BLOCKS[variant.conv], variant.decoder_channels
        aspp_channels, mid_channels = variant.aspp_channels, variant.mid_channels
        self.aspp = make("aspp", Aspp, self.high_ch, aspp_channels, variant.rates, block)
        self.mid_conv = make("mid_conv", pointwise_block, self.mid_ch, mid_channels)
        blocks = variant.decoder_blocks
        self.decoder = make("decoder", decoder, aspp_channels + mid_channels, width, blocks, block)
        if variant.low_skip:
            self.low_conv = make("low_conv", pointwise_block, self.low_ch, variant.low_skip)
            self.refine = make("refine", block, width + variant.low_skip, width)
        self.classifier = make("classifier", classifier, width, variant.classes, variant.dropout)

    def forward(
        self,
        x: Tensor,
        return_features: bool = False,  # noqa: FBT001, FBT002 - a forward pass takes positions
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """N×3×H×W to logits N×classes×H×W, and with *return_features* also the raw taps by name."""
        taps = self.run_backbone(x)
        mid = self.mid_conv(taps["mid"])
        out = self.decoder(torch.cat([upsample(self.aspp(taps["high"]), like=mid), mid], dim=1))
        if self.variant.low_skip:
            low = self.low_conv(taps["low"])
            out = self.refine(torch.cat([upsample(out, like=low), low], dim=1))
        logits = self._classify(out, like=x)
        return (logits, taps) if return_features else logits

    def run_backbone(self, x: Tensor) -> dict[str, Tensor]:
        """N×3×H×W to the raw taps by name."""
        return run_features(self.features, x, self.variant.taps)

    def _classify(self, out: Tensor, *, like: Tensor) -> Tensor:
        if self.variant.head == "before-upsample":
            return upsample(self.classifier(out), like=like)
        logits: Tensor = self.classifier(upsample(out, like=like))
        return logits


def build_model(model: str | Variant = "v2", *, pretrained: bool = False) -> SegmentationNetwork:
    """The network of a variant: a name (``v2``), a reference (``v2+backbone=10``) or a Variant.

    It is in train mode, on torch's default device. *pretrained* loads torchvision's ImageNet
    weights into the backbone, downloading them once. Freeze the backbone with
    ``model.features.requires_grad_(False)``.

    Raises UsageError for an unknown variant, axis or value.
    """
    variant = as_variant(model)
    return SegmentationNetwork(variant, build_backbone(variant, pretrained=pretrained))


def _initialise(module: nn.Module) -> None:
    match module:
        case nn.Conv2d():
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        case nn.BatchNorm2d():
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
