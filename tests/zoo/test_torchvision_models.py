"""torchvision's networks by name: the right ones, without weights or needless imports."""

from __future__ import annotations

import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ucseg_cli
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.engine.recording.build_on_meta import building_on_meta
from ucseg_cli.engine.recording.record import record
from ucseg_cli.errors import ModelError, UcsegError, UnknownNameError, UsageError
from ucseg_cli.references.libraries import network_names
from ucseg_cli.zoo.torchvision_import import declare_missing_operators, has_compiled_operators
from ucseg_cli.zoo.torchvision_models import build_torchvision, missing_operators

SOURCE = Path(ucseg_cli.__file__).parent.parent


def build(name: str, **arguments: Any) -> nn.Module:
    with building_on_meta():
        return build_torchvision(name, arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "params", "giga"),
    [
        ("resnet50", {"weights": "IMAGENET1K_V2"}, (1, 3, 224, 224), 25_557_032, 4.089),
        ("regnet_y_400mf", {}, (1, 3, 224, 224), 4_344_144, 0.402),
        ("inception_v3", {"weights": "DEFAULT"}, (1, 3, 299, 299), 27_161_264, 5.713),
        ("vit_b_16", {"weights": "IMAGENET1K_SWAG_E2E_V1"}, (1, 3, 384, 384), 86_859_496, 55.484),
        ("swin_v2_t", {}, (1, 3, 256, 256), 28_351_570, 5.94),
        (
            "deeplabv3_mobilenet_v3_large",
            {"weights": "DEFAULT"},
            (1, 3, 520, 520),
            11_029_328,
            10.452,
        ),
        ("r3d_18", {}, (1, 3, 16, 112, 112), 33_371_472, 40.697),
    ],
)
def test_a_network_has_the_parameters_and_multiply_adds_that_torchvision_publishes(
    name: str, arguments: dict[str, Any], shape: tuple[int, ...], params: int, giga: float
) -> None:
    """A few of them; test_torchvision_published.py has all."""
    trace = record(build(name, **arguments), torch.empty(shape, device="meta"))
    assert (total_params(trace)["params"], round(total_flops(trace)["macs"] / 1e9, 3)) == (
        params,
        giga,
    )


def test_the_names_are_those_that_torchvision_lists() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of operators for images
        declare_missing_operators()
        from torchvision.models import list_models
    assert list(network_names("torchvision")) == [
        name for name in list_models() if not name.startswith("quantized_")
    ]


def test_a_network_on_the_cpu_has_values_and_on_meta_it_has_none_anywhere() -> None:
    assert all(tensor.is_meta for tensor in build("swin_v2_t").state_dict().values())
    real = build_torchvision("mnasnet0_5", {})
    assert all(tensor.device.type == "cpu" for tensor in real.state_dict().values())


def test_named_weights_give_their_shape_and_are_not_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network is asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    frozen = build(
        "maskrcnn_resnet50_fpn", weights="DEFAULT"
    )  # pretrained, its batch norms are frozen
    assert sum(p.numel() for p in frozen.parameters()) == 44_401_393
    assert sum(p.numel() for p in build("maskrcnn_resnet50_fpn").parameters()) > 44_401_393


def test_a_backbone_is_not_pretrained_unless_asked_for() -> None:
    kinds = {type(module).__name__ for module in build("retinanet_resnet50_fpn").modules()}
    asked = build("retinanet_resnet50_fpn", weights_backbone="IMAGENET1K_V1")
    assert "FrozenBatchNorm2d" not in kinds
    assert "FrozenBatchNorm2d" in {type(module).__name__ for module in asked.modules()}


def test_loading_a_state_dict_works_again_afterwards() -> None:
    build("resnet18", weights="DEFAULT")
    with pytest.raises(RuntimeError, match="Missing key"):
        nn.Linear(2, 2).load_state_dict({})


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "what", "advice"),
    [
        (
            "resnet51",
            {},
            UnknownNameError,
            "no torchvision model named 'resnet51'",
            "did you mean 'resnet50'?",
        ),
        (
            "quantized_resnet50",
            {},
            UsageError,
            "a quantized network cannot be counted",
            "name the network it was made from: torchvision:resnet50",
        ),
        (
            "resnet50",
            {"num_clases": 3},
            UnknownNameError,
            "no parameter named 'num_clases'",
            "did you mean 'num_classes'?",
        ),
        (
            "fcn_resnet50",
            {"aux_los": True},
            UnknownNameError,
            "no parameter named 'aux_los'",
            "did you mean 'aux_loss'?",
        ),
        (
            "resnet50",
            {"weights": "IMAGENET1K_V3"},
            UnknownNameError,
            "no weights named 'IMAGENET1K_V3'",
            "did you mean 'IMAGENET1K_V2'?",
        ),
        ("resnet50", {"weights": True}, UnknownNameError, "no weights named 'True'", None),
        (
            "resnet50",
            {"weights": "DEFAULT", "num_classes": 3},
            ModelError,
            (
                "torchvision cannot build it: The parameter 'num_classes' "
                "expected value 1000 but got 3 instead."
            ),
            None,
        ),
    ],
)
def test_a_name_unknown_to_torchvision_is_refused_with_the_nearest(
    name: str, arguments: dict[str, Any], kind: type[UcsegError], what: str, advice: str | None
) -> None:
    with pytest.raises(kind) as caught:
        build(name, **arguments)
    assert (caught.value.what, caught.value.help) == (what, advice)
    assert (caught.value.where or "").startswith(f"torchvision:{name}")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("mobilenet_v3_large", {"dilated": True}), ("maskrcnn_resnet50_fpn", {"size_divisible": 64})],
)
def test_a_parameter_that_a_builder_hands_on_to_something_inside_is_taken(
    name: str, arguments: dict[str, Any]
) -> None:
    assert sum(p.numel() for p in build(name, **arguments).parameters())


def test_a_detection_network_runs_on_real_tensors_or_the_error_says_what_to_install() -> None:
    model = build_torchvision("fasterrcnn_mobilenet_v3_large_320_fpn", {}).eval()
    image = torch.zeros(1, 3, 64, 64)
    if has_compiled_operators():
        assert total_flops(record(model, image))["macs"] > 0
    else:
        with pytest.raises(RuntimeError) as caught:
            record(model, image)
        error = missing_operators(caught.value)
        assert error is not None
        assert "do not load beside this torch" in error.what
        assert "install the torchvision that was built for this torch" in (error.help or "")


def test_another_error_is_not_blamed_on_missing_operators() -> None:
    assert missing_operators(RuntimeError("sizes do not fit")) is None


def test_no_network_costs_torch_s_compiler_or_the_rest_of_torchvision() -> None:
    code = """
import sys
from ucseg_cli.engine.recording.build_on_meta import building_on_meta
from ucseg_cli.zoo.torchvision_models import build_torchvision
heavy = {"torch._dynamo", "sympy", "torchvision.datasets", "torchvision.models.alexnet"}
heavy.add("torchvision.ops.boxes")
for name in ("resnet50", "efficientnet_b0", "mvit_v2_s", "fcn_resnet50", "swin_t"):
    with building_on_meta():
        build_torchvision(name, {})
    assert not heavy & sys.modules.keys(), (name, heavy & sys.modules.keys())
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PYTHONPATH": str(SOURCE), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
