"""The named variants, with where each comes from."""

from __future__ import annotations

from ucseg_cli.references.variants.variant import Variant

V2 = Variant(
    backbone=11,
    output_stride=32,
    rates=(6, 12, 18),
    conv="separable",
    decoder_blocks=2,
    aspp_channels=64,
    mid_channels=24,
    decoder_channels=64,
    low_skip=0,
    head="after-upsample",
    dropout=0.3,
    classes=21,
)
V1 = V2._replace(backbone=10, rates=(6, 12), conv="regular", decoder_blocks=1, dropout=0.5)
V3 = V2._replace(low_skip=16)

CATALOGUE = {"v1": V1, "v2": V2, "v3": V3}
ORIGINS = {
    "v1": "the original baseline, reconstructed from the list of what v2 changed",
    "v2": "the revision",
    "v3": "v2 with the low-level skip",
}
BASELINE = "v1"
DEFAULT = "v2"
