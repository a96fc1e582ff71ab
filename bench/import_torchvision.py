"""``import torch, torchvision``, even if torchvision's compiled operators cannot be loaded."""

import torch

try:
    import torchvision
except RuntimeError:
    # A CUDA build of torchvision beside a CPU build of torch: declare the operators first.
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision  # noqa: F401
