"""Every network that torchvision lists, compared with its published figures and other counters.

torchvision publishes two with each set of weights: ``num_params``, and ``_ops``, billions of
multiply-adds of conv and matmul to three digits, for a random image of 512 by 512 pixels (16 of
them for video, two for optical flow, other sizes for detection) that has gone through the weights'
own preprocessing. Nothing is downloaded and nothing computed.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from ucseg_cli.analysis.counters.agreement import agreement
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.engine.counters import (
    count_activations,
    count_with_fvcore,
    count_with_torch,
    tracing_once,
)
from ucseg_cli.engine.recording.build_on_meta import building_on_meta
from ucseg_cli.engine.recording.record import record
from ucseg_cli.references.libraries import network_names
from ucseg_cli.zoo.torchvision_import import declare_missing_operators
from ucseg_cli.zoo.torchvision_models import build_torchvision

pytestmark = pytest.mark.slow

NAMES = network_names("torchvision")
TASKS = ("detection", "optical_flow", "segmentation", "video")

DETECTION_SIDES = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": 320,
    "keypointrcnn_resnet50_fpn": 1333,
    "ssd300_vgg16": 300,
    "ssdlite320_mobilenet_v3_large": 320,
}
"""The images that torchvision counted detection networks on; 800 by 800 pixels for the others."""


class Boxes(NamedTuple):
    """How many boxes the heads ran on when torchvision counted: proposed and detected."""

    proposed: int
    detected: int = 0


EXCEPTIONS = {
    "FasterRCNN_ResNet50_FPN_Weights.COCO_V1": Boxes(1000),
    "FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1": Boxes(1000),
    "MaskRCNN_ResNet50_FPN_Weights.COCO_V1": Boxes(1000),
    "MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1": Boxes(1000, 100),
    "KeypointRCNN_ResNet50_FPN_Weights.COCO_LEGACY": Boxes(1000),
    "KeypointRCNN_ResNet50_FPN_Weights.COCO_V1": Boxes(1000, 1),
}
"""Networks whose figure depends on values: the heads run once for each box seen in noise.

All other parts are counted; with so many boxes the figure is the published one to the last digit.
The Faster R-CNNs with a MobileNet see none there.
"""


@pytest.fixture(scope="module")
def torchvision() -> ModuleType:
    """All of torchvision, even if its compiled operators do not load; it warns of others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        declare_missing_operators()
        return import_module("torchvision")


def build(name: str, **arguments: Any) -> nn.Module:
    with building_on_meta():
        return build_torchvision(name, arguments).eval()


def on_meta(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


def task(model: nn.Module) -> str:
    home = type(model).__module__
    return next((task for task in TASKS if f".{task}." in home), "classification")


def published_inputs(name: str, model: nn.Module, weights: Any) -> list[Tensor]:
    """An image as torchvision's own count has it, after the weights' preprocessing."""
    side = DETECTION_SIDES.get(name, 800 if task(model) == "detection" else 512)
    image = torch.zeros((1, 16, 3, side, side) if task(model) == "video" else (1, 3, side, side))
    preprocess = weights.transforms()
    inputs = preprocess(image, image) if task(model) == "optical_flow" else (preprocess(image),)
    return [on_meta(*tensor.shape) for tensor in inputs]


def leave_out_boxes(model: Any) -> None:
    """Remove the parts that need values: choosing boxes, which has no price, and heads per box."""
    model.transform.postprocess = lambda *_: []
    if hasattr(model, "rpn"):
        model.rpn.filter_proposals = lambda *_: ([], [])
        model.roi_heads.forward = lambda *_: ([], {})
    else:
        model.postprocess_detections = lambda *_: []


def macs(model: nn.Module, *inputs: Tensor) -> int:
    return total_flops(record(model, *inputs))["macs"]


def macs_of_boxes(model: Any, boxes: Boxes) -> int:
    """The cost of a detection network's heads for so many boxes, beyond their other parts."""
    heads, channels = model.roi_heads, model.backbone.out_channels
    total = 0
    for kind, count in (
        ("box", boxes.proposed),
        ("mask", boxes.detected),
        ("keypoint", boxes.detected),
    ):
        if getattr(heads, f"{kind}_head", None) is not None and count:
            sides = getattr(heads, f"{kind}_roi_pool").output_size
            head = nn.Sequential(
                getattr(heads, f"{kind}_head"), getattr(heads, f"{kind}_predictor")
            )
            total += macs(head, on_meta(count, channels, *sides))
    return total


def published(torchvision: ModuleType, name: str) -> dict[str, Any]:
    """The weights of a network by name."""
    return {str(weights): weights for weights in torchvision.models.get_model_weights(name)}


Known = dict[tuple[object, ...], tuple[int, int]]


def figures(name: str, weights: Any, boxes: Mapping[str, Boxes], known: Known) -> tuple[int, float]:
    """Parameters, and billions of multiply-adds to three digits, of a network for its weights.

    Weights of the same network for the same input are recorded once: *known* has its figures.
    """
    model = build(name, weights=weights.name)
    inputs = published_inputs(name, model, weights)
    extra = macs_of_boxes(model, boxes[str(weights)]) if str(weights) in boxes else 0
    if task(model) == "detection":
        leave_out_boxes(model)
    shapes = [tuple(weight.shape) for weight in model.parameters()]
    key = (str(model), *shapes, *(x.shape for x in inputs))
    if key not in known:
        trace = record(model, *inputs)
        known[key] = total_params(trace)["params"], total_flops(trace)["macs"]
    params, multiply_adds = known[key]
    return params, round((multiply_adds + extra) / 1e9, 3)


@pytest.mark.parametrize("name", NAMES)
def test_every_set_of_weights_has_the_parameters_and_multiply_adds_that_torchvision_publishes(
    torchvision: ModuleType, name: str
) -> None:
    every = published(torchvision, name)
    known: Known = {}
    ours = {key: figures(name, weights, EXCEPTIONS, known) for key, weights in every.items()}
    assert {key: params for key, (params, _) in ours.items()} == {
        key: weights.meta["num_params"] for key, weights in every.items()
    }
    assert {key: giga for key, (_, giga) in ours.items()} == {
        key: weights.meta["_ops"] for key, weights in every.items()
    }


def test_every_exception_is_one(torchvision: ModuleType) -> None:
    every = {
        key: (name, weights)
        for name in NAMES
        for key, weights in published(torchvision, name).items()
    }
    assert set(EXCEPTIONS) <= set(every)
    for key in EXCEPTIONS:
        name, weights = every[key]
        assert figures(name, weights, {}, {})[1] < weights.meta["_ops"], key


def test_there_are_as_many_weights_as_we_say(torchvision: ModuleType) -> None:
    """README.md gives the number; a newer torchvision may have more."""
    assert sum(len(published(torchvision, name)) for name in NAMES) >= 152


# Other counters


def small_inputs(name: str, model: nn.Module, side: int) -> list[tuple[int, ...]]:
    """Shapes of inputs that the network can take, *side* pixels each way where it takes any."""
    if name.startswith(("vit", "mvit", "s3d", "maxvit")):
        side = 224
    side = max(side, 75 if name.startswith("inception") else 128 if name.startswith("raft") else 32)
    shape = (1, 3, 16, side, side) if task(model) == "video" else (1, 3, side, side)
    return [shape] * (2 if task(model) == "optical_flow" else 1)


NOT_TRACED = {
    "over a gigabyte of weights, and fvcore needs real ones": (
        "regnet_y_128gf",
        "vit_h_14",
        "vit_l_16",
        "vit_l_32",
    ),
    "choosing boxes needs values": (
        "fasterrcnn",
        "fcos",
        "keypointrcnn",
        "maskrcnn",
        "retinanet",
        "ssd",
    ),
}
"""Networks, or beginnings of their names, on which fvcore is not run, by the reason."""


def test_fvcore_runs_on_as_many_networks_as_we_say() -> None:
    """docs/counting.md gives the number; a newer torchvision may have more."""
    left_out = sum(NOT_TRACED.values(), ())
    assert sum(not name.startswith(left_out) for name in NAMES) >= 93


@pytest.mark.parametrize("name", NAMES)
def test_other_counters_agree_in_total_by_module_and_by_operator(name: str) -> None:
    model = build(name)
    if task(model) == "detection":
        leave_out_boxes(model)
    shapes = small_inputs(name, model, 64)
    inputs = [on_meta(*shape) for shape in shapes]
    trace = record(model, *inputs)
    results = [agreement(trace, count_with_torch(model, *inputs))]
    if not name.startswith(sum(NOT_TRACED.values(), ())):
        model.to_empty(device="cpu")
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.detach().zero_()
        real = [torch.zeros(shape) for shape in shapes]
        with torch.no_grad(), tracing_once():
            counts = [count(model, *real) for count in (count_with_fvcore, count_activations)]
        results += [agreement(trace, count) for count in counts]
    for result in results:
        assert result.agrees, (result.counter, result.differences[:3])
        assert result.ours > 0
