"""How the family is built: plain torch modules that people train."""

from ucseg_cli.nets.network import SegmentationNetwork, build_model

__all__ = ["SegmentationNetwork", "build_model"]
