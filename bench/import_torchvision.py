"""``import torch, torchvision``, also where torchvision's compiled operators cannot be loaded beside this torch."""

import torch

try:
    import torchvision
except RuntimeError:
    # A CUDA build of torchvision beside a CPU build of torch: declare the operators that it annotates, then import it.
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision  # noqa: F401
