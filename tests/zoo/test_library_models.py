"""timm's and segmentation_models_pytorch's networks by name: the right ones, and never weights."""

from __future__ import annotations

import socket
import warnings
from typing import Any

import pytest
import torch

from ucseg_cli.engine.recording.build_on_meta import building_on_meta
from ucseg_cli.engine.recording.module_rows import LIBRARIES as NAMED_PACKAGES
from ucseg_cli.engine.trace_model import trace_source
from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.references import Argument, FromLibrary
from ucseg_cli.references.libraries import LIBRARIES, network_names, part_names
from ucseg_cli.zoo.providers import PROVIDERS
from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand


@pytest.fixture(scope="module")
def timm() -> Any:
    with torchvision_packages_on_demand(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("timm")


@pytest.fixture(scope="module")
def smp() -> Any:
    with torchvision_packages_on_demand(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("segmentation_models_pytorch")


def params(library: str, name: str, **arguments: Any) -> int:
    with building_on_meta():
        return sum(p.numel() for p in PROVIDERS[library].build(name, arguments).parameters())


def test_each_library_has_names_and_a_way_to_build_them() -> None:
    assert set(PROVIDERS) == set(LIBRARIES)
    assert {library.package for library in LIBRARIES.values()} == NAMED_PACKAGES


def test_the_names_are_those_that_timm_lists(timm: Any) -> None:
    assert list(network_names("timm")) == sorted(timm.list_models())


def test_the_names_are_those_that_smp_has(smp: Any) -> None:
    assert {name.lower() for name in network_names("smp")} == set(smp.MODEL_ARCHITECTURES_MAPPING)
    assert sorted(part_names("smp", "encoder_name")) == sorted(smp.encoders.get_encoder_names())


@pytest.mark.usefixtures("timm")
def test_a_network_has_the_parameters_that_timm_publishes() -> None:
    """As in the table of results in timm's repository."""
    assert params("timm", "resnet18") == 11_689_512
    assert params("timm", "vit_tiny_patch16_224") == 5_717_416
    assert params("timm", "resnet18", num_classes=10) == 11_689_512 - 990 * 513


@pytest.mark.usefixtures("timm")
def test_a_tag_gives_the_shape_that_its_weights_need() -> None:
    wider = params("timm", "vit_tiny_patch16_224.augreg_in21k")
    assert wider - params("timm", "vit_tiny_patch16_224") == (21_843 - 1000) * 193


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("vit_tiny_patch16_224", {"embed_dim": 192, "num_heads": 3, "num_classes": 1000}),
        ("vit_tiny_patch16_224.augreg_in21k", {"embed_dim": 192, "num_classes": 21_843}),
        ("resnext50_32x4d", {"cardinality": 32, "base_width": 4}),
        ("convnext_atto", {"depths": (2, 2, 6, 2), "dims": (40, 80, 160, 320)}),
    ],
)
def test_the_axes_of_a_network_have_its_own_values(name: str, values: dict[str, Any]) -> None:
    parameters = PROVIDERS["timm"].parameters(name)
    assert {key: parameters[key].default for key in values} == values


@pytest.mark.usefixtures("smp")
def test_an_architecture_has_no_weights_by_default() -> None:
    assert PROVIDERS["smp"].parameters("Unet")["encoder_weights"].default is None


@pytest.mark.usefixtures("smp")
def test_nothing_asks_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network is asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert params("timm", "resnet18.a1_in1k", pretrained=False) == 11_689_512
    assert params("smp", "Unet", encoder_weights=None) == params("smp", "Unet")


@pytest.mark.usefixtures("smp")
@pytest.mark.parametrize(
    ("library", "name", "arguments", "what", "advice"),
    [
        ("timm", "resnet_18", {}, "no timm model named 'resnet_18'", "did you mean 'resnet18'?"),
        (
            *("timm", "resnet18.a1_in1", {}, "no tag of resnet18 named 'a1_in1'"),
            "did you mean 'a1_in1k'?",
        ),
        (
            *("timm", "resnet18", {"num_clases": 3}, "no parameter named 'num_clases'"),
            "did you mean 'num_classes'?",
        ),
        (
            *("timm", "efficientnet_b0", {"drop_ratee": 0.1}, "no parameter named 'drop_ratee'"),
            "did you mean 'drop_rate'?",
        ),
        ("smp", "UNet", {}, "no architecture named 'UNet'", "did you mean 'Unet'?"),
        (
            *("smp", "Unet", {"encoder_name": "resnet_18"}, "no encoder named 'resnet_18'"),
            "did you mean 'resnet18'? encoder_name also takes tu-NAME, a network of timm's",
        ),
        (
            *("smp", "Unet", {"encoder_name": "tu-resnet_18"}, "no encoder named 'tu-resnet_18'"),
            "did you mean 'tu-resnet18'?",
        ),
        (
            *("smp", "Unet", {"clases": 3}, "no parameter named 'clases'"),
            "did you mean 'classes'?",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(
    library: str, name: str, arguments: dict[str, Any], what: str, advice: str
) -> None:
    with pytest.raises(UnknownNameError) as caught:
        PROVIDERS[library].build(name, arguments)
    assert (caught.value.what, caught.value.help) == (what, advice)
    assert (caught.value.where or "").startswith(f"{library}:{name}")


@pytest.mark.usefixtures("smp")
@pytest.mark.parametrize(
    ("library", "name", "arguments"),
    [
        ("timm", "resnet18", {"pretrained": True}),
        ("timm", "resnet18", {"checkpoint_path": "weights.pth"}),
        ("smp", "Unet", {"encoder_weights": "imagenet"}),
        ("smp", "Unet", {"encoder_name": "tu-resnet18", "encoder_weights": True}),
    ],
)
def test_weights_are_refused(library: str, name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="no weights are loaded") as caught:
        PROVIDERS[library].build(name, arguments)
    assert (caught.value.help or "").startswith("leave out +")


@pytest.mark.usefixtures("smp")
@pytest.mark.parametrize(
    ("library", "name", "arguments"),
    [
        ("timm", "resnet18", {"features_only": True, "out_indices": (1, 2)}),
        ("timm", "efficientnet_b0", {"pad_type": "same"}),
        ("timm", "regnety_002", {"in_chans": 1}),
        ("smp", "Unet", {"encoder_name": "tu-resnet18", "stem_type": "deep"}),
    ],
)
def test_an_argument_that_is_handed_on_is_taken(
    library: str, name: str, arguments: dict[str, Any]
) -> None:
    assert params(library, name, **arguments) > 0


@pytest.mark.usefixtures("timm")
def test_an_argument_that_timm_ignores_is_named() -> None:
    source = FromLibrary("timm", "resnet10t", (Argument("cache_dir", "somewhere"),))
    trace = trace_source(source, Conditions(Size(64, 64)))
    assert trace.idle == ("cache_dir",)


@pytest.mark.usefixtures("smp")
@pytest.mark.parametrize("encoder", ["mit_b0", "resnet18", "tu-vit_tiny_patch16_224"])
def test_a_network_is_built_on_meta_whole(encoder: str) -> None:
    name = "DPT" if encoder.startswith("tu-vit") else "Segformer"
    with building_on_meta():
        model = PROVIDERS["smp"].build(name, {"encoder_name": encoder})
    assert all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    assert torch.empty(0).device.type == "cpu"
