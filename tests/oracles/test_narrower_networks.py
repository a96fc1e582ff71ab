"""The trace of a narrower network compared with that network, built and run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from support.small_networks import (
    Gated,
    Joined,
    Mixing,
    Residual,
    Shuffled,
    Skipping,
    chain,
    classifier,
    grouped,
    separable,
)
from ucseg_cli.analysis.counting.metrics import METRICS, totals
from ucseg_cli.analysis.narrowing.layer_steps import LayerStep, narrow_each_layer
from ucseg_cli.engine.recording.record import record
from ucseg_cli.facts.trace import Trace
from ucseg_cli.zoo.torchvision_models import build_torchvision

Build = Callable[..., nn.Module]


NARROWED: list[tuple[Build, tuple[str, ...], dict[str, int]]] = [
    (chain, ("0.0",), {"a": 6}),
    (chain, ("1.0",), {"b": 9}),
    (Residual, ("stem.0", "up.0"), {"a": 12}),
    (Residual, ("down.0",), {"b": 15}),
    (separable, ("0.0",), {"a": 12}),
    (separable, ("2.0",), {"b": 18}),
    (Gated, ("stem.0", "excite"), {"a": 12}),
    (Gated, ("squeeze",), {"b": 6}),
    (Joined, ("one", "beside"), {"a": 6}),
    (Joined, ("other", "beside"), {"b": 9}),
    (Skipping, ("fine.0",), {"a": 6}),
    (Skipping, ("coarse.0",), {"b": 12}),
    (Skipping, ("back",), {"c": 9}),
    (grouped, ("0.0",), {"a": 12}),
    (grouped, ("1",), {"b": 24}),
    (classifier, ("0.0",), {"a": 9}),
    (classifier, ("3",), {"b": 15}),
    (Shuffled, ("stem.0", "inner.0"), {"a": 12}),
    (Mixing, ("stem", "down"), {"a": 12}),
    (Mixing, ("up",), {"b": 24}),
]


def recorded(model: nn.Module, side: int = 16) -> Trace:
    return record(model, torch.empty(2, 3, side, side, device="meta"))


def on_meta(build: Build, **widths: int) -> nn.Module:
    with torch.device("meta"):
        return build(**widths)


def step_of(trace: Trace, *layers: str) -> tuple[LayerStep, Trace]:
    """The step in which exactly these layers become narrower."""
    steps = narrow_each_layer(trace).steps
    (found,) = (one for one in steps if {layer.path for layer in one[0].layers} == {*layers})
    return found


@pytest.mark.parametrize(
    ("build", "layers", "widths"),
    NARROWED,
    ids=[f"{build.__name__}-{'-'.join(layers)}" for build, layers, _ in NARROWED],
)
def test_a_narrowed_trace_is_that_of_the_narrower_network(
    build: Build, layers: tuple[str, ...], widths: dict[str, int]
) -> None:
    _, after = step_of(recorded(on_meta(build)), *layers)
    really = recorded(on_meta(build, **widths))
    assert totals(after) == totals(really)
    assert totals(after).keys() == METRICS.keys()
    assert after == really


@pytest.mark.parametrize("build", dict.fromkeys(build for build, _, _ in NARROWED))
def test_every_width_of_these_networks_is_a_step_and_their_output_is_none(build: Build) -> None:
    narrowed = narrow_each_layer(recorded(on_meta(build)))
    known = {frozenset(layers) for of, layers, _ in NARROWED if of is build}
    found = {frozenset(layer.path for layer in step.layers) for step, _ in narrowed.steps}
    merge = {frozenset({"merge.0"})} if build is Skipping else set()  # its width has no name
    assert found == known | merge
    (output,) = narrowed.fixed
    assert output.reason == "it is the shape of the model's output"


# Operators that are not followed


class Between(nn.Module):
    """Two convs with something between them."""

    def __init__(self, between: Callable[[Tensor], Tensor], inputs: int = 8) -> None:
        super().__init__()
        self.first, self.between = nn.Conv2d(3, 8, 1), between
        self.last = nn.Conv2d(inputs, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.between(self.first(x)))
        return out


def _expanded_slice(x: Tensor) -> Tensor:
    """As many elements as the whole, on its storage."""
    half = x.mean((0, 2, 3), keepdim=True)[:, :4]
    return half.expand(1, 4, 2, 1)


NOT_FOLLOWED: list[tuple[Callable[[Tensor], Tensor], int, str]] = [
    (lambda x: x.sort(dim=1).values, 8, "sort in the model is not followed"),
    (lambda x: x[:, ::2], 4, "slice in the model is not followed"),
    (lambda x: x.view(2, 2, 4, 16, 16).sum(1), 4, "view in the model is not followed"),
    (
        lambda x: functional.scaled_dot_product_attention(x, x, x),
        8,
        "scaled_dot_product_attention in the model is not followed",
    ),
    (
        lambda x: x + torch.zeros(8, 1, 1, device="meta"),
        8,
        "it is the shape of a tensor that is not a parameter",
    ),
    (_expanded_slice, 4, "its tensors share memory in a way that is not followed"),
]  # fmt: skip


@pytest.mark.parametrize(("between", "inputs", "reason"), NOT_FOLLOWED)
def test_a_layer_around_an_operator_that_is_not_followed_names_it(
    between: Callable[[Tensor], Tensor], inputs: int, reason: str
) -> None:
    narrowed = narrow_each_layer(recorded(on_meta(lambda: Between(between, inputs))))
    reasons = {layer.path: layer.reason for layer in narrowed.fixed}
    assert reasons["first"] == reason
    assert reasons["last"] == "it is the shape of the model's output"


def test_torch_s_own_attention_keeps_its_width() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Linear(5, 8), nn.Linear(8, 3)
            self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            x = self.embed(x)
            out: Tensor = self.head(x + self.attend(x, x, x, need_weights=False)[0])
            return out

    trace = record(on_meta(Attending), torch.empty(2, 7, 5, device="meta"))
    reasons = {layer.path: layer.reason for layer in narrow_each_layer(trace).fixed}
    assert reasons["embed"] == "MultiheadAttention in attend keeps its width"
    assert {"embed", "head"} <= reasons.keys()


class Heads(nn.Module):
    """An attention that takes the width of its heads from its input."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(5, 8), nn.Linear(8, 3)
        self.query, self.project = nn.Linear(8, 24), nn.Linear(8, 8)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        count, length, width = x.shape
        mixed = self.query(x).reshape(count, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        query, key, value = mixed.unbind(0)
        weights = (query @ key.transpose(-2, -1)).softmax(dim=-1)
        attended = (weights @ value).transpose(1, 2).reshape(count, length, width)
        x = x + self.project(attended)
        out: Tensor = self.head(x + self.down(self.up(x)))
        return out


def test_around_an_attention_only_its_mlp_becomes_narrower() -> None:
    trace = record(on_meta(Heads), torch.empty(2, 7, 5, device="meta"))
    narrowed = narrow_each_layer(trace)
    assert [[layer.path for layer in step.layers] for step, _ in narrowed.steps] == [["up"]]
    reasons = {layer.path: layer.reason for layer in narrowed.fixed}
    not_followed = "view in the model is not followed"
    assert reasons == {
        **dict.fromkeys(("embed", "query", "project", "down"), not_followed),
        "head": "it is the shape of the model's output",
    }


# Networks of torchvision, their modules narrowed by hand


def narrower(outputs: int, old: nn.Module, inputs: int | None = None) -> nn.Module:
    """A layer like an *old* one with other channels; a depthwise conv stays one."""
    match old:
        case nn.Conv2d():
            depthwise = old.groups == old.in_channels > 1
            return nn.Conv2d(
                outputs if depthwise else inputs or old.in_channels,
                outputs,
                old.kernel_size,  # type: ignore[arg-type]
                old.stride,  # type: ignore[arg-type]
                old.padding,  # type: ignore[arg-type]
                old.dilation,  # type: ignore[arg-type]
                outputs if depthwise else old.groups,
                bias=old.bias is not None,
            )
        case nn.BatchNorm2d():
            return nn.BatchNorm2d(outputs, old.eps, old.momentum)
        case nn.Linear():
            return nn.Linear(inputs or old.in_features, outputs)
    raise TypeError(old)


def replace(model: nn.Module, layers: dict[str, tuple[int | None, int | None]]) -> None:
    """Put narrower layers in place of others: by path, their inputs and outputs, None as before."""
    for path, (inputs, outputs) in layers.items():
        old: Any = model.get_submodule(path)
        parent, _, name = path.rpartition(".")
        own = old.out_channels if isinstance(old, nn.Conv2d) else getattr(old, "out_features", 0)
        setattr(model.get_submodule(parent), name, narrower(outputs or own, old, inputs))


STAGE = {
    **dict.fromkeys(("layer4.0.conv2", "layer4.0.bn2", "layer4.1.conv2"), (None, 384)),
    **dict.fromkeys(("layer4.1.bn2", "layer4.0.downsample.0"), (None, 384)),
    **dict.fromkeys(("layer4.0.downsample.1",), (None, 384)),
    **dict.fromkeys(("layer4.1.conv1", "fc"), (384, None)),
}
BY_HAND: list[tuple[str, tuple[str, ...], dict[str, tuple[int | None, int | None]]]] = [
    (
        "resnet18",
        ("layer1.0.conv1",),
        {
            "layer1.0.conv1": (None, 48),
            "layer1.0.bn1": (None, 48),
            "layer1.0.conv2": (48, None),
        },
    ),
    ("resnet18", ("layer4.0.conv2", "layer4.0.downsample.0", "layer4.1.conv2"), STAGE),
    (
        "mobilenet_v3_small",
        ("features.2.block.0.0",),
        {
            "features.2.block.0.0": (None, 54),
            "features.2.block.0.1": (None, 54),
            "features.2.block.1.0": (None, 54),
            "features.2.block.1.1": (None, 54),
            "features.2.block.2.0": (54, None),
        },
    ),
    (
        "mobilenet_v3_small",
        ("features.1.block.1.fc1",),
        {"features.1.block.1.fc1": (None, 6), "features.1.block.1.fc2": (6, None)},
    ),
    (
        "mobilenet_v3_small",
        ("classifier.0",),
        {"classifier.0": (None, 768), "classifier.3": (768, None)},
    ),
]


@pytest.mark.parametrize(("name", "layers", "by_hand"), BY_HAND)
def test_a_network_of_torchvision_narrowed_by_hand_has_the_figures_of_the_step(
    name: str, layers: tuple[str, ...], by_hand: dict[str, tuple[int | None, int | None]]
) -> None:
    with torch.device("meta"):
        model = build_torchvision(name, {})
        step, after = step_of(recorded(model, 64), *layers)
        replace(model, by_hand)
    assert totals(after) == totals(recorded(model, 64))
    changed = {layer.path for layer in step.layers}.union(step.dependent)
    assert changed == by_hand.keys()


# Every layer of whole networks


def with_shapes_of(model: nn.Module, after: Trace) -> nn.Module:
    """A copy of a model whose weights have the shapes of a trace, and the numbers that follow."""
    model = deepcopy(model)
    for row in after.modules:
        module = model.get_submodule(row.path)
        for name, shape in _shapes(row, after):
            old = getattr(module, name)
            empty = torch.empty(shape, dtype=old.dtype, device="meta")
            is_parameter = isinstance(old, nn.Parameter)
            setattr(module, name, nn.Parameter(empty) if is_parameter else empty)
        if isinstance(module, nn.Conv2d):
            outputs, inputs = module.weight.shape[:2]
            if module.groups == module.in_channels:
                module.groups = outputs
            module.in_channels, module.out_channels = inputs * module.groups, outputs
        if isinstance(module, nn.LayerNorm):
            module.normalized_shape = tuple(module.weight.shape)
    return model


def _shapes(row: Any, after: Trace) -> Iterator[tuple[str, tuple[int, ...]]]:
    for weight in (*row.parameters, *row.buffers):
        yield weight.name, after.tensors[weight.tensor].shape


@pytest.mark.parametrize(
    "name",
    [
        *("resnet18", "squeezenet1_1"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                *("mobilenet_v3_small", "mobilenet_v2", "shufflenet_v2_x0_5", "densenet121"),
                *("googlenet", "efficientnet_b0", "regnet_x_400mf", "convnext_tiny"),
                *("resnext50_32x4d", "mnasnet0_5", "vgg11_bn", "lraspp_mobilenet_v3_large"),
                *("deeplabv3_mobilenet_v3_large",),
            )
        ),
    ],
)
def test_every_step_of_a_network_runs_and_is_what_its_trace_says(name: str) -> None:
    with torch.device("meta"):
        model = build_torchvision(name, {}).eval()
    narrowed = narrow_each_layer(recorded(model, 64))
    assert {layer.reason for layer in narrowed.fixed} == {"it is the shape of the model's output"}
    for step, after in narrowed.steps:
        really = recorded(with_shapes_of(model, after), 64)
        assert totals(really) == totals(after), step
        assert really == after, step
