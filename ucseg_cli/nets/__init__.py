"""The built-in family as plain torch modules that users train."""

from ucseg_cli.nets.backbone import Backbone, build_backbone
from ucseg_cli.nets.network import SegmentationNetwork, build_model

__all__ = ["Backbone", "SegmentationNetwork", "build_backbone", "build_model"]
