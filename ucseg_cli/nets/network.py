"""The network: backbone, ASPP, mid-level skip, decoder, optional low-level skip, classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ucseg_cli.nets.backbone import Backbone, build_backbone, run_features
from ucseg_cli.nets.blocks import BLOCKS, Aspp, pointwise, upsample
from ucseg_cli.references.variants import Variant, as_variant
from ucseg_cli.references.variants.layout import FEATURES


class SegmentationNetwork(nn.Module):
    """A variant of the family as a plain module.

    Attributes:
        variant: the variant that was built.
        low_ch, mid_ch, high_ch: channels of the taps, as probed.
    """

    def __init__(self, variant: Variant, backbone: Backbone) -> None:
        super().__init__()
        self.variant = variant
        self.features = backbone.features
        self.low_ch, self.mid_ch, self.high_ch = (
            backbone.widths[t] for t in ("low", "mid", "high")
        )

        block, width = BLOCKS[variant.conv], variant.decoder_channels
        self.aspp = Aspp(self.high_ch, variant.aspp_channels, variant.rates, block)
        self.mid_conv = nn.Sequential(*pointwise(self.mid_ch, variant.mid_channels))
        first = variant.aspp_channels + variant.mid_channels
        inputs = [first, *[width] * (variant.decoder_blocks - 1)]
        self.decoder = nn.Sequential(*(block(channels, width) for channels in inputs))
        if variant.low_skip:
            self.low_conv = nn.Sequential(*pointwise(self.low_ch, variant.low_skip))
            self.refine = block(width + variant.low_skip, width)
        classify = nn.Conv2d(width, variant.classes, 1)
        self.classifier = nn.Sequential(nn.Dropout(variant.dropout), classify)
        self._initialise_new_layers()

    def forward(
        self,
        x: Tensor,
        return_features: bool = False,  # noqa: FBT001, FBT002 - a forward pass takes positions
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """N×3×H×W to logits N×classes×H×W, and with *return_features* also the raw taps by name."""
        taps = run_features(self.features, x, self.variant.taps)
        mid = self.mid_conv(taps["mid"])
        out = self.decoder(torch.cat([upsample(self.aspp(taps["high"]), like=mid), mid], dim=1))
        if self.variant.low_skip:
            low = self.low_conv(taps["low"])
            out = self.refine(torch.cat([upsample(out, like=low), low], dim=1))
        logits = self._classify(out, like=x)
        return (logits, taps) if return_features else logits

    def _classify(self, out: Tensor, *, like: Tensor) -> Tensor:
        if self.variant.head == "before-upsample":
            return upsample(self.classifier(out), like=like)
        logits: Tensor = self.classifier(upsample(out, like=like))
        return logits

    def _initialise_new_layers(self) -> None:
        """Kaiming-normal (fan_out, relu) convs, zero biases, BN at 1/0; not in the backbone."""
        for name, child in self.named_children():
            if name != FEATURES:
                child.apply(_initialise)


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
