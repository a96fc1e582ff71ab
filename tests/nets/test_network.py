"""The module that users train: layout, forward pass, initialisation, the backbone's weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor, nn

import ucseg_cli
from ucseg_cli.analysis.counting.module_tree import roll_up
from ucseg_cli.analysis.counting.parameters import own_params, total_params
from ucseg_cli.engine.recording.record import record
from ucseg_cli.errors import UnknownNameError
from ucseg_cli.nets import SegmentationNetwork, build_model
from ucseg_cli.nets.backbone import build_features, probe_widths
from ucseg_cli.references.variants import CATALOGUE, Variant, as_variant

SMALL = "v3+backbone=5+aspp_channels=4+mid_channels=3+decoder_channels=5+low_skip=2+classes=3"


def own_keys(prefix: str, model: nn.Module) -> list[str]:
    return [key.removeprefix(prefix) for key in model.state_dict() if key.startswith(prefix)]


def norm(path: str) -> list[str]:
    return [
        f"{path}.{name}"
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    ]


def pair(conv: str, bn: str) -> list[str]:
    return [f"{conv}.weight", *norm(bn)]


def separable() -> list[str]:
    return [*pair("depthwise", "bn1"), *pair("pointwise", "bn2")]


# The layout of checkpoints


def test_v2_s_state_dict_has_298_entries() -> None:
    assert len(build_model("v2").state_dict()) == 298


def test_the_entry_points_are_one() -> None:
    assert ucseg_cli.build_model is build_model
    with pytest.raises(AttributeError, match="has no attribute 'build_modle'"):
        ucseg_cli.build_modle  # noqa: B018


@pytest.mark.parametrize("reference", ["v1", "v2", "v3"])
def test_checkpoints_have_the_original_layout(reference: str) -> None:
    model, variant = build_model(reference), CATALOGUE[reference]
    block = separable() if variant.conv == "separable" else pair("0", "1")
    pooling = len(variant.rates) + 1
    assert own_keys("aspp.branches.0.", model) == pair("0", "1")
    for index in range(1, pooling):
        assert own_keys(f"aspp.branches.{index}.", model) == block
    assert own_keys(f"aspp.branches.{pooling}.", model) == pair("1", "2")
    assert own_keys("aspp.project.", model) == pair("0", "1")
    assert own_keys("mid_conv.", model) == pair("0", "1")
    for index in range(variant.decoder_blocks):
        assert own_keys(f"decoder.{index}.", model) == block
    assert own_keys("classifier.", model) == ["1.weight", "1.bias"]
    assert own_keys("low_conv.", model) == (pair("0", "1") if variant.low_skip else [])
    assert own_keys("refine.", model) == (block if variant.low_skip else [])
    families = {"features", "aspp", "mid_conv", "decoder", "classifier"}
    assert {key.partition(".")[0] for key in model.state_dict()} == (
        families | {"low_conv", "refine"} if variant.low_skip else families
    )
    assert len(own_keys("aspp.branches.", model)) == 12 + (pooling - 1) * len(block)


def test_the_backbone_s_keys_and_shapes_are_torchvision_s_own() -> None:
    theirs = build_features(11, output_stride=32, pretrained=False).state_dict()
    ours = build_model("v2").features.state_dict()
    assert {key: value.shape for key, value in ours.items()} == {
        key: value.shape for key, value in theirs.items()
    }
    assert "0.0.weight" in ours
    assert "10.block.3.1.running_var" in ours


@settings(max_examples=8)
@given(st.data())
def test_a_checkpoint_loads_strictly_into_an_equal_variant(
    variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    variant = data.draw(variants)
    first, second = build_model(variant).eval(), build_model(variant).eval()
    second.load_state_dict(first.state_dict(), strict=True)
    x = torch.rand(1, 3, 24, 40)
    with torch.no_grad():
        assert torch.equal(first(x), second(x))


def test_a_checkpoint_does_not_load_into_another_variant() -> None:
    with pytest.raises(RuntimeError, match="state_dict"):
        build_model("v1").load_state_dict(build_model("v2").state_dict(), strict=True)


# The forward pass


@settings(max_examples=8)
@given(st.data())
def test_the_logits_have_the_input_s_size_and_the_taps_are_the_raw_features(
    variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    model = build_model(data.draw(variants)).eval()
    x = torch.rand(2, 3, data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70)))
    with torch.no_grad():
        logits, taps = model(x, return_features=True)
        alone = model(x)
        outputs, out = [], x
        for entry in model.features:
            out = entry(out)
            outputs.append(out)
    assert torch.equal(logits, alone)
    assert logits.shape == (2, model.variant.classes, *x.shape[2:])
    assert list(taps) == ["low", "mid", "high"]
    for name, index in (("low", 1), ("mid", 3), ("high", -1)):
        assert torch.equal(taps[name], outputs[index])
    assert (model.low_ch, model.mid_ch, model.high_ch) == tuple(
        tap.shape[1] for tap in taps.values()
    )


@pytest.mark.parametrize(
    ("backbone", "widths"), [(4, (16, 24, 24)), (10, (16, 24, 96)), (13, (16, 24, 576))]
)
def test_widths_are_those_of_the_taps(backbone: int, widths: tuple[int, int, int]) -> None:
    model = build_model(f"v2+backbone={backbone}")
    assert (model.low_ch, model.mid_ch, model.high_ch) == widths


@settings(max_examples=8)
@given(st.data())
def test_both_orders_of_the_head_compute_one_function(
    variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    variant = data.draw(variants)
    torch.manual_seed(0)
    after = build_model(as_variant(f"v1+{variant.key}+head=after-upsample")).double().eval()
    before = build_model(as_variant(f"v1+{variant.key}+head=before-upsample")).double().eval()
    nn.init.normal_(
        after.state_dict()["classifier.1.bias"]
    )  # it starts at zero, where its loss would not show
    before.load_state_dict(after.state_dict(), strict=True)
    x = torch.rand(
        1, 3, data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70)), dtype=torch.float64
    )
    with torch.no_grad():
        one, other = after(x), before(x)
    assert (one - other).abs().max() <= 1e-12 * one.abs().max()


@pytest.mark.parametrize(
    "reference", ["v1", "v2", "v3", "v2+output_stride=16+head=before-upsample"]
)
def test_it_trains_at_batch_2_and_every_parameter_learns(reference: str) -> None:
    model = build_model(reference)
    assert all(module.training for module in model.modules())
    model(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_training_at_batch_1_fails_in_image_pooling_but_recording_does_not() -> None:
    model, x = build_model(SMALL), torch.rand(1, 3, 64, 64)
    with pytest.raises(ValueError, match="more than 1 value"):
        model(x)
    model.features.eval()
    flags = {path: module.training for path, module in model.named_modules()}
    assert record(model, x).outputs
    assert {path: module.training for path, module in model.named_modules()} == flags
    assert set(flags.values()) == {True, False}


def test_dropout_rates_and_output_stride_reach_the_layers() -> None:
    model = build_model("v2+dropout=0.25+rates=2,3+output_stride=16")
    assert isinstance(model.classifier[0], nn.Dropout)
    assert model.classifier[0].p == 0.25
    depthwise = [model.get_submodule(f"aspp.branches.{index}.depthwise") for index in (1, 2)]
    assert [module.dilation for module in depthwise] == [(2, 2), (3, 3)]
    assert any(m.dilation == (2, 2) for m in model.features.modules() if isinstance(m, nn.Conv2d))


def test_an_unknown_variant_is_refused_before_anything_is_built() -> None:
    with pytest.raises(UnknownNameError, match="no variant named 'v22'"):
        build_model("v22")


# Probing


def test_probing_leaves_flags_and_buffers_as_they_were() -> None:
    features = build_features(11, output_stride=32, pretrained=False)
    for index, module in enumerate(features.modules()):
        module.training = index % 3 != 0
    flags = [module.training for module in features.modules()]
    buffers = {name: buffer.clone() for name, buffer in features.named_buffers()}
    assert probe_widths(features, CATALOGUE["v2"].taps) == {"low": 16, "mid": 24, "high": 96}
    assert [module.training for module in features.modules()] == flags
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in features.named_buffers())
    assert not any(parameter.grad is not None for parameter in features.parameters())


def test_probing_that_fails_puts_the_flags_back() -> None:
    features = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(5, 4, 1))
    features[0].eval()
    with pytest.raises(RuntimeError, match="expected input"):
        probe_widths(features, {"high": "features.1"})
    assert [module.training for module in features.modules()] == [True, False, True]


def test_a_new_network_has_seen_no_batch() -> None:
    buffers = dict(build_model("v3").named_buffers())
    for name, buffer in buffers.items():
        expected = 1.0 if name.endswith("running_var") else 0.0
        assert torch.all(buffer == expected), name


# Initialisation and pretrained weights


@pytest.fixture
def imagenet(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """A state dict as torchvision would download it, of other values."""
    build_features(
        4, output_stride=32, pretrained=False
    )  # the modules of torchvision are loaded now
    from torchvision.models.mobilenetv3 import MobileNet_V3_Small_Weights, mobilenet_v3_small

    state = {
        name: torch.rand_like(value) if value.is_floating_point() else torch.full_like(value, 7)
        for name, value in mobilenet_v3_small().state_dict().items()
    }
    asked: list[Any] = []

    def get_state_dict(self: Any, *_: Any, **__: Any) -> dict[str, Tensor]:
        asked.append(self)
        return state

    monkeypatch.setattr(MobileNet_V3_Small_Weights, "get_state_dict", get_state_dict)
    return state


@pytest.mark.parametrize("reference", ["v1", "v3", "v2+output_stride=16"])
def test_a_pretrained_backbone_has_torchvision_s_weights_to_the_last_buffer(
    imagenet: dict[str, Tensor], reference: str
) -> None:
    model = build_model(reference, pretrained=True)
    for name, value in model.features.state_dict().items():
        assert torch.equal(value, imagenet[f"features.{name}"]), name


def test_without_pretrained_nothing_is_downloaded(imagenet: dict[str, Tensor]) -> None:
    model = build_model("v2")
    assert not torch.equal(
        model.features.state_dict()["0.0.weight"], imagenet["features.0.0.weight"]
    )


def new_layers(model: SegmentationNetwork) -> list[nn.Module]:
    return [
        m for name, child in model.named_children() if name != "features" for m in child.modules()
    ]


@pytest.mark.parametrize("pretrained", [False, True])
def test_new_layers_start_as_documented(imagenet: dict[str, Tensor], *, pretrained: bool) -> None:
    assert imagenet
    torch.manual_seed(0)
    layers = new_layers(build_model("v3", pretrained=pretrained))
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    convs = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    heads = (1 + 3 * 2 + 1 + 1) + 1 + 2 * 2 + 1 + 2  # aspp, mid_conv, decoder, low_conv, refine
    assert (len(norms), len(convs)) == (
        heads,
        heads + 1,
    )  # and the classifier, which no norm follows
    for norm_ in norms:
        assert torch.all(norm_.weight == 1)
        assert torch.all(norm_.bias == 0)
    assert [conv.bias is not None for conv in convs] == [
        conv.kernel_size == (1, 1) and conv.out_channels == 21 for conv in convs
    ]
    for conv in convs:
        assert conv.bias is None or torch.all(conv.bias == 0)
        if conv.weight.numel() > 2_000:
            fan_out = (
                conv.out_channels * conv.kernel_size[0] * conv.kernel_size[1]
            )  # torch's, which ignores groups
            assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
            assert abs(conv.weight.mean().item()) < 0.1 * (2 / fan_out) ** 0.5


def test_depthwise_convs_start_with_torch_s_fan_out() -> None:
    torch.manual_seed(0)
    state = build_model("v2").state_dict()
    weights = torch.cat(
        [state[f"aspp.branches.{index}.depthwise.weight"].flatten() for index in (1, 2, 3)]
    )
    assert weights.std().item() == pytest.approx((2 / (96 * 9)) ** 0.5, rel=0.1)


def test_the_backbone_is_left_alone_by_our_initialisation() -> None:
    torch.manual_seed(0)
    ours = build_model("v2").features.state_dict()
    torch.manual_seed(0)
    theirs = build_features(11, output_stride=32, pretrained=False).state_dict()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_a_frozen_backbone_is_counted_as_frozen() -> None:
    model = build_model("v2")
    model.features.requires_grad_(requires_grad=False)
    trace = record(model.to("meta"), torch.empty(1, 3, 64, 64, device="meta"))
    by_path = roll_up(trace, own_params(trace))
    assert (by_path["features"]["frozen"], by_path["features"]["trainable"]) == (576_464, 0)
    assert total_params(trace)["frozen"] == 576_464
    assert total_params(trace)["trainable"] == 645_245 - 576_464
    assert not any(parameter.requires_grad for parameter in model.features.parameters())
